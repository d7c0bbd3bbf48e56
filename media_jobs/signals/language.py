"""Another language is heard than the one that was declared; known once speech recognition has listened."""

from media_jobs.signals.registry import Material, Need, Signal, register
from media_jobs.signals.registry import said as _
from portal.signals import Finding


def measure(material: Material) -> list[Finding] | None:
    """One finding when the two differ, whatever their regions; None while one of them is unknown."""
    heard, declared = material.record.heard_lang, material.record.declared_lang
    if not heard or not declared:
        return None
    if _plain(heard) == _plain(declared):
        return []
    says = _("On entend sans doute une autre langue (%(heard_lang)s) que celle déclarée (%(declared_lang)s).")
    return [Finding(says, facts={"heard_lang": heard, "declared_lang": declared})]


def _plain(code: str) -> str:
    return code.lower().replace("_", "-").partition("-")[0]


register(
    Signal("language", _("Langue parlée"), _("La langue entendue est celle déclarée."), Need.RECORD, measure)
)
