"""Languages found on disk, gettext of the current language, dates, durations and numbers; Babel only.

Works without Flask: the worker writes mails with it. French is the source language of the catalogue.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date as babel_date
from babel.dates import format_time as babel_time
from babel.dates import get_datetime_format
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

from portal.typography import french

SOURCE = "fr"
FOLDER = Path(__file__).parent / "translations"

_current: ContextVar[str] = ContextVar("language", default=SOURCE)
_Day = TypeVar("_Day", date, datetime)

# One place, one time of day: the same for all threads of a process, so no context variable.
_here: dict[str, tzinfo] = {"zone": UTC}


@contextmanager
def language(code: str) -> Iterator[None]:
    """Speak this language inside the block."""
    token = _current.set(code)
    try:
        yield
    finally:
        _current.reset(token)


def set_language(code: str) -> None:
    """Speak this language from now on in this context (a request)."""
    _current.set(code)


def current_language() -> str:
    """The language spoken now."""
    return _current.get()


def languages_on_disk() -> list[str]:
    """Codes of the languages that have a catalogue."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def own_name(code: str) -> str:
    """A language's name in itself: Français, English, Deutsch; the bare code of one that nobody knows."""
    try:
        name = Locale.parse(code).get_display_name(code) or code
    except (UnknownLocaleError, ValueError):
        return code
    return name[:1].upper() + name[1:]


@cache
def _catalogue(code: str) -> NullTranslations:
    # Read from the .po itself: nothing compiled lies in the tree, and no step can be forgotten.
    path = FOLDER / code / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def gettext(message: str, **values: Any) -> str:
    """The message in the current language, with %(name)s places filled."""
    text = raw_gettext(message)
    return text % values if values else text


def ngettext(singular: str, plural: str, n: int, **values: Any) -> str:
    """The message for the number n in the current language; %(num)s is n."""
    return raw_ngettext(singular, plural, n) % {"num": n, **values}


def raw_gettext(message: str) -> str:
    """The translated message with its places unfilled (Jinja's newstyle gettext fills and escapes them)."""
    return _set_in_type(_catalogue(_current.get()).gettext(message))


def raw_ngettext(singular: str, plural: str, n: int) -> str:
    """As `raw_gettext`, for numbers."""
    return _set_in_type(_catalogue(_current.get()).ngettext(singular, plural, n))


def _set_in_type(text: str) -> str:
    # Every sentence of the product leaves by here, its places unfilled: what people typed is not among it.
    return french(text) if _current.get() == SOURCE else text


def keep_time_of(zone: str) -> None:
    """From now on this process tells people the time of this zone; raises ZoneInfoNotFoundError."""
    _here["zone"] = UTC if zone == "UTC" else ZoneInfo(zone)


def zone_here() -> tzinfo:
    """Whose days and hours this process tells people."""
    return _here["zone"]


def _local(value: _Day) -> _Day:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(_here["zone"])
    return value


def format_date(value: date | datetime) -> str:
    """Day, month in words, year; of an instant the day that it is here."""
    return babel_date(_local(value), format="long", locale=_current.get())


def format_month(value: date) -> str:
    """Month in words and year."""
    return babel_date(value, format="LLLL y", locale=_current.get())


def format_datetime(value: datetime) -> str:
    """Date and time of day here, to the minute."""
    locale, value = _current.get(), _local(value)
    day = babel_date(value, format="medium", locale=locale)
    hour = babel_time(value, format="short", locale=locale)
    return str(get_datetime_format("medium", locale=locale)).replace("{1}", day).replace("{0}", hour)


def format_number(value: float) -> str:
    """A number grouped as the language does it."""
    return format_decimal(value, locale=_current.get())


def format_clock(seconds: float | None) -> str:
    """A length as a clock shows it: 1:24."""
    whole = round(seconds or 0)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def format_duration(seconds: float | None) -> str:
    """A length in words: 1 min 24, 45 s."""
    minutes, left = divmod(round(seconds or 0), 60)
    if not minutes:
        return f"{left}\u00a0s"
    return f"{minutes}\u00a0min\u00a0{left:02}" if left else f"{minutes}\u00a0min"


def format_bytes(size: float) -> str:
    """A file's size in the language's own unit names: 66 Mo, 66 MB."""
    units = ("o", "ko", "Mo", "Go") if _current.get() == "fr" else ("B", "kB", "MB", "GB")
    index = 0
    while size >= 1000 and index < len(units) - 1:
        size /= 1000
        index += 1
    digits = round(size, 1) if size < 10 and index else round(size)
    return f"{format_number(digits)}\u00a0{units[index]}"
