"""One task per kind of job, each the same three steps: claim, work, report.

No database transaction is open during the work; running a task twice does its work once.
"""

import logging
from collections.abc import Callable
from typing import Final

from media_jobs import film, probe, publishing, sweeping
from media_jobs.ffmpeg import Cancelled, version
from media_jobs.heartbeat import Heartbeat, Interrupted
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import lifecycle, notices, processing, submission, withdrawal
from portal.errors import Code, Missing, PortalError, Unacceptable, Unavailable
from portal.jobs import JobKind
from portal.models import Clip, Notice
from portal.notices import Told
from portal.processing import Claim

log = logging.getLogger(__name__)

Work = Callable[[Workshop, Claim, Heartbeat], None]


def transcode(shop: Workshop, job_id: str) -> None:
    """Make everything a clip is played from, out of its newest original."""
    _hold(shop, job_id, _make_film)


def publish(shop: Workshop, job_id: str) -> None:
    """Copy an approved clip's files to the public bucket and show it."""
    _hold(shop, job_id, publishing.publish)


def retract(shop: Workshop, job_id: str) -> None:
    """Delete everything public of a clip, and look that it is gone."""
    _hold(shop, job_id, publishing.retract)


def erase(shop: Workshop, job_id: str) -> None:
    """Delete every object of a clip, look that it is gone, then blank the person."""
    _hold(shop, job_id, _erase)


def tell(shop: Workshop, notice_id: str) -> None:
    """Send one letter, once."""
    with shop.runtime.work() as session:
        told = notices.claim_notice(session, int(notice_id), lease_seconds=shop.pace.notice_lease)
    if told is None:
        return

    def send() -> None:
        mail = _compose(shop, told)
        shop.runtime.mailer.send(
            to=told.to,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            message_id=told.message_id,
            lang=mail.lang,
        )

    error = _attempt(send, f"notice={told.notice_id} kind={told.kind}")
    with shop.runtime.work() as session:
        if error is None:
            notices.notice_sent(session, told)
        else:
            notices.notice_failed(session, told, _detail(error), pauses=shop.pace.notice_pauses)


def sweep(shop: Workshop, how: str) -> None:
    """Ring lost bells again and repair what stands half done; "thorough" also looks through the storage."""
    sweeping.quick(shop)
    if how == "thorough":
        sweeping.thorough(shop)


TASKS: Final[dict[JobKind, Callable[[Workshop, str], None]]] = {
    JobKind.TRANSCODE: transcode,
    JobKind.PUBLISH: publish,
    JobKind.RETRACT: retract,
    JobKind.ERASE: erase,
    JobKind.TELL: tell,
    JobKind.SWEEP: sweep,
}


# The frame of every job ----------------------------------------------------------------------------------


def _hold(shop: Workshop, job_id: str, work: Work) -> None:
    if shop.is_stopping():
        return
    with shop.runtime.work() as session:
        claim = processing.claim(session, job_id, lease_seconds=shop.pace.lease)
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
    except Exception as error:
        log.exception("broken %s", subject)
        return Unavailable(Code.OURS_UNKNOWN, detail=repr(error))
    return None


def _interrupted(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    if heartbeat.is_lost:
        log.warning("lease lost clip=%s job=%s attempt=%d", claim.clip_id, claim.job_id, claim.attempt)
        return
    with shop.runtime.work() as session:
        processing.release(session, claim)


def _failed(shop: Workshop, claim: Claim, error: PortalError) -> None:
    with shop.runtime.work() as session:
        if isinstance(error, Unacceptable) and claim.kind is JobKind.TRANSCODE:
            processing.film_refused(session, claim, error.code, _detail(error))
            return
        code = error.code if error.code.is_ours else Code.OURS_UNKNOWN
        processing.job_failed(session, claim, code, _detail(error), pauses=shop.pace.retry_pauses)


def _detail(error: PortalError) -> str:
    facts = ", ".join(f"{name}={value}" for name, value in error.facts.items())
    return f"{error.code}: {facts}" if facts else error.code.value


# The work ------------------------------------------------------------------------------------------------


def _make_film(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    with shop.runtime.read() as session:
        key = processing.film_of(session, claim).key
        language = session.get_one(Clip, claim.clip_id).speech_lang or None
    limits = probe.Limits(max_seconds=float(shop.runtime.settings.uploads.max_seconds))
    with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
        heartbeat.note(0.0, "fetch")
        sha256 = space.fetch(key)
        heartbeat.check()
        heartbeat.note(0.02, "check")
        facts = probe.inspect(shop.tools, space.original, limits)
        with shop.runtime.work() as session:
            kept = processing.film_checked(
                session, claim, facts.as_json(), sha256, ffmpeg_version=version(shop.tools)
            )
        if not kept:
            return
        made = film.make(
            shop.tools,
            space.original,
            space.folder,
            facts,
            lambda percent: heartbeat.note(0.03 + 0.92 * percent / 100, "make"),
            heartbeat.must_stop,
            language,
        )
        heartbeat.note(0.95, "store")
        _store(shop, claim, heartbeat, space, made)


def _store(shop: Workshop, claim: Claim, heartbeat: Heartbeat, space: Workspace, made: film.Made) -> None:
    stored: list[processing.Stored] = []
    kept = False
    try:
        for file in space.store(made.files):
            heartbeat.check()
            stored.append(file)
            heartbeat.note(0.95 + 0.05 * len(stored) / len(made.files), "store")
        with shop.runtime.work() as session:
            kept = processing.film_ready(
                session,
                claim,
                stored,
                seconds=made.seconds,
                width=made.width,
                height=made.height,
                loudness=made.loudness,
            )
    finally:
        if not kept:
            space.take_back()


def _erase(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    publishing.delete_everything(shop, claim, heartbeat)
    with shop.runtime.read() as session:
        letters = notices.message_ids(session, claim.clip_id)
    shop.runtime.mailer.forget(letters)
    with shop.runtime.work() as session:
        if processing.erasure_done(session, claim):
            withdrawal.erased(session, session.get_one(Clip, claim.clip_id), by=lifecycle.WORKER)


def _compose(shop: Workshop, told: Told) -> notices.Mail:
    """The letter with a fresh link of its owner's: links are hashed at rest, an old one cannot be read again."""
    site = shop.runtime.settings.site
    with shop.runtime.work() as session:
        notice = session.get_one(Notice, told.notice_id)
        clip = session.get(Clip, notice.clip_id) if notice.clip_id is not None else None
        if clip is None:
            raise Missing(Code.MISSING, notice=told.notice_id)
        link = notices.status_address(site, clip.lang, submission.new_link(session, clip))
        return notices.compose(session, notice, site=site, link=link)
