"""What is done by the clock: ring lost bells again, repair what stands half done, sweep what nobody names.

Everything here may run twice at once, or not at all for a while, without harm.
"""

import logging
from collections.abc import Callable

from media_jobs import publishing, workspace
from media_jobs.workshop import Workshop
from portal import fsck, leases, notices, uploads, withdrawal
from portal.errors import PortalError
from portal.jobs import JobKind
from portal.lifecycle import enqueue

log = logging.getLogger(__name__)


def quick(shop: Workshop) -> None:
    """Every few seconds: bells first, for they need nothing but the database."""
    runtime = shop.runtime
    _each(
        lambda: _ring(shop),
        lambda: uploads.repair_completing(runtime.work, runtime.storage),
        lambda: uploads.expire_stale(runtime.work, runtime.storage),
        lambda: _erase_due(shop),
        lambda: publishing.sweep_watched_out(shop),
        lambda: publishing.drop_cuts(shop),
        lambda: tidy(shop),
    )


def thorough(shop: Workshop) -> None:
    """Every hour: forget abandoned drafts, delete objects and parts that no row names."""
    runtime = shop.runtime
    _each(
        lambda: withdrawal.abandon_stale(runtime.work),
        lambda: fsck.tidy(runtime.read, runtime.work, runtime.storage),
    )


def _each(*steps: Callable[[], object]) -> None:
    """One step's trouble must not keep the others from being done."""
    for step in steps:
        try:
            step()
        except PortalError as error:
            log.warning("sweep: a step was left out: %s", error)


def _ring(shop: Workshop) -> None:
    with shop.runtime.read() as session:
        bells = leases.overdue(session) + notices.overdue_notices(session)
    for bell in bells:
        shop.runtime.wake(bell)


def _erase_due(shop: Workshop) -> None:
    with shop.runtime.read() as session:
        due = [clip.id for clip in withdrawal.due_for_erasure(session)]
    if not due:
        return
    with shop.runtime.work() as session:
        for clip in withdrawal.due_for_erasure(session):
            enqueue(session, clip, JobKind.ERASE)


def tidy(shop: Workshop) -> None:
    """Remove from this host's work folder what dead attempts left there; every host must do its own."""
    folders = workspace.leftovers(shop.runtime.settings.media.scratch)
    if not folders:
        return
    with shop.runtime.read() as session:
        living = leases.running_tokens(session)
    workspace.sweep(folders, living)
