"""What is made by a machine is said under the clip; of another title its owner is told when it counts"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default of the database's own: processes of the former release go on writing rows.
    op.add_column("clip", sa.Column("altered", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("decision", sa.Column("title_was", sa.String(length=80), nullable=True))


def downgrade() -> None:
    op.drop_column("decision", "title_was")
    op.drop_column("clip", "altered")
