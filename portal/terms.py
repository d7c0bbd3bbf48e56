"""How long a clip may be shown: the owner is asked again a month before the end, and at the end it leaves the site.

The term itself is counted from the agreement (`consent.py`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import consent, lifecycle, notices, wordings
from portal.consent import NO_PROOF, Proof
from portal.database import db_now
from portal.errors import Code, Conflict
from portal.lifecycle import CLOCK, Actor
from portal.models import Clip, Notice, State
from portal.notices import NoticeKind

ASKED_BEFORE: Final = timedelta(days=30)
"""The owner is asked this long before the end; from then on the term can be prolonged."""

RENEWABLE: Final = frozenset({
    State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED, State.EXPIRED,
})  # fmt: skip
_LOOKED_AT: Final = 5000
_AT_ONCE: Final = 500

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Term:
    """How long one clip may be shown, and whether its owner may prolong that now."""

    until: datetime | None
    is_over: bool
    may_renew: bool
    months: int


def of(session: Session, clip: Clip) -> Term:
    """The term of a clip today."""
    now, until = db_now(session), clip.consent_until
    stands = "site" in consent.standing(session, clip)
    is_time = until is not None and now >= until - ASKED_BEFORE
    return Term(
        until=until,
        is_over=until is not None and until <= now,
        may_renew=is_time and stands and clip.state in RENEWABLE,
        months=wordings.campaign_of(session, clip).term_months,
    )


def check(session: Session, clip: Clip, *, at: datetime | None = None) -> None:
    """Raises Conflict(TERM_OVER) when the clip may not be shown any more, now or at a later moment."""
    moment = max(at, db_now(session)) if at is not None else db_now(session)
    if clip.consent_until is not None and clip.consent_until <= moment:
        raise Conflict(Code.TERM_OVER, state=clip.state, version=clip.version)


def renew(session: Session, clip: Clip, *, by: Actor, via: str, brand: str, proof: Proof = NO_PROOF) -> bool:
    """Agree to another term in today's words; False when it is not time, or was done already.

    A clip that had expired goes back to the moderators. Raises Conflict in a state where nothing can be prolonged.
    """
    lifecycle.hold(session, clip)
    if clip.state not in RENEWABLE:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    if not of(session, clip).may_renew:
        return False
    consent.renew(session, clip, "site", via=via, brand=brand, by=by, proof=proof)
    if clip.state == State.EXPIRED:
        lifecycle.move(session, clip, "reopen", by=by)
    notices.cancel(session, clip, NoticeKind.RENEWAL)
    return True


def ask_again(work: Work, *, at_most: int = 200) -> int:
    """Write to owners whose clip's term ends within 30 days, once for each term; how many. For the sweeper."""
    with work() as session:
        now = db_now(session)
        ending = select(Clip.id, Clip.consent_until).where(
            Clip.consent_until > now,
            Clip.consent_until <= now + ASKED_BEFORE,
            Clip.state.in_(RENEWABLE),
            Clip.owner_id.is_not(None),
        )
        rows = session.execute(ending.order_by(Clip.consent_until).limit(_LOOKED_AT)).all()
        by_occasion = {f"renewal:{clip_id}:{until:%Y-%m-%d}": clip_id for clip_id, until in rows}
        told = _known(session, list(by_occasion))
        due = [(occasion, clip_id) for occasion, clip_id in by_occasion.items() if occasion not in told]
        for occasion, clip_id in due[:at_most]:
            _ask(session, session.get_one(Clip, clip_id), occasion)
    return min(len(due), at_most)


def _known(session: Session, occasions: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(occasions), _AT_ONCE):
        some = occasions[start : start + _AT_ONCE]
        found |= set(session.scalars(select(Notice.occasion).where(Notice.occasion.in_(some))))
    return found


def _ask(session: Session, clip: Clip, occasion: str) -> None:
    until = clip.consent_until
    if until is not None:
        facts = {"until": until.date().isoformat()}
        notices.tell(session, NoticeKind.RENEWAL, clip, occasion=occasion, facts=facts)


def expire_due(work: Work, *, at_most: int = 50) -> int:
    """Take clips whose term is over out of sight and tell their owners; how many. For the sweeper."""
    with work() as session:
        over = select(Clip.id).where(Clip.state == State.PUBLISHED, Clip.consent_until <= db_now(session))
        ids = list(session.scalars(over.order_by(Clip.consent_until).limit(at_most)))
    return sum(_expire(work, clip_id) for clip_id in ids)


def _expire(work: Work, clip_id: str) -> bool:
    with work() as session:
        clip = session.get_one(Clip, clip_id)
        # Prolonged, or taken back, in this very moment: then it is not ours to end.
        lifecycle.hold(session, clip)
        is_over = clip.consent_until is not None and clip.consent_until <= db_now(session)
        if clip.state != State.PUBLISHED or not is_over:
            return False
        event = lifecycle.move(session, clip, "expire", by=CLOCK)
        notices.tell(session, NoticeKind.EXPIRED, clip, occasion=f"expired:{event}")
    return True
