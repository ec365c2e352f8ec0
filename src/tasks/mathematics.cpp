// Mathematics: a question whose answer is an expression.
//
//   {"question": "...", "answer": "... <<48/2=24>> ... #### 1,072"}                    [GSM8K]
//   {"problem": "...", "solution": "... \boxed{\frac12} ..."}, "answer" instead if there [MATH, MATH-500, AIME]
//   {"prompt": "...", "reference": "72"}                                              one's own
//
// A reference is a number or a text, which may be a whole solution.
#include "reward/mathematics/grade.h"

#include "tasks/problem.h"

namespace r1 {

namespace {

// Where the question stands, and where the reference may, in this order.
struct MathKeys {
    const char* question;
    std::vector<const char*> references;
};
const std::vector<MathKeys>& math_keys() {
    static const std::vector<MathKeys> all = {
        {"question", {"answer"}}, {"problem", {"answer", "solution"}}, {"prompt", {"reference"}}};
    return all;
}

bool is_math(const json& line) {
    for (const MathKeys& keys : math_keys())
        for (const char* reference : keys.references)
            if (line.contains(keys.question) && line.contains(reference)) return true;
    return false;
}

// A whole solution holds it after #### or in a box. Only a "solution" must; an "answer" may be the bare answer.
MathReference read_reference(const json& value, bool of_solution, const std::string& where, std::string& shown) {
    const std::string text = value.is_number() ? value.dump() : value.get<std::string>();
    const auto found = reference_answer(text);
    try {
        if (!found && of_solution)
            fail("a solution without a \\boxed{} answer", where, "correct it or leave the row out");
        shown = std::string(trimmed(found ? *found : std::string_view(text)));
        if (shown.empty()) fail("an empty reference answer", where, "correct it or leave the row out");
        return MathReference::parse(shown, where);
    } catch (const Error& error) {
        throw UngradableReference(error.what());
    }
}

Problem ungraded_problem(const std::string& question, const std::string& shown) {
    return {&mathematics_kind,
            [question](PromptTemplate) { return question; },
            [](std::string_view) {
        return Accuracy{0, "the reference cannot be graded"};
            },
            {{"reference", shown}}};
}

Problem problem_of(const std::string& question, const MathReference& reference, const std::string& shown) {
    return {&mathematics_kind,
            [question](PromptTemplate) { return question; },
            [reference](std::string_view answer) {
        const Verdict v = reference.grade(answer);
        return Accuracy{v.correct ? 1.0f : 0.0f, v.reason};
            },
            {{"reference", shown}}};
}

Problem read_math(const json& line, const std::string& where) {
    for (const MathKeys& keys : math_keys())
        for (const char* key : keys.references) {
            if (!line.contains(keys.question) || !line.contains(key)) continue;
            const std::string question = question_text(line, keys.question, where);
            if (!line[key].is_string() && !line[key].is_number())
                fail(std::string("\"") + key + "\" is neither a text nor a number", where,
                     "write the right answer there");
            std::string shown;
            try {
                const MathReference reference = read_reference(line[key], std::string(key) == "solution", where, shown);
                return problem_of(question, reference, shown);
            } catch (UngradableReference& error) {
                const std::string text = line[key].is_string() ? line[key].get<std::string>() : line[key].dump();
                shown = std::string(trimmed(text));
                if (!shown.empty()) error.ungraded = std::make_shared<Problem>(ungraded_problem(question, shown));
                throw;
            }
        }
    fail("no question with a reference", where, std::string("write ") + mathematics_kind.example);
}

// The answer seen first is the reference for the others.
std::function<bool(std::string_view)> same_math(std::string_view answer) {
    try {
        const MathReference first = MathReference::parse(answer, "an answer");
        return [first](std::string_view other) { return first.grade(other).correct; };
    } catch (const Error&) {
        return {};
    }
}

}  // namespace

const ProblemKind mathematics_kind = {.name = "math",
                                      .example = "{\"prompt\": \"What is 6 * 7?\", \"reference\": \"42\"}",
                                      .recognises = is_math,
                                      .read = read_math,
                                      .result = "your final answer",
                                      .chinese_result = "最终答案",
                                      .chat_form = AnswerForm::boxed,
                                      .same_as = same_math};

}  // namespace r1
