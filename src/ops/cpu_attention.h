// CPU: attention over cached keys and values [V3 eq 10].
//
// One function, attend(), serves training, prefill and decoding: a row's result depends on its query and on the keys
// and values before it, never on how many rows are computed beside it. That is why the log-probability of a sampled
// token is the one that training computes, to the bit.
#pragma once
#include "ops/gemm.h"
#include "ops/ops.h"

namespace r1 {
namespace {

void cache_write(float* k_cache, float* v_cache, const float* kv, const float* k_shared, int ld_shared,
                 const int* block, const int* position, int N, Heads heads) {
    for (int64_t n = 0; n < N; ++n) {
        const int64_t at = int64_t(block[n]) * KEY_BLOCK + position[n];
        float* k = k_cache + at / KEY_BLOCK * KEY_BLOCK * heads.keys() + at % KEY_BLOCK;
        float* v = v_cache + at * heads.values();
        const float* row = kv + n * heads.kv();
        for (int h = 0; h < heads.H_kv; ++h, row += heads.own + heads.D_v) {
            for (int d = 0; d < heads.own; ++d, k += KEY_BLOCK) *k = row[d];
            memcpy(v + h * heads.D_v, row + heads.own, heads.D_v * sizeof(float));
        }
        for (int d = 0; d < heads.shared; ++d, k += KEY_BLOCK) *k = k_shared[n * ld_shared + d];
    }
}

void cache_copy(float* k_cache, float* v_cache, const int* to, int n, int from, int blocks, int layers,
                int64_t layer_blocks, Heads heads) {
    const auto copy = [&](float* cache, int64_t width) {
        const int64_t block = KEY_BLOCK * width;
        for (int l = 0; l < layers; ++l, cache += layer_blocks * block)
            for (int i = 0; i < n; ++i)
                memcpy(cache + to[i] * block, cache + from * block, size_t(blocks * block) * sizeof(float));
    };
    copy(k_cache, heads.keys()), copy(v_cache, heads.values());
}

// score[t] = sum_d q[d] k_t[d] of BLOCKS blocks of keys: own channels, then shared ones, in one chain.
template <int BLOCKS>
void scores(float* score, const float* q, const float* k_own, const float* k_shared, Heads heads) {
    constexpr int P = KEY_BLOCK / W;
    vec s[BLOCKS][P];
    for (int b = 0; b < BLOCKS; ++b)
        for (int p = 0; p < P; ++p) s[b][p] = splat(0);
    const int64_t block_size = int64_t(heads.keys()) * KEY_BLOCK;
    for (int part = 0; part < 2; ++part) {
        const float* k = part == 0 ? k_own : k_shared;
        const int channels = part == 0 ? heads.own : heads.shared;
        for (int d = 0; d < channels; ++d, ++q, k += KEY_BLOCK) {
            const vec qd = splat(*q);
            for (int b = 0; b < BLOCKS; ++b)
                for (int p = 0; p < P; ++p) s[b][p] = fma(qd, load(k + b * block_size + p * W), s[b][p]);
        }
    }
    for (int b = 0; b < BLOCKS; ++b)
        for (int p = 0; p < P; ++p) store(score + b * KEY_BLOCK + p * W, s[b][p] * splat(heads.scale));
}

// The same for a number of blocks known only at run time.
template <int BLOCKS = 8>
void scores_of(int blocks, float* score, const float* q, const float* k_own, const float* k_shared, Heads heads) {
    if constexpr (BLOCKS > 1)
        if (blocks < BLOCKS) return scores_of<BLOCKS - 1>(blocks, score, q, k_own, k_shared, heads);
    scores<BLOCKS>(score, q, k_own, k_shared, heads);
}

// VECTORS * W columns of o, from column `first`: for each, the chain over t of e_t v_t, divided by the head's sum.
template <int VECTORS>
void mix(float* o, const float* e, int lde, const float* stats, const float* v, int first, int T, Heads heads) {
    vec sum[VECTORS];
    const float *weight[VECTORS], *value[VECTORS];
    for (int j = 0; j < VECTORS; ++j) {
        const int column = first + j * W, h = column / heads.D_v, group = h / (heads.H / heads.H_kv);
        sum[j] = splat(0);
        weight[j] = e + int64_t(h) * lde;
        value[j] = v + group * heads.D_v + column % heads.D_v;
    }
    const int ldv = heads.values();
    for (int64_t t = 0; t < T; ++t)
        for (int j = 0; j < VECTORS; ++j) sum[j] = fma(splat(weight[j][t]), load(value[j] + t * ldv), sum[j]);
    for (int j = 0; j < VECTORS; ++j)
        store(o + first + j * W, sum[j] / splat(stats[2 * ((first + j * W) / heads.D_v) + 1]));
}

// One row: its query against the first T tokens of its sequence.
void attend(float* o, float* stats, const float* q, const float* k, const float* v, int T, Heads heads) {
    const int blocks = (T + KEY_BLOCK - 1) / KEY_BLOCK, lde = blocks * KEY_BLOCK;
    const int64_t block_size = int64_t(heads.keys()) * KEY_BLOCK;
    float* e = scratch(0, size_t(heads.H) * lde);
    for (int h = 0; h < heads.H; ++h) {
        float* eh = e + int64_t(h) * lde;
        const float* qh = q + h * heads.D_k();
        const float* own = k + h / (heads.H / heads.H_kv) * heads.own * KEY_BLOCK;
        const float* shared = k + heads.H_kv * heads.own * KEY_BLOCK;
        for (int b = 0; b < blocks; b += 8)
            scores_of(std::min(8, blocks - b), eh + b * KEY_BLOCK, qh, own + b * block_size, shared + b * block_size, heads);
        const float max = maximum(eh, T);
        std::fill(eh + T, eh + lde, max);  // whole vectors; what stands behind T is not read
        for (int t = 0; t < lde; ++t) eh[t] = exact::exp(eh[t] - max);
        stats[2 * h] = max, stats[2 * h + 1] = sum(eh, T);
    }
    const int columns = heads.H * heads.D_v;
    if (heads.D_v % W == 0) {
        int c = 0;
        for (; c + 8 * W <= columns; c += 8 * W) mix<8>(o, e, lde, stats, v, c, T, heads);
        for (; c + 2 * W <= columns; c += 2 * W) mix<2>(o, e, lde, stats, v, c, T, heads);
        for (; c < columns; c += W) mix<1>(o, e, lde, stats, v, c, T, heads);
        return;
    }
    for (int c = 0; c < columns; ++c) {  // heads narrower than a vector
        const int h = c / heads.D_v, group = h / (heads.H / heads.H_kv);
        float total = 0;
        for (int t = 0; t < T; ++t)
            total = exact::fma(e[int64_t(h) * lde + t],
                               v[int64_t(t) * heads.values() + group * heads.D_v + c % heads.D_v], total);
        o[c] = total / stats[2 * h + 1];
    }
}

void attention_forward(float* o, float* stats, const float* q, const float* k_cache, const float* v_cache,
                       const int* block, const int* position, int N, Heads heads) {
    parallel_for((N + 15) / 16, [&](int64_t part) {
        for (int64_t n = part * 16; n < std::min<int64_t>(N, part * 16 + 16); ++n) {
            const int64_t first = int64_t(block[n]) * KEY_BLOCK;
            attend(o + n * heads.H * heads.D_v, stats + n * heads.H * 2, q + n * heads.H * heads.D_k(),
                   k_cache + first * heads.keys(), v_cache + first * heads.values(), position[n] + 1, heads);
        }
    });
}

// One head of one sequence of T tokens, ROWS queries at a time. With p the attention weights and dp = do v^T:
//   dv += p^T do      ds = p (dp - do . o) scale      dq = ds k      dk += ds^T q
// Keys after a query's own position have p = 0 and ds = 0.
struct HeadGradient {
    static constexpr int ROWS = 32;
    const float *q, *k, *k_shared, *v, *o, *do_, *stats;
    float *dq, *dk, *dk_shared, *dv;
    int ldq, ldkv, ld_shared, ldd_shared, ldo, ld_stats;

    void run(int T, Heads heads) const {
        float *p = scratch(0, size_t(ROWS) * T), *ds = scratch(1, size_t(ROWS) * T);
        const int own = heads.own, shared = heads.shared, D_v = heads.D_v;
        for (int t0 = 0; t0 < T; t0 += ROWS) {
            const int rows = std::min(ROWS, T - t0), keys = t0 + rows;
            const View query{q + int64_t(t0) * ldq, ldq, 1}, key{k, 1, ldkv}, key_shared{k_shared, 1, ld_shared};
            const float* dot0 = do_ + int64_t(t0) * ldo;
            gemm_serial(p, keys, nullptr, 0, query, key, rows, keys, own);
            if (shared) gemm_serial(p, keys, p, keys, query.at(0, own), key_shared, rows, keys, shared);
            gemm_serial(ds, keys, nullptr, 0, {dot0, ldo, 1}, {v, 1, ldkv}, rows, keys, D_v);
            for (int i = 0; i < rows; ++i) {
                const float* stat = stats + int64_t(t0 + i) * ld_stats;
                const float max = stat[0], sum = stat[1];
                const float inner = dot(dot0 + int64_t(i) * ldo, o + int64_t(t0 + i) * ldo, D_v);
                float *pi = p + int64_t(i) * keys, *dsi = ds + int64_t(i) * keys;
                const int valid = t0 + i + 1;
                for (int t = 0; t < valid; ++t) {
                    pi[t] = exact::exp(pi[t] * heads.scale - max) / sum;
                    dsi[t] = pi[t] * (dsi[t] - inner) * heads.scale;
                }
                for (int t = valid; t < keys; ++t) pi[t] = dsi[t] = 0;
            }
            float* dqt = dq + int64_t(t0) * ldq;
            const View weight{p, 1, keys}, slope{ds, keys, 1}, slope_t{ds, 1, keys};
            gemm_serial(dqt, ldq, nullptr, 0, slope, {k, ldkv, 1}, rows, own, keys);
            gemm_serial(dk, ldkv, dk, ldkv, slope_t, query, keys, own, rows);
            gemm_serial(dv, ldkv, dv, ldkv, weight, {dot0, ldo, 1}, keys, D_v, rows);
            if (!shared) continue;
            gemm_serial(dqt + own, ldq, nullptr, 0, slope, {k_shared, ld_shared, 1}, rows, shared, keys);
            gemm_serial(dk_shared, ldd_shared, dk_shared, ldd_shared, slope_t, query.at(0, own), keys, shared, rows);
        }
    }
};

void attention_backward(float* dq, float* dkv, float* dk_shared, int ldd_shared, const float* do_, const float* o,
                        const float* stats, const float* q, const float* kv, const float* k_shared, int ld_shared,
                        const int* offsets, int B, Heads heads) {
    const int ldq = heads.H * heads.D_k(), ldkv = heads.kv(), ldo = heads.H * heads.D_v, per_group = heads.H / heads.H_kv;
    parallel_for(B, [&](int64_t b) {
        const int64_t first = offsets[b], T = offsets[b + 1] - first;
        for (int64_t n = first; n < first + T; ++n) {
            memset(dkv + n * ldkv, 0, ldkv * sizeof(float));
            if (heads.shared) memset(dk_shared + n * ldd_shared, 0, heads.shared * sizeof(float));
        }
        for (int h = 0; h < heads.H; ++h) {
            const int64_t qh = first * ldq + h * heads.D_k(), oh = first * ldo + h * heads.D_v;
            const int64_t kh = first * ldkv + h / per_group * (heads.own + heads.D_v);
            const float* shared = heads.shared ? k_shared + first * ld_shared : nullptr;
            float* d_shared = heads.shared ? dk_shared + first * ldd_shared : nullptr;
            HeadGradient{q + qh, kv + kh, shared, kv + kh + heads.own, o + oh, do_ + oh,
                         stats + (first * heads.H + h) * 2, dq + qh, dkv + kh, d_shared,
                         dkv + kh + heads.own, ldq, ldkv, ld_shared, ldd_shared, ldo, heads.H * 2}
                .run(int(T), heads);
        }
    });
}

}  // namespace
}  // namespace r1
