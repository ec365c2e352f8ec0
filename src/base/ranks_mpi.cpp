// Ranks by MPI. Of its library only what starts and ends, sends and receives is called.
#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/ranks.h"

#ifdef R1_MPI
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <chrono>
#include <cstring>
#include <thread>
#endif

namespace r1 {

constexpr const char* STARTED[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};

// How many ranks mpirun, or srun, says that there are; 1 if neither started this program.
static int ranks_started() {
    for (const char* name : STARTED)
        if (const char* count = std::getenv(name)) return std::max(1, std::atoi(count));
    return 1;
}

#ifndef R1_MPI

Ranks start_ranks() {
    if (ranks_started() > 1)
        throw UsageError("started as " + std::to_string(ranks_started()) +
                         " ranks by a build without MPI, on the command line, install libopenmpi-dev and build anew");
    return {};
}
void leave_ranks() {}

#else

namespace {

constexpr size_t MOST_BYTES = size_t(1) << 30;  // of a message, whose length is an int

struct Message {
    MPI_Request request;
    int with;  // a rank
};

void check(int status, const char* call) {
    if (status != MPI_SUCCESS) fail(std::string(call) + " failed", "MPI", "see what it printed above");
}

// Waits until all messages are through. The core is given to whoever needs it meanwhile.
void wait_for(std::vector<Message>& messages) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    for (int looks = 0; !messages.empty(); ++looks) {
        std::erase_if(messages, [](Message& m) {
            int done = 0;
            check(MPI_Test(&m.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
            return done != 0;
        });
        const double waited = std::chrono::duration<double>(Clock::now() - begin).count();
        if (!messages.empty() && waited > rank_seconds())
            fail("rank " + std::to_string(messages[0].with) + " has said nothing for " +
                     std::to_string(int64_t(rank_seconds())) + " seconds",
                 "--rank-seconds",
                 "see whether its machine works; what was last saved stands, and --resume goes on from it");
        if (looks > 200) std::this_thread::sleep_for(std::chrono::microseconds(waited < 0.1 ? 20 : 200));
        else std::this_thread::yield();
    }
}

void exchange(int me, const Ranks::Out& out, const Ranks::In& in) {
    std::vector<Message> messages;
    const auto pieces = [](size_t bytes, const auto& with) {
        for (size_t at = 0; at < bytes; at += MOST_BYTES) with(at, int(std::min(MOST_BYTES, bytes - at)));
    };
    const int count = int(out.size());
    for (int r = 0; r < count; ++r) {
        const auto from = in[size_t(r)];
        if (r == me) continue;
        pieces(from.size(), [&](size_t at, int bytes) {
            Message& m = messages.emplace_back(Message{MPI_REQUEST_NULL, r});
            check(MPI_Irecv(from.data() + at, bytes, MPI_BYTE, r, 0, MPI_COMM_WORLD, &m.request), "MPI_Irecv");
        });
    }
    for (int r = 0; r < count; ++r) {
        const auto to = out[size_t(r)];
        if (r == me) {
            if (!to.empty()) std::memcpy(in[size_t(r)].data(), to.data(), to.size());
            continue;
        }
        pieces(to.size(), [&](size_t at, int bytes) {
            Message& m = messages.emplace_back(Message{MPI_REQUEST_NULL, r});
            check(MPI_Isend(to.data() + at, bytes, MPI_BYTE, r, 0, MPI_COMM_WORLD, &m.request), "MPI_Isend");
        });
    }
    wait_for(messages);
}

}  // namespace

Ranks start_ranks() {
    Ranks ranks;
    if (ranks_started() == 1) return ranks;
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &ranks.rank), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &ranks.count), "MPI_Comm_size");
    if (ranks.count != ranks_started())
        throw UsageError(
            "an MPI of another kind than what started this program, on the command line, start it with "
            "Open MPI's mpirun, or with srun --mpi=pmix");
    const auto number = [](const char* name, int otherwise) {
        const char* const text = std::getenv(name);
        return text ? std::atoi(text) : otherwise;
    };
    ranks.on_this_machine = std::max(1, number("OMPI_COMM_WORLD_LOCAL_SIZE", 1));
    ranks.local_rank = std::max(0, number("OMPI_COMM_WORLD_LOCAL_RANK", number("SLURM_LOCALID", 0)));
    // The programs that are started from here, graders' and users' own, are no ranks.
    for (const char* name : STARTED) unsetenv(name);
    ranks.exchange = [me = ranks.rank](const Ranks::Out& out, const Ranks::In& in) { exchange(me, out, in); };
    return ranks;
}

void leave_ranks() {
    int begun = 0, ended = 0;
    MPI_Initialized(&begun);
    MPI_Finalized(&ended);
    if (begun && !ended) MPI_Finalize();
}

#endif

}  // namespace r1
