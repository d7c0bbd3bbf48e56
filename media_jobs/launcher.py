"""Starts one media tool in a small room: dies with its parent, limited, without our environment.

Run as `python -I -S launcher.py PARENT AS_BYTES CPU_SECONDS FILE_BYTES -- tool arguments`; imports nothing of ours.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
NICE = 10

# Says that the tool never began, so that nobody blames the film: neither ffmpeg nor ffprobe ends like this.
NOT_STARTED = 97


def limit(kind: int, most: int) -> None:
    """Set a limit that the tool cannot raise again; never above the one we live under ourselves."""
    _, hard = resource.getrlimit(kind)
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (value, value))


def main(words: list[str]) -> None:
    """Shut the doors one after the other, then become the tool."""
    parent, memory, cpu, file_size = (int(word) for word in words[:4])
    command = words[words.index("--") + 1 :]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        # The worker died before the line above took effect: nobody would ever end us.
        raise SystemExit(NOT_STARTED)
    os.closerange(3, 4096)
    limit(resource.RLIMIT_AS, memory)
    limit(resource.RLIMIT_CPU, cpu)
    limit(resource.RLIMIT_FSIZE, file_size)
    limit(resource.RLIMIT_CORE, 0)
    os.nice(NICE)
    try:
        os.execve(command[0], command, {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    except OSError as trouble:
        sys.stderr.write(f"{trouble}\n")
        raise SystemExit(NOT_STARTED) from trouble


if __name__ == "__main__":
    main(sys.argv[1:])
