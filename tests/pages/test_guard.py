"""Guarded: floods work or wait, nothing written is lost by it, quotas are counted before bytes, addresses are confirmed."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta

import altcha
import pytest
from itsdangerous import URLSafeTimedSerializer

from config import GuardSettings
from portal import people
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import enqueue
from portal.models import Clip, ClipLink, Job, JobState, Notice, Person, State
from portal.people import hash_token
from portal.web import create_app, guard

BEGIN = "/api/v1/submissions"
MIDNIGHT = datetime(2026, 6, 18, tzinfo=UTC).timestamp()
FORM = {
    "title": "Le Galibier",
    "first_name": "Léa",
    "speech_lang": "fr",
    "email": "lea@mail.example",
    "consents.site": "1",
    "consents.adult": "1",
}


@pytest.fixture
def guarded(runtime, make):
    """A client of a portal with other figures; `quotidien` is open."""
    make.campaign("quotidien")

    def with_(**figures):
        uploads = dataclasses.replace(runtime.settings.uploads, owner_bytes=figures.pop("owner_bytes", 10**9))
        limits = dataclasses.replace(GuardSettings(), **figures)
        settings = dataclasses.replace(runtime.settings, guard=limits, uploads=uploads)
        return create_app(dataclasses.replace(runtime, settings=settings)).test_client()

    return with_


def begin(client, proof=""):
    return client.post(BEGIN, json={"campaign": "quotidien", "proof": proof})


def clock(at):
    """A server's clock that stands at a moment."""

    class Still(datetime):
        @classmethod
        def now(cls, tz=None):
            return at.astimezone(tz)

    return Still


def given_at(runtime, ticket):
    """When a ticket was given, as it says itself: in whole seconds."""
    secret = runtime.settings.site.secret_key
    return URLSafeTimedSerializer(secret, salt="ticket").loads(ticket, return_timestamp=True)[1]


def worked(told):
    """What a browser sends when it has done the work."""
    given = told["challenge"]
    solution = altcha.solve_challenge_v1(given["challenge"], given["salt"], "SHA-256", 60_000, 0)
    return altcha.PayloadV1(
        "SHA-256", given["challenge"], solution.number, given["salt"], given["signature"]
    ).to_base64()


def test_a_network_that_begins_unusually_many_is_asked_for_work_and_goes_on_with_it(guarded):
    client = guarded(challenge_from=2)
    assert [begin(client).status_code for _ in range(2)] == [201, 201]
    asked = begin(client)
    assert (asked.status_code, asked.json["code"]) == (429, "challenge")
    assert begin(client, worked(asked.json)).status_code == 201


def test_a_piece_of_work_opens_one_door_once(guarded, counters_clock):
    client = guarded(challenge_from=1)
    counters_clock.now = MIDNIGHT - 2
    begin(client)
    proof = worked(begin(client).json)
    assert begin(client, proof).status_code == 201
    assert begin(client, proof).status_code == 429
    # Nor once more in the next hour and on the next day; the first of that hour is free.
    counters_clock.now = MIDNIGHT + 2
    begin(client)
    assert begin(client, proof).status_code == 429


@pytest.mark.parametrize("proof", ["", "nonsense", "e30=", "bnVsbA==", "W10=", "x" * 2000])
def test_what_is_no_proof_opens_nothing(guarded, proof):
    client = guarded(challenge_from=1)
    begin(client)
    assert begin(client, proof).json["code"] == "challenge"


def test_whoever_cannot_work_waits_a_minute_with_a_ticket_and_gets_one_at_a_time(guarded):
    client = guarded(challenge_from=1)
    begin(client)
    first, second = begin(client).json, begin(client).json
    assert first["ticket"]
    assert second["ticket"] == ""
    assert first["retry_after"] == 60
    # Its minute is not over.
    assert begin(client, first["ticket"]).status_code == 429


def test_after_its_minute_a_ticket_opens_one_door_once(guarded, runtime, monkeypatch):
    client = guarded(challenge_from=1)
    begin(client)
    ticket = begin(client).json["ticket"]
    given = given_at(runtime, ticket)
    monkeypatch.setattr(guard, "datetime", clock(given + timedelta(seconds=59.9)))
    assert begin(client, ticket).status_code == 429
    monkeypatch.setattr(guard, "datetime", clock(given + timedelta(seconds=60)))
    assert begin(client, ticket).status_code == 201
    assert begin(client, ticket).json["code"] == "challenge"


def test_a_ticket_opens_nothing_for_another_network(guarded, runtime, monkeypatch):
    client = guarded(challenge_from=1)
    begin(client)
    ticket = begin(client).json["ticket"]
    monkeypatch.setattr(guard, "datetime", clock(given_at(runtime, ticket) + timedelta(seconds=61)))
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    said = {"campaign": "quotidien", "proof": ticket}
    codes = [client.post(BEGIN, json=said, environ_base=elsewhere).status_code for _ in range(2)]
    # The first of that network is free.
    assert codes == [201, 429]


def test_over_the_hours_limit_nobody_begins_and_is_told_when_to_come_back(guarded):
    client = guarded(submissions_an_hour=1)
    begin(client)
    refused = begin(client)
    assert (refused.status_code, refused.json["code"]) == (429, "too_often")
    assert 0 < int(refused.headers["Retry-After"]) <= 3601


def test_a_campaign_takes_so_many_a_day_from_all_together(guarded):
    client = guarded(campaign_a_day=1)
    assert begin(client).status_code == 201
    assert begin(client).json["code"] == "too_often"


def test_a_program_of_ours_is_not_counted_by_its_network(guarded, runtime):
    client = guarded(challenge_from=1, submissions_an_hour=1)
    with runtime.work() as session:
        _row, plain = people.add_token(session, "shop", {"submit"})
    headers = {"Authorization": f"Bearer {plain}"}
    codes = [
        client.post(BEGIN, json={"campaign": "quotidien"}, headers=headers).status_code for _ in range(3)
    ]
    assert codes == [201, 201, 201]


def test_a_form_that_is_asked_to_wait_comes_back_with_every_word(guarded, in_form):
    client = guarded(challenge_from=1)
    begin(client)
    page = in_form(client, "/fr/participate/quotidien", FORM)
    assert page.status_code == 429
    assert "Attendez une minute" in page.text
    assert 'value="Le Galibier"' in page.text
    assert re.search(r'name="proof" value="[^"]{20,}"', page.text)


@pytest.fixture
def in_form():
    """Posts a page's form with its own token."""

    def post(client, address, values):
        page = client.get(address)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[1]
        return client.post(address, data={**values, "csrf_token": token})

    return post


def open_upload(client, told, size=10_000, **more):
    return client.post(
        "/api/v1/uploads",
        json={"submission_id": told["id"], "filename": "a.mp4", "size": size, "type": "video/mp4", **more},
        headers={"Authorization": f"Bearer {told['token']}"},
    )


def test_bytes_of_a_day_are_counted_when_they_are_announced(guarded):
    client = guarded(bytes_a_day=3 * 1024**2)
    told = begin(client).json
    assert open_upload(client, told, 2 * 1024**2).status_code == 201
    assert open_upload(client, told, 2 * 1024**2 + 1).json["code"] == "too_often"


def companion(client, told, size):
    meta = {"token": told["token"], "size": size}
    said = {"filename": "a.mp4", "type": "video/mp4", "metadata": meta}
    return client.post("/api/companion/s3/multipart", json=said)


def test_a_size_below_nothing_brings_no_bytes_back_to_the_day(guarded):
    client = guarded(bytes_a_day=3 * 1024**2)
    told = begin(client).json
    assert companion(client, told, -(10**15)).status_code == 422
    assert companion(client, told, 4 * 1024**2).json["code"] == "too_often"


def test_a_form_counts_for_the_most_that_it_may_bring(guarded):
    client = guarded(bytes_a_day=600 * 1024**2)
    told, other = begin(client).json, begin(client).json
    asked = "/api/companion/s3/params?metadata[token]="
    # Asking again for a form that has brought nothing yet is no second one.
    assert [client.get(asked + told["token"]).status_code for _again in range(2)] == [200, 200]
    assert client.get(asked + other["token"]).json["code"] == "too_often"


def test_a_page_without_script_keeps_every_word_when_no_film_may_come_now(guarded, in_form, runtime):
    client = guarded(bytes_a_day=1)
    led = in_form(client, "/fr/participate/quotidien", FORM)
    assert led.status_code == 303
    page = client.get(led.location)
    assert (page.status_code, "Le Galibier" in page.text) == (200, True)
    assert "/film?" not in led.location


def test_no_upload_begins_while_the_disk_is_nearly_full(guarded, runtime):
    runtime.settings.site.data_dir.mkdir(exist_ok=True)
    # More than there can be.
    client = guarded(free_percent=100)
    refused = open_upload(client, begin(client).json)
    assert (refused.status_code, refused.json["code"]) == (507, "ours_disk")


@pytest.fixture
def queue(runtime, make):
    """Two films that wait to be made, one of them put off."""
    clips = [make.clip(State.PROCESSING) for _ in range(2)]
    with runtime.work() as session:
        first, second = (
            enqueue(session, session.get_one(Clip, clip.id), JobKind.TRANSCODE) for clip in clips
        )
        second.run_after = db_now(session) + timedelta(hours=1)
        return first.id


def test_while_too_many_films_wait_a_new_one_comes_later_and_what_was_begun_goes_on(guarded, queue, runtime):
    begun, later = (begin(guarded()).json for _ in range(2))
    film = {"head_sha256": "a" * 64, "tail_sha256": "b" * 64}
    told = open_upload(guarded(), begun, **film)
    assert told.status_code == 201
    client = guarded(waiting_films=2)
    refused = open_upload(client, later)
    assert (refused.status_code, refused.json["code"]) == (503, "too_many_wait")
    assert refused.headers["Retry-After"] == "600"
    assert refused.json["detail"].startswith("Beaucoup de films attendent d’être préparés en ce moment.")
    assert companion(client, later, 10_000).status_code == 503
    # The very same film is found again, as after a lost line; so is a page that asks where its parts go.
    assert open_upload(client, begun, **film).json["id"] == told.json["id"]
    headers = {"Authorization": f"Bearer {begun['token']}"}
    parts = client.post(f"/api/v1/uploads/{told.json['id']}/parts", json={"numbers": [1]}, headers=headers)
    assert parts.status_code == 200
    # One less, and everybody may come; 0 never looks.
    assert open_upload(guarded(waiting_films=0), later).status_code == 201
    with runtime.work() as session:
        session.get_one(Job, queue).state = JobState.DONE
    assert open_upload(client, begin(client).json).status_code == 201


def test_a_page_without_script_keeps_every_word_while_too_many_films_wait(guarded, in_form, queue):
    client = guarded(waiting_films=1)
    page = client.get(in_form(client, "/fr/participate/quotidien", FORM).location)
    assert (page.status_code, "Le Galibier" in page.text) == (200, True)
    assert "Beaucoup de films attendent d’être préparés en ce moment." in page.text


def test_an_owners_films_may_take_so_much_room_and_no_more(guarded):
    client = guarded(owner_bytes=25_000)
    told = begin(client).json
    assert open_upload(client, told, 20_000).status_code == 201
    refused = open_upload(client, told, 10_000)
    assert (refused.status_code, refused.json["code"]) == (429, "quota_reached")


# The address is confirmed -------------------------------------------------------------------------------


@pytest.fixture
def waiting(runtime, make):
    """A whole submission whose owner has not opened our letter yet, and its mailed and plain links."""
    clip = make.clip(State.PROCESSING, is_vouched=False)
    with runtime.work() as session:
        owner = session.get_one(Person, clip.owner_id)
        owner.confirmed_at = None
        now = db_now(session)
        for token, to in (("mailed" * 8, owner.id), ("typed-" * 8, None)):
            session.add(
                ClipLink(
                    clip_id=clip.id, token_hash=hash_token(token), created_at=now,
                    expires_at=now + timedelta(days=365), mailed_to_id=to,
                )
            )  # fmt: skip
    return clip


def test_the_page_says_where_we_wrote_and_offers_to_write_again(client, waiting, in_form_of):
    page = client.get(f"/fr/s/{'typed-' * 8}")
    assert "Nous avons écrit à" in page.text
    assert "Oui, c’est mon adresse" not in page.text
    done = in_form_of(client, f"/fr/s/{'typed-' * 8}", "write-again")
    assert done.status_code == 303


@pytest.fixture
def in_form_of():
    """Presses a button of a page."""

    def press(client, address, name):
        page = client.get(address)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[1]
        return client.post(f"{address}/{name}", data={"csrf_token": token})

    return press


def test_only_the_link_that_was_mailed_confirms(client, waiting, runtime, in_form_of):
    assert in_form_of(client, f"/fr/s/{'typed-' * 8}", "confirm").status_code == 403
    assert in_form_of(client, f"/fr/s/{'mailed' * 8}", "confirm").status_code == 303
    with runtime.read() as session:
        assert session.get_one(Person, waiting.owner_id).confirmed_at is not None


def test_looking_at_the_page_confirms_nothing(client, waiting, runtime):
    client.get(f"/fr/s/{'mailed' * 8}")
    with runtime.read() as session:
        assert session.get_one(Person, waiting.owner_id).confirmed_at is None


def test_the_api_says_what_it_waits_for_and_takes_the_mailed_token(client, waiting):
    address = f"{BEGIN}/{waiting.id}"
    mailed = {"Authorization": f"Bearer {'mailed' * 8}"}
    assert "email_confirmation" in client.get(address, headers=mailed).json["missing"]
    assert client.post(f"{address}/confirm", json={}, headers=mailed).status_code == 200
    assert "email_confirmation" not in client.get(address, headers=mailed).json["missing"]


def test_a_link_mailed_to_a_former_address_does_not_confirm_the_new_one(client, waiting, make, runtime):
    with runtime.work() as session:
        other = Person(
            email="other@mail.example", role="owner", lang="fr", session_token="o" * 43, created_at=db_now(session)
        )  # fmt: skip
        session.add(other)
        session.flush()
        session.get_one(type(waiting), waiting.id).owner_id = other.id
    mailed = {"Authorization": f"Bearer {'mailed' * 8}"}
    refused = client.post(f"{BEGIN}/{waiting.id}/confirm", json={}, headers=mailed)
    assert refused.status_code in (403, 404)


def test_the_letter_that_says_received_asks_for_the_click(client, waiting, runtime, in_form_of):
    in_form_of(client, f"/fr/s/{'typed-' * 8}", "write-again")
    with runtime.read() as session:
        notice = session.query(Notice).filter_by(clip_id=waiting.id).one()
        assert notice.facts == {"confirm": True}
