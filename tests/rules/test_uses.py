"""Uses outside this site that have ended: who is told, what the studio lists, and until when."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import (
    consent,
    leases,
    letters,
    lifecycle,
    publications,
    signatures,
    submission,
    terms,
    uses,
    withdrawal,
)
from portal.database import db_now
from portal.errors import Missing
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import AuditEvent, Clip, Consent, Job, Notice, State
from tests.factories import act

ALL = ("site", "adult", "social", "ads")
BY = Actor(ActorKind.MODERATOR, 7)


@pytest.fixture
def shown(make, administrator, moderator):
    """A public clip that the brand may use elsewhere."""
    return make.clip(State.PUBLISHED, consents=ALL)


def take_back(runtime, clip, *purposes):
    with runtime.work() as session:
        held, site = session.get_one(Clip, clip.id), runtime.settings.site
        submission.agree(session, held, (), by=OWNER, site=site, taken_back=set(purposes))


def told(session):
    session.rollback()
    return [
        (one.person_id, one.facts["uses"], one.facts["why"])
        for one in session.scalars(select(Notice).where(Notice.kind == "use_taken_back").order_by(Notice.id))
    ]


def listed(session):
    session.rollback()
    return [(one.clip.id, one.purpose, one.why) for one in uses.waiting(session)]


def test_administrators_are_told_once_of_a_use_that_was_taken_back(runtime, shown, administrator, session):
    for _press in range(2):
        take_back(runtime, shown, "social")
    assert told(session) == [(administrator.id, ["social"], "revoked")]
    assert listed(session) == [(shown.id, "social", "revoked")]
    assert uses.waiting_count(session) == 1


def test_a_clip_that_was_never_public_was_never_used(runtime, make, administrator, session):
    clip = make.clip(State.IN_REVIEW, consents=ALL)
    take_back(runtime, clip, "social", "ads")
    assert (told(session), listed(session)) == ([], [])


def test_being_written_to_again_is_no_use_outside(runtime, make, administrator, session):
    clip = make.clip(State.PUBLISHED, consents=(*ALL, "contact"))
    take_back(runtime, clip, "contact")
    assert (told(session), listed(session)) == ([], [])


def test_with_the_clip_its_other_uses_end(runtime, shown, administrator, session):
    with runtime.work() as writing:
        withdrawal.withdraw(writing, writing.get_one(Clip, shown.id), by=OWNER)
    assert told(session) == [(administrator.id, ["social", "ads"], "withdrawn")]
    assert {one[1:] for one in listed(session)} == {("social", "withdrawn"), ("ads", "withdrawn")}
    with runtime.work() as writing:
        withdrawal.restore(writing, writing.get_one(Clip, shown.id), by=OWNER)
    assert listed(session) == []


def test_with_the_term_they_end_too(runtime, shown, administrator, session):
    with runtime.work() as writing:
        over = db_now(writing) - timedelta(days=1)
        writing.execute(update(Clip).values(consent_until=over))
    terms.expire_due(runtime.work)
    assert told(session) == [(administrator.id, ["social", "ads"], "expired")]
    assert {one[2] for one in listed(session)} == {"expired"}


def publish(runtime, clip):
    act(runtime, lifecycle.move, clip, "approve", by=BY)
    with runtime.work() as session:
        asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == "publish", Job.state == "queued")
        held = leases.claim(session, session.scalars(asked).one())
        publication, _files = publications.begun(session, held)
        assert publications.published(session, held, publication.id)


def test_what_was_stopped_with_the_clip_begins_anew_with_it_and_ends_aloud(
    runtime, shown, administrator, session
):
    with runtime.work() as writing:
        over = db_now(writing) - timedelta(days=1)
        writing.execute(update(Clip).values(consent_until=over))
        writing.execute(update(Consent).where(Consent.purpose == "site").values(until=over))
    terms.expire_due(runtime.work)
    assert act(runtime, uses.stopped, shown, "ads", by=BY)
    act(runtime, terms.renew, shown, by=OWNER, via="site", brand="Solène")
    publish(runtime, shown)
    take_back(runtime, shown, "ads")
    assert told(session)[1:] == [(administrator.id, ["ads"], "revoked")]
    assert listed(session) == [(shown.id, "ads", "revoked")]


@pytest.mark.parametrize("stays", [True, False])
def test_only_of_a_clip_that_is_public_the_letter_says_that_it_stays(
    runtime, shown, administrator, session, stays
):
    if not stays:
        act(runtime, lifecycle.move, shown, "unpublish", by=BY)
    take_back(runtime, shown, "ads")
    letter = session.scalars(select(Notice).where(Notice.kind == "use_taken_back")).one()
    mail = letters.compose(session, letter, site=runtime.settings.site, link="http://portal.test/x")
    for part in (mail.text, mail.html):
        assert "est revenu sur un accord" in part
        assert ("reste sur le site" in part) is stays


def test_what_somebody_in_the_film_takes_down_is_taken_down_elsewhere_too(runtime, shown, session):
    with runtime.work() as writing:
        held = writing.get_one(Clip, shown.id)
        signatures.declare(writing, held, [signatures.Named("Malik")])
        (row,) = signatures.of(writing, held)
        signatures.refuse(writing, row, proof=consent.NO_PROOF)
    assert {one[1:] for one in listed(session)} == {("social", "removed"), ("ads", "removed")}


def test_a_use_that_is_allowed_anew_need_not_be_stopped(runtime, shown, session):
    take_back(runtime, shown, "ads")
    with runtime.work() as writing:
        held = writing.get_one(Clip, shown.id)
        consent.give(writing, held, {"ads"}, lang="fr", via="site", brand="Solène")
    assert listed(session) == []


def test_it_waits_until_somebody_says_that_it_has_stopped(runtime, shown, session):
    take_back(runtime, shown, "ads")
    for first in (True, False):
        with runtime.work() as writing:
            assert uses.stopped(writing, writing.get_one(Clip, shown.id), "ads", by=BY) is first
    assert listed(session) == []
    (event,) = session.scalars(select(AuditEvent).where(AuditEvent.verb == "use_stopped"))
    assert (event.actor_id, event.detail) == (7, {"purpose": "ads"})


def test_a_use_that_goes_on_cannot_be_said_to_have_stopped(runtime, shown):
    with runtime.work() as session, pytest.raises(Missing):
        uses.stopped(session, session.get_one(Clip, shown.id), "ads", by=BY)
