"""One pass of ffmpeg over a film's lowest rung and its sound, and what it showed: read from files, no judgement.

Costs about 1 % of what the film's ladder costs (docs/signals.md).
"""

import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import mul
from pathlib import Path
from typing import Any, Final

from media_jobs.ffmpeg import Stream, Tools, compose, output, run, source
from portal.edits import Passage
from portal.errors import Unavailable
from portal.fingerprints import PICTURES_A_SECOND, SIDE, Print, hashed

STEP: Final = 0.1
"""Seconds between two momentary loudness values."""

SLICE: Final = 0.02
"""Seconds of one level of the voice's band."""

VOICE_RATE: Final = 8000
QUIETEST_DB: Final = -90.0
_SLICE_SAMPLES: Final = round(SLICE * VOICE_RATE)
_FULL: Final = 32768.0
_BLACK_SHARE: Final = 0.98
_LINE = re.compile(
    r"^(?:frame:.*pts_time:(?P<at>-?[\d.]+)|lavfi\.(?P<name>[\w.]+)=(?P<value>\S+))", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Watched:
    """What one pass has shown, in seconds of the rung.

    `moments` are momentary loudness values in LUFS, one each `STEP`; `levels` the voice's band in dB, one each `SLICE`.
    """

    seconds: float = 0.0
    black: tuple[Passage, ...] = ()
    frozen: tuple[Passage, ...] = ()
    moments: tuple[float, ...] = ()
    integrated: float | None = None
    range_lu: float | None = None
    peak_db: float | None = None
    levels: tuple[float, ...] = ()
    print: Print = field(default_factory=lambda: Print.from_bytes(b"", b""))


def watch(
    tools: Tools,
    picture: Path | None,
    sound: Path | None,
    folder: Path,
    seconds: float,
    cancelled: Callable[[], bool],
) -> Watched:
    """Run the pass in the folder and read what it left there; raises Cancelled, Unavailable."""
    try:
        _pass(tools, picture, sound, folder, seconds, cancelled, with_words=True)
    except Unavailable as trouble:
        # An ffmpeg of one's own may be built without Chromaprint: then pictures alone are compared.
        if "chromaprint" not in str(trouble.facts.get("log", "")):
            raise
        _pass(tools, picture, sound, folder, seconds, cancelled, with_words=False)
    seen = list(_events(folder / "picture.txt"))
    heard = list(_events(folder / "sound.txt"))
    return Watched(
        seconds=seconds,
        black=_passages(seen, "black_start", "black_end", seconds),
        frozen=_passages(seen, "freezedetect.freeze_start", "freezedetect.freeze_end", seconds),
        moments=tuple(_number(value) for _, name, value in heard if name == "r128.M"),
        integrated=_last(heard, "r128.I"),
        range_lu=_last(heard, "r128.LRA"),
        peak_db=_peak(heard),
        levels=tuple(_levels(_read(folder / "voice.raw"))),
        print=Print(hashed(_read(folder / "pictures.raw")), _words(_read(folder / "words.raw"))),
    )


def _pass(
    tools: Tools,
    picture: Path | None,
    sound: Path | None,
    folder: Path,
    seconds: float,
    cancelled: Callable[[], bool],
    *,
    with_words: bool,
) -> None:
    outputs = []
    if picture is not None:
        outputs.append(
            output([_seen(source(picture, "mov", threads=1)["v:0"])], "pictures.raw", f="rawvideo")
        )
    if sound is not None:
        measured = _heard(source(sound, "mov")["a:0"])
        raw = {"f": "s16le", "c:a": "pcm_s16le"}
        if with_words:
            both = measured.filter_multi_output("asplit", 2)
            outputs.append(output([both[1]], "words.raw", f="chromaprint", fp_format="raw"))
            measured = both[0]
        outputs.append(output([_voice(measured)], "voice.raw", **raw))
    if outputs:
        run(
            tools,
            compose(outputs),
            folder=folder,
            wall_seconds=60 + 2 * seconds,
            film_seconds=seconds,
            cancelled=cancelled,
        )


def _seen(shown: Stream) -> Stream:
    """Black and frozen passages are written down, then come a few small grey pictures a second."""
    looked = shown.filter("blackdetect", d=1, pic_th=_BLACK_SHARE).filter("freezedetect", n="-60dB", d=1)
    listed = looked.filter("metadata", "print", file="picture.txt")
    few = listed.filter("fps", fps=PICTURES_A_SECOND).filter("scale", SIDE, SIDE, flags="area")
    return few.filter("format", "gray")


def _heard(track: Stream) -> Stream:
    measured = track.filter("ebur128", peak="true", metadata=1, framelog="quiet")
    return measured.filter("ametadata", "print", file="sound.txt")


def _voice(sound: Stream) -> Stream:
    """What a telephone would carry of it."""
    band = sound.filter("highpass", f=200).filter("lowpass", f=3400)
    return band.filter("aformat", sample_fmts="s16", sample_rates=VOICE_RATE, channel_layouts="mono")


Event = tuple[float, str, str]


def _events(path: Path) -> Iterator[Event]:
    """Instant, name and value of everything that filters wrote down."""
    at = 0.0
    for found in _LINE.finditer(_read(path).decode(errors="replace")):
        if found["at"] is not None:
            at = float(found["at"])
        else:
            yield at, found["name"], found["value"]


def _passages(events: Sequence[Event], begin: str, end: str, seconds: float) -> tuple[Passage, ...]:
    """From begin to end each; what has not ended by then ends with the film."""
    found, start = [], None
    for _, name, value in events:
        if name == begin:
            start = float(value)
        elif name == end and start is not None:
            found.append(Passage(start, float(value)))
            start = None
    if start is not None:
        found.append(Passage(start, seconds))
    return tuple(found)


def _last(events: Sequence[Event], name: str) -> float | None:
    values = [value for _, found, value in events if found == name]
    number = _number(values[-1]) if values else math.nan
    return number if math.isfinite(number) else None


def _peak(events: Sequence[Event]) -> float | None:
    """The highest true peak so far, as written with the last frame: a share of full scale."""
    shares = [_number(value) for _, name, value in events if name.startswith("r128.true_peaks_ch")]
    highest = max((share for share in shares if math.isfinite(share)), default=0.0)
    return 20 * math.log10(highest) if highest > 0 else None


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def _levels(samples: bytes) -> Iterator[float]:
    wave: array[Any] = array("h")
    wave.frombytes(samples[: len(samples) // 2 * 2])
    for start, end in pairwise(range(0, len(wave) + 1, _SLICE_SAMPLES)):
        part = wave[start:end]
        power = sum(map(mul, part, part)) / _SLICE_SAMPLES / (_FULL * _FULL)
        yield max(QUIETEST_DB, 10 * math.log10(power)) if power > 0 else QUIETEST_DB


def _words(raw: bytes) -> "array[int]":
    words = array("I")
    words.frombytes(raw[: len(raw) // words.itemsize * words.itemsize])
    return words


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
