"""Whose work folder it is: it is held as long as its process lives."""

import subprocess
import sys

import pytest
from sqlalchemy import select

from config import ROOT
from media_jobs import sweeping, workspace
from portal import leases
from portal.jobs import JobKind
from portal.models import Job, JobState, State
from tests.jobs import stage

AT_WORK = """
import sys
from pathlib import Path
from types import SimpleNamespace
from media_jobs.workspace import Workspace
with Workspace(None, Path(sys.argv[1]), SimpleNamespace(token=sys.argv[2])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def at_work(tmp_path):
    """Begins a process that works under a token, in the test's scratch room."""
    begun = []

    def begin(token, room=tmp_path):
        room.mkdir(exist_ok=True)
        words = [sys.executable, "-c", AT_WORK, str(room), token]
        one = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        begun.append(one)
        assert one.stdout.readline() == b"in\n"
        return one

    yield begin
    for one in begun:
        one.kill()
        one.communicate()


def test_a_folder_is_deserted_when_its_process_died_and_not_before(tmp_path, at_work):
    one = at_work("t")
    assert workspace.deserted(workspace.leftovers(tmp_path)) == []
    one.kill()
    one.wait()
    assert workspace.deserted(workspace.leftovers(tmp_path)) == ["t"]


def test_who_ends_in_order_leaves_nothing_that_looks_deserted(tmp_path, at_work):
    one = at_work("t")
    seen = workspace.leftovers(tmp_path)
    one.communicate()
    assert workspace.deserted(seen) == []
    assert workspace.leftovers(tmp_path) == []


def test_a_folder_that_is_just_being_made_is_neither_deserted_nor_swept(tmp_path):
    (tmp_path / ".t").mkdir()
    folders = workspace.leftovers(tmp_path)
    assert workspace.deserted(folders) == []
    assert workspace.sweep(folders, {"t"}) == 0
    assert workspace.sweep(folders, set()) == 1


def test_the_work_of_a_dead_process_is_rung_for_at_once_and_that_of_a_living_one_left_alone(
    make, runtime, bells, at_work, session
):
    shop = stage.shop_of(runtime)
    room = runtime.settings.media.scratch
    room.mkdir(parents=True)
    claims = []
    for _ in range(2):
        job_id = stage.ask(runtime, make.clip(State.PROCESSING), JobKind.TRANSCODE)
        with runtime.work() as work:
            claims.append(leases.claim(work, job_id))
    dead, _living = [at_work(claim.token, room) for claim in claims]
    dead.kill()
    dead.wait()
    bells.clear()
    sweeping.tidy(shop)
    assert [bell.subject for bell in bells] == [claims[0].job_id]
    with runtime.work() as work:
        assert [leases.claim(work, claim.job_id) is not None for claim in claims] == [True, False]
    assert session.scalars(select(Job.attempt).order_by(Job.attempt)).all() == [1, 2]
    assert set(session.scalars(select(Job.state))) == {JobState.RUNNING}
