"""What every server from a wheel has in common: prepare, start, wait until it answers, stop."""

import os
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, ClassVar, Self

from ops.processes import Command, spawn

LAST_LINES = 15


class ServerDidNotStartError(Exception):
    """A server ended, or did not answer in time; the text holds its last lines."""


class Server(ABC):
    """One server program with its own folder. Safe to make anywhere; only `start` runs something."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.output: IO[bytes] | None = None
        self.last_lines = ""

    @abstractmethod
    def prepare(self) -> Command:
        """Write the server's configuration and say how it is started."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the server answers now."""

    def settle(self) -> None:  # noqa: B027 -- most servers need nothing here
        """What is left to do on the running server; idempotent."""

    def tidy(self) -> None:  # noqa: B027 -- most servers need nothing here
        """Take away what the stopped server left outside its folder."""

    def start(self, timeout: float = 60.0) -> Self:
        """Start the server as a child of this process and return when it can be used.

        Raises ServerDidNotStartError with the server's last lines.
        """
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the server
        self.process = spawn(self.prepare(), self.output)
        deadline = time.monotonic() + timeout
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerDidNotStartError(f"{self.name} did not start:\n{self.last_lines}")
            time.sleep(0.05)
        try:
            self.settle()
        except (ServerDidNotStartError, subprocess.SubprocessError) as error:
            self.stop()
            raise ServerDidNotStartError(f"{self.name} could not be set up: {error}") from error
        return self

    def stop(self) -> None:
        """Stop the server and all of its family; returns when they are gone."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        if self.output is not None:
            self.last_lines = self._tail(self.output)
            self.output.close()
            self.output = None

    @staticmethod
    def _tail(output: IO[bytes]) -> str:
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])


def bare_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment without anything of ours in it: servers get what they need by name, no other secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return {**kept, "HOME": str(home), **more}
