"""Every refusal as an answer: a page for people, a problem document (RFC 9457) for programs."""

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import HTTPException

from portal import database, reasons
from portal.errors import Code, Conflict, PortalError, Unavailable

log = logging.getLogger(__name__)

# Codes whose status differs from their family's.
STATUS = {
    Code.GONE: 410,
    Code.TOO_LARGE: 413,
    Code.OURS_DISK: 507,
    Code.SIGN_IN_NEEDED: 401,
    Code.WRONG_TOKEN: 401,
    Code.WRONG_TYPE: 415,
}
_BY_STATUS = {
    400: Code.INVALID,
    401: Code.SIGN_IN_NEEDED,
    403: Code.NOT_ALLOWED,
    404: Code.MISSING,
    405: Code.INVALID,
    409: Code.CONFLICT,
    410: Code.GONE,
    413: Code.TOO_LARGE,
    415: Code.NOT_JSON,
    429: Code.TOO_OFTEN,
    503: Code.OURS_STORAGE,
}
# Statuses that have a page of their own; others borrow the nearest family's.
_PAGES = {403, 404, 410, 413, 429, 500, 503}


def wants_json() -> bool:
    """Whether a program asks: the API and its dialects speak problem documents only."""
    return request.path.startswith(("/api/v1", "/api/companion"))


def status_of(error: PortalError) -> int:
    """The HTTP status for a refusal."""
    return STATUS.get(error.code, error.status)


def problem(status: int, code: Code, *, fields: dict[str, Code] | None = None, **facts: Any) -> Response:
    """A problem document with a stable `code`, the sentence, faults by field, and further facts."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code.value,
        "detail": reasons.sentence(code, **facts),
        **{key: value for key, value in facts.items() if key not in ("detail", "verb")},
    }
    if fields:
        body["errors"] = [
            {"field": field, "code": fault.value, "detail": reasons.sentence(fault)}
            for field, fault in fields.items()
        ]
    answer = jsonify(body)
    answer.status_code = status
    answer.content_type = "application/problem+json"
    return _with_patience(answer, facts)


def page(status: int, code: Code, **facts: Any) -> Response:
    """The error page of a status, in the reader's language."""
    shown = status if status in _PAGES else (404 if status < 500 else 500)
    if status in (400, 401, 409, 422):
        shown = 403
    html = render_template(
        f"errors/{shown}.html",
        code=code,
        status=status,
        sentence=reasons.sentence(code, **facts),
        noindex=True,
    )
    answer = make_response(html, status)
    answer.headers["Cache-Control"] = "no-store"
    return _with_patience(answer, facts)


def _with_patience(answer: Response, facts: dict[str, Any]) -> Response:
    if retry_after := facts.get("retry_after"):
        answer.headers["Retry-After"] = str(int(retry_after))
    return answer


def _route() -> str:
    """Which page it was: never the address itself, which may hold an owner's token."""
    return request.url_rule.rule if request.url_rule is not None else "none"


def _which(error: IntegrityError) -> str:
    """The kind of fault and the constraint: what the database says besides holds the values, an address perhaps."""
    said = getattr(error.orig, "diag", None)
    return f"{type(error.orig).__name__} {getattr(said, 'constraint_name', None) or ''}".rstrip()


def note(error: PortalError) -> None:
    """Write down a refusal that is our fault, whoever answers it."""
    if error.code.is_ours:
        log.error("refused code=%s route=%s facts=%s", error.code, _route(), error.facts)


def refuse(error: PortalError) -> Response:
    """The answer to a refusal of ours."""
    status = status_of(error)
    note(error)
    if wants_json():
        return problem(status, error.code, fields=error.fields, **error.facts)
    return page(status, error.code, **error.facts)


def init_app(app: Flask) -> None:
    """Turn every error into an answer."""

    @app.errorhandler(PortalError)
    def ours(error: PortalError) -> Response:
        return refuse(error)

    @app.errorhandler(HTTPException)
    def from_werkzeug(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return make_response(error.get_response())
        code = _BY_STATUS.get(status, Code.INVALID if status < 500 else Code.OURS_UNKNOWN)
        answer = problem(status, code) if wants_json() else page(status, code)
        for name, value in error.get_headers():
            if name in ("Allow", "Retry-After"):
                answer.headers[name] = value
        return answer

    @app.errorhandler(IntegrityError)
    def twin(error: IntegrityError) -> Response:
        # Two who wrote the same thing at once: on PostgreSQL the second learns of it from a unique index.
        log.warning("written twice at once route=%s: %s", _route(), _which(error))
        return refuse(Conflict(Code.CONFLICT, retry_after=1))

    def no_database(error: Exception) -> Response:
        log.error("database away route=%s: %s", _route(), error)
        return refuse(Unavailable(Code.OURS_DATABASE, retry_after=5))

    for kind in database.AWAY:
        app.register_error_handler(kind, no_database)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("unexpected error route=%s", _route(), exc_info=error)
        return problem(500, Code.OURS_UNKNOWN) if wants_json() else page(500, Code.OURS_UNKNOWN)
