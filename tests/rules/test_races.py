"""Two hands on one clip in the same moment: the second looks again before it writes."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from portal import (
    leases,
    lifecycle,
    notices,
    owners,
    people,
    readiness,
    refusals,
    review,
    submission,
    support,
    thread,
    withdrawal,
    wordings,
)
from portal.database import db_now
from portal.errors import Code, Conflict, Unacceptable
from portal.jobs import JobKind
from portal.lifecycle import OWNER, WORKER, Actor, ActorKind
from portal.models import (
    Clip,
    ClipLink,
    ConsentText,
    Film,
    Job,
    JobState,
    Message,
    Notice,
    Person,
    Refusal,
    SignInLink,
    State,
    SupportCase,
)
from portal.notices import NoticeKind
from portal.submission import Texts


def elsewhere(session, clip, **columns):
    """What somebody else wrote since we looked, as PostgreSQL lets it happen."""
    session.execute(
        update(Clip).where(Clip.id == clip.id).values(**columns).execution_options(synchronize_session=False)
    )


def test_words_cannot_slip_in_behind_an_approval(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with pytest.raises(Conflict), runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        elsewhere(session, held, state=State.APPROVED)
        submission.edit(session, held, Texts(title="Tout autre chose"), by=OWNER)


def test_a_withdrawal_holds_although_the_clip_is_published_in_the_same_moment(runtime, make, session):
    clip = make.clip(State.APPROVED)
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        elsewhere(writing, held, state=State.PUBLISHED)
        withdrawal.withdraw(writing, held, by=OWNER)
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN


def test_the_last_word_and_the_last_file_in_the_same_moment_still_lead_to_review(runtime, make, session):
    clip = make.clip(State.PROCESSING, title="")
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        now = db_now(writing)
        writing.add(
            Film(id="e" * 32, clip_id=held.id, number=1, key="o/x", size_bytes=1, facts={}, received_at=now,
                 ready_at=now)
        )  # fmt: skip
        elsewhere(writing, held, title="Le matin")
        assert readiness.settle(writing, held, by=WORKER)
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


def test_a_clip_whose_objects_are_being_deleted_is_not_reopened(runtime, make, session):
    clip = make.clip(State.REJECTED)
    with runtime.work() as writing:
        withdrawal.erase_request(writing, writing.get_one(Clip, clip.id), by=OWNER)
    with pytest.raises(Conflict), runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        review.reopen(writing, held, by=Actor(ActorKind.ADMIN, 1), seen_version=held.version)
    assert session.scalars(select(Job.state).where(Job.clip_id == clip.id)).all() == [JobState.QUEUED]


def test_a_clip_being_erased_may_still_be_withdrawn_and_erased(runtime, make, session):
    clip = make.clip(State.REJECTED)
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        withdrawal.erase_request(writing, held, by=OWNER)
        withdrawal.withdraw(writing, held, by=OWNER)
        withdrawal.erased(writing, held, by=lifecycle.WORKER)
    assert session.get_one(Clip, clip.id).state == State.ERASED


def test_a_date_of_publication_at_the_end_of_the_calendar_is_refused(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with pytest.raises(Unacceptable) as refused, runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        at = datetime.fromisoformat("9999-12-31T23:59:59-12:00")
        by = Actor(ActorKind.PROGRAM, 1)
        review.approve(session, held, by=by, seen_version=held.version, publish_at=at)
    assert refused.value.fields == {"publish_at": Code.DATE_TOO_FAR}


def test_an_owner_who_takes_back_while_the_worker_reports_is_not_turned_away(runtime, make, session):
    clip = make.clip(State.APPROVED)
    with runtime.work() as writing:
        job = lifecycle.enqueue(writing, writing.get_one(Clip, clip.id), JobKind.PUBLISH)
    with runtime.work() as writing:
        claim = leases.claim(writing, job.id)

    def take_back():
        with runtime.work() as writing:
            withdrawal.withdraw(writing, writing.get_one(Clip, clip.id), by=OWNER)

    with ThreadPoolExecutor(1) as pool:
        with runtime.work() as writing:
            assert leases.done(writing, claim)
            owner = pool.submit(take_back)
            wait_for_a_lock(runtime, owner)
            lifecycle.move(writing, writing.get_one(Clip, clip.id), "publish", by=WORKER)
        owner.result(timeout=240)
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN


def case(session, clip):
    support.open_case(
        session, clip, words="Rien ne va", phone="+33 1 23 45 67 89", by=OWNER, support="help@brand.example",
        default_lang="fr", token="t",
    )  # fmt: skip


def sign_in_of(session, clip):
    return session.scalars(select(SignInLink).where(SignInLink.person_id == clip.owner_id)).one()


TWICE = {
    "a letter": (
        Notice,
        lambda session, clip: notices.tell(session, NoticeKind.PUBLISHED, clip, occasion="one"),
    ),
    "a case": (SupportCase, case),
    "a person": (
        Person,
        lambda session, _clip: people.person_for_email(session, "new@mail.example", lang="fr"),
    ),
    "a refusal": (Refusal, lambda session, _clip: refusals.refuse(session, "a" * 64, "invitations")),
    "a message": (
        Message,
        lambda session, clip: thread.add(session, clip, "Bonjour", author=OWNER, token="t"),
    ),
    "a link of the owner's space": (
        ClipLink,
        lambda session, clip: owners.open_clip(session, clip, sign_in_of(session, clip), key="k"),
    ),
    "a text to agree to": (
        ConsentText,
        lambda session, _clip: wordings.text_for(session, "site", "de", brand="Solène"),
    ),
}


@pytest.mark.parametrize("what", TWICE)
def test_of_two_who_do_the_same_in_the_same_moment_the_second_finds_what_the_first_made(runtime, make, what):
    table, does = TWICE[what]
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        ends = db_now(session) + timedelta(days=1)
        session.add(
            SignInLink(person_id=clip.owner_id, token_hash="s" * 64, purpose="welcome", expires_at=ends)
        )
        counted = select(func.count()).select_from(table)
        before = session.scalar(counted)

    def second():
        with runtime.work() as session:
            does(session, session.get_one(Clip, clip.id))

    with ThreadPoolExecutor(1) as pool:
        with runtime.work() as session:
            does(session, session.get_one(Clip, clip.id))
            session.flush()
            other = pool.submit(second)
            wait_for_a_lock(runtime, other)
        other.result(timeout=240)
    with runtime.read() as session:
        assert session.scalar(counted) == before + 1


def wait_for_a_lock(runtime, other):
    """Until the other one waits for a row of ours; on SQLite it waits before it has begun."""
    if runtime.engine.dialect.name == "sqlite":
        return
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    ends = time.monotonic() + 240
    with runtime.engine.connect() as looking:
        while not looking.execute(waits).scalar_one():
            assert time.monotonic() < ends
            assert not other.done()
            looking.rollback()
