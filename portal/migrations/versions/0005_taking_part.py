"""Taking part: invitations, agreements of others, messages, cases, receipts; letters to addresses alone"""

import secrets
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
        sa.UniqueConstraint("email_hash", "topic", name=op.f("uq_refusal_email_hash_topic")),
    )
    op.create_table(
        "invitation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("batch", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("first_name", sa.String(length=40), nullable=False),
        sa.Column("product", sa.String(length=60), nullable=False),
        sa.Column("owned_since", sa.Integer(), nullable=True),
        sa.Column("lang", sa.String(length=8), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("proof", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("link_number", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clip_id", sa.String(length=10), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_invitation_campaign_id_campaign")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("campaign_id", "email_hash", name=op.f("uq_invitation_campaign_id_email_hash")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_batch"), ["batch"], unique=False)
        batch_op.create_index("ix_invitation_campaign_sent", ["campaign_id", "sent_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index("ix_invitation_sent_due", ["sent_at", "due_at"], unique=False)

    op.create_table(
        "short_link",
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=80), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_short_link_campaign_id_campaign")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_short_link")),
    )
    with op.batch_alter_table("short_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_short_link_campaign_id"), ["campaign_id"], unique=False)

    op.create_table(
        "co_signature",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("is_minor", sa.Boolean(), nullable=False),
        sa.Column("guardian", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("text_id", sa.Integer(), nullable=True),
        sa.Column("link", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_co_signature_clip_id_clip")),
        sa.ForeignKeyConstraint(
            ["text_id"], ["consent_text.id"], name=op.f("fk_co_signature_text_id_consent_text")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_co_signature")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_co_signature_token_hash")),
    )
    with op.batch_alter_table("co_signature", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_co_signature_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "incoming_mail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_hash", sa.String(length=64), nullable=False),
        sa.Column("sender_hash", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=True),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_incoming_mail_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming_mail")),
        sa.UniqueConstraint("message_hash", name=op.f("uq_incoming_mail_message_hash")),
    )
    with op.batch_alter_table("incoming_mail", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incoming_mail_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_incoming_mail_received_at"), ["received_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_incoming_mail_sender_hash"), ["sender_hash"], unique=False)

    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("author", sa.String(length=12), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at_seconds", sa.Double(), nullable=True),
        sa.Column("via", sa.String(length=8), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("once", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["person.id"], name=op.f("fk_message_author_id_person")),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_message_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("once", name=op.f("uq_message_once")),
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index("ix_message_author_seen", ["author", "seen_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_message_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "owner_proof",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("method", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("actor_kind", sa.String(length=12), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_owner_proof_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owner_proof")),
    )
    with op.batch_alter_table("owner_proof", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_owner_proof_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "receipt",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_receipt_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
    )
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_receipt_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "support_case",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("opened_by_id", sa.Integer(), nullable=True),
        sa.Column("taken_by_id", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("solved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("once", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["opened_by_id"], ["person.id"], name=op.f("fk_support_case_opened_by_id_person")
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_support_case_clip_id_clip")),
        sa.ForeignKeyConstraint(
            ["taken_by_id"], ["person.id"], name=op.f("fk_support_case_taken_by_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_case")),
        sa.UniqueConstraint("once", name=op.f("uq_support_case_once")),
    )
    with op.batch_alter_table("support_case", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_support_case_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_support_case_state"), ["state"], unique=False)
    op.create_table(
        "view_seen",
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_view_seen")),
    )
    op.create_index(op.f("ix_view_seen_day"), "view_seen", ["day"])
    _columns()
    _own_wordings()
    _letters_to_addresses()
    _people_in_films()
    _terms()


def _columns() -> None:
    def add(table: str, name: str, kind: sa.types.TypeEngine[Any], default: str | None = None) -> None:
        text = None if default is None else sa.text(default)
        op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=text))

    moment = sa.DateTime(timezone=True)
    add("campaign", "example_clip_id", sa.String(length=10))
    add("campaign", "max_clips", sa.Integer())
    add("campaign", "max_seconds", sa.Integer())
    add("campaign", "themes", sa.JSON(), "'[]'")
    add("campaign", "answer_days", sa.Integer(), "2")
    add("campaign", "term_months", sa.Integer(), "24")
    add("campaign", "reminder_days", sa.Integer(), "7")
    add("campaign", "invited_only", sa.Boolean(), "false")
    add("campaign_text", "help", sa.Text(), "''")
    add("campaign_text", "shots", sa.Text(), "''")
    add("clip", "music_words", sa.String(length=200), "''")
    add("clip", "is_vouched", sa.Boolean(), "false")
    add("clip", "relation", sa.String(length=10), "''")
    add("clip", "invitation_id", sa.String(length=32))
    add("clip", "consent_until", moment)
    add("clip", "views", sa.Integer(), "0")
    op.create_index("ix_clip_state_views", "clip", ["state", "views", "id"])
    add("decision", "words", sa.Text(), "''")
    op.create_index(op.f("ix_clip_consent_until"), "clip", ["consent_until"])
    op.create_index(op.f("ix_clip_invitation_id"), "clip", ["invitation_id"])
    # The mark's former name.
    op.execute("UPDATE clip SET owner_level = 'purchase_proven' WHERE owner_level = 'verified'")
    with op.batch_alter_table("clip_link") as batch_op:
        batch_op.add_column(sa.Column("mailed_to_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(
            op.f("fk_clip_link_mailed_to_id_person"), "person", ["mailed_to_id"], ["id"]
        )
    add("consent", "link", sa.String(length=16), "''")
    add("consent", "address", sa.String(length=45), "''")
    add("consent", "agent", sa.String(length=200), "''")
    # No new constraint here: versions are counted over all variants, and SQLite would have to copy the table.
    add("consent_text", "variant", sa.String(length=60), "''")
    add("film", "edits", sa.JSON(), "'{}'")
    add("upload", "edits", sa.JSON(), "'{}'")
    add("sign_in_link", "purpose", sa.String(length=12), "'welcome'")
    add("person", "confirmed_at", moment)
    # Whoever is known so far has had letters and answered them.
    op.execute("UPDATE person SET confirmed_at = created_at WHERE email IS NOT NULL")


def _own_wordings() -> None:
    op.create_table(
        "consent_wording",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("variant", sa.String(length=60), nullable=False),
        sa.Column("lang", sa.String(length=8), nullable=False),
        sa.Column("sentence", sa.String(length=300), nullable=False),
        sa.Column("full", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["person.id"], name=op.f("fk_consent_wording_author_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_wording")),
        sa.UniqueConstraint(
            "purpose", "variant", "lang", name=op.f("uq_consent_wording_purpose_variant_lang")
        ),
    )


def _letters_to_addresses() -> None:
    empty = sa.text("''")
    with op.batch_alter_table("notice") as batch_op:
        batch_op.add_column(sa.Column("address", sa.String(length=254), nullable=True))
        batch_op.add_column(sa.Column("lang", sa.String(length=8), nullable=False, server_default=empty))
        batch_op.add_column(sa.Column("about", sa.String(length=32), nullable=False, server_default=empty))
        batch_op.add_column(sa.Column("facts", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
        batch_op.alter_column("person_id", existing_type=sa.Integer(), nullable=True)
        batch_op.create_index(op.f("ix_notice_about"), ["about"])
        batch_op.create_index(op.f("ix_notice_person_id"), ["person_id"])


def _people_in_films() -> None:
    """Those named in a JSON list become rows that can be asked; nobody has been asked so far."""
    clip = sa.table(
        "clip",
        sa.column("id"),
        sa.column("people", sa.JSON),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    names = ("id", "clip_id", "position", "name", "email", "is_minor", "guardian", "state", "created_at")
    signature = sa.table(
        "co_signature",
        *(sa.column(name) for name in names),
        sa.column("link"),
        sa.column("address"),
        sa.column("agent"),
    )
    bind = op.get_bind()
    rows = [
        {
            "id": secrets.token_hex(16), "clip_id": clip_id, "position": place, "name": str(one.get("name") or "")[:80],
            "email": one.get("email"), "is_minor": bool(one.get("minor")), "guardian": "", "state": "waiting",
            "created_at": created_at, "link": "", "address": "", "agent": "",
        }
        for clip_id, people, created_at in bind.execute(sa.select(clip.c.id, clip.c.people, clip.c.created_at))
        for place, one in enumerate(people or [])
    ]  # fmt: skip
    if rows:
        bind.execute(sa.insert(signature), rows)
    op.drop_column("clip", "people")


def _terms() -> None:
    """What was agreed to so far was for 24 months."""
    moment = sa.DateTime(timezone=True)
    clip = sa.table("clip", sa.column("id"), sa.column("consent_until", moment))
    consent = sa.table(
        "consent",
        sa.column("clip_id"),
        sa.column("purpose"),
        sa.column("given_at", moment),
        sa.column("revoked_at", moment),
    )
    given = sa.select(consent.c.clip_id, sa.func.max(consent.c.given_at, type_=moment)).where(
        consent.c.purpose == "site", consent.c.revoked_at.is_(None)
    )
    bind = op.get_bind()
    for clip_id, at in bind.execute(given.group_by(consent.c.clip_id)).all():
        until = at + timedelta(days=730)
        bind.execute(sa.update(clip).where(clip.c.id == clip_id).values(consent_until=until))
