"""Nothing of a program stays behind, whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.leash import descendants, parents
from ops.processes import Command, spawn

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
# A program with a child that left its session, as a daemon would; both print their process id.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
SUPERVISOR = f"""
import subprocess, sys, time
from ops.processes import Command, spawn
spawn(Command(argv=[sys.executable, '-c', {FAMILY!r}], grace_seconds=1), sys.stdout.fileno())
time.sleep(600)
"""


def all_gone(pids, seconds=120):
    deadline = time.monotonic() + seconds
    while living := set(pids) & set(parents()):
        if time.monotonic() > deadline:
            return f"still alive: {living}"
        time.sleep(0.02)
    return True


def start(text, grace=10.0):
    command = Command(argv=[sys.executable, "-c", text], env=dict(os.environ), grace_seconds=grace)
    return spawn(command, subprocess.PIPE)


def numbers(process):
    return [int(word) for word in process.stdout.readline().split()]


def finish(process):
    with process:
        return process.wait(120)


def test_a_stop_reaches_the_programs_whole_family():
    process = start(FAMILY)
    family = numbers(process)
    process.terminate()
    finish(process)
    assert all_gone(family) is True


def test_a_program_that_does_not_listen_is_killed_after_its_grace():
    process = start(STUBBORN, grace=0.2)
    assert process.stdout.readline() == b"up\n"
    process.terminate()
    assert finish(process) == 128 + signal.SIGKILL


def test_the_programs_exit_status_is_handed_on():
    assert finish(start("raise SystemExit(7)")) == 7


def test_a_program_that_is_not_there_is_named():
    with spawn(Command(argv=["/no/such/program"]), subprocess.PIPE) as process:
        assert b"/no/such/program: No such file" in process.stdout.read()
        assert process.wait(120) == 127


def test_children_that_outlive_their_program_are_ended():
    process = start(FAMILY)
    family = numbers(process)
    os.kill(family[0], signal.SIGKILL)
    finish(process)
    assert all_gone(family) is True


def test_a_killed_leash_takes_its_program_along():
    process = start(FAMILY)
    program, child = numbers(process)
    process.kill()
    try:
        finish(process)
        assert all_gone([program]) is True
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_killed_supervisor_leaves_nothing_behind():
    arguments = [sys.executable, "-c", SUPERVISOR]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as supervisor:
        family = numbers(supervisor)
        everybody = [*descendants(supervisor.pid), *family]
        supervisor.kill()
    assert len(everybody) >= 3
    assert all_gone(everybody) is True
