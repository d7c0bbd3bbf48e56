"""The rungs of the ladder: which sizes a film deserves, and with which figures each one is encoded.

Pure arithmetic; knows neither files nor tools. Figures: docs/performance.md.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Final

LADDER_VERSION: Final = 2
"""Kept with every clip, so that a better ladder can find the clips that were made with an older one."""

LOWER_RUNG_AT_MOST: Final = 0.85
"""A rung that is nearly as tall as the top one costs its CPU and its bytes and shows nobody anything new."""

Rate = int | Fraction
"""Frames a second: whole ones for what we make, the film's own fraction where its picture is copied."""

FULL_SIZE_MP4_SECONDS: Final = 60.0
SEGMENT_SECONDS: Final = 4


class Profile(StrEnum):
    """What an encoder may cost: economy takes 0.62 of standard's CPU and makes files about a fifth larger."""

    STANDARD = "standard"
    ECONOMY = "economy"


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of the ladder; `short_side` is the shorter edge of the picture, in pixels.

    `trellis` None leaves it to the preset.
    """

    short_side: int
    preset: str
    crf: int
    cap_kbit: int
    trellis: int | None = None

    @property
    def name(self) -> str:
        """The word that file names carry, e.g. "720"."""
        return str(self.short_side)

    def cap_at(self, frame_rate: Rate) -> int:
        """The highest bit rate in kbit/s at this frame rate: half as much again from about 50 frames a second."""
        return self.cap_kbit * 3 // 2 if frame_rate >= 49 else self.cap_kbit

    def frame_rate(self, film_rate: Rate) -> Rate:
        """The rung's own frame rate: 50 and 60 stay for 720 and above and are halved below."""
        if film_rate < 49 or self.short_side >= 720:
            return film_rate
        return film_rate // 2 if isinstance(film_rate, int) else film_rate / 2


RUNGS: Final = (
    Rung(1080, "faster", 23, 6000),
    Rung(720, "faster", 23, 3200),
    Rung(480, "medium", 23, 1500),
    Rung(360, "medium", 23, 750),
)


def rungs_for(width: int, height: int, profile: Profile = Profile.STANDARD) -> tuple[Rung, ...]:
    """The rungs a film of this displayed size deserves, tallest first; never taller than the film."""
    rungs = _standard(width, height)
    # Without trellis, veryfast is a trap on grainy phone films: 27 % more bits than medium instead of 17.
    if profile is Profile.ECONOMY:
        return tuple(replace(rung, preset="veryfast", crf=22, trellis=1) for rung in rungs)
    return rungs


def _standard(width: int, height: int) -> tuple[Rung, ...]:
    top = max(2, min(width, height, RUNGS[0].short_side) // 2 * 2)
    like = next(rung for rung in reversed(RUNGS) if rung.short_side >= top)
    lower = (rung for rung in RUNGS if rung.short_side <= LOWER_RUNG_AT_MOST * top)
    return (Rung(top, like.preset, like.crf, like.cap_kbit), *lower)


def size_for(rung: Rung, width: int, height: int) -> tuple[int, int]:
    """Width and height of the rung for a film of this displayed size: same shape, both sides even."""
    short = min(width, height)
    long_side = max(2, round(max(width, height) * rung.short_side / short / 2) * 2)
    return (rung.short_side, long_side) if width < height else (long_side, rung.short_side)


def mp4_rungs(rungs: tuple[Rung, ...], seconds: float) -> tuple[Rung, ...]:
    """The rungs that are also made as plain MP4: up to 720 and 480, and the top of films up to 60 s.

    Of a film that has neither, the top rung, so that there always is one.
    """
    middle = next((rung for rung in rungs if rung.short_side <= 720), None)
    return tuple(
        rung
        for rung in rungs
        if rung == middle or rung.short_side == 480 or (rung == rungs[0] and seconds <= FULL_SIZE_MP4_SECONDS)
    )


def frame_rate_for(mean_rate: float) -> int:
    """The constant frame rate for a film whose mean rate is this: 24, 25, 30, 50 or 60."""
    for rate in (24, 25, 30, 50, 60):
        if abs(mean_rate - rate) <= rate / 100:
            return rate
    return 60 if mean_rate >= 45 else 30
