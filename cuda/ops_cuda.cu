// Every operation of ops.h as CUDA kernels, in one table, for a GPU. The tests compile the same kernels against the
// emulator (test/emulated.cpp).
#include "cuda/attention.cuh"
#include "cuda/experts.cuh"
#include "cuda/loss.cuh"
#include "cuda/naive_product.cuh"
#include "cuda/product.cuh"
#include "cuda/rows.cuh"
#include "cuda/table.h"

#include "base/ranks.h"

namespace r1 {

const Ops* cuda_ops(std::string& about) {
    static std::string of;
    static const bool usable = cuda::open(of, ranks().local_rank);
    static const Ops ops = kernel_table("cuda", cuda::memory, cuda::repeat);
    about = of;
    return usable ? &ops : nullptr;
}

// Of nccl.cpp.
cudaStream_t cuda_stream() { return cuda::stream; }

// The tests' third opinion (test/device_under_test.h), and no operation of the table.
void cuda_naive_product(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w,
                        int N, int I, int O) {
    naive_matmul_forward(y, ldy, base, ldbase, x, ldx, w, N, I, O);
}

}  // namespace r1
