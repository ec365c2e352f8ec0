// What ranks on GPUs send each other, from memory to memory, by NCCL. Of its library only what starts, sends and
// receives is called: its sums have an order of their own. It is looked for when it is needed, so that a machine
// without it loses nothing else; R1_NCCL names another file than the system's.
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <nccl.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/check.h"
#include "base/ranks.h"

namespace r1 {

cudaStream_t cuda_stream();  // of ops_cuda.cu

namespace {

struct Library {
    decltype(&ncclGetUniqueId) get_unique_id;
    decltype(&ncclCommInitRank) init_rank;
    decltype(&ncclGroupStart) group_start;
    decltype(&ncclGroupEnd) group_end;
    decltype(&ncclSend) send;
    decltype(&ncclRecv) receive;
    decltype(&ncclCommGetAsyncError) async_error;
    decltype(&ncclGetErrorString) error_string;
};

template <class Function>
void find(void* library, Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (!function) fail("an NCCL without " + std::string(name), "libnccl.so.2", "install NCCL 2.14 or newer");
}

const Library& library() {
    static const Library all = [] {
        const char* const given = std::getenv("R1_NCCL");
        void* const file = dlopen(given ? given : "libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
        if (!file)
            fail("several ranks on GPUs, and no NCCL", dlerror(), "install it, or use --device cpu or one rank");
        Library found{};
        find(file, found.get_unique_id, "ncclGetUniqueId");
        find(file, found.init_rank, "ncclCommInitRank");
        find(file, found.group_start, "ncclGroupStart");
        find(file, found.group_end, "ncclGroupEnd");
        find(file, found.send, "ncclSend");
        find(file, found.receive, "ncclRecv");
        find(file, found.async_error, "ncclCommGetAsyncError");
        find(file, found.error_string, "ncclGetErrorString");
        return found;
    }();
    return all;
}

void check(ncclResult_t result, const char* call) {
    if (result != ncclSuccess && result != ncclInProgress)
        fail(std::string("another rank's GPU does not answer: ") + library().error_string(result), call,
             "see whether its machine works; what was last saved stands, and --resume goes on from it");
}

ncclComm_t communicator() {
    static const ncclComm_t all = [] {
        ncclUniqueId id{};
        const std::string bytes = done_by_first([&](Packer& packer) {
            check(library().get_unique_id(&id), "ncclGetUniqueId");
            packer.add(id);
        });
        Unpacker(bytes).take(id);
        ncclComm_t made = nullptr;
        check(library().init_rank(&made, ranks().count, id, ranks().rank), "ncclCommInitRank");
        return made;
    }();
    return all;
}

// Until all that was asked for is done. NCCL itself would wait for a dead rank for ever.
void wait_for_stream() {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    while (true) {
        const cudaError_t state = cudaStreamQuery(cuda_stream());
        if (state == cudaSuccess) return;
        if (state != cudaErrorNotReady) check(ncclUnhandledCudaError, "cudaStreamQuery");
        ncclResult_t result = ncclSuccess;
        check(library().async_error(communicator(), &result), "ncclCommGetAsyncError");
        check(result, "an exchange");
        if (std::chrono::duration<double>(Clock::now() - begin).count() > rank_seconds())
            check(ncclRemoteError, "--rank-seconds");
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
}

}  // namespace

void exchange_on_gpus(const Ranks::Out& out, const Ranks::In& in) {
    const ncclComm_t all = communicator();
    gather("");  // a rank that does not come is named here
    check(library().group_start(), "ncclGroupStart");
    for (size_t r = 0; r < out.size(); ++r) {
        const int peer = int(r);
        if (peer == ranks().rank) continue;
        if (!out[r].empty())
            check(library().send(out[r].data(), out[r].size(), ncclInt8, peer, all, cuda_stream()), "ncclSend");
        if (!in[r].empty())
            check(library().receive(in[r].data(), in[r].size(), ncclInt8, peer, all, cuda_stream()), "ncclRecv");
    }
    check(library().group_end(), "ncclGroupEnd");
    wait_for_stream();
}

}  // namespace r1
