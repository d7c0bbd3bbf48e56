"""Where many begin at once, in the browser: it does the work that is asked, or waits its minute, and nobody presses anything."""

import shutil
import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from whitenoise import WhiteNoise

from config import ROOT, GuardSettings, Settings
from portal.database import make_engine, make_sessions
from portal.mailer import Mailer
from portal.runtime import Runtime
from portal.storage import Storage
from portal.web import create_app, guard
from tests.conftest import Bells
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
def crowded(migrated_sqlite, tmp_path):
    """A site with one call whose network has begun one film: whoever begins another must work or wait.

    In this process, without storage or worker: beginning needs neither, and the shared portal must know no crowd.
    """
    shutil.copy(migrated_sqlite, tmp_path / "portal.sqlite")
    door = Door()
    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    settings = replace(
        Settings.from_env({
            "DATABASE_URL": f"sqlite:///{tmp_path}/portal.sqlite", "DATA_DIR": str(tmp_path / "data"), "SITE_URL": url,
            "SECRET_KEY": "a secret key for tests, long enough", "BROKER_URL": "redis://127.0.0.1:1/0",
            "S3_ENDPOINT_URL": "http://127.0.0.1:1", "S3_ACCESS_KEY_ID": "none", "S3_SECRET_ACCESS_KEY": "none",
        }),
        guard=replace(GuardSettings(), challenge_from=1),
    )  # fmt: skip
    engine = make_engine(settings.database_url)
    runtime = Runtime(
        settings=settings, engine=engine, sessions=make_sessions(engine), storage=Storage(settings.storage),
        mailer=Mailer(settings.mail, sender_name=settings.site.name), wake=Bells(),
    )  # fmt: skip
    Factory(runtime).campaign("quotidien")
    door.app = app = create_app(runtime)
    assert app.test_client().post(BEGIN, json={"campaign": "quotidien"}).status_code == 201
    app.wsgi_app = WhiteNoise(app.wsgi_app, root=str(ROOT / "static" / "dist"), prefix="static/dist/")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield url
    server.shutdown()
    server.server_close()
    engine.dispose()


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
