"""The database against the buckets: what must always be true, looked at without changing anything, then repaired.

Numbers are those of the invariants in docs/architecture.md. Repairs nothing that needs a person's judgement.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import captions, cuts, keys, promises, publications
from portal.database import db_now
from portal.errors import Missing
from portal.ground import Finding, Ground
from portal.jobs import JobKind, ask
from portal.lifecycle import CLOCK, TRANSITIONS, WORKER, enqueue, move
from portal.models import (
    AuditEvent,
    Clip,
    Consent,
    ConsentText,
    Cut,
    Decision,
    Film,
    Job,
    JobState,
    Notice,
    NoticeState,
    Publication,
    Rendition,
    State,
    Upload,
    UploadState,
)
from portal.storage import Bucket, OpenMultipart, Storage

Work = Callable[[], AbstractContextManager[Session]]
"""Opens a session: a unit of work, or one for reading (`Runtime.work`, `Runtime.read`)."""

GRACE_SECONDS = 180.0
"""Twice the lease: what moves at this moment is not yet wrong."""

_MULTIPART_GRACE = timedelta(hours=1)
_NOTICE_LATE = timedelta(hours=24)
_OUT_OF_SIGHT = (State.WITHDRAWN, State.REJECTED, State.REMOVED, State.EXPIRED, State.ERASED)
_WITH_CONSENT = (State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED)
_UNCOUNTED = (JobKind.RETRACT, JobKind.ERASE)
_NAMED_UPLOADS = (UploadState.OPEN, UploadState.COMPLETING, UploadState.VERIFYING, UploadState.ACCEPTED)


def check(
    read: Work,
    storage: Storage,
    *,
    grace_seconds: float = GRACE_SECONDS,
    deep: bool = False,
    scratch: Path | None = None,
) -> list[Finding]:
    """Everything that is not as it must be; changes nothing. `deep` also reads published bytes and compares SHA-256.

    `scratch` is this machine's work folder, where it has one.
    """
    listed = _list(storage, scratch)
    with read() as session:
        ground = _look(session, storage, listed, timedelta(seconds=grace_seconds))
        findings = [finding for rule in (*_RULES, *promises.RULES) for finding in rule(ground)]
        return findings + ([*_hashes(ground), *promises.playlists(ground)] if deep else [])


def tidy(read: Work, work: Work, storage: Storage) -> int:
    """Delete objects and parts that no row names (I3, I5); how many. For the sweeper."""
    listed = _list(storage)
    with read() as session:
        ground = _look(session, storage, listed, timedelta(seconds=GRACE_SECONDS))
        findings = [*_public_objects(ground), *_unnamed_objects(ground)]
    return repair(work, storage, findings)


def repair(work: Work, storage: Storage, findings: Iterable[Finding]) -> int:
    """Do what the findings say can be done without a person; how many were repaired."""
    done = 0
    for finding in findings:
        if finding.repair in _REPAIRS:
            _REPAIRS[finding.repair](work, storage, finding)
            done += 1
    return done


@dataclass(frozen=True, slots=True)
class _Listed:
    private: set[str]
    public: list[str]
    multiparts: list[OpenMultipart]
    folders: dict[str, float]


def _list(storage: Storage, scratch: Path | None = None) -> _Listed:
    """What lies in the buckets. Before any row is read: whoever stores something has a row for it first."""
    folders = _folders(scratch) if scratch is not None else {}
    private = set(storage.keys(Bucket.ORIGINALS))
    return _Listed(private, list(storage.keys(Bucket.PUBLIC)), list(storage.open_multiparts()), folders)


def _folders(scratch: Path) -> dict[str, float]:
    found = [path for path in scratch.iterdir() if path.is_dir()] if scratch.is_dir() else []
    # Of the file system's clock by this machine's: both are its own.
    return {str(path): time.time() - path.stat().st_mtime for path in found}


def _look(session: Session, storage: Storage, listed: _Listed, grace: timedelta) -> Ground:
    # First of all rows: a worker that reports while we read is still at work for us, and its files are its own.
    open_jobs = list(session.scalars(select(Job).where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))))
    return Ground(
        session=session,
        storage=storage,
        now=db_now(session),
        grace=grace,
        private=listed.private,
        public=listed.public,
        multiparts=listed.multiparts,
        folders=listed.folders,
        clips={clip.id: clip for clip in session.scalars(select(Clip))},
        publications=list(session.scalars(select(Publication).order_by(Publication.id))),
        renditions=list(session.scalars(select(Rendition))),
        films=list(session.scalars(select(Film))),
        uploads=list(session.scalars(select(Upload))),
        open_jobs=open_jobs,
    )


# The invariants -------------------------------------------------------------------------------------------


def _history(ground: Ground) -> Iterator[Finding]:
    """I1: every state is in the table, and the audit trail leads to it without a break."""
    at: dict[str, str | None] = {}
    columns = (AuditEvent.clip_id, AuditEvent.verb, AuditEvent.from_state, AuditEvent.to_state)
    for clip_id, verb, source, target in ground.session.execute(select(*columns).order_by(AuditEvent.id)):
        if clip_id is None:
            continue
        if source != at.get(clip_id):
            yield Finding(
                "I1", clip_id, f"{verb} starts at {source}, the one before ended at {at.get(clip_id)}"
            )
        rule = TRANSITIONS.get(verb)
        if rule is not None and (source not in rule.sources or target != rule.target):
            yield Finding("I1", clip_id, f"{verb} cannot lead from {source} to {target}")
        at[clip_id] = target
    for clip in ground.clips.values():
        if clip.state not in set(State):
            yield Finding("I1", clip.id, f"unknown state {clip.state}")
        elif at.get(clip.id) != clip.state:
            yield Finding("I1", clip.id, f"is {clip.state}, its history ends at {at.get(clip.id)}")


def _public_objects(ground: Ground) -> Iterator[Finding]:
    """I3: every public object belongs to a published clip, or to one that is being published now."""
    # The one that is shown, and those that whoever began to watch them may finish.
    shown = {
        one.token for one in ground.publications if one.complete_at is not None and one.deleted_at is None
    }
    for key in ground.public:
        token = key.removeprefix(keys.PUBLIC_PREFIX).split("/")[0]
        publication = ground.by_token.get(token)
        clip = ground.clips.get(publication.clip_id) if publication is not None else None
        if publication is None or clip is None:
            yield Finding("I3", key, "no publication names it", "delete_public")
            continue
        is_shown = clip.state == State.PUBLISHED and token in shown
        copying = ground.has_open(clip.id, JobKind.PUBLISH) or ground.has_open(clip.id, JobKind.REPUBLISH)
        if is_shown or copying or not ground.is_settled(clip):
            continue
        if clip.state not in _OUT_OF_SIGHT or not ground.has_open(clip.id, JobKind.RETRACT):
            yield Finding("I3", key, f"the clip {clip.id} is {clip.state}", "delete_public")


def _published_files(ground: Ground) -> Iterator[Finding]:
    """I4: every object that a published clip names is public, in its recorded size."""
    for publication, rendition in _shown(ground):
        key = keys.public(publication.token, rendition.name)
        size = ground.storage.size(Bucket.PUBLIC, key)
        if size != rendition.size_bytes:
            detail = f"{rendition.size_bytes} bytes recorded, {'none' if size is None else size} stored"
            yield Finding("I4", f"{publication.clip_id} {key}", detail, "copy_again")


def _shown(ground: Ground) -> Iterator[tuple[Publication, Rendition]]:
    by_cut: dict[str, list[Rendition]] = {}
    for rendition in ground.renditions:
        if rendition.kind not in publications.PRIVATE_KINDS:
            by_cut.setdefault(rendition.cut_id, []).append(rendition)
    for publication in ground.publications:
        clip = ground.clips[publication.clip_id]
        is_shown = publication.complete_at is not None and publication.deleted_at is None
        if is_shown and clip.state == State.PUBLISHED:
            for rendition in by_cut.get(publication.cut_id, []):
                yield publication, rendition


def _shown_cuts(ground: Ground) -> Iterator[Finding]:
    """I4, by cuts: what a published clip shows is the cut that counts, or is being replaced by it."""
    newest = {
        one.clip_id: one
        for one in ground.publications
        if one.complete_at is not None and one.deleted_at is None and one.superseded_at is None
    }
    for clip in ground.clips.values():
        shown = newest.get(clip.id)
        if clip.state != State.PUBLISHED or shown is None or shown.cut_id == clip.cut_id:
            continue
        if not ground.has_open(clip.id, JobKind.REPUBLISH):
            yield Finding("I4", clip.id, f"shows the cut {shown.cut_id}, {clip.cut_id} counts", "republish")


def _stranded_cuts(ground: Ground) -> Iterator[Finding]:
    """I13: a cut that is to be made has an open job, one that waits for a moderator has its files."""
    for cut, what in cuts.stranded(ground.session):
        yield Finding("I13", cut.id, f"the cut {cut.number} of {cut.clip_id} {what}", "pick_up_cut")


def _hashes(ground: Ground) -> Iterator[Finding]:
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


def _unnamed_objects(ground: Ground) -> Iterator[Finding]:
    """I5: no private object and no open multipart upload without a row."""
    named = {one.key for one in ground.renditions}
    named |= {film.key for film in ground.films if film.erased_at is None}
    named |= {file["key"] for film in ground.films for file in film.preview.get("files", ())}
    named |= {clip.still_key for clip in ground.clips.values() if clip.still_key is not None}
    named |= {upload.key for upload in ground.uploads if upload.state in _NAMED_UPLOADS}
    working = {job.lease_token for job in ground.open_jobs if job.state == JobState.RUNNING}
    for key in sorted(ground.private - named):
        parts = key.split("/")
        if key.startswith(keys.MADE_PREFIX) and len(parts) > 2 and parts[2] in working:
            continue
        yield Finding("I5", key, "no row names it", "delete_private")
    living = {
        one.storage_id for one in ground.uploads if one.state in (UploadState.OPEN, UploadState.COMPLETING)
    }
    for part in ground.multiparts:
        if part.upload_id not in living and part.initiated_at < ground.now - _MULTIPART_GRACE:
            yield Finding(
                "I5", f"{part.key} {part.upload_id}", "unfinished, no open upload", "abort_multipart"
            )


def _named_objects(ground: Ground) -> Iterator[Finding]:
    """I6: no row names an object that is gone."""
    rows = [(film.clip_id, film.key) for film in ground.films if film.erased_at is None]
    rows += [(one.clip_id, one.key) for one in ground.renditions]
    for clip_id, key in rows:
        # Stored after the listing: ask for this one.
        if key not in ground.private and ground.storage.size(Bucket.ORIGINALS, key) is None:
            yield Finding("I6", f"{clip_id} {key}", "the object is gone")


def _consents(ground: Ground) -> Iterator[Finding]:
    """I9: whatever is in review or further on has both consents, each with its stored text."""
    rows = select(Consent.clip_id, Consent.purpose, ConsentText.body).join(
        ConsentText, ConsentText.id == Consent.text_id
    )
    given: dict[str, dict[str, str]] = {}
    for clip_id, purpose, body in ground.session.execute(rows.where(Consent.revoked_at.is_(None))):
        given.setdefault(clip_id, {})[purpose] = body
    for clip in ground.clips.values():
        if clip.state in _WITH_CONSENT:
            for purpose in ("site", "adult"):
                if not given.get(clip.id, {}).get(purpose):
                    yield Finding("I9", clip.id, f"is {clip.state} without the consent {purpose}")


def _taken_back(ground: Ground) -> Iterator[Finding]:
    """I10: nothing of a clip out of sight is on record as public."""
    for publication in ground.publications:
        clip = ground.clips[publication.clip_id]
        if publication.deleted_at is None and clip.state in _OUT_OF_SIGHT and ground.is_settled(clip):
            how = "" if ground.has_open(clip.id, JobKind.RETRACT) else "retract"
            yield Finding(
                "I10", clip.id, f"is {clip.state}, publication {publication.id} is not deleted", how
            )


def _erased(ground: Ground) -> Iterator[Finding]:
    """I11: of an erased clip no words, no objects, no letter on its way are left."""
    gone = {clip.id: clip for clip in ground.clips.values() if clip.state == State.ERASED}
    for clip in gone.values():
        words = [
            name for name in ("title", "first_name", "city", "product", "search_text") if getattr(clip, name)
        ]
        if words:
            yield Finding("I11", clip.id, f"still has {', '.join(words)}")
    originals = {film.key: film.clip_id for film in ground.films}
    for key in sorted(ground.private):
        parts = key.split("/")
        owner = originals.get(key) or (parts[1] if key.startswith(keys.MADE_PREFIX) else parts[-2])
        if owner in gone:
            yield Finding("I11", key, f"belongs to the erased clip {owner}", "delete_private")
    waiting = select(Notice).where(Notice.state == NoticeState.WAITING, Notice.clip_id.in_(gone))
    for notice in ground.session.scalars(waiting):
        yield Finding("I11", f"notice {notice.id}", "waits for an erased clip", "cancel_notice")


def _leases(ground: Ground) -> Iterator[Finding]:
    """I12: a running job has a living lease, and no more attempts than it may have."""
    for job in ground.open_jobs:
        if job.state == JobState.RUNNING and (
            job.lease_until is None or job.lease_until < ground.now - ground.grace
        ):
            yield Finding("I12", job.id, f"{job.kind} runs without a lease", "requeue")
        if job.attempt > job.max_attempts and job.kind not in _UNCOUNTED:
            yield Finding("I12", job.id, f"{job.attempt} attempts of {job.max_attempts}")


def _open_jobs(ground: Ground) -> Iterator[Finding]:
    """I14: at most one open job per clip and kind."""
    counted = select(Job.clip_id, Job.kind, func.count()).where(
        Job.state.in_([JobState.QUEUED, JobState.RUNNING])
    )
    # The pieces of a long film are shared out under one kind.
    for clip_id, kind, count in ground.session.execute(counted.group_by(Job.clip_id, Job.kind, Job.part)):
        if count > 1:
            yield Finding("I14", clip_id, f"{count} open jobs of kind {kind}")


def _letters(ground: Ground) -> Iterator[Finding]:
    """I15: every letter is sent once, cancelled, or waiting for less than a day."""
    for notice in ground.session.scalars(select(Notice)):
        late = notice.run_after < ground.now - _NOTICE_LATE
        stuck = notice.lease_until is None or notice.lease_until < ground.now - ground.grace
        if notice.state == NoticeState.FAILED:
            yield Finding("I15", f"notice {notice.id}", f"{notice.kind} did not leave", "resend")
        elif notice.state == NoticeState.SENDING and stuck:
            yield Finding("I15", f"notice {notice.id}", f"{notice.kind} was left in mid-sending", "resend")
        elif notice.state == NoticeState.WAITING and late:
            yield Finding("I15", f"notice {notice.id}", f"{notice.kind} waits for over a day", "resend")
        elif notice.state == NoticeState.SENT and notice.sent_at is None:
            yield Finding("I15", f"notice {notice.id}", "sent, but nobody knows when")


def _decisions(ground: Ground) -> Iterator[Finding]:
    """I16: one standing decision per version of a clip; whatever goes against the owner has a reason."""
    standing: set[tuple[str, int]] = set()
    for decision in ground.session.scalars(select(Decision).order_by(Decision.id)):
        if decision.verb != "approve" and not decision.reasons:
            yield Finding("I16", f"decision {decision.id}", f"{decision.verb} without a reason")
        if decision.undone_at is not None:
            continue
        version = (decision.clip_id, decision.clip_version)
        if version in standing:
            yield Finding("I16", decision.clip_id, f"two decisions on version {decision.clip_version}")
        standing.add(version)


def _captions(ground: Ground) -> Iterator[Finding]:
    """I20: captions belong to a living clip and read as we write them, with no markup but ours."""
    for subject, detail in captions.unsound(ground.session):
        yield Finding("I20", subject, detail)


_RULES: tuple[Callable[[Ground], Iterator[Finding]], ...] = (
    _history, _public_objects, _published_files, _shown_cuts, _stranded_cuts, _unnamed_objects, _named_objects, _consents,
    _taken_back, _erased, _leases, _open_jobs, _letters, _decisions, _captions,
)  # fmt: skip


# The repairs ----------------------------------------------------------------------------------------------


def _delete_public(_work: Work, storage: Storage, finding: Finding) -> None:
    storage.delete(Bucket.PUBLIC, [finding.subject])


def _delete_private(_work: Work, storage: Storage, finding: Finding) -> None:
    storage.delete(Bucket.ORIGINALS, [finding.subject])


def _abort_multipart(_work: Work, storage: Storage, finding: Finding) -> None:
    key, upload_id = finding.subject.rsplit(" ", 1)
    storage.abort_multipart(key, upload_id)


def _copy_again(work: Work, storage: Storage, finding: Finding) -> None:
    clip_id, public_key = finding.subject.split(" ", 1)
    name = public_key.rsplit("/", 1)[1]
    with work() as session:
        token = public_key.removeprefix(keys.PUBLIC_PREFIX).split("/")[0]
        cut_id = select(Publication.cut_id).where(Publication.token == token).scalar_subquery()
        made = select(Rendition).where(
            Rendition.clip_id == clip_id, Rendition.cut_id == cut_id, Rendition.name == name
        )
        rendition = session.scalars(made).one()
    storage.copy_to_public(
        rendition.key,
        public_key,
        content_type=rendition.content_type,
        cache_control=keys.cache_control(name),
    )


def _retract(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        enqueue(session, session.get_one(Clip, finding.subject), JobKind.RETRACT)


def _republish(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        enqueue(session, session.get_one(Clip, finding.subject), JobKind.REPUBLISH)


def _pick_up_cut(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        cuts.pick_up(session, session.get_one(Cut, finding.subject))


def _requeue(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        job = session.get_one(Job, finding.subject)
        if job.state == JobState.RUNNING and (job.lease_until is None or job.lease_until < db_now(session)):
            job.state, job.run_after, job.lease_until = JobState.QUEUED, db_now(session), None
            ask(session, JobKind(job.kind), job.id)


def _notice_of(session: Session, finding: Finding) -> Notice:
    return session.get_one(Notice, int(finding.subject.removeprefix("notice ")))


def _resend(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        notice = _notice_of(session, finding)
        notice.state, notice.attempt, notice.run_after = NoticeState.WAITING, 0, db_now(session)
        ask(session, JobKind.TELL, str(notice.id))


def _cancel_notice(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        _notice_of(session, finding).state = NoticeState.CANCELLED


def _delete_folder(_work: Work, _storage: Storage, finding: Finding) -> None:
    shutil.rmtree(finding.subject, ignore_errors=True)


def _remake(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        clip = session.get_one(Clip, finding.subject)
        # A moderator's own cut that is on its way is made with what we have now; nothing is to be pushed aside.
        if cuts.waiting(session, clip) is None:
            cuts.replan(session, clip, by=WORKER)


def _unpublish(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        move(session, session.get_one(Clip, finding.subject), "unpublish", by=CLOCK)


def _asking(kind: JobKind) -> Callable[[Work, Storage, Finding], None]:
    def ask_again(work: Work, _storage: Storage, finding: Finding) -> None:
        with work() as session:
            enqueue(session, session.get_one(Clip, finding.subject), kind)

    return ask_again


_REPAIRS: dict[str, Callable[[Work, Storage, Finding], Any]] = {
    "delete_public": _delete_public,
    "delete_private": _delete_private,
    "abort_multipart": _abort_multipart,
    "copy_again": _copy_again,
    "retract": _retract,
    "republish": _republish,
    "pick_up_cut": _pick_up_cut,
    "requeue": _requeue,
    "resend": _resend,
    "cancel_notice": _cancel_notice,
    "delete_folder": _delete_folder,
    "remake": _remake,
    "unpublish": _unpublish,
    "ask_transcode": _asking(JobKind.TRANSCODE),
    "ask_publish": _asking(JobKind.PUBLISH),
}
