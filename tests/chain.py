"""The film room's own chain, whole or in part, on films made at test time: what comes out is looked at, nothing else."""

from dataclasses import dataclass
from pathlib import Path

from media_jobs import film, picture, sound
from media_jobs.ffmpeg import compose, output, run, source
from media_jobs.outline import Limits
from media_jobs.picture import Plan
from media_jobs.probe import Facts, inspect
from portal.ladder import rungs_for
from tests import footage


@dataclass(frozen=True)
class Result:
    """What a film is, what was planned and the file that came out."""

    facts: Facts
    plan: Plan
    path: Path


def _never() -> bool:
    return False


def facts_of(path: Path, **limits: object) -> Facts:
    return inspect(footage.tools(), path, Limits(**limits))


def whole(path: Path, folder: Path, **limits: object) -> tuple[Result, film.Made]:
    """The whole job; the file is the tallest plain MP4."""
    facts = facts_of(path, **limits)
    folder.mkdir()
    made = film.make(footage.tools(), path, folder, facts, film.Order(), lambda _: None, _never)
    plan = picture.plan(facts, rungs_for(facts.width, facts.height))
    return Result(facts, plan, next(one.path for one in made.files if one.kind == "mp4")), made


def picture_alone(path: Path, **limits: object) -> Result:
    """The tallest rung's picture, kept without loss."""
    facts = facts_of(path, **limits)
    plan = picture.plan(facts, rungs_for(facts.width, facts.height))
    top = picture.top_picture(source(path.resolve(), facts.container, threads=1), facts, plan)
    words = {"f": "matroska", "c:v": "ffv1", "fps_mode": "passthrough"}
    return Result(facts, plan, _ran(path, output([top], "top.mkv", **words)))


def sound_alone(path: Path, **limits: object) -> Result:
    """The sound as every rung's listeners hear it."""
    facts = facts_of(path, **limits)
    plan = picture.plan(facts, rungs_for(facts.width, facts.height))
    lufs = sound.loudness(footage.tools(), path.resolve(), facts, _never)
    track = source(path.resolve(), facts.container)[str(facts.audio_index)]
    words = {"c:a": "aac", "b:a": sound.BIT_RATE, "ar": sound.SAMPLE_RATE, "ac": 2, "f": "mp4"}
    words["af"] = sound.filters(lufs, plan.seconds, facts.lead_seconds)
    return Result(facts, plan, _ran(path, output([track], "heard.m4a", **words)))


def _ran(path: Path, made) -> Path:
    folder = path.with_name(f"{path.name}-out")
    folder.mkdir(exist_ok=True)
    run(footage.tools(), compose([made]), folder=folder.resolve(), wall_seconds=60)
    return next(folder.iterdir())
