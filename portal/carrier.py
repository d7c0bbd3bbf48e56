"""Carries a film from this machine's disk into the portal, by the very rules that browsers follow.

For imports and the demo: opens the upload, PUTs the parts to signed addresses, completes.
"""

import dataclasses
import hashlib
import http.client
import mimetypes
from pathlib import Path
from urllib.parse import urlsplit

from portal import uploads
from portal.errors import Code, Unavailable
from portal.lifecycle import Actor
from portal.models import Upload
from portal.runtime import Runtime
from portal.storage import Storage

# The uploader in the browser looks at the same stretch of both ends.
FINGERPRINT_BYTES = 1024 * 1024
PUT_SECONDS = 120


def inner_storage(runtime: Runtime) -> Storage:
    """The storage, signing for the address under which this machine reaches it."""
    settings = runtime.settings.storage
    return Storage(dataclasses.replace(settings, public_url=settings.endpoint_url))


def carry(runtime: Runtime, clip_id: str, path: Path, *, by: Actor) -> Upload:
    """Send one file for a clip, going on where an earlier try ended; raises what `uploads` raises, and Unavailable."""
    storage = inner_storage(runtime)
    head, tail = _fingerprint(path)
    announced = uploads.Announced(
        filename=path.name,
        size_bytes=path.stat().st_size,
        content_type=mimetypes.guess_type(path.name)[0] or "",
        head_sha256=head,
        tail_sha256=tail,
    )
    limits = runtime.settings.uploads
    upload, _created = uploads.start(runtime.work, storage, clip_id, announced, limits=limits, by=by)
    there = {part.number for part in uploads.received(storage, upload)}
    with path.open("rb") as file:
        for number in range(1, upload.part_count + 1):
            if number not in there:
                file.seek((number - 1) * upload.part_size)
                put(
                    _address(runtime, storage, upload.id, number),
                    file.read(uploads.part_length(upload, number)),
                )
    return uploads.complete(runtime.work, storage, upload.id, by=by)


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


def _fingerprint(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        head = hashlib.sha256(file.read(FINGERPRINT_BYTES)).hexdigest()
        file.seek(max(0, path.stat().st_size - FINGERPRINT_BYTES))
        return head, hashlib.sha256(file.read()).hexdigest()
