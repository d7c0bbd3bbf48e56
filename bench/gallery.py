"""The gallery page (24 clips, themes ticked) at 1 000 and 100 000 clips, against the same gunicorn's constant page."""

import contextlib
import http.client
import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from bench.figures import Row
from config import ROOT
from portal.database import make_engine
from portal.migrations import upgrade
from portal.models import (
    Campaign,
    Caption,
    Clip,
    ClipTheme,
    Cut,
    CutState,
    Film,
    Person,
    Publication,
    Rendition,
    State,
    Theme,
    ThemeName,
)

THEMES = ("performances", "technologie", "week-end", "famille", "recharge", "hiver", "conception", "pilotage")
PAGES = {
    "gallery, no tick": "/fr/clips",
    "gallery, two themes, any": "/fr/clips?theme=technologie&theme=week-end",
    "gallery, two themes, all": "/fr/clips?match=all&theme=technologie&theme=week-end",
}
CONSTANT = "/healthz"
TURNS, WARM_UP = 15, 3


def run() -> list[Row]:
    """Fill, serve, ask alternately."""
    rows: list[Row] = []
    for count in (1_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), count)
            with served(Path(folder)) as port:
                rows += [
                    Row(f"{name} at {count:,} clips / constant page", "s", tuple(turns(port, path)))
                    for name, path in PAGES.items()
                ]
    return rows


def turns(port: int, path: str) -> Iterator[tuple[float, float]]:
    """Pairs of (page, constant page) seconds, each the median of three asks."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for turn in range(TURNS + WARM_UP):
        pair = tuple(statistics.median(ask(connection, one) for _ in range(3)) for one in (path, CONSTANT))
        if turn >= WARM_UP:
            yield pair[0], pair[1]
    connection.close()


def ask(connection: http.client.HTTPConnection, path: str) -> float:
    """Seconds for one page."""
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{path} answered {answer.status}")
    return time.perf_counter() - began


def fill(folder: Path, count: int) -> None:
    """A migrated SQLite with this many published clips, 1 to 3 themes and the usual files each."""
    url = f"sqlite:///{folder / 'portal.sqlite'}"
    upgrade(url)
    engine = make_engine(url)
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        write(connection, count, random.Random(7))  # noqa: S311 - the same portal every time
    engine.dispose()


def write(connection: Connection, count: int, chance: random.Random) -> None:
    """Insert the rows in batches."""
    now = datetime.now(UTC)
    connection.execute(insert(Campaign), [{"id": 1, "slug": "bench", "created_at": now}])
    connection.execute(
        insert(Person),
        [{"id": 1, "email": "o@mail.example", "lang": "fr", "session_token": "x", "created_at": now}],
    )
    connection.execute(
        insert(Theme), [{"id": i, "slug": slug, "position": i} for i, slug in enumerate(THEMES, 1)]
    )
    connection.execute(
        insert(ThemeName), [{"theme_id": i, "lang": "fr", "name": slug} for i, slug in enumerate(THEMES, 1)]
    )
    for start in range(0, count, 5000):
        batch: dict[Any, list[dict[str, Any]]] = {
            Clip: [],
            ClipTheme: [],
            Film: [],
            Cut: [],
            Caption: [],
            Publication: [],
            Rendition: [],
        }
        for number in range(start, min(count, start + 5000)):
            one_clip(batch, number, now, chance)
        for table, rows in batch.items():
            connection.execute(insert(table), rows)


def one_clip(
    batch: dict[Any, list[dict[str, Any]]], number: int, now: datetime, chance: random.Random
) -> None:
    """Rows of one published clip."""
    clip_id, film_id, when = f"b{number:09d}", secrets.token_hex(16), now - timedelta(minutes=number)
    batch[Clip].append({
        "id": clip_id, "campaign_id": 1, "owner_id": 1, "state": State.PUBLISHED, "state_since": when,
        "created_at": when, "published_at": when, "title": f"Clip {number}", "first_name": "Nadia",
        "city": "Grenoble", "lang": "fr", "speech_lang": "fr", "people": [], "film_id": film_id, "cut_id": film_id,
        "seconds": 30.0,
        "width": 1280, "height": 720, "search_text": f"clip {number} grenoble nadia",
    })  # fmt: skip
    chosen = chance.sample(range(1, len(THEMES) + 1), chance.randint(1, 3))
    batch[ClipTheme] += [{"clip_id": clip_id, "theme_id": theme} for theme in chosen]
    batch[Film].append({
        "id": film_id, "clip_id": clip_id, "number": 1, "key": f"o/{film_id}", "size_bytes": 1, "received_at": when,
        "facts": {},
    })  # fmt: skip
    batch[Cut].append({
        "id": film_id, "clip_id": clip_id, "film_id": film_id, "number": 1, "state": CutState.ADOPTED, "created_at": when,
    })  # fmt: skip
    batch[Caption].append(spoken(clip_id, film_id, when, chance))
    batch[Publication].append({
        "clip_id": clip_id, "film_id": film_id, "cut_id": film_id, "token": secrets.token_hex(16), "created_at": when,
        "complete_at": when,
    })  # fmt: skip
    for width in (360, 640, 960):
        for kind in ("avif", "webp"):
            batch[Rendition].append({
                "clip_id": clip_id, "film_id": film_id, "cut_id": film_id, "name": f"poster-{width}.{kind}", "kind": "poster",
                "key": f"p/{film_id}/{width}.{kind}", "content_type": f"image/{kind}", "size_bytes": 1,
                "sha256": "", "width": width, "height": width * 9 // 16,
            })  # fmt: skip


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    """The site on this database, by gunicorn with one process; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = {**os.environ, "DATA_DIR": str(folder), "SITE_URL": f"http://127.0.0.1:{port}"}
    line = [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{port}"]
    line += ["--worker-class", "gthread", "--threads", "4", "--log-level", "warning"]
    site = subprocess.Popen(line, cwd=ROOT, env=environment)
    try:
        wait_for(port)
        yield port
    finally:
        site.send_signal(signal.SIGTERM)
        site.wait(20)


def wait_for(port: int) -> None:
    """Come back when the site answers."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", CONSTANT)
            connection.getresponse().read()
            return
        time.sleep(0.1)
    raise RuntimeError("the site does not answer")


def spoken(clip_id: str, film_id: str, when: datetime, chance: random.Random) -> dict[str, Any]:
    """Half a minute of speech: 75 words, of which some are common and most are rare."""
    words = [f"w{min(9999, int(1 / (chance.random() + 1e-4))):04}x" for _ in range(75)]
    cues = [[at / 2.5, at / 2.5 + 4, " ".join(words[at : at + 10])] for at in range(0, 75, 10)]
    timed = [[at / 2.5, at / 2.5 + 0.3, f" {word}"] for at, word in enumerate(words)]
    return {
        "clip_id": clip_id, "film_id": film_id, "lang": "fr", "origin": "speech", "cues": cues, "words": timed,
        "text": " ".join(dict.fromkeys(words)), "version": 1, "created_at": when, "changed_at": when,
    }  # fmt: skip
