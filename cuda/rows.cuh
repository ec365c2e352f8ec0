// Operations on rows: embedding, RMSNorm, rotation, SwiGLU, the optimizer. A warp takes a row, lane l its elements l,
// l + 32, l + 64, ...: neighbours read neighbours, and nothing is divided to find out where a thread is. A sum over a
// row is a chain in each lane, and shuffles join the lanes by the tree 16, 8, 4, 2, 1: the order of the CPU's 32 lanes.
// A sum over rows is one thread's chain.
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

// do_it(i) for i = 0 .. n - 1 by the lanes of a warp.
template <class Body>
__device__ void for_lanes(int n, const Body& do_it) {
    UNROLL_BY_4 for (int i = lane_of_warp(); i < n; i += 32) do_it(i);
}

// A thread an element, four of them 256 apart, so that several reads are on their way at once.
constexpr int BLOCK_ELEMENTS = 1024;
Dim elements_grid(int64_t n) { return Dim{unsigned((n + BLOCK_ELEMENTS - 1) / BLOCK_ELEMENTS)}; }
template <class Body>
__device__ void for_elements(int64_t n, const Body& do_it) {
    UNROLL for (int j = 0; j < 4; ++j) {
        const int64_t i = int64_t(blockIdx.x) * BLOCK_ELEMENTS + 256 * j + threadIdx.x;
        if (i < n) do_it(i);
    }
}

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
    for_lanes(C, [&](int c) { to[c] = from[c]; });
}

// A warp a token and 128 channels. The first row with a token of the vocabulary adds up all rows with it, in order; the
// warps of the others see that they are not the first, and end.
constexpr int EMBED_CHANNELS = 128;
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
        for (; same != 0; same &= same - 1) {
            const int64_t row = first + lowest_bit(same);
            UNROLL for (int i = 0; i < EMBED_CHANNELS / 32; ++i)
                if (c0 + 32 * i < C) sum[i] += dy[row * C + c0 + 32 * i];
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

__global__ void norm(Ptr<float> y, int ldy, Ptr<float> rstd, Ptr<const float> x, int ldx, Ptr<const float> g, int N,
                     int C, float epsilon) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> xn = x + int64_t(n) * ldx;
    const Ptr<float> yn = y + int64_t(n) * ldy;
    const float r = 1.0f / exact::sqrt(warp_dot(xn, xn, C) / float(C) + epsilon);
    if (lane_of_warp() == 0) rstd[n] = r;
    for_lanes(C, [&](int c) { yn[c] = (xn[c] * r) * g[c]; });
}

__global__ void norm_backward_x(Ptr<float> dx, int lddx, Ptr<const float> base, int ldbase, Ptr<const float> dy,
                                int lddy, Ptr<const float> x, int ldx, Ptr<const float> rstd, Ptr<const float> g, int N,
                                int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> xn = x + int64_t(n) * ldx, dyn = dy + int64_t(n) * lddy;
    const Ptr<float> dxn = dx + int64_t(n) * lddx;
    float chain = 0;
    for_lanes(C, [&](int c) { chain = exact::fma(g[c] * dyn[c], xn[c], chain); });
    const float r = rstd[n], inner = join(chain) * (r * r) / float(C);
    for_lanes(C, [&](int c) {
        const float own = exact::fma(-inner, xn[c], g[c] * dyn[c]);
        dxn[c] = base ? exact::fma(r, own, base[int64_t(n) * ldbase + c]) : r * own;
    });
}

// The gain's gradient: a block 32 channels, a lane a channel. The first warp adds up, in order, what the others have
// multiplied and put into shared memory; meanwhile they are at the next rows.
constexpr int GAIN_ROWS = 128, GAIN_WARPS = 16;
__global__ void norm_backward_g(Ptr<float> dg, Ptr<const float> dy, int lddy, Ptr<const float> x, int ldx,
                                Ptr<const float> rstd, int N, int C) {
    SHARED(float, product, 2 * GAIN_ROWS * 32);
    SHARED(float, factor, 2 * GAIN_ROWS);
    const int lane = lane_of_warp(), warp = int(threadIdx.x) / 32, c = int(blockIdx.x) * 32 + lane;
    float chain = warp == 0 && c < C ? dg[c] : 0.0f;
    for (int first = 0; first < N + GAIN_ROWS; first += GAIN_ROWS) {
        const int here = first / GAIN_ROWS % 2 * GAIN_ROWS, before = GAIN_ROWS - here;
        if (warp > 0) {
            UNROLL_BY_4 for (int i = warp - 1; i < GAIN_ROWS; i += GAIN_WARPS - 1) {
                const int64_t n = first + i;
                if (n >= N) continue;
                product[(here + i) * 32 + lane] = c < C ? dy[n * lddy + c] * x[n * ldx + c] : 0.0f;
                if (lane == 0) factor[here + i] = rstd[n];
            }
        } else if (first > 0) {
            const int rows = N - (first - GAIN_ROWS) < GAIN_ROWS ? N - (first - GAIN_ROWS) : GAIN_ROWS;
            UNROLL_BY_4 for (int i = 0; i < rows; ++i) chain = exact::fma(product[(before + i) * 32 + lane], factor[before + i], chain);
        }
        barrier();
    }
    if (warp == 0 && c < C) dg[c] = chain;
}

void rmsnorm_forward(float* y, int ldy, float* rstd, const float* x, int ldx, const float* g, int N, int C,
                     float epsilon) {
    if (N > 0) launch(norm, rows_grid(N), Dim{32 * WARPS})(y, ldy, rstd, x, ldx, g, N, C, epsilon);
}
void rmsnorm_backward(float* dx, int lddx, const float* base, int ldbase, float* dg, const float* dy, int lddy,
                      const float* x, int ldx, const float* rstd, const float* g, int N, int C) {
    if (N == 0) return;
    launch(norm_backward_g, Dim{unsigned(C + 31) / 32}, Dim{32 * GAIN_WARPS})(dg, dy, lddy, x, ldx, rstd, N, C); // dx may be dy
    launch(norm_backward_x, rows_grid(N), Dim{32 * WARPS})(dx, lddx, base, ldbase, dy, lddy, x, ldx, rstd, g, N, C);
}

// ---- rotation: a warp a row, a lane a pair

__global__ void rotate(Ptr<float> x, int ldx, Ptr<const int> position, Ptr<const float> angles, int N, int heads,
                       int stride, int D, float sign) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> angle = angles + int64_t(position[n]) * D;
    const Ptr<float> xn = x + int64_t(n) * ldx;
    const unsigned pairs = unsigned(D) / 2;
    for_lanes(heads * int(pairs), [&](int i) {
        const int h = int(unsigned(i) / pairs), p = 2 * int(unsigned(i) % pairs), at = h * stride + p;
        const float cosine = angle[p], sine = sign * angle[p + 1], a = xn[at], b = xn[at + 1];
        xn[at] = exact::fma(a, cosine, -(b * sine));
        xn[at + 1] = exact::fma(a, sine, b * cosine);
    });
}
void rope_forward(float* x, int ldx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    if (N > 0)
        launch(rotate, rows_grid(N), Dim{32 * WARPS})(x, ldx, position, angles, N, heads, stride, D, 1.0f);
}
void rope_backward(float* dx, int lddx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    if (N > 0)
        launch(rotate, rows_grid(N), Dim{32 * WARPS})(dx, lddx, position, angles, N, heads, stride, D, -1.0f);
}

// ---- biases of products: a warp a row; a thread a channel, which is a chain over rows

__global__ void add_bias(Ptr<float> y, int ldy, Ptr<const float> b, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    for_lanes(C, [&](int c) { y[int64_t(n) * ldy + c] += b[c]; });
}
__global__ void bias_gradient(Ptr<float> db, Ptr<const float> dy, int lddy, int N, int C) {
    const int c = int(blockIdx.x) * int(blockDim.x) + int(threadIdx.x);
    if (c >= C) return;
    float chain = db[c];
    UNROLL_BY_4 for (int n = 0; n < N; ++n) chain += dy[int64_t(n) * lddy + c];
    db[c] = chain;
}
void bias_forward(float* y, int ldy, const float* b, int N, int C) {
    if (N > 0) launch(add_bias, rows_grid(N), Dim{32 * WARPS})(y, ldy, b, N, C);
}
void bias_backward(float* db, const float* dy, int lddy, int N, int C) {
    launch(bias_gradient, Dim{unsigned(C + 63) / 64}, Dim{64})(db, dy, lddy, N, C);
}

// ---- clipping and copies: a warp a row

__global__ void clip(Ptr<float> x, int ldx, float limit, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    for_lanes(C, [&](int c) { x[int64_t(n) * ldx + c] = clipped(x[int64_t(n) * ldx + c], limit); });
}
__global__ void clip_gradient(Ptr<float> dx, int lddx, Ptr<const float> x, int ldx, float limit, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    for_lanes(C, [&](int c) {
        if (is_clipped(x[int64_t(n) * ldx + c], limit)) dx[int64_t(n) * lddx + c] = 0;
    });
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
    for_lanes(C, [&](int c) { y[int64_t(n) * ldy + c] = x[int64_t(n) * ldx + c]; });
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
    for_lanes(F, [&](int f) {
        const float g = gn[f];
        an[f] = silu(g, exact::sigmoid(g)) * un[f];
    });
}
__global__ void gate_backward(Ptr<float> dgu, Ptr<const float> da, Ptr<const float> gu, int N, int F) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> gn = gu + int64_t(n) * 2 * F, un = gn + F, dan = da + int64_t(n) * F;
    const Ptr<float> dgn = dgu + int64_t(n) * 2 * F, dun = dgn + F;
    for_lanes(F, [&](int f) {
        const float g = gn[f], u = un[f], d = dan[f], s = exact::sigmoid(g);
        dgn[f] = d * u * silu_slope(g, s);
        dun[f] = d * silu(g, s);
    });
}
void swiglu_forward(float* a, const float* gu, int N, int F) {
    if (N > 0) launch(gate, rows_grid(N), Dim{32 * WARPS})(a, gu, N, F);
}
void swiglu_backward(float* dgu, const float* da, const float* gu, int N, int F) {
    if (N > 0) launch(gate_backward, rows_grid(N), Dim{32 * WARPS})(dgu, da, gu, N, F);
}

// ---- the optimizer: a block a piece; sums of squares, a warp a block of SQUARES_BLOCK

__global__ void add_elements(Ptr<float> y, Ptr<const float> x, int64_t n) {
    for_elements(n, [&](int64_t i) { y[i] += x[i]; });
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
    UNROLL_BY_4 for (int i = int(threadIdx.x); i < piece.size; i += 256) {
        float wi = pw[i], mi = pm[i], vi = pv[i];
        adamw_update(wi, mi, vi, pg[i], update);
        pw[i] = wi, pm[i] = mi, pv[i] = vi;
    }
}
void add(float* y, const float* x, int64_t n) {
    if (n > 0) launch(add_elements, elements_grid(n), Dim{256})(y, x, n);
}
void squares(float* partial, const float* x, int64_t n) {
    if (n > 0)
        launch(square_blocks, rows_grid((n + SQUARES_BLOCK - 1) / SQUARES_BLOCK), Dim{32 * WARPS})(partial, x, n);
}
void adamw(float* w, float* m, float* v, const float* g, const Piece* pieces, int count, AdamW update) {
    if (count > 0) launch(adamw_pieces, Dim{unsigned(count)}, Dim{256})(w, m, v, g, pieces, update);
}

} // namespace
} // namespace r1
