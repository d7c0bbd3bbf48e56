"""Who was asked to take part, by which door, and who does not want to be asked."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, UTCDateTime


class Invitation(Base):
    """One customer is asked to take part in one campaign, by a personal link that makes one clip; hashed at rest.

    `level` is what the clip's owner level becomes, `proof` by what (orders, list). The times are the funnel.
    """

    __tablename__ = "invitation"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    batch: Mapped[str] = mapped_column(String(32), default="", index=True)
    email: Mapped[str | None] = mapped_column(String(254))
    # Remains when the address is forgotten, so that nobody is asked a second time.
    email_hash: Mapped[str] = mapped_column(String(64))
    first_name: Mapped[str] = mapped_column(String(40), default="")
    product: Mapped[str] = mapped_column(String(60), default="")
    owned_since: Mapped[int | None]
    lang: Mapped[str] = mapped_column(String(8))
    level: Mapped[str] = mapped_column(String(16), default="invited")
    proof: Mapped[str] = mapped_column(String(40), default="list")
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Which link counts: a new one that is asked for after the end makes the old one worthless.
    link_number: Mapped[int] = mapped_column(default=1)
    # From when on the letter may leave; None until staff say so.
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reminded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The clip was begun with it: the link is used up.
    clip_id: Mapped[str | None] = mapped_column(String(10), index=True)
    begun_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Called off by staff, or by the one who was asked.
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    __table_args__ = (
        UniqueConstraint("campaign_id", "email_hash"),
        Index("ix_invitation_campaign_sent", "campaign_id", "sent_at"),
        Index("ix_invitation_sent_due", "sent_at", "due_at"),
    )


class ShortLink(Base):
    """A short address for a showroom's sheet: leads to a campaign, says where it hung; proves nothing."""

    __tablename__ = "short_link"
    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), index=True)
    place: Mapped[str] = mapped_column(String(80), default="")
    opened: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Refusal(Base):
    """An address does not want one kind of letter; only its hash is kept.

    `topic`: invitations, thanks or messages (`notices.TOPICS`).
    """

    __tablename__ = "refusal"
    id: Mapped[int] = mapped_column(primary_key=True)
    email_hash: Mapped[str] = mapped_column(String(64))
    topic: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    __table_args__ = (UniqueConstraint("email_hash", "topic"),)


class OwnerProof(Base):
    """Why a clip's owner counts as more than unproven: what was checked, how, when, by whom."""

    __tablename__ = "owner_proof"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    level: Mapped[str] = mapped_column(String(16))
    # The check's name: invitation, orders, staff …
    method: Mapped[str] = mapped_column(String(40))
    # What staff may read of it (an order number's last four, a colleague's words).
    reference: Mapped[str] = mapped_column(String(80), default="")
    actor_kind: Mapped[str] = mapped_column(String(12))
    actor_id: Mapped[int | None]
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
