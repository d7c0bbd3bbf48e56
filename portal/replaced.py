"""Originals that a newer film of the same clip has replaced: kept until the newer one is public, then erased.

Owners are told so where both films stand side by side. What is public is never touched.
"""

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session, aliased

from portal.database import db_now
from portal.lifecycle import hold
from portal.models import Caption, Clip, Cut, Film, Fingerprint, Job, JobState, Rendition, Signal, State

# What describes a film that can no longer be looked at.
_TOLD_OF_IT = (Caption, Signal, Fingerprint)


def due(session: Session, *, at_most: int = 50) -> list[Film]:
    """Films older than the public one of their clip, of which nothing can be watched or is being made any more."""
    newer = aliased(Film)
    is_older = exists().where(
        newer.id == Clip.film_id, newer.number > Film.number, newer.ready_at.is_not(None)
    )
    has_files = exists().where(Cut.film_id == Film.id, Rendition.cut_id == Cut.id)
    is_worked_on = exists().where(
        Job.clip_id == Film.clip_id,
        Job.film_id == Film.id,
        Job.state.in_([JobState.QUEUED, JobState.RUNNING]),
    )
    found = select(Film).join(Clip, Clip.id == Film.clip_id)
    found = found.where(
        Clip.state == State.PUBLISHED, Film.erased_at.is_(None), is_older, ~has_files, ~is_worked_on
    )
    return list(session.scalars(found.order_by(Film.received_at).limit(at_most)))


def erased(session: Session, film: Film) -> None:
    """The film's original is deleted: its row stays for the history, what was said and seen in it is forgotten.

    After the deletion, as with cuts: a crash in between leaves a row that is due again an hour later.
    """
    hold(session, session.get_one(Clip, film.clip_id))
    for table in _TOLD_OF_IT:
        session.execute(delete(table).where(table.film_id == film.id))
    session.execute(update(Film).where(Film.id == film.id).values(erased_at=db_now(session), preview={}))
