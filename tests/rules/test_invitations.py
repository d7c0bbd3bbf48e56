"""Invitations: a list becomes letters, one reminder, one clip; nobody is written to who does not want it."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from config import ProofSettings
from portal import addresses, campaigns, invitations, letters, notices, refusals, submission, withdrawal
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, NotAllowed
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Campaign, Clip, Invitation, Notice, OwnerProof, Person, Refusal, State
from portal.submission import Texts

BY = Actor(ActorKind.ADMIN, 1)
LIST = "email,first_name,product,since,language\nada@mail.example,Ada,Break,2021,de\nbo@mail.example,Bo,,,\n"


def take(runtime, text=LIST, *, slug="quotidien", proofs=None, **more):
    with runtime.work() as work:
        return invitations.take(
            work, campaigns.by_slug(work, slug), text.encode(), site=runtime.settings.site,
            settings=proofs or ProofSettings(), by=BY, **{"keep": True, **more},
        )  # fmt: skip


def send(runtime, slug="quotidien"):
    with runtime.work() as work:
        invitations.send(work, campaigns.by_slug(work, slug), by=BY)
    return post(runtime)


def post(runtime):
    with runtime.work() as work:
        return invitations.post_due(work)


def one(session, email="ada@mail.example"):
    session.rollback()
    return session.scalars(
        select(Invitation).where(Invitation.email_hash == notices.address_hash(email))
    ).one()


def written(session, kind=None):
    session.rollback()
    rows = session.scalars(select(Notice).order_by(Notice.id)).all()
    return [(row.kind, row.address) for row in rows if kind is None or row.kind == kind]


def letter_of(runtime, kind="invitation", email="ada@mail.example"):
    """The link and the letter as the worker would write it."""
    with runtime.work() as work:
        notice = work.scalars(select(Notice).where(Notice.kind == kind, Notice.address == email)).first()
        site = runtime.settings.site
        link = letters.action_link(work, notice, site=site)
        return link, letters.compose(work, notice, site=site, link=link)


def token_of(runtime, **which):
    return letter_of(runtime, **which)[0].rpartition("/")[2]


def begin(runtime, token, texts=None):
    with runtime.work() as work:
        found = invitations.by_token(work, token)
        clip, _ = submission.begin(
            work, campaigns.by_slug(work, "quotidien"), lang=found.lang, texts=texts or Texts(), consents=(),
            channel="site", by=OWNER, site=runtime.settings.site, invitation=found,
        )  # fmt: skip
    return clip


def shift(runtime, **back):
    """Let time have passed for every invitation."""
    with runtime.work() as work:
        for row in work.scalars(select(Invitation)):
            row.sent_at = row.sent_at and row.sent_at - timedelta(**back)
            row.expires_at -= timedelta(**back)


# The list ------------------------------------------------------------------------------------------------


def test_a_list_is_tried_without_keeping_anything(runtime, make, session):
    make.campaign()
    assert len(take(runtime, keep=False).guests) == 2
    assert session.scalars(select(Invitation)).all() == []


def test_a_list_that_is_kept_sends_nothing_by_itself(runtime, make, session):
    make.campaign()
    assert take(runtime).kept == 2
    found = one(session)
    assert (found.first_name, found.product, found.owned_since, found.lang) == ("Ada", "Break", 2021, "de")
    assert (found.level, found.proof, found.sent_at) == ("invited", "list", None)
    assert post(runtime) == 0


def test_one_bad_line_keeps_the_whole_list_out(runtime, make, session):
    make.campaign()
    report = take(runtime, LIST + "nobody,,,,\n")
    assert [(fault.line, fault.code) for fault in report.faults] == [(4, Code.WRONG_EMAIL)]
    assert report.kept == 0
    assert session.scalars(select(Invitation)).all() == []


def test_the_good_lines_alone_are_kept_when_that_is_asked_for(runtime, make):
    make.campaign()
    assert take(runtime, LIST + "nobody,,,,\n", only_good=True).kept == 2


def test_who_stands_twice_was_asked_or_refused_is_left_out_and_told(runtime, make, session):
    make.campaign()
    take(runtime)
    with runtime.work() as work:
        refusals.refuse(work, notices.address_hash("cy@mail.example"), "invitations")
    report = take(runtime, "email\nADA@mail.example\ncy@mail.example\ndi@mail.example\ndi@mail.example\n")
    assert [(skip.line, skip.why) for skip in report.skipped] == [(2, "asked"), (3, "refused"), (5, "twice")]
    assert report.kept == 1


def test_a_number_in_the_list_proves_the_purchase_or_is_a_bad_line(runtime, make, session, tmp_path):
    make.campaign()
    (tmp_path / "orders.csv").write_text("number,email\nA12345,ada@mail.example\n", encoding="utf-8")
    settings = ProofSettings(orders_csv=str(tmp_path / "orders.csv"))
    text = "email,order\nada@mail.example,a-12345\nbo@mail.example,A12345\ncy@mail.example,\n"
    report = take(runtime, text, proofs=settings, only_good=True)
    assert [(fault.line, fault.code) for fault in report.faults] == [(3, Code.UNKNOWN_NUMBER)]
    assert (report.kept, report.proven) == (2, 1)
    assert (one(session).level, one(session).proof) == ("purchase_proven", "orders")


# Letters -------------------------------------------------------------------------------------------------


def test_letters_leave_once_however_often_the_clock_strikes(runtime, make, session):
    make.campaign()
    take(runtime)
    assert send(runtime) == 2
    assert send(runtime) == 0
    assert post(runtime) == 0
    assert written(session) == [("invitation", "ada@mail.example"), ("invitation", "bo@mail.example")]


def test_letters_leave_in_batches(runtime, make):
    make.campaign()
    take(runtime)
    with runtime.work() as work:
        invitations.send(work, campaigns.by_slug(work, "quotidien"), by=BY)
    with runtime.work() as work:
        assert invitations.post_due(work, at_most=1) == 1
    assert post(runtime) == 1


def test_no_letter_leaves_for_a_call_that_takes_nothing(runtime, make, session):
    make.campaign(closes_at=db_now(session) - timedelta(days=1))
    take(runtime)
    assert send(runtime) == 0


def test_the_letter_speaks_its_readers_language_and_can_be_called_off(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    link, mail = letter_of(runtime)
    assert mail.lang == "de"
    assert "Ada" in mail.text
    assert link.startswith("http://portal.test/i/")
    assert link in mail.text
    assert mail.refuse_url.startswith("http://portal.test/de/u/invitations.")
    assert mail.refuse_url in mail.text


def test_the_token_is_kept_as_a_hash_alone(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    token = token_of(runtime)
    found = one(session)
    assert token not in (found.token_hash, found.id)
    assert invitations.by_token(session, token).id == found.id


def test_one_reminder_leaves_with_the_same_link_and_no_second(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    first = token_of(runtime)
    assert post(runtime) == 0
    shift(runtime, days=8)
    assert post(runtime) == 2
    shift(runtime, days=20)
    assert post(runtime) == 0
    assert len(written(session, "reminder")) == 2
    assert token_of(runtime, kind="reminder") == first


def test_a_look_at_the_link_is_counted_and_changes_nothing_else(runtime, make, session):
    make.campaign()
    take(runtime, "email\nada@mail.example\n")
    send(runtime)
    token = token_of(runtime)
    with runtime.work() as work:
        # A mail scanner looks, too: whole lists would get no reminder.
        invitations.opened(work, invitations.by_token(work, token))
    assert one(session).opened_at is not None
    shift(runtime, days=8)
    assert post(runtime) == 1


@pytest.mark.parametrize("why", ["begun", "ended", "refused", "closed", "never"])
def test_no_reminder_for_who_began_or_does_not_want_one(runtime, make, session, why):
    made = make.campaign()
    take(runtime, "email\nada@mail.example\n")
    send(runtime)
    token = token_of(runtime)
    with runtime.work() as work:
        found = invitations.by_token(work, token)
        if why == "ended":
            invitations.end(work, found, by=BY)
        elif why == "refused":
            refusals.refuse(work, found.email_hash, "invitations")
        elif why == "closed":
            campaigns.close(work, campaigns.by_slug(work, made.slug), by=BY)
        elif why == "never":
            work.execute(update(Campaign).values(reminder_days=0))
    if why == "begun":
        begin(runtime, token)
    shift(runtime, days=8)
    assert post(runtime) == 0


def test_a_letter_that_waits_is_taken_back_when_the_invitation_ends(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    with runtime.work() as work:
        invitations.end(work, one(work), by=BY)
    notice = session.scalars(select(Notice).where(Notice.about == one(session).id)).one()
    assert (notice.state, notice.address) == ("cancelled", None)


# Saying no -----------------------------------------------------------------------------------------------


def test_refusing_forgets_the_person_and_keeps_a_hash(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    token = letter_of(runtime)[1].refuse_url.rpartition("/")[2]
    email_hash, topic = addresses.refused_by(token, key=runtime.settings.site.secret_key)
    for is_new in (True, False):
        with runtime.work() as work:
            assert refusals.refuse(work, email_hash, topic) is is_new
    found = one(session)
    assert (found.email, found.first_name, found.product, found.owned_since) == (None, "", "", None)
    assert found.ended_at is not None
    assert len(session.scalars(select(Refusal)).all()) == 1


def test_who_refused_between_list_and_letter_gets_none(runtime, make, session):
    make.campaign()
    take(runtime)
    with runtime.work() as work:
        refusals.refuse(work, notices.address_hash("ada@mail.example"), "invitations")
    assert send(runtime) == 1
    assert written(session) == [("invitation", "bo@mail.example")]


# The one who was asked -----------------------------------------------------------------------------------


def test_a_clip_begun_with_it_knows_the_person_and_has_a_level_with_a_proof(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    clip = session.get_one(Clip, begin(runtime, token_of(runtime)).id)
    assert (clip.first_name, clip.product, clip.owned_since, clip.lang) == ("Ada", "Break", 2021, "de")
    assert (clip.owner_level, clip.invitation_id) == ("invited", one(session).id)
    owner = session.get_one(Person, clip.owner_id)
    assert (owner.email, owner.confirmed_at is not None) == ("ada@mail.example", True)
    proof = session.scalars(select(OwnerProof)).one()
    assert (proof.clip_id, proof.method) == (clip.id, "list")


def test_another_address_than_the_invited_one_is_not_confirmed(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    clip = begin(runtime, token_of(runtime), Texts(email="eve@mail.example", first_name="Eve"))
    owner = session.get_one(Person, clip.owner_id)
    assert (owner.email, owner.confirmed_at) == ("eve@mail.example", None)


def test_one_link_makes_one_clip(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    token = token_of(runtime)
    begin(runtime, token)
    with pytest.raises(Conflict) as raised:
        begin(runtime, token)
    assert raised.value.code is Code.INVITATION_OVER
    assert len(session.scalars(select(Clip)).all()) == 1


@pytest.mark.parametrize("why", ["expired", "ended", "elsewhere"])
def test_a_link_that_is_over_begins_nothing(runtime, make, session, why):
    make.campaign()
    take(runtime)
    send(runtime)
    token = token_of(runtime)
    if why == "expired":
        shift(runtime, days=61)
    with runtime.work() as work:
        if why == "ended":
            invitations.end(work, invitations.by_token(work, token), by=BY)
    if why == "elsewhere":
        other = make.campaign("hiver")
        with runtime.work() as work:
            work.execute(update(Invitation).values(campaign_id=other.id))
    with pytest.raises(Conflict) as raised:
        begin(runtime, token)
    assert raised.value.code is Code.INVITATION_OVER


def test_a_call_for_guests_alone_takes_guests_alone(runtime, make, session):
    found = make.campaign(invited_only=True)
    take(runtime)
    send(runtime)
    with pytest.raises(NotAllowed) as raised, runtime.work() as work:
        campaigns.admit(work, work.get_one(Campaign, found.id), None)
    assert raised.value.code is Code.INVITATION_NEEDED
    assert begin(runtime, token_of(runtime)).owner_level == "invited"


def test_a_fresh_link_goes_to_the_invited_address_once_a_day_and_ends_the_old_one(runtime, make, session):
    make.campaign()
    take(runtime, "email\nada@mail.example\n")
    send(runtime)
    old = token_of(runtime)
    shift(runtime, days=61)
    for _ in range(2):
        with runtime.work() as work:
            invitations.ask_again(work, invitations.by_token(work, old))
    assert written(session) == [("invitation", "ada@mail.example")] * 2
    with runtime.work() as work:
        newest = work.scalars(select(Notice).order_by(Notice.id.desc())).first()
        fresh = letters.action_link(work, newest, site=runtime.settings.site).rpartition("/")[2]
    assert fresh != old
    session.rollback()
    with pytest.raises(Missing):
        invitations.by_token(session, old)
    assert campaigns.is_good(invitations.by_token(session, fresh), db_now(session))


def test_who_used_the_link_is_sent_the_clips_own_and_nobody_else_is(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    token = token_of(runtime)
    begin(runtime, token, Texts(email="eve@mail.example"))
    with runtime.work() as work:
        invitations.ask_again(work, invitations.by_token(work, token))
    notice = session.scalars(select(Notice).where(Notice.kind == "finish_later")).one()
    assert session.get_one(Person, notice.person_id).email == "eve@mail.example"


@pytest.mark.parametrize("email", ["stranger@mail.example", "bo@mail.example"])
def test_asking_by_address_writes_to_invited_ones_alone(runtime, make, session, email):
    make.campaign()
    take(runtime, "email\nbo@mail.example\n")
    send(runtime)
    before = len(written(session))
    with runtime.work() as work:
        invitations.ask_again_by_address(work, email)
    assert len(written(session)) - before == (email == "bo@mail.example")


def test_asking_by_address_finds_the_older_invitation_that_can_still_be_used(runtime, make, session):
    make.campaign()
    make.campaign("hiver", title="L’hiver")
    for slug in ("quotidien", "hiver"):
        take(runtime, "email\nada@mail.example\n", slug=slug)
        send(runtime, slug)
    with runtime.work() as work:
        work.execute(update(Invitation).values(created_at=Invitation.created_at))
        campaigns.close(work, campaigns.by_slug(work, "hiver"), by=BY)
        invitations.ask_again_by_address(work, "ada@mail.example")
    session.rollback()
    newest = session.scalars(select(Notice).order_by(Notice.id.desc())).first()
    older = session.scalars(select(Invitation).order_by(Invitation.created_at)).first()
    assert newest.about == older.id
    assert newest.occasion.count(":") == 2


def test_a_guest_whose_draft_was_given_up_may_begin_again(runtime, make, session):
    make.campaign(invited_only=True)
    take(runtime, "email\nada@mail.example\n")
    send(runtime)
    token, past = token_of(runtime), db_now(session) - timedelta(days=31)
    first = make.clip(State.DRAFT, owner=make.person("ada@mail.example"), state_since=past)
    with runtime.work() as work:
        work.execute(update(Invitation).values(clip_id=first.id, begun_at=past))
    assert withdrawal.abandon_stale(runtime.work) == 1
    assert session.get_one(Clip, first.id).state == State.ERASED
    assert begin(runtime, token).id == one(session).clip_id


def test_rows_without_an_address_do_not_wait_for_anybody_to_send_them(runtime, make, session):
    make.campaign()
    take(runtime)
    shift(runtime, days=151)
    with runtime.work() as work:
        invitations.forget_old(work)
        assert invitations.counts(work, campaigns.by_slug(work, "quotidien")) == (2, 0)


def test_who_did_not_come_is_forgotten_three_months_after_the_end(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    shift(runtime, days=149)
    with runtime.work() as work:
        assert invitations.forget_old(work) == 0
    shift(runtime, days=2)
    with runtime.work() as work:
        assert invitations.forget_old(work) == 2
    assert (one(session).email, one(session).first_name) == (None, "")
    assert take(runtime).kept == 0


def test_a_draft_begun_without_an_address_is_confirmed_when_the_invited_one_comes(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    clip = begin(runtime, token_of(runtime), Texts(email="eve@mail.example"))
    with runtime.work() as work:
        submission.edit(work, work.get_one(Clip, clip.id), Texts(email="ada@mail.example"), by=OWNER)
    session.rollback()
    owner = session.get_one(Person, session.get_one(Clip, clip.id).owner_id)
    assert owner.confirmed_at is not None


def test_a_clip_that_was_begun_stays_a_draft_until_it_is_sent(runtime, make, session):
    make.campaign()
    take(runtime)
    send(runtime)
    assert begin(runtime, token_of(runtime)).state == State.DRAFT


# An invitation that was handed on ------------------------------------------------------------------------


@pytest.fixture
def proven(runtime, make):
    """The link of a guest whose purchase is proven by the list."""
    make.campaign()
    take(runtime)
    send(runtime)
    with runtime.work() as work:
        work.execute(update(Invitation).values(level="purchase_proven", proof="orders"))
    return token_of(runtime)


def level_of(session, clip):
    session.rollback()
    held = session.get_one(Clip, clip.id)
    proofs = session.scalars(select(OwnerProof.method).where(OwnerProof.clip_id == clip.id)).all()
    return held.owner_level, proofs


def give_address(runtime, clip, email):
    with runtime.work() as work:
        submission.edit(work, work.get_one(Clip, clip.id), Texts(email=email), by=OWNER)


def test_under_the_invited_address_a_link_proves_what_the_list_proved(runtime, proven, session):
    assert level_of(session, begin(runtime, proven)) == ("purchase_proven", ["orders"])


def test_a_link_that_was_handed_on_proves_no_purchase(runtime, proven, session):
    clip = begin(runtime, proven, Texts(email="eve@mail.example", first_name="Eve"))
    assert level_of(session, clip) == ("invited", ["forwarded"])


def test_a_proof_does_not_go_over_to_another_address(runtime, proven, session):
    clip = begin(runtime, proven)
    give_address(runtime, clip, "eve@mail.example")
    assert level_of(session, clip) == ("invited", ["forwarded"])
    give_address(runtime, clip, "ada@mail.example")
    assert level_of(session, clip) == ("purchase_proven", ["orders"])
