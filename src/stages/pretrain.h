// Pretraining from scratch: the next token of plain text.
#pragma once
#include "stages/run.h"

namespace r1 {

struct PretrainOptions {
    std::string corpus, tokenizer, output;  // JSON lines {"text": ...}; tokenizer.json; the run's folder
    std::string config;                     // a config.json with the model's shape; "": the demo's
    int64_t tokens = 7000000;               // to learn from; a corpus that is shorter is read again
    int batch_tokens = 2048;                // per update
    float lr = 3.5e-3f, decay = 0.05f, clip = 1.0f, beta1 = 0.9f, beta2 = 0.95f;
    float final_lr_share = 0.1f;            // of a cosine schedule
    int warmup = 100;                       // updates
    float balance_alpha = 1e-4f;            // sequence balance loss [V3 section 4.2]
    float bias_speed = 1e-3f;               // gamma, of the routers' biases [V3 section 4.2]
    float prediction_weight = 0.3f;         // lambda of multi-token prediction [V3 section 4.2]
    int shards = 2, micro_rows = 0;
    uint32_t seed = 1;
    int save_every = 1000;
    bool resume = false;
};

void pretrain(const PretrainOptions& options, const Device& device);

}  // namespace r1
