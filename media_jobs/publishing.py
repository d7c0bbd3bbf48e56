"""The work between the two buckets: copy an approved clip out, delete a clip's objects and look that they are gone."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from media_jobs import edge, relocking
from media_jobs.heartbeat import Heartbeat
from media_jobs.workshop import Workshop
from portal import crash, cuts, holdings, keys, publications, receipts, replaced, withdrawal
from portal.errors import Away, Code, Missing, Unavailable
from portal.leases import Claim
from portal.models import Clip, Film, Job, Publication, Rendition, Upload
from portal.storage import Bucket, Storage

log = logging.getLogger(__name__)

PIECE_BYTES: Final = 8 << 20


def publish(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Copy every rendition under a fresh token, master playlist last, check each, then show the clip."""
    _copy_out(shop, claim, heartbeat, publications.published)


def republish(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """The same for a clip that is shown already: the older copies stay until the new ones are whole, and an hour more."""
    _copy_out(shop, claim, heartbeat, publications.republished)


def _copy_out(
    shop: Workshop, claim: Claim, heartbeat: Heartbeat, show: Callable[[Session, Claim, int], bool]
) -> None:
    _clear_unfinished(shop, claim, heartbeat)
    with shop.runtime.work() as session:
        begun = publications.begun(session, claim)
    if begun is None:
        return
    publication, renditions = begun
    shop.runtime.storage.delete(Bucket.ORIGINALS, [keys.hidden(claim.clip_id)])
    shown = False
    try:
        for number, rendition in enumerate(renditions, start=1):
            heartbeat.check()
            _copy(shop.runtime.storage, rendition, publication.token, heartbeat.check)
            heartbeat.note(number / len(renditions), "publish")
        with shop.runtime.work() as session:
            shown = show(session, claim, publication.id)
    finally:
        if not shown:
            _take_back(shop, publication)
    log.info("published clip=%s publication=%s shown=%s", claim.clip_id, publication.id, shown)


def retract(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Delete everything that was public when taking back was asked for, until a listing finds nothing."""
    with shop.runtime.read() as session:
        shown = publications.before(session, claim.clip_id, claim.asked_at)
        is_hidden = session.get_one(Clip, claim.clip_id).state in holdings.OUT_OF_SIGHT
    if is_hidden:
        _mark(shop, keys.hidden(claim.clip_id))
    for publication in shown:
        empty(shop.runtime.storage, Bucket.PUBLIC, keys.public_prefix(publication.token), heartbeat.check)
    with shop.runtime.read() as session:
        is_relocked = _was_at_edge(session, claim)
    if not is_relocked:
        relocking.relock(shop, claim, heartbeat)
    # Last, for it is somebody else's server: our own work waits for nobody.
    edge.forget(shop.runtime, shown)
    with shop.runtime.work() as session:
        if publications.retracted(session, claim, [one.id for one in shown]):
            receipts.told(session, claim.clip_id)


def _was_at_edge(session: Session, claim: Claim) -> bool:
    """Whether the last attempt ended at the CDN, which is told when all else is done."""
    return f"verb={edge.VERB}" in (session.get_one(Job, claim.job_id).error_detail or "")


def mark_erased(shop: Workshop, claim: Claim) -> None:
    """Leave a mark beside the originals that this clip is erased: `fsck` erases it again where an old copy brings it back."""
    _mark(shop, keys.erased(claim.clip_id))
    shop.runtime.storage.delete(Bucket.ORIGINALS, [keys.hidden(claim.clip_id)])


def _mark(shop: Workshop, key: str) -> None:
    words = b"It must not come back with an older database: see docs/deploy.md.\n"
    shop.runtime.storage.put(Bucket.ORIGINALS, key, words, content_type="text/plain")


def delete_everything(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> withdrawal.Deleted:
    """Delete originals, previews and what is public of a clip, and look that nothing is left.

    How many objects by bucket, and their bytes: those on record count too, so that an attempt which died half-way is
    not missing from the receipt; and what a CDN could not be told. Raises Unavailable when something is left.
    """
    storage = shop.runtime.storage
    with shop.runtime.read() as session:
        clip = session.get_one(Clip, claim.clip_id)
        public = list(session.scalars(select(Publication).where(Publication.clip_id == clip.id)))
        known = _on_record(session, clip)
        uploads = list(session.scalars(select(Upload).where(Upload.clip_id == clip.id)))
    prefixes = [keys.public_prefix(one.token) for one in public]
    shown = {one for prefix in prefixes for one in storage.objects(Bucket.PUBLIC, prefix)}
    for prefix in prefixes:
        empty(storage, Bucket.PUBLIC, prefix, heartbeat.check)
    for upload in uploads:
        if upload.storage_id:
            storage.abort_multipart(upload.key, upload.storage_id)
    sizes = {one.key: one.size_bytes for one in storage.objects(Bucket.ORIGINALS, keys.made_prefix(clip.id))}
    # What was sent and never taken may lie there under its key all the same.
    sent_to = {key for upload in uploads for key in (upload.key, keys.posted(upload.key))}
    sent = {key: storage.size(Bucket.ORIGINALS, key) for key in sent_to}
    sizes |= known | {key: size for key, size in sent.items() if size is not None}
    heartbeat.check()
    crash.point("erasure.delete")
    storage.delete(Bucket.ORIGINALS, [*sizes, *sent])
    crash.point("erasure.delete.done")
    empty(storage, Bucket.ORIGINALS, keys.made_prefix(claim.clip_id), heartbeat.check)
    left = [key for key in [*sizes, *sent] if storage.size(Bucket.ORIGINALS, key) is not None]
    if left:
        raise Unavailable(Code.OURS_STORAGE, left=left)
    counted = {Bucket.ORIGINALS.value: len(sizes), Bucket.PUBLIC.value: len(shown)}
    size = sum(sizes.values()) + sum(one.size_bytes for one in shown)
    return withdrawal.Deleted(counted, size, untold=_tell_edge(shop, public))


def _tell_edge(shop: Workshop, public: list[Publication]) -> Mapping[str, list[str]]:
    """Tell the CDN; what it could not be told, by token. Erasing a person waits for nobody else's server."""
    try:
        edge.forget(shop.runtime, public)
    except Away as error:
        log.warning("the CDN is told later: %s", error)
        return edge.names_of(shop.runtime, public)
    with shop.runtime.work() as session:
        publications.gone(session, [one.id for one in public])
    return {}


def _on_record(session: Session, clip: Clip) -> dict[str, int]:
    """The private objects that rows name, with their bytes."""
    films = select(Film.key, Film.size_bytes).where(Film.clip_id == clip.id, Film.erased_at.is_(None))
    made = select(Rendition.key, Rendition.size_bytes).where(Rendition.clip_id == clip.id)
    named = {key: size for asked in (films, made) for key, size in session.execute(asked)}
    return named | ({clip.still_key: 0} if clip.still_key is not None else {})


def empty(storage: Storage, bucket: Bucket, prefix: str, check: Callable[[], None]) -> None:
    """Delete everything under a prefix and list it again; raises Unavailable when something is still there."""
    for _ in range(3):
        found = list(storage.keys(bucket, prefix))
        if not found:
            return
        check()
        crash.point("objects.delete")
        storage.delete(bucket, found)
        crash.point("objects.delete.done")
    raise Unavailable(Code.OURS_STORAGE, left=prefix)


def _copy(storage: Storage, rendition: Rendition, token: str, check: Callable[[], None]) -> None:
    public_key = keys.public(token, rendition.name)
    crash.point("publication.copy")
    try:
        storage.copy_to_public(
            rendition.key,
            public_key,
            content_type=rendition.content_type,
            cache_control=keys.cache_control(rendition.name, deaf_edge=storage.has_deaf_edge),
        )
    except Missing as error:
        raise Unavailable(Code.OURS_STORAGE, missing=rendition.key) from error
    crash.point("publication.copy.done")
    size = storage.size(Bucket.PUBLIC, public_key)
    if size != rendition.size_bytes:
        raise Unavailable(Code.OURS_STORAGE, key=public_key, expected=rendition.size_bytes, found=size)
    # What was looked at is what is shown: other bytes of the same length are nobody's decision.
    if (found := _sha256(storage, public_key, size, check)) != rendition.sha256:
        raise Unavailable(Code.OURS_STORAGE, key=rendition.key, expected=rendition.sha256, found=found)


def _sha256(storage: Storage, key: str, size: int, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    for start in range(0, size, PIECE_BYTES):
        check()
        digest.update(storage.read(Bucket.PUBLIC, key, start, PIECE_BYTES))
    return digest.hexdigest()


def _clear_unfinished(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """An earlier attempt died in the middle: nothing it copied is ever shown, so nothing of it may stay."""
    with shop.runtime.read() as session:
        unfinished = publications.unfinished(session, claim.clip_id)
    _empty_all(shop, unfinished, heartbeat.check)


def _take_back(shop: Workshop, publication: Publication) -> None:
    try:
        with shop.runtime.work() as session:
            # A commit whose answer was lost has happened all the same: what is shown stays.
            if session.get_one(Publication, publication.id).complete_at is not None:
                return
        _empty_all(shop, [publication], lambda: None)
    except Unavailable as error:
        # The row stays open: the next attempt or the retraction finds it and empties it.
        log.warning(
            "copies left behind clip=%s publication=%s: %s", publication.clip_id, publication.id, error
        )


def sweep_watched_out(shop: Workshop) -> None:
    """Delete what nobody watches any more: replaced an hour ago, or a minute ago where something was hidden."""
    with shop.runtime.read() as session:
        due = publications.watched_out(session)
    _empty_all(shop, due, lambda: None)


def drop_cuts(shop: Workshop) -> None:
    """Delete the private files of cuts that count no more."""
    with shop.runtime.read() as session:
        due = cuts.to_drop(session)
    for cut, made in due:
        shop.runtime.storage.delete(Bucket.ORIGINALS, made)
        crash.point("cut.drop.done")
        with shop.runtime.work() as session:
            cuts.dropped(session, cut)


def erase_replaced(shop: Workshop) -> None:
    """Delete the originals that a newer, public film of their clip has replaced."""
    with shop.runtime.read() as session:
        due = replaced.due(session)
    for film in due:
        shop.runtime.storage.delete(Bucket.ORIGINALS, [film.key])
        with shop.runtime.work() as session:
            replaced.erased(session, film)
        log.info("erased a replaced original clip=%s film=%s", film.clip_id, film.id)


def _empty_all(shop: Workshop, taken: Iterable[Publication], check: Callable[[], None]) -> None:
    emptied = list(taken)
    for publication in emptied:
        empty(shop.runtime.storage, Bucket.PUBLIC, keys.public_prefix(publication.token), check)
    for publication in emptied:
        edge.forget(shop.runtime, [publication])
        with shop.runtime.work() as session:
            publications.gone(session, [publication.id])
