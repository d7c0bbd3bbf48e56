"""Calls for clips in the studio: all of them, one with its words and terms, its preview, opening and closing.

Shows and parses; the rules are in portal/campaigns.py. Invitations and figures have pages of their own.
"""

import re
from datetime import date
from typing import Any, Final

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from portal import campaigns, funnel, i18n, invitations, reasons, themes, wordings
from portal.database import db_now
from portal.errors import Code, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.models import Campaign, CampaignText
from portal.web import calls
from portal.web.call_words import figure_word
from portal.web.db import reading, runtime, writing
from portal.web.people import actor, guard_administrators, guard_reviewers
from portal.web.rows import campaign_title, theme_names

bp = Blueprint("campaigns", __name__)

PageAnswer = str | Response | tuple[str, int]

# What moderators may look at; the rest is for administrators.
_FOR_REVIEWERS: Final = {"campaigns.every"}
_FIGURES: Final = ("max_clips", "max_seconds", "answer_days", "term_months", "reminder_days")
_CLIP_ID: Final = re.compile(r"(?:.*/c/)?([a-z0-9]{10})(?:[-/?#].*)?")


@bp.before_request
def guard() -> Response | None:
    """Moderators may look at all calls; the rest is for administrators."""
    return guard_reviewers() if request.endpoint in _FOR_REVIEWERS else guard_administrators()


@bp.get("/studio/campaigns", endpoint="every")
def every_page() -> str:
    """The calls for clips: whether each is open, where it is, how many clips it brought."""
    return _every()


def _every(**more: Any) -> str:
    work = reading()
    standing = campaigns.standings(work)
    context = {
        "every": list(standing),
        "standing": {one.id: how.value for one, how in standing.items()},
        "title_of": {one.id: campaign_title(one) for one in standing},
        "first_day": campaigns.first_day,
        "last_day": campaigns.last_day,
        "counts": campaigns.clip_counts(work),
        "main_lang": runtime().settings.site.default_language,
        "most": campaigns.MOST,
        "faults": {},
        "kept": {},
    }
    return render_template("admin/campaigns.html", **(context | more))


@bp.post("/studio/campaigns")
def add() -> PageAnswer:
    """Add a call with its first words; without an address its title gives one. Its own page has the rest."""
    lang = runtime().settings.site.default_language
    try:
        days, texts = _days(), _words()
        main = texts[lang]
        with writing() as work:
            slug = request.form.get("slug", "").strip() or themes.slugify(main.title)
            campaigns.add(work, slug, title=main.title, lang=lang, texts=texts, days=days)
    except PortalError as error:
        return _every(faults=_faults(error), kept=request.form), error.status
    return _to(slug, _("Appel ajouté."))


@bp.get("/studio/campaigns/<slug>")
def one(slug: str) -> str:
    """One call: its words in each language, its days and terms, what came of it."""
    return _one(campaigns.by_slug(reading(), slug))


@bp.post("/studio/campaigns/<slug>")
def change(slug: str) -> PageAnswer:
    """Change a call's words, days and terms; its address stays."""
    site = runtime().settings.site
    try:
        days, terms = _days(), _terms()
        with writing() as work:
            found = campaigns.by_slug(work, slug)
            campaigns.change(
                work, found, _words(), lang=site.default_language, days=days, terms=terms, by=actor()
            )
    except Unacceptable as error:
        page = _one(campaigns.by_slug(reading(), slug), faults=_faults(error), kept=request.form)
        return page, error.status
    return _to(slug, _("Appel enregistré."))


@bp.post("/studio/campaigns/<slug>/preview")
def preview(slug: str) -> PageAnswer:
    """The call's page as its visitors would see it with what the form holds; keeps nothing."""
    found, site = campaigns.by_slug(reading(), slug), runtime().settings.site
    shown = request.form.get("preview", "")
    lang = shown if shown in site.languages else site.default_language
    try:
        days, terms = _days(), _terms()
        words = _words()
        said = words[lang if words[lang].title.strip() else site.default_language].trimmed()
        sketch = campaigns.sketch(found, days, terms)
    except Unacceptable as error:
        return _one(found, faults=_faults(error), kept=request.form), error.status
    text = CampaignText(
        lang=lang, title=said.title, question=said.question, in_return=said.in_return, help=said.help,
        shots=said.shots,
    )  # fmt: skip
    agreements = wordings.all_in_force(reading(), wordings.PURPOSES, lang, brand=site.brand, campaign=sketch)
    # The visitor's page in the language asked for; what stands around it is the studio's.
    with i18n.language(lang):
        call = calls.told(reading(), sketch, lang, text=text)
        drawn = render_template("admin/_campaign_drawn.html", call=call, agreements=agreements)
    # A template's own output.
    whole = {"drawn": Markup(drawn), "shown": lang, "title": text.title}  # noqa: S704
    html = render_template("admin/campaign_preview.html", **whole)
    answer = make_response(html)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.post("/studio/campaigns/<slug>/close")
def close(slug: str) -> Response:
    """Take no more clips for this call."""
    with writing() as work:
        campaigns.close(work, campaigns.by_slug(work, slug), by=actor())
    return _to(slug, _("Appel fermé. Les clips déjà envoyés restent."))


@bp.post("/studio/campaigns/<slug>/reopen")
def reopen(slug: str) -> Response:
    """Take clips for this call from now on."""
    with writing() as work:
        campaigns.reopen(work, campaigns.by_slug(work, slug), by=actor())
    return _to(slug, _("Appel ouvert."))


def _one(found: Campaign, **more: Any) -> str:
    work, site = reading(), runtime().settings.site
    every, waiting = invitations.counts(work, found)
    steps = funnel.of(work, found)
    context = {
        "campaign": found,
        "title": campaign_title(found),
        "standing": campaigns.standing(work, found).value,
        "said": {text.lang: text for text in found.texts},
        "first_day": campaigns.first_day,
        "last_day": campaigns.last_day,
        "main_lang": site.default_language,
        "most": campaigns.MOST,
        "bounds": campaigns.BOUNDS,
        "portal_seconds": runtime().settings.uploads.max_seconds,
        "themes": theme_names(found.themes),
        "hides_example": not campaigns.is_example_shown(work, found),
        "steps": [(figure_word(step.name), step) for step in steps],
        "top": max(1, *(step.everybody or step.guests for step in steps)),
        "guests": every,
        "unsent": waiting,
        "now": db_now(work),
        "faults": {},
        "kept": None,
    }
    return render_template("admin/campaign.html", **(context | more))


# What the forms say --------------------------------------------------------------------------------------


def _words() -> dict[str, campaigns.Words]:
    return {
        code: campaigns.Words(**{field: request.form.get(f"{field}_{code}", "") for field in campaigns.MOST})
        for code in runtime().settings.site.languages
    }


def _days() -> campaigns.Days:
    return _day("opens_on"), _day("closes_on")


def _day(field: str) -> date | None:
    told = request.form.get(field, "").strip()
    try:
        return date.fromisoformat(told) if told else None
    except ValueError as error:
        raise Unacceptable(Code.WRONG_DATE, fields={field: Code.WRONG_DATE}) from error


def _terms() -> campaigns.Terms:
    usual = campaigns.Terms()
    figures = {name: _figure(name, getattr(usual, name)) for name in _FIGURES}
    told = request.form.get("example_clip_id", "").strip()
    example = _CLIP_ID.fullmatch(told)
    if told and example is None:
        raise Unacceptable(Code.INVALID, fields={"example_clip_id": Code.MISSING})
    return campaigns.Terms(
        example_clip_id=example.group(1) if example is not None else None,
        themes=tuple(request.form.getlist("theme")[:100]),
        invited_only="invited_only" in request.form,
        **figures,
    )


def _figure(name: str, usual: int | None) -> Any:
    told = request.form.get(name, "").strip()
    if not told:
        return usual
    if not (told.isascii() and told.isdecimal() and len(told) <= 9):
        raise Unacceptable(Code.INVALID, fields={name: Code.INVALID})
    return int(told)


def _faults(error: PortalError) -> dict[str, str]:
    """The faults by the names the form's fields have: the portal's own language has its suffix there too."""
    lang = runtime().settings.site.default_language
    faults = {}
    for field, code in error.fields.items():
        most = campaigns.MOST.get(field.rsplit("_", 1)[0]) or campaigns.MOST.get(field)
        faults[f"{field}_{lang}" if field in campaigns.MOST else field] = _sentence(field, code, most)
    if f"title_{lang}" in faults and not request.form.get("slug", "").strip():
        # No title, so no address either: one thing to put right, said once.
        faults.pop("slug", None)
    return faults or {"slug": reasons.sentence(error.code, **error.facts)}


def _sentence(field: str, code: Code, most: int | None) -> str:
    if code == Code.WRONG_DATE:
        # Elsewhere a wrong date is one to come; a call may well end tomorrow.
        return _("Ce jour ne convient pas. Le dernier jour ne vient pas avant le premier.")
    if field in campaigns.BOUNDS:
        low, high = campaigns.BOUNDS[field]
        return _("Un nombre entier, de %(low)s à %(high)s.", low=low, high=high)
    if field == "example_clip_id" and code == Code.MISSING:
        return _("Aucun clip n’a cette adresse.")
    return reasons.sentence(code, most=most) if most else reasons.sentence(code)


def _to(slug: str, said: str) -> Response:
    flash(said, "success")
    return redirect(url_for("campaigns.one", slug=slug), 303)
