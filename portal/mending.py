"""What the checker repairs without a person, one repair for each name that a finding may carry.

Each looks again at what it changes and answers whether there was something to be done: a finding may be minutes old.
What can be judged by a rule of the checker alone, `fsck.repair` has looked at again. Repairs nothing that needs a
person's judgement.
"""

import shutil
from collections.abc import Callable

from sqlalchemy import Update, and_, or_, select, update
from sqlalchemy.orm import Session

from portal import cuts, keys
from portal.database import db_now
from portal.ground import Finding
from portal.jobs import JobKind, ask
from portal.lifecycle import BELONGS, CLOCK, TRANSITIONS, WORKER, enqueue, hold, is_being_erased, move
from portal.models import (
    Clip,
    Cut,
    Job,
    JobState,
    Notice,
    NoticeState,
    Publication,
    Rendition,
    State,
)
from portal.rounds import Work
from portal.storage import Bucket, Storage

Repair = Callable[[Work, Storage, Finding], bool]


def _delete_public(_work: Work, storage: Storage, finding: Finding) -> bool:
    storage.delete(Bucket.PUBLIC, [finding.subject])
    return True


def _delete_private(_work: Work, storage: Storage, finding: Finding) -> bool:
    storage.delete(Bucket.ORIGINALS, [finding.subject])
    return True


def _abort_multipart(_work: Work, storage: Storage, finding: Finding) -> bool:
    key, upload_id = finding.subject.rsplit(" ", 1)
    storage.abort_multipart(key, upload_id)
    return True


def _copy_again(work: Work, storage: Storage, finding: Finding) -> bool:
    clip_id, public_key = finding.subject.split(" ", 1)
    if (rendition := _shown_file(work, clip_id, public_key)) is None:
        return False
    storage.copy_to_public(
        rendition.key,
        public_key,
        content_type=rendition.content_type,
        cache_control=keys.cache_control(rendition.name, deaf_edge=storage.has_deaf_edge),
    )
    if _shown_file(work, clip_id, public_key) is not None:
        return True
    # Taken back in this moment, by somebody who may have looked before the copy was there.
    storage.delete(Bucket.PUBLIC, [public_key])
    return False


def _shown_file(work: Work, clip_id: str, public_key: str) -> Rendition | None:
    """The file that must be public under this key, if its clip is shown now."""
    token, _, name = public_key.removeprefix(keys.PUBLIC_PREFIX).partition("/")
    with work() as session:
        return session.scalars(
            select(Rendition)
            .join(Publication, Publication.cut_id == Rendition.cut_id)
            .join(Clip, Clip.id == Publication.clip_id)
            .where(
                Publication.token == token,
                Publication.complete_at.is_not(None),
                Publication.deleted_at.is_(None),
                Clip.id == clip_id,
                Clip.state == State.PUBLISHED,
                Rendition.name == name,
            )
        ).one_or_none()


def _retract(work: Work, _storage: Storage, finding: Finding) -> bool:
    with work() as session:
        enqueue(session, session.get_one(Clip, finding.subject), JobKind.RETRACT)
    return True


def _pick_up_cut(work: Work, _storage: Storage, finding: Finding) -> bool:
    with work() as session:
        cuts.pick_up(session, session.get_one(Cut, finding.subject))
    return True


def _requeue(work: Work, _storage: Storage, finding: Finding) -> bool:
    with work() as session:
        job, now = session.get_one(Job, finding.subject), db_now(session)
        is_lost = and_(Job.state == JobState.RUNNING, or_(Job.lease_until.is_(None), Job.lease_until < now))
        again = update(Job).where(Job.id == job.id, is_lost)
        queued = {"state": JobState.QUEUED, "run_after": now, "lease_until": None}
        is_done = _changes(session, again.values(**queued))
        if is_done:
            ask(session, JobKind(job.kind), job.id)
    return is_done


def _notice_id(finding: Finding) -> int:
    return int(finding.subject.removeprefix("notice "))


def _resend(work: Work, _storage: Storage, finding: Finding) -> bool:
    notice_id = _notice_id(finding)
    with work() as session:
        now = db_now(session)
        # Not one that has left by now, that was called off, or that somebody is sending.
        is_stuck = or_(
            Notice.state == NoticeState.FAILED,
            and_(Notice.state == NoticeState.WAITING, Notice.run_after < now),
            and_(
                Notice.state == NoticeState.SENDING,
                or_(Notice.lease_until.is_(None), Notice.lease_until < now),
            ),
        )
        again = {"state": NoticeState.WAITING, "attempt": 0, "run_after": now, "lease_until": None}
        is_done = _changes(session, update(Notice).where(Notice.id == notice_id, is_stuck).values(**again))
        if is_done:
            ask(session, JobKind.TELL, str(notice_id))
    return is_done


def _cancel_notice(work: Work, _storage: Storage, finding: Finding) -> bool:
    waits = (Notice.id == _notice_id(finding), Notice.state == NoticeState.WAITING)
    with work() as session:
        return _changes(session, update(Notice).where(*waits).values(state=NoticeState.CANCELLED))


def _changes(session: Session, wanted: Update) -> bool:
    """Change the one row; whether it was still as we thought."""
    done = session.execute(wanted.execution_options(synchronize_session=False))
    session.expire_all()
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def _delete_folder(_work: Work, _storage: Storage, finding: Finding) -> bool:
    shutil.rmtree(finding.subject, ignore_errors=True)
    return True


def _remake(work: Work, _storage: Storage, finding: Finding) -> bool:
    with work() as session:
        clip = session.get_one(Clip, finding.subject)
        # A moderator's own cut that is on its way is made with what we have now; nothing is to be pushed aside.
        if cuts.waiting(session, clip) is not None:
            return False
        cuts.replan(session, clip, by=WORKER)
    return True


def _unpublish(work: Work, _storage: Storage, finding: Finding) -> bool:
    with work() as session:
        move(session, session.get_one(Clip, finding.subject), "unpublish", by=CLOCK)
    return True


def _hide_again(work: Work, storage: Storage, finding: Finding) -> bool:
    with work() as session:
        clip = session.get_one(Clip, finding.subject)
        hold(session, clip)
        # Taken away when the clip is published anew.
        if clip.state != State.PUBLISHED or storage.size(Bucket.ORIGINALS, keys.hidden(clip.id)) is None:
            return False
        move(session, clip, "unpublish", by=CLOCK)
    return True


def _erase_again(work: Work, _storage: Storage, finding: Finding) -> bool:
    with work() as session:
        clip = session.get_one(Clip, finding.subject)
        hold(session, clip)
        if clip.state in TRANSITIONS["withdraw"].sources:
            move(session, clip, "withdraw", by=CLOCK)
        if clip.state not in TRANSITIONS["erase"].sources or is_being_erased(session, clip):
            return False
        enqueue(session, clip, JobKind.ERASE)
    return True


def _asking(kind: JobKind) -> Repair:
    def ask_again(work: Work, _storage: Storage, finding: Finding) -> bool:
        with work() as session:
            clip = session.get_one(Clip, finding.subject)
            hold(session, clip)
            is_open = Job.state.in_([JobState.QUEUED, JobState.RUNNING])
            asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == kind, is_open)
            if clip.state not in BELONGS[kind] or session.scalars(asked.limit(1)).first() is not None:
                return False
            enqueue(session, clip, kind)
        return True

    return ask_again


REPAIRS: dict[str, Repair] = {
    "delete_public": _delete_public,
    "delete_private": _delete_private,
    "abort_multipart": _abort_multipart,
    "copy_again": _copy_again,
    "retract": _retract,
    "republish": _asking(JobKind.REPUBLISH),
    "pick_up_cut": _pick_up_cut,
    "requeue": _requeue,
    "resend": _resend,
    "cancel_notice": _cancel_notice,
    "delete_folder": _delete_folder,
    "remake": _remake,
    "erase_again": _erase_again,
    "hide_again": _hide_again,
    "unpublish": _unpublish,
    "ask_transcode": _asking(JobKind.TRANSCODE),
    "ask_publish": _asking(JobKind.PUBLISH),
}
