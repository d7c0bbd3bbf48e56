"""What a clip can be found by, and the condition that finds it; no state, no paging.

Plain LIKE on text folded beforehand: the same answer on SQLite and PostgreSQL, and no word lists per language.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, and_, or_, select, true

from portal.models import Caption, Clip

TEXT_CHARACTERS: Final = 200
"""The width of the `search_text` column; letters such as ß grow when they are folded."""

WORDS_AT_MOST: Final = 8
"""A visitor types two or three words; more conditions than this only cost time."""

_SPELLED_OUT = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ł": "l"})


def fold(text: str) -> str:
    """The text without case, accents and punctuation: "Été à l’Étang" becomes "ete a l etang"."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_SPELLED_OUT))
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join("".join(sign if sign.isalnum() else " " for sign in letters).split())


def text_of(clip: Clip) -> str:
    """What the clip can be found by: title, city and first name; also written to `clip.search_text`."""
    clip.search_text = fold(f"{clip.title} {clip.city} {clip.first_name}")[:TEXT_CHARACTERS]
    return clip.search_text


Says = Callable[[str], ColumnElement[bool]]


def condition(query: str, says: Says | None = None) -> ColumnElement[bool]:
    """Holds for clips whose text has every word of the query, in any order; for all when it has no word.

    A word may also be one that is said in the film, where `says` tells how to look for it.
    """
    return and_(true(), *(_has(word, says) for word in words_of(query)))


def words_of(query: str) -> list[str]:
    """The words that are looked for, folded."""
    return fold(query).split()[:WORDS_AT_MOST]


def _has(word: str, says: Says | None) -> ColumnElement[bool]:
    # `fold` leaves letters and digits only, so no word carries LIKE's own signs.
    told = Clip.search_text.like(f"%{word}%")
    return told if says is None else or_(told, says(word))


def says_here(word: str) -> ColumnElement[bool]:
    """For lists: looked up clip by clip, so that a page ends the search."""
    said = select(Caption.id).where(Caption.clip_id == Clip.id, Caption.text.like(f"%{word}%"))
    return said.correlate(Clip).exists()


@dataclass(slots=True)
class SaysAnywhere:
    """For counts: all that is said is read once for each word, however often one statement asks for it."""

    found: dict[str, CTE] = field(default_factory=dict)

    def __call__(self, word: str) -> ColumnElement[bool]:
        """Whether the word is said in the clip."""
        if word not in self.found:
            said = select(Caption.clip_id).where(Caption.text.like(f"%{word}%"))
            self.found[word] = said.cte(f"said_{len(self.found)}")
        among: Any = Clip.id.in_(select(self.found[word].c.clip_id))
        return among  # type: ignore[no-any-return]
