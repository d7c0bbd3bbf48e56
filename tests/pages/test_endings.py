"""The ways out, as owners and visitors meet them: two clicks from everywhere, the day of erasure, words that are true."""

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import doctor, lifecycle, people, retention, signatures, uploads, withdrawal
from portal.database import db_now
from portal.i18n import format_date
from portal.lifecycle import OWNER
from portal.models import AuditEvent, Clip, CoSignature, Person, Reason, State
from portal.web import create_app
from tests.conftest import PortalClient, with_settings

# Two clicks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["", "/messages", "/call", "/renew"])
def test_every_page_of_a_clip_leads_to_taking_it_back(client, link, page):
    _clip, token = link(State.PUBLISHED)
    assert f'href="/fr/s/{token}/withdraw"' in client.get(f"/fr/s/{token}{page}").text


def test_the_page_that_takes_a_film_without_script_leads_to_taking_it_back(client, link, runtime):
    clip, token = link(State.DRAFT)
    with runtime.work() as session:
        upload = uploads.open_form(
            session, session.get_one(Clip, clip.id), limits=runtime.settings.uploads, by=OWNER
        )
    page = client.get(f"/fr/s/{token}/film?upload={upload.id}")
    assert f'href="/fr/s/{token}/withdraw"' in page.text


def test_captions_that_were_refused_lead_to_taking_the_clip_back(client, link):
    _clip, token = link(State.IN_REVIEW)
    page = client.post_form(f"/fr/s/{token}/captions", {"lang": "fr", "text": "no captions", "version": "0"})
    assert page.status_code == 422
    assert f'href="/fr/s/{token}/withdraw"' in page.text


def test_the_link_that_is_handed_on_leads_to_taking_the_clip_back(client, link, runtime):
    clip, token = link(State.IN_REVIEW)
    with runtime.work() as session:
        signatures.declare(session, session.get_one(Clip, clip.id), [signatures.Named("Paul", None, False)])
        named = session.scalars(select(CoSignature.id)).one()
    page = client.post_form(f"/fr/s/{token}/signatures/{named}/link")
    assert f'href="/fr/s/{token}/withdraw"' in page.text


def test_from_the_public_page_the_owner_comes_to_taking_it_back_by_the_mailbox(client, link, runtime):
    clip, _token = link(State.PUBLISHED)
    way = f"/fr/me/clips/{clip.id}?to=withdraw"
    assert f'href="{way}"' in client.get(client.get(f"/fr/c/{clip.id}").location).text
    assert client.get(way).location.endswith("/fr/me/login")
    with runtime.work() as session:
        entering = people.enter_link(session, session.get_one(Person, clip.owner_id))
    entered = client.post_form(f"/fr/me/enter/{entering}")
    assert entered.location.endswith(way)
    assert client.get(entered.location).location.endswith("/withdraw")


def test_whoever_follows_it_to_somebody_elses_clip_lands_in_their_own_space(client, link, runtime, make):
    clip, _token = link(State.PUBLISHED)
    stranger = make.person()
    client.get(f"/fr/me/clips/{clip.id}?to=withdraw")
    with runtime.work() as session:
        entering = people.enter_link(session, session.get_one(Person, stranger.id))
    assert client.post_form(f"/fr/me/enter/{entering}").location.endswith("/fr/me")


def test_somebody_may_say_why_and_the_studio_reads_it(client, link, session, moderator_client):
    clip, token = link(State.IN_REVIEW)
    assert "je n’ai plus ce produit" in client.get(f"/fr/s/{token}/withdraw").text
    client.post_form(f"/fr/s/{token}/withdraw", {"why": "sold"})
    assert session.scalars(select(AuditEvent.detail).where(AuditEvent.verb == "withdraw")).one() == {
        "why": "sold"
    }
    assert "(je n’ai plus ce produit)" in moderator_client.get(f"/studio/review/{clip.id}").text


def test_a_program_may_say_why_too_and_reads_when_everything_is_erased(client, link, session):
    clip, token = link(State.IN_REVIEW)
    answer = client.post(
        f"/api/v1/submissions/{clip.id}/withdraw",
        json={"why": "privacy"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 202
    held = session.get_one(Clip, clip.id)
    assert answer.json["erased_on"].startswith(f"{held.state_since + retention.UNDO:%Y-%m-%dT%H:%M}")
    assert session.scalars(select(AuditEvent.detail).where(AuditEvent.verb == "withdraw")).one() == {
        "why": "privacy"
    }


def test_undoing_the_withdrawal_of_a_draft_says_that_it_is_where_it_was(client, link, session):
    clip, token = link(State.DRAFT)
    client.post_form(f"/fr/s/{token}/withdraw")
    assert "Annuler le retrait" in client.get(f"/fr/s/{token}").text
    client.post_form(f"/fr/s/{token}/restore")
    assert "Votre clip est de retour, là où il en était." in client.get(f"/fr/s/{token}").text
    assert session.get_one(Clip, clip.id).state == State.DRAFT


# What the page of a clip says of its end --------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [State.DRAFT, State.CHANGES_REQUESTED, State.REJECTED, State.REMOVED, State.FAILED, State.EXPIRED],
)
def test_the_page_names_the_day_on_which_everything_is_erased(client, link, session, state):
    clip, token = link(state)
    day = format_date(retention.erased_on(session, session.get_one(Clip, clip.id)))
    assert f"nous effaçons tout le {day}." in client.get(f"/fr/s/{token}").text


@pytest.mark.parametrize(("state", "verb"), [(State.REJECTED, "reject"), (State.REMOVED, "unpublish")])
def test_a_refused_clip_says_how_to_object(client, link, make, state, verb):
    clip, token = link(state)
    make.decision(clip, verb, Reason(code="plate"))
    page = client.get(f"/fr/s/{token}").text
    assert "quelqu’un d’autre regardera votre clip" in page
    assert 'href="#messages"' in page


def test_a_request_for_changes_can_be_let_go(client, link, make):
    clip, token = link(State.CHANGES_REQUESTED)
    make.decision(clip, "request_changes", Reason(code="plate"))
    assert "Laisser tomber et retirer le clip" in client.get(f"/fr/s/{token}").text


def test_a_clip_that_was_given_up_is_not_called_withdrawn_by_its_owner(client, link, runtime):
    clip, token = link(State.CHANGES_REQUESTED)
    with runtime.work() as session:
        long_ago = db_now(session) - timedelta(days=61)
        session.execute(update(Clip).values(state_since=long_ago))
    assert withdrawal.give_up_silent(runtime.work) == 1
    page = client.get(f"/fr/s/{token}").text
    assert "nous n’avons pas eu de nouvelles" in page
    assert "à votre demande" not in page
    assert "Annuler le retrait" in page
    assert clip.id


# Words for everybody ----------------------------------------------------------------------------------


def test_the_page_on_personal_data_names_the_periods_that_the_rules_go_by(client):
    page = client.get("/fr/pages/personal-data").text
    for state in (State.EXPIRED, State.REMOVED, State.REJECTED):
        assert f"après {retention.KEPT[state].days} jours" in page
    assert f"après {retention.WAITED[State.CHANGES_REQUESTED].days} jours" in page
    for words in ("liste de clients", "une personne qui apparaît dans votre film", "par e-mail"):
        assert words in page


def test_the_page_on_verification_says_that_films_are_shortened_and_blurred(client):
    page = client.get("/fr/pages/verification").text
    assert "Nous ne coupons pas" not in page
    assert "flouter un visage" in page


def test_the_page_on_image_rights_tells_people_in_a_film_of_their_own_link(client):
    assert "le même lien suffit" in client.get("/fr/pages/image-rights").text


@pytest.mark.parametrize(("purge", "is_said"), [("", True), ("https://purge.example/hook", False)])
def test_a_cdn_that_is_told_nothing_is_said_in_the_studio_and_by_the_doctor(
    runtime, administrator, purge, is_said
):
    told = dataclasses.replace(runtime.settings.storage, cdn_url="https://cdn.example", cdn_purge_url=purge)
    behind = with_settings(runtime, storage=told)
    app = create_app(behind)
    app.test_client_class = PortalClient
    page = app.test_client().sign_in(administrator).get("/studio/settings").text
    assert ("rien ne lui dit d’oublier un film retiré" in page) == is_said
    assert ("cdn" in dict(doctor.about_edge(behind))) == is_said


def test_every_verb_that_undoes_a_withdrawal_has_words(moderator_client, link, runtime):
    clip, _token = link(State.WITHDRAWN)
    with runtime.work() as session:
        for verb in [one for one in lifecycle.TRANSITIONS if one.startswith("restore")]:
            lifecycle.record(session, session.get_one(Clip, clip.id), verb, by=OWNER)
    page = moderator_client.get(f"/studio/review/{clip.id}").text
    assert "Retrait annulé par l’auteur" in page
    assert "restore" not in page
