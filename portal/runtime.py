"""Builds engine, sessions, storage, mailer and bell from the settings; shared by web, worker and command line.

The only place of the portal that knows Celery, as a client that rings bells by task name.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from config import Settings
from portal.database import make_engine, make_sessions, unit_of_work
from portal.jobs import Bell, Wake
from portal.mailer import Mailer
from portal.storage import Storage

log = logging.getLogger(__name__)


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
                connection.ensure_connection(max_retries=1, timeout=2)
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
        },
        timezone="UTC",
    )
    return app


def make_wake(app: Celery) -> Wake:
    """A bell that sends a task by name; a broker that is away is logged, never raised."""

    def wake(bell: Bell) -> None:
        try:
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
    engine = make_engine(settings.database_url)
    return Runtime(
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        storage=Storage(settings.storage),
        mailer=Mailer(settings.mail, sender_name=settings.site.name),
        wake=make_wake(make_celery(settings.broker_url)),
    )
