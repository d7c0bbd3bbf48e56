"""A storage that breaks the rules we stand on is found by a worker itself, and said where people look."""

import contextlib
import dataclasses
import logging

import pytest

from media_jobs import sweeping
from media_jobs.process import Worker
from media_jobs.workshop import Pace
from portal import workers
from portal.storage import Bucket, Storage
from tests.conftest import with_settings

KINDS = pytest.mark.parametrize("database_kind", ["postgresql"])


@pytest.fixture
def swapped(runtime):
    """The bucket that everybody may read keeps the originals."""
    storage = runtime.settings.storage
    buckets = {"originals_bucket": storage.public_bucket, "public_bucket": storage.originals_bucket}
    return with_settings(runtime, storage=dataclasses.replace(storage, **buckets))


@pytest.fixture
def worker_of():
    """A worker's process under these settings; its connections end with the test."""
    with contextlib.ExitStack() as ends:

        def made(settings):
            worker = Worker(settings, Pace())
            ends.callback(worker.shop.runtime.engine.dispose)
            return worker

        yield made


def found(runtime):
    with runtime.read() as session:
        return workers.on_storage(workers.known(session))


@KINDS
def test_a_worker_says_with_its_sign_of_life_that_originals_are_open_to_all(
    swapped, worker_of, caplog, empty_buckets
):
    worker = worker_of(swapped.settings)
    worker.beat()
    assert found(swapped) == workers.StorageWord()
    # Twice is as good as once, and leaves nothing behind.
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            sweeping.look_at_storage(worker.shop)
    worker.beat()
    assert found(swapped).is_open
    assert any("ORIGINALS ARE PUBLIC" in fault for fault in found(swapped).faults)
    assert "storage: gives what lies in the bucket" in caplog.text
    assert [key for bucket in Bucket for key in swapped.storage.keys(bucket)] == []
    assert list(swapped.storage.open_multiparts()) == []
    # A storage that is away says nothing of its rules: what was found stays.
    nowhere = dataclasses.replace(swapped.settings.storage, endpoint_url="http://127.0.0.1:1")
    away = dataclasses.replace(worker.shop.runtime, storage=Storage(nowhere))
    sweeping.look_at_storage(dataclasses.replace(worker.shop, runtime=away))
    worker.beat()
    assert found(swapped).is_open


@KINDS
def test_the_hourly_sweep_looks_at_the_storage(runtime, worker_of, caplog):
    worker = worker_of(runtime.settings)
    with caplog.at_level(logging.ERROR):
        sweeping.thorough(worker.shop)
    assert worker.shop.told[workers.STORAGE_WORD]["faults"] == []
    assert not worker.shop.told[workers.STORAGE_WORD]["is_open"]
