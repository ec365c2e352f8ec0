// Mathematics: a question whose answer is an expression. Columns as they are published:
//
//   {"question": "...", "answer": "... <<48/2=24>> ... #### 1,072"}                    [GSM8K]
//   {"problem": "...", "solution": "... \boxed{\frac12} ..."}, "answer" instead if there [MATH, MATH-500, NuminaMath,
//                                                                  DeepScaleR, OpenR1-Math]; AIME's with capitals
//   {"prompt": "...", "reference": "72"}, or "answer", "ground_truth", "solution"     one's own, TRL
//   {"prompt": [{"role": "user", "content": "..."}], "reward_model": {"ground_truth": "72"}}   [verl, DAPO]
//   {"Body": "...", "Question": "...", "Answer": 145.0}                               [SVAMP]
//
// A prompt may be a list of messages everywhere: one of the user's, and a system's before it if any. A reference is a
// number or a text, which may be a whole solution. null is a missing value: the next column is tried, and a row without
// a question or without a reference is left out and counted.
#include "reward/mathematics/grade.h"

#include "tasks/problem.h"

namespace r1 {

namespace {

constexpr auto question_keys = std::to_array<const char*>({"question", "problem", "prompt", "Question", "Problem"});
constexpr auto reference_keys =
    std::to_array<const char*>({"reference", "answer", "ground_truth", "Answer", "solution", "Solution"});

// The first of these columns that a line has; one that is null only if there is no other.
template <size_t n>
const char* column(const json& line, const std::array<const char*, n>& keys) {
    const char* missing = nullptr;
    for (const char* key : keys) {
        if (!line.contains(key)) continue;
        if (!line[key].is_null()) return key;
        if (!missing) missing = key;
    }
    return missing;
}

bool has_ground_truth(const json& line) {
    return line.contains("reward_model") && line["reward_model"].is_object() &&
           line["reward_model"].contains("ground_truth");
}

bool is_math(const json& line) {
    return column(line, question_keys) && (column(line, reference_keys) || has_ground_truth(line));
}

// The text of a prompt's messages: a system's before the user's.
std::string text_of_messages(const json& messages, const std::string& where) {
    std::string text;
    bool by_user = false;
    for (const json& message : messages) {
        const auto is_text = [&](const char* key) {
            return message.is_object() && message.contains(key) && message[key].is_string();
        };
        const std::string role = is_text("role") ? message["role"].get<std::string>() : "";
        const bool fits = !by_user && is_text("content") && (role == "user" || (role == "system" && text.empty()));
        if (!fits)
            fail("messages that are not one of the user's, with a system's before it at most", where,
                 "write the question as {\"role\": \"user\", \"content\": \"...\"}");
        by_user = role == "user";
        text += (text.empty() ? "" : "\n\n") + message["content"].get<std::string>();
    }
    if (!by_user || trimmed(text).empty()) fail("messages without a question", where, "write it as the user's message");
    return text;
}

std::string question_of(const json& line, const std::string& where) {
    const char* key = column(line, question_keys);
    if (line[key].is_null())
        throw UngradableReference(std::string("no question, \"") + key + "\" is null, " + where +
                                  ", write one or leave the row out");
    if (line[key].is_array()) return text_of_messages(line[key], where);
    const bool has_body = line.contains("Body") && line["Body"].is_string();
    return (has_body ? line["Body"].get<std::string>() + " " : "") + question_text(line, key, where);
}

// A whole solution holds the answer after #### or in a box. That of a "problem" must; all other columns may be bare.
MathReference read_reference(const std::string& text, bool of_solution, const std::string& where, std::string& shown) {
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
            {{"reference", shown}},
            [reference](std::string_view text) { return reference.grade_leniently(text).correct ? 1.0f : 0.0f; }};
}

Problem read_math(const json& line, const std::string& where) {
    const std::string question = question_of(line, where);
    const char* key = column(line, reference_keys);
    const bool nested = has_ground_truth(line);
    const json& value = nested ? line["reward_model"]["ground_truth"] : line[key];
    const std::string name = nested ? "ground_truth" : key;
    if (value.is_null())
        throw UngradableReference("no reference answer, \"" + name + "\" is null, " + where +
                                  ", write one or leave the row out");
    if (!value.is_string() && !value.is_number())
        fail("\"" + name + "\" is neither a text nor a number", where, "write the right answer there");
    const std::string text = value.is_string() ? value.get<std::string>() : text_of_number(value);
    const bool of_solution = (name == "solution" && line.contains("problem")) || name == "Solution";
    std::string shown;
    try {
        const MathReference reference = read_reference(text, of_solution, where, shown);
        return problem_of(question, reference, shown);
    } catch (UngradableReference& error) {
        shown = std::string(trimmed(text));
        if (!shown.empty()) error.ungraded = std::make_shared<Problem>(ungraded_problem(question, shown));
        throw;
    }
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
