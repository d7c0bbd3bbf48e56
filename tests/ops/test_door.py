"""What the one public door lets through, and to whom."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from ops.door import Caddy, Routes, caddyfile
from tests.servers import started

ORIGINALS, PUBLIC = "vecu-originals", "vecu-public"
SITE_SAYS = b"the site"
POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"],
"Resource": ["arn:aws:s3:::vecu-public/*"]}]}"""


class Site(BaseHTTPRequestHandler):
    """Stands where gunicorn stands: says who it is, and what it was told about the caller."""

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = SITE_SAYS + f"|{self.headers['X-Forwarded-For']}|{self.headers['Host']}".encode()
        self.rfile.read(length)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 -- the names the server looks for

    def log_message(self, *_):
        pass


def routes(site_url="http://127.0.0.1:8000", port=8000, web_port=1, storage_port=2):
    return Routes(site_url, port, web_port, storage_port, ORIGINALS, PUBLIC, max_upload_bytes=1000)


@pytest.fixture(scope="module")
def door(storage_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("door")
    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    storage_port = storage_server.ports["storage.s3"]

    def make(ports):
        port = ports["door"]
        leads = routes(f"http://127.0.0.1:{port}", port, site.server_port, storage_port)
        return Caddy(folder / "a b", leads)

    server = started(folder, ("door",), make)
    yield server
    server.stop()
    site.shutdown()
    site.server_close()
    thread.join()


@pytest.fixture(scope="module")
def s3(storage_server, door):
    """A client that signs for the door's address, as the site does for browsers."""
    made = boto3.client(
        "s3", endpoint_url=door.routes.site_url, region_name="us-east-1",
        aws_access_key_id=storage_server.access_key, aws_secret_access_key=storage_server.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip
    inside = boto3.client(
        "s3", endpoint_url=storage_server.endpoint, region_name="us-east-1",
        aws_access_key_id=storage_server.access_key, aws_secret_access_key=storage_server.secret_key,
        config=Config(signature_version="s3v4", request_checksum_calculation="when_required"),
    )  # fmt: skip
    inside.put_bucket_policy(Bucket=PUBLIC, Policy=POLICY)
    inside.put_object(Bucket=PUBLIC, Key="v/token/360.mp4", Body=b"0123456789", ContentType="video/mp4")
    inside.put_object(Bucket=ORIGINALS, Key="o/2026/film", Body=b"private")
    yield made
    inside.close()
    made.close()


def ask(door, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", door.routes.port, timeout=60)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def ask_signed(door, method, url, body=None):
    parts = urlsplit(url)
    return ask(door, method, f"{parts.path}?{parts.query}", body)


def test_pages_come_from_the_site_with_the_host_and_the_caller_kept(door):
    answer, text = ask(door, "GET", "/fr/", headers={"X-Forwarded-For": "6.6.6.6"})
    assert answer.status == 200
    assert text == SITE_SAYS + f"|127.0.0.1|127.0.0.1:{door.routes.port}".encode()
    assert answer.headers["Server"] != "Caddy"


def test_a_published_object_is_served_in_ranges_and_can_be_no_page(door, s3):
    answer, text = ask(door, "GET", f"/{PUBLIC}/v/token/360.mp4", headers={"Range": "bytes=2-4"})
    assert (answer.status, text) == (206, b"234")
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_the_public_bucket_is_only_read_through_the_door(door, s3, method):
    assert ask(door, method, f"/{PUBLIC}/v/token/360.mp4", b"x")[1].startswith(SITE_SAYS)


def test_an_original_needs_a_signature(door, s3):
    assert ask(door, "GET", f"/{ORIGINALS}/o/2026/film")[0].status == 403
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": ORIGINALS, "Key": "o/2026/film"})
    answer, text = ask_signed(door, "GET", signed)
    assert (answer.status, text) == (200, b"private")


def test_an_original_is_not_deleted_through_the_door_even_with_a_signature(door, s3):
    signed = s3.generate_presigned_url("delete_object", Params={"Bucket": ORIGINALS, "Key": "o/2026/film"})
    assert ask_signed(door, "DELETE", signed)[1].startswith(SITE_SAYS)


@pytest.mark.parametrize(
    "path",
    [
        f"/{PUBLIC}", f"/{PUBLIC}/", f"/{PUBLIC}/?list-type=2", f"/{ORIGINALS}/", f"/{PUBLIC}?policy", f"/{PUBLIC}//",
        f"/{PUBLIC}/./", f"/{PUBLIC}/v/..", f"/{PUBLIC}/v/../..", f"/{PUBLIC}/%2e%2e/{ORIGINALS}/o/2026/film",
        f"/{PUBLIC}/.hidden", f"/{PUBLIC}/v//x", f"/{PUBLIC}/%2F", "/", "/buckets/", "/status",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_nothing_but_plain_keys_reaches_the_storage(door, s3, path, method):
    assert ask(door, method, path)[1].startswith(SITE_SAYS)


def test_a_signed_part_passes_and_a_longer_one_is_refused(door, s3, storage_server):
    inside = boto3.client(
        "s3", endpoint_url=storage_server.endpoint, region_name="us-east-1",
        aws_access_key_id=storage_server.access_key, aws_secret_access_key=storage_server.secret_key,
    )  # fmt: skip
    upload = inside.create_multipart_upload(Bucket=ORIGINALS, Key="o/part")["UploadId"]
    asked = {"Bucket": ORIGINALS, "Key": "o/part", "UploadId": upload, "PartNumber": 1, "ContentLength": 1000}
    url = s3.generate_presigned_url("upload_part", Params=asked)
    assert ask_signed(door, "PUT", url, b"x" * 1000)[0].status == 200
    assert ask_signed(door, "PUT", url, b"x" * 2000)[0].status == 403
    inside.close()


def form(s3, key, most):
    made = s3.generate_presigned_post(ORIGINALS, key, Conditions=[["content-length-range", 1, most]])
    assert urlsplit(made["url"]).path.rstrip("/") == f"/{ORIGINALS}"
    return made["fields"]


def multipart(fields, film):
    boundary = "-----form"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
        for k, v in fields.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = "".join(parts).encode() + file.encode() + film + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def test_a_film_in_a_signed_form_passes_up_to_its_limit(door, s3):
    fields = form(s3, "o/form", 100)
    assert ask(door, "POST", f"/{ORIGINALS}", *multipart(fields, b"film"))[0].status == 204
    assert ask(door, "POST", f"/{ORIGINALS}", *multipart(fields, b"f" * 101))[0].status == 400


def test_no_other_call_on_a_bucket_passes_as_a_form(door, s3):
    body, headers = multipart({}, b"film")
    assert ask(door, "POST", f"/{ORIGINALS}?delete", body, headers)[1].startswith(SITE_SAYS)
    assert ask(door, "POST", f"/{ORIGINALS}", b"<Delete/>", {"Content-Type": "text/xml"})[1].startswith(
        SITE_SAYS
    )


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", "/api/v1/uploads", 512 * 1024),
        ("GET", "/fr/s/token/poster", 512 * 1024),
        ("POST", "/fr/s/token/poster", 10 * 1024**2),
        ("POST", "/studio/review/abcdefghij/poster", 10 * 1024**2),
        ("POST", "/studio/review/abcdefghij/captions", 2 * 1024**2),
        ("PUT", "/api/v1/submissions/abcdefghij/captions/fr", 2 * 1024**2),
    ],
)
def test_a_body_is_as_large_as_its_page_needs_and_no_larger(door, method, path, most):
    assert ask(door, method, path, b"x" * most)[0].status == 200
    assert ask(door, method, path, b"x" * (most + 1))[0].status == 413


def test_a_local_site_listens_on_loopback_only():
    assert "default_bind 127.0.0.1" in caddyfile(routes(), Path("/x"))


def test_a_public_https_site_gets_its_certificate_by_itself():
    text = caddyfile(routes("https://clips.example.org"), Path("/x"))
    assert "\nhttps://clips.example.org {" in text
    assert "default_bind" not in text


def test_the_door_has_no_administration_interface():
    assert "\tadmin off\n" in caddyfile(routes(), Path("/x"))


def test_a_storage_elsewhere_is_not_behind_the_door():
    assert ORIGINALS not in caddyfile(routes(storage_port=None), Path("/x"))


def test_what_the_door_writes_about_a_site_that_is_away_holds_no_address(tmp_path):
    # Nobody listens at port 1.
    server = started(
        tmp_path, ("door",),
        lambda ports: Caddy(tmp_path / "door", routes(f"http://127.0.0.1:{ports['door']}", ports["door"], 1, None)),
    )  # fmt: skip
    asked = http.client.HTTPConnection("127.0.0.1", server.routes.port, timeout=60)
    asked.request("GET", "/fr/s/an-owners-token")
    assert asked.getresponse().status == 502
    asked.close()
    server.stop()
    assert "http.log.error" in server.last_lines
    assert "an-owners-token" not in server.last_lines
