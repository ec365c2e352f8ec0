// Supervised fine-tuning: a model learns to write given answers. R1's cold start, its second stage, and distillation are
// this on different data [R1v1 sections 2.3.1, 2.3.3, 2.4].
#pragma once
#include "model/dtype.h"
#include "stages/run.h"
#include "text/chat.h"

namespace r1 {

struct SftStageOptions {
    std::string model, data, output;
    PromptTemplate prompt_template = PromptTemplate::plain;
    bool bare = true;                     // a "prompt" is the text before the response as it stands, in no template
    int steps = 0, epochs = 2;            // steps 0: so many as the epochs have
    int batch = 16;                       // examples an update
    int context = 0;                      // longest example; 0: what the model was made for
    float lr = 5e-5f, final_lr_share = 0.1f;
    int warmup = 0;
    Decay schedule = Decay::cosine;
    float decay = 0.1f, clip = 1.0f, beta1 = 0.9f, beta2 = 0.95f;
    float balance_alpha = 0, prediction_weight = 0;
    int shards = 2, micro_rows = 0;
    uint32_t seed = 1;
    int save_every = 200;
    bool resume = false;
    Dtype dtype = Dtype::F32;             // of the model that is written
};

// r1 sft
void sft(const SftStageOptions& options, const Device& device);

}  // namespace r1
