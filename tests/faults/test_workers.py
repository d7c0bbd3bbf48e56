"""Workers that die, are stopped, are older, have a wrong clock or a full disk: the work is done once, by another."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from media_jobs import tasks
from portal import cuts, jobs, leases
from portal.database import db_now
from portal.errors import Code
from portal.jobs import JobKind
from portal.ladder import LADDER_VERSION
from portal.models import AuditEvent, Clip, Cut, Job, JobState, Publication, State
from tests import footage
from tests.faults import harm
from tests.jobs import stage

pytestmark = pytest.mark.timeout(600)
AN_HOUR = 3600


@pytest.fixture
def film(tmp_path):
    return footage.small(tmp_path, seconds=0.3, size="64x36")


@pytest.fixture
def env(runtime):
    return harm.env_of(runtime.settings)


def perform(runtime, kind, job_id):
    tasks.TASKS[kind](stage.shop_of(runtime), job_id)


def state(runtime, job_id):
    job = stage.row(runtime, Job, job_id)
    return job.state, job.attempt


def end_of_lease(runtime):
    with runtime.work() as session:
        past = db_now(session) - timedelta(seconds=1)
        session.execute(update(Job).values(lease_until=past, run_after=past))


# F11


def test_a_film_that_kills_its_worker_each_time_fails_after_three_and_the_others_go_on(
    make, runtime, env, film
):
    poison, other = (stage.arrived(make, runtime, film) for _ in range(2))
    job_id, other_id = (stage.ask(runtime, clip, JobKind.TRANSCODE) for clip in (poison, other))
    order = harm.Order("original.fetched in workspace.fetch", "kill")
    for attempt in (1, 2, 3):
        assert harm.in_another_process(harm.task, env, order, JobKind.TRANSCODE, job_id) == -signal.SIGKILL
        assert state(runtime, job_id) == (JobState.RUNNING, attempt)
        end_of_lease(runtime)
    perform(runtime, JobKind.TRANSCODE, job_id)
    perform(runtime, JobKind.TRANSCODE, other_id)
    failed = stage.row(runtime, Job, job_id)
    assert (failed.state, failed.attempt, failed.error_code) == (JobState.FAILED, 3, "ours_timeout")
    assert "the worker was lost in each of 3 attempts" in failed.error_detail
    assert stage.row(runtime, Clip, poison.id).state == State.FAILED
    assert stage.row(runtime, Clip, other.id).state == State.IN_REVIEW


# F12


def test_fifty_bells_for_one_job_have_one_effect(make, runtime):
    clip = make.clip(State.APPROVED, with_objects=True)
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)
    for _ in range(50):
        perform(runtime, JobKind.PUBLISH, job_id)
    with runtime.read() as session:
        assert len(session.scalars(select(Publication)).all()) == 1
        assert session.scalars(select(AuditEvent.verb)).all().count("publish") == 1
    assert state(runtime, job_id) == (JobState.DONE, 1)


# F14


class Host:
    """A worker whose clock can be set wrong."""

    def __init__(self, env):
        command = [sys.executable, "-m", "tests.faults.shifted"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=env, cwd=stage.ROOT, **pipes)

    def told(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def host(env):
    one = Host(env)
    yield one
    one.process.stdin.close()
    one.process.stdout.close()
    one.process.wait(timeout=stage.PATIENCE_SECONDS)


def test_hosts_whose_clock_is_wrong_go_by_the_databases_and_burn_no_attempt(make, runtime, host):
    retraction = stage.ask(runtime, make.clip(State.WITHDRAWN), JobKind.RETRACT)
    for seconds in (-AN_HOUR, AN_HOUR):
        host.told(f"shift {seconds}")
        with runtime.work() as session:
            mine = leases.claim(session, retraction, lease_seconds=90.0)
        assert host.told(f"claim {retraction}") == "none"
        assert host.told(f"overdue {retraction}") == "0"
        end_of_lease(runtime)
        assert host.told(f"claim {retraction}") not in ("none", mine.token)
        with runtime.read() as session:
            left = (session.get_one(Job, retraction).lease_until - db_now(session)).total_seconds()
        # An hour more or less would be by the wrong clock.
        assert 0 < left <= 90
        with runtime.work() as session:
            session.execute(update(Job).values(attempt=0))
        end_of_lease(runtime)

    clip = make.clip(State.APPROVED, with_objects=True)
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)
    host.told("shift -1200")
    assert "RequestTimeTooSkewed" in host.told("list")
    host.told(f"work publish {job_id}")
    assert state(runtime, job_id) == (JobState.QUEUED, 0)
    assert stage.row(runtime, Job, job_id).error_code == "ours_storage"
    end_of_lease(runtime)
    perform(runtime, JobKind.PUBLISH, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.PUBLISHED


# F27 and two releases beside each other


def test_work_of_a_newer_release_is_left_alone_and_not_failed(make, runtime, bells):
    clip = make.clip(State.WITHDRAWN)
    job_id = stage.ask(runtime, clip, JobKind.RETRACT)
    bells.clear()
    for newer in ({"format": jobs.FORMAT + 1}, {"format": 1, "kind": "hologram"}):
        with runtime.work() as session:
            session.execute(update(Job).values(run_after=db_now(session) - timedelta(hours=1), **newer))
        perform(runtime, JobKind.RETRACT, job_id)
        tasks.sweep(stage.shop_of(runtime), "quick")
        assert state(runtime, job_id) == (JobState.QUEUED, 0)
        assert list(bells) == []
    with runtime.work() as session:
        session.execute(update(Job).values(kind="retract"))
    perform(runtime, JobKind.RETRACT, job_id)
    assert state(runtime, job_id) == (JobState.DONE, 1)


def older(env, kind, job_id):
    """The same task as the release before knew it."""
    jobs.FORMAT, leases.FORMAT = 0, 0
    cuts.Report.__dataclass_fields__["ladder_version"].default = LADDER_VERSION - 1
    harm.task(env, None, kind, job_id)


def test_beside_an_older_worker_no_clip_is_lost(make, runtime, env, film):
    clips = [stage.arrived(make, runtime, film) for _ in range(2)]
    ids = [stage.ask(runtime, clip, JobKind.TRANSCODE) for clip in clips]
    with runtime.work() as session:
        # One was asked for by the site as it was before the deploy.
        session.execute(update(Job).where(Job.id == ids[0]).values(format=0))
    for job_id in ids:
        assert harm.in_another_process(older, env, JobKind.TRANSCODE, job_id) == 0
    assert [state(runtime, job_id)[0] for job_id in ids] == [JobState.DONE, JobState.QUEUED]
    perform(runtime, JobKind.TRANSCODE, ids[1])
    assert [stage.row(runtime, Clip, clip.id).state for clip in clips] == [State.IN_REVIEW] * 2
    with runtime.work() as session:
        session.execute(
            update(Cut).where(Cut.clip_id == clips[0].id).values(ladder_version=LADDER_VERSION - 1)
        )
    with runtime.read() as session:
        assert [clip.id for clip in cuts.outdated(session)] == [clips[0].id]


# F28


def test_two_hundred_waiting_films_do_not_keep_a_withdrawal_waiting(make, runtime, bells):
    clips = [make.clip(State.PROCESSING) for _ in range(20)]
    withdrawn = make.clip(State.WITHDRAWN)
    with runtime.work() as session:
        for number in range(200):
            at = db_now(session) - timedelta(hours=2)
            session.add(
                Job(
                    id=f"waiting{number:025}", kind=JobKind.TRANSCODE, clip_id=clips[number % 20].id,
                    part=number // 20, state=JobState.QUEUED, created_at=at, run_after=at,
                )
            )  # fmt: skip
    retraction = stage.ask(runtime, withdrawn, JobKind.RETRACT)
    with runtime.work() as session:
        session.execute(
            update(Job).where(Job.id == retraction).values(run_after=db_now(session) - timedelta(minutes=1))
        )
    bells.clear()
    tasks.sweep(stage.shop_of(runtime), "quick")
    assert retraction in [bell.subject for bell in bells]
    assert {bell.kind.queue for bell in bells} == {"light", "heavy"}
    assert len(bells) < 50


def test_an_outage_counts_no_attempt_for_a_day_and_then_ends_the_job_with_its_reason(make, runtime):
    job_id = stage.ask(runtime, make.clip(State.APPROVED), JobKind.PUBLISH)
    for hours, states in ((1, ["queued"] * 4), (25, ["queued", "queued", "failed"])):
        with runtime.work() as session:
            session.execute(update(Job).values(created_at=db_now(session) - timedelta(hours=hours)))
        for expected in states:
            end_of_lease(runtime)
            with runtime.work() as session:
                claim = leases.claim(session, job_id)
                leases.job_failed(session, claim, Code.OURS_STORAGE, "away", is_outage=True)
            assert stage.row(runtime, Job, job_id).state == expected
    assert state(runtime, job_id) == (JobState.FAILED, 3)
