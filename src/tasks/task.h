// A task: how problems become prompts of a model, and how its answers are rewarded. Training, evaluation and whatever
// else samples answers share it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "model/sampler.h"
#include "reward/language.h"
#include "reward/length.h"
#include "reward/reward.h"
#include "tasks/problem.h"
#include "tasks/prompt.h"
#include "tasks/reward_model.h"
#include "text/chat.h"
#include "text/tokenizer.h"

namespace r1 {

// Where answers are looked for: automatic is as the template and the kind have it (see form_of); tags and boxed are the
// same for every kind, so that R1's released form, thinking and then a summary with a box, can be trained anywhere.
enum class AnswerFormOption { automatic, tags, boxed };

struct TaskOptions {
    ProblemOptions problems;
    PromptTemplate prompt_template = PromptTemplate::plain;
    bool empty_think = false;  // control: the prompt ends in <think></think>, so there is only guessing
    AnswerFormOption answer_form = AnswerFormOption::automatic;
    RewardWeights weights;
    // Added to the reward, each if asked for.
    float language_weight = 0;             // times the share of the reasoning's words in its language [NATURE eq 7]
    std::string language = "en";           // that of prompts which do not say theirs
    std::optional<Repetition> repetition;  // of the answer's tokens
    std::optional<CosineReward> cosine;    // in place of the accuracy's part: by length and by right or wrong
    PreferenceOptions preference;          // in place of the accuracy's part, of general prompts
};
OptionTable table_of(TaskOptions& options);
// UsageError for options that do not go together.
void check(const TaskOptions& options);

struct Task {
    TaskOptions options;
    const Tokenizer* tokenizer;
    ChatTemplate chat;      // plain, or that of the model for PromptTemplate::chat
    std::vector<int> stop;  // tokens, each of which ends an answer
};
// The task for the model in a folder, whose tokenizer must outlive it. Error if the folder's chat template is asked for
// and is of no known family, or if no token ends an answer.
Task make_task(const TaskOptions& options, const std::string& folder, const Tokenizer& tokenizer);

// A problem with its prompt, which is tokenised once.
struct Question {
    Problem problem;
    std::vector<int> prompt;
};
// Where the answer to a problem is looked for. Automatic: in the kind's form in a chat, between tags otherwise. Answers
// to general prompts are always summaries.
AnswerForm form_of(const Task& task, const Problem& problem);
// The language in which reasoning on a problem is rewarded: that of the prompt, else --reward-language.
std::string language_of(const Task& task, const Problem& problem);
std::string opening(const Task& task);  // what the prompt already writes of an answer
std::vector<int> question_tokens(const Task& task, const std::string& question);  // within the template, with `opening`
std::vector<int> prompt_tokens(const Task& task, const Problem& problem);
// The file's problems, without those whose prompts fill a context of so many tokens; says how many those were.
std::vector<Question> read_questions(const Task& task, const std::string& path, int context);
int longest_prompt(const std::vector<Question>& questions);  // tokens; 0 of none

}  // namespace r1
