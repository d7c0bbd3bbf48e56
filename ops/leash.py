"""Runs one program and makes sure that nothing of it stays behind.

Executed as a script between a supervisor and a program, standard library only. It hands a stop on to the
program, kills what is left of its whole family after the grace time, and does the same by itself when the
supervisor vanishes, even by kill -9. It never touches the program's output.

usage: leash.py --parent PID --grace SECONDS --signal NAME [--user UID:GID] -- PROGRAM [ARGUMENT]…
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.5
LEFTOVER_SECONDS = 2.0


def prctl(option: int, value: int) -> None:
    """Ask the kernel for one of Linux's process attributes; does nothing on other systems."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def parents() -> dict[int, int]:
    """Every living process and its parent; zombies are left out, they hold nothing any more."""
    found: dict[int, int] = {}
    proc = Path("/proc")
    if not (proc / "self" / "stat").exists():
        table = subprocess.run(
            ["/bin/ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in table.stdout.splitlines()]
        return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name stands in brackets and may hold anything, brackets included.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    found[int(entry.name)] = int(fields[1])
    return found


def descendants(ancestor: int) -> list[int]:
    """Process ids of the ancestor's whole living family, without the ancestor itself."""
    table = parents()
    family = {ancestor}
    while True:
        more = {pid for pid, parent in table.items() if parent in family} - family
        if not more:
            return sorted(family - {ancestor})
        family |= more


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def reap() -> dict[int, int]:
    """Collect the children that ended: process id and wait status of each."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = status
    return ended


def clear(ancestor: int, patience: float = LEFTOVER_SECONDS) -> None:
    """End the ancestor's whole family: a polite signal first, SIGKILL for what is there after `patience` seconds."""
    deadline = time.monotonic() + patience
    for pid in descendants(ancestor):
        send(pid, signal.SIGTERM)
    while family := descendants(ancestor):
        if time.monotonic() >= deadline:
            for pid in family:
                send(pid, signal.SIGKILL)
        reap()
        time.sleep(0.02)
    reap()


class Leash:
    """One program under watch, from its start to the last of its family."""

    def __init__(self, program: list[str], *, parent: int, grace: float, stop_signal: int) -> None:
        self.program, self.parent, self.grace, self.stop_signal = program, parent, grace, stop_signal
        self.stop_asked = False
        self.bell, self.rope = os.pipe()

    def run(self, user: tuple[int, int] | None) -> int:
        """Start the program, wait for its end or a stop, clear up; the program's exit status (128 + n by signal n)."""
        for end in (self.bell, self.rope):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.rope, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        child = os.fork()
        if child == 0:
            self.become_program(user)
        status = self.watch(child)
        clear(os.getpid())
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)

    def ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        """Take a stop signal in; the watch acts on it."""
        self.stop_asked = True

    def become_program(self, user: tuple[int, int] | None) -> None:
        """In the child: undo our signal habits, give up root where asked, and turn into the program."""
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            if user is not None:
                os.setgroups([])
                os.setgid(user[1])
                os.setuid(user[0])
            # After the change of user, which clears it. The leash itself may be killed too.
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.execvp(self.program[0], self.program)  # noqa: S606 -- no shell is wanted here
        except OSError as error:
            sys.stderr.write(f"{self.program[0]}: {error.strerror}\n")
            sys.stderr.flush()
            os._exit(127)

    def watch(self, child: int) -> int:
        """Wait for the child's end, handing a stop on to it, with SIGKILL for all after the grace; its wait status."""
        deadline: float | None = None
        while True:
            status = reap().get(child)
            if status is not None:
                return status
            if os.getppid() != self.parent:
                self.stop_asked = True
            if self.stop_asked and deadline is None:
                deadline = time.monotonic() + self.grace
                send(child, self.stop_signal)
            if deadline is not None and time.monotonic() > deadline:
                for pid in descendants(os.getpid()):
                    send(pid, signal.SIGKILL)
            if select.select([self.bell], [], [], POLL_SECONDS)[0]:
                os.read(self.bell, 4096)


def main() -> int:
    """Read the command line and run the program on the leash."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--signal", default="SIGTERM")
    parser.add_argument("--user")
    parser.add_argument("program", nargs="+")
    given = parser.parse_args()
    user = None
    if given.user:
        uid, gid = given.user.split(":")
        user = (int(uid), int(gid))
    number = signal.Signals[given.signal]
    return Leash(given.program, parent=given.parent, grace=given.grace, stop_signal=number).run(user)


if __name__ == "__main__":
    sys.exit(main())
