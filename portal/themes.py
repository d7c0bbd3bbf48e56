"""The themes visitors tick: their names per language, order, retirement, merging, and which a clip carries.

Never counts clips for visitors (gallery.py does), never moves a clip.
"""

import logging
import unicodedata
from typing import Final

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import Actor
from portal.models import Clip, ClipTheme, Theme, ThemeAlias, ThemeName

log = logging.getLogger(__name__)

THEMES_MOST: Final = 3
VISIBLE_MOST: Final = 12
"""Above this number visitors stop ticking; the studio says so (design notes on the gallery)."""

_SPELLED = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "&": " et "})


def slugify(text: str) -> str:
    """The text as a slug: small ASCII words with dashes, at most 60; empty when nothing is left."""
    spelled = unicodedata.normalize("NFKD", text.casefold().translate(_SPELLED))
    letters = "".join(sign for sign in spelled if not unicodedata.combining(sign))
    words = "".join(sign if sign.isalnum() else " " for sign in letters).encode("ascii", "ignore").decode()
    return "-".join(words.split())[:60].strip("-")


def visible(session: Session) -> list[Theme]:
    """The themes in use, in their order."""
    return list(session.scalars(_ordered().where(Theme.retired_at.is_(None))))


def every(session: Session) -> list[Theme]:
    """All themes, retired ones too, in their order."""
    return list(session.scalars(_ordered()))


def name_of(theme: Theme, lang: str, default_lang: str) -> str:
    """The theme's name in this language, else in the site's own, else in any; at last its slug."""
    return named(theme, lang, default_lang)[0]


def named(theme: Theme, lang: str, default_lang: str) -> tuple[str, str]:
    """The same name, and the language that it is in; a slug is in none."""
    by_lang = {name.lang: name.name for name in theme.names}
    for code in (lang, default_lang, *by_lang):
        if name := by_lang.get(code):
            return name, code
    return theme.slug, ""


def add(session: Session, slug: str | None, names: dict[str, str], *, by: Actor) -> Theme:
    """Add a theme at the end; without a slug the first name gives one.

    Raises Unacceptable (no name, name too long), Conflict(ALREADY_THERE) when the slug is taken.
    """
    checked = {lang: name for lang, name in _checked(names).items() if name}
    if not checked:
        raise Unacceptable(Code.REQUIRED, fields={"name": Code.REQUIRED})
    wanted = slugify(slug or next(iter(checked.values())))
    if not wanted:
        raise Unacceptable(Code.INVALID, fields={"slug": Code.INVALID})
    if _is_taken(session, wanted):
        raise Conflict(Code.ALREADY_THERE, slug=wanted)
    last = session.scalar(select(func.max(Theme.position)))
    theme = Theme(slug=wanted, position=(last or 0) + 1)
    theme.names = [ThemeName(lang=lang, name=name) for lang, name in checked.items()]
    session.add(theme)
    session.flush()
    log.info("theme added slug=%s by=%s:%s", wanted, by.kind, by.id)
    return theme


def rename(session: Session, theme: Theme, names: dict[str, str], *, by: Actor) -> None:
    """Set the names of the languages given; an empty one goes away, but the last one stays.

    Raises Unacceptable; the slug, and with it every address, remains.
    """
    checked = _checked(names)
    kept = {name.lang: name.name for name in theme.names} | checked
    if not any(kept.values()):
        raise Unacceptable(Code.REQUIRED, fields={"name": Code.REQUIRED})
    for row in list(theme.names):
        if row.lang in checked and not checked[row.lang]:
            session.delete(row)
        elif row.lang in checked:
            row.name = checked[row.lang]
    there = {row.lang for row in theme.names}
    for lang, name in checked.items():
        if name and lang not in there:
            session.add(ThemeName(theme_id=theme.id, lang=lang, name=name))
    session.flush()
    session.expire(theme, ["names"])
    log.info("theme renamed slug=%s by=%s:%s", theme.slug, by.kind, by.id)


def reorder(session: Session, ids: list[int], *, by: Actor) -> None:
    """Put the themes named first, in this order, the others after them in theirs; raises Missing."""
    by_id = {theme.id: theme for theme in every(session)}
    if not set(ids) <= set(by_id):
        raise Missing(Code.UNKNOWN_THEME)
    order = list(dict.fromkeys([*ids, *by_id]))
    for position, key in enumerate(order, 1):
        by_id[key].position = position
    session.flush()
    log.info("themes reordered by=%s:%s", by.kind, by.id)


def shift(session: Session, theme: Theme, by_places: int, *, by: Actor) -> None:
    """Move one theme up (negative) or down by so many places, as far as there are any."""
    order = [one.id for one in every(session)]
    here = order.index(theme.id)
    order.insert(max(0, min(len(order) - 1, here + by_places)), order.pop(here))
    reorder(session, order, by=by)


def retire(session: Session, theme: Theme, *, by: Actor) -> None:
    """Offer the theme no more; clips that carry it keep it."""
    theme.retired_at = theme.retired_at or db_now(session)
    session.flush()
    log.info("theme retired slug=%s by=%s:%s", theme.slug, by.kind, by.id)


def revive(session: Session, theme: Theme, *, by: Actor) -> None:
    """Offer the theme again."""
    theme.retired_at = None
    session.flush()
    log.info("theme revived slug=%s by=%s:%s", theme.slug, by.kind, by.id)


def merge(session: Session, source: Theme, into: Theme, *, by: Actor) -> None:
    """Give the source's clips to `into` and let its slug lead there; the source is gone.

    Raises Conflict(IN_USE) when both are the same.
    """
    if source.id == into.id:
        raise Conflict(Code.IN_USE, slug=source.slug)
    both = select(ClipTheme.clip_id).where(ClipTheme.theme_id == into.id)
    quiet = {"synchronize_session": False}
    session.execute(
        delete(ClipTheme).where(ClipTheme.theme_id == source.id, ClipTheme.clip_id.in_(both)),
        execution_options=quiet,
    )
    session.execute(
        update(ClipTheme).where(ClipTheme.theme_id == source.id).values(theme_id=into.id),
        execution_options=quiet,
    )
    session.execute(
        update(ThemeAlias).where(ThemeAlias.theme_id == source.id).values(theme_id=into.id),
        execution_options=quiet,
    )
    slug = source.slug
    session.execute(delete(ThemeName).where(ThemeName.theme_id == source.id), execution_options=quiet)
    session.execute(delete(Theme).where(Theme.id == source.id), execution_options=quiet)
    session.expunge(source)
    session.add(ThemeAlias(slug=slug, theme_id=into.id))
    session.flush()
    log.info("theme merged slug=%s into=%s by=%s:%s", slug, into.slug, by.kind, by.id)


def by_slug(session: Session, slug: str) -> Theme:
    """The theme with this slug, or the one it was merged into; raises Missing."""
    theme = session.scalars(select(Theme).where(Theme.slug == slug)).one_or_none()
    if theme is None:
        joined = (
            select(Theme).join(ThemeAlias, ThemeAlias.theme_id == Theme.id).where(ThemeAlias.slug == slug)
        )
        theme = session.scalars(joined).one_or_none()
    if theme is None:
        raise Missing(Code.UNKNOWN_THEME, slug=slug)
    return theme


def by_id(session: Session, theme_id: int) -> Theme:
    """The theme with this id; raises Missing."""
    theme = session.get(Theme, theme_id)
    if theme is None:
        raise Missing(Code.UNKNOWN_THEME)
    return theme


def clip_counts(session: Session) -> dict[int, int]:
    """How many clips, in any state, carry each theme."""
    rows = session.execute(select(ClipTheme.theme_id, func.count()).group_by(ClipTheme.theme_id))
    return {theme_id: found for theme_id, found in rows}  # noqa: C416 - mypy takes no dict() of rows


def slugs_of(session: Session, clip: Clip) -> list[str]:
    """The slugs a clip carries, in the themes' order."""
    carried = _ordered().join(ClipTheme, ClipTheme.theme_id == Theme.id).where(ClipTheme.clip_id == clip.id)
    return [theme.slug for theme in session.scalars(carried)]


def set_themes(session: Session, clip: Clip, slugs: list[str]) -> bool:
    """Let the clip carry exactly these themes (at most 3); whether that changed anything.

    A retired theme stays where it was but cannot be given anew. Raises Unacceptable(UNKNOWN_THEME, TOO_MANY).
    """
    wanted = list(dict.fromkeys(slugs))
    if len(wanted) > THEMES_MOST:
        raise Unacceptable(Code.TOO_MANY, fields={"themes": Code.TOO_MANY}, most=THEMES_MOST)
    before = set(session.scalars(select(ClipTheme.theme_id).where(ClipTheme.clip_id == clip.id)))
    chosen: set[int] = set()
    for slug in wanted:
        theme = _carried(session, slug)
        if theme is None or (theme.retired_at is not None and theme.id not in before):
            raise Unacceptable(Code.UNKNOWN_THEME, fields={"themes": Code.UNKNOWN_THEME}, slug=slug)
        chosen.add(theme.id)
    if chosen == before:
        return False
    session.execute(
        delete(ClipTheme).where(ClipTheme.clip_id == clip.id),
        execution_options={"synchronize_session": False},
    )
    session.add_all(ClipTheme(clip_id=clip.id, theme_id=theme_id) for theme_id in sorted(chosen))
    session.flush()
    session.expire(clip, ["themes"])
    return True


def _ordered() -> Select[Theme]:
    return select(Theme).order_by(Theme.position, Theme.id)


def _carried(session: Session, slug: str) -> Theme | None:
    try:
        return by_slug(session, slug)
    except Missing:
        return None


def _is_taken(session: Session, slug: str) -> bool:
    theme = select(Theme.id).where(Theme.slug == slug)
    alias = select(ThemeAlias.theme_id).where(ThemeAlias.slug == slug)
    return session.scalar(theme) is not None or session.scalar(alias) is not None


def _checked(names: dict[str, str]) -> dict[str, str]:
    clean = {lang: " ".join(name.split()) for lang, name in names.items()}
    too_long = {f"name_{lang}": Code.TOO_LONG_TEXT for lang, name in clean.items() if len(name) > 60}
    if too_long:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields=too_long, most=60)
    return clean
