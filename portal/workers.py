"""What the worker processes say of themselves: who lives, what their film tools and their jail are worth.

The worker writes, everybody else reads; a worker that has been silent for a minute counts as gone.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.models import WorkerSeen

# A worker beats every 10 s; several beats missed count as gone.
SILENCE_SECONDS = 60
# What is known to be mended; media_jobs/fitness.py judges by it.
FLOOR = "8.1.2, 8.0.3, 7.1.5"


@dataclass(frozen=True, slots=True)
class Known:
    """One worker process, as it was last seen."""

    name: str
    silent_seconds: float
    facts: dict[str, Any]

    @property
    def is_alive(self) -> bool:
        """Whether it was seen lately."""
        return self.silent_seconds <= SILENCE_SECONDS

    @property
    def sandbox(self) -> str:
        """The jail's level: "1" (best) to "3", "off" by hand, "4" for none; empty when it has not said."""
        return str(self.facts.get("sandbox", ""))

    @property
    def is_jailed(self) -> bool:
        """Whether its film tools run behind walls."""
        return self.sandbox in ("1", "2", "3")

    @property
    def unfit(self) -> list[str]:
        """Why it takes no films, in English for staff; empty when it does."""
        return [str(fault) for fault in self.facts.get("unfit", [])]

    @property
    def lanes(self) -> list[str]:
        """The queues it listens to; none when it has not said."""
        return [str(lane) for lane in self.facts.get("lanes", [])]

    @property
    def is_recent_enough(self) -> bool | None:
        """Whether both film tools are free of the known holes; None when their versions do not tell."""
        verdict = self.facts.get("ffmpeg_floor_ok")
        return None if verdict is None else bool(verdict)


def known(session: Session) -> list[Known]:
    """Every worker process that was ever seen, the liveliest first."""
    now = db_now(session)
    rows = session.scalars(select(WorkerSeen).order_by(WorkerSeen.seen_at.desc(), WorkerSeen.name))
    return [Known(row.name, (now - row.seen_at).total_seconds(), dict(row.facts)) for row in rows]


def takes_films(workers: list[Known]) -> bool:
    """Whether at least one living worker would open a film now."""
    return any(worker.is_alive and not worker.unfit for worker in workers)
