"""The same file, or the same film encoded again, in another clip."""

from typing import Any, Final

from media_jobs.signals.registry import Material, Need, Signal, register
from media_jobs.signals.registry import said as _
from portal.signals import Finding, Similar

SENTENCES: Final = {
    "file": _("C’est exactement le même fichier que celui d’un autre clip."),
    "film": _("C’est sans doute le même film qu’un autre clip, à partir de %(at)s."),
    "picture": _(
        "Les images sont sans doute celles d’un autre clip, à partir de %(at)s ; le son est différent."
    ),
    "sound": _(
        "Le son est sans doute celui d’un autre clip, à partir de %(at)s ; les images sont différentes."
    ),
}


def measure(material: Material) -> list[Finding]:
    """One finding for each clip that is alike; the site names it, as it is by then and only while it may."""
    return [_finding(one) for one in material.record.similar]


def _finding(one: Similar) -> Finding:
    facts: dict[str, Any] = {"clip": one.clip_id, "what": one.what}
    if one.what == "file":
        return Finding(SENTENCES[one.what], facts=facts)
    facts |= {"other_at": round(one.other_at, 1), "shared_seconds": round(one.seconds, 1)}
    differing = {"picture_differs": one.picture, "sound_differs": one.sound}
    facts |= {name: round(share, 3) for name, share in differing.items() if share is not None}
    return Finding(SENTENCES[one.what], round(one.at, 1), round(one.at + one.seconds, 1), facts)


register(Signal("duplicate", _("Doublons"), _("Aucun autre clip ne lui ressemble."), Need.RECORD, measure))
