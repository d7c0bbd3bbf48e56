"""How long a clip may be shown: the owner is asked again a month before the end, and at the end it leaves the site.

The end is the earliest of all agreements (`consent.settle_end`); the others in the film are asked by `asking.py`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import asking, consent, lifecycle, notices, signatures, uses, wordings
from portal.consent import ASKED_BEFORE, NO_PROOF, RENEWABLE, Proof
from portal.database import db_now
from portal.errors import Code, Conflict
from portal.lifecycle import CLOCK, Actor
from portal.models import Clip, Consent, CoSignature, State
from portal.notices import NoticeKind

_LOOKED_AT: Final = 5000

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Term:
    """How long one clip may be shown, until when its owner alone agreed, and whether that can be prolonged now.

    `ending` are the others in the film whose agreement ends within 30 days, or has ended; `at` is today.
    """

    at: datetime
    until: datetime | None
    own_until: datetime | None
    is_over: bool
    is_own_over: bool
    may_renew: bool
    months: int
    ending: tuple[CoSignature, ...]


def of(session: Session, clip: Clip) -> Term:
    """The term of a clip today."""
    now, until, own = db_now(session), clip.consent_until, consent.end_of(session, clip)
    is_time = own is not None and now >= own - ASKED_BEFORE
    return Term(
        at=now,
        until=until,
        own_until=own,
        is_over=until is not None and until <= now,
        is_own_over=own is not None and own <= now,
        may_renew=is_time and clip.state in RENEWABLE,
        months=wordings.campaign_of(session, clip).term_months,
        ending=tuple(signatures.ending(session, clip)),
    )


def check(session: Session, clip: Clip, *, at: datetime | None = None) -> None:
    """Raises Conflict(TERM_OVER) when the clip may not be shown any more, now or at a later moment."""
    moment = max(at, db_now(session)) if at is not None else db_now(session)
    if clip.consent_until is not None and clip.consent_until <= moment:
        raise Conflict(Code.TERM_OVER, state=clip.state, version=clip.version)


def renew(session: Session, clip: Clip, *, by: Actor, via: str, brand: str, proof: Proof = NO_PROOF) -> bool:
    """Agree to another term in today's words; False when it is not time, or was done already.

    A clip that had expired goes back to the moderators, unless somebody else's agreement has ended, too. Raises
    Conflict in a state where nothing can be prolonged.
    """
    lifecycle.hold(session, clip)
    if clip.state not in RENEWABLE:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    if not of(session, clip).may_renew:
        return False
    consent.renew(session, clip, "site", via=via, brand=brand, by=by, proof=proof)
    signatures.bring_back(session, clip, by=by)
    notices.cancel(session, clip, NoticeKind.RENEWAL)
    return True


def ask_again(work: Work, *, at_most: int = 200) -> int:
    """Write to owners whose own agreement ends within 30 days, once for each term; how many. For the sweeper."""
    with work() as session:
        now = db_now(session)
        own = func.coalesce(Consent.until, Clip.consent_until)
        ending = (
            select(Clip.id, own)
            .join(Consent, Consent.clip_id == Clip.id)
            .where(
                Consent.purpose == "site", Consent.revoked_at.is_(None), own > now, own <= now + ASKED_BEFORE
            )
            # The clip's end is never later than its owner's; it is the one with an index.
            .where(
                Clip.state.in_(RENEWABLE),
                Clip.owner_id.is_not(None),
                Clip.consent_until <= now + ASKED_BEFORE,
            )
        )
        rows = session.execute(ending.order_by(own).limit(_LOOKED_AT)).all()
        by_occasion = {f"renewal:{clip_id}:{until:%Y-%m-%d}": (clip_id, until) for clip_id, until in rows}
        told = asking.told_before(session, by_occasion)
        due = [(occasion, *one) for occasion, one in by_occasion.items() if occasion not in told]
        for occasion, clip_id, until in due[:at_most]:
            clip, facts = session.get_one(Clip, clip_id), {"until": until.isoformat()}
            notices.tell(session, NoticeKind.RENEWAL, clip, occasion=occasion, facts=facts)
    return min(len(due), at_most)


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
        now, own = db_now(session), consent.end_of(session, clip)
        is_over = clip.consent_until is not None and clip.consent_until <= now
        if clip.state != State.PUBLISHED or not is_over:
            return False
        event = lifecycle.move(session, clip, "expire", by=CLOCK)
        uses.tell(session, clip, uses.Why.EXPIRED)
        facts = {"is_own": own is None or own <= now}
        notices.tell(session, NoticeKind.EXPIRED, clip, occasion=f"expired:{event}", facts=facts)
    return True
