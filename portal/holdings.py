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
from portal.ground import File, Finding, Ground, One, is_whole
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
    for publication, files in _shown(ground):
        under = keys.public_prefix(publication.token)
        for name, _kind, _key, size_bytes, _sha256 in files:
            key = under + name
            if listed.get(key) == size_bytes:
                continue
            # Copied after the listing: ask for this one.
            size = ground.storage.size(Bucket.PUBLIC, key)
            if size != size_bytes:
                detail = f"{size_bytes} bytes recorded, {'none' if size is None else size} stored"
                yield Finding("I4", f"{publication.clip_id} {key}", detail, "copy_again")


def hashes(ground: Ground) -> Iterator[Finding]:
    """I4, by bytes: what is public is what was made."""
    for publication, files in _shown(ground):
        for name, _kind, _key, size_bytes, sha256 in files:
            key = keys.public(publication.token, name)
            digest = hashlib.sha256()
            try:
                for start in range(0, size_bytes, 8 << 20):
                    digest.update(ground.storage.read(Bucket.PUBLIC, key, start, 8 << 20))
            except Missing:
                continue  # Said already.
            if digest.hexdigest() != sha256:
                yield Finding(
                    "I4", f"{publication.clip_id} {key}", "other bytes than were made", "copy_again"
                )


def _shown(ground: Ground) -> Iterator[tuple[One, list[File]]]:
    """Each publication that anybody may be watching, with the files that must be public for it."""
    for publication in ground.publications:
        clip = ground.clips.get(publication.clip_id)
        if clip is not None and clip.state == State.PUBLISHED and is_whole(publication):
            files = ground.files.get(publication.cut_id, [])
            yield publication, [file for file in files if file[1] not in publications.PRIVATE_KINDS]


def unnamed_objects(ground: Ground) -> Iterator[Finding]:
    """I5: no private object without a row."""
    named = {file[2] for files in ground.files.values() for file in files}
    named |= {film.key for film in ground.films if film.erased_at is None}
    named |= {file["key"] for film in ground.films for file in film.preview.get("files", ())}
    named |= {upload.key for upload in ground.uploads if upload.state in _NAMED_UPLOADS}
    named |= cuts.stills(ground.session, among=ground.clips)
    working, taking = ground.working(), {one.key for one in ground.uploads if one.state in _LIVING_UPLOADS}
    loose = [
        one.key
        for one in ground.private
        if one.key not in named
        and not _is_mark(one.key)
        and not _is_made(one.key, working)
        and keys.posted(one.key) not in taking
    ]
    if loose:
        # By the key itself, too: nothing is deleted that any row names, whosever clip that is.
        elsewhere = _named_anywhere(ground, loose)
        for key in sorted(set(loose) - elsewhere):
            yield Finding("I5", key, "no row names it", "delete_private")


def _is_mark(key: str) -> bool:
    return key.startswith(keys.MARK_PREFIX)


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
        stems = {keys.posted(key) for key in some}
        asked = select(Upload.key).where(Upload.key.in_(stems), Upload.state.in_(_LIVING_UPLOADS))
        taking = set(ground.session.scalars(asked))
        found.update(key for key in some if keys.posted(key) in taking)
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
    for cut_id, files in ground.files.items():
        rows += [(ground.clip_of[cut_id], file[2]) for file in files if file[2] not in there]
    rows += [(film.clip_id, file["key"]) for film in ground.films for file in film.preview.get("files", ())]
    rows += [(clip.id, clip.still_key) for clip in ground.clips.values() if clip.still_key is not None]
    for clip_id, key in rows:
        # Stored after the listing, or listed elsewhere: ask for this one.
        if key not in there and ground.storage.size(Bucket.ORIGINALS, key) is None:
            yield Finding("I6", f"{clip_id} {key}", "the object is gone")


def came_back(ground: Ground) -> Iterator[Finding]:
    """I11, by marks: nothing is on the record again that was erased or taken out of sight.

    A database put back from a copy brings it: the marks lie with the films.
    """
    marks = {one.key for one in ground.private if _is_mark(one.key)}
    for clip in ground.clips.values():
        if keys.erased(clip.id) in marks:
            if clip.state != State.ERASED and not ground.has_open(clip.id, JobKind.ERASE):
                yield Finding("I11", clip.id, f"was erased, and is {clip.state}", "erase_again")
        elif keys.hidden(clip.id) in marks and clip.state == State.PUBLISHED:
            yield Finding("I11", clip.id, "was taken out of sight, and is published", "hide_again")


def erased(ground: Ground) -> Iterator[Finding]:
    """I11: of an erased clip no objects and no letter on its way are left; `fsck.py` looks for its words."""
    gone = {clip.id for clip in ground.clips.values() if clip.state == State.ERASED}
    if not gone:
        return
    originals = {film.key: film.clip_id for film in ground.films}
    for key in sorted(one.key for one in ground.private if not _is_mark(one.key)):
        whose = originals.get(key) or owner(key)
        if whose in gone:
            yield Finding("I11", key, f"belongs to the erased clip {whose}", "delete_private")
    waiting = select(Notice.id).where(Notice.state == NoticeState.WAITING, Notice.clip_id.in_(gone))
    for notice_id in ground.session.scalars(waiting):
        yield Finding("I11", f"notice {notice_id}", "waits for an erased clip", "cancel_notice")
