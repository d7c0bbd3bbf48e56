"""Calls that owners ask for: the form on their pages, the list and the steps in the studio.

Shows and parses; what a case is, and that it stands beside publication, is in portal/support.py.
"""

from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal import desk, people, reasons, review, submission, support
from portal.database import db_now
from portal.errors import Code, Conflict, PortalError, TooMuch, Unacceptable
from portal.i18n import gettext as _
from portal.lifecycle import OWNER, Actor
from portal.models import CaseState, Clip, State, SupportCase
from portal.web.db import reading, runtime, writing
from portal.web.limits import limiter
from portal.web.people import actor, guard_reviewers, me
from portal.web.words import age

bp = Blueprint("support", __name__)
studio = Blueprint("studio_support", __name__)
studio.before_request(guard_reviewers)

_PER_ADDRESS = "5/minute;20/day"
PageAnswer = AnyResponse | tuple[str, int]


@dataclass(slots=True)
class Cases:
    """A clip's cases and the form that opens another, with what was typed where it was refused."""

    cases: list[SupportCase]
    once: str
    may_ask: bool
    names: dict[int, str] = field(default_factory=dict)
    words: str = ""
    phone: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    longest: int = support.WORDS_MOST
    promised: dict[int, Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether somebody is to be called about this clip."""
        return any(one.state in support.OPEN for one in self.cases)


def of(session: Session, clip: Clip) -> Cases:
    """The cases of a clip, for either side."""
    cases = support.of(session, clip)
    return Cases(
        cases=cases,
        once=people.new_token(),
        may_ask=clip.state != State.ERASED,
        names=people.names(session, {one.taken_by_id for one in cases if one.taken_by_id is not None}),
        promised={one.id: desk.promised_by(one.made_at) for one in cases},
    )


# The owner's side ---------------------------------------------------------------------------------------


@bp.get("/<lang>/s/<token>/call")
def ask(lang: str, token: str) -> Response:
    """Ask to be called: the form alone."""
    clip = submission.by_link(reading(), token)
    return _page(lang, token, clip, of(reading(), clip))


@bp.post("/<lang>/s/<token>/call")
@limiter.limit(_PER_ADDRESS)
def open_own(lang: str, token: str) -> AnyResponse:
    """Give the owner a number at once; the same form sent twice is one case."""
    try:
        with writing() as session:
            case = _open(session, submission.by_link(session, token), OWNER)
    except (Unacceptable, TooMuch, Conflict) as error:
        clip = submission.by_link(reading(), token)
        page = _page(lang, token, clip, _refused(of(reading(), clip), error))
        page.status_code = error.status
        return page
    flash(_("C’est noté. Votre demande porte le n° %(number)s.", number=case.id), "success")
    return redirect(url_for("submission.status", lang=lang, token=token, _anchor="case"), 303)


def _open(session: Session, clip: Clip, by: Actor) -> SupportCase:
    form, settings = request.form, runtime().settings
    return support.open_case(
        session,
        clip,
        words=form.get("words", ""),
        phone=form.get("phone", ""),
        by=by,
        support=settings.mail.support,
        default_lang=settings.site.default_language,
        token=form.get("once", ""),
    )


def _page(lang: str, token: str, clip: Clip, shown: Cases) -> Response:
    return make_response(
        render_template("submission/call.html", clip=clip, token=token, lang=lang, support=shown)
    )


def _refused(shown: Cases, error: PortalError) -> Cases:
    shown.words, shown.phone = request.form.get("words", ""), request.form.get("phone", "")
    faults = {name: reasons.sentence(code, **error.facts) for name, code in error.fields.items()}
    if error.fields.get("words") == Code.REQUIRED:
        faults["words"] = _("Dites-nous en un mot de quoi il s’agit, ou laissez un numéro.")
    shown.faults = faults or {"words": reasons.sentence(error.code, **error.facts)}
    return shown


# The studio ---------------------------------------------------------------------------------------------


@studio.get("/studio/support")
def listing() -> str:
    """Who waits for a call, longest first; or the calls that are solved."""
    state = "solved" if request.args.get("state") == "solved" else "open"
    states = (CaseState.SOLVED,) if state == "solved" else support.OPEN
    return _listing(support.listed(reading(), states), state=state)


@studio.get("/studio/support/<int:number>")
def one(number: int) -> str:
    """One case, whatever its state: where letters lead."""
    case = support.by_id(reading(), number)
    return _listing([(case, review.clip_by_id(reading(), case.clip_id))], state="", number=number)


@studio.post("/studio/support/<int:number>/<any('take', 'let-go', 'solve'):step>")
def move(number: int, step: str) -> PageAnswer:
    """Take a call on, leave it to others, or say what came of it."""
    try:
        with writing() as session:
            case = support.by_id(session, number)
            if step == "take":
                support.take(session, case, me())
            elif step == "let-go":
                support.let_go(session, case)
            else:
                support.solve(session, case, request.form.get("outcome", ""), me())
    except Conflict:
        flash(_("Quelqu’un est passé avant vous : voici où en est le dossier."), "warning")
    except Unacceptable as error:
        fault = reasons.sentence(error.code, **error.facts)
        case = support.by_id(reading(), number)
        pairs = [(case, review.clip_by_id(reading(), case.clip_id))]
        return _listing(pairs, state="", number=number, fault=fault), error.status
    else:
        flash(_done(step, number), "success")
    if step == "solve":
        return redirect(url_for("studio_support.listing"), 303)
    return redirect(url_for("studio_support.one", number=number), 303)


@studio.get("/studio/support/<int:number>/<any('take', 'let-go', 'solve'):_step>")
def back_to_case(number: int, _step: str) -> AnyResponse:
    """Whoever signed in again on the way to a form's address lands on the case."""
    return redirect(url_for("studio_support.one", number=number), 303)


@studio.post("/studio/review/<clip_id>/call")
def open_for_owner(clip_id: str) -> PageAnswer:
    """A moderator sees that somebody needs help: the decision on the clip is another matter."""
    try:
        with writing() as session:
            case = _open(session, review.clip_by_id(session, clip_id), actor())
    except (Unacceptable, Conflict) as error:
        clip = review.clip_by_id(reading(), clip_id)
        page = render_template("review/call.html", clip=clip, support=_refused(of(reading(), clip), error))
        return page, error.status
    flash(_("Dossier n° %(number)s ouvert. L’équipe qui rappelle est prévenue.", number=case.id), "success")
    return redirect(url_for("review.sheet", clip_id=clip_id, _anchor="case"), 303)


@studio.get("/studio/review/<clip_id>/call")
def back_to_sheet(clip_id: str) -> AnyResponse:
    """Whoever signed in again on the way to the form's address lands on the clip."""
    return redirect(url_for("review.sheet", clip_id=clip_id, _anchor="case"), 303)


def _listing(pairs: list[tuple[SupportCase, Clip]], **more: Any) -> str:
    session = reading()
    now = db_now(session)
    ids = {key for case, _clip in pairs for key in (case.taken_by_id, case.opened_by_id) if key is not None}
    rows = [
        {
            "case": case,
            "clip": clip,
            "age": age((now - case.made_at).total_seconds()),
            "due": desk.promised_by(case.made_at),
            "is_late": case.state in support.OPEN and desk.promised_by(case.made_at) < now,
        }
        for case, clip in pairs
    ]
    late = sum(row["is_late"] is True for row in rows)
    context = {
        "rows": rows,
        "late": late,
        "names": people.names(session, ids),
        "counts": support.counts(session),
    }
    return render_template("studio/support.html", longest=support.WORDS_MOST, **(context | more))


def _done(step: str, number: int) -> str:
    words = {
        "take": _("Le dossier n° %(number)s est à vous.", number=number),
        "let-go": _("Le dossier n° %(number)s attend de nouveau.", number=number),
        "solve": _("Le dossier n° %(number)s est traité.", number=number),
    }
    return words[step]
