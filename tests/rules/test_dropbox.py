"""What becomes of a mail: a draft, a message, a refusal, or nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from portal import addresses, consent, dropbox, letters
from portal.database import db_now
from portal.dropbox import Outcome
from portal.errors import Code, Missing, TooMuch
from portal.mail_reading import read_content, read_heading
from portal.models import Clip, ClipLink, Consent, IncomingMail, Message, Notice, Person, State
from portal.notices import NoticeKind
from tests.letters_in import FILM, TRUSTED, mail, said

INBOX = "films@brand.example"
PROVEN = said("pass")


@pytest.fixture
def box(runtime):
    return dropbox.Box(INBOX, runtime.settings.site)


@pytest.fixture
def post(runtime, make, box):
    """Brings one mail to the rules, as the postman does; a film counts as carried."""
    make.campaign()

    def bring(*, address=INBOX, whole=True, closes=True, fault=None, **parts):
        raw = mail(**parts)
        heading = read_heading(raw, trusts=TRUSTED)
        content = read_content(raw) if whole else None
        with runtime.work() as session:
            fate = dropbox.open_mail(session, heading, content, address=address, box=box)
        if fate.outcome is Outcome.TAKING and closes:
            with runtime.work() as session:
                dropbox.close_mail(session, fate, content, verdict=heading.verdict, fault=fault)
        return fate

    return bring


def count(runtime, table, *conditions):
    with runtime.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*conditions))


def only(runtime, table, *conditions):
    with runtime.read() as session:
        return session.scalars(select(table).where(*conditions)).one()


# A draft ---------------------------------------------------------------------------------------------------


def test_a_mail_with_a_film_opens_a_draft_with_its_subject_as_title(runtime, post):
    fate = post(films=(FILM,), results=PROVEN)
    clip = only(runtime, Clip)
    assert (fate.clip_id, fate.takes_film) == (clip.id, True)
    assert (clip.title, clip.channel, clip.lang) == ("Six heures, le Galibier pour nous seuls", "mail", "fr")
    assert (clip.first_name, clip.city) == ("", "")
    assert only(runtime, Person).email == "nadia@mail.example"


def test_a_mail_gives_no_consent_whatever_it_says(runtime, post):
    post(films=(FILM,), results=PROVEN, words="J’accepte tout : site, publicité, réseaux. J’ai 40 ans.")
    assert count(runtime, Consent) == 0
    with runtime.read() as session:
        assert consent.standing(session, only(runtime, Clip)) == {}


def test_the_answer_is_one_letter_to_the_sender_with_a_fresh_link(runtime, post):
    post(films=(FILM,), results=PROVEN)
    notice = only(runtime, Notice)
    assert (notice.kind, notice.facts["film"], notice.facts["is_proven"]) == ("mail_taken", True, True)
    with runtime.work() as session:
        site = runtime.settings.site
        link = letters.action_link(session, session.get_one(Notice, notice.id), site=site)
        letter = letters.compose(
            session, session.get_one(Notice, notice.id), site=site, link=link, inbox=INBOX
        )
    assert "/fr/s/" in letter.text
    assert letter.reply_to.startswith("films+")
    assert "accord" in letter.subject


def test_only_a_pass_of_dmarc_confirms_the_address(runtime, post):
    post(results="")
    assert only(runtime, Person).confirmed_at is None
    post(results=PROVEN, message_id="<2@mail.example>")
    assert only(runtime, Person).confirmed_at is not None


def test_the_link_of_an_unproven_sender_goes_to_the_address_alone_and_proves_it_when_used(runtime, post):
    post(films=(FILM,))
    notice = only(runtime, Notice)
    assert notice.facts["is_proven"] is False
    with runtime.work() as session:
        letters.action_link(session, session.get_one(Notice, notice.id), site=runtime.settings.site)
    # The one of `begin` was shown to nobody, the other went to the mailbox.
    assert count(runtime, ClipLink, ClipLink.mailed_to_id.is_not(None)) == 1
    person = only(runtime, Person)
    assert (notice.person_id, person.confirmed_at) == (person.id, None)


def test_the_same_mail_twice_is_one_draft_and_one_letter(runtime, post):
    first, second = (post(films=(FILM,), results=PROVEN) for _ in range(2))
    assert first.clip_id == second.clip_id
    assert second.outcome is Outcome.DRAFT
    assert (count(runtime, Clip), count(runtime, Notice), count(runtime, IncomingMail)) == (1, 1, 1)


def test_a_mail_whose_taking_was_cut_off_goes_on_with_the_same_draft(runtime, post):
    first = post(films=(FILM,), results=PROVEN, closes=False)
    assert count(runtime, Notice) == 0
    second = post(films=(FILM,), results=PROVEN)
    assert (second.clip_id, second.takes_film, second.outcome) == (first.clip_id, True, Outcome.TAKING)
    assert (count(runtime, Clip), count(runtime, Notice)) == (1, 1)
    assert only(runtime, IncomingMail).outcome == Outcome.DRAFT


def test_without_a_film_or_with_one_that_did_not_fit_the_letter_asks_for_it(runtime, post):
    post(results=PROVEN)
    post(results=PROVEN, whole=False, message_id="<2@mail.example>")
    post(results=PROVEN, films=(FILM,), fault=Code.TOO_LARGE, message_id="<3@mail.example>")
    with runtime.read() as session:
        facts = [notice.facts for notice in session.scalars(select(Notice).order_by(Notice.id))]
    assert [one["film"] for one in facts] == [False, False, False]
    assert [one["too_large"] for one in facts] == [False, True, False]
    assert facts[2]["fault"] == "too_large"


def test_further_films_are_named_in_the_letter(runtime, post):
    post(films=(FILM, FILM + b"2", FILM + b"3"), results=PROVEN)
    assert only(runtime, Notice).facts["more"] == 2


@pytest.mark.parametrize(
    ("parts", "lang"),
    [
        ({"words": "Hello, here is the film of our trip that we made with the kids."}, "en"),
        ({"words": "OK", "subject": "", "headers": {"Content-Language": "de-DE"}}, "de"),
        ({"words": "OK", "subject": "", "headers": {"Accept-Language": "pt-BR, en-US"}}, "en"),
        ({"words": "OK", "subject": ""}, "fr"),
    ],
)
def test_the_letter_is_in_the_senders_language(runtime, post, parts, lang):
    post(results=PROVEN, **parts)
    assert only(runtime, Notice).lang in (lang, "")
    assert only(runtime, Clip).lang == lang


def test_the_address_of_a_call_leads_to_that_call(runtime, post, make):
    wanted = make.campaign("hiver", title="L’hiver")
    make.campaign("ete", title="L’été")
    post(address="films+hiver@brand.example", results=PROVEN)
    assert only(runtime, Clip).campaign_id == wanted.id


def test_without_a_name_the_newest_open_call_takes_it(runtime, post, make, session):
    make.campaign("vieux", title="Vieux", closes_at=db_now(session) - timedelta(days=1))
    newest = make.campaign("neuf", title="Neuf")
    make.campaign("cercle", title="Cercle", invited_only=True)
    post(results=PROVEN)
    assert only(runtime, Clip).campaign_id == newest.id


@pytest.mark.parametrize(
    "address", ["films+nothing@brand.example", "other@brand.example", "films@elsewhere.example"]
)
def test_an_unknown_mailbox_is_none(runtime, box, post, address):
    with runtime.read() as session, pytest.raises(Missing) as caught:
        dropbox.must_exist(session, address, box=box)
    assert caught.value.code is Code.NO_SUCH_MAILBOX
    with pytest.raises(Missing):
        post(address=address)
    assert count(runtime, IncomingMail) == 0


# Refused and dropped --------------------------------------------------------------------------------------


def test_a_forged_mail_is_refused_makes_nothing_and_is_answered_by_nobody(runtime, post):
    for _ in range(2):
        fate = post(films=(FILM,), results=said("fail"))
        assert (fate.outcome, fate.code, fate.is_told) == (Outcome.REFUSED, Code.MAIL_SPOOFED, False)
    assert [count(runtime, table) for table in (Clip, Person, Notice)] == [0, 0, 0]


def test_a_forgery_does_not_stand_in_the_way_of_the_true_sender(runtime, post):
    for number in range(dropbox.MAILS_AN_HOUR + 2):
        post(results=said("fail"), message_id=f"<f{number}@mail.example>")
    assert post(films=(FILM,), results=PROVEN).outcome is Outcome.TAKING
    assert count(runtime, Clip) == 1


@pytest.mark.parametrize(
    "header", [("Auto-Submitted", "auto-replied"), ("Precedence", "list"), ("Return-Path", "<>")]
)
def test_what_a_program_wrote_is_dropped_without_a_word(runtime, post, header):
    assert post(results=PROVEN, headers=dict([header])).outcome is Outcome.DROPPED
    assert [count(runtime, table) for table in (Clip, Person, Notice)] == [0, 0, 0]


def test_a_closed_call_is_told_to_a_proven_sender_once_a_day(runtime, post, make, session):
    make.campaign("vieux", title="Vieux", closes_at=db_now(session) - timedelta(days=1))
    for number in range(2):
        fate = post(
            address="films+vieux@brand.example", results=PROVEN, message_id=f"<{number}@mail.example>"
        )
        assert (fate.outcome, fate.code, fate.is_told) == (Outcome.REFUSED, Code.CAMPAIGN_CLOSED, True)
    notice = only(runtime, Notice)
    assert (notice.kind, notice.address) == (NoticeKind.MAIL_REFUSED, "nadia@mail.example")
    with runtime.work() as work:
        row = work.get_one(Notice, notice.id)
        link = letters.action_link(work, row, site=runtime.settings.site)
        letter = letters.compose(work, row, site=runtime.settings.site, link=link)
    assert "Cet appel est terminé" in letter.text
    assert link.endswith("/fr/participate")
    assert count(runtime, Person) == 0


def test_a_full_call_is_told_too(runtime, post, make):
    full = make.campaign("plein", title="Plein", max_clips=1)
    taken = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        session.execute(update(Clip).where(Clip.id == taken.id).values(campaign_id=full.id))
    fate = post(address="films+plein@brand.example", results=PROVEN)
    assert (fate.code, fate.is_told) == (Code.CAMPAIGN_FULL, True)


def test_an_unproven_sender_gets_no_refusal_by_letter(runtime, post, make):
    make.campaign("cercle", title="Cercle", invited_only=True)
    fate = post(address="films+cercle@brand.example")
    assert (fate.outcome, fate.is_told) == (Outcome.REFUSED, False)
    assert count(runtime, Notice) == 0


def test_a_sender_with_too_many_drafts_is_led_to_the_newest(runtime, post):
    for number in range(dropbox.DRAFTS_AT_ONCE):
        post(results=PROVEN, message_id=f"<{number}@mail.example>")
    fate = post(results=PROVEN, message_id="<more@mail.example>")
    assert (fate.code, fate.is_told) == (Code.TOO_MANY_DRAFTS, True)
    assert count(runtime, Clip) == dropbox.DRAFTS_AT_ONCE
    refusal = only(runtime, Notice, Notice.kind == NoticeKind.MAIL_REFUSED)
    assert refusal.clip_id is not None


def test_a_sender_who_writes_too_often_is_asked_to_come_back_and_nothing_is_noted(runtime, post, make):
    make.campaign("cercle", title="Cercle", invited_only=True)
    for number in range(dropbox.MAILS_AN_HOUR):
        post(address="films+cercle@brand.example", message_id=f"<{number}@mail.example>")
    with pytest.raises(TooMuch) as caught:
        post(results=PROVEN, message_id="<more@mail.example>")
    assert caught.value.code is Code.TOO_OFTEN
    assert count(runtime, IncomingMail) == dropbox.MAILS_AN_HOUR
    with runtime.work() as session:
        hour = timedelta(minutes=61)
        session.execute(update(IncomingMail).values(received_at=db_now(session) - hour))
    assert post(results=PROVEN, message_id="<more@mail.example>").outcome is Outcome.TAKING


def test_a_mail_that_could_not_be_read_is_refused_by_letter_to_a_proven_sender(runtime, box, make):
    make.campaign()
    heading = read_heading(mail(results=PROVEN), trusts=TRUSTED)
    with runtime.work() as session:
        fate = dropbox.refuse(session, heading, Code.MAIL_TOO_COMPLEX, box=box)
    assert (fate.code, fate.is_told) == (Code.MAIL_TOO_COMPLEX, True)
    assert only(runtime, Notice).facts == {"reason": "mail_too_complex"}


# Answers to our letters ------------------------------------------------------------------------------------


@pytest.fixture
def asked(make):
    """A clip whose owner was asked for something, and the address that answers go to."""
    owner = make.person("nadia@mail.example")
    return make.clip(State.CHANGES_REQUESTED, owner=owner)


@pytest.fixture
def reply_to(runtime, asked):
    return addresses.reply_address(INBOX, asked.id, key=runtime.settings.site.secret_key)


def test_an_answer_of_the_owner_reaches_the_thread(runtime, post, asked, reply_to):
    fate = post(address=reply_to, words="D’accord, je recoupe la fin.")
    assert (fate.outcome, fate.clip_id) == (Outcome.MESSAGE, asked.id)
    message = only(runtime, Message)
    assert (message.words, message.via, message.author) == ("D’accord, je recoupe la fin.", "mail", "owner")
    assert count(runtime, Clip) == 1


def test_an_answer_twice_is_one_message(runtime, post, reply_to):
    for _ in range(2):
        assert post(address=reply_to).outcome is Outcome.MESSAGE
    assert count(runtime, Message) == 1


def test_an_answer_from_another_address_is_refused(runtime, post, reply_to):
    fate = post(address=reply_to, sender="eve@mail.example")
    assert (fate.code, fate.is_told) == (Code.OTHER_ADDRESS, False)
    assert post(address=reply_to, sender="eve@mail.example", results=PROVEN, message_id="<2@x>").is_told
    assert count(runtime, Message) == 0


def test_an_answer_in_the_owners_name_that_failed_dmarc_is_refused(runtime, post, reply_to):
    assert post(address=reply_to, results=said("fail")).code is Code.MAIL_SPOOFED
    assert count(runtime, Message) == 0


def test_an_invented_answer_address_is_no_mailbox(runtime, post, asked):
    with pytest.raises(Missing):
        post(address=f"films+{asked.id}.{'0' * 20}@brand.example")


def test_a_film_in_a_proven_owners_answer_is_taken_where_the_clip_waits_for_one(
    runtime, post, asked, reply_to
):
    fate = post(address=reply_to, films=(FILM,), results=PROVEN)
    assert (fate.outcome, fate.takes_film, fate.clip_id) == (Outcome.TAKING, True, asked.id)
    assert count(runtime, Message) == 1
    assert only(runtime, IncomingMail).outcome == Outcome.MESSAGE
    assert only(runtime, Notice).facts["is_answer"] is True


def test_a_film_in_an_unproven_answer_changes_nothing_and_the_owner_learns_it(runtime, post, reply_to):
    fate = post(address=reply_to, films=(FILM,))
    assert fate.takes_film is False
    assert only(runtime, Notice).facts["film"] is False


def test_a_film_without_a_word_is_an_answer(runtime, post, reply_to):
    assert post(address=reply_to, films=(FILM,), words="\n", results=PROVEN).takes_film is True
    assert count(runtime, Message) == 0


@pytest.mark.parametrize(("results", "state"), [(PROVEN, State.IN_REVIEW), ("", State.PROCESSING)])
def test_an_answer_that_proves_itself_lets_the_clip_go_on_that_waited_for_its_owner(
    runtime, make, post, session, results, state
):
    clip = make.clip(State.PROCESSING, owner=make.person("nadia@mail.example"), is_vouched=False)
    make.film(clip, 1, is_ready=True)
    address = addresses.reply_address(INBOX, clip.id, key=runtime.settings.site.secret_key)
    post(address=address, words="C’est bien moi.", results=results)
    assert session.get_one(Clip, clip.id).state == state


# What is kept ----------------------------------------------------------------------------------------------


def test_neither_words_nor_address_of_a_mail_are_kept_with_it(runtime, post):
    post(results=PROVEN, subject="Canari")
    row = only(runtime, IncomingMail)
    kept = " ".join(str(getattr(row, column.key)) for column in IncomingMail.__table__.columns)
    assert "nadia" not in kept
    assert "Canari" not in kept


def test_after_ninety_days_nothing_tells_that_a_mail_came(runtime, post):
    post(results=PROVEN)
    with runtime.work() as session:
        session.execute(update(IncomingMail).values(received_at=db_now(session) - timedelta(days=91)))
    with runtime.work() as session:
        assert dropbox.tidy(session) == 1


def test_the_last_mail_is_told(runtime, post):
    post(results=PROVEN)
    with runtime.read() as session:
        last = dropbox.last(session)
    assert last is not None
    assert last.outcome == Outcome.DRAFT


def test_films_that_nobody_agreed_to_count_as_drafts_too(runtime, post):
    for number in range(dropbox.DRAFTS_AT_ONCE):
        post(results=PROVEN, message_id=f"<{number}@mail.example>")
    with runtime.work() as session:
        session.execute(update(Clip).values(state=State.PROCESSING))
    assert post(results=PROVEN, message_id="<more@mail.example>").code is Code.TOO_MANY_DRAFTS
    with runtime.work() as session:
        clip = session.scalars(select(Clip).limit(1)).one()
        consent.give(session, clip, ["site"], lang="fr", via="site", brand="Solène")
    assert post(results=PROVEN, message_id="<again@mail.example>").outcome is Outcome.TAKING
