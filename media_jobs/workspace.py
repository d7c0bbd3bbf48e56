"""The scratch folder of one attempt: the original comes in, made files go out, nothing stays behind."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from media_jobs.film import MadeFile
from portal import crash, keys
from portal.cuts import Stored
from portal.errors import Away, Code, Unavailable
from portal.leases import Claim
from portal.storage import Bucket, Storage

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})
"""How a full or broken disk answers: an outage, which is waited for."""

_FRESH = "."
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


class Workspace:
    """A folder named after the attempt's token, for the length of a `with` block."""

    def __init__(self, storage: Storage, scratch: Path, claim: Claim) -> None:
        self._storage = storage
        self._claim = claim
        self._root = scratch / claim.token
        self._hold: int | None = None
        self.original = self._root / "original"
        self.folder = self._root / "made"

    def __enter__(self) -> Self:
        # Held before it can be seen under its name: nobody takes us for dead meanwhile.
        fresh = self._root.with_name(f"{_FRESH}{self._root.name}")
        with _room():
            (fresh / self.folder.name).mkdir(parents=True)
            self._hold = os.open(fresh, _FOLDER)
            with suppress(OSError):
                fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(self._root)
        crash.point("scratch.made")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    def fetch(self, key: str) -> str:
        """Copy the original in; its SHA-256 in hex. Raises Missing, Unavailable(OURS_STORAGE or OURS_DISK)."""
        with _room():
            sha256 = self._storage.fetch(Bucket.ORIGINALS, key, self.original)
        crash.point("original.fetched")
        return sha256

    def fetch_beside(self, key: str, name: str) -> Path:
        """Copy another object in, beside the original; where it lies. Raises as `fetch` does."""
        path = self._root / name
        with _room():
            self._storage.fetch(Bucket.ORIGINALS, key, path)
        return path

    def store(self, files: Iterable[MadeFile]) -> Iterator[Stored]:
        """Put made files into the originals bucket under the attempt's token, one by one, each size checked there."""
        for file in files:
            key = keys.made(self._claim.clip_id, self._claim.token, file.name)
            crash.point("rendition.put")
            self._storage.put(Bucket.ORIGINALS, key, file.path, content_type=file.content_type)
            crash.point("rendition.put.done")
            size = self._storage.size(Bucket.ORIGINALS, key)
            if size != file.size_bytes:
                raise Unavailable(
                    Code.OURS_STORAGE, detail=f"{key}: {file.size_bytes} bytes sent, {size} stored"
                )
            yield Stored(
                name=file.name,
                kind=file.kind,
                key=key,
                content_type=file.content_type,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                width=file.width,
                height=file.height,
                bandwidth=file.bandwidth,
            )

    def take_back(self) -> None:
        """Delete what this attempt has stored: it lost the race, nobody will ever name its files."""
        prefix = keys.made(self._claim.clip_id, self._claim.token, "")
        with suppress(Unavailable):
            self._storage.delete(Bucket.ORIGINALS, list(self._storage.keys(Bucket.ORIGINALS, prefix)))


@contextmanager
def _room() -> Iterator[None]:
    """A full or broken disk is our fault and may pass."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise Away(Code.OURS_DISK, detail=str(error)) from error
        raise Unavailable(Code.OURS_UNKNOWN, detail=str(error)) from error


def leftovers(scratch: Path) -> list[Path]:
    """Every attempt's folder that lies in the scratch room now, its own or a dead worker's."""
    return [path for path in scratch.iterdir() if path.is_dir()] if scratch.is_dir() else []


def deserted(folders: Iterable[Path]) -> list[str]:
    """The tokens of attempts whose process is dead: the kernel lets go of a folder with the process that held it.

    A process that stands still is not dead: its lease ends by the clock. Where a file system keeps no such locks, all
    leases do.
    """
    return [path.name for path in folders if not path.name.startswith(_FRESH) and _is_let_go(path)]


def _is_let_go(path: Path) -> bool:
    try:
        hold = os.open(path, _FOLDER)
    except OSError:
        return False
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who ends in order removes the folder before letting go of it.
        return os.path.samestat(path.stat(), os.fstat(hold))
    except OSError:
        return False
    finally:
        os.close(hold)


def sweep(folders: Iterable[Path], living: set[str]) -> int:
    """Remove the folders of attempts nobody works on; how many.

    List the folders before asking who lives: a folder is made after its claim is on record.
    """
    dead = [path for path in folders if path.name.removeprefix(_FRESH) not in living]
    for path in dead:
        shutil.rmtree(path, ignore_errors=True)
    return len(dead)
