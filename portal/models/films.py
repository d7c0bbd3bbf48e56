"""A clip's originals and what is made and known of them: uploads, films, cuts, files, captions, signals."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, UTCDateTime
from portal.models.states import CutOrigin


class Upload(Base):
    """One file on its way into the originals bucket, in parts of a fixed size."""

    __tablename__ = "upload"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    state: Mapped[str] = mapped_column(String(12))
    storage_id: Mapped[str] = mapped_column(String(300))
    key: Mapped[str] = mapped_column(String(200))
    filename: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(60))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    # Of a form post, which comes in one piece of unknown size: the most bytes that it may have.
    part_size: Mapped[int]
    part_count: Mapped[int]
    head_sha256: Mapped[str] = mapped_column(String(64), default="")
    tail_sha256: Mapped[str] = mapped_column(String(64), default="")
    last_modified: Mapped[int | None] = mapped_column(BigInteger)
    idempotency_key: Mapped[str | None] = mapped_column(String(80))
    # What the owner cut off while choosing: {start, end} in seconds; the first cut leaves it out.
    edits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    reason: Mapped[str | None] = mapped_column(String(30))
    __table_args__ = (
        # The sweep asks every few seconds which are on their way.
        Index("ix_upload_state_changed", "state", "changed_at"),
        Index("ix_upload_key", "key"),
    )


class Film(Base):
    """One original of a clip and what is known of it; `number` counts the owner's versions from 1."""

    __tablename__ = "film"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    number: Mapped[int]
    key: Mapped[str] = mapped_column(String(200))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ready_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The owner was told that only the beginning arrived, and wants it as it is.
    keeps_beginning: Mapped[bool] = mapped_column(default=False)
    # What the owner cut off before sending: {start, end} in seconds; the first cut leaves it out.
    edits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # What can be watched before the ladder is made: {kind, token, files, complete}.
    preview: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    signals_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    __table_args__ = (UniqueConstraint("clip_id", "number"), Index("ix_film_sha256", "sha256"))


class Cut(Base):
    """One way a film is shown: an edit list and the ladder it was made with; renditions belong to a cut."""

    __tablename__ = "cut"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("film.id"), index=True)
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(12))
    origin: Mapped[str] = mapped_column(String(12), default=CutOrigin.FIRST)
    edits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    made_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # How it was made, and what came out.
    ladder_version: Mapped[int | None]
    profile: Mapped[str] = mapped_column(String(12), default="standard")
    ffmpeg_version: Mapped[str | None] = mapped_column(String(40))
    sandbox: Mapped[str | None] = mapped_column(String(20))
    seconds: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    loudness: Mapped[float | None]
    copied_top: Mapped[bool] = mapped_column(default=False)
    cpu_seconds: Mapped[float | None]
    # Instants of the film that would make good posters, best first.
    proposals: Mapped[list[float]] = mapped_column(JSON, default=list)
    error_code: Mapped[str | None] = mapped_column(String(30))
    __table_args__ = (
        UniqueConstraint("clip_id", "number"),
        Index("ix_cut_state_ladder_version", "state", "ladder_version"),
    )


class Rendition(Base):
    """One file made from a film: a rung, a playlist, a poster …; `key` is in the originals bucket."""

    __tablename__ = "rendition"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("film.id"), index=True)
    cut_id: Mapped[str] = mapped_column(ForeignKey("cut.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(String(200), unique=True)
    content_type: Mapped[str] = mapped_column(String(60))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    width: Mapped[int | None]
    height: Mapped[int | None]
    bandwidth: Mapped[int | None]
    __table_args__ = (UniqueConstraint("cut_id", "name"),)


class Caption(Base):
    """What is said in a film, in one language: cues (and words) with their times, in film time.

    `cues` holds [start, end, text], `words` [start, end, word]; `text` is every word of it that can be heard, folded for searching.
    """

    __tablename__ = "caption"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"))
    film_id: Mapped[str] = mapped_column(ForeignKey("film.id"))
    lang: Mapped[str] = mapped_column(String(8))
    # Where they came from: speech, embedded or person.
    origin: Mapped[str] = mapped_column(String(12))
    cues: Mapped[list[list[Any]]] = mapped_column(JSON, default=list)
    words: Mapped[list[list[Any]]] = mapped_column(JSON, default=list)
    text: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # A person has written into them: no machine replaces them any more.
    touched_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    checked_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    __table_args__ = (
        UniqueConstraint("film_id", "lang"),
        # Looking for a word that is said reads this alone: cues and words are thirty times as large.
        Index("ix_caption_clip_id_text", "clip_id", "text"),
    )


class Signal(Base):
    """Something in a film that a moderator should look at; never a verdict. Times in film time."""

    __tablename__ = "signal"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("film.id"), index=True)
    kind: Mapped[str] = mapped_column(String(30))
    at_seconds: Mapped[float | None]
    until_seconds: Mapped[float | None]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # The clip that this one is like, which `facts` name too: found from either side.
    other_clip_id: Mapped[str | None] = mapped_column(String(10), index=True)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Fingerprint(Base):
    """What a film looks and sounds like, coarsely: the same film encoded again has nearly the same one."""

    __tablename__ = "fingerprint"
    film_id: Mapped[str] = mapped_column(ForeignKey("film.id"), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    seconds: Mapped[float] = mapped_column(index=True)
    frames: Mapped[bytes] = mapped_column(LargeBinary)
    sound: Mapped[bytes] = mapped_column(LargeBinary)


class FingerprintKey(Base):
    """What a fingerprint can be found by among all others: a few dozen for each film, gone with it."""

    __tablename__ = "fingerprint_key"
    key: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    film_id: Mapped[str] = mapped_column(
        ForeignKey("fingerprint.film_id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Publication(Base):
    """One time a clip was copied to the public bucket, under a token of its own."""

    __tablename__ = "publication"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("film.id"))
    cut_id: Mapped[str] = mapped_column(ForeignKey("cut.id"))
    token: Mapped[str] = mapped_column(String(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    complete_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # A newer one is shown; whoever began to watch this one may finish.
    superseded_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
