"""An import that dies, and is run again: the same film is the same clip, whole."""

import dataclasses

import pytest
from sqlalchemy import func, select

from portal import crash, importing, submission
from portal.errors import Code
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Film, State
from portal.storage import Bucket
from tests.letters_in import FILM

BY = Actor(ActorKind.ADMIN)


@pytest.fixture
def wish(make, tmp_path):
    make.campaign()
    path = tmp_path / "galibier.mp4"
    path.write_bytes(FILM * 3000)
    texts = submission.Texts(email="nadia@mail.example", title="Six heures")
    return importing.Wish(path, "quotidien", "fr", texts)


@pytest.mark.parametrize(
    ("said", "is_altered"),
    [("yes", True), ("1", True), ("No", False), ("", False)],
)
def test_a_list_says_by_yes_or_no_what_a_machine_has_made(runtime, wish, tmp_path, said, is_altered):
    side = tmp_path / "films.csv"
    side.write_text(f"file,campaign,email,altered\n{wish.path.name},quotidien,lea@mail.example,{said}\n")
    (told,) = importing.wishes([], side, {}, default_lang="fr")
    assert bool(told.texts.altered) is is_altered


def test_a_list_that_says_perhaps_is_not_taken(wish, tmp_path):
    side = tmp_path / "films.csv"
    side.write_text(f"file,altered\n{wish.path.name},perhaps\n")
    with pytest.raises(ValueError, match="neither yes nor no"):
        importing.wishes([], side, {}, default_lang="fr")


@pytest.mark.parametrize(
    ("point", "times"),
    [
        ("unit.committed", 1),
        ("upload.begun", 1),
        ("unit.committed", 4),
        ("upload.join", 1),
        ("upload.join.done", 1),
    ],
)
def test_an_import_that_died_goes_on_with_the_same_clip(runtime, wish, point, times):
    left = times

    def die(name):
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            raise crash.Crash(name)

    crash.observe(die)
    try:
        with pytest.raises(crash.Crash):
            importing.bring(runtime, wish, by=BY)
    finally:
        crash.observe(None)
    report = importing.bring(runtime, wish, by=BY)
    assert report.error is None
    with runtime.read() as session:
        (clip,) = session.scalars(select(Clip)).all()
        (film,) = session.scalars(select(Film)).all()
    assert (clip.id, clip.state) == (report.clip_id, State.PROCESSING)
    assert runtime.storage.size(Bucket.ORIGINALS, film.key) == len(FILM) * 3000


def test_the_same_film_of_another_owner_or_call_is_another_clip(runtime, make, wish):
    make.campaign("hiver", title="L’hiver")
    other = dataclasses.replace(wish.texts, email="karl@mail.example")
    wishes = [wish, dataclasses.replace(wish, texts=other), dataclasses.replace(wish, campaign="hiver")]
    found = {importing.bring(runtime, one, by=BY).clip_id for one in wishes}
    assert len(found) == 3


def test_what_is_no_film_leaves_no_draft(runtime, wish):
    path = wish.path.with_suffix(".pdf")
    path.write_bytes(b"%PDF")
    report = importing.bring(runtime, dataclasses.replace(wish, path=path), by=BY)
    assert report.error is not None
    with runtime.read() as session:
        assert session.scalar(select(func.count()).select_from(Clip)) == 0


@pytest.mark.parametrize(
    "given", ['{"a.mp4": 1}', "[1]", "not json", '[{"file": "a.mp4"}, {"file": "a.mp4"}]']
)
def test_a_side_file_that_is_none_is_refused_with_its_name(tmp_path, given):
    side = tmp_path / "side.json"
    side.write_text(given)
    with pytest.raises(ValueError, match=r"side\.json"):
        importing.wishes([], side, {}, default_lang="fr")


def test_a_side_file_that_tells_of_a_film_not_named_is_refused(tmp_path):
    side = tmp_path / "side.csv"
    side.write_text("file,title\na.mp4,A\nb.mp4,B\n")
    with pytest.raises(ValueError, match=r"tells of b\.mp4"):
        importing.wishes(["a.mp4"], side, {}, default_lang="fr")


def test_films_of_one_name_in_two_folders_keep_what_is_told_of_each(tmp_path):
    side = tmp_path / "side.csv"
    side.write_text("file,email\nanna/IMG_1.MOV,anna@mail.example\nben/IMG_1.MOV,ben@mail.example\n")
    for files in ([], [str(tmp_path / "ben" / "IMG_1.MOV"), str(tmp_path / "anna" / "IMG_1.MOV")]):
        found = importing.wishes(files, side, {}, default_lang="fr")
        assert {(wish.path.parent.name, wish.texts.email) for wish in found} == {
            ("anna", "anna@mail.example"), ("ben", "ben@mail.example"),
        }  # fmt: skip


@pytest.mark.parametrize("folders", [("anna", "ben"), ("anna",)])
def test_a_name_that_may_mean_two_films_or_rows_is_refused(tmp_path, folders):
    side = tmp_path / "side.csv"
    rows = ["IMG_1.MOV"] if len(folders) > 1 else ["IMG_1.MOV", "ben/IMG_1.MOV"]
    side.write_text("\n".join(["file", *rows]) + "\n")
    files = [str(tmp_path / "films" / folder / "IMG_1.MOV") for folder in folders]
    with pytest.raises(ValueError, match="have the same name"):
        importing.wishes(files, side, {}, default_lang="fr")


def test_a_name_alone_is_enough_where_it_means_one_film(tmp_path):
    side = tmp_path / "side.csv"
    side.write_text("file,email\na.mp4,anna@mail.example\n")
    (found,) = importing.wishes([str(tmp_path / "films" / "a.mp4")], side, {}, default_lang="fr")
    assert found.texts.email == "anna@mail.example"


@pytest.mark.parametrize("lang", ["it", "de-CH", ""])
def test_a_language_that_the_site_does_not_speak_is_refused(runtime, wish, lang):
    report = importing.bring(runtime, dataclasses.replace(wish, lang=lang), by=BY)
    assert report.error.fields == {"lang": Code.UNKNOWN_LANGUAGE}
    with runtime.read() as session:
        assert session.scalar(select(func.count()).select_from(Clip)) == 0


def test_a_wrong_year_in_a_side_file_is_said_with_its_film(tmp_path):
    side = tmp_path / "side.csv"
    side.write_text("file,owned_since\na.mp4,lately\n")
    with pytest.raises(ValueError, match=r"a\.mp4: "):
        importing.wishes([], side, {}, default_lang="fr")
