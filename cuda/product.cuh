// The matrix product and its grouped form, one chain of fused multiply-adds over k for each element, as ops.h has it.
//
//   C[m, n] = base[m, n] + sum_k A[m, k] B[k, n]
//
// A block of 256 threads computes a tile of 64 x 64; a thread 4 x 4 of it, 16 apart, so that neighbouring threads read
// and write neighbouring columns. 16 values of k at a time go through shared memory:
//
//             64 columns of B           thread (tx, ty) holds rows ty + 16 i
//           +-----------------+         and columns tx + 16 j, i, j < 4
//        16 |        B        |
//           +-----------------+
//   64 +--+ +-----------------+
//   r  |  | |                 |
//   o  | A| |    64 x 64      |
//   w  |  | |                 |
//   s  +--+ +-----------------+
//
// No k beyond the last is multiplied, not even by zero: 0 x b could turn a -0 or meet an infinity.
#pragma once
#include "cuda/launch.h"

namespace r1 {
namespace {

constexpr int TILE = 64, DEPTH = 16, EACH = 4, SIDE = TILE / EACH, A_STRIDE = TILE + 1;

struct Strides {
    int64_t row, column;
};

// The tiles of C that this block takes: columns by blockIdx.x, rows by blockIdx.y and every gridDim.y further.
__device__ void product_tiles(Ptr<float> c, int ldc, Ptr<const float> base, int ldbase, Ptr<const float> a, Strides at,
                              Ptr<const float> b, Strides bt, int M, int N, int K) {
    SHARED(float, a_tile, DEPTH * A_STRIDE);
    SHARED(float, b_tile, DEPTH * TILE);
    const int t = int(threadIdx.x), tx = t % SIDE, ty = t / SIDE, n0 = int(blockIdx.x) * TILE;
    for (int m0 = int(blockIdx.y) * TILE; m0 < M; m0 += int(gridDim.y) * TILE) {
        float sum[EACH][EACH];
        for (int i = 0; i < EACH; ++i)
            for (int j = 0; j < EACH; ++j) {
                const int m = m0 + ty + SIDE * i, n = n0 + tx + SIDE * j;
                sum[i][j] = base && m < M && n < N ? base[int64_t(m) * ldbase + n] : 0.0f;
            }
        for (int k0 = 0; k0 < K; k0 += DEPTH) {
            const int depth = K - k0 < DEPTH ? K - k0 : DEPTH;
            for (int i = t; i < TILE * DEPTH; i += 256) { // along the rows of memory, whichever they are
                const int am = at.column == 1 ? i / DEPTH : i % TILE, ak = at.column == 1 ? i % DEPTH : i / TILE;
                const bool there = m0 + am < M && ak < depth;
                a_tile[ak * A_STRIDE + am] = there ? a[(m0 + am) * at.row + (k0 + ak) * at.column] : 0.0f;
                const int bn = bt.column == 1 ? i % TILE : i / DEPTH, bk = bt.column == 1 ? i / TILE : i % DEPTH;
                b_tile[bk * TILE + bn] =
                    n0 + bn < N && bk < depth ? b[(k0 + bk) * bt.row + (n0 + bn) * bt.column] : 0.0f;
            }
            barrier();
            for (int k = 0; k < depth; ++k) {
                float ak[EACH], bk[EACH];
                for (int i = 0; i < EACH; ++i) ak[i] = a_tile[k * A_STRIDE + ty + SIDE * i];
                for (int j = 0; j < EACH; ++j) bk[j] = b_tile[k * TILE + tx + SIDE * j];
                for (int i = 0; i < EACH; ++i)
                    for (int j = 0; j < EACH; ++j) sum[i][j] = exact::fma(ak[i], bk[j], sum[i][j]);
            }
            barrier();
        }
        for (int i = 0; i < EACH; ++i)
            for (int j = 0; j < EACH; ++j) {
                const int m = m0 + ty + SIDE * i, n = n0 + tx + SIDE * j;
                if (m < M && n < N) c[int64_t(m) * ldc + n] = sum[i][j];
            }
    }
}

__global__ void product(Ptr<float> c, int ldc, Ptr<const float> base, int ldbase, Ptr<const float> a, Strides at,
                        Ptr<const float> b, Strides bt, int M, int N, int K) {
    product_tiles(c, ldc, base, ldbase, a, at, b, bt, M, N, K);
}

// Expert blockIdx.z. Which rows are its own, only the device knows: offsets[e] .. offsets[e + 1].
enum class Grouped { forward, backward_x, backward_w };
__global__ void grouped_product(Ptr<float> c, Ptr<const float> a, Ptr<const float> b, Ptr<const int> offsets, int I,
                                int O, Grouped what) {
    const int e = int(blockIdx.z), first = offsets[e], rows = offsets[e + 1] - first;
    const int64_t of_e = int64_t(e) * I * O, x_row = int64_t(first) * I, y_row = int64_t(first) * O;
    if (what == Grouped::forward) product_tiles(c + y_row, O, {}, 0, a + x_row, {I, 1}, b + of_e, {O, 1}, rows, O, I);
    else if (what == Grouped::backward_x)
        product_tiles(c + x_row, I, {}, 0, a + y_row, {O, 1}, b + of_e, {1, O}, rows, I, O);
    else product_tiles(c + of_e, O, c + of_e, O, a + x_row, {1, I}, b + y_row, {O, 1}, I, O, rows);
}

// ---- the operations

void run_product(float* c, int ldc, const float* base, int ldbase, const float* a, Strides at, const float* b,
                 Strides bt, int M, int N, int K) {
    if (M == 0 || N == 0) return;
    const Dim grid{unsigned(N + TILE - 1) / TILE, unsigned(M + TILE - 1) / TILE};
    launch(product, grid, Dim{256})(c, ldc, base, ldbase, a, at, b, bt, M, N, K);
}

void matmul_forward(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N,
                    int I, int O) {
    run_product(y, ldy, base, ldbase, x, {ldx, 1}, w, {O, 1}, N, O, I);
}
void matmul_backward_x(float* dx, int lddx, const float* base, int ldbase, const float* dy, int lddy, const float* w,
                       int N, int I, int O) {
    run_product(dx, lddx, base, ldbase, dy, {lddy, 1}, w, {1, O}, N, I, O);
}
void matmul_backward_w(float* dw, const float* x, int ldx, const float* dy, int lddy, int N, int I, int O) {
    run_product(dw, O, dw, O, x, {1, ldx}, dy, {lddy, 1}, I, O, N);
}

// Row tiles of an expert are shared out among at most so many blocks: their number is not known here.
constexpr unsigned ROW_BLOCKS = 8;

void grouped_forward(float* y, const float* x, const float* w, const int* offsets, int E, int I, int O) {
    launch(grouped_product, Dim{unsigned(O + TILE - 1) / TILE, ROW_BLOCKS, unsigned(E)}, Dim{256})(y, x, w, offsets, I,
                                                                                                   O, Grouped::forward);
}
void grouped_backward_x(float* dx, const float* dy, const float* w, const int* offsets, int E, int I, int O) {
    launch(grouped_product, Dim{unsigned(I + TILE - 1) / TILE, ROW_BLOCKS, unsigned(E)}, Dim{256})(
        dx, dy, w, offsets, I, O, Grouped::backward_x);
}
void grouped_backward_w(float* dw, const float* x, const float* dy, const int* offsets, int E, int I, int O) {
    const Dim grid{unsigned(O + TILE - 1) / TILE, unsigned(I + TILE - 1) / TILE, unsigned(E)};
    launch(grouped_product, grid, Dim{256})(dw, x, dy, offsets, I, O, Grouped::backward_w);
}

} // namespace
} // namespace r1
