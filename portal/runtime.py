"""Builds engine, sessions, storage, mailer and bell from the settings; shared by web, worker and command line.

The only place of the portal that knows Celery, as a client that rings bells by task name.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from config import Settings
from portal.database import make_engine, make_sessions, unit_of_work
from portal.i18n import keep_time_of
from portal.jobs import Bell, Wake
from portal.mailer import Mailer
from portal.storage import Storage

log = logging.getLogger(__name__)

LONGEST_DELAY: Final = 300.0
"""Seconds; whatever is due later than this is rung for by the sweep (`leases.overdue`), a few seconds late."""

FULL: Final = 40
"""Twice what one sweep rings for in a queue: while so many bells wait, hands are busy or away, not idle and unaware."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The machines of one process."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    storage: Storage
    mailer: Mailer
    wake: Wake

    def broker_answers(self) -> bool:
        """Whether the broker takes connections now."""
        try:
            with make_celery(self.settings.broker_url).connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        except (OSError, OperationalError):
            return False
        return True

    @contextmanager
    def work(self) -> Iterator[Session]:
        """One unit of work: written whole or not at all, bells rung after."""
        with self.sessions() as session, unit_of_work(session, self.wake):
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading."""
        with self.sessions() as session:
            yield session


def make_celery(broker_url: str) -> Celery:
    """The Celery application, configured alike for those who ring and those who work."""
    app = Celery("vecu", broker=broker_url)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        # A broker that is away must not hold up a page: the sweep rings again.
        task_publish_retry=False,
        broker_connection_timeout=2,
        broker_transport_options={
            "visibility_timeout": 3600,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            # Whoever rings tries twice and without a pause; kombu would sleep two seconds in between.
            "max_retries": 1,
            "interval_start": 0,
        },
        timezone="UTC",
    )
    return app


def _waiting(app: Celery, queue: str) -> int:
    """How many bells of a queue nobody has heard yet."""
    with app.pool.acquire(block=True) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        try:
            with connection.channel() as channel:
                return int(channel.queue_declare(queue, passive=True).message_count)
        except ChannelError:
            return 0  # There is no such queue while nothing is in it.
        except connection.recoverable_connection_errors as error:
            raise OperationalError(str(error)) from error


def make_wake(app: Celery) -> Wake:
    """A bell that sends a task by name; a broker that is away is logged, never raised.

    Not rung: what is due in a long while, for the sweep rings when it is time (Celery would hold it in a worker's
    hands, and once more each hour); and a reminder where as many bells lie as a sweep rings, for nobody hears it sooner.
    """

    def wake(bell: Bell) -> None:
        if bell.delay > LONGEST_DELAY:
            return
        try:
            if bell.is_reminder and _waiting(app, bell.kind.queue) >= FULL:
                return
            app.send_task(
                f"media_jobs.{bell.kind}",
                args=[bell.subject],
                queue=bell.kind.queue,
                countdown=bell.delay or None,
            )
        except (OSError, OperationalError) as error:
            log.warning("bell not rung kind=%s subject=%s: %s", bell.kind, bell.subject, error)

    return wake


def build_runtime(settings: Settings) -> Runtime:
    """Build everything one process needs; connects to nothing yet."""
    keep_time_of(settings.site.timezone)
    engine = make_engine(settings.database_url)
    return Runtime(
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        storage=Storage(settings.storage),
        mailer=Mailer(settings.mail, sender_name=settings.site.name),
        wake=make_wake(make_celery(settings.broker_url)),
    )
