"""Who may do a job: claim, heartbeat, give back, done, failed; and who is overdue.

Every report carries the lease's token: whoever lost the lease changes nothing. Never touches files or storage.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from portal import notices
from portal.database import db_now
from portal.edits import EDIT, REPLAN
from portal.errors import Code
from portal.jobs import FORMAT, QUEUES, Bell, JobKind, ask
from portal.lifecycle import BELONGS, WORKER, hold, move
from portal.models import Clip, Cut, CutState, Film, Job, JobState, State
from portal.notices import NoticeKind

LEASE_SECONDS = 90.0
HEARTBEAT_SECONDS = 20.0
RETRY_PAUSES = (10.0, 60.0)
"""Seconds before the second and the third attempt; the last one counts for all that follow."""

OUTAGE_PATIENCE = timedelta(hours=24)
"""So long a job waits for what we stand on to come back before its attempts are counted."""

OVERDUE_SECONDS = 5.0
"""A job that has waited this long past its time has lost its bell."""

RELENTLESS = frozenset({JobKind.RETRACT, JobKind.ERASE})
"""What was promised to an owner is tried until it is done, however long the storage is away."""

GIVE_WAY_SECONDS = 30.0
PATIENCE = timedelta(minutes=30)
LONG_PATIENCE = timedelta(hours=24)
"""Work that nobody waits for steps back while somebody's new film waits, but not for ever: the second one is for what
is made again under a newer ladder, by the thousand."""

LONGEST_PAUSE = 600.0
_BELLS_PER_SWEEP = 20
_OPEN = (JobState.QUEUED, JobState.RUNNING)
_ABOUT_THE_NEWEST_FILM = frozenset({JobKind.TRANSCODE, JobKind.PREVIEW})


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do one job until the lease ends; the token proves it."""

    job_id: str
    kind: JobKind
    clip_id: str
    film_id: str | None
    cut_id: str | None
    token: str
    attempt: int
    asked_at: datetime
    part: int = 0


def claim(session: Session, job_id: str, *, lease_seconds: float = LEASE_SECONDS) -> Claim | None:
    """Take a due or abandoned job under a fresh token, by one conditional UPDATE; None when it is not to be had.

    A job whose attempts are used up is given up here, with a reason.
    """
    now = db_now(session)
    job = session.get(Job, job_id)
    if job is None or not _is_understood(job) or not _may_start(session, job, now):
        return None
    token = secrets.token_hex(16)
    film_id = job.film_id or _newest_film_id(session, job)
    taken = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.attempt == job.attempt, _is_free(now))
        .values(
            state=JobState.RUNNING,
            lease_token=token,
            lease_until=now + timedelta(seconds=lease_seconds),
            heartbeat_at=now,
            started_at=now,
            attempt=Job.attempt + 1,
            film_id=film_id,
            progress=0.0,
            step="",
        )
        .execution_options(synchronize_session=False)
    )
    session.expire(job)
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    return Claim(
        job_id=job.id,
        kind=JobKind(job.kind),
        clip_id=job.clip_id,
        film_id=film_id,
        cut_id=job.cut_id,
        token=token,
        attempt=job.attempt,
        asked_at=job.created_at,
        part=job.part,
    )


def _is_understood(job: Job) -> bool:
    """Whether this release knows such work; what a newer one has asked for is left alone for its workers."""
    return job.format <= FORMAT and job.kind in set(JobKind)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(Job.state == JobState.QUEUED, Job.run_after <= now),
        and_(Job.state == JobState.RUNNING, Job.lease_until < now),
    )


def _may_start(session: Session, job: Job, now: datetime) -> bool:
    """Whether there is still a reason and an attempt left; ends the job when there is not."""
    if job.state not in _OPEN:
        return False
    clip = session.get_one(Clip, job.clip_id)
    wanted = BELONGS.get(JobKind(job.kind))
    if wanted is not None and clip.state not in wanted:
        end(session, job, JobState.CANCELLED, now)
        return False
    if job.kind == JobKind.PUBLISH and clip.publish_at is not None and clip.publish_at > now:
        job.run_after = clip.publish_at
        return False
    if JobKind(job.kind).queue == "slow" and _must_give_way(session, job, now):
        job.run_after = now + timedelta(seconds=GIVE_WAY_SECONDS)
        return False
    if _is_used_up(job, now):
        # Whoever was taken for lost may report in this very moment: then there is nothing to give up.
        hold(session, clip)
        session.refresh(job)
        if not _is_used_up(job, now):
            return False
        detail = f"the worker was lost in each of {job.attempt} attempts"
        give_up(session, job, clip, Code.OURS_TIMEOUT, detail, now)
        return False
    return True


def _is_used_up(job: Job, now: datetime) -> bool:
    """Whether the worker of the last attempt is lost."""
    lost = job.state == JobState.RUNNING and job.lease_until is not None and job.lease_until < now
    return lost and job.attempt >= job.max_attempts and job.kind not in RELENTLESS


def _must_give_way(session: Session, job: Job, now: datetime) -> bool:
    """Whether something waits that somebody waits for, and this work has not yet waited long enough itself.

    A cut that a moderator asked for is such a thing itself; films made again by the thousand give way to it, too.
    """
    cut = session.get(Cut, job.cut_id) if job.cut_id is not None else None
    patience = LONG_PATIENCE if cut is not None and cut.origin == REPLAN else PATIENCE
    is_wanted = cut is not None and cut.origin == EDIT
    if job.state != JobState.QUEUED or is_wanted or now - job.created_at > patience:
        return False
    edits = select(Cut.id).where(Cut.origin == EDIT)
    wanted = or_(Job.kind == JobKind.TRANSCODE, and_(Job.kind == JobKind.REMAKE, Job.cut_id.in_(edits)))
    waiting = select(Job.id).where(wanted, Job.state == JobState.QUEUED, Job.run_after <= now)
    return session.scalars(waiting.limit(1)).first() is not None


def _newest_film_id(session: Session, job: Job) -> str | None:
    if job.kind not in _ABOUT_THE_NEWEST_FILM:
        return None
    newest = select(Film.id).where(Film.clip_id == job.clip_id, Film.erased_at.is_(None))
    return session.scalars(newest.order_by(Film.number.desc()).limit(1)).first()


def change(session: Session, claim: Claim, **values: Any) -> bool:
    """Write to the job if the lease is still ours, and hold its clip's row from now on.

    The clip first, then the job, as whoever moves a clip does: else the two wait for one another on PostgreSQL, and
    one of them, an owner perhaps, is turned away.
    """
    hold(session, session.get_one(Clip, claim.clip_id))
    return _write(session, claim, **values)


def _write(session: Session, claim: Claim, **values: Any) -> bool:
    changed = session.execute(
        update(Job)
        .where(Job.id == claim.job_id, Job.state == JobState.RUNNING, Job.lease_token == claim.token)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    session.expire(session.get_one(Job, claim.job_id))
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def heartbeat(
    session: Session, claim: Claim, progress: float, step: str, *, lease_seconds: float = LEASE_SECONDS
) -> bool:
    """Prolong the lease and note progress (0 to 1) and step; False when the lease is lost: stop and write nothing."""
    now = db_now(session)
    until = now + timedelta(seconds=lease_seconds)
    # A beat touches nothing but the job, and waits for nobody's clip.
    return _write(session, claim, lease_until=until, heartbeat_at=now, progress=progress, step=step)


def release(session: Session, claim: Claim) -> bool:
    """Give an unfinished job back at once, uncounted: the worker is told to stop, the work is not at fault."""
    now = db_now(session)
    given = change(
        session, claim, state=JobState.QUEUED, lease_until=None, run_after=now, attempt=claim.attempt - 1
    )
    if given:
        ask(session, claim.kind, claim.job_id)
    return given


def postpone(session: Session, claim: Claim, until: datetime) -> bool:
    """Give the job back until a time: what could be done now is done, the rest comes later."""
    return change(
        session, claim, state=JobState.QUEUED, lease_until=None, run_after=until, attempt=claim.attempt - 1
    )


def done(session: Session, claim: Claim) -> bool:
    """The work is finished; False when the lease is lost."""
    return change(
        session,
        claim,
        state=JobState.DONE,
        progress=1.0,
        finished_at=db_now(session),
        error_code=None,
        error_detail=None,
    )


def end(session: Session, job: Job, state: JobState, now: datetime) -> None:
    """Close a job in this state."""
    job.state, job.finished_at = state, now
    session.flush()


def job_failed(
    session: Session,
    claim: Claim,
    code: Code,
    detail: str,
    *,
    pauses: Sequence[float] = RETRY_PAUSES,
    is_outage: bool = False,
) -> bool:
    """The attempt failed and it is our fault: again after a pause, or given up after the last attempt.

    An outage counts no attempt for a day: it is not the work that fails. False when the lease is lost.
    """
    now = db_now(session)
    # Of an erased clip nothing is written down that could quote it.
    is_erased = session.get_one(Clip, claim.clip_id).state == State.ERASED
    if not change(session, claim, error_code=code, error_detail=None if is_erased else detail[:2000]):
        return False
    job = session.get_one(Job, claim.job_id)
    if is_outage and now - job.created_at < OUTAGE_PATIENCE:
        job.attempt -= 1
        _again(
            session, job, min(max(pauses[0], (now - job.created_at).total_seconds() / 4), LONGEST_PAUSE), now
        )
        return True
    if job.attempt >= job.max_attempts and claim.kind not in RELENTLESS:
        give_up(session, job, session.get_one(Clip, claim.clip_id), code, detail, now)
        return True
    _again(session, job, _pause(job, pauses), now)
    return True


def _again(session: Session, job: Job, pause: float, now: datetime) -> None:
    job.state, job.lease_until, job.run_after = JobState.QUEUED, None, now + timedelta(seconds=pause)
    session.flush()
    ask(session, JobKind(job.kind), job.id, delay=pause)


def _pause(job: Job, pauses: Sequence[float]) -> float:
    if job.attempt <= len(pauses):
        return pauses[job.attempt - 1]
    return min(float(pauses[-1]) * 2.0 ** (job.attempt - len(pauses)), LONGEST_PAUSE)


def give_up(
    session: Session,
    job: Job,
    clip: Clip,
    code: Code,
    detail: str,
    now: datetime,
    facts: dict[str, Any] | None = None,
) -> None:
    """End a job for good; a clip without a film fails with it, for the reason that is told to its owner."""
    job.error_code, job.error_detail = code, detail[:2000] or None
    end(session, job, JobState.FAILED, now)
    if job.kind == JobKind.TRANSCODE and clip.state == State.PROCESSING:
        event = move(
            session,
            clip,
            "fail",
            by=WORKER,
            detail={"code": code.value},
            fail_code=code.value,
            fail_facts=facts or {},
        )
        notices.tell(session, NoticeKind.FAILED, clip, occasion=f"failed:{event}")
    if job.cut_id is not None and job.kind == JobKind.REMAKE:
        session.execute(
            update(Cut)
            .where(Cut.id == job.cut_id, Cut.state == CutState.MAKING)
            .values(state=CutState.FAILED, error_code=code.value)
        )


def overdue(session: Session) -> list[Bell]:
    """Bells for jobs that should have been taken by now and for those whose worker was lost; oldest first, bounded."""
    now = db_now(session)
    late = and_(Job.state == JobState.QUEUED, Job.run_after <= now - timedelta(seconds=OVERDUE_SECONDS))
    lost = and_(Job.state == JobState.RUNNING, Job.lease_until < now)
    bells: list[Bell] = []
    # Bounded by queue: a long line of films must not silence a withdrawal's bell.
    for queue in QUEUES:
        kinds = [kind for kind in JobKind if kind.queue == queue]
        found = select(Job.kind, Job.id).where(or_(late, lost), Job.kind.in_(kinds), Job.format <= FORMAT)
        rows = session.execute(found.order_by(Job.run_after).limit(_BELLS_PER_SWEEP)).all()
        bells += [Bell(JobKind(kind), job_id, is_reminder=True) for kind, job_id in rows]
    return bells


def lost(session: Session, tokens: Sequence[str]) -> int:
    """End the leases of attempts whose process is known to be dead and ring for their work; how many.

    The attempt counts: what killed the process may have been the work itself.
    """
    now = db_now(session)
    held = (Job.state == JobState.RUNNING, Job.lease_token.in_(tokens), Job.lease_until >= now)
    ended = 0
    for job in session.scalars(select(Job).where(*held)).all():
        changed = session.execute(
            update(Job)
            .where(Job.id == job.id, Job.lease_token == job.lease_token, *held)
            .values(lease_until=now - timedelta(milliseconds=1))
            .execution_options(synchronize_session=False)
        )
        if changed.rowcount == 1:  # type: ignore[attr-defined]
            ask(session, JobKind(job.kind), job.id)
            ended += 1
    return ended


def running_tokens(session: Session) -> set[str]:
    """The tokens under which somebody works now."""
    running = select(Job.lease_token).where(Job.state == JobState.RUNNING, Job.lease_token.is_not(None))
    return {token for token in session.scalars(running) if token}
