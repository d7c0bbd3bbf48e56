"""Work on a film that ran out of time or memory: whose doing is it, the film's or this machine's?

Decided by what was spent and by a yardstick held against this machine, and only once it has happened again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from media_jobs.ffmpeg import OUT_OF_MEMORY, Tools, run
from portal.errors import Code, PortalError, Unacceptable, Unavailable

TOO_MUCH_WORK: Final = "too much work"
TOO_MUCH_MEMORY: Final = "too much memory"
"""The reasons of the refusal, for its sentence (portal/film_faults.py)."""

ATTEMPTS: Final = 2
"""The first time may be anybody's; a second time is told to the owner, who can do something about it."""

BUSY: Final = 0.5
"""Of one core, over the time a tool was given: below this it waited rather than worked."""

QUICK_SECONDS: Final = 1.5
"""For the yardstick, one second of 720p; 0.2 s here. Films are given 6.7 s for it (`film.wall_seconds`), four times that."""

_YARDSTICK: Final = (
    *("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=1"),
    *("-c:v", "libx264", "-preset", "veryfast", "-f", "mp4", "yardstick.mp4"),
)


@contextmanager
def judging(tools: Tools, folder: Path, attempt: int) -> Iterator[None]:
    """Raise what `judged` says of it in place of what a film's work was ended by."""
    try:
        yield
    except Unavailable as trouble:
        verdict = judged(tools, folder, trouble, attempt)
        if verdict is trouble:
            raise
        raise verdict from trouble


def judged(tools: Tools, folder: Path, trouble: Unavailable, attempt: int) -> PortalError:
    """The trouble itself, which is ours, unless a film has used up its time again on a machine that is quick enough.

    Or has asked again for more memory than a tool may have, where an ordinary film is content with it. Then
    Unacceptable(TOO_COMPLEX): no further attempt would end otherwise.
    """
    if trouble.facts.get("reason") == OUT_OF_MEMORY and attempt >= ATTEMPTS:
        is_films = _yardstick(tools, folder) is not None
        return Unacceptable(Code.TOO_COMPLEX, reason=TOO_MUCH_MEMORY) if is_films else trouble
    if trouble.code is not Code.OURS_TIMEOUT or attempt < ATTEMPTS or "cpu" not in trouble.facts:
        return trouble
    spent, given = trouble.facts["cpu"], trouble.facts.get("seconds")
    if given is not None and spent < BUSY * given:
        return trouble
    measured = _yardstick(tools, folder)
    if measured is None or measured > QUICK_SECONDS:
        return trouble
    return Unacceptable(Code.TOO_COMPLEX, reason=TOO_MUCH_WORK, cpu=spent, yardstick=round(measured, 2))


def _yardstick(tools: Tools, folder: Path) -> float | None:
    """How long this machine takes now, behind the same walls, for one second of an ordinary film; None if it cannot."""
    began = time.monotonic()
    try:
        run(tools, list(_YARDSTICK), folder=folder, wall_seconds=20)
    except PortalError:
        return None
    (folder / "yardstick.mp4").unlink(missing_ok=True)
    return time.monotonic() - began
