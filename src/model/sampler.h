// Sampling: many answers to many prompts, with their log-probabilities.
//
// Each worker (a thread of the CPU, or one for another device) keeps a batch of slots full. It takes a prompt, runs it
// through the model once (prefill), and gives a copy of its cache to each of the prompt's samples; a sample that ends
// gives its slot to the next. Tokens, draws and stops stay on the device: the host looks only every few steps, takes
// the answers that have ended and fills their slots. Which worker and which slot an answer gets, and when the host
// looks, cannot be seen in it: a row does not know its batch, and a draw is a function of (seed, step, prompt, sample,
// position).
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "base/philox.h"
#include "model/forward_pass.h"

namespace r1 {

struct Request {
    std::vector<int> prompt;
    int samples = 1;
    uint32_t index = 0;  // of the prompt, for the random numbers
};

struct Completion {
    std::vector<int> tokens;  // the answer, with its end token if it ended
    std::vector<float> logp;  // of each, under softmax(logits / temperature)
    bool finished = false;    // ended by itself; otherwise cut at max_tokens
};

struct SampleOptions {
    float temperature = 1.0f, top_p = 1.0f;
    int max_tokens = 256;
    std::vector<int> stop = {1};  // tokens that end an answer
    uint32_t seed = 0, step = 0;
    Purpose purpose = Purpose::sampling;
    bool to_the_end = false;  // also where a stop is requested meanwhile
};

// Memory for sampling, made once and used again.
struct Sampler {
    struct Worker {
        ForwardPass pass;  // the prompt's blocks are the last of its cache
        Arena arena;
        Answers answers;  // the device's, as are the next
        int* fields;      // of the answers: prompt, sample, begin, limit, count, state, (6, slots)
        float *logits, *prefix_logits, *uniform, *logp;
        int *token, *slot, *stop;  // of the rows; the stop tokens
    };
    std::vector<Worker> workers;
    int slots = 0, blocks = 0;  // blocks of one sequence
    int steps = 1;              // decoding steps between looks of the host
};

constexpr int MOST_STOPS = 64;

// Is told now and then, by one thread at a time, of tokens and whole answers since it was last told.
using SampleProgress = std::function<void(int64_t tokens, int64_t answers)>;

inline constexpr const char* SLOTS_HELP =
    "answers sampled side by side; 0: 96 a thread, or 512 on a GPU. Speed and memory, not results";

// slots: rows of a decoding step, per worker; 0: 96 on a CPU, 512 on another device.
Sampler make_sampler(const Model& model, int slots);

// completions[i] holds the samples of requests[i]; each rank samples its share, and all get all. If a stop is requested
// meanwhile, what is returned ends before the first request that is not complete.
std::vector<std::vector<Completion>> sample(Sampler& sampler, const Model& model, const std::vector<Request>& requests,
                                            const SampleOptions& options, const SampleProgress& progress = {});

}  // namespace r1
