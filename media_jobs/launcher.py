"""Starts one media tool in its jail: shuts one wall after the other, then becomes the tool.

Started by `jail.command` in a bare Python: standard library and syscalls.py only, nothing slow to import. A wall that
was asked for and cannot be shut ends it with NOT_STARTED; the tool never runs without it.
"""

import ctypes
import os
import resource
import sys

from media_jobs import syscalls

# Says that the tool never began, so that nobody blames the film: neither ffmpeg nor ffprobe ends like this.
NOT_STARTED = 97
NICE = 10

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SIGKILL, SECCOMP_MODE_FILTER = 9, 2
CAPABILITY_VERSION = 0x20080522
# One number on every machine.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 5, 1 << 8, 1 << 14
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
# What each version of Landlock added to the 13 rights over files that it began with.
RIGHTS = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 5: 1 << 16}
NO_TCP, NO_SCOPES_LEFT = 3, 3
# Everything a tool may hold open beside its films: outputs, pipes, libraries while they are loaded.
OPEN_FILES = 256
# Threads ask for this much address space each, the 8 MiB of most systems times 40 would be 320 MiB of it.
STACK_BYTES = 2 << 20
# The tool's whole environment: without it every thread reserves 64 MiB of address space for small allocations.
ENVIRONMENT = [b"MALLOC_ARENA_MAX=2"]

libc = ctypes.CDLL(None, use_errno=True)


class Order:
    """What is to be started, and in what room: words `name=value`, then `--`, then the tool and its arguments."""

    def __init__(self, words: list[str]) -> None:
        end = words.index("--")
        self.tool = words[end + 1 :]
        self.reads: list[str] = []
        self.executes: list[str] = []
        self.keeps: list[int] = []
        self.walls: list[str] = []
        self.outer: list[str] = []
        self.figures: dict[str, int] = {}
        lists = {"read": self.reads, "execute": self.executes, "wall": self.walls, "outer": self.outer}
        for word in words[:end]:
            name, _, value = word.partition("=")
            if name in lists:
                lists[name].append(value)
            elif name == "keep":
                self.keeps.append(int(value))
            else:
                self.figures[name] = int(value)

    def figure(self, name: str) -> int:
        """A number of the order: parent, memory, cpu, file, threads, users, among, writes."""
        return self.figures[name]


def call(number: int, *words: object) -> int:
    """A system call by its number; raises OSError."""
    return checked(libc.syscall(ctypes.c_long(number), *words))


def checked(answer: int) -> int:
    """The answer of a C function; raises OSError where it failed."""
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def die_with(parent: int) -> None:
    """Let the kernel kill us when the worker's thread that waits for us is gone; also if it is gone already."""
    checked(libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        raise SystemExit(NOT_STARTED)


def limit(kind: int, most: int) -> None:
    """Set a limit that the tool cannot raise again; never above the one we live under ourselves."""
    _, hard = resource.getrlimit(kind)
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (value, value))


def limits(order: Order) -> None:
    """Memory, processor, size of files; the number of threads only where nobody else shares the user."""
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, order.figure("cpu"))
    limit(resource.RLIMIT_FSIZE, order.figure("file"))
    limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    limit(resource.RLIMIT_STACK, STACK_BYTES)
    if "user" in order.walls and order.figure("among") > 1:
        limit(resource.RLIMIT_NPROC, order.figure("threads"))
    limit(resource.RLIMIT_AS, order.figure("memory"))


def change_user(order: Order) -> None:
    """Become a user that owns nothing but the one folder that may be written in; the number is this process's own."""
    user = order.figure("users") + os.getpid() % order.figure("among")
    if order.figure("writes"):
        os.chown(".", user, user)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def drop_rights() -> None:
    """Give up every capability; nothing that is started from here on may gain any."""
    head = CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4)
    checked(libc.capset(head, bytes(24)))
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def landlock_version() -> int:
    """The kernel's version of Landlock, 0 when it has none or keeps it switched off."""
    return max(0, int(libc.syscall(ctypes.c_long(LANDLOCK_CREATE_RULESET), None, ctypes.c_size_t(0), 1)))


def ruleset(order: Order, tool: int) -> int:
    """A Landlock ruleset: read what the tool is made of, write in this folder, no TCP, no signals to others."""
    version = landlock_version()
    rights = RIGHTS[max(at for at in RIGHTS if at <= version)] - 1
    attributes = rights.to_bytes(8, "little")
    if version >= 4:
        attributes += NO_TCP.to_bytes(8, "little")
    if version >= 6:
        attributes += NO_SCOPES_LEFT.to_bytes(8, "little")
    rules = call(LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)

    def allow(descriptor: int, wanted: int) -> None:
        rule = (wanted & rights).to_bytes(8, "little") + descriptor.to_bytes(4, "little")
        call(LANDLOCK_ADD_RULE, ctypes.c_int(rules), 1, rule, 0)

    def allow_path(path: str, wanted: int) -> None:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return  # What is not there needs no permission.
        allow(descriptor, wanted | READ_DIR if os.path.isdir(path) else wanted & OF_FILES)  # noqa: PTH112
        os.close(descriptor)

    allow(tool, EXECUTE | READ_FILE)
    for path in order.executes:
        allow_path(path, EXECUTE | READ_FILE)
    for path in order.reads:
        allow_path(path, READ_FILE)
    if order.figure("writes"):
        allow_path(".", READ_FILE | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE)
    return rules


def filter_calls(program: bytes) -> None:
    """Let the kernel answer every call that is not on the list."""
    steps = ctypes.create_string_buffer(program, len(program))
    head = (len(program) // 8).to_bytes(8, "little") + ctypes.addressof(steps).to_bytes(8, "little")
    checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0))


def close_all_but(kept: list[int]) -> None:
    """Close every descriptor that was not handed over on purpose."""
    low = 3
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 1 << 20)


def enter(order: Order) -> None:
    """Shut the doors in the order in which each still can be shut, then become the tool."""
    parent = order.figure("parent")
    die_with(parent)
    if order.outer:
        within_another(order)
    # Opened while we may: the user that we become need not reach the folders above.
    tool = os.open(order.tool[0], os.O_PATH | os.O_CLOEXEC)
    rules = ruleset(order, tool) if "landlock" in order.walls else None
    if "user" in order.walls:
        change_user(order)
        # The change of user has wiped it out.
        die_with(parent)
    close_all_but([*order.keeps, tool, *([] if rules is None else [rules])])
    os.nice(NICE)
    path = ctypes.create_string_buffer(b"")
    words, environment = pointers([word.encode() for word in order.tool]), pointers(ENVIRONMENT)
    start, machine = (tool, ctypes.addressof(path)), os.uname().machine
    calls = syscalls.program(start, machine) if "seccomp" in order.walls else b""
    execveat = syscalls.EXECVEAT[syscalls.MACHINES[machine][0]]
    limits(order)
    drop_rights()
    if rules is not None:
        call(LANDLOCK_RESTRICT_SELF, ctypes.c_int(rules), 0)
        os.close(rules)
    if calls:
        filter_calls(calls)
    call(execveat, ctypes.c_int(tool), path, words, environment, ctypes.c_int(syscalls.AT_EMPTY_PATH))


def within_another(order: Order) -> None:
    """Become the program that builds the room of namespaces; it gets the filter and starts the tool in it."""
    close_all_but(order.keeps)
    os.nice(NICE)
    calls = os.memfd_create("calls", 0)
    os.write(calls, syscalls.program(None, os.uname().machine))
    os.lseek(calls, 0, os.SEEK_SET)
    limits(order)
    words = [*order.outer, "--seccomp", str(calls), "--", *order.tool]
    os.execve(words[0], words, dict(word.split(b"=", 1) for word in ENVIRONMENT))


def pointers(words: list[bytes]) -> object:
    """Words as C wants them: an array of pointers with nothing at its end."""
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


def main(words: list[str]) -> None:
    """Start what was ordered; comes back only by SystemExit(NOT_STARTED)."""
    try:
        enter(Order(words))
    except (OSError, ValueError, KeyError) as trouble:
        sys.stderr.write(f"the tool was not started: {trouble}\n")
        raise SystemExit(NOT_STARTED) from trouble
