"""Staff come and go: sign-in, first password, sign-out, language; and who may open which studio page.

Sessions are a random token in the person's row: changing it there ends them all. They end by themselves too.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from flask import (
    Blueprint,
    Flask,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from portal import database, desk, i18n, notices, outbox, people, reasons, review, thread, uses
from portal.errors import Code, NotAllowed, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.lifecycle import Actor
from portal.models import Person, State
from portal.web import alarms, errors, guard, kept, once
from portal.web.db import reading, runtime, writing
from portal.web.limits import address, limiter
from portal.web.site import safe_path

bp = Blueprint("people", __name__)

_TRIES = "5/minute;20/hour"
"""From one network for one account: nobody who guesses elsewhere uses up what its owner has."""

_FAILURES = "100/hour"
"""For one account from everywhere together: guesses alone count, so that a guesser with many networks ends too."""

_ADDRESS = "30/minute"
_LONGEST: Final = 12 * 3600
# In the signed cookie: when this browser signed in, and when it was last heard of.
SINCE, SEEN = "staff_since", "staff_seen"
_SAFE = {"GET", "HEAD", "OPTIONS"}


class SignedIn(UserMixin):  # type: ignore[misc] # Flask-Login has no types.
    """A member of staff as Flask-Login wants to see one."""

    def __init__(self, person: Person) -> None:
        self.person = person

    def get_id(self) -> str:
        """What the cookie carries: a token that the row can take back."""
        return self.person.session_token

    @property
    def name(self) -> str:
        """The person's name."""
        return self.person.name

    @property
    def email(self) -> str | None:
        """The person's address."""
        return self.person.email


def me() -> Person:
    """Who is signed in; only behind the guards below."""
    person: Person = current_user.person
    return person


def actor() -> Actor:
    """Who is signed in, as the one who acts."""
    return people.actor_of(me())


def guard_reviewers() -> Response | None:
    """Before a page for moderators: sign in first; a form that came before is not taken again."""
    return _guard(people.may_review)


def guard_administrators() -> Response | None:
    """Before a page for administrators: sign in first; raises NotAllowed to others."""
    return _guard(people.may_administer)


def _guard(may: Callable[[Person], bool]) -> Response | None:
    if not current_user.is_authenticated:
        return _ask_to_sign_in()
    if not may(me()):
        raise NotAllowed(Code.NOT_ALLOWED)
    if request.method not in _SAFE:
        guard.before_staff_write(me().id)
    return once.again(f"staff:{me().id}")


def _ask_to_sign_in() -> Response:
    if request.method not in _SAFE:
        if (told := kept.words()) is not None:
            said = _("Votre session est terminée. Connectez-vous : ce que vous avez écrit vous attend.")
            return make_response(_login_page(said, kept.sealed(told, request.path), _readable()), 403)
        flash(_("Votre session est terminée. Connectez-vous, puis recommencez."), "warning")
    return redirect(url_for("people.login", next=_readable()), 303)


def _readable() -> str:
    """Where to read on after the sign-in: this address, or the nearest one above it that is a page and no form's."""
    if request.method in _SAFE:
        return request.full_path.rstrip("?")
    path = request.path
    while path.startswith("/studio/"):
        if _is_page(path):
            return path
        path = path.rpartition("/")[0]
    return url_for("review.queue")


def _is_page(path: str) -> bool:
    doors = current_app.create_url_adapter(request)
    try:
        rule, _values = doors.match(path, "GET", return_rule=True) if doors is not None else (None, {})
    except HTTPException:
        return False
    # Not by a visitors' page either, whose address may begin with any word.
    return rule is not None and str(rule.rule).startswith("/studio")


def _is_session_over() -> bool:
    """Whether this browser signed in twelve hours ago, or has not been heard of for the idle time."""
    now, idle = time.time(), runtime().settings.site.idle_minutes * 60
    since, seen = float(session.get(SINCE, 0)), float(session.get(SEEN, 0))
    return now - since > _LONGEST or now - seen > idle


def init_app(app: Flask) -> None:
    """Switch Flask-Login on, speak each member of staff's own language in the studio."""
    manager = LoginManager(app)
    # Phones change their address in mid-session; the token in the row is what protects.
    manager.session_protection = None

    @manager.user_loader  # type: ignore[untyped-decorator] # Flask-Login has no types.
    def load(token: str) -> SignedIn | None:
        if g.get("is_database_away"):
            # The page that says so is drawn for nobody in particular: it must not fail by asking again.
            return None
        if _is_session_over():
            return None
        try:
            person = people.by_session_token(reading(), token)
        except database.AWAY:
            g.is_database_away = True
            raise
        return SignedIn(person) if person is not None else None

    app.before_request(_speak)

    @app.context_processor
    def who() -> dict[str, Any]:
        # Asks nothing of the database: the page that says it is away is a template too.
        counted = {
            name: g.get(name, 0) for name in ("waiting", "replies", "to_call", "uses_ended", "lost_letters")
        }
        return {"may": g.get("may", {}), "alarms": g.get("alarms"), **counted}

    app.register_error_handler(CSRFError, _stale_form)


def _speak() -> None:
    # Each member of staff's own language, and what waits for them.
    if not request.path.startswith("/studio") or not current_user.is_authenticated:
        return
    session[SEEN] = int(time.time())
    g.may = {"review": people.may_review(me()), "admin": people.may_administer(me())}
    g.alarms = alarms.now()
    g.waiting = review.count(reading(), state=State.IN_REVIEW)
    g.replies, g.to_call = thread.waiting_count(reading()), desk.calls_count(reading())
    g.uses_ended = uses.waiting_count(reading())
    g.lost_letters = outbox.failed_count(reading())
    if me().lang in runtime().settings.site.languages:
        g.lang = me().lang
        i18n.set_language(g.lang)


def _stale_form(_error: CSRFError) -> Response | tuple[str, int]:
    """A form's token lives as long as the session that its page was drawn in."""
    if request.endpoint == "people.sign_in":
        return _login_page(reasons.sentence(Code.PAGE_TOO_OLD)), 403
    if request.path.startswith("/studio") and not current_user.is_authenticated:
        return _ask_to_sign_in()
    if (request.path.startswith("/studio") or request.endpoint in kept.OWNERS) and (told := kept.words()):
        return kept.page(request.path, told, status=403)
    return errors.page(403, Code.PAGE_TOO_OLD)


@bp.get("/studio/")
def studio() -> Response:
    """The studio's front door leads to what waits."""
    return redirect(url_for("review.queue"), 302)


@bp.get("/studio/login")
def login() -> Response | str:
    """Ask for address and password."""
    if current_user.is_authenticated:
        return redirect(_next(), 302)
    return _login_page()


def _account() -> str:
    return request.form.get("email", "").strip().casefold()[:254]


def _account_hash() -> str:
    # The hash: no counter keeps an address.
    return notices.address_hash(_account())


@bp.post("/studio/login")
@limiter.limit(_TRIES, key_func=lambda: f"{_account_hash()}:{address()}")
@limiter.limit(_FAILURES, key_func=_account_hash, deduct_when=lambda answer: answer.status_code == 403)
@limiter.limit(_ADDRESS)
def sign_in() -> Response | tuple[str, int]:
    """Let a member of staff in; the same answer for an unknown address and a wrong password."""
    password = request.form.get("password", "")
    try:
        person = people.authenticate(reading(), _account(), password)
    except NotAllowed as error:
        return _login_page(reasons.sentence(error.code)), 403
    if people.is_hash_old(person):
        with writing() as work:
            people.rehash(work, person, password)
    answer = _let_in(person, _next())
    waiting = kept.opened(request.form.get(kept.FIELD, ""))
    if waiting is None:
        return answer
    _speak()
    return kept.page(*waiting, status=200)


def _login_page(fault: str = "", form: str | None = None, back: str | None = None) -> str:
    """`form` is what somebody wrote before the session ended, sealed (`kept`); it stays through wrong passwords."""
    return render_template(
        "people/login.html",
        fault=fault,
        email=request.form.get("email", "") if form is None else "",
        next=back or _next(),
        kept=form or request.form.get(kept.FIELD, ""),
    )


def _next() -> str:
    wanted = request.values.get("next", "")
    return (
        wanted if wanted.startswith("/studio/") and safe_path(wanted) == wanted else url_for("review.queue")
    )


def _let_in(person: Person, path: str) -> Response:
    # What an unknown visitor's session held, a planted form token too, does not survive signing in.
    session.clear()
    session.permanent = True
    session[SINCE] = session[SEEN] = int(time.time())
    login_user(SignedIn(person))
    return redirect(path, 303)


@bp.post("/studio/logout")
def logout() -> Response:
    """End this person's sessions: a copied cookie is worthless too."""
    if current_user.is_authenticated:
        person = me()
        with writing() as work:
            people.end_sessions(work, person)
        logout_user()
        session.clear()
    return redirect(url_for("people.login"), 303)


@bp.get("/studio/welcome/<token>")
@limiter.limit(_ADDRESS)
def welcome(token: str) -> str:
    """Ask a new member of staff for a password."""
    person = people.by_welcome_link(reading(), token)
    return render_template("people/welcome.html", person=person, least=people.PASSWORD_LEAST)


@bp.post("/studio/welcome/<token>")
@limiter.limit(_ADDRESS)
def accept(token: str) -> Response | tuple[str, int]:
    """Keep the chosen password, use the link up, let them in."""
    if (answer := once.again("welcome")) is not None:
        return answer
    password = request.form.get("password", "")
    try:
        _check_again(password)
        with writing() as work:
            person = people.accept_welcome(work, token, password)
    except Unacceptable as error:
        known = people.by_welcome_link(reading(), token)
        faults = _password_faults(error)
        page = render_template(
            "people/welcome.html", person=known, least=people.PASSWORD_LEAST, faults=faults
        )
        return page, 422
    return _let_in(person, url_for("review.queue"))


def _check_again(password: str) -> None:
    if password != request.form.get("again", ""):
        raise Unacceptable(Code.INVALID, fields={"again": Code.INVALID})


def _password_faults(error: PortalError) -> dict[str, str]:
    if "again" in error.fields:
        return {"again": _("Les deux mots de passe sont différents.")}
    return {field: reasons.sentence(code, **error.facts) for field, code in error.fields.items()}


@bp.post("/studio/language")
def language() -> Response:
    """Keep the language this person reads the studio in."""
    if (answer := guard_reviewers()) is not None:
        return answer
    person, code = me(), request.form.get("code", "")
    if code in runtime().settings.site.languages:
        with writing() as work:
            people.set_lang(work, person, code)
    return redirect(_next(), 303)
