"""The film that a newer one has replaced: kept while somebody may still compare, erased once the newer one is public."""

import pytest
from sqlalchemy import delete, select, update

from media_jobs.publishing import erase_replaced
from portal import replaced
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import enqueue
from portal.models import Caption, Clip, Cut, CutState, Film, Rendition, State
from portal.storage import Bucket
from tests.jobs import stage


@pytest.fixture
def clip(make, runtime, tmp_path):
    """A public clip with a second film, whose first one can no longer be watched; both originals lie in the storage."""
    clip = make.clip(State.PUBLISHED)
    newer = make.film(clip, is_ready=True)
    made = {"clip_id": clip.id, "film_id": newer.id, "number": 2, "created_at": newer.received_at}
    with runtime.work() as session:
        first = session.scalars(select(Film).where(Film.clip_id == clip.id, Film.number == 1)).one()
        now = db_now(session)
        session.add(
            Caption(
                clip_id=clip.id, film_id=first.id, lang="fr", origin="speech", created_at=now, changed_at=now
            )
        )
        session.execute(delete(Rendition).where(Rendition.clip_id == clip.id))
        session.execute(update(Cut).where(Cut.clip_id == clip.id).values(state=CutState.DROPPED))
        session.add(Cut(id=newer.id, state=CutState.ADOPTED, **made))
        session.execute(update(Clip).where(Clip.id == clip.id).values(film_id=newer.id, cut_id=newer.id))
    original = tmp_path / "original"
    original.write_bytes(b"film")
    for key in (first.key, newer.key):
        runtime.storage.put(Bucket.ORIGINALS, key, original, content_type="video/mp4")
    return clip


def films(runtime, clip):
    with runtime.read() as session:
        return session.scalars(select(Film).where(Film.clip_id == clip.id).order_by(Film.number)).all()


def test_its_original_and_what_was_said_in_it_go_and_the_newer_one_stays(runtime, clip):
    for _again in range(2):
        erase_replaced(stage.shop_of(runtime))
    first, newer = films(runtime, clip)
    assert (first.erased_at is None, newer.erased_at is None) == (False, True)
    assert runtime.storage.size(Bucket.ORIGINALS, first.key) is None
    assert runtime.storage.size(Bucket.ORIGINALS, newer.key) == 4
    with runtime.read() as session:
        assert session.scalars(select(Caption.film_id)).all() == []


@pytest.mark.parametrize(
    "state", [State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED]
)
def test_until_the_newer_one_is_public_it_stays(runtime, clip, state):
    with runtime.work() as session:
        session.execute(update(Clip).values(state=state))
    with runtime.read() as session:
        assert replaced.due(session) == []


def test_while_it_can_be_watched_or_is_worked_on_it_stays(runtime, clip):
    first, _newer = films(runtime, clip)
    with runtime.work() as session:
        enqueue(session, session.get_one(Clip, clip.id), JobKind.SIGNALS, film_id=first.id)
    with runtime.read() as session:
        assert replaced.due(session) == []


def test_one_that_came_after_the_public_one_stays(runtime, make, clip):
    make.film(clip, number=3)
    with runtime.read() as session:
        assert [film.number for film in replaced.due(session)] == [1]
