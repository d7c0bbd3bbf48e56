"""How long a clip is kept in each state in which nobody shows it: one table, which ends, pages and letters all read.

Counted from the last thing that its owner, or somebody in it, did with the clip: who was told a day is not kept longer
because colleagues talk. Only looks; what ends is ended by `withdrawal`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from portal import readiness
from portal.database import db_now
from portal.lifecycle import TAKEN, ActorKind
from portal.models import AuditEvent, Clip, State, Upload, UploadState

UNDO: Final = timedelta(hours=24)
"""So long an owner may think again."""

KEPT: Final[Mapping[State, timedelta]] = {
    State.WITHDRAWN: UNDO,
    # Whom we refused may ask why, and a moderator may think again.
    State.REJECTED: timedelta(days=30),
    # The owner may send another film, or we try again.
    State.FAILED: timedelta(days=30),
    # The term may still be prolonged.
    State.EXPIRED: timedelta(days=90),
    # Whoever objects to a decision has half a year for it (Regulation (EU) 2022/2065, article 20).
    State.REMOVED: timedelta(days=180),
}
"""After these a clip is erased."""

WAITED: Final[Mapping[State, timedelta]] = {
    State.DRAFT: timedelta(days=30),
    State.UPLOADING: timedelta(days=30),
    # A film that waits for words, an agreement or a confirmed address.
    State.PROCESSING: timedelta(days=30),
    State.CHANGES_REQUESTED: timedelta(days=60),
}
"""So long something is waited for that only the owner can do; then the clip is given up."""

NAMELESS: Final = timedelta(days=7)
"""The same where nobody can be reminded: no address is known."""

_PUT_OFF_BY = (ActorKind.OWNER, ActorKind.SIGNER, ActorKind.PROGRAM)
_MOVING = (UploadState.OPEN, UploadState.COMPLETING)


def erased_on(session: Session, clip: Clip) -> datetime | None:
    """When this clip is erased if nothing happens to it (a given-up film a day later); None where nothing ends by itself."""
    state = State(clip.state)
    if state == State.WITHDRAWN:
        return clip.state_since + UNDO
    if state in KEPT:
        return _touched(session, clip) + KEPT[state]
    if state not in WAITED or (state == State.PROCESSING and not is_waiting(session, clip)):
        return None
    return _touched(session, clip) + (NAMELESS if _is_nameless(clip) else WAITED[state])


def is_waiting(session: Session, clip: Clip) -> bool:
    """Whether a film that arrived waits for something that only its owner can do."""
    return bool([one for one in readiness.missing(session, clip) if one != "film"])


def is_over(session: Session, kept: Mapping[State, timedelta]) -> ColumnElement[bool]:
    """Clips in one of these states to which nothing has happened for so long, and to which no film is on its way."""
    now = db_now(session)
    return or_(*(_is_over(state, now - days) for state, days in kept.items()))


def is_nameless_over(session: Session, *states: State) -> ColumnElement[bool]:
    """The same for clips of nobody: no address is known."""
    limit = db_now(session) - NAMELESS
    return and_(Clip.owner_id.is_(None), or_(*(_is_over(state, limit) for state in states)))


def _is_over(state: State, limit: datetime) -> ColumnElement[bool]:
    left = and_(Clip.state == state, Clip.state_since < limit)
    if state == State.WITHDRAWN:
        # What was promised to the hour is not put off by anything.
        return left
    touched = exists().where(AuditEvent.clip_id == Clip.id, AuditEvent.at >= limit, _puts_off())
    moving = exists().where(Upload.clip_id == Clip.id, Upload.state.in_(_MOVING))
    return and_(left, ~touched, ~moving)


def _puts_off() -> ColumnElement[bool]:
    """What they did to it; a film that a program took along is kept no longer for that."""
    return and_(AuditEvent.actor_kind.in_(_PUT_OFF_BY), AuditEvent.verb.not_in(TAKEN))


def _is_nameless(clip: Clip) -> bool:
    return clip.owner_id is None and clip.state != State.CHANGES_REQUESTED


def _touched(session: Session, clip: Clip) -> datetime:
    """When the clip last moved, or its owner did something: words, an agreement, a message, a part of a film."""
    theirs = (AuditEvent.clip_id == clip.id, _puts_off())
    noted = session.scalar(select(func.max(AuditEvent.at)).where(*theirs))
    seen = session.scalar(
        select(func.max(Upload.last_seen_at)).where(Upload.clip_id == clip.id, Upload.state.in_(_MOVING))
    )
    return max(one for one in (clip.state_since, noted, seen) if one is not None)
