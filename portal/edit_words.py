"""An edit list in words for people: what was left out, silenced, hidden; pure functions of the current language."""

from portal.edits import EditList
from portal.i18n import format_number
from portal.i18n import gettext as _


def changes(edits: EditList) -> list[str]:
    """One sentence for everything that is not as it was filmed, in the film's own times; for the empty list, that."""
    said = []
    if edits.start is not None:
        said.append(_("Le début est retiré, jusqu’à %(at)s.", at=instant(edits.start)))
    said += [
        _("Un passage est retiré, de %(start)s à %(end)s.", start=instant(one.start), end=instant(one.end))
        for one in edits.cuts
    ]
    if edits.end is not None:
        said.append(_("La fin est retirée, à partir de %(at)s.", at=instant(edits.end)))
    said += [
        _("Le son est coupé, de %(start)s à %(end)s.", start=instant(one.start), end=instant(one.end))
        for one in edits.mutes
    ]
    said += [
        _(
            "Une partie de l’image est floutée, de %(start)s à %(end)s.",
            start=instant(one.start),
            end=instant(one.end),
        )
        for one in edits.blurs
    ]
    return said or [_("Le film est montré en entier, tel qu’il a été filmé.")]


def instant(at: float) -> str:
    """A place in the film to a tenth of a second, as people type it: 1:24, 0:07,5."""
    minutes, seconds = divmod(round(at * 10), 600)
    whole, tenth = divmod(seconds, 10)
    point = format_number(0.5).strip("05")
    return f"{minutes}:{whole:02}{point}{tenth}" if tenth else f"{minutes}:{whole:02}"
