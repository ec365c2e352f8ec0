// r1 score: what a model says of given tokens, for comparison with other programs.
#pragma once
#include "ops/device.h"

namespace r1 {

struct ScoreOptions {
    std::string model, tokens;  // its folder; "1 2 3"
    std::string logits;         // a safetensors file to write: `logits`, (tokens, vocabulary); "": none
};
OptionTable table_of(ScoreOptions& options);

// Prints {"logprobs": [...]}: of each token after the first, given those before it.
void score_command(const ScoreOptions& options, const Device& device);

}  // namespace r1
