// Problems of three kinds, as JSON lines have them, told apart by their keys and read as their authors publish them:
//
//   countdown   {"numbers": [3, 7, 12], "target": 33}, or with "nums" and then also division      [Countdown-Tasks-3to4]
//   math        {"question": "...", "answer": "... <<48/2=24>> ... #### 1,072"}                    [GSM8K]
//               {"problem": "...", "solution": "... \boxed{\frac12} ..."}, "answer" instead if there [MATH, MATH-500, AIME]
//               {"prompt": "...", "reference": "72"}                                              one's own
//   code        {"prompt": "...", "tests": [{"input": "1 2\n", "output": "3\n"}], ...}            as src/reward/code.h has it
//
// A prompt is the bare question: a template is put around it. Further keys are not looked at. A reference is a number or
// a text, which may be a whole solution.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "reward/code.h"
#include "reward/extract.h"
#include "reward/mathematics/grade.h"
#include "reward/reward.h"
#include "text/chat.h"

namespace r1 {

struct Problem;

// Everything in which kinds differ. The three are defined in problem.cpp, one after another.
struct ProblemKind {
    const char* name;                     // as --task says it
    const char* example;                  // of a line, for errors
    bool (*recognises)(const json& line);
    // Error for a line that is not what it should be; UngradableReference where only the reference is at fault.
    void (*read)(const json& line, const std::string& where, Problem& problem);

    std::string (*question)(const Problem& problem, PromptTemplate prompt_template);
    const char* instruction;              // after the question in a chat: where the answer is to stand ...
    AnswerForm chat_form;                 // ... and this is where it is looked for

    void (*prepare)();                    // before graders run in several threads; may be null
    Accuracy (*grade)(const Problem& problem, std::string_view answer);
    // For the majority vote: which answers are the same as this one? Empty if this one cannot be read, and has no vote.
    std::function<bool(std::string_view other)> (*same_as)(std::string_view answer);

    json (*shown)(const Problem& problem);  // what the report shows of it
};
extern const ProblemKind countdown_kind, math_kind, code_kind;

struct Problem {
    std::vector<int> numbers = {};        // countdown: in the order of the prompt
    int target = 0;
    const ProblemKind* kind = &countdown_kind;
    bool divides = false;                 // the prompt offers division too (the grader always knows it)
    std::string prompt = {};              // math, code: the question
    std::optional<MathReference> reference = {};
    std::string reference_text = {};
    std::shared_ptr<const CodeTask> code = nullptr;
};

// A reference that the grader cannot read (a proof, a word problem's prose, 1/0) can reward nobody.
struct UngradableReference : Error {
    using Error::Error;
};

struct ProblemOptions {
    std::string task = "auto";            // or the kind that every line must be of: countdown, math, code
    // Lines with an ungradable reference: left out and counted, or refused. Of 12,000 published problems some dozens are
    // such, and leaving them out costs nothing; in a set of one's own each is a mistake.
    bool refuse_ungradable = false;
};

struct ProblemSet {
    std::vector<Problem> problems;
    int64_t left_out = 0;
    std::string first_left_out;           // what, where, what to do
};

// UsageError if there is no path, before anything slow begins.
void check_given(const std::string& path);

// Error, in one line that names file and line, for whatever else is wrong, and if no problem remains.
ProblemSet read_problem_set(const std::string& path, const ProblemOptions& options = {});
// The same, and prints how many were left out, if any were.
std::vector<Problem> read_problems(const std::string& path, const ProblemOptions& options = {});

}  // namespace r1
