"""One task per kind of job, each the same three steps: claim, work, report.

No database transaction is open during the work; running a task twice does its work once.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sqlalchemy.orm import Session

from media_jobs import chunking, making, posting, previewing, publishing, signalling, speaking, sweeping
from media_jobs.ffmpeg import Cancelled
from media_jobs.heartbeat import Heartbeat, Interrupted
from media_jobs.workshop import Workshop
from media_jobs.workspace import NO_ROOM
from portal import crash, film_faults, leases, letters, lifecycle, notices, processing, withdrawal
from portal.database import AWAY
from portal.errors import Away, Code, Missing, PortalError, Unacceptable, Unavailable
from portal.jobs import JobKind
from portal.leases import Claim
from portal.models import Clip, Notice
from portal.notices import Told

log = logging.getLogger(__name__)

Work = Callable[[Workshop, Claim, Heartbeat], None]


def tell(shop: Workshop, notice_id: str) -> None:
    """Send one letter, once."""
    with shop.runtime.work() as session:
        told = notices.claim_notice(session, int(notice_id), lease_seconds=shop.pace.notice_lease)
    if told is None:
        return

    def send() -> None:
        mail = _compose(shop, told)
        crash.point("mail.send")
        shop.runtime.mailer.send(
            to=told.to,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            message_id=told.message_id,
            lang=mail.lang,
            reply_to=mail.reply_to,
            refuse_url=mail.refuse_url,
        )
        crash.point("mail.send.done")

    error = _attempt(send, f"notice={told.notice_id} kind={told.kind}")
    with shop.runtime.work() as session:
        if error is None:
            overtaken = not notices.notice_sent(session, told) and notices.is_cancelled(session, told)
        else:
            overtaken = False
            _unsent(session, told, error, shop)
    if overtaken:
        # Forgotten while we wrote: what lies in our own folder goes with the rest.
        shop.runtime.mailer.forget([told.message_id])


def _unsent(session: Session, told: Told, error: PortalError, shop: Workshop) -> None:
    if isinstance(error, Missing):
        notices.notice_void(session, told)
        return
    is_final = bool(error.facts.get("is_final"))
    notices.notice_failed(session, told, _detail(error), pauses=shop.pace.notice_pauses, is_final=is_final)


def sweep(shop: Workshop, how: str) -> None:
    """Ring lost bells again and repair what stands half done; "thorough" also looks through the storage."""
    sweeping.quick(shop)
    if how == "thorough":
        sweeping.thorough(shop)


# The frame of every job ----------------------------------------------------------------------------------


def _hold(shop: Workshop, job_id: str, work: Work) -> None:
    if shop.is_stopping():
        return
    with shop.runtime.work() as session:
        claim = leases.claim(session, job_id, lease_seconds=shop.pace.lease)
    if claim is None:
        return
    subject = f"clip={claim.clip_id} job={job_id} kind={claim.kind} attempt={claim.attempt}"
    log.info("begun %s", subject)
    with Heartbeat(shop, claim) as heartbeat:
        try:
            error = _attempt(lambda: work(shop, claim, heartbeat), subject)
        except (Interrupted, Cancelled):
            _interrupted(shop, claim, heartbeat)
            return
        if error is not None:
            _failed(shop, claim, error)


def _attempt(work: Callable[[], None], subject: str) -> PortalError | None:
    """Do the work; the refusal it ended with, or None. The worker's one door: whatever breaks, the record learns of it."""
    try:
        work()
    except (Interrupted, Cancelled):
        raise
    except PortalError as error:
        log.warning("failed %s: %s", subject, _detail(error))
        return error
    except AWAY as error:
        # Whoever only reads is not told by `unit_of_work`; an outage counts no attempt, whatever it interrupts.
        words = str(error).partition("\n")[0]
        log.warning("database away %s: %s", subject, words)
        return Away(Code.OURS_DATABASE, detail=words)
    except OSError as error:
        # Pictures, playlists and packed pieces are written by ourselves, without a tool in between.
        if error.errno in NO_ROOM:
            log.warning("no room %s: %s", subject, error)
            return Away(Code.OURS_DISK, detail=str(error))
        log.exception("broken %s", subject)
        return Unavailable(Code.OURS_UNKNOWN, detail=repr(error))
    except Exception as error:
        log.exception("broken %s", subject)
        return Unavailable(Code.OURS_UNKNOWN, detail=repr(error))
    return None


def _interrupted(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    if heartbeat.is_lost:
        log.warning("lease lost clip=%s job=%s attempt=%d", claim.clip_id, claim.job_id, claim.attempt)
        return
    with shop.runtime.work() as session:
        leases.release(session, claim)


def _failed(shop: Workshop, claim: Claim, error: PortalError) -> None:
    with shop.runtime.work() as session:
        if isinstance(error, Unacceptable) and claim.kind is JobKind.TRANSCODE:
            processing.film_refused(session, claim, error.code, _detail(error), film_faults.kept(error.facts))
            return
        code = error.code if error.code.is_ours else Code.OURS_UNKNOWN
        is_outage = isinstance(error, Away) or code is Code.OURS_DISK
        leases.job_failed(
            session, claim, code, _detail(error), pauses=shop.pace.retry_pauses, is_outage=is_outage
        )


def _detail(error: PortalError) -> str:
    facts = ", ".join(f"{name}={value}" for name, value in error.facts.items())
    return f"{error.code}: {facts}" if facts else error.code.value


# The work ------------------------------------------------------------------------------------------------


def _erase(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    publishing.mark_erased(shop, claim)
    deleted = publishing.delete_everything(shop, claim, heartbeat)
    with shop.runtime.read() as session:
        written = notices.message_ids(session, claim.clip_id)
    letters_gone = shop.runtime.mailer.forget(written)
    crash.point("erasure.letters.done")
    deleted = replace(deleted, letters=letters_gone)
    with shop.runtime.work() as session:
        if leases.done(session, claim):
            clip = session.get_one(Clip, claim.clip_id)
            withdrawal.erased(session, clip, by=lifecycle.WORKER, deleted=deleted)


def _compose(shop: Workshop, told: Told) -> letters.Mail:
    site, inbox = shop.runtime.settings.site, shop.runtime.settings.mail.inbox
    with shop.runtime.work() as session:
        notice = session.get_one(Notice, told.notice_id)
        link = letters.action_link(session, notice, site=site)
        return letters.compose(session, notice, site=site, link=link, inbox=inbox)


_WORK: Final[dict[JobKind, Work]] = {
    JobKind.TRANSCODE: making.transcode,
    JobKind.CHUNK: chunking.chunk,
    JobKind.PREVIEW: previewing.preview,
    JobKind.REMAKE: making.remake,
    JobKind.POSTER: posting.poster,
    JobKind.SIGNALS: signalling.look,
    JobKind.CAPTIONS: speaking.captions,
    JobKind.PUBLISH: publishing.publish,
    JobKind.REPUBLISH: publishing.republish,
    JobKind.RETRACT: publishing.retract,
    JobKind.ERASE: _erase,
}


def _held(work: Work) -> Callable[[Workshop, str], None]:
    return lambda shop, job_id: _hold(shop, job_id, work)


TASKS: Final[dict[JobKind, Callable[[Workshop, str], None]]] = {
    **{kind: _held(work) for kind, work in _WORK.items()},
    JobKind.TELL: tell,
    JobKind.SWEEP: sweep,
}
