"""Which test process runs what, when there are several.

A test goes to whoever is free, unless what it stands on is dear: such files go to one process as a piece, so that their
stand is built once. All journeys are one piece for that reason (they drive one whole portal), except those that start
portals of their own. A scheduler and not the `xdist_group` marker, which xdist 3.8 writes into a field that pytest 9.2
no longer reads.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# The first that fits counts.
PIECES = (
    "tests/journeys/test_bad_line.py",
    "tests/journeys/test_stop.py",
    "tests/journeys/test_recorder_states.py",
    "tests/journeys/",
    "tests/looks/",
    "tests/faults/test_step_killer.py",
    "tests/hostile/test_intake.py",
    "tests/hostile/test_tools.py",
    "tests/jobs/test_players.py",
    "tests/jobs/test_film.py",
    "tests/jobs/test_copied_rung.py",
    "tests/jobs/test_stills.py",
    "tests/jobs/test_editing.py",
    "tests/jobs/test_speech.py",
    "tests/jobs/test_jail.py",
    "tests/ops/test_door.py",
    "tests/ops/test_assets.py",
)


class Pieces(LoadScopeScheduling):
    """Hands out pieces whole, the largest first, and all other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return next((piece for piece in PIECES if nodeid.startswith(piece)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Pieces:
    return Pieces(config, log)
