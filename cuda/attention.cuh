// Attention over cached keys and values, forward, and its gradient over whole sequences. A warp a query and head (or a
// key): 32 scores at a time, one a lane, which shuffles then hand round while each lane adds up its own channels in the
// order of the tokens. The matrix of scores is never stored; what is needed twice is computed twice.
#pragma once
#include "cuda/loss.cuh"

namespace r1 {
namespace {

constexpr int MOST_SLICES = 8; // of 32 channels: heads of up to 256

__global__ void write_cache(Ptr<float> k_cache, Ptr<float> v_cache, Ptr<const float> kv, Ptr<const float> k_shared,
                            int ld_shared, Ptr<const int> block, Ptr<const int> position, int N, Heads heads) {
    const int64_t i = index_of_thread(), channels = heads.keys() + heads.values(), n = i / channels;
    if (n >= N) return;
    const int64_t at = int64_t(block[n]) * KEY_BLOCK + position[n];
    const int c = int(i % channels), width = heads.own + heads.D_v, own = heads.H_kv * heads.own;
    const Ptr<const float> row = kv + n * heads.kv();
    if (c < heads.keys()) {
        const float k = c < own ? row[c / heads.own * width + c % heads.own] : k_shared[n * ld_shared + c - own];
        k_cache[at / KEY_BLOCK * KEY_BLOCK * heads.keys() + c * KEY_BLOCK + at % KEY_BLOCK] = k;
    } else {
        const int d = c - heads.keys();
        v_cache[at * heads.values() + d] = row[d / heads.D_v * width + heads.own + d % heads.D_v];
    }
}

__global__ void attend(Ptr<float> o, Ptr<float> stats, Ptr<const float> q, Ptr<const float> k_cache,
                       Ptr<const float> v_cache, Ptr<const int> block, Ptr<const int> position, int N, Heads heads) {
    const int row = row_of_warp(), n = row / heads.H, h = row % heads.H, g = h / (heads.H / heads.H_kv),
              lane = lane_of_warp();
    if (n >= N) return;
    const int T = position[n] + 1;
    const Ptr<const float> qh = q + (int64_t(n) * heads.H + h) * heads.D_k();
    const Ptr<const float> k = k_cache + int64_t(block[n]) * KEY_BLOCK * heads.keys(),
                           v = v_cache + int64_t(block[n]) * KEY_BLOCK * heads.values();
    const auto score = [&](int t) {
        const int64_t at = int64_t(t / KEY_BLOCK) * KEY_BLOCK * heads.keys() + t % KEY_BLOCK;
        float s = 0;
        for (int d = 0; d < heads.own; ++d) s = exact::fma(qh[d], k[at + (g * heads.own + d) * KEY_BLOCK], s);
        for (int d = 0; d < heads.shared; ++d)
            s = exact::fma(qh[heads.own + d], k[at + (heads.H_kv * heads.own + d) * KEY_BLOCK], s);
        return s * heads.scale;
    };
    const float max = warp_maximum(T, score);
    float chain = 0, sum[MOST_SLICES] = {};
    for (int t0 = 0; t0 < T; t0 += 32) {
        const float e = t0 + lane < T ? exact::exp(score(t0 + lane) - max) : 0.0f;
        if (t0 + lane < T) chain += e;
        for (int j = 0; j < 32; ++j) {
            const float weight = shuffle(e, j);
            if (t0 + j >= T) continue;
            for (int d = lane, i = 0; d < heads.D_v; d += 32, ++i)
                sum[i] = exact::fma(weight, v[int64_t(t0 + j) * heads.values() + g * heads.D_v + d], sum[i]);
        }
    }
    const float total = join(chain);
    for (int d = lane, i = 0; d < heads.D_v; d += 32, ++i)
        o[(int64_t(n) * heads.H + h) * heads.D_v + d] = sum[i] / total;
    if (lane == 0) stats[2 * row] = max, stats[2 * row + 1] = total;
}

// ---- gradient

// A sum over 32 lanes as one thread computes it.
__device__ float dot_alone(Ptr<const float> x, Ptr<const float> y, int n) {
    float lane[32] = {};
    for (int i = 0; i < n; ++i) lane[i % 32] = exact::fma(x[i], y[i], lane[i % 32]);
    for (int half = 16; half >= 1; half /= 2)
        for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
}

struct Weight {
    float p, ds;
};

// A sequence's tensors, for one head h: rows are tokens from the sequence's first.
struct HeadOfSequence {
    Ptr<const float> q, kv, k_shared, do_, o, stats;
    int ld_shared, h;
    Heads heads;
    __device__ int group() const { return h / (heads.H / heads.H_kv); }
    __device__ int64_t key_at(int t) const { return int64_t(t) * heads.kv() + group() * (heads.own + heads.D_v); }
    __device__ int64_t query_at(int t) const { return (int64_t(t) * heads.H + h) * heads.D_k(); }
    __device__ int64_t output_at(int t) const { return (int64_t(t) * heads.H + h) * heads.D_v; }
    __device__ float inner(int t) const { return dot_alone(do_ + output_at(t), o + output_at(t), heads.D_v); }
    // Of query i and key t: p and ds = p (dp - do . o) scale; 0 for a key after its query.
    __device__ Weight weight(int i, int t, float inner) const {
        if (t > i) return {0, 0};
        float s = 0, dp = 0;
        for (int d = 0; d < heads.own; ++d) s = exact::fma(q[query_at(i) + d], kv[key_at(t) + d], s);
        for (int d = 0; d < heads.shared; ++d)
            s = exact::fma(q[query_at(i) + heads.own + d], k_shared[int64_t(t) * ld_shared + d], s);
        for (int d = 0; d < heads.D_v; ++d) dp = exact::fma(do_[output_at(i) + d], kv[key_at(t) + heads.own + d], dp);
        const int64_t at = (int64_t(i) * heads.H + h) * 2;
        const float p = exact::exp(s * heads.scale - stats[at]) / stats[at + 1];
        return {p, p * (dp - inner) * heads.scale};
    }
};

// Queries are taken 32 at a time on the CPU; a key after its query, in the same 32, counts as a zero there and here.
constexpr int QUERY_BLOCK = 32;

struct AttentionGradient {
    Ptr<float> dq, dkv, dk_shared;
    int ldd_shared;
    Ptr<const float> do_, o, stats, q, kv, k_shared;
    int ld_shared;
    Ptr<const int> offsets;
    Heads heads;
    __device__ HeadOfSequence head(int64_t first, int h) const {
        return {q + first * heads.H * heads.D_k(),
                kv + first * heads.kv(),
                k_shared ? k_shared + first * ld_shared : k_shared,
                do_ + first * heads.H * heads.D_v,
                o + first * heads.H * heads.D_v,
                stats + first * heads.H * 2,
                ld_shared,
                h,
                heads};
    }
};

// A warp a query and head of sequence blockIdx.y: dq = ds k.
__device__ void query_gradient(const AttentionGradient& a) {
    const Heads heads = a.heads;
    const int first = a.offsets[blockIdx.y], T = a.offsets[blockIdx.y + 1] - first, lane = lane_of_warp();
    for (int row = row_of_warp(); row < T * heads.H; row += int(gridDim.x) * WARPS) {
        const int i = row / heads.H;
        const HeadOfSequence head = a.head(first, row % heads.H);
        const float inner = head.inner(i);
        const int last = (i / QUERY_BLOCK + 1) * QUERY_BLOCK, keys = last < T ? last : T;
        float sum[MOST_SLICES] = {};
        for (int t0 = 0; t0 < keys; t0 += 32) {
            const float own = t0 + lane < keys ? head.weight(i, t0 + lane, inner).ds : 0.0f;
            for (int j = 0; j < 32; ++j) {
                const float ds = shuffle(own, j);
                const int t = t0 + j;
                if (t >= keys) continue;
                for (int d = lane, s = 0; d < heads.D_k(); d += 32, ++s)
                    sum[s] = exact::fma(ds,
                                        d < heads.own ? head.kv[head.key_at(t) + d]
                                                      : head.k_shared[int64_t(t) * head.ld_shared + d - heads.own],
                                        sum[s]);
            }
        }
        for (int d = lane, s = 0; d < heads.D_k(); d += 32, ++s)
            a.dq[int64_t(first) * heads.H * heads.D_k() + head.query_at(i) + d] = sum[s];
    }
}

// A warp a key and group of heads: dk own += ds q, dv += p do; and, the last warp of a key, dk shared, over all heads.
__device__ void key_gradient(const AttentionGradient& a) {
    const Heads heads = a.heads;
    const int first = a.offsets[blockIdx.y], T = a.offsets[blockIdx.y + 1] - first, lane = lane_of_warp();
    const int each = heads.H_kv + (heads.shared > 0), width = heads.own + heads.D_v, per_group = heads.H / heads.H_kv;
    for (int row = row_of_warp(); row < T * each; row += int(gridDim.x) * WARPS) {
        const int t = row / each, g = row % each;
        const bool shares = g == heads.H_kv;
        const int begin = shares ? 0 : g * per_group, end = shares ? heads.H : begin + per_group,
                  channels = shares ? heads.shared : width;
        float sum[MOST_SLICES] = {};
        for (int h = begin; h < end; ++h) {
            const HeadOfSequence head = a.head(first, h);
            for (int i0 = t / QUERY_BLOCK * QUERY_BLOCK; i0 < T; i0 += 32) {
                const Weight own = i0 + lane < T ? head.weight(i0 + lane, t, head.inner(i0 + lane)) : Weight{0, 0};
                for (int j = 0; j < 32; ++j) {
                    const float p = shuffle(own.p, j), ds = shuffle(own.ds, j);
                    const int i = i0 + j;
                    if (i >= T) continue;
                    for (int d = lane, s = 0; d < channels; d += 32, ++s) {
                        if (shares) sum[s] = exact::fma(ds, head.q[head.query_at(i) + heads.own + d], sum[s]);
                        else if (d < heads.own) sum[s] = exact::fma(ds, head.q[head.query_at(i) + d], sum[s]);
                        else sum[s] = exact::fma(p, head.do_[head.output_at(i) + d - heads.own], sum[s]);
                    }
                }
            }
        }
        for (int d = lane, s = 0; d < channels; d += 32, ++s) {
            if (shares) a.dk_shared[(int64_t(first) + t) * a.ldd_shared + d] = sum[s];
            else a.dkv[(int64_t(first) + t) * heads.kv() + g * width + d] = sum[s];
        }
    }
}

// ---- the operations

void cache_write(float* k_cache, float* v_cache, const float* kv, const float* k_shared, int ld_shared,
                 const int* block, const int* position, int N, Heads heads) {
    const int64_t elements = int64_t(N) * (heads.keys() + heads.values());
    if (N > 0)
        launch(write_cache, elements_grid(elements), Dim{256})(k_cache, v_cache, kv, k_shared, ld_shared, block,
                                                               position, N, heads);
}
void attention_forward(float* o, float* stats, const float* q, const float* k_cache, const float* v_cache,
                       const int* block, const int* position, int N, Heads heads) {
    if (N > 0)
        launch(attend, rows_grid(N * heads.H), Dim{32 * WARPS})(o, stats, q, k_cache, v_cache, block, position, N,
                                                                heads);
}

// Sequences' lengths are known on the device only: so many blocks share each.
constexpr unsigned SEQUENCE_BLOCKS = 16;

__global__ void attention_gradient(Ptr<float> dq, Ptr<float> dkv, Ptr<float> dk_shared, int ldd_shared,
                                   Ptr<const float> do_, Ptr<const float> o, Ptr<const float> stats, Ptr<const float> q,
                                   Ptr<const float> kv, Ptr<const float> k_shared, int ld_shared,
                                   Ptr<const int> offsets, Heads heads, bool of_keys) {
    const AttentionGradient a = {dq, dkv, dk_shared, ldd_shared, do_,     o,    stats,
                                 q,  kv,  k_shared,  ld_shared,  offsets, heads};
    if (of_keys) key_gradient(a);
    else query_gradient(a);
}

void attention_backward(float* dq, float* dkv, float* dk_shared, int ldd_shared, const float* do_, const float* o,
                        const float* stats, const float* q, const float* kv, const float* k_shared, int ld_shared,
                        const int* offsets, int B, Heads heads) {
    if (B == 0) return;
    for (const bool of_keys : {false, true})
        launch(attention_gradient, Dim{SEQUENCE_BLOCKS, unsigned(B)}, Dim{32 * WARPS})(
            dq, dkv, dk_shared, ldd_shared, do_, o, stats, q, kv, k_shared, ld_shared, offsets, heads, of_keys);
}

} // namespace
} // namespace r1
