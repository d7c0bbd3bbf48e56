"""A mailbox on a real IMAP server is emptied: what is taken is gone there, what is refused stays, nothing is lost."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError
from sqlalchemy import select

from portal import postman
from portal.errors import Unavailable
from portal.mailbox import Mailbox
from portal.models import Clip, Film, Notice, Person
from tests.letters_in import FILM, mail, said

PROVEN = said("pass")


TRIES = 5


def served():
    """A real IMAP server of its own, in memory, and the port that it was given; it ends when somebody else has that."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "import sys; from pymap.main import main; sys.exit(main())"
    words = ["--host", "127.0.0.1", "--port", str(port), "--no-tls", "--no-service", "managesieve"]
    words += ["--no-service", "admin", "dict", "--demo-user", "films", "--demo-password", "secret"]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", start, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    ends = time.monotonic() + 240
    while time.monotonic() < ends and server.poll() is None:
        with contextlib.suppress(OSError, IMAPClientError):
            with IMAPClient("127.0.0.1", port, ssl=False, timeout=60) as imap:
                imap.login("films", "secret")
            break
        time.sleep(0.05)
    return server, port


@pytest.fixture(scope="module")
def imap_port():
    """Where that server answers."""
    server, port = served()
    for _ in range(TRIES - 1):
        if server.poll() is None:
            break
        server.communicate()
        server, port = served()
    assert server.poll() is None, server.stderr.read()
    yield port
    server.terminate()
    server.communicate(timeout=120)


@pytest.fixture
def box(imap_port):
    """The mailbox, empty, as its owner's mail program sees it."""
    with IMAPClient("127.0.0.1", imap_port, ssl=False) as imap:
        imap.login("films", "secret")
        imap.select_folder("INBOX")
        if there := imap.search():
            imap.delete_messages(there)
            imap.expunge()
        yield imap


@pytest.fixture
def carry(read, imap_port):
    """Empties the mailbox once, as the postman does every minute; how many mails were dealt with."""

    def emptied(**parts):
        machines = read(imap_url=f"imap://films:secret@127.0.0.1:{imap_port}/INBOX", **parts)
        man = postman.Postman(machines)
        mailbox = Mailbox(machines.settings.mail.imap_url, machines.settings.mail.max_bytes)
        return mailbox.empty(man.take_from_mailbox)

    return emptied


def left(box):
    """The flags of what is still there, by the program of a person who looks."""
    box.select_folder("INBOX")
    there = box.search()
    found = box.fetch(there, ["FLAGS"]) if there else {}
    return [set(one[b"FLAGS"]) - {b"\\Recent"} for one in found.values()]


def test_a_mail_is_taken_and_deleted(box, carry, count):
    box.append("INBOX", mail(films=(FILM,), results=PROVEN))
    assert carry() == 1
    assert (count(Clip), count(Film), count(Notice)) == (1, 1, 1)
    assert left(box) == []
    assert carry() == 0


def test_a_mail_that_a_person_has_read_there_is_taken_too(box, carry, count):
    box.append("INBOX", mail(results=PROVEN), flags=[rb"\Seen"])
    assert carry() == 1
    assert count(Clip) == 1


def test_a_refused_mail_stays_flagged_and_is_not_looked_at_again(box, carry, count):
    box.append("INBOX", mail(results=said("fail")))
    assert carry() == 1
    (flags,) = left(box)
    assert flags >= {b"\\Flagged", b"\\Seen"}
    assert carry() == 0
    assert count(Notice) == 0


def test_of_a_mail_that_is_too_large_only_the_header_is_fetched_and_the_film_asked_for(
    box, carry, runtime, count
):
    box.append("INBOX", mail(films=(FILM * 60,), results=PROVEN))
    assert carry(max_bytes=65536) == 1
    with runtime.read() as session:
        assert session.scalars(select(Notice)).one().facts["too_large"] is True
    assert (count(Clip), count(Film)) == (1, 0)


def test_a_mail_that_cannot_be_taken_now_stays_as_it_is(box, imap_port, read, count):
    box.append("INBOX", mail(films=(FILM,), results=PROVEN))
    mailbox = Mailbox(f"imap://films:secret@127.0.0.1:{imap_port}/INBOX", 10**6)
    assert mailbox.empty(lambda _raw, *, is_whole: postman.Answer("451", is_final=not is_whole)) == 0
    assert left(box) == [set()]


def test_a_flood_from_one_sender_does_not_keep_the_others_waiting(box, carry, count):
    for number in range(56):
        box.append("INBOX", mail(results=PROVEN, message_id=f"<{number}@flood.example>"))
    box.append("INBOX", mail(sender="lea@mail.example", results=PROVEN, message_id="<own@mail.example>"))
    assert carry() == 7
    assert count(Person, Person.email == "lea@mail.example") == 1


def test_a_mail_that_cannot_be_taken_now_is_not_fetched_again_at_once(box, imap_port, read):
    box.append("INBOX", mail(films=(FILM,), results=PROVEN))
    mailbox = Mailbox(f"imap://films:secret@127.0.0.1:{imap_port}/INBOX", 10**6)
    brought = []

    def later(raw, *, is_whole):
        brought.append(raw)
        return postman.Answer("451", is_final=not is_whole)

    mailbox.empty(later)
    mailbox.empty(later)
    assert len(brought) == 1
    mailbox._later = {uid: (0.0, pause) for uid, (_until, pause) in mailbox._later.items()}
    mailbox.empty(later)
    assert len(brought) == 2


def test_whoever_dies_after_taking_and_before_deleting_brings_it_again_and_it_is_one_clip(
    box, imap_port, read, carry, count
):
    box.append("INBOX", mail(films=(FILM,), results=PROVEN))
    man = postman.Postman(read())

    class Died(Exception):
        pass

    def take(raw, *, is_whole):
        man.take_from_mailbox(raw, is_whole=is_whole)
        raise Died

    mailbox = Mailbox(f"imap://films:secret@127.0.0.1:{imap_port}/INBOX", 10**6)
    with pytest.raises(Died):
        mailbox.empty(take)
    assert len(left(box)) == 1
    assert carry() == 1
    assert (count(Clip), count(Film)) == (1, 1)


def test_the_address_of_a_call_is_read_from_the_mail_itself(box, carry, make, runtime):
    wanted = make.campaign("hiver", title="L’hiver")
    box.append("INBOX", mail(to="Films <films+hiver@brand.example>", results=PROVEN))
    carry()
    with runtime.read() as session:
        assert session.scalars(select(Clip)).one().campaign_id == wanted.id


def test_a_wrong_password_is_a_fault_with_words(imap_port):
    wrong = Mailbox(f"imap://films:wrong@127.0.0.1:{imap_port}/INBOX", 10**6)
    assert "cannot be read" in (wrong.fault() or "")
    with pytest.raises(Unavailable):
        wrong.empty(lambda _raw, *, is_whole: postman.Answer("250", is_final=is_whole))


def test_a_password_goes_to_another_machine_only_behind_tls(imap_port, monkeypatch):
    # Another machine by its name, this one by its wire; the server here offers no TLS.
    real = socket.create_connection
    monkeypatch.setattr(
        socket,
        "create_connection",
        lambda _address, *rest, **more: real(("127.0.0.1", imap_port), *rest, **more),
    )
    away = Mailbox("imap://films:secret@mail.example/INBOX", 10**6)
    assert "no TLS" in (away.fault() or "")
    with pytest.raises(Unavailable):
        away.empty(lambda _raw, *, is_whole: postman.Answer("250", is_final=is_whole))


def test_the_doctor_says_when_nobody_empties_it(box, imap_port):
    mailbox = Mailbox(f"imap://films:secret@127.0.0.1:{imap_port}/INBOX", 10**6)
    assert mailbox.fault() is None
    box.append("INBOX", mail(), msg_time=datetime.now(UTC) - timedelta(hours=2))
    assert "receive-mail" in (mailbox.fault() or "")


def test_the_postman_empties_it_until_he_is_stopped(box, imap_port, read, runtime):
    box.append("INBOX", mail(films=(FILM,), results=PROVEN))
    stop, said_so = threading.Event(), []
    machines = read(imap_url=f"imap://films:secret@127.0.0.1:{imap_port}/INBOX")
    man = threading.Thread(target=postman.run, args=(machines, stop), kwargs={"said": said_so.append})
    man.start()
    try:
        ends = time.monotonic() + 120
        while time.monotonic() < ends and left(box):
            stop.wait(0.05)
    finally:
        stop.set()
        man.join(120)
    assert not man.is_alive()
    assert left(box) == []
    assert said_so
