"""What many tests of pages begin with: an owner's link to a clip, a program that may review."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

A_NOON = datetime(2026, 6, 17, 12, 30, 30, 250_000, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def counters_clock(monkeypatch):
    """The clock that callers are counted by stands still, as `now`.

    Minutes, hours and days begin anew for all at once: a test that were running just then would be let in once more, and
    one that is slow too.
    """
    clock = SimpleNamespace(now=A_NOON)
    for module in ("limits.storage.memory", "limits.storage.redis", "portal.web.limits"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(time=lambda: clock.now))
    return clock


@pytest.fixture
def link(make):
    """Makes a clip in a state and its magic link's token."""

    def made(state, **columns):
        clip = make.clip(state, **columns)
        return clip, make.link(clip)

    return made


@pytest.fixture
def reviewer(make):
    """The header of a program that may review."""
    return make.bearer("review")
