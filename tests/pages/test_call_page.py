"""The page of a call: what it says, who finds it, and how it knows again a clip that it began."""

import os
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from config import ROOT
from portal import campaigns, invitations, people
from portal.database import db_now
from portal.models import CampaignText, Invitation, State

PAGE = "/fr/participate/quotidien"


@pytest.fixture
def guest(runtime, make):
    """The token of an invitation to the one call, which takes guests alone."""
    make.campaign(invited_only=True)
    token = people.new_token()
    with runtime.work() as work:
        now = db_now(work)
        work.add(
            Invitation(
                id="a" * 32, campaign_id=campaigns.by_slug(work, "quotidien").id, token_hash=people.hash_token(token),
                email_hash="", lang="fr", created_at=now, sent_at=now, expires_at=now + invitations.LIFE,
            )
        )  # fmt: skip
    return token


def test_it_says_everything_that_the_entry_says_of_the_call(client, make, runtime):
    make.campaign()
    with runtime.work() as work:
        work.execute(update(CampaignText).values(shots="Le volant\nLa banquette", in_return="un mug"))
    page, entry = client.get(PAGE).text, client.get("/fr/participate").text
    for words in ("Le volant", "un mug", "Notre réponse", "puis nous vous redemandons", "en deux clics"):
        assert words in entry
        assert words in page
    assert re.findall(r'data-step="(\w+)"', page) == ["question", "film", "texts", "consents"]
    for told in ("personal-data", "image-rights", "rules"):
        link = f'href="/fr/pages/{told}" target="_blank" rel="noopener"'
        assert page.index("consents.contact") < page.index(link)
        assert link in client.get(f"{PAGE}/film").text


def test_search_engines_find_an_open_call_and_none_that_takes_guests_alone(client, make, runtime, guest):
    assert client.get(f"/i/{guest}").status_code == 200
    assert 'content="noindex"' in client.get(PAGE).text
    with runtime.work() as work:
        campaigns.by_slug(work, "quotidien").invited_only = False
        work.delete(invitations.by_token(work, guest))
    page = client.get(PAGE).text
    assert 'content="noindex"' not in page
    assert f'<link rel="canonical" href="http://portal.test{PAGE}">' in page
    assert 'hreflang="x-default"' in page


def test_no_field_has_an_attribute_that_its_kind_does_not_know(client, make):
    make.campaign()
    assert not re.search(r'type="month"[^>]*pattern', client.get(PAGE).text)


def test_a_guest_whose_film_is_in_still_finds_the_page_and_one_whose_clip_is_sent_does_not(
    client, runtime, make, guest
):
    client.get(f"/i/{guest}")

    def shown(clip):
        with runtime.work() as work:
            found = invitations.by_token(work, guest)
            found.clip_id, found.begun_at = clip.id, db_now(work)
        return 'id="about"' in client.get(PAGE).text

    assert shown(make.clip(State.PROCESSING, title="", consents=()))
    assert not shown(make.clip(State.PROCESSING))


def test_a_guest_who_goes_on_with_a_phone_keeps_the_invitation(client, guest, make):
    def code():
        return client.get(f"{PAGE}/film.svg")

    client.get(f"/i/{guest}")
    mine = code()
    for page in (PAGE, f"{PAGE}/film"):
        assert f"http://portal.test/i/{guest}" in client.get(page).text
    assert mine.headers["Cache-Control"] == "no-store"
    with client.session_transaction() as kept:
        kept.clear()
    assert code().data != mine.data


def test_whoever_reads_it_at_a_desk_can_have_the_link_on_a_phone(client, make):
    make.campaign()
    page = client.get(PAGE).text
    assert "Recevoir le lien sur mon téléphone" in page
    assert f'src="{PAGE}/film.svg"' in page
    assert re.search(
        r'href="mailto:\?subject=Quel%20trajet[^"]*body=[^"]*%2Fquotidien%2Ffilm"|href="mailto:\?subject=Quel%20trajet[^"]*/quotidien/film"',
        page,
    )


def test_a_clips_page_tells_the_calls_page_that_all_of_it_is_here(client, make):
    def page(clip):
        return client.get(f"/fr/s/{make.link(clip)}").text

    whole, lacking = make.clip(State.IN_REVIEW), make.clip(State.PROCESSING, title="")
    assert 'data-take-of="quotidien"' in page(make.clip(State.UPLOADING))
    assert f'data-clip="{whole.id}" data-sent' in page(whole)
    assert f'data-clip="{lacking.id}" data-poll' in page(lacking)


def test_light_or_dark_leads_back_to_a_page_that_can_be_looked_at(client, make):
    token = make.link(make.clip(State.PROCESSING))
    for path in (f"/fr/s/{token}/texts", f"/fr/s/{token}/answer", f"/fr/s/{token}"):
        answer = client.post_form("/scheme", {"scheme": "dark", "next": path})
        assert answer.headers["Location"] == f"/fr/s/{token}"
    answer = client.post_form("/scheme", {"scheme": "dark", "next": "/fr/clips?theme=recharge"})
    assert answer.headers["Location"] == "/fr/clips?theme=recharge"


@pytest.fixture
def choose(browser, client, make, tmp_path):
    """The call's page in a browser, and how to choose a film there that was made on a day; nothing of it is taken."""
    make.campaign()
    page = browser.new_page(base_url="http://portal.test", timezone_id="Europe/Paris")

    def answer(route):
        asked = route.request
        path = urlsplit(asked.url).path
        if path.startswith("/static/"):
            route.fulfill(path=ROOT / path[1:])
        elif path == "/api/v1/uploads":
            route.fulfill(status=409, json={"code": "conflict", "detail": asked.post_data_json["filename"]})
        else:
            told = client.open(
                path, method=asked.method, data=asked.post_data_buffer, headers=dict(asked.headers)
            )
            route.fulfill(status=told.status_code, headers=dict(told.headers), body=told.data)

    def chosen(*day):
        film = tmp_path / f"{'-'.join(map(str, day))}.mp4"
        film.write_bytes(b"a film")
        made = datetime(*day, tzinfo=UTC).timestamp()
        os.utime(film, (made, made))
        page.locator("[data-part=file]").set_input_files(film)
        expect(page.locator("[data-part=wrong]")).to_contain_text(film.name)
        return page

    page.route("**/*", answer)
    page.goto(PAGE)
    yield chosen
    page.close()


def test_the_month_of_the_file_is_proposed_until_its_owner_says_another(choose):
    # In Paris it is July by then.
    page = choose(2024, 6, 30, 23)
    month, why = page.get_by_label("Filmé en"), page.get_by_text("Ce mois vient de la date de votre fichier")
    expect(month).to_have_value("2024-07")
    expect(why).to_be_visible()
    assert page.evaluate("() => JSON.parse(localStorage['vecu:quotidien']).words.filmed_on") == "2024-07"
    for nobody_believes in ((1999, 5, 5), (2200, 1, 1)):
        choose(*nobody_believes)
        expect(month).to_have_value("")
        expect(why).to_be_hidden()
        choose(2025, 2, 3)
        expect(month).to_have_value("2025-02")
    page.reload()
    expect(month).to_have_value("2025-02")
    expect(why).to_be_visible()
    for own in ("2025-03", ""):
        month.fill(own)
        expect(why).to_be_hidden()
        choose(2025, 4, 4)
        expect(month).to_have_value(own)
