"""Before something is begun: how much one network, one link and one campaign may ask; floods do some work first.

Counted in the broker's Redis, else in this process. The figures are settings (docs/settings.md).
"""

import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from altcha.v1 import ChallengeOptions, create_challenge, verify_solution
from flask import Flask, current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from portal import figures, room, uploads
from portal.errors import Code, TooMuch, Unavailable
from portal.web.db import reading, runtime
from portal.web.limits import address

MIB: Final = 1024 * 1024
WAIT_SECONDS: Final = 60
"""How long whoever has no script waits instead of letting the browser work."""

WORK: Final = 60_000
"""Hashes at most, half of it on average: about a second on a phone, by the browser's own SHA-256."""

AWAY_SECONDS: Final = 30.0
"""For how long this process counts for itself after the broker did not answer."""

_WORK_LIFE: Final = timedelta(minutes=20)
_UPLOADS_A_LINK: Final = RateLimitItemPerHour(60)
_UPLOADS_A_NETWORK: Final = RateLimitItemPerHour(600)
_WRITES_OF_STAFF: Final = RateLimitItemPerMinute(60)


class Meter:
    """Counts by a sliding window; a broker that is away makes each process count for itself."""

    def __init__(self, url: str) -> None:
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        is_redis = url.startswith(("redis://", "rediss://"))
        patience = {"socket_connect_timeout": 1, "socket_timeout": 1}
        self._shared = (
            SlidingWindowCounterRateLimiter(storage_from_string(url, **patience)) if is_redis else self._own
        )
        self._away_until = 0.0
        # What the storage raises when it is away; anything else is a fault of ours.
        raised = self._shared.storage.base_exceptions
        self._away = raised if isinstance(raised, tuple) else (raised,)

    def takes(self, limit: RateLimitItem, *about: str, cost: int = 1) -> float | None:
        """Count this; None when it was within the limit, else the seconds until it may be tried again."""
        if time.monotonic() >= self._away_until:
            try:
                return self._ask(self._shared, limit, about, cost)
            except self._away:
                # One that hangs costs two seconds at each question: it is left alone for a while.
                self._away_until = time.monotonic() + AWAY_SECONDS
        return self._ask(self._own, limit, about, cost)

    @staticmethod
    def _ask(
        by: SlidingWindowCounterRateLimiter, limit: RateLimitItem, about: tuple[str, ...], cost: int
    ) -> float | None:
        if by.hit(limit, *about, cost=cost):
            return None
        left = by.get_window_stats(limit, *about).reset_time - datetime.now(UTC).timestamp()
        return max(1.0, left)


def init_app(app: Flask) -> None:
    """Get ready to count."""
    with app.app_context():
        app.extensions["meter"] = Meter(runtime().settings.broker_url)


def before_begin(campaign: str, *, proof: str = "", is_known: bool = False) -> None:
    """Let one more submission be begun; `is_known`: by a program of ours, which is not counted by its network.

    Raises TooMuch(TOO_OFTEN) over the limits, and TooMuch(CHALLENGE) with the work to be done, and a ticket for
    whoever can only wait, when a network begins unusually many and brings no proof of either.
    """
    most, who = runtime().settings.guard, address()
    if not is_known:
        _must(RateLimitItemPerHour(most.submissions_an_hour), "begin", who)
        if _meter().takes(RateLimitItemPerHour(most.challenge_from), "free", who) is not None:
            _must_be_proven(proof, who)
    _must(RateLimitItemPerDay(most.campaign_a_day), "campaign", campaign)


def before_upload(clip_id: str, size_bytes: int, *, is_known: bool = False) -> None:
    """Let one more upload be opened.

    Raises TooMuch(TOO_OFTEN), and Unavailable: OURS_DISK while the disk is nearly full, TOO_MANY_WAIT while too many
    films wait to be made; an upload that the clip has begun goes on.
    """
    most, who = runtime().settings.guard, address()
    _must_have_room()
    _must_not_queue(clip_id, most.waiting_films)
    _must(_UPLOADS_A_LINK, "upload", clip_id)
    if is_known:
        return
    _must(_UPLOADS_A_NETWORK, "uploads", who)
    _must(
        RateLimitItemPerDay(max(1, most.bytes_a_day // MIB)),
        "bytes",
        who,
        cost=1 + max(0, size_bytes) // MIB,
    )


def before_read(who: str = "") -> None:
    """Let one more thing be read that costs us a search or a list; raises TooMuch(TOO_OFTEN).

    `who` is the caller where one is known, else the network counts.
    """
    _must(RateLimitItemPerMinute(runtime().settings.guard.reads_a_minute), "read", who or address())


def before_staff_write(person_id: int) -> None:
    """Let one member of staff change one more thing; raises TooMuch(TOO_OFTEN)."""
    _must(_WRITES_OF_STAFF, "staff", str(person_id))


def before_letter(to: str, kind: str, *, an_hour: int = 3) -> None:
    """Let one more letter of this kind be asked for to an address; raises TooMuch(TOO_OFTEN)."""
    _must(RateLimitItemPerHour(an_hour), "letter", kind, sha256(to.casefold().encode()).hexdigest())
    _must(RateLimitItemPerHour(30), "letters", address())


def work() -> dict[str, Any]:
    """A piece of work for the browser: the number behind a hash (ALTCHA, version 1), good for 20 minutes."""
    ends = datetime.now(UTC) + _WORK_LIFE
    made = create_challenge(ChallengeOptions(max_number=WORK, hmac_key=_key("work"), expires=ends))
    told: dict[str, Any] = made.to_dict()
    return told


def _must(limit: RateLimitItem, *about: str, cost: int = 1) -> None:
    wait = _meter().takes(limit, *about, cost=cost)
    if wait is not None:
        raise TooMuch(Code.TOO_OFTEN, retry_after=int(wait) + 1)


def _must_be_proven(proof: str, who: str) -> None:
    mark = sha256(proof.encode()).hexdigest()
    is_proven = _is_worked(proof) or _is_waited(proof, who)
    # Two of two: of a single one the window would have forgotten enough as soon as another day has begun.
    if is_proven and _meter().takes(RateLimitItemPerDay(2), "spent", mark, cost=2) is None:
        return
    raise TooMuch(Code.CHALLENGE, retry_after=WAIT_SECONDS, challenge=work(), ticket=_ticket(who))


def _is_worked(proof: str) -> bool:
    if not proof or len(proof) > 2000:
        return False
    try:
        is_right, _why = verify_solution(proof, _key("work"))
    except (ValueError, TypeError, AttributeError):
        return False
    return is_right


def _ticket(who: str) -> str:
    """One a minute for each network: waiting is no way to begin a hundred at once."""
    if _meter().takes(RateLimitItemPerMinute(1), "ticket", who) is not None:
        return ""
    told: str = _tickets().dumps(sha256(who.encode()).hexdigest()[:16])
    return told


def _is_waited(ticket: str, who: str) -> bool:
    try:
        told, since = _tickets().loads(ticket, max_age=3600, return_timestamp=True)
    except BadSignature:
        return False
    is_theirs = bool(told == sha256(who.encode()).hexdigest()[:16])
    return is_theirs and datetime.now(UTC) - since >= timedelta(seconds=WAIT_SECONDS)


def _tickets() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(runtime().settings.site.secret_key, salt="ticket")


def _key(use: str) -> str:
    return sha256(f"{use}:{runtime().settings.site.secret_key}".encode()).hexdigest()


def _must_have_room() -> None:
    """Films share the disk with the database where both are ours."""
    if not room.has_room(runtime().settings):
        raise Unavailable(Code.OURS_DISK, retry_after=600)


def _must_not_queue(clip_id: str, most: int) -> None:
    """Who comes now would wait for hours: better with the film at home than half of it here."""
    if most and figures.films_waiting(reading()) >= most and not uploads.has_begun(reading(), clip_id):
        raise Unavailable(Code.TOO_MANY_WAIT, retry_after=600)


def _meter() -> Meter:
    meter: Meter = current_app.extensions["meter"]
    return meter
