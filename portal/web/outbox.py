"""The outbox in the studio: which letters wait, failed, left or were called off; and sending one again.

Shows and parses; addresses, and what mail servers said of them, are for administrators alone.
"""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from portal import outbox, people
from portal.errors import Conflict
from portal.i18n import gettext as _
from portal.models import NoticeState
from portal.web.db import reading, writing
from portal.web.people import guard_reviewers, me
from portal.web.words import letter_word

bp = Blueprint("outbox", __name__)
bp.before_request(guard_reviewers)

_STATES = {
    "waiting": outbox.WAITING,
    "failed": (NoticeState.FAILED,),
    "sent": (NoticeState.SENT,),
    "cancelled": (NoticeState.CANCELLED,),
}
_MOST = 100
_WORDS_AT_MOST = 80


@bp.get("/studio/outbox")
def listing() -> str:
    """Letters in one state, newest first, of all clips or of some."""
    session, q = reading(), request.args.get("q", "").strip()[:_WORDS_AT_MOST]
    counts = outbox.counts(session, q=q)
    # What failed is what somebody comes for.
    usual = "failed" if counts["failed"] else "waiting"
    state = request.args.get("state", "")
    state = state if state in _STATES else usual
    rows = [_row(one) for one in outbox.listed(session, _STATES[state], q=q, limit=_MOST)]
    totals = {name: sum(counts[one] for one in states) for name, states in _STATES.items()}
    return render_template(
        "studio/outbox.html",
        rows=rows,
        state=state,
        q=q,
        totals=totals,
        most=_MOST,
        days=outbox.SENT_SHOWN.days,
        sees_addresses=people.may_administer(me()),
    )


def _row(one: outbox.Letter) -> dict[str, Any]:
    return {
        "notice": one.notice,
        "clip": one.clip,
        "to": one.to,
        "word": letter_word(one.notice.kind),
        "may_send_again": outbox.may_send_again(one.notice),
    }


@bp.post("/studio/outbox/<int:notice_id>/again")
def again(notice_id: int) -> Response:
    """Try a letter again now; asking twice sends it once."""
    try:
        with writing() as session:
            outbox.send_again(session, notice_id)
    except Conflict:
        flash(_("Cette lettre est déjà partie, annulée ou en route."), "warning")
    else:
        flash(_("La lettre part dans un instant."), "success")
    return redirect(url_for("outbox.listing", state="waiting"), 303)


@bp.get("/studio/outbox/<int:notice_id>/again")
def back_to_list(notice_id: int) -> Response:  # noqa: ARG001 - the address has it
    """Whoever signed in again on the way to the form's address lands on the list."""
    return redirect(url_for("outbox.listing"), 303)
