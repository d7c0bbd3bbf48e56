"""Workers of two releases beside each other, as in a deploy: each does what it understands, nothing is made twice."""

import dataclasses
import os
import subprocess
import sys

import pytest
import redis
from sqlalchemy import select

from portal import cuts, jobs, keys
from portal.jobs import QUEUES, Bell, JobKind
from portal.ladder import LADDER_VERSION
from portal.lifecycle import enqueue
from portal.models import Clip, Cut, Job, JobState, Rendition, State, WorkerSeen
from portal.runtime import make_celery, make_wake
from portal.storage import Bucket
from tests import footage
from tests.faults import harm
from tests.jobs import stage

pytestmark = pytest.mark.timeout(600)
# Films that the site of each release asks for; `make torture` asks for more.
EACH = 8 if "TORTURE" in os.environ else 2
BEFORE, AFTER = "before@here", "after@here"


class OlderWorker(stage.WorkerProcess):
    """A worker of the release before, in a process group of its own."""

    def __init__(self, runtime, folder, *, data_dir, node):
        self.log = (folder / f"{node}.log").open("wb")
        words = [
            "-A",
            "tests.faults.older_worker:app",
            "worker",
            "-c",
            "1",
            "-n",
            node,
            "-Q",
            ",".join(QUEUES),
        ]
        words += ["-B", "-s", str(folder / f"{node}-clock"), "--without-gossip", "--without-mingle"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", *words],
            cwd=stage.ROOT,
            env={**harm.env_of(runtime.settings), "DATA_DIR": str(data_dir), "LEASE": str(stage.LONG)},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@pytest.fixture
def database_url(make_migrated_postgres):
    return make_migrated_postgres()


@pytest.fixture
def ringing(runtime, broker_url):
    redis.Redis.from_url(broker_url).flushall()
    settings = dataclasses.replace(runtime.settings, broker_url=broker_url)
    return dataclasses.replace(runtime, settings=settings, wake=make_wake(make_celery(broker_url)))


def alive(runtime):
    """The nodes that have said that they live."""
    with runtime.read() as session:
        return {name.rsplit("/", 1)[0] for name in session.scalars(select(WorkerSeen.name))}


def asked(runtime, clip, release):
    """A film that a site of this release asks for."""
    with runtime.work() as session:
        job = enqueue(session, session.get_one(Clip, clip.id), JobKind.TRANSCODE)
        job.format = release
        return job.id


def state(runtime, job_id):
    return stage.row(runtime, Job, job_id).state


def is_taken(runtime, job_id):
    """Whether somebody has it; the first bell was heard by a worker that may not do it."""
    runtime.wake(Bell(JobKind.TRANSCODE, job_id))
    return state(runtime, job_id) != JobState.QUEUED


def put_to_films(runtime, node):
    """Let a worker take films from now on, as `celery control add_consumer` does."""
    app = make_celery(runtime.settings.broker_url)
    told = app.control.add_consumer(
        "heavy", destination=[node], reply=True, limit=1, timeout=stage.PATIENCE_SECONDS
    )
    assert "ok" in str(told)


def ladders(runtime, clips):
    """The ladder of each cut that was ever made of these clips."""
    with runtime.read() as session:
        made = select(Cut.clip_id, Cut.ladder_version).where(Cut.clip_id.in_([clip.id for clip in clips]))
        return sorted((clip_id, version) for clip_id, version in session.execute(made))


def nameless(runtime, clips):
    """What was stored for these clips and belongs to no cut."""
    with runtime.read() as session:
        named = set(session.scalars(select(Rendition.key)))
    stored = (runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)) for clip in clips)
    return {key for found in stored for key in found} - named


def test_of_two_releases_each_worker_does_what_it_understands_and_the_newer_ends_what_the_older_gives_back(
    make, ringing, tmp_path
):
    quick = footage.small(tmp_path, seconds=0.3, size="64x36")
    long = footage.small(tmp_path, seconds=2.0, size="640x360", name="long.mp4")
    newer_clips = [stage.arrived(make, ringing, quick) for _ in range(EACH)]
    older_clips = [stage.arrived(make, ringing, film) for film in [*[quick] * (EACH - 1), long]]
    with (
        OlderWorker(ringing, tmp_path, data_dir=tmp_path / "before", node=BEFORE) as older,
        stage.WorkerProcess(
            ringing, tmp_path, data_dir=tmp_path / "after", node=AFTER, queues=("light", "short")
        ),
    ):
        stage.until(lambda: {BEFORE, AFTER} <= alive(ringing))
        newer = [asked(ringing, clip, jobs.FORMAT) for clip in newer_clips]
        older_jobs = [asked(ringing, clip, jobs.FORMAT - 1) for clip in older_clips]
        given_back = older_jobs[-1]
        stage.until(lambda: state(ringing, given_back) == JobState.RUNNING)
        # It has passed them by, each in its turn.
        assert {state(ringing, one) for one in newer} == {JobState.QUEUED}
        put_to_films(ringing, AFTER)
        assert state(ringing, given_back) == JobState.RUNNING
        older.ask_to_stop()
        everything = [*newer, *older_jobs]
        stage.until(lambda: all(is_taken(ringing, one) for one in everything))
        stage.until(lambda: {state(ringing, one) for one in everything} == {JobState.DONE})
        assert older.process.wait(timeout=stage.PATIENCE_SECONDS) == 0
    assert {stage.row(ringing, Job, one).attempt for one in everything} == {1}
    clips = [*newer_clips, *older_clips]
    assert {stage.row(ringing, Clip, clip.id).state for clip in clips} == {State.IN_REVIEW}
    by_older = {clip.id for clip in older_clips[:-1]}
    assert ladders(ringing, clips) == sorted(
        (clip.id, LADDER_VERSION - (clip.id in by_older)) for clip in clips
    )
    assert nameless(ringing, clips) == set()
    with ringing.read() as session:
        assert {clip.id for clip in cuts.outdated(session)} == by_older
