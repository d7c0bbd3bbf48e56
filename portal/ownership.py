"""Whose clip it is: who may give it another address, what a change of it ends, and who answers for it.

An address that was confirmed belongs to one clip alone; what a person confirmed elsewhere says nothing of it.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal import invitations, notices, owner_levels, people
from portal.database import db_now
from portal.lifecycle import OWNER
from portal.models import Clip, ClipLink, Consent, Person


@dataclass(frozen=True, slots=True)
class Access:
    """How somebody comes to a clip: signed in as whom (`inside`), by which link.

    `vouches`: an address counts on their word alone (a program, or a portal that lets nobody confirm addresses).
    """

    inside: int | None = None
    link: str = ""
    vouches: bool = False


BY_LINK: Final = Access()


def may_change(session: Session, clip: Clip, access: Access, *, to: int | None = None) -> bool:
    """Whether whoever comes like this may give the clip another address (or `to`, a person's).

    Once it was confirmed for this clip and agreed under, a link alone does not change it: links are handed on, by a
    slip too, a mailbox is not. Whoever has not agreed to anything yet is still typing.
    """
    if not clip.is_vouched or access.vouches or clip.owner_id in (None, to, access.inside):
        return True
    agreed = select(Consent.id).where(Consent.clip_id == clip.id).limit(1)
    return session.scalars(agreed).first() is None


def hand_to(session: Session, clip: Clip, owner: Person, access: Access) -> bool:
    """Make this person the clip's owner, who has to confirm it anew; whether that changed anything."""
    former = clip.owner_id
    if owner.id == former:
        return False
    clip.owner_id = owner.id
    session.flush()
    if former is not None:
        _leave(session, clip, session.get_one(Person, former), access)
        owner_levels.let_go(session, clip, by=OWNER)
    clip.is_vouched = access.vouches
    invitations.confirm_owner(session, clip)
    return True


def recognise(session: Session, clip: Clip, access: Access) -> None:
    """Whoever writes to a clip while signed in as its owner answers for it."""
    if access.inside is not None and access.inside == clip.owner_id:
        people.vouch(session, clip)


def _leave(session: Session, clip: Clip, former: Person, access: Access) -> None:
    """What was mailed to the former owner opens this clip no more; who had confirmed it is told so."""
    mailed = (ClipLink.clip_id == clip.id, ClipLink.mailed_to_id == former.id)
    # Not the one in use: whoever mistypes the new address must be able to put it right.
    in_use = people.hash_token(access.link)
    session.execute(delete(ClipLink).where(*mailed, ClipLink.token_hash != in_use))
    notices.cancel_for(session, clip, former.id)
    # The clock asks the new owner instead.
    notices.let_repeat(session, clip, notices.NoticeKind.RENEWAL)
    if clip.is_vouched and former.confirmed_at is not None and former.email:
        occasion = f"address_changed:{clip.id}:{former.id}:{db_now(session):%Y%m%d}"
        # To the bare address: the person may be forgotten in the next line.
        notices.write(
            session, notices.NoticeKind.ADDRESS_CHANGED, to=former.email, lang=clip.lang, occasion=occasion,
            clip=clip,
        )  # fmt: skip
    # A slip of the pen, kept as it was typed, must not stay behind as a person of its own.
    people.forget_if_clipless(session, former.id)
