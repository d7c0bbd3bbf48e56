"""What moderators decide: what it leaves behind, who is too late, what can be taken back."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select

from portal import people, review
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, NotAllowed, Unacceptable
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.models import AuditEvent, Job, JobState, Notice, NoticeState, Role, State
from portal.people import actor_of
from portal.review import GivenReason


@pytest.fixture
def ines(make):
    return make.person("ines@brand.example", role=Role.MODERATOR, name="Inès M.")


@pytest.fixture
def hugo(make):
    return make.person("hugo@brand.example", role=Role.MODERATOR, name="Hugo B.")


def decide(runtime, clip, verb, by, *given, **more):
    """One decision in a unit of work of its own, on the version that `clip` shows."""
    with runtime.work() as session:
        found = review.clip_by_id(session, clip.id)
        return getattr(review, verb)(
            session, found, *given, by=actor_of(by), seen_version=clip.version, **more
        )


def undo(runtime, clip, by, **more):
    with runtime.work() as session:
        review.undo(session, review.clip_by_id(session, clip.id), by=actor_of(by), **more)


def state_of(session, clip):
    session.rollback()
    return review.clip_by_id(session, clip.id).state


PLATE = [GivenReason("plate", 31.0, "Floutez-la.")]


def test_an_approved_clip_is_published_after_the_time_to_undo(runtime, session, make, ines, bells):
    clip = make.clip()
    decide(runtime, clip, "approve", ines)
    job = session.scalars(select(Job)).one()
    assert (job.kind, job.state) == (JobKind.PUBLISH, JobState.QUEUED)
    assert 8 < (job.run_after - job.created_at).total_seconds() <= 11
    assert [(bell.kind, bell.delay) for bell in bells] == [(JobKind.PUBLISH, review.UNDO_SECONDS)]


def test_a_decision_remembers_film_version_and_moderator(runtime, session, make, ines):
    clip = make.clip(version=7)
    decide(runtime, clip, "approve", ines)
    (decision,) = review.sheet(session, clip.id).decisions
    assert (decision.film_id, decision.film_sha256) == (clip.film_id, "a" * 64)
    assert (decision.clip_version, decision.moderator_id, decision.verb) == (7, ines.id, "approve")


def test_approving_can_correct_title_and_themes(runtime, session, make, ines):
    make.theme("neige")
    clip = make.clip()
    decide(runtime, clip, "approve", ines, title="  Le  col ", themes=["neige"])
    sheet = review.sheet(session, clip.id)
    assert sheet.clip.title == "Le col"
    assert sheet.clip.search_text.startswith("le col")
    assert [theme.slug for theme in sheet.themes] == ["neige"]


def test_a_clip_can_be_approved_for_later(runtime, session, make, ines):
    clip = make.clip()
    at = db_now(session) + timedelta(days=2)
    decide(runtime, clip, "approve", ines, publish_at=at)
    job = session.scalars(select(Job)).one()
    assert abs((job.run_after - at).total_seconds()) < 2
    assert review.clip_by_id(session, clip.id).publish_at == at


def test_asking_for_changes_tells_the_owner_after_the_time_to_undo(runtime, session, make, ines):
    clip = make.clip()
    decision = decide(runtime, clip, "request_changes", ines, PLATE)
    notice = session.scalars(select(Notice)).one()
    assert (notice.kind, notice.decision_id, notice.state) == (
        "changes_requested",
        decision.id,
        NoticeState.WAITING,
    )
    assert (notice.run_after - notice.created_at).total_seconds() == pytest.approx(review.UNDO_SECONDS)
    (kept,) = review.sheet(session, clip.id).decisions
    assert [(one.code, one.at_seconds, one.words) for one in kept.reasons] == [("plate", 31.0, "Floutez-la.")]


def test_no_personal_words_reach_the_audit_trail(runtime, session, make, ines):
    clip = make.clip()
    decide(runtime, clip, "request_changes", ines, PLATE)
    assert session.scalars(select(AuditEvent.detail)).all() == [{"reasons": ["plate"]}]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], Code.REQUIRED),
        ([GivenReason("hidden_ad")], Code.UNKNOWN_REASON),
        ([GivenReason("dull")], Code.UNKNOWN_REASON),
    ],
)
def test_asking_for_changes_needs_a_reason_that_can_be_mended(runtime, session, make, ines, given, code):
    clip = make.clip()
    with pytest.raises(Unacceptable) as caught:
        decide(runtime, clip, "request_changes", ines, given)
    assert caught.value.code == code
    assert state_of(session, clip) == State.IN_REVIEW


def test_a_refusal_needs_a_published_rule_and_own_words(runtime, session, make, ines):
    clip = make.clip()
    for reason, words in (("plate", "Floutez-la."), ("driving", "  ")):
        with pytest.raises(Unacceptable):
            decide(runtime, clip, "reject", ines, reason, words)
    decide(runtime, clip, "reject", ines, "driving", "Filmez à l’arrêt.")
    assert state_of(session, clip) == State.REJECTED


def test_a_clip_that_is_down_is_told_with_its_reason(runtime, session, make, ines):
    clip = make.clip(State.PUBLISHED)
    decide(runtime, clip, "unpublish", ines, "minor", "Un enfant se reconnaît.")
    assert session.scalars(select(Notice.kind)).all() == ["removed"]
    assert session.scalars(select(Job.kind)).all() == [JobKind.RETRACT]


def test_whoever_saw_an_older_version_gets_a_conflict(runtime, session, make, ines, hugo):
    clip = make.clip()
    decide(runtime, clip, "edit", hugo, title="Un autre titre", themes=[])
    with pytest.raises(Conflict):
        decide(runtime, clip, "approve", ines)
    assert state_of(session, clip) == State.IN_REVIEW


def test_of_two_who_edit_the_second_gets_a_conflict(runtime, session, make, ines, hugo):
    clip = make.clip()
    decide(runtime, clip, "edit", hugo, title="Le sien", themes=[])
    with pytest.raises(Conflict):
        decide(runtime, clip, "edit", ines, title="Le mien", themes=[])
    assert review.clip_by_id(session, clip.id).title == "Le sien"


def test_an_edit_that_changes_nothing_leaves_no_trace(runtime, session, make, ines):
    clip = make.clip()
    decide(runtime, clip, "edit", ines, title=clip.title, themes=[])
    assert session.scalars(select(AuditEvent)).all() == []


def test_the_history_says_who_changed_what_since(runtime, session, make, hugo):
    clip = make.clip()
    decide(runtime, clip, "edit", hugo, title="Un autre titre", themes=[], is_typo=True)
    (happened,) = review.history(session, clip, since_version=clip.version)
    assert (happened.verb, happened.who) == ("edit", "Hugo B.")
    assert happened.detail == {"fields": ["title"], "typo": True}


PAIRS = [
    ("approve", ()),
    ("request_changes", (PLATE,)),
    ("reject", ("driving", "Filmez à l’arrêt.")),
    ("edit", ()),
    ("unpublish", ("minor", "Un enfant se reconnaît.")),
]


@pytest.mark.parametrize(("verb", "given"), PAIRS)
def test_of_two_moderators_at_the_same_moment_one_wins(runtime, session, make, ines, hugo, verb, given):
    clip = make.clip(State.PUBLISHED if verb == "unpublish" else State.IN_REVIEW)
    start, outcomes = threading.Barrier(2), []

    def try_it(person):
        more = {"title": f"Le titre de {person.name}", "is_typo": True} if verb == "edit" else {}
        start.wait()
        try:
            decide(runtime, clip, verb, person, *given, **more)
            outcomes.append("won")
        except Conflict:
            outcomes.append("conflict")

    both = [threading.Thread(target=try_it, args=(person,)) for person in (ines, hugo)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(outcomes) == ["conflict", "won"]
    assert len(review.history(session, clip)) == 1
    assert len(review.sheet(session, clip.id).decisions) == (0 if verb == "edit" else 1)


@pytest.mark.parametrize(("verb", "given"), PAIRS[:3])
def test_a_decision_is_taken_back_with_all_that_hung_on_it(runtime, session, make, ines, verb, given):
    clip = make.clip()
    decide(runtime, clip, verb, ines, *given)
    undo(runtime, clip, ines)
    assert state_of(session, clip) == State.IN_REVIEW
    assert session.scalars(select(Job).where(Job.state == JobState.QUEUED)).all() == []
    assert set(session.scalars(select(Notice.state))) <= {NoticeState.CANCELLED}
    (decision,) = review.sheet(session, clip.id).decisions
    assert decision.undone_at is not None


def test_a_decision_taken_back_can_be_taken_anew(runtime, session, make, ines):
    clip = make.clip()
    decide(runtime, clip, "reject", ines, "driving", "Filmez à l’arrêt.")
    undo(runtime, clip, ines)
    session.rollback()
    decide(runtime, review.clip_by_id(session, clip.id), "reject", ines, "driving", "Filmez à l’arrêt.")
    session.rollback()
    assert sorted(session.scalars(select(Notice.state))) == [NoticeState.CANCELLED, NoticeState.WAITING]


def test_after_its_time_a_decision_stands(runtime, session, make, ines):
    clip = make.clip()
    decide(runtime, clip, "approve", ines)
    with pytest.raises(Conflict) as caught:
        undo(runtime, clip, ines, within=0.0)
    assert caught.value.code == Code.UNDO_TOO_LATE
    assert state_of(session, clip) == State.APPROVED


def test_nobody_takes_a_colleagues_decision_back(runtime, make, ines, hugo):
    clip = make.clip()
    decide(runtime, clip, "approve", ines)
    with pytest.raises(NotAllowed):
        undo(runtime, clip, hugo)


def test_a_published_clip_is_past_undoing(runtime, make, ines):
    with pytest.raises(Conflict):
        undo(runtime, make.clip(State.PUBLISHED), ines)


def test_a_second_look_is_somebody_elses(runtime, session, make, ines, hugo):
    clip = make.clip()
    decide(runtime, clip, "reject", ines, "driving", "Filmez à l’arrêt.")
    rejected = review.clip_by_id(session, clip.id)
    with pytest.raises(NotAllowed):
        decide(runtime, rejected, "reopen", ines)
    decide(runtime, rejected, "reopen", hugo)
    assert state_of(session, clip) == State.IN_REVIEW


def test_a_note_is_for_colleagues_and_tells_nobody_else(runtime, session, make, ines):
    clip = make.clip()
    with runtime.work() as work:
        review.note(work, review.clip_by_id(work, clip.id), " Plaque ? ", 31.0, by=actor_of(ines))
    sheet = review.sheet(session, clip.id)
    assert [(note.words, note.at_seconds) for note in sheet.notes] == [("Plaque ?", 31.0)]
    assert sheet.names == {ines.id: "Inès M."}
    assert session.scalars(select(Notice)).all() == []


def test_a_claim_is_soft_and_lapses(runtime, session, make, ines, hugo):
    clip = make.clip()

    def claim(person, **more):
        with runtime.work() as work:
            return review.claim(work, review.clip_by_id(work, clip.id), person, **more)

    assert claim(ines)
    assert not claim(hugo)
    assert claim(hugo, take_over=True)
    held = review.sheet(session, clip.id)
    assert held.claimed_by == "Hugo B."
    decide(runtime, clip, "approve", ines)
    assert state_of(session, clip) == State.APPROVED


def test_next_passes_over_what_a_colleague_holds(runtime, session, make, ines, hugo):
    first, second = make.clip(), make.clip()
    with runtime.work() as work:
        review.claim(work, review.clip_by_id(work, first.id), hugo)
    assert review.next_clip(session, person_id=ines.id) == second.id
    assert review.next_clip(session, person_id=hugo.id) == first.id
    assert review.next_clip(session, after=review.place_of(second), person_id=ines.id) == first.id


def test_the_queue_goes_on_where_it_stopped(session, make):
    clips = [make.clip() for _ in range(3)]
    first = review.queue(session, limit=2)
    last = first[-1].clip
    rest = review.queue(session, limit=2, after=(last.state_since, last.id))
    assert [row.clip.id for row in (*first, *rest)] == [clip.id for clip in clips]


def test_the_queue_is_found_by_words_language_and_campaign(session, make):
    clip = make.clip(speech_lang="de")
    make.clip(title="Autre", speech_lang="fr")
    assert [row.clip.id for row in review.queue(session, q="galibier", lang="de", campaign="quotidien")] == [
        clip.id
    ]
    assert review.queue(session, campaign="other") == []


def test_the_queue_asks_the_database_as_often_for_many_clips_as_for_one(runtime, session, make):
    asked = []
    event.listen(runtime.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    def count():
        session.rollback()
        asked.clear()
        for row in review.queue(session):
            assert row.clip.owner is not None
            assert row.clip.campaign.texts
        return len(asked)

    make.clip()
    one = count()
    for _ in range(5):
        make.clip()
    assert count() == one


def test_a_row_knows_its_smallest_poster_and_whether_the_owner_answered(runtime, session, make, ines):
    clip = make.clip()
    (row,) = review.queue(session)
    assert row.poster_key.endswith("poster-360.webp")
    assert not row.is_answer
    decide(runtime, clip, "request_changes", ines, PLATE)
    session.rollback()
    (row,) = review.queue(session, state=State.CHANGES_REQUESTED)
    assert row.is_answer


@pytest.mark.parametrize(
    ("since", "due"),
    [(datetime(2026, 6, 1, 9, tzinfo=UTC), datetime(2026, 6, 3, 9, tzinfo=UTC)),
     (datetime(2026, 6, 5, 9, tzinfo=UTC), datetime(2026, 6, 9, 9, tzinfo=UTC)),
     (datetime(2026, 6, 6, 9, tzinfo=UTC), datetime(2026, 6, 9, 9, tzinfo=UTC))],
)  # fmt: skip
def test_weekends_do_not_count_in_what_was_promised(since, due):
    assert review.promised_by(since) == due


def test_what_waits_for_too_long_is_counted(session, make):
    make.clip()
    make.clip(state_since=db_now(session) - timedelta(days=6))
    assert review.late_count(session) == 1
    assert review.counts(session) == {"in_review": 2}


def test_a_clip_that_never_was_is_missing(session):
    with pytest.raises(Missing):
        review.sheet(session, "never")


def test_a_program_decides_without_being_a_person(runtime, session, make):
    clip = make.clip()
    with runtime.work() as work:
        by = Actor(ActorKind.PROGRAM, 1)
        review.approve(work, review.clip_by_id(work, clip.id), by=by, seen_version=clip.version)
    (decision,) = review.sheet(session, clip.id).decisions
    assert decision.moderator_id is None


def test_a_publication_too_far_ahead_is_refused_in_words_of_its_own(runtime, make, session, ines):
    at = db_now(session) + timedelta(days=400)
    with pytest.raises(Unacceptable) as caught:
        decide(runtime, make.clip(), "approve", ines, publish_at=at)
    assert caught.value.fields == {"publish_at": Code.DATE_TOO_FAR}


def test_the_same_remark_twice_within_a_minute_is_one(runtime, make, session, ines, hugo):
    clip = make.clip()
    for who, words in ((ines, "Plaque ?"), (ines, "Plaque ?"), (hugo, "Plaque ?"), (ines, "Musique ?")):
        with runtime.work() as writing:
            review.note(writing, review.clip_by_id(writing, clip.id), words, 3.0, by=people.actor_of(who))
    told = [(note.author_id, note.words) for note in review.sheet(session, clip.id).notes]
    assert told == [(ines.id, "Plaque ?"), (hugo.id, "Plaque ?"), (ines.id, "Musique ?")]
