"""The JSON verbs of one file's way into the storage; bytes never pass through here.

Open to the bearer of the clip's own token (pages use it too) or of a program's token with `submit`.
"""

from collections.abc import Iterable

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from portal import arrivals, uploads
from portal.edits import CUTTABLE, ends
from portal.errors import Missing
from portal.models import Clip, Upload
from portal.storage import Storage, StoredPart
from portal.web import guard, schemas
from portal.web.callers import caller, challenge, need, need_for
from portal.web.db import reading, runtime
from portal.web.idempotency import idempotent
from portal.web.strict import answer, body, empty, query, refuse_impossible_ids

bp = Blueprint("uploads", __name__)
bp.after_request(challenge)
bp.before_request(refuse_impossible_ids)


@bp.post("/api/v1/uploads")
@idempotent
def open_upload() -> Response:
    """Announce a film: 201 for a new upload, 200 with what has arrived for one this very file already has."""
    said, machines = body(schemas.NewUpload), runtime()
    who = need_for(said.submission_id)
    guard.before_upload(said.submission_id, said.size, is_known=who.clip_id is None)
    limits = machines.settings.uploads
    # Of a longer film the ends are cut off; whether what is left is short enough the worker measures.
    longest = float(limits.max_seconds) * CUTTABLE
    announced = uploads.Announced(
        filename=said.filename,
        size_bytes=said.size,
        content_type=said.type,
        last_modified=said.last_modified,
        head_sha256=said.head_sha256,
        tail_sha256=said.tail_sha256,
        idempotency_key=said.idempotency_key,
        edits=ends(said.edits.start, said.edits.end, longest) if said.edits is not None else None,
    )
    upload, is_new, parts = uploads.start_or_resume(
        machines.work, machines.storage, said.submission_id, announced, limits=limits, by=who.actor
    )
    return answer(_told(upload, parts), 201 if is_new else 200)


@bp.get("/api/v1/uploads")
def open_uploads() -> Response:
    """The uploads of this clip that may be continued, on any device."""
    query(schemas.UploadQuery)
    who = caller()
    if who.clip_id is None:
        need("submit")
    clip = reading().get(Clip, who.clip_id) if who.clip_id else None
    rows = uploads.open_uploads(reading(), clip) if clip else []
    storage = runtime().storage
    items = [_told(row, _arrived(row, storage)) for row in rows]
    return answer(schemas.Uploads(items=items, next_cursor=None, total=len(items)))


@bp.get("/api/v1/uploads/<upload_id>")
def upload(upload_id: str) -> Response:
    """How far one file is: the parts that the storage has."""
    found = _mine(reading(), upload_id)
    return answer(_told(found, uploads.received(runtime().storage, found)))


@bp.post("/api/v1/uploads/<upload_id>/parts")
@idempotent
def sign_parts(upload_id: str) -> Response:
    """Addresses for up to 50 parts, each good for exactly that part for an hour."""
    said, machines = body(schemas.WantedParts), runtime()
    _mine(reading(), upload_id)
    with machines.work() as session:
        found = uploads.upload_by_id(session, upload_id)
        signed = uploads.sign_parts(session, machines.storage, found, said.numbers)
    return answer(schemas.SignedParts(parts=[schemas.SignedPart(**part) for part in signed]))


@bp.post("/api/v1/uploads/<upload_id>/complete")
@idempotent
def complete(upload_id: str) -> Response:
    """All parts are there: check them, join them, hand the film to the worker. The same answer twice."""
    body(schemas.Nothing)
    machines = runtime()
    _mine(reading(), upload_id)
    done = arrivals.complete(machines.work, machines.storage, upload_id, by=caller().actor)
    return answer(schemas.UploadState(state=done.state), 202)


@bp.delete("/api/v1/uploads/<upload_id>")
@idempotent
def abort(upload_id: str) -> Response:
    """Give the upload up; harmless twice."""
    machines = runtime()
    _mine(reading(), upload_id)
    arrivals.abort(machines.work, machines.storage, upload_id, by=caller().actor)
    return empty()


def _mine(session: Session, upload_id: str) -> Upload:
    """The upload, if it is the caller's; raises Missing, and NotAllowed without a token."""
    who = caller()
    if who.clip_id is None:
        need("submit")
    found = uploads.upload_by_id(session, upload_id)
    need_for(found.clip_id)
    return found


def _arrived(row: Upload, storage: Storage) -> list[StoredPart]:
    try:
        return uploads.received(storage, row)
    except Missing:
        return []


def _told(upload: Upload, parts: Iterable[StoredPart]) -> schemas.Upload:
    return schemas.Upload(
        id=upload.id,
        submission_id=upload.clip_id,
        state=upload.state,
        size=upload.size_bytes,
        part_size=upload.part_size,
        part_count=upload.part_count,
        received=[schemas.ReceivedPart(n=part.number, size=part.size_bytes) for part in parts],
        expires_at=upload.expires_at,
        filename=upload.filename,
        reason=upload.reason,
    )
