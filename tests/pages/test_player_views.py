"""The player reports a view after three seconds that were played, once, without a cookie, unless asked not to."""

import json
import threading
import wave
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BODY = (
    "<!doctype html><html lang=fr><meta charset=utf-8><clip-player data-seconds='6' data-words='{{}}'"
    "{views}><div class='view'><video muted preload='auto'><source src='/quiet.wav' type='audio/wav' data-label='480p'>"
    "</video></div></clip-player><script type='module' src='/dist/{script}'></script>"
)


class Site(SimpleHTTPRequestHandler):
    """Serves a folder and keeps what is posted to it."""

    posted: list[tuple[str, str, str]] = []  # noqa: RUF012 - one list for each test, set by the fixture

    def log_message(self, *_):
        """Nobody reads it."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.posted.append((self.path, body, self.headers.get("Cookie", "")))
        self.send_response(204)
        self.end_headers()


@pytest.fixture
def site(tmp_path):
    """A folder with six silent seconds, and what was posted."""
    (tmp_path / "dist").symlink_to(ROOT / "static" / "dist")
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\0\0" * 8000 * 6)
    script = json.loads((ROOT / "static" / "dist" / "manifest.json").read_text())["player.js"].rpartition(
        "/"
    )[2]
    for name, views in (("counted", " data-views='/views'"), ("private", "")):
        (tmp_path / f"{name}.html").write_text(BODY.format(views=views, script=script))
    handler = type("Here", (Site,), {"posted": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.posted
        server.shutdown()


@pytest.fixture
def page(browser, site):
    context = browser.new_context()
    context.add_cookies([{"name": "s", "value": "somebody", "url": site[0]}])
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def play_to_the_end(page, url, *, reported=None):
    """Plays at eight times the speed; how much had been played when the report left."""
    page.goto(url)
    page.evaluate(
        """() => { const v = document.querySelector("video"), call = window.fetch;
           window.fetch = (...args) => { window.at = v.played.end(0); return call(...args); };
           v.defaultPlaybackRate = v.playbackRate = 8; document.querySelector("clip-player").play(); }"""
    )
    page.wait_for_function("document.querySelector('video').ended")
    if reported is not None:
        page.wait_for_function("window.at !== undefined")
    return page.evaluate("() => window.at ?? null")


def test_three_seconds_are_one_view_and_the_report_carries_no_cookie(page, site):
    url, posted = site
    with page.expect_response("**/views"):
        at = play_to_the_end(page, f"{url}/counted.html", reported=True)
    assert 3 <= at <= 6
    page.evaluate(
        """() => { document.querySelector("video").addEventListener("ended", () => { window.again = true; });
           document.querySelector("clip-player").play(); }"""
    )
    page.wait_for_function("window.again")
    assert posted == [("/views", "{}", "")]


@pytest.mark.parametrize("asks", ["globalPrivacyControl: { value: true }", 'doNotTrack: { value: "1" }'])
def test_whoever_asks_not_to_be_counted_is_left_alone(page, site, asks):
    url, posted = site
    page.add_init_script(f"Object.defineProperties(navigator, {{ {asks} }});")
    play_to_the_end(page, f"{url}/counted.html")
    assert posted == []


def test_a_player_without_an_address_for_views_reports_nothing(page, site):
    url, posted = site
    play_to_the_end(page, f"{url}/private.html")
    assert posted == []
