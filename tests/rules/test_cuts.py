"""Cuts and what moderators may do with them: proposed, made, seen, adopted, let go; the old one counts until then."""

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import cuts, editing, fsck, leases, processing, publications, review
from portal.cuts import Report
from portal.edits import Blur, EditList, Passage
from portal.errors import Code, Conflict, Missing, NotAllowed, Unacceptable
from portal.jobs import JobKind
from portal.ladder import LADDER_VERSION
from portal.letters import compose
from portal.lifecycle import OWNER, Actor, ActorKind, move
from portal.models import (
    AuditEvent,
    Clip,
    Cut,
    CutState,
    Job,
    JobState,
    Notice,
    Publication,
    Rendition,
    State,
)
from tests.factories import act

SHORTER = EditList(start=2.0, blurs=(Blur(3.0, 5.0, 0.1, 0.2, 0.3, 0.4),))
PROGRAM = Actor(ActorKind.PROGRAM, 1)


@pytest.fixture
def by(moderator):
    return Actor(ActorKind.MODERATOR, moderator.id)


def now(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Clip, clip.id)


def propose(runtime, clip, edits=SHORTER, *, by=PROGRAM, version=None):
    seen = version or now(runtime, clip).version
    return act(runtime, editing.propose, clip, edits, by=by, seen_version=seen)


def claimed(runtime, clip, kind=JobKind.REMAKE):
    with runtime.work() as session:
        found = select(Job.id).where(Job.clip_id == clip.id, Job.kind == kind, Job.state == JobState.QUEUED)
        return leases.claim(session, session.scalars(found).one())


def cut(runtime, clip, number):
    with runtime.read() as session:
        return editing.numbered(session, session.get_one(Clip, clip.id), number)


def letters(runtime):
    with runtime.read() as session:
        return list(session.scalars(select(Notice).order_by(Notice.id)))


def test_a_proposal_is_made_by_the_worker_on_whole_frames(runtime, make, by, bells):
    clip = make.clip()
    made = propose(runtime, clip, EditList(cuts=(Passage(1.01, 1.99),)), by=by)
    assert (made.number, made.state, made.origin, made.asked_by_id) == (2, CutState.MAKING, "edit", by.id)
    assert cuts.edits_of(cut(runtime, clip, 2)).cuts == (Passage(1.0, 2.0),)
    assert [bell.kind for bell in bells] == [JobKind.REMAKE]
    assert now(runtime, clip).cut_id == clip.cut_id


def test_a_program_may_propose_and_an_owner_may_not(runtime, make):
    clip = make.clip()
    assert propose(runtime, clip).asked_by_id is None
    with pytest.raises(NotAllowed):
        propose(runtime, clip, EditList(), by=OWNER)
    with pytest.raises(NotAllowed):
        act(runtime, editing.let_go, clip, 2, by=OWNER)


def test_what_is_shown_so_already_and_what_nobody_saw_are_refused(runtime, make):
    clip = make.clip()
    with pytest.raises(Conflict) as same:
        propose(runtime, clip, EditList())
    assert same.value.code == Code.CUT_UNCHANGED
    with pytest.raises(Conflict) as late:
        propose(runtime, clip, version=clip.version + 7)
    assert late.value.code == Code.CONFLICT


@pytest.mark.parametrize(
    "state", [State.DRAFT, State.PROCESSING, State.FAILED, State.REJECTED, State.WITHDRAWN]
)
def test_a_clip_that_shows_no_film_is_not_cut(runtime, make, state):
    with pytest.raises(Conflict):
        propose(runtime, make.clip(state))


def test_a_list_that_does_not_fit_the_film_is_refused(runtime, make):
    with pytest.raises(Unacceptable) as refused:
        propose(runtime, make.clip(), EditList(cuts=(Passage(3.0, 40.0),)))
    assert refused.value.fields == {"cuts.0": Code.INVALID}


def test_a_newer_proposal_takes_the_place_of_the_one_that_waits(runtime, make):
    clip = make.clip()
    propose(runtime, clip)
    propose(runtime, clip, EditList(start=3.0))
    assert cut(runtime, clip, 2).state == CutState.SUPERSEDED
    with runtime.read() as session:
        states = session.scalars(select(Job.state).where(Job.kind == JobKind.REMAKE)).all()
    assert sorted(states) == [JobState.CANCELLED, JobState.QUEUED]


def test_nothing_is_approved_while_a_cut_is_being_made(runtime, make, by):
    clip = make.clip()
    propose(runtime, clip)
    with pytest.raises(Conflict) as waits:
        act(runtime, review.approve, clip, by=by, seen_version=now(runtime, clip).version)
    assert waits.value.code == Code.CUT_IN_THE_MAKING


def test_a_finished_cut_of_a_clip_that_is_not_public_counts_at_once_and_is_seen_first(runtime, make, by):
    clip = make.clip()
    propose(runtime, clip)
    seen = now(runtime, clip).version
    make.finished_cut(clip)
    after = now(runtime, clip)
    assert (after.cut_id, after.seconds) == (cut(runtime, clip, 2).id, 10.0)
    assert cut(runtime, clip, 1).state == CutState.SUPERSEDED
    with pytest.raises(Conflict):
        act(runtime, review.approve, clip, by=by, seen_version=seen)
    act(runtime, review.approve, clip, by=by, seen_version=after.version)


@pytest.mark.parametrize("state", [State.PUBLISHED, State.APPROVED])
def test_a_finished_cut_of_a_public_clip_waits_for_a_moderator(runtime, make, state, by):
    clip = make.clip(state)
    propose(runtime, clip)
    make.finished_cut(clip)
    assert now(runtime, clip).cut_id == clip.cut_id
    assert cut(runtime, clip, 2).state == CutState.MADE
    with pytest.raises(Conflict):
        act(runtime, editing.adopt, clip, 2, by=by, seen_version=1)
    act(runtime, editing.adopt, clip, 2, by=by, seen_version=now(runtime, clip).version)
    assert now(runtime, clip).cut_id == cut(runtime, clip, 2).id
    with runtime.read() as session:
        asked = session.scalars(select(Job.kind).where(Job.kind == JobKind.REPUBLISH)).all()
        history = [one.verb for one in review.history(session, session.get_one(Clip, clip.id))]
    assert len(asked) == (1 if state == State.PUBLISHED else 0)
    assert history[:3] == ["adopt_cut", "cut_ready", "propose_cut"]


def test_a_cut_adopted_while_the_clip_is_being_copied_is_the_first_that_is_shown(runtime, make, by):
    clip = make.clip(State.APPROVED)
    act(runtime, cuts.enqueue, clip, JobKind.PUBLISH)
    held = claimed(runtime, clip, JobKind.PUBLISH)
    with runtime.work() as session:
        publication, _ = publications.begun(session, held)
    propose(runtime, clip)
    make.finished_cut(clip)
    act(runtime, editing.adopt, clip, 2, by=by, seen_version=now(runtime, clip).version)
    with runtime.work() as session:
        assert not publications.published(session, held, publication.id)
    assert now(runtime, clip).state == State.APPROVED
    anew = claimed(runtime, clip, JobKind.PUBLISH)
    with runtime.work() as session:
        second, _ = publications.begun(session, anew)
        assert second.cut_id == cut(runtime, clip, 2).id
        assert publications.published(session, anew, second.id)
    assert letters(runtime)[-1].kind == "published"


def test_a_copy_of_a_cut_that_counts_no_more_is_never_shown_first(runtime, make):
    clip = make.clip(State.APPROVED)
    act(runtime, cuts.enqueue, clip, JobKind.PUBLISH)
    held = claimed(runtime, clip, JobKind.PUBLISH)
    with runtime.work() as session:
        publication, _ = publications.begun(session, held)
    propose(runtime, clip)
    make.finished_cut(clip)
    with runtime.work() as session:
        # As a worker on another connection finds it that ends in the very moment of the adoption.
        session.get_one(Clip, clip.id).cut_id = cut(runtime, clip, 2).id
    with runtime.work() as session:
        assert not publications.published(session, held, publication.id)
    assert now(runtime, clip).state == State.APPROVED
    assert claimed(runtime, clip, JobKind.PUBLISH) is not None


def test_the_owner_is_told_once_what_was_changed_before_it_is_public(runtime, make, by):
    clip = make.clip(State.PUBLISHED, title="Le Galibier")
    propose(runtime, clip)
    assert letters(runtime) == []
    make.finished_cut(clip)
    act(runtime, editing.adopt, clip, 2, by=by, seen_version=now(runtime, clip).version)
    assert [one.kind for one in letters(runtime)] == ["cut_ready"]
    with runtime.read() as session:
        notice = session.scalars(select(Notice)).one()
        mail = compose(session, notice, site=runtime.settings.site, link="http://portal.test/x")
    assert "jusqu’à 0:02" in mail.text
    assert "floutée, de 0:03 à 0:05" in mail.html
    assert "pas encore en ligne" in mail.text


def test_a_letter_about_a_cut_that_nobody_wants_any_more_does_not_leave(runtime, make):
    clip = make.clip(State.PUBLISHED)
    propose(runtime, clip)
    make.finished_cut(clip)
    act(runtime, editing.let_go, clip, 2, by=PROGRAM)
    assert [one.state for one in letters(runtime)] == ["cancelled"]


def test_a_cut_that_is_let_go_changes_nothing(runtime, make):
    clip = make.clip(State.PUBLISHED)
    propose(runtime, clip)
    held = claimed(runtime, clip)
    act(runtime, editing.let_go, clip, 2, by=PROGRAM)
    with runtime.work() as session:
        assert not cuts.made(session, held, [], Report(1.0, 2, 2))
    assert cut(runtime, clip, 2).state == CutState.SUPERSEDED
    assert now(runtime, clip).cut_id == clip.cut_id
    with pytest.raises(Conflict):
        act(runtime, editing.let_go, clip, 1, by=PROGRAM)
    with pytest.raises(Missing):
        act(runtime, editing.let_go, clip, 9, by=PROGRAM)


def test_a_cut_that_cannot_be_made_leaves_the_old_one_tells_staff_why_and_can_be_tried_again(runtime, make):
    clip = make.clip()
    propose(runtime, clip)
    for _ in range(3):
        held = claimed(runtime, clip)
        with runtime.work() as session:
            leases.job_failed(session, held, Code.OURS_TRANSCODE, "exit=1, log=broken", pauses=(0.0,))
    failed = cut(runtime, clip, 2)
    assert (failed.state, failed.error_code) == (CutState.FAILED, "ours_transcode")
    assert now(runtime, clip).cut_id == clip.cut_id
    with runtime.read() as session:
        newest = editing.versions(session, session.get_one(Clip, clip.id))[0]
    assert (newest.is_waiting, newest.trouble) == (True, "exit=1, log=broken")
    again = act(runtime, editing.again, clip, 2, by=PROGRAM, seen_version=now(runtime, clip).version)
    assert cuts.edits_of(again) == cuts.edits_of(failed)
    make.finished_cut(clip)
    assert now(runtime, clip).cut_id == again.id


def test_the_studios_retry_makes_the_same_cut_again(runtime, make):
    clip = make.clip()
    propose(runtime, clip)
    for _ in range(3):
        held = claimed(runtime, clip)
        with runtime.work() as session:
            leases.job_failed(session, held, Code.OURS_STORAGE, "503", pauses=(0.0,))
    act(runtime, processing.retry, clip, by=PROGRAM)
    make.finished_cut(clip)
    assert cuts.edits_of(cut(runtime, clip, 3)) == cuts.edits_of(cut(runtime, clip, 2))


def test_a_withdrawal_ends_the_work_on_a_cut(runtime, make):
    clip = make.clip(State.PUBLISHED)
    propose(runtime, clip)
    held = claimed(runtime, clip)
    act(runtime, move, clip, "withdraw", by=OWNER)
    with runtime.work() as session:
        assert not leases.heartbeat(session, held, 0.5, "make")
    assert cut(runtime, clip, 2).state == CutState.SUPERSEDED
    assert cut(runtime, clip, 1).state == CutState.ADOPTED


def test_one_can_go_back_to_an_earlier_version(runtime, make):
    clip = make.clip()
    propose(runtime, clip)
    make.finished_cut(clip)
    act(runtime, editing.again, clip, 1, by=PROGRAM, seen_version=now(runtime, clip).version)
    make.finished_cut(clip, seconds=12.0)
    with runtime.read() as session:
        versions = editing.versions(session, session.get_one(Clip, clip.id))
    assert [one.cut.number for one in versions if one.is_current] == [3]
    assert [one.edits.is_empty for one in versions] == [True, False, True]


# Made again under a newer ladder -----------------------------------------------------------------------


def older(runtime, *clips):
    with runtime.work() as session:
        ids = [clip.cut_id for clip in clips]
        session.execute(update(Cut).where(Cut.id.in_(ids)).values(ladder_version=LADDER_VERSION - 1))


def outdated(runtime, **options):
    with runtime.read() as session:
        return [clip.id for clip in cuts.outdated(session, **options)]


def test_clips_of_an_older_ladder_are_found_once_and_those_of_another_profile_when_asked(runtime, make):
    old, new, _gone = make.clip(State.PUBLISHED), make.clip(), make.clip(State.WITHDRAWN)
    older(runtime, old, _gone)
    assert outdated(runtime) == [old.id]
    assert set(outdated(runtime, profile="economy")) == {old.id, new.id}
    act(runtime, cuts.replan, old, by=PROGRAM)
    assert outdated(runtime) == []


def test_a_film_made_again_counts_at_once_with_the_same_edits_and_no_letter(runtime, make):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as session:
        session.execute(update(Cut).where(Cut.id == clip.cut_id).values(edits=SHORTER.as_json()))
    older(runtime, clip)
    act(runtime, cuts.replan, clip, by=PROGRAM)
    make.finished_cut(clip)
    made = cut(runtime, clip, 2)
    assert (made.origin, now(runtime, clip).cut_id) == ("replan", made.id)
    assert cuts.edits_of(made) == SHORTER
    assert letters(runtime) == []
    assert claimed(runtime, clip, JobKind.REPUBLISH) is not None


def test_a_moderators_cut_is_never_pushed_aside_by_a_newer_ladder(runtime, make):
    clip = make.clip(State.PUBLISHED)
    older(runtime, clip)
    propose(runtime, clip)
    make.finished_cut(clip)
    assert outdated(runtime) == []
    with pytest.raises(Conflict) as waits:
        act(runtime, cuts.replan, clip, by=PROGRAM)
    assert waits.value.code == Code.CUT_IN_THE_MAKING


def test_making_again_gives_way_to_a_new_film_but_not_for_ever(runtime, make):
    clip, fresh = make.clip(State.PUBLISHED), make.clip(State.PROCESSING)
    act(runtime, cuts.replan, clip, by=PROGRAM)
    with runtime.work() as session:
        cuts.enqueue(session, session.get_one(Clip, fresh.id), JobKind.TRANSCODE)
    assert claimed(runtime, clip) is None
    with runtime.work() as session:
        at = cuts.db_now(session) - leases.LONG_PATIENCE - timedelta(seconds=1)
        session.execute(update(Job).where(Job.kind == JobKind.REMAKE).values(created_at=at, run_after=at))
    assert claimed(runtime, clip) is not None


def test_making_again_gives_way_to_a_cut_that_a_moderator_waits_for(runtime, make):
    clip, other, fresh = make.clip(State.PUBLISHED), make.clip(), make.clip(State.PROCESSING)
    act(runtime, cuts.replan, clip, by=PROGRAM)
    propose(runtime, other)
    with runtime.work() as session:
        cuts.enqueue(session, session.get_one(Clip, fresh.id), JobKind.TRANSCODE)
    assert claimed(runtime, clip) is None
    assert claimed(runtime, other) is not None


def test_a_cuts_files_go_only_when_no_publication_names_them(runtime, make):
    clip = make.clip(State.PUBLISHED)
    act(runtime, cuts.replan, clip, by=PROGRAM)
    make.finished_cut(clip)
    with runtime.read() as session:
        assert cuts.to_drop(session) == []
    with runtime.work() as session:
        session.execute(update(Publication).values(deleted_at=cuts.db_now(session)))
    with runtime.work() as session:
        ((old, files),) = cuts.to_drop(session)
        assert (old.number, len(files)) == (1, len(make_names(session, old)))
        cuts.dropped(session, old)
    assert cut(runtime, clip, 1).state == CutState.DROPPED
    with runtime.read() as session:
        assert {one.cut_id for one in session.scalars(select(Rendition))} == {cut(runtime, clip, 2).id}


@pytest.mark.parametrize(("origin", "minutes", "goes"), [
    ("edit", 0.5, False), ("edit", 2, True), ("replan", 2, False), ("replan", 61, True),
])  # fmt: skip
def test_what_an_edit_replaced_goes_after_a_minute_what_a_ladder_replaced_after_an_hour(
    runtime, make, origin, minutes, goes
):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as session:
        newer = cuts.begin(
            session, session.get_one(Clip, clip.id), EditList(start=2.0), origin=origin, by=PROGRAM
        )
        now = cuts.db_now(session)
        session.execute(update(Publication).values(superseded_at=now - timedelta(minutes=minutes)))
        session.add(
            Publication(
                clip_id=clip.id,
                film_id=clip.film_id,
                cut_id=newer.id,
                token="n" * 32,
                created_at=now,
                complete_at=now,
            )
        )
    with runtime.read() as session:
        assert bool(publications.watched_out(session)) is goes


def make_names(session, cut):
    return session.scalars(select(Rendition.name).where(Rendition.cut_id == cut.id)).all()


# What fsck finds ---------------------------------------------------------------------------------------


def found(runtime, *invariants):
    checked = fsck.check(runtime.read, runtime.storage, grace_seconds=0.0)
    return [one for one in checked if one.invariant in invariants and "objects" not in one.detail]


def repaired(runtime, findings):
    return fsck.repair(runtime.work, runtime.storage, findings)


def test_fsck_asks_again_for_a_cut_that_nobody_makes(runtime, make):
    clip = make.clip()
    made = propose(runtime, clip)
    with runtime.work() as session:
        session.execute(update(Job).values(state=JobState.CANCELLED))
    (finding,) = found(runtime, "I13")
    assert finding.subject == made.id
    assert repaired(runtime, [finding]) == 1
    assert claimed(runtime, clip).cut_id == made.id
    assert found(runtime, "I13") == []


def test_fsck_asks_again_for_a_cut_that_waits_without_files(runtime, make):
    clip = make.clip(State.PUBLISHED)
    made = propose(runtime, clip)
    make.finished_cut(clip)
    with runtime.work() as session:
        session.execute(Rendition.__table__.delete().where(Rendition.cut_id == made.id))
    (finding,) = found(runtime, "I13")
    repaired(runtime, [finding])
    assert cut(runtime, clip, 2).state == CutState.MAKING
    assert claimed(runtime, clip).cut_id == made.id


def test_fsck_lets_go_of_a_stranded_cut_that_has_no_use(runtime, make):
    clip = make.clip(State.REJECTED)
    with runtime.work() as session:
        session.add(
            Cut(
                id=secrets.token_hex(16),
                clip_id=clip.id,
                film_id=clip.film_id,
                number=2,
                state=CutState.MAKING,
                created_at=cuts.db_now(session),
            )
        )
    repaired(runtime, found(runtime, "I13"))
    assert cut(runtime, clip, 2).state == CutState.SUPERSEDED


def test_fsck_has_a_public_clip_show_the_cut_that_counts(runtime, make):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    act(runtime, cuts.replan, clip, by=PROGRAM)
    make.finished_cut(clip)
    with runtime.work() as session:
        session.execute(update(Job).where(Job.kind == JobKind.REPUBLISH).values(state=JobState.FAILED))
    (finding,) = [one for one in found(runtime, "I4") if one.repair == "republish"]
    assert clip.id == finding.subject
    repaired(runtime, [finding])
    assert claimed(runtime, clip, JobKind.REPUBLISH) is not None
    assert [one for one in found(runtime, "I4") if one.repair == "republish"] == []


def test_history_says_how_much_and_not_more(runtime, make):
    clip = make.clip()
    propose(runtime, clip)
    with runtime.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.verb == "propose_cut")).one()
    assert event.detail == {"cut": 2, "start": 2.0, "blurs": 1}
