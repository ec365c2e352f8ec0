// What a kernel is written with, so that the same source compiles with nvcc and, for tests without a GPU, with g++ and
// clang++ against the emulator:
//
//   Ptr<float>                      global memory             barrier()             __syncthreads; of a warp: warp_barrier()
//   SHARED(float, tile, 256);       shared memory             shuffle_down(v, d)    of the whole warp; _xor, shuffle
//   load4(p, i), store4(p, i, x)    elements i .. i + 3 at    ballot(b)             bit l: b of lane l of the warp
//                                   once, 16 bytes aligned    lowest_bit(u), count_bits(u)
//   rows_aligned(p, ld)             whether every row is
//   UNROLL, UNROLL_BY_4, _8         before a loop; NO_UNROLL  BOUNDS(t, b)          a kernel of at most t threads, b
//                                                             blocks of them to a multiprocessor
//   launch(kernel, grid, block)(arguments...)
#pragma once
#ifdef __CUDACC__
#include "cuda/runtime.cuh"

#define UNROLL _Pragma("unroll")
#define UNROLL_BY_4 _Pragma("unroll 4")
#define UNROLL_BY_8 _Pragma("unroll 8")
#define NO_UNROLL _Pragma("unroll 1")
#define BOUNDS(...) __launch_bounds__(__VA_ARGS__)

namespace r1 {

template <class T>
using Ptr = T*;
#define SHARED(type, name, count) __shared__ __align__(16) type name[count]

__device__ inline void barrier() { __syncthreads(); }
__device__ inline void warp_barrier() { __syncwarp(); }
template <class T>
__device__ T shuffle_down(T value, int distance) { return __shfl_down_sync(0xffffffffu, value, distance); }
template <class T>
__device__ T shuffle_xor(T value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
template <class T>
__device__ T shuffle(T value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
__device__ inline uint32_t ballot(bool b) { return __ballot_sync(0xffffffffu, b); }
__device__ inline int lowest_bit(uint32_t bits) { return __ffs(int(bits)) - 1; }
__device__ inline int count_bits(uint32_t bits) { return __popc(bits); }
using Float4 = float4;
__device__ inline Float4 load4(const float* p, int64_t i) { return *reinterpret_cast<const Float4*>(p + i); }
__device__ inline void store4(float* p, int64_t i, Float4 x) { *reinterpret_cast<Float4*>(p + i) = x; }
__device__ inline bool rows_aligned(const float* p, int ld) { return reinterpret_cast<uintptr_t>(p) % 16 == 0 && ld % 4 == 0; }

using Dim = dim3;
template <class... Parameter>
struct Launch {
    void (*kernel)(Parameter...);
    dim3 grid, threads;
    template <class... Argument>
    void operator()(Argument... argument) const {
        kernel<<<grid, threads, 0, cuda::stream>>>(argument...);
        cuda::check(cudaGetLastError());
    }
};
template <class... Parameter>
Launch<Parameter...> launch(void (*kernel)(Parameter...), dim3 grid, dim3 threads) { return {kernel, grid, threads}; }

}  // namespace r1

#else
#include "cuda/emulator.h"

#define UNROLL
#define UNROLL_BY_4
#define UNROLL_BY_8
#define NO_UNROLL
#define BOUNDS(...)
#define SHARED(type, name, count) const auto name = ::r1::emulator::shared<type>(count)

namespace r1 {
inline int lowest_bit(uint32_t bits) { return __builtin_ctz(bits); }
inline int count_bits(uint32_t bits) { return __builtin_popcount(bits); }
using emulator::Ptr, emulator::Dim, emulator::launch, emulator::barrier, emulator::warp_barrier, emulator::shuffle_down,
    emulator::shuffle_xor, emulator::shuffle, emulator::ballot, emulator::Float4, emulator::load4, emulator::store4,
    emulator::rows_aligned, emulator::threadIdx, emulator::blockIdx, emulator::blockDim, emulator::gridDim;
}  // namespace r1
#endif
