"""Uses outside this site (social networks, advertising) that have ended: the brand is told, and says when it stopped.

The portal cannot end them itself: what stands elsewhere only the brand can take down. Never takes an agreement back.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from portal import lifecycle, notices, people
from portal.database import db_now
from portal.errors import Code, Missing
from portal.lifecycle import Actor
from portal.models import Clip, Consent, State
from portal.notices import NoticeKind

OUTSIDE: Final = ("social", "ads")
"""Agreements to what happens elsewhere."""

OFFERED: Final = (*OUTSIDE, "contact")
"""What an owner may agree to beside the site; a clip is shown without it."""

_OVER: Final = (State.WITHDRAWN, State.EXPIRED, State.REMOVED, State.ERASED)
"""They hold as long as the clip may be shown here, and no longer."""


class Why(StrEnum):
    """Why a use has ended: taken back alone, or with the clip."""

    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    # Taken down by us, or by somebody in the film: staff have a letter of their own for that.
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Ended:
    """One use of one clip that the brand has not said to have stopped yet."""

    clip: Clip
    purpose: str
    since: datetime
    why: Why


def tell(session: Session, clip: Clip, why: Why, purposes: Collection[str] = OUTSIDE) -> None:
    """Write to the administrators that these uses of a clip have ended; only of a clip that was ever public.

    Call it after the fact; of `purposes` those count that had been agreed to.
    """
    if clip.published_at is None:
        return
    given = set(session.scalars(select(Consent.purpose).where(Consent.clip_id == clip.id, _is_open(why))))
    ended = [purpose for purpose in OUTSIDE if purpose in given and purpose in purposes]
    if not ended:
        return
    for person in people.staff(session):
        if people.may_administer(person):
            notices.write(
                session, NoticeKind.USE_TAKEN_BACK, to=person, lang=person.lang, clip=clip,
                occasion=f"use:{clip.id}:{why}:{clip.version}:{person.id}",
                facts={"uses": ended, "why": why.value, "is_public": clip.state == State.PUBLISHED},
            )  # fmt: skip


def _is_open(why: Why) -> ColumnElement[bool]:
    standing = Consent.revoked_at.is_(None) if why is not Why.REVOKED else Consent.revoked_at.is_not(None)
    return and_(standing, Consent.stopped_at.is_(None))


def agreed(purpose: str) -> ColumnElement[bool]:
    """Clips that everybody can see, and whose owner agrees to this now; the condition of a query on clips."""
    given = select(Consent.clip_id).where(Consent.purpose == purpose, Consent.revoked_at.is_(None))
    return and_(Clip.state == State.PUBLISHED, Clip.id.in_(given))


def waiting(session: Session, *, at_most: int = 200) -> list[Ended]:
    """Uses that have ended and that nobody has said to have stopped; the oldest first."""
    rows = select(Clip, Consent).join(Consent, Consent.clip_id == Clip.id)
    found = [
        _ended(clip, given)
        for which, since in ((_taken_back(), Consent.revoked_at), (_gone_with_the_clip(), Clip.state_since))
        for clip, given in session.execute(rows.where(which).order_by(since, Consent.id).limit(at_most))
    ]
    return sorted(found, key=lambda one: one.since)[:at_most]


def waiting_count(session: Session) -> int:
    """How many uses the brand still has to stop."""
    rows = select(func.count()).select_from(Clip).join(Consent, Consent.clip_id == Clip.id)
    # Two statements, each with an index: the studio asks on every page.
    return sum(session.scalar(rows.where(which)) or 0 for which in (_taken_back(), _gone_with_the_clip()))


def stopped(session: Session, clip: Clip, purpose: str, *, by: Actor) -> bool:
    """Note that the brand has stopped this use; False when that is known already. Raises Missing where none ended."""
    lifecycle.hold(session, clip)
    mine = (Clip.id == clip.id, Consent.purpose == purpose)
    rows = select(Consent).join(Clip, Clip.id == Consent.clip_id)
    open_ones = session.scalars(rows.where(*mine, or_(_taken_back(), _gone_with_the_clip()))).all()
    if not open_ones:
        known = rows.where(*mine, Consent.stopped_at.is_not(None))
        if session.scalars(known.limit(1)).first() is None:
            raise Missing(Code.MISSING)
        return False
    for one in open_ones:
        one.stopped_at = db_now(session)
    session.flush()
    lifecycle.record(session, clip, "use_stopped", by=by, detail={"purpose": purpose})
    return True


def begin_anew(session: Session, clip: Clip) -> None:
    """The clip is public again: what is still agreed to may be used anew, and must be stopped anew when it ends."""
    standing = (Consent.clip_id == clip.id, Consent.revoked_at.is_(None), Consent.stopped_at.is_not(None))
    session.execute(update(Consent).where(*standing).values(stopped_at=None))


def _unsaid() -> ColumnElement[bool]:
    """Agreed to for a clip that was public, and not said to be stopped."""
    return and_(Consent.purpose.in_(OUTSIDE), Consent.stopped_at.is_(None), Clip.published_at.is_not(None))


def _taken_back() -> ColumnElement[bool]:
    anew = aliased(Consent)
    given_anew = exists().where(
        anew.clip_id == Clip.id,
        anew.purpose == Consent.purpose,
        anew.revoked_at.is_(None),
        anew.id > Consent.id,
    )
    return and_(_unsaid(), Consent.revoked_at.is_not(None), ~given_anew)


def _gone_with_the_clip() -> ColumnElement[bool]:
    return and_(_unsaid(), Consent.revoked_at.is_(None), Clip.state.in_(_OVER))


def _ended(clip: Clip, given: Consent) -> Ended:
    if given.revoked_at is not None:
        return Ended(clip, given.purpose, given.revoked_at, Why.REVOKED)
    why = {State.EXPIRED: Why.EXPIRED, State.REMOVED: Why.REMOVED}.get(State(clip.state), Why.WITHDRAWN)
    return Ended(clip, given.purpose, clip.state_since, why)
