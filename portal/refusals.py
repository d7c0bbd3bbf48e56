"""Who does without letters of one kind: said by one click, kept as a hash of the address.

Never stops letters that people need: those about their own clip.
"""

import logging

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.models import Invitation, Notice, NoticeState, Person, Refusal
from portal.notices import TOPICS, address_hash

log = logging.getLogger(__name__)


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
        _end_invitations(session, email_hash)
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
            notice.state, notice.address = NoticeState.CANCELLED, None
    session.flush()


def _end_invitations(session: Session, email_hash: str) -> None:
    unused = (Invitation.email_hash == email_hash, Invitation.begun_at.is_(None))
    session.execute(
        update(Invitation)
        .where(*unused)
        .values(email=None, first_name="", product="", owned_since=None, ended_at=db_now(session))
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
