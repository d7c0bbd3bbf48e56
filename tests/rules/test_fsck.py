"""The checker names exactly what was broken, and repairs what needs no person."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text, update

from portal import captions, fsck, keys, lifecycle, notices
from portal.database import db_now
from portal.jobs import JobKind
from portal.models import (
    AuditEvent,
    Caption,
    Clip,
    Consent,
    Film,
    Job,
    JobState,
    Notice,
    NoticeState,
    Publication,
    Rendition,
    State,
)
from portal.notices import NoticeKind
from portal.storage import Bucket
from portal.webvtt import Cue


class Checker:
    """Looks before and after: the storage is shared with other tests, only what is new counts."""

    def __init__(self, runtime):
        self.runtime = runtime
        self.before = None

    def look(self, **options):
        return fsck.check(self.runtime.read, self.runtime.storage, **{"grace_seconds": -60.0, **options})

    def begin(self):
        self.before = set(self.look())

    def new(self, **options):
        return [finding for finding in self.look(**options) if finding not in self.before]

    def names(self):
        return {finding.invariant for finding in self.new()}

    def mend(self):
        return fsck.repair(self.runtime.work, self.runtime.storage, self.new())


@pytest.fixture
def checker(runtime):
    return Checker(runtime)


@pytest.fixture
def published(make, checker):
    """A whole published clip with objects of the recorded size, and nothing to be found."""
    clip = make.clip(State.PUBLISHED, with_objects=True)
    checker.begin()
    return clip


def write(runtime, statement):
    with runtime.work() as session:
        session.execute(statement)


def public_key(runtime, name="360.mp4"):
    with runtime.read() as session:
        return keys.public(session.scalars(select(Publication.token)).one(), name)


def test_a_whole_clip_has_only_its_missing_history_and_decision_to_be_named(published, checker):
    # The stage set its state by hand: nobody has approved it, nothing is known of how it was made.
    assert {one.invariant for one in checker.before if published.id in one.subject} == {"I1", "I2", "I28"}


def test_a_clip_that_lived_by_the_rules_has_nothing_to_be_named(runtime, make, checker):
    campaign = make.campaign()
    with runtime.work() as session:
        clip = Clip(id="livesbyrul", campaign_id=campaign.id, lang="fr")
        lifecycle.begin(session, clip, by=lifecycle.OWNER)
        lifecycle.move(session, clip, "open_upload", by=lifecycle.OWNER)
        lifecycle.record(session, clip, "edit", by=lifecycle.OWNER)
        lifecycle.move(session, clip, "withdraw", by=lifecycle.OWNER)
    assert [one for one in checker.look() if "livesbyrul" in one.subject] == []


def test_findings_are_plain_values(published, checker):
    assert all(set(one.as_json()) == {"invariant", "subject", "detail", "repair"} for one in checker.before)


def test_i1_a_state_that_the_history_does_not_lead_to(runtime, make, checker):
    campaign = make.campaign()
    with runtime.work() as session:
        clip = Clip(id="jumpedover", campaign_id=campaign.id, lang="fr")
        lifecycle.begin(session, clip, by=lifecycle.OWNER)
    checker.begin()
    write(runtime, update(Clip).values(state=State.PUBLISHED))
    assert "I1" in checker.names()


def test_i1_a_broken_chain(runtime, make, checker):
    clip = make.clip(State.WITHDRAWN)
    checker.begin()
    with runtime.work() as session:
        session.add_all(
            AuditEvent(
                clip_id=clip.id, at=db_now(session), actor_kind="clock", verb=verb, from_state=a, to_state=b
            )
            for verb, a, b in (("begin", None, "draft"), ("withdraw", "published", "withdrawn"))
        )
    assert checker.names() == {"I1"}


def test_i3_a_public_object_that_no_publication_names_is_deleted(runtime, published, checker):
    runtime.storage.put(Bucket.PUBLIC, "v/" + "e" * 32 + "/360.mp4", b"x", content_type="video/mp4")
    assert checker.names() == {"I3"}
    checker.mend()
    assert checker.new() == []


def test_i3_and_i10_a_withdrawn_clip_with_public_objects(runtime, published, checker, bells):
    write(runtime, update(Clip).values(state=State.WITHDRAWN))
    assert checker.names() >= {"I3", "I10"}
    bells.clear()
    checker.mend()
    assert [bell.kind for bell in bells] == [JobKind.RETRACT]
    assert runtime.storage.size(Bucket.PUBLIC, public_key(runtime)) is None


def test_i4_a_published_file_that_is_gone_is_copied_again(runtime, published, checker):
    key = public_key(runtime)
    runtime.storage.delete(Bucket.PUBLIC, [key])
    assert checker.names() == {"I4"}
    checker.mend()
    assert runtime.storage.size(Bucket.PUBLIC, key) == 100


def test_i4_other_bytes_of_the_same_size_are_found_by_a_deep_look(runtime, published, checker):
    runtime.storage.put(Bucket.PUBLIC, public_key(runtime), b"x" * 100, content_type="video/mp4")
    assert checker.names() == set()
    found = checker.new(deep=True)
    assert {one.invariant for one in found if "360.mp4" in one.subject} == {"I4"}


def test_i5_a_private_object_that_no_row_names_is_deleted(runtime, published, checker):
    key = keys.made(published.id, "f" * 32, "360.mp4")
    runtime.storage.put(Bucket.ORIGINALS, key, b"x", content_type="video/mp4")
    assert checker.names() == {"I5"}
    checker.mend()
    assert runtime.storage.size(Bucket.ORIGINALS, key) is None


def test_i5_what_a_running_job_makes_is_left_alone(runtime, published, checker):
    with runtime.work() as session:
        job = lifecycle.enqueue(session, session.get_one(Clip, published.id), JobKind.TRANSCODE)
        job.state, job.lease_token = JobState.RUNNING, "f" * 32
        job.lease_until = db_now(session) + timedelta(hours=1)
    key = keys.made(published.id, "f" * 32, "360.mp4")
    runtime.storage.put(Bucket.ORIGINALS, key, b"x", content_type="video/mp4")
    assert checker.names() == set()
    runtime.storage.delete(Bucket.ORIGINALS, [key])


def test_i6_a_row_whose_object_is_gone(runtime, published, checker):
    with runtime.read() as session:
        runtime.storage.delete(Bucket.ORIGINALS, [session.scalars(select(Film.key)).one()])
    assert checker.names() == {"I6"}


def test_i9_a_published_clip_without_a_consent(runtime, published, checker):
    write(runtime, delete(Consent).where(Consent.purpose == "adult"))
    assert checker.names() == {"I9"}


def test_i11_words_and_objects_of_an_erased_clip(runtime, published, checker):
    write(runtime, update(Clip).values(state=State.ERASED))
    assert "I11" in checker.names()


def test_i11_an_erased_clip_that_an_old_copy_of_the_database_brings_back_is_erased_again(
    runtime, published, checker, bells
):
    runtime.storage.put(Bucket.ORIGINALS, keys.erased(published.id), b"erased", content_type="text/plain")
    (found,) = checker.new()
    assert (found.invariant, found.subject, found.detail) == (
        "I11",
        published.id,
        "was erased, and is published",
    )
    checker.mend()
    assert JobKind.ERASE in [bell.kind for bell in bells]
    with runtime.read() as session:
        assert session.get_one(Clip, published.id).state == State.WITHDRAWN
    assert "I11" not in checker.names()


def test_i11_a_withdrawn_clip_that_an_old_copy_brings_back_is_taken_out_of_sight_again(
    runtime, published, checker
):
    runtime.storage.put(Bucket.ORIGINALS, keys.hidden(published.id), b"hidden", content_type="text/plain")
    assert [(one.invariant, one.subject) for one in checker.new()] == [("I11", published.id)]
    checker.mend()
    with runtime.read() as session:
        assert session.get_one(Clip, published.id).state == State.REMOVED
    assert "I11" not in checker.names()


def test_i12_a_job_without_a_living_lease_is_queued_again(runtime, published, checker, bells):
    with runtime.work() as session:
        job = lifecycle.enqueue(session, session.get_one(Clip, published.id), JobKind.ERASE)
        job.state, job.lease_until = JobState.RUNNING, db_now(session) - timedelta(hours=1)
    assert checker.names() == {"I12"}
    bells.clear()
    checker.mend()
    with runtime.read() as session:
        assert session.get_one(Job, job.id).state == JobState.QUEUED
    assert [bell.subject for bell in bells] == [job.id]


def test_i12_more_attempts_than_allowed(runtime, published, checker):
    with runtime.work() as session:
        job = lifecycle.enqueue(session, session.get_one(Clip, published.id), JobKind.TRANSCODE)
        job.attempt = 4
    assert checker.names() == {"I12"}


def test_i14_two_open_jobs_of_one_kind(runtime, published, checker):
    with runtime.work() as session:
        # The database itself refuses this; the checker must not rely on it.
        session.execute(text("DROP INDEX uq_job_open"))
        at = db_now(session)
        session.add_all(
            Job(
                id=name, kind=JobKind.ERASE, clip_id=published.id, state="queued", created_at=at, run_after=at
            )
            for name in ("first", "second")
        )
    assert checker.names() == {"I14"}


def test_i15_a_letter_that_waits_for_over_a_day_is_sent_again(runtime, published, checker, bells):
    with runtime.work() as session:
        clip = session.get_one(Clip, published.id)
        notice = notices.tell(session, NoticeKind.PUBLISHED, clip, occasion="published:x")
        notice.run_after = db_now(session) - timedelta(days=2)
    assert checker.names() == {"I15"}
    checker.mend()
    with runtime.read() as session:
        assert session.get_one(Notice, notice.id).state == NoticeState.WAITING
    assert checker.new() == []


def test_i16_two_decisions_on_one_version_and_a_refusal_without_a_reason(make, published, checker):
    for verb in ("approve", "reject"):
        make.decision(published, verb)
    assert [one.invariant for one in checker.new()] == ["I16", "I16"]


def test_looking_changes_nothing(runtime, published, checker):
    runtime.storage.put(Bucket.PUBLIC, "v/" + "d" * 32 + "/360.mp4", b"x", content_type="video/mp4")
    with runtime.read() as session:
        made = session.scalars(select(Rendition.id)).all()
    checker.look(deep=True)
    with runtime.read() as session:
        assert session.scalars(select(Rendition.id)).all() == made
    assert runtime.storage.size(Bucket.PUBLIC, "v/" + "d" * 32 + "/360.mp4") == 1
    runtime.storage.delete(Bucket.PUBLIC, ["v/" + "d" * 32 + "/360.mp4"])


def test_i20_captions_that_are_none_of_our_writing(runtime, make, checker):
    clips = {name: make.clip(State.IN_REVIEW) for name in ("sound", "markup", "backwards", "torn", "gone")}
    with runtime.work() as session:
        for clip in clips.values():
            film = session.get_one(Film, clip.film_id)
            cues = [Cue(0.0, 1.0, "<b>Un</b> &amp; deux"), Cue(1.0, 2.0, "trois")]
            assert captions.from_machine(session, film, "fr", captions.SPEECH, cues)
    checker.begin()
    broken = {
        "markup": [[0.0, 1.0, "<script>x</script>"]],
        "backwards": [[2.0, 1.0, "x"]],
        "torn": [["x"]],
    }
    for name, cues in broken.items():
        write(runtime, update(Caption).where(Caption.clip_id == clips[name].id).values(cues=cues))
    write(runtime, update(Clip).where(Clip.id == clips["gone"].id).values(state=State.ERASED))
    found = {one.subject.split()[0]: one.detail for one in checker.new() if one.invariant == "I20"}
    assert found == {
        clips["markup"].id: "do not read back as they are written",
        clips["backwards"].id: "cannot be read",
        clips["torn"].id: "cannot be read",
        clips["gone"].id: "belong to no living clip",
    }
