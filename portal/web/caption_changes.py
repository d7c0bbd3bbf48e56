"""Two people wrote the same captions: what stands now, and where it differs from what was just sent.

Compares texts, passage by passage; decides nothing.
"""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

MOST_SHOWN: Final = 100
"""Places that differ; whoever has more of them reads the whole text below."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place where the texts differ: the passage as it stands now and as it was sent; "" where one has none."""

    theirs: str
    mine: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The captions as they stand now: their version (0: deleted), their text, where the sent ones differ from them."""

    version: int
    text: str
    places: tuple[Place, ...] = ()
    is_more: bool = False


def standing(version: int, theirs: str, mine: str) -> Standing:
    """What stands at this version, beside what was sent; both as WebVTT or SRT."""
    ours, others = _passages(mine), _passages(theirs)
    pairs = SequenceMatcher(None, others, ours, autojunk=False).get_opcodes()
    places = [
        Place("\n\n".join(others[a:b]), "\n\n".join(ours[c:d]))
        for kind, a, b, c, d in pairs
        if kind != "equal"
    ]
    return Standing(version, theirs, tuple(places[:MOST_SHOWN]), len(places) > MOST_SHOWN)


def _passages(text: str) -> list[str]:
    """The text's passages, its header and the blanks around its lines left out."""
    lines = "\n".join(line.strip() for line in text.splitlines())
    passages = [passage.strip("\n") for passage in lines.split("\n\n")]
    return [passage for passage in passages if passage and not passage.startswith("WEBVTT")]
