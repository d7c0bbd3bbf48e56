"""Carries a film from this machine into the portal, by the very rules that browsers follow.

For imports, mails and the demo: opens the upload, PUTs the parts to signed addresses, completes.
"""

import dataclasses
import hashlib
import http.client
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from portal import arrivals, uploads
from portal.errors import Code, Unavailable
from portal.lifecycle import Actor
from portal.models import Upload
from portal.runtime import Runtime
from portal.storage import Storage

# The uploader in the browser looks at the same stretch of both ends (static/src/upload.js).
FINGERPRINT_BYTES = 64 * 1024
PUT_SECONDS = 120


Progress = Callable[[int, int], None]
"""Told how many bytes are in the storage, and how many there will be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A film at hand; with a `key`, sending it again finds the upload that it has, complete or not."""

    file: BinaryIO
    name: str
    size: int
    content_type: str = ""
    key: str | None = None


def inner_storage(runtime: Runtime) -> Storage:
    """The storage, signing for the address under which this machine reaches it."""
    settings = runtime.settings.storage
    return Storage(dataclasses.replace(settings, public_url=settings.endpoint_url))


def carry(
    runtime: Runtime,
    clip_id: str,
    path: Path,
    *,
    by: Actor,
    key: str | None = None,
    seen: Progress | None = None,
) -> Upload:
    """Send one file for a clip, going on where an earlier try ended; raises what `uploads` raises, and Unavailable."""
    told = announced(path)
    with path.open("rb") as file:
        source = Source(file, told.filename, told.size_bytes, content_type=told.content_type, key=key)
        return carry_source(runtime, clip_id, source, by=by, seen=seen)


def announced(path: Path) -> uploads.Announced:
    """What a file on the disk is, as far as its name and size tell; raises OSError."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    return uploads.Announced(filename=path.name, size_bytes=path.stat().st_size, content_type=kind)


def carry_source(
    runtime: Runtime, clip_id: str, source: Source, *, by: Actor, seen: Progress | None = None
) -> Upload:
    """As `carry`, of bytes that are read once, a part at a time; `seen` is told (bytes there, bytes in all)."""
    storage = inner_storage(runtime)
    head, tail = fingerprint(source.file, source.size)
    told = uploads.Announced(
        filename=source.name,
        size_bytes=source.size,
        content_type=source.content_type,
        head_sha256=head,
        tail_sha256=tail,
        idempotency_key=source.key,
    )
    limits = runtime.settings.uploads
    upload, _is_new, parts = uploads.start_or_resume(
        runtime.work, storage, clip_id, told, limits=limits, by=by
    )
    there = {part.number: part.size_bytes for part in parts}
    for number in range(1, upload.part_count + 1):
        if seen is not None:
            seen(sum(there.values()), upload.size_bytes)
        if number not in there:
            source.file.seek((number - 1) * upload.part_size)
            length = uploads.part_length(upload, number)
            put(_address(runtime, storage, upload.id, number), source.file.read(length))
            there[number] = length
    done = arrivals.complete(runtime.work, storage, upload.id, by=by)
    if seen is not None:
        seen(upload.size_bytes, upload.size_bytes)
    return done


def put(url: str, data: bytes) -> int:
    """PUT bytes to a signed address; the status. Raises Unavailable when nobody answers or the storage refuses."""
    status = offer(url, data)
    if status != http.HTTPStatus.OK:
        raise Unavailable(Code.OURS_STORAGE, detail=f"PUT answered {status}")
    return status


def offer(url: str, data: bytes, *, method: str = "PUT") -> int:
    """The status that a signed address gives to these bytes; raises Unavailable when nobody answers."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=PUT_SECONDS)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body=data or None)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(Code.OURS_STORAGE, detail=str(error)) from error
    finally:
        connection.close()
    return answer.status


def _address(runtime: Runtime, storage: Storage, upload_id: str, number: int) -> str:
    with runtime.work() as session:
        upload = uploads.upload_by_id(session, upload_id)
        return str(uploads.sign_parts(session, storage, upload, [number])[0]["url"])


def fingerprint(file: BinaryIO, size: int, *, stretch: int = FINGERPRINT_BYTES) -> tuple[str, str]:
    """By what a file is known again: sha256 of `stretch` bytes of its beginning and of its end."""
    file.seek(0)
    head = hashlib.sha256(file.read(stretch)).hexdigest()
    file.seek(max(0, size - stretch))
    return head, hashlib.sha256(file.read(stretch)).hexdigest()
