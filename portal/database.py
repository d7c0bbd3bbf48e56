"""Engine for SQLite and PostgreSQL, the declarative base, the database's clock, and the one commit.

Never knows a table; never decides what to write.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from portal import crash
from portal.errors import Away, Code
from portal.jobs import Wake, take_bells

# Names for constraints, so that a migration can speak of them on both databases.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


IDLE_SECONDS, LOCK_SECONDS = 60, 15
# Each of a process's 16 threads (Procfile) may hold two: what it reads with, and a short unit of work of its own beside it.
# With fewer, a crowd of threads that each hold one would wait for the second until the pool gives up.
CONNECTIONS = {"pool_size": 10, "max_overflow": 30}
# What a database that does not answer is known by; the second: every connection is taken, and none came free.
AWAY = (OperationalError, NoConnectionError)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps it naive, PostgreSQL with its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: a guessed zone is a wrong zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "times carry their zone"
            raise ValueError(msg)
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of every table."""

    metadata = MetaData(naming_convention=NAMING)


def make_engine(url: str) -> Engine:
    """Open the database named by `url`: SQLite in WAL mode with foreign keys on, or PostgreSQL.

    What a statement carries, an address perhaps, stands in no error and so in no log.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": 15}, hide_parameters=True, **CONNECTIONS)
        event.listen(engine, "connect", _tune_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True, **CONNECTIONS)
    event.listen(engine, "connect", _tune_postgres)
    return engine


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions that keep their objects readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


def _tune_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN is switched off: reads are deferred, writes say BEGIN IMMEDIATE (unit_of_work).
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=15000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _tune_postgres(connection: Any, _record: Any) -> None:
    # A process that is stopped in mid-transaction keeps its row locks for as long as its socket lives; and whoever
    # waits for such a row waits as long as on SQLite.
    connection.autocommit = True
    for name, seconds in (
        ("idle_in_transaction_session_timeout", IDLE_SECONDS),
        ("lock_timeout", LOCK_SECONDS),
    ):
        connection.execute(f"SET {name} = {seconds * 1000}")
    connection.autocommit = False


def _begin_sqlite(connection: Any) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def unit_of_work(session: Session, wake: Wake) -> Iterator[Session]:
    """Write everything or nothing; ring the bells only after it is written.

    Ends a reading transaction first: SQLite cannot turn one into a writing one while others write.
    Raises Away when the database cannot be reached or stays locked.
    """
    session.rollback()
    take_bells(session)
    try:
        session.connection(execution_options={"immediate": True})
        yield session
        crash.point("unit.commit")
        session.commit()
    except AWAY as error:
        session.rollback()
        raise Away(Code.OURS_DATABASE, retry_after=5) from error
    except BaseException:
        session.rollback()
        take_bells(session)
        raise
    crash.point("unit.committed")
    for bell in take_bells(session):
        wake(bell)
        crash.point("unit.rung")


def db_now(session: Session) -> datetime:
    """The database's clock (UTC): leases and ages are never measured by a worker's own clock."""
    if session.get_bind().dialect.name == "sqlite":
        stamp = session.execute(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")).scalar_one()
        return datetime.fromisoformat(stamp).replace(tzinfo=UTC)
    now: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now.astimezone(UTC)
