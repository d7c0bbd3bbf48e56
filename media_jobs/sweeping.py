"""What is done by the clock: ring lost bells again, repair what stands half done, sweep what nobody names.

Everything here may run twice at once, or not at all for a while, without harm.
"""

import logging
from collections.abc import Callable

from media_jobs import publishing, workspace
from media_jobs.workshop import Workshop
from portal import (
    arrivals,
    asking,
    dropbox,
    forgetting,
    fsck,
    invitations,
    leases,
    notices,
    storage_rules,
    team_letters,
    terms,
    views,
    withdrawal,
    workers,
)
from portal.database import db_now
from portal.errors import PortalError
from portal.models import Clip

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
        lambda: asking.ask_waiting(runtime.work),
        lambda: terms.expire_due(runtime.work),
        lambda: withdrawal.remind_stalled(runtime.work),
        lambda: tidy(shop),
    )


def thorough(shop: Workshop) -> None:
    """Every hour: end what nobody goes on with, forget what has served, delete what no row names."""
    runtime = shop.runtime
    _each(
        lambda: withdrawal.abandon_stale(runtime.work),
        lambda: withdrawal.give_up_silent(runtime.work),
        lambda: publishing.erase_replaced(shop),
        lambda: _forget_mails(shop),
        lambda: terms.ask_again(runtime.work),
        lambda: asking.ask_ending(runtime.work),
        lambda: _tell_team(shop),
        lambda: _look_at_storage(shop),
        lambda: _forget_views(shop),
        lambda: _forget_guests(shop),
        lambda: _forget_addresses(shop),
        lambda: _forget_spent_letters(shop),
        lambda: fsck.tidy(runtime.read, runtime.work, runtime.storage),
    )


def look_at_storage(shop: Workshop) -> None:
    """Soon after the start, too: who has chosen a lax storage learns of it before the first film comes."""
    _each(lambda: _look_at_storage(shop))


def _each(*steps: Callable[[], object]) -> None:
    """One step's trouble must not keep the others from being done: the sweep's one door, it writes down what broke."""
    for step in steps:
        try:
            step()
        except PortalError as error:
            log.warning("sweep: a step was left out: %s", error)
        except Exception:
            log.exception("sweep: a step broke")


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


def _forget_mails(shop: Workshop) -> None:
    """Here and not at the mail's door: an inbox that was switched off must not keep what it took."""
    with shop.runtime.work() as session:
        dropbox.tidy(session)


def _erase_due(shop: Workshop) -> None:
    with shop.runtime.read() as session:
        due = [clip.id for clip in withdrawal.due_for_erasure(session)]
    for clip_id in due:
        with shop.runtime.work() as session:
            withdrawal.erase_if_due(session, session.get_one(Clip, clip_id))


def _forget_spent_letters(shop: Workshop) -> None:
    """A copy in our own folder would keep an address that is kept nowhere else."""
    lying = shop.runtime.mailer.lying()
    with shop.runtime.read() as session:
        spent = notices.spent(session, lying)
    shop.runtime.mailer.forget(spent)


def _tell_team(shop: Workshop) -> None:
    if shop.runtime.settings.mail.tells_team:
        with shop.runtime.work() as session:
            team_letters.write(session)


def _look_at_storage(shop: Workshop) -> None:
    """Write down what the storage gives to everybody or takes against its rules, and have it said in the studio."""
    # That it is away is told elsewhere, and says nothing of its rules.
    if not shop.runtime.storage.is_reachable():
        return
    faults = list(storage_rules.faults(shop.runtime))
    for fault in faults:
        log.error("storage: %s", fault)
    with shop.runtime.read() as session:
        at = db_now(session).isoformat()
    is_open = storage_rules.are_originals_open(faults)
    shop.told[workers.STORAGE_WORD] = {"at": at, "faults": faults, "is_open": is_open}


def _forget_addresses(shop: Workshop) -> None:
    with shop.runtime.work() as session:
        notices.forget_addresses(session)
        forgetting.forget_answers(session)


def _forget_views(shop: Workshop) -> None:
    with shop.runtime.work() as session:
        views.forget_past_days(session)


def tidy(shop: Workshop) -> None:
    """End the leases of this host's dead, and remove what they left in its work folder; every host must do its own."""
    folders = workspace.leftovers(shop.runtime.settings.media.scratch)
    if not folders:
        return
    if deserted := workspace.deserted(folders):
        with shop.runtime.work() as session:
            leases.lost(session, deserted)
    with shop.runtime.read() as session:
        living = leases.running_tokens(session)
    workspace.sweep(folders, living)
