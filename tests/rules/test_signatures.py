"""Other people in a film: who is asked, what they answer, and what hangs on it."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import asking, consent, letters, review, signatures
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import OWNER
from portal.models import (
    AuditEvent,
    Clip,
    CoAnswer,
    ConsentText,
    CoSignature,
    Decision,
    Job,
    Notice,
    NoticeState,
    SignatureState,
    State,
)
from portal.notices import NoticeKind
from portal.signatures import Named
from tests.rules.agreeing import BY, LEO, MALIK, named_as, respond, send_another

KEY = "a secret key for tests, long enough"


def approve(runtime, clip):
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        review.approve(session, held, by=BY, seen_version=held.version)


def test_a_clip_waits_until_everybody_has_agreed(runtime, named):
    clip, rows = named(MALIK, Named("Ada"))
    respond(runtime, rows["Malik"])
    with pytest.raises(Conflict) as refused:
        approve(runtime, clip)
    assert (refused.value.code, refused.value.facts["names"]) == (Code.SIGNATURES_WAITING, ["Ada"])
    respond(runtime, rows["Ada"])
    approve(runtime, clip)


def test_a_refusal_blocks_the_clip_and_the_owner_is_told(runtime, named, session):
    clip, rows = named(MALIK)
    respond(runtime, rows["Malik"], "refuse")
    with pytest.raises(Conflict) as refused:
        approve(runtime, clip)
    assert refused.value.code == Code.SIGNATURE_REFUSED
    letter = session.scalars(select(Notice).where(Notice.kind == NoticeKind.CO_SIGNATURE_REFUSED)).one()
    assert (letter.person_id, letter.facts["name"]) == (clip.owner_id, "Malik")
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


def test_whoever_refused_may_agree_later(runtime, named):
    clip, rows = named(MALIK)
    respond(runtime, rows["Malik"], "refuse")
    assert respond(runtime, rows["Malik"]) is True
    approve(runtime, clip)


def test_answering_twice_is_answering_once(runtime, named, session):
    _clip, rows = named(MALIK)
    assert [respond(runtime, rows["Malik"]) for _press in range(2)] == [True, False]
    assert len(session.scalars(select(AuditEvent).where(AuditEvent.verb == "cosign_agree")).all()) == 1


@pytest.mark.parametrize("state", [State.PUBLISHED, State.APPROVED])
def test_taking_an_agreement_back_takes_the_clip_out_of_sight_and_tells_owner_and_staff(
    runtime, named, make, session, state
):
    colleague = make.person("ines@brand.example", role="moderator")
    clip, rows = named(MALIK, state=state)
    respond(runtime, rows["Malik"])
    respond(runtime, rows["Malik"], "refuse")
    assert session.get_one(Clip, clip.id).state == State.REMOVED
    assert session.scalars(select(Job.kind).where(Job.clip_id == clip.id, Job.kind == "retract")).one()
    told = {(one.kind, one.person_id) for one in session.scalars(select(Notice))}
    assert (NoticeKind.CO_SIGNATURE_REFUSED, clip.owner_id) in told
    assert (NoticeKind.CO_SIGNATURE_TAKEN_BACK, colleague.id) in told
    decision = session.scalars(select(Decision)).one()
    assert (decision.verb, decision.moderator_id, [one.code for one in decision.reasons]) == (
        "unpublish", None, ["person"],
    )  # fmt: skip


def test_an_agreement_keeps_the_text_the_link_and_the_network(runtime, named, session):
    _clip, rows = named(MALIK)
    proof = consent.proof_of(token="t" * 43, address="203.0.113.77", agent="Phone/1", lang="de")
    respond(runtime, rows["Malik"], proof=proof)
    row = session.get_one(CoSignature, rows["Malik"])
    text = session.get_one(ConsentText, row.text_id)
    assert (text.purpose, text.lang) == ("appear", "de")
    assert (row.address, row.agent, len(row.link)) == ("203.0.113.0/24", "Phone/1", 16)
    assert row.state == SignatureState.AGREED


def test_for_a_minor_the_guardian_signs_a_text_of_its_own(runtime, named, session):
    _clip, rows = named(LEO)
    with pytest.raises(Unacceptable) as refused:
        respond(runtime, rows["Léo"])
    assert refused.value.fields == {"guardian": Code.REQUIRED}
    respond(runtime, rows["Léo"], guardian="  Nadia   Haddad ")
    row = session.get_one(CoSignature, rows["Léo"])
    assert (row.guardian, session.get_one(ConsentText, row.text_id).purpose) == ("Nadia Haddad", "guardian")


def test_words_that_changed_while_the_page_was_open_are_not_agreed_to(runtime, named):
    _clip, rows = named(MALIK)
    with pytest.raises(Conflict) as refused:
        respond(runtime, rows["Malik"], seen="0" * 64)
    assert refused.value.code == Code.TEXT_CHANGED


def test_a_changed_list_asks_only_the_new_ones(runtime, named, session):
    clip, rows = named(MALIK, LEO)
    respond(runtime, rows["Malik"])
    with runtime.work() as writing:
        signatures.declare(writing, writing.get_one(Clip, clip.id), [Named("Ada"), MALIK])
    found = signatures.of(session, clip)
    assert [(one.name, one.state) for one in found] == [("Ada", "waiting"), ("Malik", "agreed")]


def test_whoever_refused_stays_on_the_list_until_another_film_comes(runtime, named, make, session):
    clip, rows = named(MALIK)
    respond(runtime, rows["Malik"], "refuse")
    named_as(runtime, clip)
    assert len(signatures.of(session, clip)) == 1
    session.rollback()
    send_another(runtime, make, clip)
    named_as(runtime, clip)
    assert signatures.of(session, clip) == []


def test_a_no_said_before_the_first_film_could_be_watched_is_a_no_to_it(runtime, named, make, session):
    clip, rows = named(MALIK, state=State.PROCESSING)
    make.film(clip, 1)
    respond(runtime, rows["Malik"], "refuse")
    named_as(runtime, clip)
    assert len(signatures.of(session, clip)) == 1


def test_letters_leave_once_and_only_for_clips_that_can_be_watched(runtime, named, session):
    named(MALIK, state=State.PROCESSING)
    clip, rows = named(Named("Ada", "ada@mail.example"), LEO)
    assert [asking.ask_waiting(runtime.work) for _sweep in range(2)] == [1, 0]
    letter = session.scalars(select(Notice)).one()
    assert (letter.address, letter.about, letter.clip_id) == ("ada@mail.example", rows["Ada"], clip.id)
    session.rollback()
    with runtime.work() as writing:
        row = writing.get_one(CoSignature, rows["Ada"])
        row.asked_at = db_now(writing) - timedelta(days=1)
    pressed = []
    for _press in range(2):
        with runtime.work() as writing:
            held, row = writing.get_one(Clip, clip.id), writing.get_one(CoSignature, rows["Ada"])
            pressed.append(asking.ask(writing, held, row, by=OWNER))
    assert pressed == [True, False]


def test_one_address_is_not_flooded_and_others_are_not_held_up(runtime, named, session):
    for _clip in range(4):
        named(MALIK, Named("Malik encore", MALIK.email))
    named(Named("Ada", "ada@mail.example"))
    asking.ask_waiting(runtime.work, at_most=8)
    asking.ask_waiting(runtime.work, at_most=8)
    addresses = [one.address for one in session.scalars(select(Notice))]
    assert (addresses.count(MALIK.email), addresses.count("ada@mail.example")) == (
        asking.LETTERS_A_DAY,
        1,
    )


def test_the_link_of_a_letter_stays_the_same_when_it_is_written_again(runtime, named):
    named(MALIK)
    asking.ask_waiting(runtime.work)
    links = set()
    for _attempt in range(2):
        with runtime.work() as session:
            notice = session.scalars(select(Notice)).one()
            links.add(letters.action_link(session, notice, site=runtime.settings.site))
    (link,) = links
    with runtime.read() as session:
        row, _clip = signatures.by_link(session, link.rpartition("/")[2])
        assert row.name == "Malik"
        assert link.rpartition("/")[2] not in str(row.token_hash)


def test_nobody_but_the_owner_is_given_the_address_under_which_owners_answer(runtime, named, session):
    clip, rows = named(MALIK)
    asking.ask_waiting(runtime.work)
    respond(runtime, rows["Malik"], "refuse")
    mails = {
        notice.kind: letters.compose(
            session,
            notice,
            site=runtime.settings.site,
            link="http://portal.test/x",
            inbox="films@portal.test",
        )
        for notice in session.scalars(select(Notice))
    }
    assert mails[NoticeKind.CO_SIGNATURE].reply_to == ""
    assert clip.id in mails[NoticeKind.CO_SIGNATURE_REFUSED].reply_to
    assert "Bonjour Malik," in mails[NoticeKind.CO_SIGNATURE].text


def test_an_owner_gets_the_link_only_of_whoever_has_no_address(runtime, named):
    clip, rows = named(MALIK, LEO)
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        token = signatures.hand_on(session, held, rows["Léo"], key=KEY, by=OWNER)
        assert signatures.by_link(session, token)[0].name == "Léo"
        with pytest.raises(Conflict):
            signatures.hand_on(session, held, rows["Malik"], key=KEY, by=OWNER)


def test_nobody_reaches_the_people_of_another_clip(runtime, named, make):
    (_clip, rows), stranger = named(LEO), make.clip()
    with runtime.work() as session:
        other = session.get_one(Clip, stranger.id)
        with pytest.raises(Missing):
            signatures.hand_on(session, other, rows["Léo"], key=KEY, by=OWNER)


def test_a_letter_to_somebody_taken_off_the_list_does_not_leave(runtime, named, session):
    clip, _rows = named(MALIK)
    asking.ask_waiting(runtime.work)
    with runtime.work() as writing:
        signatures.declare(writing, writing.get_one(Clip, clip.id), [])
    letter = session.scalars(select(Notice)).one()
    assert (letter.state, letter.address) == (NoticeState.CANCELLED, None)


def test_after_a_withdrawal_nothing_is_answered_any_more(runtime, named):
    _clip, rows = named(MALIK, state=State.WITHDRAWN)
    with pytest.raises(Conflict):
        respond(runtime, rows["Malik"])


def test_the_tally_counts_by_clip(runtime, named, session):
    clip, rows = named(MALIK, LEO)
    respond(runtime, rows["Malik"])
    assert signatures.tallies(session, [clip]) == {clip.id: signatures.Tally(2, 1, 0)}


@pytest.mark.parametrize(
    ("person", "code"),
    [
        (Named(" "), Code.REQUIRED),
        (Named("x" * 81), Code.TOO_LONG_TEXT),
        (Named("Malik", "no address"), Code.WRONG_EMAIL),
    ],
)
def test_people_who_cannot_be_asked_are_named_as_a_fault(person, code):
    assert signatures.faults([person]) == {"people": code}


# What stays of an answer ---------------------------------------------------------------------------------


def test_every_answer_is_kept_as_it_was_given(runtime, named, session):
    clip, rows = named(MALIK)
    for answer, agent in (("agree", "Phone/1"), ("refuse", "Desk/2"), ("agree", "Desk/2")):
        respond(runtime, rows["Malik"], answer, proof=consent.proof_of(agent=agent, lang="de"))
    kept = signatures.answers(session, session.get_one(Clip, clip.id))
    assert [(one.answer, one.agent, one.text_id is not None) for one in kept] == [
        ("agreed", "Phone/1", True), ("refused", "Desk/2", False), ("agreed", "Desk/2", True),
    ]  # fmt: skip
    assert {one.film_id for one in kept} == {clip.film_id}


def test_whoever_was_asked_and_is_left_out_stays_on_the_record(runtime, named, session):
    clip, rows = named(MALIK, Named("Ada", "ada@mail.example"))
    asking.ask_waiting(runtime.work, at_most=1)
    (asked,) = session.scalars(select(CoSignature.name).where(CoSignature.asked_at.is_not(None)))
    session.rollback()
    named_as(runtime, clip)
    held = session.get_one(Clip, clip.id)
    assert signatures.of(session, held) == []
    assert [one.name for one in signatures.dropped(session, held)] == [asked]
    events = session.scalars(select(AuditEvent).where(AuditEvent.verb == "cosign_drop")).all()
    assert [one.detail for one in events] == [{"signature": rows[asked], "answer": "waiting"}]


def test_the_same_person_named_again_has_answered_already(runtime, named, session):
    clip, rows = named(MALIK)
    respond(runtime, rows["Malik"])
    named_as(runtime, clip)
    named_as(runtime, clip, MALIK)
    (row,) = signatures.of(session, session.get_one(Clip, clip.id))
    assert (row.id, row.state) == (rows["Malik"], "agreed")


def test_who_was_asked_at_an_address_is_not_named_again_without_one(runtime, named):
    clip, _rows = named(MALIK)
    asking.ask_waiting(runtime.work)
    for people in ([Named("malik")], []):
        if not people:
            named_as(runtime, clip)
        with pytest.raises(Unacceptable) as refused:
            named_as(runtime, clip, Named("malik"))
        assert refused.value.fields == {"people": Code.ALREADY_ASKED}
    named_as(runtime, clip, Named("Malik", "malik.haddad@mail.example"))


def test_a_no_of_somebody_left_out_is_kept_and_holds_nothing_back(runtime, named, session):
    clip, rows = named(MALIK)
    asking.ask_waiting(runtime.work)
    named_as(runtime, clip)
    respond(runtime, rows["Malik"], "refuse")
    assert [one.answer for one in session.scalars(select(CoAnswer))] == ["refused"]
    assert [one.state for one in signatures.dropped(session, session.get_one(Clip, clip.id))] == ["refused"]
    session.rollback()
    approve(runtime, clip)
    # The clip is to be public all the same: the no counts once more, and takes it down.
    assert [respond(runtime, rows["Malik"], "refuse") for _press in range(2)] == [True, False]
    assert session.get_one(Clip, clip.id).state == State.REMOVED
