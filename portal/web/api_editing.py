"""Cuts by the API: list them, propose one, adopt it, do without."""

from typing import Any

from flask import Blueprint, Response

from portal import edit_words, editing, review
from portal.editing import Version
from portal.edits import Blur, EditList, Passage
from portal.web import cut_panel, schemas, schemas_editing
from portal.web.api_review import PREVIEW_SECONDS, telling_changes
from portal.web.callers import challenge, need
from portal.web.db import reading, runtime, writing
from portal.web.idempotency import idempotent
from portal.web.strict import answer, body, refuse_impossible_ids

bp = Blueprint("api_editing", __name__)
bp.after_request(challenge)
bp.before_request(refuse_impossible_ids)


@bp.get("/api/v1/review/<clip_id>/cuts")
def cuts(clip_id: str) -> Response:
    """Every cut of the film that counts, newest first."""
    need("review")
    return answer(_cuts(clip_id))


@bp.post("/api/v1/review/<clip_id>/cuts")
@idempotent
def propose(clip_id: str) -> Response:
    """Have the film that counts made anew with this edit list."""
    actor, said = need("review").actor, body(schemas_editing.NewCut)
    edits = EditList(
        said.start,
        said.end,
        tuple(Passage(one.start, one.end) for one in said.cuts),
        tuple(Passage(one.start, one.end) for one in said.mutes),
        tuple(Blur(one.start, one.end, one.left, one.top, one.width, one.height) for one in said.blurs),
    )
    with telling_changes(clip_id, said.version), writing() as session:
        clip = review.clip_by_id(session, clip_id)
        editing.propose(session, clip, edits, by=actor, seen_version=said.version)
    return answer(_cuts(clip_id), 202)


@bp.post("/api/v1/review/<clip_id>/cuts/<int:number>/adopt")
@idempotent
def adopt(clip_id: str, number: int) -> Response:
    """Let a finished cut count; a published clip shows it as soon as it is copied."""
    actor, said = need("review").actor, body(schemas_editing.ChosenCut)
    with telling_changes(clip_id, said.version), writing() as session:
        clip = review.clip_by_id(session, clip_id)
        editing.adopt(session, clip, number, by=actor, seen_version=said.version)
    return answer(_cuts(clip_id))


@bp.delete("/api/v1/review/<clip_id>/cuts/<int:number>")
@idempotent
def let_go(clip_id: str, number: int) -> Response:
    """Do without a cut that is being made, waits or has failed."""
    actor = need("review").actor
    with telling_changes(clip_id, 0), writing() as session:
        editing.let_go(session, review.clip_by_id(session, clip_id), number, by=actor)
    return answer(_cuts(clip_id))


def _cuts(clip_id: str) -> schemas_editing.Cuts:
    session = reading()
    clip = review.clip_by_id(session, clip_id)
    session.refresh(clip)
    panel = cut_panel.of(session, clip)
    return schemas_editing.Cuts(
        id=clip.id,
        state=clip.state,
        version=clip.version,
        film_seconds=panel.film_seconds or None,
        items=[_cut(session, one.version) for one in panel.versions],
    )


def _cut(session: Any, version: Version) -> schemas_editing.Cut:
    cut = version.cut
    files = [one for one in cut_panel.renditions_of(session, version) if one.kind == "mp4"]
    return schemas_editing.Cut(
        number=cut.number,
        state=cut.state,
        origin=cut.origin,
        is_current=version.is_current,
        created_at=cut.created_at,
        made_at=cut.made_at,
        seconds=cut.seconds,
        percent=version.percent,
        error_code=cut.error_code,
        ladder_version=cut.ladder_version,
        profile=cut.profile,
        edits=_edits(version.edits),
        changes=edit_words.changes(version.edits),
        mp4=[_mp4(one) for one in sorted(files, key=lambda one: one.height or 0)],
    )


def _mp4(file: Any) -> schemas.Mp4:
    url = runtime().storage.sign_get(file.key, ttl=PREVIEW_SECONDS, content_type=file.content_type)
    return schemas.Mp4(height=file.height or 0, url=url, bytes=file.size_bytes)


def _edits(edits: EditList) -> schemas_editing.Edits:
    return schemas_editing.Edits(
        start=edits.start,
        end=edits.end,
        cuts=[schemas_editing.ShownPassage(start=one.start, end=one.end) for one in edits.cuts],
        mutes=[schemas_editing.ShownPassage(start=one.start, end=one.end) for one in edits.mutes],
        blurs=[
            schemas_editing.ShownBlur(
                start=one.start,
                end=one.end,
                left=one.left,
                top=one.top,
                width=one.width,
                height=one.height,
            )
            for one in edits.blurs
        ],
    )
