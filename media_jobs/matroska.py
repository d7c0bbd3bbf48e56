"""Judges the structure of Matroska and WebM files: elements, tracks, times of clusters. Reads no block.

Recordings of browsers have no length and clusters without an end: both are honest.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from media_jobs import codecs
from media_jobs.octets import Budget, Data, Span, malformed
from media_jobs.outline import Limits, Outline, Track, judge_tracks, refuse, too_large
from portal.errors import Code, Unacceptable

EBML, SEGMENT = 0x1A45DFA3, 0x18538067
SEEK_HEAD, INFO, TRACKS, CLUSTER = 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675
CUES, CHAPTERS, TAGS, ATTACHMENTS = 0x1C53BB6B, 0x1043A770, 0x1254C367, 0x1941A469
VOID, CRC = 0xEC, 0xBF
TOPS: Final = frozenset({SEEK_HEAD, INFO, TRACKS, CLUSTER, CUES, CHAPTERS, TAGS, ATTACHMENTS})
READ_VERSION, MAX_ID_LENGTH, MAX_SIZE_LENGTH = 0x42F7, 0x42F2, 0x42F3
TIMESTAMP_SCALE, DURATION, TIMESTAMP = 0x2AD7B1, 0x4489, 0xE7
TRACK_ENTRY, TRACK_TYPE, CODEC_ID, CODEC_PRIVATE = 0xAE, 0x83, 0x86, 0x63A2
VIDEO, WIDTH, HEIGHT, SHOWN_WIDTH, SHOWN_HEIGHT = 0xE0, 0xB0, 0xBA, 0x54B0, 0x54BA
ENCODINGS, ENCODING, COMPRESSION, ALGORITHM, ENCRYPTION = 0x6D80, 0x6240, 0x5034, 0x4254, 0x5035
ATTACHED_FILE: Final = 0x61A7

MOST_TRACKS: Final = 16
MOST_ATTACHMENTS: Final = 8
MOST_BYTES: Final = {
    INFO: 1 << 20,
    TRACKS: 4 << 20,
    SEEK_HEAD: 64 << 10,
    CHAPTERS: 200 << 10,
    TAGS: 100 << 10,
    CUES: 8 << 20,
}
LONGEST_HEAD: Final = 12
KINDS: Final = {1: "picture", 2: "sound", 17: "text"}
# A tick may last from a nanosecond to ten milliseconds: so no block lies further than 6 minutes from its cluster.
LONGEST_TICK_NS: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its identity, its content as far as it is there, and where it should end (None: left open)."""

    identity: int
    span: Span
    end: int | None


@dataclass(slots=True)
class _Film:
    """What has been found so far."""

    tracks: list[Track] = field(default_factory=list)
    tick_ns: int = 1_000_000
    announced_ticks: float | None = None
    clusters: int = 0
    first: int | None = None
    last: int = 0
    attachments: int = 0
    bytes_of: dict[int, int] = field(default_factory=dict)
    promised: int = 0

    def seconds(self, ticks: float) -> float:
        return ticks * self.tick_ns / 1e9


def outline(data: Data, limits: Limits, budget: Budget) -> Outline:
    """What the structure says; raises Unacceptable with the cause."""
    try:
        return _read(Span(data, 0, len(data), budget), limits)
    except Unreadable:
        raise malformed("element") from None


def _read(whole: Span, limits: Limits) -> Outline:
    head = _element(whole, 0)
    if head.identity != EBML or head.end is None:
        raise malformed("EBML header")
    if head.end > len(whole):
        raise refuse(Code.UNFINISHED, "cut index")
    _judge_head(head.span)
    segment = _segment(whole, head.end)
    film = _Film(promised=segment.end or len(whole))
    at = segment.span.start
    while at < segment.span.end:
        at = _take_top(whole, at, segment.span.end, film, limits)
    if not film.tracks:
        raise refuse(Code.UNFINISHED, "no index")
    judge_tracks(tuple(film.tracks))
    if not film.clusters:
        raise refuse(Code.BROKEN_FILM, "no media")
    return Outline(
        container="matroska",
        tracks=tuple(film.tracks),
        seconds=film.seconds(film.announced_ticks) if film.announced_ticks is not None else None,
        promised_bytes=max(film.promised, len(whole)),
        present_bytes=len(whole),
        is_fragmented=film.announced_ticks is None,
    )


def _judge_head(span: Span) -> None:
    most = {READ_VERSION: 1, MAX_ID_LENGTH: 4, MAX_SIZE_LENGTH: 8}
    for one in _elements(span):
        if one.identity in most and _number(one) > most[one.identity]:
            raise malformed("EBML header")


def _segment(whole: Span, at: int) -> Element:
    while at + LONGEST_HEAD <= len(whole):
        one = _element(whole, at)
        if one.identity == SEGMENT:
            return one
        if one.identity != VOID or one.end is None:
            break
        at = one.end
    raise refuse(Code.UNFINISHED, "cut index")


def _take_top(whole: Span, at: int, end: int, film: _Film, limits: Limits) -> int:
    """Judge the element here at the top of the segment; where the next one begins."""
    try:
        one = _element(whole.part(0, end), at)
    except Unreadable:
        # Behind the pictures may lie anything, and a cut may go through a head; before them it makes no sense.
        if end - at < LONGEST_HEAD or (film.tracks and film.clusters):
            return end
        raise
    if one.identity == EBML:
        raise two_films()
    if one.end is not None and one.end > end:
        film.promised = max(film.promised, one.end)
        if one.identity != CLUSTER:
            if not film.clusters:
                raise refuse(Code.UNFINISHED, "cut index")
            return end
    if one.identity in MOST_BYTES:
        _judge_bytes(one, film)
    _take(one, film, limits)
    if one.end is not None:
        return min(one.end, end)
    if one.identity != CLUSTER:
        raise malformed("an open element")
    return _end_of_live_cluster(one.span)


def two_films() -> Unacceptable:
    """The refusal of recordings that were glued together: tools would show the first and drop the others silently."""
    return refuse(Code.BROKEN_FILM, "two films")


def _judge_bytes(one: Element, film: _Film) -> None:
    total = film.bytes_of[one.identity] = film.bytes_of.get(one.identity, 0) + len(one.span)
    if total > MOST_BYTES[one.identity]:
        words = {CHAPTERS: "too many chapters", TAGS: "too many tags"}
        reason = words.get(one.identity, "index size")
        raise refuse(Code.TOO_COMPLEX, reason, found=total, limit=MOST_BYTES[one.identity])


def _take(one: Element, film: _Film, limits: Limits) -> None:
    if one.identity == INFO:
        _take_info(one.span, film)
    elif one.identity == TRACKS:
        for entry in _elements(one.span):
            if entry.identity == TRACK_ENTRY:
                film.tracks.append(_track(entry.span, limits))
        if len(film.tracks) > MOST_TRACKS:
            raise refuse(Code.TOO_COMPLEX, "too many tracks", found=len(film.tracks), limit=MOST_TRACKS)
    elif one.identity == CLUSTER:
        film.clusters += 1
        _take_time(one.span, film, limits)
    elif one.identity == ATTACHMENTS and one.end is not None:
        film.attachments += sum(child.identity == ATTACHED_FILE for child in _elements(one.span))
        if film.attachments > MOST_ATTACHMENTS:
            raise refuse(Code.TOO_COMPLEX, "too many attachments", found=film.attachments)


def _take_info(span: Span, film: _Film) -> None:
    for one in _elements(span):
        if one.identity == TIMESTAMP_SCALE:
            film.tick_ns = _number(one)
            if not 0 < film.tick_ns <= LONGEST_TICK_NS:
                raise malformed("timescale")
        elif one.identity == DURATION and len(one.span) in (4, 8):
            raw = one.span.raw(0, len(one.span))
            length = struct.unpack(">f" if len(raw) == 4 else ">d", raw)[0]
            film.announced_ticks = length if 0 < length < 1e12 else None


def _take_time(span: Span, film: _Film, limits: Limits) -> None:
    """The time of a cluster stands first in it; those of its blocks are counted from there."""
    at = 0
    for _ in range(3):
        if at >= len(span):
            return
        one = _element(span, at)
        if one.identity == TIMESTAMP:
            ticks = _number(one)
            film.first = ticks if film.first is None else min(film.first, ticks)
            film.last = max(film.last, ticks)
            seconds = film.seconds(film.last - film.first)
            if seconds > limits.max_seconds + 1:
                raise refuse(Code.TOO_LONG, "clusters", seconds=round(seconds, 1), limit=limits.max_seconds)
            return
        if one.identity not in (VOID, CRC) or one.end is None:
            return
        at = one.end - span.start


def _track(span: Span, limits: Limits) -> Track:
    kind, codec, private, size = "other", "", b"", (0, 0)
    for one in _elements(span):
        if one.identity == TRACK_TYPE:
            kind = KINDS.get(_number(one), "other")
        elif one.identity == CODEC_ID:
            codec = codecs.printable(one.span.raw(0, min(len(one.span), 64)))
        elif one.identity == CODEC_PRIVATE:
            private = one.span.raw(0, min(len(one.span), codecs.MOST_SET_BYTES))
            span.budget.spend(len(private))
        elif one.identity == VIDEO:
            numbers = {child.identity: child for child in _elements(one.span)}
            size = (_number_of(numbers.get(WIDTH)), _number_of(numbers.get(HEIGHT)))
            shown = (_number_of(numbers.get(SHOWN_WIDTH)), _number_of(numbers.get(SHOWN_HEIGHT)))
            codecs.judge_pixels(shown[0] * size[1], shown[1] * size[0])
        elif one.identity == ENCODINGS:
            _judge_encodings(one.span)
    if kind != "picture":
        return Track(kind, codec)
    width, height = codecs.larger(size, codecs.configured_size(codec.encode(), private))
    if not limits.takes(width, height):
        raise too_large(width, height, limits)
    return Track(kind, codec, width=width, height=height)


def _judge_encodings(span: Span) -> None:
    """Only one way of packing blocks is harmless: leaving out a beginning that they all share."""
    for encoding in _elements(span):
        for one in _elements(encoding.span) if encoding.identity == ENCODING else ():
            if one.identity == ENCRYPTION:
                raise refuse(Code.ENCRYPTED, "encrypted")
            if one.identity == COMPRESSION:
                algorithms = [_number(part) for part in _elements(one.span) if part.identity == ALGORITHM]
                if algorithms != [3]:
                    raise refuse(Code.TOO_COMPLEX, "compressed blocks")


# Elements ------------------------------------------------------------------------------------------------


class Unreadable(Exception):
    """No element begins here."""


def _element(span: Span, at: int) -> Element:
    """The element that begins at this offset, its content cut where the span ends; raises Unreadable."""
    span.budget.spend()
    first = _byte(span, at)
    width = 9 - first.bit_length()
    if not 1 <= width <= 4 or at + width >= len(span):
        raise Unreadable
    identity = span.number(at, width)
    at += width
    mark = _byte(span, at)
    length = 9 - mark.bit_length()
    if not 1 <= length <= 8 or at + length > len(span):
        raise Unreadable
    size = span.number(at, length) & ((1 << 7 * length) - 1)
    start = at + length
    if size == (1 << 7 * length) - 1:
        return Element(identity, span.part(start), None)
    return Element(identity, span.part(start, min(start + size, len(span))), span.start + start + size)


def _byte(span: Span, at: int) -> int:
    if not 0 <= at < len(span):
        raise Unreadable
    return int(span.data[span.start + at])


def _elements(span: Span) -> Iterator[Element]:
    """The elements in a row, each of which must lie inside."""
    at = 0
    while at < len(span):
        try:
            one = _element(span, at)
        except Unreadable:
            raise malformed("element") from None
        if one.end is None or one.end > span.end:
            raise malformed("size of an element")
        yield one
        at = one.end - span.start


def _end_of_live_cluster(span: Span) -> int:
    """Where a cluster without a size ends: where something of the upper floor begins, or with the file."""
    at = 0
    while at < len(span):
        try:
            one = _element(span, at)
        except Unreadable:
            break
        if one.identity in TOPS:
            return span.start + at
        if one.identity == EBML:
            raise two_films()
        if one.end is None:
            raise malformed("an open element")
        at = one.end - span.start
    return span.end


def _number_of(one: Element | None) -> int:
    return _number(one) if one is not None else 0


def _number(one: Element) -> int:
    if len(one.span) > 8:
        raise malformed("number")
    return one.span.number(0, len(one.span))
