"""`export` and `erase`: for somebody who asks on paper and has no mailbox at hand."""

import json
import zipfile

import pytest

from portal.models import Clip, State
from tests.cli.test_cli import portal

__all__ = ["portal"]


@pytest.fixture
def owner(make):
    return make.person("lea@mail.example")


def test_everything_of_an_address_is_written_into_a_file_for_its_owner_alone(portal, make, owner, tmp_path):
    make.clip(State.PUBLISHED, owner=owner, with_objects=True)
    path = tmp_path / "lea.zip"
    ended = portal("export", "Lea@mail.example", str(path))
    assert ended.returncode == 0, ended.stderr
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as archive:
        (clip,) = json.loads(archive.read("data.json"))["clips"]
        assert "Publié" in archive.read("index.html").decode()
    assert clip["texts"]["first_name"] == "Nadia"


def test_a_file_that_is_there_is_not_written_over(portal, owner, tmp_path):
    path = tmp_path / "lea.zip"
    path.write_text("mine")
    assert portal("export", owner.email, str(path)).returncode == 1
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "words", [("export", "nobody@mail.example", "x.zip"), ("erase", "nobody@mail.example")]
)
def test_an_unknown_address_is_said(portal, words):
    ended = portal(*words)
    assert (ended.returncode, "(missing)" in ended.stderr) == (1, True)


def test_erasing_is_asked_for_twice_and_then_done(portal, make, owner, session):
    clip = make.clip(State.PUBLISHED, owner=owner)
    (first,) = json.loads(portal("erase", owner.email, "--json").stdout)
    assert first["clips"] == 1
    assert session.get_one(Clip, clip.id).state == State.PUBLISHED
    session.rollback()
    assert portal("erase", owner.email, "--yes").returncode == 0
    assert session.get_one(Clip, clip.id, populate_existing=True).state == State.WITHDRAWN
