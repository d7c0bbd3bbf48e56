"""Choosing the picture a clip is known by: one of those proposed, an instant of the film, or a picture of one's own."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from flask import Blueprint, Flask, flash, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal import posters, review, submission
from portal.errors import Code, Conflict, PortalError, Unavailable
from portal.i18n import gettext as _
from portal.lifecycle import OWNER, Actor
from portal.models import Clip
from portal.reasons import sentence
from portal.storage import Bucket
from portal.web.db import reading, runtime, writing
from portal.web.limits import limiter
from portal.web.people import actor, guard_reviewers
from portal.web.playback import PREVIEW_SECONDS
from portal.web.words import seconds_in

bp = Blueprint("posters", __name__)
studio = Blueprint("studio_posters", __name__)
studio.before_request(guard_reviewers)

_TAKES_A_PICTURE = {"posters.choose", "studio_posters.choose"}
_FORM_BYTES = posters.STILL_BYTES + (64 << 10)


@dataclass(frozen=True, slots=True)
class Shot:
    """One proposed picture as the form shows it."""

    at_seconds: float
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Everything the form needs: the proposals, whether a choice is being made, why the last one failed."""

    shots: tuple[Shot, ...]
    takes_still: bool
    is_on_its_way: bool
    is_own: bool
    trouble: str


def choice_of(session: Session, clip: Clip, *, by: Actor) -> Choice | None:
    """What this hand may choose for this clip; None when there is nothing to choose."""
    if clip.state not in posters.CHOOSABLE:
        return None
    storage = runtime().storage
    shots = tuple(
        Shot(
            one.at_seconds,
            storage.sign_get(one.file.key, ttl=PREVIEW_SECONDS, content_type="image/webp"),
            one.is_chosen,
        )
        for one in posters.proposals(session, clip)
    )
    if not shots:
        return None
    code = posters.trouble(session, clip)
    return Choice(
        shots,
        posters.takes_still(clip, by=by),
        posters.is_on_its_way(session, clip),
        clip.still_key is not None,
        sentence(code) if code else "",
    )


@bp.post("/<lang>/s/<token>/poster")
@limiter.limit("30 per hour")
def choose(lang: str, token: str) -> AnyResponse:
    """The owner's choice."""
    _take(lambda session: submission.by_link(session, token), OWNER)
    return redirect(url_for("submission.status", lang=lang, token=token) + "#image", 303)


@studio.post("/studio/review/<clip_id>/poster", endpoint="choose")
def choose_in_studio(clip_id: str) -> AnyResponse:
    """A moderator's choice."""
    _take(lambda session: review.clip_by_id(session, clip_id), actor())
    return redirect(url_for("review.sheet", clip_id=clip_id) + "#image", 303)


def init_app(app: Flask) -> None:
    """Let a photograph through where one is asked for; must stand before whatever reads forms."""

    @app.before_request
    def make_room() -> None:
        if request.endpoint in _TAKES_A_PICTURE:
            request.max_content_length = _FORM_BYTES


def _take(find: Callable[[Session], Clip], by: Actor) -> None:
    try:
        sent = request.files.get("still")
        data = sent.read() if sent is not None and sent.filename else b""
        if data:
            _use_still(find, data, by)
        else:
            is_own = request.form.get("at", "own") == "own"
            at = seconds_in(request.form.get("own_at", "")) if is_own else None
            with writing() as session:
                posters.choose(session, find(session), _instant() if at is None else at, by=by)
    except PortalError as error:
        if error.status not in (409, 422, 503):
            raise
        flash(sentence(error.code, **error.facts), "error")
    else:
        flash(_("C’est noté : l’image change dans un instant."), "success")


def _instant() -> float:
    try:
        return float(request.form.get("at", ""))
    except ValueError:
        return -1.0


def _use_still(find: Callable[[Session], Clip], data: bytes, by: Actor) -> None:
    clip = find(reading())
    if not posters.takes_still(clip, by=by):
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    key, content_type = posters.announce_still(clip, data[:16], len(data))
    storage = runtime().storage
    storage.put(Bucket.ORIGINALS, key, data, content_type=content_type)
    try:
        with writing() as session:
            posters.use_still(session, find(session), key, by=by)
    except Conflict:
        with suppress(Unavailable):
            storage.delete(Bucket.ORIGINALS, [key])
        raise
