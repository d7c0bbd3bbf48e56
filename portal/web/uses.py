"""Uses outside this site that have ended, in the studio: which the brand still has to stop, and that it has.

Shows and parses; what counts as ended is in portal/uses.py.
"""

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from portal import desk, uses
from portal.i18n import gettext as _
from portal.web.db import reading, writing
from portal.web.people import actor, guard_reviewers
from portal.web.wordings import purpose_word

bp = Blueprint("uses", __name__)
bp.before_request(guard_reviewers)


@bp.get("/studio/uses")
def listing() -> str:
    """Clips whose owners do not agree any more to what may stand elsewhere; the oldest first."""
    rows = [(one, purpose_word(one.purpose)) for one in uses.waiting(reading())]
    return render_template("studio/uses.html", rows=rows)


@bp.post("/studio/uses/<clip_id>/<purpose>")
def stopped(clip_id: str, purpose: str) -> Response:
    """The brand has deleted it there, or never used it; pressing twice says it once."""
    with writing() as session:
        uses.stopped(session, desk.clip_by_id(session, clip_id), purpose, by=actor())
    flash(_("C’est noté."), "success")
    return redirect(url_for(".listing"), 303)


@bp.get("/studio/uses/<clip_id>/<purpose>")
def back_to_list(clip_id: str, purpose: str) -> Response:  # noqa: ARG001 - the address has them
    """Whoever signed in again on the way to the form's address lands on the list."""
    return redirect(url_for(".listing"), 303)
