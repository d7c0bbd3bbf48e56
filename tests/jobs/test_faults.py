"""Workers that are killed and brokers that forget: nothing is lost, nothing runs on, everything ends."""

import contextlib
import dataclasses
import os
import random
import signal

import pytest
import redis
from sqlalchemy import select

from ops.leash import descendants
from portal import keys
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, move
from portal.models import Clip, Cut, Job, JobState, Publication, Rendition, State, WorkerSeen
from portal.runtime import make_celery, make_wake
from portal.storage import Bucket
from tests import footage
from tests.conftest import Bells
from tests.jobs import stage

TORTURE = "TORTURE" in os.environ
# Whose worker it was is nothing to the database: the dear ones are tried on the one with several writers.
one_database = pytest.mark.parametrize(
    "database_kind", ["sqlite", "postgresql"] if TORTURE else ["postgresql"]
)


@pytest.fixture
def ringing(runtime, broker_url):
    """The machines with a real bell, on a broker that knows nothing yet."""
    redis.Redis.from_url(broker_url).flushall()
    settings = dataclasses.replace(runtime.settings, broker_url=broker_url)
    return dataclasses.replace(runtime, settings=settings, wake=make_wake(make_celery(broker_url)))


@pytest.fixture
def film(tmp_path):
    """A film that takes some seconds to be made."""
    return footage.small(tmp_path, size="640x360", seconds=2.0)


def in_mid_work(runtime, job_id, *rooms):
    """The work folder, of these, in which a tool makes the job's film now."""
    rooms = rooms or (runtime.settings.media.scratch,)
    stage.until(lambda: stage.row(runtime, Job, job_id).step == "make")
    return stage.until(lambda: [room for room in rooms if stage.tools_at_work(room)])[0]


def until_done(runtime, job_id):
    stage.until(lambda: stage.row(runtime, Job, job_id).state == JobState.DONE)


def stored_under(runtime, clip, token):
    return set(runtime.storage.keys(Bucket.ORIGINALS, keys.made(clip.id, token, "")))


def assert_made_once(runtime, clip, job_id):
    """The clip has one cut, and its files are those of the attempt that ended the job, and whole."""
    with runtime.read() as session:
        cuts = session.scalars(select(Cut.id).where(Cut.clip_id == clip.id)).all()
        named = session.scalars(select(Rendition.key).where(Rendition.clip_id == clip.id)).all()
        shown = session.get_one(Clip, clip.id)
    assert shown.state == State.IN_REVIEW
    assert cuts == [shown.cut_id]
    assert set(named) == stored_under(runtime, clip, stage.row(runtime, Job, job_id).lease_token)


# F2


@one_database
def test_a_worker_tree_killed_in_mid_work_leaves_no_tool_behind_and_the_film_is_made_by_the_next(
    make, ringing, film, tmp_path
):
    clip = stage.arrived(make, ringing, film)
    job_id = stage.ask(ringing, clip, JobKind.TRANSCODE)
    with stage.WorkerProcess(ringing, tmp_path) as worker:
        scratch = in_mid_work(ringing, job_id)
        worker.kill()
        stage.until(lambda: not stage.tools_at_work(scratch))
    with stage.WorkerProcess(ringing, tmp_path):
        until_done(ringing, job_id)
        stage.until(lambda: not list(scratch.iterdir()))
    assert stage.row(ringing, Job, job_id).attempt == 2
    assert stage.row(ringing, Clip, clip.id).state == State.IN_REVIEW


# F1


def is_alive(pid):
    return pid in descendants(os.getpid())


def kill_the_child(runtime, worker, job_id, instant):
    """Kill -9 the process that makes this film, no earlier than so far into it; the job as it was left."""
    scratch = in_mid_work(runtime, job_id)
    child = worker.child(runtime)
    stage.until(lambda: stage.row(runtime, Job, job_id).progress >= instant)
    os.kill(child, signal.SIGKILL)
    left = stage.row(runtime, Job, job_id)
    stage.until(lambda: not is_alive(child) and not stage.tools_at_work(scratch))
    assert worker.child(runtime) != child
    return left


@one_database
@pytest.mark.timeout(900 if TORTURE else 300)
def test_a_child_killed_in_mid_work_is_replaced_and_its_film_is_made_once(make, ringing, film, tmp_path):
    chance = random.Random(int(os.environ.get("TORTURE_SEED", "1")))
    with stage.WorkerProcess(ringing, tmp_path) as worker:
        for instant in [chance.random() for _ in range(10)] if TORTURE else [0.0]:
            clip = stage.arrived(make, ringing, film)
            job_id = stage.ask(ringing, clip, JobKind.TRANSCODE)
            left = kill_the_child(ringing, worker, job_id, instant)
            assert TORTURE or left.state == JobState.RUNNING
            # Its lease lasts an hour: whoever is done before the test is has not waited for that.
            until_done(ringing, job_id)
            # At the very end of an attempt nothing is left that could be made again.
            assert stage.row(ringing, Job, job_id).attempt == (2 if left.state == JobState.RUNNING else 1)
            assert_made_once(ringing, clip, job_id)
        stage.until(lambda: not list(ringing.settings.media.scratch.iterdir()))
        assert worker.process.poll() is None


# F3


@one_database
def test_a_worker_that_is_stopped_gives_its_film_to_another_at_once_and_uncounted(
    make, ringing, film, tmp_path
):
    homes = [tmp_path / "a", tmp_path / "b"]
    with contextlib.ExitStack() as hosts:
        workers = [
            hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, data_dir=home, node=home.name))
            for home in homes
        ]
        stage.until_seen(ringing, len(workers))
        clip = stage.arrived(make, ringing, film)
        job_id = stage.ask(ringing, clip, JobKind.TRANSCODE)
        rooms = [home / "scratch" for home in homes]
        scratch = in_mid_work(ringing, job_id, *rooms)
        stopped, token = workers[rooms.index(scratch)], stage.row(ringing, Job, job_id).lease_token
        stopped.ask_to_stop()
        # Long before its lease is over, and with the film half made.
        stage.until(lambda: is_given_back(ringing, job_id, token))
        assert stopped.process.wait(timeout=stage.PATIENCE_SECONDS) == 0
        assert stage.tools_at_work(scratch) == []
        until_done(ringing, job_id)
    assert stage.row(ringing, Job, job_id).attempt == 1
    assert stored_under(ringing, clip, token) == set()
    assert_made_once(ringing, clip, job_id)


def is_given_back(runtime, job_id, token):
    job = stage.row(runtime, Job, job_id)
    return job.state == JobState.QUEUED or job.lease_token != token


# F4


def test_a_broker_that_forgets_everything_loses_nothing(make, ringing, broker_url, tmp_path):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    with ringing.work() as session:
        move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK)
    redis.Redis.from_url(broker_url).flushall()
    with stage.WorkerProcess(ringing, tmp_path):
        job_id = stage.open_job(ringing, clip, JobKind.RETRACT)
        until_done(ringing, job_id)
    with ringing.read() as session:
        assert session.scalars(select(Publication.deleted_at)).one() is not None


def test_a_bell_that_was_never_rung_is_rung_by_the_sweep_and_a_worker_says_that_it_lives(
    make, ringing, tmp_path
):
    clip = make.clip(State.WITHDRAWN)
    mute = dataclasses.replace(ringing, wake=Bells())
    job_id = stage.ask(mute, clip, JobKind.RETRACT)
    with stage.WorkerProcess(ringing, tmp_path):
        until_done(ringing, job_id)
        # It looks at its tools first, and withdrawals do not wait for that.
        stage.until_seen(ringing, 1)
    with ringing.read() as session:
        seen = session.scalars(select(WorkerSeen)).all()
    assert len(seen) == 1
    assert seen[0].facts["ffmpeg"]
