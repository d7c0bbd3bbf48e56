"""Calls for clips: finding, opening and adding them, and their words in a reader's language; never a clip."""

import re
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.models import Campaign, CampaignText

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def by_slug(session: Session, slug: str) -> Campaign:
    """The campaign of this address, open or closed; raises Missing."""
    campaign = session.scalars(select(Campaign).where(Campaign.slug == slug)).one_or_none()
    if campaign is None:
        raise Missing(Code.MISSING)
    return campaign


def every(session: Session) -> list[Campaign]:
    """All campaigns, oldest first."""
    return list(session.scalars(select(Campaign).order_by(Campaign.created_at, Campaign.id)))


def is_open(campaign: Campaign, now: datetime) -> bool:
    """Whether the campaign takes new clips at this time."""
    begun = campaign.opens_at is None or campaign.opens_at <= now
    return begun and (campaign.closes_at is None or now < campaign.closes_at)


def open_now(session: Session) -> list[Campaign]:
    """The campaigns that take clips now, by the database's clock."""
    now = db_now(session)
    return [campaign for campaign in every(session) if is_open(campaign, now)]


def text_of(campaign: Campaign, lang: str, default_lang: str) -> CampaignText:
    """The campaign's words in this language, else in the default one, else in any; raises Missing if it has none."""
    by_lang = {text.lang: text for text in campaign.texts}
    for code in (lang, default_lang, *sorted(by_lang)):
        if code in by_lang:
            return by_lang[code]
    raise Missing(Code.MISSING)


def add(
    session: Session, slug: str, *, title: str, lang: str, question: str = "", in_return: str = ""
) -> Campaign:
    """Open a campaign at once; raises Unacceptable for a bad address or title, Conflict when the address is taken."""
    faults: dict[str, Code] = {}
    if not _SLUG.fullmatch(slug) or len(slug) > 60:
        faults["slug"] = Code.INVALID
    if not title.strip():
        faults["title"] = Code.REQUIRED
    for field, words, most in (
        ("title", title, 120),
        ("question", question, 200),
        ("in_return", in_return, 200),
    ):
        if len(words.strip()) > most:
            faults[field] = Code.TOO_LONG_TEXT
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    if session.scalars(select(Campaign.id).where(Campaign.slug == slug)).first() is not None:
        raise Conflict(Code.ALREADY_THERE, fields={"slug": Code.ALREADY_THERE})
    text = CampaignText(
        lang=lang, title=title.strip(), question=question.strip(), in_return=in_return.strip()
    )
    campaign = Campaign(slug=slug, created_at=db_now(session), texts=[text])
    session.add(campaign)
    session.flush()
    return campaign
