"""What can be asked of the worker, and how a rule remembers to ring for it until its commit.

The job row is the queue (`models.Job`); a bell only tells a worker to look at the row now.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy.orm import Session

FORMAT = 1
"""Raised in the release whose jobs an older worker would do wrongly: it leaves them to the newer ones beside it."""

_WAITING = "bells"


class JobKind(StrEnum):
    """One kind of work; each has the task `media_jobs.<kind>` (a test pairs them)."""

    TRANSCODE = "transcode"
    CHUNK = "chunk"
    PREVIEW = "preview"
    REMAKE = "remake"
    POSTER = "poster"
    SIGNALS = "signals"
    CAPTIONS = "captions"
    PUBLISH = "publish"
    REPUBLISH = "republish"
    RETRACT = "retract"
    ERASE = "erase"
    TELL = "tell"
    SWEEP = "sweep"

    @property
    def queue(self) -> str:
        """The Celery queue: long film work must not hold up a first picture, a mail or a withdrawal."""
        return _LANES.get(self, "light")


_LANES = {
    JobKind.TRANSCODE: "heavy",
    # Parts of a long film, for workers of that lane that have nothing else to do.
    JobKind.CHUNK: "heavy",
    # Nobody waits for these: they give way to films that somebody has just sent.
    JobKind.REMAKE: "slow",
    JobKind.CAPTIONS: "slow",
    # Seconds, not minutes: never behind a long ladder.
    JobKind.PREVIEW: "short",
    JobKind.SIGNALS: "short",
}
QUEUES = ("light", "short", "heavy", "slow")


@dataclass(frozen=True, slots=True)
class Bell:
    """Wake a worker for one row: a job's id, or a notice's for `TELL`; delay in seconds.

    `is_reminder`: the sweep rings again for what should have been taken; not where enough bells wait to be heard.
    """

    kind: JobKind
    subject: str
    delay: float = 0.0
    is_reminder: bool = False


class Wake(Protocol):
    """Whatever carries a bell to the worker; must not raise when the broker is away."""

    def __call__(self, bell: Bell) -> None:
        """Ring once; a lost bell loses nothing, the sweep rings again."""


def ask(session: Session, kind: JobKind, subject: str, *, delay: float = 0.0) -> None:
    """Remember to ring for this row after the commit; nothing is rung when the work is undone."""
    session.info.setdefault(_WAITING, []).append(Bell(kind, subject, delay))


def take_bells(session: Session) -> list[Bell]:
    """Hand over what was asked for and forget it."""
    bells: list[Any] = session.info.pop(_WAITING, [])
    return bells
