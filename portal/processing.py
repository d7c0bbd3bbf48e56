"""What a worker reports about a film: checked, watchable, made, refused; and what staff may try again.

Every report carries the lease's token (`leases.py`). Never touches files or storage.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import asking, cuts, failures, leases, notices, readiness
from portal.cuts import Report, Stored
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.jobs import JobKind
from portal.leases import Claim
from portal.lifecycle import Actor, enqueue, move
from portal.models import Clip, Cut, Film, Job, JobState, State, Upload, UploadState
from portal.notices import NoticeKind

FORM_SECONDS = 1800.0
"""So long nobody is reminded of the form that is beside the film: short films are made before it is filled in."""


def film_of(session: Session, claim: Claim) -> Film:
    """The film to be made; raises Missing when it is erased."""
    film = session.get(Film, claim.film_id) if claim.film_id else None
    if film is None or film.erased_at is not None:
        raise Missing(Code.FILM_MISSING)
    return film


def film_checked(session: Session, claim: Claim, facts: dict[str, Any], sha256: str) -> bool:
    """Keep what was measured of the original; False when the lease is lost."""
    if not leases.change(session, claim, heartbeat_at=db_now(session)):
        return False
    film = film_of(session, claim)
    film.facts, film.sha256 = facts, sha256
    _judge_upload(session, film, UploadState.ACCEPTED, None)
    session.flush()
    return True


def _judge_upload(session: Session, film: Film, verdict: UploadState, reason: str | None) -> None:
    session.execute(
        update(Upload)
        .where(Upload.key == film.key, Upload.state.in_([UploadState.VERIFYING, UploadState.ACCEPTED]))
        .values(state=verdict, reason=reason, changed_at=db_now(session))
    )


def preview_ready(session: Session, claim: Claim, preview: dict[str, Any]) -> bool:
    """What can be watched already, or more of it: {kind, token, files, complete}.

    False when nobody wants it any more: the lease is lost, or the film is ready. The lease stays: the worker says
    `leases.done` when the preview is whole.
    """
    if not leases.change(session, claim, heartbeat_at=db_now(session)):
        return False
    film = film_of(session, claim)
    # The ladder may have become ready in this moment: then nobody would ever take these files away.
    told = session.execute(
        update(Film)
        .where(Film.id == film.id, Film.ready_at.is_(None), Film.erased_at.is_(None))
        .values(preview=preview)
        .execution_options(synchronize_session=False)
    )
    session.refresh(film, ["preview"])
    return bool(told.rowcount == 1)  # type: ignore[attr-defined]


def preview_keys(session: Session, clip_id: str) -> list[str]:
    """The files of every preview of the clip's films."""
    told = session.scalars(select(Film.preview).where(Film.clip_id == clip_id))
    return [file["key"] for preview in told for file in preview.get("files", ())]


def film_ready(
    session: Session,
    claim: Claim,
    files: Sequence[Stored],
    report: Report,
    *,
    next_jobs: Sequence[JobKind] = (JobKind.SIGNALS,),
) -> bool:
    """Put the first cut on the record and let the clip go on; False when the lease is lost.

    The files of its previews (`preview_keys`) have served: nobody names them any more.
    """
    if not leases.done(session, claim):
        return False
    film = film_of(session, claim)
    clip = session.get_one(Clip, claim.clip_id)
    # A choice made for an earlier film means nothing in this one; an uploaded still stays.
    clip.poster_at = clip.poster_at if clip.film_id == film.id else None
    cuts.first(session, clip, film, files, report)
    film.ready_at = db_now(session)
    session.flush()
    asking.tell_of_new_film(session, clip, film)
    # Written for the clip's earlier films, too, and whatever another worker has told since we read ours.
    session.execute(
        update(Film)
        .where(Film.clip_id == clip.id)
        .values(preview={})
        .execution_options(synchronize_session=False)
    )
    session.refresh(film, ["preview"])
    for kind in next_jobs:
        enqueue(session, clip, kind, film_id=film.id)
    if not readiness.settle(session, clip):
        # The film is ready and the form is not: the owner can do something about it, and may well be at it now.
        occasion = f"finish_later:{clip.id}:{film.number}"
        notices.tell(session, NoticeKind.FINISH_LATER, clip, occasion=occasion, delay=FORM_SECONDS)
    return True


def film_refused(
    session: Session, claim: Claim, code: Code, detail: str = "", facts: dict[str, Any] | None = None
) -> bool:
    """The film itself cannot be used: no second attempt, the owner is told why; False when the lease is lost.

    `facts` are the figures of the sentence: plain values only.
    """
    if not leases.change(session, claim, error_code=code, error_detail=detail or None):
        return False
    _judge_upload(session, film_of(session, claim), UploadState.REJECTED, code.value)
    job = session.get_one(Job, claim.job_id)
    clip = session.get_one(Clip, claim.clip_id)
    leases.give_up(session, job, clip, code, detail, db_now(session), facts)
    return True


def keep_beginning(session: Session, clip: Clip, *, by: Actor) -> None:
    """Make do with what arrived of a film whose end is missing; raises Conflict when that is not what failed."""
    film = readiness.newest_film(session, clip)
    if clip.state != State.FAILED or clip.fail_code != Code.CUT_OFF or film is None:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    film.keeps_beginning = True
    move(session, clip, "retry", by=by, fail_code=None, fail_facts={}, detail={"keeps": "beginning"})


def retry(session: Session, clip: Clip, *, by: Actor, kind: JobKind | None = None) -> None:
    """Let a failed film, or the failed job of this kind (else the last one) of a living clip, be tried again.

    Raises Conflict when nothing such failed, or somebody asked again already.
    """
    if clip.state == State.FAILED:
        move(session, clip, "retry", by=by, fail_code=None, fail_facts={})
        return
    job = failures.latest(session, clip, kind)
    if job is None:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    cut = session.get(Cut, job.cut_id) if job.cut_id is not None else None
    if job.kind == JobKind.REMAKE and cut is not None:
        cuts.begin(session, clip, cuts.edits_of(cut), origin=cut.origin, by=by)
        return
    enqueue(session, clip, JobKind(job.kind), film_id=job.film_id)


def progress_of(session: Session, clip: Clip) -> dict[str, Any] | None:
    """How far the film work is: the step's word and whole percent; None when none is open."""
    job = session.scalars(
        select(Job).where(
            Job.clip_id == clip.id,
            Job.kind == JobKind.TRANSCODE,
            Job.state.in_([JobState.QUEUED, JobState.RUNNING]),
        )
    ).first()
    return None if job is None else {"step": job.step or "waiting", "percent": round(job.progress * 100)}
