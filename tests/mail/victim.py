"""A postman in a process of its own, who is killed at a named point; see test_killed.py."""

import multiprocessing
import os
import signal
from pathlib import Path

from config import Settings
from portal import crash
from portal.postman import Postman
from portal.runtime import build_runtime

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.mail.victim"])


def take(env: dict[str, str], point: str, times: int, mail: str, address: str) -> None:
    """Take the mail, and die when `point` is passed the `times`-th time; else write the answer beside the mail."""
    left = times

    def observe(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    crash.observe(observe)
    answer = Postman(build_runtime(Settings.from_env(env))).take(Path(mail).read_bytes(), address)
    Path(mail).with_suffix(".answer").write_text(answer.line)


def run(env: dict[str, str], point: str, times: int, mail: Path, address: str) -> int | None:
    """How the process ended: -9 when it was killed."""
    process = CONTEXT.Process(target=take, args=(env, point, times, str(mail), address))
    process.start()
    process.join(240)
    return process.exitcode
