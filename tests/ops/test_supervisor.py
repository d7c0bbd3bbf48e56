"""The processes of one start: in order, relayed, and all gone when one of them ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.leash import descendants, parents
from portal.jobs import QUEUES, JobKind

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
BODY = """
import os, shlex, sys
from pathlib import Path
from ops.run import explain
from ops.supervisor import ProcessEndedError, StopAskedError, Supervisor
whole = Supervisor(Path(os.getcwd()), Path(os.getcwd()) / "log")
python = shlex.quote(sys.executable)
def start(name, text, **options):
    whole.start(name, f"{python} -c {shlex.quote(text)}", dict(os.environ), **options)
start("rock", "import time; print('up', flush=True); time.sleep(600)")
whole.run(until=lambda: len(whole.running["rock"].lines) > 0)
try:
    %s
except ProcessEndedError as ended:
    print(explain(ended), flush=True)
except StopAskedError as asked:
    print("asked by", asked, flush=True)
finally:
    whole.stop(["rock"])
print("stopped", flush=True)
"""


def supervise(tmp_path, text):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    arguments = [sys.executable, "-c", BODY % text.replace("\n", "\n    ")]
    return subprocess.Popen(
        arguments, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def until_line(process, part):
    said = []
    while line := process.stdout.readline():
        said.append(line)
        if part in line:
            return "".join(said)
    return pytest.fail(f"{part!r} never came:\n{''.join(said)}")


def all_gone(pids):
    deadline = time.monotonic() + 120
    while set(pids) & set(parents()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not set(pids) & set(parents())


def test_every_lane_has_one_worker_and_the_short_and_the_light_one_wait_for_nothing_else():
    lines = (ROOT / "Procfile").read_text().splitlines()
    lanes = [line.split(" -Q ")[1].split()[0].split(",") for line in lines if " -Q " in line]
    assert sorted(lane for each in lanes for lane in each) == sorted(QUEUES)
    assert ["short"] in lanes
    assert ["light"] in lanes
    assert (JobKind.PREVIEW.queue, JobKind.RETRACT.queue) == ("short", "light")


def test_a_failing_process_is_named_with_its_last_lines_and_stops_the_rest(tmp_path):
    failing = "start('leaf', 'print(1); print(\"the reason\"); raise SystemExit(3)')\nwhole.run()"
    with supervise(tmp_path, failing) as process:
        said = until_line(process, "leaf ended with status 3")
        family = descendants(process.pid)
        said += process.stdout.read()
    assert "the reason" in said.partition("leaf ended")[2]
    assert "stopped" in said
    assert all_gone(family)


def test_a_process_that_may_end_does_not_stop_the_rest(tmp_path):
    text = (
        "start('extra', 'raise SystemExit(3)', needed=False)\n"
        "whole.run(until=lambda: whole.running['extra'].status is not None)\n"
        # Whoever were to stop the rest would do so in his next round.
        "assert not whole.run(seconds=0.5)\n"
        "assert whole.running['rock'].status is None\n"
        "print('still', flush=True)"
    )
    with supervise(tmp_path, text) as process:
        said = process.stdout.read()
    assert "extra ended with status 3; the portal goes on without it" in said
    assert "still" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_ends_everything(tmp_path, number):
    with supervise(tmp_path, "print('running', flush=True)\nwhole.run()") as process:
        until_line(process, "running")
        family = descendants(process.pid)
        process.send_signal(number)
        said = process.stdout.read()
    assert f"asked by {number.name}" in said
    assert len(family) >= 2
    assert all_gone(family)


def test_a_process_whose_leash_was_killed_is_not_left_behind(tmp_path):
    with supervise(tmp_path, "print('running', flush=True)\nwhole.run()") as process:
        until_line(process, "running")
        family = descendants(process.pid)
        leash = next(pid for pid in family if parents().get(pid) == process.pid)
        os.kill(leash, signal.SIGKILL)
        said = process.stdout.read()
    assert "rock ended" in said
    assert all_gone(family)


def test_a_quiet_process_writes_to_a_file_and_the_one_before_is_kept(tmp_path):
    text = (
        "for word in ('one', 'two'):\n"
        "    start(word and 'mouse', f'print({word!r})', quiet=True, needed=False)\n"
        "    one = whole.running['mouse']\n"
        "    whole.run(until=lambda: one.status is not None)"
    )
    with supervise(tmp_path, text) as process:
        said = process.stdout.read()
    assert "one" not in said.split()
    assert (tmp_path / "log" / "mouse.log").read_text() == "two\n"
    assert (tmp_path / "log" / "mouse.previous.log").read_text() == "one\n"
