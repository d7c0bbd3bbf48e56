"""Captions as text: WebVTT and SRT as people have them are read into cues, and cues are written as WebVTT of ours.

Nothing of what came in is passed through. Pure; knows no clip.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from portal.errors import Code, Unacceptable

MOST_BYTES: Final = 512 * 1024
MOST_CUES: Final = 5000
MOST_CHARACTERS: Final = 500
"""Of one cue, without its markup: a caption of two lines has 84."""

MOST_FAULTS: Final = 20
"""A list of more than these helps nobody."""

_FOR_EVER: Final = 1000 * 3600.0
# With its markup; what is longer is too long without it too, or not worth the reading.
_MOST_RAW: Final = 20 * MOST_CHARACTERS

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$", re.ASCII)
_BEGINS = re.compile(r"^WEBVTT(?:[ \t].*)?$")
_LEFT_OUT = re.compile(r"^(?:NOTE(?:[ \t]|$)|STYLE[ \t]*$|REGION[ \t]*$)")
# Bounded, so that a line full of brackets is read in one go.
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,15})(?![A-Za-z0-9])[^<>]{0,1000}>|<\d[\d:.]{0,15}>")
_MARK = re.compile(r"</?[bi]>")
_KEPT = ("b", "i")
_BLANKS = re.compile(r"[ \t]+")
_BREAKS = re.compile("[\x0b\x0c\x85\u2028\u2029]")
# Marks that turn the reading direction of everything behind them; the single-letter marks stay.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True, order=True)
class Cue:
    """Words on the screen from one instant to another, in seconds.

    `text` is in our own form, as `clean` makes it: lines, `<b>` and `<i>`, and &amp; &lt; &gt; for the three signs.
    """

    start: float
    end: float
    text: str

    @property
    def plain(self) -> str:
        """The words alone, lines joined."""
        return html.unescape(_MARK.sub("", self.text)).replace("\n", " ")


def parse(text: str, *, seconds: float | None = None, is_lenient: bool = False) -> list[Cue]:
    """The cues of a WebVTT or SRT text, in order; those without a word are left out.

    Accepted: byte order mark, every line ending, hours or none, comma or full stop, settings and identifiers (both
    ignored). Comments, styles, regions and all markup but `<b>` and `<i>` are dropped. A cue that outlasts a film of
    `seconds` ends with it. Raises Unacceptable with a fault for each line ("line.12"), 20 at most: WRONG_TIMES,
    OUT_OF_ORDER, BEYOND_THE_FILM, TOO_LONG_TEXT; or for "text": TOO_LARGE_TEXT, NOT_CAPTIONS, TOO_MANY, REQUIRED.
    `is_lenient` leaves out faulty cues and sorts, for texts that nobody can mend.
    """
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise Unacceptable(Code.INVALID, fields={"text": Code.TOO_LARGE_TEXT})
    given = [(f"line.{line}", start, end, words) for line, start, end, words in _blocks(_lines(text))]
    return checked(given, field_name="text", seconds=seconds, is_lenient=is_lenient)


def checked(
    given: Iterable[tuple[str, float | None, float | None, str]],
    *,
    field_name: str = "cues",
    seconds: float | None = None,
    is_lenient: bool = False,
) -> list[Cue]:
    """The cues of (name of the place, start, end, text), cleaned; a time of None is one that could not be read.

    Raises Unacceptable as `parse` does, each fault under its place's name.
    """
    collected = _Collected(seconds, is_lenient)
    for place, start, end, text in islice(given, 2 * MOST_CUES):
        collected.take(place, start, end, text)
    faults = collected.faults
    if not is_lenient and not faults:
        if len(collected.cues) > MOST_CUES or collected.taken == 2 * MOST_CUES:
            faults[field_name] = Code.TOO_MANY
        elif not collected.cues:
            faults[field_name] = Code.NOT_CAPTIONS if not collected.taken else Code.REQUIRED
    if faults and not is_lenient:
        raise Unacceptable(Code.INVALID, fields=faults)
    return sorted(collected.cues)[:MOST_CUES] if is_lenient else collected.cues


@dataclass(slots=True)
class _Collected:
    """The good cues and the faults so far."""

    seconds: float | None
    is_lenient: bool
    cues: list[Cue] = field(default_factory=list)
    faults: dict[str, Code] = field(default_factory=dict)
    taken: int = 0
    latest: float = 0.0

    def take(self, place: str, start: float | None, end: float | None, text: str) -> None:
        """Keep one cue or note what is wrong with it."""
        self.taken += 1
        words = clean(text[:_MOST_RAW])
        if (code := self._fault(start, end, words)) is not None:
            if len(self.faults) < MOST_FAULTS:
                self.faults.setdefault(place, code)
            return
        if start is None or end is None or not words:
            return
        self.latest = start
        last = end if self.seconds is None else min(end, self.seconds)
        self.cues.append(Cue(round(start, 3), round(last, 3), words))

    def _fault(self, start: float | None, end: float | None, words: str) -> Code | None:
        # "Not a number" is never greater than anything.
        if start is None or end is None or not 0 <= start < end < _FOR_EVER:
            return Code.WRONG_TIMES
        if round(end, 3) <= round(start, 3):
            return Code.WRONG_TIMES
        if self.seconds is not None and start >= self.seconds - 0.001:
            return Code.BEYOND_THE_FILM
        if start < self.latest and not self.is_lenient:
            return Code.OUT_OF_ORDER
        return Code.TOO_LONG_TEXT if len(Cue(0, 1, words).plain) > MOST_CHARACTERS else None


def write(cues: Sequence[Cue]) -> str:
    """The cues as WebVTT: always valid, whatever is in them."""
    blocks = [f"{_clock(one.start)} --> {_clock(one.end)}\n{clean(one.text)}\n" for one in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def plain_text(cues: Sequence[Cue]) -> str:
    """The words alone, one cue to a line."""
    return "".join(f"{one.plain}\n" for one in cues)


def from_plain(words: str) -> str:
    """Plain words in our own form: no sign of theirs is markup."""
    return clean(html.escape(words, quote=False))


def clean(text: str) -> str:
    """A cue's words in our own form; the same again when it is given its own answer.

    `<b>` and `<i>` are kept and closed, other markup is dropped, entities are read; controls and marks that turn the
    reading direction are dropped, blanks joined, empty lines left out.
    """
    if _is_clean(text):
        return text
    made = _cleaned(text)
    # A line that was left out may have held one half of a pair of tags.
    while (again := _cleaned(made)) != made:
        made = again
    return made


def _is_clean(text: str) -> bool:
    """Whether plain words stand there just as they would be left: nearly always, and seen thirty times as fast."""
    return not ("<" in text or "&" in text or ">" in text or "  " in text) and all(
        # What can be printed has no blank but the common one.
        line and line[0] != " " and line[-1] != " " and line.isprintable()
        for line in text.split("\n")
    )


def _cleaned(text: str) -> str:
    made: list[str] = []
    open_tags: list[str] = []
    at = 0
    for found in _TAG.finditer(text):
        made.append(_escaped(text[at : found.start()]))
        at = found.end()
        name = (found[2] or "").lower()
        if name in _KEPT:
            made.append(_turned(name, closes=bool(found[1]), open_tags=open_tags))
    made.append(_escaped(text[at:]))
    made += [f"</{name}>" for name in reversed(open_tags)]
    lines = (_BLANKS.sub(" ", line).strip(" ") for line in "".join(made).split("\n"))
    return "\n".join(line for line in lines if _MARK.sub("", line).strip())


def _turned(name: str, *, closes: bool, open_tags: list[str]) -> str:
    """The tag to write, so that every one is closed and none is crossed."""
    if not closes:
        if name in open_tags:
            return ""
        open_tags.append(name)
        return f"<{name}>"
    if name not in open_tags:
        return ""
    inner = open_tags[open_tags.index(name) :]
    del open_tags[open_tags.index(name) :]
    return "".join(f"</{one}>" for one in reversed(inner))


def _escaped(text: str) -> str:
    plain = _BREAKS.sub("\n", html.unescape(text))
    # Whatever can be printed may stand; looking at every sign would take the checker minutes.
    is_plain = plain.replace("\n", "").isprintable()
    kept = plain if is_plain else "".join(sign for sign in plain if _may_stand(sign))
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _may_stand(sign: str) -> bool:
    if sign in "\n\t":
        return True
    return sign not in _TURNS and sign != "\ufeff" and unicodedata.category(sign) not in ("Cc", "Cs", "Co")


def _lines(text: str) -> list[str]:
    """The text's lines, whatever ends them; NUL is what the standard makes of it."""
    whole = text.removeprefix("\ufeff").replace("\x00", "\ufffd")
    return whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _blocks(lines: list[str]) -> Iterator[tuple[int, float | None, float | None, str]]:
    """Number of the line with the times, start, end and text of every cue."""
    at = 0
    if lines and _BEGINS.match(lines[0].rstrip()):
        # The head goes on until the first empty line.
        while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:
            at += 1
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        end = at
        while end < len(lines) and lines[end].strip():
            end += 1
        yield from _cues_of(lines, at, end)
        at = end


def _cues_of(lines: list[str], at: int, end: int) -> Iterator[tuple[int, float | None, float | None, str]]:
    """The cues of one block: a line with an arrow begins one, also where an empty line was forgotten."""
    if _LEFT_OUT.match(lines[at]):
        return
    begins = [line for line in range(at, end) if "-->" in lines[line]]
    for here, after in zip(begins, [*begins[1:], end], strict=False):
        last = after
        # The next cue's number stands before its times.
        if after < end and lines[after - 1].strip().isdecimal() and after - 1 > here:
            last = after - 1
        start, until = _times(lines[here])
        yield here + 1, start, until, "\n".join(lines[here + 1 : last])


def _times(line: str) -> tuple[float | None, float | None]:
    found = _TIMES.match(line)
    if found is None:
        return None, None
    return _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])


def _seconds(hours: str | None, minutes: str, seconds: str, part: str | None) -> float | None:
    if int(minutes) > 59 or int(seconds) > 59:
        return None
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{part or 0}")


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    whole, part = divmod(thousandths, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{part:03}"
