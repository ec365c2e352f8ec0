// tokenizer.json, and what the files beside it say of the control tokens.
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/check.h"
#include "base/files.h"
#include "text/json_limits.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace r1 {

namespace {

using Tree = nlohmann::json;

// GPT-2's byte alphabet, a printable character for each byte, so that tokens can be strings of JSON. Bytes that print
// in Latin-1 stand for themselves, the others for U+0100 and on: 'A' -> "A", ' ' -> "Ġ", '\n' -> "Ċ".
struct ByteAlphabet {
    std::array<std::string, 256> of_byte;
    std::array<int, 0x144> to_byte;  // by character; -1: not in the alphabet

    ByteAlphabet() {
        to_byte.fill(-1);
        int next = 256;
        for (int byte = 0; byte < 256; ++byte) {
            const bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
            const int c = prints ? byte : next++;
            to_byte[size_t(c)] = byte;
            if (c < 0x80) of_byte[size_t(byte)] = {char(c)};
            else of_byte[size_t(byte)] = {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
        }
    }
};

const ByteAlphabet& alphabet() {
    static const ByteAlphabet table;
    return table;
}

std::string to_alphabet(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) text += alphabet().of_byte[static_cast<unsigned char>(byte)];
    return text;
}

// False if a character is not of the alphabet. name is well-formed UTF-8.
bool from_alphabet(std::string_view name, std::string& bytes) {
    bytes.clear();
    for (size_t i = 0, next; i < name.size(); i = next) {
        const uint32_t c = decode_character(name.data(), i, next);
        if (c >= alphabet().to_byte.size() || alphabet().to_byte[c] < 0) return false;
        bytes += char(alphabet().to_byte[c]);
    }
    return true;
}

}  // namespace

void Tokenizer::save(const std::string& path) const {
    if (pre_tokenizer.pattern().empty() || normalizer || ignore_merges || !before.empty() || !after.empty())
        fail("a tokenizer of a form that is not written here", path, "copy its file");
    json added = json::array(), pairs = json::array();
    json::object_t vocab;  // appended to: json's own [key] = value searches all keys before it
    for (int id = 0; id < size(); ++id) {
        const auto& [bytes, kind] = tokens[size_t(id)];
        if (kind == Kind::unused) continue;
        vocab.emplace_back(kind == Kind::bytes ? to_alphabet(bytes) : bytes, id);
        if (kind == Kind::bytes) continue;
        added.push_back({{"id", id}, {"content", bytes}, {"single_word", false}, {"lstrip", false}, {"rstrip", false},
                         {"normalized", false}, {"special", kind == Kind::control}});
    }
    for (const auto& [left, right] : merges)
        pairs.push_back(to_alphabet(tokens[size_t(left)].bytes) + " " + to_alphabet(tokens[size_t(right)].bytes));
    const json split = {{"type", "Split"}, {"pattern", {{"Regex", pre_tokenizer.pattern()}}}, {"behavior", "Isolated"},
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

bool is_set(const Tree& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && !found->is_null() && *found != false && *found != "" && *found != 0;
}

bool flag(const Tree& object, const char* key, bool otherwise) {
    const auto found = object.find(key);
    return found == object.end() ? otherwise : found->get<bool>();
}

struct Loader {
    const std::string& text;
    const std::string& path;
    Tree file = {};
    Tokenizer tokenizer = {};
    std::vector<Token> by_id = {};                   // while it is read: names as they stand in the file
    IdTable id_of_name = {};
    size_t ids = 0;

    [[noreturn]] void refuse(const std::string& what) const {
        fail(what, path, "use a byte-level BPE file as r1 or the tokenizers library writes it");
    }
    void require(bool condition, const char* otherwise) const {
        if (!condition) refuse(otherwise);
    }
    std::string type_of(const Tree& object) const {
        return object.is_object() ? object.value("type", std::string()) : std::string();
    }

    // ---- the vocabulary

    std::string_view name_of(int id) const { return by_id[size_t(id)].bytes; }
    int find_name(const std::string& name) const {
        return id_of_name.find(name, [this](int id) { return name_of(id); });
    }

    void place(int64_t id, const std::string& name, Kind kind) {
        require(!name.empty(), "an empty token");
        if (id < 0 || id >= MAX_IDS)
            refuse("the token id " + std::to_string(id) + " outside 0 to " + std::to_string(MAX_IDS - 1));
        if (find_name(name) >= 0) refuse("the token " + Tree(name).dump() + " twice");
        if (size_t(id) >= by_id.size()) by_id.resize(size_t(id) + 1);
        if (by_id[size_t(id)].kind != Kind::unused) refuse("the token id " + std::to_string(id) + " twice");
        by_id[size_t(id)] = {name, kind};
        id_of_name.add(int(id), name);
        bytes_read += name.size();
        if (bytes_read > (8u << 20)) refuse("tokens of more than 8 MB");
    }
    size_t bytes_read = 0;

    void read_tokens() {
        std::vector<AddedToken> added;
        std::vector<bool> is_added;
        for (const Tree& entry : file.at("added_tokens")) {
            AddedToken token;
            const int64_t id = entry.at("id").get<int64_t>();
            token.content = entry.at("content").get<std::string>();
            require(token.content.find('\0') == std::string::npos, "a token with the character NUL");
            token.special = flag(entry, "special", false), token.single_word = flag(entry, "single_word", false);
            token.lstrip = flag(entry, "lstrip", false), token.rstrip = flag(entry, "rstrip", false);
            token.normalized = flag(entry, "normalized", !token.special);
            const int twin = find_name(token.content);
            const Kind kind = token.special ? Kind::control : Kind::tag;
            if (twin < 0) place(id, token.content, kind);
            else if (twin != id) refuse("two ids for the token " + Tree(token.content).dump());
            else if (by_id[size_t(id)].kind != Kind::bytes) refuse("the token " + Tree(token.content).dump() + " twice");
            by_id[size_t(id)].kind = kind;
            token.id = int(id);
            added.push_back(token);
        }
        tokenizer.byte_ids.fill(-1);
        std::string bytes;
        for (size_t id = 0; id < by_id.size(); ++id) {
            Token& token = by_id[id];
            if (token.kind != Kind::bytes) continue;
            if (!from_alphabet(token.bytes, bytes))
                refuse("the token " + Tree(token.bytes).dump() + " outside the byte alphabet");
            tokenizer.set_token(int(id), bytes, Kind::bytes);
            std::string().swap(token.bytes);
        }
        // DeepSeek-V2's vocabulary has no tokens for the bytes of no text, such as FF, but an added token "ÿ", the byte's
        // letter in the alphabet. It serves as both.
        for (AddedToken& token : added) {
            const bool one = from_alphabet(token.content, bytes) && bytes.size() == 1;
            const bool is_byte = one && !token.special && tokenizer.byte_ids[static_cast<unsigned char>(bytes[0])] < 0;
            if (is_byte) token.special = true;  // text becomes it under Tags::all alone
            tokenizer.set_token(token.id, is_byte ? bytes : token.content, is_byte ? Kind::bytes : by_id[size_t(token.id)].kind);
            tokenizer.find_in_text(token);
        }
        for (int byte = 0; byte < 256; ++byte)
            if (tokenizer.byte_ids[size_t(byte)] < 0) refuse("no token for the byte " + std::to_string(byte));
    }

    // A merge is written "a b" or ["a", "b"].
    void read_merge(const std::vector<std::string>& strings, bool is_array) {
        const auto written = [&] { return is_array ? Tree(strings).dump() : Tree(strings[0]).dump(); };
        std::string names[2];
        if (is_array) {
            if (strings.size() != 2) refuse("the merge " + written() + " that is no pair");
            names[0] = strings[0], names[1] = strings[1];
        } else {
            const size_t space = strings[0].find(' ');
            if (space == std::string::npos) refuse("the merge " + written() + " that is no pair");
            names[0] = strings[0].substr(0, space), names[1] = strings[0].substr(space + 1);
        }
        std::string bytes;
        const auto find = [&](const std::string& name) {
            const bool in_alphabet = !name.empty() && from_alphabet(name, bytes);
            const int id = in_alphabet ? tokenizer.id_of_bytes(bytes) : -1;
            if (id < 0) refuse("the merge " + written() + " without a token " + Tree(name).dump() + " made of bytes");
            return id;
        };
        const int left = find(names[0]), right = find(names[1]), product = find(names[0] + names[1]);
        if (tokenizer.merges.size() >= size_t(MAX_IDS)) refuse("more than " + std::to_string(MAX_IDS) + " merges");
        if (!tokenizer.add_merge(left, right, product)) refuse("the merge " + written() + " twice");
    }

    // ---- the steps before the model

    void read_normalizer(const Tree& normalizer) {
        if (normalizer.is_null()) return;
        const std::string type = type_of(normalizer);
        if (type == "Sequence") {
            for (const Tree& one : normalizer.at("normalizers")) read_normalizer(one);
            return;
        }
        const std::map<std::string, NormalForm> forms = {{"NFC", NormalForm::nfc}, {"NFD", NormalForm::nfd},
                                                         {"NFKC", NormalForm::nfkc}, {"NFKD", NormalForm::nfkd}};
        if (!forms.contains(type)) refuse("a normalizer " + Tree(type).dump() + " that is none of NFC, NFD, NFKC, NFKD");
        tokenizer.normalizer.forms.push_back(forms.at(type));
        require(tokenizer.normalizer.forms.size() <= 4, "more than four normalizers");
    }

    Behavior behavior_of(const Tree& step) const {
        const std::string name = step.value("behavior", std::string("Isolated"));
        if (name == "Removed") return Behavior::removed;
        if (name == "MergedWithPrevious") return Behavior::merged_with_previous;
        if (name == "MergedWithNext") return Behavior::merged_with_next;
        if (name == "Contiguous") return Behavior::contiguous;
        if (name != "Isolated") refuse("a behavior " + Tree(name).dump());
        return Behavior::isolated;
    }

    std::vector<SplitStep> read_steps() const {
        const Tree& pre_tokenizer = file.at("pre_tokenizer");
        const bool many = type_of(pre_tokenizer) == "Sequence";
        const Tree list = many ? pre_tokenizer.at("pretokenizers") : Tree::array({pre_tokenizer});
        require(list.is_array() && !list.empty() && type_of(list.back()) == "ByteLevel",
                "a pre-tokenizer that does not end with ByteLevel");
        require(list.size() <= 16, "a pre-tokenizer of more than 16 steps");
        std::vector<SplitStep> steps;
        for (size_t i = 0; i < list.size(); ++i) {
            const Tree& step = list[i];
            const std::string type = type_of(step);
            if (type == "Split") {
                const Tree& pattern = step.at("pattern");
                const bool regex = pattern.contains("Regex");
                const std::string source = pattern.at(regex ? "Regex" : "String").get<std::string>();
                require(!source.empty(), "an empty pattern");
                steps.push_back(
                    split_step(regex ? source : as_regex(source), path, behavior_of(step), flag(step, "invert", false)));
            } else if (type == "Digits") {
                const bool each = flag(step, "individual_digits", false);
                steps.push_back({SplitStep::digit, each ? Behavior::isolated : Behavior::contiguous});
            } else if (type == "Punctuation") {
                steps.push_back({SplitStep::punctuation, behavior_of(step)});
            } else if (type == "ByteLevel" && i + 1 == list.size()) {
                if (flag(step, "add_prefix_space", true)) steps.push_back({SplitStep::prefix_space});
                if (flag(step, "use_regex", true)) steps.push_back(split_step(GPT2_PATTERN, path));
            } else {
                refuse("a pre-tokenizer with the step " + Tree(type).dump() + " before its end");
            }
        }
        return steps;
    }

    static std::string as_regex(const std::string& text) {
        std::string source;
        for (const char c : text) {
            if (std::string_view("\\^$.|?*+()[]{}-#&~").find(c) != std::string_view::npos) source += '\\';
            source += c;
        }
        return source;
    }

    void read_template(const Tree& processor) {
        const std::string type = type_of(processor);
        if (processor.is_null() || type == "ByteLevel") return;
        if (type == "Sequence") {
            for (const Tree& one : processor.at("processors")) read_template(one);
            return;
        }
        if (type != "TemplateProcessing") refuse("a post-processor " + Tree(type).dump());
        require(tokenizer.before.empty() && tokenizer.after.empty(), "two templates");
        bool text_seen = false;
        for (const Tree& part : processor.at("single")) {
            if (part.contains("Sequence")) {
                require(!std::exchange(text_seen, true), "a template that has the text twice");
                continue;
            }
            const std::string name = part.at("SpecialToken").at("id").get<std::string>();
            for (const Tree& id : processor.at("special_tokens").at(name).at("ids")) {
                require(id.is_number_integer() && id >= 0 && id < tokenizer.size(), "a template with an id that no token has");
                (text_seen ? tokenizer.after : tokenizer.before).push_back(id.get<int>());
            }
        }
        require(text_seen, "a template without the text");
    }

    // ---- all of it

    void read() {
        LargeMember vocab{"model/vocab"}, merges{"model/merges"};
        bool has_vocab = false;
        vocab.number = [&](const std::string& name, int64_t id) { has_vocab = true, place(id, name, Kind::bytes); };
        merges.strings = [](const std::vector<std::string>&, bool) {};
        file = read_tree(text, path, {vocab, merges});
        const Tree& model = file.at("model");
        require(model.value("type", std::string("BPE")) == "BPE", "a model that is not BPE");
        for (const char* key : {"dropout", "byte_fallback", "continuing_subword_prefix", "end_of_word_suffix"})
            if (is_set(model, key)) refuse(std::string("a tokenizer with ") + key);
        for (const char* key : {"truncation", "padding"})
            if (is_set(file, key)) refuse(std::string("a tokenizer with ") + key);
        require(has_vocab && model.at("vocab").is_null(), "a model without a vocabulary");
        require(model.at("merges").is_null(), "a model without merges");
        tokenizer.ignore_merges = flag(model, "ignore_merges", false);
        read_normalizer(file.value("normalizer", Tree()));
        tokenizer.pre_tokenizer = PreTokenizer(read_steps());
        read_tokens();
        read_template(file.value("post_processor", Tree()));
        by_id = {}, id_of_name = {}, file = {};
        // Merges need the vocabulary, which may stand behind them.
        vocab.number = [](const std::string&, int64_t) {};
        merges.strings = [&](const std::vector<std::string>& strings, bool is_array) { read_merge(strings, is_array); };
        read_tree(text, path, {vocab, merges});
    }
};

// bos, eos, pad and stop from what stands beside the tokenizer.json of a model.
struct Ends {
    Tokenizer& t;
    std::string folder;
    std::string config;                  // the content of config.json, or "": not read yet
    std::string path = {};

    Tree read(const std::string& name) {
        path = folder + name;
        const bool is_read = name == "config.json" && !config.empty();
        if (!is_read && !exists(path)) return Tree::object();
        Tree tree = read_tree(is_read ? config : read_file(path), path);
        if (!tree.is_object()) fail("not a JSON object", path, "repair the file or copy it again");
        return tree;
    }
    int by_name(const Tree& config, const char* key) const {
        const Tree entry = config.value(key, Tree());
        const Tree name = entry.is_object() ? entry.value("content", Tree()) : entry;
        if (!name.is_string()) return -1;
        const int id = t.id_of(name.get<std::string>());
        if (id < 0) fail("the " + std::string(key) + " " + name.dump() + " that the tokenizer does not have", path, "correct it");
        return id;
    }
    std::vector<int> by_id(const Tree& config, const char* key) const {
        const Tree entry = config.value(key, Tree());
        std::vector<int> ids;
        for (const Tree& id : entry.is_array() ? entry : Tree::array({entry})) {
            if (id.is_null()) continue;
            if (!id.is_number_integer() || id < 0 || id >= MAX_IDS)
                fail("the " + std::string(key) + " " + id.dump(), path, "give a token's id");
            ids.push_back(id.get<int>());
        }
        return ids;
    }
    void add_stop(int id) {
        if (id < 0 || std::find(t.stop.begin(), t.stop.end(), id) != t.stop.end()) return;
        if (t.stop.size() == 64) fail("more than 64 tokens that end an answer", path, "shorten the list");
        t.stop.push_back(id);
    }

    void read_files() {
        const Tree names = read("tokenizer_config.json");
        t.bos = by_name(names, "bos_token"), t.eos = by_name(names, "eos_token"), t.pad = by_name(names, "pad_token");
        add_stop(t.eos);
        for (const char* file : {"config.json", "generation_config.json"}) {
            const Tree config = read(file);
            const std::vector<int> bos = by_id(config, "bos_token_id"), eos = by_id(config, "eos_token_id"),
                                   pad = by_id(config, "pad_token_id");
            if (t.bos < 0 && !bos.empty() && !names.contains("bos_token")) t.bos = bos[0];
            if (t.eos < 0 && !eos.empty()) t.eos = eos[0];
            if (t.pad < 0 && !pad.empty()) t.pad = pad[0];
            for (const int id : eos) add_stop(id);
        }
    }
    void by_default(const ControlNames& names) {
        const auto find = [&](const std::string& name) {
            const int id = t.id_of(name);
            return id >= 0 && t.tokens[size_t(id)].kind == Kind::control ? id : -1;
        };
        if (t.eos < 0 && t.bos < 0) t.bos = find(names.bos);
        if (t.eos < 0) t.eos = find(names.eos), add_stop(t.eos);
        if (t.pad < 0) t.pad = find(names.pad);
        if (t.pad < 0) t.pad = t.eos;
    }
};

}  // namespace

Tokenizer Tokenizer::load(const std::string& path, const ControlNames& names, const std::string& config) {
    const std::string text = read_file(path);
    try {
        Loader loader{text, path};
        loader.read();
        Tokenizer tokenizer = std::move(loader.tokenizer);
        const std::filesystem::path file(path);
        Ends ends{tokenizer, file.has_parent_path() ? file.parent_path().string() + "/" : std::string(), config};
        if (file.filename() == "tokenizer.json") ends.read_files();  // the file of a model's folder
        ends.by_default(names);
        return tokenizer;
    } catch (const Tree::exception&) {  // of the JSON library: a list where a text should be, and the like
        fail("not a tokenizer.json: a value in it is of another type than the tokenizers library writes", path,
             "fetch the file anew");
    }
}

}  // namespace r1
