#include "reward/sandbox/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "base/files.h"

namespace r1 {

extern const char sandbox_worker[];  // worker.py, which runs inside the jail under /usr/bin/python3

const char* name_of(SandboxStatus status) {
    static const char* const names[] = {"ok",     "time",    "memory",  "output",
                                        "killed", "compile", "refused", "infrastructure"};
    return names[int(status)];
}

namespace {

constexpr size_t MOST_SOURCE = 1 << 20;

// ---- The system calls that a program may make; any other fails with EPERM. No sockets, no namespaces, no mounts, no
// tracing, no keys, no rings, no shared memory beside files under /tmp, no locks on files that others read too.
// clang-format off
const char* const permitted[] = {
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek", "sendfile",
    "open", "openat", "openat2", "creat", "close", "close_range", "dup", "dup2", "dup3", "pipe", "pipe2",
    "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2", "getdents",
    "getdents64", "readlink", "readlinkat", "getcwd", "chdir", "fchdir", "umask",
    "truncate", "ftruncate", "fallocate", "fadvise64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "mkdir",
    "mkdirat", "rmdir", "unlink", "unlinkat", "link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat",
    "utime", "utimes", "futimesat", "utimensat",
    "mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "msync", "mincore", "membarrier",
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "eventfd", "eventfd2",
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "arch_prctl", "restart_syscall",
    "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "kill", "tkill", "tgkill",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigpending", "rt_sigtimedwait", "sigaltstack",
    "pause", "alarm", "setitimer", "getitimer", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
    "gettimeofday", "time", "times",
    "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "getpgid",
    "getpgrp", "getsid", "setsid", "setpgid", "uname", "sysinfo", "getrusage", "getrlimit", "setrlimit", "getpriority",
    "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "getrandom", "getcpu",
};
// clang-format on

// The filter as the kernel takes it: an array of instructions of 8 bytes.
std::string seccomp_filter() {
    const auto good = [](int result) {
        if (result < 0)
            fail("no seccomp filter could be made", "the sandbox",
                 "report this: " + std::string(std::strerror(-result)));
    };
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) fail("no seccomp filter could be made", "the sandbox", "libseccomp refused");
    const auto number = [](const char* name) { return seccomp_syscall_resolve_name(name); };
    const auto allow_if = [&](const char* name, const scmp_arg_cmp& condition) {
        good(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number(name), 1, &condition));
    };
    for (const char* name : permitted)
        if (number(name) != __NR_SCMP_ERROR) good(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number(name), 0));
    // glibc falls back from clone3, whose flags no filter can see, to clone; new namespaces are not for it.
    good(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number("clone3"), 0));
    // Who ignored SIGCHLD would hide what its children computed.
    allow_if("rt_sigaction", {0, SCMP_CMP_NE, SIGCHLD, 0});
    allow_if("rt_sigaction", {1, SCMP_CMP_EQ, 0, 0});
    constexpr uint64_t namespaces = 0x7E020080;  // CLONE_NEWUSER, PID, NET, IPC, UTS, CGROUP, NS, TIME
    allow_if("clone", {0, SCMP_CMP_MASKED_EQ, namespaces, 0});
    allow_if("prlimit64", {0, SCMP_CMP_EQ, 0, 0});
    for (const uint64_t option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_SECCOMP, PR_CAPBSET_READ,
                                  PR_GET_NO_NEW_PRIVS, 0x53564d41 /* PR_SET_VMA: names of memory */})
        allow_if("prctl", {0, SCMP_CMP_EQ, option, 0});
    for (const uint64_t request : {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX})
        allow_if("ioctl", {1, SCMP_CMP_MASKED_EQ, 0xffffffff, request});
    for (const uint64_t command :
         {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, 1032 /* F_GETPIPE_SZ */})
        allow_if("fcntl", {1, SCMP_CMP_EQ, command, 0});
    int ends[2];
    if (pipe(ends) != 0) fail("no pipe", "the sandbox", std::strerror(errno));
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 18);
    good(seccomp_export_bpf(filter, ends[1]));
    close(ends[1]);
    std::string bytes;
    char part[4096];
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) bytes.append(part, size_t(n));
    close(ends[0]);
    seccomp_release(filter);
    return bytes;
}

// The jail: the system's programs and libraries to read, a few devices, and nothing else of the host.
std::vector<std::string> jail_command() {
    std::vector<std::string> command = {"/usr/bin/bwrap",
                                        "--unshare-user",
                                        "--unshare-ipc",
                                        "--unshare-pid",
                                        "--unshare-net",
                                        "--unshare-uts",
                                        "--unshare-cgroup-try",
                                        "--uid",
                                        "1000",
                                        "--gid",
                                        "1000",
                                        "--hostname",
                                        "sandbox",
                                        "--die-with-parent",
                                        "--new-session",
                                        "--clearenv",
                                        "--setenv",
                                        "PYTHONHASHSEED",
                                        "0",
                                        "--setenv",
                                        "PYTHONDONTWRITEBYTECODE",
                                        "1",
                                        "--cap-add",
                                        "CAP_SYS_ADMIN",
                                        "--cap-add",
                                        "CAP_SETPCAP",
                                        "--cap-add",
                                        "CAP_SYS_RESOURCE",
                                        "--cap-add",
                                        "CAP_SYS_PTRACE",  // the supervisor reads how much memory is held
                                        "--ro-bind",
                                        "/usr",
                                        "/usr",
                                        "--symlink",
                                        "usr/bin",
                                        "/bin",
                                        "--symlink",
                                        "usr/lib",
                                        "/lib",
                                        "--symlink",
                                        "usr/lib64",
                                        "/lib64",
                                        "--dir",
                                        "/etc",
                                        "--ro-bind-try",
                                        "/etc/ld.so.cache",
                                        "/etc/ld.so.cache",
                                        "--ro-bind-try",
                                        "/etc/alternatives",
                                        "/etc/alternatives",
                                        "--dir",
                                        "/tmp",
                                        "--dir",
                                        "/input",
                                        "--proc",
                                        "/proc"};
    for (const char* device : {"/dev/null", "/dev/zero", "/dev/urandom"})
        command.insert(command.end(), {"--dev-bind", device, device});
    command.insert(command.end(), {"--symlink", "/input/stdin", "/dev/stdin"});
    command.insert(command.end(), {"--remount-ro", "/", "--chdir", "/tmp", "--", "/usr/bin/python3", "-s", "-S", "-c",
                                   sandbox_worker});
    return command;
}

bool send_bytes(int fd, const void* data, size_t n) {
    for (const char* p = static_cast<const char*>(data); n > 0;) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        p += sent, n -= size_t(sent);
    }
    return true;
}
bool send_frame(int fd, const std::string& bytes) {
    const uint32_t n = uint32_t(bytes.size());
    return send_bytes(fd, &n, sizeof n) && send_bytes(fd, bytes.data(), bytes.size());
}
bool receive_bytes(int fd, void* data, size_t n) {
    for (char* p = static_cast<char*>(data); n > 0;) {
        const ssize_t got = recv(fd, p, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got, n -= size_t(got);
    }
    return true;
}

}  // namespace

// A jail with its worker; started when it is made, and again when it has died.
struct Sandbox::Slot {
    int index;
    pid_t pid = -1;
    int channel = -1, errors = -1;
    int64_t requests = 0;
    json hello;

    explicit Slot(int index) : index(index) {}
    ~Slot() { stop(); }

    void stop() {
        if (channel >= 0) close(channel);
        if (errors >= 0) close(errors);
        if (pid > 0) kill(pid, SIGKILL), waitpid(pid, nullptr, 0);
        channel = errors = -1, pid = -1;
    }

    // False, and why, if no jail could be made or its worker does not answer.
    bool start(std::string& why) {
        stop();
        static const std::string filter = seccomp_filter();
        const std::vector<std::string> command = jail_command();
        std::vector<char*> argv;
        for (const std::string& part : command) argv.push_back(const_cast<char*>(part.c_str()));
        argv.push_back(nullptr);
        char* environment[] = {nullptr};
        int ends[2], errors_ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 || pipe2(errors_ends, O_CLOEXEC) != 0) {
            why = std::strerror(errno);
            return false;
        }
        const bool root = geteuid() == 0;
        const uid_t own = first_uid() + uid_t(index);
        pid = fork();
        if (pid == 0) {  // only calls that are safe after a fork
            if (root &&
                (setgroups(0, nullptr) != 0 || setresgid(own, own, own) != 0 || setresuid(own, own, own) != 0)) {
                constexpr std::string_view why_not =
                    "this root may not become the slots' users, as inside a user namespace; start r1 as an ordinary "
                    "user";
                (void)!write(errors_ends[1], why_not.data(), why_not.size());
                _exit(126);
            }
            personality(ADDR_NO_RANDOMIZE);  // equal addresses in every run, where the kernel likes
            const int null = open("/dev/null", O_RDWR);
            if (null < 0 || dup2(ends[1], 3) < 0 || dup2(errors_ends[1], 2) < 0 || dup2(null, 0) < 0 ||
                dup2(null, 1) < 0)
                _exit(126);
            if (close_range(4, ~0u, 0) != 0) _exit(126);
            execve(argv[0], argv.data(), environment);
            _exit(127);
        }
        close(ends[1]), close(errors_ends[1]);
        channel = ends[0], errors = errors_ends[0];
        std::string out, err;
        const char* most = std::getenv("R1_LANDLOCK_AT_MOST");  // for tests: what an older kernel has
        if (pid > 0 && send_frame(channel, filter) &&
            send_frame(channel, most ? std::to_string(std::atoi(most)) : "99") && receive(hello, out, err))
            return true;
        char text[512];
        const ssize_t n = read(errors, text, sizeof text);
        why = n > 0 ? std::string(text, size_t(n)) : "the jail did not start";
        for (char& c : why) c = c == '\n' || c == '\r' ? ' ' : c;
        stop();
        return false;
    }

    // One answer of the worker: a line of JSON and two texts.
    bool receive(json& head, std::string& out, std::string& err) {
        uint32_t n = 0;
        if (!receive_bytes(channel, &n, sizeof n) || n > 1 << 16) return false;
        std::string text(n, '\0');
        if (!receive_bytes(channel, text.data(), n)) return false;
        head = json_of(text);
        if (!head.is_object()) return false;
        const auto size_of = [&](const char* key) {
            return std::min<size_t>(head.value(key, size_t(0)), size_t(1) << 30);
        };
        out.resize(size_of("stdout_bytes")), err.resize(size_of("stderr_bytes"));
        return receive_bytes(channel, out.data(), out.size()) && receive_bytes(channel, err.data(), err.size());
    }

    bool begin(Program language, const std::string& source, const SandboxLimits& limits, double patience) {
        const double wall = patience * (5 * limits.cpu_seconds + 2);
        const timeval longest = {time_t(3 * wall + 120), 0};  // compiling included; then the worker itself is stuck
        setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
        const json job = {{"language", language == Program::cpp ? "cpp" : "python"},
                          {"cpu_seconds", limits.cpu_seconds},
                          {"memory_mb", limits.memory_mb},
                          {"output_bytes", limits.output_kb << 10},
                          {"tmp_mb", limits.tmp_mb},
                          {"processes", limits.processes},
                          {"wall_seconds", wall}};
        return send_frame(channel, job.dump()) && send_frame(channel, source);
    }

    // close: it used up more CPU time than it may, but not so much more that it could not be the machine's fault.
    bool run(const std::string& input, SandboxRun& run, bool& close) {
        json head;
        const std::string number = std::to_string(++requests);
        if (!send_frame(channel, number + "\n" + input) || !receive(head, run.out, run.err)) return false;
        if (head.contains("request") && head["request"] != requests) return false;  // not the answer to this
        close = head.value("close", false);
        const std::string status = head.value("status", std::string("infrastructure"));
        for (int i = 0; i <= int(SandboxStatus::infrastructure); ++i)
            if (status == name_of(SandboxStatus(i))) run.status = SandboxStatus(i);
        run.exit_code = head.value("exit_code", 0), run.cpu_seconds = head.value("cpu_seconds", 0.0);
        if (head.contains("fault")) run.err = head["fault"].get<std::string>();
        return true;
    }
};

unsigned Sandbox::first_uid() { return 1000000000u + unsigned(getpid()) * MOST_SLOTS; }

SandboxLevel Sandbox::level() {
    SandboxLevel level;
    level.own_uids = geteuid() == 0;
    if (access("/usr/bin/bwrap", X_OK) != 0) {
        level.missing = "bubblewrap is not installed: apt-get install bubblewrap";
        return level;
    }
    if (access("/usr/bin/python3", X_OK) != 0) {
        level.missing = "/usr/bin/python3 is not there: apt-get install python3";
        return level;
    }
    Slot slot(0);
    std::string why;
    if (!slot.start(why)) {
        level.missing = "no jail could be made: " + why;
        if (why.find("this root") == std::string::npos) level.missing += "; ordinary users must be allowed namespaces";
        return level;
    }
    SandboxRun probe;  // a program that must run, and prints its own condition
    const std::string source =
        "import ctypes\nlibc = ctypes.CDLL(None)\nprint(libc.prctl(21, 0, 0, 0, 0), libc.prctl(39, 0, 0, 0, 0))\n";
    bool close = false;
    if (!slot.begin(Program::python, source, {}, 1) || !slot.run("", probe, close) ||
        probe.status != SandboxStatus::ok) {
        level.missing = "a jail was made, and no program could be run in it (" + probe.err + ")";
        return level;
    }
    if (probe.out != "2 1\n") {
        level.missing = "seccomp or no_new_privs is not in force: the kernel must have CONFIG_SECCOMP_FILTER";
        return level;
    }
    level.usable = true;
    level.landlock = slot.hello.value("landlock", 0), level.python = slot.hello.value("python", std::string());
    return level;
}

Sandbox::Sandbox(int slots) {
    static const SandboxLevel reached = level();
    if (!reached.usable) fail("untrusted programs cannot be run here", "the sandbox", reached.missing);
    if (slots < 1 || slots > MOST_SLOTS)
        fail("too many slots", "the sandbox", "use 1 to " + std::to_string(MOST_SLOTS) + " threads");
    for (int i = 0; i < slots; ++i) {
        slots_.push_back(std::make_unique<Slot>(i));
        std::string why;
        if (!slots_.back()->start(why)) fail("a slot did not start", "the sandbox", why);
        free_.push_back(slots_.back().get());
    }
}

Sandbox::~Sandbox() = default;

bool Sandbox::run_fairly(Slot& slot, const std::string& input, SandboxRun& run) {
    bool close = false;
    {
        std::unique_lock turn(turn_);
        std::shared_lock beside(alone_);
        turn.unlock();
        if (!slot.run(input, run, close)) return false;
    }
    constexpr int MORE = 2;
    for (int i = 0; i < MORE && close; ++i) {
        std::unique_lock turn(turn_);
        std::unique_lock alone(alone_);
        if (!slot.run(input, run, close)) return false;
    }
    return true;
}

void Sandbox::run(Program language, const std::string& source, const std::vector<std::string>& inputs,
                  const SandboxLimits& limits, const std::function<bool(int, const SandboxRun&)>& look) {
    if (source.size() > MOST_SOURCE) {
        SandboxRun refused;
        refused.status = SandboxStatus::refused, refused.err = "the program is longer than 1 MiB";
        for (int i = 0; i < int(inputs.size()) && look(i, refused); ++i) {}
        return;
    }
    const auto give_back = [this](Slot* slot) {
        std::lock_guard lock(mutex_);
        free_.push_back(slot);
        freed_.notify_one();
    };
    std::unique_ptr<Slot, decltype(give_back)> slot(nullptr, give_back);
    {
        std::unique_lock lock(mutex_);
        freed_.wait(lock, [&] { return !free_.empty(); });
        slot.reset(free_.back()), free_.pop_back();
    }
    // A failure that is not the program's: again, with more patience, and in a new jail if this one is gone.
    constexpr int TRIES = 4;
    int next = 0, tries = 0;
    bool more = true;
    for (double patience = 1; more && next < int(inputs.size()); patience *= 3) {
        std::string why;
        bool alive = slot->channel >= 0 || slot->start(why);
        alive = alive && slot->begin(language, source, limits, patience);
        try {
            while (alive && more && next < int(inputs.size())) {
                SandboxRun run;
                alive = run_fairly(*slot, inputs[next], run);
                if (!alive || (run.status == SandboxStatus::infrastructure && tries + 1 < TRIES)) break;
                more = look(next++, run), tries = 0;
            }
        } catch (...) {
            slot->stop();  // it is in the middle of a program
            throw;
        }
        if (!alive || !send_frame(slot->channel, "end")) slot->stop();
        if (!more || next == int(inputs.size())) break;
        if (++tries < TRIES) continue;
        SandboxRun failed;
        failed.err = why.empty() ? "the sandbox's worker died" : why;
        more = look(next++, failed), tries = 0;
    }
}

SandboxRun Sandbox::run(Program language, const std::string& source, const std::string& input,
                        const SandboxLimits& limits) {
    SandboxRun result;
    run(language, source, {input}, limits, [&](int, const SandboxRun& run) {
        result = run;
        return true;
    });
    return result;
}

}  // namespace r1
