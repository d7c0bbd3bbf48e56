"""Nobody seems to speak: from the words that were recognised where there are some, else from the sound's own beat.

Speech rises and falls two to eight times a second by several decibels; hums, noises and wind do not. Music with a
beat may pass for speech: then nothing is said. Error rates: docs/signals.md.
"""

from collections.abc import Sequence
from typing import Final

from media_jobs.signals.registry import Material, Need, Signal, register
from media_jobs.signals.registry import said as _
from media_jobs.signals.watching import SLICE
from portal import signals
from portal.signals import Finding

AUDIBLE_DB: Final = -60.0
SWING_DB: Final = 4.0
"""What a rise or fall must measure to count; noise alone swings by less once it is smoothed."""
BEATS: Final = (2.0, 9.0)
"""Rises a second."""
WINDOW_SECONDS: Final = 2.0
LEAST_SECONDS: Final = 2.0
"""A word or two: less than this of speech is none."""
_SMOOTH: Final = 3


def measure(material: Material) -> list[Finding] | None:
    """One finding for the whole film, or none; None where the film has no sound, which another signal tells."""
    finding = Finding(_("Personne ne semble parler."))
    if material.record.words is not None:
        return [] if material.record.words else [finding]
    if material.sound is None:
        return None
    seconds = spoken_seconds(material.watched.levels)
    least = min(LEAST_SECONDS, 0.2 * material.watched.seconds)
    return [] if seconds >= least else [Finding(finding.says, facts={"spoken_seconds": round(seconds, 1)})]


def spoken_seconds(levels: Sequence[float]) -> float:
    """For how long the level moves as speech does, in whole windows."""
    smooth = [sum(levels[at : at + _SMOOTH]) / _SMOOTH for at in range(len(levels) - _SMOOTH + 1)]
    size = min(round(WINDOW_SECONDS / SLICE), len(smooth))
    if size <= 0:
        return 0.0
    windows = (smooth[at : at + size] for at in range(0, len(smooth) - size + 1, max(1, size // 2)))
    return sum(size // 2 * SLICE for window in windows if _moves_like_speech(window))


def _moves_like_speech(window: Sequence[float]) -> bool:
    if max(window) < AUDIBLE_DB:
        return False
    rises, low, high, rising = 0, window[0], window[0], False
    for level in window:
        low, high = min(low, level), max(high, level)
        if not rising and level >= low + SWING_DB:
            rises, rising, high = rises + 1, True, level
        elif rising and level <= high - SWING_DB:
            rising, low = False, level
    rate = rises / (len(window) * SLICE)
    return BEATS[0] <= rate <= BEATS[1]


register(Signal(signals.NO_SPEECH, _("Parole"), _("Quelqu’un semble parler."), Need.PICTURE, measure))
