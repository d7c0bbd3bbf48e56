"""Named points beside every side effect, at which a test can end, break or freeze the process.

Nothing here reads the environment and no door arms anything: only code that imports this module can, so neither a
request, a setting nor a message can. Unarmed, a point is one comparison. Imports nothing of ours.
"""

from collections.abc import Callable

_observer: Callable[[str], None] | None = None


class Crash(Exception):
    """An error that nobody has foreseen, raised at a point by a test."""


def point(name: str) -> None:
    """A side effect is about to happen here or has just happened; `name` is unique in the source."""
    if _observer is not None:
        _observer(name)


def observe(observer: Callable[[str], None] | None) -> None:
    """Have `observer` called at every point this process passes, None to let it alone again. For tests alone."""
    global _observer  # noqa: PLW0603 - one per process, like the signal handlers it stands in for
    _observer = observer
