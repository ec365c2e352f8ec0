// Operations on rows: embedding, RMSNorm, rotation, SwiGLU, the optimizer. A sum over a row is a warp's: lane l adds
// elements l, l + 32, l + 64, ... in one chain, and shuffles join the lanes by the tree 16, 8, 4, 2, 1, which is the
// order that the CPU's 32 lanes have. A sum over rows is one thread's chain.
#pragma once
#include "cuda/launch.h"
#include "ops/ops.h"
#include "ops/scalar.h"

namespace r1 {
namespace {

constexpr int WARPS = 4; // rows to a block
__device__ int row_of_warp() { return int(blockIdx.x) * WARPS + int(threadIdx.x) / 32; }
__device__ int lane_of_warp() { return int(threadIdx.x) % 32; }
__device__ int64_t index_of_thread() { return int64_t(blockIdx.x) * 256 + threadIdx.x; }
Dim rows_grid(int N) { return Dim{unsigned(N + WARPS - 1) / WARPS}; }
Dim elements_grid(int64_t n) { return Dim{unsigned((n + 255) / 256)}; }

// The lanes' chains joined; every lane gets the sum.
__device__ float join(float chain) {
    for (int half = 16; half >= 1; half /= 2) chain += shuffle_down(chain, half);
    return shuffle(chain, 0);
}

__device__ float warp_dot(Ptr<const float> x, Ptr<const float> y, int n) {
    float chain = 0;
    for (int i = lane_of_warp(); i < n; i += 32) chain = exact::fma(x[i], y[i], chain);
    return join(chain);
}

// ---- embedding: a thread an element; backward, a thread a channel, which goes through the tokens in order

__global__ void embed(Ptr<float> y, Ptr<const int> token, Ptr<const float> table, int N, int C) {
    const int64_t i = index_of_thread();
    if (i < int64_t(N) * C) y[i] = table[int64_t(token[i / C]) * C + i % C];
}
__global__ void embed_backward(Ptr<float> dtable, Ptr<const float> dy, Ptr<const int> token, int N, int C) {
    const int64_t c = index_of_thread();
    for (int64_t n = 0; n < N && c < C; ++n) dtable[int64_t(token[n]) * C + c] += dy[n * C + c];
}
void embedding_forward(float* y, const int* token, const float* table, int N, int C) {
    if (N > 0) launch(embed, elements_grid(int64_t(N) * C), Dim{256})(y, token, table, N, C);
}
void embedding_backward(float* dtable, const float* dy, const int* token, int N, int C) {
    launch(embed_backward, elements_grid(C), Dim{256})(dtable, dy, token, N, C);
}

// ---- RMSNorm: a warp a row; the gain's gradient, a thread a channel

__global__ void norm(Ptr<float> y, int ldy, Ptr<float> rstd, Ptr<const float> x, int ldx, Ptr<const float> g, int N,
                     int C, float epsilon) {
    const int n = row_of_warp();
    if (n >= N) return; // the whole warp
    const Ptr<const float> xn = x + int64_t(n) * ldx;
    const float r = 1.0f / exact::sqrt(warp_dot(xn, xn, C) / float(C) + epsilon);
    if (lane_of_warp() == 0) rstd[n] = r;
    for (int c = lane_of_warp(); c < C; c += 32) y[int64_t(n) * ldy + c] = (xn[c] * r) * g[c];
}

__global__ void norm_backward_x(Ptr<float> dx, int lddx, Ptr<const float> base, int ldbase, Ptr<const float> dy,
                                int lddy, Ptr<const float> x, int ldx, Ptr<const float> rstd, Ptr<const float> g, int N,
                                int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    const Ptr<const float> xn = x + int64_t(n) * ldx, dyn = dy + int64_t(n) * lddy;
    float chain = 0;
    for (int c = lane_of_warp(); c < C; c += 32) chain = exact::fma(g[c] * dyn[c], xn[c], chain);
    const float r = rstd[n], inner = join(chain) * (r * r) / float(C);
    for (int c = lane_of_warp(); c < C; c += 32) {
        const float own = exact::fma(-inner, xn[c], g[c] * dyn[c]);
        dx[int64_t(n) * lddx + c] = base ? exact::fma(r, own, base[int64_t(n) * ldbase + c]) : r * own;
    }
}

__global__ void norm_backward_g(Ptr<float> dg, Ptr<const float> dy, int lddy, Ptr<const float> x, int ldx,
                                Ptr<const float> rstd, int N, int C) {
    const int64_t c = index_of_thread();
    if (c >= C) return;
    float chain = dg[c];
    for (int64_t n = 0; n < N; ++n) chain = exact::fma(dy[n * lddy + c] * x[n * ldx + c], rstd[n], chain);
    dg[c] = chain;
}

void rmsnorm_forward(float* y, int ldy, float* rstd, const float* x, int ldx, const float* g, int N, int C,
                     float epsilon) {
    if (N > 0) launch(norm, rows_grid(N), Dim{32 * WARPS})(y, ldy, rstd, x, ldx, g, N, C, epsilon);
}
void rmsnorm_backward(float* dx, int lddx, const float* base, int ldbase, float* dg, const float* dy, int lddy,
                      const float* x, int ldx, const float* rstd, const float* g, int N, int C) {
    if (N == 0) return;
    launch(norm_backward_g, elements_grid(C), Dim{256})(dg, dy, lddy, x, ldx, rstd, N, C); // first: dx may be dy
    launch(norm_backward_x, rows_grid(N), Dim{32 * WARPS})(dx, lddx, base, ldbase, dy, lddy, x, ldx, rstd, g, N, C);
}

// ---- rotation: a thread a pair

__global__ void rotate(Ptr<float> x, int ldx, Ptr<const int> position, Ptr<const float> angles, int N, int heads,
                       int stride, int D, float sign) {
    const int64_t i = index_of_thread(), pairs = D / 2;
    if (i >= N * heads * pairs) return;
    const int64_t n = i / (heads * pairs), h = i / pairs % heads, at = n * ldx + h * stride + i % pairs * 2;
    const int64_t angle = int64_t(position[n]) * D + i % pairs * 2;
    const float cosine = angles[angle], sine = sign * angles[angle + 1], a = x[at], b = x[at + 1];
    x[at] = exact::fma(a, cosine, -(b * sine));
    x[at + 1] = exact::fma(a, sine, b * cosine);
}
void rope_forward(float* x, int ldx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    if (N > 0)
        launch(rotate, elements_grid(int64_t(N) * heads * (D / 2)), Dim{256})(x, ldx, position, angles, N, heads,
                                                                              stride, D, 1.0f);
}
void rope_backward(float* dx, int lddx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    if (N > 0)
        launch(rotate, elements_grid(int64_t(N) * heads * (D / 2)), Dim{256})(dx, lddx, position, angles, N, heads,
                                                                              stride, D, -1.0f);
}

// ---- SwiGLU: a thread an element

__global__ void gate(Ptr<float> a, Ptr<const float> gu, int N, int F) {
    const int64_t i = index_of_thread();
    if (i >= int64_t(N) * F) return;
    const int64_t at = i / F * 2 * F + i % F;
    const float g = gu[at];
    a[i] = silu(g, exact::sigmoid(g)) * gu[at + F];
}
__global__ void gate_backward(Ptr<float> dgu, Ptr<const float> da, Ptr<const float> gu, int N, int F) {
    const int64_t i = index_of_thread();
    if (i >= int64_t(N) * F) return;
    const int64_t at = i / F * 2 * F + i % F;
    const float g = gu[at], u = gu[at + F], s = exact::sigmoid(g);
    dgu[at] = da[i] * u * silu_slope(g, s);
    dgu[at + F] = da[i] * silu(g, s);
}
void swiglu_forward(float* a, const float* gu, int N, int F) {
    if (N > 0) launch(gate, elements_grid(int64_t(N) * F), Dim{256})(a, gu, N, F);
}
void swiglu_backward(float* dgu, const float* da, const float* gu, int N, int F) {
    if (N > 0) launch(gate_backward, elements_grid(int64_t(N) * F), Dim{256})(dgu, da, gu, N, F);
}

// ---- the optimizer: a thread an element; sums of squares, a warp a block of SQUARES_BLOCK

__global__ void add_elements(Ptr<float> y, Ptr<const float> x, int64_t n) {
    const int64_t i = index_of_thread();
    if (i < n) y[i] += x[i];
}
__global__ void square_blocks(Ptr<float> partial, Ptr<const float> x, int64_t n) {
    const int64_t block = row_of_warp(), first = block * SQUARES_BLOCK;
    if (first >= n) return;
    const float sum = warp_dot(x + first, x + first, int(n - first < SQUARES_BLOCK ? n - first : SQUARES_BLOCK));
    if (lane_of_warp() == 0) partial[block] = sum;
}
__global__ void adamw_elements(Ptr<float> w, Ptr<float> m, Ptr<float> v, Ptr<const float> g, int64_t n, AdamW update) {
    const int64_t i = index_of_thread();
    if (i < n) adamw_update(w[i], m[i], v[i], g[i], update);
}
void add(float* y, const float* x, int64_t n) {
    if (n > 0) launch(add_elements, elements_grid(n), Dim{256})(y, x, n);
}
void squares(float* partial, const float* x, int64_t n) {
    if (n > 0)
        launch(square_blocks, rows_grid(int((n + SQUARES_BLOCK - 1) / SQUARES_BLOCK)), Dim{32 * WARPS})(partial, x, n);
}
void adamw(float* w, float* m, float* v, const float* g, int64_t n, AdamW update) {
    if (n > 0) launch(adamw_elements, elements_grid(n), Dim{256})(w, m, v, g, n, update);
}

} // namespace
} // namespace r1
