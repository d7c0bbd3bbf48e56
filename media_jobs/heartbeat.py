"""Keeps one claimed job's lease while the work goes on, and says when to stop.

A thread of its own: the work may sit in ffmpeg for minutes. Never does any of the work.
"""

import logging
import threading
import time
from types import TracebackType
from typing import Self

from media_jobs.workshop import Workshop
from portal import crash, leases
from portal.errors import PortalError
from portal.leases import Claim

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The work must end now: the lease is lost, or the worker is told to stop."""


class Heartbeat:
    """The lease of one claim, for the length of a `with` block."""

    def __init__(self, shop: Workshop, claim: Claim) -> None:
        self._shop = shop
        self._claim = claim
        self._ended = threading.Event()
        self._lost = False
        self._progress = (0.0, "")
        self._thread = threading.Thread(target=self._keep, name=f"heartbeat-{claim.job_id[:8]}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether somebody else has the job, or nobody wants it any more."""
        return self._lost

    def note(self, progress: float, step: str) -> None:
        """Remember how far the work is (0 to 1); the thread writes it down."""
        self._progress = (progress, step)

    def must_stop(self) -> bool:
        """Whether to end the work without a result."""
        return self._lost or self._shop.is_stopping()

    def check(self) -> None:
        """Raise Interrupted when the work must end."""
        if self.must_stop():
            raise Interrupted

    def _keep(self) -> None:
        try:
            self._beat()
        finally:
            # A heart that stopped by itself, for whatever cause, keeps no lease: the work must not go on without it.
            self._lost = self._lost or not self._ended.is_set()

    def _beat(self) -> None:
        pace = self._shop.pace
        written, last = (0.0, ""), time.monotonic()
        step = min(pace.progress, pace.heartbeat)
        while not self._ended.wait(step) and not self._lost:
            current, silence = self._progress, time.monotonic() - last
            if current == written and silence < pace.heartbeat:
                continue
            try:
                crash.point("heartbeat")
                with self._shop.runtime.work() as session:
                    progress, word = current
                    kept = leases.heartbeat(session, self._claim, progress, word, lease_seconds=pace.lease)
            except PortalError as error:
                # The database is away: the lease is ours until it ends, then it may be anybody's.
                log.warning(
                    "heartbeat missed clip=%s job=%s: %s", self._claim.clip_id, self._claim.job_id, error
                )
                self._lost = silence > pace.lease
                continue
            self._lost = not kept
            written, last = current, time.monotonic()
