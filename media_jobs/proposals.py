"""Which of a film's pictures are worth being its poster: sharp, neither black nor blank, spread over the film.

Looks at pictures that were cut out already; never at the film.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from PIL import Image, ImageFilter, ImageStat

MOST: Final = 5
LOOKS: Final = 3
"""So many pictures are looked at for each one proposed."""

_EDGES = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 4, -1, 0, -1, 0), scale=1, offset=128)
# Of 255: below and above, and with less contrast than this, there is nothing to be seen.
_DARKEST, _BRIGHTEST, _FLATTEST = 18.0, 243.0, 7.0


@dataclass(frozen=True, slots=True)
class Look:
    """One picture of the film by its frame's number, and how good a poster it would be."""

    frame: int
    sharpness: float
    is_blank: bool

    @property
    def rank(self) -> tuple[bool, float]:
        """Orders pictures: a blank one comes after every other, however sharp."""
        return (not self.is_blank, self.sharpness)


def frames(count: int) -> tuple[int, ...]:
    """The frames to look at in a film of so many: in the middle of fifteen equal passages."""
    looks = MOST * LOOKS
    return tuple(sorted({min(count - 1, (2 * place + 1) * count // (2 * looks)) for place in range(looks)}))


def look(frame: int, picture: Image.Image) -> Look:
    """How sharp the picture is (the variance of its second derivative, halved in size against noise) and whether blank."""
    grey = picture.convert("L").reduce(2) if min(picture.size) > 60 else picture.convert("L")
    light, contrast = ImageStat.Stat(grey).mean[0], ImageStat.Stat(grey).stddev[0]
    sharpness = ImageStat.Stat(grey.filter(_EDGES)).var[0]
    blank = contrast < _FLATTEST or not _DARKEST <= light <= _BRIGHTEST
    return Look(frame, round(sharpness, 3), blank)


def choose(looks: Sequence[Look]) -> tuple[Look, ...]:
    """At most five, in the film's order: the best of each fifth of the film, without blank ones while others are left.

    A film of which nothing can be seen still gets one.
    """
    parts = min(MOST, len(looks))
    bounds = [round(place * len(looks) / parts) for place in range(parts + 1)]
    fifths = [looks[start:end] for start, end in pairwise(bounds)]
    best = [max(fifth, key=lambda one: one.rank) for fifth in fifths]
    chosen = [one for one in best if not one.is_blank]
    others = [one for one in looks if not one.is_blank and one not in chosen]
    chosen += sorted(others, key=lambda one: one.rank, reverse=True)[: parts - len(chosen)]
    return tuple(sorted(chosen or [max(best, key=lambda one: one.rank)], key=lambda one: one.frame))
