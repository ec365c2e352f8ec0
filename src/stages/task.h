// A task: how a problem becomes a prompt, and how answers are rewarded. Training and evaluation share it.
#pragma once
#include <optional>

#include "model/sampler.h"
#include "reward/language.h"
#include "reward/length.h"
#include "reward/reward.h"
#include "stages/problem.h"
#include "text/chat.h"
#include "text/tokenizer.h"

namespace r1 {

struct Task {
    ProblemOptions problems;
    PromptTemplate prompt_template = PromptTemplate::plain;
    ChatTemplate chat_template;               // of the model, for PromptTemplate::chat; see use_chat_template
    bool empty_think = false;                 // control: the prompt ends in <think></think>, so there is only guessing
    RewardWeights weights;
    // Added to the reward, each if asked for.
    float language_weight = 0;                // times the share of the reasoning's words in `language` [NATURE eq 7]
    std::string language = "en";
    std::optional<Repetition> repetition;     // of the answer's tokens
    std::optional<CosineReward> cosine;       // in place of the accuracy's part: by length and by right or wrong
};
void check(const Task& task);                 // throws UsageError
// Where the task asks for the model's chat template: reads it from the model's folder. Error if it is of no known family.
void use_chat_template(Task& task, const std::string& folder, const Tokenizer& tokenizer);

struct Graded {
    std::string text;                         // the response, with what the prompt began of it
    std::optional<std::string> answer;        // in it, if it has one and ended by itself
    Reward reward;
    int reflective = 0;                       // words [R1v2 C.2]
};

std::vector<int> prompt_tokens(const Task& task, const Problem& problem, const Tokenizer& tokenizer);
int longest_prompt(const Task& task, const std::vector<Problem>& problems, const Tokenizer& tokenizer);  // tokens; 0 of none
// The file's problems, without those whose prompts fill the model's context; says how many those were.
std::vector<Problem> load_problems(const Task& task, const std::string& path, const Tokenizer& tokenizer, int context);
std::vector<int> stop_tokens(const Task& task, const Tokenizer& tokenizer);  // each ends an answer

// graded[i][j] is of completions[i][j], an answer to *problems[i]. Programs run in a sandbox that is made at the first
// need; Error if this machine cannot give one, or if it fails.
std::vector<std::vector<Graded>> grade(const Task& task, const std::vector<const Problem*>& problems,
                                       const std::vector<std::vector<Completion>>& completions, const Tokenizer& tokenizer);

}  // namespace r1
