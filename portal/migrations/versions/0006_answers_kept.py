"""What was answered is kept: each answer of a person in a film, and what follows from it"""

import calendar
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _others_in_films()
    op.add_column("receipt", sa.Column("whole", sa.String(length=32), nullable=True))
    op.create_index(op.f("ix_receipt_whole"), "receipt", ["whole"])
    _others_alike()
    op.create_index("ix_upload_state_changed", "upload", ["state", "changed_at"])
    op.create_index("ix_upload_key", "upload", ["key"])
    # Forms are opened for the most bytes that they take; those that are open now took what every form did.
    op.execute("UPDATE upload SET part_size = 500000000 WHERE size_bytes = 0 AND storage_id = ''")
    # Until now a person's confirmation held for everything under the address: what rests on it stays as it is.
    op.execute(
        "UPDATE clip SET is_vouched = true WHERE owner_id IN "
        "(SELECT id FROM person WHERE confirmed_at IS NOT NULL)"
    )


def downgrade() -> None:
    op.drop_index("ix_upload_key", "upload")
    op.drop_index("ix_upload_state_changed", "upload")
    op.drop_index(op.f("ix_signal_other_clip_id"), "signal")
    op.drop_column("signal", "other_clip_id")
    op.drop_table("co_answer")
    op.drop_index("ix_consent_purpose_revoked", "consent")
    op.drop_index(op.f("ix_receipt_whole"), "receipt")
    op.drop_column("receipt", "whole")
    for table, name in (
        ("co_signature", "removed_at"), ("co_signature", "until"), ("consent", "stopped_at"), ("consent", "until"),
    ):  # fmt: skip
        op.drop_column(table, name)


def _others_alike() -> None:
    """The clip that a signal names is found by a column, until now by reading every signal's facts."""
    op.add_column("signal", sa.Column("other_clip_id", sa.String(length=10), nullable=True))
    op.create_index(op.f("ix_signal_other_clip_id"), "signal", ["other_clip_id"])
    signal = sa.table(
        "signal", sa.column("kind"), sa.column("facts", sa.JSON()), sa.column("other_clip_id", sa.String())
    )
    named = signal.c.facts["clip"].as_string()
    op.execute(sa.update(signal).where(signal.c.kind == "duplicate").values(other_clip_id=named))


def _others_in_films() -> None:
    """Answers become rows of their own, agreements have their own end; a clip's is the earliest of them."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "co_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("signature_id", sa.String(length=32), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("answer", sa.String(length=12), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("until", moment, nullable=True),
        sa.Column("text_id", sa.Integer(), nullable=True),
        sa.Column("guardian", sa.String(length=80), nullable=False),
        sa.Column("film_id", sa.String(length=32), nullable=True),
        sa.Column("link", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_co_answer_clip_id_clip")),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["co_signature.id"], name=op.f("fk_co_answer_signature_id_co_signature")
        ),
        sa.ForeignKeyConstraint(
            ["text_id"], ["consent_text.id"], name=op.f("fk_co_answer_text_id_consent_text")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_co_answer")),
    )
    op.create_index(op.f("ix_co_answer_clip_id"), "co_answer", ["clip_id"])
    op.create_index(op.f("ix_co_answer_signature_id"), "co_answer", ["signature_id"])
    for table, name in (
        ("co_signature", "until"), ("co_signature", "removed_at"), ("consent", "until"), ("consent", "stopped_at"),
    ):  # fmt: skip
        op.add_column(table, sa.Column(name, moment, nullable=True))
    op.create_index("ix_consent_purpose_revoked", "consent", ["purpose", "revoked_at"])
    op.execute(
        "UPDATE consent SET until = (SELECT consent_until FROM clip WHERE clip.id = consent.clip_id) "
        "WHERE purpose = 'site' AND revoked_at IS NULL"
    )
    _answers_so_far()


def _answers_so_far() -> None:
    signature, answer, clip, campaign = (
        sa.table(name, *(sa.column(one) for one in columns), *(sa.column(one, sa.DateTime(timezone=True)) for one in moments))
        for name, columns, moments in (
            ("co_signature", ("id", "clip_id", "state", "text_id", "guardian", "link", "address", "agent"),
             ("answered_at", "until")),
            ("co_answer", ("signature_id", "clip_id", "answer", "text_id", "guardian", "link", "address", "agent"),
             ("made_at", "until")),
            ("clip", ("id", "campaign_id"), ("consent_until",)),
            ("campaign", ("id", "term_months"), ()),
        )
    )  # fmt: skip
    bind = op.get_bind()
    asked = (
        sa.select(signature, clip.c.consent_until, campaign.c.term_months)
        .join(clip, clip.c.id == signature.c.clip_id)
        .join(campaign, campaign.c.id == clip.c.campaign_id)
        .where(signature.c.answered_at.is_not(None), signature.c.state.in_(["agreed", "refused"]))
    )
    ends: dict[str, Any] = {}
    kept = ("clip_id", "text_id", "guardian", "link", "address", "agent")
    for row in bind.execute(asked).mappings().all():
        until = _months_later(row["answered_at"], row["term_months"]) if row["state"] == "agreed" else None
        told = {name: row[name] for name in kept} | {"signature_id": row["id"], "answer": row["state"]}
        bind.execute(sa.insert(answer).values(**told, made_at=row["answered_at"], until=until))
        bind.execute(sa.update(signature).where(signature.c.id == row["id"]).values(until=until))
        if until is not None and row["consent_until"] is not None:
            ends[row["clip_id"]] = min(until, ends.get(row["clip_id"], row["consent_until"]))
    for clip_id, until in ends.items():
        bind.execute(sa.update(clip).where(clip.c.id == clip_id).values(consent_until=until))


def _months_later(at: datetime, months: int) -> datetime:
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))
