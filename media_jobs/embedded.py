"""Captions that lie inside a film, taken out as WebVTT text. Believes none of it: whoever keeps it parses it first."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_jobs.ffmpeg import Tools, compose, films_fault, output, run, source
from media_jobs.headers import CaptionTrack
from media_jobs.probe import Facts
from portal.errors import Unavailable

log = logging.getLogger(__name__)

# An hour of dense speech is 60 kB of text.
MOST_BYTES: Final = 1 << 20
MOST_TRACKS: Final = 4


@dataclass(frozen=True, slots=True)
class Embedded:
    """One track's captions: `language` as the film names it ("fra", "und"), `text` WebVTT with cues in film time."""

    index: int
    language: str
    text: str


def embedded_captions(
    tools: Tools, original: Path, facts: Facts, folder: Path, cancelled: Callable[[], bool]
) -> list[Embedded]:
    """The text of the film's first caption tracks, those without a cue left out; the folder is as it was before.

    Raises Cancelled; Unavailable when it is us. A track that cannot be read is no reason to refuse its film.
    """
    found = (
        _text(tools, original, facts, track, folder, cancelled) for track in facts.captions[:MOST_TRACKS]
    )
    return [
        Embedded(track.index, track.language, text)
        for track, text in zip(facts.captions, found, strict=False)
        if "-->" in text
    ]


def _text(
    tools: Tools,
    original: Path,
    facts: Facts,
    track: CaptionTrack,
    folder: Path,
    cancelled: Callable[[], bool],
) -> str:
    film = source(original.resolve(), facts.container)
    path = folder.resolve() / f"captions-{track.index}.vtt"
    words = {"f": "webvtt", "fs": MOST_BYTES, "output_ts_offset": -facts.lead_seconds}
    taken = output([film[str(track.index)]], path.name, **words)
    try:
        wall = 30 + facts.duration_seconds
        run(tools, compose([taken]), folder=path.parent, wall_seconds=wall, cancelled=cancelled)
    except Unavailable as trouble:
        if not films_fault(trouble):
            raise
        log.info("captions of track %d cannot be read", track.index)
        return ""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", errors="replace")
    finally:
        path.unlink()
