#!/usr/bin/python3
"""Escape probes, run inside the sandbox as the candidate program.

Each probe tries one thing that a candidate must not be able to do, in a form that does no harm where it succeeds
(signal 0, an open without a write, arguments that are refused only after the permission check, own child processes).
One JSON line per probe: {"probe": name, "category": c, "through": true|false, "detail": "..."}; through: it succeeded.
The last line is the probe "end": without it the run is not to be believed.  Its detail counts what could not be run.

Categories "surface" (a system call that should be filtered reached the kernel) and "covert" (a channel between runs,
or a fact about the host) are no breach in themselves; every other category is.

What only the harness knows comes as lines kind=value on standard input, or as arguments:
  path=/tmp/x   a host path that must not exist inside     abstract=name  an abstract socket listened on outside
  unix=/path    a socket path listened on outside          port=N         a TCP port listened on at the host's loopback
  pid=N         a host process                             hostname=name  the host's name
  shmkey=N      a System V shared memory key of the host   mq=name        a POSIX message queue of the host
"""
import os


def open_descriptors():
    found = []
    for fd in range(3, 65536):
        try:
            os.fstat(fd)
        except OSError:
            continue
        try:
            found.append("%d: %s" % (fd, os.readlink("/proc/self/fd/%d" % fd)))
        except OSError:
            found.append("%d: mode %o" % (fd, os.fstat(fd).st_mode))
    return found


AT_START = open_descriptors()  # before the imports below open anything

import errno  # noqa: E402
import fcntl  # noqa: E402
import json  # noqa: E402
import mmap  # noqa: E402
import platform  # noqa: E402
import resource  # noqa: E402
import select  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import stat  # noqa: E402
import struct  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

try:
    import ctypes
    LIBC = ctypes.CDLL(None, use_errno=True)
    LIBC.syscall.restype = ctypes.c_long
except Exception:  # no ctypes here: the probes that need it count as not run
    ctypes = LIBC = None

MARKERS = ["/tmp/r1-sandbox-marker", "/home", "/root/.bash_history", "/root/.ssh", "/root/.profile"]  # host paths
X86_64 = platform.machine() == "x86_64" and struct.calcsize("P") == 8
MAIN, PARENT = os.getpid(), os.getppid()
LIMIT = 2           # seconds for one probe
BUDGET = 8.5        # seconds for all of them
PROBES = []         # (name, category, function, flags)
HINTS = {}
WORK = None         # a writable directory of our own, or None


class NotRun(Exception):
    pass


def probe(name, category, *flags):
    """flags: inline (must run in the main process), late (changes the process), deadly (only in a child)"""
    def add(function):
        PROBES.append((name, category, function, flags))
        return function
    return add


def table(category, rows, *flags):
    """rows: (name, function of no arguments)"""
    for name, function in rows:
        probe(name, category, *flags)(function)


NR = {
    "shmget": 29, "shmctl": 31, "socket": 41, "socketpair": 53, "clone": 56, "semget": 64, "semctl": 66, "msgget": 68,
    "msgctl": 71, "getcwd": 79, "ptrace": 101, "syslog": 103, "capget": 125, "rt_sigqueueinfo": 129, "uselib": 134,
    "personality": 135, "modify_ldt": 154, "pivot_root": 155, "_sysctl": 156, "prctl": 157, "adjtimex": 159,
    "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
    "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
    "delete_module": 176, "quotactl": 179, "tkill": 200, "lookup_dcookie": 212, "clock_settime": 227, "tgkill": 234,
    "mq_open": 240, "mq_unlink": 241, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
    "ioprio_set": 251, "inotify_init": 253, "inotify_add_watch": 254, "migrate_pages": 256, "unshare": 272,
    "get_robust_list": 274, "move_pages": 279, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
    "kcmp": 312, "finit_module": 313, "seccomp": 317, "memfd_create": 319, "kexec_file_load": 320, "bpf": 321,
    "userfaultfd": 323, "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "landlock_create_ruleset": 444,
    "memfd_secret": 447, "statmount": 457, "listmount": 458,
}
DENIED = (errno.EPERM, errno.EACCES, errno.ENOSYS)


def need_raw():
    if not X86_64:
        raise NotRun("not this machine")
    if LIBC is None:
        raise NotRun("no ctypes")


def raw(call, *args):
    """(result, errno) of a system call by name or number"""
    need_raw()
    number = NR[call] if isinstance(call, str) else call
    words = []
    for a in args:
        words.append(ctypes.c_long(a) if isinstance(a, int) else ctypes.c_void_p(0) if a is None else a)
    ctypes.set_errno(0)
    result = LIBC.syscall(ctypes.c_long(number), *words)
    return result, ctypes.get_errno() if result == -1 else 0


def named(e):
    return errno.errorcode.get(e, str(e))


def works(call, *args):
    """through where the call succeeds"""
    result, e = raw(call, *args)
    return result >= 0, "returned %d" % result if result >= 0 else named(e)


def reaches(call, *args):
    """through where the call got past every permission check: it succeeds, or fails for its arguments alone"""
    result, e = raw(call, *args)
    if result >= 0:
        return True, "returned %d" % result
    return e not in DENIED, named(e) + ("" if e in DENIED else ": past the permission check")


def each(rows):
    """(through for any, joined details) of (label, function)"""
    through, said = False, []
    for label, function in rows:
        try:
            t, d = function()
        except OSError as error:
            t, d = False, named(error.errno)
        through = through or t
        said.append("%s%s %s" % ("THROUGH " if t else "", label, d))
    said.sort(key=lambda one: not one.startswith("THROUGH"))  # first what got through: the detail may be cut
    return through, "; ".join(said) or "nothing to try"


def child(function):
    """runs function in a child that ends by itself; its process id"""
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LIMIT)
            function()
        finally:
            os._exit(0)
    return pid


def end_child(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
    os.waitpid(pid, 0)


def peers():
    """the processes that are not ours: the parent, process 1, and those the harness named"""
    out = []
    for p in [PARENT, 1] + [int(v) for v in HINTS.get("pid", [])]:
        if p > 0 and p != MAIN and p not in out:
            out.append(p)
    return out


def own(path):
    """whether path is a thing of this run: the work directory or the program itself"""
    here = os.path.realpath(path)
    mine = [os.path.realpath(sys.argv[0])] + ([os.path.realpath(WORK)] if WORK else [])
    return here in mine


def read_path(path, size=256):
    """through where a directory lists something that is not ours, or a file gives at least one byte"""
    if stat.S_ISDIR(os.stat(path).st_mode):
        names = [n for n in sorted(os.listdir(path)) if not own(os.path.join(path, n))]
        return bool(names), "%d entries: %s" % (len(names), " ".join(names[:6])) if names else "empty"
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        data = os.read(fd, size)
    finally:
        os.close(fd)
    return bool(data), "%d bytes" % len(data)


def open_path(path, flags):
    """through where the open succeeds; nothing is read or written"""
    try:
        os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.ETXTBSY:  # asked only after permission was granted
            return True, "ETXTBSY: past the permission check"
        raise
    return True, "opened"


# ---- files of the host ----------------------------------------------------------------------------------------------
table("files", [("read:" + p, lambda p=p: read_path(p)) for p in (
    "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf",
    "/etc/machine-id", "/etc/fstab", "/etc/environment", "/root", "/home", "/work", "/sys", "/boot", "/var/log",
    "/var/lib", "/var/tmp", "/run", "/srv", "/opt", "/mnt", "/media", "/run/secrets", "/dev/kmsg",
    "/proc/kcore", "/proc/1/environ", "/proc/1/root", "/proc/1/cwd", "/proc/1/maps",
    "/proc/1/fd", "/proc/1/cmdline", "/proc/keys", "/dev/mqueue", "/lost+found", "/.dockerenv")])


@probe("etc-passwd-accounts", "files")
def _():
    with open("/etc/passwd") as f:
        lines = [line.split(":")[0] for line in f if line.strip()]
    return len(lines) > 3, "%d accounts: %s" % (len(lines), " ".join(lines[:6]))


@probe("host-markers", "files")
def _():
    found = [p for p in MARKERS + HINTS.get("path", []) if os.path.lexists(p)]
    return bool(found), " ".join(found) or "none of %d" % len(MARKERS + HINTS.get("path", []))


@probe("tmp-contents", "files")
def _():
    return each([(p, lambda p=p: read_path(p)) for p in ("/tmp", "/dev/shm", "/var/tmp") if os.path.isdir(p)])


@probe("block-devices", "files")
def _():
    found = []
    for name in os.listdir("/dev"):
        try:
            if stat.S_ISBLK(os.stat("/dev/" + name).st_mode):
                found.append(name)
        except OSError:
            pass
    return bool(found), " ".join(sorted(found)[:8]) or "none"


@probe("extra-devices", "files")
def _():
    usual = set("null zero full random urandom tty fd stdin stdout stderr shm pts ptmx core console mqueue".split())
    extra = sorted(set(os.listdir("/dev")) - usual)
    return bool(extra), " ".join(extra[:12]) or "none"


# opened only: a read here could take something away from the host
table("files", [("open:" + p, lambda p=p: open_path(p, os.O_RDONLY)) for p in ("/dev/mem", "/dev/port", "/proc/kmsg")])
table("files", [("device:" + p, lambda p=p: open_path(p, os.O_RDWR)) for p in (
    "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/vhost-vsock", "/dev/userfaultfd",
    "/dev/nvidiactl", "/dev/dri/card0", "/dev/rtc0", "/dev/console", "/dev/uinput", "/dev/hpet", "/dev/cuse")])


@probe("cwd-outside-root", "files")
def _():
    if LIBC is not None and X86_64:
        buffer = ctypes.create_string_buffer(4096)
        raw("getcwd", buffer, 4096)
        if buffer.value.startswith(b"(unreachable)"):
            return True, buffer.value.decode("latin-1")
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(64):
        above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        same = os.path.samestat(os.fstat(above), os.fstat(fd))
        os.close(fd)
        fd = above
        if same:
            break
    inside = os.path.samestat(os.fstat(fd), os.stat("/"))
    return not inside, "the top above the current directory is %s" % ("/" if inside else "not /")


@probe("disk-mounted-writable", "files")
def _():
    disk = "ext2 ext3 ext4 xfs btrfs overlay zfs 9p nfs nfs4 virtiofs fuse f2fs vfat".split()
    found = []
    with open("/proc/self/mountinfo") as f:
        for line in f:
            left, right = line.rstrip("\n").split(" - ", 1)
            options = left.split()[5].split(",")
            if right.split()[0] in disk and "rw" in options:
                found.append(left.split()[4])
    return bool(found), " ".join(found[:8]) or "none"


@probe("mounted-without-nosuid", "files")
def _():
    found = []
    with open("/proc/self/mountinfo") as f:
        for line in f:
            words = line.split()
            if "nosuid" not in words[5].split(","):
                found.append(words[4])
    return bool(found), " ".join(found[:8]) or "none"


# ---- the environment and other processes ----------------------------------------------------------------------------
@probe("environment-in-proc", "env")
def _():
    with open("/proc/self/environ", "rb") as f:
        names = [v.split(b"=")[0].decode("latin-1") for v in f.read().split(b"\0") if v]
    return bool(names), " ".join(names[:12]) or "empty"


@probe("environment-variables", "env")
def _():
    plain = {"LC_CTYPE", "LANG", "PATH", "PWD", "HOME", "TMPDIR"}
    names = sorted(set(os.environ) - plain)
    return bool(names), " ".join(names[:12]) or "none"


@probe("processes-in-proc", "process")
def _():
    mine = {MAIN, os.getpid(), 1}
    others = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in mine:
            try:
                with open("/proc/%s/comm" % name) as f:
                    others.append(name + "=" + f.read().strip())
            except OSError:
                others.append(name)
    return bool(others), "%d others: %s" % (len(others), " ".join(others[:6]))


@probe("proc-of-parent", "process")
def _():
    rows = []
    for p in peers():
        for leaf in ("environ", "root", "cwd", "maps", "fd"):
            rows.append(("%d/%s" % (p, leaf), lambda p=p, leaf=leaf: read_path("/proc/%d/%s" % (p, leaf))))
    return each(rows)


@probe("memory-of-parent", "process")
def _():
    return each([("%d" % p, lambda p=p: open_path("/proc/%d/mem" % p, os.O_RDWR)) for p in peers()])


@probe("program-of-parent-for-writing", "process")
def _():
    rows = [("self", lambda: open_path("/proc/self/exe", os.O_WRONLY))]
    rows += [("%d" % p, lambda p=p: open_path("/proc/%d/exe" % p, os.O_WRONLY)) for p in peers()]
    return each(rows)


@probe("limits-of-parent", "process")
def _():
    def one(p):
        return True, "open files %s" % (resource.prlimit(p, resource.RLIMIT_NOFILE),)
    return each([("%d" % p, lambda p=p: one(p)) for p in peers()])


@probe("schedule-parent", "process")
def _():
    def nice(p):
        os.setpriority(os.PRIO_PROCESS, p, os.getpriority(os.PRIO_PROCESS, p))  # the value it has
        return True, "priority set"

    def cores(p):
        os.sched_setaffinity(p, os.sched_getaffinity(p))
        return True, "cores set"
    return each([("%d nice" % p, lambda p=p: nice(p)) for p in peers()] +
                [("%d cores" % p, lambda p=p: cores(p)) for p in peers()])


# ---- signals (0 throughout: permission is checked, nothing is delivered) ---------------------------------------------
def kill0(p):
    os.kill(p, 0)
    return True, "may be signalled"


probe("kill-parent", "signal")(lambda: kill0(PARENT) if PARENT > 0 else (False, "parent not in this namespace"))
probe("kill-process-1", "signal")(lambda: kill0(1) if MAIN != 1 else (False, "process 1 is this program"))
probe("kill-named", "signal")(lambda: each([(v, lambda v=v: kill0(int(v))) for v in HINTS.get("pid", [])]))


@probe("kill-everyone", "signal", "inline")  # inline: a child could signal the main process
def _():
    os.kill(-1, 0)
    return True, "there are others beside process 1 (this succeeds even where none of them may be signalled)"


@probe("kill-scan", "signal")
def _():
    os.kill(os.getpid(), 0)
    mine, may, seen = {MAIN, os.getpid()}, [], 0
    for p in range(1, 65536):
        if p in mine:
            continue
        try:
            os.kill(p, 0)
            may.append(p)
        except PermissionError:
            seen += 1
        except OSError:
            pass
    return bool(may), "%d may be signalled %s, %d more exist" % (len(may), may[:6], seen)


@probe("kill-shared-group", "signal", "inline")
def _():
    group = os.getpgrp()
    if group == 0:
        return True, "the group's leader is outside this process namespace: kill(0, s) reaches it"
    if group in (MAIN, 1):
        return False, "a group of its own (%d)" % group
    return kill0(group)


@probe("session-shared", "tty", "inline")
def _():
    session = os.getsid(0)
    return session not in (MAIN, 1), "session %d, process %d" % (session, MAIN)


@probe("tgkill-parent", "signal")
def _():
    return each([("%d" % p, lambda p=p: works("tgkill", p, p, 0)) for p in peers()])


@probe("tkill-parent", "signal")
def _():
    return each([("%d" % p, lambda p=p: works("tkill", p, 0)) for p in peers()])


@probe("rt_sigqueueinfo-parent", "signal")
def _():
    need_raw()
    info = ctypes.create_string_buffer(struct.pack("iii", 0, 0, -1), 128)  # si_code SI_QUEUE
    return each([("%d" % p, lambda p=p: works("rt_sigqueueinfo", p, 0, info)) for p in peers()])


@probe("pidfd-parent", "signal")
def _():
    def one(p):
        fd, e = raw("pidfd_open", p, 0)
        if fd < 0:
            return False, named(e)
        return each([("send_signal", lambda: works("pidfd_send_signal", fd, 0, None, 0)),
                     ("getfd", lambda: works("pidfd_getfd", fd, 0, 0)),
                     ("setns", lambda: works("setns", fd, 0x20000)),
                     ("madvise", lambda: works("process_madvise", fd, None, 0, 20, 0))])
    return each([("%d" % p, lambda p=p: one(p)) for p in peers()])


# ---- sockets --------------------------------------------------------------------------------------------------------
FAMILIES = {"unix": 1, "inet": 2, "ax25": 3, "ipx": 4, "appletalk": 5, "inet6": 10, "key": 15, "netlink": 16,
            "packet": 17, "rds": 21, "can": 29, "tipc": 30, "bluetooth": 31, "rxrpc": 33, "alg": 38, "nfc": 39,
            "vsock": 40, "kcm": 41, "qipcrtr": 42, "smc": 43, "xdp": 44, "mctp": 45}
KINDS = (1, 2, 3, 5)  # stream, datagram, raw, sequenced packets
PROTOCOLS = {15: 2, 29: 1, 43: 0}


def sockets(families):
    made, last = [], 0
    for family in families:
        for kind in KINDS:
            fd, e = raw("socket", family, kind | 0x80000, PROTOCOLS.get(family, 0))
            if fd >= 0:
                made.append("%d/%d" % (family, kind))
                os.close(fd)
            else:
                last = e
    return bool(made), "family/type %s" % " ".join(made) if made else named(last)


table("socket", [("socket:" + n, lambda f=f: sockets([f])) for n, f in FAMILIES.items()])
probe("socket:others", "socket")(lambda: sockets([f for f in range(0, 64) if f not in FAMILIES.values()]))


@probe("socket-family-high-bits", "socket")
def _():
    def one(family):
        fd, e = raw("socket", family | 1 << 32, 2 | 1 << 32, 0)  # the kernel takes 32 bits; a filter may compare 64
        return fd >= 0, "made" if fd >= 0 else named(e)
    return each([(n, lambda f=f: one(f)) for n, f in (("unix", 1), ("inet", 2), ("netlink", 16))])


def pairs(families):
    need_raw()
    made, last = [], 0
    for family in families:
        for kind in KINDS:
            both = (ctypes.c_int * 2)()
            result, e = raw("socketpair", family, kind, 0, both)
            if result == 0:
                made.append("%d/%d" % (family, kind))
                os.close(both[0])
                os.close(both[1])
            else:
                last = e
    return bool(made), "family/type %s" % " ".join(made) if made else named(last)


probe("socketpair:unix", "socket")(lambda: pairs([1]))
probe("socketpair:others", "socket")(lambda: pairs([f for f in range(0, 46) if f != 1]))


def connect(family, kind, address):
    import socket
    with socket.socket(family, kind) as s:
        s.settimeout(0.5)
        s.connect(address)
    return True, "connected"


def listed_abstract():
    try:
        with open("/proc/net/unix") as f:
            names = [line.split()[-1][1:] for line in f if line.split()[-1].startswith("@")]
    except OSError:
        return []
    return names[:10]


@probe("abstract-socket-of-host", "socket")
def _():
    names = HINTS.get("abstract", []) + listed_abstract()
    return each([(n, lambda n=n: connect(1, 1, "\0" + n)) for n in names])


@probe("socket-path-of-host", "socket")
def _():
    paths = HINTS.get("unix", []) + ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
                                     "/run/dbus/system_bus_socket", "/run/systemd/journal/socket", "/dev/log",
                                     "/run/systemd/private", "/run/nscd/socket"]
    return each([(p, lambda p=p, k=k: connect(1, k, p)) for p in paths if os.path.lexists(p) for k in (1, 2)])


@probe("loopback-port-of-host", "socket")
def _():
    return each([(v, lambda v=v: connect(2, 1, ("127.0.0.1", int(v)))) for v in HINTS.get("port", [])])


@probe("loopback-works", "socket")
def _():
    import socket
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        return connect(2, 1, server.getsockname())


@probe("route-outward", "socket")
def _():
    # connecting a datagram socket looks a route up and sends nothing; both are addresses for documentation
    return each([("v4", lambda: connect(2, 2, ("192.0.2.1", 9))), ("v6", lambda: connect(10, 2, ("2001:db8::1", 9)))])


@probe("network-interfaces", "socket")
def _():
    with open("/proc/net/dev") as f:
        names = [line.split(":")[0].strip() for line in f if ":" in line]
    names = [n for n in names if n not in ("lo", "sit0", "tunl0", "ip6tnl0")]
    return bool(names), " ".join(names[:8]) or "none"


@probe("network-tables", "socket")
def _():
    def rows(path):
        with open(path) as f:
            n = len(f.readlines()) - 1
        return n > 0, "%d rows" % n
    return each([(p, lambda p=p: rows("/proc/net/" + p)) for p in ("tcp", "udp", "unix", "route", "arp")])


# ---- tracing and memory of other processes --------------------------------------------------------------------------
probe("ptrace-traceme", "ptrace", "late")(lambda: works("ptrace", 0, 0, None, None))


@probe("ptrace-own-child", "ptrace")
def _():
    need_raw()
    pid = child(lambda: time.sleep(LIMIT))
    try:
        return each([("seize", lambda: works("ptrace", 0x4206, pid, None, None)),
                     ("attach", lambda: works("ptrace", 16, pid, None, None))])
    finally:
        end_child(pid)


@probe("ptrace-parent", "ptrace")
def _():
    # a seized process runs on, and is let go when this child ends
    return each([("%d" % p, lambda p=p: works("ptrace", 0x4206, p, None, None)) for p in peers()])


def vm(call, p, address):
    local = ctypes.create_string_buffer(8)
    mine, theirs = (ctypes.c_size_t * 2)(ctypes.addressof(local), 8), (ctypes.c_size_t * 2)(address, 8)
    result, e = raw(call, p, mine, 1, theirs, 1, 0)
    return result >= 0 or e == errno.EFAULT, "returned %d" % result if result >= 0 else named(e)


def vm_everywhere(call):
    need_raw()
    target = ctypes.create_string_buffer(8)
    rows = [("self", lambda: vm(call, os.getpid(), ctypes.addressof(target)))]
    # address 4096 is never mapped: EFAULT there says that access was granted and nothing was touched
    return each(rows + [("%d" % p, lambda p=p: vm(call, p, 4096)) for p in peers()])


probe("process_vm_readv", "ptrace")(lambda: vm_everywhere("process_vm_readv"))
probe("process_vm_writev", "ptrace")(lambda: vm_everywhere("process_vm_writev"))


@probe("kcmp", "surface")
def _():
    me = os.getpid()
    return each([("self", lambda: works("kcmp", me, me, 2, 0, 0))] +
                [("%d" % p, lambda p=p: works("kcmp", me, p, 2, 0, 0)) for p in peers()])


@probe("pages-of-parent", "ptrace")
def _():
    need_raw()
    head, size = ctypes.c_void_p(), ctypes.c_size_t()
    rows = []
    for p in peers():
        rows.append(("%d move_pages" % p, lambda p=p: works("move_pages", p, 0, None, None, None, 0)))
        rows.append(("%d robust_list" % p, lambda p=p: works(
            "get_robust_list", p, ctypes.byref(head), ctypes.byref(size))))
    return each(rows)


@probe("pidfd-self", "surface")
def _():
    fd, e = raw("pidfd_open", os.getpid(), 0)
    if fd < 0:
        return False, named(e)
    return each([("open", lambda: (True, "")), ("getfd", lambda: works("pidfd_getfd", fd, 1, 0))])


# ---- system calls that a candidate has no use for -------------------------------------------------------------------
@probe("io_uring_setup", "syscall")
def _():
    need_raw()
    return works("io_uring_setup", 2, ctypes.create_string_buffer(256))


@probe("keyctl", "syscall")
def _():
    return reaches("keyctl", 0, -1, 0, 0, 0)  # the id of the thread keyring, which is not made for the asking


@probe("add_key", "syscall")
def _():
    return works("add_key", b"user", b"r1-probe", b"x", 1, -2)  # in a keyring that ends with this process


probe("request_key", "syscall")(lambda: reaches("request_key", b"user", b"r1-no-such-key", None, 0))
probe("userfaultfd", "syscall")(lambda: each([("user", lambda: works("userfaultfd", 0x80001)),
                                              ("kernel", lambda: works("userfaultfd", 0x80000))]))


@probe("bpf", "syscall")
def _():
    need_raw()
    attributes = ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1), 128)  # an array map of one entry
    # socket filter that returns 0; its licence
    code = ctypes.create_string_buffer(bytes([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]))
    licence = ctypes.create_string_buffer(b"GPL")
    load = ctypes.create_string_buffer(
        struct.pack("IIQQ", 1, 2, ctypes.addressof(code), ctypes.addressof(licence)), 128)
    return each([("map", lambda: works("bpf", 0, attributes, 72)), ("load", lambda: works("bpf", 5, load, 72))])


@probe("perf_event_open", "syscall")
def _():
    need_raw()
    # software, cpu clock, disabled, without kernel and hypervisor
    attributes = ctypes.create_string_buffer(struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, 0x61), 112)
    return works("perf_event_open", attributes, 0, -1, -1, 0)


@probe("seccomp-listener", "surface", "late")
def _():
    need_raw()
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000), 8)  # allow everything
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)), 16)
    raw("prctl", 38, 1, 0, 0, 0)
    return works("seccomp", 1, 8, program)


table("syscall", [
    # each of these checks the permission first, and then refuses the arguments
    ("kexec_load", lambda: reaches("kexec_load", 0, 1000, None, 0xff00)),
    ("kexec_file_load", lambda: reaches("kexec_file_load", -1, -1, 0, None, 0xffff)),
    ("init_module", lambda: reaches("init_module", None, 0, b"")),
    ("finit_module", lambda: reaches("finit_module", -1, b"", 0)),
    ("delete_module", lambda: reaches("delete_module", b"r1_no_such_module", 0o4000)),
    ("reboot", lambda: reaches("reboot", 0, 0, 0, None)),  # neither magic number is right
    ("swapon", lambda: reaches("swapon", b"/r1-no-such-file", 0)),
    ("swapoff", lambda: reaches("swapoff", b"/r1-no-such-file")),
    ("acct", lambda: reaches("acct", b"/r1-no-such-file")),
    ("sethostname", lambda: reaches("sethostname", b"x", -1)),
    ("setdomainname", lambda: reaches("setdomainname", b"x", -1)),
    ("syslog-read", lambda: works("syslog", 3, ctypes.create_string_buffer(64) if ctypes else None, 64)),
    ("syslog-size", lambda: works("syslog", 10, None, 0)),
    ("iopl", lambda: works("iopl", 3)),
    ("ioperm", lambda: works("ioperm", 0x80, 1, 1)),
    ("fanotify_init", lambda: works("fanotify_init", 0x200, 0)),
])
table("surface", [
    # the kernel refuses or serves these of itself; the filter should not let them come so far
    ("quotactl", lambda: reaches("quotactl", 0x80000100 - (1 << 32), None, 0, None)),
    ("quotactl_fd", lambda: reaches("quotactl_fd", -1, 0x80000100 - (1 << 32), 0, None)),
    ("clock_settime", lambda: reaches("clock_settime", 0, None)),
    ("modify_ldt", lambda: reaches("modify_ldt", 0, ctypes.create_string_buffer(64) if ctypes else None, 64)),
    ("lookup_dcookie", lambda: reaches("lookup_dcookie", 0, None, 0)),
    ("uselib", lambda: reaches("uselib", b"/r1-no-such-file")),
    ("_sysctl", lambda: reaches("_sysctl", None)),
    ("memfd_secret", lambda: reaches("memfd_secret", 0)),
    ("migrate_pages", lambda: reaches("migrate_pages", 0, 0, None, None)),
    ("personality-no-randomize", lambda: works("personality", 0x40000)),
    ("statmount", lambda: reaches("statmount", None, None, 0, 0)),
    ("listmount", lambda: reaches("listmount", None, None, 0, 0)),
], "late")


@probe("settimeofday", "syscall")
def _():
    need_raw()
    return reaches("settimeofday", None, (ctypes.c_int * 2)(30000, 0))  # a zone that is refused after the check


@probe("adjtimex", "syscall")
def _():
    need_raw()
    request = ctypes.create_string_buffer(struct.pack("I", 0x4000), 256)  # ADJ_TICK of 0: refused after the check
    return each([("adjtimex", lambda: reaches("adjtimex", request)),
                 ("clock_adjtime", lambda: reaches("clock_adjtime", 0, request))])


def handle_of(path):
    need_raw()
    handle, mount = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136), ctypes.c_int()
    result, e = raw("name_to_handle_at", -100, path, handle, ctypes.byref(mount), 0)
    return result, e, handle


@probe("name_to_handle_at", "surface")
def _():
    result, e, _ = handle_of(b"/usr")
    return result == 0, "given" if result == 0 else named(e)


@probe("open_by_handle_at", "syscall")
def _():
    at = os.open("/usr", os.O_RDONLY | os.O_DIRECTORY)
    result, e, handle = handle_of(b"/usr")
    # inode 2, generation 0: the root directory of an ext file system
    root = ctypes.create_string_buffer(struct.pack("IiII", 8, 1, 2, 0), 136)
    rows = [("root", lambda: works("open_by_handle_at", at, root, 0))]
    if result == 0:
        rows.append(("/usr", lambda: works("open_by_handle_at", at, handle, 0)))
    return each(rows)


@probe("x32-getpid", "syscall", "late", "deadly")
def _():
    result, e = raw(0x40000000 | 39)
    return result == os.getpid(), "returned %d %s" % (result, named(e) if result < 0 else "")


def machine_code(code):
    """runs bytes as a function that returns an int"""
    need_raw()
    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                     mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


@probe("int80-getpid", "syscall", "late", "deadly")
def _():
    result = machine_code(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    return result == os.getpid(), "returned %d" % result


@probe("int80-unshare-user", "namespace", "late", "deadly")
def _():
    result = machine_code(b"\x53\xbb\0\0\0\x10\xb8\x36\x01\0\0\xcd\x80\x5b\xc3")  # i386 number 310, CLONE_NEWUSER
    return result == 0, "returned %d" % result


@probe("int80-socket", "socket", "late", "deadly")
def _():
    # i386 number 359: socket(AF_INET, SOCK_DGRAM, 0); rbx is kept
    result = machine_code(b"\x53\xbb\x02\0\0\0\xb9\x02\0\0\0\x31\xd2\xb8\x67\x01\0\0\xcd\x80\x5b\xc3")
    return result >= 0, "returned %d" % result


# ---- namespaces, mounts ---------------------------------------------------------------------------------------------
SPACES = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
          "pid": 0x20000000, "net": 0x40000000, "time": 0x80}
table("namespace", [("unshare:" + n, lambda f=f: works("unshare", f)) for n, f in SPACES.items()], "late")


def cloned(call, *args):
    """as works, for a call that starts a process: the child ends at once"""
    result, e = raw(call, *args)
    if result == 0:
        os._exit(0)
    if result > 0:
        os.waitpid(result, 0x40000000)  # __WALL
    return result > 0, "made a process" if result > 0 else named(e)


SIGCHLD = int(signal.SIGCHLD)
table("namespace", [
    ("clone:" + n, lambda f=f: cloned("clone", f | SIGCHLD, None, None, None, None)) for n, f in SPACES.items()
    if n != "time"] + [
    ("clone:user+mount", lambda: cloned("clone", 0x10020000 | SIGCHLD, None, None, None, None)),
    ("clone:user+pid+net", lambda: cloned("clone", 0x70000000 | SIGCHLD, None, None, None, None)),
    ("clone:user-high-bits", lambda: cloned("clone", 0x10000000 | 1 << 45 | SIGCHLD, None, None, None, None)),
    ("unshare:user-number-high-bits", lambda: works(272 | 1 << 32, 0x10000000)),
], "late")


@probe("clone3:user", "namespace", "late")
def _():
    need_raw()
    request = ctypes.create_string_buffer(struct.pack("8Q", 0x10000000, 0, 0, 0, SIGCHLD, 0, 0, 0), 64)
    return cloned("clone3", request, 64)


@probe("clone3:plain", "surface", "late")
def _():
    need_raw()
    request = ctypes.create_string_buffer(struct.pack("8Q", 0, 0, 0, 0, SIGCHLD, 0, 0, 0), 64)
    return cloned("clone3", request, 64)


@probe("setns", "namespace", "late")
def _():
    rows = []
    for p in peers() + ["self"]:
        for n in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            def one(p=p, n=n):
                return works("setns", os.open("/proc/%s/ns/%s" % (p, n), os.O_RDONLY), 0)
            rows.append(("%s/%s" % (p, n), one))
    return each(rows)


@probe("namespaces-of-host", "namespace")
def _():
    # the numbers that the first namespaces of a kernel have had since they were given numbers
    first = {"ipc": 4026531839, "uts": 4026531838, "user": 4026531837, "pid": 4026531836, "cgroup": 4026531835}
    shared = []
    for name, number in first.items():
        try:
            if os.readlink("/proc/self/ns/" + name) == "%s:[%d]" % (name, number):
                shared.append(name)
        except OSError:
            pass
    return bool(shared), " ".join(shared) or "none shared"


@probe("namespace-parent", "namespace")
def _():
    def one(name, request):
        return True, "descriptor %d" % fcntl.ioctl(os.open("/proc/self/ns/" + name, os.O_RDONLY), request)
    # NS_GET_PARENT, and the user namespace that owns another
    return each([("user", lambda: one("user", 0xb702)), ("pid", lambda: one("pid", 0xb702)),
                 ("owner of user", lambda: one("user", 0xb701))])


def private_mounts():
    """keeps what is mounted next out of the host's sight, where this is allowed at all"""
    if raw("unshare", 0x20000)[0] == 0:
        raw("mount", b"none", b"/", None, 0x44000, None)  # private, recursively


def need_work():
    if WORK is None:
        raise NotRun("no writable directory")
    return WORK


@probe("userns-then-mount", "mount", "late")
def _():
    need_raw()
    where = os.path.join(need_work(), "m").encode()
    os.makedirs(where, exist_ok=True)
    uid, gid = os.getuid(), os.getgid()
    result, e = raw("unshare", 0x10020000)  # user and mount: nothing mounted there is seen outside
    if result < 0:
        return False, "unshare: " + named(e)
    for path, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % uid), ("gid_map", "0 %d 1" % gid)):
        try:
            with open("/proc/self/" + path, "w") as f:
                f.write(text)
        except OSError:
            pass
    result, e = raw("mount", b"none", where, b"tmpfs", 0, None)
    if result == 0:
        raw("umount2", where, 2)
    return result == 0, "mounted" if result == 0 else "mount: " + named(e)


@probe("mount-proc", "mount", "late")
def _():
    need_raw()
    where = os.path.join(need_work(), "p").encode()
    os.makedirs(where, exist_ok=True)
    private_mounts()
    result, e = raw("mount", b"proc", where, b"proc", 0, None)
    if result == 0:
        raw("umount2", where, 2)
    return result == 0, "mounted" if result == 0 else named(e)


def plain_directory():
    where = os.path.join(need_work(), "d").encode()  # not a mount point, so that the calls below change nothing
    os.makedirs(where, exist_ok=True)
    return where


table("mount", [
    ("mount-new", lambda: reaches("mount", b"none", plain_directory(), b"r1nosuchfs", 0, None)),
    ("mount-bind", lambda: reaches("mount", b"/r1-no-such-file", plain_directory(), None, 0x1000, None)),
    ("mount-remount", lambda: reaches("mount", None, plain_directory(), None, 0x1020, None)),
    ("mount-move", lambda: reaches("mount", b"/r1-no-such-file", plain_directory(), None, 0x2000, None)),
    ("umount2", lambda: reaches("umount2", plain_directory(), 0)),
    ("pivot_root", lambda: reaches("pivot_root", b"/r1-no-such-file", b"/r1-no-such-file")),
    ("chroot", lambda: works("chroot", b"/")),
    ("fsopen", lambda: works("fsopen", b"tmpfs", 0)),
    ("fspick", lambda: works("fspick", -100, b"/", 0)),
    ("fsmount", lambda: reaches("fsmount", -1, 0, 0)),
    ("open_tree-clone", lambda: works("open_tree", -100, b"/", 1)),
    ("move_mount", lambda: reaches("move_mount", -1, b"", -1, b"", 0x7fffffff)),
    ("mount_setattr", lambda: works("mount_setattr", -100, plain_directory(), 0,
                                    ctypes.create_string_buffer(32) if ctypes else None, 32)),
], "late")


@probe("proc-sys-for-writing", "mount")
def _():
    found, tried = [], 0
    for top, _, names in os.walk("/proc/sys"):
        for name in names:
            tried += 1
            try:
                os.close(os.open(os.path.join(top, name), os.O_WRONLY | os.O_NONBLOCK))
                found.append(os.path.join(top, name)[10:])
            except OSError:
                pass
    return bool(found), "%d of %d: %s" % (len(found), tried, " ".join(found[:6]))


table("mount", [("for-writing:" + p, lambda p=p: open_path(p, os.O_WRONLY)) for p in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/randomize_va_space", "/proc/sys/fs/suid_dumpable", "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/sys/fs/cgroup/cgroup.procs", "/sys/kernel/uevent_helper",
    "/sys/power/state", "/proc/irq/default_smp_affinity", "/proc/mtrr")])


@probe("cgroup-for-writing", "mount")
def _():
    found, tried = [], 0
    for top, folders, names in os.walk("/sys/fs/cgroup"):
        if top.count("/") > 5:
            folders[:] = []
        for name in names:
            if name in ("cgroup.procs", "tasks", "release_agent", "memory.max", "pids.max", "notify_on_release"):
                tried += 1
                try:
                    os.close(os.open(os.path.join(top, name), os.O_WRONLY))
                    found.append(os.path.join(top, name))
                except OSError:
                    pass
        if tried > 2000:
            break
    return bool(found), "%d of %d: %s" % (len(found), tried, " ".join(found[:4]))


# ---- descriptors ----------------------------------------------------------------------------------------------------
@probe("inherited-descriptors", "descriptor", "inline")
def _():
    return bool(AT_START), "; ".join(AT_START[:10]) or "none"


@probe("stdin-writable", "descriptor")
def _():
    info = os.fstat(0)
    if stat.S_ISCHR(info.st_mode) and info.st_rdev == os.makedev(1, 3):
        return False, "/dev/null"
    return fcntl.fcntl(0, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY, "mode %o" % info.st_mode


@probe("stdin-reopened-for-writing", "descriptor")
def _():
    info = os.fstat(0)
    if not stat.S_ISREG(info.st_mode):
        return False, "not a regular file: mode %o" % info.st_mode
    return open_path("/proc/self/fd/0", os.O_WRONLY)


@probe("stdout-is-a-file", "descriptor")
def _():
    modes = [os.fstat(fd).st_mode for fd in (1, 2)]
    bad = [m for m in modes if stat.S_ISREG(m) or stat.S_ISSOCK(m)]
    return bool(bad), "modes %s" % " ".join("%o" % m for m in modes)  # a file could be rewritten, a socket could carry


@probe("stdout-readable", "descriptor")
def _():
    def one(fd):
        info = os.fstat(fd)
        if stat.S_ISCHR(info.st_mode) and info.st_rdev == os.makedev(1, 3):
            return False, "/dev/null"
        return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY, "mode %o" % info.st_mode
    return each([("1", lambda: one(1)), ("2", lambda: one(2))])


# ---- links, nodes, writing outside ----------------------------------------------------------------------------------
@probe("symlink-to-shadow", "write")
def _():
    link = os.path.join(need_work(), "link")
    os.symlink("/etc/shadow", link)
    return read_path(link)


@probe("hardlink-out", "write")
def _():
    def one(target):
        link = os.path.join(need_work(), "hard")
        os.link(target, link)
        os.unlink(link)
        return True, "linked"
    return each([(t, lambda t=t: one(t)) for t in ("/etc/passwd", os.path.realpath("/usr/bin/python3"), "/dev/null")])


def node(kind, major, minor):
    path = os.path.join(need_work(), "node")
    os.mknod(path, kind | 0o600, os.makedev(major, minor))
    os.unlink(path)  # never opened
    return True, "made"


table("write", [
    ("mknod-memory", lambda: node(stat.S_IFCHR, 1, 1)), ("mknod-null", lambda: node(stat.S_IFCHR, 1, 3)),
    ("mknod-tty", lambda: node(stat.S_IFCHR, 5, 0)), ("mknod-block", lambda: node(stat.S_IFBLK, 7, 0)),
])


def create_in(where):
    path = os.path.join(where, ".r1-probe-%d" % MAIN)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(fd)
    os.unlink(path)
    return True, "created and removed"


table("write", [("create-in:" + p, lambda p=p: create_in(p)) for p in (
    "/", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/etc", "/dev", "/var", "/var/lib", "/run", "/home", "/root",
    "/opt", "/srv", "/mnt", "/media", "/lib", "/bin", "/sys", "/proc", "/boot", "/dev/mqueue", "/run/lock")])


@probe("create-elsewhere", "write")
def _():
    home = os.path.dirname(WORK) if WORK else None
    return each([(p, lambda p=p: create_in(p)) for p in ("/tmp", "/var/tmp", "/dev/shm", "/dev/pts") if p != home])


@probe("writable-anywhere", "write")
def _():
    # a walk over the directories that can be seen, to a depth
    home, found, seen = os.path.dirname(WORK) if WORK else None, [], 0
    end = time.monotonic() + 1.0
    for top, folders, _ in os.walk("/"):
        if top in ("/proc", "/sys") or top == home or top.count("/") > 5:
            folders[:] = []
            continue
        seen += 1
        try:
            if os.access(top, os.W_OK) and create_in(top):
                found.append(top)
        except OSError:
            pass
        if time.monotonic() > end:
            break
    return bool(found), "%d of %d: %s" % (len(found), seen, " ".join(found[:6]))


table("write", [("open-for-writing:" + p, lambda p=p: open_path(p, os.O_WRONLY)) for p in (
    "/etc/passwd", "/etc/ld.so.cache", "/etc/ld.so.preload", "/usr/bin/env", "/usr/bin/python3")])


@probe("open-program-for-writing", "write")
def _():
    paths = [os.path.realpath(sys.argv[0]), os.path.realpath(os.__file__), sys.executable]
    return each([(p, lambda p=p: open_path(p, os.O_WRONLY)) for p in paths if os.path.isfile(p) and
                 os.path.dirname(p) != (os.path.dirname(WORK) if WORK else None)])


@probe("cover-python-library", "write")
def _():
    # a module put beside the standard library would be run by the next candidate
    places = {os.path.dirname(os.__file__), "/usr/lib/python3/dist-packages"} | set(sys.path)
    return each([(p, lambda p=p: create_in(p)) for p in sorted(places) if os.path.isdir(p)])


# ---- privileges -----------------------------------------------------------------------------------------------------
def set_uid_files():
    found, seen = [], 0
    for start in ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/lib", "/usr/libexec", "/opt"):
        for top, folders, names in os.walk(start):
            if top.count("/") > 4:
                folders[:] = []
            for name in names:
                seen += 1
                try:
                    mode = os.lstat(os.path.join(top, name)).st_mode
                except OSError:
                    continue
                if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                    found.append(os.path.join(top, name))
            if seen > 20000:
                return found
    return found


def no_new_privileges():
    if LIBC is not None and X86_64:
        result, _ = raw("prctl", 39, 0, 0, 0, 0)
        if result >= 0:
            return result == 1
    with open("/proc/self/status") as f:
        return "NoNewPrivs:\t1" in f.read()


@probe("set-uid-file-usable", "privilege")
def _():
    files = [f for f in set_uid_files() if not os.statvfs(f).f_flag & os.ST_NOSUID]
    if not files:
        return False, "none on a mount that honours it"
    return not no_new_privileges(), "%d, as %s" % (len(files), files[0])


@probe("set-uid-execution", "privilege")
def _():
    if os.geteuid() == 0:
        return False, "already user 0 here"

    def one(path):
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)  # a full pipe: the program stops when it prints its help
        except BlockingIOError:
            pass
        os.set_blocking(write, True)

        def execute():
            os.dup2(write, 1)
            os.dup2(write, 2)
            os.execv(path, [path, "--help"])
        pid = child(execute)
        try:
            for _ in range(15):
                time.sleep(0.01)
                with open("/proc/%d/status" % pid) as f:
                    ids = [line.split()[1:4] for line in f if line.startswith("Uid:")]
                if ids and "0" in ids[0]:
                    return True, "runs as user 0"
            return False, "user stays"
        finally:
            end_child(pid)
            os.close(read)
            os.close(write)
    wanted = [f for f in set_uid_files() if os.path.basename(f) in ("mount", "umount", "su", "chfn", "passwd", "ping")]
    seen = {os.path.basename(f): f for f in wanted}
    return each([(f, lambda f=f: one(f)) for f in list(seen.values())[:4]])


@probe("set-uid-file-made", "privilege")
def _():
    path = os.path.join(need_work(), "suid")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    os.chmod(path, 0o4755)
    kept = os.stat(path).st_mode & stat.S_ISUID
    os.unlink(path)
    return bool(kept and not os.statvfs(os.path.dirname(path)).f_flag & os.ST_NOSUID), "bit %s" % (
        "kept" if kept else "dropped")


def held(which):
    need_raw()
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    data = (ctypes.c_uint32 * 6)()
    result, e = raw("capget", header, data)
    if result < 0:
        return False, named(e)
    value = data[which] | data[which + 3] << 32
    return value != 0, "%x" % value


def held_bits(option, argument):
    bits = 0
    for n in range(41):
        result, _ = raw("prctl", *argument(option, n))
        bits |= (1 << n) if result == 1 else 0
    return bits != 0, "%x" % bits


table("privilege", [
    ("capabilities-effective", lambda: held(0)), ("capabilities-permitted", lambda: held(1)),
    ("capabilities-inheritable", lambda: held(2)),
    ("capabilities-bounding", lambda: held_bits(23, lambda o, n: (o, n, 0, 0, 0))),
    ("capabilities-ambient", lambda: held_bits(47, lambda o, n: (o, 1, n, 0, 0))),
    ("no-new-privileges-unset", lambda: (not no_new_privileges(), "")),
    ("prctl-set-mm", lambda: reaches("prctl", 35, 1, 0, 0, 0)),
    ("prctl-securebits", lambda: works("prctl", 28, 0, 0, 0, 0)),
    ("user-0", lambda: (0 in os.getresuid() + os.getresgid(), "%s %s" % (os.getresuid(), os.getresgid()))),
])


@probe("seccomp-unset", "privilege")
def _():
    mode = None
    if LIBC is not None and X86_64:
        result, e = raw("prctl", 21, 0, 0, 0, 0)
        if result < 0:
            return False, "prctl is filtered: " + named(e)
        mode = result
    else:
        with open("/proc/self/status") as f:
            mode = [int(line.split()[1]) for line in f if line.startswith("Seccomp:")][0]
    return mode != 2, "mode %s" % mode


@probe("set-user-0", "privilege", "late")
def _():
    if os.getuid() == 0:
        return True, "already user 0"
    return each([("setuid", lambda: (os.setuid(0), (True, ""))[1]), ("setgid", lambda: (os.setgid(0), (True, ""))[1]),
                 ("setgroups", lambda: (os.setgroups([0]), (True, ""))[1]),
                 ("setresuid", lambda: (os.setresuid(0, 0, 0), (True, ""))[1])])


@probe("user-map-reaches-0", "privilege")
def _():
    rows = []
    for path in ("uid_map", "gid_map"):
        with open("/proc/self/" + path) as f:
            rows += [(path,) + tuple(int(v) for v in line.split()) for line in f]
    # the second number counts in the namespace above, which need not be the host's: so not by that alone
    wide = [r for r in rows if r[3] > 1]
    overflow = 65534
    owner = os.stat("/usr/bin/env").st_uid  # user 0 of the host owns it; where that is not mapped, nobody does
    return bool(wide) or owner == os.getuid() != overflow, "%s; owner of /usr/bin/env is %d" % (
        "; ".join("%s %d %d %d" % r for r in rows), owner)


@probe("extra-groups", "privilege")
def _():
    extra = [g for g in os.getgroups() if g not in (os.getgid(), 65534)]
    return bool(extra), str(extra)


@probe("core-dump-limit", "privilege")
def _():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    return hard not in (0, 1), "soft %d, hard %d" % (soft, hard)


@probe("core-dump-to-host-program", "privilege")
def _():
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    piped = pattern[:1] in ("|", "@")  # such a program runs on the host, whatever the limit, except a limit of 1
    return piped and resource.getrlimit(resource.RLIMIT_CORE)[0] != 1, pattern


@probe("raise-hard-limits", "limit", "late")
def _():
    raised = []
    for name in sorted(n for n in dir(resource) if n.startswith("RLIMIT_")):
        kind = getattr(resource, name)
        soft, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY:
            continue
        try:
            resource.setrlimit(kind, (soft, hard + 1))
            resource.setrlimit(kind, (soft, hard))
            raised.append(name[7:])
        except (OSError, ValueError, OverflowError):
            pass
    return bool(raised), " ".join(raised) or "none"


@probe("realtime-scheduling", "limit", "late")
def _():
    def one(policy):
        os.sched_setscheduler(0, policy, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        return True, "set"
    return each([("FIFO", lambda: one(os.SCHED_FIFO)), ("RR", lambda: one(os.SCHED_RR))])


@probe("negative-nice", "limit", "late")
def _():
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, before - 1)
    return os.getpriority(os.PRIO_PROCESS, 0) < before, "%d" % os.getpriority(os.PRIO_PROCESS, 0)


probe("realtime-io", "limit", "late")(lambda: works("ioprio_set", 1, 0, 1 << 13))


@probe("lower-oom-score", "limit", "late")
def _():
    with open("/proc/self/oom_score_adj") as f:
        before = int(f.read())

    def one(value):
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write(str(value))
        return True, "%d to %d" % (before, value)
    return each([(str(v), lambda v=v: one(v)) for v in sorted({before - 1, 0, -1000}) if -1000 <= v < before])


# ---- terminal, shared memory between processes ----------------------------------------------------------------------
probe("open-tty", "tty")(lambda: open_path("/dev/tty", os.O_RDWR))


@probe("descriptor-is-tty", "tty")
def _():
    bad = [fd for fd in (0, 1, 2) if os.isatty(fd)]
    return bool(bad), str(bad)


@probe("push-into-terminal", "tty")
def _():
    need_raw()
    fds = [0, 1, 2]
    try:
        fds.append(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        pass

    def one(fd, request):
        ctypes.set_errno(0)
        result = LIBC.syscall(ctypes.c_long(16), ctypes.c_long(fd), ctypes.c_long(request), ctypes.c_void_p(0))
        e = ctypes.get_errno()
        # without a character to push: EFAULT says that one would have been taken
        return result == 0 or e == errno.EFAULT, named(e)
    return each([("%d/%x" % (fd, r), lambda fd=fd, r=r: one(fd, r)) for fd in fds for r in (0x5412, 0x5412 | 1 << 32)])


@probe("sysv-of-host", "ipc")
def _():
    def listed(name):
        with open("/proc/sysvipc/" + name) as f:
            n = len(f.readlines()) - 1
        return n > 0, "%d listed" % n
    rows = [(n, lambda n=n: listed(n)) for n in ("shm", "sem", "msg")]
    return each(rows + [("key " + v, lambda v=v: works("shmget", int(v, 0), 0, 0)) for v in HINTS.get("shmkey", [])])


def make_ipc(get, control, *args):
    made, e = raw(get, *args)
    if made >= 0:
        if get == "semget":
            raw(control, made, 0, 0)
        else:
            raw(control, made, 0, None)  # IPC_RMID
    return made >= 0, "made and removed" if made >= 0 else named(e)


table("surface", [
    ("sysv-shm", lambda: make_ipc("shmget", "shmctl", 0, 4096, 0o1600)),
    ("sysv-sem", lambda: make_ipc("semget", "semctl", 0, 1, 0o1600)),
    ("sysv-msg", lambda: make_ipc("msgget", "msgctl", 0, 0o1600)),
])


@probe("posix-mq-make", "surface")
def _():
    name = b"r1-probe-%d" % MAIN
    fd, e = raw("mq_open", name, 0o302, 0o600, None)
    if fd >= 0:
        raw("mq_unlink", name)
    return fd >= 0, "made and removed" if fd >= 0 else named(e)


@probe("posix-mq-of-host", "ipc")
def _():
    return each([(v, lambda v=v: works("mq_open", v.lstrip("/").encode(), 0, 0, None)) for v in HINTS.get("mq", [])])


@probe("hostname-of-host", "info")
def _():
    name = os.uname().nodename
    neutral = ("sandbox", "localhost", "(none)", "r1", "box", "none", "")
    return name in HINTS["hostname"] if "hostname" in HINTS else name not in neutral, name


# ---- channels between runs, facts about the host --------------------------------------------------------------------
@probe("flock-shared-file", "covert")
def _():
    def one(path):
        fd = os.open(path, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)
        return True, "locked"
    return each([(p, lambda p=p: one(p)) for p in ("/usr/bin/python3", "/usr", "/dev/null", "/proc/self/ns/net")])


@probe("read-lock-shared-file", "covert")
def _():
    with open("/usr/bin/python3", "rb") as f:
        fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True, "locked"


@probe("inotify-shared-file", "covert")
def _():
    fd, e = raw("inotify_init")
    if fd < 0:
        return False, named(e)
    return works("inotify_add_watch", fd, b"/usr/bin/python3", 0x20)


table("covert", [("host-fact:" + p, lambda p=p: read_path(p)) for p in (
    "/proc/loadavg", "/proc/stat", "/proc/diskstats", "/proc/partitions", "/proc/modules", "/proc/cmdline",
    "/proc/interrupts", "/proc/sys/kernel/random/boot_id", "/proc/vmstat", "/proc/pressure/cpu", "/proc/locks",
    "/proc/timer_list", "/proc/version")])


@probe("kernel-addresses", "info")
def _():
    with open("/proc/kallsyms") as f:
        lines = [f.readline() for _ in range(50)]
    return any(int(line.split()[0], 16) for line in lines if line.strip()), "%d lines read" % len(lines)


@probe("landlock-version", "info")
def _():
    result, e = raw("landlock_create_ruleset", None, 0, 1)
    return False, "version %d" % result if result >= 0 else named(e)  # told, not judged


@probe("memfd-execution", "info")
def _():
    fd, e = raw("memfd_create", b"r1", 0)
    if fd < 0:
        return False, "memfd_create: " + named(e)
    with open("/usr/bin/true" if os.path.exists("/usr/bin/true") else sys.executable, "rb") as f:
        os.write(fd, f.read(1 << 20))

    def execute():
        os.execve(fd, ["true"], {})
        os._exit(1)
    pid = os.fork()
    if pid == 0:
        try:
            execute()
        finally:
            os._exit(1)
    return False, "execution ended with %d: allowed, gains nothing" % os.waitpid(pid, 0)[1]


# ---- the run --------------------------------------------------------------------------------------------------------
def say(line):
    data = (json.dumps(line) + "\n").encode()
    while data:
        data = data[os.write(1, data):]


def timed_out(*_):
    raise TimeoutError("took too long")


def attempt(function):
    """(through, detail, kind): kind is '', 'error' or 'not run'"""
    try:
        through, detail = function()
        return bool(through), str(detail), ""
    except NotRun as reason:
        return False, str(reason), "not run"
    except OSError as error:
        return False, "%s %s" % (type(error).__name__, named(error.errno) if error.errno else error), ""
    except BaseException as error:  # a fault of the probe itself, or of a python without a part
        return False, "probe error: %s: %s" % (type(error).__name__, error), "error"


def run_inline(function):
    signal.signal(signal.SIGALRM, timed_out)
    signal.alarm(LIMIT)
    try:
        return attempt(function)
    finally:
        signal.alarm(0)


def run_forked(function):
    read, write = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(read)
        os.close(write)
        raise BlockingIOError(error.errno, "fork refused")
    if pid == 0:
        try:
            os.setpgid(0, 0)
        except OSError:
            pass
        try:
            os.close(read)
            signal.alarm(LIMIT)  # not handled: ends this child
            os.write(write, (json.dumps(attempt(function)) + "\n").encode()[-60000:])
        finally:
            os._exit(0)
    os.close(write)
    data, end = b"", time.monotonic() + LIMIT + 0.5
    while not data.endswith(b"\n"):
        ready = select.select([read], [], [], max(0, end - time.monotonic()))[0]
        more = os.read(read, 65536) if ready else b""
        if not more:
            break
        data += more
    os.close(read)
    for target in (lambda: os.killpg(pid, signal.SIGKILL), lambda: os.kill(pid, signal.SIGKILL)):
        try:
            if data or time.monotonic() >= end:
                target()
        except OSError:
            pass
    status = 0
    for i in range(200):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.0005 if i < 20 else 0.005)
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    if data.endswith(b"\n"):
        return tuple(json.loads(data))
    if os.WIFSIGNALED(status):
        return False, "ended by signal %d" % os.WTERMSIG(status), ""
    return False, "no answer", ""


def read_hints():
    text = "\n".join(a for a in sys.argv[1:] if not a.startswith("-"))
    try:
        if not os.isatty(0):
            end = time.monotonic() + 1
            data = b""
            while len(data) < 65536 and time.monotonic() < end:
                if not select.select([0], [], [], 0.2)[0]:
                    break
                more = os.read(0, 4096)
                if not more:
                    break
                data += more
            text += "\n" + data.decode("utf-8", "replace")
    except (OSError, ValueError):
        pass
    for line in text.split("\n"):
        kind, equals, value = line.strip().partition("=")
        if equals and value:
            HINTS.setdefault(kind, []).append(value)


def make_work():
    for where in ("/tmp", os.getcwd(), "/dev/shm", "/var/tmp"):
        try:
            return tempfile.mkdtemp(prefix="r1-probe-", dir=where)
        except OSError:
            pass
    return None


def main():
    global WORK
    if "--list" in sys.argv:
        print("\n".join("%-12s %s" % (category, name) for name, category, _, _ in PROBES))
        return
    start = time.monotonic()
    read_hints()
    WORK = make_work()
    count = {"error": 0, "not run": 0, "": 0}
    for name, category, function, flags in sorted(PROBES, key=lambda p: ("late" in p[3], "deadly" in p[3])):
        if time.monotonic() - start > BUDGET:
            answer = (False, "not run: out of time", "not run")
        elif "inline" in flags:
            answer = run_inline(function)
        else:
            try:
                answer = run_forked(function)
            except BlockingIOError:
                if "deadly" in flags:
                    answer = (False, "not run: no process to risk", "not run")
                else:
                    answer = run_inline(function)
        count[answer[2]] += 1
        say({"probe": name, "category": category, "through": answer[0], "detail": answer[1][:400]})
    if WORK:
        shutil.rmtree(WORK, ignore_errors=True)
    say({"probe": "end", "category": "end", "through": False, "detail": "%d probes, %d errors, %d not run" % (
        len(PROBES), count["error"], count["not run"])})


main()
