"""How the work is going, in figures: what waits, runs and failed by lane and reason, what a CPU second yields.

Only reads; `/metrics` and the studio's settings page show the same figures.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from portal import failures, workers
from portal.database import db_now
from portal.jobs import QUEUES, JobKind
from portal.models import Clip, Cut, Job, JobState, Notice
from portal.room import Disk
from portal.workers import Known

YIELD_OF = timedelta(hours=24)
GONE_SECONDS = 24 * 3600.0
"""A worker that has been silent for so long was taken away, or has another name since: no alarm rings for ever."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One queue: how many jobs are due and nobody's, the oldest one's seconds of waiting, how many run."""

    name: str
    waiting: int
    oldest_seconds: float
    running: int


@dataclass(frozen=True, slots=True)
class Queues:
    """All of it; `film_seconds` and `cpu_seconds` are those of the films made in the last 24 hours.

    `put_off` waits for another try, by kind and what went wrong in the last one; `failed` was given up.
    """

    lanes: list[Lane]
    put_off: dict[tuple[str, str], int]
    failed: dict[tuple[str, str], int]
    letters: dict[str, int]
    clips: dict[str, int]
    film_seconds: float
    cpu_seconds: float
    workers: list[Known]

    @property
    def film_per_cpu(self) -> float | None:
        """Seconds of film per second of processor, None while nothing was made."""
        return self.film_seconds / self.cpu_seconds if self.cpu_seconds else None


def queues(session: Session) -> Queues:
    """The figures of this moment."""
    now = db_now(session)
    spent = select(func.sum(Cut.seconds), func.sum(Cut.cpu_seconds)).where(
        Cut.made_at > now - YIELD_OF, Cut.cpu_seconds.is_not(None)
    )
    film_seconds, cpu_seconds = session.execute(spent).one()
    return Queues(
        lanes=_lanes(session, now),
        put_off=_put_off(session),
        failed=_failed(session),
        letters=_counted(session, select(Notice.state, func.count()).group_by(Notice.state)),
        clips=_counted(session, select(Clip.state, func.count()).group_by(Clip.state)),
        film_seconds=float(film_seconds or 0.0),
        cpu_seconds=float(cpu_seconds or 0.0),
        workers=[one for one in workers.known(session) if one.silent_seconds < GONE_SECONDS],
    )


def films_waiting(session: Session) -> int:
    """How many films have come and are not begun, due or put off."""
    waiting = (Job.kind == JobKind.TRANSCODE, Job.state == JobState.QUEUED)
    return session.scalar(select(func.count()).select_from(Job).where(*waiting)) or 0


def disk_as_prometheus(disk: Disk | None) -> str:
    """What is free of the disk that films and database share, in the same format; nothing where they share none."""
    if disk is None:
        return ""
    gauges = (
        ("disk_free_bytes", "Free on the disk that films and database share.", disk.free),
        ("disk_bytes", "Size of that disk.", disk.total),
        ("disk_has_room", "Whether new uploads are taken (FREE_PERCENT).", int(disk.has_room)),
    )
    lines = (line for name, meaning, value in gauges for line in _gauge(name, meaning, [({}, value)]))
    return "".join(f"{line}\n" for line in lines)


def as_prometheus(figures: Queues) -> str:
    """The figures in Prometheus' text format 0.0.4: gauges alone, for all of them are read from the record."""
    return "".join(f"{line}\n" for line in _lines(figures))


def _lanes(session: Session, now: datetime) -> list[Lane]:
    due = (Job.state == JobState.QUEUED, Job.run_after <= now)
    waiting = session.execute(
        select(Job.kind, func.count(), func.min(Job.run_after)).where(*due).group_by(Job.kind)
    ).all()
    running = _counted(
        session, select(Job.kind, func.count()).where(Job.state == JobState.RUNNING).group_by(Job.kind)
    )
    lanes = []
    for queue in QUEUES:
        kinds = [kind.value for kind in JobKind if kind.queue == queue]
        mine: list[Row[str, int, datetime]] = [row for row in waiting if row[0] in kinds]
        ages = [(now - since).total_seconds() for _kind, _count, since in mine]
        lanes.append(
            Lane(
                name=queue,
                waiting=sum(count for _kind, count, _since in mine),
                oldest_seconds=max(ages, default=0.0),
                running=sum(running.get(kind, 0) for kind in kinds),
            )
        )
    return lanes


def _put_off(session: Session) -> dict[tuple[str, str], int]:
    asked = select(Job.kind, Job.error_code, func.count()).where(
        Job.state == JobState.QUEUED, Job.error_code.is_not(None)
    )
    rows = session.execute(asked.group_by(Job.kind, Job.error_code).order_by(Job.kind, Job.error_code))
    return {(kind, code): count for kind, code, count in rows if code}


def _failed(session: Session) -> dict[tuple[str, str], int]:
    asked = select(Job.kind, func.coalesce(Job.error_code, ""), func.count()).where(failures.still_matters())
    rows = session.execute(asked.group_by(Job.kind, Job.error_code).order_by(Job.kind, Job.error_code))
    return {(kind, code): count for kind, code, count in rows}


def _counted(session: Session, asked: Select[str, int]) -> dict[str, int]:
    return {word: count for word, count in session.execute(asked)}  # noqa: C416 - mypy takes no dict() of rows


def _lines(figures: Queues) -> Iterator[str]:
    lanes = figures.lanes
    yield from _gauge(
        "jobs_waiting", "Jobs that are due and nobody's.", (({"lane": x.name}, x.waiting) for x in lanes)
    )
    yield from _gauge(
        "jobs_oldest_seconds",
        "How long the oldest due job waits.",
        (({"lane": x.name}, x.oldest_seconds) for x in lanes),
    )
    yield from _gauge(
        "jobs_running", "Jobs that somebody works on.", (({"lane": x.name}, x.running) for x in lanes)
    )
    put_off = (({"kind": kind, "code": code}, count) for (kind, code), count in figures.put_off.items())
    yield from _gauge("jobs_put_off", "Jobs that wait for another try after what went wrong.", put_off)
    failed = (({"kind": kind, "code": code}, count) for (kind, code), count in figures.failed.items())
    yield from _gauge("jobs_failed", "Jobs that were given up and not asked for again.", failed)
    yield from _gauge(
        "letters", "Letters by state.", (({"state": x}, n) for x, n in sorted(figures.letters.items()))
    )
    yield from _gauge(
        "clips", "Clips by state.", (({"state": x}, n) for x, n in sorted(figures.clips.items()))
    )
    yield from _gauge("film_seconds_24h", "Film made in 24 hours.", [({}, figures.film_seconds)])
    yield from _gauge("cpu_seconds_24h", "Processor time spent on it.", [({}, figures.cpu_seconds)])
    silent = (({"worker": x.name}, x.silent_seconds) for x in figures.workers)
    yield from _gauge("worker_silent_seconds", "Since a worker was heard of.", silent)
    built = ((_made_of(x), 1) for x in figures.workers)
    ahead = (({"worker": x.name}, float(x.facts.get("clock_seconds", 0.0))) for x in figures.workers)
    yield from _gauge("worker_clock_seconds", "How far a worker's clock is ahead of the database's.", ahead)
    yield from _gauge("worker_info", "What a worker is made of.", built)


def _made_of(worker: Known) -> dict[str, str]:
    return {"worker": worker.name, "sandbox": worker.sandbox, "ffmpeg": str(worker.facts.get("ffmpeg", ""))}


def _gauge(name: str, meaning: str, values: Iterable[tuple[dict[str, str], float]]) -> Iterator[str]:
    yield f"# HELP vecu_{name} {meaning}"
    yield f"# TYPE vecu_{name} gauge"
    for labels, value in values:
        inner = ",".join(f'{label}="{_quoted(word)}"' for label, word in labels.items())
        yield f"vecu_{name}{{{inner}}} {value:.10g}" if inner else f"vecu_{name} {value:.10g}"


def _quoted(word: str) -> str:
    return word.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
