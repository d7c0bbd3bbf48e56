"""Clips as the rows of the studio's lists, and what calls and themes are called in the reader's language.

Shows only; which clips stand in a list is in portal/desk.py.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from portal import campaigns, i18n, review, signals, signatures, themes
from portal.database import db_now
from portal.models import Clip, State
from portal.review import Row
from portal.web import captions, thread
from portal.web.db import reading, runtime
from portal.web.people import actor
from portal.web.words import age, state_kind, state_word

_POSTER_SECONDS: Final = 2 * 3600


def lines(rows: list[Row], *, q: str = "") -> list[dict[str, Any]]:
    """The rows of a list in words, and where what was searched for is said: also for the list of all clips."""
    now, found = db_now(reading()), signals.counts(reading(), [row.clip for row in rows])
    named = signatures.tallies(reading(), [row.clip for row in rows])
    waits = thread.unanswered(reading(), [row.clip for row in rows])
    own = review.own_last_words(reading(), [row.clip for row in rows], by=actor())
    return [
        _line(row, now)
        | {"signatures": named.get(row.clip.id), "messages": waits.get(row.clip.id, 0)}
        | {"signals": found.get(row.clip.id, 0), "said": captions.words_said(reading(), row.clip, q)}
        | {"may_reopen": row.clip.id not in own}
        for row in rows
    ]


def _line(row: Row, now: datetime) -> dict[str, Any]:
    clip = row.clip
    due = promised(clip, clip.campaign) if clip.state == State.IN_REVIEW else None
    return {
        "row": row,
        "clip": clip,
        "poster": runtime().storage.sign_get(row.poster_key, ttl=_POSTER_SECONDS) if row.poster_key else None,
        "campaign": campaign_title(clip.campaign),
        "state": state_word(clip.state),
        "kind": state_kind(clip.state),
        "due": due,
        "urgency": _urgency(due, now),
        "age": age((now - clip.state_since).total_seconds()),
    }


def promised(clip: Clip, campaign: Any) -> datetime:
    """When this call's owners were told to expect an answer."""
    return review.promised_by(clip.state_since, working_days=campaign.answer_days)


def _urgency(due: datetime | None, now: datetime) -> str:
    """A day before the promised answer is due it shows, afterwards it shows more."""
    if due is None or due - now > timedelta(days=1):
        return "dim"
    return "flagged" if due > now else "late"


def campaign_title(campaign: Any) -> str:
    """A campaign's title in the reader's language."""
    text = campaigns.text_of(campaign, i18n.current_language(), runtime().settings.site.default_language)
    return text.title


def theme_names(kept: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Slug and name of the themes on offer, and of retired ones a clip still carries."""
    default = runtime().settings.site.default_language
    lang = i18n.current_language()
    shown = [one for one in themes.every(reading()) if one.retired_at is None or one.slug in set(kept)]
    return [(one.slug, themes.name_of(one, lang, default)) for one in shown]
