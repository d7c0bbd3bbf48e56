"""The words people agree to, as an administrator writes them: for the portal or for one call, by language.

Shows and parses; the rules are in portal/wordings.py.
"""

from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from portal import campaigns, reasons, wordings
from portal.errors import Code, Missing, Unacceptable
from portal.i18n import gettext as _
from portal.i18n import ngettext
from portal.models import Campaign
from portal.web.db import reading, runtime, writing
from portal.web.people import guard_administrators, me
from portal.web.rows import campaign_title

bp = Blueprint("wordings", __name__)
bp.before_request(guard_administrators)

PageAnswer = str | Response | tuple[str, int]

_NAMES: Final[dict[str, Callable[[], str]]] = {
    "site": lambda: _("Publication sur le site"),
    "adult": lambda: _("Majeur, et auteur du clip"),
    "social": lambda: _("Réseaux sociaux"),
    "ads": lambda: _("Publicité"),
    "contact": lambda: _("Être recontacté"),
    "appear": lambda: _("Une autre personne du film"),
    "guardian": lambda: _("Le responsable d’un enfant"),
}


def purpose_word(purpose: str) -> str:
    """What an agreement is for, as the studio says it."""
    return _NAMES[purpose]() if purpose in _NAMES else purpose


@bp.get("/studio/consents")
def page() -> str:
    """Every text that is asked today in one language, and how many clips rest on which version."""
    return _page(_call(request.args.get("campaign", "")), _lang(request.args.get("in", "")))


@bp.post("/studio/consents/<purpose>")
def save(purpose: str) -> PageAnswer:
    """Keep words of one's own for one purpose, or go back to the shipped ones; past agreements keep theirs."""
    form = request.form
    call, lang = _call(form.get("campaign", "")), _lang(form.get("in", ""))
    variant = call.slug if call else ""
    sentence, full = (
        ("", "") if form.get("do") == "reset" else (form.get("sentence", ""), form.get("full", ""))
    )
    if form.get("do") != "reset" and not (sentence.strip() or full.strip()):
        return _page(call, lang, wrong=purpose, faults={"sentence": reasons.sentence(Code.REQUIRED)}), 422
    kept = sum(one.count for one in wordings.versions(reading(), lang, variant).get(purpose, []))
    try:
        with writing() as session:
            wordings.write(session, purpose, lang, sentence, full, variant=variant, author_id=me().id)
    except Unacceptable as error:
        if error.code == Code.UNKNOWN_FIELD:
            raise Missing(Code.MISSING) from error
        faults = {name: reasons.sentence(code, **error.facts) for name, code in error.fields.items()}
        return _page(call, lang, wrong=purpose, faults=faults), error.status
    words = _("Texte enregistré.")
    if kept:
        words += " " + ngettext(
            "%(num)s clip garde le texte auquel son auteur a dit oui.",
            "%(num)s clips gardent le texte auquel leur auteur a dit oui.",
            kept,
        )
    flash(words, "success")
    where: dict[str, Any] = {"in": lang} | ({"campaign": variant} if variant else {})
    return redirect(url_for(".page", _anchor=purpose, **where), 303)


def _page(call: Campaign | None, lang: str, *, wrong: str = "", faults: dict[str, str] | None = None) -> str:
    session, site = reading(), runtime().settings.site
    variant = call.slug if call else ""
    stored = wordings.versions(session, lang, variant)
    read = wordings.all_in_force(session, wordings.PURPOSES, lang, brand=site.brand, campaign=call)
    texts: list[dict[str, Any]] = []
    for words in read:
        own = wordings.written(session, words.purpose, lang, variant)
        texts.append({
            "purpose": words.purpose,
            "name": purpose_word(words.purpose),
            "words": words,
            "sentence": own.sentence if own else words.sentence,
            "full": own.full if own else words.full,
            "is_own": own is not None,
            "versions": stored.get(words.purpose, []),
        })  # fmt: skip
    return render_template(
        "admin/consents.html",
        texts=texts,
        call=call,
        calls=[(one.slug, campaign_title(one)) for one in campaigns.every(session)],
        shown_lang=lang,
        months=call.term_months if call else wordings.USUAL_MONTHS,
        most={"sentence": wordings.SENTENCE_MOST, "full": wordings.FULL_MOST},
        wrong=wrong,
        faults=faults or {},
        kept=request.form,
    )


def _call(slug: str) -> Campaign | None:
    return campaigns.by_slug(reading(), slug) if slug else None


def _lang(code: str) -> str:
    site = runtime().settings.site
    return code if code in site.languages else site.default_language
