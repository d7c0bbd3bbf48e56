"""The API's captions as structs, beside `schemas.py`. No conduct."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from portal import webvtt
from portal.web.schemas import Answer, Seconds, Strict, Version

# 0 stands for "there are none yet".
SeenVersion = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Cue(Strict):
    """Words on the screen, in seconds of the whole film; `<b>` and `<i>` are kept, other markup is dropped."""

    start: Seconds
    end: Seconds
    text: Annotated[str, Meta(max_length=4000)]


class NewCaptions(Strict):
    """Captions in place of those at `version`: a WebVTT or SRT text in `vtt`, or `cues`; one of the two."""

    version: SeenVersion
    vtt: Annotated[str, Meta(max_length=webvtt.MOST_BYTES)] | UnsetType = UNSET
    cues: Annotated[list[Cue], Meta(max_length=webvtt.MOST_CUES)] | UnsetType = UNSET


class CheckedCaptions(Strict):
    """Somebody has proof-read this version, or has not."""

    version: Version
    checked: bool = True


class SeenCaptions(Strict):
    """The version that is meant."""

    version: SeenVersion = 0


class HeardWord(Answer):
    """One word, as a machine heard it."""

    start: float
    end: float
    word: str


class ShownCue(Answer):
    """One cue in our own form: `<b>`, `<i>`, and `&amp;` `&lt;` `&gt;` for the three signs."""

    start: float
    end: float
    text: str


class Captions(Answer):
    """The captions of a clip's film in one language; times are seconds of the whole film, before any cut.

    `origin` is speech, embedded or person; `touched` says that a person has written in them, `checked` that one has
    proof-read them.
    """

    lang: str
    version: int
    origin: str
    touched: bool
    checked: bool
    changed_at: datetime
    cues: list[ShownCue]
    words: list[HeardWord]
    vtt: str
