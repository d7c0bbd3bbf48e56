"""What a fingerprint can be found by, among all others"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fingerprint_key",
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("film_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["film_id"],
            ["fingerprint.film_id"],
            name=op.f("fk_fingerprint_key_film_id_fingerprint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", "film_id", name=op.f("pk_fingerprint_key")),
    )
    op.create_index(op.f("ix_fingerprint_key_film_id"), "fingerprint_key", ["film_id"])
