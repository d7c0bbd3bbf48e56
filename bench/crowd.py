"""How long pages take beside 200 phones that send at 25 kB/s each, and beside 20 hostile films that arrive at once."""

import http.client
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.figures import Figure, Row
from bench.portal import called, portal
from portal.carrier import put
from portal.errors import PortalError
from tests.hostile import clay as honest
from tests.hostile.cases import Clay
from tests.hostile.corpus import ALL

PHONES, RATE, FILM_BYTES = 200, 25_000, 6_000_000
SLICE = 2_500
ASKED = 150
HOSTILE, PAUSE = 20, 2.0
PAGES = ("/fr/", "/fr/participate/bench", "/api/v1/clips")


@dataclass
class Crowd:
    """What the phones have got through; they stop when told."""

    address: str
    ends: threading.Event = field(default_factory=threading.Event)
    sent: list[int] = field(default_factory=lambda: [0] * PHONES)
    parts: list[int] = field(default_factory=lambda: [0] * PHONES)
    faults: list[str] = field(default_factory=list)
    turned_away: list[str] = field(default_factory=list)


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


def beside_hostile() -> Iterator[Row | Figure]:
    """(G4) Pages alone, then pages while 20 hostile films arrive at once; each comes again as soon as it is judged."""
    with tempfile.TemporaryDirectory() as folder, portal(Path(folder)) as address:
        films = hostile_films(Path(folder) / "clay")
        idle = {page: asked(address, page) for page in PAGES}
        crowd = Crowd(address)
        senders = [
            threading.Thread(target=sender, args=(crowd, place, film), daemon=True)
            for place, film in enumerate(films)
        ]
        for one in senders:
            one.start()
        busy = {page: asked(address, page) for page in PAGES}
        # Each of them was in the way at least once.
        until(lambda: crowd.faults or all(crowd.sent[: len(films)]))
        judged = sum(crowd.parts)
        crowd.ends.set()
        for one in senders:
            one.join(30)
    if crowd.faults:
        raise RuntimeError(crowd.faults[0])
    yield Figure(f"{len(films)} hostile films: judged meanwhile", "films", (judged,))
    yield Figure(f"{len(films)} hostile films: calls turned away", "calls", (len(crowd.turned_away),))
    for page in PAGES:
        pair = (p95(busy[page]), p95(idle[page]))
        yield Row(f"{page}: 95th of 100 beside {len(films)} hostile films / alone", "s", (pair,))
        yield Figure(f"{page}: 95th of 100 beside {len(films)} hostile films", "ms", (1000 * pair[0],))


def hostile_films(folder: Path) -> list[bytes]:
    """Those of the tests' corpus that only the tools can judge, and bombs that the inspector counts, 20 in all."""
    folder.mkdir(exist_ok=True)
    clay = Clay(honest.films(folder), folder)
    refused = [one for one in ALL if one.code is not None]
    dear = [one for one in refused if one.where == "tools"] + [one for one in refused if one.name[0] == "b"]
    return [one.write(clay) for one in dear[:HOSTILE]]


def sender(crowd: Crowd, place: int, film: bytes) -> None:
    """Somebody who sends the same hostile film again and again, as quickly as it is judged."""
    try:
        while not crowd.ends.is_set():
            try:
                crowd.parts[place] += is_judged(crowd, place, film)
            except RuntimeError as error:
                # A portal that is too busy says so; whoever means harm comes again all the same.
                crowd.turned_away.append(str(error))
                crowd.ends.wait(PAUSE)
    except (OSError, PortalError, http.client.HTTPException) as error:
        crowd.faults.append(repr(error))


def is_judged(crowd: Crowd, place: int, film: bytes) -> bool:
    """Send the film as a new clip and wait until the portal has refused it; False when the run ended before."""
    told = called(crowd.address, "POST", "/submissions", {"campaign": "bench"})
    token, state = told["token"], f"/submissions/{told['id']}"
    file = {"submission_id": told["id"], "filename": "film.mp4", "size": len(film), "type": "video/mp4"}
    path = f"/uploads/{called(crowd.address, 'POST', '/uploads', file, token)['id']}"
    signed = called(crowd.address, "POST", f"{path}/parts", {"numbers": [1]}, token)
    put(signed["parts"][0]["url"], film)
    called(crowd.address, "POST", f"{path}/complete", {}, token)
    crowd.sent[place] += len(film)
    # As often as a status page asks, so that it is the films that cost.
    while called(crowd.address, "GET", state, {}, token)["state"] == "processing":
        if crowd.ends.wait(PAUSE):
            return False
    return True


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
        answer = line.recv(200)
        if b" 200 " not in answer:
            raise RuntimeError(f"a part was answered with {answer!r}")
        return True


def until(holds: Callable[[], object]) -> None:
    """Wait until it holds; a minute at most."""
    ends = time.monotonic() + 60
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.05)
