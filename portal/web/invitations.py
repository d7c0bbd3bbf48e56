"""Where personal links, short addresses and farewells to letters lead: /i/<token>, /q/<code>, /<lang>/u/<token>."""

from typing import Final

import segno
from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal import addresses, campaigns, i18n, invitations, people, refusals, short_links
from portal.campaigns import Standing
from portal.database import db_now
from portal.errors import Code, Missing, PortalError
from portal.i18n import gettext as _
from portal.models import Campaign, Invitation
from portal.web import calls
from portal.web.db import reading, runtime, writing
from portal.web.i18n import COOKIE, preferred_language
from portal.web.limits import limiter

bp = Blueprint("invitations", __name__)
# Mail programs call letters off by themselves (RFC 8058): the address is the proof, there is no form token.
farewell = Blueprint("farewell", __name__)

_LOOKS: Final = "60/minute"
_ASKS: Final = "5/minute;10/hour"


@bp.get("/i/<token>")
@limiter.limit(_LOOKS)
def look(token: str) -> Response:
    """What somebody was asked, in full, and how to begin; or why this link begins nothing any more."""
    work = reading()
    try:
        found = invitations.by_token(work, token[:100])
    except Missing:
        _speak("")
        return _over("unknown", token, status=404)
    _speak(found.lang)
    campaign = campaigns.by_id(work, found.campaign_id)
    if (why := _why_over(found, campaign)) is not None:
        return _over(why, token, campaign=campaign)
    if request.method == "GET" and found.opened_at is None:
        with writing() as session:
            invitations.opened(session, invitations.by_token(session, token))
    calls.remember(campaign, token)
    # The same link again, for whoever reads mails at a desk and films with a phone.
    drawn = segno.make(f"{runtime().settings.site.url}/i/{token}", error="m")
    html = render_template(
        "submission/invited.html",
        url_for_lang=_in,
        # A mail would not bring the invitation with it.
        call=calls.told(reading(), campaign, g.lang) | {"by_mail": None},
        guest=found,
        code=Markup(drawn.svg_inline(scale=4, border=2, omitsize=True, svgclass=None, lineclass=None)),  # noqa: S704
    )
    return _private(make_response(html))


@bp.post("/i/<token>/again")
@limiter.limit(_ASKS)
def again(token: str) -> AnyResponse:
    """Have a fresh link sent to the address that was invited; whatever is known here, the answer is the same."""
    with writing() as work:
        try:
            invitations.ask_again(work, invitations.by_token(work, token[:100]))
        except Missing:
            _ask_by_address(work, request.form.get("email", ""))
    flash(
        _(
            "Si cette invitation peut encore servir, un nouveau lien part à l’adresse qui l’avait reçue. Regardez "
            "aussi parmi les messages indésirables."
        ),
        "success",
    )
    return redirect(url_for(".look", token=token), 303)


def _ask_by_address(work: Session, told: str) -> None:
    try:
        email = people.checked_email(told)
    except PortalError:
        return
    invitations.ask_again_by_address(work, email)


@bp.get("/q/<code>")
@limiter.limit(_LOOKS)
def short(code: str) -> AnyResponse:
    """From a showroom's sheet to the call it asks for, counted once for each opening."""
    lang = preferred_language()
    if request.method != "GET":
        return redirect(url_for("submission.entry", lang=lang), 302)
    with writing() as work:
        campaign = short_links.follow(work, code[:12])
        slug = campaign.slug if campaign is not None else None
    if slug is None:
        return redirect(url_for("submission.entry", lang=lang), 302)
    answer = redirect(url_for("submission.campaign", lang=lang, slug=slug), 302)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@farewell.get("/<lang>/u/<token>")
@limiter.limit(_LOOKS)
def ask(lang: str, token: str) -> Response:
    """Which letters would come no more, and the button; looking changes nothing, for mail scanners look too."""
    topic, is_refused = _refusal(token)
    del lang
    html = render_template("submission/refused.html", token=token, topic=topic, done=is_refused)
    return _private(make_response(html))


@farewell.post("/<lang>/u/<token>")
@limiter.limit(_LOOKS)
def refuse(lang: str, token: str) -> Response:
    """Write no more such letters, at once; pressed by a person or by a mail program, once or twice."""
    del lang
    email_hash, topic = _told(token)
    with writing() as work:
        refusals.refuse(work, email_hash, topic)
    html = render_template("submission/refused.html", token=token, topic=topic, done=True)
    return _private(make_response(html))


def _told(token: str) -> tuple[str, str]:
    found = addresses.refused_by(token[:200], key=runtime().settings.site.secret_key)
    if found is None:
        raise Missing(Code.MISSING)
    return found


def _refusal(token: str) -> tuple[str, bool]:
    email_hash, topic = _told(token)
    return topic, refusals.is_refused(reading(), email_hash, topic)


def _why_over(found: Invitation, campaign: Campaign) -> str | None:
    """Why nothing can be begun here: used, ended, expired, or the call's own standing; None when it can."""
    if found.begun_at is not None:
        return "used"
    if found.ended_at is not None:
        return "ended"
    how = campaigns.standing(reading(), campaign)
    if how not in (Standing.OPEN, Standing.INVITED_ONLY):
        return how.value
    return "expired" if found.expires_at <= db_now(reading()) else None


def _over(why: str, token: str, *, campaign: Campaign | None = None, status: int = 200) -> Response:
    work, default = reading(), runtime().settings.site.default_language
    others = [one for one in campaigns.open_now(work) if campaign is None or one.id != campaign.id]
    html = render_template(
        "submission/invitation.html",
        url_for_lang=_in,
        why=why,
        token=token,
        campaign=campaign,
        text=campaigns.text_of(campaign, g.lang, default) if campaign is not None else None,
        first_day=campaigns.first_day(campaign) if campaign is not None else None,
        last_day=campaigns.last_day(campaign) if campaign is not None else None,
        others=[(one, campaigns.text_of(one, g.lang, default)) for one in others],
        may_go_on=why == "used" and campaign is not None and calls.is_admitted(work, campaign),
    )
    return _private(make_response(html, status))


def _speak(lang: str) -> None:
    """The language of the list, unless the visitor has chosen one here or on another page."""
    languages = runtime().settings.site.languages
    asked = request.args.get("in", "")
    if asked in languages:
        lang = asked
    elif request.cookies.get(COOKIE, "") in languages:
        return
    if lang in languages:
        g.lang = lang
        i18n.set_language(lang)


def _in(code: str) -> str:
    """This page in another language: the switch that pages share would carry the link's token in its query."""
    return f"?in={code}"


def _private(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer
