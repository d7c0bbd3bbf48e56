"""A portal whose clip can be put back to where any stage of its life begins."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config import Settings
from portal import keys
from portal.models import Role
from portal.runtime import Runtime
from portal.storage import Bucket
from tests import footage
from tests.factories import Factory
from tests.faults import harm, life, records


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The two buckets and the letters at one moment; the record is kept beside, under the stage's name."""

    objects: dict[tuple[Bucket, str], bytes]
    letters: dict[str, bytes]


class Stand:
    """The portal that is broken again and again, and the snapshots that it is put back to."""

    def __init__(
        self, folder: Path, env: dict[str, str], record: records.Record, stages: tuple[str, ...], film: Path
    ) -> None:
        self.folder, self.record, self.stages, self.film = folder, record, stages, film
        self.env = {**env, "DATABASE_URL": record.url, "DATA_DIR": str(folder / "data")}
        with self.portal() as runtime:
            life.empty(runtime.storage)
            make = Factory(runtime)
            make.person("ines@brand.example", role=Role.MODERATOR, name="Inès M.")
            self.clip_id = life.begin(runtime, make.campaign().id)
        self.before: dict[str, Snapshot] = {}
        self.places: dict[str, str] = {}

    @contextlib.contextmanager
    def portal(self) -> Iterator[Runtime]:
        runtime = life.machines(self.env)
        try:
            yield runtime
        finally:
            runtime.engine.dispose()

    def live_once(self) -> None:
        """The whole life undisturbed: where each stage begins, and which places it comes by."""
        for stage in self.stages:
            self.before[stage] = self._taken(stage)
            victim = harm.Victim(self.env, None, stage, self.clip_id, self.film)
            assert victim.over() == 0, stage
            for place in victim.seen():
                self.places.setdefault(place, stage)
            if stage == "recut":
                continue  # What the clock does next is a stage of its own.
            with self.portal() as runtime:
                life.heal(runtime, stage, self.clip_id, self.film)
                assert life.broken_promises(runtime, stage, self.clip_id) == [], stage

    def _taken(self, stage: str) -> Snapshot:
        self.record.keep(stage)
        with self.portal() as runtime:
            stored = {
                (bucket, key): runtime.storage.read(bucket, key, 0, runtime.storage.size(bucket, key))
                for bucket in Bucket
                for key in runtime.storage.keys(bucket)
            }
            folder = runtime.settings.mail.folder
            letters = {path.name: path.read_bytes() for path in folder.glob("*.eml")}
        return Snapshot(stored, letters)

    def put_back(self, stage: str) -> None:
        """To where the stage begins."""
        was = self.before[stage]
        self.record.put_back(stage)
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        with self.portal() as runtime:
            life.empty(runtime.storage)
            for (bucket, key), data in was.objects.items():
                cached = keys.cache_control(key) if bucket is Bucket.PUBLIC else "no-store"
                runtime.storage.put(bucket, key, data, content_type="video/mp4", cache_control=cached)
            folder = runtime.settings.mail.folder
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in was.letters.items():
                (folder / name).write_bytes(data)


@pytest.fixture(scope="session")
def stand_env(tmp_path_factory: pytest.TempPathFactory, prepared_storage: dict[str, str]) -> dict[str, str]:
    """What leads a process to the machines of a stand, its record and its folder aside."""
    env = {
        **prepared_storage,
        "SITE_URL": "http://portal.test",
        "SECRET_KEY": "a secret key for tests, long enough",
        "BROKER_URL": "redis://127.0.0.1:1/0",
    }
    Settings.from_env({**env, "DATA_DIR": str(tmp_path_factory.mktemp("settings"))})
    return env


@pytest.fixture(scope="session")
def stand(
    tmp_path_factory: pytest.TempPathFactory, stand_env: dict[str, str], migrated_sqlite: Path
) -> Stand:
    """One clip that has lived through every stage once."""
    folder = tmp_path_factory.mktemp("stand")
    film = footage.small(folder, seconds=0.3, size="64x36")
    made = Stand(folder, stand_env, records.Embedded(folder, migrated_sqlite), life.ORDINARY, film)
    made.live_once()
    return made


@pytest.fixture(scope="session")
def served_stand(
    tmp_path_factory: pytest.TempPathFactory,
    stand_env: dict[str, str],
    make_migrated_postgres: Callable[[], str],
) -> Stand:
    """The same life on PostgreSQL."""
    folder = tmp_path_factory.mktemp("served")
    film = footage.small(folder, seconds=0.3, size="64x36")
    made = Stand(folder, stand_env, records.Served(make_migrated_postgres()), life.ORDINARY, film)
    made.live_once()
    return made


@pytest.fixture(scope="session")
def shared_stand(
    tmp_path_factory: pytest.TempPathFactory,
    stand_env: dict[str, str],
    make_migrated_postgres: Callable[[], str],
) -> Stand:
    """A clip whose film two workers make, on PostgreSQL: a film just long enough."""
    folder = tmp_path_factory.mktemp("shared")
    film = footage.small(folder, seconds=12.0, size="64x36", rate=5)
    env = {**stand_env, **life.SHARING}
    made = Stand(folder, env, records.Served(make_migrated_postgres()), life.LONG, film)
    made.live_once()
    return made
