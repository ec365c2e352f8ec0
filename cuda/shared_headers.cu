// The headers that the CPU and CUDA share, compiled as device code: exact functions, random numbers, scalar formulas
// and the terms of GRPO must stay legal there. The kernels themselves come with the CUDA device.
#include "base/exact.h"
#include "base/philox.h"
#include "ops/scalar.h"
#include "loss/grpo.h"

namespace {

__global__ void use_shared_headers(float* out, const float* x, r1::GrpoMath math) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const float u = r1::uniform(r1::philox(1u, r1::Purpose::sampling, 2, 3, 4, uint32_t(i)).x[0]);
    const float A = 1;
    r1::TokenTerm<float> term;
    r1::answer_terms(&term, {x + i, &u, &u, nullptr, &A, 1}, math);
    out[i] = r1::exact::exp(x[i]) + r1::exact::log(u) + r1::silu(x[i], u) * r1::silu_slope(x[i], u) + term.slope;
}

}  // namespace

void launch_use_shared_headers(float* out, const float* x) { use_shared_headers<<<1, 32>>>(out, x, r1::GrpoMath()); }
