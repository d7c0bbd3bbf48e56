"""What the checker repairs without a person, one repair for each name that a finding may carry.

Each looks again at what it changes: a finding may be a minute old. Repairs nothing that needs a person's judgement.
"""

import shutil
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import cuts, keys
from portal.database import db_now
from portal.ground import Finding
from portal.jobs import JobKind, ask
from portal.lifecycle import CLOCK, WORKER, enqueue, move
from portal.models import Clip, Cut, Job, JobState, Notice, NoticeState, Publication, Rendition
from portal.rounds import Work
from portal.storage import Bucket, Storage


def _delete_public(_work: Work, storage: Storage, finding: Finding) -> None:
    storage.delete(Bucket.PUBLIC, [finding.subject])


def _delete_private(_work: Work, storage: Storage, finding: Finding) -> None:
    storage.delete(Bucket.ORIGINALS, [finding.subject])


def _abort_multipart(_work: Work, storage: Storage, finding: Finding) -> None:
    key, upload_id = finding.subject.rsplit(" ", 1)
    storage.abort_multipart(key, upload_id)


def _copy_again(work: Work, storage: Storage, finding: Finding) -> None:
    clip_id, public_key = finding.subject.split(" ", 1)
    name = public_key.rsplit("/", 1)[1]
    with work() as session:
        token = public_key.removeprefix(keys.PUBLIC_PREFIX).split("/")[0]
        cut_id = select(Publication.cut_id).where(Publication.token == token).scalar_subquery()
        made = select(Rendition).where(
            Rendition.clip_id == clip_id, Rendition.cut_id == cut_id, Rendition.name == name
        )
        rendition = session.scalars(made).one()
    storage.copy_to_public(
        rendition.key,
        public_key,
        content_type=rendition.content_type,
        cache_control=keys.cache_control(name),
    )


def _retract(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        enqueue(session, session.get_one(Clip, finding.subject), JobKind.RETRACT)


def _republish(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        enqueue(session, session.get_one(Clip, finding.subject), JobKind.REPUBLISH)


def _pick_up_cut(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        cuts.pick_up(session, session.get_one(Cut, finding.subject))


def _requeue(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        job = session.get_one(Job, finding.subject)
        if job.state == JobState.RUNNING and (job.lease_until is None or job.lease_until < db_now(session)):
            job.state, job.run_after, job.lease_until = JobState.QUEUED, db_now(session), None
            ask(session, JobKind(job.kind), job.id)


def _notice_of(session: Session, finding: Finding) -> Notice:
    return session.get_one(Notice, int(finding.subject.removeprefix("notice ")))


def _resend(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        notice = _notice_of(session, finding)
        notice.state, notice.attempt, notice.run_after = NoticeState.WAITING, 0, db_now(session)
        ask(session, JobKind.TELL, str(notice.id))


def _cancel_notice(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        _notice_of(session, finding).state = NoticeState.CANCELLED


def _delete_folder(_work: Work, _storage: Storage, finding: Finding) -> None:
    shutil.rmtree(finding.subject, ignore_errors=True)


def _remake(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        clip = session.get_one(Clip, finding.subject)
        # A moderator's own cut that is on its way is made with what we have now; nothing is to be pushed aside.
        if cuts.waiting(session, clip) is None:
            cuts.replan(session, clip, by=WORKER)


def _unpublish(work: Work, _storage: Storage, finding: Finding) -> None:
    with work() as session:
        move(session, session.get_one(Clip, finding.subject), "unpublish", by=CLOCK)


def _asking(kind: JobKind) -> Callable[[Work, Storage, Finding], None]:
    def ask_again(work: Work, _storage: Storage, finding: Finding) -> None:
        with work() as session:
            enqueue(session, session.get_one(Clip, finding.subject), kind)

    return ask_again


REPAIRS: dict[str, Callable[[Work, Storage, Finding], Any]] = {
    "delete_public": _delete_public,
    "delete_private": _delete_private,
    "abort_multipart": _abort_multipart,
    "copy_again": _copy_again,
    "retract": _retract,
    "republish": _republish,
    "pick_up_cut": _pick_up_cut,
    "requeue": _requeue,
    "resend": _resend,
    "cancel_notice": _cancel_notice,
    "delete_folder": _delete_folder,
    "remake": _remake,
    "unpublish": _unpublish,
    "ask_transcode": _asking(JobKind.TRANSCODE),
    "ask_publish": _asking(JobKind.PUBLISH),
}
