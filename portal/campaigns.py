"""Calls for clips: adding, changing, closing and finding them, their words in a reader's language.

Days are those of UTC. Never moves a clip.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import Actor
from portal.models import Campaign, CampaignText, Clip, State

log = logging.getLogger(__name__)

MOST: Final = {"title": 120, "question": 200, "in_return": 200}
"""How many characters each text may have (the columns of `CampaignText`)."""

Days = tuple[date | None, date | None]
"""The first and the last day on which clips are taken; None where there is no bound."""

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# Outside these a year is a slip of the finger, and some are more than a calendar can add a day to.
_YEARS = range(2000, 2101)


@dataclass(frozen=True, slots=True)
class Words:
    """A campaign's words in one language, as somebody typed them."""

    title: str = ""
    question: str = ""
    in_return: str = ""

    def trimmed(self) -> "Words":
        """The same without the spaces around and the line breaks within."""
        return Words(*(" ".join(words.split()) for words in (self.title, self.question, self.in_return)))


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


def by_id(session: Session, campaign_id: int) -> Campaign:
    """The campaign with this id; raises Missing."""
    campaign = session.get(Campaign, campaign_id)
    if campaign is None:
        raise Missing(Code.MISSING)
    return campaign


def clip_counts(session: Session) -> dict[int, int]:
    """How many clips each campaign was sent and still has: neither drafts nor erased ones."""
    asked = select(Clip.campaign_id, func.count()).where(Clip.state.not_in([State.DRAFT, State.ERASED]))
    rows = session.execute(asked.group_by(Clip.campaign_id))
    return {campaign_id: found for campaign_id, found in rows}  # noqa: C416 - mypy takes no dict() of rows


def last_day(campaign: Campaign) -> date | None:
    """The last day on which clips are taken; None when no end is known."""
    return (campaign.closes_at - timedelta(microseconds=1)).date() if campaign.closes_at else None


def add(
    session: Session,
    slug: str,
    *,
    title: str,
    lang: str,
    question: str = "",
    in_return: str = "",
    texts: Mapping[str, Words] | None = None,
    days: Days = (None, None),
) -> Campaign:
    """Add a campaign, open at once or from a day on, to the end of its last day; `texts` are further languages.

    Raises Unacceptable for a bad address, text or day (faults by field; those of further languages are named
    `title_de`), Conflict(ALREADY_THERE) when the address is taken.
    """
    words = _trimmed({**(texts or {}), lang: Words(title, question, in_return)})
    faults = _faults(words, lang) | _wrong_days(days)
    if not _SLUG.fullmatch(slug) or len(slug) > 60:
        faults["slug"] = Code.INVALID
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    if session.scalars(select(Campaign.id).where(Campaign.slug == slug)).first() is not None:
        raise Conflict(Code.ALREADY_THERE, fields={"slug": Code.ALREADY_THERE})
    campaign = Campaign(
        slug=slug,
        created_at=db_now(session),
        opens_at=_beginning(days[0]),
        closes_at=_end(days[1]),
        texts=[CampaignText(lang=code, **asdict(said)) for code, said in words.items() if said.title],
    )
    session.add(campaign)
    session.flush()
    log.info("campaign added slug=%s", slug)
    return campaign


def change(
    session: Session,
    campaign: Campaign,
    texts: Mapping[str, Words],
    *,
    lang: str,
    days: Days,
    by: Actor,
) -> None:
    """Set the words of the languages given and the days; a language left empty goes away, `lang` cannot.

    A day that is what it was leaves the hour as it was: saving words never opens what was closed at noon.
    Raises Unacceptable with the faults by field; the address remains.
    """
    words = _trimmed({lang: Words(), **texts})
    faults = _faults(words, lang) | _wrong_days(days)
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    opens_on, closes_on = days
    if opens_on != (campaign.opens_at.date() if campaign.opens_at else None):
        campaign.opens_at = _beginning(opens_on)
    if closes_on != last_day(campaign):
        campaign.closes_at = _end(closes_on)
    there = {text.lang: text for text in campaign.texts}
    for code, said in words.items():
        if not said.title and code in there:
            session.delete(there[code])
        elif code in there:
            row = there[code]
            row.title, row.question, row.in_return = said.title, said.question, said.in_return
        elif said.title:
            session.add(CampaignText(campaign_id=campaign.id, lang=code, **asdict(said)))
    session.flush()
    session.expire(campaign, ["texts"])
    log.info("campaign changed slug=%s by=%s:%s", campaign.slug, by.kind, by.id)


def close(session: Session, campaign: Campaign, *, by: Actor) -> None:
    """Take no more clips from now on; what is closed already stays closed since when it was."""
    now = db_now(session)
    if campaign.closes_at is not None and campaign.closes_at <= now:
        return
    campaign.closes_at = now
    if campaign.opens_at is not None and campaign.opens_at > now:
        campaign.opens_at = None
    session.flush()
    log.info("campaign closed slug=%s by=%s:%s", campaign.slug, by.kind, by.id)


def reopen(session: Session, campaign: Campaign, *, by: Actor) -> None:
    """Take clips from now on: a day of opening still to come goes away, and an end that is past."""
    now = db_now(session)
    if is_open(campaign, now):
        return
    if campaign.opens_at is not None and campaign.opens_at > now:
        campaign.opens_at = None
    if campaign.closes_at is not None and campaign.closes_at <= now:
        campaign.closes_at = None
    session.flush()
    log.info("campaign reopened slug=%s by=%s:%s", campaign.slug, by.kind, by.id)


def _trimmed(texts: Mapping[str, Words]) -> dict[str, Words]:
    return {code: words.trimmed() for code, words in texts.items()}


def _faults(texts: Mapping[str, Words], lang: str) -> dict[str, Code]:
    faults: dict[str, Code] = {}
    for code, words in texts.items():
        suffix = "" if code == lang else f"_{code}"
        said = asdict(words)
        if not words.title and (code == lang or any(said.values())):
            faults[f"title{suffix}"] = Code.REQUIRED
        for field, most in MOST.items():
            if len(said[field]) > most:
                faults[f"{field}{suffix}"] = Code.TOO_LONG_TEXT
    return faults


def _wrong_days(days: Days) -> dict[str, Code]:
    opens_on, closes_on = days
    named = {"opens_on": opens_on, "closes_on": closes_on}
    faults = {name: Code.WRONG_DATE for name, day in named.items() if day and day.year not in _YEARS}
    if opens_on and closes_on and closes_on < opens_on:
        faults["closes_on"] = Code.WRONG_DATE
    return faults


def _beginning(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _end(day: date | None) -> datetime | None:
    return _beginning(day + timedelta(days=1)) if day else None
