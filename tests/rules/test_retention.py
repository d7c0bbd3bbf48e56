"""How long clips are kept that nobody shows: one table, counted from the last thing that happened."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import letters, lifecycle, retention, review, submission, withdrawal
from portal.database import db_now
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Clip, Notice, State, Upload, UploadState
from portal.notices import NoticeKind
from tests.factories import act

HOUR = timedelta(hours=1)


def upload(runtime, clip, *, seen):
    with runtime.work() as session:
        then = db_now(session) - seen
        session.add(
            Upload(
                id=f"u{clip.id}", clip_id=clip.id, state=UploadState.OPEN, storage_id="x", key=f"o/{clip.id}",
                filename="a.mov", content_type="video/mp4", size_bytes=10, part_size=5, part_count=2, created_at=then,
                changed_at=then, last_seen_at=then, expires_at=then + timedelta(days=7),
            )
        )  # fmt: skip


def due(session):
    found = {clip.id for clip in withdrawal.due_for_erasure(session)}
    session.rollback()
    return found


def state_of(session, clip):
    session.rollback()
    return session.get_one(Clip, clip.id).state


@pytest.mark.parametrize("state", sorted(retention.KEPT))
def test_a_clip_is_erased_when_its_time_in_a_state_is_over_and_not_before(runtime, make, session, state):
    old, young = make.clip(state), make.clip(state)
    make.age(old, retention.KEPT[state] + HOUR)
    make.age(young, retention.KEPT[state] - HOUR)
    assert due(session) == {old.id}


@pytest.mark.parametrize("state", sorted(retention.KEPT))
def test_the_day_that_is_told_is_the_day_on_which_it_is_due(runtime, make, session, state):
    clip = make.clip(state)
    make.age(clip, retention.KEPT[state] + HOUR)
    held = session.get_one(Clip, clip.id)
    assert retention.erased_on(session, held) == held.state_since + retention.KEPT[state]


def test_a_message_of_the_owner_counts_as_something_that_happened(runtime, make, session):
    clip = make.clip(State.REJECTED)
    make.age(clip, timedelta(days=31))
    act(runtime, lifecycle.record, clip, "message", by=OWNER)
    assert due(session) == set()
    left = retention.erased_on(session, session.get_one(Clip, clip.id)) - db_now(session)
    assert left > timedelta(days=29)


def test_what_colleagues_note_does_not_put_off_the_day_that_the_owner_was_told(runtime, make, session):
    clip = make.clip(State.REJECTED)
    make.age(clip, timedelta(days=29))
    told = retention.erased_on(session, session.get_one(Clip, clip.id))
    session.rollback()
    act(runtime, review.note, clip, "Vu avec Anne.", None, by=Actor(ActorKind.MODERATOR))
    assert retention.erased_on(session, session.get_one(Clip, clip.id)) == told
    session.rollback()
    make.age(clip, timedelta(days=31))
    assert due(session) == {clip.id}


def test_an_owner_who_comes_back_while_the_round_is_on_its_way_keeps_the_clip(runtime, make, session):
    back, silent = (make.clip(State.CHANGES_REQUESTED) for _ in range(2))
    for clip, days in ((silent, 62), (back, 61)):
        make.age(clip, timedelta(days=days))
    units = []

    @contextmanager
    def work():
        units.append(1)
        if len(units) == 2:
            # The round has its list, and has not ended anything yet.
            act(runtime, submission.edit, back, submission.Texts(title="Autre"), by=OWNER)
        with runtime.work() as unit:
            yield unit

    assert withdrawal.give_up_silent(work) == 1
    assert state_of(session, silent) == State.WITHDRAWN
    assert state_of(session, back) == State.CHANGES_REQUESTED


def test_a_withdrawal_is_put_off_by_nothing(runtime, make, session):
    clip = make.clip(State.WITHDRAWN)
    make.age(clip, timedelta(hours=25))
    act(runtime, lifecycle.record, clip, "message", by=OWNER)
    assert due(session) == {clip.id}


def test_a_failed_clip_to_which_a_new_film_is_on_its_way_is_kept(runtime, make, session):
    clip = make.clip(State.FAILED)
    make.age(clip, timedelta(days=31))
    upload(runtime, clip, seen=HOUR)
    assert due(session) == set()


@pytest.mark.parametrize(
    ("columns", "days", "state"),
    [
        ({"title": ""}, 31, State.WITHDRAWN),
        ({"title": ""}, 29, State.PROCESSING),
        ({}, 31, State.PROCESSING),
    ],
)
def test_a_film_whose_owner_never_completed_it_is_given_up_whatever_way_it_came(
    runtime, make, session, columns, days, state
):
    clip = make.clip(State.PROCESSING, **columns)
    make.age(clip, timedelta(days=days))
    withdrawal.give_up_silent(runtime.work)
    assert state_of(session, clip) == state


def test_a_film_that_nobody_agreed_to_show_is_given_up_without_a_letter(runtime, make, session):
    clip = make.clip(State.PROCESSING, consents=(), channel="mail")
    make.age(clip, timedelta(days=31))
    assert withdrawal.give_up_silent(runtime.work) == 1
    held = session.get_one(Clip, clip.id)
    assert withdrawal.is_given_up(session, held)
    assert session.scalars(select(Notice)).all() == []


def test_a_film_of_nobody_is_given_up_after_a_week(runtime, make, session):
    clip = make.clip(State.PROCESSING, consents=())
    with runtime.work() as writing:
        writing.execute(update(Clip).values(owner_id=None))
    make.age(clip, timedelta(days=8))
    assert withdrawal.give_up_silent(runtime.work) == 1


@pytest.mark.parametrize(("days", "state"), [(61, State.WITHDRAWN), (59, State.CHANGES_REQUESTED)])
def test_a_request_for_changes_that_nobody_answers_ends(runtime, make, session, days, state):
    clip = make.clip(State.CHANGES_REQUESTED)
    make.age(clip, timedelta(days=days))
    withdrawal.give_up_silent(runtime.work)
    assert state_of(session, clip) == state


def test_what_was_given_up_can_be_taken_up_again_for_a_day(runtime, make, session):
    clip = make.clip(State.CHANGES_REQUESTED)
    make.age(clip, timedelta(days=61))
    withdrawal.give_up_silent(runtime.work)
    act(runtime, withdrawal.restore, clip, by=OWNER)
    assert state_of(session, clip) == State.CHANGES_REQUESTED


def test_a_draft_is_kept_from_its_last_edit_on(runtime, make, session):
    old, edited = make.clip(State.DRAFT), make.clip(State.DRAFT)
    for clip in (old, edited):
        make.age(clip, timedelta(days=31))
    act(runtime, submission.edit, edited, submission.Texts(title="Autre"), by=OWNER)
    assert withdrawal.abandon_stale(runtime.work) == 1
    assert (state_of(session, old), state_of(session, edited)) == (State.ERASED, State.DRAFT)


def test_whoever_left_an_upload_an_hour_ago_gets_the_link_to_go_on_once(runtime, make, session):
    stalled, busy, fresh = (make.clip(State.UPLOADING) for _ in range(3))
    for clip in (stalled, busy):
        make.age(clip, 2 * HOUR)
    upload(runtime, stalled, seen=HOUR * 1.5)
    upload(runtime, busy, seen=timedelta(minutes=5))
    upload(runtime, fresh, seen=timedelta(minutes=5))
    assert withdrawal.remind_stalled(runtime.work) == 1
    assert withdrawal.remind_stalled(runtime.work) == 0
    told = session.execute(select(Notice.kind, Notice.clip_id)).all()
    assert [tuple(one) for one in told] == [("finish_later", stalled.id)]


@pytest.mark.parametrize("columns", [{"channel": "api"}, {"channel": "mail"}])
def test_only_what_was_begun_on_the_site_is_reminded_of(runtime, make, columns):
    clip = make.clip(State.DRAFT, **columns)
    make.age(clip, 2 * HOUR)
    assert withdrawal.remind_stalled(runtime.work) == 0


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (NoticeKind.FINISH_LATER, State.DRAFT),
        (NoticeKind.CHANGES_REQUESTED, State.CHANGES_REQUESTED),
        (NoticeKind.REJECTED, State.REJECTED),
        (NoticeKind.REMOVED, State.REMOVED),
        (NoticeKind.FAILED, State.FAILED),
        (NoticeKind.EXPIRED, State.EXPIRED),
    ],
)
def test_the_letter_names_the_day_on_which_everything_is_erased(runtime, make, session, kind, state):
    clip = make.clip(state)
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        notice = Notice(
            kind=kind, occasion="x", state="waiting", message_id="x@y", clip_id=clip.id, person_id=clip.owner_id,
            lang="fr", created_at=db_now(writing), run_after=db_now(writing), facts={},
        )  # fmt: skip
        writing.add(notice)
        writing.flush()
        mail = letters.compose(writing, notice, site=runtime.settings.site, link="http://portal.test/fr/s/x")
        day = letters.format_date(retention.erased_on(writing, held))
    for part in (mail.text, mail.html):
        assert f"nous effaçons tout le {day}." in part


@pytest.mark.parametrize(
    ("state", "words"), [(State.PUBLISHED, "plus sur le site"), (State.DRAFT, "pas mis en ligne")]
)
def test_the_letter_of_a_withdrawal_speaks_of_the_site_only_where_the_clip_was_there(
    runtime, make, session, state, words
):
    clip = make.clip(state)
    act(runtime, withdrawal.withdraw, clip, by=OWNER)
    notice = session.scalars(select(Notice).where(Notice.kind == NoticeKind.WITHDRAWN)).one()
    mail = letters.compose(session, notice, site=runtime.settings.site, link="http://portal.test/fr/s/x")
    assert words in mail.text
    assert words in mail.html


@pytest.mark.parametrize("state", [State.PUBLISHED, State.APPROVED, State.IN_REVIEW, State.PROCESSING])
def test_a_clip_that_is_shown_or_waits_for_us_has_no_day(make, session, state):
    clip = make.clip(state)
    assert retention.erased_on(session, session.get_one(Clip, clip.id)) is None
