// The matrix product and its grouped form, one chain of fused multiply-adds over k for each element, as ops.h has it.
// naive_product.cuh is read first: the same sums by one thread an element, which is what the tests hold this against.
//
//   C[m, n] = base[m, n] + sum_k A[m, k] B[k, n]
//
// A block computes a tile of C. Its threads stand in a square of SIDE x SIDE, and each holds EACH x EACH elements in
// registers, in groups of 4 x 4, so that four neighbours come out of shared memory with one load. DEPTH values of k at
// a time go through shared memory; the next ones are on their way from global memory while these are multiplied, and go
// into the other half of shared memory, so that one barrier a step is enough.
//
//               TILE columns of B          SIDE  EACH  TILE  DEPTH  threads
//             +-------------------+          16     8   128      8      256   large products
//       DEPTH |         B         |          16     4    64     16      256   middle ones
//             +-------------------+           8     4    32     32       64   small ones
//     T +---+ +-------------------+           8     2    16     64       64   where these would leave the GPU idle
//     I |   | |    |              |
//     L | A | |- - 4 x 4          |        thread (tx, ty) holds rows    4 ty + i % 4 + 4 SIDE (i / 4)
//     E |   | |                   |                      and columns 4 tx + j % 4 + 4 SIDE (j / 4),  i, j < EACH
//       +---+ +-------------------+        (2 for 4 where EACH is 2)
//
// A small tile's DEPTH is large, so that what is fetched arrives while what was fetched before is multiplied: the
// gradient of a small matrix of weights is a chain over thousands of rows.
//
// Four neighbours go to memory with one store, where C's rows begin at multiples of 16 bytes: a store of one float by each of
// a row's threads touches every fourth float of as many sectors, and has to be done four times.
//
// An element's chain is the same in every tile. No k beyond the last is multiplied, not even by zero: 0 x b could turn
// a -0 or meet an infinity.
#pragma once
#include "cuda/launch.h"
#include "ops/ops.h"

namespace r1 {
namespace {

// Which of the three products of ops.h: what C, A and B are, and along which dimension A and B lie in memory.
//   forward       y = x w        A(n, i) = x[n ldx + i]      B(i, o) = w[i O + o]
//   backward_x    dx = dy w^T    A(n, o) = dy[n lddy + o]    B(o, i) = w[i O + o]
//   backward_w    dw = x^T dy    A(i, n) = x[n ldx + i]      B(n, o) = dy[n lddy + o]
enum class Pass { forward, backward_x, backward_w };

// Fetches and stores what a thread stages of a matrix of R x K, a tile of rows and DEPTH of k at a time.
template <int TILE, int DEPTH, int THREADS, bool ALONG_K>
struct Staging {
    static constexpr int COUNT = TILE * DEPTH / THREADS, STRIDE = TILE + (TILE > 16 ? 4 : 2); // not a multiple of all banks
    static constexpr int ROWS = ALONG_K ? THREADS / DEPTH : 0, STEPS = ALONG_K ? 0 : THREADS / TILE; // from one to the next
    int row, k;                          // of the first
    float next[COUNT];

    __device__ explicit Staging(int t) : row(ALONG_K ? t / DEPTH : t % TILE), k(ALONG_K ? t % DEPTH : t / TILE) {}
    __device__ void fetch(Ptr<const float> from, int ld, int r0, int R, int k0, int K) {
        const int r = r0 + row, kk = k0 + k;
        const Ptr<const float> p = from + (ALONG_K ? int64_t(r) * ld + kk : int64_t(kk) * ld + r);
        UNROLL for (int i = 0; i < COUNT; ++i)
            next[i] = r + i * ROWS < R && kk + i * STEPS < K ? p[i * (ALONG_K ? ROWS : STEPS) * ld] : 0.0f;
    }
    template <class Buffer>
    __device__ void store(Buffer to, int first) const { // from row `first` on
        UNROLL for (int i = 0; i < COUNT; ++i) to[(first + k + i * STEPS) * STRIDE + row + i * ROWS] = next[i];
    }
};

// Rows m0 .. of C, and columns by blockIdx.x.
template <int SIDE, int EACH, Pass PASS>
__device__ void product_tile(Ptr<float> c, int ldc, Ptr<const float> base, int ldbase, Ptr<const float> a, int lda,
                             Ptr<const float> b, int ldb, int M, int N, int K, int m0) {
    constexpr int TILE = SIDE * EACH, THREADS = SIDE * SIDE, DEPTH = TILE >= 128 ? 8 : TILE >= 64 ? 16 : TILE >= 32 ? 32 : 64;
    constexpr int GROUP = EACH < 4 ? EACH : 4;
    using StagingOfA = Staging<TILE, DEPTH, THREADS, PASS != Pass::backward_w>;
    using StagingOfB = Staging<TILE, DEPTH, THREADS, PASS == Pass::backward_x>;
    constexpr int STRIDE = StagingOfA::STRIDE;
    SHARED(float, a_tile, 2 * DEPTH * STRIDE);
    SHARED(float, b_tile, 2 * DEPTH * STRIDE);
    const int t = int(threadIdx.x), tx = t % SIDE, ty = t / SIDE, n0 = int(blockIdx.x) * TILE;
    const auto place = [](int own, int i) { return GROUP * own + i % GROUP + GROUP * SIDE * (i / GROUP); };
    float sum[EACH][EACH] = {};
    const bool base_in_fours = GROUP == 4 && base && rows_aligned(base, ldbase);
    UNROLL for (int i = 0; i < EACH; ++i) {
        if (!base || m0 + place(ty, i) >= M) continue;
        const Ptr<const float> row = base + int64_t(m0 + place(ty, i)) * ldbase;
        UNROLL for (int j = 0; j < EACH; j += GROUP) {
            const int n = n0 + place(tx, j);
            if constexpr (GROUP == 4)
                if (base_in_fours && n + 3 < N) {
                    const auto x = load4(row, n);
                    sum[i][j] = x.x, sum[i][j + 1] = x.y, sum[i][j + 2] = x.z, sum[i][j + 3] = x.w;
                    continue;
                }
            UNROLL for (int l = 0; l < GROUP; ++l)
                if (n + l < N) sum[i][j + l] = row[n + l];
        }
    }
    const auto multiply = [&](int at) {     // row `at` of the tiles
        float ak[EACH], bk[EACH];
        if constexpr (GROUP == 4) {
            UNROLL for (int i = 0; i < EACH; i += 4) {
                const auto a4 = load4(a_tile, at * STRIDE + place(ty, i)), b4 = load4(b_tile, at * STRIDE + place(tx, i));
                ak[i] = a4.x, ak[i + 1] = a4.y, ak[i + 2] = a4.z, ak[i + 3] = a4.w;
                bk[i] = b4.x, bk[i + 1] = b4.y, bk[i + 2] = b4.z, bk[i + 3] = b4.w;
            }
        } else {
            UNROLL for (int i = 0; i < EACH; ++i)
                ak[i] = a_tile[at * STRIDE + place(ty, i)], bk[i] = b_tile[at * STRIDE + place(tx, i)];
        }
        UNROLL for (int i = 0; i < EACH; ++i)
            UNROLL for (int j = 0; j < EACH; ++j) sum[i][j] = exact::fma(ak[i], bk[j], sum[i][j]);
    };
    StagingOfA of_a(t);
    StagingOfB of_b(t);
    of_a.fetch(a, lda, m0, M, 0, K), of_b.fetch(b, ldb, n0, N, 0, K);
    for (int k0 = 0, half = 0; k0 < K; k0 += DEPTH, half = DEPTH - half) {
        of_a.store(a_tile, half), of_b.store(b_tile, half);
        barrier();
        if (k0 + DEPTH < K) of_a.fetch(a, lda, m0, M, k0 + DEPTH, K), of_b.fetch(b, ldb, n0, N, k0 + DEPTH, K);
        if (k0 + DEPTH <= K) {
            UNROLL for (int k = 0; k < DEPTH; ++k) multiply(half + k);
        } else {
            for (int k = 0; k < K - k0; ++k) multiply(half + k);
        }
    }
    barrier();                              // the tiles may be another product's next
    const bool in_fours = GROUP == 4 && rows_aligned(c, ldc);
    UNROLL for (int i = 0; i < EACH; ++i) {
        if (m0 + place(ty, i) >= M) continue;
        const Ptr<float> row = c + int64_t(m0 + place(ty, i)) * ldc;
        UNROLL for (int j = 0; j < EACH; j += GROUP) {
            const int n = n0 + place(tx, j);
            if constexpr (GROUP == 4)
                if (in_fours && n + 3 < N) {
                    store4(row, n, {sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]});
                    continue;
                }
            UNROLL for (int l = 0; l < GROUP; ++l)
                if (n + l < N) row[n + l] = sum[i][j + l];
        }
    }
}

template <int SIDE, int EACH, Pass PASS>
__global__ void BOUNDS(SIDE * SIDE, 2)
product(Ptr<float> c, int ldc, Ptr<const float> base, int ldbase, Ptr<const float> a, int lda, Ptr<const float> b, int ldb,
        int M, int N, int K) {
    product_tile<SIDE, EACH, PASS>(c, ldc, base, ldbase, a, lda, b, ldb, M, N, K, int(blockIdx.y) * SIDE * EACH);
}

// Expert blockIdx.z, row tile blockIdx.y and every gridDim.y further. Which rows are the expert's own, only the device
// knows: offsets[e] .. offsets[e + 1].
template <int SIDE, int EACH, Pass PASS>
__global__ void BOUNDS(SIDE * SIDE, 2)
grouped_product(Ptr<float> c, Ptr<const float> a, Ptr<const float> b, Ptr<const int> offsets, int I, int O) {
    const int e = int(blockIdx.z), first = offsets[e], rows = offsets[e + 1] - first;
    const int64_t of_e = int64_t(e) * I * O, x_row = int64_t(first) * I, y_row = int64_t(first) * O;
    const int m0 = int(blockIdx.y) * SIDE * EACH, further = int(gridDim.y) * SIDE * EACH;
    if constexpr (PASS == Pass::forward) {
        for (int m = m0; m < rows; m += further)
            product_tile<SIDE, EACH, PASS>(c + y_row, O, {}, 0, a + x_row, I, b + of_e, O, rows, O, I, m);
    } else if constexpr (PASS == Pass::backward_x) {
        for (int m = m0; m < rows; m += further)
            product_tile<SIDE, EACH, PASS>(c + x_row, I, {}, 0, a + y_row, O, b + of_e, O, rows, I, O, m);
    } else {
        product_tile<SIDE, EACH, PASS>(c + of_e, O, c + of_e, O, a + x_row, I, b + y_row, O, I, O, rows, m0);
    }
}

// ---- the operations

constexpr int64_t ENOUGH_BLOCKS = 128; // about one for each multiprocessor of a large GPU

// The largest tile that still gives enough blocks for `copies` products of M x N; call(side, each) as constants.
template <int N>
using Constant = std::integral_constant<int, N>;
template <class Call>
void with_tile(int64_t M, int64_t N, int64_t copies, const Call& call) {
    const auto blocks = [&](int64_t tile) { return ((M + tile - 1) / tile) * ((N + tile - 1) / tile) * copies; };
    if (blocks(128) >= ENOUGH_BLOCKS) call(Constant<16>(), Constant<8>());
    else if (blocks(64) >= ENOUGH_BLOCKS) call(Constant<16>(), Constant<4>());
    else if (blocks(32) >= ENOUGH_BLOCKS) call(Constant<8>(), Constant<4>());
    else call(Constant<8>(), Constant<2>());
}
unsigned tiles(int n, int tile) { return unsigned((n + tile - 1) / tile); }

template <Pass PASS>
void run_product(float* c, int ldc, const float* base, int ldbase, const float* a, int lda, const float* b, int ldb, int M,
                 int N, int K) {
    if (M == 0 || N == 0) return;
    with_tile(M, N, 1, [&](auto side, auto each) {
        launch(product<side, each, PASS>, Dim{tiles(N, side * each), tiles(M, side * each)}, Dim{side * side})(
            c, ldc, base, ldbase, a, lda, b, ldb, M, N, K);
    });
}
void matmul_forward(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N,
                    int I, int O) {
    run_product<Pass::forward>(y, ldy, base, ldbase, x, ldx, w, O, N, O, I);
}
void matmul_backward_x(float* dx, int lddx, const float* base, int ldbase, const float* dy, int lddy, const float* w,
                       int N, int I, int O) {
    run_product<Pass::backward_x>(dx, lddx, base, ldbase, dy, lddy, w, O, N, I, O);
}
void matmul_backward_w(float* dw, const float* x, int ldx, const float* dy, int lddy, int N, int I, int O) {
    run_product<Pass::backward_w>(dw, O, dw, O, x, ldx, dy, lddy, I, O, N);
}

// M x N is the mean size of an expert's product. How many rows an expert has is not known here, only that they are R at
// most: so many blocks share out the row tiles of an expert, and those without one end.
constexpr unsigned ROW_BLOCKS = 32;
template <Pass PASS>
void run_grouped(float* c, const float* a, const float* b, const int* offsets, int R, int E, int I, int O) {
    if (R == 0) return;
    const int mean = (R + E - 1) / E, M = PASS == Pass::backward_w ? I : mean, N = PASS == Pass::backward_x ? I : O;
    with_tile(M, N, E, [&](auto side, auto each) {
        const unsigned most = tiles(R, side * each) < ROW_BLOCKS ? tiles(R, side * each) : ROW_BLOCKS;
        const unsigned row_blocks = PASS == Pass::backward_w ? tiles(I, side * each) : most;
        launch(grouped_product<side, each, PASS>, Dim{tiles(N, side * each), row_blocks, unsigned(E)}, Dim{side * side})(
            c, a, b, offsets, I, O);
    });
}
void grouped_forward(float* y, const float* x, const float* w, const int* offsets, int R, int E, int I, int O) {
    run_grouped<Pass::forward>(y, x, w, offsets, R, E, I, O);
}
void grouped_backward_x(float* dx, const float* dy, const float* w, const int* offsets, int R, int E, int I, int O) {
    run_grouped<Pass::backward_x>(dx, dy, w, offsets, R, E, I, O);
}
void grouped_backward_w(float* dw, const float* x, const float* dy, const int* offsets, int R, int E, int I, int O) {
    run_grouped<Pass::backward_w>(dw, x, dy, offsets, R, E, I, O);
}

} // namespace
} // namespace r1
