"""A CDN in front of the public bucket is told to forget what leaves the site; without a way to tell it keeps little."""

import dataclasses
import http.server
import json
import threading

import pytest
from sqlalchemy import select

from media_jobs.tasks import TASKS
from portal import forgetting, keys, receipt_words, withdrawal
from portal.jobs import JobKind
from portal.lifecycle import OWNER
from portal.models import Clip, Job, Publication, Receipt, Rendition, State, Upload, UploadState
from portal.storage import Bucket, Storage
from tests.conftest import with_settings
from tests.jobs import stage


class Edge:
    """A CDN's hook on loopback: what it was told, and with which status it answers."""

    def __init__(self):
        self.told, self.signed, self.status = [], [], 200
        edge = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                edge.signed.append(self.headers["Authorization"])
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


def lying(runtime, clip):
    """What the private bucket holds of a clip, beside the marks that it was hidden and erased."""
    found = runtime.storage.keys(Bucket.ORIGINALS, "")
    return [key for key in found if f"/{clip.id}/" in key and not key.startswith(keys.MARK_PREFIX)]


def due(runtime, job_id):
    """Let the pause before the next attempt be over."""
    with runtime.work() as session:
        job = session.get_one(Job, job_id)
        job.run_after = job.created_at


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
    due(runtime, job_id)
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


def test_a_cdn_that_is_away_holds_up_neither_the_locking_nor_the_erasing(make, runtime, edge, session):
    clip, retract_id = withdrawn(make, runtime)
    shop, edge.status = stage.shop_of(behind(runtime, edge.url)), 500
    keys_of = select(Rendition.key).where(Rendition.clip_id == clip.id)
    before = set(session.scalars(keys_of))
    session.rollback()
    TASKS[JobKind.RETRACT](shop, retract_id)
    relocked = set(session.scalars(keys_of))
    session.rollback()
    assert relocked.isdisjoint(before)
    due(runtime, retract_id)
    TASKS[JobKind.RETRACT](shop, retract_id)
    # What was laid under other keys once is not copied again for each telling.
    assert set(session.scalars(keys_of)) == relocked
    session.rollback()
    TASKS[JobKind.ERASE](shop, stage.ask(runtime, clip, JobKind.ERASE))
    assert lying(runtime, clip) == []
    assert stage.row(runtime, Clip, clip.id).state == State.ERASED
    assert forgetting.remains(session, [clip.id]) == []
    session.rollback()
    telling_id = stage.open_job(runtime, clip, JobKind.RETRACT)
    due(runtime, telling_id)
    TASKS[JobKind.RETRACT](shop, telling_id)
    assert forgetting.remains(session, [clip.id]) == []
    session.rollback()
    receipt = session.scalars(select(Receipt)).one()
    assert any("pas encore" in line for line in receipt_words.lines(receipt.facts))
    session.rollback()
    edge.status = 204
    due(runtime, telling_id)
    TASKS[JobKind.RETRACT](shop, telling_id)
    # The same addresses, though no row knows the files any more.
    assert edge.told[-1] == edge.told[0]
    assert len(edge.told[0][1]["urls"]) > 1
    assert session.scalars(select(Publication.deleted_at)).one() is not None
    session.refresh(receipt)
    assert not any("pas encore" in line for line in receipt_words.lines(receipt.facts))


def test_what_was_sent_to_a_forms_address_once_more_is_erased_and_counted(make, runtime, session):
    clip = make.clip(State.WITHDRAWN, with_objects=True)
    posted = keys.original(clip.id, "f" * 32, at=clip.created_at)
    with runtime.work() as writing:
        now = clip.created_at
        writing.add(
            Upload(
                id="f" * 32, clip_id=clip.id, key=keys.taken(posted), state=UploadState.ACCEPTED, storage_id="",
                filename="", content_type="video/mp4", size_bytes=5, part_size=5, part_count=1, created_at=now,
                changed_at=now, last_seen_at=now, expires_at=now,
            )
        )  # fmt: skip
    runtime.storage.put(Bucket.ORIGINALS, posted, b"again", content_type="video/mp4")
    had = len(lying(runtime, clip))
    TASKS[JobKind.ERASE](stage.shop_of(runtime), stage.ask(runtime, clip, JobKind.ERASE))
    assert lying(runtime, clip) == []
    assert session.scalars(select(Receipt)).one().facts["objects"]["originals"] == had


def test_a_hook_may_ask_for_a_name_and_a_password(make, runtime, edge):
    _clip, job_id = withdrawn(make, runtime)
    shop = stage.shop_of(behind(runtime, edge.url.replace("://", "://me:s%2Fcret@")))
    TASKS[JobKind.RETRACT](shop, job_id)
    assert stage.row(runtime, Job, job_id).state == "done"
    assert edge.signed == ["Basic bWU6cy9jcmV0"]


@pytest.mark.parametrize(("purge", "is_brief"), [("", True), ("http://127.0.0.1:1/", False)])
def test_a_cdn_that_can_be_told_nothing_keeps_a_film_for_a_minute(make, runtime, session, purge, is_brief):
    clip = make.clip(State.APPROVED, with_objects=True)
    shop = stage.shop_of(behind(runtime, purge))
    TASKS[JobKind.PUBLISH](shop, stage.ask(runtime, clip, JobKind.PUBLISH))
    token = session.scalars(select(Publication.token)).one()
    client, names = runtime.storage._client, runtime.storage._names
    head = client.head_object(Bucket=names[Bucket.PUBLIC], Key=keys.public(token, "360.mp4"))
    assert ("s-maxage=60" in head["CacheControl"]) == is_brief
