"""Who calls the API: the bearer of a submission token or of an API token, or nobody.

Never looks at a cookie: a browser that is signed in gains nothing here.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from flask import Response, g, request

from portal import people, submission
from portal.errors import Code, Missing, NotAllowed
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.web.db import reading, runtime


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller: how he is told from others, in whose name he acts, what he may do."""

    name: str
    actor: Actor
    scopes: frozenset[str] = field(default_factory=frozenset)
    # The one clip that a submission token opens.
    clip_id: str | None = None
    # That submission token itself; never logged, never shown.
    token: str = field(default="", repr=False)
    is_known: bool = True

    @property
    def is_program(self) -> bool:
        """Whether it is a program with a token of its own: a clip's token, which anybody gets, opens that clip alone."""
        return self.is_known and self.clip_id is None


def caller() -> Caller:
    """Who calls, by the Authorization header alone; raises NotAllowed(WRONG_TOKEN) for a token nobody has."""
    if "caller" not in g:
        g.caller = _find()
    found: Caller = g.caller
    return found


def need(scope: str) -> Caller:
    """The caller, who has this scope; raises NotAllowed (401 without a token, 403 without the scope)."""
    who = caller()
    if not who.is_known:
        raise NotAllowed(Code.SIGN_IN_NEEDED)
    if scope not in who.scopes:
        raise NotAllowed(Code.NOT_ALLOWED, scope=scope)
    return who


def need_for(clip_id: str, scope: str = "submit") -> Caller:
    """The caller, who holds this clip's own token or the scope.

    Raises NotAllowed without a token or scope, and Missing for the token of another clip.
    """
    who = caller()
    if who.clip_id is None:
        return need(scope)
    if who.clip_id != clip_id:
        raise Missing(Code.MISSING)
    return who


def challenge(answer: Response) -> Response:
    """Say with every 401 how to come back (RFC 9110, 11.6.1); for `after_request` of a blueprint."""
    if answer.status_code == 401:
        answer.headers.setdefault("WWW-Authenticate", "Bearer")
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers.setdefault("Vary", "Authorization")
    return answer


def bearer() -> str:
    """The token as it was sent; empty without one."""
    scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
    return plain.strip() if scheme.lower() == "bearer" else ""


def _find() -> Caller:
    header = request.headers.get("Authorization")
    if header is None:
        return _nobody()
    scheme, _, plain = header.partition(" ")
    plain = plain.strip()
    if scheme.lower() != "bearer" or not plain.isascii() or not 0 < len(plain) <= 200:
        raise NotAllowed(Code.WRONG_TOKEN)
    token = people.by_token(reading(), plain)
    if token is not None:
        return Caller(
            f"token:{token.id}", Actor(ActorKind.PROGRAM, token.id), frozenset(token.scopes.split())
        )
    try:
        clip = submission.by_link(reading(), plain)
    except Missing:
        raise NotAllowed(Code.WRONG_TOKEN) from None
    return Caller(f"clip:{clip.id}", OWNER, clip_id=clip.id, token=plain)


def _nobody() -> Caller:
    # Two strangers who choose the same idempotency key must not read each other's answers; the address itself
    # is not kept.
    key = runtime().settings.site.secret_key.encode()
    sign = hmac.new(key, (request.remote_addr or "").encode(), hashlib.sha256).hexdigest()[:32]
    return Caller(f"open:{sign}", OWNER, is_known=False)
