"""`clips import`: progress, side files, consents with their proof, faults by file, and again."""

import json

import pytest
from sqlalchemy import func, select

from portal.models import Clip, Consent, Film, Person, State, Upload
from portal.storage import Bucket
from tests.letters_in import FILM


@pytest.fixture
def films(tmp_path):
    """Three films; the second has two parts."""
    folder = tmp_path / "films"
    folder.mkdir()
    for number, times in ((1, 1), (2, 2600), (3, 3)):
        (folder / f"film{number}.mp4").write_bytes(FILM * times + b"%d" % number)
    return folder


@pytest.fixture
def call(make):
    make.campaign()
    for slug in ("famille", "montagne"):
        make.theme(slug)


@pytest.fixture
def count(runtime):
    def of(table, *conditions):
        with runtime.read() as session:
            return session.scalar(select(func.count()).select_from(table).where(*conditions))

    return of


def said(ended):
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_progress_is_told_in_json_lines_by_bytes_and_percent(portal, films, call, runtime):
    ended = portal(
        *("clips", "import", str(films / "film2.mp4"), "--campaign", "quotidien"),
        *("--email", "nadia@mail.example", "--json"),
    )
    assert ended.returncode == 0, ended.stderr
    lines = said(ended)
    size = (films / "film2.mp4").stat().st_size
    assert [one["bytes"] for one in lines if one["event"] == "progress"] == [0, 5 * 1024**2, size]
    assert [one["percent"] for one in lines if one["event"] == "progress"][-1] == 100
    done = lines[-1]
    assert (done["event"], done["file"], done["state"], done["is_new"]) == (
        *("done", "film2.mp4", "processing", True),
    )
    assert "consents.site" in done["missing"]
    with runtime.read() as session:
        film = session.scalars(select(Film)).one()
    assert runtime.storage.size(Bucket.ORIGINALS, film.key) == size


def test_a_side_file_gives_each_film_its_texts_and_consents_with_a_proof(portal, films, call, runtime, count):
    side = films / "films.csv"
    side.write_text(
        "file;email;first_name;title;themes;speech_lang;owned_since;consents;proof\n"
        "film1.mp4;nadia@mail.example;Nadia;Six heures;famille montagne;fr;2021;site,adult;Contrat papier 12\n"
        "film3.mp4;karl@mail.example;Karl;Winter;;de;;;\n",
        encoding="utf-8",
    )
    ended = portal("clips", "import", "--side-file", str(side), "--campaign", "quotidien", "--json")
    assert ended.returncode == 0, ended.stderr
    done = [one for one in said(ended) if one["event"] == "done"]
    assert [one["file"] for one in done] == ["film1.mp4", "film3.mp4"]
    with runtime.read() as session:
        clip = session.scalars(select(Clip).where(Clip.first_name == "Nadia")).one()
        given = session.scalars(select(Consent).where(Consent.clip_id == clip.id)).all()
    assert (clip.title, clip.owned_since, clip.channel) == ("Six heures", 2021, "import")
    assert {one.purpose for one in given} == {"site", "adult"}
    assert {(one.given_via, one.agent) for one in given} == {("import", "Contrat papier 12")}
    assert count(Consent) == 2


def test_a_consent_without_its_proof_is_refused_and_makes_nothing(portal, films, call, count):
    ended = portal(
        *("clips", "import", str(films / "film1.mp4"), "--campaign", "quotidien"),
        *("--email", "nadia@mail.example", "--consents", "site,adult", "--json"),
    )
    assert ended.returncode == 1
    (line,) = said(ended)
    assert (line["event"], line["fields"]) == ("failed", {"proof": "required"})
    assert (count(Clip), count(Person)) == (0, 0)


def test_run_again_the_same_film_is_the_same_clip_and_the_owners_words_stay(
    portal, films, call, runtime, count
):
    words = ("clips", "import", *(str(films / f"film{n}.mp4") for n in (1, 2)), "--campaign", "quotidien")
    words += ("--email", "nadia@mail.example", "--title", "D’abord", "--json")
    first = [one for one in said(portal(*words)) if one["event"] == "done"]
    with runtime.work() as session:
        session.get_one(Clip, first[0]["id"]).title = "Mes mots"
    again = [one for one in said(portal(*words)) if one["event"] == "done"]
    assert [one["id"] for one in again] == [one["id"] for one in first]
    assert [one["is_new"] for one in again] == [False, False]
    assert (count(Clip), count(Film), count(Upload)) == (2, 2, 2)
    with runtime.read() as session:
        assert session.get_one(Clip, first[0]["id"]).title == "Mes mots"


def test_each_fault_is_named_with_its_file_and_the_others_are_imported(portal, films, call, count):
    (films / "notes.txt").write_text("no film")
    ended = portal(
        *("clips", "import", str(films / "missing.mp4"), str(films / "notes.txt"), str(films / "film1.mp4")),
        *("--campaign", "quotidien", "--email", "nadia@mail.example"),
    )
    assert ended.returncode == 1
    faults = ended.stderr.splitlines()
    assert len(faults) == 2
    assert faults[0].startswith("missing.mp4: ")
    assert faults[1].startswith("notes.txt: ")
    assert "wrong_type" in faults[1]
    assert "film1.mp4" in ended.stdout
    assert (count(Film), count(Clip)) == (1, 1)


def test_every_wrong_line_of_a_side_file_is_named_and_nothing_is_imported(portal, films, call, count):
    side = films / "films.json"
    side.write_text(json.dumps([{"file": "film1.mp4", "colour": "red"}, {"title": "x"}]))
    ended = portal("clips", "import", "--side-file", str(side), "--campaign", "quotidien")
    assert ended.returncode == 1
    assert "entry 1: unknown field colour" in ended.stderr
    assert "entry 2: names no file" in ended.stderr
    assert count(Clip) == 0


def test_an_unknown_or_closed_call_is_said_for_the_file(portal, films, call):
    ended = portal(
        *("clips", "import", str(films / "film1.mp4"), "--campaign", "nowhere", "--email", "a@mail.example"),
        "--json",
    )
    assert said(ended)[-1]["fields"] == {"campaign": "missing"}


def test_a_film_that_was_taken_back_may_be_imported_anew(portal, films, call, runtime, count):
    words = (
        "clips",
        "import",
        str(films / "film1.mp4"),
        "--campaign",
        "quotidien",
        "--email",
        "n@mail.example",
    )
    assert portal(*words).returncode == 0
    with runtime.work() as session:
        session.execute(Clip.__table__.update().values(state=State.WITHDRAWN))
    assert portal(*words).returncode == 0
    assert count(Clip) == 2
