"""Films that flash and beep at the same instants, and how far words are behind lips in what was made of them."""

import re
from collections.abc import Sequence
from pathlib import Path

from tests import footage

RATE = 48_000
# Instants are those of the file's own clock: one that began late would otherwise look as if it began at 0.
CLOCK = ("-copyts", "-i")


def flashing(
    seconds: float, at: Sequence[float], rate: str, size: str = "32x32", lasting: float = 0.099
) -> str:
    """A source of lavfi: black, and white for a tenth of a second at these instants."""
    lit = "+".join(f"between(t,{one - 0.001},{one + lasting})" for one in at)
    return f"color=black:size={size}:rate={rate}:duration={seconds},drawbox=color=white:t=fill:enable='{lit}'"


def both(
    path: Path,
    picture: Sequence[object],
    sound: Sequence[object],
    *,
    seconds: float = 2.0,
    at: Sequence[float] = (),
    rate: str = "30",
    size: str = "32x32",
    sample_rate: int = 48000,
    channels: int = 2,
    inputs: tuple[Sequence[object], Sequence[object]] = ((), ()),
    late: float = 0.0,
) -> Sequence[float]:
    """A film of flashes and beeps, and when they are: unless told otherwise at 0.3 s and 0.3 s before the end.

    `inputs` are words before the picture and the sound, `late` is when the sound track begins.
    """
    at = at or (0.3, round(seconds - 0.3, 3))
    lit = "+".join(f"between(t,{one},{one + 0.1})" for one in at)
    shifted = re.sub(r"\bt\b", f"(t+{late})", lit)
    tone = f"aevalsrc='0.3*sin(2000*PI*t)*min(1,{shifted})':s={sample_rate}:d={seconds - late}"
    shown = flashing(seconds, at, rate, size)
    footage.ffmpeg(
        *(*inputs[0], "-f", "lavfi", "-i", shown, *inputs[1], "-f", "lavfi", "-i", tone),
        *(*picture, *sound, "-ac", channels, path),
    )
    return at


def flashes(path: Path, rate: float) -> list[float]:
    """When this film, which has so many frames a second, turns white."""
    look = ("-map", "0:v:0", "-vf", "scale=1:1:flags=area,format=gray", "-r", rate, "-fps_mode", "cfr")
    light = footage.ffmpeg(*CLOCK, path, *look, "-f", "rawvideo", "-")
    lit = [
        place for place, value in enumerate(light) if value > 128 and (place == 0 or light[place - 1] <= 128)
    ]
    return [place / rate for place in lit]


def beeps(path: Path, near: Sequence[float] | None = None) -> list[float]:
    """When a sound begins after at least 0.1 s of near silence; of a long film only within half a second of these."""
    mono = ("-map", "0:a:0", "-af", f"aresample={RATE}:async=1:first_pts=0", "-ac", 1, "-f", "s16le", "-")
    heard = memoryview(footage.ffmpeg(*CLOCK, path, *mono)).cast("h")
    spans = [(0, len(heard))]
    if near is not None:
        spans = [(max(0, round((at - 0.5) * RATE)), round((at + 0.5) * RATE)) for at in near]
    floor = 0.3 * max(abs(value) for first, last in spans for value in heard[first:last])
    found = []
    for first, last in spans:
        loud = [first + place for place, value in enumerate(heard[first:last]) if abs(value) > floor]
        found += [b / RATE for a, b in zip([first - RATE, *loud], loud, strict=False) if b - a > RATE // 10]
    return found


def apart(
    path: Path | tuple[Path, Path],
    *,
    at: Sequence[float],
    rate: float = 30,
    slack: float = 0.002,
    is_long: bool = False,
) -> float:
    """How far words are from lips at the worst flash, in seconds, where picture and sound are one file or two.

    Every flash has to be where it is expected, within `slack`, with a beep of its own.
    """
    picture, sound = path if isinstance(path, tuple) else (path, path)
    seen, heard = flashes(picture, rate), beeps(sound, at if is_long else None)
    assert len(seen) == len(heard) == len(at), (seen, heard)
    assert max(abs(a - b) for a, b in zip(seen, at, strict=True)) <= slack, seen
    return max(abs(a - b) for a, b in zip(seen, heard, strict=True))
