"""Calls for clips in the studio: seeing, adding, changing, closing, opening again."""

from datetime import UTC, datetime

import pytest

from portal import campaigns
from portal.models import State

PAGE = "/studio/campaigns"
ADDED = {"title_fr": "Votre été", "question_fr": "Où ?", "in_return_fr": "Une carte"}


def test_nobody_enters_without_signing_in(client):
    assert client.get(PAGE).status_code == 303


@pytest.mark.parametrize("lang", ["fr", "en", "de"])
def test_the_page_opens_in_every_language_on_an_empty_portal(client, make, lang):
    answer = client.sign_in(make.person(role="admin", lang=lang)).get(PAGE)
    assert answer.status_code == 200
    assert f'<html lang="{lang}"' in answer.text


def test_a_moderator_looks_but_finds_nothing_to_press(moderator_client, make):
    make.campaign("hiver", title="Votre hiver")
    page = moderator_client.get(PAGE).text
    assert "Votre hiver" in page
    assert f'action="{PAGE}' not in page


@pytest.mark.parametrize("verb", ["", "/change", "/close", "/reopen"])
def test_a_moderator_changes_nothing(moderator_client, make, session, verb):
    made = make.campaign("hiver")
    path = f"{PAGE}/{made.id}{verb}" if verb else PAGE
    assert moderator_client.post_form(path, ADDED).status_code == 403
    assert [one.slug for one in campaigns.open_now(session)] == ["hiver"]


@pytest.mark.parametrize("verb", ["change", "close", "reopen"])
def test_nothing_is_done_without_the_forms_token(admin_client, make, verb):
    made = make.campaign("hiver")
    assert admin_client.post(f"{PAGE}/{made.id}/{verb}", data=ADDED).status_code in (400, 403)


def test_each_call_shows_its_state_its_address_and_its_clips(admin_client, make):
    make.clip(State.PUBLISHED)
    make.campaign("hiver", opens_at=datetime(2090, 1, 1, tzinfo=UTC))
    make.campaign("ete", closes_at=datetime(2020, 9, 1, tzinfo=UTC))
    page = admin_client.get(PAGE).text
    for words in (
        "http://portal.test/fr/participate/quotidien",
        "http://portal.test/de/participate/hiver",
        ">ouvert<",
        ">pas encore ouvert<",
        "1 janvier 2090",
        ">fermé<",
        "31 août 2020",
        "1 clip",
    ):
        assert words in page


def test_a_call_is_added_with_its_words_and_takes_its_address_from_its_title(admin_client, client, session):
    data = {**ADDED, "title_en": "Your summer", "slug": "", "opens_on": "", "closes_on": "2090-08-31"}
    assert admin_client.post_form(PAGE, data).status_code == 303
    made = campaigns.by_slug(session, "votre-ete")
    assert {text.lang: text.title for text in made.texts} == {"fr": "Votre été", "en": "Your summer"}
    assert "31 août 2090" in admin_client.get(PAGE).text
    assert client.get("/fr/participate/votre-ete").status_code == 200


def test_an_address_can_be_chosen(admin_client, session):
    admin_client.post_form(PAGE, {**ADDED, "slug": "plage"})
    assert campaigns.by_slug(session, "plage").texts[0].in_return == "Une carte"


@pytest.mark.parametrize(
    ("more", "status", "field"),
    [
        ({"slug": "hiver"}, 409, "slug"),
        ({"slug": "L’hiver"}, 422, "slug"),
        ({"title_fr": ""}, 422, "title_fr"),
        ({"title_fr": "x" * 121}, 422, "title_fr"),
        ({"question_de": "Wohin?"}, 422, "title_de"),
        ({"in_return_de": "x" * 201, "title_de": "Hallo"}, 422, "in_return_de"),
        ({"opens_on": "2090-02-01", "closes_on": "2090-01-01"}, 422, "closes_on"),
        ({"opens_on": "demain"}, 422, "opens_on"),
    ],
)
def test_what_cannot_be_taken_comes_back_with_the_form(admin_client, make, more, status, field):
    make.campaign("hiver")
    answer = admin_client.post_form(PAGE, {**ADDED, **more})
    assert answer.status_code == status
    assert answer.text.count('href="#new-') == 1
    assert f'href="#new-{field}"' in answer.text
    assert f'id="new-{field}-wrong"' in answer.text
    assert 'name="question_fr" value="Où ?"' in answer.text


def test_a_text_that_is_too_long_is_told_how_long_it_may_be(admin_client):
    page = admin_client.post_form(PAGE, {**ADDED, "in_return_fr": "x" * 201}).text
    assert "200 caractères au plus" in page


def test_a_call_is_changed(admin_client, make, session):
    made = make.campaign("hiver", title="Votre hiver")
    data = {"title_fr": "L’hiver", "title_de": "Der Winter", "closes_on": "2090-03-01"}
    assert admin_client.post_form(f"{PAGE}/{made.id}/change", data).status_code == 303
    found = campaigns.by_slug(session, "hiver")
    assert {text.lang: text.title for text in found.texts} == {"fr": "L’hiver", "de": "Der Winter"}
    assert 'name="closes_on" value="2090-03-01"' in admin_client.get(PAGE).text


def test_a_change_that_cannot_be_taken_comes_back_open_with_its_words(admin_client, make):
    made = make.campaign("hiver")
    answer = admin_client.post_form(f"{PAGE}/{made.id}/change", {"title_fr": "", "question_fr": "Et vous ?"})
    assert answer.status_code == 422
    assert f'href="#c-{made.id}-title_fr"' in answer.text
    assert f'id="c-{made.id}-question_fr" name="question_fr" value="Et vous ?"' in answer.text
    assert 'id="new-question_fr" name="question_fr" value=""' in answer.text


def test_a_call_is_closed_and_opened_again_by_hand(admin_client, client, make):
    made = make.campaign("hiver")
    closed = admin_client.post_form(f"{PAGE}/{made.id}/close")
    assert closed.status_code == 303
    page = admin_client.get(closed.location).text
    assert "Appel fermé" in page
    assert f"{made.id}/reopen" in page
    assert f"{made.id}/close" not in page
    assert "Cet appel est terminé" in client.get("/fr/participate/hiver").text
    assert admin_client.post_form(f"{PAGE}/{made.id}/reopen").status_code == 303
    assert "Cet appel est terminé" not in client.get("/fr/participate/hiver").text


@pytest.mark.parametrize("verb", ["change", "close", "reopen"])
def test_a_call_that_is_not_there_is_not_found(admin_client, verb):
    assert admin_client.post_form(f"{PAGE}/77/{verb}", ADDED).status_code == 404
