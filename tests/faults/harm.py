"""A stage of a clip's life, or one task, in a process of its own that is killed, broken or stopped at a point."""

import contextlib
import dataclasses
import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from config import Settings
from media_jobs import tasks
from portal import crash
from portal.jobs import JobKind
from tests.faults.life import live, machines, shop_of

MODES = ("kill", "raise", "freeze", "overtake")
PLUMBING = ("portal/database.py", "portal/runtime.py", "portal/crash.py", "contextlib.py")
# Many times what a stage takes: on a machine that is full of other work it is no hang yet.
PATIENCE_SECONDS = 240.0


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to happen at which place, the first time that it is reached."""

    place: str
    mode: str


# One process that comes to harm ---------------------------------------------------------------------------


def place_of(name: str) -> str:
    """A point with the function that came by and its line there, so that one `unit.commit` is told from another."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename.replace(os.sep, "/")
        if not path.endswith(PLUMBING):
            line = frame.f_lineno - frame.f_code.co_firstlineno
            return f"{name} in {Path(path).stem}.{frame.f_code.co_name}:{line}"
        frame = frame.f_back
    return name


def observer(order: Order | None, seen: list[str] | None = None) -> Callable[[str], None]:
    """Carries out the order at its place, once; or only notes where it came by."""
    fired = threading.Event()

    def observe(name: str) -> None:
        place = place_of(name)
        if seen is not None:
            seen.append(place)
        if order is None or order.place not in (place, place.split(":")[0]) or fired.is_set():
            return
        fired.set()
        if order.mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif order.mode in ("freeze", "overtake"):
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            raise crash.Crash(place)

    return observe


def child(env: dict[str, str], order: Order | None, stage: str, clip_id: str, film: str, report: str) -> None:
    """The process's whole life; what it came by stands in the report."""
    logging.disable(logging.CRITICAL)
    threading.excepthook = lambda _args: None
    runtime = machines(env)
    seen: list[str] = []
    crash.observe(observer(order, seen))
    try:
        live(runtime, stage, clip_id, Path(film))
    finally:
        crash.observe(None)
        Path(report).write_text("\n".join(dict.fromkeys(seen)))


class Victim:
    """A stage in a process of its own."""

    context = multiprocessing.get_context("forkserver")

    def __init__(
        self, env: dict[str, str], order: Order | None, stage: str, clip_id: str, film: Path
    ) -> None:
        self.context.set_forkserver_preload(["tests.faults.harm"])
        self.report = Path(env["DATA_DIR"]) / "report.txt"
        self.report.parent.mkdir(parents=True, exist_ok=True)
        self.report.write_text("")
        words = (env, order, stage, clip_id, str(film), str(self.report))
        self.process = self.context.Process(target=child, args=words, daemon=True)
        self.process.start()

    @property
    def is_frozen(self) -> bool:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
        return False

    def until_frozen_or_over(self) -> bool:
        """Whether it is frozen now, and not over."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while self.process.is_alive():
            if self.is_frozen:
                return True
            assert time.monotonic() < ends, "neither frozen nor over"
            self.process.join(0.01)
        return False

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def over(self) -> int:
        """Its exit code."""
        self.process.join(PATIENCE_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError("never over")
        return self.process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A frozen one heeds no other signal, and whoever waits for it at the end would wait for ever.
        self.process.kill()
        self.process.join()

    def seen(self) -> list[str]:
        return self.report.read_text().splitlines()


# One task in a process of its own, for clips that no stage of the life leads to -----------------------------


def env_of(settings: Settings) -> dict[str, str]:
    """The environment that leads another process to the same machines."""
    storage = settings.storage
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": settings.database_url,
        "BROKER_URL": settings.broker_url,
        "DATA_DIR": str(settings.site.data_dir),
        "SITE_URL": settings.site.url,
        "SECRET_KEY": settings.site.secret_key,
        "S3_ENDPOINT_URL": storage.endpoint_url,
        "S3_PUBLIC_URL": storage.public_url,
        "S3_ACCESS_KEY_ID": storage.access_key_id,
        "S3_SECRET_ACCESS_KEY": storage.secret_access_key,
        "S3_ORIGINALS_BUCKET": storage.originals_bucket,
        "S3_PUBLIC_BUCKET": storage.public_bucket,
    }


def task(
    env: dict[str, str],
    order: Order | None,
    kind: JobKind,
    subject: str,
    limits: dict[int, int] | None = None,
) -> None:
    """One task, armed, under limits of this process's own (as `setrlimit` takes them)."""
    logging.disable(logging.CRITICAL)
    runtime = machines(env)
    crash.observe(observer(order))
    for limit, value in (limits or {}).items():
        resource.setrlimit(limit, (value, value))
    with contextlib.suppress(crash.Crash):
        tasks.TASKS[kind](shop_of(runtime), subject)


def in_another_process(work: Callable[..., None], *words: object) -> int:
    """Run it to its end; its exit code, negative for the signal that ended it."""
    Victim.context.set_forkserver_preload(["tests.faults.harm"])
    process = Victim.context.Process(target=work, args=words, daemon=True)
    process.start()
    process.join(PATIENCE_SECONDS)
    if process.exitcode is None:
        process.kill()
        raise AssertionError("never over")
    return process.exitcode
