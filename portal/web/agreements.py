"""Pages of agreement: the one for somebody else in a film, the one that prolongs a term, links that owners hand on.

Opening any of them changes nothing: mail scanners follow links.
"""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal import asking, consent, signatures, submission, terms, wordings
from portal.database import db_now
from portal.errors import Code, Conflict, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.lifecycle import OWNER
from portal.models import Clip, CoSignature, Rendition, State
from portal.reasons import sentence
from portal.web.db import reading, runtime, writing
from portal.web.evidence import evidence
from portal.web.limits import limiter
from portal.web.playback import Playback, preview_of

bp = Blueprint("agreements", __name__)

_ANSWERS = "20/minute"
_GONE = (State.WITHDRAWN, State.ERASED)
_PUBLIC = (State.APPROVED, State.PUBLISHED)

PageAnswer = str | tuple[str, int] | Response


# Somebody else in the film ------------------------------------------------------------------------------


@bp.get("/<lang>/a/<token>")
def sign(lang: str, token: str) -> PageAnswer:
    """Who asks, what is shown, the full text, and the two answers."""
    row, clip = signatures.by_link(reading(), token)
    return _sign_page(reading(), row, clip, lang, token)


@bp.post("/<lang>/a/<token>")
@limiter.limit(_ANSWERS)
def answer(lang: str, token: str) -> PageAnswer:
    """Take the answer; the same one twice is one answer, another one takes its place."""
    form, site = request.form, runtime().settings.site
    proof, guardian = evidence(token, lang), form.get("guardian", "")
    try:
        with writing() as session:
            row, _clip = signatures.by_link(session, token)
            if form.get("answer") == "agree":
                seen = form.get("seen", "") or "-"
                watched = form.get("film", "")
                signatures.agree(
                    session, row, proof=proof, brand=site.brand, guardian=guardian, seen=seen, watched=watched
                )
            elif form.get("answer") == "refuse":
                signatures.refuse(session, row, proof=proof)
            else:
                raise Unacceptable(Code.INVALID)
    except PortalError as error:
        row, clip = signatures.by_link(reading(), token)
        fault = sentence(error.fields.get("guardian", error.code), **error.facts)
        unsigned = "guardian" in error.fields
        page = _sign_page(
            reading(), row, clip, lang, token, fault=fault, guardian=guardian, is_unsigned=unsigned
        )
        return page, error.status
    return redirect(url_for(".sign", lang=lang, token=token, _anchor="reponse"), 303)


def _sign_page(
    session: Session,
    row: CoSignature,
    clip: Clip,
    lang: str,
    token: str,
    *,
    fault: str = "",
    guardian: str = "",
    is_unsigned: bool = False,
) -> str:
    site = runtime().settings.site
    is_gone = clip.state in _GONE
    return render_template(
        "submission/sign.html",
        row=row,
        clip=clip,
        token=token,
        wording=signatures.wording_for(session, clip, row, lang, brand=site.brand),
        playback=None if is_gone else _playback(session, clip),
        is_gone=is_gone,
        watched=signatures.shown(clip),
        is_public=clip.state in _PUBLIC,
        is_over=row.until is not None and row.until <= db_now(session),
        may_renew=signatures.may_renew(session, clip, row),
        fault=fault,
        is_unsigned=is_unsigned,
        guardian=guardian or row.guardian,
    )


def _playback(session: Session, clip: Clip) -> Playback | None:
    if clip.cut_id is None:
        return None
    made = session.scalars(select(Rendition).where(Rendition.cut_id == clip.cut_id))
    return preview_of(runtime().storage, made, clip)


# The term -----------------------------------------------------------------------------------------------


@bp.get("/<lang>/s/<token>/renew")
def renewal(lang: str, token: str) -> str:
    """The text of the agreement, until when it holds, and the one button that prolongs it."""
    session = reading()
    clip = submission.by_link(session, token)
    return render_template(
        "submission/renew.html",
        clip=clip,
        token=token,
        term=terms.of(session, clip),
        wording=_site_wording(session, clip, lang),
        may_ever=clip.state in consent.RENEWABLE,
    )


@bp.post("/<lang>/s/<token>/renew")
def renew(lang: str, token: str) -> Response:
    """Prolong the term; pressing twice prolongs it once."""
    site = runtime().settings.site
    try:
        with writing() as session:
            clip = submission.by_link(session, token)
            if request.form.get("seen", "") != _site_wording(session, clip, lang).sha256:
                raise Conflict(Code.TEXT_CHANGED)
            proof = evidence(token, lang)
            terms.renew(session, clip, by=OWNER, via="site", brand=site.brand, proof=proof)
    except PortalError as error:
        flash(sentence(error.code, **error.facts), "error")
    return redirect(url_for(".renewal", lang=lang, token=token), 303)


def _site_wording(session: Session, clip: Clip, lang: str) -> wordings.Wording:
    campaign = wordings.campaign_of(session, clip)
    return wordings.in_force(session, "site", lang, brand=runtime().settings.site.brand, campaign=campaign)


# What an owner does for the others ----------------------------------------------------------------------


@bp.post("/<lang>/s/<token>/signatures/<signature_id>/link")
def hand_on(lang: str, token: str, signature_id: str) -> PageAnswer:
    """The link of somebody who has no address with us, for the owner to hand on."""
    try:
        with writing() as session:
            clip = submission.by_link(session, token)
            key = runtime().settings.site.secret_key
            made = signatures.hand_on(session, clip, signature_id, key=key, by=OWNER)
            name = signatures.by_id(session, clip, signature_id).name
    except Conflict as error:
        flash(sentence(error.code, **error.facts), "error")
        return redirect(url_for("submission.status", lang=lang, token=token), 303)
    address = runtime().settings.site.url + url_for(".sign", lang=lang, token=made)
    return render_template("submission/sign_link.html", name=name, address=address, token=token)


@bp.post("/<lang>/s/<token>/signatures/<signature_id>/ask")
def ask(lang: str, token: str, signature_id: str) -> Response:
    """Write once more, at most once a day, to somebody who has not answered or whose agreement is ending."""
    with writing() as session:
        clip = submission.by_link(session, token)
        row = signatures.by_id(session, clip, signature_id)
        if signatures.may_renew(session, clip, row):
            is_asked = asking.ask_to_renew(session, clip, row)
        else:
            is_asked = clip.state in asking.ASKED and asking.ask(session, clip, row, by=OWNER)
    if is_asked:
        flash(_("Le message est parti."), "success")
    else:
        flash(_("Un message est déjà parti aujourd’hui, ou le clip n’en est pas encore là."), "warning")
    return redirect(url_for("submission.status", lang=lang, token=token), 303)
