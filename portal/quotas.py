"""How much room one owner's films may take: what is kept and what is on its way, counted before the first byte.

Only reads.
"""

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from portal.errors import Code, TooMuch
from portal.models import Clip, Film, Person, Upload, UploadState

_ON_ITS_WAY = (UploadState.OPEN, UploadState.COMPLETING)


def must_fit(session: Session, clip: Clip, size_bytes: int, *, most: int) -> None:
    """Raise TooMuch(QUOTA_REACHED) when this file would take the owner over `most` bytes."""
    if size_bytes > left(session, clip, most=most):
        raise TooMuch(Code.QUOTA_REACHED, limit=most)


def left(session: Session, clip: Clip, *, most: int) -> int:
    """How many of `most` bytes the owner may still send; negative when the limit was lowered since.

    A clip whose owner is not known yet counts for itself. What strangers send under an address that they do not read
    takes no room from whoever does. Two uploads at once are counted one after the other.
    """
    if clip.owner_id is not None:
        session.get(Person, clip.owner_id, with_for_update=True)
    alike = and_(Clip.owner_id == clip.owner_id, Clip.is_vouched == clip.is_vouched)
    whose = Clip.id == clip.id if clip.owner_id is None else alike
    kept = select(func.coalesce(func.sum(Film.size_bytes), 0)).join(Clip, Clip.id == Film.clip_id)
    # Nobody announced how much a form will bring: it counts for the most that it takes. This clip's own does not: of
    # a form and an upload of one clip only the first to come is taken.
    is_own, is_announced = Upload.clip_id == clip.id, Upload.size_bytes > 0
    bytes_of = case((is_announced, Upload.size_bytes), (is_own, 0), else_=Upload.part_size)
    coming = select(func.coalesce(func.sum(bytes_of), 0)).join(Clip, Clip.id == Upload.clip_id)
    taken = (session.scalar(kept.where(whose, Film.erased_at.is_(None))) or 0) + (
        session.scalar(coming.where(whose, Upload.state.in_(_ON_ITS_WAY))) or 0
    )
    return most - int(taken)
