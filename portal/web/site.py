"""What belongs to no kind of reader: health, the scheme and language switches."""

import re

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

from portal import workers
from portal.web.db import reading, runtime
from portal.web.i18n import COOKIE

bp = Blueprint("site", __name__)

_YEAR = 365 * 24 * 3600


def safe_path(path: str) -> str:
    """A path of this site, or the front page: never another site's address."""
    return path if re.fullmatch(r"/(?![/\\])[^\x00-\x1f\\]*", path) else url_for("gallery.root")


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
        if not any(worker.is_alive for worker in known):
            missing.append("worker")
        elif not workers.takes_films(known):
            missing.append("ffmpeg")
    except SQLAlchemyError:
        missing.append("database")
    if not runtime().storage.is_reachable():
        missing.append("storage")
    if not runtime().broker_answers():
        missing.append("broker")
    answer = jsonify({"status": "unavailable" if missing else "ok", "missing": missing})
    answer.status_code = 503 if missing else 200
    return answer


@bp.post("/scheme")
def scheme() -> AnyResponse:
    """Keep the visitor's choice of light or dark (or the system's) in a cookie."""
    answer = redirect(safe_path(request.form.get("next", "/")), 303)
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
