"""After a withdrawal: lay a clip's private files under other keys, so that addresses signed before lead nowhere.

A signed address reads for two hours and cannot be called back; the key it names can go. Undoing the withdrawal finds
the same files by their rows.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from media_jobs.heartbeat import Heartbeat
from media_jobs.workshop import Workshop
from portal import crash, keys, leases, withdrawal
from portal.database import db_now
from portal.errors import Missing, Unavailable
from portal.leases import Claim
from portal.models import Clip, Film, Rendition
from portal.storage import Bucket, Storage

log = logging.getLogger(__name__)

Moves = Sequence[tuple[int, str, str]]
"""A rendition's id, the key it has, the key it gets."""


def relock(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Copy, name the copies, delete what was there; of a clip that is back, or being erased, nothing is touched."""
    storage = shop.runtime.storage
    with shop.runtime.read() as session:
        clip = session.get_one(Clip, claim.clip_id)
        if not withdrawal.is_resting(session, clip):
            return
        made = session.scalars(select(Rendition).where(Rendition.clip_id == clip.id)).all()
    # While nobody makes anything: what lies here afterwards and has no name is an earlier attempt's, or served before.
    there = set(storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))
    moves = [(one.id, one.key, keys.made(clip.id, claim.token, f"{one.id}-{one.name}")) for one in made]
    is_named = False
    try:
        copied = _copy(storage, moves, heartbeat)
        crash.point("relock.copied")
        with shop.runtime.work() as session:
            is_named = _name(session, claim, copied)
    finally:
        if not is_named:
            _let_go(shop, [new for _id, _old, new in moves])
    if is_named:
        crash.point("relock.named")
        with shop.runtime.read() as session:
            named = set(session.scalars(select(Rendition.key).where(Rendition.clip_id == clip.id)))
            named.add(session.get_one(Clip, clip.id).still_key or "")
        storage.delete(Bucket.ORIGINALS, sorted(there - named))
        log.info("relocked clip=%s files=%d", clip.id, len(copied))


def _copy(storage: Storage, moves: Moves, heartbeat: Heartbeat) -> Moves:
    copied = []
    for move in moves:
        heartbeat.check()
        # Of one that is gone the checker tells (I6); there is nothing that anybody could watch.
        with suppress(Missing):
            storage.copy_private(move[1], move[2])
            copied.append(move)
    return copied


def _let_go(shop: Workshop, copies: list[str]) -> None:
    try:
        with shop.runtime.work() as session:
            # A commit whose answer was lost has happened all the same: what is named stays.
            named = set(session.scalars(select(Rendition.key).where(Rendition.key.in_(copies))))
        shop.runtime.storage.delete(Bucket.ORIGINALS, sorted(set(copies) - named))
    except Unavailable as error:
        # No row names them: the hourly round finds them.
        log.warning("copies left behind: %s", error)


def _name(session: Session, claim: Claim, moves: Moves) -> bool:
    if not leases.change(session, claim, heartbeat_at=db_now(session)):
        return False
    clip = session.get_one(Clip, claim.clip_id, with_for_update=True)
    if not withdrawal.is_resting(session, clip):
        return False
    for rendition_id, old, new in moves:
        here = (Rendition.id == rendition_id, Rendition.key == old)
        session.execute(update(Rendition).where(*here).values(key=new))
    # The first pictures of a film that never became ready go altogether: undoing the withdrawal has them made anew.
    session.execute(update(Film).where(Film.clip_id == clip.id).values(preview={}))
    return True
