"""A published clip as a reader is shown it: its words, themes, pictures and films with their addresses.

Turns rows into plain frozen values; never decides which clips may be seen (gallery.py does).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from portal import keys, search
from portal.models import Caption, Clip, ClipTheme, OwnerLevel, Publication, Rendition, Theme, ThemeName

LANDSCAPE_FROM: Final = 1.2
PORTRAIT_BELOW: Final = 0.83
SHOWS_VERIFIED: Final = OwnerLevel.PURCHASE_PROVEN
"""The one owner level that a visitor sees a mark for."""

_CARD_KINDS = ("poster", "hover")
_Files = dict[str, list[tuple[Any, str]]]


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a reader is shown clips: addresses of files, clip pages and captions, languages of theme names."""

    file_url: Callable[[str], str]
    clip_url: Callable[[str, str], str]
    lang: str
    default_lang: str
    # From a clip's id and a language.
    caption_url: Callable[[str, str], str] = "{}/{}".format


@dataclass(frozen=True, slots=True)
class MP4:
    """One plain file that every browser plays; `bytes` is its size, `height` that of the picture."""

    height: int
    width: int
    url: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Card:
    """What a list shows of a published clip."""

    id: str
    slug: str
    url: str
    title: str
    first_name: str
    city: str
    product: str
    owned_since: int | None
    filmed_on: date | None
    published_at: datetime
    seconds: float
    speech_lang: str
    owner_level: str
    incentive: str
    altered: bool
    width: int
    height: int
    # What the owner is to the brand beside a customer; empty: nothing.
    relation: str = ""
    themes: tuple[tuple[str, str], ...] = ()
    posters: dict[str, list[tuple[int, str]]] | None = None
    # Three silent seconds, for people who rest on the card.
    hover_url: str | None = None
    captions: tuple[dict[str, Any], ...] = ()

    @property
    def shape(self) -> str:
        """Landscape, portrait or nearly square: l, p, s."""
        return shape_of(self.width, self.height)

    @property
    def has_captions(self) -> bool:
        """Whether words can be read along."""
        return bool(self.captions)

    @property
    def is_verified(self) -> bool:
        """Whether the mark of a verified owner is shown."""
        return self.owner_level == SHOWS_VERIFIED


@dataclass(frozen=True, slots=True)
class PublicClip(Card):
    """Everything the world may know of one published clip."""

    files: dict[str, str] | None = None
    mp4: tuple[MP4, ...] = ()
    hls_url: str | None = None
    card_url: str | None = None
    storyboard_url: str | None = None


def shape_of(width: int, height: int) -> str:
    """The class of a picture's shape: l (landscape), p (portrait) or s (nearly square)."""
    ratio = width / max(1, height)
    return "l" if ratio > LANDSCAPE_FROM else "p" if ratio < PORTRAIT_BELOW else "s"


def slug_of(title: str) -> str:
    """A title as it stands in the clip's address: decoration, never a key."""
    return re.sub(r"[^a-z0-9]+", "-", search.fold(title)).strip("-")[:60].strip("-") or "clip"


def cards(
    session: Session, clips: Sequence[Clip], show: Presentation, *, with_themes: bool
) -> tuple[Card, ...]:
    """The clips as a list shows them, in their order; two statements, or three with themes."""
    files = _files(session, clips, show, _CARD_KINDS)
    captions = _captions(session, clips, show)
    themes = _themes(session, clips, show) if with_themes else {}
    return tuple(
        Card(
            **_card_facts(clip, show),
            themes=themes.get(clip.id, ()),
            posters=_posters(files.get(clip.id, [])),
            hover_url=_hover(files.get(clip.id, [])),
            captions=captions.get(clip.id, ()),
        )
        for clip in clips
    )


def whole(session: Session, clip: Clip, show: Presentation) -> PublicClip:
    """One clip with everything that goes with it; three statements."""
    files = _files(session, [clip], show).get(clip.id, [])
    themes = _themes(session, [clip], show).get(clip.id, ())
    urls = {row.name: url for row, url in files}
    kinds = {row.kind: url for row, url in files}
    mp4 = (
        MP4(row.height or 0, row.width or 0, url, row.size_bytes) for row, url in files if row.kind == "mp4"
    )
    return PublicClip(
        **_card_facts(clip, show),
        themes=themes,
        posters=_posters(files),
        hover_url=kinds.get("hover"),
        captions=_captions(session, [clip], show).get(clip.id, ()),
        files=urls,
        mp4=tuple(sorted(mp4, key=lambda file: file.height)),
        hls_url=kinds.get("master"),
        card_url=kinds.get("card"),
        storyboard_url=kinds.get("storyboard_vtt"),
    )


def _card_facts(clip: Clip, show: Presentation) -> dict[str, Any]:
    slug = slug_of(clip.title)
    return {
        "id": clip.id,
        "slug": slug,
        "url": show.clip_url(clip.id, slug),
        "title": clip.title,
        "first_name": clip.first_name,
        "city": clip.city,
        "product": clip.product,
        "owned_since": clip.owned_since,
        "filmed_on": clip.filmed_on,
        "published_at": clip.published_at or clip.state_since,
        "seconds": clip.seconds or 0.0,
        "speech_lang": clip.speech_lang,
        "owner_level": clip.owner_level,
        "incentive": clip.incentive,
        "altered": clip.altered,
        "relation": clip.relation,
        "width": clip.width or 16,
        "height": clip.height or 9,
    }


def _files(session: Session, clips: Sequence[Clip], show: Presentation, kinds: Sequence[str] = ()) -> _Files:
    """The files that lie in the public bucket for these clips, with their addresses."""
    wanted = select(
        Publication.clip_id,
        Publication.token,
        Rendition.name,
        Rendition.kind,
        Rendition.width,
        Rendition.height,
        Rendition.size_bytes,
    ).join(
        # The clip's id is in the condition for the index's sake.
        Rendition,
        and_(Rendition.clip_id == Publication.clip_id, Rendition.cut_id == Publication.cut_id),
    )
    wanted = wanted.where(
        Publication.clip_id.in_([clip.id for clip in clips]),
        Publication.complete_at.is_not(None),
        Publication.deleted_at.is_(None),
    ).order_by(Publication.id)
    if kinds:
        wanted = wanted.where(Rendition.kind.in_(kinds))
    newest: dict[str, tuple[str, list[tuple[Any, str]]]] = {}
    for row in session.execute(wanted) if clips else ():
        token, rows = newest.get(row.clip_id, ("", []))
        if token != row.token:
            # A clip that was published again has a newer token; the older files are about to be deleted.
            rows = []
            newest[row.clip_id] = (row.token, rows)
        rows.append((row, show.file_url(keys.public(row.token, row.name))))
    return {clip_id: rows for clip_id, (_token, rows) in newest.items()}


def _captions(
    session: Session, clips: Sequence[Clip], show: Presentation
) -> dict[str, tuple[dict[str, Any], ...]]:
    """In which languages the words of each clip's film can be read, its own first; whether a person has seen to them."""
    by_film = {clip.film_id: clip for clip in clips if clip.film_id is not None}
    is_checked = Caption.checked_at.is_not(None)
    automatic = and_(Caption.checked_at.is_(None), Caption.touched_at.is_(None)).label("automatic")
    wanted = select(Caption.film_id, Caption.lang, is_checked.label("checked"), automatic)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    # What the cut lets nobody hear is no track: `captions.follow` keeps that row without a word.
    heard = wanted.where(Caption.film_id.in_(by_film), Caption.text != "")
    for row in session.execute(heard) if by_film else ():
        clip = by_film[row.film_id]
        url = show.caption_url(clip.id, row.lang)
        found[clip.id].append(
            {"lang": row.lang, "url": url, "checked": row.checked, "automatic": row.automatic}
        )
    spoken_in = {clip.id: clip.speech_lang for clip in clips}
    return {
        clip_id: tuple(sorted(tracks, key=lambda one: (one["lang"] != spoken_in[clip_id], one["lang"])))
        for clip_id, tracks in found.items()
    }


def _posters(files: Iterable[tuple[Any, str]]) -> dict[str, list[tuple[int, str]]]:
    """The pictures of a clip by format, narrowest first; both lists are empty when it has none."""
    posters: dict[str, list[tuple[int, str]]] = {"avif": [], "webp": []}
    for row, url in files:
        form = row.name.rpartition(".")[2]
        if row.kind == "poster" and form in posters:
            posters[form].append((row.width or 0, url))
    return {form: sorted(sizes) for form, sizes in posters.items()}


def _hover(files: Iterable[tuple[Any, str]]) -> str | None:
    return next((url for row, url in files if row.kind == "hover"), None)


def _themes(
    session: Session, clips: Sequence[Clip], show: Presentation
) -> dict[str, tuple[tuple[str, str], ...]]:
    wanted = (
        select(ClipTheme.clip_id, Theme.slug, ThemeName.lang, ThemeName.name)
        .join(Theme, Theme.id == ClipTheme.theme_id)
        .join(ThemeName, ThemeName.theme_id == Theme.id)
        .where(ClipTheme.clip_id.in_([clip.id for clip in clips]), Theme.retired_at.is_(None))
        .order_by(Theme.position, Theme.id, ThemeName.lang)
    )
    names: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for clip_id, slug, lang, name in session.execute(wanted) if clips else ():
        names[clip_id][slug][lang] = name
    return {
        clip_id: tuple((slug, spoken(known, show)) for slug, known in slugs.items())
        for clip_id, slugs in names.items()
    }


def spoken(names: dict[str, str], show: Presentation) -> str:
    """A name in the reader's language, else in the site's own, else in any."""
    return names[spoken_in(names, show)]


def spoken_in(names: dict[str, str], show: Presentation) -> str:
    """The language of that name."""
    return next((code for code in (show.lang, show.default_lang) if names.get(code)), next(iter(names)))
