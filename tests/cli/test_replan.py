"""`clips replan`: which clips, what it asks the worker for, what it leaves alone."""

import json

import pytest
from sqlalchemy import select, update

from portal import captions, cli
from portal.jobs import JobKind
from portal.ladder import LADDER_VERSION
from portal.models import Cut, Film, Job, State


@pytest.fixture
def replan(monkeypatch, capsys, settings, prepared_storage):
    """Runs `python -m portal clips replan …` in this process; its status and what it printed."""
    env = {
        **prepared_storage,
        "DATABASE_URL": settings.database_url,
        "DATA_DIR": str(settings.site.data_dir),
        "SITE_URL": "http://portal.test",
        "BROKER_URL": "redis://127.0.0.1:1/0",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main(["clips", "replan", *words])
        said = capsys.readouterr().out
        return ended.value.code, json.loads(said) if "--json" in words and said else said

    return run


@pytest.fixture
def old(make, runtime):
    """Two published clips of an older ladder, and one of today's."""
    clips = [make.clip(State.PUBLISHED) for _ in range(2)]
    make.clip(State.PUBLISHED)
    with runtime.work() as session:
        ids = [clip.cut_id for clip in clips]
        session.execute(update(Cut).where(Cut.id.in_(ids)).values(ladder_version=LADDER_VERSION - 1))
    return clips


def asked(runtime):
    with runtime.read() as session:
        return set(session.scalars(select(Job.clip_id).where(Job.kind == JobKind.REMAKE)))


def test_a_dry_run_names_the_clips_and_asks_for_nothing(replan, old, runtime):
    status, rows = replan("--all", "--dry-run", "--json")
    assert status == 0
    assert [(row["id"], row["made"], row["asked"]) for row in rows] == [
        (clip.id, f"ladder {LADDER_VERSION - 1}, standard", False) for clip in old
    ]
    assert asked(runtime) == set()


def test_every_clip_of_an_older_ladder_is_asked_for_once(replan, old, runtime):
    _, rows = replan("--all", "--json")
    assert [row["asked"] for row in rows] == [True, True]
    assert asked(runtime) == {clip.id for clip in old}
    assert replan("--all", "--json")[1] == []


def test_no_more_than_the_limit_are_asked_for(replan, old, runtime):
    replan("--all", "--limit", "1")
    assert asked(runtime) == {old[0].id}


def test_named_clips_are_made_again_whatever_they_were_made_with(replan, make, runtime):
    clip, gone = make.clip(State.PUBLISHED), make.clip(State.REJECTED)
    _, rows = replan("--clip", clip.id, gone.id, "--json")
    assert [row["asked"] for row in rows] == [True, False]
    assert asked(runtime) == {clip.id}


def test_a_clip_that_never_was_is_a_refusal_and_no_clips_at_all_a_wrong_command(replan):
    assert replan("--clip", "never")[0] == 1
    assert replan()[0] == 2


def test_films_that_came_before_a_model_was_named_are_listened_to_later(replan, make, runtime):
    unheard, heard = make.clip(State.PUBLISHED), make.clip(State.IN_REVIEW)
    make.clip(State.WITHDRAWN)
    with runtime.work() as session:
        captions.heard(session, session.get_one(Film, heard.film_id), "fr", 0.9)
    for words, is_asked in ((("--dry-run",), False), ((), True)):
        _status, rows = replan("--captions", "--json", *words)
        assert [(row["id"], row["asked"]) for row in rows] == [(unheard.id, is_asked)]
    with runtime.read() as session:
        assert session.scalars(select(Job.kind)).all() == [JobKind.CAPTIONS]
    assert replan("--captions", "--json")[1] == []
