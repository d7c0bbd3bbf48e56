"""Worker hosts as processes of their own, on PostgreSQL: they share the record, the bell and the storage, no folder."""

import contextlib
import ctypes
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
from portal.models import Clip, Cut, Job, JobState, Notice, NoticeState, Publication, State
from portal.runtime import make_celery, make_wake
from tests import footage
from tests.faults import harm
from tests.jobs import stage
from tests.servers import started

TORTURE = "TORTURE" in os.environ
# Whole, it makes a thousand clips first.
pytestmark = pytest.mark.timeout(1800 if TORTURE else 600)
# What docs/deploy.md has a host for films take, which is given no more than database, broker and storage.
FILM_LANES = ("heavy", "slow", "short")
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
        first, _second = (
            hosts.enter_context(
                # The torture waits for the end of the dead one's lease.
                stage.WorkerProcess(
                    ringing,
                    tmp_path,
                    data_dir=home,
                    node=node,
                    queues=FILM_LANES,
                    lease=10 if TORTURE else stage.LONG,
                )
            )
            for home, node in zip(homes, ("first", "second"), strict=True)
        )
        hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, node="errands", queues=("light",)))
        stage.until_seen(ringing, 3)
        for clip in clips:
            stage.ask(ringing, clip, JobKind.TRANSCODE)
        # Each has a film in hand, in a folder of its own where it has one.
        stage.until(lambda: [len(rooms(home)) for home in homes] == ([2, 2] if shared else [1, 1]))
        first.kill()
        left = rooms(homes[0])
        if not TORTURE:
            for token in left:
                stage.lease_ends(ringing, token)
        stage.until(lambda: all_done(ringing, JobKind.TRANSCODE))
        if not shared:
            assert len(left) == 1
            assert rooms(homes[0]) == left
        if TORTURE and not shared:
            hosts.enter_context(stage.WorkerProcess(ringing, tmp_path, data_dir=homes[0], queues=FILM_LANES))
        if TORTURE:
            stage.until(lambda: not any(scratch.iterdir()))
    with ringing.read() as session:
        assert {session.get_one(Clip, clip.id).state for clip in clips} == {State.IN_REVIEW}
        assert session.scalar(select(func.count()).select_from(Cut)) == len(clips)
        attempts = session.scalars(select(Job.attempt).where(Job.kind == JobKind.TRANSCODE))
        assert sorted(attempts) == [1] * (len(clips) - 1) + [2]


def rooms(home):
    """The films that are being made in this host's work folder, or were left there by one that died."""
    scratch = home / "scratch"
    return (
        {path.name for path in scratch.iterdir() if (path / "made").is_dir()} if scratch.is_dir() else set()
    )


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
        # Who comes first says nothing of lanes while some of the hands are still being born.
        stage.until_seen(ringing, len(lanes))
        waiting = {stage.ask(ringing, clip, JobKind.TRANSCODE) for clip in films}
        asked_last = [stage.ask(ringing, clip, kind) for kind, clip in errands.items()]
        stage.until(lambda: all(stage.row(ringing, Job, one).state == JobState.DONE for one in asked_last))
    with ringing.read() as session:
        ended = select(Job.id).where(Job.finished_at.is_not(None)).order_by(Job.finished_at)
        order = list(session.scalars(ended))
    before = waiting & set(order[: max(map(order.index, asked_last))])
    assert len(before) <= len(waiting) / 10


def test_a_worker_that_is_drained_ends_what_it_has_begun_and_takes_nothing_more(make, ringing, tmp_path):
    films = [footage.small(tmp_path, seconds=2.0, size="640x360")]
    films += [footage.small(tmp_path, seconds=0.3, size="64x36", name="quick.mp4")] * 2
    first, *others = (stage.arrived(make, ringing, film) for film in films)
    with stage.WorkerProcess(ringing, tmp_path) as worker:
        # One more bell is rung before, one after.
        job_id, *waiting = (stage.ask(ringing, clip, JobKind.TRANSCODE) for clip in (first, others[0]))
        stage.until(lambda: stage.row(ringing, Job, job_id).step == "make")
        app = make_celery(ringing.settings.broker_url)
        with worker.standing_still(ringing):
            # What docs/deploy.md tells people to type: celery control cancel_consumer <queue>.
            for queue in ("heavy", "short", "slow"):
                told = app.control.cancel_consumer(queue, reply=True, limit=1, timeout=stage.PATIENCE_SECONDS)
                assert "ok" in str(told)
        waiting.append(stage.ask(ringing, others[1], JobKind.TRANSCODE))
        stage.until(lambda: stage.row(ringing, Job, job_id).state == JobState.DONE)
        assert stage.row(ringing, Job, job_id).attempt == 1
        # Whatever it held in its hands comes before what it is asked for now.
        errand = stage.ask(ringing, make.clip(State.WITHDRAWN), JobKind.RETRACT)
        stage.until(lambda: stage.row(ringing, Job, errand).state == JobState.DONE)
        worker.ask_to_stop()
        assert worker.process.wait(timeout=stage.PATIENCE_SECONDS) == 0
    # Nobody has so much as begun with them.
    assert [stage.row(ringing, Job, one).started_at for one in waiting] == [None, None]
    if TORTURE:
        with stage.WorkerProcess(ringing, tmp_path):
            stage.until(lambda: all_done(ringing, JobKind.TRANSCODE))


# F4


class Forgetful(Valkey):
    """A broker that writes nothing down."""

    def prepare(self):
        command = super().prepare()
        configuration = self.folder / "valkey.conf"
        configuration.write_text(configuration.read_text().replace("appendonly yes", "appendonly no"))
        return command


def die(server):
    """As by `kill -9`, behind its leash."""
    for pid in descendants(server.process.pid):
        if "valkey" in Path(f"/proc/{pid}/exe").resolve().name:
            os.kill(pid, signal.SIGKILL)
    server.process.wait(timeout=stage.PATIENCE_SECONDS)
    server.output.close()
    server.output = None


@pytest.mark.parametrize(
    "kind", [Forgetful, pytest.param(Valkey, marks=torture)], ids=["writes nothing down", "writes all down"]
)
def test_a_broker_that_forgets_dies_and_comes_back_loses_nothing_and_nothing_is_done_twice(
    make, runtime, tmp_path, kind
):
    hosts, queued = (2, 20) if TORTURE else (1, 2)
    server = started(tmp_path, PORT_NAMES, lambda ports: kind(tmp_path / "broker", ports, password="p" * 20))
    ringing = ringing_on(runtime, server.url)
    long = footage.small(tmp_path, seconds=6.0 if TORTURE else 3.0, size="640x360", name="long.mp4")
    quick = footage.small(tmp_path, seconds=0.3, size="64x36")
    approved = make.clip(State.APPROVED, with_objects=True)
    clips = [stage.arrived(make, ringing, film) for film in [long] * hosts + [quick] * queued]
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        homes = [tmp_path / f"host{number}" for number in range(hosts)]
        hands = [
            stack.enter_context(stage.WorkerProcess(ringing, tmp_path, data_dir=home, node=home.name))
            for home in homes
        ]
        stage.until_seen(ringing, hosts)
        running = [stage.ask(ringing, clip, JobKind.TRANSCODE) for clip in clips[:hosts]]
        stage.until(lambda: all(stage.row(ringing, Job, one).step == "make" for one in running))
        half = hosts + queued // 2
        with contextlib.ExitStack() as busy:
            for one in hands:
                busy.enter_context(one.standing_still(ringing))
            waiting = [stage.ask(ringing, clip, JobKind.TRANSCODE) for clip in clips[hosts:half]]
            redis.Redis.from_url(server.url).flushall()
            # The bells of these are rung on the emptied one, and that of the last on none at all.
            waiting += [stage.ask(ringing, clip, JobKind.TRANSCODE) for clip in clips[half:-1]]
            waiting.append(stage.ask(ringing, approved, JobKind.PUBLISH))
            die(server)
            assert {stage.row(ringing, Job, one).state for one in running} == {JobState.RUNNING}
        waiting.append(stage.ask(ringing, clips[-1], JobKind.TRANSCODE))
        server.start()
        ids = [*running, *waiting]
        stage.until(lambda: {stage.row(ringing, Job, one).state for one in ids} == {JobState.DONE})
        stage.until(lambda: all(one.state == NoticeState.SENT for one in letters(ringing)))
        lying = [path for home in homes for path in (home / "mail").glob("*.eml")]
    assert {stage.row(ringing, Job, one).attempt for one in ids} == {1}
    assert [one.attempt for one in letters(ringing) if one.clip_id == approved.id] == [1]
    assert len(lying) == len(letters(ringing))
    with ringing.read() as session:
        cuts = session.scalars(select(Cut.clip_id).where(Cut.clip_id != approved.id)).all()
        assert len(cuts) == len(set(cuts)) == hosts + queued
        assert [one.clip_id for one in session.scalars(select(Publication))] == [approved.id]


def letters(runtime):
    with runtime.read() as session:
        return session.scalars(select(Notice)).all()


# F9


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


# What a root needs to give a process a disk of its own.
SYS_ADMIN, NEW_MOUNTS, PRIVATE = 21, 0x2_0000, 0x4_4000


def may_mount():
    status = Path("/proc/self/status").read_text()
    return bool(int(status.split("CapEff:")[1].split()[0], 16) >> SYS_ADMIN & 1)


def on_a_small_disk(env, room_bytes, kind, job_id):
    """One task on a host whose work folder is a disk of so many bytes, that is gone with this process."""
    scratch = Path(env["DATA_DIR"]) / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={room_bytes}".encode()
    if (
        libc.unshare(NEW_MOUNTS)
        or libc.mount(b"none", b"/", None, PRIVATE, None)
        or libc.mount(b"none", bytes(scratch), b"tmpfs", 0, options)
    ):
        raise OSError(ctypes.get_errno(), "no disk of its own")
    harm.task(env, None, kind, job_id)


@pytest.mark.skipif(not may_mount(), reason="needs a root who may mount")
def test_a_disk_that_a_tool_fills_makes_the_film_wait_until_there_is_room(make, runtime, tmp_path):
    film = footage.small(tmp_path, seconds=1.0, size="320x180")
    clip = stage.arrived(make, runtime, film)
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    # The original has room, and not much more.
    words = (harm.env_of(runtime.settings), film.stat().st_size + (32 << 10), JobKind.TRANSCODE, job_id)
    for _ in range(4 if TORTURE else 1):
        assert harm.in_another_process(on_a_small_disk, *words) == 0
        waiting = stage.row(runtime, Job, job_id)
        assert (waiting.state, waiting.attempt, waiting.error_code) == (JobState.QUEUED, 0, "ours_disk")
        assert "No space left on device" in waiting.error_detail
        at_once(runtime)
    tasks.TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW


def test_whoever_is_stopped_in_mid_transaction_keeps_nobody_waiting_for_ever(make, runtime):
    clip = make.clip(State.PUBLISHED)
    with runtime.engine.connect() as stopped:
        shown = [
            stopped.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
        assert shown == ["1min", "15s"]
        # The row first: whoever is slow to ask for it would be ended before.
        stopped.execute(select(Clip.state).where(Clip.id == clip.id).with_for_update())
        stopped.execute(text("SET LOCAL idle_in_transaction_session_timeout = 300"))
        with runtime.work() as session:
            withdrawal.withdraw(session, session.get_one(Clip, clip.id), by=OWNER)
        stopped.invalidate()
    assert stage.row(runtime, Clip, clip.id).state == State.WITHDRAWN
