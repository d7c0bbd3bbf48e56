"""May this worker take films? Its tools are there and recent enough, and its jail has just held them.

Changes nothing but its own temporary folder; what it finds travels to staff with the worker's sign of life.
"""

import logging
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config import MediaSettings
from media_jobs import jail
from media_jobs.ffmpeg import Tools, examine, films_fault, run, sandbox, version_of
from media_jobs.jail import Level
from portal.errors import Code, PortalError, Unacceptable, Unavailable
from portal.workers import FLOOR, is_fixed

log = logging.getLogger(__name__)

# One run of the trial; a jailed tool answers in 0.05 s.
TRIAL_SECONDS = 5
TRIALS = 3
"""How often a level is tried on a machine that is too busy, or has no room, to show whether its walls hold."""

Trial = Callable[[Tools, Path], str | None]


class Undecided(Exception):
    """The trial said nothing about the walls: it took too long, or there was no room for it."""


@dataclass(frozen=True, slots=True)
class Fitness:
    """What was found; `faults` says in English why no film is taken, and is empty when all is well."""

    tools: Tools
    faults: tuple[str, ...]
    facts: dict[str, Any]
    files: tuple[Any, ...]

    @property
    def is_stale(self) -> bool:
        """Whether a program was replaced or taken away since."""
        return self.files != _files(self.tools)


def check(settings: MediaSettings) -> Fitness:
    """Look for the tools, judge their versions, and try the jail on them, the best one first: about 0.3 s."""
    try:
        tools = Tools.found(settings.ffmpeg or None, settings.ffprobe or None, settings.threads)
    except Unavailable as trouble:
        gone = Path(settings.ffmpeg or "ffmpeg"), Path(settings.ffprobe or "ffprobe")
        return _unfit(Tools(*gone, settings.threads), f"{trouble.facts.get('program')} cannot be started")
    if not settings.is_jailed:
        log.warning("SANDBOX=off: ffmpeg runs without walls around it")
    off = replace(tools, level=Level.OFF)
    tools, troubles = _jailed(tools, settings.scratch.parent) if settings.is_jailed else (off, [])
    if troubles:
        return _unfit(tools, f"{'; '.join(troubles)}; SANDBOX=off takes films without")
    try:
        versions = {"ffmpeg": version_of(tools, tools.ffmpeg), "ffprobe": version_of(tools, tools.ffprobe)}
    except PortalError as trouble:
        return _unfit(tools, f"does not answer: {_words(trouble)}")
    verdicts = {name: is_fixed(version) for name, version in versions.items()}
    old = [f"{name} {versions[name]}" for name, verdict in verdicts.items() if verdict is False]
    faults = [f"{', '.join(old)} has known holes: install {FLOOR} or newer"] if old else []
    faults = faults if settings.has_floor else []
    facts = {
        **versions,
        "ffmpeg_floor_ok": False if old else None if None in verdicts.values() else True,
        "sandbox": sandbox(tools),
        "own_user": jail.may_change_user() and tools.level is not Level.OFF,
        "unfit": faults,
    }
    return Fitness(tools, tuple(faults), facts, _files(tools))


def _unfit(tools: Tools, fault: str) -> Fitness:
    level = str(tools.level or Level.NONE)
    return Fitness(tools, (fault,), {"sandbox": level, "unfit": [fault]}, _files(tools))


def _files(tools: Tools) -> tuple[Any, ...]:
    """What the two programs are on the disk, to notice when they become others."""
    found: list[Any] = []
    for program in (tools.ffmpeg, tools.ffprobe):
        try:
            status = program.stat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode))
        except OSError:
            found.append(None)
    return tuple(found)


# The trial of the jail -----------------------------------------------------------------------------------


def _jailed(tools: Tools, beside: Path) -> tuple[Tools, list[str]]:
    """The tools at the best level whose walls hold; if none does, what was wrong with each.

    A level that cannot be tried now is no reason to go down to a lower one: then none is taken for the moment.
    """
    troubles: list[str] = []
    for level in jail.offered():
        tried = replace(tools, level=level)
        try:
            trouble = _tried(tried, beside)
        except Undecided as reason:
            return replace(tools, level=Level.NONE), [f"the sandbox could not be tried now ({reason})"]
        if trouble is None:
            return tried, []
        troubles.append(f"level {level}: {trouble}")
        log.warning("sandbox level %s does not hold: %s", level, trouble)
    found = "; ".join(troubles) or "this kernel offers none"
    return replace(tools, level=Level.NONE), [f"no sandbox holds here ({found})"]


def _tried(tools: Tools, beside: Path) -> str | None:
    """As `trial`, again while that says nothing; raises Undecided in the end."""
    for _ in range(TRIALS - 1):
        with suppress(Undecided):
            return trial(tools, beside)
    return trial(tools, beside)


def trial(tools: Tools, beside: Path) -> str | None:
    """Let the real tools try to get out of the jail; what they managed, None when it holds and they still work.

    It is held in a folder beside the jobs' own, since disks differ in what they let a launcher do. Raises Undecided.
    """
    attempts: tuple[Trial, ...] = (_works, _reads_outside, _connects, _writes_outside)
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="trial-", dir=beside) as name:
            place = Path(name)
            (place / "inside").mkdir()
            (place / "outside.wav").write_bytes(_sound())
            (place / "outside.wav").chmod(0o600)
            return next((said for attempt in attempts if (said := attempt(tools, place)) is not None), None)
    except OSError as trouble:
        raise Undecided(str(trouble)) from trouble


def _sound() -> bytes:
    """A tenth of a second of silence as WAV, which every build reads."""
    silence = bytes(1600)
    layout = b"\x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"
    body = b"WAVEfmt " + layout + b"data" + len(silence).to_bytes(4, "little") + silence
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _works(tools: Tools, place: Path) -> str | None:
    inside, film = place / "inside", place / "outside.wav"
    try:
        _copy(tools, ["-fd", str(film), "-i", "fd:"], "copy.wav", inside)
        examine(tools, film, "wav", "-show_entries", "format=duration", wall_seconds=TRIAL_SECONDS)
    except (PortalError, ValueError) as trouble:
        _proves_something(trouble)
        return f"the tools do not work in it ({_words(trouble)})"
    return None if (inside / "copy.wav").is_file() else "the tools make nothing in it"


def _reads_outside(tools: Tools, place: Path) -> str | None:
    escaped = _succeeds(tools, ["-i", str(place / "outside.wav")], "read.wav", place / "inside")
    return "a file outside was read" if escaped else None


def _connects(tools: Tools, place: Path) -> str | None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/film.wav"
        escaped = _succeeds(tools, ["-i", address], "fetched.wav", place / "inside")
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return "an address was fetched" if escaped else None
    return "a connection was made"


def _writes_outside(tools: Tools, place: Path) -> str | None:
    target = place / "escaped.wav"
    film = ["-fd", str(place / "outside.wav"), "-i", "fd:"]
    escaped = _succeeds(tools, film, str(target), place / "inside")
    return "a file outside was written" if escaped or target.exists() else None


def _copy(tools: Tools, given: list[str], made: str, folder: Path) -> None:
    run(tools, [*given, "-c", "copy", made], folder=folder, wall_seconds=TRIAL_SECONDS)


def _succeeds(tools: Tools, given: list[str], made: str, folder: Path) -> bool:
    """Whether the tool got what it was not meant to get."""
    try:
        _copy(tools, given, made, folder)
    except Unacceptable:
        return False
    except Unavailable as trouble:
        _proves_something(trouble)
        # Killed or never started proves nothing about a wall, but it got nothing either.
        log.debug("held: %s", trouble if films_fault(trouble) else _words(trouble))
        return False
    return True


def _proves_something(trouble: Exception) -> None:
    """Raises Undecided for what comes of a machine without time or room and not of its walls."""
    if isinstance(trouble, PortalError) and trouble.code in (Code.OURS_TIMEOUT, Code.OURS_DISK):
        raise Undecided(f"{trouble.code}: {_words(trouble)}") from trouble


def _words(trouble: Exception) -> str:
    facts = trouble.facts if isinstance(trouble, PortalError) else {}
    return " ".join(str(facts.get("log") or facts.get("exit") or trouble).split())[-300:]
