"""What is to be done and told: jobs, letters, answers to repeat, workers seen, views of the day."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, UTCDateTime
from portal.jobs import FORMAT


class Job(Base):
    """One piece of work; the row is the queue, the lease its owner, the token the owner's proof."""

    __tablename__ = "job"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    film_id: Mapped[str | None] = mapped_column(String(32))
    cut_id: Mapped[str | None] = mapped_column(String(32))
    # Which piece of a work that several workers share; 0 where there is but one.
    part: Mapped[int] = mapped_column(default=0)
    # What a worker must understand to do it; one that does not leaves it to a newer one (jobs.FORMAT).
    format: Mapped[int] = mapped_column(default=FORMAT)
    state: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    lease_token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    progress: Mapped[float] = mapped_column(default=0.0)
    step: Mapped[str] = mapped_column(String(20), default="")
    error_code: Mapped[str | None] = mapped_column(String(30))
    error_detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    run_after: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    __table_args__ = (
        Index("ix_job_state_run_after", "state", "run_after"),
        # At most one open job per clip, kind and part, whoever asks twice.
        Index(
            "uq_job_open",
            "clip_id",
            "kind",
            "part",
            unique=True,
            sqlite_where=text("state IN ('queued', 'running')"),
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )


class Notice(Base):
    """Somebody is to be told something, once; the row is the outbox.

    To a person we know, or to an `address` alone (an invitation, a co-signature, a receipt). `about` names the row
    that the letter speaks of, `facts` what it says beside.
    """

    __tablename__ = "notice"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    clip_id: Mapped[str | None] = mapped_column(ForeignKey("clip.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    address: Mapped[str | None] = mapped_column(String(254))
    lang: Mapped[str] = mapped_column(String(8), default="")
    about: Mapped[str] = mapped_column(String(32), default="", index=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    # What makes it one of a kind: the same occasion never makes a second notice.
    occasion: Mapped[str] = mapped_column(String(80), unique=True)
    state: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    message_id: Mapped[str] = mapped_column(String(120))
    error_detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    run_after: Mapped[datetime] = mapped_column(UTCDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    __table_args__ = (Index("ix_notice_state_run_after", "state", "run_after"),)


class IdempotencyKey(Base):
    """The first answer to a writing call, given again for 24 h to whoever repeats it."""

    __tablename__ = "idempotency_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(String(80))
    key: Mapped[str] = mapped_column(String(120))
    body_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    answer: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    __table_args__ = (UniqueConstraint("caller", "key"),)


class WorkerSeen(Base):
    """When a worker host was last heard of; `/readyz` and `doctor` look here."""

    __tablename__ = "worker_seen"
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class ViewSeen(Base):
    """Somebody watched a clip today: a keyed hash that tells nobody who, forgotten when the day is over."""

    __tablename__ = "view_seen"
    mark: Mapped[str] = mapped_column(String(32), primary_key=True)
    day: Mapped[date] = mapped_column(index=True)
