"""Visitors' pages: the gallery, one theme, one clip, the pages that explain; parse, one rule, answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal import dropbox, gallery, invitations, retention, search
from portal.cards import Presentation
from portal.errors import Code, Missing, PortalError
from portal.gallery import PAGE_CLIPS, Filter
from portal.i18n import own_name
from portal.web import captions, guard, levels
from portal.web.db import reading, runtime
from portal.web.errors import status_of
from portal.web.i18n import COOKIE, preferred_language
from portal.web.playback import presentation, public_playback

bp = Blueprint("gallery", __name__)

PAGES = ("rules", "verification", "image-rights", "personal-data", "legal", "accessibility")
ROBOTS = "User-agent: *\nDisallow: /studio/\nDisallow: /api/\nDisallow: /*/s/\nDisallow: /*/me\n"
_YEAR = 365 * 24 * 3600
_WORDS_AT_MOST = 80


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter and a page of it, as they stand in an address."""

    filter: Filter
    page: int = 1

    def query(self, *, page: int | None = None) -> list[tuple[str, str]]:
        """The shortest, sorted form: one address for one list."""
        wanted, number = self.filter, page or self.page
        return [
            *([("match", "all")] if wanted.match == "all" else []),
            *([("page", str(number))] if number > 1 else []),
            *([("q", wanted.q)] if wanted.q else []),
            *([("sort", wanted.sort)] if wanted.sort != "newest" else []),
            *([("speech", wanted.lang)] if wanted.lang else []),
            *(("theme", slug) for slug in wanted.themes),
        ]

    @property
    def is_plain(self) -> bool:
        """Whether search engines may keep it: everything, or one theme, in the usual order."""
        return self.filter == Filter(themes=self.filter.themes[:1])


def _asked() -> Asked:
    """What the address asks for; what makes no sense is left out."""
    args = request.args
    sort, speech, number = args.get("sort", ""), args.get("speech", ""), args.get("page", "")
    wanted = Filter(
        themes=gallery.known_themes(reading(), args.getlist("theme")),
        match="all" if args.get("match") == "all" else "any",
        q=" ".join(args.get("q", "").split())[:_WORDS_AT_MOST],
        lang=speech if re.fullmatch(r"[a-z]{2,3}", speech) else "",
        sort=sort if sort in gallery.SORTS else "newest",
    )
    return Asked(wanted, int(number) if re.fullmatch(r"[1-9]\d{0,5}", number) else 1)


def _address(lang: str, asked: Asked, *, page: int | None = None) -> str:
    """The list's address: the front page, a theme's page, or the filtered one."""
    pairs = asked.query(page=page)
    where = url_for("gallery.clips", lang=lang)
    if asked.filter == Filter():
        where = url_for("gallery.home", lang=lang)
    elif asked.is_plain:
        where = url_for("gallery.theme", lang=lang, slug=asked.filter.themes[0])
        pairs = [pair for pair in pairs if pair[0] != "theme"]
    return where + _query_string(pairs)


def _filtered(lang: str, asked: Asked) -> str:
    """The address in the form's own words, as the browser makes it."""
    return url_for("gallery.clips", lang=lang) + _query_string(asked.query())


def _query_string(pairs: Iterable[tuple[str, str]]) -> str:
    found = urlencode(list(pairs))
    return f"?{found}" if found else ""


# The lists -------------------------------------------------------------------------------------------


@bp.get("/")
def root() -> AnyResponse:
    """To the gallery in the visitor's language."""
    answer = redirect(url_for("gallery.home", lang=preferred_language()))
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer


@bp.get("/<lang>/")
def home(lang: str) -> AnyResponse:
    """Everything, newest first, under the bill."""
    asked = replace(_asked(), filter=Filter())
    if _given() != asked.query():
        return redirect(_address(lang, asked))
    return _list(lang, asked)


@bp.get("/<lang>/clips")
def clips(lang: str) -> AnyResponse:
    """What the visitor ticked, searched and sorted; untidy addresses lead to the short one."""
    asked = _asked()
    if _given() != asked.query():
        return redirect(_filtered(lang, asked))
    if asked.filter.q:
        guard.before_read()
    return _list(lang, asked)


@bp.get("/<lang>/themes/<slug>")
def theme(lang: str, slug: str) -> AnyResponse:
    """All clips of one theme: the page that search engines keep. A merged theme leads to the one it joined."""
    asked = replace(_asked(), filter=Filter(themes=gallery.known_themes(reading(), [slug])))
    if not asked.filter.themes:
        raise Missing(Code.MISSING)
    if asked.filter.themes != (slug,):
        return redirect(_address(lang, asked), 301)
    if _given() != [pair for pair in asked.query() if pair[0] != "theme"]:
        return redirect(_address(lang, asked))
    return _list(lang, asked)


def _given() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _list(lang: str, asked: Asked) -> AnyResponse:
    session, show = reading(), presentation(lang)
    known = gallery.figures(session, asked.filter)
    pages = max(1, -(-known.total // PAGE_CLIPS))
    if asked.page > pages:
        return redirect(_address(lang, asked, page=pages))
    is_front = request.endpoint == "gallery.home" and asked.page == 1
    found = gallery.find(
        session,
        asked.filter,
        show=show,
        offset=(asked.page - 1) * PAGE_CLIPS,
        in_full=False,
        with_lead=is_front,
        expected=known.total,
    )
    ticks = gallery.ticks(session, known.themes, show)
    return _page(
        "gallery/index.html",
        asked=asked,
        figures=known,
        ticks=ticks,
        chosen=[tick for tick in ticks if tick.slug in asked.filter.themes],
        found=found,
        pages=pages,
        is_front=is_front,
        languages_spoken=_languages(known.languages, asked.filter.lang),
        ways_out=[] if known.total else _ways_out(lang, asked, ticks),
        href=lambda number: _address(lang, asked, page=number) + "#clips",
        following=min(PAGE_CLIPS, known.total - asked.page * PAGE_CLIPS),
        canonical=_canonical(lang, asked),
        noindex=not (asked.is_plain and known.total),
        active="clips",
    )


def _canonical(lang: str, asked: Asked) -> str:
    """The address that search engines should keep in this one's stead."""
    if asked.is_plain:
        return _address(lang, asked)
    only = asked.filter.themes if len(asked.filter.themes) == 1 else ()
    return _address(lang, Asked(Filter(themes=only)))


def _languages(counts: dict[str, int], chosen: str) -> list[tuple[str, str, int]]:
    """Languages of speech to choose from, the most spoken first; the chosen one always."""
    known = {code: count for code, count in counts.items() if code} | (
        {} if chosen in counts or not chosen else {chosen: 0}
    )
    return [(code, own_name(code), count) for code, count in sorted(known.items(), key=lambda pair: -pair[1])]


def _ways_out(lang: str, asked: Asked, ticks: list[gallery.Tick]) -> list[tuple[str, str, str, int]]:
    """Out of an empty list: (what kind, its name, its address, its clips), only where there are clips."""
    names = {tick.slug: tick.name for tick in ticks}
    wanted = asked.filter
    ways: list[tuple[str, str, Filter]] = [
        (
            "without",
            names.get(slug, slug),
            replace(wanted, themes=tuple(s for s in wanted.themes if s != slug)),
        )
        for slug in wanted.themes
    ]
    words = search.fold(wanted.q).split()
    ways += [
        ("theme", tick.name, Filter(themes=(tick.slug,)))
        for tick in ticks
        if tick.slug not in wanted.themes and any(_is_like(word, tick.name) for word in words)
    ]
    counts = gallery.totals(reading(), [way[2] for way in ways])
    return [
        (kind, name, _filtered(lang, Asked(way)), count)
        for (kind, name, way), count in zip(ways, counts, strict=True)
        if count
    ]


def _is_like(word: str, name: str) -> bool:
    """Whether a theme's name has the word, or the word the beginning of the name: "hivernal" means Hiver."""
    folded = search.fold(name)
    return len(word) > 2 and (
        word in folded or any(word.startswith(part[:5]) for part in folded.split() if len(part) > 3)
    )


# One clip --------------------------------------------------------------------------------------------


@bp.get("/<lang>/c/<string(length=10):clip_id>")
def clip_by_id(lang: str, clip_id: str) -> AnyResponse:
    """To the clip's whole address."""
    found = gallery.one(reading(), clip_id, show=presentation(lang))
    return redirect(found.url, 301)


@bp.get("/<lang>/c/<string(length=10):clip_id>-<slug>")
def clip(lang: str, clip_id: str, slug: str) -> AnyResponse:
    """Watch one clip; an old title in the address leads to the present one."""
    session, show = reading(), presentation(lang)
    found = gallery.one(session, clip_id, show=show)
    if found.slug != slug:
        return redirect(found.url, 301)
    site = runtime().settings.site.url
    return _page(
        "gallery/clip.html",
        clip=found,
        level_proof=levels.owner_proof(found.id, found.owner_level),
        playback=public_playback(found, at=_seconds(request.args.get("t", ""))),
        transcript=captions.transcript(session, clip_id, lang, asked=request.args.get("tr", ""))
        if found.captions
        else None,
        captions_coming=not found.captions and captions.are_coming(session, clip_id),
        related=gallery.related(session, found, show=show),
        canonical=found.url,
        share_url=site + found.url,
        active="clips",
    )


def _seconds(given: str) -> float:
    """Where somebody wants to begin, from the address; 0 for what is no such place."""
    return float(given) if re.fullmatch(r"\d{1,5}(\.\d{1,3})?", given) else 0.0


@bp.errorhandler(Missing)
def not_there(error: PortalError) -> Response:
    """No such clip or theme, or not any more: say so, and show three that are there."""
    show: Presentation = presentation(g.lang)
    found = gallery.find(reading(), Filter(), show=show, limit=3, in_full=False)
    status = status_of(error)
    html = render_template(
        "errors/410.html" if status == 410 else "errors/404.html",
        cards=found.cards,
        withdrawn=error.facts.get("state") == "withdrawn",
        noindex=True,
    )
    answer = make_response(html, status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


# What explains ---------------------------------------------------------------------------------------


@bp.get("/<lang>/pages/<name>")
def page(lang: str, name: str) -> AnyResponse:
    """Rules, rights and legal words."""
    if name not in PAGES:
        raise Missing(Code.MISSING)
    return _page(
        f"pages/{name}.html",
        canonical=url_for("gallery.page", lang=lang, name=name),
        contact=_contact(),
        limits=runtime().settings.uploads,
        kept=_days_kept() if name == "personal-data" else {},
        active="verification" if name == "verification" else "",
    )


def _contact() -> str:
    """Whom the pages tell people to write to."""
    mail = runtime().settings.mail
    return mail.contact or mail.support or mail.sender


def _days_kept() -> dict[str, int]:
    """The periods as the page on personal data names them, in days: those that the rules themselves go by."""
    by_state = {**retention.WAITED, **retention.KEPT}
    kept = {state.value: days for state, days in by_state.items()} | {
        "nameless": retention.NAMELESS,
        "invitation": invitations.LIFE,
        "invitation_after": invitations.KEPT_AFTER,
        "mail": dropbox.KEPT,
    }
    return {name: days.days for name, days in kept.items()}


@bp.get("/robots.txt")
def robots() -> Response:
    """What machines should leave alone."""
    answer = make_response(ROBOTS)
    answer.content_type = "text/plain; charset=utf-8"
    return answer


def _page(template: str, **facts: Any) -> Response:
    """A page that browsers ask for anew each time: what was withdrawn must not be shown from a cache."""
    answer = make_response(render_template(template, **facts))
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@bp.after_request
def remember_language(answer: Response) -> Response:
    """Keep the language of whoever reads another one than `/` would have chosen."""
    has_language = "lang" in (request.view_args or {})
    if answer.status_code == 200 and has_language and g.get("lang") not in (None, preferred_language()):
        secure = runtime().settings.site.is_https
        answer.set_cookie(COOKIE, g.lang, max_age=_YEAR, samesite="Lax", secure=secure, httponly=True)
    return answer
