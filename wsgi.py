"""The web door: settings → runtime → app → static files."""

import os
import re

from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from config import ROOT, Settings
from portal.runtime import build_runtime
from portal.web import create_app

_HASHED = re.compile(r"-[0-9A-Z]{8}\.[a-z0-9]+$")

app = create_app(build_runtime(Settings.from_env(os.environ)))


def _never_changes(_path: str, url: str) -> bool:
    return _HASHED.search(url) is not None


app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
    # Exactly one proxy, the door, stands before us.
    ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0),
    root=str(ROOT / "static" / "dist"),
    prefix="static/dist/",
    immutable_file_test=_never_changes,
    max_age=3600,
)
