"""One file's journey into the originals bucket: open, sign parts, list, complete, abort, and what the sweeper repairs.

Bytes go from the browser to the storage. No door's call to the storage happens inside a write transaction; every
change of an upload's state is a conditional UPDATE.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath
from typing import Any, Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from config import UploadLimits
from portal import crash, keys, lifecycle, notices, readiness
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, TooMuch, Unacceptable, Unavailable
from portal.lifecycle import CLOCK, Actor
from portal.models import Clip, Film, State, Upload, UploadState
from portal.storage import Bucket, Storage, StoredPart

log = logging.getLogger(__name__)

MIB: Final = 1024 * 1024
PART_SIZE: Final = 5 * MIB
"""S3's smallest part: at 0.5 Mbit/s one part is 84 s (uploads-storage.md 3.1)."""

PARTS_PER_CALL: Final = 50
OPEN_AT_MOST: Final = 10
URL_SECONDS: Final = 3600
FORM_MAX_BYTES: Final = 500_000_000
"""A form post cannot be resumed; beyond this size it seldom arrives (ux.md 8.8)."""

IDLE: Final = timedelta(hours=24)
LONGEST: Final = timedelta(days=7)
STUCK: Final = timedelta(minutes=2)
TYPES: Final = frozenset({
    "video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/3gpp", "video/x-m4v", "video/3gpp2",
    "video/mp2t", "video/x-msvideo", "video/mpeg",
})  # fmt: skip
EXTENSIONS: Final = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".webm", ".mkv", ".3gp", ".3g2", ".ts", ".mts", ".avi", ".mpg", ".mpeg",
})  # fmt: skip
# Where a clip takes a film; the ones with a word of their own move along when the film is complete.
ACCEPTING: Final = frozenset({State.DRAFT, State.UPLOADING, State.CHANGES_REQUESTED, State.FAILED})
_ARRIVED: Final = (UploadState.VERIFYING, UploadState.ACCEPTED, UploadState.REJECTED)

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Announced:
    """What the sender says of the file; the fingerprint is of its first and last 64 KiB."""

    filename: str
    size_bytes: int
    content_type: str = ""
    last_modified: int | None = None
    head_sha256: str = ""
    tail_sha256: str = ""
    idempotency_key: str | None = None


def check(announced: Announced, limits: UploadLimits) -> None:
    """Refuse what can be refused by name and size: raises Unacceptable (EMPTY_FILE, WRONG_TYPE), TooMuch (TOO_LARGE).

    Phones often send no type or a vague one: then the file name's ending counts; the worker looks inside later.
    """
    if announced.size_bytes <= 0:
        raise Unacceptable(Code.EMPTY_FILE, fields={"size": Code.EMPTY_FILE})
    if announced.size_bytes > limits.max_bytes:
        raise TooMuch(Code.TOO_LARGE, limit=limits.max_bytes)
    kind = announced.content_type.split(";")[0].strip().lower()
    is_vague = kind in ("", "application/octet-stream")
    if kind not in TYPES and not (is_vague and PurePath(announced.filename).suffix.lower() in EXTENSIONS):
        raise Unacceptable(Code.WRONG_TYPE, fields={"type": Code.WRONG_TYPE})


def start(
    work: Work, storage: Storage, clip_id: str, announced: Announced, *, limits: UploadLimits, by: Actor
) -> tuple[Upload, bool]:
    """Open an upload, or find the one that this file already has (then False): the way for doors.

    Asks the storage before the write transaction. Raises as `check`; Conflict when the clip
    takes no film now, TooMuch(TOO_MANY_UPLOADS), Unacceptable(KEY_REUSED), Missing, Unavailable.
    """
    check(announced, limits)
    with work() as session:
        clip = _clip(session, clip_id)
        if (found := _same(session, clip, announced)) is not None:
            return _touched(session, found), False
        _must_accept(session, clip)
        upload_id, now = secrets.token_hex(16), db_now(session)
    key = keys.original(clip_id, upload_id, at=now)
    storage_id = storage.begin_multipart(key, announced.content_type or "application/octet-stream")
    crash.point("upload.begun")
    try:
        with work() as session:
            clip = _clip(session, clip_id)
            if (found := _same(session, clip, announced)) is None:
                return _open(session, clip, announced, upload_id, key, storage_id, by=by), True
    except BaseException:
        storage.abort_multipart(key, storage_id)
        raise
    storage.abort_multipart(key, storage_id)
    return found, False


def start_or_resume(
    work: Work, storage: Storage, clip_id: str, announced: Announced, *, limits: UploadLimits, by: Actor
) -> tuple[Upload, bool, list[StoredPart]]:
    """As `start`, with the parts that have arrived; an upload the storage has forgotten is begun anew."""
    upload, is_new = start(work, storage, clip_id, announced, limits=limits, by=by)
    if is_new:
        return upload, True, []
    try:
        return upload, False, received(storage, upload)
    except Missing:
        with work() as session:
            _switch(session, upload_by_id(session, upload.id), UploadState.OPEN, UploadState.EXPIRED)
    upload, is_new = start(work, storage, clip_id, announced, limits=limits, by=by)
    return upload, is_new, [] if is_new else received(storage, upload)


def open_form(session: Session, clip: Clip, *, by: Actor) -> Upload:
    """Open an upload for a page without script: one form post, whose size and name nobody announced."""
    _must_accept(session, clip)
    upload_id = secrets.token_hex(16)
    key = keys.original(clip.id, upload_id, at=db_now(session))
    return _open(session, clip, Announced("", 0), upload_id, key, "", by=by)


def upload_by_id(session: Session, upload_id: str) -> Upload:
    """The upload with this id; raises Missing."""
    upload = session.get(Upload, upload_id)
    if upload is None:
        raise Missing(Code.MISSING)
    return upload


def open_uploads(session: Session, clip: Clip) -> list[Upload]:
    """Files of this clip that are still on their way, newest first; form posts, which cannot resume, left out."""
    return list(
        session.scalars(
            select(Upload)
            .where(Upload.clip_id == clip.id, Upload.state == UploadState.OPEN, Upload.size_bytes > 0)
            .order_by(Upload.created_at.desc())
        )
    )


def received(storage: Storage, upload: Upload) -> list[StoredPart]:
    """The parts that the storage has whole; all of them once the upload is complete.

    Raises Missing when the storage has forgotten an open upload: then the file must be sent anew.
    """
    if upload.state in _ARRIVED:
        return [StoredPart(n, part_length(upload, n), "") for n in range(1, upload.part_count + 1)]
    if upload.state not in (UploadState.OPEN, UploadState.COMPLETING) or not upload.storage_id:
        return []
    parts = storage.list_parts(upload.key, upload.storage_id)
    return [part for part in parts if part.size_bytes == part_length(upload, part.number)]


def part_length(upload: Upload, number: int) -> int:
    """How many bytes part `number` has: the last one holds the rest."""
    return min(upload.part_size, upload.size_bytes - (number - 1) * upload.part_size)


def sign_parts(
    session: Session, storage: Storage, upload: Upload, numbers: Sequence[int]
) -> list[dict[str, Any]]:
    """Addresses that each take exactly one part, for an hour; signing asks nothing of the storage.

    Raises Conflict(UPLOAD_CLOSED) when the upload takes no parts any more, Unacceptable for wrong numbers.
    """
    if upload.state != UploadState.OPEN or not upload.storage_id:
        raise Conflict(Code.UPLOAD_CLOSED, state=upload.state)
    wanted = sorted(set(numbers))
    if not 0 < len(wanted) <= PARTS_PER_CALL or not 1 <= wanted[0] <= wanted[-1] <= upload.part_count:
        raise Unacceptable(Code.INVALID, fields={"numbers": Code.INVALID}, part_count=upload.part_count)
    _touched(session, upload)
    expires_at = db_now(session) + timedelta(seconds=URL_SECONDS)
    signed = []
    for n in wanted:
        length = part_length(upload, n)
        url = storage.sign_part(upload.key, upload.storage_id, n, length, ttl=URL_SECONDS)
        signed.append({"n": n, "url": url, "headers": {}, "length": length, "expires_at": expires_at})
    return signed


def complete(work: Work, storage: Storage, upload_id: str, *, by: Actor) -> Upload:
    """Join the parts, check the whole, give the clip its film and hand it to the worker; harmless twice.

    Raises Conflict (PARTS_MISSING with `missing`; UPLOAD_CLOSED; the clip takes no film any more), Missing when the
    storage has forgotten the upload, Unavailable when it does not answer: ask again then.
    """
    with work() as session:
        upload = upload_by_id(session, upload_id)
        if upload.state in _ARRIVED:
            return upload
        if not _switch(session, upload, UploadState.OPEN, UploadState.COMPLETING):
            session.refresh(upload)
        if upload.state != UploadState.COMPLETING:
            raise Conflict(Code.UPLOAD_CLOSED, state=upload.state)
    size = _join(work, storage, upload)
    return _arrived(work, storage, upload, size, by=by)


def abort(work: Work, storage: Storage, upload_id: str, *, by: Actor) -> None:
    """Give the upload up and throw its parts away; harmless twice. Raises Missing, Conflict once it is complete."""
    with work() as session:
        upload = upload_by_id(session, upload_id)
        if not _switch(session, upload, UploadState.OPEN, UploadState.ABORTED):
            session.refresh(upload)
            if upload.state not in (UploadState.ABORTED, UploadState.EXPIRED):
                raise Conflict(Code.UPLOAD_CLOSED, state=upload.state)
    _throw_away(storage, upload)
    log.info("upload aborted upload=%s clip=%s by=%s", upload.id, upload.clip_id, by.kind)


def expire_stale(work: Work, storage: Storage, *, at_most: int = 100) -> int:
    """Close uploads that were idle for 24 h or are older than 7 days; how many. For the sweeper."""
    with work() as session:
        now = db_now(session)
        stale = session.scalars(
            select(Upload)
            .where(
                Upload.state == UploadState.OPEN,
                or_(Upload.last_seen_at < now - IDLE, Upload.expires_at < now),
            )
            .limit(at_most)
        )
        gone = [one for one in stale if _switch(session, one, UploadState.OPEN, UploadState.EXPIRED)]
    for upload in gone:
        _throw_away(storage, upload)
    return len(gone)


def repair_completing(work: Work, storage: Storage, *, at_most: int = 100) -> int:
    """Go on with uploads whose completion somebody began and nobody ended; how many. For the sweeper."""
    with work() as session:
        stuck = select(Upload.id).where(
            Upload.state == UploadState.COMPLETING, Upload.changed_at < db_now(session) - STUCK
        )
        ids = list(session.scalars(stuck.limit(at_most)))
    for upload_id in ids:
        try:
            complete(work, storage, upload_id, by=CLOCK)
        except (Conflict, Missing) as error:
            log.warning("upload not repaired upload=%s: %s", upload_id, error.code)
    return len(ids)


def _clip(session: Session, clip_id: str) -> Clip:
    clip = session.get(Clip, clip_id)
    if clip is None:
        raise Missing(Code.MISSING)
    return clip


def _same(session: Session, clip: Clip, announced: Announced) -> Upload | None:
    """The upload that this very file already has: by its key, else by size and fingerprint."""
    mine = select(Upload).where(
        Upload.clip_id == clip.id, Upload.state.in_([UploadState.OPEN, UploadState.COMPLETING])
    )
    if announced.idempotency_key:
        keyed = select(Upload).where(
            Upload.clip_id == clip.id,
            Upload.idempotency_key == announced.idempotency_key,
            Upload.state.not_in([UploadState.ABORTED, UploadState.EXPIRED, UploadState.REJECTED]),
        )
        found = session.scalars(keyed.limit(1)).one_or_none()
        if found is not None and found.size_bytes != announced.size_bytes:
            raise Unacceptable(Code.KEY_REUSED, fields={"idempotency_key": Code.KEY_REUSED})
        if found is not None:
            return found
    if not announced.head_sha256 or not announced.tail_sha256:
        return None
    return session.scalars(
        mine.where(
            Upload.size_bytes == announced.size_bytes,
            Upload.head_sha256 == announced.head_sha256,
            Upload.tail_sha256 == announced.tail_sha256,
        )
        .order_by(Upload.created_at.desc())
        .limit(1)
    ).one_or_none()


def _must_accept(session: Session, clip: Clip) -> None:
    if clip.state not in ACCEPTING:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    counted = select(func.count()).select_from(Upload).where(Upload.state == UploadState.OPEN)
    open_here = session.scalar(counted.where(Upload.clip_id == clip.id)) or 0
    if clip.owner_id is not None:
        whose = counted.join(Clip, Clip.id == Upload.clip_id).where(Clip.owner_id == clip.owner_id)
        open_here = max(open_here, session.scalar(whose) or 0)
    if open_here >= OPEN_AT_MOST:
        raise TooMuch(Code.TOO_MANY_UPLOADS, limit=OPEN_AT_MOST)


def _open(
    session: Session,
    clip: Clip,
    announced: Announced,
    upload_id: str,
    key: str,
    storage_id: str,
    *,
    by: Actor,
) -> Upload:
    _must_accept(session, clip)
    now = db_now(session)
    upload = Upload(
        id=upload_id,
        clip_id=clip.id,
        state=UploadState.OPEN,
        storage_id=storage_id,
        key=key,
        filename=announced.filename[:255],
        content_type=announced.content_type[:60],
        size_bytes=announced.size_bytes,
        part_size=PART_SIZE,
        part_count=-(-announced.size_bytes // PART_SIZE),
        head_sha256=announced.head_sha256,
        tail_sha256=announced.tail_sha256,
        last_modified=announced.last_modified,
        idempotency_key=announced.idempotency_key,
        created_at=now,
        changed_at=now,
        last_seen_at=now,
        expires_at=now + LONGEST,
    )
    session.add(upload)
    session.flush()
    if clip.state == State.DRAFT:
        lifecycle.move(session, clip, "open_upload", by=by)
    return upload


def _touched(session: Session, upload: Upload) -> Upload:
    upload.last_seen_at = db_now(session)
    session.flush()
    return upload


def _switch(
    session: Session, upload: Upload, source: UploadState, target: UploadState, **columns: Any
) -> bool:
    """Move the upload on if it still is where we think; whether it was."""
    changed = session.execute(
        update(Upload)
        .where(Upload.id == upload.id, Upload.state == source)
        .values(state=target, changed_at=db_now(session), **columns)
        .execution_options(synchronize_session=False)
    )
    session.refresh(upload)
    return changed.rowcount == 1  # type: ignore[attr-defined, no-any-return]


def _join(work: Work, storage: Storage, upload: Upload) -> int:
    """Make one object of the parts; its size. Puts the upload back to open when something is missing."""
    if not upload.storage_id:
        return _posted(work, storage, upload)
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
    return size


def _posted(work: Work, storage: Storage, upload: Upload) -> int:
    size = storage.size(Bucket.ORIGINALS, upload.key)
    if size is None:
        _back(work, upload)
        raise Conflict(Code.FILM_MISSING)
    if not 0 < size <= FORM_MAX_BYTES:
        _reject(work, storage, upload, Code.TOO_LARGE if size else Code.EMPTY_FILE)
        raise TooMuch(Code.TOO_LARGE, limit=FORM_MAX_BYTES)
    return size


def _back(work: Work, upload: Upload) -> None:
    with work() as session:
        _switch(session, upload_by_id(session, upload.id), UploadState.COMPLETING, UploadState.OPEN)


def _reject(work: Work, storage: Storage, upload: Upload, code: Code) -> None:
    with work() as session:
        mine = upload_by_id(session, upload.id)
        won = _switch(session, mine, UploadState.COMPLETING, UploadState.REJECTED, reason=code.value)
    if won:
        _throw_away(storage, upload)


def _arrived(work: Work, storage: Storage, upload: Upload, size: int, *, by: Actor) -> Upload:
    """The clip gets its film, the other uploads of the clip end, the worker is called: all or nothing."""
    others: list[Upload] = []
    with work() as session:
        mine = upload_by_id(session, upload.id)
        clip = _clip(session, mine.clip_id)
        session.refresh(clip)
        is_wanted = clip.state in ACCEPTING
        if is_wanted:
            if not _switch(session, mine, UploadState.COMPLETING, UploadState.VERIFYING, size_bytes=size):
                return mine  # Somebody completed it at the same moment.
            others = _end_others(session, mine)
            _give_film(session, clip, mine, by=by)
    if not is_wanted:
        _reject(work, storage, mine, Code.CONFLICT)
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    for other in others:
        _throw_away(storage, other)
    return mine


def _give_film(session: Session, clip: Clip, upload: Upload, *, by: Actor) -> Film:
    last = readiness.newest_film(session, clip)
    film = Film(
        id=secrets.token_hex(16),
        clip_id=clip.id,
        number=last.number + 1 if last else 1,
        key=upload.key,
        size_bytes=upload.size_bytes,
        facts={},
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
    occasion = f"received:{film.id}:{clip.owner_id}"
    notices.tell(session, notices.NoticeKind.RECEIVED, clip, occasion=occasion)
    return film


def _end_others(session: Session, upload: Upload) -> list[Upload]:
    others = session.scalars(
        select(Upload).where(
            Upload.clip_id == upload.clip_id, Upload.id != upload.id, Upload.state == UploadState.OPEN
        )
    )
    return [other for other in others if _switch(session, other, UploadState.OPEN, UploadState.ABORTED)]


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
