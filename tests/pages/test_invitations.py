"""Invitations as people meet them: a link from a letter, its ends, farewells to letters; lists in the studio."""

import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from config import ProofSettings
from portal import addresses, campaigns, invitations, letters, notices
from portal.database import db_now
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Invitation, Notice, OwnerProof, Person, Refusal

BY = Actor(ActorKind.ADMIN, 1)
STUDIO = "/studio/campaigns/quotidien/invitations"
LIST = "email,prénom,produit,depuis,langue\nada@mail.example,Ada,Break,2021,fr\n"
TEXTS = {
    "title": "La côte", "first_name": "Ada", "speech_lang": "fr", "email": "ada@mail.example",
    "consents.site": "1", "consents.adult": "1", "token": "t" * 43,
}  # fmt: skip


@pytest.fixture
def invited(runtime, make):
    """The letter's link and its farewell, as somebody on the list got them."""
    make.campaign()
    with runtime.work() as work:
        found = campaigns.by_slug(work, "quotidien")
        invitations.take(
            work, found, LIST.encode(), site=runtime.settings.site, settings=ProofSettings(), by=BY, keep=True
        )
        invitations.send(work, found, by=BY)
        invitations.post_due(work)
        notice = work.scalars(select(Notice)).one()
        link = letters.action_link(work, notice, site=runtime.settings.site)
        mail = letters.compose(work, notice, site=runtime.settings.site, link=link)
    return link.removeprefix("http://portal.test"), mail.refuse_url.removeprefix("http://portal.test")


def row(session):
    session.rollback()
    return session.scalars(select(Invitation)).one()


def test_the_link_shows_what_is_asked_and_counts_the_first_look(client, invited, session):
    path, _ = invited
    client.head(path)
    assert row(session).opened_at is None
    page = client.get(path)
    assert page.status_code == 200
    assert "Bonjour Ada" in page.text
    assert "Quel trajet ?" in page.text
    assert "Jamais en conduisant" in page.text
    first = row(session).opened_at
    assert first is not None
    client.get(path)
    assert row(session).opened_at == first


def test_the_page_of_a_private_link_is_not_kept_found_or_told_on(client, invited):
    headers = client.get(invited[0]).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"


def test_the_form_is_filled_with_what_is_known_and_no_address_carries_the_token(client, invited):
    path, _ = invited
    token = path.rpartition("/")[2]
    page = client.get(path).text
    assert token not in "".join(re.findall(r'href="([^"]*)"', page))
    form = client.get("/fr/participate/quotidien").text
    for value in ('value="Ada"', 'value="ada@mail.example"', 'value="Break"', 'value="2021"'):
        assert value in form
    assert f'name="invitation" value="{token}"' in form


def test_a_clip_sent_by_the_link_is_its_guests_and_the_link_is_used_up(client, invited, session):
    path, _ = invited
    client.get(path)
    token = path.rpartition("/")[2]
    data = {**TEXTS, "invitation": token}
    assert client.post_form("/fr/participate/quotidien", data).status_code == 303
    clip = session.scalars(select(Clip)).one()
    assert (clip.owner_level, clip.invitation_id) == ("invited", row(session).id)
    assert session.get_one(Person, clip.owner_id).confirmed_at is not None
    again = client.post_form("/fr/participate/quotidien", data)
    assert again.status_code == 303
    session.rollback()
    assert len(session.scalars(select(Clip)).all()) == 1
    assert "Votre invitation a déjà servi" in client.get(path).text


def test_a_second_clip_by_the_same_link_is_refused_with_a_page_of_its_own(client, invited):
    path, _ = invited
    data = {**TEXTS, "invitation": path.rpartition("/")[2]}
    client.post_form("/fr/participate/quotidien", data)
    answer = client.post_form("/fr/participate/quotidien", {**data, "token": "u" * 43})
    assert answer.status_code == 409
    assert "Cette invitation a déjà servi" in answer.text


def test_the_api_takes_an_invitation_and_knows_the_rest(client, invited, session):
    token = invited[0].rpartition("/")[2]
    sent = {"campaign": "quotidien", "invitation": token}
    answer = client.post("/api/v1/submissions", json=sent)
    assert answer.status_code == 201
    assert "email" not in answer.json["missing"]
    assert session.scalars(select(Clip)).one().product == "Break"
    second = client.post("/api/v1/submissions", json=sent)
    assert (second.status_code, second.json["code"]) == (409, "invitation_over")
    unknown = client.post("/api/v1/submissions", json={**sent, "invitation": "x" * 43})
    assert (unknown.status_code, unknown.json["code"]) == (409, "invitation_over")


@pytest.mark.parametrize(
    ("why", "words", "can_ask"),
    [
        ("expired", "n’est plus valable", True),
        ("ended", "a été annulée", False),
        ("closed", "Cet appel est terminé", False),
        ("full", "Cet appel est complet", False),
        ("unknown", "Ce lien n’ouvre rien", True),
    ],
)
def test_each_end_of_a_link_has_its_page(client, runtime, invited, make, why, words, can_ask):
    path, _ = invited
    with runtime.work() as work:
        found, call = work.scalars(select(Invitation)).one(), campaigns.by_slug(work, "quotidien")
        if why == "expired":
            found.expires_at = db_now(work) - timedelta(days=1)
        elif why == "ended":
            found.ended_at = db_now(work)
        elif why == "closed":
            campaigns.close(work, call, by=BY)
        elif why == "full":
            call.max_clips = 1
    if why == "full":
        make.clip()
    page = client.get("/i/nothing" if why == "unknown" else path)
    assert page.status_code == (404 if why == "unknown" else 200)
    assert words in page.text
    assert ("/again" in page.text) is can_ask


def test_asking_for_a_new_link_says_the_same_whoever_asks(client, runtime, invited, session):
    path, _ = invited
    with runtime.work() as work:
        work.scalars(select(Invitation)).one().expires_at = db_now(work) - timedelta(days=1)
    said = set()
    for asked, data in (
        (path, {}),
        ("/i/nothing", {"email": "eve@mail.example"}),
        ("/i/nothing", {"email": "x"}),
    ):
        answer = client.post_form(f"{asked}/again", data)
        assert answer.status_code == 303
        said.add(re.search(r'flash success"[^>]*><p>(.*?)</p>', client.get(answer.location).text)[1])
    assert len(said) == 1
    letters_out = session.scalars(select(Notice.address)).all()
    assert letters_out == ["ada@mail.example"] * 2


def test_a_call_for_guests_alone_tells_others_so(client, make):
    make.campaign(invited_only=True)
    page = client.get("/fr/participate/quotidien")
    assert (page.status_code, "sur invitation" in page.text) == (200, True)
    told = client.post("/api/v1/submissions", json={"campaign": "quotidien"})
    assert (told.status_code, told.json["code"]) == (403, "invitation_needed")
    assert client.get("/fr/participate/quotidien/film").status_code == 303


def test_a_full_call_says_so_on_its_page_and_to_programs(client, make):
    make.campaign(max_clips=1)
    make.clip()
    assert "Cet appel est complet" in client.get("/fr/participate/quotidien").text
    told = client.post("/api/v1/submissions", json={"campaign": "quotidien"})
    assert (told.status_code, told.json["code"]) == (409, "campaign_full")
    (call,) = client.get("/api/v1/campaigns").json["items"]
    assert (call["state"], call["is_open"]) == ("full", False)


def test_a_page_loaded_again_while_the_guests_film_is_on_its_way_is_the_same_page(client, runtime, invited):
    with runtime.work() as work:
        campaigns.by_slug(work, "quotidien").invited_only = True
    client.get(invited[0])
    client.post("/api/v1/submissions", json={"campaign": "quotidien", "invitation": invited[0][3:]})
    assert 'id="about"' in client.get("/fr/participate/quotidien").text


def test_themes_that_a_call_does_not_offer_are_neither_shown_nor_taken(client, make):
    make.theme("neige")
    make.theme("plage")
    make.campaign(themes=["neige"])
    page = client.get("/fr/participate/quotidien").text
    assert ('value="neige"' in page, 'value="plage"' in page) == (True, False)
    sent = client.post_form("/fr/participate/quotidien", {**TEXTS, "themes": "plage"})
    assert (sent.status_code, "n’est pas proposé" in sent.text) == (422, True)


def test_a_call_may_take_shorter_films(client, make):
    make.campaign(max_seconds=45)
    assert 'data-max-seconds="45"' in client.get("/fr/participate/quotidien").text
    assert client.get("/api/v1/campaigns").json["items"][0]["max_seconds"] == 45


# Farewells -----------------------------------------------------------------------------------------------


def test_looking_at_the_farewell_refuses_nothing(client, invited, session):
    page = client.get(invited[1])
    assert (page.status_code, "Ne plus les recevoir" in page.text) == (200, True)
    assert session.scalars(select(Refusal)).all() == []


def test_one_click_of_a_mail_program_is_enough(client, invited, session):
    for _ in range(2):
        answer = client.post(invited[1], data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, "C’est noté" in answer.text) == (200, True)
    assert [one.topic for one in session.scalars(select(Refusal))] == ["invitations"]
    assert "a été annulée" in client.get(invited[0]).text


def test_the_farewell_to_messages_says_where_they_can_still_be_read(client, runtime):
    token = addresses.refusal_token(
        notices.address_hash("lea@mail.example"), "messages", key=runtime.settings.site.secret_key
    )
    page = client.get(f"/fr/u/{token}").text
    assert "Vous les lirez sur la page de votre clip." in page
    assert "un clip que vous avez envoyé continueront" not in page


def test_a_farewell_that_we_never_wrote_is_not_found(client, invited):
    assert client.get(invited[1][:-1] + "0").status_code == 404
    assert client.post("/fr/u/invitations.nobody").status_code == 404


# The studio ----------------------------------------------------------------------------------------------


def give(admin_client, text, *, coding="utf-8", **more):
    return admin_client.post_form(
        f"{STUDIO}/import", {"file": (io.BytesIO(text.encode(coding)), "liste.csv"), **more},
        content_type="multipart/form-data",
    )  # fmt: skip


def test_a_list_is_tried_then_confirmed_then_sent(admin_client, make, session):
    make.campaign()
    tried = give(admin_client, LIST)
    assert (tried.status_code, "1 personne à inviter" in tried.text) == (200, True)
    assert session.scalars(select(Invitation)).all() == []
    carried = re.search(r'name="list" value="(.*?)"', tried.text, re.DOTALL)[1]
    kept = admin_client.post_form(f"{STUDIO}/import", {"list": carried, "keep": "1"})
    page = admin_client.get(kept.location).text
    assert "Rien n’est encore parti" in page
    assert "ada@mail.example" in page
    assert row(session).due_at is None
    admin_client.post_form(f"{STUDIO}/send")
    assert row(session).due_at is not None


def test_a_list_from_excel_is_read_and_its_letters_are_to_be_looked_at(admin_client, make, session):
    make.campaign()
    answer = give(admin_client, "email;prénom\nada@mail.example;Zoé\n", coding="cp1252")
    assert (answer.status_code, "pas en UTF-8" in answer.text) == (200, True)
    carried = re.search(r'name="list" value="(.*?)"', answer.text, re.DOTALL)[1]
    admin_client.post_form(f"{STUDIO}/import", {"list": carried.replace("\n", "\r\n"), "keep": "1"})
    assert row(session).first_name == "Zoé"


def test_a_list_that_was_tried_can_be_kept_though_its_line_ends_grow_on_the_way(admin_client, make, session):
    make.campaign()
    lines = [f"client{number}@m.example" for number in range(4700)]
    text = "email\n" + "\n".join(lines) + "\n"
    assert 95_000 < len(text) <= 100_000
    assert give(admin_client, text).status_code == 200
    kept = admin_client.post_form(
        f"{STUDIO}/import",
        {"list": text.replace("\n", "\r\n"), "keep": "1"},
        content_type="multipart/form-data",
    )
    assert kept.status_code == 303


def test_bad_lines_are_named_and_nothing_is_kept(admin_client, make, session):
    make.campaign()
    answer = give(admin_client, LIST + "nobody,Bo,,never,\n", keep="1")
    assert answer.status_code == 422
    assert "1 ligne est à corriger." in answer.text
    assert "Ligne 3, adresse e-mail" in answer.text
    assert "Garder seulement la bonne ligne" in answer.text
    assert session.scalars(select(Invitation)).all() == []


@pytest.mark.parametrize(
    ("text", "status"), [("", 422), ("prénom\nAda\n", 422), ("email\n" + "a" * 100_001, 422)]
)
def test_what_is_no_list_is_told_so(admin_client, make, text, status):
    make.campaign()
    answer = give(admin_client, text)
    assert (answer.status_code, "La liste n’a pas été lue" in answer.text) == (status, True)


def test_one_invitation_is_called_off(admin_client, invited, session):
    admin_client.post_form(f"{STUDIO}/{row(session).id}/end")
    assert row(session).ended_at is not None
    assert "annulée" in admin_client.get(STUDIO).text


def test_addresses_of_customers_are_for_administrators(moderator_client, make):
    make.campaign()
    assert moderator_client.get(STUDIO).status_code == 403
    assert moderator_client.post_form(f"{STUDIO}/import", {"list": LIST, "keep": "1"}).status_code == 403


# The level -----------------------------------------------------------------------------------------------


def test_a_moderator_raises_a_level_by_saying_what_was_seen(moderator_client, client, make, session):
    clip = make.clip("published", title="a")
    page = moderator_client.get(f"/studio/review/{clip.id}").text
    assert "Propriétaire déclaré·e" in page
    answer = moderator_client.post_form(
        f"/studio/clips/{clip.id}/level", {"level": "purchase_proven", "reference": "facture vue"}
    )
    assert answer.status_code == 303
    assert session.scalars(select(OwnerProof)).one().reference == "facture vue"
    assert "facture vue" in moderator_client.get(f"/studio/review/{clip.id}").text
    shown = client.get(f"/fr/c/{clip.id}-a").text
    assert "Achat prouvé" in shown
    assert "Une personne de l’équipe a vu la preuve." in shown
    assert "facture vue" not in shown


@pytest.mark.parametrize(
    "data", [{"level": "purchase_proven"}, {"level": "god", "reference": "x"}, {"number": "1"}]
)
def test_no_level_rises_without_a_proof(moderator_client, make, session, data):
    clip = make.clip()
    answer = moderator_client.post_form(f"/studio/clips/{clip.id}/level", data)
    assert 'class="flash error"' in moderator_client.get(answer.location).text
    assert session.get_one(Clip, clip.id).owner_level == "not_proven"


def test_every_letter_of_an_invitation_has_its_topic():
    for kind in ("invitation", "reminder"):
        assert notices.TOPICS[notices.NoticeKind(kind)] == "invitations"
