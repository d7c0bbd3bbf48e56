"""Who does without letters of one kind (invitations, thanks, messages), kept as a hash; what of guests is forgotten.

Never stops letters that people need: what becomes of their clip, and what is asked of them.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import notices
from portal.database import db_now
from portal.models import Invitation, Notice, NoticeState, Person, Refusal
from portal.notices import TOPICS, address_hash

log = logging.getLogger(__name__)

GUEST_BLANK: Final[Mapping[str, Any]] = {
    "email": None, "first_name": "", "product": "", "owned_since": None, "token_hash": None,
}  # fmt: skip
"""What an invitation says of the one who was asked, and what stands there afterwards."""

_AT_ONCE: Final = 500


def refuse(session: Session, email_hash: str, topic: str) -> bool:
    """Write no more letters of this topic to this address; False when that was said before.

    Letters that wait are taken back. Without invitations, what we were told of the person for them is forgotten.
    """
    is_new = not is_refused(session, email_hash, topic)
    if is_new:
        try:
            with session.begin_nested():
                session.add(Refusal(email_hash=email_hash, topic=topic, created_at=db_now(session)))
        except IntegrityError:
            # The mail program and the person pressed in the same moment.
            is_new = False
    _take_back(session, email_hash, topic)
    if topic == "invitations":
        # The link stays known, so that its page can say what became of the invitation.
        unused = (Invitation.email_hash == email_hash, Invitation.begun_at.is_(None))
        forget_guests(session, *unused, keeps_link=True)
    log.info("letters refused topic=%s new=%s", topic, is_new)
    return is_new


def is_refused(session: Session, email_hash: str, topic: str) -> bool:
    """Whether this address does without this topic."""
    found = select(Refusal.id).where(Refusal.email_hash == email_hash, Refusal.topic == topic)
    return session.scalars(found).first() is not None


def refused_among(session: Session, hashes: set[str], topic: str) -> set[str]:
    """Which of these addresses do without this topic."""
    every, found = sorted(hashes), set()
    for start in range(0, len(every), 500):
        asked = select(Refusal.email_hash).where(Refusal.topic == topic)
        found |= set(session.scalars(asked.where(Refusal.email_hash.in_(every[start : start + 500]))))
    return found


def _take_back(session: Session, email_hash: str, topic: str) -> None:
    """Cancel what waits for this address; its letters are few, those of everybody are read but for this topic's."""
    kinds = [kind for kind, of in TOPICS.items() if of == topic]
    waiting = select(Notice, Person.email).outerjoin(Person, Person.id == Notice.person_id)
    waiting = waiting.where(Notice.state == NoticeState.WAITING, Notice.kind.in_(kinds))
    for notice, email in session.execute(waiting):
        if address_hash(email or notice.address or "") == email_hash:
            notice.state, notice.address, notice.error_detail = NoticeState.CANCELLED, None, None
    session.flush()


def forget_guests(session: Session, *which: Any, keeps_link: bool = False) -> int:
    """Forget what we were told of these guests; how many. Their links begin nothing, their letters are called off.

    The address goes from every letter that went or should have gone there. Its hash stays: nobody is asked again.
    """
    session.flush()
    has_address, has_link = Invitation.email.is_not(None), Invitation.token_hash.is_not(None)
    told = has_address if keeps_link else or_(has_address, has_link)
    blank = {name: value for name, value in GUEST_BLANK.items() if not (keeps_link and name == "token_hash")}
    ids = list(session.scalars(select(Invitation.id).where(*which, told)))
    now = db_now(session)
    is_open = and_(Invitation.begun_at.is_(None), Invitation.expires_at > now)
    ended = case((is_open, func.coalesce(Invitation.ended_at, now)), else_=Invitation.ended_at)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        session.execute(
            update(Invitation)
            .where(Invitation.id.in_(some))
            .values(**blank, ended_at=ended)
            .execution_options(synchronize_session=False)
        )
        notices.forget_about(session, some)
    session.expire_all()
    return len(ids)
