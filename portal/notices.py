"""Who is told what, once: the outbox of mails.

Never writes the letters (`letters.py` does), never sends (the worker does, with the mailer).
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.jobs import Bell, JobKind, ask
from portal.models import Clip, Invitation, Notice, NoticeState, Person, Refusal, State

LEASE_SECONDS = 180.0
RETRY_PAUSES = (60.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 43200.0)
"""Seconds before each new attempt: a mail server may be away for most of a day."""

_OVERDUE_SECONDS = 5.0
_BELLS_PER_SWEEP = 50


class NoticeKind(StrEnum):
    """One kind of letter; each has templates/email/<kind>.txt and .html (a test pairs them)."""

    RECEIVED = "received"
    FINISH_LATER = "finish_later"
    CHANGES_REQUESTED = "changes_requested"
    PUBLISHED = "published"
    REJECTED = "rejected"
    FAILED = "failed"
    REMOVED = "removed"
    WITHDRAWN = "withdrawn"
    CUT_READY = "cut_ready"
    INVITATION = "invitation"
    REMINDER = "reminder"
    CO_SIGNATURE = "co_signature"
    CO_SIGNATURE_REFUSED = "co_signature_refused"
    CO_SIGNATURE_TAKEN_BACK = "co_signature_taken_back"
    CO_RENEWAL = "co_renewal"
    CO_ENDING = "co_ending"
    CO_FILM_CHANGED = "co_film_changed"
    USE_TAKEN_BACK = "use_taken_back"
    SIGN_IN = "sign_in"
    MESSAGE = "message"
    THANKS = "thanks"
    RENEWAL = "renewal"
    EXPIRED = "expired"
    ERASED = "erased"
    ERASE_CONFIRM = "erase_confirm"
    CASE_OPENED = "case_opened"
    MAIL_TAKEN = "mail_taken"
    MAIL_REFUSED = "mail_refused"
    PROMISES_DUE = "promises_due"
    OWNERS_WROTE = "owners_wrote"
    JOBS_FAILED = "jobs_failed"
    FRESH_LINK = "fresh_link"
    ADDRESS_CHANGED = "address_changed"


TOPICS: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.INVITATION: "invitations",
    NoticeKind.REMINDER: "invitations",
    NoticeKind.THANKS: "thanks",
    NoticeKind.MESSAGE: "messages",
}
"""Letters that people may do without, and the word under which they say so."""


CUT_OCCASION = "cut:"
"""Before a cut's id: the occasion of the letter that tells of it."""

UNASKED_A_DAY = 20
"""Anybody may type anybody's address: so many letters a day leave for one before a moderator has looked."""

_UNASKED = (NoticeKind.RECEIVED, NoticeKind.FINISH_LATER, NoticeKind.FAILED, NoticeKind.FRESH_LINK)

ADDRESS_KEPT: Final = timedelta(days=14)
"""So long a bare address stays with a letter that did not leave or was called off: staff may still send it again."""

COPY_KEPT: Final = timedelta(days=1)
"""So long a copy in our own folder stays of a letter whose address is kept nowhere else."""

_CALLED_OFF: Final = ":called_off:"
_ON_THEIR_WAY = (NoticeState.WAITING, NoticeState.SENDING)
_GUESTS = (NoticeKind.INVITATION, NoticeKind.REMINDER)
# After these nothing of their reader is kept: nobody waits for a second try of a letter that cannot be delivered.
_LAST = (NoticeKind.ERASED,)
_ASKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Told:
    """The right to send one notice until the lease ends."""

    notice_id: int
    kind: NoticeKind
    attempt: int
    message_id: str
    to: str


# The outbox --------------------------------------------------------------------------------------------


def tell(
    session: Session,
    kind: NoticeKind,
    clip: Clip,
    *,
    occasion: str,
    decision_id: int | None = None,
    about: str = "",
    facts: Mapping[str, Any] | None = None,
    delay: float = 0.0,
) -> Notice | None:
    """Put one letter to the clip's owner into the outbox; `delay` (seconds) leaves time for an undo.

    None when there is nobody to write to, when a stranger could be flooding that address, or when the owner does
    without such letters. The same occasion twice makes one notice.
    """
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    if owner is None or not owner.email:
        return None
    known = session.scalars(select(Notice).where(Notice.occasion == occasion)).first()
    if known is not None:
        return known
    if kind in _UNASKED and _told_today(session, owner, db_now(session)) >= UNASKED_A_DAY:
        return None
    if is_refused(session, kind, owner.email):
        return None
    return _put(
        session, kind, occasion, delay, clip_id=clip.id, person_id=owner.id, lang=clip.lang,
        decision_id=decision_id, about=about, facts=dict(facts or {}),
    )  # fmt: skip


def write(  # noqa: PLR0913 - to whom, of what, why
    session: Session,
    kind: NoticeKind,
    *,
    to: Person | str,
    lang: str,
    occasion: str,
    clip: Clip | None = None,
    about: str = "",
    facts: Mapping[str, Any] | None = None,
    delay: float = 0.0,
) -> Notice | None:
    """Put one letter to a person, or to a bare address, into the outbox; None when it is not wanted there.

    `about` is the id of the row that the letter speaks of, `facts` what its template says beside. A bare address is
    forgotten with the letter (`notice_sent`). The same occasion twice makes one notice.
    """
    known = session.scalars(select(Notice).where(Notice.occasion == occasion)).first()
    if known is not None:
        return known
    address = to.email if isinstance(to, Person) else to
    if not address or is_refused(session, kind, address):
        return None
    return _put(
        session, kind, occasion, delay, clip_id=clip.id if clip is not None else None, lang=lang, about=about,
        person_id=to.id if isinstance(to, Person) else None, facts=dict(facts or {}),
        address=None if isinstance(to, Person) else address,
    )  # fmt: skip


def pretend(session: Session, kind: NoticeKind, *, lang: str) -> None:
    """Do the work of a letter that goes to nobody: whoever asks must not learn from our haste whom we know."""
    occasion = f"nobody:{secrets.token_hex(16)}"
    if session.scalars(select(Notice).where(Notice.occasion == occasion)).first() is None:
        _put(session, kind, occasion, 0.0, lang=lang)


def address_hash(address: str) -> str:
    """What is kept of an address that must be known again without being stored: sha256 in hex."""
    return hashlib.sha256(f"address:{address.strip().casefold()}".encode()).hexdigest()


def is_refused(session: Session, kind: NoticeKind, address: str) -> bool:
    """Whether whoever reads this address does without letters of this kind."""
    topic = TOPICS.get(kind)
    if topic is None:
        return False
    asked = select(Refusal.id).where(Refusal.email_hash == address_hash(address), Refusal.topic == topic)
    return session.scalars(asked).first() is not None


def _put(session: Session, kind: NoticeKind, occasion: str, delay: float, **columns: Any) -> Notice:
    now = db_now(session)
    notice = Notice(
        kind=kind,
        occasion=occasion,
        state=NoticeState.WAITING,
        # Fixed here: a letter that leaves twice after a crash is known as the same one by mail programs.
        message_id=f"{secrets.token_hex(12)}@{(columns.get('clip_id') or 'portal').lower()}.notice",
        created_at=now,
        run_after=now + timedelta(seconds=delay),
        **columns,
    )
    try:
        with session.begin_nested():
            session.add(notice)
    except IntegrityError:
        return session.scalars(select(Notice).where(Notice.occasion == occasion)).one()
    ask(session, JobKind.TELL, str(notice.id), delay=delay)
    return notice


def _told_today(session: Session, owner: Person, now: datetime) -> int:
    recent = (Notice.person_id == owner.id, Notice.created_at > now - timedelta(days=1))
    counted = select(func.count()).select_from(Notice).where(*recent, Notice.kind.in_(_UNASKED))
    return session.scalar(counted) or 0


def cancel(session: Session, clip: Clip, kind: NoticeKind) -> None:
    """Take waiting letters of this kind out of the outbox (the decision was undone)."""
    waiting = (Notice.clip_id == clip.id, Notice.kind == kind, Notice.state == NoticeState.WAITING)
    called_off = {"state": NoticeState.CANCELLED, "address": None, "error_detail": None}
    session.execute(update(Notice).where(*waiting).values(**called_off))


def take_up(session: Session, clip: Clip, kind: NoticeKind) -> None:
    """Let the newest letter of this kind leave after all that was called off before it had (a withdrawal was undone)."""
    asked = select(Notice).where(Notice.clip_id == clip.id, Notice.kind == kind).order_by(Notice.id.desc())
    newest = session.scalars(asked.limit(1)).first()
    if newest is None or newest.state != NoticeState.CANCELLED or newest.person_id != clip.owner_id:
        return
    now = db_now(session)
    newest.state, newest.run_after, newest.lease_until = NoticeState.WAITING, max(newest.run_after, now), None
    session.flush()
    ask(session, JobKind.TELL, str(newest.id), delay=(newest.run_after - now).total_seconds())


def let_repeat(session: Session, clip: Clip, kind: NoticeKind) -> None:
    """Free the occasions of letters of this kind that were called off: who writes them by the clock may do so again."""
    off = (Notice.clip_id == clip.id, Notice.kind == kind, Notice.state == NoticeState.CANCELLED)
    for one in session.scalars(select(Notice).where(*off, Notice.occasion.not_like(f"%{_CALLED_OFF}%"))):
        one.occasion = f"{one.occasion}{_CALLED_OFF}{one.id}"
    session.flush()


def cancel_for(session: Session, clip: Clip, person_id: int) -> None:
    """Take letters about this clip to this person out of the outbox: it is somebody else's now."""
    waiting = (Notice.clip_id == clip.id, Notice.person_id == person_id, Notice.state == NoticeState.WAITING)
    session.execute(update(Notice).where(*waiting).values(state=NoticeState.CANCELLED))


def call_off(session: Session, about: str) -> None:
    """Take waiting letters that speak of this row out of the outbox: it is no more."""
    waiting = (Notice.about == about, Notice.state == NoticeState.WAITING)
    called_off = {"state": NoticeState.CANCELLED, "address": None, "error_detail": None}
    session.execute(update(Notice).where(*waiting).values(**called_off))


def claim_notice(session: Session, notice_id: int, *, lease_seconds: float = LEASE_SECONDS) -> Told | None:
    """Take a due letter by one conditional UPDATE; None when it is sent, cancelled, not due or in other hands."""
    now = db_now(session)
    notice = session.get(Notice, notice_id)
    if notice is None:
        return None
    to = _address_of(session, notice)
    if not to:
        # Erased meanwhile: there is nobody to be told any more.
        if notice.state in (NoticeState.WAITING, NoticeState.SENDING):
            notice.state = NoticeState.CANCELLED
        return None
    taken = session.execute(
        update(Notice)
        .where(
            Notice.id == notice_id,
            Notice.attempt == notice.attempt,
            or_(
                and_(Notice.state == NoticeState.WAITING, Notice.run_after <= now),
                and_(Notice.state == NoticeState.SENDING, Notice.lease_until < now),
            ),
        )
        .values(
            state=NoticeState.SENDING,
            attempt=Notice.attempt + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
        )
        .execution_options(synchronize_session=False)
    )
    session.expire(notice)
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    return Told(notice.id, NoticeKind(notice.kind), notice.attempt, notice.message_id, to)


def _address_of(session: Session, notice: Notice) -> str:
    if notice.person_id is None:
        return notice.address or ""
    return session.get_one(Person, notice.person_id).email or ""


def notice_sent(session: Session, told: Told) -> bool:
    """The letter has left, and a bare address with it; False when somebody else has it in hand by now."""
    now = db_now(session)
    return _report(session, told, state=NoticeState.SENT, sent_at=now, error_detail=None, address=None)


def is_cancelled(session: Session, told: Told) -> bool:
    """Whether nobody wants this letter any more."""
    return session.get_one(Notice, told.notice_id).state == NoticeState.CANCELLED


def notice_failed(
    session: Session,
    told: Told,
    detail: str,
    *,
    pauses: Sequence[float] = RETRY_PAUSES,
    is_final: bool = False,
) -> bool:
    """The letter did not leave: again after a growing pause, for a day; then it stays `failed` for staff to see.

    `is_final`: the mail server will never take it. A receipt that cannot be delivered forgets its address at once.
    """
    if is_final or told.attempt > len(pauses):
        if told.kind in _LAST:
            return _report(session, told, state=NoticeState.FAILED, error_detail=None, address=None)
        return _report(session, told, state=NoticeState.FAILED, error_detail=detail[:2000])
    pause = pauses[told.attempt - 1]
    later = db_now(session) + timedelta(seconds=pause)
    return _report(
        session,
        told,
        state=NoticeState.WAITING,
        run_after=later,
        lease_until=None,
        error_detail=detail[:2000],
    )


def notice_void(session: Session, told: Told) -> bool:
    """What the letter speaks of is gone: nobody needs it any more, and nobody has to look into it."""
    return _report(session, told, state=NoticeState.CANCELLED, error_detail=None, address=None)


def _report(session: Session, told: Told, **values: Any) -> bool:
    changed = session.execute(
        update(Notice)
        .where(
            Notice.id == told.notice_id,
            Notice.state == NoticeState.SENDING,
            Notice.attempt == told.attempt,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    session.expire(session.get_one(Notice, told.notice_id))
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def overdue_notices(session: Session) -> list[Bell]:
    """Bells for letters that should have left by now; oldest first, bounded."""
    now = db_now(session)
    late = and_(
        Notice.state == NoticeState.WAITING, Notice.run_after <= now - timedelta(seconds=_OVERDUE_SECONDS)
    )
    lost = and_(Notice.state == NoticeState.SENDING, Notice.lease_until < now)
    found = select(Notice.id).where(or_(late, lost)).order_by(Notice.run_after).limit(_BELLS_PER_SWEEP)
    return [Bell(JobKind.TELL, str(notice_id), is_reminder=True) for notice_id in session.scalars(found)]


# Forgetting ----------------------------------------------------------------------------------------------


def forget_about(session: Session, abouts: Collection[str]) -> None:
    """Forget whom letters that speak of these rows went to, however they ended; those on their way are called off."""
    theirs = Notice.about.in_(list(abouts))
    quiet = {"synchronize_session": False}
    called_off = update(Notice).where(theirs, Notice.state.in_(_ON_THEIR_WAY))
    session.execute(called_off.values(state=NoticeState.CANCELLED).execution_options(**quiet))
    blanked = update(Notice).where(theirs).values(address=None, error_detail=None, facts={})
    session.execute(blanked.execution_options(**quiet))
    session.expire_all()


def forget_addresses(session: Session) -> int:
    """Forget bare addresses of letters that failed or were called off 14 days ago; how many. For the sweeper."""
    old = (
        Notice.address.is_not(None),
        Notice.state.in_([NoticeState.FAILED, NoticeState.CANCELLED]),
        Notice.run_after < db_now(session) - ADDRESS_KEPT,
    )
    blanked = update(Notice).where(*old).values(address=None, error_detail=None)
    return session.execute(blanked).rowcount  # type: ignore[attr-defined, no-any-return]


def message_ids(session: Session, clip_id: str) -> list[str]:
    """Under which ids letters about this clip, and about the invitation it was begun with, were written."""
    invited = select(Invitation.id).where(Invitation.clip_id == clip_id)
    about_it = or_(Notice.clip_id == clip_id, Notice.about.in_(invited))
    return list(session.scalars(select(Notice.message_id).where(about_it)))


def spent(session: Session, lying: Iterable[str]) -> list[str]:
    """Which of the letters that lie in our own folder keep an address that is kept nowhere else (by their ids).

    Those to people, guests and clips that are forgotten by now, and what went to a bare address alone a day ago.
    """
    ids = list(lying)
    day_ago = db_now(session) - COPY_KEPT
    guests_gone = and_(Notice.kind.in_(_GUESTS), Invitation.email.is_(None))
    nobody_else = Notice.kind.in_([NoticeKind.ERASED, NoticeKind.MAIL_REFUSED, NoticeKind.ADDRESS_CHANGED])
    bare = and_(nobody_else, Notice.person_id.is_(None), Notice.sent_at < day_ago)
    person_gone = and_(Notice.person_id.is_not(None), Person.email.is_(None))
    asked = (
        select(Notice.message_id)
        .outerjoin(Person, Person.id == Notice.person_id)
        .outerjoin(Invitation, Invitation.id == Notice.about)
        .outerjoin(Clip, Clip.id == Notice.clip_id)
        .where(or_(guests_gone, bare, person_gone, Clip.state == State.ERASED))
    )
    found: list[str] = []
    for start in range(0, len(ids), _ASKED_AT_ONCE):
        some = Notice.message_id.in_(ids[start : start + _ASKED_AT_ONCE])
        found += session.scalars(asked.where(some))
    return found
