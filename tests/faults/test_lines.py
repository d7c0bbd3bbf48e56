"""A storage and a broker behind a bad line: every call ends in time, says whose fault it is, and works again after."""

import dataclasses
import os
import time
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update

from media_jobs import tasks
from portal import leases, storage
from portal.database import db_now
from portal.errors import Unavailable
from portal.jobs import Bell, JobKind
from portal.models import Clip, Job, JobState, Publication, State
from portal.runtime import make_celery, make_wake
from portal.storage import Bucket, Storage
from tests.faults.proxy import MODES, Proxy
from tests.jobs import stage

TORTURE = "TORTURE" in os.environ
pytestmark = pytest.mark.timeout(120)

# What a worker asks of the storage.
CALLS = {
    "size": lambda line, _folder: line.size(Bucket.ORIGINALS, KEY),
    "read": lambda line, _folder: line.read(Bucket.ORIGINALS, KEY, 0, 90_000),
    "fetch": lambda line, folder: line.fetch(Bucket.ORIGINALS, KEY, folder / "fetched"),
    "put": lambda line, _folder: line.put(Bucket.ORIGINALS, KEY, b"y" * 90_000, content_type="video/mp4"),
    "copy": lambda line, _folder: line.copy_to_public(
        KEY, "v/" + "a" * 32 + "/x.mp4", content_type="video/mp4", cache_control="no-store"
    ),
    "keys": lambda line, _folder: list(line.keys(Bucket.ORIGINALS)),
    "delete": lambda line, _folder: line.delete(Bucket.ORIGINALS, ["nobody/knows"]),
    "begin": lambda line, _folder: line.abort_multipart("m", line.begin_multipart("m", "video/mp4")),
}
# Where each call costs seconds of waiting, the ones that differ in kind.
FEW = ("fetch", "put")
KEY = "o/lines/film.mp4"


@pytest.fixture
def proxy(prepared_storage):
    parts = urlsplit(prepared_storage["S3_ENDPOINT_URL"])
    with Proxy(parts.hostname, parts.port) as line:
        yield line


@pytest.fixture
def line(runtime, proxy, monkeypatch):
    """The storage through the bad line, at a pace that a test can wait for."""
    monkeypatch.setattr(storage, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(storage, "READ_SECONDS", 1.0)
    monkeypatch.setattr(storage, "ATTEMPTS", 2)
    url = f"http://127.0.0.1:{proxy.port}"
    runtime.storage.put(Bucket.ORIGINALS, KEY, b"x" * 90_000, content_type="video/mp4")
    return Storage(dataclasses.replace(runtime.settings.storage, endpoint_url=url))


def test_one_call_with_all_its_attempts_ends_before_a_lease_would():
    waits = 2.0 ** (storage.ATTEMPTS - 1)
    assert storage.ATTEMPTS * (storage.CONNECT_SECONDS + storage.READ_SECONDS) + waits < leases.LEASE_SECONDS


@pytest.mark.parametrize("mode", MODES)
def test_every_call_over_a_bad_line_ends_as_our_fault_and_works_when_the_line_is_good(
    line, proxy, tmp_path, mode
):
    tried = CALLS if mode in ("refuse", "reset", "cut", "slow") or TORTURE else FEW
    for name in tried:
        call = CALLS[name]
        began = time.monotonic()
        with proxy.misbehaving(mode, cut_after=60):
            if mode == "slow":
                call(line, tmp_path)
            else:
                with pytest.raises(Unavailable) as refused:
                    call(line, tmp_path)
                assert refused.value.code == "ours_storage", name
        assert time.monotonic() - began < 30, name
        call(line, tmp_path)


def test_a_body_that_breaks_off_is_never_taken_for_the_whole(line, proxy, tmp_path):
    with proxy.misbehaving("cut", cut_after=40_000), pytest.raises(Unavailable):
        line.read(Bucket.ORIGINALS, KEY, 0, 90_000)
    with proxy.misbehaving("cut", cut_after=40_000), pytest.raises(Unavailable):
        line.fetch(Bucket.ORIGINALS, KEY, tmp_path / "fetched")


@pytest.mark.parametrize("mode", ["refuse", "cut", "503"] if TORTURE else ["503"])
def test_a_publication_over_a_bad_line_shows_nothing_and_is_whole_when_the_line_is_good(
    make, runtime, line, proxy, mode
):
    clip = make.clip(State.APPROVED, with_objects=True)
    shop = stage.shop_of(dataclasses.replace(runtime, storage=line))
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)
    with proxy.misbehaving(mode, cut_after=60):
        tasks.TASKS[JobKind.PUBLISH](shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.APPROVED
    assert stage.row(runtime, Job, job_id).state == JobState.QUEUED
    with runtime.work() as session:
        session.execute(update(Job).values(run_after=db_now(session)))
    tasks.TASKS[JobKind.PUBLISH](shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.PUBLISHED
    with runtime.read() as session:
        unfinished = session.query(Publication).filter(Publication.complete_at.is_(None)).all()
        assert all(one.deleted_at for one in unfinished)


@pytest.mark.parametrize("is_reminder", [False, True])
@pytest.mark.parametrize("mode", ["refuse", "reset", "hang"])
def test_a_bell_over_a_bad_line_is_given_up_in_time_and_holds_nobody_up(broker_url, mode, is_reminder):
    parts = urlsplit(broker_url)
    with Proxy(parts.hostname, parts.port) as line:
        url = broker_url.replace(f":{parts.port}", f":{line.port}")
        wake = make_wake(make_celery(url))
        began = time.monotonic()
        with line.misbehaving(mode):
            wake(Bell(JobKind.SWEEP, "quick", is_reminder=is_reminder))
        assert time.monotonic() - began < 30
