"""The machines every test stands on: a migrated real database, real storage, the site on them."""

import contextlib
import dataclasses
import functools
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as of_examples
from itsdangerous import URLSafeTimedSerializer
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.orm import Session

from config import Settings, StorageSettings
from portal.database import make_engine, make_sessions
from portal.i18n import SOURCE, keep_time_of, language
from portal.jobs import Bell, Wake
from portal.mailer import Mailer
from portal.migrations import upgrade
from portal.models import Person, Role
from portal.runtime import Runtime
from portal.storage import Bucket, Storage
from portal.web import create_app
from portal.web.people import SEEN, SINCE
from tests.factories import Factory

pytest_plugins = ["tests.servers", "tests.browsers", "tests.sharing"]

# How long an example takes says how busy the machine is, and nothing of what is tried.
of_examples.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
of_examples.load_profile("calm")

# The floors that meet the database directly are tried on both; pages stand on the rules and use one.
BOTH_DATABASES = ("tests/rules/", "tests/jobs/")
# What a film decides and not a database is tried once, on the one with several writers.
FILM_ROOM = tuple(
    f"tests/jobs/test_{name}.py"
    for name in ("chunking", "patience", "posting", "preview", "replan", "signals", "speech")
)


class Bells(list[Bell]):
    """A bell rope that remembers who was rung for."""

    def __call__(self, bell: Bell) -> None:
        self.append(bell)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    if "database_kind" in metafunc.fixturenames and not any(
        "database_kind" in mark.args[0] for mark in marks
    ):
        path = Path(str(metafunc.definition.path)).as_posix()
        both = any(part in path for part in BOTH_DATABASES)
        kinds = ["sqlite", "postgresql"] if both else ["sqlite"]
        if any(part in path for part in FILM_ROOM):
            kinds = ["postgresql"]
        metafunc.parametrize("database_kind", kinds, scope="function")


@pytest.fixture(autouse=True)
def in_french() -> Iterator[None]:
    """Every test begins in the language of the sentences and in UTC, whatever a test before it was asked or set up in."""
    keep_time_of("UTC")
    with language(SOURCE):
        yield


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "portal.sqlite"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database."""
    if database_kind == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        url = databases.take()
        yield url
        # Where workers are started as processes, one that lingers must not meet the next test.
        if "tests/rules/" in Path(str(request.node.path)).as_posix():
            databases.give_back(url)
        return
    path = tmp_path / "portal.sqlite"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    yield f"sqlite:///{path}"


@pytest.fixture(scope="session")
def storage_env(storage_server: Any) -> dict[str, str]:
    """The settings that lead to the run's real storage."""
    return {
        "S3_ENDPOINT_URL": storage_server.endpoint,
        "S3_PUBLIC_URL": storage_server.endpoint,
        "S3_ACCESS_KEY_ID": storage_server.access_key,
        "S3_SECRET_ACCESS_KEY": storage_server.secret_key,
    }


@pytest.fixture(scope="session")
def prepared_storage(storage_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    data_dir = str(tmp_path_factory.mktemp("prepare"))
    Storage(Settings.from_env({**storage_env, "DATA_DIR": data_dir}).storage).prepare()
    return storage_env


@pytest.fixture
def settings(database_url: str, prepared_storage: dict[str, str], tmp_path: Path) -> Settings:
    return Settings.from_env({
        **prepared_storage,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "SITE_URL": "http://portal.test",
        "SECRET_KEY": "a secret key for tests, long enough",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        # Nobody opens letters here; the tests of the confirmation and the journeys do.
        "CONFIRM_EMAIL": "off",
    })  # fmt: skip


@pytest.fixture
def bells() -> Bells:
    return Bells()


def runtime_of(settings: Settings, wake: Wake, storage: Storage | None = None) -> Runtime:
    """The machines of one process with a bell rope of the test's own; whoever asks disposes of the engine."""
    engine = make_engine(settings.database_url)
    return Runtime(
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        storage=storage or Storage(settings.storage),
        mailer=Mailer(settings.mail, sender_name=settings.site.name),
        wake=wake,
    )


@pytest.fixture(scope="session")
def storage_of() -> Callable[[StorageSettings], Storage]:
    """The storage under these settings; making a client takes longer than most tests."""
    return functools.cache(Storage)


@pytest.fixture
def runtime(
    settings: Settings, bells: Bells, storage_of: Callable[[StorageSettings], Storage]
) -> Iterator[Runtime]:
    """The portal's machines on a real database and a real storage; bells are remembered, not rung."""
    machines = runtime_of(settings, bells, storage_of(settings.storage))
    yield machines
    machines.engine.dispose()


@pytest.fixture
def empty_buckets(runtime: Runtime) -> None:
    """Throws away what earlier tests left in the storage that they share."""
    for bucket in Bucket:
        runtime.storage.delete(bucket, list(runtime.storage.keys(bucket)))
    for left in list(runtime.storage.open_multiparts()):
        runtime.storage.abort_multipart(left.key, left.upload_id)


@pytest.fixture
def session(runtime: Runtime) -> Iterator[Session]:
    """A session for reading; write with `with runtime.work() as session`."""
    with runtime.sessions() as session:
        yield session


@pytest.fixture
def make(runtime: Runtime) -> Factory:
    """Makes rows as the rules would leave them: make.clip(state=…), make.person(), make.theme() …"""
    return Factory(runtime)


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """What one test's site compiled of the templates, the next one's need not compile again."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(runtime: Runtime, compiled_templates: FileSystemBytecodeCache) -> Flask:
    app = create_app(runtime)
    app.jinja_env.bytecode_cache = compiled_templates
    return app


class PortalClient(FlaskClient):
    """A browser without a screen; `post_form` carries the form token as a page would."""

    def post_form(self, url: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
        with self.session_transaction() as kept:
            raw = kept.setdefault("csrf_token", "0" * 40)
        signer = URLSafeTimedSerializer(str(self.application.secret_key), salt="wtf-csrf-token")
        return self.post(url, data={**(data or {}), "csrf_token": signer.dumps(raw)}, **more)

    def sign_in(self, person: Person) -> "PortalClient":
        """As staff, without the login page."""
        with self.session_transaction() as kept:
            kept["_user_id"] = person.session_token
            kept["_fresh"] = True
            kept[SINCE] = kept[SEEN] = int(time.time())
        return self


@pytest.fixture
def client(app: Flask) -> PortalClient:
    app.test_client_class = PortalClient
    return app.test_client()  # type: ignore[return-value]


@pytest.fixture
def moderator(make: Factory) -> Person:
    return make.person("ines@brand.example", role=Role.MODERATOR, name="Inès M.")


@pytest.fixture
def administrator(make: Factory) -> Person:
    return make.person("ada@brand.example", role=Role.ADMIN, name="Ada L.")


@pytest.fixture
def moderator_client(app: Flask, moderator: Person) -> PortalClient:
    app.test_client_class = PortalClient
    client: PortalClient = app.test_client()  # type: ignore[assignment]
    return client.sign_in(moderator)


@pytest.fixture
def admin_client(app: Flask, administrator: Person) -> PortalClient:
    app.test_client_class = PortalClient
    client: PortalClient = app.test_client()  # type: ignore[assignment]
    return client.sign_in(administrator)


def with_settings(runtime: Runtime, **parts: Any) -> Runtime:
    """The same machines under other settings."""
    return dataclasses.replace(runtime, settings=dataclasses.replace(runtime.settings, **parts))


@pytest.fixture(scope="session")
def postgres_template(make_postgres_database: Callable[[], str]) -> str:
    """A migrated database that others are copied from; migrating each anew would take ten times as long."""
    url = make_postgres_database()
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def make_migrated_postgres(postgres_template: str) -> Callable[[], str]:
    """Makes a fresh, migrated database on the run's PostgreSQL."""
    server, template = postgres_template.rsplit("/", 1)

    def make() -> str:
        name = f"copy_{secrets.token_hex(8)}"
        with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"{server}/{name}"

    return make


EMPTY = """
SET session_replication_role = replica;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', one.tablename);
  END LOOP;
  PERFORM setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences WHERE last_value IS NOT NULL;
END $$;
"""
# Tables, indexes and sequences, and the triggers that are on: a test may have taken one away.
SHAPE = """
SELECT array_agg(name ORDER BY name) FROM (
  SELECT relkind::text || relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT tgname::text || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
) AS parts
"""


class Databases:
    """PostgreSQL's migrated databases: one that a test gives back is emptied for the next, ten times as quick as a copy."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make, self._free = make, list[str]()
        self._shape: object = None

    def take(self) -> str:
        if self._free:
            return self._free.pop()
        url = self._make()
        if self._shape is None:
            with self._connected(url) as connection:
                self._shape = connection.execute(SHAPE).fetchone()
        return url

    def give_back(self, url: str) -> None:
        with contextlib.suppress(psycopg.Error):
            with self._connected(url) as connection:
                is_whole = connection.execute(SHAPE).fetchone() == self._shape
                connection.execute(EMPTY)
            if is_whole:
                self._free.append(url)

    @staticmethod
    def _connected(url: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


@pytest.fixture(scope="session")
def databases(make_migrated_postgres: Callable[[], str]) -> Databases:
    return Databases(make_migrated_postgres)
