"""The pages around reviewing: all clips for moderators; themes, staff, settings for administrators.

Shows and parses; the rules are in portal/themes.py, people.py and desk.py.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from config import shown
from portal import contacts, desk, figures, people, reasons, review, room, themes, uses, workers
from portal.errors import Code, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.models import Role, State, Theme
from portal.web.db import reading, runtime, writing
from portal.web.people import actor, guard_administrators, guard_reviewers, me
from portal.web.rows import lines, theme_names
from portal.web.wordings import purpose_word
from portal.web.words import age, job_word, lane_word, sandbox_word, state_word

bp = Blueprint("admin", __name__)

_PER_PAGE = 50
_FOR_REVIEWERS = {"admin.clips"}
PageAnswer = str | Response | tuple[str, int]


@bp.before_request
def guard() -> Response | None:
    """Moderators may look at all clips; the rest is for administrators."""
    return guard_reviewers() if request.endpoint in _FOR_REVIEWERS else guard_administrators()


# Clips -------------------------------------------------------------------------------------------------


@bp.get("/studio/clips")
def clips() -> str:
    """All clips, newest change first, by words, state, theme and what they may be used for."""
    work = reading()
    asked, q = request.args.get("state", ""), request.args.get("q", "")
    wanted: dict[str, Any] = {
        "state": State(asked) if asked in set(State) else None,
        "theme": request.args.get("theme", ""),
        "use": use if (use := request.args.get("use", "")) in uses.OFFERED else "",
        "q": q,
    }
    total = review.count(work, **wanted)
    pages = max(1, -(-total // _PER_PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    rows = review.queue(work, **wanted, order="newest", limit=_PER_PAGE, skip=(page - 1) * _PER_PAGE)
    # By name: a query must not speak to the maker of addresses.
    kept: dict[str, Any] = {name: value for name in wanted if (value := request.args.get(name, ""))}
    return render_template(
        "admin/clips.html",
        rows=lines(rows, q=q),
        total=total,
        page=page,
        pages=pages,
        href=lambda number: url_for("admin.clips", page=number, **kept),
        counts=review.counts(work),
        states=[(state, state_word(state)) for state in State],
        themes=theme_names(),
        uses=[(purpose, purpose_word(purpose)) for purpose in uses.OFFERED],
        last_taken=contacts.last_taken(work) if wanted["use"] == "contact" else None,
        chosen={**wanted, "state": asked, "q": q},
    )


# Themes ------------------------------------------------------------------------------------------------


@bp.get("/studio/themes", endpoint="themes")
def themes_page() -> str:
    """The themes in their order, with their names and how many clips carry them."""
    return _themes()


def _themes(**more: Any) -> str:
    work = reading()
    every = themes.every(work)
    visible = sum(theme.retired_at is None for theme in every)
    context = {
        "every": every,
        "named": {theme.id: {name.lang: name.name for name in theme.names} for theme in every},
        "counts": themes.clip_counts(work),
        "is_crowded": visible > themes.VISIBLE_MOST,
        "most": themes.VISIBLE_MOST,
        "faults": {},
        "kept": {},
    }
    return render_template("admin/themes.html", **(context | more))


@bp.post("/studio/themes")
def add_theme() -> PageAnswer:
    """Add a theme at the end of the list."""
    try:
        with writing() as work:
            themes.add(work, request.form.get("slug") or None, _names(), by=actor())
    except PortalError as error:
        return _themes(faults=_faults(error, "name"), kept=request.form), error.status
    return _back(_("Thème ajouté."))


@bp.post("/studio/themes/<int:theme_id>/rename")
def rename_theme(theme_id: int) -> PageAnswer:
    """Change the names, per language."""
    try:
        with writing() as work:
            themes.rename(work, themes.by_id(work, theme_id), _names(), by=actor())
    except Unacceptable as error:
        return _themes(faults=_faults(error, "name"), wrong_id=theme_id), error.status
    return _back(_("Noms enregistrés."))


@bp.post("/studio/themes/<int:theme_id>/up")
def raise_theme(theme_id: int) -> Response:
    """Move a theme one place up."""
    return _on_theme(theme_id, lambda work, theme: themes.shift(work, theme, -1, by=actor()))


@bp.post("/studio/themes/<int:theme_id>/down")
def lower_theme(theme_id: int) -> Response:
    """Move a theme one place down."""
    return _on_theme(theme_id, lambda work, theme: themes.shift(work, theme, 1, by=actor()))


@bp.post("/studio/themes/<int:theme_id>/retire")
def retire_theme(theme_id: int) -> Response:
    """Offer a theme no more."""
    return _on_theme(theme_id, lambda work, theme: themes.retire(work, theme, by=actor()), _("Thème retiré."))


@bp.post("/studio/themes/<int:theme_id>/revive")
def revive_theme(theme_id: int) -> Response:
    """Offer a theme again."""
    return _on_theme(
        theme_id, lambda work, theme: themes.revive(work, theme, by=actor()), _("Thème proposé.")
    )


@bp.post("/studio/themes/<int:theme_id>/merge")
def merge_theme(theme_id: int) -> Response:
    """Give a theme's clips to another; its old addresses lead there."""
    into = request.form.get("into", "", type=str)

    def act(work: Any, theme: Theme) -> None:
        themes.merge(work, theme, themes.by_slug(work, into), by=actor())

    return _on_theme(theme_id, act, _("Thèmes réunis."))


def _on_theme(theme_id: int, act: Callable[[Any, Theme], None], said: str = "") -> Response:
    try:
        with writing() as work:
            act(work, themes.by_id(work, theme_id))
    except PortalError as error:
        flash(reasons.sentence(error.code, **error.facts), "error")
        return redirect(url_for("admin.themes"), 303)
    return _back(said)


def _names() -> dict[str, str]:
    languages = runtime().settings.site.languages
    return {code: request.form[f"name_{code}"] for code in languages if f"name_{code}" in request.form}


def _back(said: str) -> Response:
    if said:
        flash(said, "success")
    return redirect(url_for("admin.themes"), 303)


def _faults(error: PortalError, place: str) -> dict[str, str]:
    found = {field: reasons.sentence(code, **error.facts) for field, code in error.fields.items()}
    return found or {place: reasons.sentence(error.code, **error.facts)}


# Staff -------------------------------------------------------------------------------------------------


@bp.get("/studio/people", endpoint="people")
def people_page() -> str:
    """Who may enter the studio."""
    return _people(link=session.pop("welcome", None))


def _people(**more: Any) -> str:
    context = {"staff": people.staff(reading()), "myself": me().id, "faults": {}, "kept": {}, "link": None}
    return render_template("admin/people.html", **(context | more), least=people.PASSWORD_LEAST)


@bp.post("/studio/people")
def add_person() -> PageAnswer:
    """Let somebody in, with a password or with a link that is shown once."""
    form = request.form
    try:
        role = _role(form.get("role", ""))
        with writing() as work:
            password = form.get("password") or None
            lang = form.get("lang") or me().lang
            name = form.get("name", "")
            person = people.add_staff(
                work, form.get("email", ""), role=role, name=name, password=password, lang=lang, by=actor()
            )
            token = None if password else people.welcome_link(work, person)
    except PortalError as error:
        return _people(faults=_faults(error, "email"), kept=form), error.status
    return _welcomed(person.name or person.email or "", token)


@bp.post("/studio/people/<int:person_id>/link")
def new_link(person_id: int) -> Response:
    """A new first sign-in link, for whoever lost the first one or the password."""
    with writing() as work:
        person = next((one for one in people.staff(work) if one.id == person_id), None)
        token = people.welcome_link(work, person) if person is not None else None
    return _welcomed((person.name or person.email or "") if person else "", token)


@bp.post("/studio/people/<int:person_id>/remove")
def remove_person(person_id: int) -> Response:
    """Shut the studio to somebody, at once."""
    try:
        with writing() as work:
            people.remove_staff(work, person_id, by=actor())
    except PortalError as error:
        flash(reasons.sentence(error.code, **error.facts), "error")
    else:
        flash(_("Cette personne n’a plus accès à l’atelier."), "success")
    return redirect(url_for("admin.people"), 303)


def _role(word: str) -> Role:
    if word not in people.STAFF:
        raise Unacceptable(Code.INVALID, fields={"role": Code.INVALID})
    return Role(word)


def _welcomed(name: str, token: str | None) -> Response:
    if token is not None:
        site = runtime().settings.site
        # In the administrator's own signed cookie for one page; the database keeps a hash only.
        session["welcome"] = {"name": name, "url": f"{site.url}{url_for('people.welcome', token=token)}"}
    elif name:
        flash(_("%(name)s peut entrer dans l’atelier.", name=name), "success")
    return redirect(url_for("admin.people"), 303)


# Settings ----------------------------------------------------------------------------------------------


@bp.get("/studio/settings")
def settings() -> str:
    """What the portal was told from outside, and how the worker is doing; nothing can be changed here."""
    work = desk.work_figures(reading())
    queues = figures.queues(reading())
    return render_template(
        "admin/settings.html",
        figures=work,
        oldest=age(work.oldest_seconds),
        workers=[
            (one, age(one.silent_seconds), sandbox_word(one.sandbox)) for one in workers.known(reading())
        ],
        floor=workers.FLOOR,
        hearing=workers.hearing(workers.known(reading())),
        strangers={one.name for one in workers.strangers(workers.known(reading()), runtime().settings)},
        storage=workers.on_storage(workers.known(reading())),
        disk=room.disk(runtime().settings),
        queues=queues,
        lanes=[(lane_word(lane.name), lane, age(lane.oldest_seconds)) for lane in queues.lanes],
        yielded=f"{queues.film_per_cpu:.2f}" if queues.film_per_cpu is not None else "",
        given_up=[(job_word(kind), _fault(code), count) for (kind, code), count in queues.failed.items()],
        put_off=[(job_word(kind), _fault(code), count) for (kind, code), count in queues.put_off.items()],
        failed=[
            (job_word(job.kind), job, clip, _fault(job.error_code), state_word(clip.state))
            for job, clip in work.failed
        ],
        settings=shown(runtime().settings),
        has_deaf_edge=runtime().settings.storage.has_deaf_edge,
    )


def _fault(code: str | None) -> str:
    return reasons.sentence(Code(code)) if code in set(Code) else (code or "")
