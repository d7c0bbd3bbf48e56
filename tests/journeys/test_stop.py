"""Ctrl-C in the middle of the work: nothing stays behind, and the next start goes on."""

import contextlib
import sys
import time
from pathlib import Path

import pytest

from ops.leash import descendants, parents
from tests import footage
from tests.jobs.stage import tools_at_work
from tests.journeys import steps
from tests.journeys.conftest import start, stop

pytestmark = [
    pytest.mark.journey,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


def at_home(folder):
    """Living processes that were told of this folder, work in it or name it: the portal's, whoever their parent is."""
    marker, found = str(folder).encode(), []
    for pid in parents():
        home = Path(f"/proc/{pid}")
        with contextlib.suppress(OSError):
            told = (home / "cmdline").read_bytes() + (home / "environ").read_bytes()
            if marker in told or str((home / "cwd").readlink()).startswith(str(folder)):
                found.append(pid)
    return found


def words(pid):
    """A living process's command line; empty when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def encoding(folder):
    """The ffmpeg processes that make this portal's films; those that only look at one are over too soon."""
    return [pid for pid in tools_at_work(folder / "scratch") if b"libx264" in words(pid)]


@pytest.fixture
def caller(playwright):
    """Makes callers of one portal's API."""
    with contextlib.ExitStack() as made:

        def calling(portal):
            def api(token=""):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                one = playwright.request.new_context(base_url=portal.url, extra_http_headers=headers)
                made.callback(one.dispose)
                return one

            api.portal = portal
            return api

        yield calling


def test_ctrl_c_in_mid_work_leaves_nothing_behind_and_the_next_start_finishes_the_film(caller, tmp_path):
    home = tmp_path / "a portal"
    film = footage.small(tmp_path, size="1280x720", seconds=4)
    first = start(home)
    try:
        first.cli("campaigns", "add", "quotidien", "--title", "Une minute de quotidien")
        told = steps.submit(caller(first), film, "Interrompu")
        # Asked for one after the other: an encoder that ends in between is asked for anew.
        _, family, _ = steps.answered(
            lambda: (encoding(home), descendants(first.process.pid), at_home(home)),
            lambda seen: (
                seen[0] and {first.process.pid, *seen[0]} <= set(seen[2]) and set(seen[0]) <= set(seen[1])
            ),
        )
    finally:
        status = stop(first)
    assert status == 0
    assert at_home(home) == []
    assert set(family) & set(parents()) == set()

    began = time.monotonic()
    second = start(home)
    try:
        assert time.monotonic() - began < 60
        steps.made(caller(second), told)
        assert "The record and the buckets agree." in second.cli("fsck")
    finally:
        assert stop(second) == 0
    assert at_home(home) == []
