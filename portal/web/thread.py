"""The thread between an owner and the moderators: on the owner's pages, and on a clip's sheet in the studio.

Shows and parses; what is kept, brought by a letter and counted is in portal/thread.py.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from flask import (
    Blueprint,
    Response,
    after_this_request,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal import people, reasons, review, submission, thread
from portal.errors import Away, Conflict, PortalError, TooMuch, Unacceptable
from portal.i18n import gettext as _
from portal.lifecycle import OWNER
from portal.models import Clip, Message, NoticeState, State
from portal.web.db import reading, runtime, writing
from portal.web.limits import limiter
from portal.web.people import actor, guard_reviewers
from portal.web.words import seconds_in

bp = Blueprint("thread", __name__)
studio = Blueprint("studio_thread", __name__)
studio.before_request(guard_reviewers)

_PER_ADDRESS = "10/minute;100/day"


@dataclass(frozen=True, slots=True)
class Said:
    """One message as it stands on a page; `letter` says how far its letter is, empty where there is none."""

    id: int
    is_ours: bool
    who: str
    words: str
    at: datetime
    at_seconds: float | None
    is_by_mail: bool
    seen_at: datetime | None
    letter: str


@dataclass(slots=True)
class Thread:
    """A clip's messages and the form below them, with what was typed where it was refused."""

    said: list[Said]
    once: str
    may_write: bool = True
    # The owner's messages that nobody has dealt with, and the last one on this page.
    unanswered: int = 0
    last: int = 0
    words: str = ""
    at: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    longest: int = thread.WORDS_MOST
    # Answers come by mail too.
    has_letters: bool = True
    letter_minutes: int = int(thread.UNSEEN_SECONDS // 60)


def of(session: Session, clip: Clip) -> Thread:
    """The thread of a clip, for either side."""
    messages = thread.of(session, clip)
    names = people.names(session, {one.author_id for one in messages if one.author_id is not None})
    letters = thread.letters_of(session, clip)
    said = [_said(one, names, letters) for one in messages]
    waits = [one for one in messages if one.author == thread.BY_OWNER and one.seen_at is None]
    return Thread(
        said=said,
        once=people.new_token(),
        may_write=clip.state != State.ERASED,
        has_letters=thread.has_letters(session, clip),
        unanswered=len(waits),
        last=waits[-1].id if waits else 0,
    )


def _said(message: Message, names: dict[int, str], letters: dict[int, str]) -> Said:
    is_ours = message.author == thread.BY_MODERATOR
    team = _("l’équipe %(brand)s", brand=runtime().settings.site.brand)
    return Said(
        id=message.id,
        is_ours=is_ours,
        who=names.get(message.author_id or 0, team) if is_ours else "",
        words=message.words,
        at=message.made_at,
        at_seconds=message.at_seconds,
        is_by_mail=message.via == "mail",
        seen_at=message.seen_at,
        letter=_letter_word(letters.get(message.id, "")),
    )


def _letter_word(state: str) -> str:
    words = {
        NoticeState.WAITING: _("part par e-mail dans quelques minutes, sauf si la page est lue d’ici là"),
        NoticeState.SENDING: _("part par e-mail"),
        NoticeState.SENT: _("envoyé aussi par e-mail"),
        NoticeState.FAILED: _("l’e-mail n’est pas parti"),
    }
    return words.get(NoticeState(state), "") if state else ""


def unanswered(session: Session, clips: list[Clip]) -> dict[str, int]:
    """How many messages of their owners wait, by clip; for lists."""
    return thread.unanswered(session, [clip.id for clip in clips])


# The owner's side ---------------------------------------------------------------------------------------


def on_status(session: Session, clip: Clip) -> Thread:
    """The thread for a page of the owner's; what a person is shown here needs no letter any more."""
    shown = of(session, clip)
    ours = [one.id for one in shown.said if one.is_ours and one.seen_at is None]
    if ours and _is_read():
        _note_after(clip.id, max(ours))
    return shown


def _is_read() -> bool:
    """Whether a person has this page before them: no script's look, no page fetched ahead."""
    head = request.headers
    is_page = head.get("Sec-Fetch-Dest", "document") == "document"
    return request.method == "GET" and is_page and "prefetch" not in head.get("Sec-Purpose", "")


def _note_after(clip_id: str, up_to: int) -> None:
    """Once the page is made: a unit of work in the middle of it would throw away what the page has loaded."""

    @after_this_request
    def note(answer: Response) -> Response:
        # A database that is busy now costs a letter too many, not the page.
        if answer.status_code < 500:
            with suppress(Away), writing() as session:
                thread.seen_by_owner(session, session.get_one(Clip, clip_id), up_to=up_to)
        return answer


@bp.get("/<lang>/s/<token>/messages")
def read(lang: str, token: str) -> Response:
    """The thread alone."""
    clip = submission.by_link(reading(), token)
    return _page(lang, token, on_status(reading(), clip), clip)


@bp.post("/<lang>/s/<token>/messages")
@limiter.limit(_PER_ADDRESS)
def write(lang: str, token: str) -> AnyResponse:
    """Write to the moderators; the same form sent twice is one message."""
    try:
        with writing() as session:
            clip = submission.by_link(session, token)
            thread.add(
                session, clip, request.form.get("words", ""), author=OWNER, token=request.form.get("once", "")
            )
            has_letters = thread.has_letters(session, clip)
    except (Unacceptable, TooMuch, Conflict) as error:
        clip = submission.by_link(reading(), token)
        page = _page(lang, token, _refused(of(reading(), clip), error), clip)
        page.status_code = error.status
        return page
    said = (
        _("Votre message est arrivé. Vous aurez la réponse ici et par e-mail.")
        if has_letters
        else _("Votre message est arrivé. Vous aurez la réponse ici.")
    )
    flash(said, "success")
    return redirect(url_for("submission.status", lang=lang, token=token, _anchor="messages"), 303)


def _page(lang: str, token: str, shown: Thread, clip: Clip) -> Response:
    html = render_template("submission/thread.html", clip=clip, token=token, lang=lang, thread=shown)
    return make_response(html)


def _refused(shown: Thread, error: PortalError) -> Thread:
    shown.words, shown.at = request.form.get("words", ""), request.form.get("at", "")
    faults = {name: reasons.sentence(code, **error.facts) for name, code in error.fields.items()}
    shown.faults = faults or {"words": reasons.sentence(error.code, **error.facts)}
    return shown


# The moderators' side -----------------------------------------------------------------------------------


@studio.post("/studio/review/<clip_id>/messages")
def answer(clip_id: str) -> AnyResponse | tuple[str, int]:
    """Write to the owner, or say that nothing is left to answer."""
    form = request.form
    try:
        with writing() as session:
            clip = review.clip_by_id(session, clip_id)
            last = _last()
            if form.get("do") == "settle":
                thread.settle(session, clip, up_to=last)
            else:
                thread.add(
                    session, clip, form.get("words", ""), author=actor(), token=form.get("once", ""), answers=last,
                    at_seconds=seconds_in(form.get("at", "")),
                )  # fmt: skip
    except (Unacceptable, Conflict) as error:
        clip = review.clip_by_id(reading(), clip_id)
        shown = _refused(of(reading(), clip), error)
        return render_template("review/thread.html", clip=clip, thread=shown), error.status
    said = _("C’est noté : rien à répondre.") if form.get("do") == "settle" else _("Message envoyé.")
    flash(said, "success")
    return redirect(url_for("review.sheet", clip_id=clip_id, _anchor="messages"), 303)


@studio.get("/studio/review/<clip_id>/messages")
def back_to_sheet(clip_id: str) -> AnyResponse:
    """Whoever signed in again on the way to the form's address lands on the clip."""
    return redirect(url_for("review.sheet", clip_id=clip_id, _anchor="messages"), 303)


def _last() -> int:
    given = request.form.get("answers", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
