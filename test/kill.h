// A process killed at each of its system calls in turn, by ptrace: what a crash at any point leaves on the disk.
#pragma once
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace r1 {

// For k = 1, 2, ...: prepare(), act() in a child that is killed before its k-th system call takes effect, check(); at last
// once more with a child that ends by itself. Returns how often it was killed; 0 where ptrace is not allowed.
inline int killed_at_every_call(const std::function<void()>& prepare, const std::function<void()>& act, const std::function<void()>& check) {
    for (int k = 1;; ++k) {
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
        for (int stops = 0; WIFSTOPPED(status); ++stops) {       // a stop before and a stop after each call
            if (stops == 2 * k - 1) kill(child, SIGKILL);
            else ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
            waitpid(child, &status, 0);
        }
        REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
        check();
        if (WIFEXITED(status)) return k - 1;
    }
}

}  // namespace r1
