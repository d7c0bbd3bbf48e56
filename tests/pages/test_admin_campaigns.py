"""Calls for clips in the studio: seeing, adding, changing, closing, opening again."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from portal import campaigns, i18n, short_links
from portal.models import Clip, ShortLink, State

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
    assert moderator_client.get(f"{PAGE}/hiver").status_code == 403


@pytest.mark.parametrize("path", ["", "/hiver", "/hiver/preview", "/hiver/close", "/hiver/reopen"])
def test_a_moderator_changes_nothing(moderator_client, make, session, path):
    make.campaign("hiver")
    assert moderator_client.post_form(PAGE + path, ADDED).status_code == 403
    assert [one.slug for one in campaigns.open_now(session)] == ["hiver"]


@pytest.mark.parametrize("verb", ["", "/close", "/reopen"])
def test_nothing_is_done_without_the_forms_token(admin_client, make, verb):
    make.campaign("hiver")
    assert admin_client.post(f"{PAGE}/hiver{verb}", data=ADDED).status_code in (400, 403)


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


@pytest.mark.parametrize(("zone", "hour"), [("America/New_York", 4), ("Europe/Paris", -2)])
def test_days_are_those_of_the_place_where_the_site_is(admin_client, client, session, zone, hour):
    i18n.keep_time_of(zone)
    try:
        days = {"opens_on": "2090-06-01", "closes_on": "2090-06-30"}
        assert admin_client.post_form(PAGE, {**ADDED, "slug": "plage", **days}).status_code == 303
        made = campaigns.by_slug(session, "plage")
        assert made.opens_at == datetime(2090, 6, 1, tzinfo=UTC) + timedelta(hours=hour)
        assert made.closes_at == datetime(2090, 7, 1, tzinfo=UTC) + timedelta(hours=hour)
        studio = admin_client.get(f"{PAGE}/plage").text
        assert 'value="2090-06-01"' in studio
        assert 'value="2090-06-30"' in studio
        for address in ("/fr/participate", "/fr/participate/plage"):
            assert '<time datetime="2090-06-01">1 juin 2090</time>' in client.get(address).text
        session.rollback()
        # Saving words moves neither.
        before = made.opens_at, made.closes_at
        assert admin_client.post_form(f"{PAGE}/plage", {**ADDED, **days}).status_code == 303
        session.expire_all()
        assert (made.opens_at, made.closes_at) == before
    finally:
        i18n.keep_time_of("UTC")


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


def test_a_call_is_changed_in_words_days_and_terms(admin_client, make, session):
    make.campaign("hiver", title="Votre hiver")
    make.theme("neige")
    example = make.clip(State.PUBLISHED)
    data = {
        "title_fr": "L’hiver", "title_de": "Der Winter", "help_fr": "Une minute.\n\nAvec vos mots.",
        "shots_fr": "La route\n\n  Le  coffre \n", "closes_on": "2090-03-01", "max_clips": "50", "max_seconds": "90",
        "answer_days": "3", "term_months": "12", "reminder_days": "0", "theme": "neige", "invited_only": "1",
        "example_clip_id": f"http://portal.test/fr/c/{example.id}-six-heures",
    }  # fmt: skip
    assert admin_client.post_form(f"{PAGE}/hiver", data).status_code == 303
    found = campaigns.by_slug(session, "hiver")
    assert {text.lang: text.title for text in found.texts} == {"fr": "L’hiver", "de": "Der Winter"}
    text = campaigns.text_of(found, "fr", "fr")
    assert (text.help, campaigns.shot_list(text)) == (
        "Une minute.\n\nAvec vos mots.",
        ["La route", "Le coffre"],
    )
    assert (found.max_clips, found.max_seconds, found.answer_days, found.term_months) == (50, 90, 3, 12)
    assert (found.reminder_days, found.invited_only, found.themes) == (0, True, ["neige"])
    assert found.example_clip_id == example.id
    assert 'name="closes_on" value="2090-03-01"' in admin_client.get(f"{PAGE}/hiver").text


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"title_fr": ""}, "title_fr"),
        ({"max_clips": "0"}, "max_clips"),
        ({"max_seconds": "many"}, "max_seconds"),
        ({"answer_days": "31"}, "answer_days"),
        ({"term_months": "-1"}, "term_months"),
        ({"theme": "nowhere"}, "themes"),
        ({"example_clip_id": "not a clip"}, "example_clip_id"),
        ({"example_clip_id": "aaaaaaaaaa"}, "example_clip_id"),
        ({"shots_fr": "x" * 1501}, "shots_fr"),
    ],
)
def test_a_change_that_cannot_be_taken_comes_back_with_its_words(admin_client, make, more, field):
    make.campaign("hiver")
    data = {"title_fr": "L’hiver", "question_fr": "Et vous ?", **more}
    answer = admin_client.post_form(f"{PAGE}/hiver", data)
    assert answer.status_code == 422
    assert f'href="#c-{field}"' in answer.text
    assert f'id="c-{field}' in answer.text
    assert 'name="question_fr" value="Et vous ?"' in answer.text


def test_the_example_is_a_clip_that_is_online_and_the_page_says_when_it_has_left(
    admin_client, make, runtime, session
):
    make.campaign("hiver")
    waiting, shown = make.clip(State.IN_REVIEW), make.clip(State.PUBLISHED)
    refused = admin_client.post_form(f"{PAGE}/hiver", {"title_fr": "L’hiver", "example_clip_id": waiting.id})
    assert refused.status_code == 422
    assert "n’est pas en ligne" in re.search(r'id="c-example_clip_id-wrong">([^<]+)<', refused.text)[1]
    data = {"title_fr": "L’hiver", "example_clip_id": shown.id}
    assert admin_client.post_form(f"{PAGE}/hiver", data).status_code == 303
    gone = "n’est plus en ligne"
    assert gone not in admin_client.get(f"{PAGE}/hiver").text
    with runtime.work() as work:
        work.execute(update(Clip).where(Clip.id == shown.id).values(state=State.WITHDRAWN))
    assert gone in admin_client.get(f"{PAGE}/hiver").text
    # Other words can be kept all the same.
    assert admin_client.post_form(f"{PAGE}/hiver", data).status_code == 303
    assert campaigns.by_slug(session, "hiver").example_clip_id == shown.id


def test_a_preview_shows_what_the_form_holds_and_keeps_nothing(admin_client, make, session):
    make.campaign("hiver", title="Votre hiver")
    data = {"title_fr": "L’hiver", "question_fr": "Où neige-t-il ?", "shots_fr": "La route", "answer_days": "5",
            "preview": "fr"}  # fmt: skip
    page = admin_client.post_form(f"{PAGE}/hiver/preview", data)
    assert page.status_code == 200
    for words in ("Où neige-t-il ?", "<li>La route</li>", "sous 5 jours ouvrés", "rien n’est enregistré"):
        assert words in page.text
    # The studio's words around it stay in the studio's language, the visitor's are in theirs.
    german = admin_client.post_form(f"{PAGE}/hiver/preview", data | {"title_de": "Winter", "preview": "de"})
    drawn = german.text.partition('<div class="plain entry" lang="de">')[2]
    for words in ("Länge", "Unsere Antwort", "Niemals beim Fahren.", "disabled>Video senden</button>"):
        assert words in drawn
    assert "Notre réponse" not in drawn
    assert "rien n’est enregistré" in german.text
    assert campaigns.text_of(campaigns.by_slug(session, "hiver"), "fr", "fr").title == "Votre hiver"


def test_a_call_is_closed_and_opened_again_by_hand(admin_client, client, make):
    make.campaign("hiver")
    closed = admin_client.post_form(f"{PAGE}/hiver/close")
    assert closed.status_code == 303
    page = admin_client.get(closed.location).text
    assert "Appel fermé" in page
    assert "hiver/reopen" in page
    assert "hiver/close" not in page
    assert "Cet appel est terminé" in client.get("/fr/participate/hiver").text
    assert admin_client.post_form(f"{PAGE}/hiver/reopen").status_code == 303
    assert "Cet appel est terminé" not in client.get("/fr/participate/hiver").text


@pytest.mark.parametrize("verb", ["", "/preview", "/close", "/reopen"])
def test_a_call_that_is_not_there_is_not_found(admin_client, verb):
    assert admin_client.post_form(f"{PAGE}/nowhere{verb}", ADDED).status_code == 404
    assert admin_client.get(f"{PAGE}/nowhere").status_code == 404


def test_the_way_from_asking_to_showing_is_counted(admin_client, make):
    make.clip(State.PUBLISHED)
    page = admin_client.get(f"{PAGE}/quotidien").text
    for word in ("Invitations envoyées", "Participations commencées", "Clips mis en ligne"):
        assert word in page
    table = admin_client.get(f"{PAGE}/quotidien/funnel.csv")
    assert table.mimetype == "text/csv"
    assert [line.split(",")[0] for line in table.text.splitlines()] == [
        "step", "invited", "opened", "begun", "uploaded", "sent", "published",
    ]  # fmt: skip
    assert "begun,Participations commencées,0,1" in table.text


def test_a_place_has_a_short_address_and_a_sheet_of_its_own(admin_client, client, make, session):
    make.campaign("hiver")
    made = admin_client.post_form(f"{PAGE}/hiver/links", {"place": "Lyon, entrée"})
    assert made.status_code == 303
    (link,) = short_links.of(session, campaigns.by_slug(session, "hiver"))
    sheet = admin_client.get(f"{PAGE}/hiver/links/{link.code}/sheet?in=fr").text
    assert "<svg" in sheet
    assert f"portal.test/q/{link.code}" in sheet
    gone = client.get(f"/q/{link.code.upper()}")
    assert (gone.status_code, gone.location.endswith("/participate/hiver")) == (302, True)
    client.head(f"/q/{link.code}")
    session.rollback()
    assert session.get(ShortLink, link.code).opened == 1
    admin_client.post_form(f"{PAGE}/hiver/links/{link.code}/end")
    assert client.get(f"/q/{link.code}").location.endswith("/participate")
    assert client.get("/q/nowhere").status_code == 404


def test_a_place_needs_a_name(admin_client, make):
    make.campaign("hiver")
    answer = admin_client.post_form(f"{PAGE}/hiver/links", {"place": " "})
    assert (answer.status_code, 'id="place-wrong"' in answer.text) == (422, True)


def test_a_place_that_is_added_twice_has_one_short_address(admin_client, make, session):
    make.campaign("hiver")
    for _ in range(2):
        assert admin_client.post_form(f"{PAGE}/hiver/links", {"place": "Lyon, entrée"}).status_code == 303
    (link,) = short_links.of(session, campaigns.by_slug(session, "hiver"))
    admin_client.post_form(f"{PAGE}/hiver/links/{link.code}/end")
    admin_client.post_form(f"{PAGE}/hiver/links", {"place": "Lyon, entrée"})
    session.rollback()
    assert len(short_links.of(session, campaigns.by_slug(session, "hiver"))) == 2
