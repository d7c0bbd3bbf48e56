"""What a clip can be found by, and the condition that finds it; no state, no paging.

Plain LIKE on text folded beforehand: the same answer on SQLite and PostgreSQL, and no word lists per language.
"""

import unicodedata
from typing import Final

from sqlalchemy import ColumnElement, and_, true

from portal.models import Clip

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


def condition(query: str) -> ColumnElement[bool]:
    """Holds for clips whose text has every word of the query, in any order; for all when it has no word."""
    words = fold(query).split()[:WORDS_AT_MOST]
    # `fold` leaves letters and digits only, so no word carries LIKE's own signs.
    return and_(true(), *(Clip.search_text.like(f"%{word}%") for word in words))
