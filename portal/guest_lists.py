"""Lists of customers to invite, as CSV: read line by line, every fault with its line; stores nothing.

Headings may be English, French or German, cells parted by comma, semicolon or tab, the text UTF-8 with or without BOM,
or as Western Windows writes it.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from portal import people
from portal.errors import Code, PortalError, Unacceptable

MOST_LINES: Final = 20_000
LONGEST: Final = {"first_name": 40, "product": 60, "number": 40}

_FORMULA_SIGNS: Final = frozenset("=+-@\t")
"""A spreadsheet computes what begins with one of these."""

_HEADINGS: Final = {
    "email": ("email", "e-mail", "mail", "courriel", "adresse e-mail", "adresse mail", "e-mail-adresse", "mailadresse"),
    "first_name": ("first_name", "first name", "firstname", "prenom", "vorname"),
    "product": ("product", "produit", "modele", "model", "produkt", "modell"),
    "since": ("since", "owned_since", "year", "depuis", "annee", "seit", "jahr"),
    "language": ("language", "lang", "langue", "sprache"),
    "number": ("number", "order", "vin", "commande", "numero", "chassis", "bestellung", "auftrag", "fahrgestellnummer"),
}  # fmt: skip
_LANGUAGES: Final = {
    "francais": "fr", "franzosisch": "fr", "french": "fr", "anglais": "en", "englisch": "en", "english": "en",
    "allemand": "de", "deutsch": "de", "german": "de",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guest:
    """One customer of a list; `number` is an order or chassis number to be checked, never stored."""

    line: int
    email: str
    lang: str
    first_name: str = ""
    product: str = ""
    owned_since: int | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one line cannot be taken: the column, and the code for the sentence."""

    line: int
    column: str
    code: Code
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A list as it was read: the good lines, the faults of the others, the headings nobody knows."""

    guests: tuple[Guest, ...]
    faults: tuple[Fault, ...]
    ignored: tuple[str, ...]


def read(raw: bytes, *, languages: Sequence[str], lang: str, this_year: int) -> Reading:
    """Every line of a list; `lang` is for lines that name none.

    Raises Unacceptable: NOT_A_LIST without letters we know, headings or an e-mail column, TOO_MANY above 20 000 lines.
    """
    rows, columns, ignored = _opened(raw)
    guests: list[Guest] = []
    faults: list[Fault] = []
    told_of = 0
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        told_of += 1
        if told_of > MOST_LINES:
            raise Unacceptable(Code.TOO_MANY, most=MOST_LINES)
        told = {name: _bare(cells[place]) for name, place in columns.items() if place < len(cells)}
        wrong = [Fault(line, "", Code.INVALID)] if len(cells) > len(columns) + len(ignored) else []
        guest, found = _guest(line, told, languages, lang, this_year)
        wrong += found
        faults += wrong
        if not wrong:
            guests.append(guest)
    return Reading(tuple(guests), tuple(faults), ignored)


def text_of(raw: bytes) -> tuple[str, bool]:
    """A list as text, and whether its letters had to be guessed: no UTF-8, but as Excel saves "CSV" by itself.

    Raises Unacceptable(NOT_A_LIST) for what is neither.
    """
    try:
        return raw.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252"), True
    except UnicodeDecodeError as error:
        raise Unacceptable(Code.NOT_A_LIST, reason="neither UTF-8 nor Windows") from error


def _opened(raw: bytes) -> tuple[Iterator[tuple[int, list[str]]], dict[str, int], tuple[str, ...]]:
    text, _is_guessed = text_of(raw)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        headings = [_plain(cell) for cell in next(reader, [])]
    except csv.Error as error:
        raise Unacceptable(Code.NOT_A_LIST, reason="headings") from error
    known = {heading: name for name, several in _HEADINGS.items() for heading in several}
    columns: dict[str, int] = {}
    for place, heading in enumerate(headings):
        name = known.get(heading)
        if name is not None and name in columns:
            raise Unacceptable(Code.NOT_A_LIST, reason="two columns", column=heading)
        if name is not None:
            columns[name] = place
    if "email" not in columns:
        raise Unacceptable(Code.NOT_A_LIST, reason="no e-mail column")
    ignored = tuple(heading for heading in headings if heading not in known)
    return _lines(reader), columns, ignored


def _lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line where it ends; raises Unacceptable where the quotes go astray."""
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Unacceptable(Code.NOT_A_LIST, reason="quotes", line=reader.line_num) from error
        if cells is None:
            return
        yield reader.line_num, cells


def _guest(
    line: int, told: dict[str, str], languages: Sequence[str], lang: str, this_year: int
) -> tuple[Guest, list[Fault]]:
    faults = [Fault(line, name, Code.INVALID) for name, words in told.items() if "\x00" in words]
    email = told.get("email", "")
    try:
        email = people.checked_email(email)
    except PortalError as error:
        faults.append(Fault(line, "email", error.code if email else Code.REQUIRED))
    for name, most in LONGEST.items():
        if len(told.get(name, "")) > most:
            faults.append(Fault(line, name, Code.TOO_LONG_TEXT, {"most": most}))
    since = told.get("since", "")[:4]
    if since and not (since.isascii() and since.isdecimal() and 1900 <= int(since) <= this_year):
        faults.append(Fault(line, "since", Code.WRONG_DATE))
        since = ""
    spoken = _language(told.get("language", ""), lang)
    if spoken not in languages:
        faults.append(Fault(line, "language", Code.UNKNOWN_LANGUAGE))
    guest = Guest(
        line, email, spoken, told.get("first_name", ""), told.get("product", ""), int(since) if since else None,
        told.get("number", ""),
    )  # fmt: skip
    return guest, faults


def guarded(cell: str) -> str:
    """A cell of a list of ours: what a spreadsheet would take for a formula is text; read again it is as before."""
    return f"'{cell}" if cell[:1] in _FORMULA_SIGNS else cell


def _bare(cell: str) -> str:
    words = " ".join(cell.split())
    return words[1:] if words[:1] == "'" and words[1:2] in _FORMULA_SIGNS else words


def _language(told: str, lang: str) -> str:
    word = _plain(told)
    if not word:
        return lang
    return _LANGUAGES.get(word, word.replace("_", "-").partition("-")[0])


def _plain(words: str) -> str:
    """Without accents, capitals and spaces around."""
    flat = unicodedata.normalize("NFD", words.strip().casefold())
    return " ".join("".join(sign for sign in flat if not unicodedata.combining(sign)).split())
