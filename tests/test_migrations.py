"""The migrations and the models agree, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from portal.database import make_engine
from portal.migrations import upgrade
from portal.models import Base


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_upgraded_database_is_what_the_models_say(kind, request, tmp_path):
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'portal.sqlite'}"
        upgrade(url)
    else:
        url = request.getfixturevalue("make_migrated_postgres")()
    engine = make_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_upgrading_twice_changes_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'portal.sqlite'}"
    upgrade(url)
    upgrade(url)
