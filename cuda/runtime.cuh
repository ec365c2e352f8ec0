// The GPU as the rest of the program sees it: its memory, one stream that everything goes through in order, and errors.
// Only what CUDA's runtime offers; the kernels know none of it but `stream` and `check` (launch.h).
#pragma once
#include <cuda_runtime.h>

#include <functional>
#include <string>

#include "base/arena.h"
#include "base/check.h"

namespace r1::cuda {

inline cudaStream_t stream = nullptr;    // made by open(); all work is on it

// After a failure nothing more can be asked of the GPU in this process; what was saved stands.
inline void check(cudaError_t error) {
    if (error != cudaSuccess)
        fail("the GPU stopped: " + std::string(cudaGetErrorString(error)), "in the middle of the work",
             "go on from the last saved state with --resume, or use --device cpu");
}

inline void* allocate(size_t bytes) {
    void* p = nullptr;
    const cudaError_t error = cudaMalloc(&p, bytes);
    if (error == cudaSuccess) return p;
    cudaGetLastError();                  // it is told below
    size_t free = 0, total = 0;
    if (error == cudaErrorMemoryAllocation && cudaMemGetInfo(&free, &total) == cudaSuccess)
        fail("out of GPU memory",
             std::to_string(bytes >> 20) + " MiB more were wanted, " + std::to_string(free >> 20) + " of " +
                 std::to_string(total >> 20) + " MiB are free",
             "lower --micro-rows or --slots, end what else uses the GPU, or use --device cpu");
    check(error);
    return nullptr;
}

// A pageable source has been read when this returns, so the host may write it again.
inline void upload(void* to, const void* host, size_t bytes) {
    if (bytes > 0) check(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, stream));
}
inline void download(void* host, const void* from, size_t bytes) {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, stream));
    check(cudaStreamSynchronize(stream));
}

inline const Memory memory = {
    allocate,
    [](void* p) { cudaFree(p); },
    upload,
    download,
    [](void* to, const void* from, size_t bytes) { check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream)); },
    [](void* p, size_t bytes) { check(cudaMemsetAsync(p, 0, bytes, stream)); },
};

// The first time as it is, which loads the kernels; then what work() asks for is recorded as a graph and launched: one call
// of the driver for hundreds of kernels.
inline void repeat(int times, const std::function<void()>& work) {
    work();
    if (times < 2) return;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    work();
    check(cudaStreamEndCapture(stream, &graph));
    check(cudaGraphInstantiate(&ready, graph, 0));
    for (int i = 1; i < times; ++i) check(cudaGraphLaunch(ready, stream));
    check(cudaGraphExecDestroy(ready));  // when its launches have ended
    check(cudaGraphDestroy(graph));
}

constexpr int LEAST_CAPABILITY = 8;      // Ampere: what the kernels are compiled for

// Chooses the first GPU from number `first` on that can run the kernels; false, and why, if none can.
inline bool open(std::string& about, int first = 0) {
    int driver = 0, count = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        about = "no NVIDIA driver here";
        return false;
    }
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) {
        about = error == cudaErrorInsufficientDriver ? "the NVIDIA driver is too old for this build's CUDA " +
                                                           std::to_string(CUDART_VERSION / 1000) + "." +
                                                           std::to_string(CUDART_VERSION % 1000 / 10)
                : error == cudaSuccess || error == cudaErrorNoDevice ? "no NVIDIA GPU here"
                                                                     : std::string(cudaGetErrorString(error));
        return false;
    }
    for (int n = 0; n < count; ++n) {
        const int i = (first + n) % count;
        cudaDeviceProp p;
        error = cudaGetDeviceProperties(&p, i);
        if (error != cudaSuccess) {
            about = "an NVIDIA GPU that cannot be asked: " + std::string(cudaGetErrorString(error));
            continue;
        }
        about = std::string(p.name) + ", " + std::to_string(p.totalGlobalMem >> 20) + " MiB";
        if (p.major < LEAST_CAPABILITY) {
            about += ", is too old: its compute capability is " + std::to_string(p.major) + "." + std::to_string(p.minor) +
                     ", and the kernels need " + std::to_string(LEAST_CAPABILITY) + ".0";
            continue;
        }
        error = cudaSetDevice(i);
        if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
        if (error == cudaSuccess) {
            cudaGetLastError();          // what another GPU has said is no kernel's error
            return true;
        }
        about += ", cannot be used: " + std::string(cudaGetErrorString(error));
    }
    return false;
}

}  // namespace r1::cuda
