// A rollout: a model answers questions, and its answers are graded. Training, evaluation and rejection sampling all
// sample and grade here.
#pragma once
#include <functional>
#include <vector>

#include "model/sampler.h"
#include "tasks/task.h"

namespace r1 {

// Who answers, and by what rules.
struct Player {
    const Model& model;
    Sampler& sampler;
    const Task& task;
};

struct Ask {
    const Question* question;
    int samples;     // answers to it
    uint32_t index;  // of the prompt, for the random numbers
};

struct Answer {
    Completion completion;
    Graded graded;
    int length() const { return int(completion.tokens.size()); }
};

// answers[i] are those to asks[i]. The task's stop tokens replace those of `sampling`. progress(tokens) is called now
// and then, by one thread at a time. Error if a machine that must run programs cannot.
std::vector<std::vector<Answer>> rollout(const Player& player, const std::vector<Ask>& asks, SampleOptions sampling,
                                         const std::function<void(int64_t)>& progress = {});

}  // namespace r1
