"""A film that takes too long: the film's fault or ours, by what was spent and by a yardstick."""

import signal

import pytest

from media_jobs import ffmpeg, film, jail, patience
from media_jobs.ffmpeg import run
from media_jobs.tasks import TASKS
from portal import film_faults, i18n
from portal.errors import Code, Unacceptable, Unavailable
from portal.jobs import JobKind
from portal.models import Clip, Job, JobState, State
from tests import footage
from tests.jobs import stage

BUSY = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-c:v", "libx264", "-f", "null", "-"]
HUGE = ["-f", "lavfi", "-i", "color=size=4096x2304:rate=5:duration=2", "-c:v", "libx264", "-f", "null", "-"]
# Told to read no faster than it would be shown: it waits, and spends next to nothing.
IDLE = ["-re", "-f", "lavfi", "-i", "color=size=32x32:rate=1", "-f", "null", "-"]


def timed_out(words, wall=1.2):
    with pytest.raises(Unavailable) as caught:
        run(footage.tools(), words, folder=None, wall_seconds=wall)
    assert caught.value.code is Code.OURS_TIMEOUT
    return caught.value


@pytest.fixture
def quick(monkeypatch):
    """This machine counts as a quick one with time for us, however busy it is with other tests."""
    monkeypatch.setattr(patience, "QUICK_SECONDS", 60.0)
    monkeypatch.setattr(patience, "BUSY", 0.02)


def test_a_film_that_is_still_being_worked_on_when_its_time_ends_again_is_at_fault_itself(tmp_path, quick):
    trouble = timed_out(BUSY)
    assert trouble.facts["cpu"] > 0.02 * trouble.facts["seconds"]
    assert patience.judged(footage.tools(), tmp_path, trouble, 1) is trouble
    verdict = patience.judged(footage.tools(), tmp_path, trouble, 2)
    assert isinstance(verdict, Unacceptable)
    assert (verdict.code, verdict.facts["reason"]) == (Code.TOO_COMPLEX, "too much work")
    assert not list(tmp_path.iterdir())


def test_a_tool_that_wants_more_memory_than_it_may_have_says_so(monkeypatch):
    monkeypatch.setattr(ffmpeg, "MAKE_BYTES", 400 << 20)
    with pytest.raises(Unavailable) as caught:
        run(footage.tools(), HUGE, folder=None, wall_seconds=30)
    assert (caught.value.code, caught.value.facts["reason"]) == (Code.OURS_TRANSCODE, ffmpeg.OUT_OF_MEMORY)


def test_a_film_that_needs_more_memory_than_it_is_given_is_tried_twice_and_told(
    make, runtime, tmp_path, monkeypatch
):
    # An ordinary film has enough of it, one in 4K has not.
    monkeypatch.setattr(ffmpeg, "MAKE_BYTES", 400 << 20)
    clip = stage.arrived(make, runtime, footage.small(tmp_path, size="3840x2160", seconds=0.1))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), job_id)
    assert stage.row(runtime, Job, job_id).state == JobState.QUEUED
    TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), job_id)
    failed = stage.row(runtime, Clip, clip.id)
    assert (failed.state, failed.fail_code) == (State.FAILED, Code.TOO_COMPLEX)
    with i18n.language("fr"):
        assert "plus de mémoire" in film_faults.SENTENCES[Code.TOO_COMPLEX](failed.fail_facts)


def test_a_machine_without_memory_for_an_ordinary_film_is_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(ffmpeg, "MAKE_BYTES", 60 << 20)
    trouble = Unavailable(Code.OURS_TRANSCODE, exit=1, reason=ffmpeg.OUT_OF_MEMORY)
    assert patience.judged(footage.tools(), tmp_path, trouble, 2) is trouble


def test_a_slow_machine_is_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "QUICK_SECONDS", 0.0)
    trouble = timed_out(BUSY)
    assert patience.judged(footage.tools(), tmp_path, trouble, 2) is trouble


def test_work_that_waited_rather_than_worked_is_ours(tmp_path, quick, monkeypatch):
    # What a tool spends on its own start counts too, and a slow processor takes long for it.
    monkeypatch.setattr(patience, "BUSY", 0.5)
    trouble = timed_out(IDLE, 2.0)
    assert patience.judged(footage.tools(), tmp_path, trouble, 2) is trouble


def test_other_troubles_are_not_judged(tmp_path, quick):
    for trouble in (Unavailable(Code.OURS_DISK, cpu=99.0), Unavailable(Code.OURS_TIMEOUT)):
        assert patience.judged(footage.tools(), tmp_path, trouble, 3) is trouble


def test_a_tool_that_the_jail_ends_for_its_processor_time_has_run_out_of_time():
    tools = footage.tools()
    bounds = jail.Bounds(ffmpeg.MAKE_BYTES, 1, 0)
    watch = ffmpeg._Watch(stage.PATIENCE_SECONDS, lambda: False, lambda _said: None)
    with pytest.raises(Unavailable) as caught, ffmpeg._weighed(bounds):
        with ffmpeg._started(tools, [str(tools.ffmpeg), "-v", "error", *BUSY], None, bounds) as process:
            watch.until_end(process)
        raise ffmpeg._explained(process.returncode, watch.tail)
    # The kernel's word, and not our own patience's.
    assert process.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
    assert caught.value.code is Code.OURS_TIMEOUT
    assert caught.value.facts["cpu"] >= 1


def test_a_tool_that_somebody_else_kills_has_not():
    bounds = jail.Bounds(ffmpeg.MAKE_BYTES, 30, 0)
    with pytest.raises(Unavailable) as caught, ffmpeg._weighed(bounds):
        raise ffmpeg._explained(-9, "")
    assert caught.value.code is Code.OURS_TRANSCODE


def test_a_film_that_cannot_be_made_in_its_time_is_tried_twice_and_its_owner_told_why(
    make, runtime, tmp_path, quick, monkeypatch
):
    # Large enough that no machine makes it in the time that is left to it.
    clip = stage.arrived(make, runtime, footage.small(tmp_path, size="1280x720", seconds=4))
    monkeypatch.setattr(film, "wall_seconds", lambda _facts: 0.3)
    monkeypatch.setattr(patience, "BUSY", 0.01)
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), job_id)
    assert stage.row(runtime, Job, job_id).state == JobState.QUEUED
    assert stage.row(runtime, Clip, clip.id).state == State.PROCESSING
    TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), job_id)
    failed = stage.row(runtime, Clip, clip.id)
    assert (failed.state, failed.fail_code) == (State.FAILED, Code.TOO_COMPLEX)
    with i18n.language("fr"):
        said = film_faults.SENTENCES[Code.TOO_COMPLEX](failed.fail_facts)
    assert "bien au-delà" in said
    assert "Exportez-la en MP4" in said
