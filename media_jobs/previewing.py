"""The first picture of a film, before its ladder is made: fetch, look, make, store piece by piece, report each.

The film's own faults are not told here: its transcode does that.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from media_jobs import film, making, probe
from media_jobs import preview as pictures
from media_jobs.ffmpeg import films_fault
from media_jobs.heartbeat import Heartbeat
from media_jobs.probe import Facts
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import leases, processing
from portal.edits import EditList, fitted
from portal.errors import PortalError, Unacceptable, Unavailable
from portal.jobs import JobKind
from portal.ladder import frame_rate_for
from portal.leases import Claim
from portal.models import Job, JobState

log = logging.getLogger(__name__)

SHORT_QUEUE: Final = 3
"""With more films than this before it, the CPU belongs to them: the ladder comes soon enough or late anyway."""


def preview(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Let owner and moderators watch a film within seconds of its arrival."""
    with shop.runtime.read() as session:
        original = processing.film_of(session, claim)
        key, is_ready = original.key, original.ready_at is not None
        sent = _Sent(EditList.from_json(original.edits), keeps_beginning=original.keeps_beginning)
    if not is_ready:
        with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
            heartbeat.note(0.0, "fetch")
            space.fetch(key)
            heartbeat.check()
            _Preview(shop, claim, heartbeat, space, sent).make()
    with shop.runtime.work() as session:
        leases.done(session, claim)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What the owner said of the film: what to leave out at its ends, and whether a beginning alone will do."""

    ends: EditList
    keeps_beginning: bool


class _Preview:
    """One preview on its way: what is stored already, and what the record knows of it."""

    def __init__(
        self, shop: Workshop, claim: Claim, heartbeat: Heartbeat, space: Workspace, sent: _Sent
    ) -> None:
        self._shop = shop
        self._claim = claim
        self._heartbeat = heartbeat
        self._space = space
        self._sent = sent
        self._told: dict[str, Any] = {}
        self._files: list[dict[str, Any]] = []
        self._unwanted = False

    def make(self) -> None:
        """Make and store it in the quickest way this film allows; leaves nothing behind that nobody wants."""
        try:
            is_cut = not self._sent.ends.is_empty
            limits = making.limits_of(self._shop, keeps_beginning=self._sent.keeps_beginning, is_cut=is_cut)
            facts = probe.inspect(self._shop.tools, self._space.original, limits)
            ends = fitted(self._sent.ends, frame_rate_for(facts.fps), facts.duration_seconds)
            # What was cut off before sending is shown to nobody: a copy would have it all.
            if not (ends.is_empty and self._copied(facts)) and self._queue_is_short():
                self._encoded(facts, ends)
        except Unacceptable as refusal:
            log.info("no preview clip=%s: %s", self._claim.clip_id, refusal.code)
        finally:
            if self._unwanted or not self._files:
                self._space.take_back()

    def _copied(self, facts: Facts) -> bool:
        if not pictures.can_be_copied(facts):
            return False
        space = self._space
        try:
            path = pictures.copy(
                self._shop.tools, space.original, space.folder, facts, self._heartbeat.must_stop
            )
        except Unavailable as trouble:
            if not films_fault(trouble):
                raise
            return False
        if not pictures.holds_what_is_shown(path, facts):
            path.unlink()
            return False
        self._told = _described("mp4", facts.width, facts.height, facts.duration_seconds)
        self._keep([(path, None)], complete=True)
        return True

    def _encoded(self, facts: Facts, ends: EditList) -> None:
        made = pictures.plan(facts, ends)
        width, height = made.size(made.rungs[0])
        self._told = _described("hls", width, height, made.seconds)
        space = self._space
        try:
            pictures.encode(self._shop.tools, space.original, space.folder, facts, self._look, ends)
        except PortalError:
            # What came out so far can be watched, and the playlist must say that nothing follows.
            if self._files and not self._unwanted:
                self._keep([], complete=True)
            raise
        self._keep(self._fresh(), complete=True)

    def _look(self) -> bool:
        """Store what is finished by now; whether to stop."""
        fresh = self._fresh()
        if fresh:
            self._keep(fresh, complete=False)
        return self._unwanted or self._heartbeat.must_stop()

    def _fresh(self) -> list[tuple[Path, float | None]]:
        stored = {file["name"] for file in self._files}
        found = pictures.segments(self._space.folder)
        fresh = [(one.path, one.seconds) for one in found if one.path.name not in stored]
        first = [] if stored or not fresh else [(self._space.folder / pictures.INIT_NAME, None)]
        return [*first, *fresh]

    def _keep(self, pieces: list[tuple[Path, float | None]], *, complete: bool) -> None:
        """Store the pieces and tell the record; from the moment the ladder is ready nobody wants them."""
        for path, seconds in pieces:
            for stored in self._space.store([film.described(path, "preview")]):
                file = {"name": stored.name, "key": stored.key, "bytes": stored.size_bytes}
                self._files.append(file if seconds is None else {**file, "seconds": seconds})
        told = {**self._told, "token": self._claim.token, "files": self._files, "complete": complete}
        with self._shop.runtime.work() as session:
            is_ready = processing.film_of(session, self._claim).ready_at is not None
            self._unwanted = is_ready or not processing.preview_ready(session, self._claim, told)

    def _queue_is_short(self) -> bool:
        waiting = select(func.count()).where(Job.kind == JobKind.TRANSCODE, Job.state == JobState.QUEUED)
        with self._shop.runtime.read() as session:
            return (session.scalar(waiting) or 0) <= SHORT_QUEUE


def _described(kind: str, width: int, height: int, seconds: float) -> dict[str, Any]:
    return {"kind": kind, "width": width, "height": height, "seconds": round(seconds, 3)}
