"""The moderators' forms for cuts: propose one, publish it, keep the old one; all without script.

Shows and parses; what a cut means is in portal/editing.py.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from portal import editing, reasons, review
from portal.edits import MOST_PASSAGES, Blur, EditList, Passage
from portal.errors import Code, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.models import Clip
from portal.web import captions, cut_panel
from portal.web.cut_panel import BOX
from portal.web.db import reading, runtime, writing
from portal.web.people import actor, guard_reviewers
from portal.web.playback import preview_of

bp = Blueprint("editing", __name__)
bp.before_request(guard_reviewers)

PageAnswer = Response | tuple[str, int] | str

_MOST_ROWS: Final = 3 * MOST_PASSAGES
_INSTANT = re.compile(r"(?:(\d{1,3}):)?(\d{1,5}(?:[.,]\d{1,3})?)")
_PERCENT = re.compile(r"\d{1,3}(?:[.,]\d{1,2})?")


@bp.get("/studio/review/<clip_id>/cuts")
def panel(clip_id: str) -> str:
    """The clip's cuts on a page of their own."""
    return _page(clip_id)


@bp.get("/studio/review/<clip_id>/cuts/<int:_number>/<any(adopt, again, 'let-go'):_act>")
def back_to_panel(clip_id: str, _number: int, _act: str) -> Response:
    """Whoever signed in again on the way to a form's address lands on the clip's cuts."""
    return redirect(url_for("editing.panel", clip_id=clip_id), 303)


@bp.post("/studio/review/<clip_id>/cuts")
def propose(clip_id: str) -> PageAnswer:
    """Have the film made anew with what the form says; what cannot be taken comes back, filled in."""
    values = _sent()
    try:
        edits = _edits(values)
        with writing() as session:
            clip = review.clip_by_id(session, clip_id)
            editing.propose(session, clip, edits, by=actor(), seen_version=_version())
    except PortalError as error:
        return _page(clip_id, values=values, faults=_faults(error)), error.status
    flash(_("Nouvelle version demandée. Elle apparaît ici dès qu’elle est prête."), "success")
    return _to_sheet(clip_id)


@bp.post("/studio/review/<clip_id>/cuts/<int:number>/again")
def again(clip_id: str, number: int) -> PageAnswer:
    """Propose an earlier or failed version anew."""
    return _act(
        clip_id,
        lambda session, clip: editing.again(session, clip, number, by=actor(), seen_version=_version()),
        _("Nouvelle version demandée. Elle apparaît ici dès qu’elle est prête."),
    )


@bp.post("/studio/review/<clip_id>/cuts/<int:number>/adopt")
def adopt(clip_id: str, number: int) -> PageAnswer:
    """Let the finished version count."""
    return _act(
        clip_id,
        lambda session, clip: editing.adopt(session, clip, number, by=actor(), seen_version=_version()),
        _("C’est cette version qui compte maintenant."),
    )


@bp.post("/studio/review/<clip_id>/cuts/<int:number>/let-go")
def let_go(clip_id: str, number: int) -> PageAnswer:
    """Keep the old version."""
    return _act(
        clip_id,
        lambda session, clip: editing.let_go(session, clip, number, by=actor()),
        _("L’ancienne version est gardée."),
    )


def _act(clip_id: str, act: Callable[[Any, Clip], object], said: str) -> PageAnswer:
    try:
        with writing() as session:
            act(session, review.clip_by_id(session, clip_id))
    except PortalError as error:
        if error.code == Code.MISSING:
            raise
        return _page(clip_id, faults=_faults(error)), error.status
    flash(said, "success")
    return _to_sheet(clip_id)


def _to_sheet(clip_id: str) -> Response:
    return redirect(url_for("review.sheet", clip_id=clip_id) + "#versions", 303)


def _page(clip_id: str, *, values: dict[str, Any] | None = None, faults: dict[str, str] | None = None) -> str:
    session = reading()
    clip = review.clip_by_id(session, clip_id)
    seen = review.sheet(session, clip_id)
    return render_template(
        "review/cuts.html",
        clip=clip,
        player=captions.for_staff(preview_of(runtime().storage, seen.renditions, clip), session, clip),
        cutting=cut_panel.of(session, clip, track_url=captions.reviewers_tracks(clip), values=values),
        faults={},
        cut_faults=faults or {},
    )


def _version() -> int:
    given = request.form.get("version", "")
    return int(given) if re.fullmatch(r"[0-9]{1,9}", given) else 0


# The form ----------------------------------------------------------------------------------------------


def _sent() -> dict[str, Any]:
    """The form as it was sent; rows without any time are left out."""
    form = request.form
    rows = []
    for number in range(_MOST_ROWS + cut_panel.EMPTY_ROWS):
        row = {name: form.get(f"{name}-{number}", "").strip() for name in ("kind", "from", "to", *BOX)}
        if row["from"] or row["to"]:
            rows.append(row)
    return {"rows": rows, "start": form.get("start", "").strip(), "end": form.get("end", "").strip()}


def _edits(values: dict[str, Any]) -> EditList:
    """The edit list that the form says; raises Unacceptable with a fault for every row that cannot be read."""
    faults: dict[str, Code] = {}
    found: dict[str, list[Any]] = {"cut": [], "mute": [], "blur": []}
    ends = {name: _instant(values[name], name, faults) for name in ("start", "end") if values[name]}
    for place, row in enumerate(values["rows"]):
        passage = _passage(row, f"row.{place}", faults)
        if row["kind"] not in found:
            faults[f"row.{place}"] = Code.INVALID
        elif row["kind"] == "blur":
            sides = [_share(row[side], f"row.{place}", faults) for side in BOX]
            found["blur"].append(Blur(passage.start, passage.end, *sides))
        else:
            found[row["kind"]].append(passage)
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    return EditList(
        ends.get("start"), ends.get("end"), tuple(found["cut"]), tuple(found["mute"]), tuple(found["blur"])
    )


def _passage(row: dict[str, str], place: str, faults: dict[str, Code]) -> Passage:
    start, end = _instant(row["from"], place, faults), _instant(row["to"], place, faults)
    if start >= end and place not in faults:
        faults[place] = Code.INVALID
    return Passage(start, end)


def _instant(text: str, place: str, faults: dict[str, Code]) -> float:
    """Seconds from "1:24", "1:24,5" or "84.5"."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        faults[place] = Code.INVALID
        return 0.0
    return int(found[1] or 0) * 60 + float(found[2].replace(",", "."))


def _share(text: str, place: str, faults: dict[str, Code]) -> float:
    if not _PERCENT.fullmatch(text):
        faults[place] = Code.INVALID
        return 0.0
    return float(text.replace(",", ".")) / 100


def _faults(error: PortalError) -> dict[str, str]:
    found = {field: _said(field, code) for field, code in error.fields.items()}
    return found or {"": reasons.sentence(error.code, **error.facts)}


def _said(field: str, code: Code) -> str:
    """What is wrong, with where: passages by their kind and number, or the row of the form."""
    if code == Code.TOO_SHORT:
        return _("Il reste moins d’une seconde de film. Retirez un peu moins.")
    if code == Code.TOO_MANY:
        return reasons.sentence(code, most=MOST_PASSAGES)
    kind, _dot, place = field.partition(".")
    number = int(place) + 1 if place.isdecimal() else 1
    said: dict[str, Callable[[], str]] = {
        "start": lambda: _("Le début n’est pas dans le film. Écrivez par exemple 0:03 ou 3,5."),
        "end": lambda: _(
            "La fin n’est pas dans le film, ou vient avant le début. Écrivez par exemple 1:24 ou 84."
        ),
        "cuts": lambda: _(
            "Passage à retirer %(num)s : il doit tenir dans le film, et finir après son début.", num=number
        ),
        "mutes": lambda: _(
            "Passage sans son %(num)s : il doit tenir dans le film, et finir après son début.", num=number
        ),
        "blurs": lambda: _(
            "Flou %(num)s : le passage et le cadre doivent tenir dans le film, les quatre côtés en pour cent.",
            num=number,
        ),
        "row": lambda: _(
            "Ligne %(num)s : écrivez deux instants, par exemple 0:12 et 0:15, et pour un flou quatre nombres "
            "de 0 à 100.",
            num=number,
        ),
    }
    return said[kind]() if kind in said else reasons.sentence(code)
