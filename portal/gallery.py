"""Visitors: published clips by theme, words and language; one clip; what it is like. Reads only.

Holds the one condition that makes a clip visible to the world. Every function runs a fixed number of
statements, whatever the number of clips.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import Session, raiseload

from portal import cards, search
from portal.cards import LANDSCAPE_FROM, Card, Presentation, PublicClip
from portal.errors import Code, Missing, Unacceptable
from portal.models import AuditEvent, Clip, ClipTheme, Cut, Publication, State, Theme, ThemeAlias, ThemeName
from portal.search import Says, SaysAnywhere

PAGE_CLIPS: Final = 24
SORTS: Final = ("newest", "oldest", "shortest", "most_watched")
MATCHES: Final = ("any", "all")
RELATED_CANDIDATES: Final = 60
"""Related clips are the best of the newest that share a theme: ranking them all costs 150 ms at 100 000 clips."""

FEW: Final = 2000
"""Up to here a list by words reads all that is said once (0.05 s at 100 000 clips), not clip by clip until its page is
full (0.2 s when hardly any clip matches)."""

REMEMBERED_FIGURES: Final = 1000
"""Answers kept per database and process, about 1 kB each."""

_PUBLIC = Clip.state == State.PUBLISHED
_GONE = frozenset({State.WITHDRAWN, State.REMOVED, State.EXPIRED, State.ERASED})


@dataclass(frozen=True, slots=True)
class Filter:
    """What a visitor asked for; theme slugs that exist, and a language of speech or none."""

    themes: tuple[str, ...] = ()
    match: str = "any"
    q: str = ""
    lang: str = ""
    sort: str = "newest"

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for but an order."""
        return not (self.themes or self.q or self.lang)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, the whole list's length (-1 where nobody asked for it), and where it goes on."""

    cards: tuple[Card, ...]
    total: int
    next_cursor: str | None
    lead: Card | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """How many clips a filter finds, and how many each theme and each language of speech would."""

    total: int
    themes: dict[str, int]
    languages: dict[str, int]


@dataclass(frozen=True, slots=True)
class Tick:
    """A theme to tick, with the true number of clips behind it."""

    slug: str
    name: str
    count: int
    # What language the name is in: the reader's, or another where it has none there.
    lang: str


def is_public(clip: Clip) -> bool:
    """Whether everybody may see the clip: the one condition, here and nowhere else."""
    return clip.state == State.PUBLISHED


# Lists -----------------------------------------------------------------------------------------------


def find(  # noqa: PLR0913 - what a list is asked for
    session: Session,
    filter: Filter,  # noqa: A002 - the word of the page and of the API
    *,
    show: Presentation,
    limit: int = PAGE_CLIPS,
    offset: int = 0,
    cursor: str | None = None,
    in_full: bool = True,
    with_lead: bool = False,
    expected: int | None = None,
) -> Page:
    """One page of published clips in 3 statements, or `in_full`, with their themes and the total, in 5.

    `cursor` is a former page's; `with_lead` adds the newest landscape clip (at most one statement more); `expected`
    is the list's length where it is known, so that words that few clips say are looked up from their side.
    Raises Unacceptable for a cursor that is none of ours or belongs to another order.
    """
    order = _ORDERS[filter.sort]
    total = session.scalar(_published(filter).with_only_columns(func.count())) if in_full else expected
    says = search.says_here if total is None or total > FEW else SaysAnywhere()
    wanted = _columns().where(_PUBLIC, *_conditions(filter, _carries, says)).order_by(*order.by)
    if cursor:
        wanted = wanted.where(order.after(cursor))
    rows = session.scalars(wanted.limit(limit + 1).offset(offset)).all()
    clips = list(rows[:limit])
    lead = (
        _lead(session, clips if filter == Filter() and not (offset or cursor) else []) if with_lead else None
    )
    shown = cards.cards(session, [*clips, *([lead] if lead else [])], show, with_themes=in_full)
    return Page(
        cards=shown[: len(clips)],
        total=-1 if total is None else total,
        next_cursor=order.cursor_of(clips[-1]) if len(rows) > limit else None,
        lead=shown[-1] if lead else None,
    )


def figures(session: Session, filter: Filter) -> Figures:  # noqa: A002
    """The filter's total and the true counts behind every theme and language of speech.

    In `any`, a theme counts the clips that carry it under the other conditions; in `all`, those that would
    remain after ticking it. A language counts under the other conditions. Counting 100 000 clips takes 0.2 s,
    so the answer is remembered until the record changes.
    """
    asked = replace(filter, sort="newest")
    memory = _memory(session)
    version = tuple(session.execute(_VERSION).one())
    if (known := memory.get((asked, version))) is None:
        known = _count(session, asked)
        if len(memory) >= REMEMBERED_FIGURES:
            memory.clear()
        memory[asked, version] = known
    return known


def totals(session: Session, filters: Sequence[Filter]) -> list[int]:
    """How many clips each of the filters finds, in one statement."""
    if not filters:
        return []
    says = SaysAnywhere()
    parts = [
        _published(one, says).with_only_columns(literal(place), func.count())
        for place, one in enumerate(filters)
    ]
    found = {place: count for place, count in session.execute(union_all(*parts))}  # noqa: C416 - Row is no pair
    return [found[place] for place in range(len(filters))]


def theme_counts(session: Session, filter: Filter) -> dict[str, int]:  # noqa: A002
    """How many clips each theme stands for under this filter; a theme that is absent stands for none."""
    return figures(session, filter).themes


def ticks(session: Session, counts: dict[str, int], show: Presentation) -> list[Tick]:
    """The themes to tick, in the brand's order, named in the reader's language; one statement."""
    rows = session.execute(
        select(Theme.slug, ThemeName.lang, ThemeName.name)
        .join(ThemeName)
        .where(Theme.retired_at.is_(None))
        .order_by(Theme.position, Theme.id, ThemeName.lang)
    )
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for slug, lang, name in rows:
        names[slug][lang] = name
    return [
        Tick(slug, cards.spoken(known, show), counts.get(slug, 0), cards.spoken_in(known, show))
        for slug, known in names.items()
    ]


def known_themes(session: Session, slugs: Iterable[str]) -> tuple[str, ...]:
    """The slugs, sorted, without repetition: merged themes under their present name, unknown ones dropped."""
    asked = set(slugs)
    if not asked:
        return ()
    kept = set(
        session.scalars(
            select(Theme.slug).where(
                Theme.retired_at.is_(None),
                or_(
                    Theme.slug.in_(asked),
                    Theme.id.in_(select(ThemeAlias.theme_id).where(ThemeAlias.slug.in_(asked))),
                ),
            )
        )
    )
    return tuple(sorted(kept))


def featured(session: Session, show: Presentation) -> Card | None:
    """The newest landscape clip, for the front page; None while there is none."""
    lead = _lead(session, [])
    return cards.cards(session, [lead], show, with_themes=False)[0] if lead else None


# One clip --------------------------------------------------------------------------------------------


def one(session: Session, clip_id: str, *, show: Presentation) -> PublicClip:
    """One published clip with all its files.

    Raises Missing: with GONE when it was taken back, taken down or has run out (facts: its state), else
    as if there had never been one.
    """
    return cards.whole(session, visible(session, clip_id), show)


def visible(session: Session, clip_id: str) -> Clip:
    """The row of one published clip, columns only; raises Missing as `one` does."""
    clip = session.scalar(_columns().where(Clip.id == clip_id))
    if clip is None:
        raise Missing(Code.MISSING)
    if not is_public(clip):
        # By its date: what nobody ever saw has not gone, it was never there.
        is_gone = clip.state in _GONE and clip.published_at is not None
        raise Missing(Code.GONE, state=clip.state) if is_gone else Missing(Code.MISSING)
    return clip


def cut_shown(session: Session, clip: Clip) -> Cut | None:
    """The cut that the world sees of a published clip: a newer one counts here once its files are public."""
    public = select(Publication.cut_id).where(
        Publication.clip_id == clip.id, Publication.complete_at.is_not(None), Publication.deleted_at.is_(None)
    )
    newest = session.scalar(public.order_by(Publication.id.desc()).limit(1))
    return session.get(Cut, newest or clip.cut_id or "")


def related(session: Session, clip: Card, *, show: Presentation, limit: int = 3) -> tuple[Card, ...]:
    """Newest clips that share most themes, of other owners, no owner twice, other cities first."""
    mine = select(ClipTheme.theme_id).where(ClipTheme.clip_id == clip.id)
    shared = (
        select(func.count())
        .where(ClipTheme.clip_id == Clip.id, ClipTheme.theme_id.in_(mine))
        .correlate(Clip)
        .scalar_subquery()
    )
    owner = select(Clip.owner_id).where(Clip.id == clip.id).scalar_subquery()
    others = or_(Clip.owner_id.is_(None), owner.is_(None), Clip.owner_id != owner)
    rows = session.execute(
        select(Clip.id, Clip.owner_id, Clip.city, shared)
        .where(_PUBLIC, Clip.id != clip.id, shared > 0, others)
        .order_by(*_ORDERS["newest"].by)
        .limit(RELATED_CANDIDATES)
    ).all()
    chosen: dict[object, str] = {}
    for row in sorted(rows, key=lambda row: (-row[3], row.city == clip.city)):
        chosen.setdefault(row.owner_id or row.id, row.id)
    picked = list(chosen.values())[:limit]
    # By key alone: with the state in the condition SQLite walks all published clips (55 ms at 100 000).
    clips = {row.id: row for row in session.scalars(_columns().where(Clip.id.in_(picked))) if is_public(row)}
    return cards.cards(session, [clips[key] for key in picked if key in clips], show, with_themes=False)


# How it is asked of the database ---------------------------------------------------------------------


def _columns() -> Select[Clip]:
    return select(Clip).options(raiseload("*"))


def _published(filter: Filter, says: SaysAnywhere | None = None) -> Select[Any]:  # noqa: A002
    conditions = _conditions(filter, _is_among, says or SaysAnywhere())
    return select().select_from(Clip).where(_PUBLIC, *conditions)


def _conditions(
    filter: Filter,  # noqa: A002
    carries: Callable[[Sequence[str]], ColumnElement[bool]],
    says: Says,
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filter.lang:
        conditions.append(Clip.speech_lang == filter.lang)
    if filter.q:
        conditions.append(search.condition(filter.q, says))
    groups = [[slug] for slug in filter.themes] if filter.match == "all" else [list(filter.themes)]
    conditions.extend(carries(slugs) for slugs in groups if slugs)
    return conditions


def _carries(slugs: Sequence[str]) -> ColumnElement[bool]:
    """For lists: looked up clip by clip, so that a page ends the search (3 ms, not 70)."""
    themes = select(Theme.id).where(Theme.slug.in_(slugs))
    carried = select(ClipTheme.clip_id).where(ClipTheme.clip_id == Clip.id, ClipTheme.theme_id.in_(themes))
    return carried.correlate(Clip).exists()


def _is_among(slugs: Sequence[str]) -> ColumnElement[bool]:
    """For counts: read once from the theme's side (70 ms, not 190)."""
    carrying = (
        select(ClipTheme.clip_id).join(Theme, Theme.id == ClipTheme.theme_id).where(Theme.slug.in_(slugs))
    )
    return Clip.id.in_(carrying)


def _lead(session: Session, newest: Sequence[Clip]) -> Clip | None:
    """The newest landscape clip: among the newest at hand, else asked for."""
    for clip in newest:
        if cards.shape_of(clip.width or 0, clip.height or 0) == "l":
            return clip
    wide = Clip.width > LANDSCAPE_FROM * Clip.height
    return session.scalar(_columns().where(_PUBLIC, wide).order_by(*_ORDERS["newest"].by).limit(1))


def _count(session: Session, filter: Filter) -> Figures:  # noqa: A002
    """The figures by one grouped statement."""
    says = SaysAnywhere()
    carried = filter if filter.match == "all" else replace(filter, themes=())
    by_theme = _published(carried, says).join(ClipTheme, ClipTheme.clip_id == Clip.id)
    counted = by_theme.with_only_columns(ClipTheme.theme_id, func.count().label("clips"))
    per_theme = counted.group_by(ClipTheme.theme_id).subquery()
    parts = union_all(
        _published(filter, says).with_only_columns(literal("total"), literal(""), func.count()),
        select(literal("theme"), Theme.slug, per_theme.c.clips).join(
            per_theme, per_theme.c.theme_id == Theme.id
        ),
        _published(replace(filter, lang=""), says)
        .with_only_columns(literal("language"), Clip.speech_lang, func.count())
        .group_by(Clip.speech_lang),
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for part, key, count in session.execute(parts):
        found[part][key] = count
    return Figures(found["total"][""], found["theme"], found["language"])


# Everything that changes what is public, or its themes, writes one of these; each is found in an index at once.
_VERSION = select(
    select(func.max(AuditEvent.id)).scalar_subquery(),
    select(func.max(Clip.published_at)).where(_PUBLIC).scalar_subquery(),
    select(func.count()).select_from(ThemeAlias).scalar_subquery(),
)
_Memory = dict[tuple[Filter, tuple[Any, ...]], Figures]
_memories: WeakKeyDictionary[Any, _Memory] = WeakKeyDictionary()


def _memory(session: Session) -> _Memory:
    """What is remembered of this session's database."""
    return _memories.setdefault(session.get_bind(), {})


@dataclass(frozen=True, slots=True)
class _Order:
    """One way to sort: a column and the id, both in one direction, so that a cursor can say where one was."""

    name: str
    column: Any
    is_down: bool
    # How the column's value is read back from a cursor.
    read: Callable[[str], Any]

    @property
    def by(self) -> list[ColumnElement[Any]]:
        """The ORDER BY; the index of the column holds the id too."""
        both = [self.column, Clip.id]
        return [part.desc() for part in both] if self.is_down else [part.asc() for part in both]

    def cursor_of(self, clip: Clip) -> str:
        """Where the list stands after this clip, for whoever asks for more."""
        value = getattr(clip, self.column.key)
        told = value.isoformat() if isinstance(value, datetime) else repr(value)
        return urlsafe_b64encode(f"{self.name}|{told}|{clip.id}".encode()).decode().rstrip("=")

    def after(self, cursor: str) -> ColumnElement[bool]:
        """What comes after the cursor."""
        try:
            told = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
            name, value, clip_id = told.split("|")
            at = self.read(value)
        except (ValueError, OverflowError, binascii.Error) as error:
            raise Unacceptable(Code.INVALID, fields={"cursor": Code.INVALID}) from error
        if name != self.name or "\x00" in clip_id:
            raise Unacceptable(Code.INVALID, fields={"cursor": Code.INVALID})
        here = tuple_(self.column, Clip.id)
        there = tuple_(literal(at, self.column.type), literal(clip_id))
        return here < there if self.is_down else here > there


def _aware(value: str) -> datetime:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError(value)
    # Raises OverflowError beyond the years 1 to 9999 of UTC.
    return at.astimezone(UTC)


def _whole(value: str) -> int:
    number = int(value)
    if not 0 <= number < 2**31:
        raise ValueError(value)
    return number


_ORDERS: Final = {
    "newest": _Order("newest", Clip.published_at, is_down=True, read=_aware),
    "oldest": _Order("oldest", Clip.published_at, is_down=False, read=_aware),
    "shortest": _Order("shortest", Clip.seconds, is_down=False, read=float),
    "most_watched": _Order("most_watched", Clip.views, is_down=True, read=_whole),
}
