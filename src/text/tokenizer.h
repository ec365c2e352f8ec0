// Byte-level byte-pair encoding: text <-> token ids, in the format of Hugging Face's tokenizer.json.
//
//   text --- pre-tokenizer (a regular expression) ---> pre-tokens --- merges, lowest rank first ---> ids
//   "It's 2024"                                         It ' s ␣202 4
//
// A token is a string of bytes. There are three kinds, and what they promise:
//   bytes     the 256 single bytes and what merges made of them. Every text has an encoding, valid UTF-8 or not, and
//             decode(encode(text)) == text for any bytes.
//   tag       <think> and its like ("special": false). Arises from text only under Tags::parse.
//   control   begin, end, padding ("special": true). Arises from no text at all: the program puts it there.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

struct pcre2_real_code_8;

namespace r1 {

// Words, digits by threes (as in DeepSeek-V3), signs, white space; one space goes with what follows it (as in GPT-2).
inline constexpr const char* DEFAULT_PATTERN = R"( ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr const char* GPT2_PATTERN =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Cuts text into pre-tokens: the matches of the pattern and what lies between them. Bytes at which no well-formed
// UTF-8 character starts never reach the pattern: each maximal run of them is a pre-token, and ends the text before
// it. "ab\xFF\xFE c" -> "ab", "\xFF\xFE", " c".
struct PreTokenizer {
    explicit PreTokenizer(const std::string& pattern = DEFAULT_PATTERN, const std::string& where = "the pattern");
    void split(std::string_view text, const std::function<void(std::string_view)>& use) const;

    std::string pattern;

private:
    void split_valid(std::string_view text, const std::function<void(std::string_view)>& use) const;
    std::shared_ptr<pcre2_real_code_8> code;
};

enum class Tags { as_text, parse };  // what the letters <think> in a text become: plain bytes, or the tag
enum class Control { hide, show };   // what a control token decodes to: nothing, or its name

enum class Kind : uint8_t { bytes, tag, control };

struct Token {
    std::string bytes;
    Kind kind = Kind::bytes;
};

// The lower rank merges first; id is the product.
struct Merge {
    int rank = std::numeric_limits<int>::max(), id = -1;  // as they stand here: no merge
    explicit operator bool() const { return id >= 0; }
};

// The control tokens' names; tokenizer.json does not say which is which. A file without `pad` pads with eos.
struct ControlNames {
    std::string bos = "<｜begin▁of▁sentence｜>", eos = "<｜end▁of▁sentence｜>", pad = "<｜▁pad▁｜>";
};

inline constexpr std::array<const char*, 4> TAGS = {"<think>", "</think>", "<answer>", "</answer>"};

// Everything const may be called from several threads at once.
struct Tokenizer {
    int bos = -1, eos = -1, pad = -1;

    int size() const { return int(tokens.size()); }
    int id_of(std::string_view token) const;  // of a tag, a control token or exact bytes; -1 if there is none

    // O(n log n) under the two patterns above. steps, where given, grows by the number of pieces that were looked at.
    std::vector<int> encode(std::string_view text, Tags tags, int64_t* steps = nullptr) const;
    // An id that no token has (models round their vocabulary up) decodes to nothing.
    std::string decode(std::span<const int> ids, Control control = Control::hide) const;
    std::string token_text(int id) const;  // for display: may be a part of a character; "[unused 300]" if none has id

    static Tokenizer load(const std::string& path, const ControlNames& names = {});
    void save(const std::string& path) const;

    PreTokenizer pre_tokenizer;
    std::vector<Token> tokens;                           // by id
    std::vector<std::pair<int, int>> merges;             // left and right id, by rank
    std::array<int, 256> byte_ids = {};

    // For load and train_tokenizer, which make a Tokenizer from its first token to its last merge.
    int add_token(const std::string& bytes, Kind kind);  // returns its id
    bool add_merge(int left, int right, int product);    // of the next rank; false if the pair has one already
    Merge find_merge(int left, int right) const;

private:
    std::unordered_map<uint64_t, Merge> merge_of;        // key: left id, right id
    std::unordered_map<std::string, int> id_by_bytes;    // the same bytes twice: the tag or control token has the name
    std::vector<int> tag_ids;
};

// How often each pre-token occurs: all that training sees of the documents, so their order cannot matter.
using PreTokenCounts = std::map<std::string, int64_t>;
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
