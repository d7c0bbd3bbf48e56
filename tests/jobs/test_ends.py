"""The worker and the ends that an owner cut off: left out of what is made, never of what was sent."""

import pytest
from sqlalchemy import select

from media_jobs.tasks import TASKS
from portal import cuts
from portal.edits import EditList
from portal.jobs import JobKind
from portal.models import Clip, Film, State
from portal.storage import Bucket
from tests import footage
from tests.jobs import stage


def sent(make, runtime, path, wanted):
    clip = stage.arrived(make, runtime, path)
    with runtime.work() as session:
        session.scalars(select(Film)).one().edits = wanted.as_json()
    TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), stage.ask(runtime, clip, JobKind.TRANSCODE))
    return stage.row(runtime, Clip, clip.id)


def test_what_is_made_is_shorter_and_the_original_is_whole(make, runtime, tmp_path):
    path = footage.small(tmp_path, seconds=2.0, rate=10, size="160x90")
    clip = sent(make, runtime, path, EditList(0.5, 1.7))
    assert clip.state == State.IN_REVIEW
    assert clip.seconds == pytest.approx(1.2, abs=0.01)
    with runtime.read() as session:
        film, cut = session.scalars(select(Film)).one(), cuts.current(session, clip)
        assert film.facts["duration_seconds"] == pytest.approx(2.0, abs=0.1)
        assert cuts.edits_of(cut) == cuts.sent_with(film)
        assert runtime.storage.size(Bucket.ORIGINALS, film.key) == path.stat().st_size


def test_a_film_too_short_for_what_was_to_go_is_refused_in_words(make, runtime, tmp_path):
    path = footage.small(tmp_path, seconds=1.0, rate=10, size="160x90")
    clip = sent(make, runtime, path, EditList(60.0))
    assert (clip.state, clip.fail_code) == (State.FAILED, "nothing_left")


@pytest.mark.parametrize(
    ("wanted", "state", "code"),
    [
        (EditList(0.5, 1.6), State.IN_REVIEW, ""),
        (EditList(end=2.0), State.FAILED, "too_long"),
        (EditList(), State.FAILED, "too_long"),
    ],
    ids=["cut to fit", "still too long", "whole"],
)
def test_a_film_longer_than_its_call_takes_is_taken_when_its_owner_cut_it_to_that(
    make, runtime, tmp_path, wanted, state, code
):
    make.campaign(max_seconds=1)
    clip = sent(make, runtime, footage.small(tmp_path, seconds=2.5, rate=10, size="160x90"), wanted)
    assert (clip.state, clip.fail_code or "") == (state, code)
