"""How a message leaves: into a folder, or by SMTP to a real server on loopback."""

import email
import socket
from email import policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from config import MailSettings
from portal.errors import Code, Unavailable
from portal.mailer import Mailer

LETTER = {
    "to": "nadia@mail.example",
    "subject": "Bien reçu : « Six heures »",
    "text": "Bonjour Nadia",
    "html": "<p>Bonjour Nadia</p>",
    "message_id": "abc@portal.test",
    "lang": "fr",
}


class Letters:
    """Takes every letter, or refuses each."""

    def __init__(self, *, refuses=False, rcpt=""):
        self.taken, self.refuses, self.rcpt, self.passwords = [], refuses, rcpt, []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 -- the library's name
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 known"

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        self.passwords.append(data.password.decode())
        return AuthResult(success=True)

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 -- the library's name
        if self.refuses:
            return "451 come back later"
        self.taken.append(envelope)
        return "250 taken"


@pytest.fixture
def post_office():
    opened = []

    def open_office(*, auth=False, **options):
        letters = Letters(**options)
        # The library cannot be asked for any free port: it is chosen just before.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        asks = {"authenticator": letters.authenticate, "auth_require_tls": False} if auth else {}
        office = Controller(letters, hostname="127.0.0.1", port=port, ready_timeout=30, **asks)
        office.start()
        opened.append(office)
        return letters, f"smtp://127.0.0.1:{port}"

    yield open_office
    for office in opened:
        office.stop()


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
