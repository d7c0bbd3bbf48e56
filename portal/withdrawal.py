"""An owner takes a clip back, may undo it for a day, and is forgotten in the end; also drafts that never came.

Decides and writes rows; the worker deletes the objects and reports.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from portal import lifecycle, notices, people, readiness
from portal.database import db_now
from portal.errors import Code, Conflict
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, Actor
from portal.models import (
    Caption,
    Clip,
    ClipLink,
    ClipTheme,
    Film,
    Fingerprint,
    Job,
    JobState,
    Note,
    Notice,
    NoticeState,
    Rendition,
    Signal,
    State,
    Upload,
    UploadState,
)

UNDO: Final = timedelta(hours=24)
ERASE_AFTER: Final = timedelta(days=30)
_NOT_KEPT: Final = (State.WITHDRAWN, State.REJECTED)
DRAFT_KEPT: Final = timedelta(days=30)
"""A draft that never got a film; its owner is told the date on the status page."""

NAMELESS_DRAFT_KEPT: Final = timedelta(days=7)
"""Nobody can be reminded of it."""

# What is personal in a clip's row, and what stands there afterwards.
BLANK: Final[dict[str, Any]] = {
    "title": "", "first_name": "", "city": "", "product": "", "owned_since": None, "filmed_on": None,
    "speech_lang": "", "incentive": "", "music": "", "people": [], "search_text": "", "owner_id": None, "still_key": None, "fail_facts": {},
}  # fmt: skip

Work = Callable[[], AbstractContextManager[Session]]


def withdraw(session: Session, clip: Clip, *, by: Actor) -> None:
    """Take the clip out of sight at once and have its public files deleted; raises Conflict when it is gone already."""
    # Whatever the worker does to the clip in this moment must not turn the owner away.
    lifecycle.hold(session, clip)
    _end_uploads(session, clip)
    event = lifecycle.move(session, clip, "withdraw", by=by)
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


def erase_request(session: Session, clip: Clip, *, by: Actor) -> None:
    """Have the worker delete everything of this clip now; raises Conflict while it is not out of sight."""
    lifecycle.hold(session, clip)
    if State(clip.state) not in lifecycle.TRANSITIONS["erase"].sources:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    lifecycle.record(session, clip, "erase_request", by=by)
    lifecycle.enqueue(session, clip, JobKind.ERASE)


def due_for_erasure(session: Session, *, at_most: int = 100) -> list[Clip]:
    """Clips withdrawn or refused 30 days ago for whose erasure nobody has asked the worker yet."""
    asked = exists().where(
        Job.clip_id == Clip.id,
        Job.kind == JobKind.ERASE,
        Job.state.in_([JobState.QUEUED, JobState.RUNNING, JobState.FAILED]),
    )
    old = Clip.state_since < db_now(session) - ERASE_AFTER
    return list(session.scalars(select(Clip).where(Clip.state.in_(_NOT_KEPT), old, ~asked).limit(at_most)))


def erased(session: Session, clip: Clip, *, by: Actor) -> None:
    """Forget the person behind a clip whose objects are deleted; consents keep their text's hash and dates.

    The bare row and its history stay. Raises Conflict when the clip is not in a state that ends.
    """
    _forget(session, clip, "erase", by=by)


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


def _forget(session: Session, clip: Clip, verb: str, *, by: Actor) -> None:
    owner_id, now = clip.owner_id, db_now(session)
    lifecycle.move(session, clip, verb, by=by, **BLANK)
    for table in (ClipTheme, ClipLink, Rendition, Caption, Signal, Fingerprint):
        session.execute(delete(table).where(table.clip_id == clip.id))
    session.execute(update(Film).where(Film.clip_id == clip.id).values(erased_at=now, facts={}, preview={}))
    session.execute(update(Upload).where(Upload.clip_id == clip.id).values(filename="", last_modified=None))
    # What a film tool said of the file may quote it.
    session.execute(update(Job).where(Job.clip_id == clip.id).values(error_detail=None))
    _forget_letters(session, clip)
    session.flush()
    session.expire_all()
    if owner_id is not None:
        people.forget_if_clipless(session, owner_id)


def _forget_letters(session: Session, clip: Clip) -> None:
    """Letters on their way have nothing to tell any more; a mail server's complaint may quote the address."""
    on_their_way = Notice.state.in_([NoticeState.WAITING, NoticeState.SENDING])
    waiting = (Notice.clip_id == clip.id, on_their_way)
    session.execute(update(Notice).where(*waiting).values(state=NoticeState.CANCELLED))
    session.execute(update(Notice).where(Notice.clip_id == clip.id).values(error_detail=None))
    # What colleagues wrote to one another about the film and the person in it.
    session.execute(update(Note).where(Note.clip_id == clip.id).values(words=""))


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
