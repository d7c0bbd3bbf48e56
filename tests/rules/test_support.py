"""Owners who ask to be called: a number at once, support is told, and publication knows nothing of it."""

import pytest
from sqlalchemy import select

from portal import letters, people, review, support, withdrawal
from portal.errors import Code, Conflict, TooMuch, Unacceptable
from portal.lifecycle import OWNER, WORKER
from portal.models import CaseState, Clip, Decision, Notice, NoticeState, State, SupportCase

PHONE = "+33 6 12 34 56 78"


@pytest.fixture
def clip(make):
    return make.clip(State.IN_REVIEW)


def ask(runtime, clip, words="La charge s’arrête à 80 %.", **more):
    given = {"phone": PHONE, "by": OWNER, "support": "support@brand.example", "default_lang": "fr"}
    with runtime.work() as session:
        return support.open_case(session, session.get_one(Clip, clip.id), words=words, **(given | more))


def step(runtime, case, act, *args):
    with runtime.work() as session:
        act(session, session.get_one(SupportCase, case.id), *args)
        return session.get_one(SupportCase, case.id)


def letters_out(runtime):
    with runtime.read() as session:
        return list(session.scalars(select(Notice).where(Notice.kind == "case_opened").order_by(Notice.id)))


def test_a_case_has_a_number_at_once_and_waits(runtime, clip):
    case = ask(runtime, clip)
    assert case.id > 0
    assert case.state == CaseState.OPEN
    with runtime.read() as session:
        assert support.open_count(session) == 1


def test_support_is_told_by_one_letter_that_says_how_to_reach_the_owner(runtime, clip):
    case = ask(runtime, clip)
    (notice,) = letters_out(runtime)
    assert notice.address == "support@brand.example"
    assert PHONE not in str(notice.facts)
    site = runtime.settings.site
    with runtime.work() as session:
        notice = session.get_one(Notice, notice.id)
        mail = letters.compose(
            session,
            notice,
            site=site,
            link=letters.action_link(session, notice, site=site),
            inbox="films@brand.example",
        )
        email = people.names(session, {clip.owner_id})[clip.owner_id]
    assert f"n° {case.id}" in mail.subject
    assert "Bonjour,\n" in mail.text
    for part in (PHONE, "La charge s’arrête à 80 %.", email, f"http://portal.test/studio/support/{case.id}"):
        assert part in mail.text
    # Support answers to the owner, not into the thread in the owner's name.
    assert mail.reply_to == email


def test_without_an_address_for_support_every_administrator_is_told_and_no_moderator(
    runtime, clip, administrator, moderator, make
):
    second = make.person("bob@brand.example", role="admin")
    ask(runtime, clip, support="")
    assert {one.person_id for one in letters_out(runtime)} == {administrator.id, second.id}


def test_the_same_form_sent_twice_is_one_case_and_one_letter(runtime, clip):
    first, second = (ask(runtime, clip, token="form-1") for _ in range(2))
    assert first.id == second.id
    assert len(letters_out(runtime)) == 1


@pytest.mark.parametrize(
    ("words", "phone", "faults"),
    [
        (" ", " ", {"words": Code.REQUIRED}),
        ("a" * 2001, "", {"words": Code.TOO_LONG_TEXT}),
        ("Bonjour", "appelez-moi", {"phone": Code.WRONG_PHONE}),
        ("Bonjour", "1" * 41, {"phone": Code.WRONG_PHONE}),
    ],
)
def test_what_cannot_be_a_request_is_refused_by_field(runtime, clip, words, phone, faults):
    with pytest.raises(Unacceptable) as caught:
        ask(runtime, clip, words, phone=phone)
    assert caught.value.fields == faults


@pytest.mark.parametrize("phone", ["", "0612345678", "+49 (0)30 901820 ext. 12", "00 352/26.47-1"])
def test_a_number_is_written_as_people_write_it_or_left_out(runtime, clip, phone):
    assert ask(runtime, clip, phone=phone).phone == phone


def test_an_owner_who_floods_is_asked_to_wait(runtime, clip):
    for number in range(support.MOST_A_DAY):
        ask(runtime, clip, f"appel {number}")
    with pytest.raises(TooMuch):
        ask(runtime, clip, "encore")


def test_of_two_who_take_a_call_at_once_one_gets_it(runtime, clip, moderator, administrator):
    case = ask(runtime, clip)
    taken = step(runtime, case, support.take, moderator)
    assert (taken.state, taken.taken_by_id) == (CaseState.TAKEN, moderator.id)
    with pytest.raises(Conflict):
        step(runtime, case, support.take, administrator)
    assert step(runtime, case, support.let_go).state == CaseState.OPEN


def test_a_solved_case_says_what_was_done_and_forgets_the_number(runtime, clip, moderator):
    case = ask(runtime, clip)
    solved = step(runtime, case, support.solve, "Rendez-vous au garage de Grenoble", moderator)
    assert (solved.state, solved.phone, solved.outcome) == ("solved", "", "Rendez-vous au garage de Grenoble")
    assert solved.solved_at is not None
    with pytest.raises(Conflict):
        step(runtime, case, support.solve, "encore", moderator)


def test_a_case_is_not_solved_without_a_word(runtime, clip, moderator):
    case = ask(runtime, clip)
    with pytest.raises(Unacceptable):
        step(runtime, case, support.solve, "  ", moderator)


def test_who_waits_longest_comes_first_and_solved_ones_stand_apart(runtime, make, moderator):
    cases = [ask(runtime, make.clip()) for _ in range(3)]
    step(runtime, cases[1], support.solve, "fait", moderator)
    with runtime.read() as session:
        assert [case.id for case, _ in support.listed(session)] == [cases[0].id, cases[2].id]
        assert [case.id for case, _ in support.listed(session, (CaseState.SOLVED,))] == [cases[1].id]
        assert support.counts(session) == {"open": 2, "solved": 1}


def seen(runtime, clip):
    """Everything of a clip that review and publication look at."""
    with runtime.read() as session:
        row = session.get_one(Clip, clip.id)
        return (
            {column.key: getattr(row, column.key) for column in Clip.__table__.columns},
            [one.clip.id for one in review.queue(session)],
            [(one.verb, one.clip_version) for one in session.scalars(select(Decision))],
        )


@pytest.mark.parametrize("state", [State.IN_REVIEW, State.CHANGES_REQUESTED, State.PUBLISHED, State.REJECTED])
def test_nothing_about_a_case_changes_the_clip_its_place_in_the_queue_or_its_decisions(
    runtime, make, moderator, state
):
    clip = make.clip(state)
    make.clip(State.IN_REVIEW)
    before = seen(runtime, clip)
    case = ask(runtime, clip)
    assert seen(runtime, clip) == before
    step(runtime, case, support.take, moderator)
    assert seen(runtime, clip) == before
    step(runtime, case, support.solve, "rappelé", moderator)
    assert seen(runtime, clip) == before


def test_a_clip_with_an_open_case_is_approved_like_any_other_on_the_page_opened_before(
    runtime, clip, moderator
):
    ask(runtime, clip)
    with runtime.work() as session:
        row = session.get_one(Clip, clip.id)
        # The version that was seen before the owner asked.
        review.approve(session, row, by=people.actor_of(moderator), seen_version=clip.version)
        assert row.state == State.APPROVED


def test_of_an_erased_clip_a_case_keeps_nothing_but_its_number_and_ends(runtime, make):
    clip = make.clip(State.WITHDRAWN)
    case = ask(runtime, clip, token="form-1")
    with runtime.work() as session:
        withdrawal.erased(session, session.get_one(Clip, clip.id), by=WORKER)
    with runtime.read() as session:
        kept = session.get_one(SupportCase, case.id)
    assert (kept.words, kept.phone, kept.outcome, kept.once, kept.state) == ("", "", "", None, "solved")
    assert {one.state for one in letters_out(runtime)} == {NoticeState.CANCELLED}


def test_nobody_is_called_about_an_erased_clip(runtime, make):
    with pytest.raises(Conflict):
        ask(runtime, make.clip(State.ERASED))
