#include "stages/problem.h"

#include "base/check.h"
#include "base/files.h"

namespace r1 {

namespace {

const char* const problem_format = "write {\"numbers\": [3, 7, 12], \"target\": 33}";

Problem countdown_problem(const json& object, const std::string& where) {
    constexpr int64_t largest = 1'000'000'000;
    const auto integer = [&](const json& value, const char* what) {
        if (!value.is_number_integer())
            fail(std::string(what) + " that is not an integer", where, "write it without a point or quotes");
        const int64_t n = value.get<int64_t>();  // a larger unsigned one becomes negative
        if (n < 0 || n > largest) fail(std::string(what) + " out of range", where, "use 0 to 1000000000");
        return int(n);
    };
    for (const std::string key : {"numbers", "target"})
        if (!object.contains(key)) fail("no key \"" + key + "\"", where, problem_format);
    const json& numbers = object["numbers"];
    if (!numbers.is_array()) fail("\"numbers\" is not a list", where, "write it as [3, 7, 12]");
    if (numbers.empty()) fail("an empty list of numbers", where, "give at least one number");
    if (numbers.size() > 16) fail("more than 16 numbers", where, "give fewer");
    Problem problem;
    for (const json& number : numbers) problem.numbers.push_back(integer(number, "a number"));
    problem.target = integer(object["target"], "a target");
    return problem;
}

Problem code_problem(const json& object, const std::string& where) {
    Problem problem;
    if (!object.contains("prompt") || !object["prompt"].is_string()) fail("no \"prompt\"", where, "write it beside the tests");
    problem.prompt = object["prompt"].get<std::string>();
    problem.code = std::make_shared<const CodeTask>(code_task_of(object, where));
    return problem;
}

}  // namespace

std::vector<Problem> read_problems(const std::string& path) {
    std::vector<Problem> problems;
    read_json_lines(path, [&](const json& object, int64_t line) {
        const std::string where = path + " line " + std::to_string(line);
        problems.push_back(object.contains("tests") ? code_problem(object, where) : countdown_problem(object, where));
    });
    if (problems.empty()) fail("no problems", path, problem_format);
    return problems;
}

}  // namespace r1
