"""Short addresses for sheets in showrooms: each leads to a campaign and counts how often it was opened.

They prove nothing: whoever comes by one is as unknown as any visitor.
"""

import logging
import secrets
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Missing, Unacceptable
from portal.lifecycle import Actor
from portal.models import Campaign, ShortLink

log = logging.getLogger(__name__)

LONGEST_PLACE: Final = 80
# No letter that is taken for another when it is typed from a sheet.
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH: Final = 6


def add(session: Session, campaign: Campaign, place: str, *, by: Actor) -> ShortLink:
    """The short address of this campaign for one place, a new one where none is in use there.

    Raises Unacceptable for no place or a long one.
    """
    place = " ".join(place.split())
    if not place or len(place) > LONGEST_PLACE:
        code = Code.TOO_LONG_TEXT if place else Code.REQUIRED
        raise Unacceptable(code, fields={"place": code}, most=LONGEST_PLACE)
    # Whoever presses twice gets one address: the second press waits for the first.
    session.execute(select(Campaign.id).where(Campaign.id == campaign.id).with_for_update())
    same = (ShortLink.campaign_id == campaign.id, ShortLink.place == place, ShortLink.ended_at.is_(None))
    if (known := session.scalars(select(ShortLink).where(*same).limit(1)).first()) is not None:
        return known
    link = ShortLink(
        code="".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)),
        campaign_id=campaign.id,
        place=place,
        opened=0,
        created_at=db_now(session),
    )
    session.add(link)
    session.flush()
    log.info("short link added campaign=%s by=%s:%s", campaign.slug, by.kind, by.id)
    return link


def of(session: Session, campaign: Campaign) -> list[ShortLink]:
    """The short addresses of a campaign, newest first, ended ones too."""
    rows = select(ShortLink).where(ShortLink.campaign_id == campaign.id)
    return list(session.scalars(rows.order_by(ShortLink.created_at.desc(), ShortLink.code)))


def by_code(session: Session, campaign: Campaign, code: str) -> ShortLink:
    """One short address of this campaign; raises Missing."""
    link = session.get(ShortLink, code)
    if link is None or link.campaign_id != campaign.id:
        raise Missing(Code.MISSING)
    return link


def follow(session: Session, code: str) -> Campaign | None:
    """Where this code leads, counted; None when the sheet is out of use. Raises Missing for a code never given."""
    link = session.get(ShortLink, code.casefold())
    if link is None:
        raise Missing(Code.MISSING)
    if link.ended_at is not None:
        return None
    session.execute(
        update(ShortLink)
        .where(ShortLink.code == link.code)
        .values(opened=ShortLink.opened + 1)
        .execution_options(synchronize_session=False)
    )
    session.expire(link)
    return session.get_one(Campaign, link.campaign_id)


def end(session: Session, link: ShortLink, *, by: Actor) -> None:
    """Take a short address out of use; what it counted stays."""
    link.ended_at = link.ended_at or db_now(session)
    session.flush()
    log.info("short link ended code=%s by=%s:%s", link.code, by.kind, by.id)
