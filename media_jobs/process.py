"""One worker's processes: the machines built after the fork, the word to stop, the sign of life, the timetable.

The record owns the jobs; Celery only rings.
"""

import logging
import mmap
import os
import signal
import threading
import time
from typing import Any

from billiard import current_process
from celery import Celery, signals
from sqlalchemy.exc import SQLAlchemyError

from config import Settings
from media_jobs.ffmpeg import Tools, version
from media_jobs.tasks import TASKS
from media_jobs.workshop import Pace, Workshop
from portal.database import db_now
from portal.errors import PortalError
from portal.jobs import JobKind
from portal.models import WorkerSeen
from portal.runtime import build_runtime, make_celery

log = logging.getLogger(__name__)


class Worker:
    """What the parent and its forked children know of each other."""

    def __init__(self, settings: Settings, pace: Pace) -> None:
        self._settings = settings
        self._pace = pace
        self._node = "worker"
        # One byte that parent and children share: no lock, so that a killed child cannot leave one taken.
        self._stop = mmap.mmap(-1, 1)
        self._shop: Workshop | None = None
        self._building = threading.Lock()

    @property
    def shop(self) -> Workshop:
        """The machines of this process, built on first use and never before the fork."""
        with self._building:
            if self._shop is None:
                media = self._settings.media
                self._shop = Workshop(
                    runtime=build_runtime(self._settings),
                    tools=Tools.found(media.ffmpeg or None, media.ffprobe or None, media.threads),
                    pace=self._pace,
                    is_stopping=self.is_stopping,
                )
            return self._shop

    def is_stopping(self) -> bool:
        """Whether this worker is told to end: running work gives its lease back at once."""
        return self._stop[0] != 0

    def name(self, sender: str, **_: Any) -> None:
        """Remember the node's name, before the fork."""
        self._node = sender

    def stop(self, *_: Any, **__: Any) -> None:
        """Tell every process of this worker to end its running work."""
        self._stop[0] = 1

    def begin(self, **_: Any) -> None:
        """In the forked process: heed SIGTERM, and say from now on that we live."""
        if current_process().name != "MainProcess":
            # A terminal or supervisor that signals the whole group must not kill a job that could give way.
            signal.signal(signal.SIGTERM, self.stop)
        threading.Thread(target=self._be_seen, name="be-seen", daemon=True).start()

    def _be_seen(self) -> None:
        name = f"{self._node}/{getattr(current_process(), 'index', 0) or 0}"
        facts = {"ffmpeg": version(self.shop.tools), "process": os.getpid()}
        while True:
            try:
                with self.shop.runtime.work() as session:
                    session.merge(WorkerSeen(name=name, seen_at=db_now(session), facts=facts))
            except (PortalError, SQLAlchemyError) as error:
                log.warning("sign of life not written: %s", error)
            time.sleep(self._pace.seen)


def make_app(settings: Settings, pace: Pace | None = None) -> Celery:
    """The application with every task, its timetable, and the hooks of a process's life."""
    pace = pace or Pace()
    worker = Worker(settings, pace)
    app = make_celery(settings.broker_url)
    for kind, task in TASKS.items():
        _register(app, worker, kind, task)
    app.conf.update(
        task_default_queue=JobKind.SWEEP.queue,
        beat_schedule={
            "sweep": _entry("quick", pace.sweep),
            "janitor": _entry("thorough", pace.janitor),
        },
    )
    # Celery keeps only weak references to what it calls.
    signals.celeryd_init.connect(worker.name, weak=False)
    signals.worker_process_init.connect(worker.begin, weak=False)
    signals.worker_shutting_down.connect(worker.stop, weak=False)
    return app


def _register(app: Celery, worker: Worker, kind: JobKind, task: Any) -> None:
    def run(subject: str) -> None:
        task(worker.shop, subject)

    app.task(run, name=f"media_jobs.{kind}")


def _entry(how: str, seconds: float) -> dict[str, Any]:
    # A sweep that waited longer than until the next one is worth nothing.
    options = {"queue": JobKind.SWEEP.queue, "expires": max(seconds, 1.0)}
    return {"task": f"media_jobs.{JobKind.SWEEP}", "schedule": seconds, "args": [how], "options": options}
