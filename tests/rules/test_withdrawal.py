"""Taking a clip back, thinking again, being forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import submission, withdrawal
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, OWNER
from portal.models import Clip, ClipTheme, Consent, Job, JobState, Notice, Person, Rendition, State


def withdraw(runtime, clip, *, ago=timedelta(0)):
    with runtime.work() as session:
        withdrawal.withdraw(session, session.get_one(Clip, clip.id), by=OWNER)
    if ago:
        with runtime.work() as session:
            then = db_now(session) - ago
            session.execute(update(Clip).where(Clip.id == clip.id).values(state_since=then))


def test_a_withdrawn_clip_is_out_of_sight_at_once_and_its_files_are_to_be_deleted(
    runtime, make, session, bells
):
    clip = make.clip(State.PUBLISHED)
    withdraw(runtime, clip)
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN
    assert JobKind.RETRACT in [bell.kind for bell in bells]
    assert [notice.kind for notice in session.scalars(select(Notice))] == ["withdrawn"]


def test_a_second_withdrawal_is_a_conflict(runtime, make):
    clip = make.clip(State.PUBLISHED)
    withdraw(runtime, clip)
    with pytest.raises(Conflict):
        withdraw(runtime, clip)


def test_within_a_day_the_clip_goes_back_to_review_not_to_the_public(runtime, make, session):
    clip = make.clip(State.PUBLISHED)
    withdraw(runtime, clip, ago=timedelta(hours=23))
    with runtime.work() as writing:
        withdrawal.restore(writing, writing.get_one(Clip, clip.id), by=OWNER)
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


def test_after_a_day_there_is_no_way_back(runtime, make):
    clip = make.clip(State.PUBLISHED)
    withdraw(runtime, clip, ago=timedelta(hours=25))
    with pytest.raises(Conflict) as refused, runtime.work() as session:
        withdrawal.restore(session, session.get_one(Clip, clip.id), by=OWNER)
    assert refused.value.code == Code.UNDO_TOO_LATE


def test_a_draft_that_was_withdrawn_cannot_be_put_before_a_moderator(runtime, make):
    clip = make.clip(State.DRAFT)
    withdraw(runtime, clip)
    with pytest.raises(Conflict) as refused, runtime.work() as session:
        withdrawal.restore(session, session.get_one(Clip, clip.id), by=OWNER)
    assert refused.value.code == Code.INCOMPLETE


def test_erasure_falls_due_when_it_cannot_be_undone_any_more_and_is_asked_for_once(runtime, make, session):
    due, fresh = make.clip(State.PUBLISHED), make.clip(State.PUBLISHED)
    withdraw(runtime, due, ago=timedelta(hours=24, minutes=1))
    withdraw(runtime, fresh, ago=timedelta(hours=23, minutes=59))
    assert [clip.id for clip in withdrawal.due_for_erasure(session)] == [due.id]
    session.rollback()
    with runtime.work() as writing:
        withdrawal.erase_request(writing, writing.get_one(Clip, due.id), by=CLOCK)
    assert withdrawal.due_for_erasure(session) == []
    asked = select(Job.state).where(Job.kind == JobKind.ERASE)
    assert session.scalars(asked).all() == [JobState.QUEUED]


def test_a_clip_in_sight_cannot_be_erased(runtime, make):
    clip = make.clip(State.PUBLISHED)
    with pytest.raises(Conflict), runtime.work() as session:
        withdrawal.erase_request(session, session.get_one(Clip, clip.id), by=OWNER)


def test_erasing_forgets_words_person_files_and_links_but_keeps_what_was_agreed_to(runtime, make, session):
    clip = make.clip(State.PUBLISHED, themes=[make.theme("trajets")])
    with runtime.work() as writing:
        token = submission.new_link(writing, clip)
    withdraw(runtime, clip)
    with runtime.work() as writing:
        withdrawal.erased(writing, writing.get_one(Clip, clip.id), by=CLOCK)
    bare = session.get_one(Clip, clip.id)
    assert (bare.state, bare.title, bare.first_name, bare.city, bare.search_text) == (
        State.ERASED,
        "",
        "",
        "",
        "",
    )
    assert session.get_one(Person, clip.owner_id).email is None
    for kind in (ClipTheme, Rendition):
        assert session.scalars(select(kind)).all() == []
    with pytest.raises(Missing):
        submission.by_link(session, token)
    assert len(session.scalars(select(Consent).where(Consent.clip_id == clip.id)).all()) == 2


def test_an_owner_of_another_clip_is_not_forgotten_with_the_first(runtime, make, session):
    owner = make.person()
    clip, _other = make.clip(State.PUBLISHED, owner=owner), make.clip(State.PUBLISHED, owner=owner)
    withdraw(runtime, clip)
    with runtime.work() as writing:
        withdrawal.erased(writing, writing.get_one(Clip, clip.id), by=CLOCK)
    assert session.get_one(Person, owner.id).email == owner.email
