"""The embedded storage is locked: what it listens on, whom it refuses, what it remembers."""

import http.client
import secrets
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from ops.leash import descendants
from ops.ports import reserve
from ops.storage import PORT_NAMES, SeaweedFS, sockets_of, usable
from tests.servers import listening, sockets, started

ORIGINALS, PUBLIC = "vecu-originals", "vecu-public"
LOOPBACK = "0100007F"


def client(server):
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1",
        aws_access_key_id=server.access_key, aws_secret_access_key=server.secret_key,
        config=Config(signature_version="s3v4", request_checksum_calculation="when_required", s3={"addressing_style": "path"}),
    )  # fmt: skip


def status(method, url, body=None, headers=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers or {})
    answer = connection.getresponse()
    connection.close()
    return answer.status


def programs(server):
    return [
        pid for pid in descendants(server.process.pid) if Path(f"/proc/{pid}/exe").resolve().name == "weed"
    ]


def listeners(pids):
    """Hexadecimal address and port of every TCP socket on which one of the processes listens."""
    own = sockets(pids)
    return [(address, port) for name, address, port in listening() if name in own]


def fresh(tmp_path, ports):
    return SeaweedFS(
        tmp_path / "a b", ports, access_key="key", secret_key="s" * 40, buckets=(ORIGINALS, PUBLIC)
    )


def started_fresh(tmp_path, ports):
    (tmp_path / ports).mkdir()
    return started(tmp_path / ports, PORT_NAMES, lambda chosen: fresh(tmp_path, chosen))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_every_listener_is_on_loopback_and_on_a_port_we_chose(storage_server):
    found = listeners(programs(storage_server))
    assert {address for address, _ in found} == {LOOPBACK}
    assert sorted(port for _, port in found) == sorted(storage_server.ports.values())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/", f"/buckets/{ORIGINALS}/x"])
def test_the_filer_refuses_everybody_without_a_token(storage_server, method, path):
    assert status(method, f"http://127.0.0.1:{storage_server.ports['storage.filer']}{path}") == 401


def test_the_filers_upload_protocol_refuses_everybody_without_a_token(storage_server):
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    address = f"http://127.0.0.1:{storage_server.ports['storage.filer']}/.tus/buckets/{ORIGINALS}/x"
    assert status("POST", address, headers=headers) == 401


def test_the_volume_server_shows_nothing_without_a_token(storage_server):
    assert status("GET", f"http://127.0.0.1:{storage_server.ports['storage.volume']}/ui/index.html") == 401


@pytest.mark.parametrize("bucket", [ORIGINALS, PUBLIC])
def test_nobody_lists_a_bucket_without_a_signature(storage_server, bucket):
    assert status("GET", f"{storage_server.endpoint}/{bucket}/?list-type=2") == 403


def test_a_bucket_is_not_made_by_writing_to_it(storage_server):
    s3 = client(storage_server)
    with pytest.raises(s3.exceptions.ClientError):
        s3.put_object(Bucket="somebody-elses", Key="x", Body=b"x")


def test_a_part_longer_than_it_was_signed_for_is_refused(storage_server):
    s3 = client(storage_server)
    upload = s3.create_multipart_upload(Bucket=ORIGINALS, Key="o/long")["UploadId"]
    asked = {"Bucket": ORIGINALS, "Key": "o/long", "UploadId": upload, "PartNumber": 1, "ContentLength": 1000}
    url = s3.generate_presigned_url("upload_part", Params=asked)
    assert status("PUT", url, b"x" * 2000) == 403
    assert status("PUT", url, b"x" * 1000) == 200
    s3.abort_multipart_upload(Bucket=ORIGINALS, Key="o/long", UploadId=upload)


def test_both_buckets_are_written_through_to_the_disk(storage_server):
    assert storage_server.shell(["fs.configure"]).count('"fsync":  true') == 2


def lying(folder, word):
    return [path.name for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_what_was_deleted_lies_in_no_file_any_more_once_the_storage_has_cleared_up(storage_server):
    # As of a film: what can be made smaller, the storage would make smaller.
    film = secrets.token_bytes(256 * 1024)
    word = film[-64:]
    s3 = client(storage_server)
    s3.put_object(Bucket=ORIGINALS, Key="o/canary", Body=film, ContentType="video/mp4")
    s3.put_object(Bucket=ORIGINALS, Key="o/beside", Body=film[:-64], ContentType="video/mp4")
    assert lying(storage_server.data, word)
    s3.delete_object(Bucket=ORIGINALS, Key="o/canary")
    # The storage deletes behind our back, a moment after it said so.
    deadline = time.monotonic() + 120
    while lying(storage_server.data, word) and time.monotonic() < deadline:
        storage_server.vacuum()
    assert lying(storage_server.data, word) == []
    assert s3.get_object(Bucket=ORIGINALS, Key="o/beside")["Body"].read() == film[:-64]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_secret_stands_on_the_command_line(storage_server):
    for pid in (storage_server.process.pid, *programs(storage_server)):
        assert storage_server.secret_key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_last_starts_flags_are_forgotten_and_objects_outlive_a_change_of_ports(tmp_path):
    first = started_fresh(tmp_path, "first")
    client(first).put_object(Bucket=ORIGINALS, Key="o/kept", Body=b"bytes")
    first.stop()
    options = first.data / "mini.options"
    options.write_text("s3.concurrentUploadLimitMB=128\nwebdav=true\n")
    second = started_fresh(tmp_path, "second")
    try:
        kept = options.read_text() if options.exists() else ""
        assert "webdav=true" not in kept
        assert "LimitMB=128" not in kept
        assert client(second).get_object(Bucket=ORIGINALS, Key="o/kept")["Body"].read() == b"bytes"
    finally:
        second.stop()
    assert not [path for port in (*first.ports.values(), *second.ports.values()) for path in sockets_of(port)]


def test_a_server_that_does_not_answer_to_a_stranger_is_not_ready(tmp_path):
    assert not fresh(tmp_path, reserve(tmp_path / "ports.json", PORT_NAMES, usable)).ready()


def test_the_s3_interface_names_no_account_to_strangers(storage_server):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(storage_server.endpoint, timeout=60)
    with refused.value as answer:
        assert answer.status == 403
