// The reward's other terms: language consistency, and the terms of length and repetition.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "base/philox.h"
#include "reward/language.h"
#include "reward/length.h"
#include "loss/grpo.h"

using namespace r1;

namespace {

std::string repeat(const std::string& text, size_t bytes) {
    std::string result;
    while (result.size() < bytes) result += text;
    return result;
}

struct Row {
    std::string text;
    int words, english, chinese;
};

const Row rows[] = {
    // the header's
    {"Let me check: 3 + 8 = 11", 3, 3, 0},
    {"Let me 检查", 4, 2, 2},
    {"设 x = 3, 那么 2x = 6", 3, 0, 3},
    {"\\frac{a}{b} of the cake", 3, 3, 0},
    {"so $v = at$, don't re-check", 3, 3, 0},
    {"the naïve café", 3, 1, 0},
    {"Bonjour tout le monde", 4, 4, 0},
    // nothing
    {"", 0, 0, 0},
    {" \t\r\n", 0, 0, 0},
    {"3 + 8 * 2 = 19.0e5 (mod 7)", 1, 1, 0},
    {"12/7 ≠ 3 × 4 ÷ 5 − ∑∫√π ≤ ∞ ℝ ℵ ∀ → ②", 0, 0, 0},
    {"。，、；：？！“”《》【】…—　", 0, 0, 0},
    {"🙂👍🏽👨‍👩‍👧 1️⃣ 🇨🇳 ©™ ½ € £", 0, 0, 0},
    // letters that are no words
    {"x y Z a I f(x) = A α π Σ", 0, 0, 0},
    {"x1 x_1 2x my_sum 1st GPT4 R2D2 _private a3f9bc", 0, 0, 0},
    {"x-y a'b", 0, 0, 0},
    {"αx", 0, 0, 0},
    // Latin
    {"a quick-witted fox isn't tired", 4, 4, 0},
    {"it’s well‐known, re‑checked", 3, 3, 0},
    {"so--that 'quoted' end- -start rock 'n' roll", 7, 7, 0},
    {"first/second,third.fourth", 4, 4, 0},
    {"COVID-19 and 10-th", 3, 3, 0},
    {"é è", 0, 0, 0},
    {"Gödel Erdős Łódź straße", 4, 0, 0},
    {"cafe\xCC\x81 cafe \xCC\x81ox", 3, 2, 0},                // a combining accent; one that stands alone
    {"soft\xC2\xADhyphen no\xE2\x80\x8Bsplit", 3, 3, 0},       // U+00AD joins, U+200B (a blank without width) does not
    {"ＡＢＣ ｄｅｆ ﬁne", 3, 3, 0},
    // mixed
    {"这是test。OK了", 5, 2, 3},
    {"用GRPO算法", 4, 1, 3},
    {"人々 〇 豈 𠀀", 5, 0, 5},
    {"第3个, 3月", 3, 0, 3},
    {"日本語のテスト", 4, 0, 3},
    {"да5нет 5й", 3, 0, 0},
    {"Привет мир, he said; 안녕하세요 세계", 6, 2, 0},
    {"\xD1\x81h\xD0\xB5\xD1\x81k", 2, 0, 0},                     // "check" with Cyrillic look-alikes of c, e, c
    // LaTeX
    {"\\boxed{\\text{if}} \\alpha\\beta \\% \\$ \\\\ \\", 1, 1, 0},
    {"\\设 \\é", 1, 0, 1},
    {"\\begin{cases} so \\end{cases}", 3, 3, 0},
    {"$$\\text{Area} = ab$$ so \\(cd\\) is \\[\nef\n\\] right", 3, 3, 0},
    {"costs $5 and hers $6", 3, 3, 0},
    {"costs ($5) and ($6)", 2, 2, 0},
    {"one $ two $ three", 3, 3, 0},
    {"one $ two$ three", 3, 3, 0},
    {"one $two $ three", 3, 3, 0},
    {"one $two\nthree$ four", 4, 4, 0},
    {"one $two three", 3, 3, 0},
    {"one \\(two three", 3, 3, 0},
    {"one \\[two\\) three", 3, 3, 0},
    {"\\\\[two\\\\] \\$two$", 2, 2, 0},
    // code
    {"run `import os` now", 2, 2, 0},
    {"```python\nfor each in range(3):\n    print(each)\n``` 完了", 2, 0, 2},
    {"```python\nfor each", 3, 3, 0},
    {"open ` tick\nother ` tick", 4, 4, 0},
    {"$", 0, 0, 0},
    {"`", 0, 0, 0},
    {"ab $", 1, 1, 0},
    // not UTF-8
    {"\xFF\xFE\x80", 0, 0, 0},
    {"ab\xFF"
     "cd",
     2, 2, 0},
    {"\xE6\xA3", 0, 0, 0},
    {"\xE6ok", 1, 1, 0},
    {"\xE6\xA3\x80\xE6", 1, 0, 1},
    {"\xC1\xA1\xC1\xA1 \xE0\x81\xA1\xE0\x81\xA1", 0, 0, 0},                // "aa" in forms too long
    {"\xED\xA0\x80 \xF4\x90\x80\x80 \xF8\xA0\x80\x80", 0, 0, 0},           // surrogate, above 10FFFF, no such lead byte
    {std::string("ab\0cd", 5), 2, 2, 0},
};

}  // namespace

TEST_CASE("language: the table") {
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const LanguageShare english = language_share(row.text, Language::english);
        const LanguageShare chinese = language_share(row.text, Language::chinese);
        CHECK(english.words == row.words);
        CHECK(chinese.words == row.words);
        CHECK(english.in_target == row.english);
        CHECK(chinese.in_target == row.chinese);
        CHECK(english.share == (row.words ? double(row.english) / row.words : 0));
    }
}

TEST_CASE("language: each in its script, and no other") {
    struct Sample {
        Language language;
        std::string text;
        int words;
    };
    const Sample samples[] = {
        {Language::english, "Wait, let me check that again.", 6},
        {Language::chinese, "等等，让我再检查一遍。", 9},
        {Language::japanese, "もう一度カード・ゲームﾃｽﾄ", 5},
        {Language::korean, "잠깐, 다시 확인해 보자. 3개를 ㅋㅋ", 6},
        {Language::russian, "Подождите, кто-то ещё и я: май̆", 6},
        {Language::arabic, "انتظر، دعني أتحقّق ٣ مرة", 4},
        {Language::greek, "Περίμενε, ἄνθρωπος ή το x;", 3},
        {Language::hebrew, "רגע, בוא נבדוק שָׁלוֹם צה\"ל", 6},
        {Language::thai, "รอสักครู่ ให้ฉันตรวจสอบ ๓", 2},
        {Language::hindi, "रुको, मैं जाँच करता हूँ। ३ क्‍ष", 6},
    };
    for (const Sample& sample : samples)
        for (int i = 0; i < 10; ++i) {
            const Language target = Language(i);
            CAPTURE(sample.text);
            CAPTURE(i);
            const LanguageShare share = language_share(sample.text, target);
            CHECK(share.words == sample.words);
            if (target == sample.language) {
                CHECK(share.in_target == sample.words);
                CHECK(share.share == 1.0);
            } else if (sample.language == Language::chinese && target == Language::japanese) {
                CHECK(share.share == 1.0);  // as the header says
            } else if (sample.language == Language::japanese && target == Language::chinese) {
                CHECK(share.in_target == 2);
            } else {
                CHECK(share.in_target == 0);
            }
        }
    for (int i = 0; i < 10; ++i) CHECK(language_share("தமிழ் ქართული አማርኛ", Language(i)).in_target == 0);
    CHECK(language_share("தமிழ் ქართული አማርኛ", Language::english).words == 3);
}

TEST_CASE("language: names") {
    const char* codes[] = {"en", "zh", "ja", "ko", "ru", "ar", "el", "he", "th", "hi"};
    for (int i = 0; i < 10; ++i) CHECK(language_named(codes[i]) == Language(i));
    for (const char* other : {"", "e", "EN", "zh-CN", "english", " en", "fr"}) CHECK(!language_named(other));
}

TEST_CASE("language: the reasoning") {
    CHECK(reasoning("<think> a </think> b") == " a ");
    CHECK(reasoning("a </think> b") == "a ");
    CHECK(reasoning("<think> a") == " a");
    CHECK(reasoning("a") == "a");
    CHECK(reasoning("") == "");
    CHECK(reasoning("<think></think>a") == "");
    CHECK(reasoning("x <think> a <think> b </think> c </think> d") == " a <think> b </think> c ");
    CHECK(reasoning("a </think> b <think> c") == "a ");
    CHECK(reasoning("<Think> a </Think>") == "<Think> a </Think>");

    const std::string response = "<think>那么 so</think> <answer>everything here is English</answer>";
    const LanguageShare share = language_consistency(response, Language::chinese);
    CHECK(share.words == 3);
    CHECK(share.share == 2.0 / 3);
    CHECK(language_consistency("<think></think> English", Language::english).share == 0.0);
}

TEST_CASE("language: any bytes, and whatever is put around them") {
    const std::string pieces[] = {"ab", "é", "检", "か", "한", "`", "```", "$", "$$", "\\(", "\\)", "\\[", "\\]",
                                  "\\", "-", "'", " ", "\n", "7", "_", "\xFF", "\xE6\xA3", "\xF0\x9F", "\xCC\x81",
                                  "\xE2\x80\x8D", "<think>"};
    for (uint32_t round = 0; round < 4000; ++round) {
        std::string text;
        for (uint32_t i = 0; i < 24; ++i) {
            const Philox4 draw = philox(7, 1, round, i, 0, 0);
            if (round % 2) text += char(draw.x[0] & 0xFF);
            else text += pieces[draw.x[0] % std::size(pieces)];
        }
        const std::unique_ptr<char[]> exact(new char[text.size()]);  // reading behind it is an error that ASan sees
        std::copy(text.begin(), text.end(), exact.get());
        const std::string_view view(exact.get(), text.size());
        int in_all = 0, words = 0;
        for (const Language language : {Language::english, Language::chinese, Language::korean, Language::russian}) {
            const LanguageShare share = language_share(view, language);
            CHECK((share.in_target >= 0 && share.in_target <= share.words && share.share >= 0 && share.share <= 1));
            words = share.words, in_all += share.in_target;
        }
        CHECK(in_all <= words);  // no word is in two of these
        CHECK(words <= int(text.size()));
        // What stands in other paragraphs around it, with nothing to close a formula, adds its own words.
        CHECK(language_share("so on\n\n" + text, Language::english).words == words + 2);
    }
}

TEST_CASE("language: linear in the text, whatever it is") {
    const auto seconds = [](const std::string& text) {
        const auto begin = std::chrono::steady_clock::now();
        CHECK(language_consistency(text, Language::english).words >= 0);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    const auto is_linear = [&](const std::string& piece, size_t bytes) {
        CAPTURE(piece);
        const double once = seconds(repeat(piece, bytes)), twice = seconds(repeat(piece, 2 * bytes));
        CHECK(twice < 8 * once + 0.5);
    };
    is_linear("let me 检查 it ", 1'000'000);
    for (const char* piece : {"x", "检", "\\(", "\\[ ", "$$ ", "$a ", "$a\n", "`", "` ", "``` ", "\\", "a-", "a'", "1_",
                              "\xCC\x81", "\xF0\x9F", "\xFF", "<think>", "</think>"})
        is_linear(piece, 250'000);
    CHECK(language_share(repeat("let me 检查 it ", 1'400'000), Language::english).share == doctest::Approx(0.6));
}

TEST_CASE("soft overlong punishment") {
    struct Point {
        int length;
        double reward;
    };
    GrpoMath dapo;
    dapo.overlong_limit = 20480, dapo.overlong_cache = 4096;
    for (const Point p : {Point{0, 0}, Point{16383, 0}, Point{16384, 0}, Point{16385, -1.0 / 4096}, Point{17408, -0.25},
                          Point{18432, -0.5}, Point{20479, -4095.0 / 4096}, Point{20480, -1}, Point{20481, -1},
                          Point{2'000'000'000, -1}})
        CHECK(overlong_penalty<double>(p.length, dapo) == p.reward);
    for (const auto& [limit, cache] : {std::pair(100, 20), {100, 0}, {100, 100}, {1, 1}}) {
        dapo.overlong_limit = limit, dapo.overlong_cache = cache;
        double last = 0;
        for (int length = 0; length <= 2 * limit + 2; ++length) {
            const double reward = overlong_penalty<double>(length, dapo);
            CHECK((reward <= last && reward >= -1));
            last = reward;
        }
        CHECK(last == -1.0);
    }
}

TEST_CASE("cosine reward") {
    const CosineReward yeo;
    CHECK_NOTHROW(check(yeo));
    // exact at the ends and in the middle
    CHECK(cosine_reward(true, 0, yeo) == 2.0);
    CHECK(cosine_reward(false, 0, yeo) == -10.0);
    CHECK(cosine_reward(true, 7168, yeo) == 1.5);
    CHECK(cosine_reward(false, 7168, yeo) == -5.0);
    for (const bool correct : {false, true})
        for (const int length : {14336, 14337, 2'000'000'000}) CHECK(cosine_reward(correct, length, yeo) == -10.0);
    // the header's table, to its digits
    struct Point {
        int length;
        double right, wrong;
    };
    for (const Point p : {Point{3584, 1.854, -8.536}, Point{10752, 1.146, -1.464}, Point{14335, 1.000, -0.000}}) {
        CHECK(std::fabs(cosine_reward(true, p.length, yeo) - p.right) < 0.0005);
        CHECK(std::fabs(cosine_reward(false, p.length, yeo) - p.wrong) < 0.0005);
    }
    // falls if right, rises if wrong, right stays above wrong, and the formula as it is printed, by the library's cos
    for (int length = 1; length < yeo.limit; ++length) {
        const double right = cosine_reward(true, length, yeo), wrong = cosine_reward(false, length, yeo);
        const double wave = 1 + std::cos(std::acos(-1.0) * length / yeo.limit);
        REQUIRE(right < cosine_reward(true, length - 1, yeo));
        REQUIRE(wrong > cosine_reward(false, length - 1, yeo));
        REQUIRE((right > 1 && wrong < 0));
        REQUIRE(std::fabs(right - (1 + 0.5 * (2 - 1) * wave)) < 1e-14);
        REQUIRE(std::fabs(wrong - (0 + 0.5 * (-10 - 0) * wave)) < 1e-13);
    }
    // Open-R1's example values, below the limit
    const CosineReward open_r1 = {1000, 1, 0.5, -1, -0.5, -1};
    CHECK_NOTHROW(check(open_r1));
    CHECK(cosine_reward(true, 500, open_r1) == 0.75);
    CHECK(cosine_reward(false, 500, open_r1) == -0.75);
    CHECK(cosine_reward(true, 0, {1, 3, 2, 1, 0, -4}) == 3.0);
    CHECK(cosine_reward(true, 1, {1, 3, 2, 1, 0, -4}) == -4.0);

    const auto with = [](auto change) {
        CosineReward o;
        change(o);
        return o;
    };
    using C = CosineReward&;
    CHECK_NOTHROW(check(CosineReward{14336, 0, 10, 0, 0, -10}));  // the paper's reward A, which makes answers longer
    CHECK_THROWS_AS(check(with([](C o) { o.limit = 0; })), UsageError);
    CHECK_THROWS_AS(check(with([](C o) { o.right_short = std::nan(""); })), UsageError);
    CHECK_THROWS_AS(check(with([](C o) { o.exceeded = -INFINITY; })), UsageError);
    CHECK_THROWS_AS(check(with([](C o) { o.wrong_short = 3; })), UsageError);
    CHECK_THROWS_AS(check(with([](C o) { o.wrong_long = 1.5; })), UsageError);
    CHECK_THROWS_AS(check(with([](C o) { o.exceeded = 1.5; })), UsageError);
}

TEST_CASE("repetition penalty") {
    const auto reward = [](const std::string& letters, int n, double most = 1) {
        return repetition_reward(std::vector<int>(letters.begin(), letters.end()), {n, most});
    };
    CHECK(reward("abcd", 2) == 0.0);
    CHECK(reward("abab", 2) == -1.0 / 3);
    CHECK(reward("aaaaa", 2) == -0.75);
    CHECK(reward("a", 2) == 0.0);
    CHECK(reward("", 1) == 0.0);
    CHECK(reward("ab", 2) == 0.0);
    CHECK(reward("aab", 1, 3) == doctest::Approx(-1));
    CHECK(reward("abcabc", 3, 0.5) == -0.125);  // abc, bca, cab, abc
    CHECK(reward("abcabc", 7) == 0.0);
    CHECK(reward("aaaa", 1, 0) == 0.0);
    CHECK(!std::signbit(reward("abcd", 2)));
    CHECK_NOTHROW(check(Repetition{}));
    CHECK_NOTHROW(check(Repetition{1, 0}));
    CHECK_THROWS_AS(check(Repetition{0, 1}), UsageError);
    CHECK_THROWS_AS(check(Repetition{3, -1}), UsageError);
    CHECK_THROWS_AS(check(Repetition{3, std::nan("")}), UsageError);
    CHECK_THROWS_AS(check(Repetition{3, INFINITY}), UsageError);
}

TEST_CASE("repetition: as many n-grams as a set holds, for every n") {
    for (uint32_t round = 0; round < 60; ++round) {
        std::vector<int> tokens;
        for (uint32_t i = 0; i < 40; ++i) {
            const uint32_t draw = philox(7, 2, round, i, 0, 0).x[0];
            tokens.push_back(int(draw % (1 + round % 5)) - (round % 2 ? 0 : 2'000'000'000));
        }
        for (int n = 1; n <= 42; ++n) {
            std::set<std::vector<int>> seen;
            for (size_t i = 0; i + size_t(n) <= tokens.size(); ++i)
                seen.insert({tokens.begin() + std::ptrdiff_t(i), tokens.begin() + std::ptrdiff_t(i) + n});
            CHECK(different_ngrams(tokens, n) == int(seen.size()));
        }
    }
}

TEST_CASE("repetition: the more is repeated, the more it costs; long texts") {
    double last = 1;
    for (int copies = 1; copies <= 20; ++copies) {
        std::vector<int> tokens;
        for (int i = 0; i < 1000; ++i) tokens.push_back(i % (1000 / copies));
        const double reward = repetition_reward(tokens, {3, 1});
        CHECK((reward < last && reward > -1));
        last = reward;
    }
    const std::vector<int> same(200'000, 5);
    CHECK(different_ngrams(same, 1) == 1);
    CHECK(different_ngrams(same, 1000) == 1);
    CHECK(repetition_reward(same, {1000, 1}) == -(199'001.0 - 1) / 199'001.0);
}

TEST_CASE("rewards for language, length and repetition are the golden ones") {
    const json golden = read_json(std::string(R1_SOURCE) + "/reference/golden/rewards.json");
    for (const json& row : golden["language"]) {
        const LanguageShare s = language_share(row[0].get<std::string>(), *language_named(row[1].get<std::string>()));
        CAPTURE(row.dump());
        CHECK((s.words == row[2] && s.in_target == row[3] && s.share == doctest::Approx(row[4].get<double>()).epsilon(1e-12)));
    }
    for (const json& row : golden["cosine"]) {
        const json& o = row[2];
        const double reward = cosine_reward(row[0], row[1], {o[0], o[1], o[2], o[3], o[4], o[5]});
        CHECK(reward == doctest::Approx(row[3].get<double>()).epsilon(1e-12));
    }
    for (const json& row : golden["repetition"]) {
        const std::vector<int> tokens = row[0];
        CHECK(repetition_reward(tokens, {row[1], row[2]}) == doctest::Approx(row[3].get<double>()).epsilon(1e-12));
    }
    CHECK((golden["language"].size() > 100 && golden["cosine"].size() > 30 && golden["repetition"].size() > 50));
}
