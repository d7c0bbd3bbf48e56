"""Invitations in the studio: lists of customers tried and taken, letters sent, one called off; sheets and figures.

Shows and parses; the rules are in portal/invitations.py, short_links.py and funnel.py. For administrators.
"""

import csv
import io
from typing import Any, Final

import segno
from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from portal import campaigns, funnel, guest_lists, invitations, proofs, reasons, short_links
from portal.database import db_now
from portal.errors import Code, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.i18n import ngettext
from portal.models import Campaign
from portal.web.call_words import column_word, figure_word, invitation_word
from portal.web.db import reading, runtime, writing
from portal.web.people import actor, guard_administrators
from portal.web.rows import campaign_title

bp = Blueprint("guests", __name__)
bp.before_request(guard_administrators)

PageAnswer = str | Response | tuple[str, int]

MOST_BYTES: Final = 100_000
"""What a form can carry twice, once as a file and once to be confirmed; longer lists come by the command line."""

_PER_PAGE: Final = 100


@bp.get("/studio/campaigns/<slug>/invitations")
def every(slug: str) -> Response:
    """Who was invited, and how far each invitation got; the way to try a list."""
    return _page(campaigns.by_slug(reading(), slug))


@bp.post("/studio/campaigns/<slug>/invitations/import")
def take(slug: str) -> Response:
    """Try a list and say what it would give; the page that follows confirms the very same list."""
    found = campaigns.by_slug(reading(), slug)
    only_good, keep = "only_good" in request.form, "keep" in request.form
    try:
        raw = _list()
        with writing() as work:
            report = _taken(work, campaigns.by_slug(work, slug), raw, keep=keep, only_good=only_good)
    except PortalError as error:
        line = f" ({_('ligne %(num)s', num=error.facts['line'])})" if "line" in error.facts else ""
        return _page(found, fault=reasons.sentence(error.code, **error.facts) + line, status=error.status)
    if report.kept:
        said = ngettext(
            "%(num)s personne est sur la liste. Rien n’est encore parti.",
            "%(num)s personnes sont sur la liste. Rien n’est encore parti.",
            report.kept,
        )
        flash(said, "success")
        return redirect(url_for(".every", slug=slug), 303)
    text, is_guessed = guest_lists.text_of(raw)
    html = render_template(
        "admin/campaign_import.html",
        campaign=found,
        title=campaign_title(found),
        report=report,
        raw=text,
        is_guessed=is_guessed,
        bad_lines=len({one.line for one in report.faults}),
        faults=[
            (one.line, column_word(one.column), reasons.sentence(one.code, **one.facts))
            for one in report.faults
        ],
        checks=proofs.switched_on(runtime().settings.proofs),
    )
    return _private(make_response(html, 422 if report.faults else 200))


def _taken(work: Any, found: Campaign, raw: bytes, *, keep: bool, only_good: bool) -> invitations.Report:
    settings = runtime().settings
    return invitations.take(
        work, found, raw, site=settings.site, settings=settings.proofs, by=actor(), keep=keep, only_good=only_good
    )  # fmt: skip


def _list() -> bytes:
    """The list as a file, or as the page before carried it."""
    file, most = request.files.get("file"), MOST_BYTES
    if file is not None:
        raw: bytes = file.read(MOST_BYTES + 1)
    else:
        # Browsers write each line end as two signs, and other letters may be longer in UTF-8 than in the file.
        raw, most = request.form.get("list", "").replace("\r\n", "\n").encode(), MOST_BYTES * 5 // 4
    if not raw.strip():
        raise Unacceptable(Code.EMPTY_FILE)
    if len(raw) > most:
        raise Unacceptable(Code.TOO_LARGE, limit=MOST_BYTES)
    return raw


@bp.post("/studio/campaigns/<slug>/invitations/send")
def send(slug: str) -> Response:
    """Let the letters leave that nobody has sent yet."""
    with writing() as work:
        count = invitations.send(work, campaigns.by_slug(work, slug), by=actor())
    said = ngettext("%(num)s invitation part.", "%(num)s invitations partent, par petits paquets.", count)
    flash(said if count else _("Toutes les invitations sont déjà parties."), "success")
    return redirect(url_for(".every", slug=slug), 303)


@bp.post("/studio/campaigns/<slug>/invitations/<invitation_id>/end")
def end(slug: str, invitation_id: str) -> Response:
    """Call one invitation off."""
    with writing() as work:
        found = campaigns.by_slug(work, slug)
        invitations.end(work, invitations.by_id(work, found, invitation_id[:32]), by=actor())
    flash(_("Invitation annulée : son lien ne sert plus."), "success")
    return redirect(url_for(".every", slug=slug, page=request.form.get("page") or None), 303)


def _page(found: Campaign, *, fault: str = "", status: int = 200) -> Response:
    work = reading()
    total, unsent = invitations.counts(work, found)
    pages = max(1, -(-total // _PER_PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    now = db_now(work)
    rows = invitations.of(work, found, skip=(page - 1) * _PER_PAGE, limit=_PER_PAGE)
    html = render_template(
        "admin/campaign_guests.html",
        campaign=found,
        title=campaign_title(found),
        standing=campaigns.standing(work, found).value,
        rows=[(row, *invitation_word(invitations.state_of(row, now))) for row in rows],
        total=total,
        unsent=unsent,
        page=page,
        pages=pages,
        href=lambda number: url_for(".every", slug=found.slug, page=number),
        fault=fault,
        life=invitations.LIFE.days,
        most_bytes=MOST_BYTES,
        most_lines=guest_lists.MOST_LINES,
        checks=proofs.switched_on(runtime().settings.proofs),
    )
    return _private(make_response(html, status))


# Sheets for showrooms ------------------------------------------------------------------------------------


@bp.get("/studio/campaigns/<slug>/links")
def links(slug: str) -> Response:
    """The short addresses of a call, what each counted, and the way to a sheet."""
    return _links(campaigns.by_slug(reading(), slug))


@bp.post("/studio/campaigns/<slug>/links")
def add_link(slug: str) -> Response:
    """A short address for one more place."""
    found = campaigns.by_slug(reading(), slug)
    try:
        with writing() as work:
            short_links.add(work, campaigns.by_slug(work, slug), request.form.get("place", ""), by=actor())
    except Unacceptable as error:
        fault = reasons.sentence(error.code, **error.facts)
        return _links(found, fault=fault, status=error.status)
    flash(_("Adresse courte ajoutée : la feuille est prête à imprimer."), "success")
    return redirect(url_for(".links", slug=slug), 303)


@bp.post("/studio/campaigns/<slug>/links/<code>/end")
def end_link(slug: str, code: str) -> Response:
    """Take a short address out of use."""
    with writing() as work:
        short_links.end(work, short_links.by_code(work, campaigns.by_slug(work, slug), code), by=actor())
    flash(_("Cette adresse courte ne mène plus à l’appel."), "success")
    return redirect(url_for(".links", slug=slug), 303)


@bp.get("/studio/campaigns/<slug>/links/<code>/sheet")
def sheet(slug: str, code: str) -> str:
    """One sheet of A4 for one place: the question, the code, the short address; printed by the browser."""
    work, site = reading(), runtime().settings.site
    found = campaigns.by_slug(work, slug)
    link = short_links.by_code(work, found, code)
    asked = request.args.get("in", "")
    lang = asked if asked in site.languages else site.default_language
    address = f"{site.url}/q/{link.code}"
    # High: a sheet in a showroom gets scratched. Black on white, whatever the scheme.
    drawn = segno.make(address, error="h")
    return render_template(
        "admin/campaign_sheet.html",
        campaign=found,
        text=campaigns.text_of(found, lang, site.default_language),
        link=link,
        address=address,
        shown=lang,
        last_day=campaigns.last_day(found),
        code=Markup(drawn.svg_inline(scale=8, border=4, dark="#000", light="#fff", omitsize=True)),  # noqa: S704
    )


def _links(found: Campaign, *, fault: str = "", status: int = 200) -> Response:
    html = render_template(
        "admin/campaign_links.html",
        campaign=found,
        title=campaign_title(found),
        places=short_links.of(reading(), found),
        fault=fault,
        most=short_links.LONGEST_PLACE,
    )
    return make_response(html, status)


# Figures -------------------------------------------------------------------------------------------------


@bp.get("/studio/campaigns/<slug>/funnel.csv")
def figures(slug: str) -> Response:
    """The six steps as a table for a spreadsheet; short addresses below, each with its openings."""
    work = reading()
    found = campaigns.by_slug(work, slug)
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["step", "name", "by_invitation", "in_all"])
    for step in funnel.of(work, found):
        everybody = "" if step.everybody is None else step.everybody
        table.writerow([step.name, figure_word(step.name), step.guests, everybody])
    for link in short_links.of(work, found):
        table.writerow(["short_link", guest_lists.guarded(link.place), "", link.opened])
    answer = make_response(out.getvalue())
    answer.headers["Content-Type"] = "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.slug}.csv"'
    return _private(answer)


def _private(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
