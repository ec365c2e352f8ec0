// What is said of a GPU that is not there, too old, full or lost: cuda/runtime.cuh, with the answers of test/no_gpu.
#define cuda cuda_without_gpu  // not the one that nvcc compiled, which is in the same program
#include "no_gpu/cuda_runtime.h"

#include "cuda/runtime.cuh"
#undef cuda

#include <doctest/doctest.h>

using namespace r1;

namespace {

std::string opened(int driver, cudaError_t error, std::vector<cudaDeviceProp> devices) {
    no_gpu::driver = driver, no_gpu::count_error = error, no_gpu::devices = std::move(devices), no_gpu::chosen = -1;
    std::string about;
    const bool usable = cuda_without_gpu::open(about);
    CHECK(usable == (no_gpu::chosen >= 0 && no_gpu::chosen != no_gpu::busy));
    return about;
}

template <class Work>
std::string refusal(const Work& work) {
    try {
        work();
    } catch (const Error& e) {
        return e.what();
    }
    return "none";
}

constexpr size_t GIB = size_t(1) << 30;

}  // namespace

TEST_CASE("GPU: which one, or why none") {
    CHECK(opened(0, cudaSuccess, {}) == "no NVIDIA driver here");
    CHECK(opened(11040, cudaErrorInsufficientDriver, {}) == "the NVIDIA driver is too old for this build's CUDA 12.3");
    CHECK(opened(12040, cudaErrorNoDevice, {}) == "no NVIDIA GPU here");
    CHECK(opened(12040, cudaSuccess, {}) == "no NVIDIA GPU here");
    CHECK(opened(12040, cudaErrorDevicesUnavailable, {}) == "CUDA-capable device(s) is/are busy or unavailable");
    CHECK(opened(12040, cudaSuccess, {{"T4", 15 * GIB, 7, 5}}) ==
          "T4, 15360 MiB, is too old: its compute capability is 7.5, and the kernels need 8.0");
    CHECK(no_gpu::chosen == -1);
    CHECK(opened(12040, cudaSuccess, {{"T4", 15 * GIB, 7, 5}, {"A100", 40 * GIB, 8, 0}}) == "A100, 40960 MiB");
    CHECK(no_gpu::chosen == 1);
    no_gpu::busy = 0;
    CHECK(opened(12040, cudaSuccess, {{"A100", 40 * GIB, 8, 0}}) ==
          "A100, 40960 MiB, cannot be used: CUDA-capable device(s) is/are busy or unavailable");
    CHECK(opened(12040, cudaSuccess, {{"A100", 40 * GIB, 8, 0}, {"H100", 80 * GIB, 9, 0}}) == "H100, 81920 MiB");
    no_gpu::busy = -1;
}

TEST_CASE("GPU: out of memory says how much was wanted, and how much there is") {
    no_gpu::free_memory = 3 * GIB, no_gpu::total_memory = 24 * GIB;
    CHECK(refusal([] { cuda_without_gpu::memory.allocate(3 * GIB); }) == "none");
    CHECK(refusal([] { cuda_without_gpu::memory.allocate(5 * GIB); }) ==
          "out of GPU memory, 5120 MiB more were wanted, 3072 of 24576 MiB are free, "
          "lower --micro-rows or --slots, end what else uses the GPU, or use --device cpu");
}

TEST_CASE("GPU: lost in the middle of the work, one line from whatever asks for it next") {
    const std::string want = "the GPU stopped: an illegal memory access was encountered, in the middle of the work, go on from the "
                             "last saved state with --resume, or use --device cpu";
    char host[8];
    const std::vector<std::function<void()>> asks = {
        [] { cuda_without_gpu::memory.allocate(8); },
        [&] { cuda_without_gpu::memory.download(host, nullptr, sizeof host); },
        [] { cuda_without_gpu::memory.zero(nullptr, 8); },
        [] { cuda_without_gpu::repeat(2, [] {}); },
    };
    for (const auto& ask : asks) CHECK(refusal(ask) == "none");
    no_gpu::of_work = cudaErrorIllegalAddress;
    for (const auto& ask : asks) CHECK(refusal(ask) == want);
    CHECK(refusal([] { cuda_without_gpu::memory.release(nullptr); }) == "none");  // on the way out
    no_gpu::of_work = cudaSuccess;
}
