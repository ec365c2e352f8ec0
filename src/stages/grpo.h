// GRPO: reinforcement learning with group baselines and rule rewards. Started from a base model, this is R1-Zero.
#pragma once
#include "stages/evaluate.h"
#include "stages/grpo_options.h"

namespace r1 {

struct GrpoOptions {
    std::string model, problems, output;      // the model to start from; problems to learn from; the run's folder
    std::string held_out;                     // problems for the evaluations on the way; "": none
    int steps = 40;                           // rollouts
    int prompts = 24, group = 16;             // questions a rollout; answers to each (G)
    int updates = 2;                          // optimizer steps a rollout (minibatches, one pass)
    float lr = 5e-4f, final_lr_share = 0.1f;
    Decay schedule = Decay::linear;
    int warmup = 5;                           // updates
    float decay = 0.0f, clip = 1.0f, beta1 = 0.9f, beta2 = 0.95f;
    GrpoMath math;
    int reference_every = 0;                  // pi_ref <- pi after so many updates; 0: never. The paper: 400
    float temperature = 1.0f;
    int max_tokens = 384, slots = 0;
    int shards = 2, micro_rows = 0;
    uint32_t seed = 1;
    int evaluate_every = 0, evaluate_count = 64, evaluate_k = 8;
    int record_every = 10, record_groups = 2; // rollouts kept for the report
    int save_every = 10;
    bool resume = false;
    Task task;
};

void grpo(const GrpoOptions& options, const Device& device);

}  // namespace r1
