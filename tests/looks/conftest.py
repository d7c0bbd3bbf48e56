"""The site as it stands on a stage with everything on it, served on a port of its own, and browsers before it."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from whitenoise import WhiteNoise

from config import ROOT, Settings
from portal import i18n
from portal.runtime import Runtime
from portal.web import create_app
from tests.conftest import Bells, runtime_of
from tests.looks import arabic
from tests.looks.stage import Stage, staged


@dataclass(frozen=True)
class Site:
    """Where it answers, what it stands on, and what is on its stage."""

    url: str
    app: Flask
    runtime: Runtime
    stage: Stage


class Quiet(WSGIRequestHandler):
    """Serves without a word."""

    def log(self, *_: object) -> None:
        """Nobody reads it."""


class Door:
    """Leads to the site, once there is one."""

    app: Flask

    def __call__(self, *call: Any) -> Any:
        return self.app(*call)


# Not for the whole session: the language of these tests is no other test's.
@pytest.fixture(scope="module")
def site(migrated_sqlite, prepared_storage, tmp_path_factory) -> Iterator[Site]:
    """The whole site with its files, in French, English, German and mirrored."""
    folder = tmp_path_factory.mktemp("looks")
    before = i18n.FOLDER
    i18n.FOLDER = arabic.beside(before, folder / "translations")
    database = folder / "portal.sqlite"
    shutil.copy(migrated_sqlite, database)
    # The site must know its address, which is known when the server listens.
    door = Door()
    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    settings = Settings.from_env({
        **prepared_storage, "DATABASE_URL": f"sqlite:///{database}", "DATA_DIR": str(folder / "data"), "SITE_URL": url,
        "SECRET_KEY": "a secret key for tests, long enough", "BROKER_URL": "redis://127.0.0.1:1/0",
    })  # fmt: skip
    # What settings allow is what the tree has; this one is of these tests alone.
    languages = (*settings.site.languages, arabic.CODE)
    settings = replace(settings, site=replace(settings.site, languages=languages))
    runtime = runtime_of(settings, Bells())
    app = create_app(runtime)
    app.wsgi_app = WhiteNoise(app.wsgi_app, root=str(ROOT / "static" / "dist"), prefix="static/dist/")
    door.app = app
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Site(url, app, runtime, staged(runtime, app))
    server.shutdown()
    server.server_close()
    runtime.engine.dispose()
    i18n.FOLDER = before
