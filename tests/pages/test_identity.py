"""Who somebody is at the owner's doors: tokens, texts that stood on the page, links whose time is over, forms left open."""

import dataclasses
import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import people
from portal.database import db_now
from portal.models import Clip, ClipLink, Consent, ConsentText, ConsentWording, Notice, Person, State
from portal.notices import NoticeKind
from portal.web import create_app

API = "/api/v1/submissions"
WHOLE = {
    "title": "Le Galibier", "first_name": "Léa", "speech_lang": "fr", "email": "lea@mail.example",
    "consents.site": "1", "consents.adult": "1",
}  # fmt: skip


@pytest.fixture
def settings(settings):
    """A portal that has addresses confirmed, as it is by default."""
    return dataclasses.replace(settings, site=dataclasses.replace(settings.site, confirms_email=True))


@pytest.fixture
def lea(make):
    return make.person("lea@mail.example")


@pytest.fixture
def link(make):
    """Makes a clip in a state and the path of its owner's page."""

    def made(state=State.IN_REVIEW, **columns):
        clip = make.clip(state, **columns)
        return clip, f"/fr/s/{make.link(clip)}"

    return made


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def enter(client, runtime, person):
    with runtime.work() as session:
        token = people.enter_link(session, session.get_one(Person, person.id))
    assert client.post_form(f"/fr/me/enter/{token}").status_code == 303
    return client


def hidden(page):
    """Every hidden field of a page's form by name, as a browser would send it."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))


def rewrite(runtime, purpose="site"):
    """An administrator saves other words."""
    with runtime.work() as session:
        session.add(
            ConsentWording(
                purpose=purpose, lang="fr", variant="", sentence="Autre chose.", full="Tout autre chose.",
                changed_at=db_now(session),
            )
        )  # fmt: skip


# Tokens --------------------------------------------------------------------------------------------------


def test_a_clips_token_is_no_program(client, make, session):
    make.campaign()
    first = client.post(API, json={"campaign": "quotidien"}).json
    told = {"campaign": "quotidien", "email": "nadia@mail.example"}
    second = client.post(API, json=told, headers=bearer(first["token"])).json
    assert "email_confirmation" in second["missing"]
    assert session.get_one(Clip, second["id"]).channel == "site"


def test_beginnings_with_a_clips_token_count_for_the_network(runtime, make):
    make.campaign()
    guard = dataclasses.replace(runtime.settings.guard, challenge_from=1)
    settings = dataclasses.replace(runtime.settings, guard=guard)
    client = create_app(dataclasses.replace(runtime, settings=settings)).test_client()
    first = client.post(API, json={"campaign": "quotidien"}).json
    again = client.post(API, json={"campaign": "quotidien"}, headers=bearer(first["token"]))
    assert (again.status_code, again.json["code"]) == (429, "challenge")


def test_a_program_vouches_for_what_it_begins(client, make):
    make.campaign()
    told = {"campaign": "quotidien", "email": "nadia@mail.example"}
    begun = client.post(API, json=told, headers=make.bearer("submit")).json
    assert "email_confirmation" not in begun["missing"]


def test_one_use_is_taken_back_by_the_api_when_no_word_can_be_changed_any_more(
    client, runtime, link, session
):
    clip, page = link(State.PUBLISHED, consents=("site", "adult", "ads"))
    token = bearer(page.rpartition("/")[2])
    done = client.patch(f"{API}/{clip.id}", json={"consents": {"ads": False}}, headers=token)
    assert done.status_code == 200
    assert session.scalars(select(Consent.purpose).where(Consent.revoked_at.is_not(None))).all() == ["ads"]


# The owner's space ---------------------------------------------------------------------------------------


def test_signing_in_lets_no_waiting_clip_go_on_and_asks_whose_it_is(client, runtime, make, lea, session):
    clip = make.clip(State.PROCESSING, owner=lea, is_vouched=False)
    enter(client, runtime, lea)
    assert "est-il bien de vous" in client.get("/fr/me").text
    page = client.get(client.get(f"/fr/me/clips/{clip.id}").location)
    assert "Oui, c’est mon adresse" in page.text
    assert session.get_one(Clip, clip.id).is_vouched is False


def test_a_form_sent_while_signed_in_needs_no_letter(client, runtime, make, lea, session):
    make.campaign()
    enter(client, runtime, lea)
    page = client.get("/fr/participate/quotidien")
    client.post_form("/fr/participate/quotidien", {**WHOLE, "script": "1", "token": hidden(page)["token"]})
    assert session.scalars(select(Clip)).one().is_vouched


def test_a_confirmed_address_stands_there_and_is_no_field(client, runtime, link, lea):
    clip, page = link(owner=lea)
    seen = client.get(page).text
    assert 'type="email" id="email"' not in seen
    assert "Confirmée pour ce clip" in seen
    enter(client, runtime, lea)
    inside = client.get(client.get(f"/fr/me/clips/{clip.id}").location).text
    assert 'type="email" id="email"' in inside


def test_another_address_by_a_link_alone_is_refused_beside_its_field(client, link, lea, session):
    clip, page = link(owner=lea)
    refused = client.post_form(f"{page}/texts", {**WHOLE, "email": "thief@mail.example"})
    assert refused.status_code == 422
    assert "entrez d’abord dans votre espace" in refused.text
    assert session.get_one(Clip, clip.id).owner_id == lea.id


# The texts that stood on the page ------------------------------------------------------------------------


def test_a_text_that_changed_while_the_form_stood_open_is_shown_again(client, runtime, make, session):
    make.campaign()
    stood = hidden(client.get("/fr/participate/quotidien"))
    rewrite(runtime)
    again = client.post_form("/fr/participate/quotidien", {**stood, **WHOLE, "script": "1"})
    assert again.status_code == 422
    assert "Autre chose." in again.text
    boxes = dict(re.findall(r'name="consents\.(\w+)"[^>]*?value="1"( checked)?', again.text))
    assert (boxes["site"], boxes["adult"]) == ("", " checked")
    assert session.scalars(select(Consent)).all() == []
    session.rollback()
    sent = client.post_form("/fr/participate/quotidien", {**hidden(again), **WHOLE, "script": "1"})
    assert sent.status_code == 303
    agreed = select(ConsentText.body).join(Consent, Consent.text_id == ConsentText.id)
    assert "Autre chose." in session.scalars(agreed.where(Consent.purpose == "site")).one()


def test_an_owners_page_that_stood_open_holds_other_words_too(client, runtime, link, session):
    _clip, page = link(State.PUBLISHED)
    stood = hidden(client.get(page))
    rewrite(runtime, "ads")
    client.post_form(f"{page}/consents", {**stood, "consents.ads": "1"})
    assert session.scalars(select(Consent).where(Consent.purpose == "ads")).all() == []


def test_a_program_says_what_was_read_and_is_told_when_it_is_no_longer_so(client, runtime, make):
    make.campaign()
    asked = client.get("/api/v1/campaigns/quotidien/consents?lang=fr").json
    read = {one["purpose"]: one["sha256"] for one in asked["items"]}
    assert [one["purpose"] for one in asked["items"] if one["required"]] == ["site", "adult"]
    rewrite(runtime)
    told = {"campaign": "quotidien", "consents": {"site": True, "adult": True}, "consents_seen": read}
    refused = client.post(API, json=told)
    assert (refused.status_code, refused.json["code"]) == (409, "text_changed")
    assert [one["field"] for one in refused.json["errors"]] == ["consents.site"]


# Links whose time is over --------------------------------------------------------------------------------


@pytest.fixture
def old(link, runtime, lea):
    clip, page = link(State.PUBLISHED, owner=lea)
    with runtime.work() as session:
        session.execute(update(ClipLink).values(expires_at=db_now(session) - timedelta(seconds=1)))
    return clip, page


def test_an_expired_link_offers_a_fresh_one_to_the_mailbox_alone(client, old, session, lea):
    clip, page = old
    shown = client.get(page)
    assert shown.status_code == 410
    assert "Recevoir un nouveau lien" in shown.text
    assert (clip.title in shown.text, lea.email in shown.text) == (False, False)
    done = client.post_form(f"{page}/fresh-link")
    assert done.status_code == 200
    assert ("/s/" in done.text.replace(page, ""), lea.email in done.text) == (False, False)
    told = session.scalars(select(Notice)).one()
    assert (told.kind, told.person_id, told.clip_id) == (NoticeKind.FRESH_LINK, lea.id, clip.id)


def test_asking_twice_for_a_fresh_link_writes_one_letter(client, old, session):
    for _press in range(2):
        client.post_form(f"{old[1]}/fresh-link")
    assert len(session.scalars(select(Notice)).all()) == 1


def test_a_link_that_nobody_had_offers_nothing(client, session):
    page = f"/fr/s/{people.new_token()}"
    assert client.get(page).status_code == 404
    assert client.post_form(f"{page}/fresh-link").status_code == 404
    assert session.scalars(select(Notice)).all() == []


# Forms left open -----------------------------------------------------------------------------------------


def test_a_form_that_stood_open_too_long_comes_back_filled_in_with_empty_boxes(client, make, session):
    make.campaign()
    page = client.post("/fr/participate/quotidien", data={**WHOLE, "csrf_token": "of yesterday"})
    assert page.status_code == 403
    assert 'value="Le Galibier"' in page.text
    assert "Vos réponses sont là" in page.text
    assert re.search(r'name="consents\.site"[^>]* checked', page.text) is None
    assert session.scalars(select(Clip)).all() == []
    fresh = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[1]
    again = {**hidden(page), **WHOLE, "script": "1", "csrf_token": fresh}
    assert client.post("/fr/participate/quotidien", data=again).status_code == 303


def test_an_owners_texts_come_back_filled_in_too(client, link, session):
    clip, page = link()
    again = client.post(f"{page}/texts", data={**WHOLE, "title": "Un autre titre"})
    assert again.status_code == 403
    assert 'value="Un autre titre"' in again.text
    assert session.get_one(Clip, clip.id).title == clip.title


# The moderator's sheet -----------------------------------------------------------------------------------


def test_the_sheet_names_what_is_missing_and_approving_says_so(moderator_client, make, session):
    clip = make.clip(State.IN_REVIEW, is_vouched=False)
    sheet = moderator_client.get(f"/studio/review/{clip.id}")
    assert "la confirmation de l’adresse" in sheet.text
    sent = {
        "version": str(clip.version),
        "title": clip.title,
        "check": ["whole", "people", "music", "driving"],
    }
    refused = moderator_client.post_form(f"/studio/review/{clip.id}/approve", sent)
    assert refused.status_code == 409
    assert "L’envoi n’est plus complet" in refused.text
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW
