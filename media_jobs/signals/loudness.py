"""How loud the film was when it came: hardly audible, overdriven, very uneven, or silent for a while.

What is published has been made as loud as the others; the gain it was given is taken back here.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from media_jobs.signals.registry import Material, Need, Signal, register
from media_jobs.signals.registry import said as _
from media_jobs.signals.watching import STEP
from portal.edits import Passage
from portal.signals import Finding

QUIET_LUFS: Final = -36.0
"""With the most gain there is (20 dB) it stays below the others' -16 LUFS."""
LOUD_LUFS: Final = -9.0
"""So loud a moment has its peaks at full scale; which of them were cut off cannot be seen any more."""
LOUD_SECONDS: Final = 1.0
WIDE_LU: Final = 20.0
WIDE_LEAST_SECONDS: Final = 10.0
SILENT_LUFS: Final = -70.0
SILENT_SECONDS: Final = 3.0


def measure(material: Material) -> list[Finding]:
    """Silence, low and high level, wide range; the level as it came, within 1 dB (the gain's own limiter)."""
    if material.sound is None:
        return [Finding(_("Le film n’a pas de son."))]
    moments = material.watched.moments
    if all(moment <= SILENT_LUFS for moment in moments):
        return [Finding(_("La piste sonore est silencieuse du début à la fin."))]
    return [*_quiet(material), *_loud(material), *_wide(material), *_silent(moments)]


def _quiet(material: Material) -> Iterator[Finding]:
    # Below -60 LUFS the record holds no figure, and no gain was given.
    lufs = material.watched.integrated if material.record.loudness is None else material.record.loudness
    if lufs is not None and lufs <= QUIET_LUFS:
        yield Finding(
            _("Le son est très faible : %(lufs)s LUFS à l’arrivée."), facts={"lufs": round(lufs, 1)}
        )


def _loud(material: Material) -> Iterator[Finding]:
    gain, peak, moments = material.record.gain_db, material.watched.peak_db, material.watched.moments
    for one in _passages([moment - gain >= LOUD_LUFS for moment in moments], LOUD_SECONDS):
        loudest = max(moments[round(one.start / STEP) : round(one.end / STEP)]) - gain
        yield Finding(
            _("Le son est très fort, peut-être saturé, de %(at)s à %(until)s."),
            one.start,
            one.end,
            {"lufs": round(loudest, 1)} | ({} if peak is None else {"peak_db": round(peak - gain, 1)}),
        )


def _wide(material: Material) -> Iterator[Finding]:
    width, moments = material.watched.range_lu, material.watched.moments
    if width is None or width <= WIDE_LU or len(moments) * STEP < WIDE_LEAST_SECONDS:
        return
    loudest = max(range(len(moments)), key=moments.__getitem__) * STEP
    yield Finding(
        _("Le son passe du très faible au très fort (écart de %(range)s LU) ; le plus fort est à %(at)s."),
        round(loudest, 1),
        None,
        {"range": round(width, 1)},
    )


def _silent(moments: Sequence[float]) -> Iterator[Finding]:
    for one in _passages([moment <= SILENT_LUFS for moment in moments], SILENT_SECONDS):
        facts = {"seconds": round(one.seconds, 1)}
        yield Finding(_("Il n’y a aucun son de %(at)s à %(until)s."), one.start, one.end, facts)


def _passages(holds: Sequence[bool], least: float) -> Iterator[Passage]:
    """Where it holds for at least so many seconds without a break."""
    start: int | None = None
    for at, held in enumerate([*holds, False]):
        if held and start is None:
            start = at
        elif not held and start is not None:
            if (at - start) * STEP >= least:
                yield Passage(round(start * STEP, 1), round(at * STEP, 1))
            start = None


register(
    Signal(
        "loudness",
        _("Niveau du son"),
        _("Le son est à un niveau habituel."),
        Need.RECORD | Need.PICTURE,
        measure,
    )
)
