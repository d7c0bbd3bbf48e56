"""What everybody of the staff must see on every page of the studio: work that stands still, a full disk, a lax storage.

Only looks, and seldom: what was found is kept for a few seconds. The words are in templates/studio/_alarms.html.
"""

import time
from dataclasses import dataclass
from typing import Final

from flask import current_app
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from config import Settings
from portal import failures, room, workers
from portal.errors import Code
from portal.models import Job, JobState
from portal.web.db import reading, runtime

KEPT_SECONDS: Final = 10.0
"""A page of the studio asks once; so many are read in a minute that the answer is shared."""

QUIET_SECONDS: Final = 180.0
"""A worker that is started anew is silent for less: nobody is alarmed by a deploy."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Work that nobody does: for how many minutes, None for ever; `is_unfit`: workers live and take no films."""

    minutes: int | None
    is_unfit: bool = False


@dataclass(frozen=True, slots=True)
class Alarms:
    """All there is to be alarmed about; where films and errands stand still together, both are set."""

    films: Stop | None = None
    errands: Stop | None = None
    # New uploads are refused; films that have come wait for room in a worker's own folder.
    is_full: bool = False
    waits_for_room: bool = False
    # So many jobs were given up by our fault, where no letter tells of them.
    failed: int = 0
    are_originals_open: bool = False


def now() -> Alarms:
    """What there is to be alarmed about, at most ten seconds old."""
    until, kept = current_app.extensions.get("alarms", (0.0, Alarms()))
    if time.monotonic() >= until:
        kept = _looked(reading(), runtime().settings)
        current_app.extensions["alarms"] = (time.monotonic() + KEPT_SECONDS, kept)
    found: Alarms = kept
    return found


def _looked(session: Session, settings: Settings) -> Alarms:
    known = workers.known(session)
    return Alarms(
        films=_films(known),
        errands=None
        if workers.runs_errands(known, within=QUIET_SECONDS)
        else Stop(_minutes(known, workers.ERRANDS)),
        is_full=not room.has_room(settings),
        waits_for_room=_waits_for_room(session),
        failed=0 if settings.mail.tells_team else _failed(session),
        are_originals_open=workers.on_storage(known).is_open,
    )


def _films(known: list[workers.Known]) -> Stop | None:
    if workers.takes_films(known, within=QUIET_SECONDS):
        return None
    silent = workers.silence(known, workers.FILMS)
    return Stop(_minutes(known, workers.FILMS), is_unfit=silent is not None and silent <= QUIET_SECONDS)


def _minutes(known: list[workers.Known], lane: str) -> int | None:
    silent = workers.silence(known, lane)
    return max(1, int(silent // 60)) if silent is not None else None


def _waits_for_room(session: Session) -> bool:
    waits = (Job.state == JobState.QUEUED, Job.error_code == Code.OURS_DISK)
    return bool(session.scalar(select(exists().where(*waits))))


def _failed(session: Session) -> int:
    ours = (failures.still_matters(), Job.error_code.startswith("ours"))
    return session.scalar(select(func.count()).select_from(Job).where(*ours)) or 0
