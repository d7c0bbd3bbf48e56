"""Cuts in the API as structs: what is proposed, and how each stands. Times are film time. No conduct."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from portal.web.schemas import Answer, Mp4, Seconds, Strict, Version

Share = Annotated[float, Meta(ge=0, le=1)]


class AskedPassage(Strict):
    """From one instant of the film to another, in seconds."""

    start: Seconds
    end: Seconds


class AskedBlur(Strict):
    """A box, in shares of the upright picture, made unrecognisable during a passage."""

    start: Seconds
    end: Seconds
    left: Share
    top: Share
    width: Share
    height: Share


class NewCut(Strict):
    """The whole edit list: what is not named stays as it was filmed; an empty list shows the whole film again."""

    version: Version
    start: Seconds | None = None
    end: Seconds | None = None
    cuts: Annotated[tuple[AskedPassage, ...], Meta(max_length=50)] = ()
    mutes: Annotated[tuple[AskedPassage, ...], Meta(max_length=50)] = ()
    blurs: Annotated[tuple[AskedBlur, ...], Meta(max_length=50)] = ()


class ChosenCut(Strict):
    """The version of the clip that was looked at."""

    version: Version


class ShownPassage(Answer):
    """From one instant of the film to another, in seconds, on whole frames."""

    start: float
    end: float


class ShownBlur(ShownPassage):
    """A blurred box, in shares of the upright picture."""

    left: float
    top: float
    width: float
    height: float


class Edits(Answer):
    """What a cut leaves out or hides of its film."""

    start: float | None
    end: float | None
    cuts: list[ShownPassage]
    mutes: list[ShownPassage]
    blurs: list[ShownBlur]


class Cut(Answer):
    """One way the film is shown; `mp4` holds private addresses for an hour, `percent` counts while it is made."""

    number: int
    state: str
    origin: str
    is_current: bool
    created_at: datetime
    made_at: datetime | None
    seconds: float | None
    percent: int | None
    error_code: str | None
    ladder_version: int | None
    profile: str
    edits: Edits
    changes: list[str]
    mp4: list[Mp4]


class Cuts(Answer):
    """Every cut of the film that counts, newest first; `version` is the clip's, `film_seconds` the whole film's length."""

    id: str
    state: str
    version: int
    film_seconds: float | None
    items: list[Cut]
