// Our Philox (src/base/philox.h) against cuRAND's own code, bit for bit: on the host always, on a GPU where there is one.
//
//   nvcc -std=c++20 -Isrc cuda/curand_check.cu -o curand_check && ./curand_check
#define QUALIFIERS static __forceinline__ __host__ __device__  // cuRAND's code is for both, if asked
#include <curand_philox4x32_x.h>

#include <cstdio>
#include <vector>

#include "base/philox.h"

namespace {

constexpr int COUNT = 1 << 20;

// Keys and counters with all kinds of words: small ones, as ours are, and full ones.
__host__ __device__ uint32_t word(uint32_t i, uint32_t which) {
    const uint32_t mixed = (i * 2654435761u + which * 40503u) * 2246822519u;
    return i % 3 == 0 ? mixed % 1000 : mixed ^ mixed >> 15;
}

__host__ __device__ bool equal(uint32_t i) {
    const uint4 counter = {word(i, 0), word(i, 1), word(i, 2), word(i, 3)};
    const uint4 theirs = curand_Philox4x32_10(counter, {word(i, 4), word(i, 5)});
    const r1::Philox4 ours = r1::philox(word(i, 4), word(i, 5), counter.x, counter.y, counter.z, counter.w);
    return theirs.x == ours.x[0] && theirs.y == ours.x[1] && theirs.z == ours.x[2] && theirs.w == ours.x[3];
}

__global__ void compare(char* result) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < COUNT) result[i] = equal(uint32_t(i));
}

int differing(const char* where, const std::vector<char>& result) {
    int count = 0;
    for (char each : result) count += !each;
    std::printf("Philox and cuRAND %s: %d of %d draws differ\n", where, count, COUNT);
    return count;
}

}  // namespace

int main() {
    std::vector<char> result(COUNT);
    for (int i = 0; i < COUNT; ++i) result[i] = equal(uint32_t(i));
    int failed = differing("on the host", result);
    char* device = nullptr;
    if (cudaMalloc(&device, COUNT) != cudaSuccess) {
        std::printf("no GPU here: not compared on one\n");
        return failed > 0;
    }
    compare<<<COUNT / 256, 256>>>(device);
    cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) error = cudaMemcpy(result.data(), device, COUNT, cudaMemcpyDeviceToHost);
    if (error != cudaSuccess) {
        std::printf("the GPU stopped: %s\n", cudaGetErrorString(error));
        return 1;
    }
    failed += differing("on the GPU", result);
    return failed > 0;
}
