"""The ends that an owner cuts off before sending: what may be said of them, and what the first cut makes of it."""

import pytest
from sqlalchemy import select

from config import UploadLimits
from portal import cuts, editing, uploads
from portal.edits import EditList, Passage, ends, fitted
from portal.errors import Code, Unacceptable
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Clip, Film, State, Upload
from portal.uploads import Announced

LIMITS = UploadLimits(max_bytes=2**31, max_seconds=180)
MARKS = {"head_sha256": "a" * 64, "tail_sha256": "b" * 64}


def announced(edits=None):
    return Announced("film.webm", 4000, "video/webm", edits=edits, **MARKS)


def start(runtime, clip, edits=None):
    return uploads.start(runtime.work, runtime.storage, clip.id, announced(edits), limits=LIMITS, by=OWNER)


@pytest.mark.parametrize(
    ("start", "end", "fault"),
    [
        (-1.0, None, "edits.start"),
        (181.0, None, "edits.start"),
        (None, 0.0, "edits.end"),
        (None, 999.0, "edits.end"),
        (20.0, 10.0, "edits.end"),
        (10.0, 10.5, "edits.end"),
    ],
)
def test_ends_that_cannot_be_meant_are_refused_by_name(start, end, fault):
    with pytest.raises(Unacceptable) as refused:
        ends(start, end, 180.0)
    assert list(refused.value.fields) == [fault]


def test_a_beginning_at_nought_cuts_nothing_off():
    assert ends(0.0, None, 180.0).is_empty


def test_ends_lie_on_the_films_own_frames_and_an_end_behind_it_cuts_nothing_off():
    assert fitted(EditList(0.51, 7.99), 30, 8.0) == EditList(pytest.approx(16 / 30), pytest.approx(239 / 30))
    assert fitted(EditList(0.5, 8.4), 30, 8.0) == EditList(0.5)
    assert fitted(EditList(), 30, 8.0).is_empty


@pytest.mark.parametrize("wanted", [EditList(9.0), EditList(7.5), EditList(9.0, 12.0)])
def test_a_film_of_which_nothing_would_be_left_is_refused_with_its_length(wanted):
    with pytest.raises(Unacceptable) as refused:
        fitted(wanted, 30, 8.0)
    assert (refused.value.code, refused.value.facts) == (Code.NOTHING_LEFT, {"seconds": 8.0})


def test_the_last_word_about_the_ends_counts_until_the_film_has_arrived(runtime, make, session):
    clip = make.clip(State.DRAFT)
    upload, _new = start(runtime, clip, EditList(1.0))
    start(runtime, clip, EditList(2.0, 9.0))
    start(runtime, clip)
    assert EditList.from_json(session.get_one(Upload, upload.id).edits) == EditList(2.0, 9.0)


def test_nothing_said_of_the_ends_is_nothing_cut(runtime, make):
    upload, _new = start(runtime, make.clip(State.DRAFT))
    assert upload.edits == {}


def test_the_first_cut_leaves_out_what_its_owner_cut_off(runtime, make):
    clip = make.clip()
    with runtime.work() as session:
        film = session.scalars(select(Film)).one()
        film.edits, film.facts = EditList(2.0, 10.0).as_json(), film.facts | {"fps": 30}
        report = cuts.Report(seconds=8.0, width=640, height=360)
        cuts.first(session, session.get_one(Clip, clip.id), film, [], report)
    with runtime.read() as session:
        cut = cuts.current(session, session.get_one(Clip, clip.id))
        assert cut is not None
        assert (cut.origin, cuts.edits_of(cut)) == (cuts.FIRST, EditList(2.0, 10.0))


def test_a_moderator_cannot_bring_back_what_the_owner_cut_off(runtime, make):
    clip = make.clip()
    with runtime.work() as session:
        film = session.scalars(select(Film)).one()
        film.edits, film.facts = EditList(2.0, 10.0).as_json(), film.facts | {"fps": 30}
        mine = session.get_one(Clip, clip.id)
        wanted = EditList(1.0, None, mutes=(Passage(3.0, 4.0),))
        cut = editing.propose(
            session, mine, wanted, by=Actor(ActorKind.PROGRAM, 1), seen_version=mine.version
        )
        assert cuts.edits_of(cut) == EditList(2.0, 10.0, mutes=(Passage(3.0, 4.0),))


def test_a_film_that_nobody_has_measured_yet_has_no_ends(runtime, make):
    make.clip()
    with runtime.work() as session:
        film = session.scalars(select(Film)).one()
        film.edits, film.facts = EditList(2.0).as_json(), {}
        assert cuts.sent_with(film).is_empty
