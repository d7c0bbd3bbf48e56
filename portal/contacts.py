"""Owners who agreed to be written to, for the next call: who they are, and that the list was taken along.

A list for people, no letter: never sends anything.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal import lifecycle, people, refusals, uses
from portal.database import db_now
from portal.lifecycle import Actor
from portal.models import AuditEvent, Clip, Person
from portal.notices import TOPICS, address_hash

log = logging.getLogger(__name__)

_VERB = "contacts_taken"


@dataclass(frozen=True, slots=True)
class Contact:
    """One owner: the address, and first name and language of the newest clip that allows it."""

    email: str
    first_name: str
    lang: str


@dataclass(frozen=True, slots=True)
class Taken:
    """When the list was taken along, and by whom; empty for somebody who is forgotten by now."""

    at: datetime
    who: str


def agreed(session: Session) -> list[Contact]:
    """Everybody with a published clip who agrees to be written to, each address once, newest clip first.

    Left out: whoever did without any kind of letter, and addresses that nobody has shown to be theirs, for this very
    clip or at all.
    """
    is_over = Clip.consent_until <= db_now(session)
    asked = (
        select(Person.email, Clip.first_name, Clip.lang)
        .join(Person, Person.id == Clip.owner_id)
        .where(uses.agreed("contact"), or_(Clip.consent_until.is_(None), ~is_over))
        .where(Clip.is_vouched, Person.confirmed_at.is_not(None))
        .order_by(Clip.published_at.desc(), Clip.id)
    )
    found: dict[str, Contact] = {}
    for email, first_name, lang in session.execute(asked):
        if email:
            found.setdefault(address_hash(email), Contact(email, first_name, lang))
    hashes = set(found)
    refused = set().union(*(refusals.refused_among(session, hashes, topic) for topic in set(TOPICS.values())))
    return [contact for key, contact in found.items() if key not in refused]


def take(session: Session, *, by: Actor) -> list[Contact]:
    """The same list for somebody who takes it along: with a line in the audit trail, of how many, never of whom."""
    found = agreed(session)
    if found:
        lifecycle.witness(session, None, _VERB, by=by, detail={"people": len(found)})
        log.info("contacts taken rows=%s by=%s:%s", len(found), by.kind, by.id)
    return found


def last_taken(session: Session) -> Taken | None:
    """When the list was last taken along, and by whom; None when it never was."""
    lines = select(AuditEvent).where(AuditEvent.clip_id.is_(None), AuditEvent.verb == _VERB)
    last = session.scalars(lines.order_by(AuditEvent.id.desc()).limit(1)).first()
    if last is None:
        return None
    names = people.names(session, {last.actor_id} if last.actor_id is not None else set())
    return Taken(last.at, names.get(last.actor_id or 0, ""))
