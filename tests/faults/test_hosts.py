"""Worker hosts as processes of their own, on PostgreSQL: they share the record, the bell and the storage, no folder."""

import contextlib
import dataclasses
import os
import resource
import signal
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from sqlalchemy import func, select, text, update

from media_jobs import tasks
from ops.broker import PORT_NAMES, Valkey
from ops.leash import descendants
from portal import withdrawal
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import OWNER
from portal.models import Clip, Cut, Job, JobState, State
from portal.runtime import make_celery, make_wake
from tests import footage
from tests.faults import harm
from tests.jobs import stage
from tests.servers import started

pytestmark = pytest.mark.timeout(240)
TORTURE = "TORTURE" in os.environ
torture = pytest.mark.skipif(not TORTURE, reason="runs by `make torture`")


@pytest.fixture
def database_url(make_migrated_postgres):
    return make_migrated_postgres()


def ringing_on(runtime, url):
    settings = dataclasses.replace(runtime.settings, broker_url=url)
    return dataclasses.replace(runtime, settings=settings, wake=make_wake(make_celery(url)))


@pytest.fixture
def ringing(runtime, broker_url):
    redis.Redis.from_url(broker_url).flushall()
    return ringing_on(runtime, broker_url)


def states(runtime):
    with runtime.read() as session:
        return dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())


def all_done(runtime, kind):
    with runtime.read() as session:
        return set(session.scalars(select(Job.state).where(Job.kind == kind))) == {JobState.DONE}


@pytest.mark.parametrize(
    "shared", [False, pytest.param(True, marks=torture)], ids=["own folders", "one folder"]
)
def test_of_two_hosts_one_dies_and_the_other_makes_every_film_without_touching_its_folder(
    make, ringing, tmp_path, shared
):
    film = footage.small(tmp_path, seconds=1.5, size="640x360")
    clips = [stage.arrived(make, ringing, film) for _ in range(6 if TORTURE else 3)]
    homes = [tmp_path / "a", tmp_path / ("a" if shared else "b")]
    scratch = homes[0] / "scratch"
    with contextlib.ExitStack() as hosts:
        first = hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, data_dir=homes[0]))
        if TORTURE:
            hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, data_dir=homes[1]))
        for clip in clips:
            stage.ask(ringing, clip, JobKind.TRANSCODE)
        stage.until(lambda: scratch.is_dir() and any((path / "made").is_dir() for path in scratch.iterdir()))
        first.kill()
        left = {path.name for path in scratch.iterdir()}
        if not TORTURE:
            hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, data_dir=homes[1]))
        stage.until(lambda: all_done(ringing, JobKind.TRANSCODE), seconds=150)
        if not shared:
            assert {path.name for path in scratch.iterdir()} == left
            hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, data_dir=homes[0]))
        stage.until(lambda: not any(scratch.iterdir()), seconds=60)
    with ringing.read() as session:
        assert {session.get_one(Clip, clip.id).state for clip in clips} == {State.IN_REVIEW}
        assert session.scalar(select(func.count()).select_from(Cut)) == len(clips)


# F28


def test_errands_that_are_asked_for_last_end_first_while_many_films_wait_behind_a_slow_one(
    make, ringing, tmp_path
):
    slow = footage.small(tmp_path, seconds=4.0, size="640x360", name="slow.mp4")
    quick = footage.small(tmp_path, seconds=0.3, size="64x36")
    films = [stage.arrived(make, ringing, film) for film in (slow, *[quick] * (1000 if TORTURE else 60))]
    errands = {
        JobKind.RETRACT: make.clip(State.WITHDRAWN, with_objects=True),
        JobKind.PUBLISH: make.clip(State.APPROVED, with_objects=True),
    }
    # Somebody who has just sent a film wants to see it.
    errands[JobKind.PREVIEW] = stage.arrived(make, ringing, quick)
    # As the Procfile has them: what must not wait for something else has a worker of its own.
    lanes = {"films": ("heavy", "slow"), "first": ("short",), "errands": ("light",)}
    with contextlib.ExitStack() as hosts:
        for node, queues in lanes.items():
            hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, node=node, queues=queues))
        waiting = {stage.ask(ringing, clip, JobKind.TRANSCODE) for clip in films}
        asked_last = [stage.ask(ringing, clip, kind) for kind, clip in errands.items()]
        stage.until(
            lambda: all(stage.row(ringing, Job, one).state == JobState.DONE for one in asked_last),
            seconds=120,
        )
    with ringing.read() as session:
        ended = select(Job.id).where(Job.finished_at.is_not(None)).order_by(Job.finished_at)
        order = list(session.scalars(ended))
    before = waiting & set(order[: max(map(order.index, asked_last))])
    assert len(before) <= len(waiting) / 10


@torture
def test_a_worker_that_is_drained_ends_what_it_has_begun_and_takes_nothing_more(make, ringing, tmp_path):
    film = footage.small(tmp_path, seconds=2.0, size="640x360")
    first, second = (stage.arrived(make, ringing, film) for _ in range(2))
    job_id = stage.ask(ringing, first, JobKind.TRANSCODE)
    with stage.WorkerProcess(ringing, tmp_path) as worker:
        stage.until(lambda: stage.row(ringing, Job, job_id).state == JobState.RUNNING)
        app = make_celery(ringing.settings.broker_url)
        # What docs/deploy.md tells people to type: celery control cancel_consumer <queue>.
        answers = [app.control.cancel_consumer(queue, reply=True) for queue in ("heavy", "short", "slow")]
        assert all("ok" in str(answer) for answer in answers)
        waiting_id = stage.ask(ringing, second, JobKind.TRANSCODE)
        stage.until(lambda: stage.row(ringing, Job, job_id).state == JobState.DONE)
        assert stage.row(ringing, Job, job_id).attempt == 1
        worker.ask_to_stop()
        assert worker.process.wait(timeout=30) == 0
        assert stage.row(ringing, Job, waiting_id).state == JobState.QUEUED
    with stage.WorkerProcess(ringing, tmp_path):
        stage.until(lambda: stage.row(ringing, Job, waiting_id).state == JobState.DONE)


@torture
def test_a_broker_that_is_killed_and_comes_back_empty_loses_nothing(make, runtime, tmp_path):
    def valkey(ports):
        return Valkey(tmp_path / "broker", ports, password="p" * 20)

    server = started(tmp_path, PORT_NAMES, valkey)
    ringing = ringing_on(runtime, server.url)
    ids = [stage.ask(ringing, make.clip(State.WITHDRAWN), JobKind.RETRACT)]
    with stage.WorkerProcess(ringing, tmp_path):
        stage.until(lambda: stage.row(ringing, Job, ids[0]).state == JobState.DONE)
        for pid in descendants(server.process.pid):
            if "valkey" in Path(f"/proc/{pid}/exe").resolve().name:
                os.kill(pid, signal.SIGKILL)
        server.process.wait(timeout=20)
        ids += [stage.ask(ringing, make.clip(State.WITHDRAWN), JobKind.RETRACT) for _ in range(5)]
        again = server.start() if server.output is None else _again(server)
        redis.Redis.from_url(ringing.settings.broker_url).flushall()
        stage.until(lambda: states(ringing) == {JobState.DONE: 6}, seconds=60)
        again.stop()


def _again(server):
    server.output.close()
    server.output = None
    return server.start()


def at_once(runtime):
    with runtime.work() as session:
        session.execute(update(Job).values(run_after=db_now(session) - timedelta(seconds=1)))


def test_a_full_work_folder_makes_a_film_wait_and_other_work_goes_on(make, runtime, tmp_path):
    env = harm.env_of(runtime.settings)
    big = footage.small(tmp_path, seconds=1.0, size="320x180")
    clip, withdrawn = stage.arrived(make, runtime, big), make.clip(State.PUBLISHED, with_objects=True)
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    retraction = stage.ask(runtime, withdrawn, JobKind.RETRACT)
    no_room = {resource.RLIMIT_FSIZE: big.stat().st_size // 2}
    for _ in range(4):
        harm.in_another_process(harm.task, env, None, JobKind.TRANSCODE, job_id, no_room)
        waiting = stage.row(runtime, Job, job_id)
        assert (waiting.state, waiting.attempt, waiting.error_code) == (JobState.QUEUED, 0, "ours_disk")
        at_once(runtime)
    for kind, subject in ((JobKind.RETRACT, retraction), (JobKind.TRANSCODE, job_id)):
        tasks.TASKS[kind](stage.shop_of(runtime), subject)
        assert stage.row(runtime, Job, subject).state == JobState.DONE
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW


def test_whoever_is_stopped_in_mid_transaction_keeps_nobody_waiting_for_ever(make, runtime):
    clip = make.clip(State.PUBLISHED)
    with runtime.engine.connect() as stopped:
        shown = [
            stopped.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
        assert shown == ["1min", "15s"]
        stopped.execute(text("SET LOCAL idle_in_transaction_session_timeout = 300"))
        stopped.execute(select(Clip.state).where(Clip.id == clip.id).with_for_update())
        with runtime.work() as session:
            withdrawal.withdraw(session, session.get_one(Clip, clip.id), by=OWNER)
        stopped.invalidate()
    assert stage.row(runtime, Clip, clip.id).state == State.WITHDRAWN
