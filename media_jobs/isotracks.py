"""Judges one track of an ISO media file: its handler, its sample entries, its edits, and the fragments that go on with it."""

from dataclasses import dataclass, field
from typing import Final

from media_jobs import codecs, isotables
from media_jobs.isoboxes import Node, boxes
from media_jobs.octets import Span, malformed
from media_jobs.outline import Limits, Track, refuse, too_large
from portal.errors import Code

KINDS: Final = {
    b"vide": "picture",
    b"soun": "sound",
    **dict.fromkeys((b"text", b"sbtl", b"subt", b"clcp"), "text"),
}
MOST_ENTRIES: Final = 16
MOST_EDITS: Final = 32
# Where a film is only shown from the middle on, phones keep what lies before it up to the last key frame.
HIDDEN_SECONDS: Final = 10.0
UNKNOWN_LENGTHS: Final = frozenset({0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})
PROTECTED: Final = frozenset({b"encv", b"enca", b"enct", b"encs", b"drms", b"drmi"})


@dataclass(slots=True)
class Found:
    """What is known of a track so far; `begins_at` and `ends_at` are where its samples lie in the file."""

    number: int
    kind: str
    timescale: int
    codec: str = ""
    width: int | None = None
    height: int | None = None
    samples: int = 0
    ticks: int = 0
    begins_at: int = 0
    ends_at: int = 0
    shown_seconds: float | None = None
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long all its samples last."""
        return self.ticks / self.timescale

    def as_track(self) -> Track:
        """The track for those outside."""
        shown = self.seconds if self.shown_seconds is None else self.shown_seconds
        return Track(self.kind, self.codec, self.samples, round(shown, 3), self.width, self.height)

    def judge_length(self, limits: Limits) -> None:
        """Raises Unacceptable(TOO_LONG) when more is shown than we take, or far more hidden."""
        seconds = self.seconds
        if self.shown_seconds is not None and seconds <= limits.max_seconds + HIDDEN_SECONDS:
            seconds = self.shown_seconds
        if self.kind in ("picture", "sound") and seconds > limits.max_seconds + 1:
            raise refuse(Code.TOO_LONG, "samples", seconds=round(seconds, 1), limit=limits.max_seconds)


def read_track(trak: Node, moov: Node, limits: Limits, file_bytes: int) -> Found:
    """What a track's header and tables say; `file_bytes` as promised. Raises Unacceptable with the cause."""
    number, handler, scale = _value(trak, b"tkhd"), _handler(trak), _timescale(trak)
    found = Found(number, KINDS.get(handler, "other"), scale)
    _judge_references(trak)
    for entry in trak.all(b"mdia", b"minf", b"stbl", b"stsd"):
        _read_entries(entry.span, found)
    _judge_size(found, limits)
    for table in trak.all(b"mdia", b"minf", b"stbl"):
        isotables.judge(table)
        what = "captions" if found.kind == "text" else "samples"
        most = _most_samples(found, limits)
        sizes = isotables.samples(table, most=most, file_bytes=file_bytes, what=what)
        found.samples += sizes.count
        found.ticks += isotables.ticks(table)
        found.begins_at, found.ends_at = isotables.places(table, sizes)
    found.shown_seconds = _edits(trak, moov, limits)
    found.judge_length(limits)
    return found


def _value(trak: Node, kind: bytes) -> int:
    """The track's number, from its header."""
    header = trak.first(kind)
    if header is None:
        raise malformed("no tkhd")
    return header.span.number(20 if header.span.number(0, 1) == 1 else 12, 4)


def _handler(trak: Node) -> bytes:
    header = trak.first(b"mdia", b"hdlr")
    if header is None:
        raise malformed("no hdlr")
    return header.span.raw(8, 4)


def _timescale(trak: Node) -> int:
    headers = trak.all(b"mdia", b"mdhd")
    if len(headers) != 1:
        raise malformed("no mdhd")
    span = headers[0].span
    scale = span.number(20 if span.number(0, 1) == 1 else 12, 4)
    if scale == 0:
        raise malformed("timescale")
    return scale


def _judge_references(trak: Node) -> None:
    """Every sample must lie in this file: a player elsewhere would follow a path or an address."""
    for node in trak.all(b"mdia", b"minf", b"dinf", b"dref"):
        count = node.span.number(4, 4)
        entries = list(boxes(node.span.part(8)))
        if count > MOST_ENTRIES or len(entries) != count:
            raise malformed("dref")
        for _, entry in entries:
            # Some write no mark and no place either: then there is nowhere else to look.
            if not entry.number(0, 4) & 1 and len(entry) > 4:
                raise refuse(Code.FILM_ELSEWHERE, "external reference")


def _read_entries(span: Span, found: Found) -> None:
    """The ways in which the track's samples are encoded; what we report is the first, what we judge is all."""
    count = span.number(4, 4)
    entries = list(boxes(span.part(8)))
    if not 0 < count <= MOST_ENTRIES or len(entries) < count:
        raise malformed("stsd")
    for word, entry in entries[:count]:
        if word in PROTECTED or _is_protected(entry, found.kind):
            raise refuse(Code.ENCRYPTED, "encrypted", where=codecs.printable(word))
        if not found.codec:
            found.codec = codecs.printable(word)
        if found.kind == "picture":
            width, height = codecs.picture_size(entry)
            found.width, found.height = max(width, found.width or 0), max(height, found.height or 0)


def _is_protected(entry: Span, kind: str) -> bool:
    start = codecs.PICTURE_ENTRY_BYTES if kind == "picture" else codecs.sound_entry_bytes(entry)
    if kind not in ("picture", "sound") or len(entry) < start:
        return False
    return any(one == b"sinf" for one, _ in boxes(entry.part(start), is_loose=True))


def _judge_size(found: Found, limits: Limits) -> None:
    if found.kind != "picture" or found.width is None or found.height is None:
        return
    if not limits.takes(found.width, found.height):
        raise too_large(found.width, found.height, limits)


def _most_samples(found: Found, limits: Limits) -> int:
    if found.kind == "picture":
        return limits.most_pictures
    if found.kind == "text":
        return limits.most_captions
    return limits.most_pcm_samples if found.codec in codecs.PCM_WORDS else limits.most_packets


def _edits(trak: Node, moov: Node, limits: Limits) -> float | None:
    """How long the edit list shows the track, in seconds; None without one, or when it leaves that open."""
    header = moov.first(b"mvhd")
    scale = header.span.number(20 if header.span.number(0, 1) == 1 else 12, 4) if header else 0
    shown = None
    for node in trak.all(b"edts", b"elst"):
        count, is_long = node.span.number(4, 4), node.span.number(0, 1) == 1
        if count > MOST_EDITS:
            raise refuse(Code.TOO_COMPLEX, "too many edits", found=count, limit=MOST_EDITS)
        step, width = (20, 8) if is_long else (12, 4)
        lengths = [node.span.number(8 + step * one, width) for one in range(count)]
        known = [length for length in lengths if length not in UNKNOWN_LENGTHS]
        if any(known):
            shown = sum(known) / scale
            if shown > limits.max_seconds + 1:
                raise refuse(Code.TOO_LONG, "edits", seconds=round(shown, 1), limit=limits.max_seconds)
    return shown


class Runs:
    """Adds what a film's fragments hold to its tracks: samples, and the time from the first to the last."""

    def __init__(self, mvex: Node | None, tracks: list[Found]) -> None:
        self._tracks = {one.number: one for one in tracks}
        self._usual: dict[int, int] = {}
        for node in mvex.all(b"trex") if mvex else []:
            self._usual[node.span.number(4, 4)] = node.span.number(12, 4)

    def read(self, moof: Node, limits: Limits) -> None:
        """Take one fragment in; raises Unacceptable when it claims more than it can hold."""
        for traf in moof.all(b"traf"):
            header = traf.first(b"tfhd")
            if header is None:
                raise malformed("no tfhd")
            track = self._tracks.get(header.span.number(4, 4))
            if track is None:
                continue
            usual = isotables.usual_duration(header.span, self._usual.get(track.number, 0))
            clock = traf.first(b"tfdt")
            start = track.spans[-1][1] if track.spans else track.ticks
            if clock is not None:
                start = clock.span.number(4, 8 if clock.span.number(0, 1) == 1 else 4)
            length = 0
            for node in traf.all(b"trun"):
                count, ticks = isotables.run(node.span, usual, _most_samples(track, limits) - track.samples)
                track.samples += count
                length += ticks
            track.spans.append((start, start + length))

    def close(self, limits: Limits) -> None:
        """Nothing more comes: lengths are from the first fragment's start to the last one's end.

        Raises Unacceptable(TOO_LONG).
        """
        for track in self._tracks.values():
            if track.spans:
                first = min(start for start, _ in track.spans)
                track.ticks += max(end for _, end in track.spans) - first
                track.judge_length(limits)
