// Every operation of ops.h as CUDA kernels, in one table, for a GPU. The tests compile the same kernels against the
// emulator (test/emulated.cpp).
#include "cuda/attention.cuh"
#include "cuda/experts.cuh"
#include "cuda/loss.cuh"
#include "cuda/product.cuh"
#include "cuda/rows.cuh"
#include "cuda/table.h"

namespace r1 {

const Ops* cuda_ops(std::string& about) {
    static std::string of;
    static const bool usable = cuda::open(of);
    static const Ops ops = kernel_table("cuda", cuda::memory, cuda::repeat);
    about = of;
    return usable ? &ops : nullptr;
}

}  // namespace r1
