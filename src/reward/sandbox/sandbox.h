// The sandbox: runs a program that nobody trusts, and says what it printed and how it ended.
//
// A slot is a bubblewrap jail with a warm Python interpreter in it (worker.py), entered only after the host's uid
// is not root. Each run is a process in namespaces of its own, under limits, Landlock and a list of permitted system
// calls; when it ends, everything that it started is dead. The README's section on it says what it does not stop.
//
//   host (r1)                    slot: a jail                          a run: namespaces of its own
//   drops to the slot's uid ---> worker, warm: forks a supervisor ---> candidate: limits, Landlock, seccomp, then the
//   compares the outputs    <--- supervisor: reads, kills, reports     program; /tmp is new, /proc and network are not
#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace r1 {

enum class Program { python, cpp };  // Python 3; C++20, compiled in the sandbox

struct SandboxLimits {  // of one run
    // Of all its processes together. One that ends with more, but less than twice that, is run again alone, twice at
    // most, and what it needs then decides: beside others the same program may be up to twice as slow.
    double cpu_seconds = 2;
    int memory_mb = 256;
    int output_kb = 1024;  // standard output and error together
    int tmp_mb = 16;
    int processes = 24;  // and threads
};

// ok            it ended by itself, with exit_code
// time          it used up its CPU time, or slept for five times that and two seconds
// memory        its processes together held more memory than they may (however it ended), or failed for want of it
// output        it printed more than it may
// killed        it died of a signal, -exit_code
// compile       it did not compile (err says why)
// refused       it is larger than 1 MiB, or what was compiled cannot be executed
// infrastructure  not its fault: the machine was too busy or the sandbox failed. Never a verdict; already tried again.
enum class SandboxStatus { ok, time, memory, output, killed, compile, refused, infrastructure };
const char* name_of(SandboxStatus status);

struct SandboxRun {
    SandboxStatus status = SandboxStatus::infrastructure;
    int exit_code = 0;
    std::string out, err;
    double cpu_seconds = 0;
};

// What holds a candidate on this machine.
struct SandboxLevel {
    bool usable = false;    // the stated minimum: a uid that is not root, namespaces, seccomp
    std::string missing;    // if not: what, and what to do
    int landlock = 0;       // version of its interface; 0: the kernel has none
    bool own_uids = false;  // each slot has one of its own (started as root)
    std::string python;     // version
};

class Sandbox {
public:
    // So many runs at a time; throws the level's `missing` where untrusted code cannot be run. Construct it on a thread
    // that lives as long as it does.
    explicit Sandbox(int slots = 1);
    ~Sandbox();
    // Runs the program on inputs[0], inputs[1], ..., each in a new process, until look(index, run) returns false. C++
    // is compiled once. On any thread; waits for a free slot.
    void run(Program language, const std::string& source, const std::vector<std::string>& inputs,
             const SandboxLimits& limits, const std::function<bool(int, const SandboxRun&)>& look);
    SandboxRun run(Program language, const std::string& source, const std::string& input, const SandboxLimits& limits);

    static SandboxLevel level();
    // The slots' users when root makes them: so many from here on, nobody else's and no other process's.
    static constexpr int MOST_SLOTS = 256;
    static unsigned first_uid();

private:
    struct Slot;
    bool run_fairly(Slot& slot, const std::string& input, SandboxRun& run);
    std::shared_mutex alone_;  // held by one that runs alone, shared by those beside each other
    std::mutex turn_;          // so that the first does not wait for ever
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<Slot*> free_;
    std::mutex mutex_;
    std::condition_variable freed_;
};

}  // namespace r1
