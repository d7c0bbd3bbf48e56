"""The checker on a large portal: processor seconds and peak memory of `fsck` on 100 000 clips with 2.5 million files.

SQLite, and in the storage's place something that lists the names that must be there: what a listing costs besides is
the service's and botocore's own. Every clip lived by the rules, so that there is nothing to be found.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from bench.figures import Figure
from config import ROOT
from portal import fsck
from portal.database import make_engine, make_sessions
from portal.ladder import LADDER_VERSION
from portal.migrations import upgrade
from portal.models import (
    AuditEvent,
    Campaign,
    Caption,
    Clip,
    Consent,
    ConsentText,
    Cut,
    CutState,
    Decision,
    Film,
    Job,
    JobState,
    Notice,
    NoticeState,
    Person,
    Publication,
    Rendition,
    Role,
    State,
    Upload,
    UploadState,
)
from portal.storage import Bucket, Storage, StoredObject

CLIPS, TURNS, BATCH = 100_000, 3, 1000
PUBLISHED = 0.7
"""The part of all clips that is shown; the others wait for a moderator."""

MONTHS = range(1, 7)
AT = datetime(2026, 1, 1, tzinfo=UTC)
RUNGS = (240, 360, 480, 720, 1080)
FILES = (
    ("master.m3u8", "master"), ("audio.m3u8", "playlist"), ("audio.cmfa", "hls_audio"),
    *((f"{rung}.m3u8", "playlist") for rung in RUNGS), *((f"{rung}.cmfv", "hls_video") for rung in RUNGS),
    ("360.mp4", "mp4"), ("720.mp4", "mp4"), ("hover.mp4", "hover"), ("card.jpg", "card"),
    *((f"poster-{width}.{kind}", "poster") for width in (360, 640, 1280) for kind in ("avif", "webp")),
    ("storyboard.webp", "storyboard"), ("storyboard.vtt", "storyboard_vtt"),
)  # fmt: skip
WAY = (
    ("begin", None, State.DRAFT), ("open_upload", State.DRAFT, State.UPLOADING),
    ("complete", State.UPLOADING, State.PROCESSING), ("ready", State.PROCESSING, State.IN_REVIEW),
    ("approve", State.IN_REVIEW, State.APPROVED), ("publish", State.APPROVED, State.PUBLISHED),
)  # fmt: skip

Rows = dict[Any, list[dict[str, Any]]]


class Names:
    """Which clips there are and under which ids, made anew from a seed: so the listing asks no database."""

    def __init__(self, count: int) -> None:
        chance = random.Random(7)  # noqa: S311 - the same portal every time
        letters = "abcdefghijkmnpqrstuvwxyz234567"
        self.ids = ["".join(chance.choices(letters, k=10)) for _ in range(count)]
        self.marks = {one: f"{chance.getrandbits(128):032x}" for one in self.ids}
        shown = [one for one in self.ids if chance.random() < PUBLISHED]
        self.tokens = {one: f"{chance.getrandbits(128):032x}" for one in shown}

    def original(self, clip_id: str) -> str:
        """The key of a clip's film, in the month that its id falls into."""
        return f"o/2026/{MONTHS[ord(clip_id[0]) % len(MONTHS)]:02}/{clip_id}/{self.marks[clip_id]}"


class Listing:
    """In the place of a storage that holds exactly what it should, and lists it in the order of the keys."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.files = sorted(name for name, _kind in FILES)

    def objects(self, bucket: Bucket, prefix: str = "") -> Iterator[StoredObject]:
        """What lies under a prefix."""
        names = self.names
        if bucket is Bucket.PUBLIC:
            for token in sorted(names.tokens.values()):
                yield from (StoredObject(f"v/{token}/{file}", 100) for file in self.files)
        elif prefix == "p/":
            for one in sorted(names.ids):
                mark = names.marks[one]
                yield from (StoredObject(f"p/{one}/{mark}/{file}", 100) for file in self.files)
        else:
            films = sorted(names.original(one) for one in names.ids)
            yield from (StoredObject(key, 100) for key in films if key.startswith(prefix))

    def folders(self, _bucket: Bucket, prefix: str = "") -> tuple[list[str], list[StoredObject]]:
        """What the keys under a prefix go on with."""
        months = [f"o/2026/{month:02}/" for month in MONTHS]
        return {"": ["o/", "p/"], "o/": ["o/2026/"], "o/2026/": months}[prefix], []

    def open_multiparts(self) -> Iterator[Any]:
        """No upload is unfinished."""
        return iter(())


def run() -> list[Figure]:
    """Fill once, check some times over, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), CLIPS)
        told = [looked_at(Path(folder)) for _ in range(TURNS)]
    return [
        Figure(f"fsck of {CLIPS:,} clips, {CLIPS * len(FILES):,} files", "CPU s", values(told, "cpu")),
        Figure("  of it, the listing's stand-in", "CPU s", values(told, "listing")),
        Figure("  at its peak", "MB", values(told, "peak")),
    ]


def values(told: list[dict[str, float]], name: str) -> tuple[float, ...]:
    """One figure of every turn."""
    return tuple(one[name] for one in told)


def looked_at(folder: Path) -> dict[str, float]:
    """One check in a process of its own; what it used."""
    line = [sys.executable, "-m", "bench.fsck", str(folder)]
    ended = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(ended.stdout)
    return told


def look(folder: Path) -> dict[str, float]:
    """Check, and list once more alone."""
    engine = make_engine(f"sqlite:///{folder / 'portal.sqlite'}")
    read = cast("Callable[[], AbstractContextManager[Session]]", make_sessions(engine))
    storage = cast("Storage", Listing(Names(int((folder / "clips").read_text()))))
    began = time.process_time()
    found = fsck.check(read, storage)
    used = time.process_time() - began
    if found:
        raise RuntimeError(f"{len(found)} findings, the first: {found[0]}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.process_time()
    for bucket, prefix in ((Bucket.PUBLIC, ""), (Bucket.ORIGINALS, "p/"), (Bucket.ORIGINALS, "o/")):
        for _one in storage.objects(bucket, prefix):
            pass
    return {"cpu": used, "peak": peak, "listing": time.process_time() - began}


def fill(folder: Path, count: int) -> None:
    """A migrated SQLite with this many clips and all that is on record of each."""
    (folder / "clips").write_text(str(count))
    url = f"sqlite:///{folder / 'portal.sqlite'}"
    upgrade(url)
    engine, names = make_engine(url), Names(count)
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        connection.execute(insert(Campaign), [{"id": 1, "slug": "bench", "created_at": AT}])
        staff = {"id": 1, "email": "m@brand.example", "name": "M", "role": Role.MODERATOR}
        connection.execute(insert(Person), [staff | {"lang": "fr", "session_token": "x", "created_at": AT}])
        text = {"lang": "fr", "version": 1, "body": "J’accepte.", "sha256": "0" * 64, "created_at": AT}
        texts = [{"id": number, "purpose": word, **text} for number, word in enumerate(("site", "adult"), 1)]
        connection.execute(insert(ConsentText), texts)
        for start in range(0, count, BATCH):
            write(connection, names, names.ids[start : start + BATCH])
    engine.dispose()


def write(connection: Connection, names: Names, ids: list[str]) -> None:
    """The rows of these clips; what others hang on goes first."""
    tables = (
        Clip,
        Film,
        Cut,
        Upload,
        Rendition,
        Publication,
        Consent,
        AuditEvent,
        Decision,
        Job,
        Notice,
        Caption,
    )
    rows: Rows = {table: [] for table in tables}
    for clip_id in ids:
        film(rows, names, clip_id)
        life(rows, clip_id, names.marks[clip_id], is_shown=clip_id in names.tokens)
    for table, some in rows.items():
        connection.execute(insert(table.__table__), some)


def film(rows: Rows, names: Names, clip_id: str) -> None:
    """A clip, its film, its cut and its files."""
    mark, key, token = names.marks[clip_id], names.original(clip_id), names.tokens.get(clip_id)
    whose = {"clip_id": clip_id, "film_id": mark, "cut_id": mark}
    rows[Clip].append({
        "id": clip_id, "campaign_id": 1, "owner_id": 1, "state": State.PUBLISHED if token else State.IN_REVIEW,
        "state_since": AT, "version": 6, "created_at": AT, "lang": "fr", "title": "Le matin", "film_id": mark,
        "cut_id": mark, "seconds": 60.0, "width": 1920, "height": 1080,
    })  # fmt: skip
    rows[Film].append({
        "id": mark, "clip_id": clip_id, "number": 1, "key": key, "size_bytes": 100, "sha256": "a" * 64,
        "facts": {"duration_seconds": 60.0}, "received_at": AT, "ready_at": AT, "preview": {},
    })  # fmt: skip
    rows[Upload].append({
        "id": mark, "clip_id": clip_id, "state": UploadState.ACCEPTED, "storage_id": mark, "key": key,
        "filename": "", "content_type": "video/mp4", "size_bytes": 100, "part_size": 100, "part_count": 1,
        "created_at": AT, "changed_at": AT, "last_seen_at": AT, "expires_at": AT,
    })  # fmt: skip
    rows[Cut].append({
        "id": mark, "clip_id": clip_id, "film_id": mark, "number": 1, "state": CutState.ADOPTED, "edits": {},
        "created_at": AT, "made_at": AT, "ladder_version": LADDER_VERSION, "ffmpeg_version": "8.1.2", "sandbox": "1",
        "proposals": [1.0, 2.0],
    })  # fmt: skip
    rows[Rendition] += [
        whose | {
            "name": name, "kind": kind, "key": f"p/{clip_id}/{mark}/{name}", "content_type": "video/mp4",
            "size_bytes": 100, "sha256": "b" * 64,
        }
        for name, kind in FILES
    ]  # fmt: skip
    if token:
        rows[Publication].append(whose | {"token": token, "created_at": AT, "complete_at": AT})


def life(rows: Rows, clip_id: str, mark: str, *, is_shown: bool) -> None:
    """What was agreed, done and decided, and what was written about it."""
    rows[Consent] += [
        {"clip_id": clip_id, "text_id": number, "purpose": word, "given_at": AT, "given_via": "site"}
        for number, word in enumerate(("site", "adult"), 1)
    ]
    rows[AuditEvent] += [
        {"clip_id": clip_id, "at": AT, "actor_kind": "owner", "verb": verb, "from_state": source, "to_state": target,
         "clip_version": number, "detail": {}}
        for number, (verb, source, target) in enumerate(WAY if is_shown else WAY[:4], 1)
    ]  # fmt: skip
    if is_shown:
        rows[Decision].append({
            "clip_id": clip_id, "film_id": mark, "film_sha256": "a" * 64, "clip_version": 4, "moderator_id": 1,
            "verb": "approve", "made_at": AT + timedelta(hours=1),
        })  # fmt: skip
    rows[Job] += [
        {"id": f"{number}{mark[1:]}", "kind": kind, "clip_id": clip_id, "state": JobState.DONE, "created_at": AT,
         "run_after": AT}
        for number, kind in enumerate(("transcode", "publish", "signals"))
    ]  # fmt: skip
    rows[Notice] += [
        {"kind": kind, "clip_id": clip_id, "person_id": 1, "occasion": f"{kind}:{clip_id}",
         "state": NoticeState.SENT, "message_id": "m", "created_at": AT, "run_after": AT, "sent_at": AT}
        for kind in ("received", "published")
    ]  # fmt: skip
    if ord(clip_id[-1]) % 5 == 0:
        cues = [[2.0 * at, 2.0 * at + 1.8, "Une phrase comme on en dit en route"] for at in range(30)]
        words = [[0.25 * at, 0.25 * at + 0.2, "phrase"] for at in range(240)]
        rows[Caption].append({
            "clip_id": clip_id, "film_id": mark, "lang": "fr", "origin": "speech", "cues": cues, "words": words,
            "text": "phrase", "created_at": AT, "changed_at": AT,
        })  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(look(Path(sys.argv[1]))))
