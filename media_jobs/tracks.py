"""What ffmpeg wrote, read back from the files themselves: lengths, key frames, kinds of data. Starts nothing.

A second reader beside ffprobe, and a cheaper one; for files of our own making only, never for a stranger's.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from portal.errors import Code, Unavailable

IDR = 5
# Everything beside pictures, e.g. SEI, can carry a stranger's words; what describes them stands in the header.
PICTURES = frozenset({1, 2, 3, 4, 5})

_INSIDE = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf"})
_NO_KEY = 0x10000
_Box = tuple[bytes, int, int]


@dataclass(slots=True)
class Track:
    """One track, sample by sample in the order of decoding.

    Durations and offsets in ticks of `scale` to the second; `places` are the samples' bytes, known of fragments only.
    """

    kind: str = ""
    scale: int = 1
    shift: int = 0
    durations: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many samples it has; of a picture, its frames."""
        return len(self.durations)

    @property
    def seconds(self) -> float:
        """How long it is, as its samples say."""
        return sum(self.durations) / self.scale

    def times(self) -> list[float]:
        """When each sample is shown, in seconds."""
        starts = accumulate(self.durations, initial=self.begins[0] if self.begins else 0)
        offsets = self.offsets or [0] * self.count
        return [(at + offset - self.shift) / self.scale for at, offset in zip(starts, offsets, strict=False)]


def read(path: Path) -> dict[str, Track]:
    """The tracks of an MP4 or CMAF file by kind, "vide" or "soun".

    Raises Unavailable(OURS_TRANSCODE) when it is none, or has two tracks of a kind.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            reader = _Reader(data)
            for kind, at, end in _boxes(data, 0, len(data)):
                reader.take(kind, at, end)
    except (ValueError, struct.error, IndexError) as trouble:
        raise Unavailable(Code.OURS_TRANSCODE, file=path.name, reason=f"boxes: {trouble}") from trouble
    tracks = {track.kind: track for track in reader.found}
    if not tracks or len(tracks) != len(reader.found):
        raise Unavailable(Code.OURS_TRANSCODE, file=path.name, reason="tracks")
    return tracks


def units(path: Path, track: Track) -> Iterator[frozenset[int]]:
    """The kinds of H.264 data in each sample of a fragmented picture track."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for place, size in zip(track.places, track.sizes, strict=True):
            at, kinds = place, set()
            while at + 4 < place + size:
                kinds.add(data[at + 4] & 31)
                at += 4 + int.from_bytes(data[at : at + 4], "big")
            yield frozenset(kinds)


def is_closed(track: Track) -> bool:
    """Whether nothing behind a key frame is shown before it, so that a player may begin at every one."""
    keys, latest, floor = set(track.keys), -1e9, -1e9
    for number, time in enumerate(track.times()):
        if time <= (latest if number in keys else floor):
            return False
        floor = time if number in keys else floor
        latest = max(latest, time)
    return 0 in keys


def _boxes(data: mmap.mmap, at: int, end: int) -> Iterator[_Box]:
    """Every box with the place of its content; those that hold others come before what they hold."""
    while at + 8 <= end:
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size < head or at + size > end:
            raise ValueError(kind)
        yield kind, at + head, at + size
        if kind in _INSIDE:
            yield from _boxes(data, at + head, at + size)
        at += size


class _Reader:
    """Takes the boxes in their order; what a fragment's header says holds for its samples."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.found: list[Track] = []
        self._moof = 0
        self._defaults: dict[str, int] = {}

    def take(self, kind: bytes, at: int, end: int) -> None:
        """Read a box if it says something about samples."""
        name = kind.decode("latin-1")
        if name == "trak":
            self.found.append(Track())
        elif name == "moof":
            self._moof = at - 8
        elif self.found and (reader := getattr(self, f"_take_{name}", None)) is not None:
            reader(self.found[-1], self._data[at:end], at)

    def _take_hdlr(self, track: Track, box: bytes, _at: int) -> None:
        track.kind = track.kind or box[8:12].decode("latin-1")

    def _take_mdhd(self, track: Track, box: bytes, _at: int) -> None:
        track.scale = max(1, int.from_bytes(box[20:24] if box[0] else box[12:16], "big"))

    def _take_elst(self, track: Track, box: bytes, _at: int) -> None:
        wide = box[0] == 1
        length, pattern = (20, ">Qqi") if wide else (12, ">Iii")
        entries = [struct.unpack_from(pattern, box, 8 + length * n) for n in range(_word(box, 4))]
        track.shift = max(0, entries[-1][1]) if entries else 0

    def _take_stts(self, track: Track, box: bytes, _at: int) -> None:
        for count, ticks in struct.iter_unpack(">II", box[8 : 8 + 8 * _word(box, 4)]):
            track.durations += [ticks] * count

    def _take_ctts(self, track: Track, box: bytes, _at: int) -> None:
        for count, ticks in struct.iter_unpack(">Ii", box[8 : 8 + 8 * _word(box, 4)]):
            track.offsets += [ticks] * count

    def _take_stss(self, track: Track, box: bytes, _at: int) -> None:
        track.keys = [number - 1 for (number,) in struct.iter_unpack(">I", box[8 : 8 + 4 * _word(box, 4)])]

    def _take_tfhd(self, _track: Track, box: bytes, _at: int) -> None:
        flags, at = int.from_bytes(box[1:4], "big"), 8 + (8 if box[3] & 1 else 0) + (4 if box[3] & 2 else 0)
        self._defaults = {}
        for bit, name in ((8, "duration"), (16, "size"), (32, "flags")):
            if flags & bit:
                self._defaults[name], at = _word(box, at), at + 4

    def _take_tfdt(self, track: Track, box: bytes, _at: int) -> None:
        track.begins.append(int.from_bytes(box[4:12] if box[0] else box[4:8], "big"))

    def _take_trun(self, track: Track, box: bytes, _at: int) -> None:
        flags, at, count = int.from_bytes(box[1:4], "big"), 8, _word(box, 4)
        place, first = self._moof, None
        if flags & 1:
            place, at = place + struct.unpack_from(">i", box, at)[0], at + 4
        if flags & 4:
            first, at = _word(box, at), at + 4
        fields = [name for bit, name in _COLUMNS if flags & bit]
        row = struct.Struct(">" + "".join("i" if name == "offset" else "I" for name in fields))
        for number in range(count):
            sample = self._defaults | dict(zip(fields, row.unpack_from(box, at), strict=True))
            at += row.size
            if number == 0 and first is not None:
                sample["flags"] = first
            if not sample.get("flags", 0) & _NO_KEY:
                track.keys.append(track.count)
            track.durations.append(sample["duration"])
            track.sizes.append(sample["size"])
            track.offsets.append(sample.get("offset", 0))
            track.places.append(place)
            place += sample["size"]


_COLUMNS = ((0x100, "duration"), (0x200, "size"), (0x400, "flags"), (0x800, "offset"))


def _word(box: bytes, at: int) -> int:
    return int.from_bytes(box[at : at + 4], "big")
