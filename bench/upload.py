"""200 MB in signed 5 MiB parts, as a browser sends them, against `curl -T` of the same bytes to the same storage."""

import http.client
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.figures import Row
from config import Settings
from ops.machine import assemble
from ops.storage import usable
from portal.storage import Bucket, Storage

SIZE, PART, TURNS = 200_000_000, 5 * 1024 * 1024, 3


def run() -> list[Row]:
    """Start the embedded storage alone, upload by both ways in turns."""
    if shutil.which("curl") is None:
        print("  curl is not on this machine: nothing to compare with")
        return []
    with tempfile.TemporaryDirectory() as folder:
        machine = assemble({**os.environ, "DATA_DIR": folder, "BROKER_URL": "redis://127.0.0.1:1/0"}, usable)
        server = machine.servers["storage"]
        server.start()
        try:
            told = dict(machine.told)
            told["S3_PUBLIC_URL"] = told["S3_ENDPOINT_URL"]
            storage = Storage(Settings.from_env({**os.environ, **told}).storage)
            storage.prepare()
            film = Path(folder) / "film.bin"
            film.write_bytes(os.urandom(SIZE))
            pairs = [(in_parts(storage, film, turn), by_curl(storage, film, turn)) for turn in range(TURNS)]
        finally:
            server.stop()
    return [Row("200 MB in signed parts / curl -T", "s", tuple(pairs))]


def in_parts(storage: Storage, film: Path, turn: int) -> float:
    """Seconds to open, send part by part on one connection, list, and complete."""
    key = f"o/bench/parts-{turn}"
    began = time.perf_counter()
    upload_id = storage.begin_multipart(key, "video/mp4")
    connection: http.client.HTTPConnection | None = None
    with film.open("rb") as file:
        number = 0
        while body := file.read(PART):
            number += 1
            url = urlsplit(storage.sign_part(key, upload_id, number, len(body)))
            connection = connection or http.client.HTTPConnection(url.netloc)
            connection.request("PUT", f"{url.path}?{url.query}", body)
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.HTTPStatus.OK:
                raise RuntimeError(f"part {number}: {answer.status}")
    storage.complete_multipart(key, upload_id, storage.list_parts(key, upload_id))
    seconds = time.perf_counter() - began
    storage.delete(Bucket.ORIGINALS, [key])
    return seconds


def by_curl(storage: Storage, film: Path, turn: int) -> float:
    """Seconds of one `curl -T` to a signed address of the same storage, as one part."""
    key = f"o/bench/curl-{turn}"
    upload_id = storage.begin_multipart(key, "video/mp4")
    url = storage.sign_part(key, upload_id, 1, SIZE)
    began = time.perf_counter()
    subprocess.run(["curl", "-sSf", "-T", str(film), url], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    storage.complete_multipart(key, upload_id, storage.list_parts(key, upload_id))
    storage.delete(Bucket.ORIGINALS, [key])
    return seconds
