"""Passages in which the picture is black."""

from typing import Final

from media_jobs.signals.registry import Material, Need, Signal, register
from media_jobs.signals.registry import said as _
from portal.signals import Finding

LEAST_SECONDS: Final = 1.0


def measure(material: Material) -> list[Finding]:
    """Every passage of a second or more in which 98 % of the points are nearly black."""
    return [
        Finding(
            _("L’image est noire de %(at)s à %(until)s."),
            one.start,
            one.end,
            {"seconds": round(one.seconds, 2)},
        )
        for one in material.watched.black
        if one.seconds >= LEAST_SECONDS
    ]


register(Signal("black", _("Passages noirs"), _("Aucun passage noir."), Need.PICTURE, measure))
