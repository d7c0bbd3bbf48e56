"""Passages in which the picture stands still."""

from typing import Final

from media_jobs.signals.registry import Material, Need, Signal, register
from media_jobs.signals.registry import said as _
from portal.edits import EditList, Passage
from portal.signals import Finding

LEAST_SECONDS: Final = 1.0


def measure(material: Material) -> list[Finding]:
    """Every passage of a second or more in which no point moves; what is black is told as black alone."""
    watched = material.watched
    visible = EditList(cuts=watched.black).kept(watched.seconds) if watched.black else None
    return [
        Finding(
            _("L’image ne bouge pas de %(at)s à %(until)s."),
            one.start,
            one.end,
            {"seconds": round(one.seconds, 2)},
        )
        for frozen in watched.frozen
        for one in _within(frozen, visible)
        if one.seconds >= LEAST_SECONDS
    ]


def _within(frozen: Passage, visible: tuple[Passage, ...] | None) -> list[Passage]:
    if visible is None:
        return [frozen]
    both = (Passage(max(frozen.start, one.start), min(frozen.end, one.end)) for one in visible)
    return [one for one in both if one.end > one.start]


register(Signal("frozen", _("Image figée"), _("L’image bouge du début à la fin."), Need.PICTURE, measure))
