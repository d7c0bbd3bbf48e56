"""The end of a file's journey: parts become one object, the clip its film; given up, expired, or taken up by the sweeper.

Every change of an upload's state is a conditional UPDATE; doing anything twice is harmless.
"""

import logging
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal import crash, keys, lifecycle, notices, readiness
from portal.database import db_now
from portal.errors import Away, Code, Conflict, Missing, PortalError, TooMuch, Unavailable
from portal.lifecycle import CLOCK, OWNER, Actor
from portal.models import Clip, Film, State, Upload, UploadState
from portal.storage import Bucket, Storage, StoredObject
from portal.uploads import (
    ACCEPTING,
    ARRIVED,
    BY_MAIL,
    FORM_LIFE,
    Work,
    clip_by_id,
    received,
    switch,
    upload_by_id,
)

log = logging.getLogger(__name__)

IDLE: Final = timedelta(hours=24)

STUCK: Final = timedelta(minutes=2)


def complete(work: Work, storage: Storage, upload_id: str, *, by: Actor) -> Upload:
    """Join the parts, check the whole, give the clip its film and hand it to the worker; harmless twice.

    Raises Conflict (PARTS_MISSING with `missing`; UPLOAD_CLOSED; the clip takes no film any more), Missing when the
    storage has forgotten the upload, Unavailable when it does not answer: ask again then.
    """
    with work() as session:
        upload = upload_by_id(session, upload_id)
        if upload.state in ARRIVED:
            return upload
        if not switch(session, upload, UploadState.OPEN, UploadState.COMPLETING):
            session.refresh(upload)
        if upload.state != UploadState.COMPLETING:
            raise Conflict(Code.UPLOAD_CLOSED, state=upload.state)
    whole = _join(work, storage, upload) if upload.storage_id else _posted(work, storage, upload)
    return _arrived(work, storage, upload, whole, by=by)


def abort(work: Work, storage: Storage, upload_id: str, *, by: Actor) -> None:
    """Give the upload up and throw its parts away; harmless twice. Raises Missing, Conflict once it is complete."""
    with work() as session:
        upload = upload_by_id(session, upload_id)
        if not switch(session, upload, UploadState.OPEN, UploadState.ABORTED):
            session.refresh(upload)
            if upload.state not in (UploadState.ABORTED, UploadState.EXPIRED):
                raise Conflict(Code.UPLOAD_CLOSED, state=upload.state)
    _throw_away(storage, upload)
    log.info("upload aborted upload=%s clip=%s by=%s", upload.id, upload.clip_id, by.kind)


def expire_stale(work: Work, storage: Storage, *, at_most: int = 100) -> int:
    """Close uploads that were idle for 24 h or are older than 7 days; how many. For the sweeper.

    A form's film that came while nobody looked is taken, not thrown away.
    """
    with work() as session:
        now = db_now(session)
        stale = list(
            session.scalars(
                select(Upload)
                .where(
                    Upload.state == UploadState.OPEN,
                    or_(Upload.last_seen_at < now - IDLE, Upload.expires_at < now),
                )
                .limit(at_most)
            )
        )
    stale = [one for one in stale if one.storage_id or not _is_taken(work, storage, one)]
    with work() as session:
        mine = [upload_by_id(session, one.id) for one in stale]
        gone = [one for one in mine if switch(session, one, UploadState.OPEN, UploadState.EXPIRED)]
    for upload in gone:
        _throw_away(storage, upload)
    return len(gone)


def repair_completing(work: Work, storage: Storage, *, at_most: int = 100) -> int:
    """Go on with uploads whose completion somebody began and nobody ended; how many. For the sweeper.

    One that the storage refuses does not hold up the others; a storage that is away ends the round.
    """
    with work() as session:
        stuck = select(Upload.id).where(
            Upload.state == UploadState.COMPLETING, Upload.changed_at < db_now(session) - STUCK
        )
        ids = list(session.scalars(stuck.order_by(Upload.changed_at.desc()).limit(at_most)))
    done = 0
    for upload_id in ids:
        try:
            complete(work, storage, upload_id, by=CLOCK)
        except PortalError as error:
            log.warning("upload not repaired upload=%s: %s", upload_id, error.code)
            if isinstance(error, Away):
                break
        else:
            done += 1
    return done


def collect_posted(work: Work, storage: Storage, *, at_most: int = 50) -> int:
    """Take the films of form posts whose page never came back to tell; how many. For the sweeper.

    Looks only while the form may still be posted, at those first that were handed out last.
    """
    with work() as session:
        since = db_now(session) - FORM_LIFE
        waiting = select(Upload).where(
            Upload.state == UploadState.OPEN, Upload.storage_id == "", Upload.last_seen_at > since
        )
        rows = list(session.scalars(waiting.order_by(Upload.last_seen_at.desc()).limit(at_most)))
    return sum(_is_taken(work, storage, row) for row in rows)


def _is_taken(work: Work, storage: Storage, form: Upload) -> bool:
    """Whether a form's film is there and is the clip's now."""
    try:
        if storage.size(Bucket.ORIGINALS, form.key) is None:
            return False
        complete(work, storage, form.id, by=OWNER)
    except Away:
        raise
    except PortalError as error:
        log.info("a posted film was not taken upload=%s: %s", form.id, error.code)
        return False
    return True


def _join(work: Work, storage: Storage, upload: Upload) -> StoredObject:
    """Make one object of the parts. Puts the upload back to open when something is missing."""
    try:
        parts = {part.number: part for part in received(storage, upload)}
        missing = [n for n in range(1, upload.part_count + 1) if n not in parts]
        if missing:
            _back(work, upload)
            raise Conflict(Code.PARTS_MISSING, missing=missing)
        crash.point("upload.join")
        storage.complete_multipart(upload.key, upload.storage_id, [parts[n] for n in sorted(parts)])
        crash.point("upload.join.done")
    except Missing:
        # Services forget the id of an upload that was completed before; the object tells.
        log.info("upload id unknown to the storage upload=%s", upload.id)
    size = storage.size(Bucket.ORIGINALS, upload.key)
    if size != upload.size_bytes:
        _reject(work, storage, upload, Code.FILM_MISSING)
        raise Missing(Code.MISSING)
    return StoredObject(upload.key, size)


def _posted(work: Work, storage: Storage, upload: Upload) -> StoredObject:
    """The film of a form under a key that its sender never knew: the form's own key can still be posted to for hours."""
    key = keys.taken(upload.key)
    try:
        storage.copy_private(upload.key, key)
    except Missing:
        _back(work, upload)
        raise Conflict(Code.FILM_MISSING) from None
    size = storage.size(Bucket.ORIGINALS, key) or 0
    if not 0 < size <= upload.part_size:
        _reject(work, storage, upload, Code.TOO_LARGE if size else Code.EMPTY_FILE)
        _delete(storage, key)
        raise TooMuch(Code.TOO_LARGE, limit=upload.part_size)
    return StoredObject(key, size)


def _back(work: Work, upload: Upload) -> None:
    with work() as session:
        switch(session, upload_by_id(session, upload.id), UploadState.COMPLETING, UploadState.OPEN)


def _reject(work: Work, storage: Storage, upload: Upload, code: Code) -> None:
    with work() as session:
        mine = upload_by_id(session, upload.id)
        won = switch(session, mine, UploadState.COMPLETING, UploadState.REJECTED, reason=code.value)
    if won:
        _throw_away(storage, upload)


def _arrived(work: Work, storage: Storage, upload: Upload, whole: StoredObject, *, by: Actor) -> Upload:
    """The clip gets its film, the other uploads of the clip end, the worker is called: all or nothing."""
    others: list[Upload] = []
    with work() as session:
        mine = upload_by_id(session, upload.id)
        clip = clip_by_id(session, mine.clip_id)
        session.refresh(clip)
        is_wanted = clip.state in ACCEPTING
        if is_wanted and _is_first(session, mine, whole):
            others = _end_others(session, mine)
            _give_film(session, clip, mine, by=by)
    # The object that is the film, if there is one now, bears the row's key.
    _delete(storage, *({whole.key, upload.key} - {mine.key}))
    if not is_wanted and mine.state not in ARRIVED:
        _reject(work, storage, mine, Code.CONFLICT)
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    if mine.state not in ARRIVED:
        raise Conflict(Code.UPLOAD_CLOSED, state=mine.state)
    for other in others:
        _throw_away(storage, other)
    return mine


def _is_first(session: Session, upload: Upload, whole: StoredObject) -> bool:
    """Whether this is the completion that counts, of two in the same moment.

    The other one may have looked before the last part was there, and put the upload back: whole it is all the same.
    """
    return any(
        switch(session, upload, source, UploadState.VERIFYING, size_bytes=whole.size_bytes, key=whole.key)
        for source in (UploadState.COMPLETING, UploadState.OPEN)
    )


def _give_film(session: Session, clip: Clip, upload: Upload, *, by: Actor) -> Film:
    last = readiness.newest_film(session, clip)
    film = Film(
        id=secrets.token_hex(16),
        clip_id=clip.id,
        number=last.number + 1 if last else 1,
        key=upload.key,
        size_bytes=upload.size_bytes,
        facts={},
        edits=upload.edits,
        received_at=db_now(session),
    )
    session.add(film)
    session.flush()
    if clip.state != State.UPLOADING:
        # A clip that was asked for changes stays there, open to an answer in words, until the new film is whole.
        lifecycle.move(session, clip, "open_upload", by=by)
    lifecycle.move(
        session,
        clip,
        "complete",
        by=by,
        detail={"film": film.number, "bytes": film.size_bytes},
        fail_code=None,
    )
    # A film that came in a mail is answered by the letter that answers the mail (dropbox.py).
    if not (upload.idempotency_key or "").startswith(BY_MAIL):
        occasion = f"received:{film.id}:{clip.owner_id}"
        facts = {"confirm": readiness.waits_for_confirmation(session, clip)}
        notices.tell(session, notices.NoticeKind.RECEIVED, clip, occasion=occasion, facts=facts)
    return film


def _end_others(session: Session, upload: Upload) -> list[Upload]:
    others = session.scalars(
        select(Upload).where(
            Upload.clip_id == upload.clip_id, Upload.id != upload.id, Upload.state == UploadState.OPEN
        )
    )
    return [other for other in others if switch(session, other, UploadState.OPEN, UploadState.ABORTED)]


def _throw_away(storage: Storage, upload: Upload) -> None:
    """Delete what lies in the storage; what cannot be deleted now, the daily sweep of the buckets finds."""
    try:
        if upload.storage_id:
            storage.abort_multipart(upload.key, upload.storage_id)
            crash.point("upload.parts.gone")
        storage.delete(Bucket.ORIGINALS, [upload.key])
        crash.point("upload.gone")
    except Unavailable:
        log.warning("upload's bytes left behind upload=%s key=%s", upload.id, upload.key)


def _delete(storage: Storage, *gone: str) -> None:
    """As `_throw_away`, of objects that are nobody's film."""
    try:
        storage.delete(Bucket.ORIGINALS, gone)
    except Unavailable:
        log.warning("bytes left behind keys=%s", " ".join(gone))
