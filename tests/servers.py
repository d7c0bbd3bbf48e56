"""Real servers for the tests: SeaweedFS, Valkey and PostgreSQL from their wheels, one set per test process.

Started when first asked for, on free ports; gone with the test process, however it ends. A set per process and not
per run: a shared one would die with the process that happened to start it.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from ops.broker import PORT_NAMES as BROKER_PORTS
from ops.broker import Valkey
from ops.leash import descendants
from ops.ports import reserve
from ops.postgres import PORT_NAMES as POSTGRES_PORTS
from ops.postgres import PostgreSQL
from ops.servers import Server, ServerDidNotStartError
from ops.storage import PORT_NAMES as STORAGE_PORTS
from ops.storage import SeaweedFS, usable

ORIGINALS, PUBLIC = "vecu-originals", "vecu-public"
TRIES = 5
# Many times what a start takes: four test processes begin at once, beside whatever else the machine does.
PATIENCE_SECONDS = 180.0
LISTENING = "0A"
S = TypeVar("S", bound=Server)


def listening() -> Iterator[tuple[str, str, int]]:
    """Every TCP socket of this machine that listens: its name, its hexadecimal address, its port."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                address, port = fields[1].split(":")
                yield f"socket:[{fields[9]}]", address, int(port, 16)


def sockets(pids: Iterable[int]) -> set[str]:
    """The names of what the processes have open."""
    found = set()
    for pid in pids:
        # Processes come and go, open and close, while one looks.
        with contextlib.suppress(OSError):
            for one in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found.add(str(one.readlink()))
    return found


def is_itself(server: Server, ports: Iterable[int]) -> bool:
    """Whether this server has its ports to itself: of the same kind and password, another test process's would answer too."""
    if sys.platform != "linux":
        return True
    assert server.process is not None
    heard = [(name, port) for name, _, port in listening() if port in ports]
    own = sockets(descendants(server.process.pid))
    return bool(heard) and all(name in own for name, _ in heard)


def started(folder: Path, names: tuple[str, ...], make: Callable[[dict[str, int]], S]) -> S:
    """The server on ports that nobody took between choosing and listening."""
    for _ in range(TRIES):
        ports = reserve(folder / "ports.json", names, usable)
        try:
            server = make(ports).start(PATIENCE_SECONDS)
        except ServerDidNotStartError as error:
            trouble = str(error)
        else:
            if is_itself(server, ports.values()):
                return server
            trouble = f"{server.name}: another server answers on one of {ports}"
            server.stop()
        (folder / "ports.json").unlink()
    raise ServerDidNotStartError(trouble)


@pytest.fixture(scope="session")
def storage_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """An S3 storage, locked down as in production, with two empty buckets: .endpoint, .access_key, .secret_key."""
    folder = tmp_path_factory.mktemp("storage")

    def make(ports: dict[str, int]) -> SeaweedFS:
        return SeaweedFS(
            folder / "server", ports, access_key="test-key", secret_key="t" * 40, buckets=(ORIGINALS, PUBLIC)
        )

    server = started(folder, STORAGE_PORTS, make)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def broker_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey with a password."""
    folder = tmp_path_factory.mktemp("broker")
    server = started(folder, BROKER_PORTS, lambda ports: Valkey(folder / "server", ports, password="p" * 20))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def broker_url(broker_server: Valkey) -> str:
    """The broker's address."""
    return broker_server.url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """A PostgreSQL that forgets everything."""
    folder = tmp_path_factory.mktemp("postgres")
    server = started(folder, POSTGRES_PORTS, lambda ports: PostgreSQL(folder / "server", ports))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def make_postgres_database(postgres_server: PostgreSQL) -> Callable[[], str]:
    """Each call makes a fresh, empty database and gives its address."""
    return postgres_server.create_database


@pytest.fixture
def postgres_url(make_postgres_database: Callable[[], str]) -> str:
    """A fresh, empty database's address."""
    return make_postgres_database()
