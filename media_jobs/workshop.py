"""What every task stands on: the process's machines, the film tools, the pace of work, the word to stop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from media_jobs.ffmpeg import Tools
from portal import leases, notices
from portal.runtime import Runtime


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things last, in seconds; measured figures: docs, "the database owns the job"."""

    lease: float = leases.LEASE_SECONDS
    heartbeat: float = leases.HEARTBEAT_SECONDS
    # Progress is written at least this often while it moves.
    progress: float = 2.0
    retry_pauses: tuple[float, ...] = leases.RETRY_PAUSES
    notice_lease: float = notices.LEASE_SECONDS
    notice_pauses: tuple[float, ...] = notices.RETRY_PAUSES
    sweep: float = 10.0
    janitor: float = 3600.0
    seen: float = 10.0
    # So long after its start a worker of the light lane looks whether the storage holds to its rules.
    look: float = 30.0


@dataclass(frozen=True, slots=True)
class Workshop:
    """One worker process: handed to every task."""

    runtime: Runtime
    tools: Tools
    pace: Pace = field(default_factory=Pace)
    is_stopping: Callable[[], bool] = never
    # What this process has found out and says with its next sign of life.
    told: dict[str, Any] = field(default_factory=dict)
