// CPU: mixture of experts [V3 eq 12-20]: the router, the sorted list of choices, gather, combine, grouped products.
// Scatter is gather: choices are sorted by expert, stable in the token, and every sum walks a list in that order.
#pragma once
#include "ops/gemm.h"
#include "ops/ops.h"
#include "ops/scalar.h"

namespace r1 {
namespace {

// Marks the k best of n in `chosen` and lists them best first; among equals the lower index wins.
void best_of(int* chosen, const float* value, int n, int k) {
    for (int j = 0; j < k; ++j) {
        int best = -1;
        for (int i = 0; i < n; ++i) {
            bool taken = false;
            for (int l = 0; l < j; ++l) taken |= chosen[l] == i;
            if (!taken && (best < 0 || value[i] > value[best])) best = i;
        }
        chosen[j] = best;
    }
}

// The experts of one token: its groups are ranked by the sum of their two best s + bias, or with softmax by the best; the
// best groups are kept, and the K best experts inside them are chosen.
void choose_experts(int* expert, const float* score, const float* bias, Routing r) {
    constexpr int MOST = 1024;
    ENSURE(r.E <= MOST, "more experts than a router handles");
    float value[MOST], group_value[MOST];
    for (int e = 0; e < r.E; ++e) value[e] = score[e] + bias[e];
    if (r.groups > 1) {
        const int size = r.E / r.groups;
        int two[2] = {}, kept[MOST] = {};
        for (int g = 0; g < r.groups; ++g) {
            best_of(two, value + g * size, size, std::min(2, size));
            group_value[g] = value[g * size + two[0]] + (size > 1 && !r.softmax ? value[g * size + two[1]] : 0.0f);
        }
        best_of(kept, group_value, r.groups, r.groups_kept);
        bool keep[MOST] = {};
        for (int g = 0; g < r.groups_kept; ++g) keep[kept[g]] = true;
        for (int e = 0; e < r.E; ++e)
            if (!keep[e / size]) value[e] = -__builtin_inff();
    }
    best_of(expert, value, r.E, r.K);
}

// The K best by score alone: what the balance loss counts [V3 eq 18].
void best_scores(int* expert, const float* score, Routing r) { best_of(expert, score, r.E, r.K); }

void softmax_scores(float* score, const float* logits, int E) {
    const float max = maximum(logits, E);
    float sum = 0;
    for (int e = 0; e < E; ++e) score[e] = exact::exp(logits[e] - max);
    for (int e = 0; e < E; ++e) sum += score[e];
    for (int e = 0; e < E; ++e) score[e] /= sum;
}

void router_forward(float* score, int* expert, float* gate, const float* logits, const float* bias, int N,
                    Routing r) {
    for_ranges(N, 32, [&](int64_t begin, int64_t end) {
        if (!r.softmax)
            for (int64_t i = begin * r.E; i < end * r.E; ++i) score[i] = exact::sigmoid(logits[i]);
        for (int64_t n = begin; n < end; ++n) {
            const float* s = score + n * r.E;
            if (r.softmax) softmax_scores(score + n * r.E, logits + n * r.E, r.E);
            int* chosen = expert + n * r.K;
            choose_experts(chosen, s, bias, r);
            float total = 0;
            for (int j = 0; j < r.K; ++j) total += s[chosen[j]];
            for (int j = 0; j < r.K; ++j)
                gate[n * r.K + j] = (r.normalise ? s[chosen[j]] / total : s[chosen[j]]) * r.scaling;
        }
    });
}

// gate_j = scaling s_j / S, S = sum of the chosen s:  ds_j = (scaling dgate_j - sum_i dgate_i gate_i) / S
// sigmoid: dl_e = ds_e s_e (1 - s_e)    softmax: dl_e = s_e (ds_e - sum_i ds_i s_i)
void router_backward(float* dlogits, const float* dgate, const float* dscore, const float* score, const int* expert,
                     int N, Routing r) {
    for_ranges(N, 32, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            const float *s = score + n * r.E, *dg = dgate + n * r.K;
            const int* chosen = expert + n * r.K;
            float* dl = dlogits + n * r.E;
            for (int e = 0; e < r.E; ++e) dl[e] = dscore[n * r.E + e];
            float total = 0, inner = 0;
            for (int j = 0; j < r.K; ++j) total += s[chosen[j]];
            for (int j = 0; j < r.K; ++j) inner = exact::fma(dg[j], s[chosen[j]] / total, inner);
            for (int j = 0; j < r.K; ++j)
                dl[chosen[j]] += r.normalise ? (dg[j] - inner) * r.scaling / total : dg[j] * r.scaling;
            if (!r.softmax) {
                for (int e = 0; e < r.E; ++e) dl[e] *= s[e] * (1.0f - s[e]);
                continue;
            }
            float mean = 0;
            for (int e = 0; e < r.E; ++e) mean = exact::fma(dl[e], s[e], mean);
            for (int e = 0; e < r.E; ++e) dl[e] = s[e] * (dl[e] - mean);
        }
    });
}

void balance_loss(float* loss, float* dscore, const float* score, const int* offsets, int B, float alpha, float weight,
                  Routing r) {
    parallel_for(B, [&](int64_t b) {
        const int64_t first = offsets[b], end = offsets[b + 1];
        const float T = float(end - first);
        float *f = scratch(0, r.E), *P = scratch(1, r.E);
        int* best = reinterpret_cast<int*>(scratch(2, r.K));
        for (int e = 0; e < r.E; ++e) f[e] = P[e] = 0;
        for (int64_t n = first; n < end; ++n) {
            const float* s = score + n * r.E;
            best_scores(best, s, r);
            for (int j = 0; j < r.K; ++j) f[best[j]] += 1;
            float total = 0;
            for (int e = 0; e < r.E; ++e) total += s[e];
            for (int e = 0; e < r.E; ++e) P[e] += s[e] / total;
        }
        float sum = 0;
        for (int e = 0; e < r.E; ++e) f[e] *= float(r.E) / (float(r.K) * T), P[e] /= T;
        for (int e = 0; e < r.E; ++e) sum = exact::fma(f[e], P[e], sum);
        loss[b] = alpha * sum;
        for (int64_t n = first; n < end; ++n) {
            const float* s = score + n * r.E;
            float total = 0, mean = 0;
            for (int e = 0; e < r.E; ++e) total += s[e];
            for (int e = 0; e < r.E; ++e) mean = exact::fma(f[e], s[e] / total, mean);
            for (int e = 0; e < r.E; ++e)
                dscore[n * r.E + e] = balance_slope(f[e], mean, total, weight * alpha / T);
        }
    });
}

void add_up(float* total, const float* x, int n) {
    for (int i = 0; i < n; ++i) *total += x[i];
}

void count_load(int* load, const int* offsets, int E) {
    for (int e = 0; e < E; ++e) load[e] += offsets[e + 1] - offsets[e];
}

void move_bias(float* bias, const int* load, int shards, int stride, int E, float speed) {
    int64_t total = 0;
    for (int s = 0; s < shards; ++s)
        for (int e = 0; e < E; ++e) total += load[s * stride + e];
    for (int e = 0; e < E; ++e) {
        int64_t own = 0;
        for (int s = 0; s < shards; ++s) own += load[s * stride + e];
        bias[e] = moved_bias(bias[e], own, total, E, speed);
    }
}

void dispatch(int* source, int* place, int* offsets, const int* expert, int N, int E, int K) {
    for (int e = 0; e <= E; ++e) offsets[e] = 0;
    for (int i = 0; i < N * K; ++i) ++offsets[expert[i] + 1];
    for (int e = 0; e < E; ++e) offsets[e + 1] += offsets[e];
    for (int i = 0; i < N * K; ++i) {                // offsets[e] is where expert e's next choice goes ...
        const int slot = offsets[expert[i]]++;
        source[slot] = i, place[i] = slot;
    }
    for (int e = E; e > 0; --e) offsets[e] = offsets[e - 1];  // ... and has become the start of expert e + 1
    offsets[0] = 0;
}

void gather_forward(float* xs, const float* x, const int* source, int N, int K, int C) {
    for_ranges(int64_t(N) * K, 64, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) memcpy(xs + r * C, x + int64_t(source[r] / K) * C, C * sizeof(float));
    });
}

void gather_backward(float* dx, const float* dxs, const int* place, int N, int K, int C) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin * K; i < end * K; ++i) {
            float* to = dx + i / K * C;
            const float* from = dxs + int64_t(place[i]) * C;
            for (int c = 0; c < C; ++c) to[c] += from[c];
        }
    });
}

void combine_forward(float* y, const float* ys, const float* gate, const int* place, int N, int K, int C) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin * K; i < end * K; ++i) {
            float* to = y + i / K * C;
            const float* from = ys + int64_t(place[i]) * C;
            for (int c = 0; c < C; ++c) to[c] = exact::fma(gate[i], from[c], to[c]);
        }
    });
}

void combine_backward(float* dys, float* dgate, const float* dy, const float* ys, const float* gate, const int* place,
                      int N, int K, int C) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin * K; i < end * K; ++i) {
            const float* from = dy + i / K * C;
            float* to = dys + int64_t(place[i]) * C;
            for (int c = 0; c < C; ++c) to[c] = gate[i] * from[c];
            dgate[i] = dot(from, ys + int64_t(place[i]) * C, C);
        }
    });
}

}  // namespace
}  // namespace r1
