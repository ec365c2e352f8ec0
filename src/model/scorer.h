// What a reward model says of whole sequences: one score each, read at its last token.
#pragma once
#include <vector>

#include "model/forward_pass.h"

namespace r1 {

// Memory for scoring, made once and used again: a worker for each thread of the CPU, or one for another device.
struct Scorer {
    struct Worker {
        ForwardPass pass;
        Arena arena;
        float* score;             // (rows) the device's
        std::vector<float> host;  // (rows)
    };
    std::vector<Worker> workers;
};

// rows: tokens that go through the model at a time, per worker; 0: 256 on a CPU, 8192 on another device.
Scorer make_scorer(const Model& model, int rows = 0);

// scores[i] = h w at the last token of sequences[i], whatever else goes through the model beside it; each rank scores a
// part, and all get all. A sequence has at
// least one token and at most the model's context.
std::vector<float> scores_of(Scorer& scorer, const Model& model, const std::vector<std::vector<int>>& sequences);

}  // namespace r1
