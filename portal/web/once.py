"""A form of the studio that is sent twice is one form: the second goes where the first one led.

Every page gives its forms a token of their own (`ui.csrf()`); what the first answer was is kept for a day, and what it
showed but once with it, sealed. Only answers that lead on are kept: a form that came back with faults is sent again with
a new token.
"""

import base64
import hashlib
import json
import logging
import re
import secrets
import time
from typing import Any, Final

from flask import Flask, Response, flash, g, redirect, request, session
from werkzeug.wrappers import Response as AnyResponse

from portal.errors import Code, Conflict, PortalError
from portal.web.db import writing
from portal.web.idempotency import claim, free, keep, sealed

log = logging.getLogger(__name__)

FIELD: Final = "press"
SHOWN_ONCE: Final = ("welcome",)
"""Of the session: what the page that follows shows, and nobody can look up again."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{20,60}")
# The second press comes while the first is at work: it waits for the answer, which is the one that is shown.
_LOOKS, _PAUSE_SECONDS = 50, 0.1


def init_app(app: Flask) -> None:
    """Offer `once_token` to the forms and keep where each led."""
    app.jinja_env.globals["once_token"] = lambda: secrets.token_urlsafe(16)
    app.after_request(_remember)


def again(who: str) -> AnyResponse | None:
    """Where this very form led when it came before; None when it is new, or is no form with a token.

    Raises Conflict when its first sending still has not ended after some seconds.
    """
    token = request.form.get(FIELD, "")
    if "once" in g or request.method != "POST" or not _TOKEN.fullmatch(token):
        return None
    key = _key(token)
    for _ in range(_LOOKS):
        try:
            with writing() as work:
                row = claim(work, who, key, key)
                row_id, answer, made_at = row.id, row.answer, row.created_at
        except Conflict:
            time.sleep(_PAUSE_SECONDS)
            continue
        # With the form's own token, which is not stored.
        seed = f"{row_id} {made_at.isoformat()} {token}"
        if answer is None:
            g.once, g.once_seed = row_id, seed
            g.once_before = {name: session.get(name) for name in SHOWN_ONCE}
            return None
        return _repeat(json.loads(answer), seed)
    raise Conflict(Code.CONFLICT, retry_after=1)


def _repeat(told: dict[str, Any], seed: str) -> AnyResponse:
    for category, words in told["said"]:
        flash(words, category)
    if "shown" in told:
        # A browser that was pressed twice threw the first answer away, and its cookie with it.
        session.update(json.loads(sealed(base64.b64decode(told["shown"]), seed)))
    return redirect(told["to"], 303)


def _remember(answer: Response) -> Response:
    row_id: int | None = g.pop("once", None)
    if row_id is None:
        return answer
    try:
        with writing() as work:
            # An address elsewhere is signed for minutes: whoever presses again needs another.
            if 300 <= answer.status_code < 400 and (answer.location or "").startswith("/"):
                told = {"to": answer.location, "said": session.get("_flashes", []), **_shown()}
                keep(work, row_id, status=answer.status_code, answer=json.dumps(told))
            else:
                free(work, row_id)
    except PortalError:
        # What was asked for is done; the row is nobody's after a minute and a half.
        log.warning("the answer to a form could not be kept")
    return answer


def _shown() -> dict[str, str]:
    """What this very answer has the next page show once."""
    before, now = g.once_before, {name: session.get(name) for name in SHOWN_ONCE}
    fresh = {name: value for name, value in now.items() if value is not None and value != before[name]}
    if not fresh:
        return {}
    return {"shown": base64.b64encode(sealed(json.dumps(fresh).encode(), g.once_seed)).decode()}


def _key(token: str) -> str:
    """This token with all that the form says: the same page with other words is another form."""
    said = [(name, words) for name, words in request.form.items(multi=True) if name != "csrf_token"]
    parts = [token, request.path, *(f"{name}={words}" for name, words in said)]
    for name, file in request.files.items(multi=True):
        parts.append(f"{name}={file.filename} {hashlib.sha256(file.read()).hexdigest()}")
        file.seek(0)
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
