"""The record that a stand's clip lives on, kept and put back: a file, or a database of the run's PostgreSQL."""

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Protocol

import psycopg

PATIENCE_SECONDS = 240.0


class Record(Protocol):
    """One portal's database."""

    url: str

    def keep(self, name: str) -> None:
        """Remember under this name how it is now."""

    def put_back(self, name: str) -> None:
        """As it was."""

    def is_free(self) -> bool:
        """Whether others can write while somebody is frozen; where the server can free it, it does."""


class Embedded:
    """SQLite."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder, self.path = folder, folder / "portal.sqlite"
        self.url = f"sqlite:///{self.path}"
        shutil.copy(template, self.path)

    def keep(self, name: str) -> None:
        with (
            contextlib.closing(sqlite3.connect(self.path)) as source,
            contextlib.closing(sqlite3.connect(self._kept(name))) as target,
        ):
            source.backup(target)

    def put_back(self, name: str) -> None:
        for path in self.folder.glob("portal.sqlite*"):
            path.unlink()
        shutil.copy(self._kept(name), self.path)

    def is_free(self) -> bool:
        with contextlib.closing(sqlite3.connect(self.path, timeout=0.2, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
        return True

    def _kept(self, name: str) -> Path:
        return self.folder / f"before-{name}.sqlite"


class Served:
    """PostgreSQL: copies are databases made after each other."""

    def __init__(self, url: str) -> None:
        self.url = url
        server, self.name = url.replace("+psycopg", "").rsplit("/", 1)
        self.server = f"{server}/postgres"

    def keep(self, name: str) -> None:
        self._end_sessions()
        self._tell(f'CREATE DATABASE "{self.name}-{name}" TEMPLATE "{self.name}"')

    def put_back(self, name: str) -> None:
        self._tell(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        self._tell(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.name}-{name}"')

    def is_free(self) -> bool:
        # What the server does by itself a minute later, as `portal.database` tells it to. A session that was at work in
        # this moment, or waited for one that is ended here, is left with a lock a moment later.
        ends = time.monotonic() + PATIENCE_SECONDS
        while self._are_at_work():
            self._end_sessions("AND state LIKE 'idle in transaction%'")
            assert time.monotonic() < ends, "somebody is at work although everybody is frozen"
        return True

    def _are_at_work(self) -> bool:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state <> 'idle'"
        with psycopg.connect(self.server, autocommit=True) as connection:
            found = connection.execute(asked, [self.name]).fetchone()
        return bool(found and found[0])

    def _end_sessions(self, which: str = "") -> None:
        self._tell(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}' {which}"
        )

    def _tell(self, words: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(words)
