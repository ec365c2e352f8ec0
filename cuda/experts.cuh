// Mixture of experts: the router, the sorted list of choices, gather and combine. A thread a token or an element; what
// is a sum on the CPU in some order is a loop in that order here. Scatter is gather: no atomic operation anywhere.
#pragma once
#include "cuda/rows.cuh"

namespace r1 {
namespace {

// s + bias of an expert; the value of its group: the sum of the two best.
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
        return value(one) + (two >= 0 ? value(two) : 0.0f);
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

__global__ void route(Ptr<float> score, Ptr<int> expert, Ptr<float> gate, Ptr<const float> logits,
                      Ptr<const float> bias, int N, Routing r) {
    const int64_t n = index_of_thread();
    if (n >= N) return;
    for (int e = 0; e < r.E; ++e) score[n * r.E + e] = exact::sigmoid(logits[n * r.E + e]);
    const Choice choice = {score + n * r.E, bias, r};
    const Ptr<int> chosen = expert + n * r.K;
    for (int j = 0; j < r.K; ++j) {
        int best = -1;
        float best_value = 0;
        for (int e = 0; e < r.E; ++e) {
            bool taken = false;
            for (int l = 0; l < j; ++l) taken |= chosen[l] == e;
            if (taken) continue;
            const float v = choice.kept(e / (r.E / r.groups)) ? choice.value(e) : -__builtin_inff();
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
    const int64_t n = index_of_thread();
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
    for (int e = 0; e < r.E; ++e) dl[e] *= s[e] * (1.0f - s[e]);
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

// One block, a thread an expert: it counts its choices, then walks the list again and puts them in their places.
__global__ void sort_choices(Ptr<int> source, Ptr<int> place, Ptr<int> offsets, Ptr<const int> expert, int choices,
                             int E) {
    SHARED(int, count, MOST_EXPERTS);
    const int e = int(threadIdx.x);
    int own = 0;
    for (int i = 0; i < choices && e < E; ++i) own += expert[i] == e;
    count[e] = own;
    barrier();
    if (e >= E) return;
    int slot = 0;
    for (int i = 0; i < e; ++i) slot += count[i];
    offsets[e] = slot;
    if (e == E - 1) offsets[E] = slot + own;
    for (int i = 0; i < choices; ++i)
        if (expert[i] == e) source[slot] = i, place[i] = slot, ++slot;
}

__global__ void gather(Ptr<float> xs, Ptr<const float> x, Ptr<const int> source, int64_t choices, int K, int C) {
    const int64_t i = index_of_thread();
    if (i < choices * C) xs[i] = x[int64_t(source[i / C] / K) * C + i % C];
}
__global__ void gather_gradient(Ptr<float> dx, Ptr<const float> dxs, Ptr<const int> place, int N, int K, int C) {
    const int64_t i = index_of_thread();
    for (int j = 0; j < K && i < int64_t(N) * C; ++j) dx[i] += dxs[int64_t(place[i / C * K + j]) * C + i % C];
}
__global__ void combine(Ptr<float> y, Ptr<const float> ys, Ptr<const float> gate, Ptr<const int> place, int N, int K,
                        int C) {
    const int64_t i = index_of_thread(), n = i / C;
    for (int j = 0; j < K && i < int64_t(N) * C; ++j)
        y[i] = exact::fma(gate[n * K + j], ys[int64_t(place[n * K + j]) * C + i % C], y[i]);
}
// A warp a choice.
__global__ void combine_gradient(Ptr<float> dys, Ptr<float> dgate, Ptr<const float> dy, Ptr<const float> ys,
                                 Ptr<const float> gate, Ptr<const int> place, int choices, int K, int C) {
    const int i = row_of_warp();
    if (i >= choices) return;
    const int64_t at = int64_t(place[i]) * C;
    const Ptr<const float> from = dy + int64_t(i / K) * C;
    for (int c = lane_of_warp(); c < C; c += 32) dys[at + c] = gate[i] * from[c];
    const float d = warp_dot(from, ys + at, C);
    if (lane_of_warp() == 0) dgate[i] = d;
}

// ---- the operations

unsigned threads_for(int E) { return unsigned((E + 31) / 32 * 32); }

void router_forward(float* score, int* expert, float* gate, const float* logits, const float* bias, int N, Routing r) {
    if (N > 0) launch(route, elements_grid(N), Dim{256})(score, expert, gate, logits, bias, N, r);
}
void router_backward(float* dlogits, const float* dgate, const float* dscore, const float* score, const int* expert,
                     int N, Routing r) {
    if (N > 0) launch(route_backward, elements_grid(N), Dim{256})(dlogits, dgate, dscore, score, expert, N, r);
}
void balance_loss(float* loss, float* dscore, const float* score, const int* offsets, int B, float alpha, float weight,
                  Routing r) {
    if (B > 0) launch(balance, Dim{unsigned(B)}, Dim{threads_for(r.E)})(loss, dscore, score, offsets, alpha, weight, r);
}
void dispatch(int* source, int* place, int* offsets, const int* expert, int N, int E, int K) {
    launch(sort_choices, Dim{1}, Dim{threads_for(E)})(source, place, offsets, expert, N * K, E);
}
void gather_forward(float* xs, const float* x, const int* source, int N, int K, int C) {
    if (N > 0) launch(gather, elements_grid(int64_t(N) * K * C), Dim{256})(xs, x, source, int64_t(N) * K, K, C);
}
void gather_backward(float* dx, const float* dxs, const int* place, int N, int K, int C) {
    if (N > 0) launch(gather_gradient, elements_grid(int64_t(N) * C), Dim{256})(dx, dxs, place, N, K, C);
}
void combine_forward(float* y, const float* ys, const float* gate, const int* place, int N, int K, int C) {
    if (N > 0) launch(combine, elements_grid(int64_t(N) * C), Dim{256})(y, ys, gate, place, N, K, C);
}
void combine_backward(float* dys, float* dgate, const float* dy, const float* ys, const float* gate, const int* place,
                      int N, int K, int C) {
    if (N > 0)
        launch(combine_gradient, rows_grid(N * K), Dim{32 * WARPS})(dys, dgate, dy, ys, gate, place, N * K, K, C);
}

} // namespace
} // namespace r1
