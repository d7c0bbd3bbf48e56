"""The door of every film: its structure is read and judged here, in memory-safe code, before any tool may touch it.

Reads structure only, never a payload, and never writes.
"""

import logging
import mmap
from pathlib import Path

from media_jobs import isomedia, matroska
from media_jobs.magic import container_of
from media_jobs.octets import Budget, Data, malformed
from media_jobs.outline import Limits, Outline
from portal.errors import Unacceptable

log = logging.getLogger(__name__)


def look(path: Path, limits: Limits) -> Outline:
    """What the film's structure says, read through a map of the file.

    Raises Unacceptable with a `reason` for staff when no tool should see the film: NOT_A_VIDEO, WRONG_TYPE,
    NO_PICTURE, TOO_LONG, TOO_LARGE_PICTURE, BROKEN_FILM, UNFINISHED, ENCRYPTED, FILM_ELSEWHERE, UNKNOWN_CODEC,
    TOO_COMPLEX; OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return judge(b"", limits)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return judge(data, limits)


def judge(data: Data, limits: Limits, budget: Budget | None = None) -> Outline:
    """As `look`, of bytes at hand; `budget` learns how many steps were taken."""
    container = container_of(data)
    read = isomedia.outline if container == "mov" else matroska.outline
    try:
        return read(data, limits, budget or Budget(limits.most_steps))
    except Unacceptable:
        raise
    except Exception as error:
        # Whatever a stranger's bytes can bring about here, it is the bytes' fault; the log keeps ours apart.
        log.warning("structure not understood: %r", error, exc_info=True)
        raise malformed(type(error).__name__) from error
