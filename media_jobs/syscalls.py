"""The system calls a media tool may make, as a seccomp program; everything else is answered with EPERM.

Part of the launcher: standard library only. Numbers are the kernel's own, from its asm/unistd.h tables.
"""

import os
import sys

# Name, number on x86-64, number on arm64; a dash where the machine never had the call.
ALLOWED = """
read 0 63;write 1 64;readv 19 65;writev 20 66;pread64 17 67;pwrite64 18 68;preadv 295 69;pwritev 296 70
lseek 8 62;close 3 57;fstat 5 80;newfstatat 262 79;stat 4 -;lstat 6 -;statx 332 291
open 2 -;openat 257 56;access 21 -;faccessat 269 48;faccessat2 439 439;readlink 89 -;readlinkat 267 78
getcwd 79 17;umask 95 166;getdents64 217 61;unlink 87 -;unlinkat 263 35
rename 82 -;renameat 264 38;renameat2 316 276
ftruncate 77 46;fallocate 285 47;fadvise64 221 223;fsync 74 82;fdatasync 75 83;sync_file_range 277 84
dup 32 23;dup2 33 -;dup3 292 24;pipe 22 -;pipe2 293 59;eventfd2 290 19
poll 7 -;ppoll 271 73;select 23 -;pselect6 270 72
mmap 9 222;munmap 11 215;mremap 25 216;mprotect 10 226;madvise 28 233;brk 12 214;mincore 27 232
membarrier 324 283;futex 202 98;futex_waitv 449 449;set_robust_list 273 99;get_robust_list 274 100
set_tid_address 218 96;rseq 334 293;arch_prctl 158 -;restart_syscall 219 128
sched_yield 24 124;sched_getaffinity 204 123;sched_getparam 143 121;sched_getscheduler 145 120
sched_get_priority_max 146 125;sched_get_priority_min 147 126
rt_sigaction 13 134;rt_sigprocmask 14 135;rt_sigreturn 15 139;rt_sigpending 127 136
rt_sigsuspend 130 133;rt_sigtimedwait 128 137;sigaltstack 131 132
nanosleep 35 101;clock_nanosleep 230 115;clock_gettime 228 113;clock_getres 229 114;gettimeofday 96 169
time 201 -;times 100 153;getpid 39 172;gettid 186 178;getppid 110 173
getuid 102 174;geteuid 107 175;getgid 104 176;getegid 108 177;getresuid 118 148;getresgid 120 150
uname 63 160;sysinfo 99 179;getrusage 98 165;getcpu 309 168;getrlimit 97 163;getrandom 318 278
exit 60 93;exit_group 231 94
"""
# The calls whose first or second word decides, by machine as above.
CLONE, CLONE3, FCNTL, IOCTL, PRCTL = (56, 220), (435, 435), (72, 25), (16, 29), (157, 167)
PRLIMIT64, EXECVE, EXECVEAT, WAIT4 = (302, 261), (59, 221), (322, 281), (61, 260)

# A thread, and none of the namespaces that clone can open.
CLONE_THREAD, CLONE_NEW = 0x10000, 0x7E020000
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; not F_SETOWN, which makes the kernel send signals.
FCNTL_WORDS = [0, 1, 2, 3, 4, 1030]
# TCGETS and TIOCGWINSZ ("is this a terminal?"), FIONREAD, FIONBIO, FIOCLEX.
IOCTL_WORDS = [0x5401, 0x5413, 0x541B, 0x5421, 0x5451]
# PR_SET_NAME, PR_GET_NAME, PR_SET_VMA (names of memory); not the one that would outlive the worker.
PRCTL_WORDS = [15, 16, 0x53564D41]
AT_EMPTY_PATH = 0x1000

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
LOAD, AND, JUMP_EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
NUMBER, ARCHITECTURE = 0, 4

Step = tuple[int, int, int, int]


def is_known_machine() -> bool:
    """Whether there is a table for this processor and for a Python of its full width."""
    return os.uname().machine in MACHINES and sys.maxsize > 2**32


def allowed(column: int) -> list[int]:
    """The numbers of the calls that need no second look, on the machine of this column."""
    words = (entry.split() for entry in ALLOWED.replace("\n", ";").split(";") if entry)
    return [int(word[1 + column]) for word in words if word[1 + column] != "-"]


def program(start: tuple[int, int] | None, machine: str) -> bytes:
    """The filter for this kind of machine, in the kernel's own form.

    `start` is the one exec that is let through: its descriptor and the address of its empty path, which nobody
    who comes later can know. None lets every execve and wait through, for a program that stands between us and the tool.
    """
    column, architecture = MACHINES[machine]
    steps: list[Step] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    steps += _when(
        CLONE[column],
        [(LOAD, 0, 0, _low(0)), (AND, 0, 0, CLONE_THREAD | CLONE_NEW), *_one_of([CLONE_THREAD])],
    )
    steps += _when(CLONE3[column], [(RETURN, 0, 0, ENOSYS)])
    steps += _when(FCNTL[column], [(LOAD, 0, 0, _low(1)), *_one_of(FCNTL_WORDS)])
    steps += _when(IOCTL[column], [(LOAD, 0, 0, _low(1)), *_one_of(IOCTL_WORDS)])
    steps += _when(PRCTL[column], [(LOAD, 0, 0, _low(0)), *_one_of(PRCTL_WORDS)])
    # Asking for a limit, never setting one: no new value is handed over.
    steps += _when(PRLIMIT64[column], _all_of([(_low(2), 0), (_low(2) + 4, 0)]))
    if start is None:
        steps += _when(EXECVE[column], [(RETURN, 0, 0, ALLOW)])
        steps += _when(WAIT4[column], [(RETURN, 0, 0, ALLOW)])
    else:
        descriptor, path = start
        facts = [(_low(0), descriptor), (_low(1), path & 0xFFFFFFFF), (_low(1) + 4, path >> 32)]
        steps += _when(EXECVEAT[column], _all_of([*facts, (_low(4), AT_EMPTY_PATH)]))
    plain = allowed(column)
    steps += [(JUMP_EQUAL, len(plain) - place, 0, call) for place, call in enumerate(plain)]
    steps += [(RETURN, 0, 0, EPERM), (RETURN, 0, 0, ALLOW)]
    return b"".join(
        code.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")
        for code, yes, no, value in steps
    )


def _low(argument: int) -> int:
    """Where the lower half of a call's argument stands; the upper half follows it."""
    return 16 + 8 * argument


def _when(call: int, steps: list[Step]) -> list[Step]:
    """These steps for this call, every other call goes on behind them."""
    return [(JUMP_EQUAL, 0, len(steps), call), *steps]


def _one_of(values: list[int]) -> list[Step]:
    """Let through when what was loaded is one of these."""
    steps: list[Step] = [(JUMP_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [*steps, (RETURN, 0, 0, EPERM), (RETURN, 0, 0, ALLOW)]


def _all_of(facts: list[tuple[int, int]]) -> list[Step]:
    """Let through when every one of these words has its value."""
    steps: list[Step] = []
    for place, (where, value) in enumerate(facts):
        left = 2 * (len(facts) - place - 1)
        steps += [(LOAD, 0, 0, where), (JUMP_EQUAL, 0, left + 1, value)]
    return [*steps, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, EPERM)]
