"""What is public of a clip: begun under a fresh token, shown when whole, replaced without a gap, taken back.

The record's side only; `media_jobs/publishing.py` moves the bytes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from portal import corrections, leases, notices, uses
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.jobs import JobKind
from portal.keys import new_public_token
from portal.leases import Claim
from portal.lifecycle import WORKER, enqueue, hold, move, record
from portal.models import Clip, Cut, CutOrigin, Job, JobState, Publication, Rendition, State
from portal.notices import NoticeKind

PRIVATE_KINDS = ("proposal",)
"""Files that owner and moderators choose from; the world has no use for them."""

WATCHED_OUT = timedelta(hours=1)
"""Whoever began to watch before a newer version was shown may finish."""

AFTER_AN_EDIT = timedelta(minutes=1)
"""What was cut out or blurred goes as fast as a page that is being loaded allows."""


def begun(session: Session, claim: Claim) -> tuple[Publication, list[Rendition]] | None:
    """A publication under a fresh token, on record before the first byte is public, and what belongs into it.

    None when the lease is lost; raises Missing(FILM_MISSING) when the clip's film was never made whole.
    """
    if not leases.change(session, claim, heartbeat_at=db_now(session)):
        return None
    clip = session.get_one(Clip, claim.clip_id)
    # Files that are being replaced in this moment are seen before or after, never half.
    hold(session, clip)
    renditions = renditions_of(session, clip)
    if clip.film_id is None or not any(one.name.endswith(".mp4") for one in renditions):
        raise Missing(Code.FILM_MISSING)
    publication = Publication(
        clip_id=clip.id,
        film_id=clip.film_id,
        cut_id=clip.cut_id,
        token=new_public_token(),
        created_at=db_now(session),
    )
    session.add(publication)
    session.flush()
    return publication, renditions


def renditions_of(session: Session, clip: Clip) -> list[Rendition]:
    """Every file of the cut that counts which the world may have; the master playlist comes last."""
    wanted = (Rendition.cut_id == clip.cut_id, Rendition.kind.not_in(PRIVATE_KINDS))
    found = session.scalars(select(Rendition).where(*wanted).order_by(Rendition.id))
    return sorted(found, key=lambda one: (one.name.endswith(".m3u8"), one.name.startswith("master")))


def published(session: Session, claim: Claim, publication_id: int) -> bool:
    """Every object is public and checked: show the clip, tell the owner; False when the lease is lost.

    False also when another cut counts by now: what it blurs or leaves out is never shown first, the newer one is
    copied in its stead. Raises Conflict when the clip left `approved` meanwhile.
    """
    if not leases.done(session, claim):
        return False
    now = db_now(session)
    clip = session.get_one(Clip, claim.clip_id)
    hold(session, clip)
    publication = _whole(session, clip, publication_id)
    if publication.cut_id != clip.cut_id and clip.state == State.APPROVED:
        enqueue(session, clip, JobKind.PUBLISH)
        return False
    publication.complete_at = now
    move(session, clip, "publish", by=WORKER, published_at=now)
    uses.begin_anew(session, clip)
    notices.tell(session, NoticeKind.PUBLISHED, clip, occasion=f"published:{publication.id}")
    corrections.tell_owed(session, clip)
    return True


def republished(session: Session, claim: Claim, publication_id: int) -> bool:
    """The cut that counts is public and checked: show it in place of the older one; False when the lease is lost.

    One row decides which is shown, so there is no moment without a film. Raises Conflict as `published` does.
    """
    if not leases.done(session, claim):
        return False
    now = db_now(session)
    clip = session.get_one(Clip, claim.clip_id)
    hold(session, clip)
    publication = _whole(session, clip, publication_id)
    if clip.state != State.PUBLISHED:
        raise Conflict(Code.CONFLICT, verb="republish", state=clip.state, version=clip.version)
    older = (
        Publication.clip_id == clip.id,
        Publication.id != publication.id,
        Publication.superseded_at.is_(None),
    )
    session.execute(
        update(Publication)
        .where(*older, Publication.complete_at.is_not(None), Publication.deleted_at.is_(None))
        .values(superseded_at=now)
    )
    publication.complete_at = now
    record(session, clip, "republish", by=WORKER, detail={"publication": publication.id})
    if publication.cut_id != clip.cut_id:
        # A newer cut was adopted while this one was copied: it is shown next.
        enqueue(session, clip, JobKind.REPUBLISH)
    return True


def _whole(session: Session, clip: Clip, publication_id: int) -> Publication:
    publication = session.get_one(Publication, publication_id)
    if publication.film_id != clip.film_id or publication.deleted_at is not None:
        raise Conflict(Code.CONFLICT, verb="publish", state=clip.state, version=clip.version)
    return publication


def watched_out(session: Session, *, at_most: int = 50) -> list[Publication]:
    """Publications that were replaced an hour ago, or a minute ago by an edit: nobody is to watch them any more.

    Whoever had a face or a number plate blurred does not want the picture before it to be found for an hour.
    """
    now, newer = db_now(session), aliased(Publication)
    edited = (
        exists()
        .where(
            newer.clip_id == Publication.clip_id, newer.id > Publication.id, newer.complete_at.is_not(None)
        )
        .where(newer.cut_id != Publication.cut_id, Cut.id == newer.cut_id, Cut.origin == CutOrigin.EDIT)
    )
    due = or_(
        Publication.superseded_at < now - WATCHED_OUT,
        and_(Publication.superseded_at < now - AFTER_AN_EDIT, edited),
    )
    found = select(Publication).where(due, Publication.deleted_at.is_(None)).order_by(Publication.id)
    return list(session.scalars(found.limit(at_most)))


def unfinished(session: Session, clip_id: str) -> list[Publication]:
    """What earlier attempts began to copy and never finished."""
    unfinished = (Publication.complete_at.is_(None), Publication.deleted_at.is_(None))
    return list(session.scalars(select(Publication).where(Publication.clip_id == clip_id, *unfinished)))


def before(session: Session, clip_id: str, at: datetime) -> list[Publication]:
    """What was made public before somebody asked to take it back (a later approval is not taken back with it)."""
    condition = (Publication.clip_id == clip_id, Publication.created_at <= at)
    return list(session.scalars(select(Publication).where(*condition)))


def gone(session: Session, publication_ids: Sequence[int]) -> None:
    """The objects of these publications are deleted, checked by listing."""
    session.execute(
        update(Publication)
        .where(Publication.id.in_(publication_ids), Publication.deleted_at.is_(None))
        .values(deleted_at=db_now(session))
    )


def still_copying_until(session: Session, clip_id: str) -> datetime | None:
    """Until when a worker that was told to stop publishing this clip may not have heard of it yet."""
    copying = Job.kind.in_([JobKind.PUBLISH, JobKind.REPUBLISH])
    stopped = (Job.clip_id == clip_id, copying, Job.state == JobState.CANCELLED)
    latest = select(Job.lease_until).where(*stopped, Job.lease_until > db_now(session))
    return session.scalars(latest.order_by(Job.lease_until.desc()).limit(1)).first()


def retracted(session: Session, claim: Claim, publication_ids: Sequence[int]) -> bool:
    """Nothing of the clip is public any more; False when the lease is lost."""
    gone(session, publication_ids)
    until = still_copying_until(session, claim.clip_id)
    if until is not None:
        # Whoever copied at that moment ends with the lease at the latest: look once more after it.
        return leases.postpone(session, claim, until)
    return leases.done(session, claim)
