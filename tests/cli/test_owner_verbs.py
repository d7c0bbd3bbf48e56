"""`export` and `erase`: for somebody who asks on paper and has no mailbox at hand."""

import json
import zipfile
from argparse import Namespace

import pytest
from sqlalchemy import select

from portal import owner_verbs, signatures
from portal.errors import Missing
from portal.models import Clip, CoSignature, Invitation, State
from portal.signatures import Named
from tests.factories import act
from tests.rules.test_invitations import take


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


def test_a_guest_of_a_list_who_never_came_is_found_handed_out_and_erased(runtime, make, session, tmp_path):
    make.campaign()
    take(runtime)
    path = tmp_path / "ada.zip"
    owner_verbs.export(runtime, Namespace(email=" Ada@mail.example", file=path), say=str)
    with zipfile.ZipFile(path) as archive:
        kept = json.loads(archive.read("data.json"))
        assert "ada@mail.example" in archive.read("index.html").decode()
    (invitation,) = kept["account"]["invitations"]
    assert (invitation["first_name"], invitation["product"], kept["clips"]) == ("Ada", "Break", [])
    asked = Namespace(email="Ada@mail.example", yes=False)
    assert owner_verbs.erase(runtime, asked)[0]["invitations"] == 1
    assert owner_verbs.erase(runtime, Namespace(email="Ada@mail.example", yes=True))[0]["erased"] == "done"
    assert set(session.scalars(select(Invitation.email))) == {None, "bo@mail.example"}
    with pytest.raises(Missing):
        owner_verbs.erase(runtime, asked)


def test_whoever_is_only_named_in_a_film_is_told_in_how_many(runtime, make, session, tmp_path):
    clip, path = make.clip(State.IN_REVIEW), tmp_path / "malik.zip"
    act(runtime, signatures.declare, clip, [Named("Malik", "malik@mail.example")])
    (said,) = owner_verbs.erase(runtime, Namespace(email="malik@mail.example", yes=True))
    assert (said["named_in"], said["erased"]) == (1, "no: it goes with the films that name it")
    assert session.scalars(select(CoSignature.email)).all() == ["malik@mail.example"]
    session.rollback()
    owner_verbs.export(runtime, Namespace(email="malik@mail.example", file=path), say=str)
    with zipfile.ZipFile(path) as archive:
        (seen,) = json.loads(archive.read("data.json"))["account"]["seen_in"]
    # He has not been asked yet: the film is still its owner's alone.
    assert (seen["name"], seen["title"]) == ("Malik", "")
