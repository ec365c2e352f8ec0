// The device under test in r1_gpu_test: the GPU. Without one the program says why and ends.
#include <cstdio>
#include <cstdlib>

#include "device_under_test.h"

namespace r1 {

const Ops& device_under_test() {
    std::string about;
    const Ops* gpu = cuda_ops(about);
    if (!gpu) {
        std::fprintf(stderr, "r1: error: no CUDA device, %s, make test needs none\n", about.c_str());
        std::exit(1);
    }
    return *gpu;
}

void naive_product_under_test(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w,
                              int N, int I, int O) {
    cuda_naive_product(y, ldy, base, ldbase, x, ldx, w, N, I, O);
}

void in_every_order(const std::function<void()>& work) { work(); }

int shapes_by_lot() { return 60; }

bool leave_memory(size_t) { return false; }

}  // namespace r1
