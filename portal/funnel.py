"""A campaign's way from asking to showing, in figures: invited, opened, begun, uploaded, sent, published."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, distinct, func, select
from sqlalchemy.orm import Session

from portal.models import AuditEvent, Campaign, Clip, Film, Invitation


@dataclass(frozen=True, slots=True)
class Step:
    """One step: how many took it by an invitation, and how many in all (None where only guests can)."""

    name: str
    guests: int
    everybody: int | None = None


def of(session: Session, campaign: Campaign) -> list[Step]:
    """The six steps in their order, one statement each; clips erased since still count, drafts count as begun."""
    asked = Invitation.campaign_id == campaign.id
    return [
        Step("invited", _count(session, asked, Invitation.sent_at.is_not(None))),
        Step("opened", _count(session, asked, Invitation.opened_at.is_not(None))),
        _step(session, "begun", select(Clip.id), campaign),
        _step(
            session,
            "uploaded",
            select(Clip.id).join(Film, Film.clip_id == Clip.id),
            campaign,
        ),
        _step(session, "sent", _with("ready"), campaign),
        _step(session, "published", _with("publish"), campaign),
    ]


def _count(session: Session, *which: Any) -> int:
    return session.scalar(select(func.count()).select_from(Invitation).where(*which)) or 0


def _with(verb: str) -> Select[Any]:
    return select(Clip.id).join(AuditEvent, (AuditEvent.clip_id == Clip.id) & (AuditEvent.verb == verb))


def _step(session: Session, name: str, clips: Select[Any], campaign: Campaign) -> Step:
    found = clips.where(Clip.campaign_id == campaign.id).subquery()
    # By the invitation's own row: an erased clip no longer says who was asked.
    figures = (
        select(func.count(distinct(found.c.id)), func.count(distinct(Invitation.id)))
        .select_from(found)
        .outerjoin(Invitation, Invitation.clip_id == found.c.id)
    )
    everybody, guests = session.execute(figures).one()
    return Step(name, guests, everybody)
