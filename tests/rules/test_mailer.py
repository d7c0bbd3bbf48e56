"""How a message leaves: into a folder, or by SMTP to a real server on loopback."""

import email
import socket
from contextlib import ExitStack
from email import policy

import pytest

from config import MailSettings
from portal.errors import Code, Unavailable
from portal.mailer import Mailer
from tests.post_office import Letters, opened

LETTER = {
    "to": "nadia@mail.example",
    "subject": "Bien reçu : « Six heures »",
    "text": "Bonjour Nadia",
    "html": "<p>Bonjour Nadia</p>",
    "message_id": "abc@portal.test",
    "lang": "fr",
}


@pytest.fixture
def post_office():
    with ExitStack() as offices:

        def open_office(*, auth=False, **options):
            letters = Letters(**options)
            return letters, offices.enter_context(opened(letters, auth=auth))

        yield open_office


def mailer(tmp_path, url=""):
    settings = MailSettings(url=url, sender="portal@brand.example", folder=tmp_path / "mail")
    return Mailer(settings, sender_name="La vie en Solène")


def test_without_a_server_a_letter_is_a_file_and_sent_twice_it_is_one_file(tmp_path):
    for _ in range(2):
        mailer(tmp_path).send(**LETTER)
    (path,) = (tmp_path / "mail").iterdir()
    read = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    assert read["To"] == "nadia@mail.example"
    assert read["Subject"] == LETTER["subject"]
    assert read["Message-ID"] == "<abc@portal.test>"
    assert {part.get_content_type() for part in read.iter_parts()} == {"text/plain", "text/html"}


def test_by_smtp_the_letter_reaches_the_server_with_both_parts(tmp_path, post_office):
    letters, url = post_office()
    mailer(tmp_path, url).send(**LETTER)
    (envelope,) = letters.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("portal@brand.example", ["nadia@mail.example"])
    assert b"<abc@portal.test>" in envelope.content
    assert mailer(tmp_path, url).fault() is None


def test_a_server_that_refuses_makes_the_letter_wait(tmp_path, post_office):
    _letters, url = post_office(refuses=True)
    with pytest.raises(Unavailable) as caught:
        mailer(tmp_path, url).send(**LETTER)
    assert caught.value.code is Code.OURS_MAIL


def test_a_server_that_is_away_is_a_fault_with_words(tmp_path):
    away = mailer(tmp_path, "smtp://127.0.0.1:1")
    assert away.fault()
    with pytest.raises(Unavailable):
        away.send(**LETTER)


@pytest.mark.parametrize(
    ("answer", "detail", "is_final"),
    [
        ("550 5.1.1 <nadia@mail.example> unknown", "550 5.1.1", True),
        ("554 no nadia@mail.example here", "554", True),
        ("450 4.2.0 <nadia@mail.example> greylisted", "450 4.2.0", False),
    ],
)
def test_what_a_server_says_of_an_address_is_kept_as_figures_alone(
    tmp_path, post_office, answer, detail, is_final
):
    _letters, url = post_office(rcpt=answer)
    with pytest.raises(Unavailable) as caught:
        mailer(tmp_path, url).send(**LETTER)
    assert caught.value.facts == {"detail": detail, **({"is_final": True} if is_final else {})}


@pytest.mark.parametrize(("host", "is_sent"), [("127.0.0.1", True), ("localhost.mail.example", False)])
def test_a_password_goes_to_another_machine_only_behind_tls(
    tmp_path, post_office, monkeypatch, host, is_sent
):
    letters, url = post_office(auth=True)
    port = int(url.rpartition(":")[2])
    # Another machine by its name, this one by its wire.
    real = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda _address, *rest, **more: real(("127.0.0.1", port), *rest, **more)
    )
    away = mailer(tmp_path, f"smtp://portal:secret@{host}:{port}")
    if is_sent:
        away.send(**LETTER)
        assert letters.passwords == ["secret"]
        return
    assert "no TLS" in (away.fault() or "")
    with pytest.raises(Unavailable):
        away.send(**LETTER)
    assert letters.passwords == []


def test_a_line_break_in_a_title_adds_no_header(tmp_path):
    mailer(tmp_path).send(**{**LETTER, "subject": "Titre\r\nBcc: thief@mail.example"})
    (path,) = (tmp_path / "mail").iterdir()
    read = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    assert read["Bcc"] is None
