"""What visitors watch: without script, and over HLS."""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.journeys import steps

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]


@dataclass
class Stage:
    """The published clips of these journeys."""

    short: dict
    long: dict


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
    }
    return Stage(**{name: steps.publish(api, review_token, told) for name, told in sent.items()})


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
