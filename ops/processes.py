"""Starting programs on a leash. Never waits for a program to become useful: that is the server's question."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True)
class Command:
    """A program as it is to be started: never a secret among its arguments."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stop_signal: str = "SIGTERM"
    grace_seconds: float = 10.0
    user: tuple[int, int] | None = None


def leashed(command: Command) -> list[str]:
    """The arguments that run the command under ops/leash.py, bound to the life of the calling process."""
    argv = [sys.executable, "-I", "-S", str(LEASH), "--parent", str(os.getpid())]
    argv += ["--grace", str(command.grace_seconds), "--signal", command.stop_signal]
    if command.user is not None:
        argv += ["--user", f"{command.user[0]}:{command.user[1]}"]
    return [*argv, "--", *command.argv]


def spawn(command: Command, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Start the command on its leash, in its own session, with `output` as both of its outputs.

    The calling thread must outlive the program: Linux ties the leash to the thread that started it.
    """
    return subprocess.Popen(
        leashed(command),
        env=dict(command.env),
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
