"""What visitors, owners and staff look at: without script, over HLS, in both schemes and at both widths."""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.journeys import steps

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]
LOOKS = [(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]


@dataclass
class Stage:
    """The clips of these journeys: two published, one taken back, one that waits for a moderator."""

    short: dict
    long: dict
    gone: dict
    waiting: dict


@pytest.fixture(scope="module")
def stage(api, portal, review_token, tmp_path_factory):
    folder = tmp_path_factory.mktemp("visitor")
    sent = {
        "short": steps.submit(
            api, steps.tiny(folder, "short", seconds=2), "Le marché du samedi", ["week-end"]
        ),
        # Above a minute the player takes HLS.
        "long": steps.submit(
            api, steps.tiny(folder, "long", seconds=61, size="160x90"), "Une recharge en entier", ["recharge"]
        ),
        "gone": steps.submit(api, steps.tiny(folder, "gone"), "Repris par sa propriétaire"),
        "waiting": steps.submit(api, steps.tiny(folder, "waiting"), "Pas encore relu", ["technologie"]),
    }
    shown = {name: steps.publish(api, review_token, sent[name]) for name in ("short", "long", "gone")}
    taken_back = api(sent["gone"]["token"]).post(
        f"/api/v1/submissions/{sent['gone']['id']}/withdraw", data={}
    )
    assert taken_back.status == 202
    steps.made(api, sent["waiting"])
    return Stage(**shown, waiting=sent["waiting"])


def test_without_script_a_visitor_ticks_a_theme_opens_the_clip_and_gets_the_film(portal, stage, window):
    page = window(360, script=False).page
    page.goto(f"{portal.url}/fr/")
    page.get_by_role("checkbox", name=re.compile("Week-end")).check()
    page.locator("#show").click()
    page.wait_for_url(re.compile(r"theme=week-end"))
    titles = page.locator("#clips h3").all_inner_texts()
    assert "Le marché du samedi" in titles
    assert "Une recharge en entier" not in titles
    page.get_by_role("link", name="Le marché du samedi").click()
    page.wait_for_url("**/fr/c/**")

    # The browser's own bar, and files that it can play and skip in.
    film = page.locator("video")
    expect(film).to_have_attribute("controls", "")
    sources = [one.get_attribute("src") for one in film.locator("source").all()]
    links = [one.get_attribute("href") for one in page.locator("main a[download]").all()]
    assert sources
    assert set(sources) <= set(links)
    for address in links:
        some = page.request.get(address, headers={"Range": "bytes=0-99"})
        assert (some.status, some.headers["content-type"]) == (206, "video/mp4")
        assert b"ftyp" in some.body()
        whole = page.request.get(address)
        assert (whole.status, len(whole.body())) == (200, int(whole.headers["content-length"]))
    assert page.request.get(film.get_attribute("poster")).headers["content-type"] == "image/webp"

    # The page runs no script; the browser's driver may still press play and look.
    steps.until(
        page, "() => { const v = document.querySelector('video'); v.play(); return v.currentTime > 0.3; }"
    )
    assert page.evaluate("() => document.querySelector('clip-player .bar2')") is None


def test_a_clip_of_more_than_a_minute_is_streamed_in_pieces_to_browsers_that_can(portal, stage, window):
    page = window(1280).page
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(portal.url + f"/fr/c/{stage.long['id']}")
    page.get_by_role("button", name="Lire", exact=True).click()
    steps.until(page, "() => document.querySelector('video').currentTime > 0.5")
    assert page.evaluate("() => document.querySelector('video').currentSrc").startswith("blob:")
    assert any(re.search(r"\.cmfv\b", url) for url in asked)
    assert not any(re.search(r"\.mp4\b", url) for url in asked)


def look(person, addresses):
    """Every page as a person sees it, with the status it should have."""
    for address, status in addresses:
        assert person.page.goto(address).status == status, address
        person.axe()
        person.fits()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_public_pages_are_accessible_fit_and_keep_to_their_policy(portal, stage, window, width, scheme):
    paths = [
        ("/fr/", 200),
        ("/fr/clips?theme=week-end&theme=recharge", 200),
        ("/fr/clips?q=introuvable", 200),
        ("/fr/themes/week-end", 200),
        (f"/fr/c/{stage.short['id']}", 200),
        (f"/de/c/{stage.long['id']}", 200),
        (f"/fr/c/{stage.gone['id']}", 410),
        ("/fr/c/aaaaaaaaaa", 404),
        ("/en/nowhere", 404),
        *((f"/fr/pages/{name}", 200) for name in ("legal", "personal-data", "rules", "image-rights")),
        *((f"/en/pages/{name}", 200) for name in ("verification", "accessibility")),
        ("/api/", 200),
    ]
    look(window(width, scheme=scheme), [(portal.url + path, status) for path, status in paths])


def test_owners_pages_are_accessible_and_fit_in_the_dark_on_a_phone(portal, stage, window):
    waiting = stage.waiting["status_url"]
    addresses = [f"{portal.url}/fr/participate", f"{portal.url}/fr/participate/quotidien"]
    addresses += [waiting, f"{waiting}/withdraw"]
    look(window(360, scheme="dark"), [(address, 200) for address in addresses])


def test_studio_pages_are_accessible_and_fit_in_the_dark_on_a_phone(portal, stage, window):
    person = window(360, scheme="dark")
    look(person, [(f"{portal.url}/studio/login", 200)])
    file = portal.data_dir / "first-administrator.txt"
    _, email, password, *_ = file.read_text(encoding="utf-8").splitlines()
    steps.sign_in(person, portal, email, password)
    sheet = f"/studio/review/{stage.waiting['id']}"
    paths = ["/studio/review", sheet, f"{sheet}/request-changes", f"{sheet}/reject"]
    paths += [f"/studio/review/{stage.short['id']}", f"/studio/review/{stage.short['id']}/unpublish"]
    paths += ["/studio/clips", "/studio/themes", "/studio/people", "/studio/settings"]
    look(person, [(portal.url + path, 200) for path in paths])
