"""What the structure of a film says before any tool has touched it, and what we take. Reads nothing."""

from dataclasses import dataclass
from typing import Any

from media_jobs.codecs import is_known
from portal.errors import Code, Unacceptable


@dataclass(frozen=True, slots=True)
class Limits:
    """What the portal takes: length in seconds, and the largest picture in either position.

    `keeps_beginning`: the owner has been told that the film is cut off and wants what there is of it.
    """

    max_seconds: float = 180.0
    max_long_side: int = 4096
    max_short_side: int = 2304
    keeps_beginning: bool = False

    @property
    def most_pictures(self) -> int:
        """Frames of one film: 240 a second are the fastest that phones record for longer than a moment."""
        return max(1000, int(300 * self.max_seconds))

    @property
    def most_captions(self) -> int:
        """Samples of a track of words; of chapters, tools read each one before anything else."""
        return max(1000, int(20 * self.max_seconds))

    @property
    def most_packets(self) -> int:
        """Samples of a track of sound or notes, where each is a packet."""
        return max(2000, int(1000 * self.max_seconds))

    @property
    def most_pcm_samples(self) -> int:
        """Samples of uncompressed sound, each an instant: 192 000 a second at most."""
        return max(200_000, int(200_000 * self.max_seconds))

    @property
    def most_steps(self) -> int:
        """Boxes and elements of one file: a recording in fragments of one frame each has 350 a second."""
        return max(100_000, int(700 * self.max_seconds))

    def takes(self, width: int, height: int) -> bool:
        """Whether a picture is not too large, upright or lying."""
        fits_short = min(width, height) <= self.max_short_side
        return fits_short and max(width, height) <= self.max_long_side


TAKEN = Limits(max_seconds=4 * 3600.0, keeps_beginning=True)
"""For the very bytes of a film that was taken once: what a setting says today is for new ones."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track as its header describes it; `kind` is picture, sound, text or other.

    `codec` is the container's own word ("avc1", "V_VP9"). Seconds are the sum of its samples' durations, or what its
    edit list shows of them, and None where only the packets can tell (Matroska).
    """

    kind: str
    codec: str
    samples: int = 0
    seconds: float | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """A film's structure: `container` is the only demuxer that may read it, "mov" or "matroska".

    `seconds` is how long the structure says the picture is (None: it does not say). `promised_bytes` is where the
    last sample, box or element ends by its own account: more than the present ones means that only the beginning
    arrived.
    """

    container: str
    tracks: tuple[Track, ...] = ()
    seconds: float | None = None
    promised_bytes: int = 0
    present_bytes: int = 0
    is_fragmented: bool = False

    @property
    def missing_bytes(self) -> int:
        """How many bytes that the structure speaks of are not there."""
        return max(0, self.promised_bytes - self.present_bytes)

    @property
    def pictures(self) -> tuple[Track, ...]:
        """The tracks of pictures, in the file's order."""
        return tuple(one for one in self.tracks if one.kind == "picture")


def refuse(code: Code, reason: str, **facts: Any) -> Unacceptable:
    """The refusal of a film: a code for its owner's sentence, a word for staff."""
    return Unacceptable(code, reason=reason, **facts)


def too_large(width: int, height: int, limits: Limits) -> Unacceptable:
    """The refusal of a picture that no decoder should be asked for."""
    most = (limits.max_long_side, limits.max_short_side)
    if height > width:
        most = most[::-1]
    return refuse(
        Code.TOO_LARGE_PICTURE, "header", width=width, height=height, max_width=most[0], max_height=most[1]
    )


def judge_tracks(tracks: tuple[Track, ...]) -> None:
    """Raises Unacceptable unless there is a picture, and every kind that is there comes in a form we can read.

    Phones write tracks beside the main ones that nobody else can read (spatial sound): they may be there.
    """
    kinds = {kind: [one for one in tracks if one.kind == kind] for kind in ("picture", "sound")}
    if not kinds["picture"]:
        raise refuse(Code.NO_PICTURE, "sound only" if kinds["sound"] else "no tracks")
    for kind, found in kinds.items():
        if found and not any(is_known(kind, one.codec) for one in found):
            raise refuse(Code.UNKNOWN_CODEC, "unknown codec", kind=kind, codec=found[0].codec)
