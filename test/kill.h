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

// For k = 1, 1 + step, ...: prepare(), act() in a child that is killed before the k-th of its system calls that count takes
// effect, check(); at last once more with a child that ends by itself. Returns how often it was killed; 0 where ptrace is
// not allowed.
inline int killed_at_every_call(const std::function<void()>& prepare, const std::function<void()>& act,
                                const std::function<void()>& check,
                                const std::function<bool(const SystemCall&)>& counts = [](const SystemCall&) { return true; },
                                int step = 1) {
    for (int k = 1, kills = 0;; k += step, ++kills) {
        prepare();
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
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFEXITED(status)) return 0;
        ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD);  // without it the kernel does not tell which call
        for (int calls = 0; WIFSTOPPED(status); waitpid(child, &status, 0)) {  // a stop before and a stop after each call
            SystemCall call;
            const bool asked = ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof call, &call) > 0;
            if (asked && call.op == PTRACE_SYSCALL_INFO_ENTRY && counts(call) && ++calls == k) kill(child, SIGKILL);
            else ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        }
        REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
        check();
        if (WIFEXITED(status)) return kills;
    }
}

}  // namespace r1
