"""The API's bodies, queries and answers as structs; `openapi.py` describes exactly these. No conduct."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

# The database counts versions and ids with 32 bits.
_MOST = 2**31 - 1

Slug = Annotated[str, Meta(min_length=1, max_length=60)]
Line40 = Annotated[str, Meta(max_length=40)]
Line60 = Annotated[str, Meta(max_length=60)]
Line80 = Annotated[str, Meta(max_length=80)]
Line200 = Annotated[str, Meta(max_length=200)]
Email = Annotated[str, Meta(max_length=254)]
Language = Annotated[str, Meta(max_length=8)]
Words = Annotated[str, Meta(min_length=1, max_length=2000)]
Version = Annotated[int, Meta(ge=1, le=_MOST)]
Moment = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[float, Meta(ge=0, le=86400)]
Slugs = Annotated[list[Slug], Meta(max_length=3)]
Limit = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(max_length=200)]
Sha256 = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]


class Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """What comes in: an unknown field is a fault, not a hint."""


class Answer(Struct, kw_only=True):
    """What goes out."""


# Problems -----------------------------------------------------------------------------------------------


class Fault(Answer):
    """One field that is wrong."""

    field: str
    code: str
    detail: str


class Change(Answer):
    """What somebody did to the clip since the version that was sent."""

    verb: str
    at: datetime
    by: str
    version: int | None


class Problem(Answer):
    """A refusal (RFC 9457); `code` is stable, `detail` is a sentence for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[Fault] | UnsetType = UNSET
    retry_after: float | UnsetType = UNSET
    state: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    changes: list[Change] | UnsetType = UNSET
    missing: list[Any] | UnsetType = UNSET


# Catalogues ---------------------------------------------------------------------------------------------


class Theme(Answer):
    """A word that visitors tick, with its names by language."""

    slug: str
    names: dict[str, str]


class Themes(Answer):
    """All themes in their order."""

    items: list[Theme]
    next_cursor: str | None
    total: int


class CampaignText(Answer):
    """A campaign's words in one language."""

    title: str
    question: str
    in_return: str
    help: str
    # What is worth filming, one thing each.
    shots: list[str]


class Campaign(Answer):
    """A call for clips; `is_open` is whether `state` is open: whoever asks may begin a clip.

    `themes` are the slugs offered (empty: all), `max_seconds` what a film may last here.
    """

    slug: str
    is_open: bool
    state: Literal["open", "invited_only", "ahead", "closed", "full"]
    opens_at: datetime | None
    closes_at: datetime | None
    max_seconds: int
    themes: list[str]
    answer_days: int
    term_months: int
    invited_only: bool
    example_clip_id: str | None
    texts: dict[str, CampaignText]


class Campaigns(Answer):
    """All campaigns."""

    items: list[Campaign]
    next_cursor: str | None
    total: int


class ConsentQuery(Strict):
    """In which language; that of the submission (its `lang`) is the one in which its owner agrees."""

    lang: Language = ""


class ConsentWords(Answer):
    """What an owner agrees to for one purpose; `sha256` goes back as `consents_seen`."""

    purpose: str
    sentence: str
    full: str
    sha256: str
    required: bool


class ConsentTexts(Answer):
    """Everything an owner is asked in one campaign today."""

    items: list[ConsentWords]
    next_cursor: str | None
    total: int


# Published clips ----------------------------------------------------------------------------------------


class ClipQuery(Strict):
    """Which published clips; `theme` may come several times."""

    theme: Annotated[list[Slug], Meta(max_length=20)] = []
    match: Literal["any", "all"] = "any"
    q: Annotated[str, Meta(max_length=80)] = ""
    lang: Language = ""
    sort: Literal["newest", "oldest", "shortest", "most_watched"] = "newest"
    limit: Limit = 24
    cursor: Cursor = ""


class ThemeName(Answer):
    """A clip's theme: its slug, and its name in the portal's first language."""

    slug: str
    name: str


class Picture(Answer):
    """One size of a still."""

    width: int
    url: str


class Mp4(Answer):
    """One whole film file."""

    height: int
    url: str
    bytes: int


class Caption(Answer):
    """One caption track: whether a person has proof-read it, and whether no person has even touched it."""

    lang: str
    url: str
    checked: bool
    automatic: bool


class Playback(Answer):
    """What a player needs."""

    hls_url: str | None
    mp4: list[Mp4]
    posters: dict[str, list[Picture]]
    storyboard: str | None
    captions: list[Caption]


class ClipItem(Answer):
    """A published clip as lists show it; `seconds` is its length."""

    id: str
    url: str
    title: str
    first_name: str
    city: str
    product: str
    owned_since: int | None
    filmed_on: date | None
    published_at: datetime | None
    seconds: float
    speech_lang: str
    owner_level: str
    incentive: str
    # Pictures or sounds are made or altered by a machine, as the owner says.
    altered: bool
    relation: str
    width: int
    height: int
    themes: list[ThemeName]
    posters: dict[str, list[Picture]]


class Clip(ClipItem):
    """A published clip with everything that plays it."""

    playback: Playback


class Clips(Answer):
    """One stretch of the published clips; `total` counts all that match."""

    items: list[ClipItem]
    next_cursor: str | None
    total: int


# Submissions --------------------------------------------------------------------------------------------


class FilmedPerson(Strict, kw_only=True):
    """Somebody else who is in the film."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    email: Email = ""
    minor: bool


class Consents(Strict):
    """What the owner agrees to: true gives, false takes back, absent leaves as it is."""

    site: bool | UnsetType = UNSET
    adult: bool | UnsetType = UNSET
    social: bool | UnsetType = UNSET
    ads: bool | UnsetType = UNSET
    contact: bool | UnsetType = UNSET


class Texts(Strict):
    """The owner's words; what is absent stays as it is, a date that is null is emptied."""

    email: Email | UnsetType = UNSET
    first_name: Line40 | UnsetType = UNSET
    title: Line80 | UnsetType = UNSET
    themes: Slugs | UnsetType = UNSET
    speech_lang: Language | UnsetType = UNSET
    city: Line60 | UnsetType = UNSET
    product: Line60 | UnsetType = UNSET
    owned_since: Annotated[int, Meta(ge=1900, le=2100)] | UnsetType | None = UNSET
    filmed_on: date | UnsetType | None = UNSET
    incentive: Line200 | UnsetType = UNSET
    altered: bool | UnsetType = UNSET
    people: Annotated[list[FilmedPerson], Meta(max_length=20)] | UnsetType = UNSET
    music: Literal["none", "own", "licensed"] | UnsetType = UNSET
    music_words: Line200 | UnsetType = UNSET
    relation: Literal["", "staff", "family", "partner"] | UnsetType = UNSET


class ConsentsSeen(Strict):
    """The sha256 of each text as it was read, in hex; one that is another by now is refused."""

    site: Sha256 = ""
    adult: Sha256 = ""
    social: Sha256 = ""
    ads: Sha256 = ""
    contact: Sha256 = ""


class SubmissionChange(Texts):
    """The owner's words and consents."""

    consents: Consents | UnsetType = UNSET
    consents_seen: ConsentsSeen | UnsetType = UNSET


class NewSubmission(SubmissionChange, kw_only=True):
    """A draft: everything but the campaign may follow later. `lang` is what we write to the owner in."""

    campaign: Slug
    lang: Language | UnsetType = UNSET
    # What answers the challenge of a 429 (the work done, in base64, or the ticket after its minute).
    proof: Annotated[str, Meta(max_length=2000)] = ""
    # The token of a personal invitation: it is used up by this call.
    invitation: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET


class Progress(Answer):
    """How far the worker is with the film."""

    step: str
    percent: float


class GivenReason(Answer):
    """Why something was asked for or refused."""

    code: str
    at_seconds: float | None
    words: str


class SignatureState(Answer):
    """Somebody named as being in the film, and whether that person (or a minor's guardian) agrees."""

    name: str
    minor: bool
    state: Literal["waiting", "agreed", "refused"]


class Submission(Answer):
    """Where a submission is; `missing`: what review still waits for, `consent_until`: when the term ends.

    `erased_on`: when everything is erased if nothing happens until then.
    """

    id: str
    state: str
    state_since: datetime
    progress: Progress | None
    reasons: list[GivenReason]
    version: int
    missing: list[str]
    signatures: list[SignatureState]
    consent_until: datetime | None
    erased_on: datetime | None


class NewSubmissionAnswer(Answer):
    """The draft's id, the token that opens it (shown once), the owner's status page."""

    id: str
    token: str
    status_url: str
    state: str
    version: int
    missing: list[str]


# Uploads ------------------------------------------------------------------------------------------------


class Ends(Strict):
    """What is shown of a film: from an instant to another, in seconds; what lies outside is left out of every cut."""

    start: Annotated[float, Meta(ge=0)] | None = None
    end: Annotated[float, Meta(ge=0)] | None = None


class NewUpload(Strict):
    """A file that wants to come in; the hashes are of its first and last 64 KiB, they find it again."""

    submission_id: Annotated[str, Meta(min_length=1, max_length=40)]
    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    size: Annotated[int, Meta(ge=0, le=2**53)]
    type: Annotated[str, Meta(max_length=60)] = ""
    last_modified: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    head_sha256: Sha256 = ""
    tail_sha256: Sha256 = ""
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    edits: Ends | None = None


class UploadQuery(Strict):
    """Which uploads: those that are still open."""

    state: Literal["open"] = "open"


class ReceivedPart(Answer):
    """A part that lies in the storage; numbers count from 1, size in bytes."""

    n: int
    size: int


class Upload(Answer):
    """One file on its way, in parts of `part_size` bytes; only the last part is shorter."""

    id: str
    submission_id: str
    state: str
    size: int
    part_size: int
    part_count: int
    received: list[ReceivedPart]
    expires_at: datetime
    filename: str = ""
    reason: str | None = None


class Uploads(Answer):
    """The uploads a caller may continue."""

    items: list[Upload]
    next_cursor: str | None
    total: int


class WantedParts(Strict):
    """The numbers of the parts to be sent next, counted from 1."""

    numbers: Annotated[list[Annotated[int, Meta(ge=1, le=10_000)]], Meta(min_length=1, max_length=50)]


class SignedPart(Answer):
    """Where to PUT one part of exactly `length` bytes, with these headers, before `expires_at`."""

    n: int
    url: str
    headers: dict[str, str]
    length: int
    expires_at: datetime


class SignedParts(Answer):
    """Addresses for the parts asked for."""

    parts: list[SignedPart]


class PosterChoice(Strict):
    """The picture the clip is known by: the film's at this instant, in seconds from its beginning."""

    at_seconds: Annotated[float, Meta(ge=0, le=86400)]


class Nothing(Strict):
    """An empty object: `{}`."""


class Leaving(Strict):
    """Taking a clip back; `why` only if the owner says so."""

    why: Literal["", "changed_mind", "privacy", "sold", "film", "brand", "other"] = ""


class UploadState(Answer):
    """How far the file is: `verifying` until the worker has looked at it."""

    state: str


# Tokens -------------------------------------------------------------------------------------------------


class NewToken(Strict):
    """A program's name and what it may do."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    scopes: Annotated[list[Literal["read", "submit", "review", "admin"]], Meta(min_length=1, max_length=4)]


class NewTokenAnswer(Answer):
    """The token itself is shown this once."""

    id: int
    name: str
    scopes: list[str]
    token: str
