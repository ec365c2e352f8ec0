// Countdown: the grader against a table of tricks, votes, extraction and format, the reward.
#include "reward/countdown.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/philox.h"
#include "reward/extract.h"
#include "reward/reward.h"

using namespace r1;

namespace {

Reward countdown_reward(const std::string& text, bool finished, const std::vector<int>& numbers, int target,
                        const RewardWeights& weights = {}, bool think_opened = false) {
    return rule_reward(text, finished, weights, [&](std::string_view answer) {
        const Verdict v = grade_countdown(answer, numbers, target);
        return Accuracy{v.correct ? 1.0f : 0.0f, v.reason};
    }, think_opened);
}

std::string repeat(const std::string& text, int n) {
    std::string result;
    while (n-- > 0) result += text;
    return result;
}

struct Row {
    std::string expression;
    std::vector<int> numbers;
    int target;
    bool correct;
    std::string reason;  // a part of the grader's reason
};

const std::vector<int> three = {3, 7, 12};

// A wrong expression is given the target that a lenient grader would find it to have.
const Row rows[] = {
    // right ones
    {"12 + 7 * 3", three, 33, true, "gives 33"},
    {"7*3+12", three, 33, true, "gives 33"},
    {" ( 7 * 3 ) + 12", three, 33, true, "gives 33"},
    {"\t12+\n(7*3)\r\n", three, 33, true, "gives 33"},
    {"((((12))))+((7)*(3))", three, 33, true, "gives 33"},
    {"12 - 7 - 3", three, 2, true, "gives 2"},
    {"12 - (7 - 3)", three, 8, true, "gives 8"},
    {"7 - 12 + 3", three, -2, true, "gives -2"},
    {"7/3*3", {3, 3, 7}, 7, true, "gives 7"},
    {"7*(3/3)", {3, 3, 7}, 7, true, "gives 7"},
    {"8/(3-8/3)", {3, 3, 8, 8}, 24, true, "gives 24"},
    {"1/3+1/3+1/3", {1, 1, 1, 3, 3, 3}, 1, true, "gives 1"},
    {"6/(1-3/4)", {1, 3, 4, 6}, 24, true, "gives 24"},
    {"1/49*49", {1, 49, 49}, 1, true, "gives 1"},
    {"6/(3-5)", {3, 5, 6}, -3, true, "gives -3"},
    {"5", {5}, 5, true, "gives 5"},
    {"0*5", {0, 5}, 0, true, "gives 0"},
    {"100/10/5", {5, 10, 100}, 2, true, "gives 2"},
    // wrong values
    {"12 / 7 * 3", three, 33, false, "gives 36/7, not 33"},
    {"(12 + 7) * 3", three, 33, false, "gives 57, not 33"},
    {"12 - 7 - 3", three, 8, false, "gives 2, not 8"},
    {"100/10/5", {5, 10, 100}, 50, false, "gives 2, not 50"},
    {"12 / 7 * 3", three, 5, false, "gives 36/7, not 5"},
    {"7/2", {2, 7}, 3, false, "gives 7/2, not 3"},
    {"7/2", {2, 7}, 4, false, "gives 7/2, not 4"},
    {"7/2", {2, 7}, 7, false, "gives 7/2, not 7"},
    {"7/(3-5)", {3, 5, 7}, -4, false, "gives -7/2, not -4"},
    {"(2-7)/2", {2, 2, 7}, -2, false, "gives -5/2, not -2"},
    {"12*7/3-28", {3, 7, 12, 28}, 1, false, "gives 0, not 1"},
    // numbers
    {"7 + 7 * 3", three, 28, false, "uses 7 twice, which is given once"},
    {"7 + 7 * 3 + 12 + 7", three, 47, false, "uses 7 3 times, which is given once"},
    {"3 + 7", {3, 3, 7}, 10, false, "uses 3 once, which is given twice"},
    {"12 + 21", three, 33, false, "uses 21, which is not given"},
    {"33", three, 33, false, "uses 33, which is not given"},
    {"12 + 7", three, 19, false, "does not use 3"},
    {"12 + 7 * 3 + 0", three, 33, false, "uses 0, which is not given"},
    {"(12 + 7 * 3) * 1", three, 33, false, "uses 1, which is not given"},
    {"127 + 3", {1, 2, 7, 3}, 130, false, "uses 127, which is not given"},
    {"1 2 + 7 * 3", three, 33, false, "'2' at character 3"},
    {"12 + 7 * 3 + 12 - 12", three, 33, false, "uses 12 3 times"},
    {"5", {}, 5, false, "uses 5, which is not given"},
    {"12 / (7 - 7)", three, 33, false, "uses 7 twice, which is given once"},
    // division by zero
    {"12 / (7 - 7)", {7, 7, 12}, 0, false, "divides by zero"},
    {"0 / 0", {0, 0}, 0, false, "divides by zero"},
    {"3 * (12 / (7 - 7)) * 0", {0, 3, 7, 7, 12}, 0, false, "divides by zero"},
    {"1 / (1/3 - 1/3)", {1, 1, 1, 3, 3}, 0, false, "divides by zero"},
    // other operators
    {"12 + 7 ** 3", three, 33, false, "'*' at character 9 does not belong there"},
    {"2**3", {2, 3}, 8, false, "'*' at character 3"},
    {"2**3+1", {1, 2, 3}, 9, false, "'*' at character 3"},
    {"9**9**9", {9, 9, 9}, 1, false, "'*' at character 3"},
    {"2^3", {2, 3}, 8, false, "'^' at character 2"},
    {"7//2", {2, 7}, 3, false, "'/' at character 3"},
    {"7//2+1", {1, 2, 7}, 4, false, "'/' at character 3"},
    {"7%4", {4, 7}, 3, false, "'%'"},
    {"7\\2", {2, 7}, 3, false, "'\\'"},
    {"7 x 3", {3, 7}, 21, false, "'x'"},
    {"7 \xC3\x97 3", {3, 7}, 21, false, "byte 195"},
    {"6 \xC3\xB7 3", {3, 6}, 2, false, "byte 195"},
    {"7 \xE2\x88\x92 3", {3, 7}, 4, false, "byte 226"},
    {"5|3", {3, 5}, 7, false, "'|'"},
    {"1<<3", {1, 3}, 8, false, "'<'"},
    {"5!", {5}, 120, false, "'!'"},
    {"~5", {5}, -6, false, "'~'"},
    // signs
    {"-3 + 12 + 7", three, 16, false, "'-' at character 1"},
    {"+3 + 12 + 7", three, 22, false, "'+' at character 1"},
    {"5--3", {3, 5}, 8, false, "'-' at character 3"},
    {"5 - -3", {3, 5}, 8, false, "'-' at character 5"},
    {"5++3", {3, 5}, 8, false, "'+' at character 3"},
    {"5*-3", {3, 5}, -15, false, "'-' at character 3"},
    {"5*(-3)", {3, 5}, -15, false, "'-' at character 4"},
    // numbers in other spellings
    {"1.5", {1, 5}, 1, false, "'.'"},
    {"1.5 * 2", {1, 2, 5}, 3, false, "'.'"},
    {".5*2", {2, 5}, 1, false, "'.' at character 1"},
    {"7.+3", {3, 7}, 10, false, "'.'"},
    {"1e3", {1, 3}, 1000, false, "'e'"},
    {"0x10", {16}, 16, false, "'x'"},
    {"1_2 + 7 * 3", three, 33, false, "'_'"},
    {"1,000", {1000}, 1000, false, "','"},
    {"012 + 7 * 3", three, 33, false, "begins with 0"},
    {"00", {0}, 0, false, "begins with 0"},
    {"\xEF\xBC\x93 + 7", {3, 7}, 10, false, "byte 239"},
    {"3j + 7", {3, 7}, 10, false, "'j'"},
    {"99999999999999999999", {7}, 7, false, "more than 18 digits"},
    {"18446744073709551623", {7}, 7, false, "more than 18 digits"},  // 2^64 + 7
    // products without a sign, calls
    {"2(3)", {2, 3}, 6, false, "'('"},
    {"(2)(3)", {2, 3}, 6, false, "'(' at character 4"},
    {"(2)3", {2, 3}, 6, false, "'3' at character 4"},
    {"abs(3 - 7)", {3, 7}, 4, false, "'a' at character 1"},
    {"int(7/2)", {2, 7}, 3, false, "'i' at character 1"},
    {"__import__('os').exit(0)", three, 33, false, "'_' at character 1"},
    {"[33][0]", three, 33, false, "'[' at character 1"},
    {"{7} * 3 + 12", three, 33, false, "'{' at character 1"},
    // something around it
    {"", three, 33, false, "empty"},
    {"  \n\t ", three, 33, false, "empty"},
    {"12 + 7 * 3 = 33", three, 33, false, "'=' at character 12"},
    {"33 = 12 + 7 * 3", three, 33, false, "'=' at character 4"},
    {"x = 12 + 7 * 3", three, 33, false, "'x' at character 1"},
    {"12 + 7 * 3.", three, 33, false, "'.' at character 11"},
    {"12 + 7 * 3;", three, 33, false, "';'"},
    {"12 + 7 * 3 # done", three, 33, false, "'#'"},
    {"12 + 7 * 3, 5", three, 33, false, "','"},
    {"12 + 7 * 3 or so", three, 33, false, "'o'"},
    {"12 + 7\n3 * 11", three, 33, false, "'3' at character 8"},
    {"$12 + 7 * 3$", three, 33, false, "'$'"},
    {"\\boxed{12 + 7 * 3}", three, 33, false, "'\\'"},
    {"`12 + 7 * 3`", three, 33, false, "'`'"},
    {"\"12 + 7 * 3\"", three, 33, false, "'\"'"},
    {std::string("12 + 7 * 3\0", 11), three, 33, false, "byte 0 at character 11"},
    {std::string("12 + 7\0* 3", 10), three, 33, false, "byte 0 at character 7"},
    {"12 +\xC2\xA0" "7 * 3", three, 33, false, "byte 194"},
    {"\v12 + 7 * 3", three, 33, false, "byte 11"},
    // parentheses
    {"(12 + 7 * 3", three, 33, false, "not closed"},
    {"12 + 7 * 3)", three, 33, false, "')' at character 11"},
    {"()", three, 33, false, "')' at character 2"},
    {"() + 12 + 7 * 3", three, 33, false, "')' at character 2"},
    {")12 + 7 * 3(", three, 33, false, "')' at character 1"},
    {"12 + (7 *) 3", three, 33, false, "')' at character 10"},
    {"12 + 7 *", three, 84, false, "missing at the end"},
    {"* 12 + 7", three, 33, false, "'*' at character 1"},
    {"+", three, 33, false, "'+' at character 1"},
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("countdown grader: the table of tricks") {
    CHECK(std::size(rows) >= 100);
    for (const Row& row : rows) {
        CAPTURE(row.expression);
        const Verdict verdict = grade_countdown(row.expression, row.numbers, row.target);
        CAPTURE(verdict.reason);
        CHECK(verdict.correct == row.correct);
        CHECK(has(verdict.reason, row.reason));
    }
}

TEST_CASE("countdown grader: bounds") {
    const auto nested = [](int depth) { return repeat("(", depth) + "5" + repeat(")", depth); };
    CHECK(grade_countdown(nested(32), {5}, 5).correct);
    CHECK(grade_countdown(nested(33), {5}, 5).reason == "more than 32 open parentheses");
    CHECK(!grade_countdown(repeat("(", 256), {5}, 5).correct);
    // Depth counts what is open, not what has been.
    CHECK(grade_countdown(repeat("(0)+", 50) + "(0)", std::vector<int>(51, 0), 0).correct);

    CHECK(grade_countdown("5" + repeat(" ", 255), {5}, 5).correct);
    CHECK(grade_countdown("5" + repeat(" ", 256), {5}, 5).reason == "longer than 256 bytes");
    CHECK(!grade_countdown(repeat("(", 50'000'000), {5}, 5).correct);

    // 999999999^2 fits in 63 bits, its cube does not; a common factor is taken out before the size is judged.
    const int n = 999'999'999;
    CHECK(grade_countdown("999999999*999999999/999999999/999999999", {n, n, n, n}, 1).correct);
    const Verdict cube = grade_countdown("999999999*999999999*999999999/999999999/999999999", {n, n, n, n, n}, n);
    CHECK(has(cube.reason, "63 bits"));
    CHECK(grade_countdown("999999999*999999999*(999999999/999999999)/999999999", {n, n, n, n, n}, n).correct);
    // 2^64 and 2^63 + 2^63, which wrap to the target 0 in 64 bits; and -2^63, which has no opposite there.
    const int h = 1 << 30;
    CHECK(has(grade_countdown("4*1073741824*1073741824*4", {4, 4, h, h}, 0).reason, "63 bits"));
    CHECK(has(grade_countdown("2*4*1073741824*1073741824+2*4*1073741824*1073741824",
                              {2, 2, 4, 4, h, h, h, h}, 0).reason, "63 bits"));
    CHECK(has(grade_countdown("0-8*1073741824*1073741824", {0, 8, h, h}, 0).reason, "63 bits"));
    CHECK(has(grade_countdown("0-4*1073741824*1073741824-4*1073741824*1073741824",
                              {0, 4, 4, h, h, h, h}, 0).reason, "63 bits"));
    CHECK(grade_countdown("0-4*1073741824*1073741824", {0, 4, h, h}, 0).reason == "gives -4611686018427387904, not 0");
}

TEST_CASE("countdown votes are equal where the algebra is") {
    const auto vote = [](const char* expression) { return countdown_vote(expression); };
    struct Pair { const char *x, *y; };
    for (const Pair& pair : std::vector<Pair>{
             {"3 + 8 * 2", "2 * 8 + 3"},
             {"(3 + 8) * 2", "3 * 2 + 8 * 2"},
             {"12 - (7 - 3)", "12 + 3 - 7"},
             {"8 / (3 / 7)", "8 * 7 / 3"},
             {"7 / 3 * 3", "7"},
             {"(9 - 4) * (9 + 4)", "9 * 9 - 4 * 4"}}) {
        CAPTURE(pair.x);
        CHECK(vote(pair.x).has_value());
        CHECK(vote(pair.x) == vote(pair.y));
    }
    // All of these give 16 or use the same numbers, and no two are the same formula.
    std::set<uint64_t> different;
    const std::vector<const char*> formulas = {"4*4",  "8+8",  "2*8",  "16",   "4+12",
                                               "4-12", "12-4", "4/12", "12/4", "17-1"};
    for (const char* formula : formulas) different.insert(vote(formula).value());
    CHECK(different.size() == formulas.size());
    for (const char* refused : {"", "4*", "2**3", "-4", "4/(7-7)", "4/(2*3-3*2)", "4 = 4", "1.5"}) {
        CAPTURE(refused);
        CHECK(!vote(refused));
    }
}

TEST_CASE("countdown grader and extraction survive any bytes") {
    Stream random(7, Purpose::shuffle, 0, 0);
    const std::string alphabet = "0123456789+-*/() \n.<>/thinkanswer";
    const std::string tags[] = {"<think>", "</think>", "<answer>", "</answer>", "12 + 7 * 3", "((", "/0"};
    int correct = 0, voted = 0, answered = 0, kept = 0;
    for (int i = 0; i < 200'000; ++i) {
        std::string text = i % 2 ? "<think> 7 </think> <answer> (12 + 7 * 3) </answer>" : "(12 + 7) * 3 - 12 / 7";
        for (uint32_t edits = random.below(6); edits > 0; --edits) {
            const size_t at = random.below(uint32_t(text.size() + 1));
            switch (random.below(5)) {
                case 0: text.insert(at, 1, char(random.below(256))); break;
                case 1: text.insert(at, 1, alphabet[random.below(uint32_t(alphabet.size()))]); break;
                case 2: text.erase(at, 1 + random.below(4)); break;
                case 3: text.insert(at, tags[random.below(7)]); break;
                default: text = text.substr(at) + text.substr(0, at);
            }
        }
        const auto answer = extract_answer(text);
        const Verdict verdict = grade_countdown(answer ? *answer : std::string_view(text), three, 33);
        const auto plain = [](char c) { return c >= ' ' && c < 0x7f; };
        if (!std::all_of(verdict.reason.begin(), verdict.reason.end(), plain)) FAIL("a reason that is not ASCII");
        if (verdict.reason.empty()) FAIL("no reason");
        correct += verdict.correct, voted += countdown_vote(text).has_value();
        answered += answer.has_value(), kept += format_ok(text);
        reflective_words(text);
    }
    // The mutations reach both sides of each judgement.
    for (const int count : {correct, voted, answered, kept}) CHECK((count > 1000 && count < 199'000));
}

TEST_CASE("the answer is the last one after the last </think>") {
    const auto answer = [](const char* text) { return std::string(extract_answer(text).value_or("none")); };
    CHECK(answer("<think> 3 + 8 </think><answer> 11 * 3 </answer>") == "11 * 3");
    CHECK(answer("<think> <answer>1</answer> </think> <answer>2</answer>") == "2");
    CHECK(answer("<think> <answer>1</answer> </think> 2") == "none");
    CHECK(answer("</think> <answer>1</answer> hm <answer>2</answer>") == "2");
    CHECK(answer("</think> <answer>1</answer> hm <answer>2") == "1");
    CHECK(answer("</think> <answer>1</answer> <answer> </answer>") == "");
    CHECK(answer("</think> <answer>1 <answer>2</answer>") == "2");
    CHECK(answer("</think> <answer>1</answer> 2</answer>") == "1</answer> 2");
    CHECK(answer("<think> 1 <answer>1</answer>") == "none");
    CHECK(answer("</think> <answer>1</answer> </think> 2") == "none");
    CHECK(answer("</think> </answer> 1 <answer>") == "none");
    CHECK(answer("</think> <ANSWER>1</ANSWER>") == "none");
    CHECK(answer("</think>") == "none");
    CHECK(answer("") == "none");
    CHECK(trimmed(" \t\r\n 3 + 8\n") == "3 + 8");
    CHECK(trimmed(" \n ") == "");
    const int million = 1'000'000;
    const std::string long_text = "</think>" + repeat("<answer>", million) + "5</answer>" + repeat("<answer", million);
    CHECK(extract_answer(long_text) == "5");
}

TEST_CASE("the format") {
    struct Case { const char* text; const char* reason; bool think_opened = false; };
    for (const char* text : {"<think> 3 </think> <answer> 3 </answer>", "<think></think><answer>3</answer>",
                             "\n <think>\n3\n</think>\n<answer>\n3\n</answer>\n"}) {
        CAPTURE(text);
        CHECK(format_ok(text));
        CHECK(!format_ok(text, nullptr, true));
    }
    CHECK(format_ok(" 3 </think> <answer> 3 </answer>", nullptr, true));
    for (const Case& c : {Case{"", "<think> is missing"},
                          Case{"3 </think> <answer> 3 </answer>", "<think> is missing"},
                          Case{"<think> 3 <answer> 3 </answer>", "</think> is missing"},
                          Case{"<think> 3 </think> 3", "<answer> is missing"},
                          Case{"<think> 3 </think> <answer> 3", "</answer> is missing"},
                          Case{"<think> <think> 3 </think> <answer> 3 </answer>", "<think> more than once"},
                          Case{"<think> 3 </think> </think> <answer> 3 </answer>", "</think> more than once"},
                          Case{"<think> <answer> 3 </think> <answer> 3 </answer>", "<answer> more than once"},
                          Case{"<think> 3 </think> <answer> 3 </answer> </answer>", "</answer> more than once"},
                          Case{"<think> <answer> 3 </think> </answer>", "the tags are not in order"},
                          Case{"<answer> 3 </answer> <think> 3 </think>", "the tags are not in order"},
                          Case{"</think> <think> <answer> 3 </answer>", "the tags are not in order"},
                          Case{"so <think> 3 </think> <answer> 3 </answer>", "text before <think>"},
                          Case{"<think> 3 </think> so <answer> 3 </answer>", "text between </think> and <answer>"},
                          Case{"<think> 3 </think> <answer> 3 </answer> ok", "text after </answer>"},
                          Case{"<think> 3 </think> <answer> \n </answer>", "the answer is empty"},
                          Case{"<Think> 3 </think> <answer> 3 </answer>", "<think> is missing"},
                          Case{"< think> 3 </think> <answer> 3 </answer>", "<think> is missing"},
                          Case{"<think> 3 </think> <answer> 3 </answer>", "<think> again", true},
                          Case{"3 <answer> 3 </think> </answer>", "the tags are not in order", true},
                          Case{"3 </think> <answer> </answer>", "the answer is empty", true}}) {
        CAPTURE(c.text);
        std::string reason;
        CHECK(!format_ok(c.text, &reason, c.think_opened));
        CHECK(has(reason, c.reason));
    }
}

TEST_CASE("reflective words") {
    CHECK(reflective_words("Wait, check it: wait.") == 3);
    CHECK(reflective_words("waiting, unchecked, wait2, _wait, checks, e\xC3\xA9wait, but_then") == 0);
    CHECK(reflective_words("wait mistake however but retry error verify wrong evaluate check") == 10);
    CHECK(reflective_words("WAIT-But(no)<think>check</think>") == 3);
    CHECK(reflective_words("") == 0);
    CHECK(reflective_words("no try yes ok give up so guess think answer") == 0);
    CHECK(reflective_words(repeat("x", 1'000'000) + " wait") == 1);
}

TEST_CASE("the reward") {
    const std::string right = "<think> a </think><answer> 12 + 7 * 3 </answer>";
    const std::string wrong = "<think> a </think><answer> 12 + 7 + 3 </answer>";
    const std::string loose = "a </think><answer> 12 + 7 * 3 </answer>", nothing = "guess";
    const auto reward = [](const std::string& text, bool finished, const RewardWeights& weights = {}) {
        return countdown_reward(text, finished, three, 33, weights);
    };
    CHECK(reward(right, true).total == 2.0f);
    CHECK(reward(wrong, true).total == 1.0f);
    CHECK(reward(loose, true).total == 1.0f);
    CHECK(reward(loose, true).accuracy == 1.0f);
    CHECK(reward(loose, true).format == 0.0f);
    CHECK(reward(loose, true).reason == "gives 33; format: <think> is missing");
    CHECK(reward(nothing, true).total == 0.0f);
    CHECK(reward(nothing, true).reason == "no answer; format: <think> is missing");
    CHECK(reward(wrong, true).reason == "gives 22, not 33");
    CHECK(countdown_reward(loose, true, three, 33, {}, true).total == 2.0f);
    CHECK(countdown_reward(right, true, three, 33, {}, true).total == 1.0f);

    const Reward cut = reward(right, false);
    CHECK((cut.total == 0 && cut.accuracy == 0 && cut.format == 0));
    const RewardWeights gated = {0.9f, 0.1f, true};
    CHECK(reward(right, true, gated).total == 1.0f);
    CHECK(reward(wrong, true, gated).total == 0.1f);
    CHECK(reward(loose, true, gated).total == 0.0f);
    CHECK(reward(nothing, true, gated).total == 0.0f);
    CHECK(reward("<think> <answer> 12 + 7 * 3 </answer> </think> 33", true).accuracy == 0.0f);
}

TEST_CASE("the rule reward is the paper's") {
    const json golden = read_json(R1_SOURCE "/reference/golden/grpo.json");
    for (const json& each : golden["rule_rewards"]) {
        const std::string answer = each["right"].get<bool>() ? " 12 + 7 * 3 " : " 12 + 7 + 3 ";
        const std::string text = std::string(each["form"].get<bool>() ? "<think>" : "") + " a </think><answer>" + answer + "</answer>";
        CHECK(countdown_reward(text, true, three, 33).total == each["total"].get<float>());
    }
    CHECK(golden["rule_rewards"].size() == 4);
}
