"""Steps at the recorder's page: turning the camera on, filming for a while, looking into what this browser keeps."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server
from whitenoise import WhiteNoise

from config import ROOT, Settings
from portal.web import create_app
from tests.conftest import Bells, runtime_of
from tests.factories import Factory
from tests.journeys.steps import until

# Asked of this browser's own store: what stands in one of its two lists, and what of it is wanted.
_ASKED = """() => new Promise(done => {
  const asked = indexedDB.open("vecu-takes");
  asked.onsuccess = () => {
    const told = asked.result.transaction("%s").objectStore("%s").%s();
    told.onsuccess = () => { asked.result.close(); done(%s); };
  };
})"""
# Whether it keeps enough of a take already to show it again: the first pieces hold no picture.
PIECES = _ASKED % ("rows", "rows", "getAll", "told.result.some(row => row.at && row.data.byteLength > 2e4)")
ONE_TAKE = _ASKED % ("takes", "takes", "count", "told.result === 1")
KEPT = _ASKED % ("takes", "takes", "getAllKeys", "JSON.stringify(told.result)")
# How long it is hangs on how quickly this machine presses the buttons.
WAITS = re.compile(r"Une prise de 0:\d\d vous attend\.")
MODE = "() => document.querySelector('[data-recorder]').dataset.mode"
FILM = "/fr/participate/quotidien/film"

# Whole seconds of waiting, the countdown's among them, take a fifth: tests film often.
HURRY = """const later = setTimeout;
window.setTimeout = (work, ms, ...words) => later(work, ms === 1000 ? 200 : ms, ...words);"""
# A take comes in pieces of a third of a second instead of a whole one.
PIECEMEAL = """const start = MediaRecorder.prototype.start;
MediaRecorder.prototype.start = function (ms) { start.call(this, ms / 3); };"""


class Quiet(WSGIRequestHandler):
    """Serves without a word."""

    def log(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def site_alone(empty: Path, storage: dict[str, str], folder: Path) -> Iterator[str]:
    """The address of a site with one call on it, and no worker: what is filmed there is never made."""
    database = folder / "portal.sqlite"
    shutil.copy(empty, database)

    # The site must know its address, which is known when the server listens.
    def door(*call):
        return app(*call)

    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    settings = Settings.from_env({
        **storage, "DATABASE_URL": f"sqlite:///{database}", "DATA_DIR": str(folder / "data"), "SITE_URL": url,
        "SECRET_KEY": "a secret key for tests, long enough", "BROKER_URL": "redis://127.0.0.1:1/0",
    })  # fmt: skip
    runtime = runtime_of(settings, Bells())
    Factory(runtime).campaign()
    app = create_app(runtime)
    app.wsgi_app = WhiteNoise(app.wsgi_app, root=str(ROOT / "static" / "dist"), prefix="static/dist/")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        runtime.engine.dispose()


def at_the_recorder(window, url, width=360, scheme="light", *, before="", allowed=True):
    """A window with a camera, on the recorder's page of the call; `before` runs ahead of the page's own scripts."""
    one = window(width, scheme=scheme)
    if allowed:
        one.context.grant_permissions(["camera", "microphone"], origin=url)
    one.page.add_init_script(HURRY + before)
    one.page.goto(url + FILM)
    return one


def is_in(page, mode):
    until(page, f"mode => ({MODE})() === mode", mode)


def main(page):
    return page.locator("[data-part=main]")


def part(page, name):
    return page.locator(f"[data-part={name}]")


def turn_on(page):
    page.get_by_role("button", name="Allumer la caméra").click()
    is_in(page, "ready")


def until_clock(page, says):
    until(page, "says => document.querySelector('[data-part=clock]').textContent >= says", says)


def until_it_plays(page, seconds):
    """Until the take is there to be watched, longer than so many seconds."""
    until(page, "longer => document.querySelector('[data-part=shown]').duration > longer", seconds)


def again(page, until_it_says):
    """With the camera on: count down, and film until the clock says so."""
    main(page).click()
    is_in(page, "recording")
    until_clock(page, until_it_says)


def films(page, until_it_says):
    """Turn the camera on, count down, and film until the clock says so."""
    turn_on(page)
    again(page, until_it_says)


def hears(page, name):
    """Keep from now on whatever a part of the page says, however shortly: `heard` tells it."""
    page.evaluate(
        """name => {
          const one = document.querySelector(`[data-part=${name}]`), all = (window.heard ??= {})[name] = [];
          new MutationObserver(() => all.push(one.textContent)).observe(one, { childList: true });
        }""",
        name,
    )


def heard(page, name):
    return page.evaluate("name => heard[name].filter(Boolean)", name)


def announced(page):
    """What the next page tells of the film that it begins to send: for `with announced(page) as sent`."""
    return page.expect_request(lambda one: one.url.endswith("/api/v1/uploads") and one.method == "POST")
