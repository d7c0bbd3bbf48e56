"""Workers that are killed and brokers that forget: nothing is lost, nothing runs on, everything ends."""

import dataclasses

import pytest
import redis
from sqlalchemy import select

from portal.jobs import JobKind
from portal.lifecycle import CLOCK, move
from portal.models import Clip, Job, JobState, Publication, State, WorkerSeen
from portal.runtime import make_celery, make_wake
from tests import footage
from tests.conftest import Bells
from tests.jobs import stage


@pytest.fixture
def ringing(runtime, broker_url):
    """The machines with a real bell, on a broker that knows nothing yet."""
    redis.Redis.from_url(broker_url).flushall()
    settings = dataclasses.replace(runtime.settings, broker_url=broker_url)
    return dataclasses.replace(runtime, settings=settings, wake=make_wake(make_celery(broker_url)))


@pytest.fixture
def long_film(make, ringing, tmp_path):
    """A clip whose film takes some seconds to be made."""
    return stage.arrived(make, ringing, footage.small(tmp_path, size="1280x720", seconds=3.0))


def in_mid_work(runtime, job_id):
    scratch = runtime.settings.media.scratch
    stage.until(lambda: stage.row(runtime, Job, job_id).step == "make")
    stage.until(lambda: stage.tools_at_work(scratch))
    return scratch


def test_a_worker_tree_killed_in_mid_work_leaves_no_tool_behind_and_the_film_is_made_by_the_next(
    ringing, long_film, tmp_path
):
    job_id = stage.ask(ringing, long_film, JobKind.TRANSCODE)
    with stage.WorkerProcess(ringing, tmp_path) as worker:
        scratch = in_mid_work(ringing, job_id)
        worker.kill()
        stage.until(lambda: not stage.tools_at_work(scratch), seconds=30)
    with stage.WorkerProcess(ringing, tmp_path):
        stage.until(lambda: stage.row(ringing, Job, job_id).state == JobState.DONE, seconds=120)
        stage.until(lambda: not list(scratch.iterdir()), seconds=20)
    assert stage.row(ringing, Job, job_id).attempt == 2
    assert stage.row(ringing, Clip, long_film.id).state == State.IN_REVIEW


def test_a_worker_that_is_stopped_gives_its_film_back_at_once(ringing, long_film, tmp_path):
    job_id = stage.ask(ringing, long_film, JobKind.TRANSCODE)
    with stage.WorkerProcess(ringing, tmp_path) as worker:
        scratch = in_mid_work(ringing, job_id)
        worker.ask_to_stop()
        stage.until(lambda: stage.row(ringing, Job, job_id).state == JobState.QUEUED, seconds=30)
        assert worker.process.wait(timeout=30) == 0
    assert stage.row(ringing, Job, job_id).attempt == 0
    assert stage.tools_at_work(scratch) == []


def test_a_broker_that_forgets_everything_loses_nothing(make, ringing, broker_url, tmp_path):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    with ringing.work() as session:
        move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK)
    redis.Redis.from_url(broker_url).flushall()
    with stage.WorkerProcess(ringing, tmp_path):
        job_id = stage.open_job(ringing, clip, JobKind.RETRACT)
        stage.until(lambda: stage.row(ringing, Job, job_id).state == JobState.DONE)
    with ringing.read() as session:
        assert session.scalars(select(Publication.deleted_at)).one() is not None


def test_a_bell_that_was_never_rung_is_rung_by_the_sweep_and_a_worker_says_that_it_lives(
    make, ringing, tmp_path
):
    clip = make.clip(State.WITHDRAWN)
    mute = dataclasses.replace(ringing, wake=Bells())
    job_id = stage.ask(mute, clip, JobKind.RETRACT)
    with stage.WorkerProcess(ringing, tmp_path):
        stage.until(lambda: stage.row(ringing, Job, job_id).state == JobState.DONE)
    with ringing.read() as session:
        seen = session.scalars(select(WorkerSeen)).all()
    assert len(seen) == 1
    assert seen[0].facts["ffmpeg"]
