"""Counters in the broker's server: shared by all processes, without it each for itself, and nobody waits for one that hangs."""

import contextlib
import dataclasses
import socket
import time
from hashlib import sha256
from types import SimpleNamespace

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from sqlalchemy import func, select

from config import GuardSettings
from portal.models import Clip
from portal.web import create_app, site

BEGIN = "/api/v1/submissions"


@pytest.fixture
def process(runtime, make):
    """A process of the site: its own app on the same database, with this broker and these figures."""
    make.campaign("quotidien")

    def started(broker, **figures):
        guard = dataclasses.replace(GuardSettings(), **figures)
        settings = dataclasses.replace(runtime.settings, broker_url=broker, guard=guard)
        return create_app(dataclasses.replace(runtime, settings=settings)).test_client()

    return started


def begin(client, network, **more):
    body = {"campaign": "quotidien", **more}
    return client.post(BEGIN, json=body, environ_base={"REMOTE_ADDR": network})


@pytest.fixture
def network():
    """An address that no other test has asked from: the broker remembers."""
    return ".".join(["10", *(str(part) for part in time.time_ns().to_bytes(8, "big")[-3:])])


def test_two_processes_count_together_in_the_brokers_server(process, broker_url, network):
    first, second = (process(broker_url, challenge_from=2) for _ in range(2))
    assert begin(first, network).status_code == 201
    assert begin(second, network).status_code == 201
    assert begin(first, network).json["code"] == "challenge"
    assert begin(second, network).json["code"] == "challenge"


def test_the_limits_of_single_pages_are_shared_too(process, broker_url, network):
    first, second = (process(broker_url) for _ in range(2))

    def views(client):
        return client.post("/api/v1/clips/abcdefghij/views", json={}, environ_base={"REMOTE_ADDR": network})

    codes = [views(client).status_code for client in (first, second) for _ in range(30)]
    assert 429 not in codes
    assert views(second).status_code == 429


@pytest.fixture
def silent():
    """A socket that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def hanging(silent):
    """A broker that takes calls and never answers."""
    return f"redis://127.0.0.1:{silent.getsockname()[1]}/0"


def calls(silent):
    """How many have called since the last time."""
    number = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            silent.accept()[0].close()
            number += 1
    return number


def test_a_broker_that_hangs_is_asked_once_and_refuses_nobody(process, silent, hanging, network):
    client = process(hanging)
    assert begin(client, network).status_code == 201
    assert calls(silent) > 0
    assert [begin(client, network).status_code for _ in range(5)] == [201] * 5
    # Not each of the five asks; on a slow machine one may look again whether it is back.
    assert calls(silent) <= 1


def test_while_the_counter_is_asked_others_write(process, hanging, network, runtime, make):
    client = process(hanging)
    form = client.get("/fr/participate/quotidien", environ_base={"REMOTE_ADDR": network}).text
    assert "Envoyer" in form
    theirs = []

    def looks(*_args):
        # As another process does, in the very moment in which the counter is asked.
        with runtime.work() as session:
            theirs.append(session.scalar(select(func.count()).select_from(Clip)))

    meter = client.application.extensions["meter"]
    asked = meter.takes
    meter.takes = lambda *about, **more: (looks(), asked(*about, **more))[1]
    data = {
        "title": "Le col", "first_name": "Léa", "speech_lang": "fr", "email": "lea@mail.example",
        "consents.site": "1", "consents.adult": "1", "script": "1",
    }  # fmt: skip
    token = form.split('name="csrf_token" value="')[1].split('"')[0]
    sent = client.post("/fr/participate/quotidien", data=data | {"csrf_token": token})
    assert (sent.status_code, len(theirs) > 0) == (303, True)


class Earlier(TimestampSigner):
    """Signs as it did a minute and a second ago."""

    def get_timestamp(self):
        return int(time.time()) - 61


def test_after_its_minute_a_ticket_lets_one_in_once(process, runtime, network):
    client = process("redis://127.0.0.1:1/0", challenge_from=1)
    begin(client, network)
    assert begin(client, network).json["code"] == "challenge"
    maker = URLSafeTimedSerializer(runtime.settings.site.secret_key, salt="ticket", signer=Earlier)
    ticket = maker.dumps(sha256(network.encode()).hexdigest()[:16])
    assert begin(client, network, proof=ticket).status_code == 201
    assert begin(client, network, proof=ticket).json["code"] == "challenge"
    assert begin(client, "10.0.0.1").status_code == 201
    # Another network's ticket opens nothing.
    assert begin(client, "10.0.0.1", proof=ticket).json["code"] == "challenge"


# What is read ---------------------------------------------------------------------------------------------


def test_so_many_reads_a_minute_and_searches_among_them(process, network):
    client = process("redis://127.0.0.1:1/0", reads_a_minute=3)
    ways = ["/api/v1/clips?q=galibier", "/api/v1/themes", "/fr/clips?q=galibier"]
    asked = [client.get(way, environ_base={"REMOTE_ADDR": network}).status_code for way in [*ways, *ways]]
    assert asked == [200, 200, 200, 429, 429, 429]
    # What everybody reads costs no search, and other networks are not held up.
    assert client.get("/fr/clips", environ_base={"REMOTE_ADDR": network}).status_code in (200, 302)
    assert client.get(ways[0], environ_base={"REMOTE_ADDR": "10.0.0.1"}).status_code == 200


def test_a_program_is_counted_by_its_token_and_not_by_its_network(process, make):
    client = process("redis://127.0.0.1:1/0", reads_a_minute=2)
    for program in (make.bearer("read"), make.bearer("read")):
        asked = [client.get("/api/v1/themes", headers=program) for _ in range(3)]
        assert [answer.status_code for answer in asked] == [200, 200, 429]


def test_a_member_of_staff_changes_sixty_things_a_minute(moderator_client, make):
    clip = make.clip()
    url = f"/studio/review/{clip.id}/note"
    codes = [moderator_client.post_form(url, {"words": f"Note {number}"}).status_code for number in range(61)]
    assert codes == [303] * 60 + [429]


def test_storage_and_broker_are_asked_whether_they_answer_every_other_second_only(
    client, runtime, monkeypatch
):
    asked, clock = [], SimpleNamespace(now=100.0)
    monkeypatch.setattr(type(runtime.storage), "is_reachable", lambda _self: asked.append(clock.now) or True)
    monkeypatch.setattr(site, "time", SimpleNamespace(monotonic=lambda: clock.now))
    for later in (0.0, 0.0, 1.9, 0.2, 0.0):
        clock.now += later
        client.get("/readyz")
    assert asked == pytest.approx([100.0, 102.1])
