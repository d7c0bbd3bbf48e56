"""What the checker has read: one look at the buckets, then at the record; and what it finds there.

Holds no rule: those are in `fsck.py` and `promises.py`.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.jobs import JobKind
from portal.models import Clip, Film, Job, Publication, Rendition, Upload
from portal.storage import OpenMultipart, Storage


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
    """What was read once: listings first, rows after, so that a row made for an object is always seen."""

    session: Session
    storage: Storage
    now: datetime
    grace: timedelta
    private: set[str]
    public: list[str]
    multiparts: list[OpenMultipart]
    clips: dict[str, Clip]
    publications: list[Publication]
    renditions: list[Rendition]
    films: list[Film]
    uploads: list[Upload]
    open_jobs: list[Job]
    # Folders of attempts on this machine, with the seconds since something was last put into them.
    folders: dict[str, float] = field(default_factory=dict)
    by_token: dict[str, Publication] = field(init=False)
    asked: set[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_token = {one.token: one for one in self.publications}
        self.asked = {(job.clip_id, job.kind) for job in self.open_jobs}

    def has_open(self, clip_id: str, kind: JobKind) -> bool:
        """Whether the worker is asked for this already."""
        return (clip_id, kind) in self.asked

    def is_settled(self, clip: Clip) -> bool:
        """Whether the clip has been in its state for longer than the grace."""
        return clip.state_since < self.now - self.grace
