// The matrix product as plainly as CUDA can say it: the file to read first. product.cuh computes the same sums, faster.
//
//   y[n, o] = base[n, o] + sum_i x[n, i] w[i, o],   base may be y itself or null (zero)
//
// A kernel (__global__) is a function that many threads run at once, each with its own threadIdx. Threads stand in
// blocks, here 32 columns wide and 8 rows high, and the blocks stand in a grid, which covers y:
//
//                 gridDim.x blocks           A thread finds its element from where it stands:
//               +--------+--------+            row    n = blockIdx.y * blockDim.y + threadIdx.y
//   gridDim.y   |  32x8  |  32x8  |            column o = blockIdx.x * blockDim.x + threadIdx.x
//   blocks      +--------+--------+          The last blocks stand out over y's edges; a thread there has no
//               |  32x8  |  32x8  |          element and leaves.
//               +--------+--------+
//
// 32 threads with neighbouring threadIdx.x are a warp and go in step. They read neighbouring elements of w and one
// element of x, which memory delivers in a few pieces, and that is why x counts the columns.
//
// A thread computes its element alone, as one chain of fused multiply-adds over i = 0, 1, 2, ..., which begins with
// base: exactly the chain of src/ops/gemm.h, so the bits are equal. Threads share nothing, so none waits for another.
// What makes it slow is memory: each element of x is fetched O times and each of w N times.
//
// The host function below launches the kernel: launch(kernel, grid, block)(arguments...) asks the GPU for it and
// returns at once. The program never calls it. The tests hold it against the CPU's product and the fast one as a third
// opinion.
#pragma once
#include "base/exact.h"
#include "cuda/launch.h"

namespace r1 {
namespace {

__global__ void naive_product(Ptr<float> y, int ldy, Ptr<const float> base, int ldbase, Ptr<const float> x, int ldx,
                              Ptr<const float> w, int N, int I, int O) {
    const int n = int(blockIdx.y * blockDim.y + threadIdx.y);
    const int o = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (n >= N || o >= O) return;
    float sum = base ? base[int64_t(n) * ldbase + o] : 0.0f;
    for (int i = 0; i < I; ++i) sum = exact::fma(x[int64_t(n) * ldx + i], w[int64_t(i) * O + o], sum);
    y[int64_t(n) * ldy + o] = sum;
}

void naive_matmul_forward(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w,
                          int N, int I, int O) {
    const Dim block{32, 8}, grid{unsigned(O + 31) / 32, unsigned(N + 7) / 8};
    if (N > 0 && O > 0) launch(naive_product, grid, block)(y, ldy, base, ldbase, x, ldx, w, N, I, O);
}

}  // namespace
}  // namespace r1
