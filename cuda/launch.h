// What a kernel is written with, so that the same source compiles with nvcc and, for tests without a GPU, with g++ and
// clang++ against the emulator:
//
//   Ptr<float>                      global memory             barrier()             __syncthreads
//   SHARED(float, tile, 256);       shared memory             shuffle_down(v, d)    of the whole warp; _xor, shuffle
//   launch(kernel, grid, block)(arguments...)                 load4(p)              four aligned floats at once
#pragma once
#ifdef __CUDACC__

namespace r1 {

template <class T>
using Ptr = T*;
#define SHARED(type, name, count) __shared__ type name[count]

__device__ inline void barrier() { __syncthreads(); }
template <class T>
__device__ T shuffle_down(T value, int distance) { return __shfl_down_sync(0xffffffffu, value, distance); }
template <class T>
__device__ T shuffle_xor(T value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
template <class T>
__device__ T shuffle(T value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
__device__ inline float4 load4(const float* p) { return *reinterpret_cast<const float4*>(p); }

using Dim = dim3;
template <class... Parameter>
struct Launch {
    void (*kernel)(Parameter...);
    dim3 grid, threads;
    template <class... Argument>
    void operator()(Argument... argument) const { kernel<<<grid, threads>>>(argument...); }
};
template <class... Parameter>
Launch<Parameter...> launch(void (*kernel)(Parameter...), dim3 grid, dim3 threads) { return {kernel, grid, threads}; }

}  // namespace r1

#else
#include "cuda/emulator.h"

#define SHARED(type, name, count) const auto name = ::r1::emulator::shared<type>(count)

namespace r1 {
using emulator::Ptr, emulator::Dim, emulator::launch, emulator::barrier, emulator::shuffle_down, emulator::shuffle_xor, emulator::shuffle,
    emulator::load4, emulator::threadIdx, emulator::blockIdx, emulator::blockDim, emulator::gridDim;
}  // namespace r1
#endif
