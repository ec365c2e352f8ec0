// What pretraining and supervised fine-tuning share: a step is the next-token loss on a batch, and an update.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "train/loop.h"

namespace r1 {

struct TokenOptions : TrainingOptions {
    float balance_alpha = 0;      // of the sequence balance loss [V3 section 2.1.2]
    float bias_speed = 0;         // gamma, of the routers' biases [V3 section 2.1.2]
    float prediction_weight = 0;  // lambda of multi-token prediction [V3 eq 25]; 0: its modules stay as they are
};

// AdamW for the model, from where the run stopped if it was resumed.
Trainer make_token_trainer(Model& model, const TokenOptions& o, const Run& run);

// The tokens of an update; learned: see accumulate_tokens, and empty for all of them.
struct TokenBatch {
    std::vector<Example> examples;
    std::vector<const uint8_t*> learned = {};
};

// The mean loss of the tokens of held-out examples, without a gradient.
Evaluated held_out_loss(Trainer& trainer, const TokenBatch& held_out);

// The stage of so many updates. next(step) is the batch of update `step`, from 1; `more` may add to the line of
// metrics. Error if the loss is no number any more. Trainer and options must outlive it.
Stage token_stage(const std::string& name, Trainer& trainer, const TokenOptions& o, int64_t steps,
                  const std::function<TokenBatch(int64_t step)>& next,
                  const std::function<void(json& line, const TokenLoss& loss, const Update& update)>& more);

}  // namespace r1
