"""The checker beside workers that go on: what moves while it looks is not taken for something broken."""

import secrets

import pytest
from sqlalchemy import event, select, update

from portal import cuts, editing, fsck, keys, leases, processing
from portal.cuts import Report, Stored
from portal.database import db_now
from portal.edits import EditList
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind, enqueue
from portal.models import Clip, Cut, CutState, Job, JobState, State
from portal.storage import Bucket
from tests.factories import act

STAFF = Actor(ActorKind.PROGRAM, 1)
NAMES = (("master.m3u8", "master"), ("360.mp4", "mp4"))


def claimed(runtime, clip, kind):
    job = act(runtime, enqueue, clip, kind)
    with runtime.work() as session:
        return leases.claim(session, job.id)


@pytest.fixture
def making(runtime, make):
    """A clip whose film is made by now, its files stored, and the record does not know it yet."""
    clip = make.clip(State.PROCESSING)
    make.film(clip, 1)
    held = claimed(runtime, clip, JobKind.TRANSCODE)
    files = [
        Stored(name, kind, keys.made(clip.id, held.token, name), "video/mp4", 1, "c" * 64)
        for name, kind in NAMES
    ]
    for file in files:
        runtime.storage.put(Bucket.ORIGINALS, file.key, b"x", content_type="video/mp4")
    return held, files


def test_a_film_that_gets_ready_while_the_sweep_looks_keeps_its_files(runtime, making):
    held, files = making
    told = []

    def get_ready(_connection, _cursor, statement, *_):
        if "FROM rendition" in statement and not told:
            told.append(True)
            with runtime.work() as session:
                assert processing.film_ready(session, held, files, Report(9.5, 640, 360))

    event.listen(runtime.engine, "after_cursor_execute", get_ready)
    fsck.tidy(runtime.read, runtime.work, runtime.storage)
    assert told
    assert all(runtime.storage.size(Bucket.ORIGINALS, file.key) is not None for file in files)


def test_the_pieces_of_a_long_film_are_no_second_job(runtime, make):
    clip = make.clip(State.PROCESSING)
    with runtime.work() as session:
        for part in (1, 2):
            now = db_now(session)
            session.add(
                Job(
                    id=secrets.token_hex(16), kind=JobKind.CHUNK, clip_id=clip.id, part=part,
                    state=JobState.QUEUED, created_at=now, run_after=now,
                )
            )  # fmt: skip
    found = fsck.check(runtime.read, runtime.storage)
    assert not [one for one in found if one.invariant == "I14" and one.subject == clip.id]


def test_a_repair_does_not_push_aside_what_a_moderator_waits_for(runtime, make):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        wanted = editing.propose(session, one, EditList(start=2.0), by=STAFF, seen_version=one.version)
        session.execute(update(Cut).where(Cut.id == clip.cut_id).values(sandbox=None))
    unmade = [one for one in fsck.check(runtime.read, runtime.storage) if one.subject == clip.id]
    fsck.repair(runtime.work, runtime.storage, [one for one in unmade if one.repair == "remake"])
    with runtime.read() as session:
        assert session.get_one(Cut, wanted.id).state == CutState.MAKING
        assert cuts.waiting(session, session.get_one(Clip, clip.id)).id == wanted.id
        assert len(session.scalars(select(Cut).where(Cut.clip_id == clip.id)).all()) == 2
