"""The start of `make run`: whom it lets in, and what it does every hour."""

import os

import pytest

from ops.machine import assemble
from ops.run import CannotStartError, give_back, has_administrator
from ops.storage import usable
from portal import people
from portal.lifecycle import CLOCK
from portal.models import Role


@pytest.fixture
def machine(tmp_path, database_url):
    given = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": database_url, "PATH": os.environ["PATH"]}
    elsewhere = {"S3_ENDPOINT_URL": "https://s3.example", "S3_SECRET_ACCESS_KEY": "x" * 40}
    return assemble(given | elsewhere | {"BROKER_URL": "redis://127.0.0.1:1/0"}, usable)


def test_a_database_that_has_an_administrator_gets_no_second_one(machine, runtime):
    with runtime.work() as session:
        people.add_staff(
            session, "ines@brand.example", role=Role.MODERATOR, name="", password=None, lang="fr", by=CLOCK
        )
    assert not has_administrator(machine)
    with runtime.work() as session:
        people.add_staff(
            session, "ada@brand.example", role=Role.ADMIN, name="", password=None, lang="fr", by=CLOCK
        )
    assert has_administrator(machine)


def test_a_database_that_cannot_be_asked_stops_the_start_with_a_reason(tmp_path):
    given = {"DATA_DIR": str(tmp_path), "DATABASE_URL": "mysql://x/y", "PATH": os.environ["PATH"]}
    made = assemble({**given, "DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite"}, usable)
    with pytest.raises(CannotStartError, match="cannot be asked"):
        has_administrator(made)


def test_a_storage_that_cannot_clear_up_now_ends_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ops.storage.SHELL_SECONDS", 1)
    storage = assemble({"DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}, usable).servers["storage"]
    storage.folder.mkdir(parents=True, exist_ok=True)
    give_back(storage)
    assert "could not give deleted films" in capsys.readouterr().out
