"""The captions part of the JSON API: reading, replacing, deleting and checking, for staff and for owners."""

from flask import Blueprint, Response
from msgspec import UNSET
from sqlalchemy.orm import Session

from portal import captions, review, webvtt
from portal.captions import OWNERS, STAFFS
from portal.errors import Code, Missing, Unacceptable
from portal.models import Caption, Clip, State
from portal.web import schemas_captions as c
from portal.web.callers import Caller, challenge, need, need_for
from portal.web.captions import accept_texts
from portal.web.db import reading, writing
from portal.web.idempotency import idempotent
from portal.web.strict import answer, body, empty, query, refuse_impossible_ids

bp = Blueprint("api_captions", __name__)
bp.url_value_preprocessor(accept_texts)
bp.after_request(challenge)
bp.before_request(refuse_impossible_ids)


@bp.get("/api/v1/review/<clip_id>/captions/<tr>")
def shown(clip_id: str, tr: str) -> Response:
    """The captions in one language, with their version."""
    need("review")
    session = reading()
    return answer(_told(captions.one(session, review.clip_by_id(session, clip_id), tr)))


@bp.put("/api/v1/review/<clip_id>/captions/<tr>")
@idempotent
def replace(clip_id: str, tr: str) -> Response:
    """Captions by a person's hand, in place of those that were seen."""
    return _replaced(clip_id, tr, need("review"), STAFFS)


@bp.delete("/api/v1/review/<clip_id>/captions/<tr>")
@idempotent
def delete(clip_id: str, tr: str) -> Response:
    """Do without them."""
    who, seen = need("review"), query(c.SeenCaptions)
    with writing() as session:
        clip = review.clip_by_id(session, clip_id)
        captions.delete(session, clip, tr, by=who.actor, seen_version=seen.version)
    return empty()


@bp.post("/api/v1/review/<clip_id>/captions/<tr>/check")
@idempotent
def check(clip_id: str, tr: str) -> Response:
    """Somebody has proof-read them, or has not."""
    who, said = need("review"), body(c.CheckedCaptions)
    with writing() as session:
        clip = review.clip_by_id(session, clip_id)
        row = captions.check(
            session, clip, tr, by=who.actor, seen_version=said.version, is_checked=said.checked
        )
        told = _told(row)
    return answer(told)


@bp.get("/api/v1/submissions/<clip_id>/captions/<tr>")
def owners(clip_id: str, tr: str) -> Response:
    """The captions of an owner's own clip."""
    need_for(clip_id)
    session = reading()
    return answer(_told(captions.one(session, _clip(session, clip_id), tr)))


@bp.put("/api/v1/submissions/<clip_id>/captions/<tr>")
@idempotent
def replace_owners(clip_id: str, tr: str) -> Response:
    """An owner's own captions, until a moderator has decided."""
    return _replaced(clip_id, tr, need_for(clip_id), OWNERS)


def _replaced(clip_id: str, tr: str, who: Caller, states: frozenset[State]) -> Response:
    said = body(c.NewCaptions)
    if (said.vtt is UNSET) == (said.cues is UNSET):
        code = Code.REQUIRED if said.vtt is UNSET else Code.INVALID
        raise Unacceptable(Code.INVALID, fields={"vtt": code})
    cues: str | captions.Given = (
        [(cue.start, cue.end, cue.text) for cue in said.cues] if said.cues is not UNSET else str(said.vtt)
    )
    with writing() as session:
        clip = _clip(session, clip_id)
        row = captions.replace(
            session, clip, tr, cues, by=who.actor, seen_version=said.version, states=states
        )
        told = _told(row)
    return answer(told)


def _clip(session: Session, clip_id: str) -> Clip:
    found = session.get(Clip, clip_id)
    if found is None:
        raise Missing(Code.MISSING)
    return found


def _told(row: Caption) -> c.Captions:
    cues = captions.cues_of(row)
    return c.Captions(
        lang=row.lang,
        version=row.version,
        origin=row.origin,
        touched=row.touched_at is not None,
        checked=row.checked_at is not None,
        changed_at=row.changed_at,
        cues=[c.ShownCue(start=cue.start, end=cue.end, text=cue.text) for cue in cues],
        words=[c.HeardWord(start=start, end=end, word=word) for start, end, word in row.words],
        vtt=webvtt.write(cues),
    )
