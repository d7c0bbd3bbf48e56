"""An owner takes a clip back, may undo it for a day, and is forgotten in the end; also drafts that never came.

Decides and writes rows; the worker deletes the objects and reports.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.orm import Session

from portal import forgetting, lifecycle, notices, people, readiness
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unavailable
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, Actor
from portal.models import Clip, Film, Job, JobState, Notice, Person, Receipt, State, Upload, UploadState

UNDO: Final = timedelta(hours=24)
REJECTED_KEPT: Final = timedelta(days=30)
"""Whom we refused may ask why, and a moderator may think again."""

DRAFT_KEPT: Final = timedelta(days=30)
"""A draft that never got a film; its owner is told the date on the status page."""

LETTER_KEPT: Final = timedelta(days=1)
LETTERS_LOOKED_FOR: Final = timedelta(days=8)

NAMELESS_DRAFT_KEPT: Final = timedelta(days=7)
"""Nobody can be reminded of it."""

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What the worker deleted of a clip: objects by bucket, their bytes, letters in our own folder."""

    objects: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    letters: int = 0


def withdraw(session: Session, clip: Clip, *, by: Actor, is_told: bool = True) -> None:
    """Take the clip out of sight at once and have its public files deleted; raises Conflict when it is gone already.

    The owner is told how long it may be undone, unless it may not (`is_told`).
    """
    # Whatever the worker does to the clip in this moment must not turn the owner away.
    lifecycle.hold(session, clip)
    _end_uploads(session, clip)
    event = lifecycle.move(session, clip, "withdraw", by=by)
    if is_told:
        notices.tell(session, notices.NoticeKind.WITHDRAWN, clip, occasion=f"withdrawn:{event}")


def may_restore_until(clip: Clip) -> datetime | None:
    """Until when the withdrawal may be undone; None when the clip is not withdrawn."""
    return clip.state_since + UNDO if clip.state == State.WITHDRAWN else None


def can_restore(session: Session, clip: Clip) -> bool:
    """Whether the withdrawal may be undone now: in time, and there is a whole submission to go back to."""
    until = may_restore_until(clip)
    if until is None or db_now(session) > until or _is_being_erased(session, clip):
        return False
    return readiness.is_film_ready(session, clip) and not readiness.missing(session, clip)


def restore(session: Session, clip: Clip, *, by: Actor) -> None:
    """Undo a withdrawal: a moderator looks again before anything is public.

    Raises Conflict: UNDO_TOO_LATE after 24 h, INCOMPLETE when there was no whole submission.
    """
    until = may_restore_until(clip)
    if until is None:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    if db_now(session) > until or _is_being_erased(session, clip):
        raise Conflict(Code.UNDO_TOO_LATE)
    if not can_restore(session, clip):
        raise Conflict(Code.INCOMPLETE, missing=readiness.missing(session, clip) or ["film"])
    lifecycle.move(session, clip, "restore", by=by)
    notices.cancel(session, clip, notices.NoticeKind.WITHDRAWN)


def is_resting(session: Session, clip: Clip) -> bool:
    """Whether the clip is withdrawn and nobody is deleting its files yet."""
    return clip.state == State.WITHDRAWN and not _is_being_erased(session, clip)


def erase_request(session: Session, clip: Clip, *, by: Actor) -> None:
    """Have the worker delete everything of this clip now; raises Conflict while it is not out of sight."""
    lifecycle.hold(session, clip)
    if State(clip.state) not in lifecycle.TRANSITIONS["erase"].sources:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    lifecycle.record(session, clip, "erase_request", by=by)
    lifecycle.enqueue(session, clip, JobKind.ERASE)


def due_for_erasure(session: Session, *, at_most: int = 100) -> list[Clip]:
    """Clips whose withdrawal cannot be undone any more, or that were refused 30 days ago, and nobody has asked yet."""
    asked = exists().where(
        Job.clip_id == Clip.id,
        Job.kind == JobKind.ERASE,
        Job.state.in_([JobState.QUEUED, JobState.RUNNING, JobState.FAILED]),
    )
    now = db_now(session)
    old = or_(
        and_(Clip.state == State.WITHDRAWN, Clip.state_since < now - UNDO),
        and_(Clip.state == State.REJECTED, Clip.state_since < now - REJECTED_KEPT),
    )
    return list(session.scalars(select(Clip).where(old, ~asked).limit(at_most)))


def erased(session: Session, clip: Clip, *, by: Actor, deleted: Deleted | None = None) -> Receipt:
    """Forget the person behind a clip whose objects are deleted, look again, and leave a receipt.

    The bare row and its history stay; consents keep their text and dates. The owner gets the receipt by a last letter
    to a bare address, which is forgotten when it has left. Raises Conflict when the clip is not in a state that ends,
    Unavailable when something is still found: no receipt is written that is not true.
    """
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    address, sent_on = (owner.email or "") if owner is not None else "", clip.created_at
    rows = _forget(session, clip, "erase", by=by)
    if found := forgetting.left(session, clip):
        raise Unavailable(Code.OURS_DATABASE, left=found)
    what, now = deleted or Deleted(), db_now(session)
    facts = {
        "objects": dict(what.objects), "bytes": what.bytes, "letters": what.letters, "rows": rows,
        "sent_on": f"{sent_on:%Y-%m-%d}", "checked_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "left": 0,
        "is_person_gone": owner is not None and owner.email is None,
    }  # fmt: skip
    receipt = Receipt(id=secrets.token_hex(16), clip_id=clip.id, made_at=now, facts=facts)
    session.add(receipt)
    session.flush()
    if address:
        notices.write(
            session, notices.NoticeKind.ERASED, to=address, lang=clip.lang, occasion=f"erased:{clip.id}",
            about=receipt.id,
        )  # fmt: skip
    return receipt


def receipt_by_id(session: Session, receipt_id: str) -> Receipt:
    """A receipt, for whoever has its number; raises Missing."""
    receipt = session.get(Receipt, receipt_id)
    if receipt is None:
        raise Missing(Code.MISSING)
    return receipt


def spent_letters(session: Session) -> list[str]:
    """The ids of letters to people who are forgotten by now, and of last letters that left a day ago.

    A copy of one in our own folder would keep an address that is kept nowhere else.
    """
    now = db_now(session)
    last = Notice.sent_at.between(now - LETTERS_LOOKED_FOR, now - LETTER_KEPT)
    asked = select(Notice.message_id).where(Notice.kind == notices.NoticeKind.ERASED, last)
    gone = and_(Person.email.is_(None), Person.disabled_at > now - LETTERS_LOOKED_FOR)
    theirs = select(Notice.message_id).join(Person, Person.id == Notice.person_id).where(gone)
    return [*session.scalars(asked), *session.scalars(theirs)]


def abandon_stale(work: Work, *, at_most: int = 100) -> int:
    """Forget drafts that never got a film: after 7 days without an address, 30 with one; how many. For the sweeper.

    Their open uploads have long expired by then (24 h idle, 7 days at most).
    """
    with work() as session:
        now = db_now(session)
        has_film = exists().where(Film.clip_id == Clip.id)
        has_upload = exists().where(Upload.clip_id == Clip.id, Upload.state == UploadState.OPEN)
        nameless = (Clip.owner_id.is_(None)) & (Clip.state_since < now - NAMELESS_DRAFT_KEPT)
        stale = select(Clip).where(
            Clip.state.in_([State.DRAFT, State.UPLOADING]),
            nameless | (Clip.state_since < now - DRAFT_KEPT),
            ~has_film,
            ~has_upload,
        )
        clips = list(session.scalars(stale.limit(at_most)))
        for clip in clips:
            _forget(session, clip, "abandon", by=CLOCK)
    return len(clips)


def _forget(session: Session, clip: Clip, verb: str, *, by: Actor) -> dict[str, int]:
    owner_id = clip.owner_id
    lifecycle.move(session, clip, verb, by=by, **forgetting.BLANK)
    rows = forgetting.forget(session, clip)
    session.expire_all()
    if owner_id is not None:
        people.forget_if_clipless(session, owner_id)
    return rows


def _end_uploads(session: Session, clip: Clip) -> None:
    # The sweeper throws the parts away: the storage must not hold up a withdrawal.
    session.execute(
        update(Upload)
        .where(Upload.clip_id == clip.id, Upload.state == UploadState.OPEN)
        .values(state=UploadState.ABORTED, changed_at=db_now(session))
        .execution_options(synchronize_session=False)
    )


def _is_being_erased(session: Session, clip: Clip) -> bool:
    asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == JobKind.ERASE)
    return session.scalars(asked.limit(1)).first() is not None
