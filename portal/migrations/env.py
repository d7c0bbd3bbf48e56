"""Alembic's entry: runs the migrations on the database that `alembic_config` names."""

from typing import Any, Literal

from alembic import context

from portal import models
from portal.database import UTCDateTime, make_engine


def render_item(kind: str, thing: Any, _context: Any) -> str | Literal[False]:
    """Write our time type as plain SQLAlchemy: a migration must not change when our code does."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UTCDateTime) else False


engine = make_engine(context.config.attributes["url"])
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=models.Clip.metadata,
        render_as_batch=True,
        compare_type=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
engine.dispose()
