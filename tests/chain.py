"""The film room's own chain, whole or in part, on films made at test time: what comes out is looked at, nothing else."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


def imagined(**changes: object) -> Facts:
    """The facts of an ordinary film that nobody made, but for these."""
    ordinary = Facts(
        container="mov", width=1920, height=1080, duration_seconds=1.0, picture_delay_seconds=0.0,
        picture_seconds=1.0, fps=60.0, vfr=False, frames=1, rotation=0, video_index=0, video_codec="h264",
        pix_fmt="yuv420p", color_range="tv", color_space="bt709", color_primaries="bt709",
        color_transfer="bt709", audio_index=None, audio_codec=None, audio_channels=None, size_bytes=1,
    )  # fmt: skip
    return replace(ordinary, **changes)


def _never() -> bool:
    return False


def facts_of(path: Path, **limits: object) -> Facts:
    return inspect(footage.tools(), path, Limits(**limits))


def made(
    path: Path, folder: Path, order: film.Order | None = None, *, facts: Facts | None = None, **call: Any
) -> film.Made:
    """The whole job; `call` may name on_progress, cancelled and elsewhere."""
    folder.mkdir(exist_ok=True)
    facts = facts or facts_of(path)
    call = {"on_progress": lambda _percent: None, "cancelled": _never, **call}
    return film.make(footage.tools(), path, folder, facts, order or film.Order(), **call)


def whole(path: Path, folder: Path, **limits: object) -> tuple[Result, film.Made]:
    """The whole job; the file is the tallest plain MP4."""
    facts = facts_of(path, **limits)
    out = made(path, folder, facts=facts)
    plan = picture.plan(facts, rungs_for(facts.width, facts.height))
    return Result(facts, plan, next(one.path for one in out.files if one.kind == "mp4")), out


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
