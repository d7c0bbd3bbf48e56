"""Real servers for the tests: SeaweedFS, Valkey and PostgreSQL from their wheels, one set per test process.

Started when first asked for, on free ports; gone with the test process, however it ends. A set per process and not
per run: a shared one would die with the process that happened to start it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from ops.broker import PORT_NAMES as BROKER_PORTS
from ops.broker import Valkey
from ops.ports import reserve
from ops.postgres import PORT_NAMES as POSTGRES_PORTS
from ops.postgres import PostgreSQL
from ops.servers import Server, ServerDidNotStartError
from ops.storage import PORT_NAMES as STORAGE_PORTS
from ops.storage import SeaweedFS, usable

ORIGINALS, PUBLIC = "vecu-originals", "vecu-public"
TRIES = 3
S = TypeVar("S", bound=Server)


def started(folder: Path, names: tuple[str, ...], make: Callable[[dict[str, int]], S]) -> S:
    """The server on ports that nobody took between choosing and listening."""
    for _ in range(TRIES - 1):
        try:
            return make(reserve(folder / "ports.json", names, usable)).start()
        except ServerDidNotStartError:
            (folder / "ports.json").unlink()
    return make(reserve(folder / "ports.json", names, usable)).start()


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
