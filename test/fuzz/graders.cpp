// Any bytes as an answer: the graders must not crash, hang or read beyond. For libFuzzer (scripts/fuzz.sh), one grader a
// binary: -DFUZZED=countdown, math, language, format, code, logic or rubric.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/check.h"
#include "reward/code.h"
#include "reward/countdown.h"
#include "reward/extract.h"
#include "reward/language.h"
#include "reward/length.h"
#include "reward/logic.h"
#include "reward/mathematics/grade.h"
#include "reward/reward.h"
#include "reward/rubric.h"

using namespace r1;

namespace {

void countdown(std::string_view text) {
    const Verdict v = grade_countdown(text, {3, 7, 12}, 33);
    if (v.correct && text.find("12") == std::string_view::npos) std::abort();
    countdown_vote(text);
    rule_reward(text, true, {}, [](std::string_view answer) {
        return Accuracy{grade_countdown(answer, {3, 7, 12}, 33).correct ? 1.0f : 0.0f, ""};
    });
}

// The text as an answer to several references, and as a reference and its own answer.
void math(std::string_view text) {
    static const std::vector<MathReference> references = [] {
        std::vector<MathReference> all;
        for (const char* one : {"\\frac{1}{3}", "(1, 2]", "x^2+2x+1", "\\sqrt{2}+\\pi", "50\\%", "\\sin x",
                                "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\frac{n(n+1)}{2}",
                                "2k\\pi, k \\in \\mathbb{Z}", "\\ln x + C"})
            all.push_back(MathReference::parse(one, "fuzz"));
        return all;
    }();
    for (const MathReference& reference : references) {
        reference.grade(text);
        reference.grade_leniently(text);
    }
    extract_boxed(text), reference_answer(text);
    try {
        MathReference::parse(text, "fuzz").grade(text);
        MathReference::parse_leniently(text, "fuzz").grade_leniently(text);
    } catch (const Error&) {
    }
}

void language(std::string_view text) {
    for (const Language each : {Language::english, Language::chinese, Language::japanese}) {
        const LanguageShare s = language_consistency(text, each);
        if (s.in_target > s.words || s.share < 0 || s.share > 1) std::abort();
    }
    const std::vector<int> tokens(text.begin(), text.end());
    const double r = repetition_reward(tokens, Repetition());
    if (!(r <= 0 && r >= -1)) std::abort();
}

void format(std::string_view text) {
    std::string why;
    format_ok(text, &why), format_ok(text, nullptr, true);
    extract_answer(text), reflective_words(text), reasoning(text);
}

void code(std::string_view text) {
    extract_code(text);
    if (!same_output(text, text)) std::abort();
    same_output(text, text.substr(text.size() / 2));
}

// The text as an answer to a puzzle, and as a puzzle.
void logic(std::string_view text) {
    static const LogicPuzzle puzzle = logic_puzzle_of(
        json::parse(R"({"variables": {"Ann": ["a", "is"], "A": ["3", "33"], "安": ["骑士", "骑士长"]}, "constraints":
                        [["iff", ["is", "Ann", "a"], ["different", "A", "安"]], ["or", ["is", "A", "33"]]]})"),
        "fuzz");
    std::string fault;
    const auto value = assignment_of(puzzle, text, &fault);
    if (value.has_value() != fault.empty()) std::abort();
    grade_logic(puzzle, text);
    logic_vote(text);
    const json line = json::parse(text, nullptr, false);
    if (!line.is_object()) return;
    try {
        const LogicPuzzle own = logic_puzzle_of(line, "fuzz");
        if (satisfiable(own) == false && grade_logic(own, text).correct) std::abort();
    } catch (const Error&) {
    }
}

// The text as an answer to a rubric, and as a rubric.
void rubric(std::string_view text) {
    static const Rubric fixed = rubric_of(
        json::parse(R"([{"any": ["cat", "猫", "é."], "at_least": 2, "weight": 3}, {"none": ["a b"]}, {"begins": ["x"]},
                        {"ends": ["."]}, {"words_at_most": 12}, {"words_at_least": 2}])"),
        "fuzz");
    const double score = rubric_score(fixed, text).score;
    if (!(score >= 0 && score <= 1)) std::abort();
    const json list = json::parse(text, nullptr, false);
    try {
        rubric_score(rubric_of(list, "fuzz"), text);
    } catch (const Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    FUZZED(std::string_view(reinterpret_cast<const char*>(data), size));
    return 0;
}
