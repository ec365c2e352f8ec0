// Reading the file, then the three kinds.
#include "stages/problem.h"

#include <cstdio>

#include "base/check.h"
#include "base/threads.h"
#include "reward/countdown.h"
#include "stages/countdown.h"

namespace r1 {

static const ProblemKind* const kinds[] = {&code_kind, &countdown_kind, &math_kind};

static const ProblemKind& kind_of(const json& line, const std::string& task, const std::string& where) {
    const ProblemKind* found = nullptr;
    for (const ProblemKind* kind : kinds)
        if (!found && kind->recognises(line)) found = kind;
    if (task == "auto") {
        if (!found)
            fail("a line that is no problem of any kind", where,
                 std::string("write ") + countdown_kind.example + " or " + math_kind.example + " or " + code_kind.example);
        return *found;
    }
    for (const ProblemKind* kind : kinds) {
        if (task != kind->name) continue;
        if (found != kind)
            fail("a line of " + std::string(found ? found->name : "no known kind") + " where --task is " + task, where,
                 std::string("write ") + kind->example + ", or leave --task out");
        return *kind;
    }
    throw UsageError("no kind of problem named " + task + ", --task, give auto, countdown, math or code");
}

void check_given(const std::string& path) {
    if (path.empty())
        throw UsageError(
            "no problems to ask, --problems, give a file of JSON lines (for Countdown: r1 countdown makes them, or " +
            std::string(countdown_kind.example) + ")");
}

ProblemSet read_problem_set(const std::string& path, const ProblemOptions& o) {
    ProblemSet set;
    read_json_lines(path, [&](const json& line, int64_t number) {
        const std::string where = path + " line " + std::to_string(number);
        Problem problem;
        problem.kind = &kind_of(line, o.task, where);
        try {
            problem.kind->read(line, where, problem);
            set.problems.push_back(std::move(problem));
        } catch (const UngradableReference& error) {
            if (o.refuse_ungradable) throw;
            if (set.left_out++ == 0) set.first_left_out = error.what();
        }
    });
    if (set.problems.empty() && set.left_out > 0) throw Error(set.first_left_out + "; no other line is left");
    if (set.problems.empty()) fail("no problems", path, std::string("write ") + countdown_kind.example + ", each on a line");
    return set;
}

std::vector<Problem> read_problems(const std::string& path, const ProblemOptions& o) {
    ProblemSet set = read_problem_set(path, o);
    if (set.left_out > 0)
        std::printf("%s: %lld of %lld problems left out, because their references cannot be graded. The first: %s\n",
                    path.c_str(), static_cast<long long>(set.left_out),
                    static_cast<long long>(set.left_out + int64_t(set.problems.size())), set.first_left_out.c_str());
    return std::move(set.problems);
}

namespace {

bool has_text(const json& line, const char* key) { return line.contains(key) && line[key].is_string(); }

std::string question_text(const json& line, const char* key, const std::string& where) {
    if (!has_text(line, key) || trimmed(line[key].get_ref<const std::string&>()).empty())
        fail(std::string("no text in \"") + key + "\"", where, "write the question there");
    return line[key].get<std::string>();
}

// ------------------------------------------------------------------------------------------------------ countdown

bool is_countdown(const json& line) { return line.contains("numbers") || line.contains("nums") || line.contains("target"); }

void read_countdown(const json& line, const std::string& where, Problem& problem) {
    constexpr int64_t largest = 1'000'000'000;
    const auto integer = [&](const json& value, const char* what) {
        if (!value.is_number_integer())
            fail(std::string(what) + " that is not an integer", where, "write it without a point or quotes");
        const int64_t n = value.get<int64_t>();  // a larger unsigned one becomes negative
        if (n < 0 || n > largest) fail(std::string(what) + " out of range", where, "use 0 to 1000000000");
        return int(n);
    };
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
}

std::string ask_countdown(const Problem& p, PromptTemplate prompt_template) {
    return countdown_question(p.numbers, p.target, prompt_template, p.divides);
}

Accuracy grade_countdown_answer(const Problem& p, std::string_view answer) {
    const Verdict v = grade_countdown(answer, p.numbers, p.target);
    return {v.correct ? 1.0f : 0.0f, v.reason};
}

// Expressions that are equal as algebra.
std::function<bool(std::string_view)> same_countdown(std::string_view answer) {
    const auto vote = countdown_vote(answer);
    if (!vote) return {};
    return [vote](std::string_view other) { return countdown_vote(other) == vote; };
}

json show_countdown(const Problem& p) { return {{"numbers", p.numbers}, {"target", p.target}}; }

// ---------------------------------------------------------------------------------------------------- mathematics

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
void read_reference(const json& value, bool of_solution, const std::string& where, Problem& problem) {
    const std::string text = value.is_number() ? value.dump() : value.get<std::string>();
    const auto found = reference_answer(text);
    try {
        if (!found && of_solution) fail("a solution without a \\boxed{} answer", where, "correct it or leave the row out");
        problem.reference_text = std::string(trimmed(found ? *found : std::string_view(text)));
        if (problem.reference_text.empty()) fail("an empty reference answer", where, "correct it or leave the row out");
        problem.reference = MathReference::parse(problem.reference_text, where);
    } catch (const Error& error) {
        throw UngradableReference(error.what());
    }
}

void read_math(const json& line, const std::string& where, Problem& problem) {
    for (const MathKeys& keys : math_keys())
        for (const char* key : keys.references) {
            if (!line.contains(keys.question) || !line.contains(key)) continue;
            problem.prompt = question_text(line, keys.question, where);
            if (!line[key].is_string() && !line[key].is_number())
                fail(std::string("\"") + key + "\" is neither a text nor a number", where, "write the right answer there");
            return read_reference(line[key], std::string(key) == "solution", where, problem);
        }
}

std::string ask_prompt(const Problem& p, PromptTemplate) { return p.prompt; }

Accuracy grade_math(const Problem& p, std::string_view answer) {
    const Verdict v = p.reference->grade(answer);
    return {v.correct ? 1.0f : 0.0f, v.reason};
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

json show_math(const Problem& p) { return {{"reference", p.reference_text}}; }

// ----------------------------------------------------------------------------------------------------------- code

bool is_code(const json& line) { return line.contains("tests"); }

void read_code(const json& line, const std::string& where, Problem& problem) {
    problem.prompt = question_text(line, "prompt", where);
    problem.code = std::make_shared<const CodeTask>(code_task_of(line, where));
}

// Made on the main thread, with a slot for each of the program's threads.
Sandbox& sandbox() {
    static Sandbox one(thread_count());
    return one;
}

Accuracy grade_program(const Problem& p, std::string_view answer) {
    const CodeVerdict v = grade_code(sandbox(), answer, *p.code);
    return {v.share, v.reason};
}

std::function<bool(std::string_view)> same_text(std::string_view answer) {
    return [text = std::string(answer)](std::string_view other) { return other == text; };
}

json show_code(const Problem& p) { return {{"tests", p.code->tests.size()}}; }

}  // namespace

const ProblemKind countdown_kind = {
    "countdown", "{\"numbers\": [3, 7, 12], \"target\": 33}", is_countdown, read_countdown, ask_countdown,
    "Think within <think> </think> tags, then give the expression within <answer> </answer> tags.", AnswerForm::tags,
    nullptr, grade_countdown_answer, same_countdown, show_countdown};

const ProblemKind math_kind = {
    "math", "{\"prompt\": \"What is 6 * 7?\", \"reference\": \"42\"}", is_math, read_math, ask_prompt,
    "Please reason step by step, and put your final answer within \\boxed{}.", AnswerForm::boxed,
    nullptr, grade_math, same_math, show_math};

const ProblemKind code_kind = {
    "code", "{\"prompt\": \"...\", \"tests\": [{\"input\": \"1 2\\n\", \"output\": \"3\\n\"}]}", is_code, read_code, ask_prompt,
    "Think within <think> </think> tags, then give the program within <answer> </answer> tags.", AnswerForm::tags,
    [] { sandbox(); }, grade_program, same_text, show_code};

}  // namespace r1
