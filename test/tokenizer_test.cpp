// The tokenizer: training against a naive one, encoding against a naive one, round trips, what tags and control
// tokens promise, tokenizer.json. Equality with Hugging Face's library is reference/check_tokenizer.py's.
#include "text/tokenizer.h"

#include "base/check.h"
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <random>

#include "base/files.h"
#include "base/threads.h"

using namespace r1;

namespace {

using Ids = std::vector<int>;

const std::vector<std::string> DOCUMENTS = {
    "the cat sat on the mat, the other cat sat on the other mat", "3 * 25 = 75, 75 + 100 = 175, 175 - 7 = 168",
    "<think> the sum of the numbers </think> <answer> 175 - 7 </answer>",
    "naïve café, naïve café; 漢字漢字 漢字\r\n\r\n    x  \n",
    "aaaa aaaaaaaa aaaaaaaaaaaaaaaa bababababa <｜begin▁of▁sentence｜> <｜begin▁of▁sentence｜>"};

std::string scratch(const std::string& name) {
    return "/tmp/r1_tokenizer_test_" + std::to_string(getpid()) + "_" + name;
}

const Tokenizer& trained() {
    static const Tokenizer tokenizer = train_tokenizer(DOCUMENTS, 360);
    return tokenizer;
}

std::string saved_bytes(const Tokenizer& tokenizer) {
    const std::string path = scratch("saved.json");
    tokenizer.save(path);
    const std::string bytes = read_file(path);
    std::remove(path.c_str());
    return bytes;
}

Tokenizer loaded(const json& file) {
    const std::string path = scratch("loaded.json");
    write_file_atomically(path, file.dump());
    Tokenizer tokenizer = Tokenizer::load(path);
    std::remove(path.c_str());
    return tokenizer;
}

std::vector<std::string> pre_tokens(const PreTokenizer& pre_tokenizer, std::string_view text) {
    std::vector<std::string> parts;
    pre_tokenizer.split(text, [&](std::string_view part) { parts.emplace_back(part); });
    return parts;
}

Ids replaced(const Ids& ids, int left, int right, int product) {
    Ids out;
    for (size_t i = 0; i < ids.size(); ++i) {
        const bool here = i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right;
        out.push_back(here ? product : ids[i]);
        i += here;
    }
    return out;
}

Ids bytes_as_ids(std::string_view text) {
    Ids ids;
    for (const char byte : text) ids.push_back(7 + static_cast<unsigned char>(byte));
    return ids;
}

// The definition: go through the merges by rank, apply each to the whole pre-token.
Ids naive_encode(const Tokenizer& tokenizer, std::string_view text) {
    Ids out;
    for (const std::string& part : pre_tokens(tokenizer.pre_tokenizer, text)) {
        Ids ids = bytes_as_ids(part);
        for (;;) {
            Merge best;
            std::pair<int, int> pair;
            for (size_t i = 0; i + 1 < ids.size(); ++i)
                if (const Merge merge = tokenizer.find_merge(ids[i], ids[i + 1]); merge.rank < best.rank)
                    best = merge, pair = {ids[i], ids[i + 1]};
            if (!best) break;
            ids = replaced(ids, pair.first, pair.second, best.id);
        }
        out.insert(out.end(), ids.begin(), ids.end());
    }
    return out;
}

// Counts every pair anew before each merge. Returns the products, with repetition, in the order of the merges.
std::vector<std::string> naive_training(const std::vector<std::string>& documents, int vocab_size) {
    std::vector<Ids> words;
    for (const std::string& document : documents)
        for (const std::string& part : pre_tokens(PreTokenizer(), document)) words.push_back(bytes_as_ids(part));
    std::vector<std::string> tokens(7), products;
    for (int byte = 0; byte < 256; ++byte) tokens.push_back(std::string(1, char(byte)));
    std::map<std::pair<int, int>, bool> done;
    while (int(tokens.size()) < vocab_size) {
        std::map<std::pair<int, int>, int> counts;
        for (const Ids& ids : words)
            for (size_t i = 0; i + 1 < ids.size(); ++i) ++counts[{ids[i], ids[i + 1]}];
        std::pair<int, int> best;
        int most = 1;
        for (const auto& [pair, count] : counts)
            if (count > most) most = count, best = pair;  // the map goes by left id, then right id
        if (most < 2) break;
        const std::string bytes = tokens[best.first] + tokens[best.second];
        const int product = int(std::find(tokens.begin() + 7, tokens.end(), bytes) - tokens.begin());
        if (product == int(tokens.size())) tokens.push_back(bytes);
        if (!std::exchange(done[best], true)) products.push_back(tokens[best.first] + "|" + tokens[best.second]);
        for (Ids& ids : words) ids = replaced(ids, best.first, best.second, product);
    }
    return products;
}

std::string random_text(std::mt19937& random, const std::vector<std::string>& pool, int most) {
    std::string text;
    for (int n = int(random() % uint32_t(most + 1)); n > 0; --n) text += pool[random() % pool.size()];
    return text;
}

}  // namespace

TEST_CASE("tokenizer: the example of Wikipedia's article on byte pair encoding") {
    // aaabdaaabac   aa occurs 4 times (twice in each aaa), ab twice                             Z = aa  (263)
    // ZabdZabac     Za and ab occur twice: the lower left id is a's, 7 + 97 = 104               Y = ab  (264)
    // ZYdZYac       ZY occurs twice                                                             X = ZY  (265)
    // XdXac         no pair occurs twice: training stops, whatever size was asked for
    const Tokenizer tokenizer = train_tokenizer({"aaabdaaabac"}, 300);
    CHECK_EQ(tokenizer.size(), 7 + 256 + 3);
    CHECK_EQ(tokenizer.token_text(263), "aa");
    CHECK_EQ(tokenizer.token_text(264), "ab");
    CHECK_EQ(tokenizer.token_text(265), "aaab");
    const Ids expected = {265, 7 + 'd', 265, 7 + 'a', 7 + 'c'};
    CHECK(tokenizer.encode("aaabdaaabac", Tags::as_text) == expected);
    CHECK_EQ(train_tokenizer({"aaabdaaabac"}, 264).size(), 264);
}

TEST_CASE("tokenizer: pre-tokens") {
    using Parts = std::vector<std::string>;
    const PreTokenizer ours, gpt2(GPT2_PATTERN);
    CHECK(pre_tokens(ours, "It's 12345  ok!\n\n") == Parts{"It", "'", "s", " 123", "45", " ", " ok", "!", "\n\n"});
    CHECK(pre_tokens(gpt2, "It's 12345  ok!") == Parts{"It", "'s", " 12345", " ", " ok", "!"});
    CHECK(pre_tokens(ours, "é漢 ١٢\u00a0x") == Parts{"é漢", " ١٢", "\u00a0", "x"});
    CHECK(pre_tokens(ours, "a\u180e!") == Parts{"a", "\u180e!"});  // not white space to Hugging Face's library
    CHECK(pre_tokens(ours, "ab\xFF\xFE c\xE2\x82") == Parts{"ab", "\xFF\xFE", " c", "\xE2\x82"});
    CHECK(pre_tokens(ours, "\xC0\x80\xED\xA0\x80 \xF4\x90\x80") == Parts{"\xC0\x80\xED\xA0\x80", " ", "\xF4\x90\x80"});
    CHECK(pre_tokens(PreTokenizer("b+"), "abba") == Parts{"a", "bb", "a"});
    CHECK(pre_tokens(PreTokenizer("b*"), "abba") == Parts{"a", "bb", "a"});
    CHECK(pre_tokens(PreTokenizer("b*"), "ac") == Parts{"a", "c"});  // an empty match cuts, as in the library
    CHECK(pre_tokens(PreTokenizer("[\\s\\d]+|\\S"), "a 1b") == Parts{"a", " 1", "b"});
}

TEST_CASE("tokenizer: training equals a naive one, whatever the order of the documents") {
    std::mt19937 random(1);
    for (int round = 0; round < 60; ++round) {
        std::vector<std::string> documents;
        for (int i = 0; i < 6; ++i)
            documents.push_back(random_text(random, {"a", "b", "ab", "ba", "c", " ", "aaa"}, 60));
        const Tokenizer tokenizer = train_tokenizer(documents, 290);
        std::vector<std::string> merges;
        for (const auto& [left, right] : tokenizer.merges)
            merges.push_back(tokenizer.token_text(left) + "|" + tokenizer.token_text(right));
        CHECK(merges == naive_training(documents, 290));
        std::shuffle(documents.begin(), documents.end(), random);
        CHECK_EQ(saved_bytes(train_tokenizer(documents, 290)), saved_bytes(tokenizer));
    }
    CHECK_EQ(saved_bytes(train_tokenizer(DOCUMENTS, 360)), saved_bytes(trained()));
    CHECK_THROWS_WITH_AS(train_tokenizer(DOCUMENTS, 262), doctest::Contains("ask for at least 263"), Error);
}

TEST_CASE("tokenizer: encoding equals a naive one, in short and in long pre-tokens") {
    std::mt19937 random(2);
    const Tokenizer abc = train_tokenizer(std::vector{random_text(random, {"a", "b", "c"}, 3000)}, 330);
    for (int round = 0; round < 400; ++round) {
        const std::string letters = random_text(random, {"a", "b", "c"}, round);
        REQUIRE(abc.encode(letters, Tags::as_text) == naive_encode(abc, letters));
        const std::string last = round % 2 ? "c" : " ";
        const std::string text = random_text(random, {"a", "b", "ab", "the", "at", "naïve", last}, 120);
        REQUIRE(trained().encode(text, Tags::as_text) == naive_encode(trained(), text));
    }
}

TEST_CASE("tokenizer: words that came before have the ids that they had") {
    std::mt19937 random(3);
    const Tokenizer abc = train_tokenizer(std::vector{random_text(random, {"a", "b", "c"}, 3000)}, 330);
    std::string text;  // more words than the smaller sizes of the cache have places; some twice within a few words
    for (int word = 0; word < 30000; ++word) {
        const std::string letters = " " + random_text(random, {"a", "b", "c"}, word % 70);
        text += word % 9 ? letters : letters + letters;
    }
    const Ids first = naive_encode(abc, text);
    for (int time = 0; time < 3; ++time) REQUIRE(abc.encode(text, Tags::as_text) == first);
}

TEST_CASE("tokenizer: decode(encode(x)) == x for any bytes") {
    std::string all_bytes;
    for (int i = 0; i < 512; ++i) all_bytes += char(i);
    std::vector<std::string> texts = {
        "", std::string(1, '\0'), std::string("a\0b\0", 4), all_bytes, "\r\n\r\n \t\n", "👩‍👩‍👧‍👦🏳️‍🌈",
        "\xF0\x9F\x91", "\x80", "\xFF\xFF", "\xC3", "\xC3\xC3\xA9\xA9", "\xED\xA0\x80\xED\xB0\x80",
        "\uFEFFx\u180e\u2028", "<think", "<think></think><｜▁pad▁｜>", std::string(5000, 'a'),
        std::string(5000, ' '), std::string(5000, '7'), std::string(5000, '\xE2')};
    std::mt19937 random(3);
    const std::vector<std::string> pool = {"<think>", "</answer>", "<", "the ", " ", "\n",
                                           "12", "é", "漢", "👍", "\xC3", "\x80"};
    for (int i = 0; i < 20000; ++i) {
        std::string bytes = i % 2 ? random_text(random, pool, 40) : std::string(random() % 64, '\0');
        if (i % 2 == 0) for (char& byte : bytes) byte = char(random());
        texts.push_back(bytes);
    }
    for (const std::string& text : texts)
        for (const Tags tags : {Tags::as_text, Tags::parse})
            REQUIRE_EQ(trained().decode(trained().encode(text, tags)), text);
}

TEST_CASE("tokenizer: tags arise where they are asked for, control tokens never") {
    const Tokenizer& t = trained();
    CHECK(Ids{t.bos, t.eos, t.pad} == Ids{0, 1, 2});
    CHECK(Ids{t.id_of("<think>"), t.id_of("</answer>"), t.id_of("a"), t.id_of("no such")} == Ids{3, 6, 7 + 'a', -1});
    CHECK(t.encode("<think>a</think>", Tags::parse) == Ids{3, 7 + 'a', 4});
    CHECK(t.encode("a<answer><answer>", Tags::parse) == Ids{7 + 'a', 5, 5});

    // A pattern under which a whole line is one pre-token: merges would grow into the tags if they were let.
    const ControlNames names;
    std::string lines;
    for (const std::string name : {"<think>", "</think>", "<answer>", "</answer>"}) lines += name + "\n";
    for (const std::string& name : {names.bos, names.eos, names.pad}) lines += name + "\n";
    const Tokenizer greedy = train_tokenizer(std::vector{lines, lines}, 600, PreTokenizer("[^\n]+"));
    std::mt19937 random(4);
    for (int i = 0; i < 3000; ++i) {
        const std::string text = random_text(random, {"<think>", "</think>", "<answer>", "</answer>", names.bos,
                                                      names.eos, names.pad, "<", "｜", "\n", "\xFF", "think>"}, 12);
        for (const Tokenizer* tokenizer : {&t, &greedy}) {
            for (const int id : tokenizer->encode(text, Tags::as_text)) REQUIRE(id >= 7);
            for (const int id : tokenizer->encode(text, Tags::parse)) REQUIRE(id >= 3);
        }
    }
    CHECK_EQ(saved_bytes(loaded(json::parse(saved_bytes(greedy)))), saved_bytes(greedy));
}

TEST_CASE("tokenizer: of two tags that start at one place the longer is taken") {
    Tokenizer tokenizer = trained();
    const int longer = tokenizer.add_token("<think>ing", Kind::tag);
    CHECK(tokenizer.encode("<think>ing<think>in", Tags::parse).front() == longer);
    CHECK(tokenizer.encode("<think>ing<think>", Tags::parse) == Ids{longer, 3});
}

TEST_CASE("tokenizer: display") {
    const Ids ids = {0, 3, 7 + 'a', 1, 2, 100000, -1};
    CHECK_EQ(trained().decode(ids), "<think>a");
    CHECK_EQ(trained().decode(ids, Control::show), "<｜begin▁of▁sentence｜><think>a<｜end▁of▁sentence｜><｜▁pad▁｜>");
    CHECK_EQ(trained().token_text(0), "<｜begin▁of▁sentence｜>");
    CHECK_EQ(trained().token_text(7 + 0xC3), "\xC3");
    CHECK_EQ(trained().token_text(100000), "[unused 100000]");
}

TEST_CASE("tokenizer: several threads encode with one tokenizer") {
    std::vector<Ids> results(64);
    parallel_for(64, [&](int64_t i) { results[i] = trained().encode(DOCUMENTS[i % 5], Tags::parse); });
    for (int i = 0; i < 64; ++i) CHECK(results[i] == trained().encode(DOCUMENTS[i % 5], Tags::parse));
}

TEST_CASE("tokenizer: time is linear, counted in pieces looked at") {
    for (const int n : {20000, 1000000})
        for (const std::string unit : {"a", " ", "7", "ab", "the", "\n ", "a ", "é", "\xFF", "\xE2\x82", " \xFF",
                                       "a1 !", "<think>", "<"}) {
            CAPTURE(unit);
            std::string text;
            while (int(text.size()) < n) text += unit;
            int64_t steps = 0;
            const Ids ids = trained().encode(text, Tags::parse, &steps);
            REQUIRE(steps <= 60 * int64_t(text.size()));  // at most 7 here; a scan for each merge: thousands
            if (unit != "<think>") REQUIRE(steps >= int64_t(text.size()) / 2);
            REQUIRE(trained().decode(ids) == text);
        }
}

TEST_CASE("tokenizer.json: what is saved is loaded") {
    const std::string bytes = saved_bytes(trained());
    const json file = json::parse(bytes);
    const Tokenizer again = loaded(file);
    CHECK_EQ(saved_bytes(again), bytes);
    const json& vocab = file["model"]["vocab"];  // GPT-2's byte alphabet
    CHECK(Ids{vocab["Ā"], vocab["Ċ"], vocab["Ġ"], vocab["!"], vocab["ġ"]} == Ids{7, 17, 39, 40, 7 + 127});
    CHECK(Ids{vocab["ł"], vocab["¡"], vocab["Ń"], vocab["®"], vocab["ÿ"]} == Ids{167, 168, 180, 181, 262});
    CHECK(Ids{again.bos, again.eos, again.pad} == Ids{0, 1, 2});
    json pairs = file;
    for (json& merge : pairs["model"]["merges"]) {
        const std::string text = merge;
        merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
    }
    CHECK_EQ(saved_bytes(loaded(pairs)), bytes);
    for (const std::string& document : DOCUMENTS)
        for (const Tags tags : {Tags::as_text, Tags::parse})
            CHECK(again.encode(document, tags) == trained().encode(document, tags));

    json gpt2 = file;
    gpt2["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
    CHECK_EQ(loaded(gpt2).pre_tokenizer.pattern(), GPT2_PATTERN);

    json no_pad = file;  // added tokens need not stand in the vocabulary; without a pad token eos pads
    for (json& token : no_pad["added_tokens"])
        if (token["id"] == 2) token["content"] = "<other>";
    no_pad["model"]["vocab"].erase("<｜▁pad▁｜>");
    CHECK_EQ(loaded(no_pad).pad, 1);
}

TEST_CASE("tokenizer.json: what is wrong is said in one line") {
    const json good = json::parse(saved_bytes(trained()));
    const auto error = [&](const std::function<void(json&)>& spoil) -> std::string {
        json file = good;
        spoil(file);
        try {
            loaded(file);
        } catch (const Error& e) {
            const std::string message = e.what();
            CHECK(message.find('\n') == std::string::npos);
            CHECK(message.find(scratch("")) != std::string::npos);
            return message;
        }
        return "no error";
    };
    const auto says = [&](const std::string& what, const std::function<void(json&)>& spoil) {
        CAPTURE(what);
        CHECK_EQ(error(spoil).substr(0, what.size()), what);
    };
    CHECK_EQ(error([](json&) {}), "no error");
    says("not a tokenizer.json", [](json& f) { f = json::array(); });
    says("not a tokenizer.json", [](json& f) { f.erase("model"); });
    says("an entry of \"model/merges\" that", [](json& f) { f["model"]["merges"][0] = {1, 2}; });
    says("a model that is not BPE", [](json& f) { f["model"]["type"] = "Unigram"; });
    says("a normalizer \"Lowercase\"", [](json& f) { f["normalizer"] = {{"type", "Lowercase"}}; });
    says("a tokenizer with byte_fallback", [](json& f) { f["model"]["byte_fallback"] = true; });
    says("a tokenizer with truncation", [](json& f) { f["truncation"] = {{"max_length", 5}}; });
    says("a tokenizer with dropout", [](json& f) { f["model"]["dropout"] = 0.1; });
    says("a tokenizer with continuing_subword_prefix", [](json& f) { f["model"]["continuing_subword_prefix"] = "##"; });
    says("a tokenizer with end_of_word_suffix", [](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; });

    const auto step = [](json& f, int i) -> json& { return f["pre_tokenizer"]["pretokenizers"][i]; };
    says("a bad regular expression, \"(a\"", [&](json& f) { step(f, 0)["pattern"]["Regex"] = "(a"; });
    for (const char* pattern : {"\\w+", "\\bx", "[a&&b]", "[[:alpha:]]", "\\h"})
        says("a regular expression with ", [&](json& f) { step(f, 0)["pattern"]["Regex"] = pattern; });
    says("a behavior \"Split\"", [&](json& f) { step(f, 0)["behavior"] = "Split"; });
    says("a pre-tokenizer that does not end with", [](json& f) { f["pre_tokenizer"]["pretokenizers"].push_back({}); });
    says("a pre-tokenizer that does not end with", [](json& f) { f["pre_tokenizer"] = nullptr; });
    says("a pre-tokenizer with the step \"Whitespace\"", [&](json& f) { step(f, 0)["type"] = "Whitespace"; });
    says("a post-processor \"BertProcessing\"", [](json& f) { f["post_processor"] = {{"type", "BertProcessing"}}; });

    const auto vocab = [](json& f) -> json& { return f["model"]["vocab"]; };
    says("the token id 300 twice", [&](json& f) { vocab(f)["a"] = 300; });
    says("the token id -1 outside", [&](json& f) { vocab(f)["a"] = -1; });
    says("the token id 524288 outside", [&](json& f) { vocab(f)["a"] = 524288; });
    says("an entry of \"model/vocab\" that", [&](json& f) { vocab(f)["a"] = 104.5; });
    says("an entry of \"model/vocab\" that", [&](json& f) { vocab(f)["a"] = {104}; });
    says("two ids for the token \"<think>\"", [&](json& f) { vocab(f)["<think>"] = 9999; });
    says("an empty token", [&](json& f) { vocab(f)[""] = vocab(f).size(); });
    says("a token with the character NUL", [](json& f) { f["added_tokens"][0]["content"] = std::string(1, '\0'); });
    says("the token \"a b\" outside the byte alphabet", [&](json& f) { vocab(f)["a b"] = vocab(f).size(); });
    says("no token for the byte 97", [&](json& f) {
        vocab(f).erase("a");
        vocab(f)["qqq"] = 7 + 'a';
    });
    const auto merges = [](json& f) -> json& { return f["model"]["merges"]; };
    says("the merge \"ab\" that is no pair", [&](json& f) { merges(f)[0] = "ab"; });
    says("the merge [\"a\"] that is no pair", [&](json& f) { merges(f)[0] = {"a"}; });
    says("an entry of \"model/merges\" that", [&](json& f) { merges(f)[0] = 5; });
    says("the merge \"q zz\" without a token \"zz\"", [&](json& f) { merges(f).push_back("q zz"); });
    says("the merge \"zz q\" without a token \"zz\"", [&](json& f) { merges(f).push_back("zz q"); });
    says("the merge \"q z\" without a token \"qz\"", [&](json& f) { merges(f).push_back("q z"); });
    says("the merge \"<thin k>\" without a token", [&](json& f) { merges(f).push_back("<thin k>"); });
    says("the merge [\"<\",\"/think>\"] without a token", [&](json& f) {
        vocab(f)["/think>"] = vocab(f).size();
        merges(f).push_back({"<", "/think>"});
    });
    says("the merge " + good["model"]["merges"][0].dump() + " twice", [&](json& f) {
        const json first = merges(f)[0];
        merges(f).push_back(first);
    });

    const std::string path = scratch("broken.json");
    write_file_atomically(path, good.dump().substr(0, 1000));
    CHECK_THROWS_WITH_AS(Tokenizer::load(path), doctest::Contains("not JSON"), Error);
    std::remove(path.c_str());
}
