"""Hostile films through one real worker: each clip ends for its own reason, and who opened them all lives on."""

import dataclasses
import os

import pytest
import redis
from sqlalchemy import select

from portal import letters, reasons
from portal.database import db_now
from portal.jobs import JobKind
from portal.models import Clip, Job, JobState, State, WorkerSeen
from portal.notices import NoticeKind
from portal.runtime import make_celery, make_wake
from tests.hostile.corpus import ALL
from tests.jobs import stage

TORTURE = "TORTURE" in os.environ
pytestmark = pytest.mark.timeout(1800 if TORTURE else 600)
# One of each way to fail: not let in for what it is, what it leads to, what it claims, what is missing of it, what it
# is made of, and what only decoding tells. `make torture` sends all there are, those that are only odd among them.
CHOSEN = ("a03", "a31", "b01", "b14", "b27", "c26", "c31", "c51", "c52", "h01", "h08", "h16")
SENT = [one for one in ALL if TORTURE or one.name in CHOSEN]
ENDED = {JobState.FAILED, JobState.DONE}


@pytest.fixture
def ringing(runtime, broker_url):
    redis.Redis.from_url(broker_url).flushall()
    settings = dataclasses.replace(runtime.settings, broker_url=broker_url)
    return dataclasses.replace(runtime, settings=settings, wake=make_wake(make_celery(broker_url)))


@pytest.fixture
def sent(clay, make, ringing, tmp_path):
    """(film, its clip, its job) of each, and an honest film behind them all."""
    rows = []
    for one in [*SENT, None]:
        path = tmp_path / "film"
        path.write_bytes(clay["plain.mp4"] if one is None else one.write(clay))
        clip = stage.arrived(make, ringing, path)
        rows.append((one, clip.id, stage.ask(ringing, clip, JobKind.TRANSCODE)))
    return rows


def processes(runtime, since=None):
    """Who works, by name and number, of those that were heard of since then."""
    with runtime.read() as session:
        seen = select(WorkerSeen).where(WorkerSeen.seen_at > since) if since else select(WorkerSeen)
        return {one.name: one.facts["process"] for one in session.scalars(seen)}


def are_over(runtime, ids):
    with runtime.read() as session:
        return set(session.scalars(select(Job.state).where(Job.id.in_(ids)))) <= ENDED


def test_each_hostile_film_ends_for_its_own_reason_and_the_worker_that_opened_them_lives_on(
    ringing, sent, tmp_path
):
    with stage.WorkerProcess(ringing, tmp_path, queues=("heavy",)) as worker:
        before = stage.until(lambda: processes(ringing))
        ids = [job_id for _, _, job_id in sent]
        stage.until(lambda: are_over(ringing, ids), seconds=1500 if TORTURE else stage.PATIENCE_SECONDS)
        with ringing.read() as session:
            over = db_now(session)
        assert stage.until(lambda: processes(ringing, since=over)) == before
        assert worker.process.poll() is None
        stage.until(lambda: not any(ringing.settings.media.scratch.iterdir()))
    told = set()
    for one, clip_id, job_id in sent:
        after, job = stage.row(ringing, Clip, clip_id), stage.row(ringing, Job, job_id)
        assert job.attempt == 1, one
        if one is None or one.code is None:
            assert (after.state, job.state) == (State.IN_REVIEW, JobState.DONE), one
            continue
        assert (after.state, after.fail_code) == (State.FAILED, one.code.value), one
        assert (job.state, job.error_code) == (JobState.FAILED, one.code.value), one
        # Staff read the word of the cause beside the code.
        assert one.reason is None or f"reason={one.reason}" in job.error_detail
        sentence = reasons.sentence(one.code, **after.fail_facts)
        letter = letters.preview(NoticeKind.FAILED, after, "fr", [], ringing.settings.site)
        assert sentence in letter.text, one
        told.add(sentence)
    assert len(told) >= len(CHOSEN)
