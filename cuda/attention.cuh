// Attention over cached keys and values, forward, and its gradient over whole sequences. The matrix of scores is never
// stored; what is needed twice is computed twice.
#pragma once
#include "cuda/loss.cuh"

namespace r1 {
namespace {

constexpr int MOST_SLICES = 8; // of 32 channels: heads of up to 256

// A warp a token.
__global__ void write_cache(Ptr<float> k_cache, Ptr<float> v_cache, Ptr<const float> kv, Ptr<const float> k_shared,
                            int ld_shared, Ptr<const int> block, Ptr<const int> position, int N, Heads heads) {
    const int n = row_of_warp();
    if (n >= N) return;
    const int64_t at = int64_t(block[n]) * KEY_BLOCK + position[n];
    const unsigned width = unsigned(heads.own + heads.D_v), own = unsigned(heads.own);
    const Ptr<const float> row = kv + int64_t(n) * heads.kv();
    const Ptr<float> k = k_cache + at / KEY_BLOCK * KEY_BLOCK * heads.keys() + at % KEY_BLOCK;
    const Ptr<float> v = v_cache + at * heads.values();
    for_lanes(heads.kv(), [&](int i) { return row[i]; }, [&](int i, float x) {
        const unsigned g = unsigned(i) / width, d = unsigned(i) % width;
        if (d < own) k[int64_t(g * own + d) * KEY_BLOCK] = x;
        else v[g * unsigned(heads.D_v) + d - own] = x;
    });
    for_lanes(heads.shared, [&](int d) { return k_shared[int64_t(n) * ld_shared + d]; },
              [&](int d, float x) { k[int64_t(heads.H_kv * heads.own + d) * KEY_BLOCK] = x; });
}

// A block a layer (y), a sequence (x) and keys or values (z).
__global__ void copy_cache(Ptr<float> k_cache, Ptr<float> v_cache, Ptr<const int> to, int from, int blocks,
                           int64_t layer_blocks, Heads heads) {
    const bool keys = blockIdx.z == 0;
    const int64_t size = int64_t(KEY_BLOCK) * (keys ? heads.keys() : heads.values());
    const Ptr<float> layer = (keys ? k_cache : v_cache) + blockIdx.y * layer_blocks * size;
    const Ptr<float> source = layer + from * size, target = layer + to[blockIdx.x] * size;
    for (int b = 0; b < blocks; ++b)
        for_block(int(size), [&](int i) { return source[b * size + i]; },
                  [&](int i, float x) { target[b * size + i] = x; });
}

// ---- attention of a query
//
//   s_t = (q . k_t) scale      e_t = exp(s_t - max)      o = sum_t e_t v_t / sum_t e_t
//
// A warp takes a query and head. Where four queries in a row are of one sequence, as in training, the first one's warp
// takes all four, and reads keys and values once for them. It has a lane a token for the scores, and a lane a channel, or
// several 32 apart, for the sum. Between these the e_t go through shared memory, HELD of them at a time; of the first HELD
// the scores stay there from the search for their maximum. Of longer sequences the others are computed again.

constexpr int MOST_QUERIES = 4, HELD = 1024;

// Queries n .. n + QUERIES - 1 of head h. From `at_q` of `queries` and `at_s` of `scores` shared memory is this warp's.
template <int SLICES, int QUERIES, class Buffer>
__device__ void attend_queries(Ptr<float> o, Ptr<float> stats, Ptr<const float> q, Ptr<const float> k,
                               Ptr<const float> v, Ptr<const int> position, int n, int h, Heads heads, Buffer queries,
                               int at_q, Buffer scores, int at_s) {
    constexpr int WINDOW = HELD / QUERIES;   // tokens whose scores fit
    const int lane = lane_of_warp(), D_k = heads.D_k(), g = h / (heads.H / heads.H_kv);
    float best[QUERIES] = {}, chain[QUERIES] = {}, sum[QUERIES][SLICES] = {};
    int T[QUERIES], longest = 0, shortest = position[n] + 1; // tokens that each attends to
    UNROLL for (int i = 0; i < QUERIES; ++i) {
        const Ptr<const float> qi = q + (int64_t(n + i) * heads.H + h) * D_k;
        for_lanes(D_k, [&](int d) { return qi[d]; }, [&](int d, float x) { queries[at_q + d * QUERIES + i] = x; });
        T[i] = position[n + i] + 1;
        longest = T[i] > longest ? T[i] : longest, shortest = T[i] < shortest ? T[i] : shortest;
    }
    warp_barrier();
    // Element i of what all queries have at `at`.
    const auto of_each = [&](const Buffer& buffer, int at, float (&x)[QUERIES]) {
        if constexpr (QUERIES == 4) {
            const auto x4 = load4(buffer, at);
            x[0] = x4.x, x[1] = x4.y, x[2] = x4.z, x[3] = x4.w;
        } else {
            UNROLL for (int i = 0; i < QUERIES; ++i) x[i] = buffer[at + i];
        }
    };
    const auto score = [&](int t, float (&s)[QUERIES]) {
        const Ptr<const float> kt = k + (int64_t(t / KEY_BLOCK) * heads.keys() * KEY_BLOCK + t % KEY_BLOCK);
        const Ptr<const float> own = kt + g * heads.own * KEY_BLOCK, shared = kt + heads.H_kv * heads.own * KEY_BLOCK;
        const auto add = [&](int d, float key) {
            float qd[QUERIES];
            of_each(queries, at_q + d * QUERIES, qd);
            UNROLL for (int i = 0; i < QUERIES; ++i) s[i] = exact::fma(qd[i], key, s[i]);
        };
        UNROLL for (int i = 0; i < QUERIES; ++i) s[i] = 0;
        UNROLL_BY_8 for (int d = 0; d < heads.own; ++d) add(d, own[d * KEY_BLOCK]);
        UNROLL_BY_8 for (int d = 0; d < heads.shared; ++d) add(heads.own + d, shared[d * KEY_BLOCK]);
        UNROLL for (int i = 0; i < QUERIES; ++i) s[i] *= heads.scale;
    };

    for (int t0 = 0; t0 < longest; t0 += 32) {
        const int t = t0 + lane;
        float s[QUERIES] = {};
        if (t < longest) score(t, s);
        UNROLL for (int i = 0; i < QUERIES; ++i) {
            if (t0 == 0) best[i] = shuffle(s[i], 0);
            if (t < T[i] && s[i] > best[i]) best[i] = s[i];
            if (t < longest && t < WINDOW) scores[at_s + t * QUERIES + i] = s[i];
        }
    }
    UNROLL for (int i = 0; i < QUERIES; ++i) best[i] = join_maximum(best[i]);

    for (int first = 0; first < longest; first += WINDOW) {
        const int end = first + WINDOW < longest ? first + WINDOW : longest;
        if (first > 0) warp_barrier();       // what is there has been read
        for (int t = first + lane; t < end; t += 32) {
            const int at = at_s + (t - first) * QUERIES;
            float s[QUERIES];
            if (first == 0) of_each(scores, at, s);
            else score(t, s);
            UNROLL for (int i = 0; i < QUERIES; ++i) {
                const float e = exact::exp(s[i] - best[i]);
                if (t < T[i]) chain[i] += e;
                scores[at + i] = e;
            }
        }
        warp_barrier();
        const auto mix = [&](int t, auto all) {  // all: t is before every query's end
            const Ptr<const float> vt = v + (int64_t(t) * heads.values() + g * heads.D_v);
            float e[QUERIES];
            of_each(scores, at_s + (t - first) * QUERIES, e);
            UNROLL for (int m = 0; m < SLICES; ++m) {
                if (lane + 32 * m >= heads.D_v) continue;
                const float x = vt[lane + 32 * m];
                UNROLL for (int i = 0; i < QUERIES; ++i)
                    if (all || t < T[i]) sum[i][m] = exact::fma(e[i], x, sum[i][m]);
            }
        };
        const int together = end < shortest ? end : shortest;
        int t = first;
        UNROLL_BY_4 for (; t < together; ++t) mix(t, std::true_type());
        if constexpr (QUERIES > 1)
            for (; t < end; ++t) mix(t, std::false_type());
    }
    UNROLL for (int i = 0; i < QUERIES; ++i) {
        const int64_t row = int64_t(n + i) * heads.H + h;
        const float total = join(chain[i]);
        UNROLL for (int m = 0; m < SLICES; ++m)
            if (lane + 32 * m < heads.D_v) o[row * heads.D_v + lane + 32 * m] = sum[i][m] / total;
        if (lane == 0) stats[2 * row] = best[i], stats[2 * row + 1] = total;
    }
}

template <int SLICES>
__global__ void attend(Ptr<float> o, Ptr<float> stats, Ptr<const float> q, Ptr<const float> k_cache,
                       Ptr<const float> v_cache, Ptr<const int> block, Ptr<const int> position, int N, Heads heads) {
    constexpr int MOST_D_K = 32 * MOST_SLICES;
    SHARED(float, queries, WARPS * MOST_QUERIES * MOST_D_K);
    SHARED(float, scores, WARPS * HELD);
    const int row = row_of_warp(), n = row / heads.H, h = row % heads.H, warp = int(threadIdx.x) / 32;
    if (n >= N) return;
    const int at_q = warp * MOST_QUERIES * MOST_D_K, at_s = warp * HELD, first = n / MOST_QUERIES * MOST_QUERIES;
    bool together = first + MOST_QUERIES <= N;
    for (int i = 1; together && i < MOST_QUERIES; ++i) together = block[first + i] == block[first];
    const Ptr<const float> k = k_cache + int64_t(block[n]) * KEY_BLOCK * heads.keys(),
                           v = v_cache + int64_t(block[n]) * KEY_BLOCK * heads.values();
    if (!together) attend_queries<SLICES, 1>(o, stats, q, k, v, position, n, h, heads, queries, at_q, scores, at_s);
    else if (n == first)
        attend_queries<SLICES, MOST_QUERIES>(o, stats, q, k, v, position, n, h, heads, queries, at_q, scores, at_s);
}

// ---- gradient: p and ds of 32 queries and 32 keys at a time
//
//   dp = do v^T      ds = p (dp - do . o) scale      dq = ds k      dk = ds^T q      dv = p^T do
//
// A block of 8 warps takes 32 queries (dq) or 32 keys (a part of dk, dv) of a sequence, and goes through the squares of
// 32 x 32 that concern it. Thread (warp, lane) has element (4 warp + j, lane) of a square, j < 4, and takes four numbers of
// a row at once from shared memory. A key after its query has p = ds = 0, and counts as a zero within its square, as on the
// CPU.
//
//   keys ->  t0
//           +---+
//   queries |p,d|   left  (32 x 32 channels) of the queries,      then    right (32 x 32 channels)
//      i0   |s  |   right (32 x 32 channels) of the keys                  of what the square multiplies
//           +---+

constexpr int SIDE_OF_SQUARE = 32, SQUARE_STRIDE = 36, SQUARE_WARPS = 8;

__device__ float chain4(const Float4& x, const Float4& y, float sum) {
    sum = exact::fma(x.x, y.x, sum), sum = exact::fma(x.y, y.y, sum);
    return sum = exact::fma(x.z, y.z, sum), exact::fma(x.w, y.w, sum);
}

// A sequence's tensors, for one head: rows are tokens from the sequence's first.
struct HeadOfSequence {
    Ptr<const float> q, kv, k_shared, do_, o, stats;
    int ld_shared, T, h;
    Heads heads;
    __device__ int group() const { return h / (heads.H / heads.H_kv); }
    __device__ float query(int i, int d) const { return q[(int64_t(i) * heads.H + h) * heads.D_k() + d]; }
    __device__ float key(int t, int d) const {
        return d < heads.own ? kv[int64_t(t) * heads.kv() + group() * (heads.own + heads.D_v) + d]
                             : k_shared[int64_t(t) * ld_shared + d - heads.own];
    }
    __device__ float value(int t, int d) const {
        return kv[int64_t(t) * heads.kv() + group() * (heads.own + heads.D_v) + heads.own + d];
    }
    __device__ int64_t output_at(int i) const { return (int64_t(i) * heads.H + h) * heads.D_v; }
    __device__ float slope(int i, int d) const { return do_[output_at(i) + d]; }
};

template <class Buffer>
struct Square {
    Buffer weight, left, right; // in shared memory: p or ds, and what is multiplied

    // 32 rows from r0 on of matrix(row, d), channels d0 .. d0 + 31, into a buffer; R rows and D channels there are.
    template <class Matrix>
    __device__ void stage(const Buffer& to, int r0, int R, int d0, int D, const Matrix& matrix) const {
        const int warp = int(threadIdx.x) / 32, lane = lane_of_warp();
        UNROLL for (int j = 0; j < 4; ++j) {
            const int r = warp + SQUARE_WARPS * j;
            to[r * SQUARE_STRIDE + lane] = r0 + r < R && d0 + lane < D ? matrix(r0 + r, d0 + lane) : 0.0f;
        }
    }
    // sum[j] = chain over d of a(i, d) b(t, d).
    template <class A, class B>
    __device__ void multiply(float (&sum)[4], int i0, int t0, int T, int D, const A& a, const B& b) const {
        const int warp = int(threadIdx.x) / 32, lane = lane_of_warp();
        for (int d0 = 0; d0 < D; d0 += 32) {
            barrier(); // what is there has been read
            stage(left, i0, T, d0, D, a), stage(right, t0, T, d0, D, b);
            barrier();
            const int count = D - d0 < 32 ? D - d0 : 32, own = 4 * warp * SQUARE_STRIDE, of_key = lane * SQUARE_STRIDE;
            int d = 0;
            UNROLL_BY_4 for (; d + 4 <= count; d += 4) {
                const auto y = load4(right, of_key + d);
                UNROLL for (int j = 0; j < 4; ++j) {
                    const auto x = load4(left, own + j * SQUARE_STRIDE + d);
                    sum[j] = chain4(x, y, sum[j]);
                }
            }
            NO_UNROLL for (; d < count; ++d)
                UNROLL for (int j = 0; j < 4; ++j)
                    sum[j] = exact::fma(left[own + j * SQUARE_STRIDE + d], right[of_key + d], sum[j]);
        }
    }
    // p of queries i0 .. and keys t0 .., or ds.
    __device__ void weigh(const HeadOfSequence& a, int i0, int t0, bool ds) const {
        const int warp = int(threadIdx.x) / 32, lane = lane_of_warp();
        float s[4] = {}, dp[4] = {}, inner[4] = {};
        multiply(s, i0, t0, a.T, a.heads.D_k(), [&](int i, int d) { return a.query(i, d); },
                 [&](int t, int d) { return a.key(t, d); });
        if (ds) {
            multiply(dp, i0, t0, a.T, a.heads.D_v, [&](int i, int d) { return a.slope(i, d); },
                     [&](int t, int d) { return a.value(t, d); });
            UNROLL for (int j = 0; j < 4; ++j) {
                const int i = i0 + 4 * warp + j;
                if (i < a.T) inner[j] = warp_dot(a.do_ + a.output_at(i), a.o + a.output_at(i), a.heads.D_v);
            }
        }
        UNROLL for (int j = 0; j < 4; ++j) {
            const int row = 4 * warp + j, i = i0 + row, t = t0 + lane;
            float w = 0;
            if (i < a.T && t <= i) {
                const int64_t at = (int64_t(i) * a.heads.H + a.h) * 2;
                w = exact::exp(s[j] * a.heads.scale - a.stats[at]) / a.stats[at + 1];
                if (ds) w = w * (dp[j] - inner[j]) * a.heads.scale;
            }
            weight[row * SQUARE_STRIDE + lane] = w;
        }
        barrier();
    }
    // sum[m][j] += over the rows r0 .. of `matrix`, in order: the square's weight of (own row, r) or, transposed, of
    // (r, own row) times channel 32 m + lane.
    template <bool TRANSPOSED, int SLICES, class Matrix>
    __device__ void mix(float (&sum)[SLICES][4], int r0, int R, int D, const Matrix& matrix) const {
        const int warp = int(threadIdx.x) / 32, lane = lane_of_warp();
        UNROLL for (int m = 0; m < SLICES; ++m) {
            if (32 * m >= D) continue;
            barrier();
            stage(right, r0, R, 32 * m, D, matrix);
            barrier();
            const int count = R - r0 < 32 ? R - r0 : 32, own = 4 * warp;
            int r = 0;
            if constexpr (TRANSPOSED) {
                UNROLL_BY_4 for (; r < count; ++r) {
                    const float x = right[r * SQUARE_STRIDE + lane];
                    const auto w = load4(weight, r * SQUARE_STRIDE + own);
                    sum[m][0] = exact::fma(w.x, x, sum[m][0]), sum[m][1] = exact::fma(w.y, x, sum[m][1]);
                    sum[m][2] = exact::fma(w.z, x, sum[m][2]), sum[m][3] = exact::fma(w.w, x, sum[m][3]);
                }
            } else {
                for (; r + 4 <= count; r += 4) {
                    const Float4 x = {right[r * SQUARE_STRIDE + lane], right[(r + 1) * SQUARE_STRIDE + lane],
                                      right[(r + 2) * SQUARE_STRIDE + lane], right[(r + 3) * SQUARE_STRIDE + lane]};
                    UNROLL for (int j = 0; j < 4; ++j)
                        sum[m][j] = chain4(load4(weight, (own + j) * SQUARE_STRIDE + r), x, sum[m][j]);
                }
                NO_UNROLL for (; r < count; ++r) {
                    const float x = right[r * SQUARE_STRIDE + lane];
                    UNROLL for (int j = 0; j < 4; ++j)
                        sum[m][j] = exact::fma(weight[(own + j) * SQUARE_STRIDE + r], x, sum[m][j]);
                }
            }
        }
    }
};
template <class Buffer>
__device__ Square<Buffer> square(Buffer weight, Buffer left, Buffer right) {
    return {weight, left, right};
}
// A sum of 32 rows into rows r0 .. of a tensor; R rows there are.
template <int SLICES, class At>
__device__ void put_square(Ptr<float> to, const float (&sum)[SLICES][4], int r0, int R, int D, const At& at) {
    const int warp = int(threadIdx.x) / 32, lane = lane_of_warp();
    UNROLL for (int m = 0; m < SLICES; ++m)
        UNROLL for (int j = 0; j < 4; ++j) {
            const int r = r0 + 4 * warp + j, d = 32 * m + lane;
            if (r < R && d < D) to[at(r, d)] = sum[m][j];
        }
}

__device__ HeadOfSequence head_of(Ptr<const float> q, Ptr<const float> kv, Ptr<const float> k_shared, int ld_shared,
                                  Ptr<const float> do_, Ptr<const float> o, Ptr<const float> stats, int64_t first,
                                  int64_t end, Heads heads) {
    return {q + first * heads.H * heads.D_k(), kv + first * heads.kv(),
            k_shared ? k_shared + first * ld_shared : k_shared, do_ + first * heads.H * heads.D_v,
            o + first * heads.H * heads.D_v, stats + first * heads.H * 2, ld_shared, int(end - first), 0, heads};
}

// Of sequence blockIdx.y and head blockIdx.z: 32 queries, and blockIdx.x's further ones.
template <int SLICES>
__global__ void query_gradient(Ptr<float> dq, Ptr<const float> do_, Ptr<const float> o, Ptr<const float> stats,
                               Ptr<const float> q, Ptr<const float> kv, Ptr<const float> k_shared, int ld_shared,
                               Ptr<const int> offsets, Heads heads) {
    SHARED(float, weight, SIDE_OF_SQUARE * SQUARE_STRIDE);
    SHARED(float, left, SIDE_OF_SQUARE * SQUARE_STRIDE);
    SHARED(float, right, SIDE_OF_SQUARE * SQUARE_STRIDE);
    const auto tile = square(weight, left, right);
    const int64_t first = offsets[blockIdx.y];
    HeadOfSequence a = head_of(q, kv, k_shared, ld_shared, do_, o, stats, first, offsets[blockIdx.y + 1], heads);
    a.h = int(blockIdx.z);
    for (int i0 = int(blockIdx.x) * 32; i0 < a.T; i0 += int(gridDim.x) * 32) {
        float sum[SLICES][4] = {};
        for (int t0 = 0; t0 <= i0; t0 += 32) {
            tile.weigh(a, i0, t0, true);
            tile.template mix<false>(sum, t0, a.T, heads.D_k(), [&](int t, int d) { return a.key(t, d); });
        }
        put_square(dq, sum, i0, a.T, heads.D_k(),
                   [&](int i, int d) { return ((first + i) * heads.H + a.h) * heads.D_k() + d; });
    }
}

// Of sequence blockIdx.y, 32 keys and blockIdx.x's further ones. blockIdx.z: a group's own part of dk, then a group's dv,
// then the part of dk that all heads share.
template <int SLICES>
__global__ void key_gradient(Ptr<float> dkv, Ptr<float> dk_shared, int ldd_shared, Ptr<const float> do_,
                             Ptr<const float> o, Ptr<const float> stats, Ptr<const float> q, Ptr<const float> kv,
                             Ptr<const float> k_shared, int ld_shared, Ptr<const int> offsets, Heads heads) {
    SHARED(float, weight, SIDE_OF_SQUARE * SQUARE_STRIDE);
    SHARED(float, left, SIDE_OF_SQUARE * SQUARE_STRIDE);
    SHARED(float, right, SIDE_OF_SQUARE * SQUARE_STRIDE);
    const auto tile = square(weight, left, right);
    const int64_t first = offsets[blockIdx.y];
    HeadOfSequence a = head_of(q, kv, k_shared, ld_shared, do_, o, stats, first, offsets[blockIdx.y + 1], heads);
    const int part = int(blockIdx.z), g = part % heads.H_kv, per_group = heads.H / heads.H_kv;
    const bool of_values = part >= heads.H_kv && part < 2 * heads.H_kv, shares = part == 2 * heads.H_kv;
    const int D = shares ? heads.shared : of_values ? heads.D_v : heads.own;
    for (int t0 = int(blockIdx.x) * 32; t0 < a.T; t0 += int(gridDim.x) * 32) {
        float sum[SLICES][4] = {};
        for (a.h = shares ? 0 : g * per_group; a.h < (shares ? heads.H : (g + 1) * per_group); ++a.h)
            for (int i0 = t0; i0 < a.T; i0 += 32) {
                tile.weigh(a, i0, t0, !of_values);
                tile.template mix<true>(sum, i0, a.T, D, [&](int i, int d) {
                    return of_values ? a.slope(i, d) : a.query(i, shares ? heads.own + d : d);
                });
            }
        if (shares) {
            put_square(dk_shared, sum, t0, a.T, D, [&](int t, int d) { return (first + t) * ldd_shared + d; });
        } else {
            const int c = g * (heads.own + heads.D_v) + (of_values ? heads.own : 0);
            put_square(dkv, sum, t0, a.T, D, [&](int t, int d) { return (first + t) * heads.kv() + c + d; });
        }
    }
}

// ---- the operations

void cache_write(float* k_cache, float* v_cache, const float* kv, const float* k_shared, int ld_shared,
                 const int* block, const int* position, int N, Heads heads) {
    if (N > 0)
        launch(write_cache, rows_grid(N), Dim{32 * WARPS})(k_cache, v_cache, kv, k_shared, ld_shared, block, position, N,
                                                           heads);
}
void cache_copy(float* k_cache, float* v_cache, const int* to, int n, int from, int blocks, int layers,
                int64_t layer_blocks, Heads heads) {
    if (n > 0)
        launch(copy_cache, Dim{unsigned(n), unsigned(layers), 2}, Dim{BLOCK_THREADS})(k_cache, v_cache, to, from, blocks,
                                                                                      layer_blocks, heads);
}
// Slices of 32 channels for heads of D, as a constant: call(slices).
template <class Call>
void with_channels(int D, const Call& call) {
    if (D <= 64) call(std::integral_constant<int, 2>());
    else if (D <= 128) call(std::integral_constant<int, 4>());
    else call(std::integral_constant<int, MOST_SLICES>());
}
void attention_forward(float* o, float* stats, const float* q, const float* k_cache, const float* v_cache,
                       const int* block, const int* position, int N, Heads heads) {
    ENSURE(heads.D_v <= 32 * MOST_SLICES && heads.D_k() <= 32 * MOST_SLICES, "heads wider than the kernels' registers");
    if (N == 0) return;
    with_channels(heads.D_v, [&](auto slices) {
        launch(attend<slices>, rows_grid(int64_t(N) * heads.H), Dim{32 * WARPS})(o, stats, q, k_cache, v_cache, block,
                                                                                 position, N, heads);
    });
}

// Sequences' lengths are known on the device only: so many blocks share each.
constexpr unsigned SEQUENCE_BLOCKS = 16;

void attention_backward(float* dq, float* dkv, float* dk_shared, int ldd_shared, const float* do_, const float* o,
                        const float* stats, const float* q, const float* kv, const float* k_shared, int ld_shared,
                        const int* offsets, int B, Heads heads) {
    if (B == 0) return;
    const Dim threads{32 * SQUARE_WARPS};
    const unsigned parts = unsigned(2 * heads.H_kv + (heads.shared > 0));
    with_channels(heads.D_k() > heads.D_v ? heads.D_k() : heads.D_v, [&](auto slices) {
        launch(query_gradient<slices>, Dim{SEQUENCE_BLOCKS, unsigned(B), unsigned(heads.H)}, threads)(
            dq, do_, o, stats, q, kv, k_shared, ld_shared, offsets, heads);
        launch(key_gradient<slices>, Dim{SEQUENCE_BLOCKS, unsigned(B), parts}, threads)(
            dkv, dk_shared, ldd_shared, do_, o, stats, q, kv, k_shared, ld_shared, offsets, heads);
    });
}

} // namespace
} // namespace r1
