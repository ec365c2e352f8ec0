// Byte-level byte-pair encoding: text <-> token ids, in the format of Hugging Face's tokenizer.json.
//
//   text --- added tokens, normal form ---> pieces --- pre-tokenizer ---> pre-tokens --- merges, lowest rank first ---> ids
//   "It's 2024"                                                          It ' s ␣202 4
//
// A token is a string of bytes. There are three kinds, and what they promise:
//   bytes     the 256 single bytes and what merges made of them. Every text has an encoding, valid UTF-8 or not, and
//             decode(encode(text)) == text for any bytes (if the file asks for a normal form: == its normal form).
//   tag       <think> and its like ("special": false). Arises from text only under Tags::parse and Tags::all.
//   control   begin, end, padding ("special": true). Arises from no text but under Tags::all: the program puts it there.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/tables.h"

namespace r1 {

// What the letters <think> in a text become: plain bytes, or the tag. `all` gives the ids of Hugging Face's library, in
// which a user's text can hold control tokens too: to compare with, and for text of one's own.
enum class Tags { as_text, parse, all };
enum class Control { hide, show };  // what a control token decodes to: nothing, or its name

enum class Kind : uint8_t { bytes, tag, control, unused };  // unused: a gap between ids

struct Token {
    std::string bytes;
    Kind kind = Kind::unused;
};

// The lower rank merges first; id is the product.
struct Merge {
    int rank = PairTable::NONE, id = -1;  // as they stand here: no merge
    explicit operator bool() const { return id >= 0; }
};

// The control tokens' names, where no file beside tokenizer.json names others.
struct ControlNames {
    std::string bos = "<｜begin▁of▁sentence｜>", eos = "<｜end▁of▁sentence｜>", pad = "<｜▁pad▁｜>";
};

inline constexpr std::array<const char*, 4> TAGS = {"<think>", "</think>", "<answer>", "</answer>"};

// Everything const may be called from several threads at once.
struct Tokenizer {
    int bos = -1, eos = -1, pad = -1;   // bos -1: the model has none. Without a pad of its own eos pads
    std::vector<int> stop;              // the ids that end an answer: eos, and what else generation_config.json names
    std::vector<int> before, after;     // what the file's post-processor puts around a text

    int size() const { return int(tokens.size()); }  // the highest id and one
    int id_of(std::string_view token) const;  // of a tag, a control token or exact bytes; -1 if there is none

    int id_of_bytes(std::string_view bytes) const;  // the same, of tokens made of bytes alone

    // O(n log n) under the patterns of scan.h. steps, where given, grows by the pieces and bytes that were looked at.
    std::vector<int> encode(std::string_view text, Tags tags, int64_t* steps = nullptr) const;
    // An id that no token has (models round their vocabulary up) decodes to nothing.
    std::string decode(std::span<const int> ids, Control control = Control::hide) const;
    std::string token_text(int id) const;  // for display: may be a part of a character; "[unused 300]" if none has id

    // Loads a tokenizer.json. bos, eos, pad and stop are, from the files beside it, what tokenizer_config.json names,
    // else config.json's ids; generation_config.json may add to stop. Else the tokens of these names; -1 where there is none.
    // config: the content of config.json where it has been read already; "": it is read if it is there.
    static Tokenizer load(const std::string& path, const ControlNames& names = {}, const std::string& config = "");
    // What train_tokenizer made, or a file of its form. (Other files are copied as they are.)
    void save(const std::string& path) const;

    Normalizer normalizer;
    PreTokenizer pre_tokenizer;
    bool ignore_merges = false;                          // a pre-token that is a token is that token, merges or not
    std::vector<Token> tokens;                           // by id
    std::vector<std::pair<int, int>> merges;             // left and right id, by rank
    std::array<int, 256> byte_ids = {};

    // For load and train_tokenizer, which make a Tokenizer from its first token to its last merge.
    int add_token(const std::string& bytes, Kind kind);  // of the next id, which it returns
    void set_token(int id, const std::string& bytes, Kind kind);
    void find_in_text(const AddedToken& token);          // a tag or control token that is there, and how it is sought
    bool add_merge(int left, int right, int product);    // of the next rank; false if the pair has one already
    Merge find_merge(int left, int right) const;

private:
    friend struct Encoder;
    void changed();

    Table<int> products;                           // by rank
    PairTable ranks;
    Table<int> byte_pair_ranks = Table<int>(1 << 16, PairTable::NONE);  // by left byte * 256 + right byte
    IdTable vocabulary;                                  // bytes
    std::unordered_map<std::string, int> names;          // tags and control tokens
    AddedTokenFinder finders[2][2];                      // [tags or all][sought in the text as it is, or normalized]
    uint64_t version = 0;                                // no two tokenizers that differ have the same
};

// How often each pre-token occurs: all that training sees of the documents, so their order cannot matter.
class PreTokenCounts {
public:
    void add(std::string_view pre_token, int64_t count = 1);
    size_t size() const { return items_.size(); }

    struct Item {
        std::string pre_token;
        int64_t count;
    };
    const std::vector<Item>& items() const { return items_; }

private:
    std::vector<Item> items_;
    IdTable index_;
};
void count_pre_tokens(const PreTokenizer& pre_tokenizer, std::string_view document, PreTokenCounts& counts);

// Byte-pair training: merge the most frequent pair of neighbours (overlapping pairs count: "aaa" holds "aa" twice),
// of equals the one of the lowest left id, then right id; until there are vocab_size tokens or no pair occurs twice.
// Ids: control tokens 0 to 2 (bos, eos, pad), TAGS 3 to 6, byte b at 7 + b, then the product of rank r at 263 + r.
// (No product comes up twice: within equal bounds equal bytes are merged alike, whatever stands around them.)
Tokenizer train_tokenizer(const PreTokenCounts& counts, int vocab_size,
                          const PreTokenizer& pre_tokenizer = PreTokenizer());
Tokenizer train_tokenizer(const std::vector<std::string>& documents, int vocab_size,
                          const PreTokenizer& pre_tokenizer = PreTokenizer());

}  // namespace r1
