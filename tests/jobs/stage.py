"""What the worker's tests have in common: films on the storage, jobs on the record, real workers as processes."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import func, select, update

from media_jobs.workshop import Pace, Workshop
from ops.leash import descendants
from portal import keys
from portal.database import db_now
from portal.jobs import QUEUES
from portal.lifecycle import enqueue
from portal.models import Clip, Film, Job, JobState, State, WorkerSeen
from portal.runtime import make_celery
from portal.storage import Bucket
from tests import footage

ROOT = Path(__file__).resolve().parents[2]
# Many times what is waited for takes, on a machine that is full of other work; only what never comes takes as long.
PATIENCE_SECONDS = 240.0
# Longer than any test: nobody loses such a lease by being slow, and whoever waits for its end is too late.
LONG = 3600
QUICK = Pace(lease=30.0, heartbeat=1.0, progress=0.1, retry_pauses=(0.0, 0.0), notice_pauses=(0.0, 0.0))


def shop_of(runtime, **options):
    return Workshop(runtime=runtime, tools=footage.tools(), pace=QUICK, **options)


def arrived(make, runtime, path):
    """A clip whose film lies in the storage, as after `complete`."""
    clip = make.clip(State.PROCESSING)
    with runtime.work() as session:
        film = Film(
            id=secrets.token_hex(16),
            clip_id=clip.id,
            number=1,
            key=keys.original(clip.id, secrets.token_hex(16), at=db_now(session)),
            size_bytes=path.stat().st_size,
            facts={},
            received_at=db_now(session),
        )
        session.add(film)
    runtime.storage.put(Bucket.ORIGINALS, film.key, path, content_type="video/mp4")
    return clip


def ask(runtime, clip, kind):
    with runtime.work() as session:
        return enqueue(session, session.get_one(Clip, clip.id), kind).id


def open_job(runtime, clip, kind):
    with runtime.read() as session:
        is_open = Job.state.in_([JobState.QUEUED, JobState.RUNNING])
        return session.scalars(select(Job.id).where(Job.clip_id == clip.id, Job.kind == kind, is_open)).one()


def row(runtime, table, key):
    with runtime.read() as session:
        return session.get_one(table, key)


def until(holds, *, seconds=PATIENCE_SECONDS):
    """Look until it is so; a test that waits for another process has no other way."""
    ends, pause = time.monotonic() + seconds, threading.Event()
    while not (found := holds()):
        assert time.monotonic() < ends, "waited in vain"
        pause.wait(0.05)
    return found


def until_seen(runtime, hosts):
    """Wait until so many workers have said that they are ready, and listen to their bells."""

    def said():
        with runtime.read() as session:
            return session.scalar(select(func.count()).select_from(WorkerSeen)) >= hosts

    until(said)
    # The process that works says so before the one that listens has reached the broker.
    asked = make_celery(runtime.settings.broker_url).control
    until(lambda: len(asked.ping(timeout=10.0, limit=hosts)) >= hosts)


def lease_ends(runtime, token):
    """As when the time of this lease has passed."""
    with runtime.work() as session:
        mine = (Job.lease_token == token, Job.state == JobState.RUNNING)
        session.execute(update(Job).where(*mine).values(lease_until=db_now(session)))


class WorkerProcess:
    """A real Celery worker with its clock, in a process group of its own."""

    def __init__(self, runtime, folder, *, data_dir=None, node=None, queues=QUEUES, lease=LONG):
        self.log = (folder / f"worker-{secrets.token_hex(4)}.log").open("wb")
        settings = runtime.settings
        env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": settings.database_url,
            "BROKER_URL": settings.broker_url,
            "DATA_DIR": str(data_dir or settings.site.data_dir),
            "S3_ENDPOINT_URL": settings.storage.endpoint_url,
            "S3_PUBLIC_URL": settings.storage.public_url,
            "S3_ACCESS_KEY_ID": settings.storage.access_key_id,
            "S3_SECRET_ACCESS_KEY": settings.storage.secret_access_key,
            "TRANSCODE_PARALLEL_FROM": str(settings.media.parallel_from),
            "LEASE": str(lease),
        }
        if "light" in queues:
            # Who writes letters does it in the site's name; to make films no more is needed (docs/deploy.md).
            env |= {"SITE_URL": settings.site.url, "SECRET_KEY": settings.site.secret_key}
        words = [
            "celery",
            "-A",
            "tests.jobs.quick_worker:app",
            "worker",
            "-c",
            "1",
            "-Q",
            ",".join(queues),
            "-B",
        ]
        words += ["-s", str(folder / f"clock-{secrets.token_hex(4)}"), "--without-gossip", "--without-mingle"]
        words += ["-n", node] if node else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=env,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def child(self, runtime):
        """The process that does this worker's work, as it says itself: its parent has only started it."""

        def said():
            with runtime.read() as session:
                facts = [seen.facts for seen in session.scalars(select(WorkerSeen))]
            family = descendants(self.process.pid)
            return [one["process"] for one in facts if one["process"] in family]

        return until(said)[0]

    @contextlib.contextmanager
    def standing_still(self, runtime):
        """While whoever does the work does nothing: what is being made is not over before the test has done something."""
        child = self.child(runtime)
        os.kill(child, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(child, signal.SIGCONT)

    def kill(self):
        """As when the machine goes: the whole tree at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask_to_stop(self):
        """As in a deploy."""
        self.process.terminate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.log.close()


def tools_at_work(folder):
    """Processes of film tools whose room lies under this folder."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                words = (path / "cmdline").read_bytes().decode(errors="replace")
                room = (path / "cwd").readlink()
            except OSError:
                continue
            if room.is_relative_to(folder.resolve()) and "ff" in words.split("\0")[0]:
                found.append(int(path.name))
    return found
