"""How French is set in type: no sign begins a line, an apostrophe is curved.

Knows sentences of the product alone; what people typed never comes here.
"""

import re
from functools import lru_cache
from typing import Final

NARROW: Final = "\u202f"
"""The thin space that no line breaks at, before `;`, `!` and `?`."""

FULL: Final = "\u00a0"
"""The space that no line breaks at, before `:`, `%` and `»`, and after `«`."""

# More than every sentence of the catalogue.
_SENTENCES: Final = 4096
# Attributes are addresses and words of machines: markup stays as it is.
_MARKUP: Final = re.compile(r"(</?[a-zA-Z][^<>]*>|<!--.*?-->)", re.DOTALL)
# A sign at the beginning of a word (` :name`, ` ?page`) is not punctuation. A space typed with care is taken, too.
_BEFORE_HIGH: Final = re.compile(r"[ \u00a0](?=[;!?](?!\w))")
# `%%` is a per cent sign before places are filled; ` %(name)s` is a place.
_BEFORE_COLON: Final = re.compile(r"[ \u202f](?=»|:(?![\w/])|%(?:%|[^\w(%]|$))")
_AFTER_GUILLEMET: Final = re.compile(r"(?<=«)[ \u202f]")
_APOSTROPHE: Final = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_]|%\(|«)")
_BREAKING: Final = re.compile(r"[^\S\u00a0\u202f]+")


@lru_cache(maxsize=_SENTENCES)
def french(sentence: str) -> str:
    """The sentence with no-break spaces in place of the plain ones beside French signs, and curved apostrophes.

    Nothing is put where there was no space. Places (`%(name)s`), markup, addresses and times of day stay as they are.
    """
    parts = _MARKUP.split(sentence)
    return "".join(part if place % 2 else _set(part) for place, part in enumerate(parts))


def on_one_line(words: str) -> str:
    """The words with each break or run of breaking spaces as one space; spaces that do not break stay."""
    return _BREAKING.sub(" ", words).strip()


def _set(words: str) -> str:
    words = _BEFORE_HIGH.sub(NARROW, words)
    words = _BEFORE_COLON.sub(FULL, words)
    words = _AFTER_GUILLEMET.sub(FULL, words)
    return _APOSTROPHE.sub("’", words)
