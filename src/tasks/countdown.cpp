#include "tasks/countdown.h"

#include "reward/countdown.h"

namespace r1 {

std::string countdown_question(const CountdownProblem& problem, PromptTemplate prompt_template) {
    const bool plain = prompt_template == PromptTemplate::plain;
    std::string list;
    for (const int number : problem.numbers) {
        if (!list.empty()) list += plain ? " " : problem.chinese ? "、" : ", ";
        list += std::to_string(number);
    }
    const std::string target = std::to_string(problem.target);
    if (problem.chinese && plain) return "用 " + list + " 得 " + target + "。";
    if (problem.chinese)
        return "用数字 " + list + " 算出 " + target + "。每个数字恰好用一次，可以用 + - *" +
               (problem.divides ? " /。" : "。");
    if (plain) return list + " make " + target + ".";
    return "Using the numbers " + list + ", make " + target + ". Use each number exactly once, with + - *" +
           (problem.divides ? " /." : ".");
}

Accuracy countdown_accuracy(const CountdownProblem& problem, std::string_view answer) {
    const Verdict v = grade_countdown(answer, problem.numbers, problem.target);
    return {v.correct ? 1.0f : 0.0f, v.reason};
}

Problem problem_of(const CountdownProblem& problem) {
    return {&countdown_kind,
            [problem](PromptTemplate prompt_template) { return countdown_question(problem, prompt_template); },
            [problem](std::string_view answer) { return countdown_accuracy(problem, answer); },
            {{"numbers", problem.numbers}, {"target", problem.target}}};
}

namespace {

bool is_countdown(const json& line) {
    return line.contains("numbers") || line.contains("nums") || line.contains("target");
}

Problem read_countdown(const json& line, const std::string& where) {
    CountdownProblem problem;
    constexpr int64_t largest = 1'000'000'000;
    const auto integer = [&](const json& value, const char* what) {
        if (!value.is_number_integer())
            fail(std::string(what) + " that is not an integer", where, "write it without a point or quotes");
        const int64_t n = value.get<int64_t>();  // a larger unsigned one becomes negative
        if (n < 0 || n > largest) fail(std::string(what) + " out of range", where, "use 0 to 1000000000");
        return int(n);
    };
    problem.chinese = language_of(line, "language", where) == "zh";
    problem.divides = !line.contains("numbers") && line.contains("nums");
    const char* key = problem.divides ? "nums" : "numbers";
    for (const char* needed : {key, "target"})
        if (!line.contains(needed))
            fail("no key \"" + std::string(needed) + "\"", where, std::string("write ") + countdown_kind.example);
    const json& numbers = line[key];
    if (!numbers.is_array()) fail("\"" + std::string(key) + "\" is not a list", where, "write it as [3, 7, 12]");
    if (numbers.empty()) fail("an empty list of numbers", where, "give at least one number");
    if (numbers.size() > 16) fail("more than 16 numbers", where, "give fewer");
    for (const json& number : numbers) problem.numbers.push_back(integer(number, "a number"));
    problem.target = integer(line["target"], "a target");
    return problem_of(problem);
}

// Expressions that are equal as algebra.
std::function<bool(std::string_view)> same_countdown(std::string_view answer) {
    const auto vote = countdown_vote(answer);
    if (!vote) return {};
    return [vote](std::string_view other) { return countdown_vote(other) == vote; };
}

}  // namespace

const ProblemKind countdown_kind = {.name = "countdown",
                                    .example = "{\"numbers\": [3, 7, 12], \"target\": 33}",
                                    .recognises = is_countdown,
                                    .read = read_countdown,
                                    .result = "the expression",
                                    .chinese_result = "算式",
                                    .chat_form = AnswerForm::tags,
                                    .same_as = same_countdown};

}  // namespace r1
