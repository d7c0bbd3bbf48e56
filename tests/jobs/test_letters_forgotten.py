"""Addresses that are forgotten are forgotten in the outbox too, whatever became of their letters."""

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from config import ProofSettings
from media_jobs import sweeping
from media_jobs.tasks import TASKS
from portal import campaigns, invitations, notices, owners, refusals
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.mailer import Mailer
from portal.models import IdempotencyKey, Invitation, Notice, NoticeState, Person, State
from portal.notices import NoticeKind
from tests import post_office
from tests.jobs import stage

BY = Actor(ActorKind.ADMIN, 1)
ADA = "ada@mail.example"


class Refusing(post_office.Letters):
    """Knows nobody, and quotes whom it does not know."""

    async def handle_RCPT(self, _server, _session, _envelope, address, _options):  # noqa: N802 -- the library's name
        return f"550 5.1.1 <{address}> no such user"


@pytest.fixture(scope="module")
def refusing_office():
    with post_office.opened(Refusing()) as address:
        yield address


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


@pytest.fixture
def refused(runtime, refusing_office):
    """A worker whose mail server will never take a letter."""
    settings = dataclasses.replace(runtime.settings.mail, url=refusing_office)
    return stage.shop_of(dataclasses.replace(runtime, mailer=Mailer(settings, sender_name="Solène")))


@pytest.fixture
def invited(runtime, make):
    """Ada's invitation, and its letter in the outbox."""
    make.campaign()
    with runtime.work() as work:
        found = campaigns.by_slug(work, "quotidien")
        listed = f"email,first_name\n{ADA},Ada\n".encode()
        invitations.take(
            work, found, listed, site=runtime.settings.site, settings=ProofSettings(), by=BY, keep=True
        )
        invitations.send(work, found, by=BY)
    with runtime.work() as work:
        invitations.post_due(work)


def tell_all(runtime, shop):
    with runtime.read() as session:
        waiting = session.scalars(select(Notice.id).where(Notice.state == NoticeState.WAITING)).all()
    for notice_id in waiting:
        TASKS[JobKind.TELL](shop, str(notice_id))


def outbox(runtime):
    with runtime.read() as session:
        rows = session.execute(select(Notice.state, Notice.address, Notice.error_detail).order_by(Notice.id))
        return [tuple(row) for row in rows]


def test_a_letter_that_a_server_will_never_take_is_tried_once_and_the_reason_names_nobody(
    runtime, refused, invited
):
    tell_all(runtime, refused)
    ((state, _address, detail),) = outbox(runtime)
    assert state == NoticeState.FAILED
    assert "550 5.1.1" in detail
    assert ADA not in detail


def test_a_receipt_that_cannot_be_delivered_forgets_its_address_at_once(make, runtime, refused):
    clip = make.clip(State.WITHDRAWN, owner=make.person(ADA))
    TASKS[JobKind.ERASE](refused, stage.ask(runtime, clip, JobKind.ERASE))
    tell_all(runtime, refused)
    assert outbox(runtime) == [(NoticeState.FAILED, None, None)]


def test_whoever_wants_no_more_invitations_is_forgotten_in_those_that_failed(runtime, refused, invited):
    tell_all(runtime, refused)
    with runtime.work() as work:
        refusals.refuse(work, notices.address_hash(ADA), "invitations")
    assert outbox(runtime) == [(NoticeState.FAILED, None, None)]


def test_whoever_has_everything_erased_gets_no_invitation_that_still_waits(make, runtime, shop, invited):
    owner = make.person(ADA)
    with runtime.work() as work:
        owners.erase(work, work.get_one(Person, owner.id), lang="fr")
    with runtime.read() as session:
        waiting = session.scalars(select(Notice).where(Notice.kind == NoticeKind.INVITATION)).one()
        found = session.scalars(select(Invitation)).one()
        assert (waiting.state, waiting.address) == (NoticeState.CANCELLED, None)
        assert (found.email, campaigns.is_good(found, db_now(session))) == (None, False)


def test_guests_who_did_not_come_are_forgotten_in_letters_that_failed_long_ago(runtime, refused, invited):
    tell_all(runtime, refused)
    with runtime.work() as work:
        work.execute(update(Invitation).values(expires_at=db_now(work) - timedelta(days=91)))
        assert invitations.forget_old(work) == 1
    assert outbox(runtime) == [(NoticeState.FAILED, None, None)]


@pytest.mark.parametrize(("days", "address"), [(13, ADA), (15, None)])
def test_a_bare_address_stays_two_weeks_with_a_letter_that_failed(runtime, refused, invited, days, address):
    tell_all(runtime, refused)
    with runtime.work() as work:
        work.execute(update(Notice).values(run_after=db_now(work) - timedelta(days=days)))
    sweeping.thorough(refused)
    assert outbox(runtime)[0][1] == address


def test_the_copy_in_our_own_folder_goes_with_the_guest(runtime, shop, invited):
    tell_all(runtime, shop)
    folder = runtime.settings.mail.folder
    assert len(list(folder.glob("*.eml"))) == 1
    sweeping.thorough(shop)
    assert len(list(folder.glob("*.eml"))) == 1
    with runtime.work() as work:
        refusals.refuse(work, notices.address_hash(ADA), "invitations")
    sweeping.thorough(shop)
    assert list(folder.glob("*.eml")) == []


def test_a_letter_about_what_is_gone_is_called_off_and_not_failed(runtime, shop, invited):
    with runtime.work() as work:
        work.execute(update(Invitation).values(ended_at=db_now(work)))
    tell_all(runtime, shop)
    assert outbox(runtime) == [(NoticeState.CANCELLED, None, None)]


@pytest.mark.parametrize(("hours", "count"), [(23, 1), (25, 0)])
def test_answers_that_are_repeated_no_more_are_forgotten_by_the_clock(runtime, shop, hours, count):
    with runtime.work() as work:
        at = db_now(work) - timedelta(hours=hours)
        row = IdempotencyKey(
            caller="x", key="k", body_sha256="e" * 64, status=201, answer="sealed", created_at=at
        )
        work.add(row)
    sweeping.thorough(shop)
    with runtime.read() as session:
        assert len(session.scalars(select(IdempotencyKey)).all()) == count
