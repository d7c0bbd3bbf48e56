"""What was agreed to, decided, noted, and who did what when."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import Base, UTCDateTime


class ConsentText(Base):
    """What people were asked to agree to: one purpose, language and version; never changed once stored.

    `variant` is the slug of the campaign that has words of its own for this purpose, empty for the portal's;
    versions of a purpose and language are counted over all variants.
    """

    __tablename__ = "consent_text"
    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16))
    variant: Mapped[str] = mapped_column(String(60), default="")
    lang: Mapped[str] = mapped_column(String(8))
    version: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    __table_args__ = (UniqueConstraint("purpose", "lang", "version"),)


class ConsentWording(Base):
    """Words that an administrator wrote for one purpose and language, in place of the shipped ones.

    For one campaign (`variant`), or for the portal (empty). What people were really shown is a `ConsentText`.
    """

    __tablename__ = "consent_wording"
    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16))
    variant: Mapped[str] = mapped_column(String(60), default="")
    lang: Mapped[str] = mapped_column(String(8))
    sentence: Mapped[str] = mapped_column(String(300))
    full: Mapped[str] = mapped_column(Text)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    __table_args__ = (UniqueConstraint("purpose", "variant", "lang"),)


class Consent(Base):
    """Somebody agreed to one text for one clip; revoking closes the row, it is never deleted."""

    __tablename__ = "consent"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    text_id: Mapped[int] = mapped_column(ForeignKey("consent_text.id"))
    purpose: Mapped[str] = mapped_column(String(16))
    given_at: Mapped[datetime] = mapped_column(UTCDateTime)
    given_via: Mapped[str] = mapped_column(String(16))
    # The proof: the beginning of the hash of the link it came by, the network it came from, the program.
    link: Mapped[str] = mapped_column(String(16), default="")
    address: Mapped[str] = mapped_column(String(45), default="")
    agent: Mapped[str] = mapped_column(String(200), default="")
    # Until when, where the agreement has an end of its own.
    until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # A use outside this site has ended, and the brand says that it has stopped it there.
    stopped_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    text: Mapped[ConsentText] = relationship(lazy="raise")
    __table_args__ = (Index("ix_consent_purpose_revoked", "purpose", "revoked_at"),)


class Decision(Base):
    """What a moderator decided about one version of a clip, and why: the statement of reasons."""

    __tablename__ = "decision"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    film_id: Mapped[str | None] = mapped_column(String(32))
    film_sha256: Mapped[str | None] = mapped_column(String(64))
    clip_version: Mapped[int]
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    verb: Mapped[str] = mapped_column(String(20))
    # A moderator's own line to the owner beside an approval.
    words: Mapped[str] = mapped_column(Text, default="")
    # The title before an approval that came with another one, until its owner has been told.
    title_was: Mapped[str | None] = mapped_column(String(80))
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    undone_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reasons: Mapped[list["Reason"]] = relationship(lazy="selectin", order_by="Reason.id")


class Reason(Base):
    """One reason of a decision: its code, the passage in the film, the moderator's own words."""

    __tablename__ = "reason"
    id: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decision.id"), index=True)
    code: Mapped[str] = mapped_column(String(30))
    at_seconds: Mapped[float | None]
    words: Mapped[str] = mapped_column(Text, default="")


class Note(Base):
    """A moderator's remark for colleagues, pinned to a second of the film or not."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at_seconds: Mapped[float | None]
    words: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)


class AuditEvent(Base):
    """Who did what to a clip, when; append-only (the database refuses changes); no personal words in it."""

    __tablename__ = "audit_event"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str | None] = mapped_column(ForeignKey("clip.id"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor_kind: Mapped[str] = mapped_column(String(12))
    actor_id: Mapped[int | None]
    verb: Mapped[str] = mapped_column(String(20))
    from_state: Mapped[str | None] = mapped_column(String(20))
    to_state: Mapped[str | None] = mapped_column(String(20))
    clip_version: Mapped[int | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
