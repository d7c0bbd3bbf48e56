"""The figures of a call: who was asked, who looked, who came how far; by invitation and in all."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from config import ProofSettings
from portal import campaigns, funnel, invitations, submission, withdrawal
from portal.database import db_now
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import AuditEvent, Clip, Invitation, State
from portal.submission import Texts
from tests.factories import act

BY = Actor(ActorKind.ADMIN, 1)
STEPS = ("invited", "opened", "begun", "uploaded", "sent", "published")


@pytest.fixture
def guests(runtime, make):
    """Three customers are asked, two of them look, and both begin; one clip of each."""
    make.campaign()
    site = runtime.settings.site
    with runtime.work() as work:
        call = campaigns.by_slug(work, "quotidien")
        listed = b"email\nada@mail.example\nbo@mail.example\ncy@mail.example\n"
        invitations.take(work, call, listed, site=site, settings=ProofSettings(), by=BY, keep=True)
        invitations.send(work, call, by=BY)
    with runtime.work() as work:
        invitations.post_due(work)
    begun = []
    for email in ("ada@mail.example", "bo@mail.example"):
        with runtime.work() as work:
            found = work.query(Invitation).filter_by(email=email).one()
            invitations.opened(work, found)
            clip, _ = submission.begin(
                work, campaigns.by_slug(work, "quotidien"), lang="fr", texts=Texts(), consents=(),
                channel="site", by=OWNER, site=site, invitation=found,
            )  # fmt: skip
            begun.append(clip)
    return begun


def figures(runtime, slug="quotidien"):
    with runtime.read() as session:
        steps = funnel.of(session, campaigns.by_slug(session, slug))
    assert tuple(step.name for step in steps) == STEPS
    return [(step.guests, step.everybody) for step in steps]


def happened(runtime, clip, *verbs):
    with runtime.work() as work:
        now = db_now(work)
        for verb in verbs:
            work.add(AuditEvent(clip_id=clip.id, at=now, actor_kind="worker", verb=verb, detail={}))


def test_a_call_that_asked_nobody_has_no_figures(runtime, make):
    make.campaign()
    assert figures(runtime) == [(0, None), (0, None), (0, 0), (0, 0), (0, 0), (0, 0)]


def test_each_step_counts_guests_and_everybody_and_a_clip_with_two_films_once(runtime, make, guests):
    first, _second = guests
    for number in (1, 2):
        make.film(first, number)
    happened(runtime, first, "ready", "publish")
    visitor = make.clip(State.DRAFT)
    make.campaign("hiver", title="L’hiver")
    assert figures(runtime) == [(3, None), (2, None), (2, 3), (1, 1), (1, 1), (1, 1)]
    assert figures(runtime, "hiver") == [(0, None), (0, None), (0, 0), (0, 0), (0, 0), (0, 0)]
    assert visitor.id not in {clip.id for clip in guests}


def test_a_clip_that_was_erased_since_still_counts(runtime, make, guests):
    first, _second = guests
    make.film(first, 1)
    happened(runtime, first, "ready", "publish")
    before = figures(runtime)
    with runtime.work() as work:
        work.execute(update(Clip).where(Clip.id == first.id).values(state=State.PUBLISHED))
    act(runtime, withdrawal.withdraw, first, by=OWNER, is_told=False)
    act(runtime, withdrawal.erased, first, by=OWNER)
    assert figures(runtime) == before


def test_a_draft_that_was_given_up_gives_the_invitation_back_and_stays_begun(runtime, make, guests):
    first, _second = guests
    make.age(first, timedelta(days=31))
    act(runtime, invitations.release, first)
    assert figures(runtime)[2] == (1, 2)
