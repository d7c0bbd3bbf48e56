"""The owner takes the clip back in two clicks, may undo it for a day, may have it erased at once."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal import submission, withdrawal
from portal.errors import Conflict
from portal.i18n import gettext as _
from portal.lifecycle import LIVING, OWNER
from portal.models import State
from portal.reasons import sentence
from portal.web import words
from portal.web.db import reading, writing
from portal.web.owner import signed_in

bp = Blueprint("withdrawal", __name__)


@bp.get("/<lang>/s/<token>/withdraw")
def confirm(lang: str, token: str) -> str | AnyResponse:
    """What happens and when, and the button that does it."""
    clip = submission.by_link(reading(), token)
    if clip.state not in LIVING:
        return _back(lang, token)
    return render_template("submission/withdraw.html", clip=clip, token=token, whys=words.leaving_words())


@bp.post("/<lang>/s/<token>/withdraw")
def withdraw(lang: str, token: str) -> AnyResponse:
    """Take the clip out of sight at once; doing it twice is one withdrawal."""
    with writing() as session:
        clip = submission.by_link(session, token)
        if clip.state not in (State.WITHDRAWN, State.ERASED):
            withdrawal.withdraw(session, clip, by=OWNER, why=request.form.get("why", ""))
    return _back(lang, token)


@bp.post("/<lang>/s/<token>/restore")
def restore(lang: str, token: str) -> AnyResponse:
    """Undo a withdrawal within 24 h: the clip goes back to where it was, a public one to the moderators."""
    try:
        with writing() as session:
            clip = submission.by_link(session, token)
            withdrawal.restore(session, clip, by=OWNER)
            is_read = clip.state == State.IN_REVIEW
    except Conflict as error:
        flash(sentence(error.code, **error.facts), "error")
    else:
        again = _("Votre clip est de retour. Nous le relisons avant de le remettre en ligne.")
        flash(again if is_read else _("Votre clip est de retour, là où il en était."), "success")
    return _back(lang, token)


@bp.post("/<lang>/s/<token>/erase")
def erase(lang: str, token: str) -> AnyResponse:
    """Have everything deleted now instead of tomorrow.

    Nothing brings it back: a link that went astray is not enough, the owner signs in by the mailbox first.
    """
    try:
        with writing() as session:
            clip = submission.by_link(session, token)
            who = signed_in(session)
            if clip.owner_id is not None and (who is None or who.person.id != clip.owner_id):
                flash(
                    _("Pour effacer sans attendre, entrez d’abord dans votre espace par votre boîte."),
                    "warning",
                )
                return redirect(url_for("owner.login", lang=lang), 303)
            withdrawal.erase_request(session, clip, by=OWNER)
    except Conflict as error:
        flash(sentence(error.code, **error.facts), "error")
    else:
        flash(_("Nous effaçons tout, film et textes, dans les minutes qui viennent."), "success")
    return _back(lang, token)


def _back(lang: str, token: str) -> AnyResponse:
    return redirect(url_for("submission.status", lang=lang, token=token), 303)
