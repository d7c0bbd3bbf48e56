"""One file's journey, against a real storage."""

import hashlib
import urllib.request
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from config import UploadLimits
from portal import arrivals, fsck, uploads, withdrawal
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, TooMuch, Unacceptable, Unavailable
from portal.jobs import JobKind
from portal.lifecycle import OWNER, move
from portal.models import Clip, Film, Job, Notice, State, Upload, UploadState
from portal.storage import Bucket, Storage
from portal.uploads import PART_SIZE, Announced

LIMITS = UploadLimits(max_bytes=2**31, max_seconds=180)
FILM = b"ftyp" + b"v" * (PART_SIZE + 1000)


def announced(data=FILM, **more):
    marks = {
        "head_sha256": hashlib.sha256(data[:65536]).hexdigest(),
        "tail_sha256": hashlib.sha256(data[-65536:]).hexdigest(),
    }
    facts = {"filename": "IMG_2041.mov", "content_type": "video/quicktime", **marks, **more}
    return Announced(size_bytes=len(data), **facts)


def start(runtime, clip, what=None, limits=LIMITS):
    return uploads.start(runtime.work, runtime.storage, clip.id, what or announced(), limits=limits, by=OWNER)


def put(runtime, upload, numbers, data=FILM):
    with runtime.work() as session:
        mine = uploads.upload_by_id(session, upload.id)
        signed = uploads.sign_parts(session, runtime.storage, mine, numbers)
    for part in signed:
        first = (part["n"] - 1) * PART_SIZE
        request = urllib.request.Request(part["url"], data=data[first : first + part["length"]], method="PUT")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


def complete(runtime, upload):
    return arrivals.complete(runtime.work, runtime.storage, upload.id, by=OWNER)


def sent(runtime, clip):
    upload, _new = start(runtime, clip)
    put(runtime, upload, [1, 2])
    return upload


def test_a_film_in_two_parts_becomes_the_clips_film_and_the_workers_job(runtime, make, session, bells):
    clip = make.clip(State.DRAFT)
    upload = sent(runtime, clip)
    assert session.get_one(Clip, clip.id).state == State.UPLOADING
    session.rollback()
    assert complete(runtime, upload).state == UploadState.VERIFYING
    kept = session.get_one(Clip, clip.id, populate_existing=True)
    film = session.scalars(select(Film)).one()
    assert (kept.state, film.number, film.size_bytes) == (State.PROCESSING, 1, len(FILM))
    assert runtime.storage.size(Bucket.ORIGINALS, film.key) == len(FILM)
    assert [bell.kind for bell in bells].count(JobKind.TRANSCODE) == 1
    assert [notice.kind for notice in session.scalars(select(Notice))] == ["received"]


def test_completing_twice_makes_one_film_its_two_jobs_and_one_receipt(runtime, make, session):
    upload = sent(runtime, make.clip(State.DRAFT))
    assert complete(runtime, upload).state == complete(runtime, upload).state == UploadState.VERIFYING
    for kind in (Film, Notice):
        assert session.scalar(select(func.count()).select_from(kind)) == 1
    assert sorted(session.scalars(select(Job.kind))) == ["preview", "transcode"]


def test_missing_parts_are_named_and_the_upload_goes_on(runtime, make):
    upload, _new = start(runtime, make.clip(State.DRAFT))
    put(runtime, upload, [2])
    with pytest.raises(Conflict) as refused:
        complete(runtime, upload)
    assert (refused.value.code, refused.value.facts["missing"]) == (Code.PARTS_MISSING, [1])
    put(runtime, upload, [1])
    assert complete(runtime, upload).state == UploadState.VERIFYING


def test_the_same_file_finds_its_upload_and_what_has_arrived(runtime, make):
    clip = make.clip(State.DRAFT)
    upload, is_new = start(runtime, clip)
    put(runtime, upload, [2])
    again, is_new_again = start(runtime, clip)
    assert (is_new, is_new_again, again.id) == (True, False, upload.id)
    assert [part.number for part in uploads.received(runtime.storage, again)] == [2]


def test_the_same_key_finds_its_upload_and_refuses_another_file(runtime, make):
    clip = make.clip(State.DRAFT)
    bare = Announced("a.mp4", 1000, "video/mp4", idempotency_key="k")
    first, _new = start(runtime, clip, bare)
    assert start(runtime, clip, bare)[0].id == first.id
    with pytest.raises(Unacceptable) as refused:
        start(runtime, clip, Announced("a.mp4", 1001, "video/mp4", idempotency_key="k"))
    assert refused.value.code == Code.KEY_REUSED


def test_another_file_has_another_upload_and_ends_when_the_first_is_complete(runtime, make, session):
    clip = make.clip(State.DRAFT)
    upload = sent(runtime, clip)
    other, _new = start(runtime, clip, announced(FILM + b"more"))
    assert other.id != upload.id
    complete(runtime, upload)
    assert session.get_one(Upload, other.id).state == UploadState.ABORTED


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (Announced("a.mp4", 0, "video/mp4"), Code.EMPTY_FILE),
        (Announced("a.mp4", 2**31 + 1, "video/mp4"), Code.TOO_LARGE),
        (Announced("a.pdf", 9, "application/pdf"), Code.WRONG_TYPE),
        (Announced("a.pdf", 9, ""), Code.WRONG_TYPE),
    ],
)
def test_what_name_and_size_tell_is_refused_before_a_byte_is_sent(runtime, make, session, what, code):
    clip = make.clip(State.DRAFT)
    with pytest.raises((Unacceptable, TooMuch)) as refused:
        start(runtime, clip, what)
    assert refused.value.code == code
    assert session.get_one(Clip, clip.id).state == State.DRAFT


def test_a_phone_that_sends_no_type_is_believed_by_the_files_ending(runtime, make):
    assert start(runtime, make.clip(State.DRAFT), Announced("VID.MOV", 9, ""))[1] is True


def test_a_clip_that_is_being_reviewed_takes_no_film(runtime, make):
    with pytest.raises(Conflict):
        start(runtime, make.clip(State.IN_REVIEW))


def test_an_eleventh_open_upload_is_too_many(runtime, make):
    clip = make.clip(State.DRAFT)
    for n in range(10):
        start(runtime, clip, Announced("a.mp4", 100 + n, "video/mp4"))
    with pytest.raises(TooMuch) as refused:
        start(runtime, clip, Announced("a.mp4", 99, "video/mp4"))
    assert refused.value.code == Code.TOO_MANY_UPLOADS


@pytest.mark.parametrize("numbers", [[], [0], [3], list(range(1, 52))])
def test_only_parts_of_this_upload_are_signed(runtime, make, numbers):
    upload, _new = start(runtime, make.clip(State.DRAFT))
    with runtime.work() as session:
        mine = uploads.upload_by_id(session, upload.id)
        with pytest.raises(Unacceptable):
            uploads.sign_parts(session, runtime.storage, mine, numbers)


def test_an_aborted_upload_is_gone_and_aborting_twice_is_harmless(runtime, make):
    upload, _new = start(runtime, make.clip(State.DRAFT))
    put(runtime, upload, [1])
    for _again in range(2):
        arrivals.abort(runtime.work, runtime.storage, upload.id, by=OWNER)
    with pytest.raises(Missing):
        runtime.storage.list_parts(upload.key, upload.storage_id)
    with pytest.raises(Conflict) as refused:
        complete(runtime, upload)
    assert refused.value.code == Code.UPLOAD_CLOSED


def test_a_new_film_answers_a_change_request_and_until_then_the_clip_stays_there(runtime, make, session):
    clip = make.clip(State.CHANGES_REQUESTED)
    upload = sent(runtime, clip)
    assert session.get_one(Clip, clip.id).state == State.CHANGES_REQUESTED
    session.rollback()
    complete(runtime, upload)
    kept = session.get_one(Clip, clip.id, populate_existing=True)
    assert kept.state == State.PROCESSING
    assert session.scalars(select(Film.number).order_by(Film.number)).all() == [1, 2]


def test_a_failed_clip_takes_another_film_and_forgets_the_old_fault(runtime, make, session):
    clip = make.clip(State.FAILED, fail_code="no_picture")
    complete(runtime, sent(runtime, clip))
    kept = session.get_one(Clip, clip.id)
    assert (kept.state, kept.fail_code) == (State.PROCESSING, None)


def test_a_clip_that_was_withdrawn_meanwhile_gets_no_film_and_no_bytes_stay(runtime, make, session):
    clip = make.clip(State.DRAFT)
    upload = sent(runtime, clip)
    with runtime.work() as writing:
        move(writing, writing.get_one(Clip, clip.id), "withdraw", by=OWNER)
    with pytest.raises(Conflict):
        complete(runtime, upload)
    assert session.scalars(select(Film)).all() == []
    assert runtime.storage.size(Bucket.ORIGINALS, upload.key) is None


def test_an_upload_the_storage_has_forgotten_is_begun_anew(runtime, make):
    clip = make.clip(State.DRAFT)
    upload, _new = start(runtime, clip)
    runtime.storage.abort_multipart(upload.key, upload.storage_id)
    fresh, is_new, parts = uploads.start_or_resume(
        runtime.work, runtime.storage, clip.id, announced(), limits=LIMITS, by=OWNER
    )
    assert (is_new, parts) == (True, [])
    assert fresh.id != upload.id


def test_a_completion_that_died_before_its_last_row_is_repaired(runtime, make, session):
    clip = make.clip(State.DRAFT)
    upload = sent(runtime, clip)
    parts = runtime.storage.list_parts(upload.key, upload.storage_id)
    runtime.storage.complete_multipart(upload.key, upload.storage_id, parts)
    with runtime.work() as writing:
        old = db_now(writing) - timedelta(minutes=3)
        writing.execute(update(Upload).values(state=UploadState.COMPLETING, changed_at=old))
    assert arrivals.repair_completing(runtime.work, runtime.storage) == 1
    assert session.get_one(Clip, clip.id).state == State.PROCESSING


def test_idle_uploads_expire_and_their_parts_go(runtime, make, session):
    upload, _new = start(runtime, make.clip(State.DRAFT))
    fresh, _new = start(runtime, make.clip(State.DRAFT))
    with runtime.work() as writing:
        old = db_now(writing) - timedelta(hours=25)
        writing.execute(update(Upload).where(Upload.id == upload.id).values(last_seen_at=old))
    assert arrivals.expire_stale(runtime.work, runtime.storage) == 1
    assert session.get_one(Upload, upload.id).state == UploadState.EXPIRED
    assert session.get_one(Upload, fresh.id).state == UploadState.OPEN
    with pytest.raises(Missing):
        runtime.storage.list_parts(upload.key, upload.storage_id)


def form(runtime, clip, limits=LIMITS):
    with runtime.work() as writing:
        return uploads.open_form(writing, writing.get_one(Clip, clip.id), limits=limits, by=OWNER)


def post(runtime, upload, size=77):
    runtime.storage.put(Bucket.ORIGINALS, upload.key, b"x" * size, content_type="video/mp4")


def last_seen(runtime, upload, **ago):
    with runtime.work() as writing:
        then = db_now(writing) - timedelta(**ago)
        writing.execute(update(Upload).where(Upload.id == upload.id).values(last_seen_at=then))


def test_a_form_post_is_taken_when_its_object_is_there(runtime, make, session):
    upload = form(runtime, make.clip(State.DRAFT))
    with pytest.raises(Conflict) as refused:
        complete(runtime, upload)
    assert refused.value.code == Code.FILM_MISSING
    post(runtime, upload)
    complete(runtime, upload)
    assert session.scalars(select(Film.size_bytes)).one() == 77


def test_what_is_posted_again_with_the_same_form_is_nobodys_film(runtime, make, session, empty_buckets):
    upload = form(runtime, make.clip(State.DRAFT))
    post(runtime, upload)
    complete(runtime, upload)
    post(runtime, upload, size=50)
    film = session.scalars(select(Film)).one()
    assert runtime.storage.size(Bucket.ORIGINALS, film.key) == film.size_bytes == 77
    fsck.tidy(runtime.read, runtime.work, runtime.storage)
    assert list(runtime.storage.keys(Bucket.ORIGINALS)) == [film.key]


class Cut(Exception):
    """Somebody pulled the plug."""


class Unplugged(Storage):
    """Goes dark when the film has been copied and nobody has written it down."""

    def size(self, *_asked):
        raise Cut


def test_a_posted_film_that_is_being_taken_is_not_swept_away_and_what_a_crash_leaves_is(
    runtime, make, session, empty_buckets
):
    upload = form(runtime, make.clip(State.DRAFT))
    post(runtime, upload)
    with pytest.raises(Cut):
        arrivals.complete(runtime.work, Unplugged(runtime.settings.storage), upload.id, by=OWNER)
    left = set(runtime.storage.keys(Bucket.ORIGINALS))
    assert (len(left), upload.key in left) == (2, True)
    assert fsck.tidy(runtime.read, runtime.work, runtime.storage) == 0
    complete(runtime, upload)
    fsck.tidy(runtime.read, runtime.work, runtime.storage)
    (kept,) = runtime.storage.keys(Bucket.ORIGINALS)
    assert kept == session.scalars(select(Film.key)).one()
    assert kept not in left


def test_a_form_is_found_again_while_its_film_has_not_come(runtime, make):
    clip = make.clip(State.DRAFT)
    first = form(runtime, clip)
    assert form(runtime, clip).id == first.id
    post(runtime, first)
    complete(runtime, first)
    with pytest.raises(Conflict):
        form(runtime, clip)


def test_a_form_sets_aside_what_it_may_bring_and_takes_no_more_than_is_left(runtime, make):
    owner = make.person()
    small = UploadLimits(max_bytes=1000, max_seconds=180, owner_bytes=1500)
    first = form(runtime, make.clip(State.DRAFT, owner=owner), small)
    second = form(runtime, make.clip(State.DRAFT, owner=owner), small)
    assert (first.part_size, second.part_size) == (1000, 500)
    for another in (
        lambda: form(runtime, make.clip(State.DRAFT, owner=owner), small),
        lambda: start(
            runtime, make.clip(State.DRAFT, owner=owner), Announced("a.mp4", 1, "video/mp4"), small
        ),
    ):
        with pytest.raises(TooMuch) as refused:
            another()
        assert refused.value.code == Code.QUOTA_REACHED
    post(runtime, second, size=501)
    with pytest.raises(TooMuch):
        complete(runtime, second)
    assert runtime.storage.size(Bucket.ORIGINALS, second.key) is None


def test_a_form_that_was_opened_does_not_stand_in_the_way_of_its_clips_upload(runtime, make):
    clip, small = make.clip(State.DRAFT), UploadLimits(max_bytes=1000, max_seconds=180, owner_bytes=1000)
    assert form(runtime, clip, small).part_size == 1000
    assert start(runtime, clip, Announced("a.mp4", 900, "video/mp4"), small)[1] is True


def test_a_form_whose_page_was_asked_for_again_is_looked_for_as_long_as_it_may_be_posted(
    runtime, make, session
):
    clip = make.clip(State.DRAFT)
    upload = form(runtime, clip)
    with runtime.work() as writing:
        then = db_now(writing) - timedelta(hours=6)
        writing.execute(update(Upload).values(created_at=then, last_seen_at=then))
    form(runtime, clip)
    post(runtime, upload)
    assert arrivals.collect_posted(runtime.work, runtime.storage) == 1
    assert session.scalars(select(Film.size_bytes)).one() == 77


def test_abandoned_forms_do_not_hold_up_the_one_that_was_handed_out_last(runtime, make, session):
    for _ in range(3):
        last_seen(runtime, form(runtime, make.clip(State.DRAFT)), hours=4)
    upload = form(runtime, make.clip(State.DRAFT))
    post(runtime, upload)
    assert arrivals.collect_posted(runtime.work, runtime.storage, at_most=1) == 1


def test_a_posted_film_that_nobody_looked_for_in_time_is_taken_and_not_thrown_away(runtime, make, session):
    upload = form(runtime, make.clip(State.DRAFT))
    post(runtime, upload)
    last_seen(runtime, upload, hours=25)
    assert arrivals.expire_stale(runtime.work, runtime.storage) == 0
    assert session.scalars(select(Film.size_bytes)).one() == 77


def test_a_file_whose_last_part_came_while_somebody_else_looked_is_complete_all_the_same(
    runtime, make, session
):
    upload = sent(runtime, make.clip(State.DRAFT))

    class Slow(Storage):
        def complete_multipart(self, *facts):
            super().complete_multipart(*facts)
            # The other one had asked before the last part was there.
            with runtime.work() as other:
                other.execute(update(Upload).values(state=UploadState.OPEN))

    done = arrivals.complete(runtime.work, Slow(runtime.settings.storage), upload.id, by=OWNER)
    assert done.state == UploadState.VERIFYING
    assert session.scalars(select(Film.size_bytes)).one() == len(FILM)


class Stubborn(Storage):
    """Refuses one upload for ever."""

    refused = ""

    def list_parts(self, key, upload_id):
        if upload_id == self.refused:
            raise Unavailable(Code.OURS_STORAGE)
        return super().list_parts(key, upload_id)


def test_a_completion_that_the_storage_refuses_does_not_hold_up_the_next_one(runtime, make, session):
    storage = Stubborn(runtime.settings.storage)
    first, second = (sent(runtime, make.clip(State.DRAFT)) for _ in range(2))
    storage.refused = first.storage_id
    with runtime.work() as writing:
        for upload, minutes in ((first, 3), (second, 4)):
            old = db_now(writing) - timedelta(minutes=minutes)
            mine = update(Upload).where(Upload.id == upload.id)
            writing.execute(mine.values(state=UploadState.COMPLETING, changed_at=old))
    assert arrivals.repair_completing(runtime.work, storage) == 1
    assert session.scalars(select(Film.clip_id)).one() == second.clip_id


def test_a_draft_that_never_got_a_film_is_forgotten_in_the_end(runtime, make, session):
    old, young = make.clip(State.DRAFT), make.clip(State.DRAFT)
    with runtime.work() as writing:
        then = db_now(writing) - timedelta(days=31)
        writing.execute(update(Clip).where(Clip.id == old.id).values(state_since=then))
    assert withdrawal.abandon_stale(runtime.work) == 1
    gone = session.get_one(Clip, old.id)
    assert (gone.state, gone.title, gone.owner_id) == (State.ERASED, "", None)
    assert session.get_one(Clip, young.id).state == State.DRAFT
