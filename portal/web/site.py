"""What belongs to no kind of reader: health, the scheme and language switches."""

import re
import time
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, redirect, request, url_for
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as AnyResponse

from portal import workers
from portal.web.db import reading, runtime
from portal.web.i18n import COOKIE

bp = Blueprint("site", __name__)

_YEAR = 365 * 24 * 3600
_KEPT_SECONDS = 2.0


def safe_path(path: str) -> str:
    """A path of this site, or the front page: never another site's address."""
    return path if re.fullmatch(r"/(?![/\\])[^\x00-\x1f\\]*", path) else url_for("gallery.root")


def _shown(path: str) -> str:
    """This address, or the nearest above it that can be looked at: a page that answered a form has one above."""
    asked, routes = urlsplit(path).path, current_app.url_map.bind("")
    while asked:
        try:
            routes.match(asked, method="GET")
        except RequestRedirect:
            break
        except HTTPException:
            path = asked = asked.rpartition("/")[0]
        else:
            break
    return path or url_for("gallery.root")


@bp.get("/healthz")
def healthz() -> Response:
    """The process lives."""
    return jsonify({"status": "ok"})


@bp.get("/readyz")
def readyz() -> Response:
    """Whether everything that the portal stands on answers; 503 with the names of what does not."""
    missing: list[str] = []
    try:
        session = reading()
        session.execute(text("SELECT 1"))
        known = workers.known(session)
        living = [worker for worker in known if worker.is_alive]
        if not all(
            any(worker.serves(lane) for worker in living) for lane in (workers.FILMS, workers.ERRANDS)
        ):
            missing.append("worker")
        elif not workers.takes_films(known):
            missing.append("ffmpeg")
    except SQLAlchemyError:
        missing.append("database")
    missing += _machines_missing()
    answer = jsonify({"status": "unavailable" if missing else "ok", "missing": missing})
    answer.status_code = 503 if missing else 200
    return answer


def _machines_missing() -> list[str]:
    """Which of storage and broker do not answer; asked every two seconds at most, whoever asks us how often."""
    until, known = current_app.extensions.get("machines_missing", (0.0, []))
    if time.monotonic() < until:
        return list(known)
    asked = {"storage": runtime().storage.is_reachable(), "broker": runtime().broker_answers()}
    missing = [name for name, answers in asked.items() if not answers]
    current_app.extensions["machines_missing"] = (time.monotonic() + _KEPT_SECONDS, missing)
    return missing


@bp.post("/scheme")
def scheme() -> AnyResponse:
    """Keep the visitor's choice of light or dark (or the system's) in a cookie."""
    answer = redirect(_shown(safe_path(request.form.get("next", "/"))), 303)
    chosen = request.form.get("scheme", "")
    secure = runtime().settings.site.is_https
    if chosen in ("light", "dark"):
        answer.set_cookie("scheme", chosen, max_age=_YEAR, samesite="Lax", secure=secure, httponly=True)
    else:
        answer.delete_cookie("scheme")
    return answer


@bp.get("/language/<code>")
def language(code: str) -> AnyResponse:
    """Keep the language of pages that have none in their address."""
    answer = redirect(safe_path(request.args.get("next", "/")), 303)
    if code in runtime().settings.site.languages:
        secure = runtime().settings.site.is_https
        answer.set_cookie(COOKIE, code, max_age=_YEAR, samesite="Lax", secure=secure, httponly=True)
    return answer
