"""Whose clip it is: an address is confirmed for one clip, changed by nobody who merely has a link, asked for before approving."""

import dataclasses

import pytest
from sqlalchemy import func, select

from portal import letters, notices, people, quotas, readiness, review, submission
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Campaign, Clip, ClipLink, Notice, NoticeState, Person, State
from portal.notices import NoticeKind
from portal.ownership import Access
from portal.submission import Texts

LEA = "lea@mail.example"
MODERATOR = Actor(ActorKind.MODERATOR, 1)


@pytest.fixture
def settings(settings):
    """A portal that has addresses confirmed, as it is by default."""
    return dataclasses.replace(settings, site=dataclasses.replace(settings.site, confirms_email=True))


@pytest.fixture
def lea(make):
    """Somebody who confirmed her address for a clip of last year."""
    return make.person(LEA)


def begin(runtime, make, email=LEA, **more):
    campaign = make.campaign()
    texts = Texts(email=email, first_name="Léa", title="Le Galibier", speech_lang="fr")
    with runtime.work() as session:
        return submission.begin(
            session, session.get_one(Campaign, campaign.id), lang="fr", texts=texts, consents=("site", "adult"),
            channel="site", by=OWNER, site=runtime.settings.site, **more,
        )  # fmt: skip


def waiting(make, owner, **columns):
    """A clip that lacks nothing but its owner's click."""
    clip = make.clip(State.PROCESSING, owner=owner, is_vouched=False, **columns)
    make.film(clip, 1, is_ready=True)
    return clip


def change(runtime, clip, email, **access):
    with runtime.work() as session:
        mine = session.get_one(Clip, clip.id)
        return submission.edit(session, mine, Texts(email=email), by=OWNER, access=Access(**access))


def state_of(session, clip):
    session.rollback()
    return session.get_one(Clip, clip.id).state


def approve(runtime, clip, **more):
    with runtime.work() as session:
        mine = session.get_one(Clip, clip.id)
        return review.approve(session, mine, by=MODERATOR, seen_version=mine.version, **more)


# Confirmed for one clip --------------------------------------------------------------------------------


def test_a_stranger_who_types_a_known_address_waits_for_its_owner(runtime, make, lea, session):
    clip, _token = begin(runtime, make, lea.email)
    assert readiness.missing(session, clip) == ["email_confirmation", "film"]


def test_what_is_missing_does_not_tell_whether_an_address_is_known(runtime, make, lea, session):
    known, _token = begin(runtime, make, lea.email)
    unknown, _token = begin(runtime, make, "nobody@mail.example")
    assert readiness.missing(session, known) == readiness.missing(session, unknown)


def test_one_click_lets_one_clip_go_on_and_no_other_under_the_same_address(runtime, make, lea, session):
    mine, another = waiting(make, lea), waiting(make, lea)
    token = make.link(mine, mailed_to=lea.id)
    with runtime.work() as work:
        submission.confirm(work, work.get_one(Clip, mine.id), token, by=OWNER)
    assert (state_of(session, mine), state_of(session, another)) == (State.IN_REVIEW, State.PROCESSING)


def test_the_click_works_again_for_a_clip_that_is_vouched_for_and_was_left_behind(
    runtime, make, lea, session
):
    clip = waiting(make, lea)
    token = make.link(clip, mailed_to=lea.id)
    with runtime.work() as work:
        work.get_one(Clip, clip.id).is_vouched = True
    with runtime.work() as work:
        submission.confirm(work, work.get_one(Clip, clip.id), token, by=OWNER)
    assert state_of(session, clip) == State.IN_REVIEW


def test_whoever_begins_while_signed_in_as_the_owner_need_not_confirm(runtime, make, lea, session):
    clip, _token = begin(runtime, make, lea.email, inside=lea.id)
    assert readiness.missing(session, clip) == ["film"]


def test_being_signed_in_as_somebody_else_confirms_nothing(runtime, make, lea, session):
    clip, _token = begin(runtime, make, lea.email, inside=make.person().id)
    assert "email_confirmation" in readiness.missing(session, clip)


def test_the_owner_who_writes_to_a_waiting_clip_while_signed_in_answers_for_it(runtime, make, lea, session):
    clip = waiting(make, lea)
    change(runtime, clip, lea.email, inside=lea.id)
    assert state_of(session, clip) == State.IN_REVIEW


def test_what_strangers_send_under_an_address_takes_no_room_from_its_owner(runtime, make, lea, session):
    mine = make.clip(State.DRAFT, owner=lea)
    before = quotas.left(session, mine, most=10**9)
    session.rollback()
    waiting(make, lea)
    assert quotas.left(session, mine, most=10**9) == before


# Another address ---------------------------------------------------------------------------------------


def test_a_link_alone_does_not_change_an_address_that_was_confirmed(runtime, make, lea, session):
    clip = make.clip(State.IN_REVIEW, owner=lea)
    with pytest.raises(Unacceptable) as refused:
        change(runtime, clip, "thief@mail.example")
    assert refused.value.fields == {"email": Code.EMAIL_SETTLED}
    assert session.get_one(Clip, clip.id).owner_id == lea.id


def test_the_owner_who_is_signed_in_changes_it_and_the_new_one_waits_to_be_confirmed(
    runtime, make, lea, session
):
    clip = make.clip(State.IN_REVIEW, owner=lea)
    assert change(runtime, clip, "lea@new.example", inside=lea.id) == ["email"]
    assert readiness.missing(session, session.get_one(Clip, clip.id)) == ["email_confirmation"]


def test_the_former_address_is_told_even_when_nothing_else_is_known_of_it(runtime, make, lea, session):
    clip = make.clip(State.IN_REVIEW, owner=lea)
    change(runtime, clip, "lea@new.example", inside=lea.id)
    assert session.get_one(Person, lea.id).email is None
    told = session.scalars(select(Notice).where(Notice.kind == NoticeKind.ADDRESS_CHANGED)).one()
    assert (told.address, told.clip_id, told.state) == (LEA, clip.id, NoticeState.WAITING)
    with runtime.work() as work:
        link = letters.action_link(work, work.get_one(Notice, told.id), site=runtime.settings.site)
    assert link == "http://portal.test/fr/pages/legal"


def test_the_letter_to_the_former_address_says_nothing_of_the_new_owner(runtime, make, lea, session):
    clip = make.clip(State.IN_REVIEW, owner=lea)
    texts = Texts(email="nora@new.example", first_name="Nora", title="Chez Nora")
    with runtime.work() as work:
        submission.edit(work, work.get_one(Clip, clip.id), texts, by=OWNER, access=Access(inside=lea.id))
    told = session.scalars(select(Notice).where(Notice.kind == NoticeKind.ADDRESS_CHANGED)).one()
    mail = letters.compose(session, told, site=runtime.settings.site, link="http://portal.test/")
    assert "Nora" not in mail.subject + mail.text + mail.html


def test_links_that_went_to_the_former_address_end_but_for_the_one_in_use(runtime, make, lea, session):
    clip = make.clip(State.IN_REVIEW, owner=lea)
    in_use, forwarded = make.link(clip, mailed_to=lea.id), make.link(clip, mailed_to=lea.id)
    change(runtime, clip, "lea@new.example", inside=lea.id, link=in_use)
    assert submission.by_link(session, in_use).id == clip.id
    with pytest.raises(Missing):
        submission.by_link(session, forwarded)


def test_a_slip_of_the_pen_is_put_right_by_the_link_and_its_letters_open_nothing(runtime, make, session):
    clip, token = begin(runtime, make, "lea@gmial.example")
    wrong = session.get_one(Person, clip.owner_id)
    astray = make.link(clip, mailed_to=wrong.id)
    change(runtime, clip, LEA, link=token)
    assert submission.by_link(session, token).id == clip.id
    with pytest.raises(Missing):
        submission.by_link(session, astray)
    assert session.scalar(select(func.count()).select_from(ClipLink)) == 1


def test_letters_on_their_way_to_the_former_address_do_not_leave(runtime, make, session):
    clip, token = begin(runtime, make, "lea@gmial.example")
    with runtime.work() as work:
        mine = work.get_one(Clip, clip.id)
        on_its_way = notices.tell(work, NoticeKind.FINISH_LATER, mine, occasion="one")
        in_hand = notices.tell(work, NoticeKind.RECEIVED, mine, occasion="two")
        in_hand.state = NoticeState.SENDING
    change(runtime, clip, LEA, link=token)
    assert session.get_one(Notice, on_its_way.id).state == NoticeState.CANCELLED
    with pytest.raises(Missing), runtime.work() as work:
        letters.action_link(work, work.get_one(Notice, in_hand.id), site=runtime.settings.site)


def test_a_question_that_waited_for_the_former_owner_may_be_asked_of_the_new_one(runtime, make, session):
    clip, token = begin(runtime, make, "lea@gmial.example")
    for _owner in range(2):
        with runtime.work() as work:
            notices.tell(work, NoticeKind.RENEWAL, work.get_one(Clip, clip.id), occasion="renewal:this-term")
        change(runtime, clip, LEA, link=token)
    asked = select(Notice.state).where(Notice.kind == NoticeKind.RENEWAL).order_by(Notice.id)
    assert session.scalars(asked).all() == [NoticeState.CANCELLED, NoticeState.WAITING]


def test_an_invited_guest_may_still_type_another_address_before_agreeing_to_anything(
    runtime, make, lea, session
):
    clip = make.clip(State.DRAFT, owner=lea, consents=())
    assert change(runtime, clip, "lea@work.example") == ["email"]
    assert "email_confirmation" in readiness.missing(session, session.get_one(Clip, clip.id))


def test_taking_an_agreement_back_does_not_open_the_address_again(runtime, make, lea):
    clip = make.clip(State.CHANGES_REQUESTED, owner=lea)
    with runtime.work() as work:
        mine, site = work.get_one(Clip, clip.id), runtime.settings.site
        submission.agree(work, mine, (), by=OWNER, site=site, taken_back={"site"})
    with pytest.raises(Unacceptable):
        change(runtime, clip, "thief@mail.example")


def test_a_program_changes_the_address_and_answers_for_the_new_one(runtime, make, lea, session):
    clip = make.clip(State.IN_REVIEW, owner=lea)
    change(runtime, clip, "lea@new.example", vouches=True)
    assert readiness.missing(session, session.get_one(Clip, clip.id)) == []


# Approving ---------------------------------------------------------------------------------------------


def test_a_clip_given_to_another_address_in_review_is_not_approved_before_that_one_confirms(
    runtime, make, lea, session
):
    clip = make.clip(State.IN_REVIEW, owner=lea)
    change(runtime, clip, "lea@new.example", inside=lea.id)
    with pytest.raises(Conflict) as refused:
        approve(runtime, clip)
    assert (refused.value.code, refused.value.facts["missing"]) == (Code.INCOMPLETE, ["email_confirmation"])
    new = people.by_email(session, "lea@new.example")
    token = make.link(clip, mailed_to=new.id)
    with runtime.work() as work:
        submission.confirm(work, work.get_one(Clip, clip.id), token, by=OWNER)
    approve(runtime, clip)
    assert state_of(session, clip) == State.APPROVED


def test_words_that_were_emptied_in_review_are_missed_at_the_approval(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as work:
        emptied = Texts(first_name="", title="")
        submission.edit(work, work.get_one(Clip, clip.id), emptied, by=OWNER)
    with pytest.raises(Conflict) as refused:
        approve(runtime, clip, title="Le Galibier")
    assert refused.value.facts["missing"] == ["first_name"]


def test_a_title_that_the_moderator_gives_is_not_missed(runtime, make, session):
    clip = make.clip(State.IN_REVIEW, title="")
    approve(runtime, clip, title="Le Galibier")
    assert state_of(session, clip) == State.APPROVED


# What was had in return --------------------------------------------------------------------------------


@pytest.fixture
def rewarded(runtime, make):
    """A draft of a call that gives a card in return; later it gives a cap."""
    campaign = make.campaign()

    def give(words):
        with runtime.work() as work:
            work.get_one(Campaign, campaign.id).texts[0].in_return = words

    give("Une carte cadeau de 20 €")
    clip, _token = begin(runtime, make, LEA)
    give("Une casquette")
    return clip


def say(runtime, clip, words):
    with runtime.work() as work:
        mine = work.get_one(Clip, clip.id)
        submission.edit(work, mine, Texts(incentive=words), by=OWNER)
        return mine.incentive


def test_what_the_call_gave_at_the_beginning_stays_whatever_it_gives_by_now(runtime, rewarded):
    told = "Une carte cadeau de 20 € ; un café"
    assert say(runtime, rewarded, told) == told


def test_owners_words_are_never_cut_but_refused_when_they_are_too_long(runtime, rewarded):
    with pytest.raises(Unacceptable) as refused:
        say(runtime, rewarded, "Une carte cadeau de 20 € ; " + "x" * 180)
    assert refused.value.fields == {"incentive": Code.TOO_LONG_TEXT}
