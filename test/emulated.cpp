// The device `emulated`: every kernel compiled against the emulator, in one table.
#include "base/check.h"
#include "cuda/attention.cuh"
#include "cuda/experts.cuh"
#include "cuda/loss.cuh"
#include "cuda/naive_product.cuh"
#include "cuda/product.cuh"
#include "cuda/rows.cuh"
#include "cuda/table.h"
#include "device_under_test.h"

namespace r1 {

const Ops& device_under_test() {
    static const Ops ops = kernel_table("emulated", emulator::device_memory, emulator::repeat);
    return ops;
}

void naive_product_under_test(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w,
                              int N, int I, int O) {
    naive_matmul_forward(y, ldy, base, ldbase, x, ldx, w, N, I, O);
}

void in_every_order(const std::function<void()>& work) {
    for (const auto order : {emulator::Order::reverse, emulator::Order::shuffled, emulator::Order::forward}) {
        emulator::order = order;
        work();
    }
}

int shapes_by_lot() { return 6; }

bool leave_memory(size_t bytes) {
    emulator::capacity = bytes == size_t(-1) ? bytes : emulator::used + bytes;
    return true;
}

}  // namespace r1
