"""What stands on the stage: clips in every state, calls that are open and not, people in films, letters, cases.

Made by the rules and the factory, so that pages meet rows as the product leaves them.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from flask import Flask
from sqlalchemy import select, update

from config import ProofSettings
from portal import (
    campaigns,
    captions,
    consent,
    cuts,
    invitations,
    letters,
    people,
    review,
    short_links,
    signatures,
    submission,
    support,
    thread,
    withdrawal,
)
from portal.database import db_now
from portal.edits import Blur, EditList, Passage
from portal.lifecycle import CLOCK, OWNER, Actor
from portal.models import (
    Campaign,
    Clip,
    ClipLink,
    Film,
    Invitation,
    Job,
    JobState,
    Notice,
    NoticeState,
    Person,
    Role,
    State,
)
from portal.review import GivenReason, ReasonCode
from portal.runtime import Runtime
from portal.signatures import Named
from tests.conftest import PortalClient
from tests.factories import Factory

LIST = (
    "email,prénom,produit,depuis,langue\n"
    "ada@mail.example,Ada,Break,2021,fr\nbo@mail.example,Bo,,,de\ncy@mail.example,Cy,,,fr\n"
)
WEBVTT = "WEBVTT\n\n00:00.000 --> 00:02.000\nSix heures au col\n\n00:03.000 --> 00:05.000\nLe vent, déjà\n"


@dataclass
class Stage:
    """Addresses by name, without the site's own; session cookies by person."""

    clips: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)


def staged(runtime: Runtime, app: Flask) -> Stage:
    """Everything that pages can show."""
    make, stage = Factory(runtime), Stage()
    call = make.campaign(title="Une minute de quotidien", opens_at=None)
    themes = [make.theme(name, fr=name.capitalize()) for name in ("week-end", "technologie", "recharge")]
    owner = make.person("lea@mail.example", name="Léa")
    staff = {
        "moderator": make.person("ines@brand.example", role=Role.MODERATOR, name="Inès M."),
        "administrator": make.person("ada@brand.example", role=Role.ADMIN, name="Ada L."),
        "mirrored": make.person("nour@brand.example", role=Role.ADMIN, name="Nour", lang="ar"),
    }
    for state in State:
        clip = make.clip(state, owner=owner, themes=themes[:2], title=f"Six heures au col ({state})")
        _known(runtime, stage, str(state), clip.id)
    for number in range(3):
        make.clip(State.PUBLISHED, themes=themes[number : number + 1], title=f"Un dimanche, {number}")
    moderator = people.actor_of(staff["moderator"])
    _said(runtime, stage, moderator)
    _asked_for_changes(runtime, make, stage, owner, moderator)
    _with_others(runtime, make, stage, owner)
    _calls(runtime, stage, call)
    _letters(runtime, stage, owner, staff["administrator"])
    _erased(runtime, make, stage)
    _plain_form(app, stage)
    _signed_in(runtime, app, stage, owner, staff)
    return stage


def _known(runtime: Runtime, stage: Stage, name: str, clip_id: str) -> None:
    with runtime.work() as session:
        stage.clips[name] = clip_id
        stage.links[name] = f"/s/{submission.new_link(session, session.get_one(Clip, clip_id))}"


def _said(runtime: Runtime, stage: Stage, moderator: Actor) -> None:
    """Captions, a thread, a case and a cut on the clips that have a film."""
    for name in ("in_review", "published"):
        with runtime.work() as session:
            clip = session.get_one(Clip, stage.clips[name])
            captions.replace(session, clip, "fr", WEBVTT, by=moderator, seen_version=0)
            thread.add(session, clip, "Merci. Peut-on flouter la plaque ?", author=moderator, at_seconds=3.0)
            thread.add(session, clip, "Oui, bien sûr.", author=OWNER)
            review.note(session, clip, "Plaque lisible", 3.0, by=moderator)
            support.open_case(
                session, clip, words="La borne ne marche plus depuis lundi.", phone="06 12 34 56 78", by=OWNER,
                support="", default_lang="fr",
            )  # fmt: skip
    with runtime.work() as session:
        clip = session.get_one(Clip, stage.clips["in_review"])
        edits = EditList(start=1.0, mutes=(Passage(2.0, 3.0),), blurs=(Blur(4.0, 5.0, 0.1, 0.1, 0.3, 0.2),))
        cuts.begin(session, clip, edits, origin="moderator", by=moderator)


def _asked_for_changes(
    runtime: Runtime, make: Factory, stage: Stage, owner: Person, moderator: Actor
) -> None:
    """Decisions with reasons, as moderators give them."""
    clips = {
        name: make.clip(State.IN_REVIEW, owner=owner, title="À reprendre") for name in ("asked", "refused")
    }
    for name, clip in clips.items():
        _known(runtime, stage, name, clip.id)
    plate = GivenReason(ReasonCode.PLATE, 3.0, "La plaque de la voiture bleue.")
    with runtime.work() as session:
        asked = session.get_one(Clip, clips["asked"].id)
        review.request_changes(session, asked, [plate], by=moderator, seen_version=asked.version)
        refused = session.get_one(Clip, clips["refused"].id)
        said = "Le film ne montre pas la voiture."
        review.reject(
            session, refused, ReasonCode.OFF_TOPIC, said, by=moderator, seen_version=refused.version
        )


def _with_others(runtime: Runtime, make: Factory, stage: Stage, owner: Person) -> None:
    """Somebody of age who has not answered, one who agreed, one who refused, and a child."""
    clip = make.clip(State.IN_REVIEW, owner=owner, title="À quatre dans la voiture")
    _known(runtime, stage, "others", clip.id)
    named = [
        Named("Malik", "malik@mail.example"),
        Named("Zoé", "zoe@mail.example"),
        Named("Tom", "tom@mail.example"),
        Named("Léo", "parent@mail.example", is_minor=True),
    ]
    key = runtime.settings.site.secret_key
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        signatures.declare(session, held, named)
        for row in signatures.of(session, held):
            stage.paths[row.name] = f"/a/{signatures.open_link(session, row, key=key)}"
            if row.name == "Zoé":
                signatures.agree(session, row, proof=consent.NO_PROOF, brand="Solène")
            if row.name == "Tom":
                signatures.refuse(session, row, proof=consent.NO_PROOF)


def _calls(runtime: Runtime, stage: Stage, call: Campaign) -> None:
    """A call to come, one that is over, one that is full, one for invited customers with its links."""
    with runtime.work() as session:
        today = db_now(session).date()
        day = timedelta(days=1)
        campaigns.add(session, "plus-tard", title="Bientôt", lang="fr", days=(today + 9 * day, None))
        over = campaigns.add(session, "fini", title="Terminé", lang="fr")
        campaigns.close(session, over, by=CLOCK)
        campaigns.add(
            session, "sur-invitation", title="Entre nous", lang="fr", terms=campaigns.Terms(invited_only=True)
        )
        full = campaigns.add(session, "plein", title="Complet", lang="fr", terms=campaigns.Terms(max_clips=1))
        session.execute(
            update(Clip).where(Clip.id == stage.clips["changes_requested"]).values(campaign_id=full.id)
        )
        found = session.get_one(Campaign, call.id)
        found.example_clip_id = stage.clips["published"]
        found.texts[0].help = "Filmez comme vous parlez."
        found.texts[0].shots = "Le départ\nLa borne\nLe retour"
        found.texts[0].in_return = "Un plein de courant"
        site = runtime.settings.site
        invitations.take(
            session, found, LIST.encode(), site=site, settings=ProofSettings(), by=CLOCK, keep=True
        )
        invitations.send(session, found, by=CLOCK)
        place = short_links.add(session, found, "Comptoir de Lyon", by=CLOCK)
        stage.paths["q"] = f"/q/{place.code}"
        stage.paths["sheet"] = f"/studio/campaigns/quotidien/links/{place.code}/sheet"
    with runtime.work() as session:
        invitations.post_due(session)
        for notice in session.scalars(select(Notice).where(Notice.kind == "invitation")):
            name = session.get_one(Invitation, notice.about).first_name
            link = letters.action_link(session, notice, site=site)
            stage.paths[name] = link.removeprefix(site.url)
            mail = letters.compose(session, notice, site=site, link=link)
            stage.paths[f"{name} leaves"] = mail.refuse_url.removeprefix(site.url)
        ended = session.scalars(select(Invitation).where(Invitation.first_name == "Cy")).one()
        invitations.end(session, ended, by=CLOCK)


def _letters(runtime: Runtime, stage: Stage, owner: Person, administrator: Person) -> None:
    """Links into the owner's space and the studio; a letter that did not leave; a job that failed."""
    with runtime.work() as session:
        found = session.get_one(Person, owner.id)
        stage.paths["enter"] = f"/me/enter/{people.enter_link(session, found)}"
        stage.paths["erase"] = f"/me/erase/{people.erase_link(session, found)}"
        welcome = people.welcome_link(session, session.get_one(Person, administrator.id))
        stage.paths["welcome"] = f"/studio/welcome/{welcome}"
        old = f"/s/{submission.new_link(session, session.get_one(Clip, stage.clips['published']))}"
        newest = session.scalars(select(ClipLink).order_by(ClipLink.id.desc())).first()
        assert newest is not None
        newest.expires_at = db_now(session) - timedelta(days=1)
        stage.links["too old"] = old
        first = session.scalars(select(Notice).order_by(Notice.id)).first()
        assert first is not None
        first.state, first.error_detail = NoticeState.FAILED, "550"
        failed = session.scalars(select(Film.clip_id).where(Film.clip_id == stage.clips["in_review"])).one()
        session.add(
            Job(
                id=secrets.token_hex(16), kind="captions", clip_id=failed, state=JobState.FAILED,
                error_code="ours_transcode", error_detail="exit 1", created_at=db_now(session),
                run_after=db_now(session),
            )
        )  # fmt: skip


def _erased(runtime: Runtime, make: Factory, stage: Stage) -> None:
    clip = make.clip(State.WITHDRAWN)
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        stage.paths["receipt"] = f"/receipt/{withdrawal.erased(session, held, by=CLOCK).id}"


def _plain_form(app: Flask, stage: Stage) -> None:
    """The page that posts a film without a script, as the button before it makes it."""
    app.test_client_class = PortalClient
    client: PortalClient = app.test_client()
    answer = client.post_form(f"/fr{stage.links['draft']}/film")
    stage.paths["film"] = answer.location


def _signed_in(runtime: Runtime, app: Flask, stage: Stage, owner: Person, staff: dict[str, Person]) -> None:
    """The cookies with which each person comes."""
    app.test_client_class = PortalClient
    for name, person in staff.items():
        client: PortalClient = app.test_client()
        client.sign_in(person)
        stage.cookies[name] = _cookie(client)
    with runtime.work() as session:
        carried = people.begin_owner_session(session, session.get_one(Person, owner.id))
    client = app.test_client()
    with client.session_transaction() as kept:
        kept["owner"] = carried
    stage.cookies["owner"] = _cookie(client)


def _cookie(client: PortalClient) -> str:
    found = client.get_cookie("s")
    assert found is not None
    return found.value
