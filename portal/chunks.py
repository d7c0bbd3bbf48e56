"""The chunks of a long film: jobs that one attempt at a transcode shares with workers who have nothing else to do.

They begin and end with that attempt, and their failing is nobody's but its own. Never touches files or storage.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from portal import leases, workers
from portal.database import db_now
from portal.jobs import JobKind, ask
from portal.leases import Claim
from portal.models import Job, JobState

_OPEN = (JobState.QUEUED, JobState.RUNNING)
_LONG = tuple(kind for kind in JobKind if kind.queue in ("heavy", "slow"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk's job as it is now; the token is that of the last attempt, `is_free` when nobody works on it."""

    job_id: str
    part: int
    state: JobState
    token: str
    is_free: bool


def idle(session: Session) -> int:
    """How many workers that take long films have nothing to do, and will not have in a moment."""
    now = db_now(session)
    hands = sum(
        1
        for worker in workers.known(session)
        if worker.is_alive and not worker.unfit and "heavy" in worker.lanes
    )
    running = select(func.count()).where(
        Job.state == JobState.RUNNING, Job.lease_until >= now, Job.kind.in_(_LONG)
    )
    waiting = select(func.count()).where(
        Job.state == JobState.QUEUED, Job.run_after <= now, Job.kind.in_(_LONG)
    )
    return hands - (session.scalar(running) or 0) - (session.scalar(waiting) or 0)


def share(session: Session, claim: Claim, count: int) -> list[str]:
    """Put this many chunks of the claimed film on record and ring for them; their jobs' ids, in the order of the parts.

    None of an earlier attempt goes on. Empty when the lease is lost.
    """
    now = db_now(session)
    if not clear(session, claim):
        return []
    jobs = [
        Job(
            id=secrets.token_hex(16),
            kind=JobKind.CHUNK,
            clip_id=claim.clip_id,
            film_id=claim.film_id,
            part=part,
            state=JobState.QUEUED,
            # A moment older than the work they are parts of: a clip's last job is never one of these.
            created_at=claim.asked_at - timedelta(milliseconds=1),
            run_after=now,
        )
        for part in range(1, count + 1)
    ]
    session.add_all(jobs)
    session.flush()
    for job in jobs:
        ask(session, JobKind.CHUNK, job.id)
    return [job.id for job in jobs]


def clear(session: Session, claim: Claim) -> bool:
    """End what earlier attempts at this film have shared; False when the lease is lost."""
    if not leases.change(session, claim, heartbeat_at=db_now(session)):
        return False
    _end(session, Job.clip_id == claim.clip_id)
    return True


def close(session: Session, job_ids: Sequence[str]) -> None:
    """The attempt has no more use for these chunks: open ones are called off, and a failed one is no failure."""
    _end(session, Job.id.in_(job_ids))


def _end(session: Session, which: object) -> None:
    session.execute(
        update(Job)
        .where(Job.kind == JobKind.CHUNK, which, Job.state.in_([*_OPEN, JobState.FAILED]))  # type: ignore[arg-type]
        .values(state=JobState.CANCELLED, finished_at=db_now(session))
        .execution_options(synchronize_session=False)
    )


def look(session: Session, job_ids: Sequence[str]) -> list[Chunk]:
    """How the chunks stand, in the order of the parts."""
    now = db_now(session)
    rows = session.scalars(select(Job).where(Job.id.in_(job_ids)).order_by(Job.part))
    return [_chunk(job, now) for job in rows]


def _chunk(job: Job, now: datetime) -> Chunk:
    is_lost = job.state == JobState.RUNNING and job.lease_until is not None and job.lease_until < now
    return Chunk(
        job.id, job.part, JobState(job.state), job.lease_token or "", job.state == JobState.QUEUED or is_lost
    )


def take(session: Session, job_id: str, *, lease_seconds: float) -> Claim | None:
    """Claim a chunk for the attempt that shared it; one that waits after a failure elsewhere is tried here at once."""
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.QUEUED, Job.run_after > db_now(session))
        .values(run_after=db_now(session))
        .execution_options(synchronize_session=False)
    )
    return leases.claim(session, job_id, lease_seconds=lease_seconds)


def attempt_token(session: Session, claim: Claim) -> str | None:
    """The token of the attempt that wants this chunk; None when there is none any more."""
    running = select(Job.lease_token).where(
        Job.clip_id == claim.clip_id,
        Job.kind == JobKind.TRANSCODE,
        Job.state == JobState.RUNNING,
        or_(Job.film_id == claim.film_id, Job.film_id.is_(None)),
    )
    return session.scalars(running).first()


def let_go(session: Session, claim: Claim) -> None:
    """Nobody wants this chunk any more."""
    leases.change(session, claim, state=JobState.CANCELLED, finished_at=db_now(session))
