// tokenizer.json of Hugging Face's families: their ids (reference/golden/tokenizers.json, written by the library itself), the
// hand-written scanners against PCRE2, what stands beside the file, and files that are broken or meant to harm.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

#include "base/check.h"
#include "base/files.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

using namespace r1;

namespace {

using Ids = std::vector<int>;

struct Folder {
    std::string path = "/tmp/r1_tokenizer_file_test_" + std::to_string(getpid());
    Folder() { make_folder(path); }
    ~Folder() {
        for (const char* name : {"tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"})
            std::remove((path + "/" + name).c_str());
        rmdir(path.c_str());
    }
    // Not write_file_atomically: thousands of files, and none needs to outlive a crash.
    Folder& with(const std::string& name, std::string_view content) {
        std::FILE* file = std::fopen((path + "/" + name).c_str(), "wb");
        REQUIRE(file);
        std::fwrite(content.data(), 1, content.size(), file);
        std::fclose(file);
        return *this;
    }
    Tokenizer load() const { return Tokenizer::load(path + "/tokenizer.json"); }
};

const json& golden() {
    static const json file = read_json(R1_SOURCE "/reference/golden/tokenizers.json");
    return file;
}

std::vector<std::string> pieces(const PreTokenizer& p, std::string_view text, bool by_steps) {
    std::vector<std::string> out;
    const auto use = [&](std::string_view piece) { out.emplace_back(piece); };
    by_steps ? p.split_by_steps(text, use) : p.split_valid(text, use);
    return out;
}

std::string utf8(uint32_t c) {
    if (c < 0x80) return {char(c)};
    if (c < 0x800) return {char(0xC0 | c >> 6), char(0x80 | (c & 63))};
    if (c < 0x10000) return {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
    return {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 63)), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
}

// A whole file in few bytes: the 256 bytes, one merge, a normal form, two tags and a control token.
std::string small_file() {
    json file = golden()["qwen2"]["file"];
    json vocab = json::object(), &model = file["model"];
    for (const auto& [name, id] : model["vocab"].items())
        if (id.get<int>() < 256) vocab[name] = id;
    vocab["in"] = 256;
    file["added_tokens"] = json::array({{{"id", 259}, {"content", "<e>"}, {"special", true}},
                                        {{"id", 260}, {"content", "<think>"}, {"special", false}, {"rstrip", true}}});
    model["vocab"] = vocab, model["merges"] = {"i n"};
    return file.dump();
}

// "" or the error's one line.
std::string refusal(const Folder& folder) {
    try {
        const Tokenizer tokenizer = folder.load();
        tokenizer.encode("in <e> <think>  a\xFF e\u0301", Tags::all);
        return "";
    } catch (const Error& error) {
        return error.what();
    }
}

}  // namespace

TEST_CASE("tokenizer files: ids are those of Hugging Face's library, in every family's configuration") {
    int cases = 0;
    for (const auto& item : golden().items()) {
        const std::string name = item.key();
        const json& family = item.value();
        CAPTURE(name);
        const Tokenizer tokenizer = Folder().with("tokenizer.json", family["file"].dump()).load();
        for (const json& each : family["cases"]) {
            const std::string text = each[0];
            CAPTURE(text);
            CHECK(tokenizer.encode(text, Tags::all) == each[1].get<Ids>());
            ++cases;
            const Ids plain = tokenizer.encode(text, Tags::as_text);
            for (const int id : plain) CHECK(tokenizer.tokens[size_t(id)].kind == Kind::bytes);
            std::string storage;
            if (name != "behaviors" && name != "gpt2-prefix")
                CHECK_EQ(tokenizer.decode(plain), tokenizer.normalizer.apply(text, storage));
        }
        Ids ends = tokenizer.before;
        for (const int id : tokenizer.encode("a", Tags::all)) ends.push_back(id);
        ends.insert(ends.end(), tokenizer.after.begin(), tokenizer.after.end());
        CHECK(ends == family["with_ends"].get<Ids>());
    }
    CHECK_EQ(cases, 9 * 64);
}

TEST_CASE("tokenizer files: the scanners cut as PCRE2 does, at every character and at random") {
    const std::vector<std::vector<std::string>> known = {
        {DEFAULT_PATTERN}, {GPT2_PATTERN}, {QWEN2_PATTERN}, {LLAMA3_PATTERN},
        {DEEPSEEK_V3_PATTERNS[0], DEEPSEEK_V3_PATTERNS[1], DEEPSEEK_V3_PATTERNS[2]}};
    const std::vector<std::string> parts = {"a", "B", "ſ", "é", "漢", "が", "・", "가", "1", "٣", "½", " ", "  ", "\n", "\r\n", "\t",
                                            "\u3000", "\u00a0", "'", "'s", "'LL", "!", "$", "_", "(", "\u0301", "\u200d", "\u0007",
                                            "\u0085", "\u180e", "👍", "।", "\U00011380", "\U0010FFFF", "㎡"};
    for (const std::vector<std::string>& patterns : known) {
        std::vector<SplitStep> steps;
        for (const std::string& pattern : patterns) steps.push_back(split_step(pattern, "test"));
        const PreTokenizer p(steps);
        REQUIRE(bool(p.scanner));
        std::string text;
        for (uint32_t c = 0; c < 0x110000; ++c) {
            if (c >= 0xD800 && c < 0xE000) continue;
            if (c >= 0x3400 && c < 0xF900 && c % 61 && c != 0x9FA5 && c != 0x9FA6) continue;  // ideographs, Hangul, private: some
            if (c >= 0x20000 && c % 61) continue;
            const std::string x = utf8(c);
            text += "a" + x + "a " + x + x + "!" + x + "\n" + x + " 1" + x + "'" + x + "\u0301" + x;
            if (text.size() < 4000 && c != 0x10FFFF) continue;
            REQUIRE(pieces(p, text, false) == pieces(p, text, true));
            text.clear();
        }
        std::mt19937 random(5);
        for (int round = 0; round < 20000; ++round) {
            text.clear();
            for (uint32_t n = random() % 24; n > 0; --n) text += parts[random() % parts.size()];
            CAPTURE(text);
            REQUIRE(pieces(p, text, false) == pieces(p, text, true));
        }
    }
}

TEST_CASE("tokenizer files: a cache that is full, and words of every length, change nothing") {
    const json& family = golden()["llama3"];
    const Tokenizer tokenizer = Folder().with("tokenizer.json", family["file"].dump()).load();
    std::mt19937 random(6);
    std::string text;
    Ids joined;
    for (int i = 0; i < 200000; ++i) {
        std::string word = " x";
        for (uint32_t n = random() % (i % 100 == 0 ? 150 : 12); n > 0; --n) word += char('a' + random() % 9);
        text += word;
        for (const int id : tokenizer.encode(word, Tags::all)) joined.push_back(id);
    }
    CHECK(tokenizer.encode(text, Tags::all) == joined);
    CHECK(tokenizer.encode(text, Tags::all) == joined);
}

TEST_CASE("tokenizer files: bos, eos, pad and stop, from what stands beside the file") {
    const auto ends = [](const Tokenizer& t) { return Ids{t.bos, t.eos, t.pad}; };
    Folder folder;
    folder.with("tokenizer.json", golden()["qwen2"]["file"].dump());
    const Tokenizer bare = folder.load();
    const int text_end = bare.id_of("<|endoftext|>"), turn_end = bare.id_of("<|im_end|>"), start = bare.id_of("<|im_start|>");
    CHECK(ends(bare) == Ids{-1, -1, -1});
    CHECK(bare.stop.empty());
    folder.with("config.json", json({{"bos_token_id", start}, {"eos_token_id", turn_end}}).dump());
    CHECK(ends(folder.load()) == Ids{start, turn_end, turn_end});
    folder.with("generation_config.json", json({{"eos_token_id", {turn_end, text_end}}, {"pad_token_id", text_end}}).dump());
    CHECK(ends(folder.load()) == Ids{start, turn_end, text_end});
    CHECK(folder.load().stop == Ids{turn_end, text_end});
    folder.with("tokenizer_config.json",
                json({{"bos_token", nullptr}, {"eos_token", {{"content", "<|im_end|>"}}}, {"pad_token", "<|endoftext|>"}}).dump());
    CHECK(ends(folder.load()) == Ids{-1, turn_end, text_end});
    folder.with("tokenizer_config.json", R"({"eos_token": "<none>"})");
    CHECK_THROWS_WITH_AS(folder.load(), doctest::Contains("tokenizer_config.json"), Error);
    folder.with("tokenizer_config.json", R"({"eos_token": )");
    CHECK_THROWS_WITH_AS(folder.load(), doctest::Contains("tokenizer_config.json"), Error);
}

TEST_CASE("tokenizer files: gaps between ids decode to nothing") {
    const Tokenizer t = Folder().with("tokenizer.json", small_file()).load();
    CHECK_EQ(t.size(), 261);
    CHECK_EQ(t.token_text(257), "[unused 257]");
    CHECK_EQ(t.decode(Ids{256, 257, 258, 260, 259}, Control::show), "in<think><e>");
    CHECK(t.encode("in<think>  in", Tags::parse) == Ids{256, 260, 256});
}

TEST_CASE("tokenizer files: every truncation and every flipped bit is loaded or refused in one line") {
    const std::string good = small_file();
    Folder folder;
    REQUIRE(refusal(folder.with("tokenizer.json", good)) == "");
    int refused = 0;
    const auto check = [&](const std::string& content) {
        const std::string line = refusal(folder.with("tokenizer.json", content));
        refused += !line.empty();
        REQUIRE(line.find('\n') == std::string::npos);
        if (!line.empty()) REQUIRE(line.find(folder.path) != std::string::npos);
    };
    for (size_t n = 0; n < good.size(); ++n) check(good.substr(0, n));
    CHECK_EQ(refused, int(good.size()));
    for (size_t bit = 0; bit < 8 * good.size(); bit += 1 + bit % 3) {
        std::string bad = good;
        bad[bit / 8] = char(bad[bit / 8] ^ 1 << bit % 8);
        check(bad);
    }
    CHECK(refused > int(2 * good.size()));
}

TEST_CASE("tokenizer files: keys twice, depth, lone surrogates, NUL") {
    Folder folder;
    const std::string good = small_file();
    const auto with = [&](const std::string& what, const std::string& by) {
        std::string text = good;
        REQUIRE(text.find(what) != std::string::npos);
        return refusal(folder.with("tokenizer.json", text.replace(text.find(what), what.size(), by)));
    };
    const auto starts = [](const std::string& line, const std::string& with) { return line.substr(0, with.size()) == with; };
    CHECK(starts(with("\"version\":", "\"model\":1,\"version\":"), "the key \"model\" twice"));
    CHECK(starts(with("\"vocab\":{", "\"vocab\":{},\"vocab\":{"), "the key \"vocab\" twice"));
    CHECK(starts(with("\"in\":256", "\"in\":256,\"in\":257"), "the token \"in\" twice"));
    CHECK(starts(with("\"vocab\":{", "\"vocab\":3,\"other\":{"), "a model without a vocabulary"));
    CHECK(starts(with("\"<e>\"", "\"\\ud800\""), "not JSON"));
    CHECK(starts(with("\"<e>\"", "\"\\u0000\""), "a token with the character NUL"));
    CHECK(starts(with("\"<e>\"", "\"\xFF\""), "not JSON"));
    CHECK(starts(with("\"truncation\":null", "\"truncation\":" + std::string(100, '[') + std::string(100, ']')), "more than 64 levels"));
    CHECK(starts(with("\"<e>\"", "\"" + std::string(2000000, 'x') + "\""), "a string or number of more than a megabyte"));
    CHECK(starts(with(good, good + good), "not JSON"));
}

TEST_CASE("tokenizer files: memory stays near the file's size, whatever is in it") {
    const size_t size = 50u << 20;
    const std::string good = small_file(), vocab = good.substr(0, good.find("\"in\":256")), merges = good.substr(0, good.rfind("\"i n\""));
    using Part = std::function<std::string(int)>;
    const std::vector<std::pair<std::string, Part>> files = {
        {"[", [](int) { return "0,"; }}, {"[", [](int) { return "[],"; }}, {"", [](int) { return "["; }},
        {"{", [](int i) { return "\"" + std::to_string(i) + "\":{},"; }}, {"[\"", [](int) { return "xxxxxxxx"; }},
        {"[", [](int) { return "1111111"; }}, {merges, [](int) { return "\"i n\","; }},
        {vocab, [](int i) { return "\"z" + std::to_string(i) + "\":" + std::to_string(i + 300) + ","; }},
        {vocab, [](int i) { return "\"z" + std::string(500, 'y') + std::to_string(i) + "\":" + std::to_string(i + 300) + ","; }}};
    Folder folder;
    for (size_t i = 0; i < files.size(); ++i) {
        CAPTURE(i);
        {
            std::string text = files[i].first;
            for (int k = 0; text.size() < size - 100; ++k) text += files[i].second(k);
            folder.with("tokenizer.json", text);
        }
        int channel[2];
        REQUIRE(pipe(channel) == 0);
        const pid_t child = fork();
        if (child == 0) {  // execs itself, so that its peak is its own
            const std::string program = "/proc/self/exe", test = "--test-case=tokenizer files: the child of the test of memory";
            setenv("R1_HOSTILE_FILE", (folder.path + "/tokenizer.json").c_str(), 1);
            dup2(channel[1], 3);
            execl(program.c_str(), program.c_str(), test.c_str(), "--no-skip", "--minimal", static_cast<char*>(nullptr));
            _exit(127);
        }
        close(channel[1]);
        long peak = -1;
        CHECK(read(channel[0], &peak, sizeof peak) == ssize_t(sizeof peak));
        close(channel[0]);
        int status = 0;
        waitpid(child, &status, 0);
        CHECK_EQ(status, 0);
#ifndef R1_SANITIZED
        CHECK(peak > 0);
        CHECK(peak * 1024 < long(size) + (64l << 20));
#endif
    }
}

TEST_CASE("tokenizer files: the child of the test of memory" * doctest::skip()) {
    const char* path = std::getenv("R1_HOSTILE_FILE");
    REQUIRE(path);
    CHECK_THROWS_AS(Tokenizer::load(path), Error);
    const std::string status = read_file("/proc/self/status");  // (ru_maxrss would be the parent's before exec)
    const long peak = std::atol(status.c_str() + status.find("VmHWM:") + 6);
    CHECK(write(3, &peak, sizeof peak) == ssize_t(sizeof peak));
}
