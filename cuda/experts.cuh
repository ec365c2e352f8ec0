// Mixture of experts: the router, the sorted list of choices, gather and combine. What is a sum on the CPU in some order
// is a loop in that order here. Scatter is gather: no atomic operation anywhere.
#pragma once
#include "base/check.h"
#include "cuda/rows.cuh"

namespace r1 {
namespace {

// s + bias of an expert; the value of its group: the sum of the two best, or with softmax the best.
struct Choice {
    Ptr<const float> score, bias;
    Routing r;
    __device__ float value(int e) const { return score[e] + bias[e]; }
    __device__ float group_value(int g) const {
        const int size = r.E / r.groups, first = g * size;
        int one = first, two = -1;
        for (int e = first + 1; e < first + size; ++e)
            if (value(e) > value(one)) one = e;
        for (int e = first; e < first + size; ++e)
            if (e != one && (two < 0 || value(e) > value(two))) two = e;
        return value(one) + (two >= 0 && !r.softmax ? value(two) : 0.0f);
    }
    // Among the groups_kept best; the lower index wins among equals.
    __device__ bool kept(int g) const {
        if (r.groups <= 1) return true;
        int better = 0;
        const float own = group_value(g);
        for (int other = 0; other < r.groups; ++other) {
            const float v = group_value(other);
            better += v > own || (v == own && other < g);
        }
        return better < r.groups_kept;
    }
};

// A thread a token.
constexpr int MOST_GROUPS = 64;
__global__ void route(Ptr<float> score, Ptr<int> expert, Ptr<float> gate, Ptr<const float> logits,
                      Ptr<const float> bias, int N, Routing r) {
    const int64_t n = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (n >= N) return;
    const Ptr<float> own = score + n * r.E;
    const Ptr<const float> z = logits + n * r.E;
    if (r.softmax) {
        float max = z[0], sum = 0;
        for (int e = 1; e < r.E; ++e) max = z[e] > max ? z[e] : max;
        for (int e = 0; e < r.E; ++e) own[e] = exact::exp(z[e] - max), sum += own[e];
        for (int e = 0; e < r.E; ++e) own[e] /= sum;
    } else {
        for (int e = 0; e < r.E; ++e) own[e] = exact::sigmoid(z[e]);
    }
    const Choice choice = {score + n * r.E, bias, r};
    const int groups = r.groups > 1 ? r.groups : 1;
    uint64_t open = 0; // bit e / group size: expert e may be chosen
    for (int g = 0; g < groups; ++g) open |= uint64_t(choice.kept(g)) << g;
    const Ptr<int> chosen = expert + n * r.K;
    for (int j = 0; j < r.K; ++j) {
        int best = -1;
        float best_value = 0;
        for (int e = 0; e < r.E; ++e) {
            bool taken = false;
            for (int l = 0; l < j; ++l) taken |= chosen[l] == e;
            if (taken) continue;
            const float v = open >> (e / (r.E / groups)) & 1 ? choice.value(e) : -__builtin_inff();
            if (best < 0 || v > best_value) best = e, best_value = v;
        }
        chosen[j] = best;
    }
    float total = 0;
    for (int j = 0; j < r.K; ++j) total += choice.score[chosen[j]];
    for (int j = 0; j < r.K; ++j) {
        const float s = choice.score[chosen[j]];
        gate[n * r.K + j] = (r.normalise ? s / total : s) * r.scaling;
    }
}

__global__ void route_backward(Ptr<float> dlogits, Ptr<const float> dgate, Ptr<const float> dscore,
                               Ptr<const float> score, Ptr<const int> expert, int N, Routing r) {
    const int64_t n = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (n >= N) return;
    const Ptr<const float> s = score + n * r.E, dg = dgate + n * r.K;
    const Ptr<const int> chosen = expert + n * r.K;
    const Ptr<float> dl = dlogits + n * r.E;
    for (int e = 0; e < r.E; ++e) dl[e] = dscore[n * r.E + e];
    float total = 0, inner = 0;
    for (int j = 0; j < r.K; ++j) total += s[chosen[j]];
    for (int j = 0; j < r.K; ++j) inner = exact::fma(dg[j], s[chosen[j]] / total, inner);
    for (int j = 0; j < r.K; ++j)
        dl[chosen[j]] += r.normalise ? (dg[j] - inner) * r.scaling / total : dg[j] * r.scaling;
    if (!r.softmax) {
        for (int e = 0; e < r.E; ++e) dl[e] *= s[e] * (1.0f - s[e]);
        return;
    }
    float mean = 0;
    for (int e = 0; e < r.E; ++e) mean = exact::fma(dl[e], s[e], mean);
    for (int e = 0; e < r.E; ++e) dl[e] = s[e] * (dl[e] - mean);
}

// A block a sequence, a thread an expert.
constexpr int MOST_EXPERTS = 1024;
__global__ void balance(Ptr<float> loss, Ptr<float> dscore, Ptr<const float> score, Ptr<const int> offsets, float alpha,
                        float weight, Routing r) {
    SHARED(float, f, MOST_EXPERTS);
    SHARED(float, P, MOST_EXPERTS);
    const int b = int(blockIdx.x), first = offsets[b], end = offsets[b + 1], e = int(threadIdx.x);
    const float T = float(end - first);
    const auto total_of = [&](int64_t n) {
        float total = 0;
        for (int i = 0; i < r.E; ++i) total += score[n * r.E + i];
        return total;
    };
    if (e < r.E) {
        float count = 0, mean = 0;
        for (int64_t n = first; n < end; ++n) {
            const float own = score[n * r.E + e];
            int better = 0;
            for (int i = 0; i < r.E; ++i) better += score[n * r.E + i] > own || (score[n * r.E + i] == own && i < e);
            if (better < r.K) count += 1;
            mean += own / total_of(n);
        }
        f[e] = count * (float(r.E) / (float(r.K) * T)), P[e] = mean / T;
    }
    barrier();
    if (e == 0) {
        float sum = 0;
        for (int i = 0; i < r.E; ++i) sum = exact::fma(f[i], P[i], sum);
        loss[b] = alpha * sum;
    }
    if (e >= r.E) return;
    for (int64_t n = first; n < end; ++n) {
        const float total = total_of(n);
        float mean = 0;
        for (int i = 0; i < r.E; ++i) mean = exact::fma(f[i], score[n * r.E + i] / total, mean);
        dscore[n * r.E + e] = balance_slope(f[e], mean, total, weight * alpha / T);
    }
}

__global__ void add_in_order(Ptr<float> total, Ptr<const float> x, int n) {
    float chain = total[0];
    for (int i = 0; i < n; ++i) chain += x[i];
    total[0] = chain;
}
__global__ void count_experts(Ptr<int> load, Ptr<const int> offsets, int E) {
    const int e = int(threadIdx.x);
    if (e < E) load[e] += offsets[e + 1] - offsets[e];
}
__global__ void move_biases(Ptr<float> bias, Ptr<const int> load, int shards, int stride, int E, float speed) {
    const int e = int(threadIdx.x);
    int64_t own = 0, total = 0;
    for (int s = 0; s < shards && e < E; ++s) {
        own += load[s * stride + e];
        for (int i = 0; i < E; ++i) total += load[s * stride + i];
    }
    if (e < E) bias[e] = moved_bias(bias[e], own, total, E, speed);
}

// A block an expert. It goes through the list twice, 256 choices at a time: first it counts those of the experts before
// it, which is where its own begin; then it puts its own in their places, in order. A choice's place among the 256 is
// the number of its expert's choices in the warps before, and in the lanes before of its own warp.
constexpr int SORT_WARPS = 8, SORT_STEP = 32 * SORT_WARPS;
__global__ void sort_choices(Ptr<int> source, Ptr<int> place, Ptr<int> offsets, Ptr<const int> expert, int choices,
                             int E) {
    SHARED(int, count, SORT_WARPS);
    const int e = int(blockIdx.x), t = int(threadIdx.x), lane = lane_of_warp(), warp = t / 32;
    const auto of_all_warps = [&](int of_this_warp, int end) { // the sum over warps before `end`
        if (lane == 0) count[warp] = of_this_warp;
        barrier();
        int sum = 0;
        for (int w = 0; w < end; ++w) sum += count[w];
        return sum;
    };
    int smaller = 0;
    UNROLL_BY_4 for (int first = 0; first < choices; first += SORT_STEP)
        smaller += count_bits(ballot(first + t < choices && expert[first + t] < e));
    int slot = of_all_warps(smaller, SORT_WARPS);
    if (t == 0) offsets[e] = slot;
    for (int first = 0; first < choices; first += SORT_STEP) {
        const int i = first + t;
        const bool own = i < choices && expert[i] == e;
        const uint32_t of_warp = ballot(own);
        barrier(); // the counts before have been read
        const int at = slot + of_all_warps(count_bits(of_warp), warp) + count_bits(of_warp & ((1u << lane) - 1));
        if (own) source[at] = i, place[i] = at;
        for (int w = 0; w < SORT_WARPS; ++w) slot += count[w];
    }
    if (e == E - 1 && t == 0) offsets[E] = slot;
}

// A warp a row.
__global__ void gather(Ptr<float> xs, Ptr<const float> x, Ptr<const int> source, int choices, int K, int C) {
    const int i = row_of_warp();
    if (i >= choices) return;
    const Ptr<const float> from = x + int64_t(source[i] / K) * C;
    const Ptr<float> to = xs + int64_t(i) * C;
    for_lanes(C, [&](int c) { return from[c]; }, [&](int c, float own) { to[c] = own; });
}
// A warp a token: to[c] = the chain from to[c] over its K choices' rows, add(sum, choice, element).
template <class Add>
__device__ void add_choices(Ptr<float> to, Ptr<const float> rows, Ptr<const int> place, int K, int C, const Add& add) {
    for (int first = lane_of_warp(); first < C; first += 4 * 32) {
        float sum[4] = {};
        UNROLL for (int i = 0; i < 4; ++i)
            if (first + 32 * i < C) sum[i] = to[first + 32 * i];
        UNROLL_BY_4 for (int j = 0; j < K; ++j) {
            const Ptr<const float> row = rows + int64_t(place[j]) * C;
            UNROLL for (int i = 0; i < 4; ++i)
                if (first + 32 * i < C) sum[i] = add(sum[i], j, row[first + 32 * i]);
        }
        UNROLL for (int i = 0; i < 4; ++i)
            if (first + 32 * i < C) to[first + 32 * i] = sum[i];
    }
}
__global__ void gather_gradient(Ptr<float> dx, Ptr<const float> dxs, Ptr<const int> place, int N, int K, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    add_choices(dx + int64_t(n) * C, dxs, place + n * K, K, C, [](float sum, int, float own) { return sum + own; });
}
__global__ void combine(Ptr<float> y, Ptr<const float> ys, Ptr<const float> gate, Ptr<const int> place, int N, int K,
                        int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> weight = gate + n * K;
    add_choices(y + int64_t(n) * C, ys, place + n * K, K, C,
                [&](float sum, int j, float own) { return exact::fma(weight[j], own, sum); });
}
// A warp a choice.
__global__ void combine_gradient(Ptr<float> dys, Ptr<float> dgate, Ptr<const float> dy, Ptr<const float> ys,
                                 Ptr<const float> gate, Ptr<const int> place, int choices, int K, int C) {
    const int i = row_of_warp();
    if (i >= choices) return;
    const int64_t at = int64_t(place[i]) * C;
    const Ptr<const float> from = dy + int64_t(i / K) * C, y = ys + at;
    const Ptr<float> to = dys + at;
    const float weight = gate[i];
    float chain = 0;
    for_lanes(C, [&](int c) { return Two{from[c], y[c]}; }, [&](int c, Two in) {
        to[c] = weight * in.a;
        chain = exact::fma(in.a, in.b, chain);
    });
    const float d = join(chain);
    if (lane_of_warp() == 0) dgate[i] = d;
}

// ---- the operations

unsigned threads_for(int E) { return unsigned((E + 31) / 32 * 32); }

void router_forward(float* score, int* expert, float* gate, const float* logits, const float* bias, int N, Routing r) {
    ENSURE(r.groups <= MOST_GROUPS, "more groups of experts than a word has bits");
    if (N > 0) launch(route, Dim{unsigned(N + 63) / 64}, Dim{64})(score, expert, gate, logits, bias, N, r);
}
void router_backward(float* dlogits, const float* dgate, const float* dscore, const float* score, const int* expert,
                     int N, Routing r) {
    if (N > 0) launch(route_backward, Dim{unsigned(N + 63) / 64}, Dim{64})(dlogits, dgate, dscore, score, expert, N, r);
}
void balance_loss(float* loss, float* dscore, const float* score, const int* offsets, int B, float alpha, float weight,
                  Routing r) {
    if (B > 0) launch(balance, Dim{unsigned(B)}, Dim{threads_for(r.E)})(loss, dscore, score, offsets, alpha, weight, r);
}
void add_up(float* total, const float* x, int n) { launch(add_in_order, Dim{1}, Dim{1})(total, x, n); }
void count_load(int* load, const int* offsets, int E) { launch(count_experts, Dim{1}, Dim{threads_for(E)})(load, offsets, E); }
void move_bias(float* bias, const int* load, int shards, int stride, int E, float speed) {
    launch(move_biases, Dim{1}, Dim{threads_for(E)})(bias, load, shards, stride, E, speed);
}
void dispatch(int* source, int* place, int* offsets, const int* expert, int N, int E, int K) {
    launch(sort_choices, Dim{unsigned(E)}, Dim{SORT_STEP})(source, place, offsets, expert, N * K, E);
}
void gather_forward(float* xs, const float* x, const int* source, int N, int K, int C) {
    if (N > 0) launch(gather, rows_grid(N * K), Dim{32 * WARPS})(xs, x, source, N * K, K, C);
}
void gather_backward(float* dx, const float* dxs, const int* place, int N, int K, int C) {
    if (N > 0) launch(gather_gradient, rows_grid(N), Dim{32 * WARPS})(dx, dxs, place, N, K, C);
}
void combine_forward(float* y, const float* ys, const float* gate, const int* place, int N, int K, int C) {
    if (N > 0) launch(combine, rows_grid(N), Dim{32 * WARPS})(y, ys, gate, place, N, K, C);
}
void combine_backward(float* dys, float* dgate, const float* dy, const float* ys, const float* gate, const int* place,
                      int N, int K, int C) {
    if (N > 0)
        launch(combine_gradient, rows_grid(N * K), Dim{32 * WARPS})(dys, dgate, dy, ys, gate, place, N * K, K, C);
}

} // namespace
} // namespace r1
