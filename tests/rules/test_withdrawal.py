"""Taking a clip back, thinking again, being forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import notices, review, submission, terms, withdrawal
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, OWNER, Actor, ActorKind, enqueue
from portal.models import (
    AuditEvent,
    Clip,
    ClipTheme,
    Consent,
    Job,
    JobState,
    Notice,
    NoticeState,
    Person,
    Rendition,
    State,
)
from portal.notices import NoticeKind
from tests.factories import act

BY = Actor(ActorKind.MODERATOR)


def withdraw(runtime, clip):
    act(runtime, withdrawal.withdraw, clip, by=OWNER)


def restore(runtime, clip):
    act(runtime, withdrawal.restore, clip, by=OWNER)


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
    withdraw(runtime, clip)
    make.age(clip, timedelta(hours=23))
    restore(runtime, clip)
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


def test_after_a_day_there_is_no_way_back(runtime, make):
    clip = make.clip(State.PUBLISHED)
    withdraw(runtime, clip)
    make.age(clip, timedelta(hours=25))
    with pytest.raises(Conflict) as refused:
        restore(runtime, clip)
    assert refused.value.code == Code.UNDO_TOO_LATE


@pytest.mark.parametrize(
    ("state", "back"),
    [
        (State.DRAFT, State.DRAFT),
        (State.UPLOADING, State.DRAFT),
        (State.IN_REVIEW, State.IN_REVIEW),
        (State.APPROVED, State.IN_REVIEW),
        (State.CHANGES_REQUESTED, State.CHANGES_REQUESTED),
        (State.FAILED, State.FAILED),
        (State.REJECTED, State.REJECTED),
        (State.REMOVED, State.REMOVED),
        (State.EXPIRED, State.EXPIRED),
    ],
)
def test_an_undone_withdrawal_leads_back_to_where_the_clip_was_and_past_no_decision(
    runtime, make, session, state, back
):
    clip = make.clip(state)
    withdraw(runtime, clip)
    assert withdrawal.can_restore(session, session.get_one(Clip, clip.id))
    session.rollback()
    restore(runtime, clip)
    assert session.get_one(Clip, clip.id).state == back


def test_a_film_that_was_still_being_made_is_made_anew_when_the_withdrawal_is_undone(
    runtime, make, session, bells
):
    clip = make.clip(State.PROCESSING)
    make.film(clip, 1)
    withdraw(runtime, clip)
    bells.clear()
    restore(runtime, clip)
    assert session.get_one(Clip, clip.id).state == State.PROCESSING
    assert {JobKind.TRANSCODE, JobKind.PREVIEW} <= {bell.kind for bell in bells}


def test_a_film_that_waits_for_its_owners_words_is_not_made_a_second_time(runtime, make, session, bells):
    clip = make.clip(State.PROCESSING, title="")
    make.film(clip, 1, is_ready=True)
    withdraw(runtime, clip)
    bells.clear()
    restore(runtime, clip)
    assert session.get_one(Clip, clip.id).state == State.PROCESSING
    assert JobKind.TRANSCODE not in {bell.kind for bell in bells}


def test_a_look_at_the_film_that_the_withdrawal_called_off_is_asked_for_again(runtime, make, session):
    clip = make.clip(State.IN_REVIEW)
    act(runtime, enqueue, clip, JobKind.SIGNALS, film_id=clip.film_id)
    withdraw(runtime, clip)
    restore(runtime, clip)
    asked = select(Job.state).where(Job.kind == JobKind.SIGNALS)
    assert sorted(session.scalars(asked)) == [JobState.CANCELLED, JobState.QUEUED]


def test_a_request_for_changes_that_had_not_left_leaves_when_the_withdrawal_is_undone(
    runtime, make, session, bells
):
    clip = make.clip(State.IN_REVIEW)
    act(
        runtime, review.request_changes, clip, [review.GivenReason("plate")], by=BY, seen_version=clip.version
    )
    withdraw(runtime, clip)
    told = session.scalars(select(Notice).where(Notice.kind == NoticeKind.CHANGES_REQUESTED)).one()
    assert told.state == NoticeState.CANCELLED
    session.rollback()
    bells.clear()
    restore(runtime, clip)
    assert session.get_one(Notice, told.id).state == NoticeState.WAITING
    assert (JobKind.TELL, str(told.id)) in [(bell.kind, bell.subject) for bell in bells]


def test_a_reminder_of_the_terms_end_that_had_not_left_is_written_anew_when_the_withdrawal_is_undone(
    runtime, make, session
):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as writing:
        until = db_now(writing) + timedelta(days=20)
        writing.execute(update(Clip).where(Clip.id == clip.id).values(consent_until=until))
    assert terms.ask_again(runtime.work) == 1
    withdraw(runtime, clip)
    restore(runtime, clip)
    assert [terms.ask_again(runtime.work) for _sweep in range(2)] == [1, 0]
    states = select(Notice.state).where(Notice.kind == NoticeKind.RENEWAL).order_by(Notice.id)
    assert session.scalars(states).all() == [NoticeState.CANCELLED, NoticeState.WAITING]


def test_letters_that_are_not_true_any_more_are_called_off_and_a_refusals_reasons_are_not(
    runtime, make, session
):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        for kind in (NoticeKind.PUBLISHED, NoticeKind.RENEWAL, NoticeKind.REJECTED):
            notices.tell(writing, kind, held, occasion=f"{kind}:1")
    withdraw(runtime, clip)
    states = dict(session.execute(select(Notice.kind, Notice.state)).all())
    assert states == {
        "published": NoticeState.CANCELLED,
        "renewal": NoticeState.CANCELLED,
        "rejected": NoticeState.WAITING,
        "withdrawn": NoticeState.WAITING,
    }


@pytest.mark.parametrize(("said", "kept"), [("sold", {"why": "sold"}), ("Léa m’a quitté", {}), ("", {})])
def test_why_somebody_leaves_is_kept_as_a_word_of_ours_or_not_at_all(runtime, make, session, said, kept):
    clip = make.clip(State.PUBLISHED)
    act(runtime, withdrawal.withdraw, clip, by=OWNER, why=said)
    assert session.scalars(select(AuditEvent.detail).where(AuditEvent.verb == "withdraw")).one() == kept


def test_an_erasure_that_failed_is_asked_for_again_the_next_day(runtime, make, session):
    clip = make.clip(State.PUBLISHED)
    withdraw(runtime, clip)
    make.age(clip, timedelta(days=3))
    assert act(runtime, withdrawal.erase_if_due, clip)
    assert not act(runtime, withdrawal.erase_if_due, clip)
    for ago, due in ((timedelta(hours=23), []), (timedelta(hours=25), [clip.id])):
        with runtime.work() as writing:
            then = db_now(writing) - ago
            writing.execute(
                update(Job).where(Job.kind == JobKind.ERASE).values(state="failed", finished_at=then)
            )
        assert [one.id for one in withdrawal.due_for_erasure(session)] == due
        session.rollback()


def test_erasure_falls_due_when_it_cannot_be_undone_any_more_and_is_asked_for_once(runtime, make, session):
    due, fresh = make.clip(State.PUBLISHED), make.clip(State.PUBLISHED)
    for clip, ago in ((due, timedelta(hours=24, minutes=1)), (fresh, timedelta(hours=23, minutes=59))):
        withdraw(runtime, clip)
        make.age(clip, ago)
    assert [clip.id for clip in withdrawal.due_for_erasure(session)] == [due.id]
    session.rollback()
    act(runtime, withdrawal.erase_request, due, by=CLOCK)
    assert withdrawal.due_for_erasure(session) == []
    asked = select(Job.state).where(Job.kind == JobKind.ERASE)
    assert session.scalars(asked).all() == [JobState.QUEUED]


def test_a_clip_in_sight_cannot_be_erased(runtime, make):
    clip = make.clip(State.PUBLISHED)
    with pytest.raises(Conflict):
        act(runtime, withdrawal.erase_request, clip, by=OWNER)


def test_erasing_forgets_words_person_files_and_links_but_keeps_what_was_agreed_to(runtime, make, session):
    clip = make.clip(State.PUBLISHED, themes=[make.theme("trajets")])
    token = make.link(clip)
    withdraw(runtime, clip)
    act(runtime, withdrawal.erased, clip, by=CLOCK)
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
    act(runtime, withdrawal.erased, clip, by=CLOCK)
    assert session.get_one(Person, owner.id).email == owner.email
