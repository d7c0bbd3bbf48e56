"""What passes between owners, the people in their films, and us: agreements, messages, cases, receipts, mails."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, UTCDateTime


class CoSignature(Base):
    """Somebody else who can be recognised in a film, and whether that person (or a minor's guardian) agrees.

    Asked by a link of its own, hashed at rest. The clip is not approved while one is waiting or refused. What stands
    here is the newest answer; every one that was ever given is a `CoAnswer`.
    """

    __tablename__ = "co_signature"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    position: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(String(80))
    # The person's own, or for a minor the guardian's; without one the owner hands the link on.
    email: Mapped[str | None] = mapped_column(String(254))
    is_minor: Mapped[bool] = mapped_column(default=False)
    # As the guardian signs.
    guardian: Mapped[str] = mapped_column(String(80), default="")
    state: Mapped[str] = mapped_column(String(12))
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    asked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Until when this person agreed to be shown; none while nobody has agreed.
    until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The owner took the name off the list after this person had been asked; the row stays as proof.
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The proof: which text, by which link, from where.
    text_id: Mapped[int | None] = mapped_column(ForeignKey("consent_text.id"))
    link: Mapped[str] = mapped_column(String(16), default="")
    address: Mapped[str] = mapped_column(String(45), default="")
    agent: Mapped[str] = mapped_column(String(200), default="")


class CoAnswer(Base):
    """One answer of somebody in a film: yes, yes again, or no; written once and never changed."""

    __tablename__ = "co_answer"
    id: Mapped[int] = mapped_column(primary_key=True)
    signature_id: Mapped[str] = mapped_column(ForeignKey("co_signature.id"), index=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    # agreed or refused
    answer: Mapped[str] = mapped_column(String(12))
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    text_id: Mapped[int | None] = mapped_column(ForeignKey("consent_text.id"))
    guardian: Mapped[str] = mapped_column(String(80), default="")
    # The newest film that could be watched then.
    film_id: Mapped[str | None] = mapped_column(String(32))
    link: Mapped[str] = mapped_column(String(16), default="")
    address: Mapped[str] = mapped_column(String(45), default="")
    agent: Mapped[str] = mapped_column(String(200), default="")


class Message(Base):
    """One message between an owner and the moderators, inside the clip's file."""

    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    # owner or moderator
    author: Mapped[str] = mapped_column(String(12))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    words: Mapped[str] = mapped_column(Text)
    at_seconds: Mapped[float | None]
    # page or mail
    via: Mapped[str] = mapped_column(String(8))
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Read by the owner, or dealt with by the moderators.
    seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # A hash of form and words: the same form sent twice is one message.
    once: Mapped[str | None] = mapped_column(String(64), unique=True)
    __table_args__ = (Index("ix_message_author_seen", "author", "seen_at"),)


class SupportCase(Base):
    """An owner asked to be called; runs beside publication and never instead of it. `id` is the number told."""

    __tablename__ = "support_case"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    words: Mapped[str] = mapped_column(Text, default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    # open, taken, solved
    state: Mapped[str] = mapped_column(String(12), index=True)
    # The moderator who opened it, none when the owner asked.
    opened_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    taken_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    outcome: Mapped[str] = mapped_column(Text, default="")
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    taken_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    solved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # A hash of form and words: the same form sent twice is one case.
    once: Mapped[str | None] = mapped_column(String(64), unique=True)


class Receipt(Base):
    """What was deleted when a clip was erased, and that it was looked for afterwards; holds nothing personal."""

    __tablename__ = "receipt"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # {objects: {bucket: n}, bytes, rows: {table: n}, letters, checked_at, left: 0}
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # What is erased together has one number beside; its letter speaks of all.
    whole: Mapped[str | None] = mapped_column(String(32), index=True)


class IncomingMail(Base):
    """A mail that reached the drop box, by a hash of its id: taken once, and what became of it. Never its words."""

    __tablename__ = "incoming_mail"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_hash: Mapped[str] = mapped_column(String(64), unique=True)
    sender_hash: Mapped[str] = mapped_column(String(64), index=True)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    # taking (its film is on its way), draft, message, refused, dropped
    outcome: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(30), default="")
    clip_id: Mapped[str | None] = mapped_column(ForeignKey("clip.id"), index=True)
