// NCCL for machines without a GPU: the calls of cuda/nccl.cpp by their names, between processes whose interpreted GPUs'
// memory is their own, over sockets. R1_NCCL names the library that this becomes.
#include <cuda_runtime.h>
#include <nccl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

struct ncclComm {
    std::vector<int> sockets;  // to each rank
    struct Message {
        int peer;
        char* bytes;
        size_t size;
        bool sends;
    };
    std::vector<Message> group;
};

namespace {

thread_local ncclComm* grouped = nullptr;

sockaddr_un address_of(const ncclUniqueId& id, int rank) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%.80s.%d", id.internal, rank);
    return address;
}

bool transfer(int socket, char* bytes, size_t size, bool sends) {
    while (size > 0) {
        const ssize_t n = sends ? send(socket, bytes, size, MSG_NOSIGNAL) : recv(socket, bytes, size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        size -= size_t(n);
    }
    return true;
}

int connect_to(const ncclUniqueId& id, int rank, int me) {
    const sockaddr_un address = address_of(id, rank);
    for (int tries = 0; tries < 2000; ++tries) {
        const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            int said = me;
            return transfer(made, reinterpret_cast<char*>(&said), sizeof said, true) ? made : -1;
        }
        close(made);
        usleep(5000);
    }
    return -1;
}

}  // namespace

extern "C" {

const char* ncclGetErrorString(ncclResult_t result) {
    return result == ncclSuccess ? "no error" : result == ncclRemoteError ? "remote process exited" : "an error";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
    std::snprintf(id->internal, sizeof id->internal, "/tmp/r1-nccl-%d", int(getpid()));
    return ncclSuccess;
}

// Each rank listens, connects to those before it, and is connected to by those behind it.
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int count, ncclUniqueId id, int rank) {
    const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(id, rank);
    unlink(address.sun_path);
    if (bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listening, 64) != 0)
        return ncclSystemError;
    *comm = new ncclComm;
    (*comm)->sockets.assign(size_t(count), -1);
    for (int peer = 0; peer < rank; ++peer) (*comm)->sockets[size_t(peer)] = connect_to(id, peer, rank);
    for (int peer = rank + 1; peer < count; ++peer) {
        const int made = accept(listening, nullptr, nullptr);
        int who = 0;
        if (!transfer(made, reinterpret_cast<char*>(&who), sizeof who, false)) return ncclSystemError;
        (*comm)->sockets[size_t(who)] = made;
    }
    close(listening);
    unlink(address.sun_path);
    return ncclSuccess;
}

ncclResult_t ncclGroupStart() { return ncclSuccess; }

ncclResult_t ncclSend(const void* bytes, size_t size, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t) {
    if (type != ncclInt8) return ncclInvalidArgument;
    comm->group.push_back({peer, static_cast<char*>(const_cast<void*>(bytes)), size, true});
    grouped = comm;
    return ncclSuccess;
}

ncclResult_t ncclRecv(void* bytes, size_t size, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t) {
    if (type != ncclInt8) return ncclInvalidArgument;
    comm->group.push_back({peer, static_cast<char*>(bytes), size, false});
    grouped = comm;
    return ncclSuccess;
}

// All at once, as in NCCL: neither waits for the other.
ncclResult_t ncclGroupEnd() {
    if (!grouped) return ncclSuccess;
    ncclComm& comm = *grouped;
    std::vector<char> fine(comm.group.size(), 0);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < comm.group.size(); ++i)
        threads.emplace_back([&, i] {
            const ncclComm::Message& m = comm.group[i];
            fine[i] = transfer(comm.sockets[size_t(m.peer)], m.bytes, m.size, m.sends);
        });
    for (std::thread& thread : threads) thread.join();
    comm.group.clear();
    grouped = nullptr;
    for (const char each : fine)
        if (!each) return ncclRemoteError;
    return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* result) {
    *result = ncclSuccess;
    return ncclSuccess;
}

}  // extern "C"
