// CPU: products of matrices, of one and of many experts, each element a chain in the order of gemm.h.
#pragma once
#include "ops/gemm.h"
#include "ops/ops.h"

namespace r1 {
namespace {

void matmul_forward(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N,
                    int I, int O) {
    gemm(y, ldy, base, ldbase, {x, ldx, 1}, {w, O, 1}, N, O, I);
}

void matmul_backward_x(float* dx, int lddx, const float* base, int ldbase, const float* dy, int lddy, const float* w,
                       int N, int I, int O) {
    gemm(dx, lddx, base, ldbase, {dy, lddy, 1}, {w, 1, O}, N, I, O);
}

void matmul_backward_w(float* dw, const float* x, int ldx, const float* dy, int lddy, int N, int I, int O) {
    gemm(dw, O, dw, O, {x, 1, ldx}, {dy, lddy, 1}, I, O, N);
}

void grouped_forward(float* y, const float* x, const float* w, const int* offsets, int /*R*/, int E, int I, int O) {
    parallel_for(E, [&](int64_t e) {
        const int64_t r = offsets[e];
        gemm(y + r * O, O, nullptr, 0, {x + r * I, I, 1}, {w + e * I * O, O, 1}, offsets[e + 1] - int(r), O, I);
    });
}

void grouped_backward_x(float* dx, const float* dy, const float* w, const int* offsets, int /*R*/, int E, int I,
                        int O) {
    parallel_for(E, [&](int64_t e) {
        const int64_t r = offsets[e];
        gemm(dx + r * I, I, nullptr, 0, {dy + r * O, O, 1}, {w + e * I * O, 1, O}, offsets[e + 1] - int(r), I, O);
    });
}

void grouped_backward_w(float* dw, const float* x, const float* dy, const int* offsets, int /*R*/, int E, int I,
                        int O) {
    parallel_for(E, [&](int64_t e) {
        const int64_t r = offsets[e];
        float* dwe = dw + e * I * O;
        gemm(dwe, O, dwe, O, {x + r * I, 1, I}, {dy + r * O, O, 1}, I, O, offsets[e + 1] - int(r));
    });
}

}  // namespace
}  // namespace r1
