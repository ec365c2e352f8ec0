// In the order of the data: text to pre-tokens, pre-tokens to ids, ids to text; then training; then tokenizer.json.
#include "text/tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <queue>
#include <tuple>

#include "base/check.h"
#include "base/files.h"

namespace r1 {

// ---------------------------------------------------------------------------------------------------- pre-tokens

// Hugging Face's \s is Unicode's White_Space; PCRE2's takes U+180E too. So \s and \S are written out:
// \s+(?!\S) -> [\p{Z}\t-\r\x{85}]+(?![^\p{Z}\t-\r\x{85}]), and \s within [ ] without brackets of its own.
static std::string written_out(const std::string& pattern) {
    const std::string spaces = R"(\p{Z}\t-\r\x{85})";
    std::string out;
    bool in_class = false;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const std::string part = pattern.substr(i, pattern[i] == '\\' ? 2 : 1);
        i += part.size() - 1;
        if (part == "[" || part == "]") in_class = part == "[";
        if (part == "\\s") out += in_class ? spaces : "[" + spaces + "]";
        else if (part == "\\S" && !in_class) out += "[^" + spaces + "]";
        else out += part;
    }
    return out;
}

PreTokenizer::PreTokenizer(const std::string& pattern, const std::string& where) : pattern(pattern) {
    const std::string source = written_out(pattern);
    int error = 0;
    PCRE2_SIZE at = 0;
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    code.reset(pcre2_compile(PCRE2_SPTR(source.data()), source.size(), options, &error, &at, nullptr), pcre2_code_free);
    if (!code) {
        PCRE2_UCHAR message[256];
        pcre2_get_error_message(error, message, sizeof message);
        fail("a bad regular expression, " + json(pattern).dump(), where, reinterpret_cast<const char*>(message));
    }
    pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT, the interpreter finds the same matches
}

// Length of the UTF-8 character that starts at text[i]; 0 if none does.
static size_t character_at(std::string_view text, size_t i) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) return 1;
    const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return i + length <= text.size() && valid_utf8(text.substr(i, length)) ? length : 0;
}

void PreTokenizer::split(std::string_view text, const std::function<void(std::string_view)>& use) const {
    for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
        for (size_t n; end < text.size() && (n = character_at(text, end)) > 0;) end += n;
        split_valid(text.substr(begin, end - begin), use);
        begin = end;
        while (end < text.size() && character_at(text, end) == 0) ++end;
        if (end > begin) use(text.substr(begin, end - begin));
    }
}

void PreTokenizer::split_valid(std::string_view text, const std::function<void(std::string_view)>& use) const {
    // Without NO_UTF_CHECK each match would read the whole rest of the text: quadratic.
    const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    const auto subject = PCRE2_SPTR(text.data());
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
        pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    for (size_t begin = 0; begin < text.size();) {
        const int found = pcre2_match(code.get(), subject, text.size(), begin, options, match.get(), nullptr);
        if (found < 0 && found != PCRE2_ERROR_NOMATCH)
            fail("PCRE2's error " + std::to_string(found), "pattern " + json(pattern).dump(), "avoid nested repeats");
        const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.get());
        const size_t from = found < 0 ? text.size() : span[0], to = found < 0 ? text.size() : span[1];
        if (from > begin) use(text.substr(begin, from - begin));
        if (to > from) use(text.substr(from, to - from));
        begin = to;
    }
}

// --------------------------------------------------------------------------------------------------- text to ids

static uint64_t pair_key(int left, int right) { return uint64_t(uint32_t(left)) << 32 | uint32_t(right); }

Merge Tokenizer::find_merge(int left, int right) const {
    const auto found = merge_of.find(pair_key(left, right));
    return found == merge_of.end() ? Merge{} : found->second;
}

namespace {

// A token of a pre-token in the making, and its merge with the right neighbour.
struct Piece {
    int id;
    Merge merge;
};

// Quadratic, and the fastest for the few bytes of a word: find the lowest rank (of equals the leftmost), merge, repeat.
void merge_short(const Tokenizer& tokenizer, std::vector<Piece>& pieces, int64_t& steps) {
    const auto lower = [](const Piece& a, const Piece& b) { return a.merge.rank < b.merge.rank; };
    for (size_t i = 0; i + 1 < pieces.size(); ++i)
        pieces[i].merge = tokenizer.find_merge(pieces[i].id, pieces[i + 1].id);
    for (;;) {
        steps += int64_t(pieces.size());
        const auto best = std::min_element(pieces.begin(), pieces.end(), lower);
        if (!best->merge) return;
        best->id = best->merge.id;
        const auto next = pieces.erase(best + 1);
        best->merge = next == pieces.end() ? Merge{} : tokenizer.find_merge(best->id, next->id);
        if (best != pieces.begin()) (best - 1)->merge = tokenizer.find_merge((best - 1)->id, best->id);
    }
}

// The same merges in the same order, O(n log n): the pieces are a linked list, the possible merges a heap. An entry
// of the heap is out of date when its piece has another merge by now, or none because its left neighbour took it.
void merge_long(const Tokenizer& tokenizer, std::vector<Piece>& pieces, int64_t& steps) {
    using Candidate = std::pair<int, size_t>;  // rank, position: the lowest rank first, of equals the leftmost
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
    const size_t n = pieces.size();
    std::vector<size_t> left(n), right(n);
    const auto consider = [&](size_t i) {
        pieces[i].merge = right[i] == n ? Merge{} : tokenizer.find_merge(pieces[i].id, pieces[right[i]].id);
        if (pieces[i].merge) candidates.push({pieces[i].merge.rank, i});
        ++steps;
    };
    for (size_t i = 0; i < n; ++i) left[i] = i - 1, right[i] = i + 1;
    for (size_t i = 0; i < n; ++i) consider(i);
    for (; !candidates.empty(); ++steps) {
        const auto [rank, i] = candidates.top();
        candidates.pop();
        if (pieces[i].merge.rank != rank) continue;
        const size_t taken = right[i];
        pieces[i].id = pieces[i].merge.id;
        pieces[taken].merge = {};
        right[i] = right[taken];
        if (right[i] < n) left[right[i]] = i;
        consider(i);
        if (i > 0) consider(left[i]);
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i = right[i]) pieces[kept++].id = pieces[i].id;
    pieces.resize(kept);
}

}  // namespace

std::vector<int> Tokenizer::encode(std::string_view text, Tags tags, int64_t* steps) const {
    std::vector<int> ids;
    std::vector<Piece> pieces;
    int64_t count = 0;
    const auto encode_pre_token = [&](std::string_view pre_token) {
        pieces.clear();
        for (const char byte : pre_token) pieces.push_back({byte_ids[static_cast<unsigned char>(byte)], {}});
        (pieces.size() <= 48 ? merge_short : merge_long)(*this, pieces, count);
        for (const Piece& piece : pieces) ids.push_back(piece.id);
    };
    size_t begin = 0;  // of the text that is not encoded yet
    for (size_t i = 0; tags == Tags::parse && i < text.size(); ++i) {
        int longest = -1;
        for (const int tag : tag_ids)
            if (text.substr(i).starts_with(tokens[tag].bytes) &&
                (longest < 0 || tokens[tag].bytes.size() > tokens[longest].bytes.size()))
                longest = tag;
        if (longest < 0) continue;
        pre_tokenizer.split(text.substr(begin, i - begin), encode_pre_token);
        ids.push_back(longest);
        begin = i + tokens[longest].bytes.size();
        i = begin - 1;
    }
    pre_tokenizer.split(text.substr(begin), encode_pre_token);
    if (steps) *steps += count;
    return ids;
}

// --------------------------------------------------------------------------------------------------- ids to text

std::string Tokenizer::decode(std::span<const int> ids, Control control) const {
    std::string text;
    for (const int id : ids) {
        if (id < 0 || id >= size() || (tokens[id].kind == Kind::control && control == Control::hide)) continue;
        text += tokens[id].bytes;
    }
    return text;
}

std::string Tokenizer::token_text(int id) const {
    return id < 0 || id >= size() ? "[unused " + std::to_string(id) + "]" : tokens[id].bytes;
}

int Tokenizer::id_of(std::string_view token) const {
    const auto found = id_by_bytes.find(std::string(token));
    return found == id_by_bytes.end() ? -1 : found->second;
}

// ------------------------------------------------------------------------------------------------------ training

int Tokenizer::add_token(const std::string& bytes, Kind kind) {
    const int id = size();
    tokens.push_back({bytes, kind});
    if (kind != Kind::bytes) id_by_bytes[bytes] = id;
    else id_by_bytes.emplace(bytes, id);
    if (kind == Kind::bytes && bytes.size() == 1) byte_ids[static_cast<unsigned char>(bytes[0])] = id;
    if (kind == Kind::tag) tag_ids.push_back(id);
    return id;
}

bool Tokenizer::add_merge(int left, int right, int product) {
    if (!merge_of.emplace(pair_key(left, right), Merge{int(merges.size()), product}).second) return false;
    merges.push_back({left, right});
    return true;
}

void count_pre_tokens(const PreTokenizer& pre_tokenizer, std::string_view document, PreTokenCounts& counts) {
    pre_tokenizer.split(document, [&](std::string_view pre_token) {
        ++counts[std::string(pre_token)];
    });
}

namespace {

struct Word {
    std::vector<int> ids;
    int64_t count;
};

struct PairUse {
    int64_t count = 0;
    std::vector<int> words;  // where the pair occurs, or did once
};

// The words as they are merged, and the count of every pair of neighbours. The heap holds for each pair an entry that
// is at least its count; one that is too large when it comes to the top goes back with the right count.
struct Trainer {
    std::vector<Word> words;
    std::unordered_map<uint64_t, PairUse> uses;                     // looked up, never walked
    std::priority_queue<std::tuple<int64_t, int, int>> candidates;  // count, -left, -right: the largest is the best
    std::vector<std::pair<int, int>> grown;                         // more frequent than the heap knows

    void add(int left, int right, int word, int sign) {
        PairUse& use = uses[pair_key(left, right)];
        use.count += sign * words[word].count;
        if (sign < 0) return;
        grown.push_back({left, right});
        if (use.words.empty() || use.words.back() != word) use.words.push_back(word);
    }

    void queue_grown() {
        std::sort(grown.begin(), grown.end());
        grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
        for (const auto& [left, right] : grown) candidates.push({uses[pair_key(left, right)].count, -left, -right});
        grown.clear();
    }

    // x a b y -> x p y: the pairs xa, ab, by go, xp and py come. x may itself be a p made a moment ago.
    void merge_in(int word, int a, int b, int product) {
        std::vector<int>& ids = words[word].ids;
        size_t kept = 0;
        for (size_t i = 0; i < ids.size(); ++i) {
            const bool merges = i + 1 < ids.size() && ids[i] == a && ids[i + 1] == b;
            if (merges) {
                add(a, b, word, -1);
                if (kept > 0) add(ids[kept - 1], a, word, -1), add(ids[kept - 1], product, word, +1);
                if (i + 2 < ids.size()) add(b, ids[i + 2], word, -1), add(product, ids[i + 2], word, +1);
            }
            ids[kept++] = merges ? product : ids[i];
            i += merges;
        }
        ids.resize(kept);
    }

    void merge(int a, int b, int product) {
        for (const int word : std::exchange(uses[pair_key(a, b)].words, {})) merge_in(word, a, b, product);
        queue_grown();
    }
};

}  // namespace

Tokenizer train_tokenizer(const PreTokenCounts& counts, int vocab_size, const PreTokenizer& pre_tokenizer) {
    Tokenizer tokenizer;
    tokenizer.pre_tokenizer = pre_tokenizer;
    const ControlNames names;
    tokenizer.bos = tokenizer.add_token(names.bos, Kind::control);
    tokenizer.eos = tokenizer.add_token(names.eos, Kind::control);
    tokenizer.pad = tokenizer.add_token(names.pad, Kind::control);
    for (const char* tag : TAGS) tokenizer.add_token(tag, Kind::tag);
    for (int byte = 0; byte < 256; ++byte) tokenizer.add_token(std::string(1, char(byte)), Kind::bytes);
    if (vocab_size < tokenizer.size())
        fail("a vocabulary of " + std::to_string(vocab_size), "training a tokenizer",
             "ask for at least " + std::to_string(tokenizer.size()) + ": the bytes, tags and control tokens");

    Trainer trainer;
    for (const auto& [pre_token, count] : counts) {
        const int word = int(trainer.words.size());
        std::vector<int> ids;
        for (const char byte : pre_token) ids.push_back(tokenizer.byte_ids[static_cast<unsigned char>(byte)]);
        trainer.words.push_back({ids, count});
        for (size_t i = 0; i + 1 < ids.size(); ++i) trainer.add(ids[i], ids[i + 1], word, +1);
    }
    trainer.queue_grown();

    while (tokenizer.size() < vocab_size && !trainer.candidates.empty()) {
        const auto [count, minus_left, minus_right] = trainer.candidates.top();
        const int left = -minus_left, right = -minus_right;
        trainer.candidates.pop();
        const int64_t count_now = trainer.uses[pair_key(left, right)].count;
        if (count_now < 2) continue;
        if (count_now != count) {
            trainer.candidates.push({count_now, minus_left, minus_right});
            continue;
        }
        const std::string bytes = tokenizer.tokens[left].bytes + tokenizer.tokens[right].bytes;
        if (tokenizer.id_of(bytes) >= 0) continue;  // text never merges into a tag
        const int product = tokenizer.add_token(bytes, Kind::bytes);
        tokenizer.add_merge(left, right, product);
        trainer.merge(left, right, product);
    }
    return tokenizer;
}

Tokenizer train_tokenizer(const std::vector<std::string>& documents, int vocab_size,
                          const PreTokenizer& pre_tokenizer) {
    PreTokenCounts counts;
    for (const std::string& document : documents) count_pre_tokens(pre_tokenizer, document, counts);
    return train_tokenizer(counts, vocab_size, pre_tokenizer);
}

// ------------------------------------------------------------------------------------------------ tokenizer.json

// GPT-2's byte alphabet, a printable character for each byte, so that tokens can be strings of JSON. Bytes that print
// in Latin-1 stand for themselves, the others for U+0100 and on: 'A' -> "A", ' ' -> "Ġ", '\n' -> "Ċ".
static const std::array<std::string, 256>& byte_alphabet() {
    static const std::array<std::string, 256> alphabet = [] {
        std::array<std::string, 256> table;
        int next = 256;
        for (int byte = 0; byte < 256; ++byte) {
            const bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
            const int c = prints ? byte : next++;
            if (c < 0x80) table[byte] = {char(c)};
            else table[byte] = {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
        }
        return table;
    }();
    return alphabet;
}

static std::string to_alphabet(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) text += byte_alphabet()[static_cast<unsigned char>(byte)];
    return text;
}

void Tokenizer::save(const std::string& path) const {
    json added = json::array(), pairs = json::array();
    json::object_t vocab;  // appended to: json's own [key] = value searches all keys before it
    for (int id = 0; id < size(); ++id) {
        const auto& [bytes, kind] = tokens[id];
        vocab.emplace_back(kind == Kind::bytes ? to_alphabet(bytes) : bytes, id);
        if (kind == Kind::bytes) continue;
        added.push_back({{"id", id}, {"content", bytes}, {"single_word", false}, {"lstrip", false}, {"rstrip", false},
                         {"normalized", false}, {"special", kind == Kind::control}});
    }
    for (const auto& [left, right] : merges)
        pairs.push_back(to_alphabet(tokens[left].bytes) + " " + to_alphabet(tokens[right].bytes));
    const json split = {{"type", "Split"}, {"pattern", {{"Regex", pre_tokenizer.pattern}}}, {"behavior", "Isolated"},
                        {"invert", false}};
    const json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true},
                             {"use_regex", false}};
    const json sequence = {{"type", "Sequence"}, {"pretokenizers", json::array({split, byte_level})}};
    const json model = {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"byte_fallback", false},
                        {"ignore_merges", false}, {"vocab", vocab}, {"merges", pairs}};
    const json file = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added},
                       {"normalizer", nullptr}, {"pre_tokenizer", sequence}, {"post_processor", nullptr},
                       {"decoder", byte_level}, {"model", model}};
    write_file_atomically(path, file.dump(1) + "\n");
}

namespace {

// nlohmann's sorted object: json, which keeps the order of keys, needs quadratic time for a vocabulary.
using Tree = nlohmann::json;

bool is_set(const Tree& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && !found->is_null() && *found != false && *found != "";
}

struct Loader {
    const Tree& file;
    const std::string& path;
    Tokenizer tokenizer;

    [[noreturn]] void refuse(const std::string& what) const {
        fail(what, path, "use a byte-level BPE file as r1 or the tokenizers library writes it");
    }
    void require(bool condition, const char* otherwise) const {
        if (!condition) refuse(otherwise);
    }

    std::string pattern() const {
        const Tree& pre_tokenizer = file.at("pre_tokenizer");
        const bool alone = pre_tokenizer.at("type") == "ByteLevel";
        const Tree steps = alone ? Tree::array({pre_tokenizer}) : pre_tokenizer.at("pretokenizers");
        require(alone || (steps.size() == 2 && steps[0].at("type") == "Split" && steps[1].at("type") == "ByteLevel"),
                "a pre-tokenizer that is neither ByteLevel nor Split + ByteLevel");
        require(!is_set(steps.back(), "add_prefix_space"), "a pre-tokenizer that adds a space");
        require(steps.back().value("use_regex", true) == alone, "a pre-tokenizer with two regular expressions or none");
        if (alone) return GPT2_PATTERN;
        require(steps[0].at("behavior") == "Isolated" && !is_set(steps[0], "invert"), "a Split that is not Isolated");
        return steps[0].at("pattern").at("Regex").get<std::string>();
    }

    std::string from_alphabet(const std::string& name) const {
        static const auto byte_of = [] {
            std::map<std::string, char, std::less<>> table;
            for (int byte = 0; byte < 256; ++byte) table[byte_alphabet()[byte]] = char(byte);
            return table;
        }();
        std::string bytes;
        for (size_t i = 0, n; i < name.size(); i += n) {
            n = character_at(name, i);
            const auto found = byte_of.find(std::string_view(name).substr(i, n));
            if (found == byte_of.end()) refuse("the token " + Tree(name).dump() + " outside the byte alphabet");
            bytes += found->second;
        }
        return bytes;
    }

    // Added tokens may stand in the vocabulary too, or only in their own list.
    void read_tokens(const Tree& vocab) {
        std::map<std::string, Tree> added;
        for (const Tree& token : file.at("added_tokens")) added[token.at("content").get<std::string>()] = token;
        size_t count = added.size();
        for (const auto& [name, id] : vocab.items()) count += !added.contains(name);
        std::vector<Token> by_id(count);
        const auto place = [&](const Tree& id, const std::string& bytes, Kind kind) {
            require(!bytes.empty(), "an empty token");
            const bool in_range = id.is_number_integer() && id >= 0 && id < count;
            if (!in_range || !by_id[id.get<size_t>()].bytes.empty())
                refuse("token ids that are not 0, 1, 2, ... each once (" + id.dump() + ")");
            by_id[id.get<size_t>()] = {bytes, kind};
        };
        for (const auto& [name, token] : added) {
            const bool special = token.value("special", false);
            for (const char* key : {"lstrip", "rstrip", "single_word"})
                require(special || !is_set(token, key), "a tag with lstrip, rstrip or single_word");
            place(token.at("id"), name, special ? Kind::control : Kind::tag);
            const auto twin = vocab.find(name);
            if (twin != vocab.end() && *twin != token["id"]) refuse("two ids for the token " + Tree(name).dump());
        }
        for (const auto& [name, id] : vocab.items())
            if (!added.contains(name)) place(id, from_alphabet(name), Kind::bytes);

        tokenizer.byte_ids.fill(-1);
        for (const auto& [bytes, kind] : by_id) tokenizer.add_token(bytes, kind);
        for (int byte = 0; byte < 256; ++byte)
            if (tokenizer.byte_ids[byte] < 0) refuse("no token for the byte " + std::to_string(byte));
    }

    // A merge is written "a b" or ["a", "b"].
    void read_merges(const Tree& vocab, const Tree& merges) {
        for (const Tree& merge : merges) {
            const std::string text = merge.is_string() ? merge.get<std::string>() : "";
            const size_t space = text.find(' ');
            if (merge.is_array() ? merge.size() != 2 : space == std::string::npos)
                refuse("the merge " + merge.dump() + " that is no pair");
            const std::string left = merge.is_array() ? merge[0].get<std::string>() : text.substr(0, space);
            const std::string right = merge.is_array() ? merge[1].get<std::string>() : text.substr(space + 1);
            const auto find = [&](const std::string& name) {
                const auto found = vocab.find(name);
                if (found == vocab.end() || tokenizer.tokens[found->get<size_t>()].kind != Kind::bytes)
                    refuse("the merge " + merge.dump() + " without a token " + Tree(name).dump() + " made of bytes");
                return found->get<int>();
            };
            const int left_id = find(left), right_id = find(right), product = find(left + right);
            if (!tokenizer.add_merge(left_id, right_id, product)) refuse("the merge " + merge.dump() + " twice");
        }
    }

    void read(const ControlNames& names) {
        const Tree& model = file.at("model");
        require(model.at("type") == "BPE", "a model that is not BPE");
        require(!is_set(file, "normalizer"), "a tokenizer with a normalizer");
        for (const char* key :
             {"dropout", "byte_fallback", "ignore_merges", "continuing_subword_prefix", "end_of_word_suffix"})
            if (is_set(model, key)) refuse(std::string("a tokenizer with ") + key);
        tokenizer.pre_tokenizer = PreTokenizer(pattern(), path);
        read_tokens(model.at("vocab"));
        read_merges(model.at("vocab"), model.at("merges"));
        const auto find = [&](const std::string& name, bool needed) {
            const int id = tokenizer.id_of(name);
            if (id >= 0 && tokenizer.tokens[id].kind == Kind::control) return id;
            if (needed) refuse("no control token " + name + " (special: true)");
            return tokenizer.eos;
        };
        tokenizer.bos = find(names.bos, true);
        tokenizer.eos = find(names.eos, true);
        tokenizer.pad = find(names.pad, false);
    }
};

}  // namespace

Tokenizer Tokenizer::load(const std::string& path, const ControlNames& names) {
    const Tree file = Tree::parse(read_file(path), nullptr, false);
    if (file.is_discarded()) fail("not JSON", path, "repair the file or copy it again");
    try {
        Loader loader{file, path, {}};
        loader.read(names);
        return std::move(loader.tokenizer);
    } catch (const Tree::exception& error) {
        fail("not a tokenizer.json", path, error.what());
    }
}

}  // namespace r1
