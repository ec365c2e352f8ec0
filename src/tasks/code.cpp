// Code: a program that is judged by what it prints, in the sandbox.
//
//   {"prompt": "...", "tests": [{"input": "1 2\n", "output": "3\n"}], ...}            as src/reward/code.h has it
#include "reward/code.h"

#include <memory>

#include "base/threads.h"
#include "tasks/problem.h"

namespace r1 {

namespace {

bool is_code(const json& line) { return line.contains("tests"); }

// Made on the main thread, with a slot for each of the program's threads.
Sandbox& sandbox() {
    static Sandbox one(thread_count());
    return one;
}

Problem read_code(const json& line, const std::string& where) {
    const std::string question = question_text(line, "prompt", where);
    const auto task = std::make_shared<const CodeTask>(code_task_of(line, where));
    return {&code_kind,
            [question](PromptTemplate) { return question; },
            [task](std::string_view answer) {
        const CodeVerdict v = grade_code(sandbox(), answer, *task);
        return Accuracy{v.share, v.reason};
            },
            {{"tests", task->tests.size()}}};
}

std::function<bool(std::string_view)> same_text(std::string_view answer) {
    return [text = std::string(answer)](std::string_view other) { return other == text; };
}

}  // namespace

const ProblemKind code_kind = {
    "code",
    "{\"prompt\": \"...\", \"tests\": [{\"input\": \"1 2\\n\", \"output\": \"3\\n\"}]}",
    is_code,
    read_code,
    "Think within <think> </think> tags, then give the program within <answer> </answer> tags.",
    AnswerForm::tags,
    same_text,
    [] { sandbox(); }};

}  // namespace r1
