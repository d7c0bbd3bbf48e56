"""A storage and a broker behind a bad line: every call ends in time, says whose fault it is, and works again after."""

import dataclasses
import functools
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update

from media_jobs import tasks
from portal import arrivals, carrier, crash, leases, storage, uploads
from portal.database import db_now
from portal.errors import Unavailable
from portal.jobs import Bell, JobKind
from portal.lifecycle import OWNER
from portal.models import Clip, Film, Job, JobState, Publication, State, Upload
from portal.runtime import make_celery, make_wake
from portal.storage import Bucket, Storage
from portal.uploads import Announced
from tests.faults import life
from tests.faults.proxy import MODES, Proxy
from tests.jobs import stage

TORTURE = "TORTURE" in os.environ
# What hangs is found out by its own patience; this one is for what has none.
pytestmark = pytest.mark.timeout(600)

KEY = "o/lines/film.mp4"
FILM = b"x" * 90_000


@dataclasses.dataclass(frozen=True)
class At:
    """What the calls are about: the film under KEY, an upload whose only part has arrived, a folder."""

    upload: Upload
    folder: Path


# What is asked of the storage; the end of an upload has a test of its own.
CALLS = {
    "size": lambda line, _: line.size(Bucket.ORIGINALS, KEY),
    "read": lambda line, _: line.read(Bucket.ORIGINALS, KEY, 0, 90_000),
    "fetch": lambda line, at: line.fetch(Bucket.ORIGINALS, KEY, at.folder / "fetched"),
    "put": lambda line, _: line.put(Bucket.ORIGINALS, KEY, b"y" * 90_000, content_type="video/mp4"),
    "put a file": lambda line, at: line.put(
        Bucket.ORIGINALS, KEY, at.folder / "film.mp4", content_type="video/mp4"
    ),
    "copy": lambda line, _: line.copy_to_public(
        KEY, "v/" + "a" * 32 + "/x.mp4", content_type="video/mp4", cache_control="no-store"
    ),
    "copy in private": lambda line, _: line.copy_private(KEY, f"{KEY}-taken"),
    "keys": lambda line, _: list(line.keys(Bucket.ORIGINALS)),
    "public objects": lambda line, _: list(line.objects(Bucket.PUBLIC)),
    "folders": lambda line, _: line.folders(Bucket.ORIGINALS),
    "delete": lambda line, _: line.delete(Bucket.ORIGINALS, ["nobody/knows"]),
    "begin": lambda line, _: line.abort_multipart("m", line.begin_multipart("m", "video/mp4")),
    "parts": lambda line, at: line.list_parts(at.upload.key, at.upload.storage_id),
    "open uploads": lambda line, _: list(line.open_multiparts()),
}
# Where each call costs seconds of waiting, the ones that differ in kind; these are asked twice, as all are in the end.
FEW = ("fetch", "put")


@pytest.fixture
def proxy(prepared_storage):
    parts = urlsplit(prepared_storage["S3_ENDPOINT_URL"])
    with Proxy(parts.hostname, parts.port) as line:
        yield line


@pytest.fixture
def machines(runtime, proxy, monkeypatch):
    """The portal's storage through the bad line, that asks so many times and waits so long for each answer."""
    url = f"http://127.0.0.1:{proxy.port}"

    def made(attempts, seconds=storage.READ_SECONDS):
        monkeypatch.setattr(storage, "READ_SECONDS", seconds)
        monkeypatch.setattr(storage, "ATTEMPTS", attempts)
        return Storage(dataclasses.replace(runtime.settings.storage, endpoint_url=url))

    return made


@pytest.fixture
def line(runtime, machines):
    runtime.storage.put(Bucket.ORIGINALS, KEY, FILM, content_type="video/mp4")
    return machines(2)


@pytest.fixture
def at(runtime, make, tmp_path):
    """A clip's upload whose only part has arrived over a good line."""
    clip_id = life.begin(runtime, make.campaign().id)
    what = Announced("film.mp4", len(FILM), "video/mp4", head_sha256="a" * 64, tail_sha256="b" * 64)
    upload, _new, _parts = uploads.start_or_resume(
        runtime.work, runtime.storage, clip_id, what, limits=runtime.settings.uploads, by=OWNER
    )
    with runtime.work() as session:
        mine = uploads.upload_by_id(session, upload.id)
        url = uploads.sign_parts(session, runtime.storage, mine, [1])[0]["url"]
    assert carrier.put(url, FILM) == 200
    (tmp_path / "film.mp4").write_bytes(FILM)
    return At(upload, tmp_path)


def test_one_call_with_all_its_attempts_ends_before_a_lease_would():
    waits = 2.0 ** (storage.ATTEMPTS - 1)
    assert storage.ATTEMPTS * (storage.CONNECT_SECONDS + storage.READ_SECONDS) + waits < leases.LEASE_SECONDS


@pytest.mark.parametrize("mode", MODES)
def test_every_call_over_a_bad_line_ends_as_our_fault_and_works_when_the_line_is_good(
    line, machines, proxy, at, mode
):
    tried = CALLS if mode in ("refuse", "reset", "cut", "slow") or TORTURE else FEW
    # Only where nobody answers does a short patience end the test sooner; a busy storage needs the long one.
    patient = machines(2, 1.5) if mode == "hang" else line
    impatient = patient if TORTURE else machines(1)
    for name in tried:
        call = functools.partial(CALLS[name], patient if name in FEW else impatient, at)
        asked = proxy.connections
        with proxy.misbehaving(mode, cut_after=60):
            if mode == "slow":
                call()
            else:
                with pytest.raises(Unavailable) as refused:
                    call()
                assert refused.value.code == "ours_storage", name
                # So many times and no more: what it takes at most, the first test here adds up.
                most = 2 * (storage._TRANSFER.num_download_attempts if name == "fetch" else 1)
                assert proxy.connections - asked <= most, name
        call()


@pytest.mark.parametrize("mode", MODES if TORTURE else ["refuse", "cut", "503"])
def test_an_upload_whose_end_breaks_off_is_one_film_at_the_second_go(runtime, line, proxy, at, mode):
    def complete():
        return arrivals.complete(runtime.work, line, at.upload.id, by=OWNER)

    def spoil(name):
        if name == "upload.join":
            proxy.cut_after, proxy.mode = 60, mode

    crash.observe(spoil)
    try:
        if mode == "slow":
            complete()
        else:
            with pytest.raises(Unavailable) as refused:
                complete()
            assert refused.value.code == "ours_storage"
    finally:
        crash.observe(None)
        proxy.mode = ""
    assert complete().state in uploads.ARRIVED
    with runtime.read() as session:
        assert [film.key for film in session.scalars(select(Film))] == [at.upload.key]
    assert runtime.storage.size(Bucket.ORIGINALS, at.upload.key) == len(FILM)
    assert at.upload.storage_id not in {one.upload_id for one in runtime.storage.open_multiparts()}


def test_a_body_that_breaks_off_is_never_taken_for_the_whole(line, proxy, tmp_path):
    with proxy.misbehaving("cut", cut_after=40_000), pytest.raises(Unavailable):
        line.read(Bucket.ORIGINALS, KEY, 0, 90_000)
    with proxy.misbehaving("cut", cut_after=40_000), pytest.raises(Unavailable):
        line.fetch(Bucket.ORIGINALS, KEY, tmp_path / "fetched")


@pytest.mark.parametrize("mode", ["refuse", "cut", "503", "507"] if TORTURE else ["503", "507"])
def test_a_publication_over_a_bad_line_shows_nothing_and_is_whole_when_the_line_is_good(
    make, runtime, line, proxy, mode
):
    clip = make.clip(State.APPROVED, with_objects=True)
    shop = stage.shop_of(dataclasses.replace(runtime, storage=line))
    job_id = stage.ask(runtime, clip, JobKind.PUBLISH)
    with proxy.misbehaving(mode, cut_after=60):
        tasks.TASKS[JobKind.PUBLISH](shop, job_id)
    assert stage.row(runtime, Clip, clip.id).state == State.APPROVED
    waiting = stage.row(runtime, Job, job_id)
    assert (waiting.state, waiting.attempt, waiting.error_code) == (JobState.QUEUED, 0, "ours_storage")
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
        app = make_celery(url)
        options = app.conf.broker_transport_options
        assert max(options["socket_timeout"], options["socket_connect_timeout"]) <= 5
        with line.misbehaving(mode):
            make_wake(app)(Bell(JobKind.SWEEP, "quick", is_reminder=is_reminder))
        # So many calls, each of them given up after those few seconds.
        assert line.connections <= 4
