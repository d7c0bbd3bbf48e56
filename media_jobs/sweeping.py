"""What is done by the clock: ring lost bells again, repair what stands half done, sweep what nobody names.

Everything here may run twice at once, or not at all for a while, without harm.
"""

import logging
from collections.abc import Callable

from media_jobs import publishing, workspace
from media_jobs.workshop import Workshop
from portal import arrivals, fsck, invitations, leases, notices, signatures, terms, views, withdrawal
from portal.errors import PortalError
from portal.jobs import JobKind
from portal.lifecycle import enqueue

log = logging.getLogger(__name__)


def quick(shop: Workshop) -> None:
    """Every few seconds: bells first, for they need nothing but the database."""
    runtime = shop.runtime
    _each(
        lambda: _ring(shop),
        lambda: arrivals.repair_completing(runtime.work, runtime.storage),
        lambda: arrivals.collect_posted(runtime.work, runtime.storage),
        lambda: arrivals.expire_stale(runtime.work, runtime.storage),
        lambda: _erase_due(shop),
        lambda: publishing.sweep_watched_out(shop),
        lambda: publishing.drop_cuts(shop),
        lambda: _invite(shop),
        lambda: signatures.ask_waiting(runtime.work),
        lambda: terms.expire_due(runtime.work),
        lambda: tidy(shop),
    )


def thorough(shop: Workshop) -> None:
    """Every hour: forget abandoned drafts, delete objects and parts that no row names."""
    runtime = shop.runtime
    _each(
        lambda: withdrawal.abandon_stale(runtime.work),
        lambda: terms.ask_again(runtime.work),
        lambda: _forget_views(shop),
        lambda: _forget_guests(shop),
        lambda: _forget_spent_letters(shop),
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


def _invite(shop: Workshop) -> None:
    """Letters of invitation leave in small batches: a list of thousands must not hold up anybody's own letter."""
    with shop.runtime.work() as session:
        invitations.post_due(session)


def _forget_guests(shop: Workshop) -> None:
    with shop.runtime.work() as session:
        invitations.forget_old(session)


def _erase_due(shop: Workshop) -> None:
    with shop.runtime.read() as session:
        due = [clip.id for clip in withdrawal.due_for_erasure(session)]
    if not due:
        return
    with shop.runtime.work() as session:
        for clip in withdrawal.due_for_erasure(session):
            enqueue(session, clip, JobKind.ERASE)


def _forget_spent_letters(shop: Workshop) -> None:
    with shop.runtime.read() as session:
        spent = withdrawal.spent_letters(session)
    shop.runtime.mailer.forget(spent)


def _forget_views(shop: Workshop) -> None:
    with shop.runtime.work() as session:
        views.forget_past_days(session)


def tidy(shop: Workshop) -> None:
    """Remove from this host's work folder what dead attempts left there; every host must do its own."""
    folders = workspace.leftovers(shop.runtime.settings.media.scratch)
    if not folders:
        return
    with shop.runtime.read() as session:
        living = leases.running_tokens(session)
    workspace.sweep(folders, living)
