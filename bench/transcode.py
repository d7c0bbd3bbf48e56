"""The whole film job's CPU seconds against one bare ffmpeg that makes the same ladder from the same film."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.figures import Row
from media_jobs import ffmpeg, film, hls, picture, probe, sound
from media_jobs.ffmpeg import Tools, compose, source
from portal.ladder import rungs_for

TURNS = 3
# Noise over moving shapes: the grain of a phone held in the hand is what an encoder pays for.
FILMS = {
    "12 s, 1280 x 720, 30 fps, grain": (12, "1280x720"),
    "6 s, 1920 x 1080, 30 fps, grain": (6, "1920x1080"),
}
PREPARED = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac"]


def run() -> list[Row]:
    """One row a film."""
    tools = Tools.found(os.environ.get("FFMPEG"), os.environ.get("FFPROBE"), 2)
    found: list[Row] = []
    for name, (seconds, size) in FILMS.items():
        with tempfile.TemporaryDirectory() as folder:
            original = make_film(tools, Path(folder) / "original.mp4", seconds, size)
            facts = probe.inspect(tools, original, probe.Limits())
            jobs = (partial(whole, tools, original), partial(bare, tools, original, facts))
            pairs = [(cpu(jobs[0]), cpu(jobs[1])) for _ in range(TURNS)]
        found.append(Row(f"whole job / bare ffmpeg: {name}", "CPU s", tuple(pairs)))
    return found


def make_film(tools: Tools, path: Path, seconds: int, size: str) -> Path:
    """A film with sound, as a phone held in the hand would give it."""
    picture_words = f"testsrc2=size={size}:rate=30:duration={seconds},noise=alls=18:allf=t"
    words = ["-f", "lavfi", "-i", picture_words, "-f", "lavfi", "-i", f"sine=440:duration={seconds}"]
    subprocess.run([str(tools.ffmpeg), "-v", "error", "-y", *words, *PREPARED, str(path)], check=True)
    return path


def cpu(act: Callable[[], None]) -> float:
    """User and system seconds of this process and its children while it acts."""
    before = _spent()
    act()
    return _spent() - before


def _spent() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def whole(tools: Tools, original: Path) -> None:
    """Everything that the worker does with a film on its disk."""
    folder = Path(tempfile.mkdtemp())
    facts = probe.inspect(tools, original, probe.Limits())
    film.make(tools, original, folder, facts, lambda _percent: None, lambda: False)
    shutil.rmtree(folder)


def bare(tools: Tools, original: Path, facts: probe.Facts) -> None:
    """One ffmpeg with the same filters, encoders and container, and nothing beside it."""
    folder = Path(tempfile.mkdtemp())
    made = picture.plan(facts, rungs_for(facts.width, facts.height))
    shown = source(original, facts.container, threads=tools.threads)
    wanted = {rung.name: 1 for rung in made.rungs}
    pictures = picture.cascade(picture.top_picture(shown, facts, made), made, wanted)
    heard = (shown[str(facts.audio_index)], sound.filters(None, made.seconds))
    ladder = hls.ladder_output([pictures[rung.name][0] for rung in made.rungs], made, heard, tools.threads)
    ffmpeg.run(tools, compose([ladder]), folder=folder, wall_seconds=600)
    shutil.rmtree(folder)
