// Every operation of ops.h as CUDA kernels, in one table. The tests compile the same kernels against the emulator.
#include "base/exact.h"
#include "base/philox.h"
#include "cuda/attention.cuh"
#include "cuda/experts.cuh"
#include "cuda/loss.cuh"
#include "cuda/product.cuh"
#include "cuda/rows.cuh"
#include "cuda/table.h"
#include "stages/grpo_math.h"

namespace r1 {
extern const Ops ops_cuda;
const Ops ops_cuda = kernel_table("cuda");
}  // namespace r1
