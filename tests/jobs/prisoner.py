"""A taken-over media tool: started in the tool's place, it tries every way out and prints which were open.

Runs in a bare Python of its own inside the jail; everything it touches was put there for it by test_jail.py.
"""

import _thread
import ctypes
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_ssize_t
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
given = dict(word.split("=", 1) for word in sys.argv[1:])
VICTIM, LEAKED, FILM = (int(given[name]) for name in ("victim", "leaked", "film"))
LOOPBACK, LOOPBACK_6 = b"\x7f\0\0\1", bytes(15) + b"\1"
PORT = int(given["port"]).to_bytes(2, "big")


def number(x86, arm):
    return ctypes.c_long(x86 if os.uname().machine == "x86_64" else arm)


def checked(answer):
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def reach(family, kind, address, protocol=0):
    """Open a socket and speak to somebody; opening it alone is a success too when nobody is named."""
    descriptor = checked(libc.socket(family, kind, protocol))
    if address:
        checked(libc.connect(descriptor, family.to_bytes(2, "little") + address, 2 + len(address)))


def read(path):
    with open(path, "rb") as file:
        return checked(len(file.read(1)) - 1)


def write(path):
    with open(path, "wb") as file:
        file.write(b"was here")


def own_secret():
    with_file = b""
    try:
        with open("/proc/self/environ", "rb") as file:
            with_file = file.read()
    except OSError:
        pass
    if "SECRET" not in os.environ and b"s3cret" not in with_file:
        raise OSError


def read_other_memory():
    target = ctypes.create_string_buffer(8)
    here = (ctypes.c_void_p * 2)(ctypes.addressof(target), 8)
    there = (ctypes.c_void_p * 2)(0x400000, 8)
    # An address that is not mapped still tells that looking was allowed.
    if libc.process_vm_readv(VICTIM, here, 1, there, 1, 0) < 0 and ctypes.get_errno() != 14:
        checked(-1)


def many_processes():
    end, ours = os.pipe()
    born = []
    try:
        for _ in range(200):
            child = os.fork()
            if child == 0:
                os.close(ours)
                os.read(end, 1)
                os._exit(0)
            born.append(child)
    finally:
        os.close(ours)
        for child in born:
            os.waitpid(child, 0)


def mounted():
    os.makedirs("over", exist_ok=True)
    checked(libc.mount(b"none", b"over", b"tmpfs", 0, None))
    libc.umount2(b"over", 2)


def long_file():
    with open("long", "wb") as file:
        os.ftruncate(file.fileno(), (4 << 30) + 1)


def new_owner():
    """Make the kernel send the signal: F_SETOWN, then O_ASYNC on a pipe."""
    out, _ = os.pipe()
    checked(libc.fcntl(out, 8, VICTIM))


def survive():
    """Cancel the order to die with the worker."""
    checked(libc.prctl(1, 0, 0, 0, 0))


def small_map():
    checked(libc.mmap(None, 8 << 30, 3, 0x4022, -1, 0))


ATTEMPTS = {
    "tcp": lambda: reach(2, 1, PORT + LOOPBACK + bytes(8)),
    "udp": lambda: reach(2, 2, PORT + LOOPBACK + bytes(8)),
    "ipv6": lambda: reach(10, 2, PORT + bytes(4) + LOOPBACK_6 + bytes(4)),
    "raw": lambda: reach(2, 3, b"", 1),
    "netlink": lambda: reach(16, 3, b""),
    "unix path": lambda: reach(1, 1, given["unix"].encode() + b"\0"),
    "unix abstract": lambda: reach(1, 1, b"\0" + given["abstract"].encode()),
    "passwd": lambda: read("/etc/passwd"),
    "other clip": lambda: read(given["outside"] + "/clip"),
    "private file": lambda: read(given["outside"] + "/private/clip"),
    "worker's environment": lambda: read(f"/proc/{VICTIM}/environ"),
    "init's environment": lambda: read("/proc/1/environ"),
    "own secret": own_secret,
    "leaked descriptor": lambda: os.pread(LEAKED, 1, 0),
    "write outside": lambda: write(given["outside"] + "/new"),
    "write over a clip": lambda: write(given["outside"] + "/clip"),
    "delete": lambda: os.unlink(given["outside"] + "/prey"),
    "ptrace": lambda: checked(libc.ptrace(0x4206, VICTIM, 0, 0)),
    "signal": lambda: os.kill(VICTIM, 18),
    "mount": mounted,
    "io_uring": lambda: checked(libc.syscall(number(425, 425), 1, ctypes.create_string_buffer(120))),
    "bpf": lambda: checked(libc.syscall(number(321, 280), 0, (ctypes.c_uint * 16)(2, 4, 4, 1), 64)),
    "userfaultfd": lambda: checked(libc.syscall(number(323, 282), 1)),
    "perf": lambda: checked(libc.syscall(number(298, 241), PERF, 0, -1, -1, 0)),
    "keyctl": lambda: checked(libc.syscall(number(248, 217), b"user", b"here", b"x", 1, -3)),
    "8 GiB": small_map,
    "200 processes": many_processes,
    "4 GiB file": long_file,
    "set-uid": lambda: os.setuid(0),
    # Beyond the thirty.
    "other memory": read_other_memory,
    "signal by the kernel": new_owner,
    "outlive the worker": survive,
    "symbolic link": lambda: os.symlink("/etc/passwd", "link"),
    "hard link": lambda: os.link(given["outside"] + "/clip", "hard"),
    "film opened for writing": lambda: os.close(os.open(f"/proc/self/fd/{FILM}", os.O_WRONLY)),
    "rights of a file outside": lambda: os.chmod(given["outside"] + "/clip", 0o666),
    "pipe with a name": lambda: os.mkfifo("pipe"),
    # Changes what we are, so it comes late.
    "user namespace": lambda: checked(libc.unshare(0x10000000)),
}
# A counter of the processor's software kind, of our own process, without the kernel's part.
PERF = (ctypes.c_ulonglong * 16)(1 | 112 << 32, 0, 0, 0, 0, 0x60)


def works():
    """What an honest tool needs."""
    write("made")
    os.rename("made", "made well")
    read("made well")
    os.pread(FILM, 1, 0)
    lock = _thread.allocate_lock()
    lock.acquire()
    _thread.start_new_thread(lock.release, ())
    return lock.acquire(timeout=10)


def main():
    print("works", int(works()), sep="\t")
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except (OSError, MemoryError, OverflowError):
            print(name, 0, sep="\t")
        else:
            print(name, 1, sep="\t")
    sys.stdout.flush()
    # The last one: whoever succeeds is somebody else.
    for program in ("/bin/sh", given["outside"] + "/program"):
        try:
            os.execv(program, ["sh", "-c", "printf 'shell\\t1\\n'"])
        except OSError:
            continue
    print("shell", 0, sep="\t")


main()
