"""Idempotency keys: a call that is sent twice happens once."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from portal.database import db_now
from portal.models import Clip, IdempotencyKey

BODY = {"campaign": "quotidien", "title": "Le matin"}


@pytest.fixture
def send(client, make):
    make.campaign("quotidien")

    def post(key="a-key", body=None, **more):
        return client.post("/api/v1/submissions", json=body or BODY, headers={"Idempotency-Key": key}, **more)

    return post


def clips(session) -> int:
    return session.scalar(select(func.count()).select_from(Clip))


def test_the_same_call_twice_gives_the_first_answer_again(send, session):
    first, second = send(), send()
    assert second.status_code == first.status_code == 201
    assert second.data == first.data
    assert second.headers["Idempotency-Replayed"] == "true"
    assert clips(session) == 1


def test_another_body_under_the_key_is_refused(send, session):
    send()
    answer = send(body={**BODY, "title": "Le soir"})
    assert answer.status_code == 422
    assert answer.json["code"] == "key_reused"
    assert clips(session) == 1


def test_without_a_key_every_call_counts(client, make, session):
    make.campaign("quotidien")
    for _ in range(2):
        client.post("/api/v1/submissions", json=BODY)
    assert clips(session) == 2


def test_strangers_do_not_share_keys(send, session):
    first = send(environ_base={"REMOTE_ADDR": "192.0.2.1"})
    second = send(environ_base={"REMOTE_ADDR": "192.0.2.2"})
    assert first.json["token"] != second.json["token"]


def test_the_twin_of_a_running_call_is_told_to_wait(send, runtime):
    send()
    with runtime.work() as session:
        session.execute(update(IdempotencyKey).values(answer=None))
    answer = send()
    assert answer.status_code == 409
    assert answer.headers["Retry-After"] == "1"


def test_a_call_that_died_frees_its_key(send, runtime):
    first = send()
    with runtime.work() as session:
        long_ago = db_now(session) - timedelta(minutes=5)
        session.execute(update(IdempotencyKey).values(answer=None, created_at=long_ago))
    assert send().json["id"] != first.json["id"]


def test_after_a_day_the_key_is_forgotten(send, runtime):
    first = send()
    with runtime.work() as session:
        session.execute(update(IdempotencyKey).values(created_at=db_now(session) - timedelta(hours=25)))
    assert send().json["id"] != first.json["id"]


def test_a_refused_call_leaves_the_key_free(send):
    assert send(body={"campaign": "nowhere"}).status_code == 422
    assert send().status_code == 201


def test_a_kept_answer_cannot_be_read_from_the_database(send, session):
    token = send().json["token"]
    row = session.scalars(select(IdempotencyKey)).one()
    assert token not in row.answer
    assert row.key != "a-key"


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_two_at_once_make_one(app, make, session):
    make.campaign("quotidien")
    barrier, statuses = threading.Barrier(2), []

    def call():
        barrier.wait()
        answer = app.test_client().post("/api/v1/submissions", json=BODY, headers={"Idempotency-Key": "twin"})
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert clips(session) == 1


@pytest.mark.parametrize("key", ["", "x" * 121])
def test_a_key_has_a_sensible_length(send, key):
    assert send(key=key).status_code == 422
