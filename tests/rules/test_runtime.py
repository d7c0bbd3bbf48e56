"""The bell: it is rung when the broker is there, and holds nobody up when it is not."""

import kombu.utils.functional
import pytest

from portal.jobs import Bell, JobKind
from portal.runtime import make_celery, make_wake


@pytest.mark.parametrize("is_reminder", [False, True])
def test_a_broker_that_is_away_makes_nobody_wait(monkeypatch, caplog, is_reminder):
    slept = []
    monkeypatch.setattr(kombu.utils.functional, "sleep", slept.append)
    make_wake(make_celery("redis://127.0.0.1:1/0"))(Bell(JobKind.SWEEP, "quick", is_reminder=is_reminder))
    assert not any(slept)
    assert "bell not rung" in caplog.text
