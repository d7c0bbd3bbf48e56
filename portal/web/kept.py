"""A form whose session is over comes back as it was sent, to be sent once more: nobody writes anything twice.

It is kept by the page itself, sealed while somebody signs in between; nothing is stored here.
"""

from typing import Any, Final

from flask import make_response, render_template, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from portal.web.db import runtime

FIELD: Final = "kept"
OWNERS: Final = frozenset({"captions.save_owners", "thread.write", "support.open_own"})
"""What owners write; their forms with agreements come back unticked by pages of their own (`submission.stale`)."""

_LIFE_SECONDS: Final = 3600
_MOST: Final = 96 * 1024
# What belongs to one showing of a page, and is made anew with the next.
_OF_THE_PAGE: Final = frozenset({"csrf_token", "press", "next", FIELD})

Words = list[tuple[str, str]]


def words() -> Words | None:
    """What was written into the form of this request; None where there is nothing to keep, or it is not to be kept.

    Ticks and numbers alone are soon set again. A file cannot be put back by a page, a password must not lie in one, and what another site's page sends is not ours.
    """
    told = [(name, value) for name, value in request.form.items(multi=True) if name not in _OF_THE_PAGE]
    has_file = any(file.filename for file in request.files.values())
    has_secret = any("password" in name for name, _value in told)
    size = sum(len(name) + len(value) for name, value in told)
    if has_file or has_secret or size > _MOST or not _is_from_here():
        return None
    return told if any(_is_prose(value) for _name, value in told) else None


def _is_from_here() -> bool:
    # Whoever sends neither header is no browser, and is led nowhere.
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or origin == runtime().settings.site.url


def sealed(told: Words, action: str) -> str:
    """The form as one field, to be carried through a sign-in."""
    return str(_seal().dumps([action, told]))


def opened(field: str) -> tuple[str, Words] | None:
    """Address and words of a form that was carried; None when there is none, or an hour has passed, or it is not ours."""
    try:
        action, told = _seal().loads(field, max_age=_LIFE_SECONDS)
    except BadSignature:
        return None
    return str(action), [(str(name), str(value)) for name, value in told]


def page(action: str, told: Words, status: int) -> Response:
    """What was written, with a button that sends it once more."""
    facts: dict[str, Any] = {
        "action": action,
        "fields": told,
        "shown": [value for _, value in told if _is_prose(value)],
    }
    base = "studio_base.html" if action.startswith("/studio/") else "base.html"
    answer = make_response(render_template("errors/kept.html", base=base, noindex=True, **facts), status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _is_prose(value: str) -> bool:
    # Numbers, addresses and choices are carried along and mean nothing to a reader.
    return len(value.split()) > 1


def _seal() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(runtime().settings.site.secret_key, salt=FIELD)
