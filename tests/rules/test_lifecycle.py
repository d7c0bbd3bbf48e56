"""Every verb from every state; who wins when two move at once; what leaving a state ends."""

import threading

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DatabaseError

from portal import lifecycle
from portal.errors import Conflict
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, OWNER, TRANSITIONS, WORKER
from portal.models import AuditEvent, Clip, Job, JobState, State


@pytest.mark.parametrize("verb", sorted(TRANSITIONS))
def test_a_verb_moves_from_its_sources_and_from_nowhere_else(verb, runtime, make):
    transition = TRANSITIONS[verb]
    for state in State:
        clip = make.clip(state)
        with runtime.work() as session:
            mine = session.get_one(Clip, clip.id)
            if state in transition.sources:
                lifecycle.move(session, mine, verb, by=WORKER)
                assert mine.state == transition.target
                assert mine.version == clip.version + 1
            else:
                with pytest.raises(Conflict):
                    lifecycle.move(session, mine, verb, by=WORKER)
                assert mine.state == state


def test_a_move_writes_one_audit_row_with_both_states(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        lifecycle.move(session, session.get_one(Clip, clip.id), "reject", by=CLOCK, detail={"why": "test"})
    with runtime.read() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.clip_id == clip.id))
    assert (event.verb, event.from_state, event.to_state) == ("reject", "in_review", "rejected")
    assert event.detail == {"why": "test"}


def test_a_stale_version_is_refused_and_nothing_is_written(runtime, make):
    clip = make.clip(State.IN_REVIEW, version=4)
    with pytest.raises(Conflict), runtime.work() as session:
        lifecycle.move(session, session.get_one(Clip, clip.id), "approve", by=WORKER, seen_version=3)
    with runtime.read() as session:
        assert session.get_one(Clip, clip.id).state == State.IN_REVIEW
        assert not session.scalars(select(AuditEvent).where(AuditEvent.clip_id == clip.id)).all()


def test_of_many_who_move_at_once_exactly_one_wins(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    outcomes: list[str] = []
    start = threading.Barrier(6)

    def decide(verb):
        with runtime.sessions() as own:
            seen = own.get_one(Clip, clip.id).version
        start.wait()
        try:
            with runtime.work() as session:
                mine = session.get_one(Clip, clip.id)
                lifecycle.move(session, mine, verb, by=WORKER, seen_version=seen)
            outcomes.append("won")
        except Conflict:
            outcomes.append("lost")

    threads = [threading.Thread(target=decide, args=(verb,)) for verb in ("approve", "reject") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 5 + ["won"]
    with runtime.read() as session:
        assert len(session.scalars(select(AuditEvent).where(AuditEvent.clip_id == clip.id)).all()) == 1


def test_bells_ring_after_the_commit_and_not_at_all_when_the_work_is_undone(runtime, make, bells):
    clip = make.clip(State.IN_REVIEW)
    with pytest.raises(RuntimeError), runtime.work() as session:
        lifecycle.move(session, session.get_one(Clip, clip.id), "approve", by=WORKER)
        raise RuntimeError
    assert bells == []
    with runtime.work() as session:
        lifecycle.move(session, session.get_one(Clip, clip.id), "approve", by=WORKER, delay=10)
        assert bells == []
    assert [(bell.kind, bell.delay) for bell in bells] == [(JobKind.PUBLISH, 10)]


def test_leaving_a_state_cancels_the_work_it_had_asked_for(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        lifecycle.move(session, session.get_one(Clip, clip.id), "approve", by=WORKER)
    with runtime.work() as session:
        lifecycle.move(session, session.get_one(Clip, clip.id), "withdraw", by=OWNER)
    with runtime.read() as session:
        jobs = {job.kind: job.state for job in session.scalars(select(Job).where(Job.clip_id == clip.id))}
    assert jobs == {JobKind.PUBLISH: JobState.CANCELLED, JobKind.RETRACT: JobState.QUEUED}


def test_the_database_itself_refuses_to_change_the_audit_trail(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        lifecycle.move(session, session.get_one(Clip, clip.id), "reject", by=CLOCK)
    with pytest.raises(DatabaseError, match="append-only"), runtime.work() as session:
        session.execute(update(AuditEvent).values(verb="approve"))
