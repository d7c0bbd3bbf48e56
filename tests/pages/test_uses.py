"""Uses outside this site that have ended, as the studio lists them; the words of a call; levels as pages tell them."""

import dataclasses

import pytest
from sqlalchemy import select

from config import ProofSettings
from portal import invitations, owner_levels, submission
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Clip, Consent, ConsentWording, OwnerLevel, OwnerProof, State
from portal.typography import french
from portal.web import create_app

USES = "/studio/uses"


@pytest.fixture
def revoked(runtime, make):
    """A public clip whose owner has taken advertising back."""
    clip = make.clip(State.PUBLISHED, consents=("site", "adult", "ads"), title="Le Galibier")
    with runtime.work() as session:
        held, site = session.get_one(Clip, clip.id), runtime.settings.site
        submission.agree(session, held, (), by=OWNER, site=site, taken_back={"ads"})
    return clip


def test_a_use_to_stop_is_counted_on_every_page_until_it_is_said_to_be_stopped(moderator_client, revoked):
    link = f'href="{USES}"'
    assert link in moderator_client.get("/studio/review").text
    page = moderator_client.get(USES).text
    for words in ("Le Galibier", "Publicité", "accord retiré pour cet usage"):
        assert words in page
    for _press in range(2):
        assert moderator_client.post_form(f"{USES}/{revoked.id}/ads").location == USES
    assert "Rien à arrêter." in moderator_client.get(USES).text
    assert link not in moderator_client.get("/studio/review").text


def test_what_goes_on_is_not_marked_as_stopped(moderator_client, make, session):
    clip = make.clip(State.PUBLISHED, consents=("site", "adult", "ads"))
    assert moderator_client.post_form(f"{USES}/{clip.id}/ads").status_code == 404
    assert session.scalars(select(Consent).where(Consent.stopped_at.is_not(None))).all() == []


# The words of one call -----------------------------------------------------------------------------------


def test_the_words_of_a_call_are_read_in_that_call_and_in_no_other(admin_client, client, make, session):
    make.campaign("hiver")
    make.campaign("quotidien")
    page = admin_client.get("/studio/campaigns/hiver").text
    assert 'href="/studio/consents?campaign=hiver"' in page
    form = {"in": "fr", "campaign": "hiver", "sentence": "Oui à la neige, {months} mois.", "full": "Tout."}
    admin_client.post_form("/studio/consents/site", form)
    assert session.scalars(select(ConsentWording.variant)).all() == ["hiver"]
    assert "Oui à la neige, 24 mois." in client.get("/fr/participate/hiver").text
    assert "Oui à la neige" not in client.get("/fr/participate/quotidien").text


def test_a_preview_shows_what_is_agreed_to_with_the_term_that_is_being_tried(admin_client, make):
    make.campaign("hiver")
    form = {
        "title_fr": "L’hiver",
        "preview": "fr",
        "term_months": "7",
        "answer_days": "2",
        "reminder_days": "7",
    }
    page = admin_client.post_form("/studio/campaigns/hiver/preview", form).text
    assert "sur les pages qui l’y reprennent, pendant 7 mois." in page
    assert "j’accepte de paraître dans ce clip" in page


# Levels --------------------------------------------------------------------------------------------------


@pytest.fixture
def with_orders(runtime, tmp_path, moderator):
    """A moderator's browser in a portal that has a list of orders; the list's path."""
    path = tmp_path / "orders.csv"
    path.write_text("number;email\nVF1-AB 12345;ada@mail.example\n", encoding="utf-8")
    settings = dataclasses.replace(runtime.settings, proofs=ProofSettings(orders_csv=str(path)))
    app = create_app(dataclasses.replace(runtime, settings=settings))
    return app, path


@pytest.fixture
def checking(with_orders, client, moderator):
    app, _path = with_orders
    app.test_client_class = type(client)
    return app.test_client().sign_in(moderator)


def said(browser, clip, number):
    answer = browser.post_form(f"/studio/clips/{clip.id}/level", {"number": number})
    return browser.get(answer.location).text


def test_a_number_of_the_orders_raises_the_level_under_the_orders_address(checking, make, session):
    clip = make.clip(owner=make.person("ada@mail.example"))
    page = said(checking, clip, "vf1 ab12345")
    assert "Niveau relevé." in page
    assert "…2345" in page
    (proof,) = session.scalars(select(OwnerProof))
    assert (proof.level, proof.method, proof.actor_kind) == ("purchase_proven", "orders", "moderator")
    assert "12345" not in proof.reference


@pytest.mark.parametrize(
    ("email", "number"), [("eve@mail.example", "VF1AB12345"), ("ada@mail.example", "XX999")]
)
def test_a_number_that_is_not_this_owners_raises_nothing(checking, make, session, email, number):
    clip = make.clip(owner=make.person(email))
    assert 'class="flash error"' in said(checking, clip, number)
    assert session.get_one(Clip, clip.id).owner_level == "not_proven"


def test_a_list_that_cannot_be_read_is_said_to_be_our_trouble(checking, with_orders, make, session):
    with_orders[1].unlink()
    clip = make.clip(owner=make.person("ada@mail.example"))
    assert 'class="flash error"' in said(checking, clip, "VF1AB12345")
    assert session.get_one(Clip, clip.id).owner_level == "not_proven"


@pytest.mark.parametrize(
    ("level", "method", "words"),
    [
        (OwnerLevel.INVITED, "list", "La marque l’a invité·e à partir de sa liste de clients."),
        (OwnerLevel.INVITED, invitations.FORWARDED, "l’invitation a été transmise à cette personne."),
        (OwnerLevel.PURCHASE_PROVEN, "orders", "est dans les commandes de la marque."),
        (OwnerLevel.PURCHASE_PROVEN, "garage", french("Vérification : garage.")),
        (OwnerLevel.NOT_PROVEN, "", "nous n’avons pas vu de preuve."),
    ],
)
def test_under_a_clip_stands_how_its_owner_was_checked(client, runtime, make, level, method, words):
    clip = make.clip(State.PUBLISHED)
    if method:
        with runtime.work() as session:
            held = session.get_one(Clip, clip.id)
            owner_levels.raise_to(session, held, level, method=method, by=Actor(ActorKind.MODERATOR))
    assert words in client.get(f"/fr/c/{clip.id}-x", follow_redirects=True).text
