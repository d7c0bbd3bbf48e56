"""What the checker has before it: a portion of clips with all that is on record of them, beside what is stored of them.

Holds no rule: those are in `fsck.py`, `holdings.py` and `promises.py`. Never more than a portion is in memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.jobs import JobKind
from portal.models import Clip, Film, Job, JobState, Publication, Rendition, Upload
from portal.storage import OpenMultipart, Storage, StoredObject

# What the rules look at; words, facts and figures of a clip stay where they are.
_CLIP = (Clip.id, Clip.state, Clip.state_since, Clip.film_id, Clip.cut_id, Clip.still_key)
_FILM = (
    Film.id, Film.clip_id, Film.number, Film.key, Film.sha256, Film.received_at, Film.ready_at, Film.erased_at,
    Film.preview,
)  # fmt: skip
# Two dozen for each clip: read past the mapper and kept as bare values, in a third of the time.
_FILES = Rendition.__table__.c
_FILE = [_FILES[name] for name in ("clip_id", "cut_id", "name", "kind", "key", "size_bytes", "sha256")]
_PUBLICATION = (
    Publication.id, Publication.clip_id, Publication.film_id, Publication.cut_id, Publication.token,
    Publication.complete_at, Publication.superseded_at, Publication.deleted_at,
)  # fmt: skip
_JOB = (
    Job.id, Job.kind, Job.clip_id, Job.part, Job.state, Job.attempt, Job.max_attempts, Job.lease_token,
    Job.lease_until, Job.run_after, Job.created_at,
)  # fmt: skip


One = Row[*tuple[Any, ...]]
"""What was read of one row, under its columns' names."""

File = tuple[str, str, str, int, str]
"""A made file: name, kind, key, size in bytes, SHA-256."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be; `repair` names what `fsck.repair` would do, empty when a person must look."""

    invariant: str
    subject: str
    detail: str
    repair: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as plain values."""
        return asdict(self)


@dataclass(slots=True)
class Ground:
    """What was read of one portion: what is stored first, rows after, so that a row made for an object is always seen."""

    session: Session
    storage: Storage
    now: datetime
    grace: timedelta
    private: Sequence[StoredObject] = ()
    public: Sequence[StoredObject] = ()
    multiparts: Sequence[OpenMultipart] = ()
    # Folders of attempts on this machine, with the seconds since something was last put into them.
    folders: dict[str, float] = field(default_factory=dict)
    clips: dict[str, One] = field(default_factory=dict)
    films: Sequence[One] = ()
    publications: Sequence[One] = ()
    # Made files by their cut, and each cut's clip.
    files: dict[str, list[File]] = field(default_factory=dict)
    clip_of: dict[str, str] = field(default_factory=dict)
    uploads: Sequence[One] = ()
    open_jobs: Sequence[One] = ()
    asked: set[tuple[str, str]] = field(default_factory=set)

    def has_open(self, clip_id: str, kind: JobKind) -> bool:
        """Whether the worker is asked for this already."""
        return (clip_id, kind) in self.asked

    def is_settled(self, clip: One) -> bool:
        """Whether the clip has been in its state for longer than the grace."""
        return bool(clip.state_since < self.now - self.grace)

    def working(self) -> set[str]:
        """The tokens under which somebody works on these clips now."""
        return {job.lease_token for job in self.open_jobs if job.state == JobState.RUNNING}

    def read(self, asked: Select[*tuple[Any, ...]]) -> Sequence[One]:
        """The rows that are asked for."""
        return self.session.execute(asked).all()


def plain(session: Session, storage: Storage, grace: timedelta, **stored: Any) -> Ground:
    """A ground without clips: the rules on it ask the record themselves; `stored` as the ground's own names."""
    return Ground(session=session, storage=storage, now=db_now(session), grace=grace, **stored)


def of_clips(
    session: Session, storage: Storage, grace: timedelta, ids: Iterable[str], private: Sequence[StoredObject]
) -> Ground:
    """These clips with all that belongs to them, and what lies of theirs in the originals bucket."""
    among = list(ids)
    # First of all rows: a worker that reports while we read is still at work for us, and its files are its own.
    jobs = _open_jobs(session, among)
    ground = plain(session, storage, grace, private=private)
    _add_jobs(ground, jobs)
    ground.clips = _clips(session, among)
    publications = select(*_PUBLICATION).where(Publication.clip_id.in_(among)).order_by(Publication.id)
    ground.publications = ground.read(publications)
    _add_files(ground, _FILES.clip_id.in_(among))
    ground.films = ground.read(select(*_FILM).where(Film.clip_id.in_(among)))
    ground.uploads = ground.read(select(Upload.key, Upload.state).where(Upload.clip_id.in_(among)))
    return ground


def of_tokens(
    session: Session, storage: Storage, grace: timedelta, ids: Iterable[str], public: Sequence[StoredObject]
) -> Ground:
    """The publications under these tokens with their clips and files, and what lies under them in the public bucket."""
    under: ColumnElement[bool] = Publication.token.in_(list(ids))
    among = list(session.scalars(select(Publication.clip_id).where(under).distinct()))
    # Before the publications themselves: what is being copied in this moment is not yet nobody's.
    jobs = _open_jobs(session, among)
    ground = plain(session, storage, grace, public=public)
    _add_jobs(ground, jobs)
    ground.clips = _clips(session, among)
    ground.publications = ground.read(select(*_PUBLICATION).where(under).order_by(Publication.id))
    cuts = [one.cut_id for one in ground.publications if is_whole(one)]
    _add_files(ground, _FILES.cut_id.in_(cuts))
    return ground


def is_whole(publication: One) -> bool:
    """Whether everything of it is public: the one that is shown, or one that is still being watched to its end."""
    return publication.complete_at is not None and publication.deleted_at is None


def _clips(session: Session, among: list[str]) -> dict[str, One]:
    return {clip.id: clip for clip in session.execute(select(*_CLIP).where(Clip.id.in_(among)))}


def _open_jobs(session: Session, among: list[str]) -> Sequence[One]:
    is_open = Job.state.in_([JobState.QUEUED, JobState.RUNNING])
    return session.execute(select(*_JOB).where(Job.clip_id.in_(among), is_open)).all()


def _add_files(ground: Ground, which: ColumnElement[bool]) -> None:
    files, clip_of = ground.files, ground.clip_of
    for clip_id, cut_id, name, kind, key, size_bytes, sha256 in ground.session.execute(
        select(*_FILE).where(which)
    ):
        if cut_id not in files:
            files[cut_id], clip_of[cut_id] = [], clip_id
        files[cut_id].append((name, kind, key, size_bytes, sha256))


def _add_jobs(ground: Ground, jobs: Sequence[One]) -> None:
    ground.open_jobs = jobs
    ground.asked = {(job.clip_id, job.kind) for job in jobs}
