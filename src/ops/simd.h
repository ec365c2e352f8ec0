// The widest vector of floats that this translation unit is compiled for, and the few things done with it.
//
// ops_cpu.cpp is compiled three times: for AVX-512, for AVX2 with FMA, and for nothing in particular. Everything else
// vectorises by itself; only the matrix product and the lane sums name vectors.
#pragma once
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#endif

#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "base/exact.h"
#include "base/threads.h"

namespace r1 {
namespace {  // each object keeps its own copy: one linked for all would be one instruction set's

#if defined(__AVX512F__)
constexpr int W = 16;             // floats in a vector
constexpr int TILE_ROWS = 12;     // the matrix product's tile: 12 x 2 accumulators, 2 of B, 1 of A: 27 of 32 registers
using vec = __m512;
inline vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, vec v) { _mm512_storeu_ps(p, v); }
inline vec splat(float x) { return _mm512_set1_ps(x); }
inline vec fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int W = 8;
constexpr int TILE_ROWS = 6;      // 6 x 2 accumulators, 2 of B, 1 of A: 15 of 16 registers
using vec = __m256;
inline vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, vec v) { _mm256_storeu_ps(p, v); }
inline vec splat(float x) { return _mm256_set1_ps(x); }
inline vec fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
#else
constexpr int W = 4;
constexpr int TILE_ROWS = 4;
typedef float vec __attribute__((vector_size(16)));
inline vec load(const float* p) {
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}
inline void store(float* p, vec v) { memcpy(p, &v, sizeof v); }
inline vec splat(float x) { return vec{x, x, x, x}; }
inline vec fma(vec a, vec b, vec c) {
    for (int i = 0; i < W; ++i) c[i] = exact::fma(a[i], b[i], c[i]);
    return c;
}
#endif

// a0 b0 a1 b1 ... of the lower (upper) halves of two vectors.
#if defined(__AVX512F__)
inline vec interleave_low(vec a, vec b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline vec interleave_high(vec a, vec b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif defined(__AVX2__) && defined(__FMA__)
inline vec interleave_low(vec a, vec b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
inline vec interleave_high(vec a, vec b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
inline vec interleave_low(vec a, vec b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
inline vec interleave_high(vec a, vec b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#endif

// to[k * to_stride + n] = from[n * from_stride + k] for k < W, n < rows, and 0 for rows <= n < W. Interleaving row i
// with row i + W/2, log2(W) times, is a transposition.
inline void transpose_block(float* to, int to_stride, const float* from, int from_stride, int rows = W) {
    vec a[W], b[W];
    for (int i = 0; i < W; ++i) a[i] = i < rows ? load(from + int64_t(i) * from_stride) : splat(0);
    for (int round = W; round > 1; round /= 2) {
        for (int i = 0; i < W / 2; ++i) {
            b[2 * i] = interleave_low(a[i], a[i + W / 2]);
            b[2 * i + 1] = interleave_high(a[i], a[i + W / 2]);
        }
        for (int i = 0; i < W; ++i) a[i] = b[i];
    }
    for (int i = 0; i < W; ++i) store(to + i * to_stride, a[i]);
}

// The sum over a row, in the one order that every device uses: 32 lanes by index mod 32, each a sequential chain, then
// the tree 16, 8, 4, 2, 1. On a GPU this is a warp and its shuffles.
struct Lanes {
    static constexpr int COUNT = 32, VECTORS = COUNT / W;
    vec v[VECTORS];
    Lanes() {
        for (int i = 0; i < VECTORS; ++i) v[i] = splat(0);
    }
    float total() const {
        float lane[COUNT];
        for (int i = 0; i < VECTORS; ++i) store(lane + i * W, v[i]);
        for (int half = COUNT / 2; half >= 1; half /= 2)
            for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
        return lane[0];
    }
};

// sum_i x[i] y[i]
inline float dot(const float* x, const float* y, int n) {
    Lanes lanes;
    int i = 0;
    for (; i + Lanes::COUNT <= n; i += Lanes::COUNT)
        for (int j = 0; j < Lanes::VECTORS; ++j)
            lanes.v[j] = fma(load(x + i + j * W), load(y + i + j * W), lanes.v[j]);
    if (i < n) {
        float lane[Lanes::COUNT];
        memcpy(lane, lanes.v, sizeof lane);
        for (int j = 0; i + j < n; ++j) lane[j] = exact::fma(x[i + j], y[i + j], lane[j]);
        memcpy(lanes.v, lane, sizeof lane);
    }
    return lanes.total();
}

// sum_i x[i]; the chains of the lanes are left in `lane` where the caller wants them (the sampler does).
inline float sum(const float* x, int n, float* lane_sums = nullptr) {
    Lanes lanes;
    int i = 0;
    for (; i + Lanes::COUNT <= n; i += Lanes::COUNT)
        for (int j = 0; j < Lanes::VECTORS; ++j) lanes.v[j] = lanes.v[j] + load(x + i + j * W);
    if (i < n || lane_sums) {
        float lane[Lanes::COUNT];
        memcpy(lane, lanes.v, sizeof lane);
        for (int j = 0; i + j < n; ++j) lane[j] += x[i + j];
        memcpy(lanes.v, lane, sizeof lane);
        if (lane_sums) memcpy(lane_sums, lane, sizeof lane);
    }
    return lanes.total();
}

// max_i x[i], n >= 1. A maximum does not depend on its order.
inline float maximum(const float* x, int n) {
    float lane[Lanes::COUNT];
    for (int j = 0; j < Lanes::COUNT; ++j) lane[j] = x[0];
    const auto larger = [](float a, float b) { return a > b ? a : b; };
    int i = 0;
    for (; i + Lanes::COUNT <= n; i += Lanes::COUNT)
        for (int j = 0; j < Lanes::COUNT; ++j) lane[j] = larger(x[i + j], lane[j]);
    for (int j = 0; i + j < n; ++j) lane[j] = larger(x[i + j], lane[j]);
    for (int half = Lanes::COUNT / 2; half >= 1; half /= 2)
        for (int j = 0; j < half; ++j) lane[j] = larger(lane[j + half], lane[j]);
    return lane[0];
}

// A buffer of this thread that lives as long as the thread: n floats, contents undefined. `use` names what for, so
// that two buffers can be held at once.
inline float* scratch(int use, size_t n) {
    static thread_local struct Buffers {
        float* p[4] = {};
        size_t size[4] = {};
        ~Buffers() {
            for (float* each : p) free(each);
        }
    } buffers;
    if (buffers.size[use] < n) {
        free(buffers.p[use]);
        buffers.p[use] = static_cast<float*>(aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64));
        ENSURE(buffers.p[use], "out of memory for a row of scratch");
        buffers.size[use] = n;
    }
    return buffers.p[use];
}

// Rows [0, N) cut into one range for each thread; body(begin, end). Alone where the work is small.
template <class Body>
void for_ranges(int64_t n, int64_t least, const Body& body) {
    const int64_t parts = omp_in_parallel() || n < 2 * least ? 1 : thread_count();
    parallel_for(parts, [&](int64_t i) {
        const int64_t begin = n * i / parts, end = n * (i + 1) / parts;
        if (begin < end) body(begin, end);
    });
}

}  // namespace
}  // namespace r1
