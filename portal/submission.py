"""The owner's words and consents for one clip, from the first draft to the answer to a moderator.

Knows the owner by the clip's magic link. Never touches bytes: films arrive through `uploads`.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Site
from portal import campaigns, consent, lifecycle, notices, people, readiness, search, themes
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, PortalError, Unacceptable
from portal.lifecycle import Actor
from portal.models import Campaign, Clip, ClipLink, Person, State

LINK_DAYS: Final = 90
LONGEST: Final = {"title": 80, "first_name": 40, "city": 60, "product": 60, "incentive": 200}
MUSIC: Final = ("", "none", "own", "licensed")
# What an owner may speak in the film; the site's own languages come first on the page.
SPEECH_LANGUAGES: Final = (
    "fr", "en", "de", "it", "es", "pt", "nl", "lb", "da", "sv", "nb", "fi", "is", "ga", "pl", "cs", "sk", "sl",
    "hr", "sr", "hu", "ro", "bg", "el", "et", "lv", "lt", "mt", "uk", "ru", "tr", "ar", "he", "fa", "hi", "zh",
    "ja", "ko", "ca", "eu", "br", "co", "gsw",
)  # fmt: skip
# A moderator has not yet decided on these words; later ones stay as they were decided on.
EDITABLE: Final = frozenset({
    State.DRAFT, State.UPLOADING, State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.FAILED,
})  # fmt: skip
# Where the site's required consents may still be taken back without withdrawing the clip.
_UNDECIDED: Final = EDITABLE - {State.IN_REVIEW}
_LIVING: Final = lifecycle.LIVING - {State.ERASED}
_EARLIEST_YEAR: Final = 1900
_CODE: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Texts:
    """What the owner tells; None leaves a field as it is, `cleared` names dates to be emptied."""

    email: str | None = None
    first_name: str | None = None
    title: str | None = None
    themes: list[str] | None = None
    speech_lang: str | None = None
    city: str | None = None
    product: str | None = None
    owned_since: int | None = None
    filmed_on: date | None = None
    incentive: str | None = None
    music: str | None = None
    people: list[dict[str, Any]] | None = None
    cleared: frozenset[str] = frozenset()


def begin(  # noqa: PLR0913 - what a draft is made of
    session: Session,
    campaign: Campaign,
    *,
    lang: str,
    texts: Texts,
    consents: Iterable[str],
    channel: str,
    by: Actor,
    site: Site,
    token: str | None = None,
) -> tuple[Clip, str]:
    """Keep a first draft; the clip and the token of its magic link, which is stored nowhere.

    `token` lets a form bring its own random one, so that sending it twice finds the first draft.
    Raises Conflict(CAMPAIGN_CLOSED), Unacceptable with the faults by field.
    """
    if not campaigns.is_open(campaign, db_now(session)):
        raise Conflict(Code.CAMPAIGN_CLOSED)
    clip = Clip(
        id="".join(secrets.choice(_CODE) for _ in range(10)),
        campaign_id=campaign.id,
        lang=lang,
        channel=channel,
        people=[],
    )
    lifecycle.begin(session, clip, by=by)
    _apply(session, clip, texts)
    consent.give(session, clip, consents, lang=lang, via=channel, brand=site.brand)
    return clip, new_link(session, clip, token=token)


def by_link(session: Session, token: str) -> Clip:
    """The clip that this magic link opens; raises Missing when it is unknown or older than 90 days."""
    clip = session.scalars(
        select(Clip)
        .join(ClipLink, ClipLink.clip_id == Clip.id)
        .where(ClipLink.token_hash == people.hash_token(token), ClipLink.expires_at > db_now(session))
    ).one_or_none()
    if clip is None:
        raise Missing(Code.MISSING)
    return clip


def new_link(session: Session, clip: Clip, *, token: str | None = None) -> str:
    """Another token for the owner's magic link to this clip, good for 90 days; only its hash is kept."""
    token = token or people.new_token()
    now = db_now(session)
    session.add(
        ClipLink(
            clip_id=clip.id,
            token_hash=people.hash_token(token),
            created_at=now,
            expires_at=now + timedelta(days=LINK_DAYS),
        )
    )
    session.flush()
    return token


def edit(session: Session, clip: Clip, texts: Texts, *, by: Actor) -> list[str]:
    """Change the owner's words, note which fields changed, and hand the clip on when that was all it lacked.

    Raises Conflict once a moderator has decided, Unacceptable with the faults by field.
    """
    lifecycle.hold(session, clip)
    if clip.state not in EDITABLE:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    changed = _apply(session, clip, texts)
    if changed:
        lifecycle.record(session, clip, "edit", by=by, detail={"fields": changed})
    if "email" in changed:
        _acknowledge(session, clip)
    readiness.settle(session, clip, by=by)
    return changed


def agree(
    session: Session,
    clip: Clip,
    consents: Iterable[str],
    *,
    by: Actor,
    site: Site,
    taken_back: Iterable[str] = (),
) -> None:
    """Note new consents and those taken back; what is in neither stays. Hands the clip on as `edit` does.

    Raises Unacceptable for an unknown purpose, Conflict when a required consent is taken back from a clip that
    is with the moderators or later: withdrawing the clip is the way there.
    """
    lifecycle.hold(session, clip)
    if clip.state not in _LIVING:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    back = set(taken_back) & set(consent.standing(session, clip)) if taken_back else set()
    if back & set(consent.REQUIRED) and clip.state not in _UNDECIDED:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    new = consent.give(session, clip, consents, lang=clip.lang, via=clip.channel, brand=site.brand)
    if new:
        lifecycle.record(session, clip, "agree", by=by, detail={"purposes": new})
    for purpose in sorted(back):
        consent.revoke(session, clip, purpose, by=by)
    readiness.settle(session, clip, by=by)


def answer(session: Session, clip: Clip, texts: Texts, *, by: Actor) -> None:
    """Send a clip back to review with changed words only; a new film goes through `uploads`.

    Raises Conflict when nothing was asked for, or (INCOMPLETE) when review would still wait for something.
    """
    lifecycle.hold(session, clip)
    if clip.state != State.CHANGES_REQUESTED:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    edit(session, clip, texts, by=by)
    lacks = readiness.missing(session, clip)
    if lacks or not readiness.is_film_ready(session, clip):
        raise Conflict(Code.INCOMPLETE, missing=lacks or ["film"])
    lifecycle.move(session, clip, "answer", by=by)


def finish_later(session: Session, clip: Clip) -> None:
    """Send the owner the link to a draft, once a day; raises Unacceptable while we know no address."""
    if clip.owner_id is None:
        raise Unacceptable(Code.REQUIRED, fields={"email": Code.REQUIRED})
    occasion = f"finish_later:{clip.id}:{db_now(session).date()}"
    notices.tell(session, notices.NoticeKind.FINISH_LATER, clip, occasion=occasion)


def missing(session: Session, clip: Clip) -> list[str]:
    """What review still waits for: email, first_name, title, speech_lang, consents.site, consents.adult, film."""
    return readiness.missing(session, clip)


def settle(session: Session, clip: Clip) -> bool:
    """Hand the clip to review when its film is ready and nothing is missing; whether it went."""
    return readiness.settle(session, clip)


def _acknowledge(session: Session, clip: Clip) -> None:
    # The film may have come before the address: then this is the first moment to say so.
    film = readiness.newest_film(session, clip)
    if film is not None:
        occasion = f"received:{film.id}:{clip.owner_id}"
        notices.tell(session, notices.NoticeKind.RECEIVED, clip, occasion=occasion)


def _apply(session: Session, clip: Clip, texts: Texts) -> list[str]:
    """Write what differs onto the clip; the names of the changed fields. Raises Unacceptable with all faults."""
    wanted, faults = _checked(session, texts)
    owner: Person | None = None
    if texts.email:
        try:
            owner = people.person_for_email(session, texts.email, lang=clip.lang, name=texts.first_name or "")
        except PortalError as error:
            faults["email"] = error.code
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    changed = [field for field, value in wanted.items() if getattr(clip, field) != value]
    for field in changed:
        setattr(clip, field, wanted[field])
    former = clip.owner_id
    if owner is not None and former != owner.id:
        clip.owner_id = owner.id
        changed.append("email")
    session.flush()
    if "email" in changed and former is not None:
        # A slip of the pen, kept as it was typed, must not stay behind as a person of its own.
        people.forget_if_clipless(session, former)
    if texts.themes is not None and themes.set_themes(session, clip, texts.themes):
        changed.append("themes")
    if changed:
        clip.search_text = search.text_of(clip)
        session.flush()
    return changed


def _checked(session: Session, texts: Texts) -> tuple[dict[str, Any], dict[str, Code]]:
    """The columns to write, tidied, and the faults by field."""
    wanted: dict[str, Any] = {}
    faults: dict[str, Code] = {}
    for field, most in LONGEST.items():
        value = getattr(texts, field)
        if value is not None:
            wanted[field] = " ".join(value.split())
            if len(wanted[field]) > most:
                faults[field] = Code.TOO_LONG_TEXT
    if texts.speech_lang is not None:
        wanted["speech_lang"] = texts.speech_lang
        if texts.speech_lang and texts.speech_lang not in SPEECH_LANGUAGES:
            faults["speech_lang"] = Code.UNKNOWN_LANGUAGE
    if texts.music is not None:
        wanted["music"] = texts.music
        if texts.music not in MUSIC:
            faults["music"] = Code.INVALID
    if texts.people is not None:
        wanted["people"] = texts.people
        if len(texts.people) > 20:
            faults["people"] = Code.TOO_MANY
    _check_dates(session, texts, wanted, faults)
    return wanted, faults


def _check_dates(session: Session, texts: Texts, wanted: dict[str, Any], faults: dict[str, Code]) -> None:
    today = db_now(session).date()
    wanted |= dict.fromkeys(texts.cleared & {"owned_since", "filmed_on"})
    if texts.owned_since is not None:
        wanted["owned_since"] = texts.owned_since
        if not _EARLIEST_YEAR <= texts.owned_since <= today.year:
            faults["owned_since"] = Code.WRONG_DATE
    if texts.filmed_on is not None:
        wanted["filmed_on"] = texts.filmed_on
        # One day of grace: it is tomorrow already further east.
        if not date(_EARLIEST_YEAR, 1, 1) <= texts.filmed_on <= today + timedelta(days=1):
            faults["filmed_on"] = Code.WRONG_DATE
