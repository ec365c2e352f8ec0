#include "reward/code.h"

#include "base/check.h"

namespace r1 {

static const char* const format = "write {\"tests\": [{\"input\": \"1 2\\n\", \"output\": \"3\\n\"}]}";

CodeTask code_task_of(const json& object, const std::string& where) {
    CodeTask task;
    const auto text = [&](const json& from, const char* key, const std::string& otherwise) {
        if (!from.contains(key)) return otherwise;
        if (!from[key].is_string()) fail(std::string("\"") + key + "\" is not a text", where, format);
        return from[key].get<std::string>();
    };
    const auto number = [&](const char* key, double otherwise, double least, double most) {
        if (!object.contains(key)) return otherwise;
        if (!object[key].is_number() || object[key] < least || object[key] > most)
            fail(std::string("\"") + key + "\" is not a number from " + json(least).dump() + " to " + json(most).dump(),
                 where, format);
        return object[key].get<double>();
    };
    if (!object.is_object() || !object.contains("tests") || !object["tests"].is_array() || object["tests"].empty())
        fail("no tests", where, format);
    const std::string language = text(object, "language", "python"), reward = text(object, "reward", "all");
    if (language != "python" && language != "cpp")
        fail("a language that is neither python nor cpp", where, "change \"language\"");
    if (reward != "all" && reward != "fraction") fail("a reward that is neither all nor fraction", where, "change \"reward\"");
    task.language = language == "cpp" ? Program::cpp : Program::python;
    task.fraction = reward == "fraction";
    task.program = text(object, "program", task.program);
    if (task.program.find("{answer}") == std::string::npos)
        fail("a program without {answer}", where, "say where the answer goes");
    task.limits.cpu_seconds = number("cpu_seconds", task.limits.cpu_seconds, 0.01, 600);
    task.limits.memory_mb = int(number("memory_mb", task.limits.memory_mb, 16, 65536));
    for (const json& test : object["tests"]) {
        if (!test.is_object() || !test.contains("output")) fail("a test without \"output\"", where, format);
        task.tests.push_back({text(test, "input", ""), text(test, "output", "")});
    }
    return task;
}

std::string_view extract_code(std::string_view answer) {
    constexpr std::string_view fence = "```";
    const size_t end = answer.rfind(fence);
    if (end == std::string_view::npos || end == 0) return answer;
    // Fences open and close in turn: the last complete block ends at the last fence of an even number.
    size_t count = 0, open = 0, close = 0;
    for (size_t at = answer.find(fence); at != std::string_view::npos; at = answer.find(fence, at + fence.size())) {
        if (++count % 2 == 0) close = at;
        else if (answer.find(fence, at + fence.size()) != std::string_view::npos) open = at + fence.size();
    }
    if (count < 2) return answer;
    const std::string_view block = answer.substr(open, close - open);
    const size_t line = block.find('\n');
    return line == std::string_view::npos ? block : block.substr(line + 1);
}

bool same_output(std::string_view printed, std::string_view expected) {
    const auto next_line = [](std::string_view& text) {
        const size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        const size_t last = line.find_last_not_of(" \t\r");
        return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
    };
    const auto without_end = [](std::string_view text) {
        const size_t last = text.find_last_not_of(" \t\r\n");
        return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
    };
    printed = without_end(printed), expected = without_end(expected);
    while (!printed.empty() && !expected.empty())
        if (next_line(printed) != next_line(expected)) return false;
    return printed.empty() && expected.empty();
}

// Of what a compiler says.
static std::string first_error(const std::string& said) {
    const size_t error = said.find(" error: ");
    const size_t begin = error == std::string::npos ? 0 : said.rfind('\n', error) + 1;
    return said.substr(begin, std::min(said.find('\n', begin), begin + 200) - begin);
}

CodeVerdict grade_code(Sandbox& sandbox, std::string_view answer, const CodeTask& task) {
    std::string program = task.program;
    program.replace(program.find("{answer}"), 8, extract_code(answer));
    std::vector<std::string> inputs;
    for (const CodeTest& test : task.tests) inputs.push_back(test.input);
    int passed = 0;
    std::string failure;
    CodeVerdict verdict;
    sandbox.run(task.language, program, inputs, task.limits, [&](int i, const SandboxRun& run) {
        if (run.status == SandboxStatus::infrastructure) {
            verdict.ungraded = true;
            verdict.reason = "a program could not be run: " + run.err;
            return false;
        }
        const bool right = run.status == SandboxStatus::ok && run.exit_code == 0 && same_output(run.out, task.tests[i].output);
        passed += right;
        if (!right && failure.empty()) {
            failure = "test " + std::to_string(i + 1) + " of " + std::to_string(inputs.size()) + ": ";
            if (run.status == SandboxStatus::compile) failure += "compile: " + first_error(run.err);
            else if (run.status != SandboxStatus::ok) failure += name_of(run.status);
            else if (run.exit_code != 0) failure += "ended with status " + std::to_string(run.exit_code);
            else failure += "another output";
        }
        const bool never_runs = run.status == SandboxStatus::compile || run.status == SandboxStatus::refused;
        return (right || task.fraction) && !never_runs;
    });
    if (verdict.ungraded) return verdict;
    verdict.correct = passed == int(inputs.size());
    verdict.share = task.fraction || verdict.correct ? float(passed) / float(inputs.size()) : 0.0f;
    verdict.reason = verdict.correct ? "passes all " + std::to_string(inputs.size()) + " tests" : failure;
    return verdict;
}

}  // namespace r1
