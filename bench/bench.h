// What the benchmarks of the CPU and of a GPU share.
#pragma once
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/philox.h"
#include "base/progress.h"
#include "model/sampler.h"
#include "train/optimizer.h"
#include "ops/ops.h"

namespace r1 {

inline double best_seconds(int rounds, const std::function<void()>& work) {
    double best = 1e30;
    for (int i = 0; i < rounds; ++i) {
        const double begin = seconds_now();
        work();
        best = std::min(best, seconds_now() - begin);
    }
    return best;
}

struct Batch {
    std::vector<std::vector<int>> tokens;
    std::vector<Example> examples;
    int64_t rows = 0;
};
Batch make_batch(int sequences, int shortest, int longest, int vocab);

// Of the model, forward and twice that backward: 6 per active parameter and token, and attention's own two products
// over the tokens before each token (what the backward pass computes again is not counted).
double train_flops(const Config& c, const Batch& b);

Model random_model(const Config& config, const Ops& ops);
void training_step(Trainer& trainer, const Batch& b);
// `prompts` x 16 answers of `length` tokens; returns the tokens.
int64_t sample_answers(Sampler& sampler, const Model& model, uint32_t prompts, int length);

// Every kernel against its limit, a training step, sampling, a GRPO iteration. `scale` of the full sizes.
// fma_seconds(operations wanted, operations done): the device at nothing but fused multiply-adds.
void bench_device(const Ops& op, double scale, const std::function<double(double, double&)>& fma_seconds,
                  const std::function<void(const json&)>& save);

double fma_flops(int64_t rounds);               // fma_peak.cpp: runs that many rounds, returns the operations done
double gpu_fma_seconds(double wanted, double& done);  // gpu_peak.cu

}  // namespace r1
