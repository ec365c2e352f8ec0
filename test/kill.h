// A process watched at each of its system calls, by ptrace: killed there, refused there as a full or failing disk would
// refuse, or written down, so that a loss of power can be played through (power_loss.h).
#pragma once
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

namespace r1 {

using SystemCall = __ptrace_syscall_info;

// It may change a file other than the three that every process has.
inline bool changes_files(const SystemCall& call) {
    switch (call.entry.nr) {
        case SYS_write:
        case SYS_pwrite64:
        case SYS_writev:
        case SYS_ftruncate:
        case SYS_fsync:
        case SYS_fdatasync: return call.entry.args[0] > 2;
        case SYS_openat: return call.entry.args[2] & (O_CREAT | O_WRONLY | O_RDWR);
        case SYS_renameat:
        case SYS_renameat2:
        case SYS_unlinkat:
        case SYS_mkdirat:
        case SYS_truncate:
        case SYS_linkat: return true;
#ifdef SYS_rename  // not on ARM
        case SYS_rename:
        case SYS_unlink:
        case SYS_mkdir:
        case SYS_rmdir:
        case SYS_link: return true;
#endif
        default: return false;
    }
}

// LLVM's OpenMP keeps a file of shared memory for each process, which a killed one leaves behind. If it was killed
// before the file had its size, the next process of that number would crash as it begins.
inline void forget_openmp(pid_t killed) {
    unlink(("/dev/shm/__KMP_REGISTERED_LIB_" + std::to_string(killed) + "_" + std::to_string(getuid())).c_str());
}

// What becomes of a call: it is done, the process is killed before it, or it fails with an errno and does nothing.
constexpr int DO_CALL = 0, KILL_THERE = -1;

// What a watched process is asked and told of its main thread's calls. Before one: DO_CALL, KILL_THERE or an errno.
struct Watch {
    std::function<int(pid_t child, const SystemCall& call)> before;
    std::function<void(pid_t child, const SystemCall& call, int64_t result)> after = {};
};

// Runs act() in a child under the watch. Returns the status of waitpid, or -1 where ptrace is not allowed.
inline int watched(const std::function<void()>& act, const Watch& watch) {
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
    int status = 0, fault = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) return -1;
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD);  // without it the kernel does not tell which call
    SystemCall call{};
    for (; WIFSTOPPED(status); waitpid(child, &status, 0)) {
        SystemCall now;
        const bool known = ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof now, &now) > 0;
        if (known && now.op == PTRACE_SYSCALL_INFO_ENTRY) {
            call = now;
            fault = watch.before(child, call);
            if (fault == KILL_THERE) {
                kill(child, SIGKILL);
                continue;
            }
#ifdef __x86_64__
            if (fault > 0) ptrace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, orig_rax), -1L);  // no such call
#endif
        } else if (known && now.op == PTRACE_SYSCALL_INFO_EXIT) {
#ifdef __x86_64__
            if (fault > 0) ptrace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, rax), long(-fault));
#endif
            if (watch.after && fault == 0) watch.after(child, call, now.exit.rval);
            fault = 0;
        }
        ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    }
    forget_openmp(child);
    return status;
}

// Text of the child's memory that ends with NUL.
inline std::string text_of(pid_t child, uint64_t at) {
    std::string text;
    for (; text.size() < 4096; ++at) {
        const char c = char(ptrace(PTRACE_PEEKDATA, child, at, nullptr));
        if (c == 0) break;
        text += c;
    }
    return text;
}

// Whether the call changes something in the folder.
inline bool changes_in(pid_t child, const SystemCall& call, const std::string& folder) {
    if (!changes_files(call)) return false;
    const auto of_descriptor = [&](uint64_t descriptor) {
        std::error_code error;
        const std::string link = "/proc/" + std::to_string(child) + "/fd/" + std::to_string(int(descriptor));
        return std::filesystem::read_symlink(link, error).string();
    };
    std::string path;
    switch (call.entry.nr) {
        case SYS_write:
        case SYS_pwrite64:
        case SYS_writev:
        case SYS_ftruncate:
        case SYS_fsync:
        case SYS_fdatasync: path = of_descriptor(call.entry.args[0]); break;
        case SYS_openat:
        case SYS_renameat:
        case SYS_renameat2:
        case SYS_unlinkat:
        case SYS_mkdirat:
        case SYS_linkat:
            path = text_of(child, call.entry.args[1]);
            if (!path.starts_with("/")) path = of_descriptor(call.entry.args[0]) + "/" + path;
            break;
        default: path = text_of(child, call.entry.args[0]);
    }
    return path.starts_with(folder);
}

// How often a child that runs act() opens a file whose path ends so; -1 where ptrace is not allowed.
inline int opens_of(const std::string& ending, const std::function<void()>& act) {
    int opens = 0;
    const int status = watched(act, {[&](pid_t child, const SystemCall& call) {
                                   if (call.entry.nr == SYS_openat)
                                       opens += text_of(child, call.entry.args[1]).ends_with(ending);
                                   return DO_CALL;
                               }});
    if (status == -1) return -1;
    REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return opens;
}

// For k = 1, 1 + step, ...: prepare(), act() in a child whose k-th of the calls that count becomes `fate`, check(status);
// at last once more with a child that is left alone. onwards: that call and all later ones. Returns how often it met its
// fate; 0 where ptrace is not allowed.
inline int at_every_call(int fate, const std::function<void()>& prepare, const std::function<void()>& act,
                         const std::function<void(int status)>& check,
                         const std::function<bool(pid_t child, const SystemCall&)>& counts, int step,
                         bool onwards = false) {
    for (int k = 1, times = 0;; k += step, ++times) {
        prepare();
        int calls = 0;
        bool met = false;
        const int status = watched(act, {[&](pid_t child, const SystemCall& call) {
                                       if (!counts(child, call) || ++calls < k || (met && !onwards)) return DO_CALL;
                                       met = true;
                                       return fate;
                                   }});
        if (status == -1) return 0;
        check(status);
        if (!met) return times;
    }
}

// The same with a child that is killed there; one that is left alone must end well.
inline int killed_at_every_call(
    const std::function<void()>& prepare, const std::function<void()>& act, const std::function<void()>& check,
    const std::function<bool(const SystemCall&)>& counts = [](const SystemCall&) { return true; }, int step = 1) {
    return at_every_call(
        KILL_THERE, prepare, act,
        [&](int status) {
        REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
        check();
        },
        [&](pid_t, const SystemCall& call) { return counts(call); }, step);
}

}  // namespace r1
