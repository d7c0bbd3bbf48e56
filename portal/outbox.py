"""What staff see of the letters: those that wait, failed, left or were called off; and sending one again.

Never shows what a letter says; whoever may not see addresses gets none (`Letter.to` is for administrators).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from portal import search
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.jobs import JobKind, ask
from portal.models import Clip, Notice, NoticeState, Person

SENT_SHOWN: Final = timedelta(days=14)
"""Letters that left, or were called off, longer ago than this are not listed."""

WAITING: Final = (NoticeState.WAITING, NoticeState.SENDING)
_DONE = (NoticeState.SENT, NoticeState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter of the outbox, the clip it is about, and where it goes."""

    notice: Notice
    clip: Clip | None
    to: str


def listed(session: Session, states: Sequence[NoticeState], *, q: str = "", limit: int = 100) -> list[Letter]:
    """Letters in these states, newest first; `q` is a clip's id, or words of its title and owner."""
    asked = (
        select(Notice, Clip, Person.email)
        .outerjoin(Clip, Clip.id == Notice.clip_id)
        .outerjoin(Person, Person.id == Notice.person_id)
        .where(*_conditions(session, states, q))
        .order_by(Notice.id.desc())
        .limit(limit)
    )
    return [
        Letter(notice, clip, email or notice.address or "") for notice, clip, email in session.execute(asked)
    ]


def counts(session: Session, *, q: str = "") -> dict[str, int]:
    """How many letters `listed` would show in each state."""
    found = {}
    for state in NoticeState:
        asked = select(func.count()).select_from(Notice).outerjoin(Clip, Clip.id == Notice.clip_id)
        found[state.value] = session.scalar(asked.where(*_conditions(session, [state], q))) or 0
    return found


def failed_count(session: Session) -> int:
    """How many letters did not leave and are tried no more."""
    asked = select(func.count()).select_from(Notice).where(Notice.state == NoticeState.FAILED)
    return session.scalar(asked) or 0


def send_again(session: Session, notice_id: int) -> None:
    """Try a letter now that failed or waits for its next attempt, with a whole day of attempts before it.

    Raises Missing, or Conflict when it has left, was called off, is in hand, or its address is forgotten.
    """
    now = db_now(session)
    if session.get(Notice, notice_id) is None:
        raise Missing(Code.MISSING)
    again = session.execute(
        update(Notice)
        .where(Notice.id == notice_id, Notice.state.in_([NoticeState.FAILED, NoticeState.WAITING]))
        # Only what has been tried: one that is held back for an undo keeps its time.
        .where(or_(Notice.state == NoticeState.FAILED, Notice.attempt > 0))
        .where(or_(Notice.person_id.is_not(None), Notice.address.is_not(None)))
        .values(state=NoticeState.WAITING, attempt=0, run_after=now, lease_until=None)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
    if again.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(Code.CONFLICT)
    ask(session, JobKind.TELL, str(notice_id))


def may_send_again(notice: Notice) -> bool:
    """Whether `send_again` would take it."""
    if notice.person_id is None and notice.address is None:
        return False
    return notice.state == NoticeState.FAILED or (notice.state == NoticeState.WAITING and notice.attempt > 0)


def _conditions(session: Session, states: Sequence[NoticeState], q: str) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [Notice.state.in_(list(states))]
    if set(states) <= set(_DONE):
        wanted.append(Notice.created_at > db_now(session) - SENT_SHOWN)
    if words := q.strip():
        wanted.append(or_(Clip.id == words.lower(), search.condition(words)))
    return wanted
