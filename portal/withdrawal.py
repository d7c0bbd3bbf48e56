"""An owner takes a clip back, may undo it for a day, and is forgotten in the end; also what its owner never finished.

Decides and writes rows; the worker deletes the objects and reports. The periods are in `retention`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from portal import forgetting, invitations, lifecycle, notices, people, readiness, receipts, retention, uses
from portal.database import db_now
from portal.errors import Code, Conflict, Unavailable
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, Actor
from portal.models import (
    AuditEvent,
    Clip,
    Film,
    Job,
    JobState,
    Notice,
    Receipt,
    State,
    Upload,
    UploadState,
)
from portal.retention import UNDO

REASONS: Final = ("changed_mind", "privacy", "sold", "film", "brand", "other")
"""Why somebody takes a clip back, if they wish to say so: a word of this list and never words of their own."""

STALLED_AFTER: Final = timedelta(hours=1)
STALLED_UNTIL: Final = timedelta(hours=24)
"""Whoever left a day ago needs no letter any more that helps to go on."""

UNTOLD_AGAIN_SECONDS: Final = 60.0
"""So long after it could not be told a CDN is told again what is erased."""

ERASE_AGAIN_AFTER: Final = timedelta(days=1)
"""So long after it failed an erasure is asked for once more."""

# What these say is not true any more. Why a clip was refused or taken down is owed, whatever comes after it.
_OVERTAKEN: Final = (
    notices.NoticeKind.PUBLISHED,
    notices.NoticeKind.CHANGES_REQUESTED,
    notices.NoticeKind.RENEWAL,
    notices.NoticeKind.THANKS,
    notices.NoticeKind.FINISH_LATER,
    notices.NoticeKind.CUT_READY,
)
# What its owner still has to be told where the clip is again.
_OWED: Final[Mapping[State, notices.NoticeKind]] = {
    State.CHANGES_REQUESTED: notices.NoticeKind.CHANGES_REQUESTED,
    State.DRAFT: notices.NoticeKind.FINISH_LATER,
}
_GIVEN_UP: Final = (State.PROCESSING, State.CHANGES_REQUESTED)
_BACK: Final[Mapping[State, str]] = {
    State.DRAFT: "restore_draft",
    # Its parts were thrown away with the withdrawal.
    State.UPLOADING: "restore_draft",
    State.CHANGES_REQUESTED: "restore_changes",
    State.FAILED: "restore_failure",
    State.REJECTED: "restore_refusal",
    State.REMOVED: "restore_removal",
    State.EXPIRED: "restore_expiry",
}

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What the worker deleted of a clip: objects by bucket, their bytes, letters in our own folder.

    `untold`: which files a CDN could not be told to forget, by the publication's token.
    """

    objects: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    letters: int = 0
    untold: Mapping[str, Sequence[str]] = field(default_factory=dict)


def withdraw(session: Session, clip: Clip, *, by: Actor, is_told: bool = True, why: str = "") -> None:
    """Take the clip out of sight at once and have its public files deleted; raises Conflict when it is gone already.

    The owner is told how long it may be undone, unless it may not (`is_told`). `why` is one of `REASONS`; another
    word counts as none.
    """
    # Whatever the worker does to the clip in this moment must not turn the owner away.
    lifecycle.hold(session, clip)
    _end_uploads(session, clip)
    detail = {"why": why} if why in REASONS else None
    event = lifecycle.move(session, clip, "withdraw", by=by, detail=detail)
    _call_off(session, clip)
    uses.tell(session, clip, uses.Why.WITHDRAWN)
    if is_told:
        notices.tell(session, notices.NoticeKind.WITHDRAWN, clip, occasion=f"withdrawn:{event}")


def may_restore_until(clip: Clip) -> datetime | None:
    """Until when the withdrawal may be undone; None when the clip is not withdrawn."""
    return clip.state_since + UNDO if clip.state == State.WITHDRAWN else None


def can_restore(session: Session, clip: Clip) -> bool:
    """Whether the withdrawal may be undone now: in time, and nobody is deleting its files yet."""
    until = may_restore_until(clip)
    return until is not None and db_now(session) <= until and not _was_erasing_asked_for(session, clip)


def restore(session: Session, clip: Clip, *, by: Actor) -> None:
    """Undo a withdrawal: the clip is again where it came from, and a moderator looks before anything is public again.

    Raises Conflict (UNDO_TOO_LATE after 24 h).
    """
    lifecycle.hold(session, clip)
    if clip.state != State.WITHDRAWN:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    if not can_restore(session, clip):
        raise Conflict(Code.UNDO_TOO_LATE)
    lifecycle.move(session, clip, _way_back(session, clip), by=by)
    notices.cancel(session, clip, notices.NoticeKind.WITHDRAWN)
    _take_up_again(session, clip)
    # What it lacked may have been given in the meantime.
    readiness.settle(session, clip, by=by)


def _way_back(session: Session, clip: Clip) -> str:
    """The verb that leads to where the clip was; a refusal and an unanswered request stay what they were."""
    last = _last_withdrawal(session, clip)
    verb = _BACK.get(State(last.from_state)) if last is not None and last.from_state is not None else None
    if verb is not None:
        return verb
    if not readiness.is_film_ready(session, clip):
        return "restore_film" if readiness.newest_film(session, clip) is not None else "restore_draft"
    return "restore_waiting" if readiness.missing(session, clip) else "restore"


def _take_up_again(session: Session, clip: Clip) -> None:
    """What the withdrawal called off in the middle and nobody else asks for: a look at the film, captions, letters."""
    if (kind_owed := _OWED.get(State(clip.state))) is not None:
        notices.take_up(session, clip, kind_owed)
    notices.let_repeat(session, clip, notices.NoticeKind.RENEWAL)
    for kind in (JobKind.SIGNALS, JobKind.CAPTIONS):
        asked = select(Job).where(Job.clip_id == clip.id, Job.kind == kind)
        last = session.scalars(asked.order_by(Job.created_at.desc(), Job.id).limit(1)).first()
        is_wanted = (
            clip.state in lifecycle.BELONGS[kind] and last is not None and last.film_id == clip.film_id
        )
        if last is not None and is_wanted and last.state == JobState.CANCELLED:
            lifecycle.enqueue(session, clip, kind, film_id=last.film_id)


def is_given_up(session: Session, clip: Clip) -> bool:
    """Whether the clip was taken back by the clock, because its owner never finished it."""
    last = _last_withdrawal(session, clip) if clip.state == State.WITHDRAWN else None
    return last is not None and last.verb == "give_up"


def _last_withdrawal(session: Session, clip: Clip) -> AuditEvent | None:
    asked = select(AuditEvent).where(
        AuditEvent.clip_id == clip.id, AuditEvent.verb.in_(["withdraw", "give_up"])
    )
    return session.scalars(asked.order_by(AuditEvent.id.desc()).limit(1)).first()


def _call_off(session: Session, clip: Clip) -> None:
    for kind in _OVERTAKEN:
        notices.cancel(session, clip, kind)


def is_resting(session: Session, clip: Clip) -> bool:
    """Whether the clip is withdrawn and nobody is deleting its files yet."""
    return clip.state == State.WITHDRAWN and not _was_erasing_asked_for(session, clip)


def erase_request(session: Session, clip: Clip, *, by: Actor, whole: str = "") -> None:
    """Have the worker delete everything of this clip now; raises Conflict while it is not out of sight.

    Those of one `whole` (`receipts.new_whole`) are erased together: one letter tells of all of them.
    """
    lifecycle.hold(session, clip)
    if State(clip.state) not in lifecycle.TRANSITIONS["erase"].sources:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    lifecycle.record(session, clip, receipts.REQUEST, by=by, detail=receipts.detail_of(whole))
    lifecycle.enqueue(session, clip, JobKind.ERASE)


def due_for_erasure(session: Session, *, at_most: int = 100) -> list[Clip]:
    """Clips whose time is over in a state in which nobody shows them (`retention.KEPT`), and nobody has asked yet.

    An erasure that failed is asked for again the next day.
    """
    due = select(Clip).where(_is_due(session)).order_by(Clip.state_since)
    return list(session.scalars(due.limit(at_most)))


def erase_if_due(session: Session, clip: Clip) -> bool:
    """Have the worker erase a clip whose time is over; False when it came back, or somebody has asked, meanwhile."""
    lifecycle.hold(session, clip)
    if session.scalar(select(Clip.id).where(Clip.id == clip.id, _is_due(session))) is None:
        return False
    lifecycle.enqueue(session, clip, JobKind.ERASE)
    return True


def _is_due(session: Session) -> ColumnElement[bool]:
    is_open = Job.state.in_([JobState.QUEUED, JobState.RUNNING])
    has_failed = and_(Job.state == JobState.FAILED, Job.finished_at > db_now(session) - ERASE_AGAIN_AFTER)
    asked = exists().where(Job.clip_id == Clip.id, Job.kind == JobKind.ERASE, or_(is_open, has_failed))
    return and_(retention.is_over(session, retention.KEPT), ~asked)


def erased(session: Session, clip: Clip, *, by: Actor, deleted: Deleted | None = None) -> Receipt:
    """Forget the person behind a clip whose objects are deleted, look again, and leave a receipt.

    The bare row and its history stay; consents keep their text and dates. The owner gets the receipt by a last letter
    to a bare address, which is forgotten when it has left. Raises Conflict when the clip is not in a state that ends,
    Unavailable when something is still found: no receipt is written that is not true.
    """
    owner = receipts.hold(session, clip.owner_id) if clip.owner_id is not None else None
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
    if what.untold:
        facts |= {"untold": {token: list(names) for token, names in what.untold.items()}}
        # Tried until the CDN has agreed; the receipt says so as long.
        lifecycle.enqueue(session, clip, JobKind.RETRACT, delay=UNTOLD_AGAIN_SECONDS)
    receipt = receipts.make(session, clip, facts)
    if owner is not None and address:
        receipts.tell(session, receipt, to=address, owner_id=owner.id, lang=clip.lang)
    return receipt


def abandon_stale(work: Work, *, at_most: int = 100) -> int:
    """Forget drafts that never got a film and to which nothing happened for long; how many. For the sweeper.

    Their open uploads have long expired by then (24 h idle, 7 days at most).
    """
    with work() as session:
        has_film = exists().where(Film.clip_id == Clip.id)
        states = (State.DRAFT, State.UPLOADING)
        over = retention.is_over(session, {state: retention.WAITED[state] for state in states})
        stale = select(Clip).where(or_(over, retention.is_nameless_over(session, *states)), ~has_film)
        clips = list(session.scalars(stale.limit(at_most)))
        for clip in clips:
            # Whoever began and was called away may still take part.
            invitations.release(session, clip)
            _forget(session, clip, "abandon", by=CLOCK)
    return len(clips)


def give_up_silent(work: Work, *, at_most: int = 100) -> int:
    """Take back films whose owner was waited for in vain; how many. For the sweeper.

    Nobody agreed to show them, nobody confirmed the address, or a request for changes was never answered. From then
    on they go the way of every withdrawn clip. No letter: the one that asked named the day, and whoever stands in a
    form or a mail as its sender may never have written to us.
    """
    with work() as session:
        waiting = select(Clip.id).where(_was_waited_for(session))
        ids = session.scalars(waiting.order_by(Clip.state_since)).all()
    given_up = 0
    for clip_id in ids:
        given_up += _give_up(work, clip_id)
        if given_up == at_most:
            break
    return given_up


def _give_up(work: Work, clip_id: str) -> bool:
    with work() as session:
        clip = session.get_one(Clip, clip_id)
        # Finished, or taken up again, in this very moment; or it waits for us and not for its owner.
        lifecycle.hold(session, clip)
        is_ours = clip.state == State.PROCESSING and not retention.is_waiting(session, clip)
        still = select(Clip.id).where(Clip.id == clip.id, _was_waited_for(session))
        if is_ours or session.scalar(still) is None:
            return False
        _end_uploads(session, clip)
        lifecycle.move(session, clip, "give_up", by=CLOCK)
        _call_off(session, clip)
    return True


def _was_waited_for(session: Session) -> ColumnElement[bool]:
    """Clips whose owner was waited for in vain."""
    over = retention.is_over(session, {state: retention.WAITED[state] for state in _GIVEN_UP})
    return or_(over, retention.is_nameless_over(session, State.PROCESSING))


def remind_stalled(work: Work, *, at_most: int = 200) -> int:
    """Send the link to go on, once, to whoever left a draft an hour ago with the film not sent; how many. For the sweeper."""
    with work() as session:
        now = db_now(session)
        lately = Clip.state_since > now - STALLED_UNTIL
        touched = exists().where(AuditEvent.clip_id == Clip.id, AuditEvent.at > now - STALLED_AFTER)
        moving = exists().where(
            Upload.clip_id == Clip.id,
            Upload.state.in_([UploadState.OPEN, UploadState.COMPLETING]),
            Upload.last_seen_at > now - STALLED_AFTER,
        )
        told = exists().where(Notice.clip_id == Clip.id, Notice.kind == notices.NoticeKind.FINISH_LATER)
        here = and_(Clip.state.in_([State.DRAFT, State.UPLOADING]), Clip.channel == "site", lately)
        stalled = select(Clip).where(
            here, Clip.state_since <= now - STALLED_AFTER, Clip.owner_id.is_not(None)
        )
        wanted = stalled.where(~touched, ~moving, ~told).order_by(Clip.state_since.desc())
        clips = session.scalars(wanted.limit(at_most)).all()
        for clip in clips:
            notices.tell(session, notices.NoticeKind.FINISH_LATER, clip, occasion=f"stalled:{clip.id}")
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


def _was_erasing_asked_for(session: Session, clip: Clip) -> bool:
    """Whether anybody ever asked: an erasure that failed or was called off may have deleted a part."""
    asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == JobKind.ERASE)
    return session.scalars(asked.limit(1)).first() is not None
