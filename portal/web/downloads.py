"""What administrators take along: a film as it was sent, and the list of owners who agreed to be written to.

Shows nothing; who is on the list, and which film it is, is for portal/contacts.py and originals.py to say.
"""

import csv
import io

from flask import Blueprint, flash, make_response, redirect, url_for
from werkzeug.wrappers import Response

from portal import contacts, guest_lists, originals, reasons
from portal.errors import Code, Missing
from portal.i18n import gettext as _
from portal.web.db import runtime, writing
from portal.web.people import actor, guard_administrators

bp = Blueprint("downloads", __name__)
bp.before_request(guard_administrators)


@bp.post("/studio/review/<clip_id>/original")
def original(clip_id: str) -> Response:
    """Lead to the original, which the browser saves; each press signs a fresh address and is written down."""
    try:
        handed = originals.hand_out(writing, runtime().storage, clip_id, by=actor())
    except Missing as error:
        if error.code != Code.ORIGINAL_GONE:
            raise
        flash(reasons.sentence(error.code), "error")
        return redirect(url_for("review.sheet", clip_id=clip_id), 303)
    return redirect(handed.url, 303)


@bp.post("/studio/clips/contacts.csv")
def contacts_list() -> Response:
    """The owners to write to, in the columns that a call's page of invitations reads."""
    with writing() as work:
        found = contacts.take(work, by=actor())
    if not found:
        flash(_("Personne n’est à recontacter pour l’instant."), "warning")
        return redirect(url_for("admin.clips", use="contact"), 303)
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["email", "first_name", "language"])
    table.writerows(
        [guest_lists.guarded(cell) for cell in (one.email, one.first_name, one.lang)] for one in found
    )
    # With the mark that tells spreadsheets it is UTF-8.
    answer = make_response(out.getvalue().encode("utf-8-sig"))
    answer.headers["Content-Type"] = "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = 'attachment; filename="contacts.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
