"""One worker's processes: the machines built after the fork, the word to stop, the sign of life, the timetable.

The record owns the jobs; Celery only rings.
"""

import logging
import mmap
import os
import signal
import threading
import time
from dataclasses import replace
from typing import Any

from billiard import current_process
from celery import Celery, signals
from sqlalchemy.exc import SQLAlchemyError

from config import Settings
from media_jobs.fitness import Fitness, check
from media_jobs.speech import hearing
from media_jobs.sweeping import look_at_storage, tidy
from media_jobs.tasks import TASKS
from media_jobs.workshop import Pace, Workshop
from portal import workers
from portal.database import db_now
from portal.errors import PortalError
from portal.jobs import JobKind
from portal.models import WorkerSeen
from portal.runtime import build_runtime, make_celery

log = logging.getLogger(__name__)

NAMELESS = (
    "give it the site's SITE_URL, SECRET_KEY and MAIL_*, or only the lanes of films (-Q heavy,slow,short)"
)

# These start no film tool and wait for none: letters, and above all withdrawals.
TOOLLESS = frozenset(
    (
        JobKind.PUBLISH,
        JobKind.REPUBLISH,
        JobKind.RETRACT,
        JobKind.ERASE,
        JobKind.TELL,
        JobKind.SWEEP,
    )
)


class Worker:
    """What the parent and its forked children know of each other."""

    def __init__(self, settings: Settings, pace: Pace) -> None:
        self._settings = settings
        self._pace = pace
        self._node = "worker"
        self._lanes: list[str] = []
        # One byte that parent and children share: no lock, so that a killed child cannot leave one taken.
        self._stop = mmap.mmap(-1, 1)
        self._shop: Workshop | None = None
        self._building = threading.Lock()
        self._fitness: Fitness | None = None
        self._looked_at = 0.0
        self._looking = threading.Lock()

    @property
    def shop(self) -> Workshop:
        """The machines of this process, built on first use and never before the fork."""
        tools = self.fitness().tools
        with self._building:
            if self._shop is None:
                self._shop = Workshop(
                    runtime=build_runtime(self._settings),
                    tools=tools,
                    pace=self._pace,
                    is_stopping=self.is_stopping,
                )
            elif self._shop.tools != tools:
                self._shop = replace(self._shop, tools=tools)
            return self._shop

    def fitness(self) -> Fitness:
        """Whether this process may take films; looked into again when a tool has changed, or after a while in vain."""
        with self._looking:
            known, now = self._fitness, time.monotonic()
            is_in_vain = known is not None and known.faults and now - self._looked_at > self._pace.seen
            if known is not None and not known.is_stale and not is_in_vain:
                return known
            found = check(self._settings.media)
            if known is None or found.faults != known.faults:
                _tell(found)
            self._fitness, self._looked_at = found, now
            return found

    def is_stopping(self) -> bool:
        """Whether this worker is told to end: running work gives its lease back at once."""
        return self._stop[0] != 0

    def name(self, sender: str, options: dict[str, Any] | None = None, **_: Any) -> None:
        """Remember the node's name and its lanes, before the fork."""
        self._node = sender
        lanes = (options or {}).get("queues") or []
        named = lanes.split(",") if isinstance(lanes, str) else [str(lane) for lane in lanes]
        # Without -Q it listens to the default queue and no other.
        self._lanes = named or [JobKind.SWEEP.queue]

    def stop(self, *_: Any, **__: Any) -> None:
        """Tell every process of this worker to end its running work."""
        self._stop[0] = 1

    def begin(self, **_: Any) -> None:
        """In the forked process: heed SIGTERM, and say from now on that we live."""
        if current_process().name != "MainProcess":
            # A terminal or supervisor that signals the whole group must not kill a job that could give way.
            signal.signal(signal.SIGTERM, self.stop)
        if is_nameless(self._settings, self._lanes):
            log.error("letters written here lead to %s: %s", self._settings.site.url, NAMELESS)
        threading.Thread(target=self._be_seen, name="be-seen", daemon=True).start()
        if JobKind.SWEEP.queue in self._lanes and not getattr(current_process(), "index", 0):
            # Beside the sign of life, which must not wait for a storage that hangs.
            threading.Thread(target=self._look, name="look", daemon=True).start()

    def _look(self) -> None:
        time.sleep(self._pace.look)
        look_at_storage(self.shop)

    def _be_seen(self) -> None:
        while True:
            try:
                self.beat()
                # The clock's sweep reaches one worker; every host has a work folder of its own.
                tidy(self.shop)
            except (PortalError, SQLAlchemyError, OSError) as error:
                log.warning("sign of life not written: %s", error)
            time.sleep(self._pace.seen)

    def beat(self) -> None:
        """Write one sign of life, with all that this process knows of itself and has found out."""
        name = f"{self._node}/{getattr(current_process(), 'index', 0) or 0}"
        facts = {**self.fitness().facts, "process": os.getpid(), "lanes": self._lanes, **self.shop.told}
        if JobKind.CAPTIONS.queue in self._lanes:
            facts["speech"] = hearing(self._settings.speech)
        if workers.ERRANDS in self._lanes:
            facts[workers.MARK_WORD] = workers.mark(self._settings)
            facts[workers.SECONDS_WORD] = self._settings.uploads.max_seconds
        with self.shop.runtime.work() as session:
            now = db_now(session)
            # How far this host's clock is ahead: beyond 15 minutes storages refuse what it signs.
            facts["clock_seconds"] = round(time.time() - now.timestamp(), 1)
            session.merge(WorkerSeen(name=name, seen_at=now, facts=facts))


def is_nameless(settings: Settings, lanes: list[str]) -> bool:
    """Whether a worker of a shared database would write letters without having been told in whose name."""
    is_own = settings.database_url.startswith("sqlite")
    origins = (settings.origins.get(name, "default") for name in ("SITE_URL", "SECRET_KEY"))
    return workers.ERRANDS in lanes and not is_own and "default" in origins


def _tell(found: Fitness) -> None:
    for fault in found.faults:
        log.error("no films are taken: %s", fault)
    if not found.faults:
        log.info("films are taken: %s", found.facts)


def make_app(settings: Settings, pace: Pace | None = None) -> Celery:
    """The application with every task, its timetable, and the hooks of a process's life."""
    pace = pace or Pace()
    worker = Worker(settings, pace)
    app = make_celery(settings.broker_url)
    for kind, task in TASKS.items():
        _register(app, worker, kind, task)
    app.conf.update(
        task_default_queue=JobKind.SWEEP.queue,
        # Busy hands take no bell: it would wait for them while others are idle, and be heeded after a drain.
        worker_disable_prefetch=True,
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
        # A film that nobody may open now stays as it is: not begun, not failed; the sweep rings again.
        if kind in TOOLLESS or not worker.fitness().faults:
            task(worker.shop, subject)

    # Not shared: a second application in the same process has a worker of its own.
    app.task(run, name=f"media_jobs.{kind}", shared=False)


def _entry(how: str, seconds: float) -> dict[str, Any]:
    # A sweep that waited longer than until the next one is worth nothing.
    options = {"queue": JobKind.SWEEP.queue, "expires": max(seconds, 1.0)}
    return {"task": f"media_jobs.{JobKind.SWEEP}", "schedule": seconds, "args": [how], "options": options}
