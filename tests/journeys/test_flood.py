"""Where many begin at once, or nothing more is taken: the browser works, waits as long as it is told, or says why not."""

import re
import shutil
import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect
from werkzeug.serving import WSGIRequestHandler, make_server
from whitenoise import WhiteNoise

from config import ROOT, GuardSettings, Settings
from portal.web import create_app, guard
from tests.conftest import Bells, runtime_of
from tests.factories import Factory
from tests.journeys.steps import until
from tests.journeys.test_one_clip import FILE, waits

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]
BEGIN = "/api/v1/submissions"
BEGUN = "() => JSON.parse(localStorage['vecu:quotidien'] ?? '{}').id"
NO_DIGEST = "Object.defineProperty(crypto, 'subtle', { value: undefined });"


class Quiet(WSGIRequestHandler):
    """Serves without a word."""

    def log(self, *_):
        """Nobody reads it."""


class Door:
    """Leads to the site, once there is one: it must know its address, which is known when the server listens."""

    def __call__(self, *call):
        return self.app(*call)


@pytest.fixture
def door(migrated_sqlite, tmp_path):
    """Opens a site with one call whose network has begun one film; `guard` are its figures. Tells its address.

    In this process, without storage or worker: beginning needs neither, and the shared portal must know no crowd.
    """
    shutil.copy(migrated_sqlite, tmp_path / "portal.sqlite")
    door = Door()
    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    known = Settings.from_env({
        "DATABASE_URL": f"sqlite:///{tmp_path}/portal.sqlite", "DATA_DIR": str(tmp_path / "data"), "SITE_URL": url,
        "SECRET_KEY": "a secret key for tests, long enough", "BROKER_URL": "redis://127.0.0.1:1/0",
        "S3_ENDPOINT_URL": "http://127.0.0.1:1", "S3_ACCESS_KEY_ID": "none", "S3_SECRET_ACCESS_KEY": "none",
    })  # fmt: skip

    def opened(owner_bytes=10**9, **figures):
        uploads = replace(known.uploads, owner_bytes=owner_bytes)
        settings = replace(known, guard=replace(GuardSettings(), **figures), uploads=uploads)
        door.runtime = runtime_of(settings, Bells())
        Factory(door.runtime).campaign("quotidien")
        door.app = door.site = create_app(door.runtime)
        assert door.site.test_client().post(BEGIN, json={"campaign": "quotidien"}).status_code == 201
        door.app = WhiteNoise(door.site, root=str(ROOT / "static" / "dist"), prefix="static/dist/")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return url

    door.opened = opened
    yield door
    server.shutdown()
    server.server_close()
    door.runtime.engine.dispose()


@pytest.fixture
def crowded(door):
    """Whoever begins another film must work or wait."""
    return door.opened(challenge_from=1)


@pytest.fixture
def owner(window, tmp_path):
    """Somebody with a film; `answers` are the portal's to their beginning it."""
    one = window(360)
    one.film, one.answers = tmp_path / "IMG 0042.mp4", []
    one.film.write_bytes(b"a film")
    one.page.on(
        "response", lambda answer: one.answers.append(answer.status) if answer.url.endswith(BEGIN) else None
    )
    # The film's bytes are no matter here.
    one.page.route("**/api/v1/uploads", lambda route: route.abort())
    return one


def test_a_film_from_a_crowded_network_is_begun_by_itself_once_the_page_has_worked(crowded, owner):
    page = owner.page
    page.goto(f"{crowded}/fr/participate/quotidien")
    page.locator(FILE).set_input_files(owner.film)
    until(page, BEGUN)
    assert owner.answers == [429, 201]


def test_a_browser_that_cannot_work_waits_its_minute_and_is_let_in(crowded, owner, monkeypatch):
    page = owner.page
    page.add_init_script(NO_DIGEST)
    page.clock.install()
    page.goto(f"{crowded}/fr/participate/quotidien")
    page.locator(FILE).set_input_files(owner.film)
    waits(page, lambda: owner.answers)
    page.clock.run_for(30_000)
    assert owner.answers == [429]

    class Later(datetime):
        """The server's clock, a minute on."""

        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + timedelta(seconds=60)

    monkeypatch.setattr(guard, "datetime", Later)
    page.clock.run_for(31_000)
    until(page, BEGUN)
    assert owner.answers == [429, 201]


def part(page, name):
    return page.locator(f"[data-part={name}]")


def test_a_network_that_may_begin_no_more_hears_so_and_goes_on_when_it_may_again(door, owner):
    page = owner.page
    page.clock.install()
    page.goto(f"{door.opened(submissions_an_hour=1)}/fr/participate/quotidien")
    page.get_by_label("Un titre, avec vos mots").fill("Gardé")
    page.locator(FILE).set_input_files(owner.film)
    says = re.compile(
        r"^C’est un peu trop rapide pour nous\. Réessayez dans .*Prochain essai de cette page\s: .*\d\d:\d\d\."
    )
    expect(part(page, "line")).to_have_text(says)
    expect(part(page, "said")).to_have_text(says)
    owner.axe()
    owner.fits()
    page.clock.run_for(20 * 60_000)
    assert owner.answers == [429]
    # An hour later.
    guard.init_app(door.site)
    page.clock.run_for(110 * 60_000)
    until(page, BEGUN)
    assert owner.answers == [429, 201]
    expect(page.get_by_label("Un titre, avec vos mots")).to_have_value("Gardé")


def test_a_film_for_which_there_is_no_room_is_refused_in_a_sentence_and_can_be_sent_again(door, owner):
    page, opened = owner.page, []
    page.unroute("**/api/v1/uploads")
    page.on(
        "response", lambda one: opened.append(one.status) if one.url.endswith("/api/v1/uploads") else None
    )
    page.goto(f"{door.opened(owner_bytes=3)}/fr/participate/quotidien")
    page.get_by_label("Un titre, avec vos mots").fill("Gardé")
    page.locator(FILE).set_input_files(owner.film)
    says = re.compile(
        r"^Vos films prennent déjà toute la place .*Rien n’est perdu\s: envoyez ensuite le film de nouveau\.$"
    )
    expect(part(page, "wrong")).to_have_text(says)
    expect(part(page, "pause")).to_be_hidden()
    owner.axe()
    owner.fits()
    page.get_by_role("button", name="Envoyer de nouveau").click()
    waits(page, lambda: opened == [429, 429])
    expect(part(page, "wrong")).to_have_text(says)
    expect(page.get_by_label("Un titre, avec vos mots")).to_have_value("Gardé")
