"""A long film's ladder made by several workers: what a helper does, and what the one who asked for help does.

Whoever asked works on the pieces too and waits only for those that somebody is at, so that it ends without any help.
"""

import json
import logging
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from media_jobs import film, picture, pieces
from media_jobs.ffmpeg import Cancelled, children_seconds, sandbox, version
from media_jobs.film import MadeFile
from media_jobs.heartbeat import Heartbeat, Interrupted
from media_jobs.picture import Plan
from media_jobs.pieces import Piece
from media_jobs.probe import Facts
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import chunks, crash, keys, leases, processing
from portal.errors import Away, Code, Missing, PortalError, Unavailable
from portal.ladder import LADDER_VERSION, Profile, rungs_for
from portal.leases import Claim
from portal.models import JobState
from portal.storage import Bucket

log = logging.getLogger(__name__)

# A picture that begins later than this after its sound is left whole.
LATEST_PICTURE_SECONDS: Final = 1.0
_MADE_WITH: Final = "made-with.json"


# Who helps -----------------------------------------------------------------------------------------------


def chunk(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Make one piece of a film for the attempt that shared it, and store it among that attempt's private files."""
    with shop.runtime.work() as session:
        asking = chunks.attempt_token(session, claim)
        if asking is None:
            chunks.let_go(session, claim)
            return
        original = processing.film_of(session, claim)
        key, sha256, facts = original.key, original.sha256, Facts.from_json(original.facts)
    made = _plan(shop, facts)
    piece = _piece(made, claim)
    with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
        heartbeat.note(0.0, "fetch")
        if space.fetch(key) != sha256:
            raise Unavailable(Code.OURS_STORAGE, expected=sha256)
        heartbeat.check()
        before = children_seconds()
        pieces.make(
            pieces.Whole(shop.tools, space.original, facts, made), piece, space.folder,
            wall_seconds=film.wall_seconds(facts),
            on_progress=lambda percent: heartbeat.note(0.9 * percent / 100, "make"),
            cancelled=heartbeat.must_stop,
        )  # fmt: skip
        spent = children_seconds() - before
        told = {**_maker(shop, made, piece), "cpu_seconds": spent, "sandbox": sandbox(shop.tools)}
        (space.folder / _MADE_WITH).write_text(json.dumps(told))
        packed = _packed(space, claim)
        heartbeat.note(0.95, "store")
        # In the asking attempt's folder of the storage: it is nobody's as soon as that attempt is over.
        theirs = Workspace(
            shop.runtime.storage, shop.runtime.settings.media.scratch, replace(claim, token=asking)
        )
        crash.point("chunk.put")
        stored = [file.key for file in theirs.store([packed])]
        crash.point("chunk.put.done")
    with shop.runtime.work() as session:
        is_wanted = leases.done(session, claim)
    if not is_wanted:
        with suppress(Unavailable):
            shop.runtime.storage.delete(Bucket.ORIGINALS, stored)


def _plan(shop: Workshop, facts: Facts) -> Plan:
    profile = Profile(shop.runtime.settings.media.profile)
    return picture.plan(facts, rungs_for(facts.width, facts.height, profile))


def _piece(made: Plan, claim: Claim) -> Piece:
    found = [piece for piece in pieces.cut(made) if piece.part == claim.part]
    if not found:
        raise Unavailable(Code.OURS_TRANSCODE, reason="no such part", part=claim.part)
    return found[0]


def _maker(shop: Workshop, made: Plan, piece: Piece) -> dict[str, Any]:
    """What must be the same for pieces that are to be joined."""
    return {
        "ladder": LADDER_VERSION,
        "profile": shop.runtime.settings.media.profile,
        "ffmpeg": version(shop.tools),
        "rungs": [rung.name for rung in made.rungs],
        "rate": str(made.rate),
        "seconds": made.seconds,
        "from_to": [piece.begin, piece.end],
    }


def _packed(space: Workspace, claim: Claim) -> MadeFile:
    """Everything of the piece as one file."""
    path = space.folder.parent / _name(claim.part, claim.token)
    with tarfile.open(path, "w") as sheaf:
        for one in sorted(space.folder.iterdir()):
            sheaf.add(one, arcname=one.name, recursive=False)
    # Nobody holds its bytes against a sum: what comes of it is read back, every frame counted.
    return MadeFile(path.name, path, "chunk", "application/x-tar", path.stat().st_size, sha256="")


def _unpack(packed: Path, room: Path) -> None:
    """Plain files into the room, whatever the file says of where they belong; the file is deleted."""
    with tarfile.open(packed) as sheaf:
        for one in sheaf:
            content = sheaf.extractfile(one) if one.isfile() else None
            if content is not None:
                with content, (room / Path(one.name).name).open("wb") as file:
                    shutil.copyfileobj(content, file)
    packed.unlink()


def _name(part: int, token: str) -> str:
    return f"chunk-{part:03}-{token}.tar"


# Who asks for help ---------------------------------------------------------------------------------------


class _NotThisWay(Exception):
    """The film is made in one piece instead."""


@dataclass(slots=True)
class Shared:
    """A film on its way through several hands, for one attempt; `film.make` asks it for the rungs."""

    shop: Workshop
    claim: Claim
    heartbeat: Heartbeat
    space: Workspace
    facts: Facts
    # What others spent on it, and behind which walls.
    cpu_seconds: float = 0.0
    sandboxes: set[str] = field(default_factory=set)
    _made: dict[int, Path] = field(default_factory=dict)

    def __call__(self, made: Plan, folder: Path, told: Callable[[float], None]) -> bool:
        """Have the rungs made in pieces if somebody is idle, and join them in the folder; False: make them in one.

        Raises Interrupted, Cancelled, and Away or Unavailable(OURS_DISK) when what we stand on fails us.
        """
        cuts = pieces.cut(made)
        if not cuts or not self._is_worth_it(made):
            return False
        with self.shop.runtime.work() as session:
            jobs = chunks.share(session, self.claim, len(cuts)) if chunks.idle(session) > 0 else None
        if jobs is None:
            return False
        if not jobs:
            raise Interrupted
        with self._over(jobs):
            try:
                self._gather(made, cuts, jobs, told)
                pieces.join(folder, made, [(piece, self._made[piece.part]) for piece in cuts])
                crash.point("chunks.joined")
            except OSError as trouble:
                raise Unavailable(Code.OURS_DISK, detail=str(trouble)) from trouble
            except _NotThisWay as trouble:
                log.warning("clip=%s is made in one piece: %s", self.claim.clip_id, trouble)
                return False
            except Unavailable as trouble:
                if isinstance(trouble, Away) or trouble.code is not Code.OURS_TRANSCODE:
                    raise
                log.warning("clip=%s: the pieces do not fit: %s", self.claim.clip_id, trouble.facts)
                return False
        return True

    def _is_worth_it(self, made: Plan) -> bool:
        """Long enough, an ordinary film, and the first attempt: what failed or was lost once is made in one piece."""
        least = self.shop.runtime.settings.media.parallel_from
        return (
            0 < least <= made.seconds
            and self.claim.attempt == 1
            and made == _plan(self.shop, self.facts)
            and self.facts.picture_delay_seconds < LATEST_PICTURE_SECONDS
            and self.facts.promised_seconds is None
        )

    @contextmanager
    def _over(self, jobs: list[str]) -> Iterator[None]:
        """However it ends, nobody works on it any more, and what was stored for it is deleted."""
        try:
            yield
        finally:
            storage = self.shop.runtime.storage
            prefix = keys.made(self.claim.clip_id, self.claim.token, "chunk-")
            with suppress(PortalError):
                with self.shop.runtime.work() as session:
                    chunks.close(session, jobs)
                # What is stored after this lies under the token of an attempt that is over: the sweep's.
                crash.point("chunks.delete")
                storage.delete(Bucket.ORIGINALS, list(storage.keys(Bucket.ORIGINALS, prefix)))
                crash.point("chunks.delete.done")

    def _gather(
        self, made: Plan, cuts: tuple[Piece, ...], jobs: list[str], told: Callable[[float], None]
    ) -> None:
        while len(self._made) < len(cuts):
            self.heartbeat.check()
            with self.shop.runtime.read() as session:
                seen = chunks.look(session, jobs)
            if lost := [one for one in seen if one.state in (JobState.FAILED, JobState.CANCELLED)]:
                raise _NotThisWay(f"part {lost[0].part} is {lost[0].state}")
            ready = [one for one in seen if one.state is JobState.DONE and one.part not in self._made]
            for one in ready:
                self._fetch(made, cuts[one.part - 1], one.token)
            told(2 + 89 * len(self._made) / len(cuts))
            # Helpers begin at the film's beginning, we at its end.
            if not ready and not any(self._here(made, cuts, one) for one in reversed(seen) if one.is_free):
                time.sleep(min(self.shop.pace.progress, 1.0))

    def _room(self, part: int) -> Path:
        room = self.space.folder.parent / f"chunk-{part}"
        room.mkdir(exist_ok=True)
        for path in room.iterdir():
            path.unlink()
        return room

    def _fetch(self, made: Plan, piece: Piece, token: str) -> None:
        """A helper's piece, unpacked."""
        name, room = _name(piece.part, token), self._room(piece.part)
        try:
            packed = self.space.fetch_beside(keys.made(self.claim.clip_id, self.claim.token, name), name)
            crash.point("chunk.fetched")
            _unpack(packed, room)
            told = json.loads((room / _MADE_WITH).read_text())
            self.cpu_seconds += float(told.pop("cpu_seconds"))
            self.sandboxes.add(str(told.pop("sandbox")))
        except (Missing, tarfile.TarError, ValueError, KeyError) as trouble:
            raise _NotThisWay(f"part {piece.part} cannot be read: {trouble}") from trouble
        if told != _maker(self.shop, made, piece):
            raise _NotThisWay(f"part {piece.part} was made otherwise: {told}")
        pieces.check(room, made, piece)
        self._made[piece.part] = room

    def _here(self, made: Plan, cuts: tuple[Piece, ...], one: chunks.Chunk) -> bool:
        """Make a piece ourselves that nobody is at; False when somebody was quicker, or has taken it over."""
        pace, piece = self.shop.pace, cuts[one.part - 1]
        with self.shop.runtime.work() as session:
            claim = chunks.take(session, one.job_id, lease_seconds=pace.lease)
        if claim is None:
            return False
        room = self._room(one.part)
        with Heartbeat(self.shop, claim) as pulse:
            try:
                pieces.make(
                    pieces.Whole(self.shop.tools, self.space.original, self.facts, made), piece, room,
                    wall_seconds=film.wall_seconds(self.facts),
                    on_progress=lambda percent: pulse.note(percent / 100, "make"),
                    cancelled=lambda: self.heartbeat.must_stop() or pulse.must_stop(),
                )  # fmt: skip
            except Cancelled:
                if self.heartbeat.must_stop() or not pulse.is_lost:
                    raise
                return False
            except PortalError as trouble:
                if isinstance(trouble, Away) or trouble.code is Code.OURS_DISK:
                    raise
                raise _NotThisWay(f"part {piece.part}: {trouble.code} {trouble.facts}") from trouble
            crash.point("chunk.made.here")
            with self.shop.runtime.work() as session:
                is_ours = leases.done(session, claim)
        if is_ours:
            self._made[one.part] = room
        return is_ours
