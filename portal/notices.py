"""Who is told what, once: the outbox of mails.

Never writes the letters (`letters.py` does), never sends (the worker does, with the mailer).
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.jobs import Bell, JobKind, ask
from portal.models import Clip, Notice, NoticeState, Person, Refusal

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

_UNASKED = (NoticeKind.RECEIVED, NoticeKind.FINISH_LATER, NoticeKind.FAILED)


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
    session.execute(update(Notice).where(*waiting).values(state=NoticeState.CANCELLED))


def call_off(session: Session, about: str) -> None:
    """Take waiting letters that speak of this row out of the outbox: it is no more."""
    waiting = (Notice.about == about, Notice.state == NoticeState.WAITING)
    session.execute(update(Notice).where(*waiting).values(state=NoticeState.CANCELLED, address=None))


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
    session: Session, told: Told, detail: str, *, pauses: Sequence[float] = RETRY_PAUSES
) -> bool:
    """The letter did not leave: again after a growing pause, for a day; then it stays `failed` for staff to see."""
    if told.attempt > len(pauses):
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
    return [Bell(JobKind.TELL, str(notice_id)) for notice_id in session.scalars(found)]


def message_ids(session: Session, clip_id: str) -> list[str]:
    """Under which ids letters about this clip were written."""
    return list(session.scalars(select(Notice.message_id).where(Notice.clip_id == clip_id)))
