"""How far a tool is, by its own lines, and whether it goes on at all. Starts and ends nothing."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

STILL_SECONDS: Final = 180.0
"""A tool at work reads or makes something many times a second, on the slowest machine some times a minute."""

_LINE_BYTES: Final = 12_000
# A worker that is frozen with its tool wakes up late: that was no standstill of the tool's.
_LONGEST_LOOK_SECONDS: Final = 1.0


@dataclass(slots=True)
class Progress:
    """Turns ffmpeg's progress lines into percent of the film that is to come out."""

    film_seconds: float
    tell: Callable[[float], None]
    rest: bytes = b""
    best: float = 0.0
    # How many frames there were at most, and how far in the film: either grows while anything is made.
    made: dict[bytes, int] = field(default_factory=dict)

    def take(self, chunk: bytes) -> None:
        """Hear a piece of what the tool said."""
        *lines, rest = (self.rest + chunk).split(b"\n")
        # A tool that has stopped speaking in lines is not remembered for ever.
        self.rest = rest[-_LINE_BYTES:]
        for line in lines:
            name, _, value = line.partition(b"=")
            if name in (b"frame", b"out_time_us") and value.strip().isdigit():
                self.made[name] = max(int(value), self.made.get(name, 0))
            if name == b"out_time_us" and name in self.made and self.film_seconds > 0:
                self.best = max(self.best, min(100.0, self.made[name] / self.film_seconds / 1e4))
                self.tell(self.best)
            elif (name, value.strip()) == (b"progress", b"end"):
                self.tell(100.0)


class Stillness:
    """For how long a tool has neither read on in its films nor made anything more of them."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self.films: list[int] = []
        """Descriptors that the tool reads its films by: we share their positions."""
        self._progress = progress
        self._seen: object = None
        self._clock = clock
        self._looked = clock()
        self._seconds = 0.0

    def seconds(self) -> float:
        """How long it has lasted; to be asked several times a second, for time in which nobody asked hardly counts."""
        now, state = self._clock(), (dict(self._progress.made), self._positions())
        self._seconds += min(now - self._looked, _LONGEST_LOOK_SECONDS)
        self._looked = now
        if state != self._seen:
            self._seen, self._seconds = state, 0.0
        return self._seconds

    def _positions(self) -> list[int]:
        found = []
        with suppress(OSError):
            found += [os.lseek(film, 0, os.SEEK_CUR) for film in self.films]
        return found
