"""What owners and moderators write to one another: kept once, brought by letter or not, counted until dealt with."""

import time

import pytest
from sqlalchemy import func, select, update

from portal import letters, people, submission, thread, withdrawal
from portal.database import db_now
from portal.errors import Code, Conflict, TooMuch, Unacceptable
from portal.lifecycle import OWNER, WORKER
from portal.models import AuditEvent, Clip, Message, Notice, NoticeState, Person, Refusal, State
from portal.notices import address_hash


@pytest.fixture
def clip(make):
    return make.clip(State.IN_REVIEW)


@pytest.fixture
def ines(moderator):
    return people.actor_of(moderator)


def add(runtime, clip, words, **more):
    with runtime.work() as session:
        return thread.add(session, session.get_one(Clip, clip.id), words, **({"author": OWNER} | more))


def of(runtime, clip):
    with runtime.read() as session:
        return thread.of(session, session.get_one(Clip, clip.id))


def letters_in(runtime, kind="message"):
    with runtime.read() as session:
        return list(session.scalars(select(Notice).where(Notice.kind == kind).order_by(Notice.id)))


def test_a_message_is_kept_with_its_author_and_written_to_the_trail_without_its_words(runtime, clip):
    add(runtime, clip, "  La plaque est floue maintenant.\r\nMerci  ")
    (kept,) = of(runtime, clip)
    assert (kept.author, kept.words, kept.via) == (
        "owner",
        "La plaque est floue maintenant.\nMerci",
        "page",
    )
    with runtime.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.verb == "message")).one()
    assert event.detail == {"via": "page"}


def test_the_same_form_sent_twice_is_one_message_and_other_words_from_it_are_another(runtime, clip):
    for words in ("Bonjour", "Bonjour", "Bonjour encore"):
        add(runtime, clip, words, token="form-1")
    assert [one.words for one in of(runtime, clip)] == ["Bonjour", "Bonjour encore"]


@pytest.mark.parametrize(("words", "code"), [("  \n ", Code.REQUIRED), ("a" * 2001, Code.TOO_LONG_TEXT)])
def test_empty_and_endless_messages_are_refused(runtime, clip, words, code):
    with pytest.raises(Unacceptable) as caught:
        add(runtime, clip, words)
    assert caught.value.fields == {"words": code}


def test_a_message_of_two_thousand_characters_is_taken(runtime, clip):
    add(runtime, clip, "é" * 2000)
    assert len(of(runtime, clip)[0].words) == 2000


def test_an_owner_who_floods_is_asked_to_wait_and_a_moderator_is_not(runtime, clip, ines):
    for number in range(thread.MOST_A_DAY):
        add(runtime, clip, f"message {number}")
    with pytest.raises(TooMuch):
        add(runtime, clip, "un de trop")
    add(runtime, clip, "Doucement, nous lisons tout.", author=ines)


def test_nobody_writes_about_an_erased_clip(runtime, make):
    with pytest.raises(Conflict):
        add(runtime, make.clip(State.ERASED), "Bonjour")


def test_a_moderators_message_is_brought_by_a_letter_after_five_minutes(runtime, clip, ines):
    add(runtime, clip, "Pouvez-vous flouter la plaque ?", author=ines, at_seconds=31.0)
    (letter,) = letters_in(runtime)
    assert letter.state == NoticeState.WAITING
    assert (letter.run_after - letter.created_at).total_seconds() == pytest.approx(300)
    assert "plaque" not in str(letter.facts)


def test_each_message_has_one_letter_with_its_words_the_place_and_who_wrote_it(runtime, clip, ines):
    for words in ("Premier\nmot", "Second mot"):
        add(runtime, clip, words, author=ines, at_seconds=31.0)
    site = runtime.settings.site
    with runtime.work() as session:
        first, second = session.scalars(select(Notice).order_by(Notice.id))
        link = letters.action_link(session, first, site=site)
        mail = letters.compose(session, first, site=site, link=link, inbox="films@brand.example")
        assert submission.by_link(session, link.removesuffix("#messages").rpartition("/")[2]).id == clip.id
        assert "Second mot" in letters.compose(session, second, site=site, link=link).text
    assert link.endswith("#messages")
    for part in ("Premier\nmot", "0:31", "Inès M."):
        assert part in mail.text
    assert "Premier<br>mot" in mail.html
    assert mail.reply_to.startswith(f"films+{clip.id}.")
    assert mail.text.startswith("===")


def test_a_message_that_was_read_on_the_page_needs_no_letter(runtime, clip, ines):
    message = add(runtime, clip, "Bonjour", author=ines)
    later = add(runtime, clip, "Encore un mot", author=ines)
    with runtime.work() as session:
        thread.seen_by_owner(session, session.get_one(Clip, clip.id), up_to=message.id)
    assert [one.state for one in letters_in(runtime)] == [NoticeState.CANCELLED, NoticeState.WAITING]
    with runtime.read() as session:
        assert session.get_one(Message, message.id).seen_at is not None
        assert session.get_one(Message, later.id).seen_at is None


def test_a_letter_that_has_left_stays_sent_when_the_page_is_read_later(runtime, clip, ines):
    message = add(runtime, clip, "Bonjour", author=ines)
    with runtime.work() as session:
        session.execute(update(Notice).values(state=NoticeState.SENT))
        thread.seen_by_owner(session, session.get_one(Clip, clip.id), up_to=message.id)
    assert [one.state for one in letters_in(runtime)] == [NoticeState.SENT]


def test_an_owner_who_does_without_these_letters_finds_the_message_on_the_page_alone(runtime, clip, ines):
    with runtime.work() as session:
        email = session.get_one(Person, clip.owner_id).email
        session.add(Refusal(email_hash=address_hash(email), topic="messages", created_at=db_now(session)))
    add(runtime, clip, "Bonjour", author=ines)
    assert letters_in(runtime) == []
    assert len(of(runtime, clip)) == 1


def test_an_owners_message_waits_until_somebody_answers_or_says_there_is_nothing_to(
    runtime, make, clip, ines
):
    other = make.clip()
    first = add(runtime, clip, "Une question")
    asked = add(runtime, other, "Une autre")
    with runtime.read() as session:
        assert thread.unanswered(session, [clip.id, other.id]) == {clip.id: 1, other.id: 1}
        assert thread.waiting_count(session) == 2
    add(runtime, clip, "Une réponse", author=ines, answers=first.id)
    with runtime.work() as session:
        assert thread.unanswered(session, [clip.id, other.id]) == {other.id: 1}
        thread.settle(session, session.get_one(Clip, other.id), up_to=asked.id)
        assert thread.waiting_count(session) == 0


def test_a_message_that_came_while_the_answer_was_written_still_waits(runtime, clip, ines):
    first = add(runtime, clip, "Une question")
    add(runtime, clip, "J’oubliais ceci")
    add(runtime, clip, "Réponse à la première", author=ines, answers=first.id)
    with runtime.read() as session:
        assert thread.unanswered(session, [clip.id]) == {clip.id: 1}


def test_writing_moves_no_clip_and_asks_whoever_decides_to_look_again(runtime, clip):
    add(runtime, clip, "Attendez, je change le titre")
    with runtime.read() as session:
        after = session.get_one(Clip, clip.id)
    assert (after.state, after.version) == (clip.state, clip.version + 1)


def test_a_thread_goes_with_the_clip(runtime, make, ines):
    clip = make.clip(State.WITHDRAWN)
    add(runtime, clip, "Un mot")
    add(runtime, clip, "Une réponse", author=ines)
    with runtime.work() as session:
        withdrawal.erased(session, session.get_one(Clip, clip.id), by=WORKER)
    with runtime.read() as session:
        assert session.scalar(select(func.count()).select_from(Message)) == 0
    assert {one.state for one in letters_in(runtime)} == {NoticeState.CANCELLED}


OWN = "Oui, c’est flouté.\n\nNadia"
QUOTED = "\n".join(
    f"> {line}" for line in ("=== Pour nous répondre ===", "Bonjour Nadia,", "Pouvez-vous flouter ?")
)


@pytest.mark.parametrize(
    "below",
    [
        "",
        f"\n\n{QUOTED}",
        f"\n\nLe lun. 3 août 2026 à 10:12, La vie en Solène <portal@brand.example> a écrit :\n{QUOTED}",
        f"\n\nLe lun. 3 août 2026 à 10:12, La vie en Solène <portal@brand.example>\na écrit :\n\n{QUOTED}",
        f"\n\nOn Mon, Aug 3, 2026 at 10:12 AM La vie en Solène <portal@brand.example> wrote:\n{QUOTED}",
        f"\n\nAm 03.08.2026 um 10:12 schrieb La vie en Solène <portal@brand.example>:\n{QUOTED}",
        "\n\n=== Pour nous répondre, écrivez au-dessus de cette ligne ===\n\nBonjour Nadia,",
        "\n\n-----Original Message-----\nFrom: La vie en Solène\nBonjour Nadia,",
        "\n\n-------- Message d’origine --------\nBonjour Nadia,",
        "\n\n________________________________\nDe : La vie en Solène\nBonjour Nadia,",
        "\n\nDe : La vie en Solène <portal@brand.example>\nEnvoyé : lundi 3 août 2026\nÀ : Nadia\nObjet : Bonjour\n\nNadia,",
        "\n\nVon: La vie en Solène\nGesendet: Montag\nAn: Nadia\nBetreff: Hallo\n\nNadia,",
        "\n-- \nNadia Ferrand\n+33 6 12 34 56 78",
    ],
)
def test_of_a_mail_only_what_its_author_wrote_is_kept(below):
    assert thread.without_quotes(OWN.replace("\n", "\r\n") + below.replace("\n", "\r\n")) == OWN


@pytest.mark.parametrize(
    "words",
    [
        "Le texte que mon fils a écrit est beau :\nje le garde.",
        "On vous a écrit : personne ne répond.",
        "De : là-haut on voit tout.\nMerci",
        "3 - 2 = 1, et 1 === 1 dans ce film",
        "-- c’est tout --",
    ],
)
def test_words_that_look_like_a_quote_but_are_none_stay(words):
    assert thread.without_quotes(words) == words


def test_an_answer_written_below_the_quote_is_heard():
    told = f"Le 3 août 2026 à 10:12, La vie en Solène <portal@brand.example> a écrit :\n{QUOTED}\n\nOui, volontiers."
    assert thread.without_quotes(told) == "Oui, volontiers."


def test_a_mail_that_only_quotes_says_nothing(runtime, clip):
    with pytest.raises(Unacceptable):
        add(runtime, clip, QUOTED, via="mail")


def test_a_long_quote_does_not_make_a_mail_too_long(runtime, clip):
    add(runtime, clip, "Oui.\n\n" + "\n".join(["> encore"] * 3000), via="mail")
    assert [(one.words, one.via) for one in of(runtime, clip)] == [("Oui.", "mail")]


def test_a_hostile_text_is_read_in_no_time():
    # Its own time: others may be at work on this machine.
    began = time.process_time()
    for text in ("on " * 20_000, "a <" * 30_000, " > " * 30_000, "le 1" + " wrote" * 20_000):
        thread.without_quotes(text)
    assert time.process_time() - began < 5
