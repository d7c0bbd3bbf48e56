"""A CDN in front of the public bucket is told to forget what leaves the site; without a way to tell it keeps little."""

import dataclasses
import http.server
import json
import threading

import pytest
from sqlalchemy import select

from media_jobs.tasks import TASKS
from portal import keys, withdrawal
from portal.jobs import JobKind
from portal.lifecycle import OWNER
from portal.models import Clip, Job, Publication, Rendition, State
from portal.storage import Bucket, Storage
from tests.conftest import with_settings
from tests.jobs import stage


class Edge:
    """A CDN's hook on loopback: what it was told, and with which status it answers."""

    def __init__(self):
        self.told, self.status = [], 200
        edge = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                edge.told.append((self.path, json.loads(self.rfile.read(length))))
                self.send_response(edge.status)
                self.end_headers()

            def log_message(self, *_):
                """Keeps the tests' output clean."""

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/hook?key=secret"


@pytest.fixture
def edge():
    made = Edge()
    yield made
    made.server.shutdown()
    made.server.server_close()


def behind(runtime, purge_url):
    told = dataclasses.replace(
        runtime.settings.storage, cdn_url="https://cdn.example", cdn_purge_url=purge_url
    )
    return dataclasses.replace(with_settings(runtime, storage=told), storage=Storage(told))


def withdrawn(make, runtime):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    with runtime.work() as session:
        withdrawal.withdraw(session, session.get_one(Clip, clip.id), by=OWNER)
    return clip, stage.open_job(runtime, clip, JobKind.RETRACT)


def test_every_address_of_a_withdrawn_clip_is_forgotten_at_the_cdn(make, runtime, edge, session):
    clip, job_id = withdrawn(make, runtime)
    TASKS[JobKind.RETRACT](stage.shop_of(behind(runtime, edge.url)), job_id)
    token = session.scalars(select(Publication.token)).one()
    prefix = f"https://cdn.example/v/{token}/"
    names = session.scalars(select(Rendition.name).where(Rendition.clip_id == clip.id))
    assert edge.told == [
        ("/hook?key=secret", {"prefix": prefix, "urls": sorted(prefix + name for name in names)})
    ]


def test_a_cdn_that_does_not_agree_is_asked_again_until_it_does(make, runtime, edge, session):
    _clip, job_id = withdrawn(make, runtime)
    shop, edge.status = stage.shop_of(behind(runtime, edge.url)), 500
    TASKS[JobKind.RETRACT](shop, job_id)
    assert stage.row(runtime, Job, job_id).state == "queued"
    assert session.scalars(select(Publication.deleted_at)).one() is None
    session.rollback()
    edge.status = 204
    with runtime.work() as writing:
        writing.get_one(Job, job_id).run_after = writing.get_one(Job, job_id).created_at
    TASKS[JobKind.RETRACT](shop, job_id)
    assert stage.row(runtime, Job, job_id).state == "done"
    first, second = edge.told
    assert first == second


def test_erasing_at_once_tells_the_cdn_too(make, runtime, edge):
    clip, _job = withdrawn(make, runtime)
    job_id = stage.ask(runtime, clip, JobKind.ERASE)
    TASKS[JobKind.ERASE](stage.shop_of(behind(runtime, edge.url)), job_id)
    assert len(edge.told) == 1
    assert stage.row(runtime, Clip, clip.id).state == State.ERASED


@pytest.mark.parametrize(("purge", "is_brief"), [("", True), ("http://127.0.0.1:1/", False)])
def test_a_cdn_that_can_be_told_nothing_keeps_a_film_for_a_minute(make, runtime, session, purge, is_brief):
    clip = make.clip(State.APPROVED, with_objects=True)
    shop = stage.shop_of(behind(runtime, purge))
    TASKS[JobKind.PUBLISH](shop, stage.ask(runtime, clip, JobKind.PUBLISH))
    token = session.scalars(select(Publication.token)).one()
    client, names = runtime.storage._client, runtime.storage._names
    head = client.head_object(Bucket=names[Bucket.PUBLIC], Key=keys.public(token, "360.mp4"))
    assert ("s-maxage=60" in head["CacheControl"]) == is_brief
