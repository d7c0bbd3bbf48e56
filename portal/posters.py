"""The picture a clip is known by: what may be chosen, and the choice of its owner or a moderator.

The record's side only; the worker makes the pictures (`media_jobs/posting.py`).
"""

import math
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import keys, leases, lifecycle
from portal.cuts import BEFORE, SENT, current, edits_of, picture_before
from portal.database import db_now
from portal.errors import Code, Conflict, Unacceptable
from portal.jobs import JobKind
from portal.leases import Claim
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Cut, Job, JobState, Rendition, State

STILL_BYTES: Final = 9_000_000
"""A phone's photograph has 3 to 8 MB; the door lets 10 MiB through."""

CHOOSABLE: Final = lifecycle.BELONGS[JobKind.POSTER]
OWNERS: Final = CHOOSABLE - {State.APPROVED, State.PUBLISHED}
"""Owners send pictures until a moderator has decided: what the world sees has been looked at."""

_MAGIC: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF": "image/webp"}
_SAME_INSTANT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Proposal:
    """One picture that may be chosen: its instant in the film, its file, and whether it is the one shown."""

    at_seconds: float
    file: Rendition
    is_chosen: bool


def proposals(session: Session, clip: Clip) -> list[Proposal]:
    """The pictures of the cut that counts, in the film's order; none before it is made."""
    cut = current(session, clip)
    if cut is None:
        return []
    made = select(Rendition).where(Rendition.cut_id == cut.id, Rendition.kind == "proposal")
    files = {file.name: file for file in session.scalars(made)}
    found = [(at, files.get(f"proposal-{place}.webp")) for place, at in enumerate(cut.proposals, start=1)]
    is_own = clip.still_key is not None
    return [
        Proposal(
            at, file, not is_own and clip.poster_at is not None and abs(at - clip.poster_at) < _SAME_INSTANT
        )
        for at, file in found
        if file is not None
    ]


def choose(session: Session, clip: Clip, at_seconds: float, *, by: Actor) -> None:
    """Show the film's picture at this instant (film time) wherever the clip is named.

    Raises Conflict when there is nothing to choose from, Unacceptable when the cut does not show that instant.
    """
    cut = _choosable(session, clip)
    shown_at = edits_of(cut).cut_time(at_seconds, math.inf)
    if at_seconds < 0 or shown_at is None or shown_at > (cut.seconds or 0.0):
        raise Unacceptable(Code.INVALID, fields={"at_seconds": Code.INVALID})
    clip.poster_at, clip.still_key = at_seconds, None
    _make(session, clip, by=by, detail={"at": round(at_seconds, 2)})


def announce_still(clip: Clip, head: bytes, size_bytes: int) -> tuple[str, str]:
    """The key and the type under which a sent picture is stored, before it is looked at.

    Raises Unacceptable: EMPTY_FILE, TOO_LARGE, NOT_A_PICTURE (by its first bytes).
    """
    if not size_bytes:
        raise Unacceptable(Code.EMPTY_FILE)
    if size_bytes > STILL_BYTES:
        raise Unacceptable(Code.TOO_LARGE, limit=STILL_BYTES)
    found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if found is None:
        raise Unacceptable(Code.NOT_A_PICTURE)
    return keys.made(clip.id, secrets.token_hex(16), SENT), found


def takes_still(clip: Clip, *, by: Actor) -> bool:
    """Whether this hand may send a picture of its own now; the film's own ones have been looked at with the film."""
    return clip.state in (OWNERS if by.kind == ActorKind.OWNER else CHOOSABLE)


def use_still(session: Session, clip: Clip, key: str, *, by: Actor) -> None:
    """Show a picture that was sent, once the worker has made it anew.

    Raises Conflict as `choose` does, and to an owner whose clip has been decided on.
    """
    _choosable(session, clip)
    if not takes_still(clip, by=by):
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    at, former = picture_before(session, clip)
    clip.poster_at, clip.still_key = None, key
    before = {"at": at, "key": former, "film": clip.film_id}
    _make(session, clip, by=by, detail={"still": True, BEFORE: before})


def still_refused(session: Session, claim: Claim, code: Code, key: str) -> bool:
    """A picture that was sent to be the poster is none: the choice before it stands again; False when the lease is lost."""
    if not leases.change(session, claim, error_code=code):
        return False
    clip = session.get_one(Clip, claim.clip_id)
    if clip.still_key == key:
        clip.poster_at, clip.still_key = picture_before(session, clip)
    leases.give_up(session, session.get_one(Job, claim.job_id), clip, code, "", db_now(session))
    return True


def trouble(session: Session, clip: Clip) -> Code | None:
    """Why the last picture could not be taken; None when it could, or is being made."""
    asked = select(Job).where(Job.clip_id == clip.id, Job.kind == JobKind.POSTER)
    job = session.scalars(asked.order_by(Job.created_at.desc(), Job.id).limit(1)).first()
    failed = job is not None and job.state == JobState.FAILED
    return Code(job.error_code) if job is not None and failed and job.error_code in set(Code) else None


def is_on_its_way(session: Session, clip: Clip) -> bool:
    """Whether the worker has yet to make what was chosen."""
    asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == JobKind.POSTER)
    waiting = asked.where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    return session.scalars(waiting.limit(1)).first() is not None


def _choosable(session: Session, clip: Clip) -> Cut:
    lifecycle.hold(session, clip)
    cut = current(session, clip)
    if cut is None or State(clip.state) not in CHOOSABLE:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    return cut


def _make(session: Session, clip: Clip, *, by: Actor, detail: dict[str, object]) -> None:
    session.flush()
    lifecycle.record(session, clip, "poster", by=by, detail=detail)
    lifecycle.enqueue(session, clip, JobKind.POSTER, film_id=clip.film_id)
