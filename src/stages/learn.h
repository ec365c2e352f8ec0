// What pretraining and supervised fine-tuning share: their options, and the loop from batches of tokens to a model.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "model/train.h"
#include "stages/run.h"

namespace r1 {

struct LearnOptions {
    std::string output;                   // the run's folder
    float lr = 5e-5f, final_lr_share = 0.1f;
    int warmup = 0;                       // updates
    Decay schedule = Decay::cosine;
    float decay = 0.1f, clip = 1.0f, beta1 = 0.9f, beta2 = 0.95f;
    float balance_alpha = 0;              // of the sequence balance loss [V3 section 2.1.2]
    float bias_speed = 0;                 // gamma, of the routers' biases [V3 section 2.1.2]
    float prediction_weight = 0;          // lambda of multi-token prediction [V3 eq 25]; 0: its modules stay as they are
    int shards = 2, micro_rows = 0;
    uint32_t seed = 1;
    int save_every = 200;                 // updates
    bool resume = false;
};

// The tokens of an update; learned: see accumulate_tokens, and empty for all of them.
struct LearnBatch {
    std::vector<Example> examples;
    std::vector<const uint8_t*> learned = {};
};

// AdamW for the model; with o.resume, where the run's folder says that it stopped.
Trainer make_learner(Model& model, const LearnOptions& o);

// Updates until there are `steps`, or until a stop is asked for: then it says how to go on with the command `stage`, and
// returns false. next(step) is the batch of update `step`, from 0. Writes metrics.jsonl (a line for each update, to which
// `more` may add), timings.jsonl and training.state. Error if the loss is no number any more.
bool learn(const std::string& stage, Trainer& trainer, const LearnOptions& o, int64_t steps,
           const std::function<LearnBatch(int64_t step)>& next,
           const std::function<void(json& line, const TokenLoss& loss, const Update& update)>& more);

}  // namespace r1
