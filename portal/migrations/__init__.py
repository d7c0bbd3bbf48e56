"""The schema's history (Alembic); `upgrade` brings a database to the present."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database, without an .ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest schema; harmless when it is there already."""
    command.upgrade(alembic_config(url), "head")
