// A GPU's limit: chains of fused multiply-adds in registers, eight to a thread, nothing else.
#include <cuda_runtime.h>

#include <string>

#include "base/check.h"
#include "base/progress.h"

namespace {

__global__ void chains(float* out, int rounds) {
    float x[8];
    for (int i = 0; i < 8; ++i) x[i] = float(threadIdx.x + i);
    const float a = 1.0f + 1e-7f * float(threadIdx.x), b = 1e-7f * float(blockIdx.x);
    for (int r = 0; r < rounds; ++r)
#pragma unroll
        for (int i = 0; i < 64; ++i) x[i % 8] = __fmaf_rn(x[i % 8], a, b);
    float sum = 0;
    for (int i = 0; i < 8; ++i) sum += x[i];
    if (sum == 12345.0f) out[0] = sum;  // so that the chains are needed
}

}  // namespace

namespace r1 {

double gpu_fma_seconds(double wanted, double& done) {
    static float* out = [] {
        float* p = nullptr;
        cudaMalloc(&p, sizeof(float));
        return p;
    }();
    constexpr int BLOCKS = 132 * 16, THREADS = 256;
    const int rounds = int(wanted / (2.0 * 64 * BLOCKS * THREADS)) + 1;
    done = 2.0 * 64 * BLOCKS * THREADS * rounds;
    cudaDeviceSynchronize();
    const double begin = seconds_now();
    chains<<<BLOCKS, THREADS>>>(out, rounds);
    cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) error = cudaDeviceSynchronize();
    if (error != cudaSuccess)
        fail("the GPU stopped: " + std::string(cudaGetErrorString(error)), "measuring its peak", "see nvidia-smi");
    return seconds_now() - begin;
}

}  // namespace r1
