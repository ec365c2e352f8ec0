// Problems, as JSON lines have them: told apart by their keys and read as their authors publish them. Each kind is one
// file of this folder, which says what its lines are.
//
// A problem's question is bare: a template is put around it. Lines of every kind may also have these keys, which are
// read in one place, read_problem(). Further keys of a line are not looked at.
//
//   "language": "zh"       ISO 639-1: that of the prompt, in which the reasoning is rewarded; else --reward-language.
//                          The "language" of code is that of its program, so there it is "prompt_language".
//   "weight": 2            how often an epoch of training has the problem, from 0.001 to 1000; 0.5: in half of them
//   "difficulty": "hard"   a text or a number, by which evaluation groups; MATH's "level" does as well
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
    const char* result;          // what a chat asks for, as in "give the expression within <answer> </answer> tags" ...
    const char* chinese_result;  // ... of problems whose language is Chinese
    AnswerForm chat_form;        // where a chat's answer is looked for; summary: under every other template, too
    // For the majority vote: which answers are the same as this one? Empty if this one cannot be read, and has no vote.
    std::function<bool(std::string_view other)> (*same_as)(std::string_view answer);
    void (*prepare)() = nullptr;   // before graders run in several threads
    bool judged_by_model = false;  // where there is a reward model for its set; grade() is then for evaluation
};
extern const ProblemKind countdown_kind, mathematics_kind, code_kind, choice_kind, logic_kind, general_kind;

struct Problem {
    const ProblemKind* kind;
    std::function<std::string(PromptTemplate)> question;
    std::function<Accuracy(std::string_view answer)> grade;
    json shown;  // what the report shows of it
    // For evaluation alone, never for a reward: the accuracy of a text wherever its answer stands and however it is
    // meant; none of kinds where an answer has one form.
    std::function<float(std::string_view text)> grade_leniently = {};
    // General prompts.
    std::string set = "";     // helpful or safe; "" of other kinds
    bool has_rubric = false;  // without one grade() gives 0 to every answer
    // Of every kind; read_problem() sets them.
    std::string language = "";  // ISO 639-1; "": --reward-language
    double weight = 1;
    std::string difficulty = "";  // "": not given
    int64_t line = 0;             // in its file, from 1
    json source = {};             // the whole line
};

// A reference that the grader cannot read (a proof, a word problem's prose, 1/0) can reward nobody. A judge may read
// it.
struct UngradableReference : Error {
    using Error::Error;
    std::shared_ptr<const Problem> ungraded = {};  // its rule calls every answer wrong; none without a reference
};

inline constexpr const char* PROBLEMS_HELP =
    "JSON lines, needed: Countdown {\"numbers\": [3, 7, 12], \"target\": 33} or Countdown-Tasks-3to4; GSM8K, MATH or "
    "{\"prompt\": ..., \"reference\": ...}; code {\"prompt\": ..., \"tests\": [...]}; MMLU {\"question\": ..., "
    "\"choices\": "
    "[...], \"answer\": 2} or MMLU-Pro; logic {\"prompt\": ..., \"variables\": {...}, \"constraints\": [...]}; general "
    "{\"prompt\": ...}; all with \"language\", \"weight\" and \"difficulty\" if they like";

struct ProblemOptions {
    std::string task = "auto";  // or the kind that every line must be of: countdown, math, code, choice, ...
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

// One line, with what it has of the keys of every kind. task: as in ProblemOptions. Error, in one line that begins with
// what is wrong and where, for a line that is no such problem; UngradableReference as above.
Problem read_problem(const json& line, const std::string& task, const std::string& where);

// The language that stands under `key` of a line, as its ISO 639-1 code; "" where there is none. Error for any other.
std::string language_of(const json& line, const char* key, const std::string& where);

// How often an epoch of training has what a line says, its "weight"; 1 where there is none. Error if it is not a number
// from 0.001 to 1000. Lines of examples to imitate have it as well.
double weight_of(const json& line, const std::string& where);

// UsageError if there is no path, before anything slow begins.
void check_given(const std::string& path);

// Error, in one line that names file and line, for whatever else is wrong, and if no problem remains.
ProblemSet read_problem_set(const std::string& path, const ProblemOptions& options = {});
// The same, and prints how many were left out, if any were.
std::vector<Problem> read_problems(const std::string& path, const ProblemOptions& options = {});

// The names of all kinds, in the order in which they look at a line.
std::vector<std::string> kind_names();

// The text under a key of a line. Error if there is none.
std::string question_text(const json& line, const char* key, const std::string& where);

}  // namespace r1
