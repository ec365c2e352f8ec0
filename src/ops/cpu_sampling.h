// CPU: what the logits say: log-probabilities of targets with their gradient, and tokens drawn.
#pragma once
#include <algorithm>
#include "ops/ops.h"
#include "ops/scalar.h"
#include "ops/simd.h"

namespace r1 {
namespace {

// ---- The loss: log-probabilities of the targets ----

// z = logits / temperature; e = exp(z - max z) into e; returns {max, sum}.
struct Softmax {
    float max, sum;
};
Softmax softmax(float* e, const float* logits, int V, float inverse_temperature, float* lane_sums = nullptr) {
    for (int v = 0; v < V; ++v) e[v] = logits[v] * inverse_temperature;
    const float max = maximum(e, V);
    for (int v = 0; v < V; ++v) e[v] = exact::exp(e[v] - max);
    return {max, sum(e, V, lane_sums)};
}

float log_probability(float logit, float inverse_temperature, Softmax s) {
    return (logit * inverse_temperature - s.max) - exact::log(s.sum);
}

// entropy = -sum_v p_v log p_v = log(sum) - sum_v e_v (z_v - max) / sum
void logprob_forward(float* logp, float* entropy, float* stats, const float* logits, const int* target, int N, int V,
                     float inverse_temperature) {
    for_ranges(N, 4, [&](int64_t begin, int64_t end) {
        float *e = scratch(0, V), *z = scratch(1, V);
        for (int64_t n = begin; n < end; ++n) {
            const float* l = logits + n * V;
            const Softmax s = softmax(e, l, V, inverse_temperature);
            const float inverse = inverse_temperature, max = s.max;
            for (int v = 0; v < V; ++v) z[v] = l[v] * inverse - max;
            logp[n] = log_probability(l[target[n]], inverse_temperature, s);
            entropy[n] = exact::log(s.sum) - dot(e, z, V) / s.sum;
            stats[2 * n] = s.max, stats[2 * n + 1] = s.sum;
        }
    });
}

void logprob_backward(float* logits, const float* dlogp, const float* stats, const int* target, int N, int V,
                      float inverse_temperature) {
    for_ranges(N, 4, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            float* l = logits + n * V;
            const float inverse = inverse_temperature, max = stats[2 * n], d = dlogp[n] * inverse;
            const float factor = -d / stats[2 * n + 1];
            for (int v = 0; v < V; ++v) l[v] = factor * exact::exp(l[v] * inverse - max);
            l[target[n]] += d;
        }
    });
}

// ---- Sampling ----

// Sets e to zero outside the nucleus: the fewest tokens, at least one, best first and lower index first among equals,
// whose probabilities (chain, in that order) reach top_p.
void keep_nucleus(float* e, int V, float total, float top_p) {
    int* order = reinterpret_cast<int*>(scratch(2, V));
    for (int v = 0; v < V; ++v) order[v] = v;
    std::sort(order, order + V, [e](int a, int b) { return e[a] != e[b] ? e[a] > e[b] : a < b; });
    float mass = 0;
    for (int i = 0; i < V; ++i) {
        if (i > 0 && mass >= top_p * total) e[order[i]] = 0;
        mass += e[order[i]];
    }
}

// The token at which the running sum of e passes u * sum. Tokens are walked lane by lane (0, 32, 64, ..., 1, 33, ...),
// so that the lane sums of the softmax, which are there already, skip most of them.
int invert(const float* e, const float* lane_sums, int V, float threshold) {
    float before = 0;
    int lane = -1;
    for (int l = 0; l < Lanes::COUNT && l < V; ++l) {
        if (lane_sums[l] <= 0) continue;
        if (lane >= 0) before += lane_sums[lane];
        lane = l;
        if (before + lane_sums[l] > threshold) break;
    }
    int token = lane;
    for (int v = lane; v < V; v += Lanes::COUNT) {
        if (e[v] <= 0) continue;
        token = v;
        before += e[v];
        if (before > threshold) break;
    }
    return token;
}

void sample(int* token, float* logp, const float* logits, int ld, const float* uniform, int N, int V,
            float inverse_temperature, float top_p) {
    const float inverse = inverse_temperature > 0 ? inverse_temperature : 1.0f;
    for_ranges(N, 4, [&](int64_t begin, int64_t end) {
        float *e = scratch(0, V), lane_sums[Lanes::COUNT];
        for (int64_t n = begin; n < end; ++n) {
            const float* l = logits + n * ld;
            Softmax s = softmax(e, l, V, inverse, lane_sums);
            if (inverse_temperature <= 0) {
                token[n] = int(std::max_element(e, e + V) - e);
            } else {
                float total = s.sum;
                if (top_p < 1) {
                    keep_nucleus(e, V, total, top_p);
                    total = sum(e, V, lane_sums);
                }
                token[n] = invert(e, lane_sums, V, uniform[n] * total);
            }
            logp[n] = log_probability(l[token[n]], inverse, s);
        }
    });
}

void answer_rows(int* token, int* position, int* block, float* uniform, const int* slot, Answers a, int blocks,
                 Draws draws, int N) {
    for (int n = 0; n < N; ++n) {
        const int s = slot[n], count = a.count[s];
        token[n] = count > 0 ? a.token[int64_t(s) * a.most + count - 1] : 0;
        position[n] = a.begin[s] + count - 1, block[n] = s * blocks;
        uniform[n] = draw(draws, a.prompt[s], a.sample[s], count);
    }
}

void append(Answers a, const int* slot, const int* token, const float* logp, const int* stop, int stops, int N) {
    for (int n = 0; n < N; ++n) {
        const int s = slot[n];
        if (a.state[s] != GROWING) continue;
        const int count = a.count[s]++;
        a.token[int64_t(s) * a.most + count] = token[n], a.logp[int64_t(s) * a.most + count] = logp[n];
        a.state[s] = state_after(token[n], count + 1, a.limit[s], stop, stops);
    }
}

}  // namespace
}  // namespace r1
