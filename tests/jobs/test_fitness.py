"""A worker takes films only with tools that are there, recent enough and shut in; until then the films wait."""

import dataclasses
import os
import shutil

import pytest

from config import MediaSettings, Settings
from media_jobs import fitness, jail
from media_jobs.jail import Level
from media_jobs.process import TOOLLESS, Worker, make_app
from media_jobs.workshop import Pace
from portal import workers
from portal.jobs import JobKind
from portal.models import Clip, Cut, Job, JobState, State
from tests import footage
from tests.conftest import with_settings
from tests.jobs import stage


def settings_for(folder, **options):
    return MediaSettings("", "", threads=2, profile="standard", scratch=folder, **options)


def put(program, path):
    """The program at another place, without copying it where that can be had."""
    try:
        os.link(program, path)
    except OSError:
        shutil.copy(program, path)


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("9.0.2-static", True),
        ("n9.0.2-17-g2a571b6068-20260930", True),
        ("n8.1.2", True),
        ("8.1.1", False),
        ("8.1.1-17-g2a571b6068", False),
        ("8.0.3", True),
        ("8.0", False),
        ("7.1.5-0+deb13u1", True),
        ("7.1.4", False),
        ("7.0.2-static", False),
        ("5.1.9-0+deb12u1", None),
        ("6.1.1-3ubuntu5", None),
        ("N-120000-gabcdef", None),
    ],
)
def test_versions_are_judged_by_their_lines_floor_and_distributions_are_not(version, verdict):
    assert workers.is_fixed(version) is verdict


def test_the_floor_in_words_is_the_floor_that_is_judged_by():
    for word in workers.FLOOR.split(", "):
        line, patch = tuple(int(part) for part in word.split(".")[:2]), int(word.split(".")[2])
        assert workers.FLOORS[line] == patch
        assert workers.is_fixed(word)


def test_a_machine_that_can_build_a_jail_is_fit_and_says_how(tmp_path):
    found = fitness.check(settings_for(tmp_path))
    assert found.faults == ()
    assert found.facts["sandbox"] == jail.offered()[0]
    assert found.facts["ffmpeg_floor_ok"] is True
    assert found.facts["ffmpeg"][-1].strip()
    assert found.facts["ffprobe"][-1].strip()


def test_an_ffmpeg_with_known_holes_is_refused_until_somebody_allows_it_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "FLOORS", {(99, 0): 1})
    refused = fitness.check(settings_for(tmp_path))
    assert "known holes" in refused.faults[0]
    allowed = fitness.check(settings_for(tmp_path, has_floor=False))
    assert allowed.faults == ()
    assert allowed.facts["ffmpeg_floor_ok"] is False


def test_the_sandbox_is_left_out_only_by_hand(tmp_path):
    found = fitness.check(settings_for(tmp_path, is_jailed=False))
    assert (found.facts["sandbox"], found.tools.level, found.faults) == ("off", Level.OFF, ())


def test_a_machine_that_is_too_busy_to_try_its_jail_takes_none_instead_of_a_weaker_one(tmp_path, monkeypatch):
    monkeypatch.setattr(fitness, "TRIAL_SECONDS", 0)
    found = fitness.check(settings_for(tmp_path))
    assert "could not be tried now" in found.faults[0]
    assert found.tools.level is Level.NONE


def test_a_slow_moment_does_not_take_a_level_from_the_jail(tmp_path, monkeypatch):
    tried = fitness.trial
    slow = iter([0, 0])

    def trial(tools, beside):
        with monkeypatch.context() as once:
            once.setattr(fitness, "TRIAL_SECONDS", next(slow, 60))
            return tried(tools, beside)

    monkeypatch.setattr(fitness, "trial", trial)
    found = fitness.check(settings_for(tmp_path))
    assert (found.faults, found.facts["sandbox"]) == ((), jail.offered()[0])


def test_a_tool_that_is_taken_away_or_replaced_is_noticed(tmp_path):
    put(footage.tools().ffmpeg, tmp_path / "ffmpeg")
    found = fitness.check(dataclasses.replace(settings_for(tmp_path), ffmpeg=str(tmp_path / "ffmpeg")))
    assert not found.faults
    assert not found.is_stale
    (tmp_path / "ffmpeg").rename(tmp_path / "elsewhere")
    assert found.is_stale


def test_every_kind_of_job_that_starts_no_tool_goes_on_without_one():
    assert set(JobKind) - TOOLLESS == {
        JobKind.TRANSCODE,
        JobKind.PREVIEW,
        JobKind.REMAKE,
        JobKind.CHUNK,
        JobKind.POSTER,
        JobKind.SIGNALS,
        JobKind.CAPTIONS,
    }


def test_films_wait_while_a_tool_is_missing_and_are_made_when_it_is_back(make, runtime, tmp_path):
    media = dataclasses.replace(runtime.settings.media, ffmpeg=str(tmp_path / "ffmpeg"))
    runtime = with_settings(runtime, media=media)
    clip = stage.arrived(make, runtime, footage.small(tmp_path))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    app = make_app(runtime.settings, Pace(seen=0.0))
    app.tasks["media_jobs.transcode"](job_id)
    job = stage.row(runtime, Job, job_id)
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)
    put(footage.tools().ffmpeg, tmp_path / "ffmpeg")
    app.tasks["media_jobs.transcode"](job_id)
    assert stage.row(runtime, Job, job_id).state == JobState.DONE
    kept = stage.row(runtime, Clip, clip.id)
    assert kept.state == State.IN_REVIEW
    assert stage.row(runtime, Cut, kept.cut_id).sandbox == jail.offered()[0]


def test_a_worker_looks_at_its_tools_once(tmp_path):
    worker = Worker(Settings.from_env({"DATA_DIR": str(tmp_path)}), Pace())
    assert worker.fitness() is worker.fitness()
    assert worker.shop.tools is worker.fitness().tools
