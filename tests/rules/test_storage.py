"""What we ask of the storage, on a real one."""

import contextlib
import dataclasses
import http.client
import secrets
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

from config import Settings
from portal import doctor, storage_rules
from portal.errors import Missing, Unavailable
from portal.storage import Bucket, Storage
from tests.conftest import with_settings

MIB = 1024 * 1024


@pytest.fixture
def storage(prepared_storage, tmp_path):
    return Storage(Settings.from_env({**prepared_storage, "DATA_DIR": str(tmp_path)}).storage)


def send(url, body=b"", method="PUT"):
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.netloc)) as connection:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_film_goes_in_by_signed_parts_and_comes_out_whole(storage, tmp_path):
    key = f"o/test/{secrets.token_hex(8)}"
    bodies = [secrets.token_bytes(5 * MIB), b"the rest"]
    upload = storage.begin_multipart(key, "video/mp4")
    for number, body in enumerate(bodies, 1):
        assert send(storage.sign_part(key, upload, number, len(body)), body)[0] == 200
    parts = storage.list_parts(key, upload)
    assert [(part.number, part.size_bytes) for part in parts] == [(1, 5 * MIB), (2, 8)]
    storage.complete_multipart(key, upload, parts)
    assert storage.size(Bucket.ORIGINALS, key) == 5 * MIB + 8
    storage.fetch(Bucket.ORIGINALS, key, tmp_path / "film")
    assert (tmp_path / "film").read_bytes() == b"".join(bodies)


@pytest.mark.parametrize("length", [999, 1001])
def test_a_part_of_another_length_than_signed_is_refused(storage, length):
    key = f"o/test/{secrets.token_hex(8)}"
    upload = storage.begin_multipart(key, "video/mp4")
    assert send(storage.sign_part(key, upload, 1, 1000), b"x" * length)[0] == 403


def test_a_part_for_an_aborted_upload_is_refused(storage):
    key = f"o/test/{secrets.token_hex(8)}"
    upload = storage.begin_multipart(key, "video/mp4")
    url = storage.sign_part(key, upload, 1, 4)
    storage.abort_multipart(key, upload)
    storage.abort_multipart(key, upload)
    assert send(url, b"four")[0] == 404
    with pytest.raises(Missing):
        storage.list_parts(key, upload)


def test_only_the_public_bucket_is_read_without_a_signature_and_neither_is_listed(storage):
    name = secrets.token_hex(8)
    for bucket in Bucket:
        storage.put(bucket, f"v/{name}", b"film", content_type="video/mp4")
    public = storage.public_url(f"v/{name}")
    assert send(public, method="GET") == (200, b"film")
    assert send(public.replace("vecu-public", "vecu-originals"), method="GET")[0] == 403
    assert send(public.rsplit("/v/", 1)[0] + "/", method="GET")[0] == 403


def test_what_is_deleted_cannot_be_read_any_more(storage):
    key = f"v/{secrets.token_hex(8)}/master.m3u8"
    storage.put(Bucket.PUBLIC, key, b"film", content_type="text/plain")
    storage.delete(Bucket.PUBLIC, [key, "v/never/was"])
    assert send(storage.public_url(key), method="GET")[0] == 404
    assert list(storage.keys(Bucket.PUBLIC, key)) == []


class Stingy(BaseHTTPRequestHandler):
    """A storage that has both buckets and knows no rules for them, as some services do."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(501)
        self.end_headers()

    def do_GET(self):
        self.do_PUT()

    def log_message(self, *_words):
        pass


@pytest.fixture
def stingy(storage):
    """Where a storage without bucket rules listens on this machine; its settings under another address, too."""
    with HTTPServer(("0.0.0.0", 0), Stingy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def at(host):
            address = f"http://{host}:{server.server_port}"
            settings = dataclasses.replace(storage._settings, endpoint_url=address, public_url=address)
            return Storage(settings)

        yield at
        server.shutdown()


def test_somebody_elses_storage_that_takes_no_rules_is_used_as_it_is(stingy, caplog):
    stingy("127.0.0.2").prepare()
    refused = " ".join(record.getMessage() for record in caplog.records)
    for rule in ("put_bucket_policy", "put_bucket_cors", "get_bucket_lifecycle_configuration"):
        assert rule in refused


@pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
def test_a_browser_on_the_site_may_send_to_a_storage_elsewhere(storage, method):
    mine = {name: f"far-{secrets.token_hex(4)}" for name in ("originals_bucket", "public_bucket")}
    far = dataclasses.replace(storage._settings, site_url="https://brand.example", **mine)
    Storage(far).prepare()
    asked = {"Origin": "https://brand.example", "Access-Control-Request-Method": method}
    with contextlib.closing(http.client.HTTPConnection(urlsplit(far.endpoint_url).netloc)) as connection:
        connection.request("OPTIONS", f"/{mine['originals_bucket']}/o/film", headers=asked)
        answer = connection.getresponse()
        assert answer.status < 300
        assert answer.headers["Access-Control-Allow-Origin"] == "https://brand.example"
        assert method in answer.headers["Access-Control-Allow-Methods"]


def test_our_own_storage_must_take_them(stingy):
    with pytest.raises(Unavailable):
        stingy("127.0.0.1").prepare()


def test_the_doctor_sees_originals_that_everybody_can_read_and_films_that_nobody_can(runtime):
    settings = runtime.settings.storage
    swapped = dataclasses.replace(
        settings, originals_bucket=settings.public_bucket, public_bucket=settings.originals_bucket
    )
    found = doctor.faults(with_settings(runtime, storage=swapped))["storage"]
    assert "ORIGINALS ARE PUBLIC" in found
    assert f"gives nobody what lies in the bucket {settings.originals_bucket}" in found
    assert "storage" not in doctor.faults(runtime)
    assert storage_rules.are_originals_open(storage_rules.faults(with_settings(runtime, storage=swapped)))
