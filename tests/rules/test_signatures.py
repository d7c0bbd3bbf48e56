"""Other people in a film: who is asked, what they answer, and what hangs on it."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import consent, letters, review, signatures
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import (
    AuditEvent,
    Clip,
    ConsentText,
    CoSignature,
    Decision,
    Film,
    Job,
    Notice,
    NoticeState,
    SignatureState,
    State,
)
from portal.notices import NoticeKind
from portal.signatures import Named

KEY = "a secret key for tests, long enough"
MALIK, LEO = Named("Malik", "malik@mail.example"), Named("Léo", None, is_minor=True)
BY = Actor(ActorKind.MODERATOR)


@pytest.fixture
def named(runtime, make):
    """Names people for a clip in a state: the clip's id and its rows by name."""

    def name(*people, state=State.IN_REVIEW, **columns):
        clip = make.clip(state, **columns)
        with runtime.work() as session:
            held = session.get_one(Clip, clip.id)
            signatures.declare(session, held, people)
            return clip, {row.name: row.id for row in signatures.of(session, held)}

    return name


def respond(runtime, row_id, answer="agree", **more):
    with runtime.work() as session:
        row = session.get_one(CoSignature, row_id)
        proof = more.pop("proof", consent.NO_PROOF)
        if answer == "refuse":
            return signatures.refuse(session, row, proof=proof)
        return signatures.agree(session, row, proof=proof, brand="Solène", **more)


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


def test_whoever_refused_stays_on_the_list_until_another_film_comes(runtime, named, session):
    clip, rows = named(MALIK)
    respond(runtime, rows["Malik"], "refuse")
    for expected in (1, 0):
        with runtime.work() as writing:
            signatures.declare(writing, writing.get_one(Clip, clip.id), [])
            assert len(signatures.of(writing, clip)) == expected
            later = db_now(writing) + timedelta(hours=1)
            writing.execute(update(Film).where(Film.clip_id == clip.id).values(received_at=later))


def test_letters_leave_once_and_only_for_clips_that_can_be_watched(runtime, named, session):
    named(MALIK, state=State.PROCESSING)
    clip, rows = named(Named("Ada", "ada@mail.example"), LEO)
    assert [signatures.ask_waiting(runtime.work) for _sweep in range(2)] == [1, 0]
    letter = session.scalars(select(Notice)).one()
    assert (letter.address, letter.about, letter.clip_id) == ("ada@mail.example", rows["Ada"], clip.id)


def test_one_address_is_not_flooded_and_others_are_not_held_up(runtime, named, session):
    for _clip in range(4):
        named(MALIK, Named("Malik encore", MALIK.email))
    named(Named("Ada", "ada@mail.example"))
    signatures.ask_waiting(runtime.work, at_most=8)
    signatures.ask_waiting(runtime.work, at_most=8)
    addresses = [one.address for one in session.scalars(select(Notice))]
    assert (addresses.count(MALIK.email), addresses.count("ada@mail.example")) == (
        signatures.LETTERS_A_DAY,
        1,
    )


def test_the_link_of_a_letter_stays_the_same_when_it_is_written_again(runtime, named):
    named(MALIK)
    signatures.ask_waiting(runtime.work)
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
    signatures.ask_waiting(runtime.work)
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
    signatures.ask_waiting(runtime.work)
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
