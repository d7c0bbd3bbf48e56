"""The storage dies in the middle of an upload: what it had acknowledged is still there, and the film arrives whole."""

import hashlib
import http.client
import os
import secrets
import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config import Settings
from ops.leash import descendants
from ops.storage import PORT_NAMES, SeaweedFS
from portal import arrivals, carrier, fsck, submission, uploads
from portal.database import make_engine, make_sessions
from portal.errors import Unavailable
from portal.lifecycle import OWNER
from portal.mailer import Mailer
from portal.models import Campaign, Clip, State, UploadState
from portal.runtime import Runtime
from portal.storage import Bucket, Storage
from portal.submission import Texts
from portal.uploads import PART_SIZE, Announced
from tests.conftest import Bells
from tests.factories import Factory
from tests.servers import ORIGINALS, PATIENCE_SECONDS, PUBLIC, started

FILM = b"ftyp" + secrets.token_bytes(2 * PART_SIZE + 1000)
WHAT = Announced("film.mp4", len(FILM), "video/mp4", head_sha256="a" * 64, tail_sha256="b" * 64)


def weed(server):
    """The server's own process, behind its leash."""
    family = descendants(server.process.pid)
    return next(pid for pid in family if Path(f"/proc/{pid}/exe").resolve().name == "weed")


@pytest.fixture
def server(tmp_path):
    """A storage of this test's own."""

    def make(ports):
        return SeaweedFS(
            tmp_path / "storage", ports, access_key="own", secret_key="o" * 40, buckets=(ORIGINALS, PUBLIC)
        )

    running = started(tmp_path, PORT_NAMES, make)
    yield running
    running.stop()


def again(server):
    """The same folder and ports after the process was killed."""
    server.process.wait()
    server.output.close()
    server.output = None
    return server.start(PATIENCE_SECONDS)


@pytest.fixture
def own(server, migrated_sqlite, tmp_path):
    """The portal's machines on that storage."""
    url = f"sqlite:///{tmp_path / 'own.sqlite'}"
    shutil.copy(migrated_sqlite, tmp_path / "own.sqlite")
    settings = Settings.from_env({
        "DATABASE_URL": url,
        "DATA_DIR": str(tmp_path / "data"),
        "SITE_URL": "http://portal.test",
        "SECRET_KEY": "a secret key for tests, long enough",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "S3_ENDPOINT_URL": server.endpoint,
        "S3_PUBLIC_URL": server.endpoint,
        "S3_ACCESS_KEY_ID": server.access_key,
        "S3_SECRET_ACCESS_KEY": server.secret_key,
    })  # fmt: skip
    engine, storage = make_engine(url), Storage(settings.storage)
    storage.prepare()
    mailer = Mailer(settings.mail, sender_name=settings.site.name)
    yield Runtime(settings, engine, make_sessions(engine), storage, mailer, Bells())
    engine.dispose()


@pytest.fixture
def clip(own):
    """A draft with its whole history, as an owner begins it."""
    campaign = Factory(own).campaign()
    with own.work() as session:
        return submission.begin(
            session,
            session.get_one(Campaign, campaign.id),
            lang="fr",
            texts=Texts(email="lea@mail.example", first_name="Léa", title="Une minute"),
            consents=("site", "adult"),
            channel="site",
            by=OWNER,
            site=own.settings.site,
        )[0]


def start(own, clip):
    return uploads.start_or_resume(
        own.work, own.storage, clip.id, WHAT, limits=own.settings.uploads, by=OWNER
    )


def address(own, upload, number):
    with own.work() as session:
        mine = uploads.upload_by_id(session, upload.id)
        return uploads.sign_parts(session, own.storage, mine, [number])[0]["url"]


def piece(number):
    return FILM[(number - 1) * PART_SIZE : number * PART_SIZE]


def half_sent(url, data):
    """A line that has carried half of a part."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc, timeout=60)
    line.putrequest("PUT", f"{parts.path}?{parts.query}")
    line.putheader("Content-Length", str(len(data)))
    line.endheaders()
    line.send(data[: len(data) // 2])
    return line


def test_a_storage_killed_in_mid_upload_keeps_what_it_acknowledged_and_the_film_arrives_whole(
    own, server, clip
):
    upload, _new, _parts = start(own, clip)
    assert carrier.put(address(own, upload, 1), piece(1)) == 200
    line = half_sent(address(own, upload, 2), piece(2))
    os.kill(weed(server), signal.SIGKILL)
    with pytest.raises((OSError, http.client.HTTPException)):
        line.send(piece(2)[len(piece(2)) // 2 :])
        line.getresponse()
    line.close()
    with pytest.raises(Unavailable):
        uploads.received(own.storage, upload)

    again(server)
    resumed, is_new, there = start(own, clip)
    assert (resumed.id, is_new) == (upload.id, False)
    assert [(part.number, part.size_bytes) for part in there] == [(1, PART_SIZE)]
    for number in (2, 3):
        assert carrier.put(address(own, upload, number), piece(number)) == 200
    done = arrivals.complete(own.work, own.storage, upload.id, by=OWNER)
    assert done.state == UploadState.VERIFYING
    with own.read() as session:
        assert session.get_one(Clip, clip.id).state == State.PROCESSING
    stored = own.settings.site.data_dir / "back"
    stored.parent.mkdir(exist_ok=True)
    digest = own.storage.fetch(Bucket.ORIGINALS, upload.key, stored)
    assert digest == hashlib.sha256(FILM).hexdigest()
    assert fsck.check(own.read, own.storage, grace_seconds=0) == []
