"""What is left of people: nobody behind a slip of the pen, no words behind an erased clip, no flooded mailbox."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import notices, owners, people, review, submission, withdrawal
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, OWNER, Actor, ActorKind, enqueue
from portal.models import Clip, Job, Note, Notice, NoticeState, Person, State
from portal.notices import NoticeKind
from portal.submission import Texts


def edit(runtime, clip, **texts):
    with runtime.work() as session:
        submission.edit(session, session.get_one(Clip, clip.id), Texts(**texts), by=OWNER)


def addresses(session):
    return set(session.scalars(select(Person.email).where(Person.email.is_not(None))))


def test_an_address_that_was_corrected_does_not_stay_behind(runtime, make, session):
    clip = make.clip(State.DRAFT, owner=make.person("lea@mail.exampl"), is_vouched=False)
    edit(runtime, clip, email="lea@mail.example")
    assert addresses(session) == {"lea@mail.example"}


def test_an_address_that_other_clips_belong_to_stays(runtime, make, session):
    owner = make.person("lea@mail.example")
    make.clip(State.PUBLISHED, owner=owner)
    edit(runtime, make.clip(State.DRAFT, owner=owner, is_vouched=False), email="lea@work.example")
    assert addresses(session) == {"lea@mail.example", "lea@work.example"}


def test_staff_who_once_gave_a_clip_keep_their_sign_in(runtime, make, session, moderator):
    edit(runtime, make.clip(State.DRAFT, owner=moderator, is_vouched=False), email="lea@mail.example")
    assert moderator.email in addresses(session)
    with runtime.work() as writing:
        people.forget_if_clipless(writing, moderator.id)
    assert moderator.email in addresses(session)


def test_an_erased_clip_keeps_no_remark_no_complaint_and_sends_no_letter(runtime, make, session, moderator):
    clip = make.clip(State.WITHDRAWN)
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        review.note(
            writing, held, "Nadia habite rue Haute", None, by=Actor(ActorKind.MODERATOR, moderator.id)
        )
        notices.tell(writing, NoticeKind.WITHDRAWN, held, occasion="withdrawn:1")
        writing.execute(update(Notice).values(error_detail="refused: <nadia@mail.example>"))
        withdrawal.erased(writing, held, by=CLOCK)
    assert session.scalars(select(Note.words)).all() == [""]
    letters = session.execute(
        select(Notice.kind, Notice.state, Notice.error_detail).order_by(Notice.id)
    ).all()
    assert [tuple(letter) for letter in letters] == [
        ("withdrawn", NoticeState.CANCELLED, None),
        ("erased", NoticeState.WAITING, None),
    ]


@pytest.mark.parametrize(
    ("state", "days", "is_due"), [("rejected", 31, True), ("rejected", 29, False), ("removed", 31, False)]
)
def test_refused_clips_are_kept_for_thirty_days(runtime, make, session, state, days, is_due):
    clip = make.clip(State(state))
    with runtime.work() as writing:
        writing.execute(update(Clip).values(state_since=db_now(writing) - timedelta(days=days)))
    assert [one.id for one in withdrawal.due_for_erasure(session)] == ([clip.id] if is_due else [])


def test_nobody_can_flood_a_strangers_mailbox(runtime, make, session):
    clip = make.clip(State.DRAFT, owner=make.person("victim@mail.example"))
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        for number in range(notices.UNASKED_A_DAY + 3):
            notices.tell(writing, NoticeKind.FINISH_LATER, held, occasion=f"finish_later:{number}")
    assert len(session.scalars(select(Notice)).all()) == notices.UNASKED_A_DAY


def test_an_erased_clip_keeps_nothing_that_a_film_tool_said_of_its_file(runtime, make, session):
    clip = make.clip(State.WITHDRAWN)
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        job = enqueue(writing, held, JobKind.RETRACT)
        job.error_detail = "Stream #0:0 (title: Nadia, rue Haute)"
        writing.flush()
        withdrawal.erased(writing, held, by=CLOCK)
    assert session.scalars(select(Job.error_detail)).all() == [None]


def test_a_colleague_who_left_is_forgotten_like_any_owner(runtime, session, administrator, moderator):
    with runtime.work() as writing:
        people.remove_staff(writing, moderator.id, by=Actor(ActorKind.ADMIN, administrator.id))
        people.forget_if_clipless(writing, moderator.id)
    assert moderator.email not in addresses(session)


def test_a_colleague_who_left_and_has_no_clip_can_have_everything_erased(
    runtime, session, administrator, moderator
):
    with runtime.work() as writing:
        people.remove_staff(writing, moderator.id, by=Actor(ActorKind.ADMIN, administrator.id))
        owners.erase(writing, writing.get_one(Person, moderator.id), lang="fr")
    assert moderator.email not in addresses(session)
