"""The moderators' part of the API as structs, beside `schemas.py`. No conduct."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from portal.models import State
from portal.web.schemas import (
    Answer,
    Cursor,
    GivenReason,
    Language,
    Limit,
    Line60,
    Line80,
    Moment,
    Playback,
    Progress,
    Seconds,
    Slugs,
    Strict,
    ThemeName,
    Version,
    Words,
)

Code = Annotated[str, Meta(min_length=1, max_length=30)]


class ReviewQuery(Strict):
    """Which clips, oldest first by default; without `state` those that wait for a moderator."""

    state: State = State.IN_REVIEW
    campaign: Annotated[str, Meta(max_length=60)] = ""
    theme: Annotated[str, Meta(max_length=60)] = ""
    lang: Language = ""
    sort: Literal["oldest", "newest"] = "oldest"
    limit: Limit = 24
    cursor: Cursor = ""


class Approve(Strict):
    """Publish this version, now or at `publish_at`; title and themes replace the owner's when given.

    `words` is a line of your own in the letter that tells the owner. Of another title the owner is told in the clip's
    thread once it is published; `typo` says that a slip of the pen was corrected, and nobody is.
    """

    version: Version
    publish_at: Moment | None = None
    title: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    themes: Slugs | None = None
    words: Annotated[str, Meta(max_length=500)] = ""
    typo: bool = False


class Correction(Strict):
    """What is corrected of the owner's words; what is absent stays, a year that is null is emptied.

    Of another title the owner is told in the clip's thread; `typo` says that a slip of the pen was corrected.
    """

    version: Version
    title: Annotated[str, Meta(min_length=1, max_length=80)] | UnsetType = UNSET
    themes: Slugs | UnsetType = UNSET
    first_name: Annotated[str, Meta(min_length=1, max_length=40)] | UnsetType = UNSET
    city: Line60 | UnsetType = UNSET
    product: Line60 | UnsetType = UNSET
    owned_since: Annotated[int, Meta(ge=1900, le=2100)] | UnsetType | None = UNSET
    typo: bool = False


class AskedReason(Strict):
    """One reason, the passage it is about (seconds from the start), and words for the owner."""

    code: Code
    at_seconds: Seconds | None = None
    words: Annotated[str, Meta(max_length=2000)] = ""


class RequestChanges(Strict):
    """What the owner is asked to change."""

    version: Version
    reasons: Annotated[list[AskedReason], Meta(min_length=1, max_length=20)]


class Refusal(Strict):
    """Why this version is refused or taken down; the owner reads the words."""

    version: Version
    reason: Code
    words: Words


class Retry(Strict):
    """Nothing needs to be said; a version is compared when it is sent."""

    version: Version | UnsetType = UNSET


class NewState(Answer):
    """Where the clip is after the decision."""

    id: str
    state: str
    state_since: datetime
    version: int


class HandedOriginal(Answer):
    """Where the film can be fetched as it was sent, and the name it is saved under; good for so many seconds."""

    url: str
    name: str
    seconds: int


class ReviewItem(Answer):
    """A clip as the queue shows it."""

    id: str
    state: str
    state_since: datetime
    version: int
    campaign: str
    title: str
    first_name: str
    city: str
    speech_lang: str
    seconds: float | None
    width: int | None
    height: int | None
    themes: list[str]


class ReviewQueue(Answer):
    """One stretch of the queue; `total` counts all that match."""

    items: list[ReviewItem]
    next_cursor: str | None
    total: int


class Owner(Answer):
    """Who sent the film."""

    name: str
    email: str | None
    lang: str


class GivenConsent(Answer):
    """What the owner agreed to: the very text, by version and hash."""

    purpose: str
    version: int
    sha256: str
    lang: str
    given_at: datetime
    given_via: str
    revoked_at: datetime | None


class MadeDecision(Answer):
    """A decision that was made about one version of the clip."""

    verb: str
    made_at: datetime
    undone_at: datetime | None
    clip_version: int
    film_sha256: str | None
    moderator_id: int | None
    reasons: list[GivenReason]


class Event(Answer):
    """One line of the clip's history, newest first; `who` is a name where a person acted."""

    at: datetime
    verb: str
    actor: str
    who: str
    version: int | None


class Remark(Answer):
    """A moderator's note for colleagues."""

    made_at: datetime
    at_seconds: float | None
    words: str


class Work(Answer):
    """One piece of work on the clip."""

    kind: str
    state: str
    attempt: int
    progress: float
    step: str
    error_code: str | None


class SignalSeen(Answer):
    """Something to look at, never a verdict; seconds of the film as it is played, none where it is about all of it."""

    kind: str
    at_seconds: float | None
    until_seconds: float | None
    sentence: str
    facts: dict[str, Any]


class FilmFacts(Answer):
    """The film that counts now."""

    id: str
    number: int
    size_bytes: int
    sha256: str | None
    received_at: datetime
    facts: dict[str, Any]


class PersonFilmed(Answer):
    """Somebody else in the film, and whether that person agrees to be shown."""

    name: str
    is_minor: bool
    state: Literal["waiting", "agreed", "refused"]
    asked_at: datetime | None
    answered_at: datetime | None


class ReviewClip(Answer):
    """Everything a moderator sees; the preview's addresses hold for an hour."""

    id: str
    state: str
    state_since: datetime
    version: int
    campaign: str
    title: Line80
    first_name: str
    city: str
    product: str
    owned_since: int | None
    filmed_on: date | None
    speech_lang: str
    incentive: str
    altered: bool
    music: str
    music_words: str
    relation: str
    consent_until: datetime | None
    people: list[PersonFilmed]
    owner_level: str
    channel: str
    fail_code: str | None
    publish_at: datetime | None
    published_at: datetime | None
    seconds: float | None
    width: int | None
    height: int | None
    themes: list[ThemeName]
    owner: Owner | None
    film: FilmFacts | None
    consents: list[GivenConsent]
    decisions: list[MadeDecision]
    history: list[Event]
    notes: list[Remark]
    signals: list[SignalSeen]
    signals_state: Literal["waiting", "done", "failed"]
    jobs: list[Work]
    progress: Progress | None
    playback: Playback | None
