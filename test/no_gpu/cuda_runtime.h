// What cuda/runtime.cuh calls of CUDA's runtime, as a test tells it to answer (test/runtime_test.cpp): no driver, GPUs
// too old, no memory left, a GPU lost in the middle of the work.
#pragma once
#include <cstddef>
#include <vector>

#define CUDART_VERSION 12030

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorIllegalAddress = 700,
    cudaErrorDevicesUnavailable = 46,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1, cudaStreamCaptureModeThreadLocal = 1 };
using cudaStream_t = int*;
using cudaGraph_t = int*;
using cudaGraphExec_t = int*;
struct cudaDeviceProp {
    const char* name;
    size_t totalGlobalMem;
    int major, minor;
};

namespace no_gpu {

inline int driver = 0;                               // its version; 0: there is none
inline cudaError_t count_error = cudaSuccess;        // of asking how many GPUs there are
inline std::vector<cudaDeviceProp> devices;
inline int busy = -1, chosen = -1;                   // by someone else, by us
inline size_t free_memory = 0, total_memory = 0;
inline cudaError_t of_work = cudaSuccess;            // of whatever is asked for on the stream

}  // namespace no_gpu

inline const char* cudaGetErrorString(cudaError_t e) {
    return e == cudaErrorIllegalAddress ? "an illegal memory access was encountered"
           : e == cudaErrorDevicesUnavailable ? "CUDA-capable device(s) is/are busy or unavailable" : "another error";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaMalloc(void** p, size_t bytes) {
    if (no_gpu::of_work != cudaSuccess) return no_gpu::of_work;
    if (bytes > no_gpu::free_memory) return cudaErrorMemoryAllocation;
    *p = nullptr;
    return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    *free = no_gpu::free_memory, *total = no_gpu::total_memory;
    return cudaSuccess;
}
inline cudaError_t cudaFree(void*) { return no_gpu::of_work; }
inline cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void*, int, size_t, cudaStream_t) { return no_gpu::of_work; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return no_gpu::of_work; }
inline cudaError_t cudaStreamBeginCapture(cudaStream_t, int) { return no_gpu::of_work; }
inline cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*) { return no_gpu::of_work; }
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, int) { return no_gpu::of_work; }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return no_gpu::of_work; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return no_gpu::of_work; }
inline cudaError_t cudaGraphDestroy(cudaGraph_t) { return no_gpu::of_work; }
inline cudaError_t cudaDriverGetVersion(int* version) {
    *version = no_gpu::driver;
    return cudaSuccess;
}
inline cudaError_t cudaGetDeviceCount(int* count) {
    *count = int(no_gpu::devices.size());
    return no_gpu::count_error;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int i) {
    *p = no_gpu::devices[size_t(i)];
    return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int i) {
    no_gpu::chosen = i;
    return cudaSuccess;
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) {
    return no_gpu::chosen == no_gpu::busy ? cudaErrorDevicesUnavailable : cudaSuccess;
}
