"""What a worker may tell the record: claim, heartbeat, made, published, taken back, failed; and who is overdue.

Every report carries the lease's token: whoever lost the lease changes nothing. Never touches files or storage.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from portal import notices, readiness
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.jobs import Bell, JobKind, ask
from portal.keys import new_public_token
from portal.ladder import LADDER_VERSION
from portal.lifecycle import TRANSITIONS, WORKER, Actor, enqueue, move
from portal.models import Clip, Film, Job, JobState, Publication, Rendition, State, Upload, UploadState
from portal.notices import NoticeKind

LEASE_SECONDS = 90.0
HEARTBEAT_SECONDS = 20.0
RETRY_PAUSES = (10.0, 60.0)
"""Seconds before the second and the third attempt; the last one counts for all that follow."""

OVERDUE_SECONDS = 5.0
"""A job that has waited this long past its time has lost its bell."""

RELENTLESS = frozenset({JobKind.RETRACT, JobKind.ERASE})
"""What was promised to an owner is tried until it is done, however long the storage is away."""

LONGEST_PAUSE = 600.0
_BELLS_PER_SWEEP = 20
_OPEN = (JobState.QUEUED, JobState.RUNNING)
# A clip in another state than these has no use for the work any more.
_BELONGS: dict[JobKind, frozenset[State]] = {
    JobKind.TRANSCODE: frozenset({State.PROCESSING}),
    JobKind.PUBLISH: frozenset({State.APPROVED}),
    JobKind.ERASE: TRANSITIONS["erase"].sources,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do one job until the lease ends; the token proves it."""

    job_id: str
    kind: JobKind
    clip_id: str
    film_id: str | None
    token: str
    attempt: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """One made file as it lies in the originals bucket, its size checked there."""

    name: str
    kind: str
    key: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    bandwidth: int | None = None


# Leases ------------------------------------------------------------------------------------------------


def claim(session: Session, job_id: str, *, lease_seconds: float = LEASE_SECONDS) -> Claim | None:
    """Take a due or abandoned job under a fresh token, by one conditional UPDATE; None when it is not to be had.

    A job whose attempts are used up is given up here, with a reason.
    """
    now = db_now(session)
    job = session.get(Job, job_id)
    if job is None or not _may_start(session, job, now):
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
    return Claim(job.id, JobKind(job.kind), job.clip_id, film_id, token, job.attempt, job.created_at)


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
    wanted = _BELONGS.get(JobKind(job.kind))
    if wanted is not None and clip.state not in wanted:
        _end(session, job, JobState.CANCELLED, now)
        return False
    if job.kind == JobKind.PUBLISH and clip.publish_at is not None and clip.publish_at > now:
        job.run_after = clip.publish_at
        return False
    lost = job.state == JobState.RUNNING and job.lease_until is not None and job.lease_until < now
    if lost and job.attempt >= job.max_attempts and job.kind not in RELENTLESS:
        detail = f"the worker was lost in each of {job.attempt} attempts"
        _give_up(session, job, clip, Code.OURS_TIMEOUT, detail, now)
        return False
    return True


def _newest_film_id(session: Session, job: Job) -> str | None:
    if job.kind != JobKind.TRANSCODE:
        return None
    newest = select(Film.id).where(Film.clip_id == job.clip_id, Film.erased_at.is_(None))
    return session.scalars(newest.order_by(Film.number.desc()).limit(1)).first()


def _change(session: Session, claim: Claim, **values: Any) -> bool:
    """Write to the job if the lease is still ours."""
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
    return _change(session, claim, lease_until=until, heartbeat_at=now, progress=progress, step=step)


def release(session: Session, claim: Claim) -> bool:
    """Give an unfinished job back at once, uncounted: the worker is told to stop, the work is not at fault."""
    now = db_now(session)
    given = _change(
        session, claim, state=JobState.QUEUED, lease_until=None, run_after=now, attempt=claim.attempt - 1
    )
    if given:
        ask(session, claim.kind, claim.job_id)
    return given


def postpone(session: Session, claim: Claim, until: datetime) -> bool:
    """Give the job back until a time: what could be done now is done, the rest comes later."""
    return _change(
        session, claim, state=JobState.QUEUED, lease_until=None, run_after=until, attempt=claim.attempt - 1
    )


def _done(session: Session, claim: Claim) -> bool:
    return _change(
        session,
        claim,
        state=JobState.DONE,
        progress=1.0,
        finished_at=db_now(session),
        error_code=None,
        error_detail=None,
    )


def _end(session: Session, job: Job, state: JobState, now: datetime) -> None:
    job.state, job.finished_at = state, now
    session.flush()


# Films -------------------------------------------------------------------------------------------------


def film_of(session: Session, claim: Claim) -> Film:
    """The film to be made; raises Missing when it is erased."""
    film = session.get(Film, claim.film_id) if claim.film_id else None
    if film is None or film.erased_at is not None:
        raise Missing(Code.FILM_MISSING)
    return film


def film_checked(
    session: Session, claim: Claim, facts: dict[str, Any], sha256: str, *, ffmpeg_version: str = ""
) -> bool:
    """Keep what was measured of the original; False when the lease is lost."""
    if not _change(session, claim, heartbeat_at=db_now(session)):
        return False
    film = film_of(session, claim)
    film.facts, film.sha256 = facts, sha256
    film.ladder_version, film.ffmpeg_version = LADDER_VERSION, ffmpeg_version[:40] or None
    _judge_upload(session, film, UploadState.ACCEPTED, None)
    session.flush()
    return True


def _judge_upload(session: Session, film: Film, verdict: UploadState, reason: str | None) -> None:
    session.execute(
        update(Upload)
        .where(Upload.key == film.key, Upload.state.in_([UploadState.VERIFYING, UploadState.ACCEPTED]))
        .values(state=verdict, reason=reason, changed_at=db_now(session))
    )


def film_ready(
    session: Session,
    claim: Claim,
    files: Sequence[Stored],
    *,
    seconds: float,
    width: int,
    height: int,
    loudness: float | None = None,
) -> bool:
    """Put the made files on the record in place of older ones and let the clip go on; False when the lease is lost."""
    if not _done(session, claim):
        return False
    film = film_of(session, claim)
    clip = session.get_one(Clip, claim.clip_id)
    session.execute(delete(Rendition).where(Rendition.film_id == film.id))
    session.add_all(_rendition(clip, film, file) for file in files)
    film.ready_at, film.loudness = db_now(session), loudness
    clip.film_id, clip.seconds, clip.width, clip.height = film.id, seconds, width, height
    session.flush()
    if not readiness.settle(session, clip):
        # The film is ready and the form is not: the owner can do something about it.
        notices.tell(session, NoticeKind.FINISH_LATER, clip, occasion=f"finish_later:{clip.id}:{film.number}")
    return True


def _rendition(clip: Clip, film: Film, file: Stored) -> Rendition:
    return Rendition(
        clip_id=clip.id,
        film_id=film.id,
        name=file.name,
        kind=file.kind,
        key=file.key,
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        width=file.width,
        height=file.height,
        bandwidth=file.bandwidth,
    )


def film_refused(session: Session, claim: Claim, code: Code, detail: str = "") -> bool:
    """The film itself cannot be used: no second attempt, the owner is told why; False when the lease is lost."""
    if not _change(session, claim, error_code=code, error_detail=detail or None):
        return False
    _judge_upload(session, film_of(session, claim), UploadState.REJECTED, code.value)
    job = session.get_one(Job, claim.job_id)
    _give_up(session, job, session.get_one(Clip, claim.clip_id), code, detail, db_now(session))
    return True


def job_failed(
    session: Session, claim: Claim, code: Code, detail: str, *, pauses: Sequence[float] = RETRY_PAUSES
) -> bool:
    """The attempt failed and it is our fault: again after a pause, or given up after the last attempt.

    False when the lease is lost.
    """
    now = db_now(session)
    if not _change(session, claim, error_code=code, error_detail=detail[:2000]):
        return False
    job = session.get_one(Job, claim.job_id)
    if job.attempt >= job.max_attempts and claim.kind not in RELENTLESS:
        _give_up(session, job, session.get_one(Clip, claim.clip_id), code, detail, now)
        return True
    pause = _pause(job, pauses)
    job.state, job.lease_until, job.run_after = JobState.QUEUED, None, now + timedelta(seconds=pause)
    session.flush()
    ask(session, claim.kind, job.id, delay=pause)
    return True


def _pause(job: Job, pauses: Sequence[float]) -> float:
    if job.attempt <= len(pauses):
        return pauses[job.attempt - 1]
    return min(float(pauses[-1]) * 2.0 ** (job.attempt - len(pauses)), LONGEST_PAUSE)


def _give_up(session: Session, job: Job, clip: Clip, code: Code, detail: str, now: datetime) -> None:
    job.error_code, job.error_detail = code, detail[:2000] or None
    _end(session, job, JobState.FAILED, now)
    if job.kind == JobKind.TRANSCODE and clip.state == State.PROCESSING:
        event = move(session, clip, "fail", by=WORKER, detail={"code": code.value}, fail_code=code.value)
        notices.tell(session, NoticeKind.FAILED, clip, occasion=f"failed:{event}")


def retry(session: Session, clip: Clip, *, by: Actor) -> None:
    """Let a failed film, or the last failed job of a living clip, be tried again; raises Conflict if nothing failed."""
    if clip.state == State.FAILED:
        move(session, clip, "retry", by=by, fail_code=None)
        return
    last = select(Job).where(Job.clip_id == clip.id).order_by(Job.created_at.desc(), Job.id).limit(1)
    job = session.scalars(last).first()
    if job is None or job.state != JobState.FAILED:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    enqueue(session, clip, JobKind(job.kind), film_id=job.film_id)


# Publishing and taking back ----------------------------------------------------------------------------


def publication_begun(session: Session, claim: Claim) -> tuple[Publication, list[Rendition]] | None:
    """A publication under a fresh token, on record before the first byte is public, and what belongs into it.

    None when the lease is lost; raises Missing(FILM_MISSING) when the clip's film was never made whole.
    """
    if not _change(session, claim, heartbeat_at=db_now(session)):
        return None
    clip = session.get_one(Clip, claim.clip_id)
    renditions = renditions_of(session, clip)
    if clip.film_id is None or not any(one.name.endswith(".mp4") for one in renditions):
        raise Missing(Code.FILM_MISSING)
    publication = Publication(
        clip_id=clip.id, film_id=clip.film_id, token=new_public_token(), created_at=db_now(session)
    )
    session.add(publication)
    session.flush()
    return publication, renditions


def renditions_of(session: Session, clip: Clip) -> list[Rendition]:
    """Every file made from the film that counts; the master playlist comes last."""
    found = session.scalars(select(Rendition).where(Rendition.film_id == clip.film_id).order_by(Rendition.id))
    return sorted(found, key=lambda one: (one.name.endswith(".m3u8"), one.name.startswith("master")))


def published(session: Session, claim: Claim, publication_id: int) -> bool:
    """Every object is public and checked: show the clip, tell the owner; False when the lease is lost.

    Raises Conflict when the clip left `approved` meanwhile.
    """
    if not _done(session, claim):
        return False
    now = db_now(session)
    clip = session.get_one(Clip, claim.clip_id)
    publication = session.get_one(Publication, publication_id)
    if publication.film_id != clip.film_id or publication.deleted_at is not None:
        raise Conflict(Code.CONFLICT, verb="publish", state=clip.state, version=clip.version)
    publication.complete_at = now
    move(session, clip, "publish", by=WORKER, published_at=now)
    notices.tell(session, NoticeKind.PUBLISHED, clip, occasion=f"published:{publication.id}")
    return True


def unfinished_publications(session: Session, clip_id: str) -> list[Publication]:
    """What earlier attempts began to copy and never finished."""
    unfinished = (Publication.complete_at.is_(None), Publication.deleted_at.is_(None))
    return list(session.scalars(select(Publication).where(Publication.clip_id == clip_id, *unfinished)))


def publications_before(session: Session, clip_id: str, at: datetime) -> list[Publication]:
    """What was made public before somebody asked to take it back (a later approval is not taken back with it)."""
    condition = (Publication.clip_id == clip_id, Publication.created_at <= at)
    return list(session.scalars(select(Publication).where(*condition)))


def publications_gone(session: Session, publication_ids: Sequence[int]) -> None:
    """The objects of these publications are deleted, checked by listing."""
    session.execute(
        update(Publication)
        .where(Publication.id.in_(publication_ids), Publication.deleted_at.is_(None))
        .values(deleted_at=db_now(session))
    )


def still_copying_until(session: Session, clip_id: str) -> datetime | None:
    """Until when a worker that was told to stop publishing this clip may not have heard of it yet."""
    stopped = (Job.clip_id == clip_id, Job.kind == JobKind.PUBLISH, Job.state == JobState.CANCELLED)
    latest = select(Job.lease_until).where(*stopped, Job.lease_until > db_now(session))
    return session.scalars(latest.order_by(Job.lease_until.desc()).limit(1)).first()


def retracted(session: Session, claim: Claim, publication_ids: Sequence[int]) -> bool:
    """Nothing of the clip is public any more; False when the lease is lost."""
    publications_gone(session, publication_ids)
    until = still_copying_until(session, claim.clip_id)
    if until is not None:
        # Whoever copied at that moment ends with the lease at the latest: look once more after it.
        return postpone(session, claim, until)
    return _done(session, claim)


def erasure_done(session: Session, claim: Claim) -> bool:
    """Every object of the clip is gone; False when the lease is lost, then nothing may be blanked."""
    if not _done(session, claim):
        return False
    now = db_now(session)
    session.execute(delete(Rendition).where(Rendition.clip_id == claim.clip_id))
    living = (Film.clip_id == claim.clip_id, Film.erased_at.is_(None))
    session.execute(update(Film).where(*living).values(erased_at=now))
    return True


# Looking on --------------------------------------------------------------------------------------------


def overdue(session: Session) -> list[Bell]:
    """Bells for jobs that should have been taken by now and for those whose worker was lost; oldest first, bounded."""
    now = db_now(session)
    late = and_(Job.state == JobState.QUEUED, Job.run_after <= now - timedelta(seconds=OVERDUE_SECONDS))
    lost = and_(Job.state == JobState.RUNNING, Job.lease_until < now)
    bells: list[Bell] = []
    # Bounded by queue: a long line of films must not silence a withdrawal's bell, nor flood the broker.
    for heavy in (False, True):
        kinds = [kind for kind in JobKind if (kind.queue == "heavy") is heavy]
        found = select(Job.kind, Job.id).where(or_(late, lost), Job.kind.in_(kinds))
        rows = session.execute(found.order_by(Job.run_after).limit(_BELLS_PER_SWEEP)).all()
        bells += [Bell(JobKind(kind), job_id) for kind, job_id in rows]
    return bells


def running_tokens(session: Session) -> set[str]:
    """The tokens under which somebody works now."""
    running = select(Job.lease_token).where(Job.state == JobState.RUNNING, Job.lease_token.is_not(None))
    return {token for token in session.scalars(running) if token}


def progress_of(session: Session, clip: Clip) -> dict[str, Any] | None:
    """How far the film work is: the step's word and whole percent; None when none is open."""
    job = session.scalars(
        select(Job).where(Job.clip_id == clip.id, Job.kind == JobKind.TRANSCODE, Job.state.in_(_OPEN))
    ).first()
    return None if job is None else {"step": job.step or "waiting", "percent": round(job.progress * 100)}
