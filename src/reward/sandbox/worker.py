# The worker of one slot, inside its bubblewrap jail: a warm interpreter that never runs a program itself and never
# reads one. For each program it forks a supervisor, which reads the program and its inputs from the channel (fd 3) and,
# for each input, forks a candidate in namespaces of its own. What a candidate can find in its memory is this file, its
# own program and its own inputs. Expected outputs never come here.
import _sitebuiltins, atexit, builtins, collections, ctypes, fcntl, functools, gc, heapq, io, itertools, json, math, os
import random, re, resource, select, signal, socket, struct, sys, threading, time

CHANNEL = 3
libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x20000, 0x8000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 2, 4, 8, 32, 0x4000, 0x40000, 2
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 24, 38, 47
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446


def check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, what + ": " + os.strerror(error))
    return result


class Filter(ctypes.Structure):  # struct sock_fprog
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def receive(n):
    parts = []
    while n > 0:
        part = os.read(CHANNEL, min(n, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def receive_frame():
    return receive(struct.unpack("<I", receive(4))[0])


def send(data):
    view = memoryview(data)
    while view:
        view = view[os.write(CHANNEL, view):]


def send_result(result, out=b"", err=b""):
    result["stdout_bytes"], result["stderr_bytes"] = len(out), len(err)
    head = json.dumps(result).encode()
    send(struct.pack("<I", len(head)) + head + out + err)


# ---- what holds a candidate: nothing here may fail, or the program is not run

def restrict_files(landlock):
    """Landlock: reading and running under the system's folders, writing under /tmp, no TCP, no signals outwards."""
    if landlock < 1:
        return
    files = {1: 0x1fff, 2: 0x3fff, 3: 0x7fff, 4: 0x7fff}.get(landlock, 0xffff)
    attribute = struct.pack("<QQQ", files, 3 if landlock >= 4 else 0, 3 if landlock >= 6 else 0)
    size = 24 if landlock >= 6 else 16 if landlock >= 4 else 8
    rules = check(libc.syscall(LANDLOCK_CREATE, attribute, size, 0), "landlock")
    execute, write_file, read_file, read_dir = 1, 2, 4, 8
    made = files & ~(execute | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11)  # no devices, sockets or pipes among the files
    for path, allowed in ((b"/usr", execute | read_file | read_dir), (b"/etc", read_file | read_dir), (b"/tmp", made),
                          (b"/dev/null", read_file | write_file), (b"/dev/zero", read_file),
                          (b"/dev/urandom", read_file), (b"/input/stdin", read_file)):
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        check(libc.syscall(LANDLOCK_ADD, rules, 1, struct.pack("<Qi", allowed & files, fd), 0), "landlock rule")
        os.close(fd)
    check(libc.syscall(LANDLOCK_RESTRICT, rules, 0), "landlock")
    os.close(rules)


def drop_everything(job, limits):
    for name, soft in limits.items():
        resource.setrlimit(name, (soft, soft))
    check(libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0), "ambient capabilities")
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    check(libc.capset(struct.pack("<II", 0x20080522, 0), bytes(24)), "capset")
    check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    restrict_files(job["landlock"])
    program = Filter(len(seccomp) // 8, seccomp)
    check(libc.prctl(PR_SET_SECCOMP, 2, ctypes.addressof(program), 0, 0), "seccomp")


def memory_of(job, compiling):
    """Bytes that a program may hold, and that it may reserve. What it held at most is asked when it has ended, so that the
    verdict does not hang on the moment at which somebody looked; the second only bounds it."""
    held = (960 if compiling else job["memory_mb"]) << 20
    return held, held + (64 << 20)


def cpu_of(job, compiling):
    """Seconds that a program may compute, and after how many it is stopped: one that ends between the two is run again
    alone, since a busy machine makes the same program up to twice as slow."""
    allowed = 10 if compiling else job["cpu_seconds"]
    return allowed, 2 * allowed


def limits_of(job, compiling):
    cpu = max(1, math.ceil(cpu_of(job, compiling)[1]))
    memory = memory_of(job, compiling)[1]
    return {resource.RLIMIT_CPU: cpu, resource.RLIMIT_AS: memory, resource.RLIMIT_DATA: memory,
            resource.RLIMIT_FSIZE: 64 << 20, resource.RLIMIT_NOFILE: 64, resource.RLIMIT_NPROC: job["processes"],
            resource.RLIMIT_CORE: 0, resource.RLIMIT_STACK: 64 << 20, resource.RLIMIT_MSGQUEUE: 0,
            resource.RLIMIT_MEMLOCK: 0, resource.RLIMIT_NICE: 0, resource.RLIMIT_RTPRIO: 0, resource.RLIMIT_SIGPENDING: 64}


# ---- the candidate

NOT_EXECUTABLE = b"not executable: "


def be_candidate(job, fds, setup, command, source, compiling):
    """In the child: never returns."""
    try:
        for to, fd in enumerate(fds):
            os.dup2(fd, to)
        os.dup2(setup, 3)
        if isinstance(command, int):
            command = os.dup2(command, 4, inheritable=False)
        os.closerange(5 if command else 4, 1024)
        os.setsid()
        os.chdir("/tmp")
        signal.set_wakeup_fd(-1)
        os.environ.clear()
        fcntl.fcntl(3, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        drop_everything(job, limits_of(job, compiling))
    except BaseException as error:
        os.write(3, str(error).encode()[:400] or b"error")
        os._exit(125)
    if command:
        try:
            if compiling:
                os.execve(command[0], command, {"PATH": "/usr/bin", "LC_ALL": "C", "TMPDIR": "/tmp"})
            os.execve(command, ["program"], {})
        except BaseException as error:  # of the program it is a verdict: it is no file that can be executed
            os.write(3, (b"" if compiling else NOT_EXECUTABLE) + str(error).encode()[:400])
            os._exit(125)
    os.close(3)
    run_python(source)


def run_python(source):
    with open("/tmp/program.py", "wb") as file:  # tracebacks quote it
        file.write(source)
    sys.argv = ["/tmp/program.py"]
    sys.stdin = open(0, "r", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as Python has them
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    random.seed(0)
    gc.enable()
    main = type(sys)("__main__")
    main.__dict__.update(__builtins__=__builtins__, __file__="/tmp/program.py")
    sys.modules["__main__"] = main
    code = 0
    try:
        exec(compile(source, "/tmp/program.py", "exec"), main.__dict__)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if code == 1 and not isinstance(stop.code, int):
            print(stop.code, file=sys.stderr)
    except BaseException:
        code = 1
        try:
            kind, value, trace = sys.exc_info()
            sys.excepthook(kind, value.with_traceback(trace.tb_next), trace.tb_next)
        except BaseException:
            pass
    os._exit(finished(main, code) & 255)


def finished(main, code):
    """The exit status, after all that Python does at the end of a program: threads and pools are waited for, functions of
    atexit called, streams and forgotten files written out."""
    for step in (threading._shutdown, atexit._run_exitfuncs, main.__dict__.clear, gc.collect):
        try:
            step()
        except BaseException:
            sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException:
            code = code or 120
    return code


def be_init(report, candidate):
    """Process 1 of the candidate's namespace: with it everything ends. Its signals have their defaults, so that those
    from inside do not reach it, and it holds nothing but `report`. It waits for everybody: all times are counted."""
    try:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        child = os.fork()
        if child == 0:
            candidate()
        os.closerange(0, report)
        os.closerange(report + 1, 1024)
        while True:
            pid, status = os.wait()
            if pid == child:
                os.write(report, struct.pack("<i", status))
                os.kill(-1, signal.SIGKILL)
    except BaseException:  # there is nobody left to wait for, or to kill
        while True:
            try:
                os.wait()
            except BaseException:
                os._exit(0)


# ---- the supervisor

class Processes:
    """What the processes of this slot hold and used that the supervisor did not find there, by /proc."""

    def __init__(self):
        self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.known = set(self.ids("."))

    def ids(self, path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.proc)
        except OSError:
            return []
        try:
            return [name for name in os.listdir(fd) if name.isdigit()]
        except OSError:
            return []
        finally:
            os.close(fd)

    def read(self, path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
        except OSError:
            return b""
        try:
            return os.read(fd, 4096)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def candidates(self, init):
        return [pid for pid in self.ids(".") if pid not in self.known and int(pid) != init]

    def held_bytes(self, init):
        """Memory that several hold is shared out among them."""
        total = 0
        for pid in self.candidates(init):
            fields = self.read(pid + "/smaps_rollup").split()
            if b"Pss:" in fields:
                total += int(fields[fields.index(b"Pss:") + 1]) << 10
            else:
                fields = self.read(pid + "/statm").split()
                total += int(fields[1]) * 4096 if len(fields) > 1 else 0
        return total

    def times(self, init):
        """Seconds that all threads computed, those that have ended included; that the living ones waited for a
        processor; and how many live."""
        fields = self.read("%d/stat" % init).rpartition(b")")[2].split()
        used = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK") if len(fields) > 14 else 0.0
        waited, threads = 0.0, 0
        for pid in self.candidates(init):
            fields = self.read(pid + "/stat").rpartition(b")")[2].split()
            used += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if len(fields) > 14 else 0.0
            for thread in self.ids(pid + "/task"):
                fields = self.read(pid + "/task/" + thread + "/schedstat").split()
                waited += int(fields[1]) / 1e9 if len(fields) > 1 else 0.0
                threads += 1
        return used, waited, threads


def sealed(data, processes):
    """A file in memory that nobody can write any more."""
    fd = os.memfd_create("input", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]
    fcntl.fcntl(fd, 1033, 15)  # F_ADD_SEALS: seal, shrink, grow, write
    to_read = os.open("self/fd/%d" % fd, os.O_RDONLY | os.O_CLOEXEC, dir_fd=processes.proc)
    os.close(fd)
    return to_read


def new_namespaces(own_pid_namespace):
    check(libc.setns(own_pid_namespace, CLONE_NEWPID), "setns")
    check(libc.unshare(CLONE_NEWPID | CLONE_NEWIPC), "namespaces")


def new_input(data):
    """The file /input/stdin on a disk of its own that can only be read, and a descriptor of it."""
    libc.umount2(b"/input", MNT_DETACH)
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    size = b"size=%dk,nr_inodes=8,mode=0755" % (len(data) // 1024 + 64)
    check(libc.mount(b"tmpfs", b"/input", b"tmpfs", flags, size), "/input")
    with open("/input/stdin", "wb") as file:
        file.write(data)
    check(libc.mount(None, b"/input", None, MS_REMOUNT | MS_RDONLY | flags, size), "/input to be read")
    return os.open("/input/stdin", os.O_RDONLY | os.O_CLOEXEC)


def new_tmp(megabytes):
    libc.umount2(b"/tmp", MNT_DETACH)
    options = b"size=%dm,nr_inodes=1024,mode=0700" % megabytes
    check(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options), "/tmp")


def run(job, processes, data, command, source, compiling=False):
    """One candidate to its end: (result, stdout, stderr)."""
    stdin = new_input(data)
    (out, out_end), (err, err_end), (setup, setup_end), (report, report_end) = os.pipe(), os.pipe(), os.pipe(), os.pipe()
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        be_init(report_end, lambda: be_candidate(job, (stdin, out_end, err_end), setup_end, command, source, compiling))
    for fd in (stdin, out_end, err_end, setup_end, report_end):
        os.close(fd)
    wall = begin + (60 if compiling else job["wall_seconds"])
    held = memory_of(job, compiling)[0]
    allowed, stopped = cpu_of(job, compiling)
    most_threads = 1
    status, parts, left = None, {out: [], err: []}, job["output_bytes"]
    pid_fd = os.pidfd_open(child)
    watched = select.poll()
    for fd in (out, err, pid_fd):
        watched.register(fd, select.POLLIN)
    pause, ended = 0.02, False
    while not ended and status is None:
        for fd, event in watched.poll(max(0.0, min(pause, wall - time.monotonic())) * 1000):
            if fd == pid_fd:
                ended = True
                continue
            part = os.read(fd, 1 << 16)
            if not part:
                watched.unregister(fd)
                continue
            parts[fd].append(part)
            left -= len(part)
            if left < 0:
                status = "output"
        if ended or status:
            break
        used, waited, threads = processes.times(child)
        most_threads = max(most_threads, threads)
        if used > stopped:
            status = "time"
        elif time.monotonic() >= wall:
            # It slept or its own processes were in each other's way, or others had the processor. Alone, its threads
            # would have computed for at least their mean share of the time in which they wanted to.
            share = (waited + used) / most_threads
            starved = waited > 0.25 * (time.monotonic() - begin) and used < 0.75 * share
            status = "infrastructure" if starved else "time"
        elif processes.held_bytes(child) > held:
            status = "memory"
        pause = min(0.1, pause * 1.5)
    if not ended:
        os.kill(child, signal.SIGKILL)
    usage = os.wait4(child, 0)
    for fd in (out, err):  # what is still in the pipes; all writers are dead
        while left >= 0:
            part = os.read(fd, 1 << 16)
            if not part:
                break
            parts[fd].append(part)
            left -= len(part)
    if left < 0 and status is None:
        status = "output"
    fault, end = os.read(setup, 4096), os.read(report, 4)
    for fd in (out, err, setup, report, pid_fd):
        os.close(fd)
    cpu = usage[2].ru_utime + usage[2].ru_stime
    if not fault and not end and status is None:
        fault = b"process 1 of the jail was killed from outside"
    ended_by = os.waitstatus_to_exitcode(struct.unpack("<i", end)[0] if end else usage[1])
    result = {"exit_code": ended_by, "cpu_seconds": round(cpu, 4)}
    if fault.startswith(NOT_EXECUTABLE):
        return dict(result, status="refused"), b"", fault
    if fault:
        return dict(result, status="infrastructure", fault=fault.decode("ascii", "replace")), b"", b""
    if status is None:
        if cpu > allowed:
            status = "time"
            result["close"] = cpu <= stopped and ended_by not in (-signal.SIGXCPU, -signal.SIGKILL)
        elif ended_by == -signal.SIGXCPU:
            status = "time"
        elif usage[2].ru_maxrss * 1024 > held or (ended_by != 0 and out_of_memory(b"".join(parts[err][-2:]))):
            status = "memory"
        else:
            status = "killed" if ended_by < 0 else "ok"
    keep = job["output_bytes"]
    text = [b"".join(parts[fd])[:keep] for fd in (out, err)]
    return dict(result, status=status), text[0], text[1]


def out_of_memory(err):
    last = err.rstrip().rsplit(b"\n", 1)[-1]
    return last.startswith(b"MemoryError") or b"std::bad_alloc" in last


def supervise():
    job = json.loads(receive_frame())
    job["landlock"] = landlock
    source = receive_frame()
    processes = Processes()
    own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    check(libc.unshare(CLONE_NEWNS), "mount namespace")
    check(libc.umount2(b"/proc", MNT_DETACH), "umount /proc")
    program, refusal = None, None
    if job["language"] == "cpp":
        new_tmp(128)
        new_namespaces(own_pid_namespace)
        compiler = [b"/usr/bin/g++", b"-std=c++20", b"-O2", b"-pipe", b"-w", b"-x", b"c++", b"-", b"-o", b"/tmp/program"]
        result, out, err = run(job, processes, source, compiler, None, True)
        if result["status"] == "infrastructure":
            refusal = result, out, err
        elif result["status"] != "ok" or result["exit_code"] != 0:
            refusal = dict(result, status="compile"), out, err
        else:
            fd = os.open("/tmp/program", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            program = sealed(os.read(fd, 64 << 20), processes)
            os.close(fd)
    while True:
        frame = receive_frame()
        if frame == b"end":
            os._exit(0)
        number, _, data = frame.partition(b"\n")
        if not refusal:
            new_tmp(job["tmp_mb"])
            new_namespaces(own_pid_namespace)
        result, out, err = refusal or run(job, processes, data, program, source)
        send_result(dict(result, request=int(number)), out, err)


# ---- the worker

def main():
    global seccomp, landlock
    os.environ.clear()
    sys.path = [path for path in sys.path if path]
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    try:
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
    except OSError:
        pass  # the filter forbids them too
    seccomp = receive_frame()
    landlock = min(max(0, libc.syscall(LANDLOCK_CREATE, None, 0, 1)), json.loads(receive_frame()))
    send_result({"landlock": landlock, "python": sys.version.split()[0]})
    channel = socket.socket(fileno=os.dup(CHANNEL))
    gc.collect()
    gc.freeze()   # a collection in a child would write to, and so copy, every page
    gc.disable()
    while True:
        if not channel.recv(1, socket.MSG_PEEK):
            os._exit(0)
        supervisor = os.fork()
        if supervisor == 0:
            try:
                supervise()
            except BaseException as error:
                send_result({"status": "infrastructure", "exit_code": 0, "cpu_seconds": 0, "fault": str(error)})
                os._exit(1)
        if os.waitpid(supervisor, 0)[1] != 0:
            os._exit(1)  # the host starts another slot


main()
