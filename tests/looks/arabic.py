"""A mirrored language made for these tests: each sentence of the source in Arabic letters, places and marks kept.

Nobody is meant to read it. It is written from right to left, with marks above and below the line, and about as long as
the sentence that it stands for: what breaks under it would break under the real language.
"""

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

CODE = "ar"
PLURALS = 6
_LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", "ابثدعفجهيكلمنوقرستحخصضطظغش", strict=False))
# Places such as %(name)s, markup and its entities stay as they are.
_KEPT = re.compile(r"(%\(\w+\)[sd]|%%|<[^>]*>|&\w+;)")


def mirrored(sentence: str) -> str:
    """The sentence in Arabic letters."""
    parts = _KEPT.split(sentence)
    return "".join(part if place % 2 else _spelled(part) for place, part in enumerate(parts))


def beside(folder: Path, new: Path) -> Path:
    """A folder of catalogues with those of `folder` and this one."""
    new.mkdir()
    for one in folder.iterdir():
        if one.is_dir():
            (new / one.name).symlink_to(one)
    with (folder / "en" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        known = read_po(file)
    made = Catalog(locale=CODE)
    for message in known:
        if isinstance(message.id, tuple):
            made.add(message.id, [mirrored(message.id[1])] * PLURALS)
        elif message.id:
            made.add(message.id, mirrored(message.id))
    place = new / CODE / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / "messages.po").open("wb") as file:
        write_po(file, made)
    return new


def _spelled(words: str) -> str:
    plain = words.translate(str.maketrans("àâäéèêëîïôöùûüçœæ", "aaaeeeeiioouuucoa"))
    return "".join(_LETTERS.get(letter.lower(), letter) for letter in plain)
