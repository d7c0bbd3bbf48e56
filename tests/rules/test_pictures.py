"""The picture a clip is known by, chosen while other work on the clip goes on: the last choice is what is shown."""

import pytest
from sqlalchemy import select, update

from portal import cuts, editing, keys, leases, posters, publications
from portal.cuts import Report, Stored
from portal.edits import EditList
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind, enqueue
from portal.models import Clip, Cut, Job, JobState, Rendition, State
from tests.factories import act

STAFF = Actor(ActorKind.PROGRAM, 1)
SHORTER = EditList(start=2.0)


def jobs(runtime, clip, kind, *states):
    with runtime.read() as session:
        wanted = select(Job.id).where(Job.clip_id == clip.id, Job.kind == kind, Job.state.in_(states))
        return session.scalars(wanted).all()


def claimed(runtime, clip, kind):
    (job_id,) = jobs(runtime, clip, kind, JobState.QUEUED)
    with runtime.work() as session:
        return leases.claim(session, job_id)


def stored(clip, claim, *names):
    kinds = {"jpg": "card", "webp": "poster", "avif": "poster", "m3u8": "master", "mp4": "mp4"}
    return [
        Stored(
            name,
            kinds[name.rpartition(".")[2]],
            keys.made(clip.id, claim.token, name),
            "image/x",
            100,
            "c" * 64,
        )
        for name in names
    ]


def propose(runtime, clip):
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        editing.propose(session, one, SHORTER, by=STAFF, seen_version=one.version)


def finish(runtime, clip, held):
    with runtime.work() as session:
        files = stored(clip, held, "master.m3u8", "360.mp4")
        assert cuts.made(session, held, files, Report(10.0, 640, 360))


def replaced(runtime, clip, held, *names):
    """The worker has made the picture that was chosen; the keys nobody names any more."""
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        assert leases.done(session, held)
        return cuts.replace_files(session, one, cuts.current(session, one), stored(clip, held, *names))


def test_a_picture_chosen_while_another_cut_is_made_is_that_cuts_picture_too(runtime, make):
    clip = make.clip()
    propose(runtime, clip)
    making = claimed(runtime, clip, JobKind.REMAKE)
    act(runtime, posters.choose, clip, 5.0, by=STAFF)
    replaced(runtime, clip, claimed(runtime, clip, JobKind.POSTER), "poster-360.webp")
    finish(runtime, clip, making)
    assert len(jobs(runtime, clip, JobKind.POSTER, JobState.QUEUED)) == 1


def test_a_picture_that_the_new_cut_was_made_with_is_not_made_again(runtime, make):
    clip = make.clip()
    act(runtime, posters.choose, clip, 5.0, by=STAFF)
    replaced(runtime, clip, claimed(runtime, clip, JobKind.POSTER), "poster-360.webp")
    propose(runtime, clip)
    finish(runtime, clip, claimed(runtime, clip, JobKind.REMAKE))
    assert not jobs(runtime, clip, JobKind.POSTER, JobState.QUEUED)


def test_a_picture_made_while_the_clip_is_being_published_is_the_one_that_is_shown(runtime, make):
    clip = make.clip(State.APPROVED)
    with runtime.work() as session:
        enqueue(session, session.get_one(Clip, clip.id), JobKind.PUBLISH)
    act(runtime, posters.choose, clip, 5.0, by=STAFF)
    copying = claimed(runtime, clip, JobKind.PUBLISH)
    with runtime.work() as session:
        begun, _ = publications.begun(session, copying)
    replaced(runtime, clip, claimed(runtime, clip, JobKind.POSTER), "poster-360.webp")
    with runtime.work() as session:
        assert not publications.published(session, copying, begun.id)
    assert claimed(runtime, clip, JobKind.PUBLISH) is not None


def test_a_picture_made_before_the_copying_begins_moves_no_publication(runtime, make):
    clip = make.clip(State.APPROVED)
    with runtime.work() as session:
        waits = enqueue(session, session.get_one(Clip, clip.id), JobKind.PUBLISH, delay=60.0).id
    act(runtime, posters.choose, clip, 5.0, by=STAFF)
    replaced(runtime, clip, claimed(runtime, clip, JobKind.POSTER), "poster-360.webp")
    assert jobs(runtime, clip, JobKind.PUBLISH, JobState.QUEUED) == [waits]


@pytest.mark.parametrize("state", [State.IN_REVIEW, State.PUBLISHED])
def test_no_size_of_the_former_picture_stays_beside_a_smaller_new_one(runtime, make, state):
    clip = make.clip(state)
    with runtime.work() as session:
        session.execute(update(Cut).where(Cut.id == clip.cut_id).values(proposals=[2.0]))
    act(runtime, posters.choose, clip, 2.0, by=STAFF)
    gone = replaced(runtime, clip, claimed(runtime, clip, JobKind.POSTER), "poster-360.webp", "card.jpg")
    with runtime.read() as session:
        pictures = select(Rendition).where(
            Rendition.cut_id == clip.cut_id, Rendition.kind.in_(["poster", "card"])
        )
        assert {one.name for one in session.scalars(pictures)} == {"poster-360.webp", "card.jpg"}
    assert len(gone) > 2
