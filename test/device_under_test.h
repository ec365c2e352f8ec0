// The device whose results are compared with the CPU's: the emulator in r1_test (emulated.cpp), a GPU in r1_gpu_test
// (real_gpu.cpp).
#pragma once
#include <functional>

#include "ops/ops.h"

namespace r1 {

const Ops& device_under_test();

// matmul_forward by the naive kernel of cuda/naive_product.cuh: on that device, and on the GPU (cuda/ops_cuda.cu).
void naive_product_under_test(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w,
                              int N, int I, int O);
void cuda_naive_product(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w,
                        int N, int I, int O);

// Calls work() once for each order in which threads can be run: three on the emulator, one on a GPU, which has its own.
void in_every_order(const std::function<void()>& work);

// How many shapes by lot to compare: many where a compiler has made several loops of one, for each rest its own; few on the
// emulator, which is slow and runs the loops as they are written.
int shapes_by_lot();

// Bytes that the device can still give; on the emulator. False where that cannot be set.
bool leave_memory(size_t bytes);

}  // namespace r1
