"""Bells on a real broker: rung for what is due soon, and not again where enough of them lie unheard."""

import pytest
import redis

from portal.jobs import Bell, JobKind
from portal.runtime import FULL, LONGEST_DELAY, make_celery, make_wake


@pytest.fixture
def broker(broker_url):
    asked = redis.Redis.from_url(broker_url)
    asked.flushall()
    return asked


@pytest.fixture
def wake(broker, broker_url):
    return make_wake(make_celery(broker_url))


def test_reminders_do_not_pile_up_where_nobody_listens_and_other_lanes_are_rung_all_the_same(broker, wake):
    for number in range(2 * FULL):
        wake(Bell(JobKind.TRANSCODE, str(number), is_reminder=True))
    wake(Bell(JobKind.RETRACT, "one", is_reminder=True))
    assert (broker.llen("heavy"), broker.llen("light")) == (FULL, 1)


def test_what_is_asked_for_the_first_time_is_rung_however_many_wait(broker, wake):
    for number in range(FULL + 3):
        wake(Bell(JobKind.TRANSCODE, str(number)))
    assert broker.llen("heavy") == FULL + 3


def test_what_is_due_in_a_long_while_is_left_to_the_sweep(broker, wake):
    wake(Bell(JobKind.PUBLISH, "in a month", delay=30 * 86400.0))
    wake(Bell(JobKind.PUBLISH, "in a minute", delay=LONGEST_DELAY))
    assert broker.llen("light") == 1


def test_a_reminder_to_a_broker_that_is_away_is_lost_and_raises_nothing():
    make_wake(make_celery("redis://127.0.0.1:1/0"))(Bell(JobKind.PUBLISH, "one", is_reminder=True))
