// GRPO: reinforcement learning with group baselines and rule rewards. Started from a base model, this is R1-Zero.
#pragma once
#include <vector>

#include "loss/grpo_batch.h"
#include "loss/grpo_options.h"
#include "ops/device.h"
#include "stages/evaluate.h"
#include "tasks/rollout.h"
#include "train/loop.h"

namespace r1 {

enum class RolloutFormat { r1, verl };

struct GrpoOptions : TrainingOptions {
    std::string model, problems;   // the model to start from; problems to learn from
    int steps = 40;                // rollouts
    int prompts = 24, group = 16;  // questions a rollout; answers to each (G)
    int updates = 2;               // optimizer steps a rollout (minibatches, one pass)
    std::string preset;            // of `math`
    GrpoMath math;
    int reference_every = 0;  // pi_ref <- pi after so many updates; 0: never. The paper: 400
    float temperature = 1.0f;
    int max_tokens = 384, slots = 0;
    int raise_at = 0, raise_to = 0;            // from this step on, 0: never, answers may have so many tokens
    int rollback = 0;                          // times that a collapse sends the run back to a saved state
    int preference_from = 1;                   // general prompts are asked from this step on
    int evaluate_count = 64, evaluate_k = 8;   // problems of an evaluation on held-out ones, answers to each
    int record_every = 10, record_groups = 2;  // rollouts kept for the report
    RolloutFormat rollout_format = RolloutFormat::r1;
    std::vector<std::string> reward_commands;  // of the user's, see reward/command.h
    double reward_seconds = 60;                // for each group
    TaskOptions task;

    GrpoOptions() {
        lr = 5e-4f;
        schedule = Decay::linear;
        warmup = 5;
        decay = 0;
        save_every = 10;
        evaluate_every = 10;
    }
};
OptionTable table_of(GrpoOptions& options);
void check(const GrpoOptions& options);  // UsageError for options that do not go together

// ---- one step

// What a step works with.
struct GrpoRun {
    const GrpoOptions& o;
    const Task& task;
    const std::vector<Question>& questions;
    Model& model;
    Model* reference;  // nullptr: KL is no part of what is maximised
    Trainer& trainer;
    Health& health;
    Sampler& sampler;
    const Preferences* preferences = nullptr;  // reward models of general prompts
    RewardCommands* commands = nullptr;
    int rollbacks = 0;  // until now: each is another way

    uint32_t seed() const { return o.seed + 0x9e3779b9u * uint32_t(rollbacks); }
    int max_tokens(int64_t step) const { return o.raise_at > 0 && step >= o.raise_at ? o.raise_to : o.max_tokens; }
    Player player() const { return {model, sampler, task, preferences, commands}; }
};

// What a step did. Answers stand group after group; answer k is answer k % G of group k / G.
struct GrpoStep {
    int64_t number = 0;
    std::vector<std::vector<Answer>> answers;              // by group
    std::vector<int> question;                             // of each group
    GrpoBatch<float> batch;                                // what went into the loss ...
    GrpoResult<float> result;                              // ... and what came out, both by group and answer
    std::vector<std::vector<std::vector<float>>> entropy;  // of each token, by group and answer
    int ungraded = 0;                                      // answers that nobody could judge
    int groups_without_spread = 0;                         // whose rewards are equal before KL is taken off
    std::vector<std::vector<AnswerIndex>> minibatches;     // of each update
    std::vector<Update> updates;
    int skipped = 0;              // updates that were left out because they were not finite
    float learning_rate = 0;      // of the last update
    double sampling_seconds = 0;  // of the rollout, which is no result
};

// Whoever wants the logits of some answers while the gradient is computed: to be asked for each answer, and given
// (tokens of the answer, vocabulary) on any thread.
struct LogitsObserver {
    std::function<bool(const GrpoStep&, AnswerIndex)> wants;
    std::function<void(const GrpoStep&, AnswerIndex, const float* logits)> see;
};

// Rollout, rewards, advantages, updates: the whole step number `number`, from 1.
GrpoStep grpo_step(const GrpoRun& run, int64_t number, const LogitsObserver& observer = {});

// ---- the stage: r1 grpo

void grpo(GrpoOptions options, const Device& device);

}  // namespace r1
