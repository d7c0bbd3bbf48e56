"""How long a clip may be shown, and how its owner is asked again."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from portal import consent, letters, review, terms
from portal.database import db_now
from portal.errors import Code, Conflict
from portal.i18n import format_date
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Campaign, Clip, Consent, Job, Notice, State
from portal.notices import NoticeKind

BY = Actor(ActorKind.MODERATOR)


def ending(runtime, clip, days):
    """Let the clip's term end in so many days."""
    with runtime.work() as session:
        until = db_now(session) + timedelta(days=days)
        session.execute(update(Clip).where(Clip.id == clip.id).values(consent_until=until))


def renew(runtime, clip):
    with runtime.work() as session:
        return terms.renew(session, session.get_one(Clip, clip.id), by=OWNER, via="site", brand="Solène")


@pytest.mark.parametrize(
    ("given", "months", "until"),
    [("2026-01-31", 1, "2026-02-28"), ("2026-11-22", 24, "2028-11-22"), ("2024-02-29", 12, "2025-02-28")],
)
def test_a_term_is_counted_in_calendar_months(given, months, until):
    at = datetime.fromisoformat(given).replace(hour=9, tzinfo=UTC)
    assert consent.months_later(at, months).isoformat() == f"{until}T09:00:00+00:00"


def test_agreeing_to_this_site_begins_the_campaigns_term(runtime, make, session):
    make.campaign(term_months=6)
    clip = make.clip(State.DRAFT, consents=())
    with runtime.work() as writing:
        consent.give(writing, writing.get_one(Clip, clip.id), {"site"}, lang="fr", via="site", brand="Solène")
    given = session.scalars(select(Consent)).one()
    assert session.get_one(Clip, clip.id).consent_until == consent.months_later(given.given_at, 6)


def test_thirty_days_before_the_end_the_owner_is_asked_exactly_once(runtime, make, session):
    clip, later = make.clip(State.PUBLISHED), make.clip(State.PUBLISHED)
    ending(runtime, clip, 29)
    ending(runtime, later, 31)
    assert [terms.ask_again(runtime.work) for _sweep in range(2)] == [1, 0]
    letter = session.scalars(select(Notice).where(Notice.kind == NoticeKind.RENEWAL)).one()
    assert letter.clip_id == clip.id
    link = "http://portal.test/fr/s/t/renew"
    mail = letters.compose(session, letter, site=runtime.settings.site, link=link)
    assert format_date(session.get_one(Clip, clip.id).consent_until) in mail.text


def test_a_renewal_writes_a_new_row_and_moves_the_end(runtime, make, session):
    clip = make.clip(State.PUBLISHED)
    ending(runtime, clip, 10)
    assert renew(runtime, clip) is True
    former, fresh = session.scalars(
        select(Consent).where(Consent.purpose == "site", Consent.clip_id == clip.id).order_by(Consent.id)
    )
    assert former.revoked_at == fresh.given_at
    assert fresh.revoked_at is None
    assert session.get_one(Clip, clip.id).consent_until == consent.months_later(fresh.given_at, 24)


def test_a_second_click_renews_nothing(runtime, make, session):
    clip = make.clip(State.PUBLISHED)
    ending(runtime, clip, 10)
    assert [renew(runtime, clip) for _press in range(2)] == [True, False]
    assert len(session.scalars(select(Consent).where(Consent.purpose == "site")).all()) == 2


def test_at_the_end_the_clip_leaves_the_site_and_its_owner_is_told_once(runtime, make, session):
    clip, other = make.clip(State.PUBLISHED), make.clip(State.PUBLISHED)
    ending(runtime, clip, -1)
    ending(runtime, other, 1)
    assert [terms.expire_due(runtime.work) for _sweep in range(2)] == [1, 0]
    states = {one.id: one.state for one in session.scalars(select(Clip))}
    assert states == {clip.id: State.EXPIRED, other.id: State.PUBLISHED}
    assert session.scalars(select(Job.kind)).all() == ["retract"]
    assert session.scalars(select(Notice.kind)).all() == [NoticeKind.EXPIRED]


def test_a_clip_whose_term_is_over_is_not_approved(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    ending(runtime, clip, -1)
    with runtime.work() as session, pytest.raises(Conflict) as refused:
        review.approve(session, session.get_one(Clip, clip.id), by=BY, seen_version=1)
    assert refused.value.code == Code.TERM_OVER


def test_a_clip_is_not_scheduled_beyond_its_term(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    ending(runtime, clip, 5)
    with runtime.work() as session, pytest.raises(Conflict) as refused:
        later = db_now(session) + timedelta(days=6)
        review.approve(session, session.get_one(Clip, clip.id), by=BY, seen_version=1, publish_at=later)
    assert refused.value.code == Code.TERM_OVER


def test_an_expired_clip_is_reopened_only_by_a_renewed_agreement(runtime, make, session):
    clip = make.clip(State.EXPIRED)
    ending(runtime, clip, -3)
    with runtime.work() as writing, pytest.raises(Conflict) as refused:
        review.reopen(writing, writing.get_one(Clip, clip.id), by=BY, seen_version=1)
    assert refused.value.code == Code.TERM_OVER
    assert renew(runtime, clip) is True
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


@pytest.mark.parametrize("state", [State.REJECTED, State.REMOVED, State.WITHDRAWN, State.DRAFT])
def test_what_is_not_shown_cannot_be_prolonged(runtime, make, state):
    clip = make.clip(state)
    ending(runtime, clip, 3)
    with pytest.raises(Conflict):
        renew(runtime, clip)


def test_what_was_prolonged_in_the_last_moment_is_not_ended(runtime, make, session):
    clip = make.clip(State.PUBLISHED)
    ending(runtime, clip, 0.0)
    renew(runtime, clip)
    assert terms.expire_due(runtime.work) == 0
    assert session.get_one(Clip, clip.id).state == State.PUBLISHED
    assert session.scalars(select(Campaign.term_months)).one() == 24
