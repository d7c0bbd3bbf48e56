"""200 phones that send at 25 kB/s each, through the real portal's door, and how long its pages take meanwhile."""

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.figures import Figure, Row
from config import ROOT

PHONES, RATE, FILM_BYTES = 200, 25_000, 6_000_000
SLICE = 2_500
ASKED = 150
PAGES = ("/fr/", "/fr/participate/bench", "/api/v1/clips")


@dataclass
class Crowd:
    """What the phones have got through; they stop when told."""

    address: str
    ends: threading.Event = field(default_factory=threading.Event)
    sent: list[int] = field(default_factory=lambda: [0] * PHONES)
    parts: list[int] = field(default_factory=lambda: [0] * PHONES)
    faults: list[str] = field(default_factory=list)


def run() -> Iterator[Row | Figure]:
    """Pages alone, then pages beside the crowd, in one run."""
    with tempfile.TemporaryDirectory() as folder, portal(Path(folder)) as address:
        idle = {page: asked(address, page) for page in PAGES}
        crowd = Crowd(address)
        phones = [threading.Thread(target=phone, args=(crowd, n), daemon=True) for n in range(PHONES)]
        for one in phones:
            one.start()
        until(lambda: crowd.faults or all(crowd.sent))
        began, before = time.perf_counter(), sum(crowd.sent)
        busy = {page: asked(address, page) for page in PAGES}
        rate = (sum(crowd.sent) - before) / (time.perf_counter() - began) / PHONES
        crowd.ends.set()
        for one in phones:
            one.join(30)
    if crowd.faults:
        raise RuntimeError(crowd.faults[0])
    yield Figure(f"{PHONES} phones: each sends", "kB/s", (rate / 1000,))
    for page in PAGES:
        pair = (p95(busy[page]), p95(idle[page]))
        yield Row(f"{page}: 95th of 100 beside {PHONES} phones / alone", "s", (pair,))
        yield Figure(f"{page}: beside {PHONES} phones", "ms", tuple(1000 * one for one in busy[page]))


def p95(seconds: list[float]) -> float:
    """What 95 of 100 answers stayed below."""
    return statistics.quantiles(seconds, n=20)[-1]


def asked(address: str, page: str) -> list[float]:
    """Seconds of each of some answers, one after the other on one connection; the first ones warm up."""
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    found = []
    for _ in range(ASKED + 10):
        began = time.perf_counter()
        line.request("GET", page)
        answer = line.getresponse()
        answer.read()
        found.append(time.perf_counter() - began)
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{page}: {answer.status}")
    line.close()
    return found[10:]


def phone(crowd: Crowd, number: int) -> None:
    """One owner's phone: begins, opens an upload, sends its parts slowly to where it is told."""
    try:
        told = called(crowd.address, "POST", "/submissions", {"campaign": "bench"})
        token = told["token"]
        file = {"submission_id": told["id"], "filename": "film.mp4", "size": FILM_BYTES, "type": "video/mp4"}
        upload = called(crowd.address, "POST", "/uploads", file, token)
        path = f"/uploads/{upload['id']}/parts"
        for part in called(crowd.address, "POST", path, {"numbers": [1, 2]}, token)["parts"]:
            if not drip(crowd, number, part["url"], part["length"]):
                return
            crowd.parts[number] += 1
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        crowd.faults.append(repr(error))


def drip(crowd: Crowd, number: int, url: str, length: int) -> bool:
    """Send one part at the rate of a bad line; False when the run ended before."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60) as line:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {length}\r\n\r\n"
        line.sendall(head.encode())
        left, next_at = length, time.perf_counter()
        while left:
            piece = min(SLICE, left)
            line.sendall(b"\x00" * piece)
            left -= piece
            crowd.sent[number] += piece
            next_at += piece / RATE
            if crowd.ends.wait(max(0.0, next_at - time.perf_counter())):
                return False
        return b" 200 " in line.recv(200)


def called(address: str, method: str, path: str, body: dict[str, object], token: str = "") -> dict[str, Any]:
    """The JSON answer of one call."""
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    line.request(method, f"/api/v1{path}", json.dumps(body), headers)
    answer = line.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    line.close()
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise RuntimeError(f"{path}: {answer.status} {told}")
    return told


@contextmanager
def portal(folder: Path) -> Iterator[str]:
    """The whole portal as `make run` starts it, with one campaign."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "DATA_DIR": str(folder), "PORT": str(port), "DEMO": "0",
        "SITE_URL": f"http://127.0.0.1:{port}", "CHALLENGE_FROM": "100000", "SUBMISSIONS_AN_HOUR": "100000",
    }  # fmt: skip
    command = [sys.executable, "-m", "ops.run"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout or ():
            if "Ctrl-C stops everything" in line:
                break
        threading.Thread(target=lambda: list(process.stdout or ()), daemon=True).start()
        known = json.loads((folder / "addresses.json").read_text(encoding="utf-8"))
        words = ["campaigns", "add", "bench", "--title", "Banc"]
        subprocess.run(
            [sys.executable, "-m", "portal", *words], cwd=ROOT, env={**environment, **known}, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield environment["SITE_URL"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)


def until(holds: Callable[[], object]) -> None:
    """Wait until it holds; half a minute at most."""
    ends = time.monotonic() + 60
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.05)
