"""What the doctor says of the clock of the host that it runs on: what the site signs is only good by a right one."""

import dataclasses
import re
import time

import pytest

from portal import doctor
from tests.conftest import with_settings


@pytest.fixture
def clock(monkeypatch):
    """Sets this host's clock wrong by so many seconds."""
    right = time.time

    def wrong_by(seconds):
        monkeypatch.setattr(time, "time", lambda: right() + seconds)

    return wrong_by


def told(runtime):
    return "; ".join(doctor._clock(runtime))


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_the_doctor_says_how_far_this_hosts_clock_is_off_the_databases(runtime, clock):
    storage = dataclasses.replace(runtime.settings.storage, endpoint_url="http://127.0.0.1:1")
    alone = with_settings(runtime, storage=storage)
    assert told(alone) == ""
    for seconds, words in ((-1200, "behind"), (90, "ahead of")):
        clock(seconds)
        said = re.match(rf"of this host is (\d+) s {words} the database's: beyond 900 s", told(alone))
        # Asking takes its time; of that, half at most is taken for a difference.
        assert int(said[1]) == pytest.approx(abs(seconds), abs=10)
    clock(45)
    assert told(alone) == ""


def test_without_a_database_that_has_a_clock_the_storages_counts(runtime, clock):
    assert told(runtime) == ""
    for seconds, words in ((1200, "ahead of"), (-1200, "behind")):
        clock(seconds)
        # An answer's date has whole seconds, and the way there and back takes its time.
        said = re.match(rf"of this host is (\d+) s {words} the storage's", told(runtime))
        assert int(said[1]) == pytest.approx(1200, abs=10)


def test_the_doctor_names_a_worker_whose_clock_is_wrong(runtime, make):
    make.worker("films@right/0", sandbox="1", clock_seconds=0.4)
    make.worker("films@late/0", sandbox="1", clock_seconds=-1500.2)
    assert doctor.faults(runtime)["clock"].startswith("of films@late/0 is 1500 s behind the database's")
