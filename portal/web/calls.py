"""A call as people meet it: what it asks for in full, whose invitation the browser came with, and its shut door.

The invitation's token lies in the signed session from the first look at the link on: no address carries it further.
"""

from typing import Any, Final

from flask import Response, make_response, render_template, request, session, url_for
from sqlalchemy.orm import Session

from portal import addresses, campaigns, gallery, invitations, offers, readiness
from portal.campaigns import Standing
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, PortalError
from portal.models import Campaign, CampaignText, Clip, Invitation, State
from portal.web.db import reading, runtime
from portal.web.playback import presentation

SHUT: Final = (Code.CAMPAIGN_CLOSED, Code.CAMPAIGN_FULL, Code.INVITATION_NEEDED, Code.INVITATION_OVER)
"""Refusals that have a page of their own."""

_KEPT: Final = "invitations"
_MOST_KEPT: Final = 5


def remember(campaign: Campaign, token: str) -> None:
    """Keep the invitation that this browser came with; the last one of each call counts."""
    kept = {slug: known for slug, known in session.get(_KEPT, {}).items() if slug != campaign.slug}
    session[_KEPT] = dict([*kept.items(), (campaign.slug, token)][-_MOST_KEPT:])


def brought(work: Session, token: str) -> Invitation | None:
    """The invitation that a form or a program brings; raises Conflict(INVITATION_OVER) for a token nobody has."""
    if not token:
        return None
    try:
        return invitations.by_token(work, token)
    except Missing as error:
        raise Conflict(Code.INVITATION_OVER) from error


def guest(work: Session, campaign: Campaign) -> Invitation | None:
    """The invitation to this call that this browser came with, as long as it is good."""
    found = _invitation(work, campaign)
    return found if found is not None and campaigns.is_good(found, db_now(work)) else None


def token_of(work: Session, campaign: Campaign) -> str:
    """The token of that invitation, for the page's form; empty when there is none."""
    return _kept(campaign) if guest(work, campaign) is not None else ""


def for_phone(work: Session, campaign: Campaign, lang: str) -> str:
    """Where this visitor goes on with a phone: a guest's own link, so that the invitation goes along."""
    token = token_of(work, campaign)
    path = f"/i/{token}" if token else url_for("recorder.record", lang=lang, slug=campaign.slug)
    return runtime().settings.site.url + path


def is_admitted(work: Session, campaign: Campaign) -> bool:
    """Whether whoever asks may begin a clip for this call now, or is about to finish one that an invitation began.

    The page that began it holds the draft: loaded anew in the middle of sending, it must be the same page.
    """
    found = _invitation(work, campaign)
    clip = work.get(Clip, found.clip_id) if found is not None and found.clip_id is not None else None
    if clip is not None and _is_unfinished(work, clip):
        return True
    try:
        campaigns.admit(work, campaign, guest(work, campaign))
    except PortalError:
        return False
    return True


def _is_unfinished(work: Session, clip: Clip) -> bool:
    """Whether its page still has something to send: the film, or the words of a film that is in."""
    lacks = set(readiness.missing(work, clip)) - {"email_confirmation", "film"}
    return clip.state in (State.DRAFT, State.UPLOADING) or (clip.state == State.PROCESSING and bool(lacks))


def told(work: Session, campaign: Campaign, lang: str, *, text: CampaignText | None = None) -> dict[str, Any]:
    """Everything that `_call.html` says of a call; `text` in place of its own words, for a preview."""
    machines = runtime()
    text = text or campaigns.text_of(campaign, lang, machines.settings.site.default_language)
    return {
        "campaign": campaign,
        "text": text,
        "shots": campaigns.shot_list(text),
        "example": _example(work, campaign, lang),
        "longest": offers.limits_of(campaign, machines.settings.uploads).max_seconds,
        "last_day": campaigns.last_day(campaign),
        "by_mail": _by_mail(campaign),
    }


def _by_mail(campaign: Campaign) -> dict[str, Any] | None:
    """Where a film for this call may be mailed to, and how large it may be; None where a mail cannot begin one."""
    mail = runtime().settings.mail
    if not mail.inbox or campaign.invited_only:
        return None
    # A mail writes a film a third longer than it is.
    return {"address": addresses.call_address(mail.inbox, campaign.slug), "most": mail.max_bytes * 2 // 3}


def _invitation(work: Session, campaign: Campaign) -> Invitation | None:
    try:
        found = brought(work, _kept(campaign))
    except Conflict:
        return None
    return found if found is not None and found.campaign_id == campaign.id else None


def _kept(campaign: Campaign) -> str:
    return str(session.get(_KEPT, {}).get(campaign.slug, ""))


def _example(work: Session, campaign: Campaign, lang: str) -> Any:
    if not campaign.example_clip_id:
        return None
    try:
        return gallery.one(work, campaign.example_clip_id, show=presentation(lang))
    except Missing:
        # Taken back since, by its owner or by us.
        return None


def shut(campaign: Campaign, lang: str, *, code: Code | None = None) -> Response:
    """The page of a call that takes nothing from this visitor, with those that do; 409 for an attempt to send."""
    work, default = reading(), runtime().settings.site.default_language
    others = [one for one in campaigns.open_now(work) if one.id != campaign.id]
    html = render_template(
        "submission/closed.html",
        campaign=campaign,
        text=campaigns.text_of(campaign, lang, default),
        others=[(one, campaigns.text_of(one, lang, default)) for one in others],
        standing=_said(work, campaign, code),
        first_day=campaigns.first_day(campaign),
        last_day=campaigns.last_day(campaign),
    )
    return make_response(html, 200 if request.method == "GET" else 409)


def _said(work: Session, campaign: Campaign, code: Code | None) -> str:
    if code is Code.INVITATION_OVER:
        return "over"
    how = campaigns.standing(work, campaign)
    # Opened again in this moment: the page that was asked for says so by itself.
    return Standing.CLOSED if how is Standing.OPEN else how
