// Code: a program that is judged by what it prints, in the sandbox.
//
//   {"prompt": "...", "tests": [{"input": "1 2\n", "output": "3\n"}], ...}            as src/reward/code.h has it
//
// "language" is the program's, python or cpp; that of the prompt is "prompt_language".
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
        return Accuracy{v.share, v.reason, v.ungraded};
            },
            {{"tests", task->tests.size()}}};
}

std::function<bool(std::string_view)> same_text(std::string_view answer) {
    return [text = std::string(answer)](std::string_view other) { return other == text; };
}

}  // namespace

const ProblemKind code_kind = {
    .name = "code",
    .example = "{\"prompt\": \"...\", \"tests\": [{\"input\": \"1 2\\n\", \"output\": \"3\\n\"}]}",
    .recognises = is_code,
    .read = read_code,
    .result = "the program",
    .chinese_result = "程序",
    .chat_form = AnswerForm::tags,
    .same_as = same_text,
    .prepare = [] { sandbox(); }};

}  // namespace r1
