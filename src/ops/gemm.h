// The matrix product: 80 % of all the work, at the machine's FMA peak, in one order of summation.
//
//   C[m, n] = base[m, n] + sum_k A[m, k] B[k, n]
//
// Every element of C is ONE chain of fused multiply-adds over k = 0, 1, 2, ..., starting from base (or zero). Blocks
// of k are cut for the cache, but the chain goes on through them: storing a float and loading it again changes no bit.
// So tiles, vector width, threads and the number of rows are free to choose, and the result is not. No library
// promises that: their kernels change with the shape, and the bits with them.
//
//        n ->   W    W               one tile: TILE_ROWS x 2 vectors of accumulators stay in registers while k runs;
//       +----+----+----+             for each k, two vectors of B and TILE_ROWS scalars of A are loaded for
//   m   |####|####|    |             2 TILE_ROWS fused multiply-adds
//   |   |####|####|    |
//   v   +----+----+----+
//
// B is read in place where its rows are contiguous (the weights are stored [in, out] for that) and packed into a
// panel where it is transposed, narrower than a vector, or its rows conflict in the cache. A is read in place too,
// and packed where it is read by columns, or its rows conflict, for enough panels of B to pay for it.
#pragma once
#include <algorithm>
#include <utility>

#include "base/threads.h"
#include "ops/simd.h"

namespace r1 {
namespace {

constexpr int K_BLOCK = 256;      // K_BLOCK x 2 vectors of B: 32 KiB, a first-level cache
constexpr int CONFLICT = 128;     // rows that are a multiple of 512 bytes apart share few sets of that cache

// A matrix seen through strides: element (i, j) is p[i * row + j * column].
struct View {
    const float* p;
    int row, column;
    View at(int64_t i, int64_t j) const { return {p + i * row + j * column, row, column}; }
};

// body(0), body(1), ... body(N - 1) with constants: an array indexed by them lives in registers from the start.
template <int N, class Body>
[[gnu::always_inline]] inline void unrolled(const Body& body) {
    [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
        (body(std::integral_constant<int, i>()), ...);
    }(std::make_integer_sequence<int, N>());
}

// ROWS x (VECTORS * W) of C over K values of k. A has rows of k (lda apart) or, A_BY_COLUMNS, columns of k. base may
// equal c; base == nullptr starts from zero.
template <int ROWS, int VECTORS, bool A_BY_COLUMNS>
void tile(int K, const float* a, int64_t lda, const float* b, int64_t ldb, const float* base, int64_t ldbase, float* c,
          int64_t ldc) {
    vec sum[ROWS][VECTORS];
    if (base)
        unrolled<ROWS>([&](auto i) {
            unrolled<VECTORS>([&](auto j) { sum[i][j] = load(base + i * ldbase + j * W); });
        });
    else
        unrolled<ROWS>([&](auto i) { unrolled<VECTORS>([&](auto j) { sum[i][j] = splat(0); }); });
    for (int k = 0; k < K; ++k) {
        vec bk[VECTORS];
        unrolled<VECTORS>([&](auto j) { bk[j] = load(b + j * W); });
        unrolled<ROWS>([&](auto i) {
            const vec aik = splat(A_BY_COLUMNS ? a[i] : a[i * lda]);
            unrolled<VECTORS>([&](auto j) { sum[i][j] = fma(aik, bk[j], sum[i][j]); });
        });
        b += ldb, a += A_BY_COLUMNS ? lda : 1;
    }
    unrolled<ROWS>([&](auto i) { unrolled<VECTORS>([&](auto j) { store(c + i * ldc + j * W, sum[i][j]); }); });
}

// The tile for a number of rows known only at run time.
template <int VECTORS, int ROWS = TILE_ROWS>
void tile_of(int rows, int K, View a, const float* b, int ldb, const float* base, int ldbase, float* c, int ldc) {
    if constexpr (ROWS > 1)
        if (rows < ROWS) return tile_of<VECTORS, ROWS - 1>(rows, K, a, b, ldb, base, ldbase, c, ldc);
    if (a.column == 1) tile<ROWS, VECTORS, false>(K, a.p, a.row, b, ldb, base, ldbase, c, ldc);
    else tile<ROWS, VECTORS, true>(K, a.p, a.column, b, ldb, base, ldbase, c, ldc);
}

// panel[k * width + n] = B[k, n], zero where n >= columns.
inline void pack(float* panel, int width, View b, int K, int columns) {
    int k = 0;
    if (b.row == 1 && columns == width)
        for (; k + W <= K; k += W)
            for (int n = 0; n < width; n += W)
                transpose_block(panel + k * width + n, width, b.p + k + int64_t(n) * b.column, b.column);
    if (b.column == 1 && columns == width)
        for (; k < K; ++k) {
            const float* from = b.p + int64_t(k) * b.row;
            float* to = panel + k * width;
            const vec first = load(from), last = load(from + width - W);
            store(to, first), store(to + width - W, last);
        }
    for (; k < K; ++k)
        for (int n = 0; n < width; ++n)
            panel[k * width + n] = n < columns ? b.p[int64_t(k) * b.row + int64_t(n) * b.column] : 0.0f;
}

// A for a tile: panel[k * rows + i] = A[i, k]. Writes up to W floats behind the panel.
template <int ROWS = TILE_ROWS>
void pack_tile(float* panel, int rows, View a, int K) {
    if constexpr (ROWS > 1)
        if (rows < ROWS) return pack_tile<ROWS - 1>(panel, rows, a, K);
    int k = 0;
    if (a.column == 1)
        for (; k + W <= K; k += W) transpose_block(panel + k * ROWS, ROWS, a.p + k, a.row, ROWS);
    for (; k < K; ++k)
        if (a.row == 1) memcpy(panel + k * ROWS, a.p + int64_t(k) * a.column, ROWS * sizeof(float));
        else unrolled<ROWS>([&](auto i) { panel[k * ROWS + i] = a.p[i * int64_t(a.row) + k]; });
}

// One thread's product. Rows are shared out evenly, so that the last tile is about as tall as the others.
inline void gemm_serial(float* c, int ldc, const float* base, int ldbase, View a, View b, int M, int N, int K) {
    alignas(64) float panel[K_BLOCK * 2 * W];
    const int tiles = (M + TILE_ROWS - 1) / TILE_ROWS;
    if (K == 0)
        for (int m = 0; m < M; ++m)
            for (int n = 0; n < N; ++n) c[int64_t(m) * ldc + n] = base ? base[int64_t(m) * ldbase + n] : 0.0f;
    for (int k0 = 0; k0 < K; k0 += K_BLOCK, base = c, ldbase = ldc) {
        const int depth = std::min(K_BLOCK, K - k0);
        const bool pack_a = a.column != 1 ? N > 8 * W : a.row % CONFLICT == 0 && N >= 16 * W;
        float* packed_a = pack_a ? scratch(3, size_t(M) * depth + W) : nullptr;
        for (int t = 0; pack_a && t < tiles; ++t) {
            const int m0 = int(int64_t(M) * t / tiles), rows = int(int64_t(M) * (t + 1) / tiles) - m0;
            pack_tile(packed_a + int64_t(m0) * depth, rows, a.at(m0, k0), depth);
        }
        for (int n0 = 0; n0 < N;) {
            const int columns = std::min(N - n0, N - n0 >= 2 * W ? 2 * W : W), width = columns > W ? 2 * W : W;
            const float* bp = b.p + int64_t(k0) * b.row + int64_t(n0) * b.column;
            int ldb = b.row;
            if (b.column != 1 || columns < width || b.row % CONFLICT == 0) {
                pack(panel, width, b.at(k0, n0), depth, columns);
                bp = panel, ldb = width;
            }
            for (int t = 0; t < tiles; ++t) {
                const int m0 = int(int64_t(M) * t / tiles), rows = int(int64_t(M) * (t + 1) / tiles) - m0;
                const View at = pack_a ? View{packed_a + int64_t(m0) * depth, 1, rows} : a.at(m0, k0);
                const float* base_at = base ? base + int64_t(m0) * ldbase + n0 : nullptr;
                float* c_at = c + int64_t(m0) * ldc + n0;
                if (columns == 2 * W) {
                    tile_of<2>(rows, depth, at, bp, ldb, base_at, ldbase, c_at, ldc);
                } else if (columns == W) {
                    tile_of<1>(rows, depth, at, bp, ldb, base_at, ldbase, c_at, ldc);
                } else {  // narrower than a vector: through a small tile of its own
                    alignas(64) float edge[TILE_ROWS * W] = {};
                    for (int i = 0; base_at && i < rows; ++i)
                        memcpy(edge + i * W, base_at + int64_t(i) * ldbase, columns * sizeof(float));
                    tile_of<1>(rows, depth, at, bp, ldb, edge, W, edge, W);
                    for (int i = 0; i < rows; ++i)
                        memcpy(c_at + int64_t(i) * ldc, edge + i * W, columns * sizeof(float));
                }
            }
            n0 += columns;
        }
    }
}

// C[M, N] = base + A[M, K] B[K, N], the rows (or, where there are few, the columns) of C shared out to the threads.
inline void gemm(float* c, int ldc, const float* base, int ldbase, View a, View b, int M, int N, int K) {
    const int64_t work = int64_t(M) * N * K;
    const int parts = omp_in_parallel() || work < 200000 ? 1 : thread_count();
    const bool by_rows = M >= N;
    const int units = by_rows ? (M + TILE_ROWS - 1) / TILE_ROWS : (N + 2 * W - 1) / (2 * W);
    const int unit = by_rows ? TILE_ROWS : 2 * W, extent = by_rows ? M : N;
    parallel_for(parts, [&](int64_t part) {
        const int begin = std::min(extent, int(units * part / parts) * unit);
        const int end = std::min(extent, int(units * (part + 1) / parts) * unit);
        if (begin == end) return;
        if (by_rows)
            gemm_serial(c + int64_t(begin) * ldc, ldc, base ? base + int64_t(begin) * ldbase : nullptr, ldbase,
                        a.at(begin, 0), b, end - begin, N, K);
        else
            gemm_serial(c + begin, ldc, base ? base + begin : nullptr, ldbase, a, b.at(0, begin), M, end - begin, K);
    });
}

}  // namespace
}  // namespace r1
