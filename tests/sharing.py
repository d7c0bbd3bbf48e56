"""Which test process runs what, when there are several.

Every test goes to whoever is free, but all journeys go to one process: they drive one whole portal, and each further
process would start another. A scheduler and not the `xdist_group` marker, which xdist 3.8 writes into a field that
pytest 9.2 no longer reads.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

JOURNEYS = "tests/journeys/"


class OneForJourneys(LoadScopeScheduling):
    """Hands out tests one by one, and the journeys as one piece; the largest piece goes first."""

    def _split_scope(self, nodeid: str) -> str:
        return JOURNEYS if nodeid.startswith(JOURNEYS) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneForJourneys:
    return OneForJourneys(config, log)
