// Supervised fine-tuning: a model learns to write given answers. R1's cold start, its second stage, and distillation are
// this on different data [R1v1 sections 2.3.1, 2.3.3, 2.4].
#pragma once
#include "model/dtype.h"
#include "stages/learn.h"
#include "text/chat.h"

namespace r1 {

struct SftStageOptions : LearnOptions {
    std::string model, data;
    PromptTemplate prompt_template = PromptTemplate::plain;
    bool bare = true;                     // a "prompt" is the text before the response as it stands, in no template
    int steps = 0, epochs = 2;            // steps 0: so many as the epochs have
    int batch = 16;                       // examples an update
    int context = 0;                      // longest example; 0: what the model was made for
    Dtype dtype = Dtype::F32;             // of the model that is written
};

// r1 sft
void sft(const SftStageOptions& options, const Device& device);

}  // namespace r1
