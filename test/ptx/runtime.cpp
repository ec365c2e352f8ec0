// CUDA's runtime for a machine without a GPU: a program that is linked with this instead of NVIDIA's library finds one
// GPU, which runs the PTX that nvcc made of the kernels (interpreter.h). Everything is done when it is asked for; a
// graph is the list of what was asked for while it was recorded.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <vector>

#include "ptx/runtime.h"

namespace {

constexpr size_t CAPACITY = size_t(8) << 30;
r1::ptx::Allocations allocations;
size_t used = 0;
cudaError_t sticky = cudaSuccess;            // after a fault nothing works any more, as on a GPU

using Work = std::function<void()>;
std::vector<Work>* recording = nullptr;
struct Configuration {
    dim3 grid, block;
};
std::vector<Configuration> configurations;

std::map<const void*, std::string>& names() {  // of kernels, by the function that the host calls
    static std::map<const void*, std::string> map;
    return map;
}

}  // namespace

namespace r1::ptx {

const Kernels& kernels() {
    static const Kernels all = [] {
        const char* const file = std::getenv("R1_PTX") ? std::getenv("R1_PTX") : R1_PTX;
        std::ifstream in(file);
        if (!in) throw Fault(std::string("no such file, ") + file);
        return parse(in);
    }();
    return all;
}

}  // namespace r1::ptx

namespace {

cudaError_t enqueue(Work work) {
    if (sticky != cudaSuccess) return sticky;
    if (recording) recording->push_back(std::move(work));
    else {
        try {
            work();
        } catch (const r1::ptx::Fault& fault) {
            std::fprintf(stderr, "PTX: %s\n", fault.what());
            sticky = cudaErrorLaunchFailure;
        }
    }
    return sticky;
}

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void* binary) { return static_cast<void**>(binary); }
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*, int*) {
    names()[host] = name;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t, CUstream_st*) {
    configurations.push_back({grid, block});
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void*) {
    *grid = configurations.back().grid, *block = configurations.back().block, *shared = 0;
    configurations.pop_back();
    return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
    *kernel = cudaKernel_t(const_cast<void*>(host));
    return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void* host, dim3 grid, dim3 block, void** arguments, size_t, cudaStream_t) {
    const auto kernel = r1::ptx::kernels().at(names().at(host));
    std::vector<std::byte> parameters(r1::ptx::parameter_bytes(*kernel));
    r1::ptx::place_parameters(*kernel, arguments, parameters.data());
    return enqueue([kernel, grid, block, parameters] {
        r1::ptx::run(*kernel, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, parameters.data(), allocations);
    });
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                               cudaStream_t stream) {
    return cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}

cudaError_t cudaMalloc(void** p, size_t bytes) {
    if (sticky != cudaSuccess) return sticky;
    if (bytes > CAPACITY - used) return cudaErrorMemoryAllocation;
    *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(*p, 0xff, bytes);  // NaN: memory of a GPU is not zero
    allocations[uintptr_t(*p)] = bytes;
    used += bytes;
    return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
    if (p) {
        used -= allocations.at(uintptr_t(p));
        allocations.erase(uintptr_t(p));
        std::free(p);
    }
    return sticky;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    *free = CAPACITY - used, *total = CAPACITY;
    return sticky;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
    if (recording && kind != cudaMemcpyDeviceToDevice) return cudaErrorStreamCaptureUnsupported;
    return enqueue([=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t) {
    return enqueue([=] { std::memset(p, value, bytes); });
}
cudaError_t cudaStreamQuery(cudaStream_t) { return sticky; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return recording ? cudaErrorStreamCaptureUnsupported : sticky; }
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
    if (recording) return cudaErrorIllegalState;
    recording = new std::vector<Work>;
    return sticky;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
    *graph = reinterpret_cast<cudaGraph_t>(recording);
    recording = nullptr;
    return sticky;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph, unsigned long long) {
    *ready = reinterpret_cast<cudaGraphExec_t>(graph);
    return sticky;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t ready, cudaStream_t) {
    for (const Work& work : *reinterpret_cast<std::vector<Work>*>(ready)) enqueue(work);
    return sticky;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return sticky; }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete reinterpret_cast<std::vector<Work>*>(graph);
    return sticky;
}

cudaError_t cudaDriverGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
    *count = 1;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
    std::memset(static_cast<void*>(p), 0, sizeof *p);
    std::strcpy(p->name, "PTX on the CPU");
    p->totalGlobalMem = CAPACITY, p->major = 9;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    *stream = nullptr;
    return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorLaunchFailure ? "a kernel failed" : "another error";
}
cudaError_t cudaGetLastError() { return sticky; }

}  // extern "C"
