"""What must be true of stored objects: I3 to I6 and I11 of docs/architecture.md, a portion at a time.

One of the checker's parts beside `fsck.py`; changes nothing.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby

from sqlalchemy import select, true

from portal import cuts, keys, publications
from portal.errors import Missing
from portal.ground import Finding, Ground, One, is_whole
from portal.jobs import JobKind
from portal.models import Clip, Film, Notice, NoticeState, Rendition, State, Upload, UploadState
from portal.rounds import owner
from portal.storage import Bucket

OUT_OF_SIGHT = (State.WITHDRAWN, State.REJECTED, State.REMOVED, State.EXPIRED, State.ERASED)
MULTIPART_GRACE = timedelta(hours=1)
_ASKED_AT_ONCE = 1000
_NAMED_UPLOADS = (UploadState.OPEN, UploadState.COMPLETING, UploadState.VERIFYING, UploadState.ACCEPTED)
_LIVING_UPLOADS = (UploadState.OPEN, UploadState.COMPLETING)


def public_objects(ground: Ground) -> Iterator[Finding]:
    """I3: every public object belongs to a published clip, or to one that is being published now."""
    by_token = {one.token: one for one in ground.publications}
    for token, objects in groupby(ground.public, key=lambda one: owner(one.key)):
        if wrong := _why_not_public(ground, by_token.get(token)):
            yield from (Finding("I3", one.key, wrong, "delete_public") for one in objects)


def _why_not_public(ground: Ground, publication: One | None) -> str:
    """Why nothing may lie under this publication's token; empty when it may."""
    clip = ground.clips.get(publication.clip_id) if publication is not None else None
    if publication is None or clip is None:
        return "no publication names it"
    # The one that is shown, and those that whoever began to watch them may finish.
    is_shown = clip.state == State.PUBLISHED and is_whole(publication)
    copying = ground.has_open(clip.id, JobKind.PUBLISH) or ground.has_open(clip.id, JobKind.REPUBLISH)
    leaving = clip.state in OUT_OF_SIGHT and ground.has_open(clip.id, JobKind.RETRACT)
    if is_shown or copying or leaving or not ground.is_settled(clip):
        return ""
    return f"the clip {clip.id} is {clip.state}"


def published_files(ground: Ground) -> Iterator[Finding]:
    """I4: every object that a published clip names is public, in its recorded size."""
    listed = {one.key: one.size_bytes for one in ground.public}
    for publication, rendition in _shown(ground):
        key = keys.public(publication.token, rendition.name)
        if listed.get(key) == rendition.size_bytes:
            continue
        # Copied after the listing: ask for this one.
        size = ground.storage.size(Bucket.PUBLIC, key)
        if size != rendition.size_bytes:
            detail = f"{rendition.size_bytes} bytes recorded, {'none' if size is None else size} stored"
            yield Finding("I4", f"{publication.clip_id} {key}", detail, "copy_again")


def hashes(ground: Ground) -> Iterator[Finding]:
    """I4, by bytes: what is public is what was made."""
    for publication, rendition in _shown(ground):
        key = keys.public(publication.token, rendition.name)
        digest = hashlib.sha256()
        try:
            for start in range(0, rendition.size_bytes, 8 << 20):
                digest.update(ground.storage.read(Bucket.PUBLIC, key, start, 8 << 20))
        except Missing:
            continue  # Said already.
        if digest.hexdigest() != rendition.sha256:
            yield Finding("I4", f"{publication.clip_id} {key}", "other bytes than were made", "copy_again")


def _shown(ground: Ground) -> Iterator[tuple[One, One]]:
    by_cut: dict[str, list[One]] = {}
    for rendition in ground.renditions:
        if rendition.kind not in publications.PRIVATE_KINDS:
            by_cut.setdefault(rendition.cut_id, []).append(rendition)
    for publication in ground.publications:
        clip = ground.clips.get(publication.clip_id)
        if clip is not None and clip.state == State.PUBLISHED and is_whole(publication):
            for rendition in by_cut.get(publication.cut_id, []):
                yield publication, rendition


def unnamed_objects(ground: Ground) -> Iterator[Finding]:
    """I5: no private object without a row."""
    named = {one.key for one in ground.renditions}
    named |= {film.key for film in ground.films if film.erased_at is None}
    named |= {file["key"] for film in ground.films for file in film.preview.get("files", ())}
    named |= {upload.key for upload in ground.uploads if upload.state in _NAMED_UPLOADS}
    named |= cuts.stills(ground.session, among=ground.clips)
    working = ground.working()
    loose = [one.key for one in ground.private if one.key not in named and not _is_made(one.key, working)]
    if loose:
        # By the key itself, too: nothing is deleted that any row names, whosever clip that is.
        elsewhere = _named_anywhere(ground, loose)
        for key in sorted(set(loose) - elsewhere):
            yield Finding("I5", key, "no row names it", "delete_private")


def _is_made(key: str, working: set[str]) -> bool:
    """Whether somebody makes it in this moment."""
    parts = key.split("/")
    return key.startswith(keys.MADE_PREFIX) and len(parts) > 2 and parts[2] in working


def _named_anywhere(ground: Ground, loose: list[str]) -> set[str]:
    found: set[str] = set()
    columns = (Rendition.key, Film.key, Upload.key, Clip.still_key)
    counting = (true(), Film.erased_at.is_(None), Upload.state.in_(_NAMED_UPLOADS), true())
    for start in range(0, len(loose), _ASKED_AT_ONCE):
        some = loose[start : start + _ASKED_AT_ONCE]
        for column, counts in zip(columns, counting, strict=True):
            found.update(ground.session.scalars(select(column).where(column.in_(some), counts)))
    return found


def unfinished(ground: Ground) -> Iterator[Finding]:
    """I5, by parts: no open multipart upload without an open upload."""
    among = [part.upload_id for part in ground.multiparts]
    asked = select(Upload.storage_id).where(Upload.storage_id.in_(among), Upload.state.in_(_LIVING_UPLOADS))
    living = set(ground.session.scalars(asked))
    for part in ground.multiparts:
        if part.upload_id not in living and part.initiated_at < ground.now - MULTIPART_GRACE:
            yield Finding(
                "I5", f"{part.key} {part.upload_id}", "unfinished, no open upload", "abort_multipart"
            )


def named_objects(ground: Ground) -> Iterator[Finding]:
    """I6: no row names an object that is gone."""
    there = {one.key for one in ground.private}
    rows = [(film.clip_id, film.key) for film in ground.films if film.erased_at is None]
    rows += [(one.clip_id, one.key) for one in ground.renditions]
    for clip_id, key in rows:
        # Stored after the listing, or listed elsewhere: ask for this one.
        if key not in there and ground.storage.size(Bucket.ORIGINALS, key) is None:
            yield Finding("I6", f"{clip_id} {key}", "the object is gone")


def erased(ground: Ground) -> Iterator[Finding]:
    """I11: of an erased clip no words, no objects, no letter on its way are left."""
    gone = {clip.id for clip in ground.clips.values() if clip.state == State.ERASED}
    if not gone:
        return
    words = (Clip.title, Clip.first_name, Clip.city, Clip.product, Clip.search_text)
    for clip in ground.read(select(Clip.id, *words).where(Clip.id.in_(gone))):
        if left := [word.key for word in words if getattr(clip, word.key)]:
            yield Finding("I11", clip.id, f"still has {', '.join(left)}")
    originals = {film.key: film.clip_id for film in ground.films}
    for key in sorted(one.key for one in ground.private):
        whose = originals.get(key) or owner(key)
        if whose in gone:
            yield Finding("I11", key, f"belongs to the erased clip {whose}", "delete_private")
    waiting = select(Notice.id).where(Notice.state == NoticeState.WAITING, Notice.clip_id.in_(gone))
    for notice_id in ground.session.scalars(waiting):
        yield Finding("I11", f"notice {notice_id}", "waits for an erased clip", "cancel_notice")
