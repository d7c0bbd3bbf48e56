"""What a worker may tell the record, and what the record makes of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import cuts, keys, leases, processing, publications, submission
from portal.cuts import Report, Stored
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, OWNER, enqueue, move
from portal.models import (
    Clip,
    CoSignature,
    Film,
    Job,
    JobState,
    Notice,
    NoticeState,
    Publication,
    Rendition,
    State,
)
from tests.factories import act


@pytest.fixture
def clip(make):
    """A clip whose film has just arrived."""
    clip = make.clip(State.PROCESSING)
    make.film(clip, 1)
    return clip


def ask(runtime, clip, kind=JobKind.TRANSCODE, **options):
    return act(runtime, enqueue, clip, kind, **options).id


def claim(runtime, job_id, **options):
    with runtime.work() as session:
        return leases.claim(session, job_id, **options)


def say(runtime, rule, *words, **options):
    with runtime.work() as session:
        return rule(session, *words, **options)


def job(runtime, job_id):
    with runtime.read() as session:
        return session.get_one(Job, job_id)


def now_at(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Clip, clip.id)


def made(clip, claim):
    names = (("master.m3u8", "master"), ("360.m3u8", "playlist"), ("360.mp4", "mp4"))
    return [
        Stored(name, kind, keys.made(clip.id, claim.token, name), "video/mp4", 100, "c" * 64)
        for name, kind in names
    ]


def ready(runtime, clip, job_id):
    held = claim(runtime, job_id)
    return say(
        runtime,
        processing.film_ready,
        held,
        made(clip, held),
        Report(9.5, 640, 360, loudness=-20.0),
    )


def test_of_many_who_claim_at_once_one_gets_the_job(runtime, clip):
    job_id = ask(runtime, clip)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: claim(runtime, job_id), range(16)))
    assert len([one for one in claims if one is not None]) == 1


def test_a_job_is_not_taken_before_its_time(runtime, clip):
    assert claim(runtime, ask(runtime, clip, delay=30)) is None


def test_a_claim_names_the_newest_film(runtime, make, clip):
    newest = make.film(clip)
    assert claim(runtime, ask(runtime, clip)).film_id == newest.id


def test_an_abandoned_job_is_taken_by_another_and_the_first_may_report_nothing_more(runtime, clip):
    job_id = ask(runtime, clip)
    zombie = claim(runtime, job_id, lease_seconds=-1)
    second = claim(runtime, job_id)
    assert second.attempt == 2
    assert not say(runtime, leases.heartbeat, zombie, 0.5, "make")
    assert not say(runtime, processing.film_ready, zombie, made(clip, zombie), Report(1.0, 2, 2))
    assert not say(runtime, processing.film_refused, zombie, Code.BROKEN_FILM)
    assert not say(runtime, leases.job_failed, zombie, Code.OURS_STORAGE, "")
    assert now_at(runtime, clip).state == State.PROCESSING


def test_a_heartbeat_prolongs_the_lease_and_notes_the_progress(runtime, clip):
    held = claim(runtime, ask(runtime, clip), lease_seconds=1)
    assert say(runtime, leases.heartbeat, held, 0.42, "make", lease_seconds=500)
    with runtime.read() as session:
        assert processing.progress_of(session, session.get_one(Clip, clip.id)) == {
            "step": "make",
            "percent": 42,
        }
        assert (job(runtime, held.job_id).lease_until - db_now(session)).total_seconds() > 400


def test_a_job_nobody_wants_any_more_loses_its_lease(runtime, clip):
    held = claim(runtime, ask(runtime, clip))
    say(runtime, lambda session: move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK))
    assert not say(runtime, leases.heartbeat, held, 0.5, "make")


def test_a_released_job_is_free_at_once_and_not_counted(runtime, clip, bells):
    held = claim(runtime, ask(runtime, clip))
    bells.clear()
    assert say(runtime, leases.release, held)
    assert [bell.subject for bell in bells] == [held.job_id]
    assert claim(runtime, held.job_id).attempt == 1


def test_a_ready_film_goes_to_review_when_nothing_is_missing(runtime, clip):
    assert ready(runtime, clip, ask(runtime, clip))
    after = now_at(runtime, clip)
    assert (after.state, after.seconds, after.width) == (State.IN_REVIEW, 9.5, 640)


def test_a_ready_film_waits_for_the_form_and_its_owner_is_reminded(runtime, make, clip):
    with runtime.work() as session:
        session.execute(update(Clip).where(Clip.id == clip.id).values(title=""))
    assert ready(runtime, clip, ask(runtime, clip))
    assert now_at(runtime, clip).state == State.PROCESSING
    with runtime.read() as session:
        letter = session.scalars(select(Notice)).one()
        # Not while the form is being filled in.
        waits = letter.run_after - db_now(session)
        assert (letter.kind, letter.state) == ("finish_later", NoticeState.WAITING)
        assert waits > timedelta(minutes=25)
    with runtime.work() as session:
        submission.edit(session, session.get_one(Clip, clip.id), submission.Texts(title="Le col"), by=OWNER)
    assert now_at(runtime, clip).state == State.IN_REVIEW
    with runtime.read() as session:
        told = session.execute(select(Notice.kind, Notice.state).where(Notice.kind == "finish_later")).all()
    assert told == [("finish_later", NoticeState.CANCELLED)]


def test_making_a_film_again_replaces_its_files(runtime, clip):
    with runtime.work() as session:
        session.execute(update(Clip).where(Clip.id == clip.id).values(title=""))
    ready(runtime, clip, ask(runtime, clip))
    ready(runtime, clip, ask(runtime, clip))
    with runtime.work() as session:
        ((older, files),) = cuts.to_drop(session)
        assert len(files) == 3
        cuts.dropped(session, older)
    with runtime.read() as session:
        left = session.scalars(select(Rendition.cut_id)).all()
    assert left == [now_at(runtime, clip).cut_id] * 3


def test_a_film_at_fault_fails_at_once_and_its_owner_is_told_once(runtime, clip):
    held = claim(runtime, ask(runtime, clip))
    assert say(runtime, processing.film_refused, held, Code.NO_PICTURE)
    assert not say(runtime, processing.film_refused, held, Code.NO_PICTURE)
    after = now_at(runtime, clip)
    assert (after.state, after.fail_code) == (State.FAILED, "no_picture")
    with runtime.read() as session:
        assert session.scalars(select(Notice.kind)).all() == ["failed"]


def test_our_fault_is_tried_three_times_with_growing_pauses_then_given_up_with_a_reason(runtime, clip):
    job_id = ask(runtime, clip)
    pauses = []
    for _ in range(3):
        held = claim(runtime, job_id)
        assert claim(runtime, job_id) is None
        with runtime.work() as session:
            before = db_now(session)
            leases.job_failed(session, held, Code.OURS_STORAGE, "503")
            pauses.append(round((session.get_one(Job, job_id).run_after - before).total_seconds()))
            session.execute(update(Job).values(run_after=before))
    assert pauses[:2] == [10, 60]
    assert (job(runtime, job_id).state, job(runtime, job_id).error_code) == (JobState.FAILED, "ours_storage")
    assert (now_at(runtime, clip).state, now_at(runtime, clip).fail_code) == (State.FAILED, "ours_storage")


def test_a_job_that_kills_its_worker_each_time_is_given_up_too(runtime, clip):
    job_id = ask(runtime, clip)
    attempts = [claim(runtime, job_id, lease_seconds=-1) for _ in range(4)]
    assert [one is None for one in attempts] == [False, False, False, True]
    assert now_at(runtime, clip).state == State.FAILED


def test_what_was_promised_to_an_owner_is_never_given_up(runtime, make):
    clip = make.clip(State.WITHDRAWN)
    job_id = ask(runtime, clip, JobKind.RETRACT)
    for _ in range(6):
        held = claim(runtime, job_id)
        say(runtime, leases.job_failed, held, Code.OURS_STORAGE, "503", pauses=(0.0,))
    assert job(runtime, job_id).state == JobState.QUEUED


def test_a_failed_film_can_be_tried_again(runtime, clip):
    held = claim(runtime, ask(runtime, clip))
    say(runtime, processing.film_refused, held, Code.BROKEN_FILM)
    say(runtime, lambda session: processing.retry(session, session.get_one(Clip, clip.id), by=CLOCK))
    after = now_at(runtime, clip)
    assert (after.state, after.fail_code) == (State.PROCESSING, None)


def test_trying_again_what_never_failed_is_a_conflict(runtime, make):
    clip = make.clip(State.PUBLISHED)
    with pytest.raises(Conflict):
        say(runtime, lambda session: processing.retry(session, session.get_one(Clip, clip.id), by=CLOCK))


def test_publishing_waits_for_its_day(runtime, make):
    clip = make.clip(State.APPROVED)
    job_id = ask(runtime, clip, JobKind.PUBLISH)
    with runtime.work() as session:
        later = db_now(session) + timedelta(days=2)
        session.execute(update(Clip).where(Clip.id == clip.id).values(publish_at=later))
    assert claim(runtime, job_id) is None
    assert abs((job(runtime, job_id).run_after - later).total_seconds()) < 1


def test_a_publication_is_on_record_before_anything_is_public(runtime, make):
    clip = make.clip(State.APPROVED)
    held = claim(runtime, ask(runtime, clip, JobKind.PUBLISH))
    publication, renditions = say(runtime, publications.begun, held)
    assert publication.complete_at is None
    assert renditions[-1].name == "master.m3u8"
    assert now_at(runtime, clip).state == State.APPROVED


def test_a_clip_without_its_files_cannot_be_published(runtime, make):
    clip = make.clip(State.APPROVED)
    held = claim(runtime, ask(runtime, clip, JobKind.PUBLISH))
    with runtime.work() as session:
        session.execute(update(Rendition).values(name=Rendition.name + ".gone"))
    with pytest.raises(Missing):
        say(runtime, publications.begun, held)


def test_a_published_clip_is_shown_and_its_owner_told(runtime, make):
    clip = make.clip(State.APPROVED)
    held = claim(runtime, ask(runtime, clip, JobKind.PUBLISH))
    publication, _ = say(runtime, publications.begun, held)
    assert say(runtime, publications.published, held, publication.id)
    after = now_at(runtime, clip)
    assert after.state == State.PUBLISHED
    assert after.published_at is not None
    with runtime.read() as session:
        assert session.scalars(select(Notice.kind)).all() == ["published"]


def test_a_clip_withdrawn_while_it_was_copied_is_not_shown(runtime, make):
    clip = make.clip(State.APPROVED)
    held = claim(runtime, ask(runtime, clip, JobKind.PUBLISH))
    publication, _ = say(runtime, publications.begun, held)
    say(runtime, lambda session: move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK))
    assert not say(runtime, publications.published, held, publication.id)
    assert now_at(runtime, clip).state == State.WITHDRAWN


def test_taking_back_looks_once_more_while_a_copier_may_not_have_heard(runtime, make):
    clip = make.clip(State.APPROVED)
    claim(runtime, ask(runtime, clip, JobKind.PUBLISH))
    say(runtime, lambda session: move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK))
    with runtime.read() as session:
        retract_id = session.scalars(select(Job.id).where(Job.kind == JobKind.RETRACT)).one()
    held = claim(runtime, retract_id)
    say(runtime, publications.retracted, held, [])
    assert job(runtime, retract_id).state == JobState.QUEUED


def test_a_later_publication_is_not_taken_back_with_an_earlier_one(runtime, make):
    clip = make.clip(State.PUBLISHED)
    held = claim(runtime, ask(runtime, clip, JobKind.RETRACT))
    with runtime.work() as session:
        later = db_now(session) + timedelta(seconds=1)
        session.add(
            Publication(
                clip_id=clip.id, film_id=clip.film_id, cut_id=clip.cut_id, token="n" * 32, created_at=later
            )
        )
    with runtime.read() as session:
        earlier = publications.before(session, clip.id, held.asked_at)
        assert [one.token == "n" * 32 for one in earlier] == [False]


def test_lost_bells_and_lost_workers_are_found(runtime, make, clip):
    waiting = ask(runtime, clip)
    lost = ask(runtime, make.clip(State.WITHDRAWN), JobKind.RETRACT)
    claim(runtime, lost, lease_seconds=-1)
    fresh = ask(runtime, make.clip(State.WITHDRAWN), JobKind.RETRACT)
    with runtime.work() as session:
        before = db_now(session) - timedelta(minutes=1)
        session.execute(update(Job).where(Job.id == waiting).values(run_after=before))
    with runtime.read() as session:
        found = {bell.subject for bell in leases.overdue(session)}
    assert found == {waiting, lost}
    assert fresh not in found


def test_a_preview_told_in_the_moment_the_ladder_is_ready_is_named_by_nobody(runtime, clip):
    held = claim(runtime, ask(runtime, clip))
    with runtime.work() as session:
        processing.film_of(session, held)
        # What another worker writes since we looked, as PostgreSQL lets it happen.
        told = {
            "kind": "mp4",
            "token": "t",
            "files": [{"name": "preview.mp4", "key": "p/x"}],
            "complete": False,
        }
        wrote = update(Film).where(Film.id == held.film_id).values(preview=told)
        session.execute(wrote.execution_options(synchronize_session=False))
        processing.film_ready(session, held, made(clip, held), Report(9.5, 640, 360))
    with runtime.read() as session:
        assert session.get_one(Film, held.film_id).preview == {}


def test_a_preview_of_a_film_that_is_ready_is_not_kept(runtime, clip):
    with runtime.work() as session:
        # The form is not whole: the clip stays where it is, and so does the preview's job.
        session.execute(update(Clip).where(Clip.id == clip.id).values(title=""))
    late = claim(runtime, ask(runtime, clip, JobKind.PREVIEW))
    assert ready(runtime, clip, ask(runtime, clip))
    told = {
        "kind": "mp4",
        "token": late.token,
        "files": [{"name": "preview.mp4", "key": "p/x"}],
        "complete": True,
    }
    assert not say(runtime, processing.preview_ready, late, told)
    with runtime.read() as session:
        assert session.get_one(Film, late.film_id).preview == {}


def test_what_could_be_watched_of_an_earlier_film_goes_when_the_next_one_is_ready(runtime, make, clip):
    with runtime.work() as session:
        session.execute(
            update(Film).where(Film.clip_id == clip.id).values(preview={"files": [{"key": "p/x"}]})
        )
    make.film(clip)
    assert ready(runtime, clip, ask(runtime, clip))
    with runtime.read() as session:
        assert [film.preview for film in session.scalars(select(Film).where(Film.clip_id == clip.id))] == [
            {},
            {},
        ]


def test_who_agreed_to_an_earlier_film_is_told_when_another_is_ready(runtime, clip, session):
    with runtime.work() as writing:
        before = db_now(writing) - timedelta(hours=1)
        writing.add(
            CoSignature(
                id="s" * 32, clip_id=clip.id, name="Malik", email="malik@mail.example", state="agreed",
                created_at=before, asked_at=before, answered_at=before,
            )
        )  # fmt: skip
    ready(runtime, clip, ask(runtime, clip))
    (letter,) = session.scalars(select(Notice).where(Notice.kind == "co_film_changed"))
    assert (letter.address, letter.about) == ("malik@mail.example", "s" * 32)
