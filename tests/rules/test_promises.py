"""The checker's rules about published films and the work on them: each breach is named, and mended where it can be."""

import os
import secrets
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from portal import fsck, keys
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, enqueue, move
from portal.models import (
    AuditEvent,
    Clip,
    Cut,
    Decision,
    Film,
    Job,
    JobState,
    Publication,
    Rendition,
    State,
)
from portal.storage import Bucket

MASTER = b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="audio.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360.m3u8\n'
RUNG = b'#EXTM3U\n#EXT-X-MAP:URI="360.cmfv"\n#EXTINF:2,\n360.cmfv\n#EXT-X-ENDLIST\n'


def check(runtime, **options):
    return fsck.check(runtime.read, runtime.storage, **{"grace_seconds": -60.0, **options})


def write(runtime, statement):
    with runtime.work() as session:
        session.execute(statement)


@pytest.fixture
def shown(make, runtime, moderator):
    """A published clip that was approved by somebody, made by something known; what else there is to find is known."""
    clip = make.clip(State.PUBLISHED, with_objects=True)
    make.decision(clip, "approve", moderator_id=moderator.id)
    with runtime.work() as session:
        session.execute(update(Cut).values(ffmpeg_version="9.0.2", sandbox="1"))
        for name, words in (
            ("master.m3u8", MASTER),
            ("360.m3u8", RUNG),
            ("audio.m3u8", b"#EXTM3U\naudio.cmfa\n"),
        ):
            key = keys.made(clip.id, clip.film_id, name)
            runtime.storage.put(Bucket.ORIGINALS, key, words, content_type="text/plain")
            session.execute(update(Rendition).where(Rendition.key == key).values(size_bytes=len(words)))
    return clip


@pytest.fixture
def new(runtime, shown):
    """What there is to find beyond what was there; the storage is shared with other tests."""
    before = set(check(runtime, deep=True))

    def look(**options):
        return [one for one in check(runtime, **options) if one not in before]

    return look


def names(found):
    return {one.invariant for one in found}


def test_a_clip_that_was_approved_and_made_as_promised_has_nothing_to_be_named(runtime, shown):
    mine = {one.invariant for one in check(runtime) if shown.id in one.subject}
    # The stage set its state and its files by hand: its history and the copies' sizes tell.
    assert mine <= {"I1", "I4"}


def test_i2_a_published_clip_whose_approval_was_undone_is_taken_out_of_sight(runtime, shown, new):
    with runtime.work() as session:
        session.execute(update(Decision).values(undone_at=db_now(session)))
    found = new()
    assert names(found) == {"I2"}
    fsck.repair(runtime.work, runtime.storage, found)
    with runtime.read() as session:
        assert session.get_one(Clip, shown.id).state == State.REMOVED
        assert session.scalars(select(Job.kind)).all() == [JobKind.RETRACT]


def test_i2_an_approval_without_a_name(runtime, shown, new):
    write(runtime, update(Decision).values(moderator_id=None))
    assert names(new()) == {"I2"}


def test_i2_an_approval_by_a_program_has_its_tokens_name(runtime, shown, new):
    with runtime.work() as session:
        session.execute(update(Decision).values(moderator_id=None))
        session.add(
            AuditEvent(
                clip_id=shown.id,
                at=db_now(session),
                actor_kind="program",
                actor_id=7,
                verb="approve",
                clip_version=2,
            )
        )
    assert "I2" not in names(new())


def test_i2_a_film_that_came_after_its_approval(runtime, shown, new):
    with runtime.work() as session:
        session.execute(update(Decision).values(made_at=db_now(session) - timedelta(days=1)))
    assert names(new()) == {"I2"}


def test_i7_another_film_than_was_looked_at(runtime, shown, new):
    write(runtime, update(Film).values(sha256="c" * 64))
    assert names(new()) == {"I7"}


def test_i8_a_ladder_without_what_a_playlist_plays_is_made_again(runtime, shown, new):
    with runtime.read() as session:
        key = session.scalars(select(Rendition.key).where(Rendition.name == "360.cmfv")).one()
    write(runtime, delete(Rendition).where(Rendition.key == key))
    runtime.storage.delete(Bucket.ORIGINALS, [key])
    found = new()
    assert names(found) == {"I8"}
    fsck.repair(runtime.work, runtime.storage, found)
    with runtime.read() as session:
        assert session.scalars(select(Job.kind)).all() == [JobKind.REMAKE]


def test_i8_a_playlist_that_names_a_strange_file_is_found_by_a_deep_look(runtime, shown, new):
    with runtime.work() as session:
        row = session.scalars(select(Rendition).where(Rendition.name == "360.m3u8")).one()
        words = RUNG.replace(b"360.cmfv\n", b"http://elsewhere.example/x\n")
        runtime.storage.put(Bucket.ORIGINALS, row.key, words, content_type="text/plain")
        row.size_bytes = len(words)
    assert "I8" not in names(new())
    assert [one.detail for one in new(deep=True) if one.invariant == "I8"] == [
        "360.m3u8 names http://elsewhere.example/x"
    ]


def test_i13_a_clip_that_waits_for_a_worker_whom_nobody_has_asked(make, runtime, new, bells):
    clip = make.clip(State.APPROVED)
    found = [one for one in new() if one.invariant == "I13"]
    assert [one.subject for one in found] == [clip.id]
    bells.clear()
    fsck.repair(runtime.work, runtime.storage, found)
    assert [bell.kind for bell in bells] == [JobKind.PUBLISH]
    assert "I13" not in names(new())


def test_i13_work_that_has_waited_for_over_a_day(runtime, shown, new):
    with runtime.work() as session:
        job = enqueue(session, session.get_one(Clip, shown.id), JobKind.SIGNALS)
        job.created_at = job.run_after = db_now(session) - timedelta(days=2)
    assert names(new()) == {"I13"}


def test_i23_a_work_folder_that_nobody_works_in_is_deleted_and_others_are_left_alone(
    runtime, shown, new, tmp_path
):
    token = secrets.token_hex(16)
    with runtime.work() as session:
        job = enqueue(session, session.get_one(Clip, shown.id), JobKind.SIGNALS)
        job.state, job.lease_token = JobState.RUNNING, token
        job.lease_until = db_now(session) + timedelta(hours=1)
    scratch = tmp_path / "scratch"
    for name in (token, "0" * 32):
        (scratch / name).mkdir(parents=True)
        os.utime(scratch / name, (1, 1))
    found = new(scratch=scratch)
    assert [(one.invariant, one.subject) for one in found] == [("I23", str(scratch / ("0" * 32)))]
    fsck.repair(runtime.work, runtime.storage, found)
    assert [path.name for path in scratch.iterdir()] == [token]


@pytest.mark.parametrize(
    "values", [{"ffmpeg_version": None}, {"sandbox": None}, {"sandbox": "off"}, {"ffmpeg_version": "8.0.2"}]
)
def test_i28_a_shown_cut_of_unknown_making_or_made_without_walls_or_with_known_holes(
    runtime, shown, new, values
):
    write(runtime, update(Cut).values(**values))
    assert names(new()) == {"I28"}


@pytest.mark.parametrize(
    ("facts", "repair"),
    [
        ({"sandbox": "1", "ffmpeg_floor_ok": True, "lanes": ["slow"]}, "remake"),
        ({"sandbox": "1", "ffmpeg_floor_ok": None}, "remake"),
        ({"sandbox": "off", "ffmpeg_floor_ok": True}, ""),
        ({"sandbox": "1", "ffmpeg_floor_ok": False}, ""),
        ({"sandbox": "1", "ffmpeg_floor_ok": True, "lanes": ["light"]}, ""),
        ({"sandbox": "1", "unfit": ["no sandbox holds here"]}, ""),
        (None, ""),
    ],
)
def test_i28_is_mended_only_where_the_workers_would_do_better(runtime, make, shown, new, facts, repair):
    write(runtime, update(Cut).values(sandbox="off"))
    if facts is not None:
        make.worker("films@host/0", **facts)
    assert [(one.invariant, one.repair) for one in new()] == [("I28", repair)]


def test_i28_says_nothing_of_a_version_that_a_distribution_may_have_mended(runtime, shown, new):
    write(runtime, update(Cut).values(ffmpeg_version="5.1.6-0+deb12u1"))
    assert names(new()) == set()


def test_what_is_not_shown_promises_nothing_of_the_kind(runtime, shown, new):
    with runtime.work() as session:
        move(session, session.get_one(Clip, shown.id), "withdraw", by=CLOCK)
        session.execute(delete(Decision))
        session.execute(update(Publication).values(deleted_at=db_now(session)))
    assert names(new()) & {"I2", "I7", "I8", "I28"} == set()
