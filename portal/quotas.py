"""How much room one owner's films may take: what is kept and what is on its way, counted before the first byte.

Only reads.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.errors import Code, TooMuch
from portal.models import Clip, Film, Person, Upload, UploadState

_ON_ITS_WAY = (UploadState.OPEN, UploadState.COMPLETING)


def must_fit(session: Session, clip: Clip, size_bytes: int, *, most: int) -> None:
    """Raise TooMuch(QUOTA_REACHED) when this file would take the owner over `most` bytes.

    A clip whose owner is not known yet counts for itself. Two uploads at once are counted one after the other.
    """
    if clip.owner_id is not None:
        session.get(Person, clip.owner_id, with_for_update=True)
    whose = Clip.id == clip.id if clip.owner_id is None else Clip.owner_id == clip.owner_id
    kept = select(func.coalesce(func.sum(Film.size_bytes), 0)).join(Clip, Clip.id == Film.clip_id)
    coming = select(func.coalesce(func.sum(Upload.size_bytes), 0)).join(Clip, Clip.id == Upload.clip_id)
    taken = (session.scalar(kept.where(whose, Film.erased_at.is_(None))) or 0) + (
        session.scalar(coming.where(whose, Upload.state.in_(_ON_ITS_WAY))) or 0
    )
    if taken + size_bytes > most:
        raise TooMuch(Code.QUOTA_REACHED, limit=most)
