"""Mails by real LMTP and SMTP on loopback: what the other server is told, and what is there when it is told so."""

import dataclasses
import smtplib
import threading

import pytest
from sqlalchemy import select

from portal import addresses, doctor, postman, uploads
from portal.models import Clip, Film, IncomingMail, Message, Notice, Person, State, Upload
from portal.storage import Bucket, Storage
from tests.letters_in import FILM, mail, said
from tests.mail.conftest import INBOX

PROVEN = said("pass")


def send(line, raw, *, to=INBOX, sender="nadia@mail.example"):
    """The answers to MAIL, RCPT and DATA, up to the first refusal."""
    line.ehlo_or_helo_if_needed()
    for ask in (
        lambda: line.mail(sender),
        lambda: line.rcpt(to),
        lambda: line.data(raw.replace(b"\n", b"\r\n")),
    ):
        code, words = ask()
        if code >= 400:
            line.rset()
            break
    return code, words.decode()


def test_two_hundred_and_fifty_means_that_rows_and_bytes_are_there(post_office, runtime, count, bells):
    with post_office() as line:
        code, _words = send(line, mail(films=(FILM,), results=PROVEN))
    assert code == 250
    with runtime.read() as session:
        clip = session.scalars(select(Clip)).one()
        film = session.scalars(select(Film)).one()
        notice = session.scalars(select(Notice)).one()
        person = session.scalars(select(Person)).one()
    assert (clip.state, clip.channel) == (State.PROCESSING, "mail")
    assert runtime.storage.read(Bucket.ORIGINALS, film.key, 0, len(FILM)) == FILM
    assert (notice.kind, notice.facts["film"]) == ("mail_taken", True)
    assert person.confirmed_at is not None
    assert {bell.kind for bell in bells} >= {"preview", "transcode", "tell"}


def test_the_same_mail_delivered_twice_is_one_clip(post_office, count):
    with post_office() as line:
        for _ in range(2):
            assert send(line, mail(films=(FILM,), results=PROVEN))[0] == 250
    assert (count(Clip), count(Film), count(Notice)) == (1, 1, 1)


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_delivered_twice_at_once_it_is_one_clip_too(post_office, count):
    raw, codes = mail(films=(FILM,), results=PROVEN), []
    with post_office() as line:
        lines = [smtplib.LMTP("127.0.0.1", line.sock.getpeername()[1], local_hostname="mx") for _ in range(4)]
        threads = [threading.Thread(target=lambda one=one: codes.append(send(one, raw)[0])) for one in lines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in lines:
            one.close()
        assert set(codes) <= {250, 450, 451}
        assert send(line, raw)[0] == 250
    assert (count(Clip), count(Film), count(Notice)) == (1, 1, 1)


def test_a_forgery_is_refused_by_smtp_and_nobody_is_written_to(post_office, count):
    with post_office("smtp") as line:
        code, words = send(line, mail(films=(FILM,), results=said("fail")))
    assert (code, "mail_spoofed" in words) == (550, True)
    assert (count(Clip), count(Notice), count(Person)) == (0, 0, 0)


def test_behind_lmtp_a_forgery_vanishes_for_a_bounce_would_reach_whoever_was_forged(post_office, count):
    with post_office("lmtp") as line:
        assert send(line, mail(films=(FILM,), results=said("fail")))[0] == 250
    assert (count(Clip), count(Notice)) == (0, 0)


def test_a_bounce_is_taken_and_nothing_comes_of_it(post_office, count):
    with post_office() as line:
        assert send(line, mail(results=PROVEN), sender="")[0] == 250
    assert (count(Clip), count(Notice)) == (0, 0)


@pytest.mark.parametrize("to", ["films+nothing@brand.example", "else@brand.example"])
def test_an_unknown_mailbox_is_refused_before_the_mail_is_sent(post_office, to):
    with post_office("smtp") as line:
        code, words = send(line, b"", to=to)
    assert (code, "no_such_mailbox" in words) == (550, True)


def test_a_mail_that_is_too_large_is_refused_with_552(post_office, count):
    with post_office("smtp", max_bytes=65536) as line:
        assert send(line, mail(films=(FILM * 40,), results=PROVEN))[0] == 552
        line.ehlo()
        assert line.mail("nadia@mail.example", ["SIZE=70000"])[0] == 552
    assert count(Clip) == 0


def test_a_bomb_is_refused_and_the_next_mail_is_taken(post_office, count):
    bomb = mail().replace(b"Content-Type: text/plain", b"Content-Type: multipart/digest; boundary=x")
    with post_office("smtp") as line:
        code, words = send(line, bomb)
        assert (code, "mail_too_complex" in words) == (550, True)
        assert send(line, mail(films=(FILM,), message_id="<2@mail.example>"))[0] == 250
    assert count(Clip) == 1


def test_a_zip_makes_a_draft_that_asks_for_the_film(post_office, runtime, count):
    with post_office() as line:
        assert send(line, mail(films=(b"PK\3\4" + b"\0" * 5000,), results=PROVEN))[0] == 250
    with runtime.read() as session:
        assert session.scalars(select(Notice)).one().facts["film"] is False
    assert (count(Clip, Clip.state == State.DRAFT), count(Upload)) == (1, 0)


def begun(port, to):
    """A line on which a mail was begun to somebody, and what he was answered."""
    line = smtplib.SMTP("127.0.0.1", port, local_hostname="mx")
    line.ehlo()
    line.mail("nadia@mail.example")
    return line, line.rcpt(to)[0]


@pytest.mark.parametrize("gives_up", ["by a reset", "at a wrong address"])
def test_lines_that_gave_their_mail_up_keep_nobody_out(post_office, gives_up):
    to = INBOX if gives_up == "by a reset" else "nobody@brand.example"
    with post_office("smtp") as line:
        port = line.sock.getpeername()[1]
        idle = [begun(port, to)[0] for _ in range(postman.LINES)]
        if gives_up == "by a reset":
            assert {one.rset()[0] for one in idle} == {250}
        assert send(line, mail(films=(FILM,), results=PROVEN))[0] == 250
        for one in idle:
            one.close()


def test_whoever_finds_no_place_for_his_second_recipient_comes_later(post_office):
    with post_office("smtp") as line:
        port = line.sock.getpeername()[1]
        line.ehlo()
        line.mail("nadia@mail.example")
        assert line.rcpt("nobody@brand.example")[0] == 550
        others = [begun(port, INBOX) for _ in range(postman.LINES)]
        assert {code for _line, code in others} == {250}
        assert line.rcpt(INBOX)[0] == 451
        for one, _code in others:
            one.close()


def test_each_mail_has_one_recipient(post_office):
    with post_office() as line:
        line.ehlo_or_helo_if_needed()
        line.mail("nadia@mail.example")
        assert line.rcpt(INBOX)[0] == 250
        assert line.rcpt("films+quotidien@brand.example")[0] == 452


def test_an_answer_reaches_the_thread_of_its_clip(post_office, runtime, make, count):
    clip = make.clip(State.CHANGES_REQUESTED, owner=make.person("nadia@mail.example"))
    to = addresses.reply_address(INBOX, clip.id, key=runtime.settings.site.secret_key)
    with post_office() as line:
        assert send(line, mail(to=to, words="C’est noté."), to=to)[0] == 250
    assert count(Message, Message.clip_id == clip.id) == 1


def test_a_new_film_in_an_answer_becomes_the_clips(post_office, runtime, make, count):
    clip = make.clip(State.CHANGES_REQUESTED, owner=make.person("nadia@mail.example"))
    to = addresses.reply_address(INBOX, clip.id, key=runtime.settings.site.secret_key)
    with post_office() as line:
        assert send(line, mail(to=to, films=(FILM,), results=PROVEN), to=to)[0] == 250
    assert count(Film, Film.clip_id == clip.id) == 2


def test_while_the_storage_is_away_the_mail_stays_with_its_server(post_office, read, runtime, count):
    away = read(listen="lmtp://127.0.0.1:0")
    # Nobody listens there, and nobody will.
    gone = "http://127.0.0.1:1"
    storage = dataclasses.replace(away.settings.storage, endpoint_url=gone, public_url=gone)
    stopped = dataclasses.replace(
        away, storage=Storage(storage), settings=dataclasses.replace(away.settings, storage=storage)
    )
    raw = mail(films=(FILM,), results=PROVEN)
    answer = postman.Postman(stopped).take(raw, INBOX)
    assert (answer.line[:3], answer.is_final) == ("451", False)
    assert (count(Clip), count(Film), count(Notice)) == (1, 0, 0)
    assert postman.Postman(away).take(raw, INBOX).line.startswith("250")
    assert (count(Clip), count(Film), count(Notice)) == (1, 1, 1)


def test_a_film_larger_than_the_portal_takes_is_asked_for_by_the_link(read, runtime, count):
    small = dataclasses.replace(
        read(), settings=dataclasses.replace(read().settings, uploads=dataclasses.replace(
            runtime.settings.uploads, max_bytes=100)),
    )  # fmt: skip
    assert postman.Postman(small).take(mail(films=(FILM,), results=PROVEN), INBOX).line.startswith("250")
    with runtime.read() as session:
        assert session.scalars(select(Notice)).one().facts["fault"] == "too_large"
    assert count(Upload) == 0


def test_the_letter_of_the_upload_page_is_not_sent_beside_the_mails_own(read, count):
    assert postman.Postman(read()).take(mail(films=(FILM,)), INBOX).line.startswith("250")
    assert count(Notice, Notice.kind == "received") == 0
    assert uploads.BY_MAIL == "mail:"


def test_the_doctor_says_who_listens_and_when_the_last_mail_came(post_office, read, runtime):
    nobody = read(listen="lmtp://127.0.0.1:1")
    assert "nobody listens" in (postman.fault(nobody) or "")
    with post_office() as line:
        port = line.sock.getpeername()[1]
        send(line, mail(results=PROVEN))
        heard = read(listen=f"lmtp://127.0.0.1:{port}")
        assert postman.fault(heard) is None
        assert dict(doctor.about_inbox(heard))["inbox"].endswith("(draft)")
    assert list(doctor.about_inbox(runtime)) == []


def test_only_the_hash_of_a_mail_stays(post_office, runtime):
    with post_office() as line:
        send(line, mail(results=PROVEN))
    with runtime.read() as session:
        row = session.scalars(select(IncomingMail)).one()
    assert len(row.message_hash) == len(row.sender_hash) == 64
