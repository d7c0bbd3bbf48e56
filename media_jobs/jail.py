"""Which walls this machine can put around a media tool, and the launcher's words for them.

Starts nothing and knows no tool by name; what the walls are worth is tried in fitness.py.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from media_jobs import syscalls
from media_jobs.launcher import landlock_version

# Runs the launcher out of our own folder, appended so that the standard library comes first; its bytecode is kept.
BOOT = "import sys;sys.path.append(sys.argv.pop(1));from media_jobs.launcher import main;main(sys.argv[1:])"
ROOT = Path(__file__).parents[1]

# Where no system hands out user numbers (systemd's table of ranges): one for each process number, so that two tools
# that run at once cannot touch each other. Where these are not to be had, in most containers, all are nobody.
OWN_USERS, OWN_USERS_COUNT = 0x7000_0000, 1 << 22
NOBODY = 65534
# Threads of one tool; four rungs on two processors take 34.
THREADS = 128
# What a root must still be allowed in order to change its user and to end and read what that user made.
CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID = 0, 1, 5, 6, 7

LIBRARY_ROOMS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/urandom")


class Level(StrEnum):
    """How much stands between a taken-over tool and the machine; the word that is kept with what was made."""

    LANDLOCK = "1"
    BUBBLEWRAP = "2"
    CALLS = "3"
    NONE = "4"
    # Somebody has decided by hand that tools may run without walls.
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one run of a tool may use up."""

    memory_bytes: int
    cpu_seconds: int
    file_bytes: int


@cache
def level() -> Level:
    """The best level that this machine offers, as far as can be seen without trying."""
    return next(iter(offered()), Level.NONE)


def offered() -> list[Level]:
    """The levels that can be tried on this machine, best first; empty when none can."""
    if not syscalls.is_known_machine():
        return []
    found = []
    if landlock_version() > 0:
        found.append(Level.LANDLOCK)
    if shutil.which("bwrap"):
        found.append(Level.BUBBLEWRAP)
    if may_change_user():
        found.append(Level.CALLS)
    return found


@cache
def may_change_user() -> bool:
    """Whether we are root enough to give a tool a user of its own."""
    if os.geteuid() != 0:
        return False
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    rights = int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
    needed = (CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID)
    return all(rights >> right & 1 for right in needed) and _is_known(NOBODY)


def _is_known(user: int) -> bool:
    """Whether this number means a user in our namespace."""
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        first, _, count = (int(word) for word in line.split())
        if first <= user < first + count:
            return True
    return False


@cache
def _users() -> tuple[int, int]:
    """The first user number that tools may have, and how many follow it."""
    last = OWN_USERS + OWN_USERS_COUNT - 1
    return (OWN_USERS, OWN_USERS_COUNT) if _is_known(OWN_USERS) and _is_known(last) else (NOBODY, 1)


def command(
    tool: Sequence[str],
    *,
    at: Level,
    writes: bool,
    keeps: Sequence[int],
    bounds: Bounds,
    reads: Sequence[str] = (),
) -> list[str]:
    """The command that starts this tool, its path first, at this level.

    It is to be started in the folder that it may write in, or anywhere when it `writes` nothing; `keeps` are the
    descriptors of its inputs, `reads` what else it may open, for tools that are no single file.
    """
    first, among = _users()
    figures = {
        "parent": os.getpid(),
        "memory": bounds.memory_bytes,
        "cpu": bounds.cpu_seconds,
        "file": bounds.file_bytes,
        "threads": THREADS,
        "users": first,
        "among": among,
        "writes": int(writes),
    }
    words = [f"{name}={value}" for name, value in figures.items()]
    words += [f"wall={wall}" for wall in _walls(at)] + [f"keep={descriptor}" for descriptor in keeps]
    loader = _loader(tool[0])
    rooms = [*DEVICES, *reads, *(_rooms(tool[0]) if loader else ())]
    words += [f"read={room}" for room in rooms]
    words += [f"execute={loader}"] if loader else []
    if at is Level.BUBBLEWRAP:
        words += [f"outer={word}" for word in _outer(tool[0], rooms, loader, writes=writes)]
    return [sys.executable, "-I", "-S", "-c", BOOT, str(ROOT), *words, "--", *tool]


def _walls(at: Level) -> list[str]:
    own_user = ["user"] if may_change_user() else []
    walls = {
        Level.LANDLOCK: [*own_user, "landlock", "seccomp"],
        Level.BUBBLEWRAP: ["seccomp"],
        Level.CALLS: [*own_user, "seccomp"],
        Level.OFF: [],
    }
    # A level that is none of these has no words: whoever comes here with it starts nothing.
    return walls[at]


@cache
def _loader(tool: str) -> str | None:
    """The program that the kernel starts a dynamic tool with, as the tool itself names it (ELF, PT_INTERP)."""
    try:
        with open(tool, "rb") as file:  # noqa: PTH123
            head = file.read(64)
            if head[:5] != b"\x7fELF\x02":
                return None
            file.seek(int.from_bytes(head[32:40], "little"))
            size = int.from_bytes(head[54:56], "little")
            entries = [file.read(size) for _ in range(int.from_bytes(head[56:58], "little"))]
            for entry in entries:
                if int.from_bytes(entry[:4], "little") == 3:
                    file.seek(int.from_bytes(entry[8:16], "little"))
                    name = file.read(int.from_bytes(entry[32:40], "little"))
                    return name.rstrip(b"\0").decode()
    except OSError:
        # The launcher will say so.
        return None
    return None


def _rooms(tool: str) -> list[str]:
    """Where a dynamic tool finds its libraries: the system's rooms, and `lib` next to its own."""
    own = Path(tool).resolve().parents[1] / "lib" if len(Path(tool).resolve().parents) > 2 else None
    return [*LIBRARY_ROOMS, *([str(own)] if own is not None and own.is_dir() else [])]


def _outer(tool: str, rooms: Sequence[str], loader: str | None, *, writes: bool) -> list[str]:
    """The words for bubblewrap: nothing of the machine but the tool, its libraries and the one folder."""
    words = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    words += ["--clearenv", "--setenv", "MALLOC_ARENA_MAX", "2", "--cap-drop", "ALL"]
    # What lies in one of the rooms is there already.
    single = [
        path for path in (loader, tool) if path and not any(Path(path).is_relative_to(room) for room in rooms)
    ]
    for room in (*rooms, *single):
        words += ["--dev-bind" if room in DEVICES else "--ro-bind-try", room, room]
    return [*words, "--bind", ".", "/room", "--chdir", "/room"] if writes else [*words, "--chdir", "/"]
