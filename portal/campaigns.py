"""Calls for clips: adding, changing, closing and finding them, their words in a reader's language, who is admitted.

Days are those of the site's own zone; what is kept is in UTC. Never moves a clip.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Conflict, Missing, NotAllowed, Unacceptable
from portal.i18n import zone_here
from portal.lifecycle import Actor
from portal.models import Campaign, CampaignText, Clip, Invitation, State, Theme

log = logging.getLogger(__name__)

MOST: Final = {"title": 120, "question": 200, "in_return": 200, "help": 1000, "shots": 1500}
"""How many characters each text may have."""

BOUNDS: Final = {
    "max_clips": (1, 100_000),
    "max_seconds": (1, 4 * 3600),
    "answer_days": (1, 30),
    "term_months": (1, 120),
    "reminder_days": (0, 60),
}
"""The least and the most of each figure."""

Days = tuple[date | None, date | None]
"""The first and the last day on which clips are taken; None where there is no bound."""

_LINES: Final = ("help", "shots")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# Outside these a year is a slip of the finger, and some are more than a calendar can add a day to.
_YEARS = range(2000, 2101)
# A clip in these states takes one of a call's places; one that was refused or taken back leaves it to another.
_PLACED: Final = (
    State.UPLOADING, State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED,
)  # fmt: skip


class Standing(StrEnum):
    """Whether a call takes clips, and if not, why; `invited_only`: from those who were asked."""

    OPEN = "open"
    INVITED_ONLY = "invited_only"
    AHEAD = "ahead"
    CLOSED = "closed"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Words:
    """A campaign's words in one language, as somebody typed them; `shots` holds one thing to film a line."""

    title: str = ""
    question: str = ""
    in_return: str = ""
    help: str = ""
    shots: str = ""

    def trimmed(self) -> "Words":
        """The same without the spaces around and, where it is one line, the line breaks within."""
        return Words(**{name: _tidy(name, words) for name, words in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Terms:
    """What owners may do here and what is promised to them; None where the portal's own bounds hold.

    `max_seconds` can only be less than the portal takes; `reminder_days` 0 sends no reminder.
    """

    example_clip_id: str | None = None
    max_clips: int | None = None
    max_seconds: int | None = None
    themes: tuple[str, ...] = ()
    answer_days: int = 2
    term_months: int = 24
    reminder_days: int = 7
    invited_only: bool = False


def by_slug(session: Session, slug: str) -> Campaign:
    """The campaign of this address, open or closed; raises Missing."""
    campaign = session.scalars(select(Campaign).where(Campaign.slug == slug)).one_or_none()
    if campaign is None:
        raise Missing(Code.MISSING)
    return campaign


def by_id(session: Session, campaign_id: int) -> Campaign:
    """The campaign with this id; raises Missing."""
    campaign = session.get(Campaign, campaign_id)
    if campaign is None:
        raise Missing(Code.MISSING)
    return campaign


def every(session: Session) -> list[Campaign]:
    """All campaigns, oldest first."""
    return list(session.scalars(select(Campaign).order_by(Campaign.created_at, Campaign.id)))


def is_open(campaign: Campaign, now: datetime) -> bool:
    """Whether the campaign's days take new clips at this time; it may be full all the same (`standing`)."""
    begun = campaign.opens_at is None or campaign.opens_at <= now
    return begun and (campaign.closes_at is None or now < campaign.closes_at)


def open_now(session: Session) -> list[Campaign]:
    """The campaigns that take clips from everybody now, by the database's clock."""
    return [one for one, how in standings(session).items() if how is Standing.OPEN]


def standing(session: Session, campaign: Campaign) -> Standing:
    """Whether the campaign takes clips now; closed comes before full, full before invited only."""
    filled = _placed(session, campaign.id) if campaign.max_clips is not None else {}
    return _standing(campaign, db_now(session), filled.get(campaign.id, 0))


def standings(session: Session) -> dict[Campaign, Standing]:
    """All campaigns, oldest first, and whether they take clips; two statements."""
    now, filled = db_now(session), _placed(session)
    return {one: _standing(one, now, filled.get(one.id, 0)) for one in every(session)}


def admit(session: Session, campaign: Campaign, invitation: Invitation | None) -> None:
    """Let somebody begin a clip here, with an invitation or without.

    Raises Conflict (CAMPAIGN_CLOSED, CAMPAIGN_FULL, INVITATION_OVER when it is used, ended, too old or of another
    campaign), NotAllowed(INVITATION_NEEDED). A clip begun before the campaign filled up may still be finished.
    """
    how = standing(session, campaign)
    if how in (Standing.AHEAD, Standing.CLOSED):
        raise Conflict(Code.CAMPAIGN_CLOSED)
    if how is Standing.FULL:
        raise Conflict(Code.CAMPAIGN_FULL)
    if invitation is not None:
        if invitation.campaign_id != campaign.id or not is_good(invitation, db_now(session)):
            raise Conflict(Code.INVITATION_OVER)
    elif how is Standing.INVITED_ONLY:
        raise NotAllowed(Code.INVITATION_NEEDED)


def is_good(invitation: Invitation, now: datetime) -> bool:
    """Whether a clip can be begun with this invitation: not used, not called off, not too old."""
    return invitation.begun_at is None and invitation.ended_at is None and now < invitation.expires_at


def text_of(campaign: Campaign, lang: str, default_lang: str) -> CampaignText:
    """The campaign's words in this language, else in the default one, else in any; raises Missing if it has none."""
    by_lang = {text.lang: text for text in campaign.texts}
    for code in (lang, default_lang, *sorted(by_lang)):
        if code in by_lang:
            return by_lang[code]
    raise Missing(Code.MISSING)


def shot_list(text: CampaignText) -> list[str]:
    """What is worth filming, one thing each."""
    return [line for line in text.shots.splitlines() if line]


def clip_counts(session: Session) -> dict[int, int]:
    """How many clips each campaign was sent and still has: neither drafts nor erased ones."""
    asked = select(Clip.campaign_id, func.count()).where(Clip.state.not_in([State.DRAFT, State.ERASED]))
    rows = session.execute(asked.group_by(Clip.campaign_id))
    return {campaign_id: found for campaign_id, found in rows}  # noqa: C416 - mypy takes no dict() of rows


def first_day(campaign: Campaign) -> date | None:
    """The first day on which clips are taken, as the site counts days; None when no beginning is set."""
    return campaign.opens_at.astimezone(zone_here()).date() if campaign.opens_at else None


def last_day(campaign: Campaign) -> date | None:
    """The last day on which clips are taken, as the site counts days; None when no end is known."""
    end = campaign.closes_at
    return (end - timedelta(microseconds=1)).astimezone(zone_here()).date() if end else None


def is_example_shown(session: Session, campaign: Campaign) -> bool:
    """Whether the call's example can be seen by its visitors; a call without one hides nothing."""
    return not campaign.example_clip_id or _is_online(session, campaign.example_clip_id)


def add(  # noqa: PLR0913 - what a call is made of
    session: Session,
    slug: str,
    *,
    title: str,
    lang: str,
    question: str = "",
    in_return: str = "",
    texts: Mapping[str, Words] | None = None,
    days: Days = (None, None),
    terms: Terms | None = None,
) -> Campaign:
    """Add a campaign, open at once or from a day on, to the end of its last day; `texts` are further languages.

    Raises Unacceptable for a bad address, text, day or figure (faults by field; those of further languages are
    named `title_de`), Conflict(ALREADY_THERE) when the address is taken.
    """
    words = _trimmed({lang: Words(title, question, in_return), **(texts or {})})
    terms = terms or Terms()
    faults = _faults(words, lang) | _wrong_days(days) | _wrong_terms(session, terms)
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
    _set_terms(campaign, terms)
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
    terms: Terms | None = None,
) -> None:
    """Set the words of the languages given, the days and the terms; a language left empty goes away, `lang` cannot.

    A day that is what it was leaves the hour as it was: saving words never opens what was closed at noon. An example
    that has left the site meanwhile may stay named, and is not shown.
    Raises Unacceptable with the faults by field; the address remains.
    """
    words = _trimmed({lang: Words(), **texts})
    faults = _faults(words, lang) | _wrong_days(days)
    if terms is not None:
        faults |= _wrong_terms(session, terms, campaign.example_clip_id)
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    opens_on, closes_on = days
    if opens_on != first_day(campaign):
        campaign.opens_at = _beginning(opens_on)
    if closes_on != last_day(campaign):
        campaign.closes_at = _end(closes_on)
    if terms is not None:
        _set_terms(campaign, terms)
    _set_words(session, campaign, words)
    session.flush()
    session.expire(campaign, ["texts"])
    log.info("campaign changed slug=%s by=%s:%s", campaign.slug, by.kind, by.id)


def _set_words(session: Session, campaign: Campaign, words: Mapping[str, Words]) -> None:
    there = {text.lang: text for text in campaign.texts}
    for code, said in words.items():
        if not said.title and code in there:
            session.delete(there[code])
        elif code in there:
            for name, value in asdict(said).items():
                setattr(there[code], name, value)
        elif said.title:
            session.add(CampaignText(campaign_id=campaign.id, lang=code, **asdict(said)))


def sketch(campaign: Campaign, days: Days, terms: Terms) -> Campaign:
    """The campaign as it would be with these days and terms, for a preview; belongs to no session."""
    drawn = Campaign(
        id=campaign.id, slug=campaign.slug, opens_at=_beginning(days[0]), closes_at=_end(days[1])
    )  # fmt: skip
    _set_terms(drawn, terms)
    return drawn


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


def _placed(session: Session, *only: int) -> dict[int, int]:
    asked = select(Clip.campaign_id, func.count()).where(Clip.state.in_(_PLACED))
    if only:
        asked = asked.where(Clip.campaign_id.in_(only))
    rows = session.execute(asked.group_by(Clip.campaign_id))
    return {campaign_id: found for campaign_id, found in rows}  # noqa: C416 - mypy takes no dict() of rows


def _standing(campaign: Campaign, now: datetime, filled: int) -> Standing:
    if not is_open(campaign, now):
        is_over = campaign.closes_at is not None and campaign.closes_at <= now
        return Standing.CLOSED if is_over else Standing.AHEAD
    if campaign.max_clips is not None and filled >= campaign.max_clips:
        return Standing.FULL
    return Standing.INVITED_ONLY if campaign.invited_only else Standing.OPEN


def _tidy(name: str, words: str) -> str:
    if name not in _LINES:
        return " ".join(words.split())
    lines = [" ".join(line.split()) for line in words.splitlines()]
    return "\n".join(lines if name == "help" else [line for line in lines if line]).strip()


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


def _wrong_terms(session: Session, terms: Terms, named: str | None = None) -> dict[str, Code]:
    """The faults by field; `named` is the example that the call has had."""
    faults: dict[str, Code] = {}
    for name, (least, most) in BOUNDS.items():
        figure: int | None = getattr(terms, name)
        if figure is not None and not least <= figure <= most:
            faults[name] = Code.INVALID
    example = terms.example_clip_id
    if example and example != named and not _is_online(session, example):
        faults["example_clip_id"] = Code.NOT_ONLINE if session.get(Clip, example) else Code.MISSING
    known = set(session.scalars(select(Theme.slug).where(Theme.slug.in_(terms.themes))))
    if set(terms.themes) - known:
        faults["themes"] = Code.UNKNOWN_THEME
    return faults


def _set_terms(campaign: Campaign, terms: Terms) -> None:
    for name, value in asdict(terms).items():
        setattr(campaign, name, list(value) if name == "themes" else value)


def _is_online(session: Session, clip_id: str) -> bool:
    clip = session.get(Clip, clip_id)
    return clip is not None and clip.state == State.PUBLISHED


def _beginning(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), zone_here()).astimezone(UTC) if day else None


def _end(day: date | None) -> datetime | None:
    return _beginning(day + timedelta(days=1)) if day else None
