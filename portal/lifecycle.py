"""A clip's life: the table of verbs, and `move`, the only writer of `clip.state` and of the audit trail.

The table is the documentation; docs/lifecycle.md is drawn from it.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Conflict
from portal.jobs import JobKind, ask
from portal.models import AuditEvent, Clip, Cut, CutState, Job, JobState, State


class ActorKind(StrEnum):
    """Whose hand it was."""

    OWNER = "owner"
    # Somebody else who is in the film.
    SIGNER = "signer"
    MODERATOR = "moderator"
    ADMIN = "admin"
    PROGRAM = "program"
    WORKER = "worker"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a kind, and the person's (or the API token's) id where there is one."""

    kind: ActorKind
    id: int | None = None


WORKER = Actor(ActorKind.WORKER)
CLOCK = Actor(ActorKind.CLOCK)
OWNER = Actor(ActorKind.OWNER)
SIGNER = Actor(ActorKind.SIGNER)


@dataclass(frozen=True, slots=True)
class Transition:
    """One verb: where it may start, where it leads; `asks`: the worker is asked for what the state needs (`ON_ENTER`)."""

    sources: frozenset[State]
    target: State
    asks: bool = True


def _from(*sources: State, to: State) -> Transition:
    return Transition(frozenset(sources), to)


def _back(to: State) -> Transition:
    """Undoing a withdrawal where the worker has done its part already."""
    return Transition(frozenset({State.WITHDRAWN}), to, asks=False)


_S = State
LIVING = frozenset(_S) - {_S.WITHDRAWN, _S.ERASED}

TRANSITIONS: dict[str, Transition] = {
    "open_upload": _from(_S.DRAFT, _S.CHANGES_REQUESTED, _S.FAILED, to=_S.UPLOADING),
    "complete": _from(_S.UPLOADING, to=_S.PROCESSING),
    "abandon": _from(_S.DRAFT, _S.UPLOADING, to=_S.ERASED),
    "ready": _from(_S.PROCESSING, to=_S.IN_REVIEW),
    "fail": _from(_S.PROCESSING, to=_S.FAILED),
    "retry": _from(_S.FAILED, to=_S.PROCESSING),
    "request_changes": _from(_S.IN_REVIEW, to=_S.CHANGES_REQUESTED),
    "answer": _from(_S.CHANGES_REQUESTED, to=_S.IN_REVIEW),
    "approve": _from(_S.IN_REVIEW, to=_S.APPROVED),
    "publish": _from(_S.APPROVED, to=_S.PUBLISHED),
    "reject": _from(_S.IN_REVIEW, to=_S.REJECTED),
    "undo": _from(_S.APPROVED, _S.REJECTED, _S.CHANGES_REQUESTED, to=_S.IN_REVIEW),
    "unpublish": _from(_S.APPROVED, _S.PUBLISHED, to=_S.REMOVED),
    "reopen": _from(_S.REJECTED, _S.REMOVED, _S.EXPIRED, to=_S.IN_REVIEW),
    "withdraw": Transition(LIVING, _S.WITHDRAWN),
    "give_up": _from(_S.PROCESSING, _S.CHANGES_REQUESTED, to=_S.WITHDRAWN),
    # An undone withdrawal leads to where the clip was, and nothing public comes back without a second look.
    "restore": _back(_S.IN_REVIEW),
    "restore_draft": _back(_S.DRAFT),
    "restore_film": _from(_S.WITHDRAWN, to=_S.PROCESSING),
    "restore_waiting": _back(_S.PROCESSING),
    "restore_changes": _back(_S.CHANGES_REQUESTED),
    "restore_failure": _back(_S.FAILED),
    "restore_refusal": _back(_S.REJECTED),
    "restore_removal": _back(_S.REMOVED),
    "restore_expiry": _back(_S.EXPIRED),
    "expire": _from(_S.PUBLISHED, to=_S.EXPIRED),
    "erase": _from(_S.WITHDRAWN, _S.REJECTED, _S.REMOVED, _S.EXPIRED, _S.FAILED, to=_S.ERASED),
}

# What the worker must do when a clip enters a state.
ON_ENTER: dict[State, tuple[JobKind, ...]] = {
    _S.PROCESSING: (JobKind.PREVIEW, JobKind.TRANSCODE),
    _S.APPROVED: (JobKind.PUBLISH,),
    _S.WITHDRAWN: (JobKind.RETRACT,),
    _S.REMOVED: (JobKind.RETRACT,),
    _S.EXPIRED: (JobKind.RETRACT,),
}

_WITH_FILM = frozenset({_S.PROCESSING, _S.IN_REVIEW, _S.CHANGES_REQUESTED, _S.APPROVED, _S.PUBLISHED})

# A clip in another state than these has no use for the work any more; leaving them ends it.
BELONGS: dict[JobKind, frozenset[State]] = {
    JobKind.TRANSCODE: frozenset({_S.PROCESSING}),
    JobKind.CHUNK: frozenset({_S.PROCESSING}),
    JobKind.PREVIEW: frozenset({_S.PROCESSING}),
    JobKind.REMAKE: _WITH_FILM - {_S.PROCESSING},
    JobKind.POSTER: _WITH_FILM - {_S.PROCESSING},
    JobKind.SIGNALS: _WITH_FILM,
    JobKind.CAPTIONS: _WITH_FILM,
    JobKind.PUBLISH: frozenset({_S.APPROVED}),
    JobKind.REPUBLISH: frozenset({_S.PUBLISHED}),
    JobKind.ERASE: TRANSITIONS["erase"].sources,
}


TAKEN: Final = frozenset({"original_taken", "contacts_taken"})
"""Verbs that change nothing: somebody took along a film, or the list of owners to write to."""

# Columns only: relations that a rule has loaded stay loaded.
_COLUMNS = [column.key for column in Clip.__table__.columns]


def move(
    session: Session,
    clip: Clip,
    verb: str,
    *,
    by: Actor,
    seen_version: int | None = None,
    delay: float = 0.0,
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> int:
    """Move the clip along, write the audit row, remember what the worker must do; the audit row's id.

    A conditional UPDATE whose row count decides: of two who move at once, one wins (uses no ORM version
    column, whose failed flush would leave the loser's session unusable). `columns` are written in the same
    UPDATE, `delay` (seconds) holds back the worker's job. Raises Conflict when the clip is elsewhere, or is
    not at `seen_version` any more.
    """
    transition = TRANSITIONS[verb]
    now = db_now(session)
    session.flush()
    source = clip.state
    if transition.target not in (State.ERASED, State.WITHDRAWN) and is_being_erased(session, clip):
        # Its objects are being deleted: there is no way back into the living states.
        raise Conflict(Code.CONFLICT, verb=verb, state=source, version=clip.version)
    condition = [Clip.id == clip.id, Clip.state == source, Clip.state.in_(transition.sources)]
    if seen_version is not None:
        condition.append(Clip.version == seen_version)
    changed = session.execute(
        update(Clip)
        .where(*condition)
        .values(state=transition.target, state_since=now, version=Clip.version + 1, **columns)
        .execution_options(synchronize_session=False)
    )
    session.refresh(clip, _COLUMNS)
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(Code.CONFLICT, verb=verb, state=clip.state, version=clip.version)
    event_id = _write(session, clip, verb, by=by, source=source, detail=detail)
    _cancel_overtaken_jobs(session, clip)
    for kind in ON_ENTER.get(transition.target, ()) if transition.asks else ():
        enqueue(session, clip, kind, delay=delay)
    return event_id


def hold(session: Session, clip: Clip) -> None:
    """Read the clip's row anew and let nobody change it before this unit of work ends.

    For rules that look at the clip and then write: without it, on PostgreSQL, a decision could come in between
    (on SQLite the whole unit of work is alone).
    """
    session.flush()
    session.refresh(clip, _COLUMNS, with_for_update=True)


def is_being_erased(session: Session, clip: Clip) -> bool:
    """Whether the worker is to delete all of the clip and has not reported yet."""
    if clip.state not in TRANSITIONS["erase"].sources:
        return False
    is_open = Job.state.in_([JobState.QUEUED, JobState.RUNNING])
    asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == JobKind.ERASE, is_open)
    return session.scalars(asked.limit(1)).first() is not None


def begin(session: Session, clip: Clip, *, by: Actor) -> int:
    """Give a new clip its first state, `draft`, and its first audit row; the audit row's id."""
    now = db_now(session)
    clip.state, clip.state_since, clip.created_at = State.DRAFT, now, now
    session.add(clip)
    session.flush()
    return _write(session, clip, "begin", by=by, source=None, detail=None)


def record(
    session: Session, clip: Clip, verb: str, *, by: Actor, detail: dict[str, Any] | None = None
) -> int:
    """Write to the audit trail what changed a clip without moving it (an edit, a note, a consent).

    The clip's version goes up, so that whoever decides on what he saw before gets a Conflict.
    """
    session.execute(
        update(Clip)
        .where(Clip.id == clip.id)
        .values(version=Clip.version + 1)
        .execution_options(synchronize_session=False)
    )
    session.flush()
    session.refresh(clip, ["version"])
    return _write(session, clip, verb, by=by, source=State(clip.state), detail=detail)


def witness(
    session: Session, clip: Clip | None, verb: str, *, by: Actor, detail: dict[str, Any] | None = None
) -> int:
    """Write to the audit trail that something was taken along (`TAKEN`): of one clip, or of many (None).

    The clip's version stays: whoever looks at it has missed nothing.
    """
    session.flush()
    return _write(
        session, clip, verb, by=by, source=State(clip.state) if clip is not None else None, detail=detail
    )


def enqueue(
    session: Session,
    clip: Clip,
    kind: JobKind,
    *,
    delay: float = 0.0,
    film_id: str | None = None,
    cut_id: str | None = None,
) -> Job:
    """Put one job on the record and ring for it after the commit; an open one of its kind is replaced."""
    now = db_now(session)
    _cancel(session, clip, [kind])
    job = Job(
        id=secrets.token_hex(16),
        kind=kind,
        clip_id=clip.id,
        film_id=film_id,
        cut_id=cut_id,
        state=JobState.QUEUED,
        created_at=now,
        run_after=now + timedelta(seconds=delay),
    )
    session.add(job)
    session.flush()
    ask(session, kind, job.id, delay=delay)
    return job


def _write(
    session: Session,
    clip: Clip | None,
    verb: str,
    *,
    by: Actor,
    source: str | None,
    detail: dict[str, Any] | None,
) -> int:
    event = session.execute(
        insert(AuditEvent).values(
            clip_id=clip.id if clip is not None else None,
            at=db_now(session),
            actor_kind=by.kind,
            actor_id=by.id,
            verb=verb,
            from_state=source,
            to_state=clip.state if clip is not None else None,
            clip_version=clip.version if clip is not None else None,
            detail=detail or {},
        )
    )
    key: int = event.inserted_primary_key[0]  # type: ignore[attr-defined]
    return key


def _cancel_overtaken_jobs(session: Session, clip: Clip) -> None:
    """Film work and publishing belong to the states that have a use for them; leaving those ends it."""
    _cancel(session, clip, [kind for kind, states in BELONGS.items() if clip.state not in states])
    if clip.state not in BELONGS[JobKind.REMAKE]:
        # Nobody makes it any more, and nobody waits for it.
        session.execute(
            update(Cut)
            .where(Cut.clip_id == clip.id, Cut.state == CutState.MAKING)
            .values(state=CutState.SUPERSEDED)
        )


def _cancel(session: Session, clip: Clip, kinds: list[JobKind]) -> None:
    session.execute(
        update(Job)
        .where(
            Job.clip_id == clip.id, Job.kind.in_(kinds), Job.state.in_([JobState.QUEUED, JobState.RUNNING])
        )
        .values(state=JobState.CANCELLED, finished_at=db_now(session))
        .execution_options(synchronize_session=False)
    )
