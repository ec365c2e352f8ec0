// The loss of a token and the drawing of one: a warp a row of logits. No probabilities are stored: e_v = exp(z_v - max)
// is computed again where it is needed.
#pragma once
#include "cuda/rows.cuh"

namespace r1 {
namespace {

// The largest of the lanes' own, by the tree 16, 8, 4, 2, 1.
__device__ float join_maximum(float best) {
    for (int half = 16; half >= 1; half /= 2) {
        const float other = shuffle_down(best, half);
        best = other > best ? other : best;
    }
    return shuffle(best, 0);
}

// The largest of value(0) .. value(n - 1), by the CPU's comparisons, so that even the sign of a zero is its own.
template <class Value>
__device__ float warp_maximum(int n, const Value& value) {
    float best = value(0);
    for_lanes(n, [&](int i) {
        const float x = value(i);
        best = x > best ? x : best;
    });
    return join_maximum(best);
}

// This lane's chain of a sum.
template <class Value>
__device__ float lane_sum(int n, const Value& value) {
    float chain = 0;
    for_lanes(n, [&](int i) { chain += value(i); });
    return chain;
}

__global__ void logprob(Ptr<float> logp, Ptr<float> entropy, Ptr<float> stats, Ptr<const float> logits,
                        Ptr<const int> target, int N, int V, float inverse) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> l = logits + int64_t(n) * V;
    const float max = warp_maximum(V, [&](int v) { return l[v] * inverse; });
    float of_e = 0, of_ez = 0;
    for_lanes(V, [&](int v) {
        const float z = l[v] * inverse - max, e = exact::exp(z);
        of_e += e, of_ez = exact::fma(e, z, of_ez);
    });
    const float sum = join(of_e), inner = join(of_ez);
    if (lane_of_warp() != 0) return;
    logp[n] = (l[target[n]] * inverse - max) - exact::log(sum);
    entropy[n] = exact::log(sum) - inner / sum;
    stats[2 * n] = max, stats[2 * n + 1] = sum;
}

__global__ void logprob_gradient(Ptr<float> logits, Ptr<const float> dlogp, Ptr<const float> stats,
                                 Ptr<const int> target, int N, int V, float inverse) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<float> l = logits + int64_t(n) * V;
    const float max = stats[2 * n], d = dlogp[n] * inverse, factor = -d / stats[2 * n + 1];
    const int own = target[n];
    for_lanes(V, [&](int v) { return l[v]; }, [&](int v, float logit) {
        const float slope = factor * exact::exp(logit * inverse - max);
        l[v] = v == own ? slope + d : slope;
    });
}

void logprob_forward(float* logp, float* entropy, float* stats, const float* logits, const int* target, int N, int V,
                     float inverse_temperature) {
    if (N > 0)
        launch(logprob, rows_grid(N), Dim{32 * WARPS})(logp, entropy, stats, logits, target, N, V, inverse_temperature);
}
void logprob_backward(float* logits, const float* dlogp, const float* stats, const int* target, int N, int V,
                      float inverse_temperature) {
    if (N > 0)
        launch(logprob_gradient, rows_grid(N), Dim{32 * WARPS})(logits, dlogp, stats, target, N, V, inverse_temperature);
}

// ---- sampling

// A token in the order of the nucleus: by e, largest first, and by index among equals.
struct Ranked {
    float e;
    int v;
};
__device__ bool before(Ranked a, Ranked b) { return a.e != b.e ? a.e > b.e : a.v < b.v; }

// The tokens in that order, one after the other. A lane looks through its own, v = lane, lane + 32, ..., for the next AHEAD
// of them, and again when some lane has given all of those away: a nucleus of a hundred tokens takes a few goes.
struct InOrder {
    static constexpr int AHEAD = 4;
    Ranked own[AHEAD] = {{-1, 0}, {-1, 0}, {-1, 0}, {-1, 0}};  // -1: none
    bool more = true;                                          // the lane may have tokens beyond these

    template <class Value>
    __device__ void look(Ranked last, int V, const Value& e) {
        UNROLL for (int i = 0; i < AHEAD; ++i) own[i] = {-1, V};
        for (int v = lane_of_warp(); v < V; v += 32) {
            const Ranked here = {e(v), v};
            if (!before(last, here)) continue;
            UNROLL for (int i = AHEAD - 1; i >= 0; --i) {
                if (i + 1 < AHEAD && before(here, own[i])) own[i + 1] = own[i];
                if (before(here, own[i]) && (i == 0 || !before(here, own[i - 1]))) own[i] = here;
            }
        }
        more = own[AHEAD - 1].e >= 0;
    }
    // The first after `last`, which was the one before; v = V if there is none. All lanes get the same.
    template <class Value>
    __device__ Ranked next(Ranked last, int V, const Value& e) {
        if (ballot(more && own[0].e < 0) != 0) look(last, V, e);
        Ranked best = own[0];
        for (int mask = 16; mask >= 1; mask /= 2) {
            const Ranked other = {shuffle_xor(best.e, mask), shuffle_xor(best.v, mask)};
            if (before(other, best)) best = other;
        }
        if (best.v < V && best.v % 32 == lane_of_warp()) {
            UNROLL for (int i = 0; i + 1 < AHEAD; ++i) own[i] = own[i + 1];
            own[AHEAD - 1] = {-1, V};
        }
        return best;
    }
};

__global__ void draw_tokens(Ptr<int> token, Ptr<float> logp, Ptr<const float> logits, int ld, Ptr<const float> uniform,
                            int N, int V, float inverse_temperature, float top_p) {
    const int n = row_of_warp();
    if (n >= N) return;
    const float inverse = inverse_temperature > 0 ? inverse_temperature : 1.0f;
    const Ptr<const float> l = logits + int64_t(n) * ld;
    const float max = warp_maximum(V, [&](int v) { return l[v] * inverse; });
    const auto all = [&](int v) { return exact::exp(l[v] * inverse - max); };
    float chain = lane_sum(V, all), sum = join(chain), total = sum;
    const Ranked first = {__builtin_inff(), -1};
    Ranked last = {-1, V}; // of the nucleus: all tokens
    InOrder tokens;
    int chosen = 0;
    if (inverse_temperature <= 0) {
        chosen = tokens.next(first, V, all).v;
    } else {
        if (top_p < 1) {
            last = tokens.next(first, V, all);
            for (float mass = last.e; mass < top_p * total; mass += last.e) {
                const Ranked next = tokens.next(last, V, all);
                if (next.v == V) break;
                last = next;
            }
        }
        const auto kept = [&](int v) {
            const float e = all(v);
            return before(last, {e, v}) ? 0.0f : e;
        };
        if (top_p < 1) chain = lane_sum(V, kept), total = join(chain);
        // Lane by lane, 0, 32, 64, ..., 1, 33, ...: the lane's sums skip most tokens. Every lane of the warp does the same.
        const float threshold = uniform[n] * total;
        float passed = 0, previous = 0;
        int lane = -1;
        bool found = false;
        for (int k = 0; k < 32; ++k) {
            const float s = shuffle(chain, k);
            if (found || k >= V || s <= 0) continue;
            if (lane >= 0) passed += previous;
            lane = k, previous = s, found = passed + s > threshold;
        }
        chosen = lane;
        found = false;
        for (int v = lane; v < V && !found; v += 32) {
            const float e = kept(v);
            if (e <= 0) continue;
            chosen = v, passed += e, found = passed > threshold;
        }
    }
    if (lane_of_warp() != 0) return;
    token[n] = chosen;
    logp[n] = (l[chosen] * inverse - max) - exact::log(sum);
}

void sample(int* token, float* logp, const float* logits, int ld, const float* uniform, int N, int V,
            float inverse_temperature, float top_p) {
    if (N > 0)
        launch(draw_tokens, rows_grid(N), Dim{32 * WARPS})(token, logp, logits, ld, uniform, N, V, inverse_temperature,
                                                           top_p);
}

// ---- answers in the making: a thread a row

__global__ void rows_of_answers(Ptr<int> token, Ptr<int> position, Ptr<int> block, Ptr<float> uniform,
                                Ptr<const int> slot, Ptr<const int> prompt, Ptr<const int> sample, Ptr<const int> begin,
                                Ptr<const int> counts, Ptr<const int> tokens, int most, int blocks, Draws draws, int N) {
    const int n = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (n >= N) return;
    const int s = slot[n], count = counts[s];
    token[n] = count > 0 ? tokens[int64_t(s) * most + count - 1] : 0;
    position[n] = begin[s] + count - 1, block[n] = s * blocks;
    uniform[n] = draw(draws, prompt[s], sample[s], count);
}
__global__ void append_tokens(Ptr<int> counts, Ptr<int> state, Ptr<int> tokens, Ptr<float> logps, Ptr<const int> limit,
                              int most, Ptr<const int> slot, Ptr<const int> token, Ptr<const float> logp,
                              Ptr<const int> stop, int stops, int N) {
    const int n = int(blockIdx.x * blockDim.x + threadIdx.x), s = n < N ? slot[n] : 0;
    if (n >= N || state[s] != GROWING) return;
    const int count = counts[s];
    tokens[int64_t(s) * most + count] = token[n], logps[int64_t(s) * most + count] = logp[n];
    counts[s] = count + 1, state[s] = state_after(token[n], count + 1, limit[s], stop, stops);
}
void answer_rows(int* token, int* position, int* block, float* uniform, const int* slot, Answers a, int blocks,
                 Draws draws, int N) {
    if (N > 0)
        launch(rows_of_answers, Dim{unsigned(N + 63) / 64}, Dim{64})(token, position, block, uniform, slot, a.prompt,
                                                                     a.sample, a.begin, a.count, a.token, a.most, blocks,
                                                                     draws, N);
}
void append(Answers a, const int* slot, const int* token, const float* logp, const int* stop, int stops, int N) {
    if (N > 0)
        launch(append_tokens, Dim{unsigned(N + 63) / 64}, Dim{64})(a.count, a.state, a.token, a.logp, a.limit, a.most,
                                                                   slot, token, logp, stop, stops, N);
}

} // namespace
} // namespace r1
