"""What visitors read: gallery, theme, clip and explaining pages, complete without script."""

import json
import re
from html import unescape

import pytest
from sqlalchemy import event

from config import Settings
from portal import doctor
from portal.models import Rendition, State, ThemeAlias
from tests.conftest import with_settings


def text_of(answer) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def robots(answer) -> str:
    found = re.search(r'<meta name="robots" content="([^"]+)"', answer.text)
    return found[1] if found else ""


def canonical(answer) -> str:
    return unescape(re.search(r'<link rel="canonical" href="([^"]+)"', answer.text)[1])


@pytest.fixture
def hiver(make):
    return make.theme("hiver", fr="Hiver", en="Winter")


@pytest.fixture
def route(make):
    return make.theme("route", fr="Route")


def test_the_front_door_leads_to_the_language_of_the_browser(client) -> None:
    answer = client.get("/", headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})
    assert (answer.status_code, answer.location) == (302, "/de/")
    assert "Accept-Language" in answer.headers["Vary"]
    assert client.get("/", headers={"Accept-Language": "nl"}).location == "/fr/"


def test_a_language_chosen_by_link_is_kept(client) -> None:
    client.get("/en/", headers={"Accept-Language": "fr"})
    assert client.get("/", headers={"Accept-Language": "fr"}).location == "/en/"


def test_an_empty_portal_says_that_clips_are_coming(client) -> None:
    answer = client.get("/fr/")
    assert answer.status_code == 200
    assert "Les premiers clips arrivent." in text_of(answer)
    assert robots(answer) == "noindex"


def test_the_gallery_shows_published_clips_and_the_newest_landscape_one_on_the_bill(
    client, make, hiver
) -> None:
    make.clip(State.PUBLISHED, title="La côte", themes=[hiver], owned_since=2021)
    make.clip(State.IN_REVIEW, title="Pas encore")
    answer = client.get("/fr/")
    words = text_of(answer)
    assert "À l’affiche" in words
    assert "« La côte »" in words
    assert "Regarder (12" in words
    assert "1 clip " in words
    assert "Pas encore" not in words
    assert '<picture><source type="image/avif"' in answer.text
    assert robots(answer) == ""
    assert canonical(answer) == "http://portal.test/fr/"
    assert 'hreflang="de" href="http://portal.test/de/"' in answer.text
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_no_page_holds_inline_script_or_style(client, make) -> None:
    clip = make.clip(State.PUBLISHED)
    for path in ("/fr/", f"/fr/c/{clip.id}-six-heures-le-galibier-pour-nous-seuls"):
        text = client.get(path).text
        assert not re.search(r"<script(?![^>]*(src=|application/ld\+json))", text)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text)


def test_ticks_show_true_counts_and_a_theme_without_clips_cannot_be_ticked(
    client, make, hiver, route
) -> None:
    make.clip(State.PUBLISHED, themes=[hiver])
    text = re.sub(r"\s+", " ", client.get("/fr/clips?theme=hiver").text)
    assert re.search(r'value="hiver" checked><span class="word">Hiver</span><span class="num">1', text)
    assert re.search(r'value="route" disabled><span class="word">Route</span><span class="num">0', text)
    assert '<span class="word" lang="fr">Route</span>' in client.get("/de/clips").text
    make.campaign()
    assert '<span class="word" lang="fr">Route</span>' in client.get("/de/participate/quotidien").text


@pytest.mark.parametrize(
    ("asked", "short"),
    [
        ("q=&theme=hiver&match=any&sort=newest&page=1", "theme=hiver"),
        ("theme=route&theme=hiver&theme=hiver", "theme=hiver&theme=route"),
        ("theme=hiver&match=all", "match=all&theme=hiver"),
        ("theme=nothing&q=%20%20route%20%20nord", "q=route+nord"),
        ("sort=loudest&speech=x1&page=0&utm_source=a", ""),
    ],
)
def test_untidy_addresses_lead_to_the_short_sorted_one(client, hiver, route, asked, short) -> None:
    answer = client.get(f"/fr/clips?{asked}")
    assert answer.status_code == 302
    assert answer.location == "/fr/clips" + (f"?{short}" if short else "")
    assert client.get(answer.location).status_code == 200


@pytest.mark.parametrize(
    ("path", "kept", "is_indexed"),
    [
        ("/fr/clips", "/fr/", True),
        ("/fr/clips?theme=hiver", "/fr/themes/hiver", True),
        ("/fr/themes/hiver", "/fr/themes/hiver", True),
        ("/fr/clips?theme=hiver&theme=route", "/fr/", False),
        ("/fr/clips?sort=oldest&theme=hiver", "/fr/themes/hiver", False),
        ("/fr/clips?q=galibier", "/fr/", False),
        ("/fr/clips?speech=fr", "/fr/", False),
        ("/fr/clips?q=zzz", "/fr/", False),
    ],
)
def test_search_engines_keep_whole_lists_and_single_themes(
    client, make, hiver, route, path, kept, is_indexed
) -> None:
    make.clip(State.PUBLISHED, themes=[hiver, route], search_text="six heures le galibier")
    answer = client.get(path)
    assert answer.status_code == 200
    assert canonical(answer) == f"http://portal.test{kept}"
    assert (robots(answer) == "") is is_indexed


def test_a_merged_theme_leads_to_the_one_it_joined_and_an_unknown_one_nowhere(client, runtime, hiver) -> None:
    with runtime.work() as session:
        session.add(ThemeAlias(slug="neige", theme_id=hiver.id))
    answer = client.get("/fr/themes/neige")
    assert (answer.status_code, answer.location) == (301, "/fr/themes/hiver")
    assert client.get("/fr/themes/nothing").status_code == 404


def test_an_empty_choice_offers_the_ways_out_that_lead_to_clips(client, make, hiver, route) -> None:
    make.clip(State.PUBLISHED, themes=[hiver])
    answer = client.get("/fr/clips?match=all&theme=hiver&theme=route")
    words = text_of(answer)
    assert "Aucun clip ne réunit Hiver, Route." in words
    assert "Sans Route (1)" in words
    assert "Sans Hiver" not in words
    assert 'href="/fr/clips?match=all&amp;theme=hiver"' in answer.text


def test_a_search_without_result_suggests_a_theme_of_that_name(client, make, hiver) -> None:
    make.clip(State.PUBLISHED, themes=[hiver])
    answer = client.get("/fr/clips?q=hivernal")
    assert "Aucun clip ne répond à « hivernal »." in text_of(answer)
    assert 'href="/fr/clips?theme=hiver">Hiver (1)' in answer.text


def test_long_lists_are_paged_by_links(client, make) -> None:
    for _ in range(27):
        make.clip(State.PUBLISHED, width=360, height=640)
    first = client.get("/fr/")
    assert first.text.count('<li class="clip p">') == 24
    assert "Voir les 3 clips suivants" in text_of(first)
    assert 'href="/fr/?page=2#clips"' in first.text
    second = client.get("/fr/?page=2")
    assert second.text.count('<li class="clip p">') == 3
    assert canonical(second) == "http://portal.test/fr/?page=2"
    assert client.get("/fr/?page=9").location == "/fr/?page=2"


def test_a_clip_without_pictures_shows_its_title_on_film_colour(client, make, runtime) -> None:
    made = make.clip(State.PUBLISHED, title="Sans image")
    with runtime.work() as session:
        session.query(Rendition).filter_by(clip_id=made.id, kind="poster").delete()
    answer = client.get("/fr/")
    assert '<span class="untold voice" aria-hidden="true">Sans image</span>' in answer.text


def test_owners_words_are_shown_as_words(client, make) -> None:
    evil = "</script><b onload=x>'\"&"
    made = make.clip(State.PUBLISHED, title=evil, city="<i>", first_name="<u>")
    for path in ("/fr/", f"/fr/c/{made.id}-script-b-onload-x"):
        text = client.get(path).text
        assert "<b onload" not in text
        assert "<i>" not in text
        assert "<u>" not in text


def test_the_clip_page_plays_without_script_and_tells_the_facts(client, make, hiver) -> None:
    made = make.clip(
        State.PUBLISHED,
        themes=[hiver],
        product="Solène Break",
        owned_since=2021,
        owner_level="purchase_proven",
        speech_lang="de",
    )
    answer = client.get(f"/en/c/{made.id}-six-heures-le-galibier-pour-nous-seuls")
    assert answer.status_code == 200
    text = answer.text
    assert re.search(r'<source src="http[^"]+/360\.mp4" type="video/mp4"', text)
    assert "data-hls" not in text
    assert "download>360p" in text
    assert '<h1 class="voice" lang="de">' in text
    assert 'href="/en/themes/hiver">Winter</a>' in text
    assert "Solène Break" in text
    assert "2021" in text
    data = json.loads(re.search(r'<script type="application/ld\+json">(.+?)</script>', text, re.DOTALL)[1])
    assert data["@type"] == "VideoObject"
    assert data["duration"] == "PT12S"
    assert data["contentUrl"].endswith("/360.mp4")
    assert data["inLanguage"] == "de"
    assert "/report" not in text


def test_the_mark_is_for_verified_owners_alone(client, make) -> None:
    one = make.clip(State.PUBLISHED, owner_level="purchase_proven", title="a")
    other = make.clip(State.PUBLISHED, owner_level="invited", title="a")
    assert 'class="ver"' in client.get(f"/fr/c/{one.id}-a").text
    assert 'class="ver"' not in client.get(f"/fr/c/{other.id}-a").text


def test_long_clips_offer_their_stream(client, make) -> None:
    made = make.clip(State.PUBLISHED, seconds=61.0, title="a")
    assert re.search(r'data-hls="http[^"]+/master\.m3u8"', client.get(f"/fr/c/{made.id}-a").text)


def test_an_old_title_in_the_address_leads_to_the_present_one(client, make) -> None:
    made = make.clip(State.PUBLISHED, title="La côte")
    for path in (f"/fr/c/{made.id}", f"/fr/c/{made.id}-the-old-title"):
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (301, f"/fr/c/{made.id}-la-cote")


def test_a_withdrawn_clip_answers_gone_without_its_owners_name_and_offers_others(client, make) -> None:
    make.clip(State.PUBLISHED, title="La côte", first_name="Karim")
    gone = make.clip(State.WITHDRAWN, first_name="Nadia")
    answer = client.get(f"/fr/c/{gone.id}-six-heures")
    assert answer.status_code == 410
    assert "Nadia" not in answer.text
    assert "La côte" in answer.text
    assert robots(answer) == "noindex"
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_unknown_clip_is_not_found(client) -> None:
    assert client.get("/fr/c/aaaaaaaaaa-b").status_code == 404
    assert client.get("/nl/").status_code == 404


@pytest.mark.parametrize("lang", ["fr", "en", "de"])
@pytest.mark.parametrize(
    "name", ["rules", "verification", "image-rights", "personal-data", "legal", "accessibility"]
)
def test_every_explaining_page_is_there_in_every_language(client, lang, name) -> None:
    answer = client.get(f"/{lang}/pages/{name}")
    assert answer.status_code == 200
    assert f'<html lang="{lang}"' in answer.text
    assert "%(" not in answer.text
    assert client.get(f"/{lang}/pages/nothing").status_code == 404


def test_a_clip_that_troubles_somebody_leads_to_how_that_is_told(client, make) -> None:
    clip = make.clip(State.PUBLISHED)
    page = client.get(f"/fr/c/{clip.id}-x", follow_redirects=True).text
    assert re.search(r'href="/fr/pages/legal#signaler">Un problème avec ce clip', page)
    assert re.search(r'<h2 id="signaler"[^>]*>Signaler un contenu', client.get("/fr/pages/legal").text)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"MAIL_FROM": "no-reply@a.example"}, "no-reply@a.example"),
        ({"MAIL_FROM": "no-reply@a.example", "SUPPORT_EMAIL": "aide@a.example"}, "aide@a.example"),
        ({"SUPPORT_EMAIL": "aide@a.example", "CONTACT_EMAIL": "bonjour@a.example"}, "bonjour@a.example"),
    ],
)
def test_the_pages_say_to_write_to_whoever_reads_it(app, runtime, tmp_path, monkeypatch, env, told) -> None:
    mail = Settings.from_env({"DATA_DIR": str(tmp_path), **env}).mail
    reached = with_settings(runtime, mail=mail)
    monkeypatch.setitem(app.extensions, "portal", reached)
    for name in ("legal", "image-rights", "accessibility", "personal-data"):
        assert told in app.test_client().get(f"/fr/pages/{name}").text
    warned = dict(doctor.about_contact(reached))
    assert ("contact" in warned) == (told == mail.sender)


def test_machines_are_told_what_to_leave_alone(client) -> None:
    answer = client.get("/robots.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert "Disallow: /studio/" in answer.text


def test_no_public_page_holds_a_dead_link(client, make, hiver) -> None:
    clip = make.clip(State.PUBLISHED, themes=[hiver], title="a")
    pages = ["/fr/", "/fr/themes/hiver", "/fr/clips?q=zzz", f"/fr/c/{clip.id}-a", "/fr/pages/rules"]
    links = {
        unescape(link).partition("#")[0]
        for page in pages
        for link in re.findall(r'<a [^>]*href="(/[^"]*)"', client.get(page).text)
    }
    answers = {link: client.get(link).status_code for link in links}
    assert {link: status for link, status in answers.items() if status not in (200, 301, 302, 303)} == {}


def test_a_full_gallery_page_says_at_most_seven_statements(client, make, runtime, hiver) -> None:
    said: list[str] = []
    event.listen(runtime.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    counts = []
    for number in (1, 9):
        for _ in range(number):
            make.clip(State.PUBLISHED, themes=[hiver], width=360, height=640)
        for path in ("/fr/", "/fr/clips?theme=hiver"):
            said.clear()
            assert client.get(path).status_code == 200
            counts.append(len([line for line in said if line.lstrip().startswith(("SELECT", "WITH"))]))
    assert counts[:2] == counts[2:]
    assert max(counts) <= 7


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.REMOVED, State.EXPIRED])
def test_what_nobody_ever_saw_has_not_gone(client, make, state) -> None:
    clip = make.clip(state, published_at=None)
    assert client.get(f"/fr/c/{clip.id}-six-heures").status_code == 404
