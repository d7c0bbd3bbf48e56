"""The moderators' pages: the queue, one clip's sheet, and the forms that decide.

Shows and parses; what a decision means is in portal/review.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from portal import (
    campaigns,
    i18n,
    letters,
    processing,
    readiness,
    reasons,
    review,
    signals,
    signatures,
    terms,
)
from portal.errors import Code, Conflict, NotAllowed, Unacceptable
from portal.i18n import gettext as _
from portal.jobs import JobKind
from portal.letters import Said
from portal.models import Clip, State
from portal.notices import NoticeKind
from portal.review import GivenReason, ReasonCode
from portal.web import captions, cut_panel, levels, sheet_forms, support, thread
from portal.web.db import reading, runtime, writing
from portal.web.people import actor, guard_reviewers, me
from portal.web.playback import Playback, first_playable, preview_of, preview_playlist
from portal.web.posters import choice_of
from portal.web.rows import campaign_title, lines, promised, theme_names
from portal.web.words import fields_in_words, seconds_in, state_kind, state_word, verb_word

bp = Blueprint("review", __name__)
bp.before_request(guard_reviewers)

CHECKS = ("whole", "people", "music", "driving")
"""What a moderator confirms before publishing; each is a box of the sheet's form."""

_LIST_MOST = 100
_A_DAY = 86_400
_BESIDE_MOST = 30

PageAnswer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision that needs reasons: its verb, the states it starts from, the mail, the reasons on offer."""

    verb: str
    kind: NoticeKind
    codes: tuple[ReasonCode, ...]
    is_single: bool


_FIXABLE = tuple(code for code in ReasonCode if code.is_fixable)
_FINAL = tuple(code for code in ReasonCode if code.is_final)
VERDICTS = {
    "request-changes": Verdict("request_changes", NoticeKind.CHANGES_REQUESTED, _FIXABLE, is_single=False),
    "reject": Verdict("reject", NoticeKind.REJECTED, _FINAL, is_single=True),
    "unpublish": Verdict("unpublish", NoticeKind.REMOVED, _FINAL, is_single=True),
}


# The queue ---------------------------------------------------------------------------------------------


@bp.get("/studio/review")
def queue() -> str:
    """What waits, oldest first, with filters."""
    wanted = _wanted()
    session = reading()
    return render_template(
        "review/queue.html",
        rows=lines(review.queue(session, **wanted, order=_order(), limit=_LIST_MOST), q=wanted["q"]),
        total=review.count(session, **wanted),
        counts=review.counts(session),
        late=review.late_count(session),
        chosen={**wanted, "order": _order()},
        states=[(state, state_word(state)) for state in State if state not in (State.DRAFT, State.ERASED)],
        campaigns=[(one.slug, campaign_title(one)) for one in campaigns.every(session)],
        themes=theme_names(),
        done=_done(),
    )


@bp.get("/studio/review/next")
def next_one() -> Response:
    """Open the oldest clip that no colleague holds, or the one behind `after`."""
    session = reading()
    passed = session.get(Clip, request.args.get("after", ""))
    return _to_next(
        review.place_of(passed) if passed is not None else None, done=request.args.get("done", "")
    )


def _wanted() -> dict[str, Any]:
    asked, replies = request.args.get("state", ""), request.args.get("flag") == "replies"
    # Owners write whatever state their clip is in.
    return {
        "state": State(asked) if asked in set(State) else None if replies else State.IN_REVIEW,
        "replies": replies,
        "campaign": request.args.get("campaign", ""),
        "theme": request.args.get("theme", ""),
        "lang": request.args.get("speech", ""),
        "q": request.args.get("q", ""),
    }


def _order() -> str:
    return "newest" if request.args.get("order") == "newest" else "oldest"


# One clip ----------------------------------------------------------------------------------------------


@bp.get("/studio/review/<clip_id>")
def sheet(clip_id: str) -> str:
    """Everything about one clip; opening it tells colleagues that somebody is looking."""
    clip = review.clip_by_id(reading(), clip_id)
    if clip.state == State.IN_REVIEW:
        with writing() as session:
            review.claim(session, clip, me())
    return _sheet_page(clip_id)


def _player(seen: review.Sheet) -> Playback | None:
    """The made film, or what can be watched of one that is still being made."""
    storage = runtime().storage
    playlist = url_for("review.preview", clip_id=seen.clip.id)
    player = preview_of(storage, seen.renditions, seen.clip) or first_playable(
        storage, seen.film, playlist, seen.clip
    )
    # The links of signals, notes and words: without script they lead here.
    at = request.args.get("t", 0.0, type=float)
    return replace(player, at=at) if player is not None and 0 < at < _A_DAY else player


@bp.get("/studio/review/<clip_id>/preview.m3u8")
def preview(clip_id: str) -> Response:
    """The playlist of a film that is watched while its ladder is being made."""
    answer = make_response(preview_playlist(runtime().storage, review.sheet(reading(), clip_id).film))
    answer.headers["Content-Type"] = "application/vnd.apple.mpegurl"
    return answer


def _sheet_page(clip_id: str, **more: Any) -> str:
    session = reading()
    seen = review.sheet(session, clip_id)
    clip = seen.clip
    slugs = [theme.slug for theme in seen.themes]
    context: dict[str, Any] = {
        "s": seen,
        "clip": clip,
        "beside": lines(review.queue(session, limit=_BESIDE_MOST)),
        "total": review.count(session),
        "campaign": campaign_title(seen.campaign),
        "themes": theme_names(slugs),
        "version": _version_seen(clip, more),
        "state_word": state_word,
        "said": reasons.name_of,
        "verb_word": verb_word,
        "fields_in_words": fields_in_words,
        "values": sheet_forms.stands(clip, slugs),
        "faults": {},
        "since": None,
        "done": _done(),
    }
    return render_template("review/sheet.html", **(context | _film_facts(seen) | _clip_facts(seen) | more))


def _film_facts(seen: review.Sheet) -> dict[str, Any]:
    """What the sheet shows of the film: how far it is, player, captions, cuts, picture, what the machine noticed."""
    session, clip = reading(), seen.clip
    return {
        "progress": processing.progress_of(session, clip),
        "fault": reasons.sentence(Code(clip.fail_code), **clip.fail_facts)
        if clip.fail_code in set(Code)
        else "",
        "player": captions.for_staff(_player(seen), session, clip),
        "captions": captions.on_sheet(session, clip),
        "wants_captions": runtime().settings.site.requires_captions
        and review.waits_for_captions(session, clip),
        "cutting": cut_panel.of(session, clip, track_url=captions.reviewers_tracks(clip)),
        "poster": choice_of(session, clip, by=actor()),
        "signals": signals.of(session, clip, seen.film, seen.cut),
    }


def _clip_facts(seen: review.Sheet) -> dict[str, Any]:
    """Where the clip stands, what may be decided, and what was agreed and written about it."""
    session, clip = reading(), seen.clip
    return {
        "state": state_word(clip.state),
        "kind": state_kind(clip.state),
        "due": promised(clip, seen.campaign),
        "may_decide": clip.state == State.IN_REVIEW,
        "may_reopen": review.may_reopen(session, clip, by=actor()),
        "missing": readiness.missing(session, clip),
        "term_over": terms.of(session, clip).is_over,
        "co_signatures": signatures.of(session, clip),
        "dropped": signatures.dropped(session, clip),
        "level": levels.level_facts(clip),
        "thread": thread.of(session, clip),
        "support": support.of(session, clip),
    }


@bp.get("/studio/review/<clip_id>/<any(claim, edit, note, approve, undo, retry, reopen):_verb>")
def back_to_sheet(clip_id: str, _verb: str) -> Response:
    """Whoever signed in again on the way to a form's address lands on the clip."""
    return redirect(url_for("review.sheet", clip_id=clip_id), 303)


@bp.post("/studio/review/<clip_id>/claim")
def claim(clip_id: str) -> Response:
    """Take the clip over from a colleague."""
    with writing() as session:
        review.claim(session, review.clip_by_id(session, clip_id), me(), take_over=True)
    return redirect(url_for("review.sheet", clip_id=clip_id), 303)


@bp.post("/studio/review/<clip_id>/edit")
def edit(clip_id: str) -> PageAnswer:
    """Correct title and themes, or the owner's other words: each of the two forms brings its own."""
    form = request.form

    def act(session: Any, clip: Clip) -> None:
        review.edit(
            session,
            clip,
            by=actor(),
            seen_version=sheet_forms.version(),
            title=form.get("title"),
            themes=form.getlist("theme") if "title" in form else None,
            about=sheet_forms.about(),
            is_typo="typo" in form,
        )

    saved = _("Titre et thèmes enregistrés.") if "title" in form else _("Corrections enregistrées.")
    return _on_sheet(clip_id, act) or _said(clip_id, saved)


@bp.post("/studio/review/<clip_id>/note")
def note(clip_id: str) -> PageAnswer:
    """Leave a remark for colleagues."""

    def act(session: Any, clip: Clip) -> None:
        review.note(
            session, clip, request.form.get("words", ""), seconds_in(request.form.get("at", "")), by=actor()
        )

    return _on_sheet(clip_id, act) or _said(clip_id, _("Note ajoutée."))


@bp.post("/studio/review/<clip_id>/approve")
def approve(clip_id: str) -> PageAnswer:
    """Publish, once everything on the checklist is confirmed."""

    def act(session: Any, clip: Clip) -> None:
        if not set(CHECKS) <= set(request.form.getlist("check")):
            raise Unacceptable(Code.INCOMPLETE, fields={"check": Code.INCOMPLETE})
        title, chosen = request.form.get("title", ""), request.form.getlist("theme")
        review.approve(
            session,
            clip,
            by=actor(),
            seen_version=sheet_forms.version(),
            title=title,
            themes=chosen,
            words=request.form.get("line", ""),
            is_typo="typo" in request.form,
            needs_captions=runtime().settings.site.requires_captions,
        )

    place = review.place_of(review.clip_by_id(reading(), clip_id))
    return _on_sheet(clip_id, act, verb="approve") or _to_next(place, done=clip_id)


@bp.post("/studio/review/<clip_id>/undo")
def undo(clip_id: str) -> Response:
    """Take one's own last decision back."""
    try:
        with writing() as session:
            review.undo(session, review.clip_by_id(session, clip_id), by=actor())
    except Conflict:
        flash(_("Trop tard pour annuler : la décision est partie."), "error")
    else:
        flash(_("Décision annulée : le clip est de nouveau à relire."), "success")
    return redirect(url_for("review.sheet", clip_id=clip_id), 303)


@bp.post("/studio/review/<clip_id>/retry")
def retry(clip_id: str) -> Response:
    """Let the worker try a failed film or job again."""
    kind = request.form.get("kind", "")

    def act(session: Any, clip: Clip, *, by: Any) -> None:
        processing.retry(session, clip, kind=JobKind(kind) if kind in set(JobKind) else None, by=by)

    return _simple(clip_id, act, _("Nouvel essai demandé."))


@bp.post("/studio/review/<clip_id>/reopen")
def reopen(clip_id: str) -> Response:
    """Look at a refused or removed clip again."""

    def act(session: Any, clip: Clip, *, by: Any) -> None:
        review.reopen(session, clip, by=by, seen_version=sheet_forms.version())

    return _simple(clip_id, act, _("Le clip est de nouveau à relire."))


def _simple(clip_id: str, act: Callable[..., None], said: str) -> Response:
    try:
        with writing() as session:
            act(session, review.clip_by_id(session, clip_id), by=actor())
    except (Conflict, NotAllowed) as error:
        flash(reasons.sentence(error.code), "error")
        return redirect(url_for("review.sheet", clip_id=clip_id), 303)
    return _said(clip_id, said)


def _on_sheet(clip_id: str, act: Callable[[Any, Clip], None], *, verb: str = "") -> tuple[str, int] | None:
    """Do it; what cannot be taken comes back on the sheet, filled in, with what changed meanwhile."""
    try:
        with writing() as session:
            act(session, review.clip_by_id(session, clip_id))
    except Conflict as error:
        if error.code != Code.CONFLICT:
            return _sheet_page(clip_id, values=_kept(clip_id), faults=sheet_forms.faults(error)), 409
        if _is_pressed_twice(clip_id, verb):
            return None
        # What was confirmed was confirmed of another version.
        return _sheet_page(clip_id, values=_kept(clip_id) | {"checks": []}, since=_since(clip_id)), 409
    except Unacceptable as error:
        return _sheet_page(clip_id, values=_kept(clip_id), faults=sheet_forms.faults(error)), 422
    return None


def _kept(clip_id: str) -> dict[str, Any]:
    return sheet_forms.kept(review.sheet(reading(), clip_id))


def _since(clip_id: str) -> list[review.Happening]:
    session = reading()
    return review.history(session, review.clip_by_id(session, clip_id), since_version=sheet_forms.version())


def _version_seen(clip: Clip, more: dict[str, Any]) -> int:
    """The version that the page's forms decide on: a form that came back is about what its sender looked at.

    Only whoever was told what happened since has seen more than that.
    """
    return sheet_forms.version() if request.method == "POST" and more.get("since") is None else clip.version


def _is_pressed_twice(clip_id: str, verb: str) -> bool:
    session = reading()
    clip = review.clip_by_id(session, clip_id)
    return review.was_decided(session, clip, verb, by=actor(), seen_version=sheet_forms.version())


def _said(clip_id: str, words: str) -> Response:
    flash(words, "success")
    return redirect(url_for("review.sheet", clip_id=clip_id), 303)


def _to_next(after: tuple[datetime, str] | None, *, done: str = "") -> Response:
    found = review.next_clip(reading(), after=after, person_id=me().id)
    more: dict[str, Any] = {"done": done} if done else {}
    if found is None:
        return redirect(url_for("review.queue", **more), 303)
    return redirect(url_for("review.sheet", clip_id=found, **more), 303)


def _done() -> dict[str, Any] | None:
    """The decision just taken, for the line that can take it back."""
    session = reading()
    clip = session.get(Clip, request.args.get("done", ""))
    if clip is None:
        return None
    verb, left = review.undo_left(session, clip, by=actor())
    return {"clip": clip, "verb": verb, "seconds": int(left)} if verb else None


# Decisions with reasons --------------------------------------------------------------------------------


@bp.get("/studio/review/<clip_id>/<any('request-changes', reject, unpublish):verdict>")
def ask(clip_id: str, verdict: str) -> str:
    """Ask which reasons, where in the film, in which words."""
    return _verdict_page(clip_id, VERDICTS[verdict])


@bp.post("/studio/review/<clip_id>/<any('request-changes', reject, unpublish):verdict>")
def decide(clip_id: str, verdict: str) -> PageAnswer:
    """Show the mail first when asked to, else decide and go on to the next clip."""
    wanted = VERDICTS[verdict]
    place = review.place_of(review.clip_by_id(reading(), clip_id))
    try:
        given = _given(wanted)
        if request.form.get("do") == "preview":
            return _verdict_page(clip_id, wanted, given=given)
        with writing() as session:
            _carry_out(session, review.clip_by_id(session, clip_id), wanted, given)
    except Conflict:
        if not _is_pressed_twice(clip_id, wanted.verb):
            return _verdict_page(clip_id, wanted, since=_since(clip_id)), 409
    except Unacceptable as error:
        return _verdict_page(clip_id, wanted, faults=sheet_forms.faults(error)), 422
    if wanted.verb == "unpublish":
        return _said(clip_id, _("Le clip n’est plus en ligne."))
    return _to_next(place, done=clip_id)


def _carry_out(session: Any, clip: Clip, wanted: Verdict, given: list[GivenReason]) -> None:
    by, seen = actor(), sheet_forms.version()
    if wanted.verb == "request_changes":
        review.request_changes(session, clip, given, by=by, seen_version=seen)
    elif wanted.verb == "reject":
        only = given[0]
        review.reject(
            session, clip, only.code, only.words, by=by, seen_version=seen, at_seconds=only.at_seconds
        )
    else:
        review.unpublish(session, clip, given[0].code, given[0].words, by=by, seen_version=seen)


def _given(wanted: Verdict) -> list[GivenReason]:
    form = request.form
    chosen = [code for code in form.getlist("reason") if code in wanted.codes]
    if not chosen:
        raise Unacceptable(Code.REQUIRED, fields={"reasons": Code.REQUIRED})
    if not wanted.is_single:
        return [
            GivenReason(c, seconds_in(form.get(f"at_{c}", "")), form.get(f"words_{c}", "")) for c in chosen
        ]
    if not form.get("words", "").strip():
        raise Unacceptable(Code.REQUIRED, fields={"words": Code.REQUIRED})
    return [GivenReason(chosen[0], seconds_in(form.get("at", "")), form["words"])]


def _verdict_page(
    clip_id: str, wanted: Verdict, *, given: list[GivenReason] | None = None, **more: Any
) -> str:
    seen = review.sheet(reading(), clip_id)
    clip = seen.clip
    mail = None
    if given is not None:
        said = [Said(one.code, one.at_seconds, one.words) for one in given]
        settings = runtime().settings
        mail = letters.preview(wanted.kind, clip, clip.lang, said, settings.site, inbox=settings.mail.inbox)
    sources = {"request_changes": State.IN_REVIEW, "reject": State.IN_REVIEW, "unpublish": State.PUBLISHED}
    may_decide = clip.state == sources[wanted.verb] or (wanted.verb, clip.state) == (
        "unpublish",
        State.APPROVED,
    )
    context = {
        "s": seen,
        "clip": clip,
        "verdict": wanted,
        "player": captions.for_staff(preview_of(runtime().storage, seen.renditions, clip), reading(), clip),
        "offered": _offered(wanted, clip.lang),
        "mail": mail,
        "may_decide": may_decide,
        "version": _version_seen(clip, more),
        "state": state_word(clip.state),
        "kept": request.form,
        "chosen": request.form.getlist("reason"),
        "faults": {},
        "since": None,
        "verb_word": verb_word,
        "fields_in_words": fields_in_words,
    }
    return render_template("review/verdict.html", **(context | more))


def _offered(wanted: Verdict, owner_lang: str) -> list[dict[str, str]]:
    """The reasons in the reader's words, each with the paragraph it writes in the owner's."""
    with i18n.language(owner_lang):
        written = {code: reasons.rule_of(code) for code in wanted.codes}
    return [
        {"code": code, "name": reasons.name_of(code), "rule": reasons.rule_of(code), "text": written[code]}
        for code in wanted.codes
    ]
