"""The moderators' part of the JSON API: queue, one clip, decisions on a version that was seen."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint, Response
from msgspec import UNSET
from sqlalchemy.orm import Session

from portal import captions, corrections, originals, posters, processing, review, signals, signatures, themes
from portal.errors import Code, Conflict, Unacceptable
from portal.models import Clip, Decision, Rendition
from portal.web import schemas, schemas_review
from portal.web.callers import challenge, need
from portal.web.db import reading, runtime, writing
from portal.web.idempotency import idempotent
from portal.web.strict import answer, body, query, refuse_impossible_ids

bp = Blueprint("api_review", __name__)
bp.after_request(challenge)
bp.before_request(refuse_impossible_ids)

PREVIEW_SECONDS: Final = 3600
"""How long a preview's addresses hold."""
_SHEET_FACTS = (
    *("id", "state", "state_since", "version", "title", "first_name", "city", "product", "owned_since"),
    *(
        "filmed_on",
        "speech_lang",
        "incentive",
        "altered",
        "music",
        "music_words",
        "relation",
        "consent_until",
        "owner_level",
        "channel",
        "fail_code",
    ),
    *("publish_at", "published_at", "seconds", "width", "height"),
)
_ROW_FACTS = (
    *("id", "state", "state_since", "version", "title", "first_name", "city", "speech_lang"),
    *("seconds", "width", "height"),
)


@bp.get("/api/v1/review")
def queue() -> Response:
    """Clips in one state, oldest first unless asked otherwise."""
    need("review")
    asked, session = query(schemas_review.ReviewQuery), reading()
    which: dict[str, Any] = {
        "state": asked.state,
        "campaign": asked.campaign or None,
        "theme": asked.theme or None,
        "lang": asked.lang or None,
    }
    after = _place(asked.cursor) if asked.cursor else None
    rows = review.queue(session, **which, order=asked.sort, after=after, limit=asked.limit + 1)
    shown = rows[: asked.limit]
    cursor = _cursor(shown[-1].clip) if len(rows) > len(shown) else None
    items = [_row(row.clip) for row in shown]
    return answer(
        schemas_review.ReviewQueue(items=items, next_cursor=cursor, total=review.count(session, **which))
    )


@bp.get("/api/v1/review/<clip_id>")
def sheet(clip_id: str) -> Response:
    """Everything a moderator sees of one clip, with addresses that play its preview for an hour."""
    need("review")
    return answer(_sheet(reading(), clip_id))


@bp.patch("/api/v1/review/<clip_id>")
@idempotent
def correct(clip_id: str) -> Response:
    """Correct the owner's words in the version that was seen; what is absent stays."""
    actor, said = need("review").actor, body(schemas_review.Correction)
    about = {name: value for name in corrections.ABOUT if (value := getattr(said, name)) is not UNSET}

    def act(session: Session, clip: Clip) -> None:
        review.edit(
            session,
            clip,
            by=actor,
            seen_version=said.version,
            title=None if said.title is UNSET else said.title,
            themes=None if said.themes is UNSET else said.themes,
            about=about,
            is_typo=said.typo,
        )

    return _decided(clip_id, said.version, act)


@bp.post("/api/v1/review/<clip_id>/approve")
@idempotent
def approve(clip_id: str) -> Response:
    """Accept the version that was seen; it is published at once or at the time given."""
    actor, said = need("review").actor, body(schemas_review.Approve)

    def act(session: Session, clip: Clip) -> None:
        review.approve(
            session,
            clip,
            by=actor,
            seen_version=said.version,
            publish_at=said.publish_at,
            title=said.title,
            themes=said.themes,
            words=said.words,
            is_typo=said.typo,
            needs_captions=runtime().settings.site.requires_captions,
            delay=0.0,
        )

    return _decided(clip_id, said.version, act)


@bp.post("/api/v1/review/<clip_id>/request-changes")
@idempotent
def request_changes(clip_id: str) -> Response:
    """Ask the owner to mend something."""
    actor, said = need("review").actor, body(schemas_review.RequestChanges)
    reasons = [review.GivenReason(one.code, one.at_seconds, one.words) for one in said.reasons]

    def act(session: Session, clip: Clip) -> None:
        review.request_changes(session, clip, reasons, by=actor, seen_version=said.version, delay=0.0)

    return _decided(clip_id, said.version, act)


@bp.post("/api/v1/review/<clip_id>/reject")
@idempotent
def reject(clip_id: str) -> Response:
    """Refuse the clip, with a reason of the published rules."""
    actor, said = need("review").actor, body(schemas_review.Refusal)

    def act(session: Session, clip: Clip) -> None:
        review.reject(session, clip, said.reason, said.words, by=actor, seen_version=said.version, delay=0.0)

    return _decided(clip_id, said.version, act)


@bp.post("/api/v1/review/<clip_id>/unpublish")
@idempotent
def unpublish(clip_id: str) -> Response:
    """Take the clip down at once, with a reason."""
    actor, said = need("review").actor, body(schemas_review.Refusal)

    def act(session: Session, clip: Clip) -> None:
        review.unpublish(session, clip, said.reason, said.words, by=actor, seen_version=said.version)

    return _decided(clip_id, said.version, act)


@bp.post("/api/v1/review/<clip_id>/retry")
@idempotent
def retry(clip_id: str) -> Response:
    """Try the failed film work again."""
    actor, said = need("review").actor, body(schemas_review.Retry)

    def act(session: Session, clip: Clip) -> None:
        if said.version is not UNSET and said.version != clip.version:
            raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
        processing.retry(session, clip, by=actor)

    return _decided(clip_id, 0 if said.version is UNSET else said.version, act)


@bp.post("/api/v1/review/<clip_id>/poster")
@idempotent
def poster(clip_id: str) -> Response:
    """Choose the picture that the clip is known by."""
    actor, said = need("review").actor, body(schemas.PosterChoice)
    with writing() as session:
        clip = review.clip_by_id(session, clip_id)
        posters.choose(session, clip, said.at_seconds, by=actor)
        told = schemas_review.NewState(
            id=clip.id, state=clip.state, state_since=clip.state_since, version=clip.version
        )
    return answer(told, 202)


@bp.post("/api/v1/review/<clip_id>/original")
@idempotent
def original(clip_id: str) -> Response:
    """Where the film can be fetched as it was sent, for ten minutes; written down in the clip's history."""
    actor, _said = need("admin").actor, body(schemas.Nothing)
    handed = originals.hand_out(writing, runtime().storage, clip_id, by=actor)
    return answer(
        schemas_review.HandedOriginal(url=handed.url, name=handed.name, seconds=originals.LIFE_SECONDS)
    )


def _decided(clip_id: str, seen_version: int, act: Callable[[Session, Clip], object]) -> Response:
    with telling_changes(clip_id, seen_version), writing() as session:
        clip = review.clip_by_id(session, clip_id)
        act(session, clip)
        told = schemas_review.NewState(
            id=clip.id, state=clip.state, state_since=clip.state_since, version=clip.version
        )
    return answer(told)


@contextmanager
def telling_changes(clip_id: str, seen_version: int) -> Iterator[None]:
    """Add to a conflict what happened to the clip since the version that was seen."""
    try:
        yield
    except Conflict as conflict:
        session = reading()
        clip = review.clip_by_id(session, clip_id)
        happened = review.history(session, clip, since_version=seen_version)
        changes = [
            {"verb": one.verb, "at": _rfc3339(one.at), "by": one.who or one.actor, "version": one.version}
            for one in happened
        ]
        facts = {**conflict.facts, "state": clip.state, "version": clip.version, "changes": changes}
        raise Conflict(conflict.code, fields=conflict.fields, **facts) from conflict


def _row(clip: Clip) -> schemas_review.ReviewItem:
    return schemas_review.ReviewItem(
        **{name: getattr(clip, name) for name in _ROW_FACTS},
        campaign=clip.campaign.slug,
        themes=[theme.slug for theme in clip.themes],
    )


def _sheet(session: Session, clip_id: str) -> schemas_review.ReviewClip:
    seen, default = review.sheet(session, clip_id), runtime().settings.site.default_language
    clip, at = seen.clip, processing.progress_of(session, seen.clip)
    looked = signals.of(session, clip, seen.film, seen.cut)
    return schemas_review.ReviewClip(
        **{name: getattr(clip, name) for name in _SHEET_FACTS},
        campaign=seen.campaign.slug,
        themes=[
            schemas.ThemeName(slug=one.slug, name=themes.name_of(one, default, default))
            for one in seen.themes
        ],
        people=[_alike(schemas_review.PersonFilmed, one) for one in signatures.of(session, clip)],
        owner=schemas_review.Owner(name=seen.owner.name, email=seen.owner.email, lang=seen.owner.lang)
        if seen.owner
        else None,
        film=_alike(schemas_review.FilmFacts, seen.film) if seen.film else None,
        consents=[_consent(one) for one in seen.consents],
        decisions=[_decision(one) for one in seen.decisions],
        history=[_event(one) for one in seen.history],
        notes=[_alike(schemas_review.Remark, one) for one in seen.notes],
        signals=[_signal(one) for one in looked.shown],
        signals_state=looked.state,
        jobs=[_alike(schemas_review.Work, one) for one in seen.jobs],
        progress=schemas.Progress(step=at["step"], percent=at["percent"]) if at else None,
        playback=_preview(session, clip, seen.renditions),
    )


def _alike(kind: type[Any], row: Any) -> Any:
    """A struct from the row's attributes of the same names."""
    return kind(**{name: getattr(row, name) for name in kind.__struct_fields__})


def _consent(one: Any) -> schemas_review.GivenConsent:
    return schemas_review.GivenConsent(
        purpose=one.purpose,
        version=one.text.version,
        sha256=one.text.sha256,
        lang=one.text.lang,
        given_at=one.given_at,
        given_via=one.given_via,
        revoked_at=one.revoked_at,
    )


def _decision(one: Decision) -> schemas_review.MadeDecision:
    return schemas_review.MadeDecision(
        verb=one.verb,
        made_at=one.made_at,
        undone_at=one.undone_at,
        clip_version=one.clip_version,
        film_sha256=one.film_sha256,
        moderator_id=one.moderator_id,
        reasons=[_alike(schemas.GivenReason, reason) for reason in one.reasons],
    )


def _signal(one: signals.Shown) -> schemas_review.SignalSeen:
    return schemas_review.SignalSeen(
        kind=one.kind, at_seconds=one.at, until_seconds=one.until, sentence=one.sentence, facts=one.facts
    )


def _event(one: review.Happening) -> schemas_review.Event:
    return schemas_review.Event(at=one.at, verb=one.verb, actor=one.actor, who=one.who, version=one.version)


def _preview(session: Session, clip: Clip, renditions: list[Rendition]) -> schemas.Playback | None:
    """Signed addresses of the private files; HLS is left out, since its playlists name unsigned ones."""
    if not renditions:
        return None

    def signed(one: Rendition) -> str:
        return runtime().storage.sign_get(one.key, ttl=PREVIEW_SECONDS, content_type=one.content_type)

    posters: dict[str, list[schemas.Picture]] = {}
    for one in sorted(renditions, key=lambda one: one.width or 0):
        if one.kind == "poster":
            form = one.name.rpartition(".")[2]
            posters.setdefault(form, []).append(schemas.Picture(width=one.width or 0, url=signed(one)))
    mp4 = sorted((one for one in renditions if one.kind == "mp4"), key=lambda one: one.height or 0)
    return schemas.Playback(
        hls_url=None,
        mp4=[schemas.Mp4(height=one.height or 0, url=signed(one), bytes=one.size_bytes) for one in mp4],
        posters=posters,
        storyboard=None,
        captions=[
            schemas.Caption(
                lang=one.lang,
                url=f"{runtime().settings.site.url}/api/v1/review/{clip.id}/captions/{one.lang}",
                checked=one.checked_at is not None,
                automatic=captions.is_automatic(one),
            )
            for one in captions.of(session, clip)
        ],
    )


def _cursor(clip: Clip) -> str:
    return urlsafe_b64encode(f"{_rfc3339(clip.state_since)}|{clip.id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        since, clip_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split("|")
        at = datetime.fromisoformat(since)
        # Raises OverflowError beyond the years 1 to 9999 of UTC.
        utc = at.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise Unacceptable(Code.INVALID, fields={"cursor": Code.INVALID}) from error
    if at.tzinfo is None or "\x00" in clip_id:
        raise Unacceptable(Code.INVALID, fields={"cursor": Code.INVALID})
    return utc, clip_id


def _rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
