"""The owner's space: in by a mailed link, all clips of one address, what was agreed to, letters, data, and the way out.

An owner's sign-in has a key of its own in the cookie: it opens no studio, and the studio's opens nothing here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask import session as cookie
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal import desk, my_data, notices, owners, people, receipt_words, receipts, signatures, submission
from portal.consent import REQUIRED
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.i18n import gettext as _
from portal.lifecycle import OWNER
from portal.models import Campaign, Clip, Person, Rendition, SignInLink, State
from portal.reasons import sentence
from portal.themes import slugify
from portal.web import words
from portal.web.db import reading, runtime, writing
from portal.web.limits import address, limiter
from portal.web.people import SEEN, SINCE
from portal.web.playback import PREVIEW_SECONDS

bp = Blueprint("owner", __name__)

KEY: Final = "owner"
# The clip whose page somebody asked for before signing in, and where in it.
_TOWARDS: Final = "towards"
# The studio's sign-in in the same browser is another person's matter, and stays.
_STUDIOS: Final = ("_user_id", "_fresh", "_id", SINCE, SEEN)
# Letters to one address; what arrived stays good for a quarter of an hour, so nobody is shut out by another's asking.
_LETTERS: Final = "3/minute;6/hour;20/day"
_NETWORK: Final = "30/minute"
_ARCHIVES: Final = "3/hour;10/day"
"""Each may be gigabytes."""

# What a mailed link is good for, and the page with its one button.
_LAST_STEPS: Final = {people.ENTER: "owner/enter.html", people.ERASE: "owner/erase.html"}

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose space it is, and the row by which the sign-in can be ended."""

    person: Person
    link: SignInLink


def signed_in(session: Session) -> SignedIn | None:
    """Who is signed in here as an owner; None when nobody is, or not any more."""
    token = cookie.get(KEY, "")
    found = people.by_owner_session(session, token) if token else None
    return SignedIn(*found) if found is not None else None


def _mine(view: View) -> View:
    """Before a page of the space: sign in first. The view gets who it is."""

    @wraps(view)
    def guarded(lang: str, **values: Any) -> Any:
        who = signed_in(reading())
        if who is None:
            if request.method == "POST":
                flash(_("Votre session est terminée. Entrez de nouveau, puis recommencez."), "warning")
            elif "clip_id" in values:
                cookie[_TOWARDS] = [values["clip_id"], request.args.get("to", "")]
            return redirect(url_for("owner.login", lang=lang), 303)
        return view(lang, who, **values)

    return guarded


def _account() -> str:
    # The hash: no counter keeps an address.
    return notices.address_hash(request.form.get("email", "")[:254])


def _whose() -> str:
    """By person, in however many browsers; strangers by their network."""
    who = signed_in(reading())
    return f"person:{who.person.id}" if who is not None else address()


def _home(lang: str, part: str = "") -> AnyResponse:
    return redirect(url_for("owner.home", lang=lang) + part, 303)


# Coming in and going out --------------------------------------------------------------------------------


@bp.get("/<lang>/me/login")
def login(lang: str) -> str | AnyResponse:
    """Ask for the address."""
    if signed_in(reading()) is not None:
        return _home(lang)
    return render_template("owner/login.html", is_sent="sent" in request.args)


@bp.post("/<lang>/me/login")
@limiter.limit(_LETTERS, key_func=_account)
@limiter.limit(_NETWORK)
def send_link(lang: str) -> AnyResponse:
    """Write to the address; the same answer and the same work whether anybody has it."""
    with writing() as session:
        owners.ask_to_enter(session, request.form.get("email", "")[:254], lang=lang)
    return redirect(url_for("owner.login", lang=lang, sent=1), 303)


@bp.get("/<lang>/me/enter/<token>")
@limiter.limit(_NETWORK)
def door(lang: str, token: str) -> tuple[str, int]:  # noqa: ARG001 - the address has it
    """One button: programs that look through mail follow links, and must not use this one up."""
    return _last_step(token, people.ENTER)


@bp.post("/<lang>/me/enter/<token>")
@limiter.limit(_NETWORK)
def enter(lang: str, token: str) -> tuple[str, int] | AnyResponse:
    """Use the link up and sign this browser in."""
    try:
        with writing() as session:
            person = people.use_link(session, token, people.ENTER)
            carried = people.begin_owner_session(session, person)
    except Missing:
        return _last_step(token, people.ENTER)
    towards = cookie.get(_TOWARDS)
    # Nothing that an unknown visitor's session held survives signing in, but a sign-in to the studio.
    kept = {name: cookie[name] for name in _STUDIOS if name in cookie}
    cookie.clear()
    cookie.update(kept)
    cookie.permanent = True
    cookie[KEY] = carried
    return _on(lang, person, towards)


def _on(lang: str, person: Person, towards: Any) -> AnyResponse:
    """Where somebody was going who was asked to sign in first; the space, if that clip is another's."""
    if not isinstance(towards, list) or len(towards) != 2:
        return _home(lang)
    clip_id, to = map(str, towards)
    try:
        owners.clip_of(reading(), person, clip_id)
    except Missing:
        return _home(lang)
    return redirect(url_for("owner.clip", lang=lang, clip_id=clip_id, to=to or None), 303)


@bp.post("/<lang>/me/logout")
def logout(lang: str) -> AnyResponse:
    """End this sign-in and the links it opened: a copied cookie is worthless too."""
    with writing() as session:
        if (who := signed_in(session)) is not None:
            owners.leave(session, who.person, who.link, key=runtime().settings.site.secret_key)
    cookie.pop(KEY, None)
    flash(_("Vous êtes sorti·e de votre espace."), "success")
    return redirect(url_for("owner.login", lang=lang), 303)


def _last_step(token: str, purpose: str) -> tuple[str, int]:
    """The page with the one button, or the one that says that the link has served."""
    try:
        person = people.by_link(reading(), token, purpose)
    except Missing:
        return render_template("owner/spent.html", purpose=purpose), 410
    count = len(owners.clips_of(reading(), person))
    is_staff = people.is_staff(person)
    return render_template(_LAST_STEPS[purpose], token=token, count=count, is_staff=is_staff), 200


# The space ---------------------------------------------------------------------------------------------


@bp.get("/<lang>/me", endpoint="home")
@_mine
def space(lang: str, who: SignedIn) -> str:  # noqa: ARG001 - the address has it
    """Every clip, what asks for its owner first; consents, letters, language, data."""
    session = reading()
    rows = owners.mine(session, who.person)
    calls = {row.clip.campaign_id for row in rows}
    days = {
        one.id: one.answer_days for one in session.scalars(select(Campaign).where(Campaign.id.in_(calls)))
    }
    return render_template(
        "owner/me.html",
        person=who.person,
        rows=rows,
        seen_in=signatures.asked_of(session, who.person.email or ""),
        pictures=_pictures(session, [row.clip for row in rows]),
        answers={
            row.clip.id: desk.promised_by(row.clip.state_since, working_days=days[row.clip.campaign_id])
            for row in rows
        },
        wanted=owners.letters_wanted(session, who.person),
        topics=owners.OPTIONAL_LETTERS,
        required=REQUIRED,
        is_staff=people.is_staff(who.person),
        slug=lambda clip: slugify(clip.title) or "clip",
        lang_of_letters=who.person.lang,
    )


def _pictures(session: Session, clips: list[Clip]) -> dict[str, str]:
    """The smallest picture of each clip, by an address that reads for a while; none of what is out of sight."""
    cuts = {
        clip.cut_id: clip.id for clip in clips if clip.cut_id is not None and clip.state != State.WITHDRAWN
    }
    asked = select(Rendition).where(Rendition.cut_id.in_(cuts), Rendition.kind == "poster")
    storage, found = runtime().storage, dict[str, str]()
    for one in session.scalars(asked.order_by(Rendition.width.desc())):
        if one.name.endswith(".webp"):
            found[cuts[one.cut_id]] = storage.sign_get(
                one.key, ttl=PREVIEW_SECONDS, content_type=one.content_type
            )
    return found


@bp.get("/<lang>/me/clips/<string(length=10):clip_id>")
@_mine
def clip(lang: str, who: SignedIn, clip_id: str) -> AnyResponse:
    """The clip's own page, by a link that ends with this sign-in; `?to=withdraw` leads to taking it back.

    A GET that writes: the link is the same each time, so that looking twice writes nothing more.
    """
    with writing() as session:
        found = owners.clip_of(session, who.person, clip_id)
        token = owners.open_clip(session, found, who.link, key=runtime().settings.site.secret_key)
    page = "withdrawal.confirm" if request.args.get("to") == "withdraw" else "submission.status"
    return redirect(url_for(page, lang=lang, token=token), 303)


@bp.get("/<lang>/me/agreements/<signature_id>")
@_mine
def agreement(lang: str, who: SignedIn, signature_id: str) -> AnyResponse:
    """The page that asks whether somebody may be shown in another's film: by the link of their own letter."""
    with writing() as session:
        named = signatures.asked_of(session, who.person.email or "")
        found = next((row for row, _clip in named if row.id == signature_id), None)
        if found is None:
            raise Missing(Code.MISSING)
        token = signatures.open_link(session, found, key=runtime().settings.site.secret_key)
    return redirect(url_for("agreements.sign", lang=lang, token=token), 303)


@bp.post("/<lang>/me/clips/<string(length=10):clip_id>/consents/<purpose>/revoke")
@_mine
def revoke(lang: str, who: SignedIn, clip_id: str, purpose: str) -> AnyResponse:
    """Take one use alone back; the one without which nothing is shown leads to taking the clip back."""
    if purpose in REQUIRED:
        return redirect(url_for("owner.clip", lang=lang, clip_id=clip_id, to="withdraw"), 303)
    try:
        with writing() as session:
            found = owners.clip_of(session, who.person, clip_id)
            site = runtime().settings.site
            submission.agree(session, found, (), by=OWNER, site=site, taken_back={purpose})
    except Conflict as error:
        flash(sentence(error.code, **error.facts), "error")
    else:
        flash(_("C’est noté : cet usage s’arrête. Le reste ne change pas."), "success")
    return _home(lang, "#consents")


@bp.post("/<lang>/me/language")
@_mine
def language(lang: str, who: SignedIn) -> AnyResponse:
    """Write to this person in another language from now on, and show the space in it."""
    code = request.form.get("code", "")
    if code not in runtime().settings.site.languages:
        return _home(lang)
    with writing() as session:
        owners.set_lang(session, who.person, code)
    flash(_("C’est noté."), "success")
    return _home(code)


@bp.post("/<lang>/me/letters")
@_mine
def letters(lang: str, who: SignedIn) -> AnyResponse:
    """Switch the letters that people may do without."""
    with writing() as session:
        owners.want_letters(session, who.person, set(request.form.getlist("topics")))
    flash(_("C’est noté."), "success")
    return _home(lang, "#letters")


# My data -----------------------------------------------------------------------------------------------


@bp.post("/<lang>/me/data.zip")
@limiter.limit(_ARCHIVES, key_func=_whose)
@_mine
def data(lang: str, who: SignedIn) -> Response:  # noqa: ARG001 - the address has it
    """Everything we keep of this person, read from the storage while it is sent."""
    session, machines = reading(), runtime()
    archive = my_data.gather(
        session,
        machines.storage,
        who.person,
        site=machines.settings.site,
        say=words.said_word,
        now=db_now(session),
    )
    # Sending may take an hour; the request's session is closed before the first byte is asked for.
    answer = Response(archive.stream(machines.storage), content_type="application/zip")
    answer.content_length = len(archive)
    name = f"{slugify(machines.settings.site.name) or 'portal'}-{archive.made_at:%Y-%m-%d}.zip"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@bp.post("/<lang>/me/erase")
@limiter.limit(_LETTERS, key_func=_whose)
@_mine
def ask_to_erase(lang: str, who: SignedIn) -> AnyResponse:
    """Send the letter by which everything can be erased."""
    with writing() as session:
        owners.ask_to_erase(session, who.person, lang=lang)
    flash(_("Regardez votre boîte de réception : le lien qui confirme vaut 30 minutes."), "success")
    return _home(lang, "#data")


@bp.get("/<lang>/me/erase/<token>")
@limiter.limit(_NETWORK)
def confirm_erase(lang: str, token: str) -> tuple[str, int]:  # noqa: ARG001 - the address has it
    """What will be gone, and the one button that does it."""
    return _last_step(token, people.ERASE)


@bp.post("/<lang>/me/erase/<token>")
@limiter.limit(_NETWORK)
def erase(lang: str, token: str) -> tuple[str, int] | str:
    """Use the link up and have everything erased."""
    try:
        with writing() as session:
            person = people.use_link(session, token, people.ERASE)
            count = owners.erase(session, person, lang=lang)
    except Missing:
        return _last_step(token, people.ERASE)
    cookie.pop(KEY, None)
    return render_template("owner/erasing.html", count=count)


@bp.get("/<lang>/receipt/<receipt_id>")
def receipt(lang: str, receipt_id: str) -> str:  # noqa: ARG001 - the address has it
    """What was deleted, for whoever has the receipt's number; nothing in it says whose it was."""
    found = receipts.by_number(reading(), receipt_id[:32])
    facts = found.facts
    said = {
        "which": receipt_words.which(facts),
        "lines": receipt_words.lines(facts),
        "looked_for": receipt_words.looked_for(),
        "stays": receipt_words.stays(),
    }
    return render_template("owner/receipt.html", receipt=found, said=said)
