"""The work between the two buckets: copy an approved clip out, delete a clip's objects and look that they are gone."""

import logging
from collections.abc import Callable, Iterable

from sqlalchemy import select

from media_jobs.heartbeat import Heartbeat
from media_jobs.workshop import Workshop
from portal import keys, processing
from portal.errors import Code, Missing, Unavailable
from portal.models import Clip, Film, Publication, Rendition, Upload
from portal.processing import Claim
from portal.storage import Bucket, Storage

log = logging.getLogger(__name__)


def publish(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Copy every rendition under a fresh token, master playlist last, check each, then show the clip."""
    _clear_unfinished(shop, claim, heartbeat)
    with shop.runtime.work() as session:
        begun = processing.publication_begun(session, claim)
    if begun is None:
        return
    publication, renditions = begun
    shown = False
    try:
        for number, rendition in enumerate(renditions, start=1):
            heartbeat.check()
            _copy(shop.runtime.storage, rendition, publication.token)
            heartbeat.note(number / len(renditions), "publish")
        with shop.runtime.work() as session:
            shown = processing.published(session, claim, publication.id)
    finally:
        if not shown:
            _take_back(shop, publication)
    log.info("published clip=%s publication=%s shown=%s", claim.clip_id, publication.id, shown)


def retract(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Delete everything that was public when taking back was asked for, until a listing finds nothing."""
    with shop.runtime.read() as session:
        publications = processing.publications_before(session, claim.clip_id, claim.asked_at)
    for publication in publications:
        empty(shop.runtime.storage, Bucket.PUBLIC, keys.public_prefix(publication.token), heartbeat.check)
    with shop.runtime.work() as session:
        processing.retracted(session, claim, [one.id for one in publications])


def delete_everything(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Delete originals, previews and what is public of a clip; raises Unavailable when something is left."""
    storage = shop.runtime.storage
    with shop.runtime.read() as session:
        clip = session.get_one(Clip, claim.clip_id)
        tokens = list(session.scalars(select(Publication.token).where(Publication.clip_id == clip.id)))
        originals = set(session.scalars(select(Film.key).where(Film.clip_id == clip.id)))
        uploads = list(session.scalars(select(Upload).where(Upload.clip_id == clip.id)))
        made = list(session.scalars(select(Rendition.key).where(Rendition.clip_id == clip.id)))
    for token in tokens:
        empty(storage, Bucket.PUBLIC, keys.public_prefix(token), heartbeat.check)
    for upload in uploads:
        if upload.storage_id:
            storage.abort_multipart(upload.key, upload.storage_id)
    originals |= {upload.key for upload in uploads}
    heartbeat.check()
    storage.delete(Bucket.ORIGINALS, [*originals, *made])
    empty(storage, Bucket.ORIGINALS, keys.made_prefix(claim.clip_id), heartbeat.check)
    left = [key for key in originals if storage.size(Bucket.ORIGINALS, key) is not None]
    if left:
        raise Unavailable(Code.OURS_STORAGE, left=left)
    with shop.runtime.work() as session:
        ids = session.scalars(select(Publication.id).where(Publication.clip_id == claim.clip_id)).all()
        processing.publications_gone(session, ids)


def empty(storage: Storage, bucket: Bucket, prefix: str, check: Callable[[], None]) -> None:
    """Delete everything under a prefix and list it again; raises Unavailable when something is still there."""
    for _ in range(3):
        found = list(storage.keys(bucket, prefix))
        if not found:
            return
        check()
        storage.delete(bucket, found)
    raise Unavailable(Code.OURS_STORAGE, left=prefix)


def _copy(storage: Storage, rendition: Rendition, token: str) -> None:
    public_key = keys.public(token, rendition.name)
    try:
        storage.copy_to_public(
            rendition.key,
            public_key,
            content_type=rendition.content_type,
            cache_control=keys.cache_control(rendition.name),
        )
    except Missing as error:
        raise Unavailable(Code.OURS_STORAGE, missing=rendition.key) from error
    size = storage.size(Bucket.PUBLIC, public_key)
    if size != rendition.size_bytes:
        raise Unavailable(Code.OURS_STORAGE, key=public_key, expected=rendition.size_bytes, found=size)


def _clear_unfinished(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """An earlier attempt died in the middle: nothing it copied is ever shown, so nothing of it may stay."""
    with shop.runtime.read() as session:
        unfinished = processing.unfinished_publications(session, claim.clip_id)
    _empty_all(shop, unfinished, heartbeat.check)


def _take_back(shop: Workshop, publication: Publication) -> None:
    try:
        _empty_all(shop, [publication], lambda: None)
    except Unavailable as error:
        # The row stays open: the next attempt or the retraction finds it and empties it.
        log.warning("copies left behind clip=%s token=%s: %s", publication.clip_id, publication.token, error)


def _empty_all(shop: Workshop, publications: Iterable[Publication], check: Callable[[], None]) -> None:
    gone = []
    for publication in publications:
        empty(shop.runtime.storage, Bucket.PUBLIC, keys.public_prefix(publication.token), check)
        gone.append(publication.id)
    if gone:
        with shop.runtime.work() as session:
            processing.publications_gone(session, gone)
