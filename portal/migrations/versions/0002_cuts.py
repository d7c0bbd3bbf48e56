"""Cuts, captions and signals: a film may be shown in more than one way"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "caption",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("film_id", sa.String(length=32), nullable=False),
        sa.Column("lang", sa.String(length=8), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.Column("cues", sa.JSON(), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["checked_by_id"], ["person.id"], name=op.f("fk_caption_checked_by_id_person")
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_caption_clip_id_clip")),
        sa.ForeignKeyConstraint(["film_id"], ["film.id"], name=op.f("fk_caption_film_id_film")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption")),
        sa.UniqueConstraint("film_id", "lang", name=op.f("uq_caption_film_id_lang")),
    )
    with op.batch_alter_table("caption", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_caption_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "cut",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("film_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.Column("edits", sa.JSON(), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ladder_version", sa.Integer(), nullable=True),
        sa.Column("profile", sa.String(length=12), nullable=False),
        sa.Column("ffmpeg_version", sa.String(length=40), nullable=True),
        sa.Column("sandbox", sa.String(length=20), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("loudness", sa.Double(), nullable=True),
        sa.Column("copied_top", sa.Boolean(), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("proposals", sa.JSON(), nullable=False),
        sa.Column("error_code", sa.String(length=30), nullable=True),
        sa.ForeignKeyConstraint(["asked_by_id"], ["person.id"], name=op.f("fk_cut_asked_by_id_person")),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_cut_clip_id_clip")),
        sa.ForeignKeyConstraint(["film_id"], ["film.id"], name=op.f("fk_cut_film_id_film")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cut")),
        sa.UniqueConstraint("clip_id", "number", name=op.f("uq_cut_clip_id_number")),
    )
    with op.batch_alter_table("cut", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cut_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_cut_film_id"), ["film_id"], unique=False)
        batch_op.create_index("ix_cut_state_ladder_version", ["state", "ladder_version"], unique=False)

    op.create_table(
        "fingerprint",
        sa.Column("film_id", sa.String(length=32), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.Column("sound", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_fingerprint_clip_id_clip")),
        sa.ForeignKeyConstraint(["film_id"], ["film.id"], name=op.f("fk_fingerprint_film_id_film")),
        sa.PrimaryKeyConstraint("film_id", name=op.f("pk_fingerprint")),
    )
    with op.batch_alter_table("fingerprint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fingerprint_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_fingerprint_seconds"), ["seconds"], unique=False)

    op.create_table(
        "signal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.String(length=10), nullable=False),
        sa.Column("film_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("at_seconds", sa.Double(), nullable=True),
        sa.Column("until_seconds", sa.Double(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_signal_clip_id_clip")),
        sa.ForeignKeyConstraint(["film_id"], ["film.id"], name=op.f("fk_signal_film_id_film")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal")),
    )
    with op.batch_alter_table("signal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signal_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_signal_film_id"), ["film_id"], unique=False)

    # Every film that was made so far has one cut: the whole of it.
    op.execute(
        """
        INSERT INTO cut (id, clip_id, film_id, number, state, origin, edits, created_at, made_at, ladder_version,
                         profile, ffmpeg_version, seconds, width, height, loudness, copied_top, proposals)
        SELECT film.id, film.clip_id, film.id, film.number,
               CASE WHEN clip.film_id = film.id THEN 'adopted' ELSE 'superseded' END, 'first', '{}',
               film.received_at, film.ready_at, film.ladder_version, 'standard', film.ffmpeg_version,
               clip.seconds, clip.width, clip.height, film.loudness, false, '[]'
          FROM film JOIN clip ON clip.id = film.clip_id
        """
    )
    op.add_column("clip", sa.Column("cut_id", sa.String(length=32), nullable=True))
    op.add_column("clip", sa.Column("fail_facts", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("clip", sa.Column("poster_at", sa.Double(), nullable=True))
    op.add_column("clip", sa.Column("still_key", sa.String(length=200), nullable=True))
    op.execute("UPDATE clip SET cut_id = film_id")

    op.add_column(
        "film", sa.Column("keeps_beginning", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("film", sa.Column("preview", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("film", sa.Column("signals_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_film_sha256", "film", ["sha256"])
    for name in ("ladder_version", "loudness", "ffmpeg_version"):
        op.drop_column("film", name)

    op.add_column("job", sa.Column("cut_id", sa.String(length=32), nullable=True))
    op.add_column("job", sa.Column("part", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("job", sa.Column("format", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("job", sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("uq_job_open", "job")
    is_open = sa.text("state IN ('queued', 'running')")
    op.create_index(
        "uq_job_open",
        "job",
        ["clip_id", "kind", "part"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )

    op.add_column("publication", sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("publication", sa.Column("cut_id", sa.String(length=32), nullable=True))
    op.execute("UPDATE publication SET cut_id = film_id")
    with op.batch_alter_table("publication") as batch_op:
        batch_op.alter_column("cut_id", existing_type=sa.String(length=32), nullable=False)
        batch_op.create_foreign_key(op.f("fk_publication_cut_id_cut"), "cut", ["cut_id"], ["id"])
    op.create_index(op.f("ix_publication_superseded_at"), "publication", ["superseded_at"])

    op.add_column("rendition", sa.Column("cut_id", sa.String(length=32), nullable=True))
    op.execute("UPDATE rendition SET cut_id = film_id")
    with op.batch_alter_table("rendition") as batch_op:
        batch_op.alter_column("cut_id", existing_type=sa.String(length=32), nullable=False)
        batch_op.drop_constraint(op.f("uq_rendition_film_id_name"), type_="unique")
        batch_op.create_index(op.f("ix_rendition_cut_id"), ["cut_id"])
        batch_op.create_unique_constraint(op.f("uq_rendition_cut_id_name"), ["cut_id", "name"])
        batch_op.create_foreign_key(op.f("fk_rendition_cut_id_cut"), "cut", ["cut_id"], ["id"])
