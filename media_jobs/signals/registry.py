"""What a signal is, and where all of them are found: every module of this package registers itself.

A signal measures and tells a passage and a sentence; it never decides anything about a clip.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path

from media_jobs import signals
from media_jobs.ffmpeg import Tools
from media_jobs.signals.watching import Watched
from portal.signals import Finding, Similar


class Need(Flag):
    """What a signal cannot do without: where the film has it not, the signal is not asked."""

    RECORD = auto()
    PICTURE = auto()
    SOUND = auto()


def said(sentence: str) -> str:
    """The sentence itself: marks it for the catalogues. The site translates it and fills its places for its reader."""
    return sentence


@dataclass(frozen=True, slots=True)
class Record:
    """What the record says of the film: seconds, loudness in LUFS as it came and the gain it was given in dB.

    `words` is how many words speech recognition found, None while it has not listened.
    """

    seconds: float
    loudness: float | None = None
    gain_db: float = 0.0
    declared_lang: str = ""
    heard_lang: str | None = None
    words: int | None = None
    similar: Sequence[Similar] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """All there is to measure on: the record, what one pass over the film has shown, and the files themselves.

    `picture` is the lowest rung, `sound` its sound track; whoever needs more of them runs `tools` on them, in `folder`.
    """

    record: Record
    watched: Watched
    tools: Tools
    folder: Path
    picture: Path | None = None
    sound: Path | None = None

    @property
    def has(self) -> Need:
        """What of it is there."""
        found = Need.RECORD
        found |= Need.PICTURE if self.picture is not None else Need(0)
        return found | (Need.SOUND if self.sound is not None else Need(0))


Measure = Callable[[Material], list[Finding] | None]


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of thing to look at.

    `name` says what is looked at, `good` that there was nothing; both are French sentences, marked with `said`.
    `measure` returns None when there is nothing yet to measure on.
    """

    kind: str
    name: str
    good: str
    needs: Need
    measure: Measure


_known: dict[str, Signal] = {}


def register(signal: Signal) -> Signal:
    """Have the signal measured on every film from now on."""
    _known[signal.kind] = signal
    return signal


def every() -> list[Signal]:
    """All signals whose files lie in this package, by kind."""
    for module in pkgutil.iter_modules(signals.__path__, f"{signals.__name__}."):
        importlib.import_module(module.name)
    return [_known[kind] for kind in sorted(_known)]
