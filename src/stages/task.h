// A task: how a problem becomes a prompt, and how an answer is rewarded. Training and evaluation share it.
#pragma once
#include "model/sampler.h"
#include "reward/reward.h"
#include "stages/countdown.h"
#include "text/tokenizer.h"

namespace r1 {

struct Task {
    PromptTemplate prompt_template = PromptTemplate::plain;
    bool empty_think = false;                 // control: the prompt ends in <think></think>, so there is only guessing
    RewardWeights weights;
};

struct Graded {
    std::string text;                         // the response, with its opening tags
    Reward reward;
    int reflective = 0;                       // words [R1v2 C.2]
};

std::vector<int> prompt_tokens(const Task& task, const Problem& problem, const Tokenizer& tokenizer);
Graded grade(const Task& task, const Problem& problem, const Completion& completion, const Tokenizer& tokenizer);

}  // namespace r1
