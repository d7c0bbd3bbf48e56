"""Letters of invitation from the clock's step to the mail that leaves; shorter films where a call says so."""

import dataclasses
import email
import email.policy
from datetime import timedelta

import pytest
from sqlalchemy import select

from config import ProofSettings
from media_jobs import making, process, tasks
from portal import campaigns, invitations
from portal.lifecycle import Actor, ActorKind
from portal.models import Invitation, Notice, NoticeState
from tests.jobs import stage

BY = Actor(ActorKind.ADMIN, 1)


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


def test_the_clock_sends_an_invitation_once_with_a_way_to_call_it_off(runtime, make, shop, session):
    make.campaign()
    with runtime.work() as work:
        found = campaigns.by_slug(work, "quotidien")
        site = runtime.settings.site
        listed = b"email,first_name\nada@mail.example,Ada\n"
        invitations.take(work, found, listed, site=site, settings=ProofSettings(), by=BY, keep=True)
        invitations.send(work, found, by=BY)
    for _ in range(2):
        tasks.sweep(shop, "quick")
        with runtime.read() as work:
            (waiting,) = work.scalars(select(Notice.id)).all()
        tasks.tell(shop, str(waiting))
    (path,) = runtime.settings.mail.folder.glob("*.eml")
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert mail["To"] == "ada@mail.example"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/u/invitations." in mail["List-Unsubscribe"]
    text = mail.get_body(("plain",)).get_content()
    link = next(line for line in text.splitlines() if line.startswith("http://portal.test/i/"))
    notice = session.scalars(select(Notice)).one()
    assert (notice.state, notice.address) == (NoticeState.SENT, None)
    assert (
        invitations.by_token(session, link.rpartition("/")[2]).id
        == session.scalars(select(Invitation.id)).one()
    )


@pytest.mark.parametrize(
    ("database", "lanes", "told", "is_nameless"),
    [
        ("postgresql+psycopg://db.test/vecu", ["light"], ["SITE_URL"], True),
        ("postgresql+psycopg://db.test/vecu", ["light"], ["SITE_URL", "SECRET_KEY"], False),
        ("postgresql+psycopg://db.test/vecu", ["heavy", "slow", "short"], [], False),
        ("sqlite:////var/portal.sqlite", ["light"], [], False),
    ],
)
def test_whoever_writes_letters_beside_a_site_must_have_been_told_in_whose_name(
    runtime, database, lanes, told, is_nameless
):
    origins = dict.fromkeys(told, "environment")
    settings = dataclasses.replace(runtime.settings, database_url=database, origins=origins)
    assert process.is_nameless(settings, lanes) is is_nameless


def test_a_host_of_films_that_was_not_told_how_long_they_may_be_takes_what_the_site_takes(
    runtime, make, shop
):
    make.worker("stray", lanes=["light"], max_seconds=60, ago=timedelta(hours=1))
    make.worker("films", lanes=["heavy"])
    make.worker("errands", lanes=["light"], max_seconds=600)
    assert making.limits_of(shop).max_seconds == 600
    assert making.limits_of(shop, at_most=300).max_seconds == 300
    told = dataclasses.replace(runtime.settings, origins={"MAX_CLIP_SECONDS": "environment"})
    deciding = dataclasses.replace(shop, runtime=dataclasses.replace(runtime, settings=told))
    assert making.limits_of(deciding).max_seconds == 180


@pytest.mark.parametrize(("at_most", "seconds"), [(None, 180.0), (45, 45.0), (900, 180.0)])
def test_a_call_can_take_shorter_films_but_no_longer_ones(shop, at_most, seconds):
    assert making.limits_of(shop, at_most=at_most).max_seconds == seconds
