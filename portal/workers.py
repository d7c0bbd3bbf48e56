"""What the worker processes say of themselves: who lives, what their film tools and their jail are worth.

The worker writes, everybody else reads; a worker that has been silent for a minute counts as gone.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Settings
from portal.database import db_now
from portal.jobs import JobKind
from portal.models import WorkerSeen

# A worker beats every 10 s; several beats missed count as gone.
SILENCE_SECONDS = 60
# The first release of each line of ffmpeg that is free of CVE-2026-8461, where one film becomes a program that runs.
FLOORS = {(7, 1): 5, (8, 0): 3, (8, 1): 2}
# The same in words, newest first.
FLOOR = "8.1.2, 8.0.3, 7.1.5"

FILMS, ERRANDS = JobKind.TRANSCODE.queue, JobKind.PUBLISH.queue
"""The lanes without which no film is made; and nothing goes online, is taken back or written to anybody."""

STORAGE_WORD = "storage"
"""Under this name a worker that has looked at the storage says when (`at`), its `faults`, whether originals `is_open`."""

MARK_WORD, SECONDS_WORD = "writes_as", "max_seconds"
"""Under these names a worker of the errands' lane says by which settings it writes (`mark`), and what films may last."""

OFF, READY = "off", "ready"
"""What a worker that may be asked for captions says of its ear; anything else is what is wrong with it, in English."""


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

    def serves(self, lane: str) -> bool:
        """Whether it takes this lane's work; one that has not said is thought to take all."""
        return not self.lanes or lane in self.lanes

    @property
    def hearing(self) -> str:
        """OFF, READY, or why it writes no captions although a model is named; empty when it is not asked for any."""
        return str(self.facts.get("speech", ""))

    @property
    def is_recent_enough(self) -> bool | None:
        """Whether both film tools are free of the known holes; None when their versions do not tell."""
        verdict = self.facts.get("ffmpeg_floor_ok")
        return None if verdict is None else bool(verdict)


@dataclass(frozen=True, slots=True)
class StorageWord:
    """What was found of the storage: faults in English for staff; whether everybody can read owners' originals."""

    faults: tuple[str, ...] = ()
    is_open: bool = False


def known(session: Session) -> list[Known]:
    """Every worker process that was ever seen, the liveliest first."""
    now = db_now(session)
    rows = session.scalars(select(WorkerSeen).order_by(WorkerSeen.seen_at.desc(), WorkerSeen.name))
    return [Known(row.name, (now - row.seen_at).total_seconds(), dict(row.facts)) for row in rows]


def is_fixed(version: str) -> bool | None:
    """Whether this version of ffmpeg is at its line's floor or above; None when its name does not tell.

    Distributions mend old versions without changing the number, and builds from the middle of the work have none.
    """
    found = re.match(r"n?(\d+)\.(\d+)(?:\.(\d+))?(.*)", version)
    if found is None:
        return None
    line, patch = (int(found[1]), int(found[2])), int(found[3] or 0)
    if (patch >= FLOORS[line]) if line in FLOORS else line > max(FLOORS):
        return True
    # "-0+deb12u1", "-3ubuntu5"; not "-17-g2a571b6068", which counts what came after a release.
    is_distributions = re.match(r"-\d", found[4]) and not re.match(r"-\d+-g[0-9a-f]", found[4])
    return None if is_distributions else False


def mark(settings: Settings) -> str:
    """What two processes have in common that write in the site's name: a short hash, out of which nothing can be read."""
    site, mail = settings.site, settings.mail
    said = repr((site.url, mail.url, mail.sender, mail.inbox))
    return hmac.new(site.secret_key.encode(), said.encode(), hashlib.sha256).hexdigest()[:12]


def strangers(workers: Iterable[Known], settings: Settings) -> list[Known]:
    """Living workers of the errands' lane whose letters lead elsewhere than this site's, or are signed by another key."""
    ours = mark(settings)
    errands = (worker for worker in workers if worker.is_alive and worker.serves(ERRANDS))
    return [worker for worker in errands if worker.facts.get(MARK_WORD, ours) != ours]


def longest(workers: list[Known]) -> int:
    """How many seconds a film may last, as living workers in the site's name say, else the last of them; 0: nobody ever has."""
    said = [one for one in workers if one.facts.get(SECONDS_WORD)]
    heard = [one for one in said if one.is_alive] or said[:1]
    return max((int(one.facts[SECONDS_WORD]) for one in heard), default=0)


def hearing(workers: Iterable[Known]) -> str:
    """Whether captions are made by machine: READY when a living worker can, else what is wrong, else OFF; "" unasked."""
    said = [worker.hearing for worker in workers if worker.is_alive and worker.hearing]
    faults = [words for words in said if words not in (OFF, READY)]
    return next(iter([READY] * (READY in said) + faults + said), "")


def takes_films(workers: Iterable[Known], *, within: float = SILENCE_SECONDS) -> bool:
    """Whether at least one worker that was heard of `within` so many seconds would open a film now."""
    return any(
        worker.silent_seconds <= within and worker.serves(FILMS) and not worker.unfit for worker in workers
    )


def runs_errands(workers: Iterable[Known], *, within: float = SILENCE_SECONDS) -> bool:
    """Whether somebody was heard of lately who puts clips online, takes them back and sends letters."""
    return any(worker.silent_seconds <= within and worker.serves(ERRANDS) for worker in workers)


def silence(workers: Iterable[Known], lane: str) -> float | None:
    """Seconds since somebody was heard of who takes this lane's work; None when nobody ever was."""
    return min((worker.silent_seconds for worker in workers if worker.serves(lane)), default=None)


def on_storage(workers: Iterable[Known]) -> StorageWord:
    """What was found last of the storage, whoever looked; no fault where nobody has looked yet."""
    told = (worker.facts.get(STORAGE_WORD) for worker in workers)
    newest = max((word for word in told if word), key=lambda word: str(word["at"]), default=None)
    if newest is None:
        return StorageWord()
    return StorageWord(tuple(str(fault) for fault in newest["faults"]), bool(newest["is_open"]))
