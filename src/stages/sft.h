// Supervised fine-tuning: a model learns to write given answers. R1's cold start, its second stage, and distillation
// are this on different data [R1v1 sections 2.3.1, 2.3.3, 2.4].
#pragma once
#include "model/disk/dtype.h"
#include "ops/device.h"
#include "tasks/prompt.h"
#include "train/token_stage.h"

namespace r1 {

struct SftOptions : TokenOptions {
    std::string model, data;
    std::string prompt_template = "none";  // of a "prompt"; none: it is the text before the response as it stands
    int steps = 0, epochs = 2;             // steps 0: so many as the epochs have
    int batch = 16;                        // examples an update
    int context = 0;                       // longest example; 0: what the model was made for
    Dtype dtype = Dtype::F32;              // of the model that is written

    SftOptions() { evaluate_every = 50; }
};
OptionTable table_of(SftOptions& options);

// r1 sft
void sft(SftOptions options, const Device& device);

}  // namespace r1
