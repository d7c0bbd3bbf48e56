"""Whether this machine's disk has room for more films: one rule for the upload's door, the doctor, figures and studio.

Only looks at the disk; who is told what is for those who ask.
"""

import shutil
from dataclasses import dataclass

from config import Settings


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that films and database share, in bytes, and the share in percent that must stay free of it."""

    total: int
    free: int
    floor_percent: int

    @property
    def free_percent(self) -> float:
        """How much of it is free."""
        return 100 * self.free / self.total if self.total else 0.0

    @property
    def has_room(self) -> bool:
        """Whether a new film may come."""
        return self.free * 100 >= self.total * self.floor_percent


def disk(settings: Settings) -> Disk | None:
    """The disk under `DATA_DIR`; None where films lie in somebody else's storage, which says itself when it is full."""
    if not settings.storage.is_ours:
        return None
    try:
        found = shutil.disk_usage(settings.site.data_dir)
    except OSError:
        # Not made yet: nothing lies there that could be in the way.
        return None
    return Disk(total=found.total, free=found.free, floor_percent=settings.guard.free_percent)


def has_room(settings: Settings) -> bool:
    """Whether new films are taken as far as the disk is concerned; always where `FREE_PERCENT` is 0."""
    found = disk(settings)
    return found is None or found.has_room
