"""Does the storage hold to the rules that everything else stands on? Asked by the doctor and, every hour, by a worker.

Leaves nothing behind; may run twice at once.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from config import StorageSettings
from portal import keys
from portal.carrier import inner_storage, offer
from portal.errors import Unavailable
from portal.runtime import Runtime
from portal.storage import MIB, Bucket, Storage

_OPEN: Final = "ORIGINALS ARE PUBLIC"


def are_originals_open(told: Iterable[str]) -> bool:
    """Whether one of these faults is that everybody can read owners' originals."""
    return any(fault.endswith(_OPEN) for fault in told)


def faults(runtime: Runtime) -> Iterator[str]:
    """What it does that it must not, or refuses that it must give, each in English for staff."""
    if not runtime.storage.is_reachable():
        yield "does not answer, or a bucket is missing"
        return
    storage, settings = inner_storage(runtime), runtime.settings.storage
    key = f"{keys.SCRATCH_PREFIX}doctor/{secrets.token_hex(8)}"
    try:
        upload_id = storage.begin_multipart(key, "application/octet-stream")
        try:
            signed = storage.sign_part(key, upload_id, 1, MIB, ttl=60)
            if offer(signed, b"\0" * (MIB + 1)) < 400:
                yield "takes a part that is longer than what was signed: the size limit does not hold"
            if offer(signed, b"\0" * MIB) >= 400:
                yield "refuses a part that was signed"
        finally:
            with suppress(Unavailable):
                storage.abort_multipart(key, upload_id)
        for bucket in (settings.originals_bucket, settings.public_bucket):
            if offer(f"{settings.endpoint_url}/{bucket}/?list-type=2", b"", method="GET") < 400:
                yield f"lists the bucket {bucket} to everybody"
        yield from _open_to_all(storage, runtime.settings.storage, key)
    except Unavailable as error:
        yield f"fails ({error.facts.get('detail', error.code)})"


def _open_to_all(storage: Storage, settings: StorageSettings, key: str) -> Iterator[str]:
    """Whether everybody can read what is published, and nobody an original; some services take no rules from us."""
    try:
        for bucket in Bucket:
            storage.put(bucket, key, b"doctor", content_type="text/plain")
        for base in {settings.endpoint_url, settings.public_url}:
            if offer(f"{base}/{settings.originals_bucket}/{key}", b"", method="GET") < 400:
                yield f"gives what lies in the bucket {settings.originals_bucket} to everybody: {_OPEN}"
        shown = Storage(settings).public_url(key)
        try:
            status = offer(shown, b"", method="GET")
        except Unavailable as error:
            yield f"cannot be read at {shown} ({error.facts.get('detail', error.code)})"
        else:
            if status >= 400:
                yield f"gives nobody what lies in the bucket {settings.public_bucket} ({shown} answers {status})"
    finally:
        for bucket in Bucket:
            with suppress(Unavailable):
                storage.delete(bucket, [key])
