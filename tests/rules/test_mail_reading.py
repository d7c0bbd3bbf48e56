"""What a mail says, and what is refused before the parser sees it."""

import time

import pytest

from portal.errors import Code, Unacceptable
from portal.mail_reading import Verdict, film_type, language_of, read_content, read_heading
from tests.letters_in import FILM, TRUSTED, mail, said


def heading(**parts):
    return read_heading(mail(**parts), trusts=TRUSTED)


# Who wrote it -----------------------------------------------------------------------------------------------


def test_a_pass_of_our_own_server_for_the_senders_domain_proves_the_sender():
    assert heading(results=said("pass")).verdict is Verdict.PASSED


def test_a_fail_of_our_own_server_is_a_forgery():
    assert heading(results=said("fail")).verdict is Verdict.FAILED


def test_what_other_servers_say_is_not_believed():
    assert heading(results=said("pass", by="mx.elsewhere.example")).verdict is Verdict.UNPROVEN
    assert heading(results=said("fail", by="mx.elsewhere.example")).verdict is Verdict.UNPROVEN


def test_without_a_trusted_server_nobody_is_proven():
    assert read_heading(mail(results=said("pass")), trusts="").verdict is Verdict.UNPROVEN


def test_a_pass_for_another_domain_proves_nothing():
    assert heading(results=said("pass", "forger.example")).verdict is Verdict.UNPROVEN


def test_a_forged_header_below_our_servers_own_does_not_count():
    own = f"Authentication-Results: {TRUSTED}; dmarc=temperror header.from=mail.example\n"
    forged = f"Authentication-Results: {said('pass')}\n"
    raw = own.encode() + forged.encode() + mail()
    assert read_heading(raw, trusts=TRUSTED).verdict is Verdict.UNPROVEN


def test_any_fail_that_our_server_wrote_counts():
    raw = mail(results=said("pass"), headers={"Authentication-Results": said("fail")})
    assert read_heading(raw, trusts=TRUSTED).verdict is Verdict.FAILED


def test_without_dmarc_a_denied_and_unsigned_sender_is_a_forgery():
    denied = f"{TRUSTED}; spf=fail smtp.mailfrom=mail.example; dkim=none; dmarc=none header.from=mail.example"
    assert heading(results=denied).verdict is Verdict.FAILED
    signed = f"{TRUSTED}; spf=fail smtp.mailfrom=mail.example; dkim=pass header.d=mail.example"
    assert heading(results=signed).verdict is Verdict.UNPROVEN


@pytest.mark.parametrize(
    "broken", [f"{TRUSTED}; dmarc=pass ((((", f"{TRUSTED}; " + "(" * 3000, f"{TRUSTED}", ";;;"]
)
def test_a_result_that_cannot_be_read_proves_nothing(broken):
    raw = f"Authentication-Results: {broken}\n".encode() + mail()
    assert read_heading(raw, trusts=TRUSTED).verdict is Verdict.UNPROVEN


@pytest.mark.parametrize("sender", ["a@mail.example, b@mail.example", "nobody", "<>", "undisclosed:;"])
def test_a_mail_without_one_plain_sender_is_unreadable(sender):
    raw = b"From: " + sender.encode() + b"\nSubject: x\n\nBonjour\n"
    with pytest.raises(Unacceptable) as caught:
        read_heading(raw, trusts=TRUSTED)
    assert caught.value.code is Code.MAIL_UNREADABLE


def test_two_from_headers_are_unreadable():
    with pytest.raises(Unacceptable):
        read_heading(b"From: a@mail.example\nFrom: b@mail.example\n\nx\n", trusts="")


# Whether a person wrote it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Auto-Submitted", "auto-replied"),
        ("Precedence", "bulk"),
        ("List-Id", "<owners.mail.example>"),
        ("Return-Path", "<>"),
        ("X-Autoreply", "yes"),
        ("X-Loop", "films@brand.example"),
    ],
)
def test_programs_are_known_by_their_headers(name, value):
    assert heading(headers={name: value}).robot


def test_our_own_letters_bounces_and_reports_are_known():
    assert heading(message_id="<abc@clip.notice>").robot == "ours"
    assert heading(sender="MAILER-DAEMON@mail.example").robot == "daemon"
    report = b"From: a@mail.example\nContent-Type: multipart/report; boundary=x\n\n--x--\n"
    assert read_heading(report, trusts="").robot == "report"


def test_a_person_is_no_robot():
    assert heading(headers={"Auto-Submitted": "no", "Precedence": "normal"}).robot == ""


# What it says ----------------------------------------------------------------------------------------------


def test_a_subject_loses_what_mail_programs_put_before_it_and_control_signs():
    assert heading(subject="Re: TR : Fwd: Six heures").subject == "Six heures"
    raw = b"From: a@mail.example\nSubject: =?utf-8?q?Six=0A_heures=E2=80=AE?=\n\nx\n"
    assert read_heading(raw, trusts="").subject == "Six heures"


def test_the_same_mail_has_the_same_key_and_another_senders_never_has():
    assert heading().key == heading(words="anything").key
    assert heading().key != heading(sender="eve@mail.example").key
    assert heading(message_id="").key != heading(message_id="", words="other").key


def test_a_film_is_known_by_its_beginning_whatever_it_calls_itself():
    assert film_type(FILM) == "video/mp4"
    assert film_type(b"\0\0\0\x14ftypqt  ") == "video/quicktime"
    assert film_type(b"\x1a\x45\xdf\xa3\x01\0\0\0\x42\x82\x84webm") == "video/webm"
    for other in (b"\0\0\0\x18ftypheic", b"PK\3\4" + FILM, b"\xff\xd8\xff\xe0", b"", b"#EXTM3U"):
        assert film_type(other) == ""


def test_the_first_film_is_taken_whole_and_the_others_are_counted():
    content = read_content(mail(films=(FILM, FILM + b"2", b"PK\3\4 a zip")))
    assert content.film is not None
    assert (content.film.data, content.film.content_type) == (FILM, "video/mp4")
    assert (content.more_films, content.others) == (1, 1)
    assert content.words.startswith("Bonjour")


def test_words_of_a_page_are_read_without_its_scripts():
    page = mail().replace(b"text/plain", b"text/html").replace(
        b"Bonjour,", b"<style>p{}</style><p>Bonjour</p><script>x()</script>"
    )  # fmt: skip
    words = read_content(page).words
    assert "Bonjour" in words
    assert "x()" not in words
    assert "p{}" not in words


def test_words_in_an_unknown_writing_are_read_as_well_as_can_be():
    raw = b"From: a@mail.example\nContent-Type: text/plain; charset=klingon\n\nBonjour\n"
    assert read_content(raw).words == "Bonjour"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Bonjour, voici notre film de la montée avec les enfants, je vous le confie.", "fr"),
        ("Hello, here is the film of our trip that we made with the kids in the Alps.", "en"),
        ("Hallo, hier ist der Film von unserer Fahrt, die wir mit den Kindern gemacht haben.", "de"),
        ("", ""),
        ("OK", ""),
    ],
)
def test_the_language_is_told_by_the_small_words(words, code):
    assert language_of(words) == code


# What is made to harm --------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    head, body = b"", b""
    for number in range(depth):
        kind = b"Content-Type: multipart/mixed; boundary=b%d\n\n" % number
        head += (b"From: a@mail.example\n" if not number else b"--b%d\n" % (number - 1)) + kind
        body = b"--b%d--\n" % number + body
    return head + b"--b%d\n\nx\n" % (depth - 1) + body


def crowd(count: int) -> bytes:
    part = b"--b\nContent-Type: text/plain\n\nx\n"
    return b"From: a@mail.example\nContent-Type: multipart/mixed; boundary=b\n\n" + part * count + b"--b--\n"


BOMBS = {
    "nesting": nested(300),
    "a crowd of parts": crowd(200_000),
    "bare boundaries": b"From: a@mail.example\nContent-Type: multipart/mixed; boundary=b\n\n"
    + b"--b\n" * 500_000,
    "mails in mails": b"From: a@mail.example\n" + b"Content-Type: message/rfc822\n\n" * 2000,
    "a digest": b"From: a@mail.example\nContent-Type: multipart/digest; boundary=b\n\n--b\n\n--b--\n",
    "a part's endless header": b"From: a@mail.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: "
    + b"y" * 2_000_000,
    "an odd boundary": b'From: a@mail.example\nContent-Type: multipart/mixed; boundary="a\\"b"\n\n--a"b\n\nx\n',
    "a boundary in pieces": b"From: a@mail.example\nContent-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\nx\n",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_mail_that_is_made_to_harm_is_refused_at_once(bomb):
    begun = time.process_time()
    with pytest.raises(Unacceptable) as caught:
        read_content(bomb)
    assert caught.value.code is Code.MAIL_TOO_COMPLEX
    assert time.process_time() - begun < 2


def test_an_endless_header_is_refused():
    with pytest.raises(Unacceptable) as caught:
        read_heading(b"From: a@mail.example\nX: " + b"y" * 100_000 + b"\n\nx\n", trusts=TRUSTED)
    assert caught.value.code is Code.MAIL_TOO_COMPLEX


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n", b"\0" * 100, b"From", b"From: \xff\xfe@\xff\n\nx", b"-" * 70_000]
)
def test_what_is_no_mail_is_refused_with_a_code(raw):
    with pytest.raises(Unacceptable):
        read_heading(raw, trusts=TRUSTED)


def test_a_base64_part_that_is_none_is_no_film():
    raw = mail(films=(FILM,)).replace(b"AAAAGGZ0eXBtcDQy", b"????????????????")
    assert read_content(raw).film is None


def test_an_ordinary_mail_with_dashes_in_its_words_is_read():
    words = "\n".join(["-- ", "--- a", "+++ b", "boundary"] * 5)
    assert read_content(mail(words=words, films=(FILM,))).film is not None
