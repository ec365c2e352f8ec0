// A process killed at each of its system calls in turn, by ptrace: what a crash at any point leaves on the disk.
#pragma once
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace r1 {

using SystemCall = __ptrace_syscall_info;

// It may change a file other than the three that every process has.
inline bool changes_files(const SystemCall& call) {
    switch (call.entry.nr) {
        case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_ftruncate: case SYS_fsync: case SYS_fdatasync:
            return call.entry.args[0] > 2;
        case SYS_openat: return call.entry.args[2] & (O_CREAT | O_WRONLY | O_RDWR);
        case SYS_renameat: case SYS_renameat2: case SYS_unlinkat: case SYS_mkdirat: return true;
#ifdef SYS_rename  // not on ARM
        case SYS_rename: case SYS_unlink: case SYS_mkdir: return true;
#endif
        default: return false;
    }
}

// A child that runs act() and stops at each of its system calls, or 0 where ptrace is not allowed. `status` is for waitpid.
inline pid_t traced(const std::function<void()>& act, int& status) {
    const pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(77);
        raise(SIGSTOP);
        try {
            act();
        } catch (...) {
            _exit(1);
        }
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) return 0;
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD);  // without it the kernel does not tell which call
    return child;
}

// Whether the child stands before a system call, which is then in `call`.
inline bool before_call(pid_t child, SystemCall& call) {
    return ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof call, &call) > 0 && call.op == PTRACE_SYSCALL_INFO_ENTRY;
}

// LLVM's OpenMP keeps a file of shared memory for each process, which a killed one leaves behind. If it was killed
// before the file had its size, the next process of that number would crash as it begins.
inline void forget_openmp(pid_t killed) {
    unlink(("/dev/shm/__KMP_REGISTERED_LIB_" + std::to_string(killed) + "_" + std::to_string(getuid())).c_str());
}

// How often a child that runs act() opens a file whose path ends so; -1 where ptrace is not allowed.
inline int opens_of(const std::string& ending, const std::function<void()>& act) {
    int status = 0, opens = 0;
    const pid_t child = traced(act, status);
    if (child == 0) return -1;
    for (; WIFSTOPPED(status); waitpid(child, &status, 0)) {
        SystemCall call;
        if (before_call(child, call) && call.entry.nr == SYS_openat) {
            std::string path;
            for (uint64_t at = call.entry.args[1]; path.size() < 4096; ++at) {
                const char c = char(ptrace(PTRACE_PEEKDATA, child, at, nullptr));
                if (c == 0) break;
                path += c;
            }
            opens += path.ends_with(ending);
        }
        ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    }
    REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return opens;
}

// For k = 1, 1 + step, ...: prepare(), act() in a child that is killed before the k-th of its system calls that count takes
// effect, check(); at last once more with a child that ends by itself. Returns how often it was killed; 0 where ptrace is
// not allowed.
inline int killed_at_every_call(const std::function<void()>& prepare, const std::function<void()>& act,
                                const std::function<void()>& check,
                                const std::function<bool(const SystemCall&)>& counts = [](const SystemCall&) { return true; },
                                int step = 1) {
    for (int k = 1, kills = 0;; k += step, ++kills) {
        prepare();
        int status = 0;
        const pid_t child = traced(act, status);
        if (child == 0) return 0;
        for (int calls = 0; WIFSTOPPED(status); waitpid(child, &status, 0)) {  // a stop before and a stop after each call
            SystemCall call;
            if (before_call(child, call) && counts(call) && ++calls == k) kill(child, SIGKILL);
            else ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        }
        forget_openmp(child);
        REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
        check();
        if (WIFEXITED(status)) return kills;
    }
}

}  // namespace r1
