"""Hostile films through the worker's real task: each clip ends for its own reason, and the next clip goes on."""

import pytest

from media_jobs.tasks import TASKS
from portal import letters, reasons
from portal.jobs import JobKind
from portal.models import Clip, Job, JobState, State
from portal.notices import NoticeKind
from tests.hostile.corpus import ALL
from tests.jobs import stage

# One of each way to fail: not let in for what it is, what it leads to, what it claims, what is missing of it, what it
# is made of, and what only decoding tells.
CHOSEN = ("a03", "a31", "b01", "b14", "b27", "c26", "c31", "c51", "c52", "h01", "h08", "h16")

transcode = TASKS[JobKind.TRANSCODE]


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


def test_each_hostile_film_fails_for_its_own_reason_and_the_next_clip_is_made(
    clay, make, runtime, shop, tmp_path
):
    told = set()
    for name in CHOSEN:
        one = next(film for film in ALL if film.name == name)
        path = tmp_path / one.name
        path.write_bytes(one.write(clay))
        clip = stage.arrived(make, runtime, path)
        job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
        transcode(shop, job_id)
        after, job = stage.row(runtime, Clip, clip.id), stage.row(runtime, Job, job_id)
        assert (after.state, after.fail_code) == (State.FAILED, one.code.value), one
        assert (job.state, job.attempt, job.error_code) == (JobState.FAILED, 1, one.code.value), one
        # Staff read the word of the cause beside the code.
        assert one.reason is None or f"reason={one.reason}" in job.error_detail
        sentence = reasons.sentence(one.code, **after.fail_facts)
        letter = letters.preview(NoticeKind.FAILED, after, "fr", [], runtime.settings.site)
        assert sentence in letter.text, one
        told.add(sentence)
    assert len(told) == len(CHOSEN)
    assert not list(runtime.settings.media.scratch.iterdir())
    path.write_bytes(clay["plain.mp4"])
    honest = stage.arrived(make, runtime, path)
    transcode(shop, stage.ask(runtime, honest, JobKind.TRANSCODE))
    assert stage.row(runtime, Clip, honest.id).state == State.IN_REVIEW
