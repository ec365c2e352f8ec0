// Problems, as JSON lines have them: told apart by their keys and read as their authors publish them. Each kind is one
// file of this folder, which says what its lines are.
//
// A problem's question is bare: a template is put around it. Further keys of a line are not looked at.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "reward/extract.h"
#include "reward/reward.h"
#include "tasks/prompt.h"

namespace r1 {

struct Problem;

// What the problems of a kind have in common.
struct ProblemKind {
    const char* name;     // as --task says it
    const char* example;  // of a line, for errors
    bool (*recognises)(const json& line);
    // Error for a line that is not what it should be; UngradableReference where only the reference is at fault.
    Problem (*read)(const json& line, const std::string& where);
    const char* instruction;  // after the question in a chat: where the answer is to stand ...
    AnswerForm chat_form;     // ... and this is where it is looked for
    // For the majority vote: which answers are the same as this one? Empty if this one cannot be read, and has no vote.
    std::function<bool(std::string_view other)> (*same_as)(std::string_view answer);
    void (*prepare)() = nullptr;  // before graders run in several threads
};
extern const ProblemKind countdown_kind, mathematics_kind, code_kind;

struct Problem {
    const ProblemKind* kind;
    std::function<std::string(PromptTemplate)> question;
    std::function<Accuracy(std::string_view answer)> grade;
    json shown;  // what the report shows of it
};

// A reference that the grader cannot read (a proof, a word problem's prose, 1/0) can reward nobody. A judge may read
// it.
struct UngradableReference : Error {
    using Error::Error;
    std::shared_ptr<const Problem> ungraded = {};  // its rule calls every answer wrong; none without a reference
};

inline constexpr const char* PROBLEMS_HELP =
    "JSON lines, needed: Countdown {\"numbers\": [3, 7, 12], \"target\": 33} or Countdown-Tasks-3to4; GSM8K, MATH or "
    "{\"prompt\": ..., \"reference\": ...}; code {\"prompt\": ..., \"tests\": [...]}";

struct ProblemOptions {
    std::string task = "auto";  // or the kind that every line must be of: countdown, math, code
    // Lines with an ungradable reference: left out and counted, or refused. Of 12,000 published problems some dozens
    // are such, and leaving them out costs nothing; in a set of one's own each is a mistake.
    bool refuse_ungradable = false;
    bool keep_ungradable = false;  // they stay, because a judge decides
};

struct ProblemSet {
    std::vector<Problem> problems;
    int64_t left_out = 0;
    std::string first_left_out;  // what, where, what to do
};

// UsageError if there is no path, before anything slow begins.
void check_given(const std::string& path);

// Error, in one line that names file and line, for whatever else is wrong, and if no problem remains.
ProblemSet read_problem_set(const std::string& path, const ProblemOptions& options = {});
// The same, and prints how many were left out, if any were.
std::vector<Problem> read_problems(const std::string& path, const ProblemOptions& options = {});

// The text under a key of a line. Error if there is none.
std::string question_text(const json& line, const char* key, const std::string& where);

}  // namespace r1
