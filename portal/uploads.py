"""One file's journey into the originals bucket: open, sign parts, list; its end is `arrivals.py`.

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

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from config import UploadLimits
from portal import crash, keys, lifecycle, quotas
from portal.database import db_now
from portal.edits import EditList
from portal.errors import Code, Conflict, Missing, TooMuch, Unacceptable
from portal.lifecycle import Actor
from portal.models import Clip, State, Upload, UploadState
from portal.storage import Storage, StoredPart

log = logging.getLogger(__name__)

MIB: Final = 1024 * 1024
PART_SIZE: Final = 5 * MIB
"""S3's smallest part: at 0.5 Mbit/s one part is 84 s (uploads-storage.md 3.1)."""

PARTS_PER_CALL: Final = 50
OPEN_AT_MOST: Final = 10
URL_SECONDS: Final = 3600
FORM_MAX_BYTES: Final = 500_000_000
"""A form post cannot be resumed; beyond this size it seldom arrives (ux.md 8.8)."""

FORM_SECONDS: Final = 4 * URL_SECONDS
"""How long the address of a form is good: the film is chosen and sent in one piece, over any line."""

FORM_LIFE: Final = timedelta(seconds=FORM_SECONDS + 3600)
"""A slow post that began in time may end later than its address."""

BY_MAIL: Final = "mail:"
"""Before the key of an upload that came in a mail."""

LONGEST: Final = timedelta(days=7)
TYPES: Final = frozenset({
    "video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/3gpp", "video/x-m4v", "video/3gpp2",
    "video/mp2t", "video/x-msvideo", "video/mpeg",
})  # fmt: skip
EXTENSIONS: Final = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".webm", ".mkv", ".3gp", ".3g2", ".ts", ".mts", ".avi", ".mpg", ".mpeg",
})  # fmt: skip
# Where a clip takes a film; the ones with a word of their own move along when the film is complete.
ACCEPTING: Final = frozenset({State.DRAFT, State.UPLOADING, State.CHANGES_REQUESTED, State.FAILED})
ARRIVED: Final = (UploadState.VERIFYING, UploadState.ACCEPTED, UploadState.REJECTED)

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Announced:
    """What the sender says of the file; the fingerprint is of its first and last 64 KiB.

    `edits` are the ends that the owner cut off; None says nothing of them, and leaves what was said before.
    """

    filename: str
    size_bytes: int
    content_type: str = ""
    last_modified: int | None = None
    head_sha256: str = ""
    tail_sha256: str = ""
    idempotency_key: str | None = None
    edits: EditList | None = None


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
    takes no film now, TooMuch(TOO_MANY_UPLOADS, QUOTA_REACHED), Unacceptable(KEY_REUSED), Missing, Unavailable.
    """
    check(announced, limits)
    with work() as session:
        clip = clip_by_id(session, clip_id)
        if (found := _same(session, clip, announced)) is not None:
            return _touched(session, found, announced), False
        _must_accept(session, clip)
        quotas.must_fit(session, clip, announced.size_bytes, most=limits.owner_bytes)
        upload_id, now = secrets.token_hex(16), db_now(session)
    key = keys.original(clip_id, upload_id, at=now)
    storage_id = storage.begin_multipart(key, announced.content_type or "application/octet-stream")
    crash.point("upload.begun")
    try:
        with work() as session:
            clip = clip_by_id(session, clip_id)
            if (found := _same(session, clip, announced)) is None:
                quotas.must_fit(session, clip, announced.size_bytes, most=limits.owner_bytes)
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
        if upload.state == UploadState.COMPLETING:
            # Joined, and whoever did it has died before he could say so: `complete` finds the object.
            return upload, False, _all_parts(upload)
        with work() as session:
            switch(session, upload_by_id(session, upload.id), UploadState.OPEN, UploadState.EXPIRED)
    upload, is_new = start(work, storage, clip_id, announced, limits=limits, by=by)
    return upload, is_new, [] if is_new else received(storage, upload)


def open_form(session: Session, clip: Clip, *, limits: UploadLimits, by: Actor) -> Upload:
    """Open an upload for one form post, whose size and name nobody announced: it may have `part_size` bytes.

    So many are set aside until it has come. A form that still waits for its film is found again. Raises Conflict
    when the clip takes no film now, TooMuch(TOO_MANY_UPLOADS, QUOTA_REACHED).
    """
    if (found := waiting_form(session, clip)) is not None:
        return offered(session, found)
    _must_accept(session, clip)
    most = min(most_of_a_form(limits), quotas.left(session, clip, most=limits.owner_bytes))
    if most <= 0:
        raise TooMuch(Code.QUOTA_REACHED, limit=limits.owner_bytes)
    upload_id = secrets.token_hex(16)
    key = keys.original(clip.id, upload_id, at=db_now(session))
    form = _open(session, clip, Announced("", 0), upload_id, key, "", by=by)
    form.part_size = most
    return form


def waiting_form(session: Session, clip: Clip) -> Upload | None:
    """The form that was opened for this clip and has brought no film yet, while the clip still takes one."""
    if clip.state not in ACCEPTING:
        return None
    mine = select(Upload).where(
        Upload.clip_id == clip.id, Upload.state == UploadState.OPEN, Upload.storage_id == ""
    )
    return session.scalars(mine.order_by(Upload.created_at.desc()).limit(1)).one_or_none()


def most_of_a_form(limits: UploadLimits) -> int:
    """How many bytes a form may bring, whatever else its owner has sent."""
    return min(FORM_MAX_BYTES, limits.max_bytes)


def offered(session: Session, form: Upload) -> Upload:
    """A form's address is handed out again: from now on it is good for `FORM_LIFE`, and looked for as long."""
    now = db_now(session)
    form.last_seen_at, form.expires_at = now, max(form.expires_at, now + FORM_LIFE)
    session.flush()
    return form


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


def has_begun(session: Session, clip_id: str) -> bool:
    """Whether a film of this clip is on its way already, by whatever way."""
    under_way = Upload.state.in_((UploadState.OPEN, UploadState.COMPLETING))
    return bool(session.scalar(select(exists().where(Upload.clip_id == clip_id, under_way))))


def received(storage: Storage, upload: Upload) -> list[StoredPart]:
    """The parts that the storage has whole; all of them once the upload is complete.

    Raises Missing when the storage has forgotten an open upload: then the file must be sent anew.
    """
    if upload.state in ARRIVED:
        return _all_parts(upload)
    if upload.state not in (UploadState.OPEN, UploadState.COMPLETING) or not upload.storage_id:
        return []
    parts = storage.list_parts(upload.key, upload.storage_id)
    return [part for part in parts if part.size_bytes == part_length(upload, part.number)]


def _all_parts(upload: Upload) -> list[StoredPart]:
    return [StoredPart(n, part_length(upload, n), "") for n in range(1, upload.part_count + 1)]


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


def clip_by_id(session: Session, clip_id: str) -> Clip:
    """The clip with this id; raises Missing."""
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
        edits=announced.edits.as_json() if announced.edits is not None else {},
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


def _touched(session: Session, upload: Upload, announced: Announced | None = None) -> Upload:
    upload.last_seen_at = db_now(session)
    if announced is not None and announced.edits is not None and upload.state == UploadState.OPEN:
        upload.edits = announced.edits.as_json()
    session.flush()
    return upload


def switch(
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
