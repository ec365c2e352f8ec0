// Operations on rows: embedding, RMSNorm, rotation, SwiGLU, the optimizer. A warp takes a row, lane l its elements l,
// l + 32, l + 64, ...: neighbours read neighbours, and nothing is divided to find out where a thread is. A sum over a
// row is a chain in each lane, and shuffles join the lanes by the tree 16, 8, 4, 2, 1: the order of the CPU's 32 lanes.
// A sum over rows is one thread's chain.
//
// All of them wait for memory and do little else, so a thread asks for several numbers before it writes the first. How many
// is bandwidth times latency: 3.35 TB/s x 0.7 us, about 18 KB on their way to each of an H100's 132 multiprocessors at any
// time.
#pragma once
#include "cuda/launch.h"
#include "ops/ops.h"
#include "ops/scalar.h"

namespace r1 {
namespace {

constexpr int WARPS = 4; // rows to a block
__device__ int row_of_warp() { return int(blockIdx.x) * WARPS + int(threadIdx.x) / 32; }
__device__ int lane_of_warp() { return int(threadIdx.x) % 32; }
Dim rows_grid(int64_t N) { return Dim{unsigned((N + WARPS - 1) / WARPS)}; }

// do_it(i) for i = 0 .. n - 1 by the lanes of a warp; for what writes no memory.
template <class Body>
__device__ void for_lanes(int n, const Body& do_it) {
    UNROLL_BY_4 for (int i = lane_of_warp(); i < n; i += 32) do_it(i);
}

// write(i, read(i)) for i = first, first + STRIDE, ... below n. Four are read before one is written: no compiler may move
// a read before a write that could be to the same place.
template <int STRIDE, class Read, class Write>
__device__ void in_fours(int first, int n, const Read& read, const Write& write) {
    for (; first < n; first += 4 * STRIDE) {
        decltype(read(0)) got[4] = {};
        UNROLL for (int j = 0; j < 4; ++j)
            if (first + j * STRIDE < n) got[j] = read(first + j * STRIDE);
        UNROLL for (int j = 0; j < 4; ++j)
            if (first + j * STRIDE < n) write(first + j * STRIDE, got[j]);
    }
}
// The same for the n elements of a row, by the lanes of a warp; and for a block's piece of a long vector.
template <class Read, class Write>
__device__ void for_lanes(int n, const Read& read, const Write& write) {
    in_fours<32>(lane_of_warp(), n, read, write);
}
constexpr int BLOCK_THREADS = 256;
template <class Read, class Write>
__device__ void for_block(int n, const Read& read, const Write& write) {
    in_fours<BLOCK_THREADS>(int(threadIdx.x), n, read, write);
}
struct Two {
    float a, b;
};

// The lanes' chains joined; every lane gets the sum.
__device__ float join(float chain) {
    for (int half = 16; half >= 1; half /= 2) chain += shuffle_down(chain, half);
    return shuffle(chain, 0);
}

__device__ float warp_dot(Ptr<const float> x, Ptr<const float> y, int n) {
    float chain = 0;
    for_lanes(n, [&](int i) { chain = exact::fma(x[i], y[i], chain); });
    return join(chain);
}

// ---- embedding: a warp a token

__global__ void embed(Ptr<float> y, Ptr<const int> token, Ptr<const float> table, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return; // the whole warp
    const Ptr<const float> from = table + int64_t(token[n]) * C;
    const Ptr<float> to = y + int64_t(n) * C;
    for_lanes(C, [&](int c) { return from[c]; }, [&](int c, float x) { to[c] = x; });
}

// A warp a token and 128 channels. The first row with a token of the vocabulary adds up all rows with it, in order; the
// warps of the others see that they are not the first, and end.
constexpr int EMBED_CHANNELS = 128, EMBED_ROWS = 8; // of dy on their way at once
__global__ void embed_backward(Ptr<float> dtable, Ptr<const float> dy, Ptr<const int> token, int N, int C) {
    const int n = row_of_warp(), lane = lane_of_warp();
    if (n >= N) return;
    const int own = token[n], c0 = int(blockIdx.y) * EMBED_CHANNELS + lane;
    for (int first = (n - 1) / 32 * 32; n > 0 && first >= 0; first -= 32)
        if (ballot(first + lane < n && token[first + lane] == own)) return;
    float sum[EMBED_CHANNELS / 32];
    const Ptr<float> to = dtable + int64_t(own) * C;
    UNROLL for (int i = 0; i < EMBED_CHANNELS / 32; ++i) sum[i] = c0 + 32 * i < C ? to[c0 + 32 * i] : 0.0f;
    for (int first = n; first < N; first += 32) {
        uint32_t same = ballot(first + lane < N && token[first + lane] == own);
        while (same != 0) {
            float got[EMBED_ROWS][EMBED_CHANNELS / 32] = {};
            const int rows = count_bits(same) < EMBED_ROWS ? count_bits(same) : EMBED_ROWS;
            UNROLL for (int k = 0; k < EMBED_ROWS; ++k) {
                if (k >= rows) continue;
                const int64_t row = first + lowest_bit(same);
                same &= same - 1;
                UNROLL for (int i = 0; i < EMBED_CHANNELS / 32; ++i)
                    if (c0 + 32 * i < C) got[k][i] = dy[row * C + c0 + 32 * i];
            }
            UNROLL for (int k = 0; k < EMBED_ROWS; ++k)
                UNROLL for (int i = 0; i < EMBED_CHANNELS / 32; ++i)
                    if (k < rows) sum[i] += got[k][i];
        }
    }
    UNROLL for (int i = 0; i < EMBED_CHANNELS / 32; ++i)
        if (c0 + 32 * i < C) to[c0 + 32 * i] = sum[i];
}
void embedding_forward(float* y, const int* token, const float* table, int N, int C) {
    if (N > 0) launch(embed, rows_grid(N), Dim{32 * WARPS})(y, token, table, N, C);
}
void embedding_backward(float* dtable, const float* dy, const int* token, int N, int C) {
    const Dim grid{rows_grid(N).x, unsigned((C + EMBED_CHANNELS - 1) / EMBED_CHANNELS)};
    if (N > 0) launch(embed_backward, grid, Dim{32 * WARPS})(dtable, dy, token, N, C);
}

// ---- RMSNorm: a warp a row
//
// A row is needed twice, for its sum and for the result. The first 32 SLICES elements stay in registers in between: read
// once, all at the same time: SLICES is the next power of two, so that no thread counts many that are not there. Of rows
// wider than the MOST there is the rest is read again.
constexpr int MOST_OF_NORM = 64, MOST_OF_NORM_BACKWARD = 32;  // a multiprocessor then has registers for a dozen warps

template <int SLICES>
__global__ void norm(Ptr<float> y, int ldy, Ptr<float> rstd, Ptr<const float> x, int ldx, Ptr<const float> g, int N,
                     int C, float epsilon) {
    const int n = row_of_warp(), lane = lane_of_warp();
    if (n >= N) return;
    const Ptr<const float> xn = x + int64_t(n) * ldx;
    const Ptr<float> yn = y + int64_t(n) * ldy;
    float own[SLICES] = {}, chain = 0;
    UNROLL for (int i = 0; i < SLICES; ++i)
        if (lane + 32 * i < C) own[i] = xn[lane + 32 * i];
    UNROLL for (int i = 0; i < SLICES; ++i)
        if (lane + 32 * i < C) chain = exact::fma(own[i], own[i], chain);
    if constexpr (SLICES == MOST_OF_NORM)
        UNROLL_BY_4 for (int c = lane + 32 * SLICES; c < C; c += 32) chain = exact::fma(xn[c], xn[c], chain);
    const float r = 1.0f / exact::sqrt(join(chain) / float(C) + epsilon);
    if (lane == 0) rstd[n] = r;
    UNROLL for (int i = 0; i < SLICES; i += 8) {
        float gain[8] = {};
        UNROLL for (int j = 0; j < 8; ++j)
            if (lane + 32 * (i + j) < C) gain[j] = g[lane + 32 * (i + j)];
        UNROLL for (int j = 0; j < 8; ++j)
            if (lane + 32 * (i + j) < C) yn[lane + 32 * (i + j)] = (own[i + j] * r) * gain[j];
    }
    if constexpr (SLICES == MOST_OF_NORM)
        in_fours<32>(lane + 32 * SLICES, C, [&](int c) { return Two{xn[c], g[c]}; },
                     [&](int c, Two in) { yn[c] = (in.a * r) * in.b; });
}

template <int SLICES>
__global__ void norm_backward_x(Ptr<float> dx, int lddx, Ptr<const float> base, int ldbase, Ptr<const float> dy,
                                int lddy, Ptr<const float> x, int ldx, Ptr<const float> rstd, Ptr<const float> g, int N,
                                int C) {
    const int n = row_of_warp(), lane = lane_of_warp();
    if (n >= N) return;
    const Ptr<const float> xn = x + int64_t(n) * ldx, dyn = dy + int64_t(n) * lddy;
    const Ptr<float> dxn = dx + int64_t(n) * lddx;
    float own[SLICES] = {}, slope[SLICES] = {}, chain = 0; // x, and g dy
    UNROLL for (int i = 0; i < SLICES; ++i)
        if (lane + 32 * i < C) own[i] = xn[lane + 32 * i], slope[i] = dyn[lane + 32 * i];
    UNROLL for (int i = 0; i < SLICES; ++i)
        if (lane + 32 * i < C) slope[i] = g[lane + 32 * i] * slope[i], chain = exact::fma(slope[i], own[i], chain);
    if constexpr (SLICES == MOST_OF_NORM_BACKWARD)
        UNROLL_BY_4 for (int c = lane + 32 * SLICES; c < C; c += 32) chain = exact::fma(g[c] * dyn[c], xn[c], chain);
    const float r = rstd[n], inner = join(chain) * (r * r) / float(C);
    const Ptr<const float> bn = base ? base + int64_t(n) * ldbase : base;
    struct Element {
        float x, slope, base;
    };
    const auto write = [&](int c, Element in) {
        const float sum = exact::fma(-inner, in.x, in.slope);
        dxn[c] = base ? exact::fma(r, sum, in.base) : r * sum;
    };
    UNROLL for (int i = 0; i < SLICES; i += 8) {
        float before[8] = {};
        UNROLL for (int j = 0; j < 8; ++j)
            if (base && lane + 32 * (i + j) < C) before[j] = bn[lane + 32 * (i + j)];
        UNROLL for (int j = 0; j < 8; ++j)
            if (lane + 32 * (i + j) < C) write(lane + 32 * (i + j), {own[i + j], slope[i + j], before[j]});
    }
    if constexpr (SLICES == MOST_OF_NORM_BACKWARD)
        in_fours<32>(lane + 32 * SLICES, C, [&](int c) { return Element{xn[c], g[c] * dyn[c], base ? bn[c] : 0.0f}; }, write);
}

// SLICES for rows of C, as a constant: call(slices).
template <int MOST, int SLICES = 8, class Call>
void with_slices(int C, const Call& call) {
    if constexpr (SLICES == MOST) call(std::integral_constant<int, MOST>());
    else if (C <= 32 * SLICES) call(std::integral_constant<int, SLICES>());
    else with_slices<MOST, 2 * SLICES>(C, call);
}

// ---- sums over rows: chains in the order of the rows, one for each channel
//
//   total[c] = fma(value(n, c), factor(n), total[c])    for n = 0 .. N - 1
//
// A block has CHAIN_CHANNELS channels and goes through the rows, CHAIN_ROWS at a time. Sixteen warps fetch: a thread reads
// eight rows of its channel, and while these are on their way puts those of the time before into shared memory. One warp
// adds up, a lane a channel, what was put there the time before that.
//
//   fetched    rows 3   rows 4   rows 5          value[half]   CHAIN_CHANNELS x CHAIN_ROWS, and a little between them
//   put         rows 2   rows 3   rows 4                       so that neither side meets itself in a bank
//   added        rows 1   rows 2   rows 3        factor[half]  CHAIN_ROWS

constexpr int CHAIN_CHANNELS = 16, CHAIN_ROWS = 256, CHAIN_STRIDE = CHAIN_ROWS + 4, CHAIN_FETCHERS = 512;
template <class Read, class Value, class Factor>
__device__ void chain_over_rows(Ptr<float> total, int N, int C, const Read& read, const Value& value,
                                const Factor& factor_of) {
    constexpr int STEP = CHAIN_FETCHERS / CHAIN_CHANNELS, EACH = CHAIN_ROWS / STEP;
    SHARED(float, values, 2 * CHAIN_CHANNELS * CHAIN_STRIDE);
    SHARED(float, factors, 2 * CHAIN_ROWS);
    const int t = int(threadIdx.x), own = t % CHAIN_CHANNELS, c = int(blockIdx.x) * CHAIN_CHANNELS + own;
    const bool fetches = t < CHAIN_FETCHERS, adds = !fetches && t < CHAIN_FETCHERS + CHAIN_CHANNELS && c < C;
    decltype(read(0, 0)) got[EACH] = {};
    float factor = 0;
    const auto fetch = [&](int first) {
        UNROLL for (int i = 0; i < EACH; ++i) {
            const int n = first + t / CHAIN_CHANNELS + STEP * i;
            if (n < N && c < C) got[i] = read(n, c);
        }
        if (t < CHAIN_ROWS && first + t < N) factor = factor_of(first + t);
    };
    if (fetches) fetch(0);
    float chain = adds ? total[c] : 0.0f;
    for (int first = 0; first < N + CHAIN_ROWS; first += CHAIN_ROWS) {
        const int half = first / CHAIN_ROWS % 2;
        if (fetches) {
            UNROLL for (int i = 0; i < EACH; ++i)
                values[(half * CHAIN_CHANNELS + own) * CHAIN_STRIDE + t / CHAIN_CHANNELS + STEP * i] = value(got[i]);
            if (t < CHAIN_ROWS) factors[half * CHAIN_ROWS + t] = factor;
            fetch(first + CHAIN_ROWS);
        } else if (adds && first > 0) {
            const int left = N - (first - CHAIN_ROWS), rows = left < CHAIN_ROWS ? left : CHAIN_ROWS;
            const int v = ((1 - half) * CHAIN_CHANNELS + own) * CHAIN_STRIDE, f = (1 - half) * CHAIN_ROWS;
            UNROLL_BY_4 for (int i = 0; i + 4 <= rows; i += 4) {
                const auto v4 = load4(values, v + i), f4 = load4(factors, f + i);
                chain = exact::fma(v4.x, f4.x, chain), chain = exact::fma(v4.y, f4.y, chain);
                chain = exact::fma(v4.z, f4.z, chain), chain = exact::fma(v4.w, f4.w, chain);
            }
            NO_UNROLL for (int i = rows / 4 * 4; i < rows; ++i) chain = exact::fma(values[v + i], factors[f + i], chain);
        }
        barrier();
    }
    if (adds) total[c] = chain;
}
constexpr unsigned CHAIN_THREADS = CHAIN_FETCHERS + 32;
Dim chains_grid(int C) { return Dim{unsigned(C + CHAIN_CHANNELS - 1) / CHAIN_CHANNELS}; }

__global__ void BOUNDS(CHAIN_THREADS)
norm_backward_g(Ptr<float> dg, Ptr<const float> dy, int lddy, Ptr<const float> x, int ldx, Ptr<const float> rstd, int N,
                int C) {
    chain_over_rows(dg, N, C, [&](int64_t n, int c) { return Two{dy[n * lddy + c], x[n * ldx + c]}; },
                    [](Two in) { return in.a * in.b; }, [&](int n) { return rstd[n]; });
}

void rmsnorm_forward(float* y, int ldy, float* rstd, const float* x, int ldx, const float* g, int N, int C,
                     float epsilon) {
    if (N == 0) return;
    with_slices<MOST_OF_NORM>(C, [&](auto slices) {
        launch(norm<slices>, rows_grid(N), Dim{32 * WARPS})(y, ldy, rstd, x, ldx, g, N, C, epsilon);
    });
}
void rmsnorm_backward(float* dx, int lddx, const float* base, int ldbase, float* dg, const float* dy, int lddy,
                      const float* x, int ldx, const float* rstd, const float* g, int N, int C) {
    if (N == 0) return;
    launch(norm_backward_g, chains_grid(C), Dim{CHAIN_THREADS})(dg, dy, lddy, x, ldx, rstd, N, C);
    with_slices<MOST_OF_NORM_BACKWARD>(C, [&](auto slices) {
        launch(norm_backward_x<slices>, rows_grid(N), Dim{32 * WARPS})(dx, lddx, base, ldbase, dy, lddy, x, ldx, rstd, g, N, C);
    });
}

// ---- rotation: a warp a row, a lane an element
//
//   (a, b) -> (a cos - b sin, a sin + b cos)
//
// Neighbouring lanes have a and b, and read the cosine and the sine; each gets what the other has.

__global__ void rotate(Ptr<float> x, int ldx, Ptr<const int> position, Ptr<const float> angles, int N, int heads,
                       int stride, int D, float sign) {
    constexpr int AHEAD = 4;
    const int n = row_of_warp(), lane = lane_of_warp(), count = heads * D;
    if (n >= N) return;
    const Ptr<const float> angle = angles + int64_t(position[n]) * D;
    const Ptr<float> xn = x + int64_t(n) * ldx;
    const bool has_a = lane % 2 == 0;
    const float of_mine = has_a ? 1.0f : sign, of_others = has_a ? -sign : 1.0f;
    const int further_heads = 32 / D, further = 32 % D;  // from one element to the next, so that nothing is divided
    int h = lane / D, d = lane % D;
    for (int first = lane; first - lane < count; first += 32 * AHEAD) {
        float own[AHEAD] = {}, turn[AHEAD] = {};
        int at[AHEAD] = {};
        UNROLL for (int i = 0; i < AHEAD; ++i) {
            at[i] = h * stride + d;
            if (first + 32 * i < count) own[i] = xn[at[i]], turn[i] = angle[d];
            h += further_heads, d += further;
            if (d >= D) d -= D, ++h;
        }
        UNROLL for (int i = 0; i < AHEAD; ++i) {
            const float other = shuffle_xor(own[i], 1), others_turn = shuffle_xor(turn[i], 1);
            const float a = has_a ? own[i] : other, b = has_a ? other : own[i];
            if (first + 32 * i < count) xn[at[i]] = exact::fma(a, of_mine * turn[i], b * (of_others * others_turn));
        }
    }
}
void rope_forward(float* x, int ldx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    if (N > 0)
        launch(rotate, rows_grid(N), Dim{32 * WARPS})(x, ldx, position, angles, N, heads, stride, D, 1.0f);
}
void rope_backward(float* dx, int lddx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    if (N > 0)
        launch(rotate, rows_grid(N), Dim{32 * WARPS})(dx, lddx, position, angles, N, heads, stride, D, -1.0f);
}

// ---- biases of products: a warp a row; a chain over rows

__global__ void add_bias(Ptr<float> y, int ldy, Ptr<const float> b, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<float> yn = y + int64_t(n) * ldy;
    for_lanes(C, [&](int c) { return yn[c] + b[c]; }, [&](int c, float sum) { yn[c] = sum; });
}
__global__ void BOUNDS(CHAIN_THREADS) bias_gradient(Ptr<float> db, Ptr<const float> dy, int lddy, int N, int C) {
    chain_over_rows(db, N, C, [&](int64_t n, int c) { return dy[n * lddy + c]; }, [](float in) { return in; },
                    [](int) { return 1.0f; });
}
void bias_forward(float* y, int ldy, const float* b, int N, int C) {
    if (N > 0) launch(add_bias, rows_grid(N), Dim{32 * WARPS})(y, ldy, b, N, C);
}
void bias_backward(float* db, const float* dy, int lddy, int N, int C) {
    if (N > 0) launch(bias_gradient, chains_grid(C), Dim{CHAIN_THREADS})(db, dy, lddy, N, C);
}

// ---- clipping and copies: a warp a row

__global__ void clip(Ptr<float> x, int ldx, float limit, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<float> xn = x + int64_t(n) * ldx;
    for_lanes(C, [&](int c) { return xn[c]; }, [&](int c, float own) { xn[c] = clipped(own, limit); });
}
__global__ void clip_gradient(Ptr<float> dx, int lddx, Ptr<const float> x, int ldx, float limit, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    for_lanes(C, [&](int c) { return x[int64_t(n) * ldx + c]; },
              [&](int c, float own) { if (is_clipped(own, limit)) dx[int64_t(n) * lddx + c] = 0; });
}
void clip_forward(float* x, int ldx, float limit, int N, int C) {
    if (N > 0) launch(clip, rows_grid(N), Dim{32 * WARPS})(x, ldx, limit, N, C);
}
void clip_backward(float* dx, int lddx, const float* x, int ldx, float limit, int N, int C) {
    if (N > 0) launch(clip_gradient, rows_grid(N), Dim{32 * WARPS})(dx, lddx, x, ldx, limit, N, C);
}

__global__ void copy_of_rows(Ptr<float> y, int ldy, Ptr<const float> x, int ldx, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> from = x + int64_t(n) * ldx;
    const Ptr<float> to = y + int64_t(n) * ldy;
    for_lanes(C, [&](int c) { return from[c]; }, [&](int c, float own) { to[c] = own; });
}
void copy_rows(float* y, int ldy, const float* x, int ldx, int N, int C) {
    if (N > 0) launch(copy_of_rows, rows_grid(N), Dim{32 * WARPS})(y, ldy, x, ldx, N, C);
}

// ---- SwiGLU: a warp a row

__global__ void gate(Ptr<float> a, Ptr<const float> gu, int N, int F) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> gn = gu + int64_t(n) * 2 * F, un = gn + F;
    const Ptr<float> an = a + int64_t(n) * F;
    for_lanes(F, [&](int f) { return Two{gn[f], un[f]}; },
              [&](int f, Two in) { an[f] = silu(in.a, exact::sigmoid(in.a)) * in.b; });
}
__global__ void gate_backward(Ptr<float> dgu, Ptr<const float> da, Ptr<const float> gu, int N, int F) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> gn = gu + int64_t(n) * 2 * F, un = gn + F, dan = da + int64_t(n) * F;
    const Ptr<float> dgn = dgu + int64_t(n) * 2 * F, dun = dgn + F;
    struct Gate {
        float g, u, d;
    };
    for_lanes(F, [&](int f) { return Gate{gn[f], un[f], dan[f]}; }, [&](int f, Gate in) {
        const float s = exact::sigmoid(in.g);
        dgn[f] = in.d * in.u * silu_slope(in.g, s);
        dun[f] = in.d * silu(in.g, s);
    });
}
void swiglu_forward(float* a, const float* gu, int N, int F) {
    if (N > 0) launch(gate, rows_grid(N), Dim{32 * WARPS})(a, gu, N, F);
}
void swiglu_backward(float* dgu, const float* da, const float* gu, int N, int F) {
    if (N > 0) launch(gate_backward, rows_grid(N), Dim{32 * WARPS})(dgu, da, gu, N, F);
}

// ---- the optimizer: a block a piece; sums of squares, a warp a block of SQUARES_BLOCK

constexpr int ADD_ELEMENTS = 8 * BLOCK_THREADS;
__global__ void add_elements(Ptr<float> y, Ptr<const float> x, int64_t n) {
    const int64_t begin = int64_t(blockIdx.x) * ADD_ELEMENTS;
    const Ptr<float> to = y + begin;
    const Ptr<const float> from = x + begin;
    for_block(int(n - begin < ADD_ELEMENTS ? n - begin : ADD_ELEMENTS), [&](int i) { return to[i] + from[i]; },
              [&](int i, float sum) { to[i] = sum; });
}
__global__ void square_blocks(Ptr<float> partial, Ptr<const float> x, int64_t n) {
    const int64_t block = row_of_warp(), first = block * SQUARES_BLOCK;
    if (first >= n) return;
    const float sum = warp_dot(x + first, x + first, int(n - first < SQUARES_BLOCK ? n - first : SQUARES_BLOCK));
    if (lane_of_warp() == 0) partial[block] = sum;
}
__global__ void adamw_pieces(Ptr<float> w, Ptr<float> m, Ptr<float> v, Ptr<const float> g, Ptr<const Piece> pieces,
                             AdamW update) {
    const Piece piece = pieces[blockIdx.x];
    if (!piece.decays) update.decay = 0;
    const Ptr<float> pw = w + piece.begin, pm = m + piece.begin, pv = v + piece.begin;
    const Ptr<const float> pg = g + piece.begin;
    struct State {
        float w, m, v, g;
    };
    for_block(piece.size, [&](int i) { return State{pw[i], pm[i], pv[i], pg[i]}; }, [&](int i, State in) {
        adamw_update(in.w, in.m, in.v, in.g, update);
        pw[i] = in.w, pm[i] = in.m, pv[i] = in.v;
    });
}
void add(float* y, const float* x, int64_t n) {
    if (n > 0) launch(add_elements, Dim{unsigned((n + ADD_ELEMENTS - 1) / ADD_ELEMENTS)}, Dim{BLOCK_THREADS})(y, x, n);
}
void squares(float* partial, const float* x, int64_t n) {
    if (n > 0)
        launch(square_blocks, rows_grid((n + SQUARES_BLOCK - 1) / SQUARES_BLOCK), Dim{32 * WARPS})(partial, x, n);
}
void adamw(float* w, float* m, float* v, const float* g, const Piece* pieces, int count, AdamW update) {
    if (count > 0) launch(adamw_pieces, Dim{unsigned(count)}, Dim{BLOCK_THREADS})(w, m, v, g, pieces, update);
}

} // namespace
} // namespace r1
