// Sampling: many answers to many prompts, with their log-probabilities.
//
// Each worker (thread) keeps a batch of slots full. It takes a prompt, runs it through the model once (prefill), and
// gives a copy of its cache to each of the prompt's samples; a sample that ends gives its slot to the next. Which
// worker and which slot an answer gets cannot be seen in it: a row does not know its batch, and a draw is a function
// of (seed, step, prompt, sample, position).
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "base/philox.h"
#include "model/transformer.h"

namespace r1 {

struct Request {
    std::vector<int> prompt;
    int samples = 1;
    uint32_t index = 0;                  // of the prompt, for the random numbers
};

struct Completion {
    std::vector<int> tokens;             // the answer, with its end token if it ended
    std::vector<float> logp;             // of each, under softmax(logits / temperature)
    bool finished = false;               // ended by itself; otherwise cut at max_tokens
};

struct SampleOptions {
    float temperature = 1.0f, top_p = 1.0f;
    int max_tokens = 256;
    int slots = 64;                      // rows of a decoding step, per worker
    std::vector<int> stop = {1};         // tokens that end an answer
    uint32_t seed = 0, step = 0;
    Purpose purpose = Purpose::sampling;
};

// Memory for sampling, made once and used again.
struct Sampler {
    struct Worker {
        Activations activations;
        Arena memory;
        Cache cache;
        Rows rows;
        float *logits, *prefix_logits, *uniform, *logp;
        int* token;
    };
    std::vector<Worker> workers;
    int slots = 0, blocks = 0;           // blocks of one sequence
};

Sampler make_sampler(const Model& model, int slots);

// completions[i] holds the samples of requests[i]. progress(tokens) is called now and then, by one thread at a time.
std::vector<std::vector<Completion>> sample(Sampler& sampler, const Model& model, const std::vector<Request>& requests,
                                            const SampleOptions& options,
                                            const std::function<void(int64_t)>& progress = {});

}  // namespace r1
