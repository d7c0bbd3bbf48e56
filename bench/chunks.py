"""A long film through two real workers with a processor each: shared between them in pieces, and made by one in one pass."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from sqlalchemy import func, select

from bench.costs import Cost
from bench.figures import Figure, Row
from bench.films import small
from bench.queue import arrived, emptied, served, workers
from media_jobs.ffmpeg import Tools
from ops.machine import Machine
from portal.jobs import JobKind
from portal.models import Job, JobState
from portal.runtime import Runtime

SECONDS, SIZE, FROM, TURNS = 130.0, "640x360", 120, 5


def run(
    seconds: float = SECONDS, *, size: str = SIZE, least: int = FROM, turns: int = TURNS
) -> Iterator[Row | Figure]:
    """Pairs of (in pieces, in one pass): seconds by the clock until the clip is made, and of both workers' processors."""
    with served() as (machine, runtime):
        path = small(Tools.found(None, None, 1), machine.data_dir, seconds, size)
        pairs = [(made(machine, runtime, path, least), made(machine, runtime, path, 0)) for _ in range(turns)]
    name = f"{seconds:g} s of {size} in pieces, two workers / in one pass"
    yield Row(name, "CPU s", tuple((shared.cpu, alone.cpu) for shared, alone in pairs))
    yield Row(f"{name}, by the clock", "s", tuple((shared.wall, alone.wall) for shared, alone in pairs))


def made(machine: Machine, runtime: Runtime, path: Path, least: int) -> Cost:
    """What the film takes where films are shared out from so many seconds on; 0: never.

    Raises RuntimeError when it was not made that way.
    """
    told = {"TRANSCODE_PARALLEL_FROM": str(least)}
    with workers(machine, runtime, 2, "heavy", told=told, is_pinned=True) as processes:
        before, began = _spent(processes), perf_counter()
        clip_id = arrived(runtime, path)
        emptied(runtime)
        cost = Cost(_spent(processes) - before, perf_counter() - began)
    with runtime.read() as session:
        is_piece = (Job.clip_id == clip_id, Job.kind == JobKind.CHUNK, Job.state == JobState.DONE)
        count = session.scalar(select(func.count()).select_from(Job).where(*is_piece)) or 0
    if (count > 0) != (least > 0):
        raise RuntimeError(f"{count} pieces with TRANSCODE_PARALLEL_FROM={least}")
    return cost


def _spent(processes: Sequence["subprocess.Popen[bytes]"]) -> float:
    """Seconds of processor of these workers, their children and the tools that have ended; none may be at work."""
    sessions, ticks = {process.pid for process in processes}, 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # proc(5): the sixth field is the session; 14 to 17 are its own and its ended children's ticks.
        if int(words[3]) in sessions:
            ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
