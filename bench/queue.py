"""A queue of 50 clips through real workers, on real servers: how much one more worker brings; and the first picture."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import delete, func, select, update

from bench.figures import Figure, Row
from bench.films import KINDS, small
from config import ROOT, Settings
from media_jobs.ffmpeg import Tools
from ops.machine import Machine, assemble
from ops.storage import usable
from portal import campaigns, carrier, submission
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.migrations import upgrade
from portal.models import Film, Job, JobState, WorkerSeen
from portal.runtime import Runtime, build_runtime

CLIPS, FILM_SECONDS, TURNS = 50, 2.0, 5
PATIENCE = 900.0
BY = Actor(ActorKind.ADMIN)

Rows = list[Row | Figure]


def throughput() -> Iterator[Row | Figure]:
    """(f) Seconds until 50 clips are made, with one worker and with two; pairs of (two, one)."""
    with served() as (machine, runtime):
        tools = Tools.found(None, None, 1)
        film = small(tools, machine.data_dir, FILM_SECONDS, "320x180")
        pairs = [
            (drained(machine, runtime, film, 2), drained(machine, runtime, film, 1)) for _ in range(TURNS)
        ]
    clips = tuple(CLIPS / seconds * 60 for _, seconds in pairs)
    name = f"{CLIPS} clips of {FILM_SECONDS:g} s, 320 x 180"
    yield Row(f"{name}: two workers / one", "s", tuple(pairs))
    yield Figure(f"{name}: one worker", "clips a minute", clips)


def first_playable() -> Iterator[Row | Figure]:
    """(c) Seconds from the end of the upload to something that plays, on an idle worker."""
    with served() as (machine, runtime):
        tools = Tools.found(None, None, 2)
        with workers(machine, runtime, 1, "short"):
            for kind in KINDS:
                film = kind.make(tools, machine.data_dir, 12.0)
                values = tuple(watched_after(runtime, film) for _ in range(TURNS))
                yield Figure(f"first playable, 12 s, {kind.name}", "s", values)


def drained(machine: Machine, runtime: Runtime, film: Path, count: int) -> float:
    """Seconds that so many workers need for the queue."""
    with workers(machine, runtime, count, "heavy"):
        began = time.perf_counter()
        for _ in range(CLIPS):
            arrived(runtime, film)
        emptied(runtime)
        return time.perf_counter() - began


def emptied(runtime: Runtime) -> None:
    """Waits until no film is left to be made."""
    _wait(lambda: _open(runtime) == 0)


def watched_after(runtime: Runtime, film: Path) -> float:
    """Seconds until this film's preview can be watched."""
    clip_id = arrived(runtime, film)
    began = time.perf_counter()

    def is_there() -> bool:
        with runtime.read() as session:
            return bool(
                session.scalars(select(Film.preview).where(Film.clip_id == clip_id)).one().get("files")
            )

    _wait(is_there)
    seconds = time.perf_counter() - began
    # Nobody makes ladders here; where many wait for one, a film that must be encoded gets no preview.
    with runtime.work() as session:
        queued = (Job.kind == JobKind.TRANSCODE, Job.state == JobState.QUEUED)
        session.execute(update(Job).where(*queued).values(state=JobState.CANCELLED))
    return seconds


def arrived(runtime: Runtime, path: Path) -> str:
    """A clip whose film lies in the storage, as after the last part; its id."""
    with runtime.work() as session:
        campaign = campaigns.by_slug(session, "bench")
        clip, _token = submission.begin(
            session, campaign, lang="fr", texts=submission.Texts(), consents=(), channel="import", by=BY,
            site=runtime.settings.site,
        )  # fmt: skip
    carrier.carry(runtime, clip.id, path, by=BY)
    return clip.id


@contextmanager
def served() -> Iterator[tuple[Machine, Runtime]]:
    """An own storage, broker and database with one call for clips."""
    with tempfile.TemporaryDirectory() as folder:
        machine = assemble({**os.environ, "DATA_DIR": folder, "DEMO": "0"}, usable)
        started = [machine.servers[name] for name in ("storage", "broker")]
        try:
            for server in started:
                server.start()
            runtime = build_runtime(Settings.from_env({**os.environ, **machine.told}))
            upgrade(runtime.settings.database_url)
            runtime.storage.prepare()
            with runtime.work() as session:
                campaigns.add(session, "bench", title="Banc", lang="fr")
            yield machine, runtime
        finally:
            for server in started:
                server.stop()


@contextmanager
def workers(
    machine: Machine,
    runtime: Runtime,
    count: int,
    lane: str,
    *,
    told: Mapping[str, str] | None = None,
    is_pinned: bool = False,
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """So many real workers on this lane, one film at a time each, already waiting.

    `told` are settings beside the machine's own; pinned, each has one processor.
    """
    line = [
        sys.executable,
        "-m",
        "celery",
        "--quiet",
        "-A",
        "media_jobs.worker:app",
        "worker",
        "-c",
        "1",
        "-Q",
        lane,
    ]
    line += ["--loglevel", "ERROR", "--without-gossip", "--without-mingle"]
    environment = {**os.environ, **machine.environment("worker"), **(told or {})}
    found = [
        subprocess.Popen(
            [*line, "-n", f"{lane}{place}@bench"], cwd=ROOT, env=environment, start_new_session=True
        )
        for place in range(count)
    ]
    cores = sorted(os.sched_getaffinity(0))
    try:
        for place, process in enumerate(found if is_pinned else []):
            os.sched_setaffinity(process.pid, {cores[place % len(cores)]})
        _wait(lambda: len(_seen(runtime, lane)) >= count)
        yield found
    finally:
        for process in found:
            process.send_signal(signal.SIGTERM)
        for process in found:
            process.wait(60)
        with runtime.work() as session:
            session.execute(delete(WorkerSeen))


def _seen(runtime: Runtime, lane: str) -> list[str]:
    with runtime.read() as session:
        return list(session.scalars(select(WorkerSeen.name).where(WorkerSeen.name.startswith(lane))))


def _open(runtime: Runtime) -> int:
    waiting = (Job.kind == JobKind.TRANSCODE, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    with runtime.read() as session:
        return session.scalar(select(func.count()).select_from(Job).where(*waiting)) or 0


def _wait(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.02)
