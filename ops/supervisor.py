"""Keeps the Procfile's processes together: starts them in order, relays what they say, stops all when one ends.

honcho reads the Procfile, starts the commands and prints their lines; the order, the leash and the reasons are ours.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any

from honcho.colour import get_colours
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

from ops.leash import PR_SET_CHILD_SUBREAPER, clear, descendants, prctl
from ops.processes import Command, leashed

LAST_LINES = 15
GRACE_SECONDS = 10.0
# Beyond the grace of the leash itself, which then has killed the program's family.
LEASH_SECONDS = 3.0


class StopAskedError(Exception):
    """Ctrl-C or a SIGTERM arrived."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)


class ProcessEndedError(Exception):
    """A process that has to run has ended."""

    def __init__(self, name: str, status: int, last_lines: Iterable[str]) -> None:
        super().__init__(name)
        self.name, self.status, self.last_lines = name, status, list(last_lines)


@dataclass
class Running:
    """One process as the supervisor knows it."""

    name: str
    process: Process
    thread: threading.Thread
    needed: bool
    grace: float
    log: IO[bytes] | None
    status: int | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


class Supervisor:
    """The processes of one `make run`."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root, self.logs = root, logs
        self.events: queue.Queue[Any] = queue.Queue()
        self.running: dict[str, Running] = {}
        self.printer = Printer(sys.stdout, width=len("storage"))
        self.colours = get_colours()
        self.stop_signal: int | None = None
        # What a killed leash leaves behind comes to us instead of vanishing from sight.
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)

    def start(
        self,
        name: str,
        command: str,
        environment: Mapping[str, str],
        *,
        grace: float = GRACE_SECONDS,
        quiet: bool = False,
        needed: bool = True,
    ) -> None:
        """Start a shell command under this name; a quiet one writes to a file instead of the terminal."""
        process = Process(
            command, name=name, colour=next(self.colours), env=dict(environment), cwd=str(self.root)
        )

        def on_leash(text: str, **options: Any) -> Popen:
            # exec: the leash has the program itself as its child, not a shell.
            argv = leashed(Command(argv=["/bin/sh", "-c", f"exec {text}"], grace_seconds=grace))
            return Popen(argv, shell=False, stdin=subprocess.DEVNULL, **options)

        process._child_ctor = on_leash  # noqa: SLF001 -- honcho's own way to another kind of child
        # A thread for each, alive as long as its process: Linux ties the leash to the starting thread.
        thread = threading.Thread(target=process.run, args=(self.events,), name=name, daemon=True)
        log = self._log(name) if quiet else None
        self.running[name] = Running(name, process, thread, needed, grace, log)
        thread.start()

    def run(self, *, until: Callable[[], bool] = lambda: False, seconds: float | None = None) -> bool:
        """Relay lines until the condition holds (True) or the time is over (False); without either, for ever.

        Raises StopAskedError and ProcessEndedError.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while not until():
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._relay(0.1)
            if self.stop_signal is not None:
                raise StopAskedError(self.stop_signal)
            for one in self.running.values():
                if one.status is not None and one.needed:
                    raise ProcessEndedError(one.name, one.status, one.lines)
        return True

    def stop(self, *groups: Iterable[str]) -> None:
        """Stop the named processes, one group after the other, then all that is left of their families."""
        for group in (*groups, list(self.running)):
            self._stop_group([self.running[name] for name in group if name in self.running])
        clear_all()

    def _stop_group(self, group: list[Running]) -> None:
        alive = [one for one in group if one.status is None]
        for one in alive:
            signal_child(one, signal.SIGTERM)
        deadline = time.monotonic() + max((one.grace for one in alive), default=0) + LEASH_SECONDS
        while any(one.status is None for one in alive) and time.monotonic() < deadline:
            self._relay(0.05)
        for one in alive:
            if one.status is None:
                signal_child(one, signal.SIGKILL)

    def _relay(self, seconds: float) -> None:
        try:
            event = self.events.get(timeout=seconds)
            while True:
                self._take(event)
                event = self.events.get_nowait()
        except queue.Empty:
            return

    def _take(self, event: Any) -> None:
        one = self.running[event.name]
        if event.type == "stop":
            one.status = event.data["returncode"]
            if not one.needed and one.status and one.log is None and self.stop_signal is None:
                self.say(f"{one.name} ended with status {one.status}; the portal goes on without it")
        elif event.type == "line":
            one.lines.append(event.data.decode(errors="replace").rstrip())
            if one.log is None:
                self.printer.write(event)
            else:
                one.log.write(event.data)

    def say(self, text: str) -> None:
        """A line of our own between those of the processes."""
        self.printer.write(
            Message(type="line", data=text, time=datetime.now().astimezone(), name="", colour=None)
        )

    def _log(self, name: str) -> IO[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True)
        file = self.logs / f"{name}.log"
        if file.exists():
            file.replace(file.with_suffix(".previous.log"))
        return file.open("wb", buffering=0)

    def _ask_to_stop(self, number: int, _frame: FrameType | None) -> None:
        self.stop_signal = number


def signal_child(one: Running, number: int) -> None:
    """Send a signal to a process's leash, if it has been started."""
    child = one.process._child  # noqa: SLF001 -- honcho keeps it to itself
    if child is not None:
        child.send_signal(number)


def clear_all() -> None:
    """Kill whatever of our family is still alive."""
    if descendants(os.getpid()):
        clear(os.getpid())
