"""Words that are said in films are found by an index of their own"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_caption_clip_id"), "caption")
    op.create_index("ix_caption_clip_id_text", "caption", ["clip_id", "text"])
