"""Each task on real parts, run twice: claim, work, report; what is made, shown, taken back, told."""

import dataclasses
import errno
import os
import threading

import pytest
from sqlalchemy import event, select, update

from media_jobs import hls, tasks
from media_jobs.heartbeat import Heartbeat, Interrupted
from media_jobs.tasks import TASKS
from portal import crash, keys, leases, notices, processing, publications
from portal.errors import Code
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, OWNER, move
from portal.mailer import Mailer
from portal.models import Clip, Film, Job, JobState, Notice, NoticeState, Publication, Rendition, State
from portal.notices import NoticeKind
from portal.storage import Bucket
from tests import footage
from tests.jobs import stage


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


def twice(task, shop, subject):
    task(shop, subject)
    task(shop, subject)


def public_keys(runtime, clip):
    with runtime.read() as session:
        tokens = session.scalars(select(Publication.token).where(Publication.clip_id == clip.id)).all()
    return [key for token in tokens for key in runtime.storage.keys(Bucket.PUBLIC, keys.public_prefix(token))]


def test_every_kind_of_job_has_its_task():
    assert set(tasks.TASKS) == set(JobKind)


def test_a_film_is_made_once_and_lies_in_the_private_bucket(make, runtime, shop, tmp_path):
    clip = stage.arrived(make, runtime, footage.small(tmp_path))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    twice(TASKS[JobKind.TRANSCODE], shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW
    assert (stage.row(runtime, Job, job_id).state, stage.row(runtime, Job, job_id).attempt) == (
        JobState.DONE,
        1,
    )
    with runtime.read() as session:
        made = {one.key: one.size_bytes for one in session.scalars(select(Rendition))}
        film = session.scalars(select(Film)).one()
    assert {key: runtime.storage.size(Bucket.ORIGINALS, key) for key in made} == made
    assert set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id))) == set(made)
    assert len(film.sha256) == 64
    assert film.facts["video_codec"] == "h264"
    assert not list(runtime.settings.media.scratch.iterdir())


def test_what_is_no_film_fails_at_once_and_leaves_nothing(make, runtime, shop, tmp_path):
    path = tmp_path / "letter.mp4"
    path.write_text("This is a letter." * 100)
    clip = stage.arrived(make, runtime, path)
    twice(TASKS[JobKind.TRANSCODE], shop, stage.ask(runtime, clip, JobKind.TRANSCODE))
    after = stage.row(runtime, Clip, clip.id)
    assert (after.state, after.fail_code) == (State.FAILED, "not_a_video")
    assert not list(runtime.settings.media.scratch.iterdir())


def test_an_original_that_is_gone_is_tried_three_times_then_failed_with_a_reason(
    make, runtime, shop, tmp_path
):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"x")
    clip = stage.arrived(make, runtime, path)
    with runtime.read() as session:
        runtime.storage.delete(Bucket.ORIGINALS, session.scalars(select(Film.key)).all())
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    for _ in range(4):
        TASKS[JobKind.TRANSCODE](shop, job_id)
    assert stage.row(runtime, Job, job_id).attempt == 3
    assert stage.row(runtime, Clip, clip.id).fail_code.startswith("ours_")


def test_a_clip_withdrawn_in_mid_work_ends_the_work_and_leaves_nothing(make, runtime, shop, tmp_path):
    clip = stage.arrived(make, runtime, footage.small(tmp_path, size="1280x720", seconds=8.0))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    thread = threading.Thread(target=TASKS[JobKind.TRANSCODE], args=(shop, job_id))
    thread.start()
    stage.until(lambda: stage.row(runtime, Job, job_id).step == "make")
    with runtime.work() as session:
        move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK)
    thread.join(timeout=stage.PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert list(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id))) == []
    assert not list(runtime.settings.media.scratch.iterdir())


def test_an_approved_clip_is_shown_under_one_token_with_all_its_files(make, runtime, shop):
    clip = make.clip(State.APPROVED, with_objects=True)
    twice(TASKS[JobKind.PUBLISH], shop, stage.ask(runtime, clip, JobKind.PUBLISH))
    assert stage.row(runtime, Clip, clip.id).state == State.PUBLISHED
    with runtime.read() as session:
        publication = session.scalars(select(Publication)).one()
        names = session.scalars(select(Rendition.name)).all()
    assert publication.complete_at is not None
    assert sorted(public_keys(runtime, clip)) == sorted(
        keys.public(publication.token, name) for name in names
    )


def test_a_clip_with_a_file_missing_is_not_shown_and_nothing_of_it_stays_public(make, runtime, shop):
    clip = make.clip(State.APPROVED, with_objects=True)
    with runtime.read() as session:
        master = session.scalars(select(Rendition.key).where(Rendition.name == "master.m3u8")).one()
    runtime.storage.delete(Bucket.ORIGINALS, [master])
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)
    for _ in range(4):
        TASKS[JobKind.PUBLISH](shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.APPROVED
    assert stage.row(runtime, Job, job_id).state == JobState.FAILED
    assert master in stage.row(runtime, Job, job_id).error_detail
    assert public_keys(runtime, clip) == []


def test_a_clip_whose_file_is_not_the_one_that_was_made_is_not_shown(make, runtime, shop):
    clip = make.clip(State.APPROVED, with_objects=True)
    with runtime.read() as session:
        changed = session.scalars(select(Rendition).where(Rendition.name == "360.mp4")).one()
    other = b"n" * changed.size_bytes
    runtime.storage.put(Bucket.ORIGINALS, changed.key, other, content_type="video/mp4")
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)
    for _ in range(4):
        TASKS[JobKind.PUBLISH](shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.APPROVED
    job = stage.row(runtime, Job, job_id)
    assert (job.state, changed.key in job.error_detail) == (JobState.FAILED, True)
    assert public_keys(runtime, clip) == []


def test_a_full_disk_is_waited_for_wherever_it_is_noticed(make, runtime, shop, tmp_path, monkeypatch):
    clip = stage.arrived(make, runtime, footage.small(tmp_path, seconds=0.2, size="160x90"))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # The first thing that is written by ourselves and by no tool.
    monkeypatch.setattr(hls, "rename_audio", full)
    for _ in range(4):
        TASKS[JobKind.TRANSCODE](shop, job_id)
    job = stage.row(runtime, Job, job_id)
    assert (job.state, job.error_code) == (JobState.QUEUED, Code.OURS_DISK)
    assert stage.row(runtime, Clip, clip.id).state == State.PROCESSING


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_database_that_is_away_while_a_task_reads_counts_no_attempt(make, runtime, shop, tmp_path):
    clip = stage.arrived(make, runtime, footage.small(tmp_path, seconds=0.3, size="64x36"))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    here, elsewhere = tmp_path / "portal.sqlite", tmp_path / "away.sqlite"

    def goes_away(point):
        # The job is claimed, and nothing read yet.
        if point == "unit.committed" and not elsewhere.exists():
            runtime.engine.dispose()
            here.rename(elsewhere)
            here.mkdir()

    def comes_back(_context):
        if here.is_dir():
            here.rmdir()
            elsewhere.rename(here)
            crash.observe(None)

    crash.observe(goes_away)
    event.listen(runtime.engine, "handle_error", comes_back)
    try:
        TASKS[JobKind.TRANSCODE](shop, job_id)
    finally:
        crash.observe(None)
        event.remove(runtime.engine, "handle_error", comes_back)
    waiting = stage.row(runtime, Job, job_id)
    assert (waiting.state, waiting.attempt, waiting.error_code) == (JobState.QUEUED, 0, "ours_database")
    assert "unable to open database file" in waiting.error_detail
    with runtime.work() as session:
        session.execute(update(Job).values(run_after=Job.created_at))
    TASKS[JobKind.TRANSCODE](shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW


def test_a_cut_off_film_waits_for_its_owners_word_and_is_then_made_as_far_as_it_goes(
    make, runtime, shop, tmp_path
):
    clip = stage.arrived(make, runtime, footage.cut_off(tmp_path))
    TASKS[JobKind.TRANSCODE](shop, stage.ask(runtime, clip, JobKind.TRANSCODE))
    failed = stage.row(runtime, Clip, clip.id)
    assert (failed.state, failed.fail_code) == (State.FAILED, Code.CUT_OFF)
    with runtime.work() as session:
        processing.keep_beginning(session, session.get_one(Clip, clip.id), by=OWNER)
    for kind in (JobKind.PREVIEW, JobKind.TRANSCODE):
        TASKS[kind](shop, stage.open_job(runtime, clip, kind))
        if kind is JobKind.PREVIEW:
            with runtime.read() as session:
                assert session.scalars(select(Film)).one().preview["files"]
    made = stage.row(runtime, Clip, clip.id)
    assert (made.state, made.fail_code) == (State.IN_REVIEW, None)
    assert 0.2 < made.seconds < failed.fail_facts["promised"] - 0.5


def test_a_clip_withdrawn_while_it_is_copied_leaves_nothing_public(make, runtime, shop):
    clip = make.clip(State.APPROVED, with_objects=True)
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)

    class Withdrawing(type(runtime.storage)):
        def copy_to_public(self, key, public_key, **options):
            super().copy_to_public(key, public_key, **options)
            if public_key.endswith("360.mp4"):
                with runtime.work() as session:
                    move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK)

    storage = Withdrawing(runtime.settings.storage)
    TASKS[JobKind.PUBLISH](
        dataclasses.replace(shop, runtime=dataclasses.replace(runtime, storage=storage)), job_id
    )
    assert stage.row(runtime, Clip, clip.id).state == State.WITHDRAWN
    assert public_keys(runtime, clip) == []


def test_an_attempt_that_died_in_the_middle_leaves_nothing_behind_the_next(make, runtime, shop):
    clip = make.clip(State.APPROVED, with_objects=True)
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)
    with runtime.work() as session:
        dead = leases.claim(session, job_id, lease_seconds=-1)
        publication, _ = publications.begun(session, dead)
    half = keys.public(publication.token, "360.mp4")
    runtime.storage.put(Bucket.PUBLIC, half, b"m" * 100, content_type="video/mp4")
    TASKS[JobKind.PUBLISH](shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.PUBLISHED
    assert half not in public_keys(runtime, clip)


def test_a_withdrawn_clip_has_nothing_public_any_more(make, runtime, shop):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    with runtime.work() as session:
        move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK)
    twice(TASKS[JobKind.RETRACT], shop, stage.open_job(runtime, clip, JobKind.RETRACT))
    assert public_keys(runtime, clip) == []
    with runtime.read() as session:
        assert session.scalars(select(Publication.deleted_at)).one() is not None


def test_an_erased_clip_leaves_no_object_and_no_person(make, runtime, shop):
    clip = make.clip(State.REMOVED, with_objects=True)
    with runtime.read() as session:
        original = session.scalars(select(Film.key)).one()
    twice(TASKS[JobKind.ERASE], shop, stage.ask(runtime, clip, JobKind.ERASE))
    after = stage.row(runtime, Clip, clip.id)
    assert (after.state, after.first_name, after.title) == (State.ERASED, "", "")
    assert runtime.storage.size(Bucket.ORIGINALS, original) is None
    assert list(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id))) == []


def test_an_erased_clip_leaves_no_letter_in_our_folder(make, runtime, shop):
    clip = make.clip(State.WITHDRAWN)
    tasks.tell(shop, str(told(runtime, clip)))
    folder = runtime.settings.mail.folder
    assert len(list(folder.iterdir())) == 1
    TASKS[JobKind.ERASE](shop, stage.ask(runtime, clip, JobKind.ERASE))
    assert list(folder.iterdir()) == []


def test_a_clip_that_lives_again_is_not_erased(make, runtime, shop):
    clip = make.clip(State.IN_REVIEW, with_objects=True)
    job_id = stage.ask(runtime, clip, JobKind.ERASE)
    TASKS[JobKind.ERASE](shop, job_id)
    assert stage.row(runtime, Job, job_id).state == JobState.CANCELLED
    with runtime.read() as session:
        assert runtime.storage.size(Bucket.ORIGINALS, session.scalars(select(Film.key)).one()) == 1000


def told(runtime, clip):
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        return notices.tell(session, NoticeKind.RECEIVED, held, occasion="received:test").id


def test_a_letter_is_sent_once_with_a_link_that_opens_the_clip(make, runtime, shop):
    clip = make.clip()
    notice_id = told(runtime, clip)
    twice(tasks.tell, shop, str(notice_id))
    letters = list(runtime.settings.mail.folder.glob("*.eml"))
    assert [letter.stem for letter in letters] == [stage.row(runtime, Notice, notice_id).message_id]
    assert b"http://portal.test/fr/s/" in letters[0].read_bytes()
    assert stage.row(runtime, Notice, notice_id).state == NoticeState.SENT


def test_a_letter_waits_for_a_mail_server_that_is_away(make, runtime, shop):
    clip = make.clip()
    notice_id = told(runtime, clip)
    away = dataclasses.replace(runtime.settings.mail, url="smtp://127.0.0.1:1")
    no_mail = dataclasses.replace(runtime, mailer=Mailer(away, sender_name="x"))
    tasks.tell(dataclasses.replace(shop, runtime=no_mail), str(notice_id))
    waiting = stage.row(runtime, Notice, notice_id)
    assert (waiting.state, waiting.attempt) == (NoticeState.WAITING, 1)
    tasks.tell(shop, str(notice_id))
    assert stage.row(runtime, Notice, notice_id).state == NoticeState.SENT


def test_a_worker_that_is_told_to_stop_gives_its_job_back_uncounted(make, runtime, tmp_path):
    clip = stage.arrived(make, runtime, footage.small(tmp_path, size="1280x720", seconds=8.0))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    stop = threading.Event()
    thread = threading.Thread(
        target=TASKS[JobKind.TRANSCODE], args=(stage.shop_of(runtime, is_stopping=stop.is_set), job_id)
    )
    thread.start()
    stage.until(lambda: stage.row(runtime, Job, job_id).step == "make")
    stop.set()
    thread.join(timeout=stage.PATIENCE_SECONDS)
    assert not thread.is_alive()
    given = stage.row(runtime, Job, job_id)
    assert (given.state, given.attempt) == (JobState.QUEUED, 0)


def test_the_heartbeat_prolongs_its_own_lease_and_ends_the_work_when_another_has_it(make, runtime, shop):
    clip = make.clip(State.WITHDRAWN)
    job_id = stage.ask(runtime, clip, JobKind.RETRACT)
    with runtime.work() as session:
        claim = leases.claim(session, job_id)
    began = stage.row(runtime, Job, job_id).lease_until
    pace = dataclasses.replace(shop.pace, lease=600.0, heartbeat=0.05, progress=0.05)
    with Heartbeat(dataclasses.replace(shop, pace=pace), claim) as heartbeat:
        heartbeat.note(0.5, "half")
        stage.until(lambda: stage.row(runtime, Job, job_id).step == "half")
        heartbeat.check()
        kept = stage.row(runtime, Job, job_id)
        assert (kept.progress, kept.lease_until > began) == (0.5, True)
        with runtime.work() as session:
            session.execute(update(Job).values(lease_token="another", lease_until=began))
        heartbeat.note(0.9, "too late")
        stage.until(lambda: heartbeat.is_lost)
    with pytest.raises(Interrupted):
        heartbeat.check()
    taken = stage.row(runtime, Job, job_id)
    assert (taken.lease_token, taken.lease_until, taken.step) == ("another", began, "half")


def test_the_sweep_rings_again_and_clears_what_dead_attempts_left(make, runtime, shop, bells):
    clip = make.clip(State.WITHDRAWN)
    job_id = stage.ask(runtime, clip, JobKind.RETRACT)
    with runtime.work() as session:
        leases.claim(session, job_id, lease_seconds=-1)
    left = runtime.settings.media.scratch / "deadbeef"
    left.mkdir(parents=True)
    bells.clear()
    tasks.sweep(shop, "quick")
    assert [bell.subject for bell in bells] == [job_id]
    assert not left.exists()


def test_the_thorough_sweep_deletes_what_no_row_names(runtime, shop):
    lost = "v/" + "0" * 32 + "/360.mp4"
    runtime.storage.put(Bucket.PUBLIC, lost, b"x", content_type="video/mp4")
    tasks.sweep(shop, "thorough")
    assert runtime.storage.size(Bucket.PUBLIC, lost) is None
