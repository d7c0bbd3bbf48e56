"""A film's rungs in pieces: where they are cut, how one is made, how they are joined again byte by byte.

Cuts lie on whole seconds where every rung has a key frame, so that nothing is encoded again. Files of our own making
only; knows neither database nor storage.
"""

import re
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from media_jobs import hls, picture, stills, tracks
from media_jobs.ffmpeg import Stream, Tools, compose, run, source
from media_jobs.picture import Plan
from media_jobs.probe import Facts
from portal import crash
from portal.errors import Code, Unavailable
from portal.ladder import SEGMENT_SECONDS, Rung

FEWEST: Final = 3
MOST: Final = 24
USUAL_SECONDS: Final = 32
# So much is decoded before a piece begins, or more: back to the key frame before. A frame that is shown late is in it.
RUN_UP_SECONDS: Final = 1.0
_ENTRY = re.compile(r"^#EXTINF:([\d.]+),.*\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Piece:
    """One run of whole segments: seconds of the cut, the last one open to the film's own end."""

    part: int
    begin: int
    end: float
    is_last: bool

    def frames(self, made: Plan, rung: Rung) -> range:
        """The rung's frames in it, by their numbers in the whole rung."""
        rate = rung.frame_rate(made.rate)
        return range(int(self.begin * rate), made.frames(rung) if self.is_last else int(self.end * rate))


def cut(made: Plan) -> tuple[Piece, ...]:
    """Where a film is cut: about half a minute each, the same for everybody who knows its length; empty: too short."""
    segments = int(made.seconds / SEGMENT_SECONDS)
    count = max(FEWEST, min(MOST, round(made.seconds / USUAL_SECONDS)))
    if segments < count:
        return ()
    places = [SEGMENT_SECONDS * (segments * part // count) for part in range(count)]
    ends = [*map(float, places[1:]), made.seconds]
    return tuple(
        Piece(number + 1, begin, end, number == count - 1)
        for number, (begin, end) in enumerate(zip(places, ends, strict=True))
    )


def opened_at(tools: Tools, original: Path, facts: Facts, seconds: float) -> tuple[Stream, Facts]:
    """The film as input from a little before this instant of its own, on the same clock as from its beginning."""
    at = seconds + facts.lead_seconds - RUN_UP_SECONDS
    if at <= 0 or seconds <= 2 * RUN_UP_SECONDS:
        return source(original, facts.container, threads=tools.threads), facts
    # What the seek takes from the clock, the offset gives back.
    place = {"ss": f"{at:.6f}", "itsoffset": f"{at:.6f}", "noaccurate_seek": None}
    # A picture that begins late begins before this: nothing is to be filled in from the film's first instant.
    begun = replace(
        facts,
        picture_delay_seconds=0.0,
        picture_seconds=facts.picture_seconds + facts.picture_delay_seconds,
    )
    return source(original, facts.container, threads=tools.threads, **place), begun


@dataclass(frozen=True, slots=True)
class Whole:
    """The film that is made in pieces, and what is to come out of it."""

    tools: Tools
    original: Path
    facts: Facts
    made: Plan


def make(
    whole: Whole,
    piece: Piece,
    room: Path,
    *,
    wall_seconds: float,
    on_progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> None:
    """Make one piece in the room, which is empty: every rung, and its share of the posters' and storyboard's pixels.

    Raises what `ffmpeg.run` does, and Unavailable(OURS_TRANSCODE) when other frames came out than it should hold.
    """
    run(
        whole.tools,
        compose(_outputs(whole, piece)),
        folder=room,
        wall_seconds=wall_seconds,
        film_seconds=piece.end - piece.begin,
        on_progress=on_progress,
        cancelled=cancelled,
    )
    check(room, whole.made, piece)


def check(room: Path, made: Plan, piece: Piece) -> None:
    """Every frame is there that it should hold; of the film's end as much as the whole film's check asks for."""
    slack = float(1 / made.rate) + 0.1 if piece.is_last else 0.0
    for rung in made.rungs:
        wanted, track = piece.frames(made, rung), tracks.read(room / f"{rung.name}.cmfv")["vide"]
        missing = len(wanted) - track.count
        if not 0 <= missing <= slack * rung.frame_rate(made.rate):
            raise _ours(rung, piece, missing=missing)


def _outputs(whole: Whole, piece: Piece) -> list[Stream]:
    made = whole.made
    film, begun = opened_at(whole.tools, whole.original, whole.facts, piece.begin)
    half = 0.5 / made.rate
    span = {"start": round(piece.begin - half / 2, 6)} if piece.begin else {}
    if not piece.is_last:
        span["end"] = round(piece.end - half / 2, 6)
    top = picture.top_picture(film, begun, made).filter("trim", **span)
    poster, lowest = stills.poster_rung(made), made.rungs[-1]
    usual = stills.shots(made, None)
    shots = replace(usual, frames=tuple(one for one in usual.frames if one in piece.frames(made, poster)))
    tiles = any(frame % stills.tile_step(made) == 0 for frame in piece.frames(made, lowest))
    wanted = {rung.name: 1 for rung in made.rungs}
    wanted[poster.name] += 1 if shots.frames else 0
    wanted[lowest.name] += 1 if tiles else 0
    pictures = picture.cascade(top, made, wanted)
    # The pixels keep the film's clock, by which they are chosen; every rung begins at 0, as if it were a film.
    outputs = [stills.storyboard_output(pictures[lowest.name].pop(), made)] if tiles else []
    if shots.frames:
        outputs.append(stills.poster_output(pictures[poster.name].pop(), made, shots))
    shown = [pictures[rung.name][0].filter("setpts", f"PTS-{piece.begin}/TB") for rung in made.rungs]
    ladder = hls.ladder_output(shown, made, None, whole.tools.threads, resumed=piece.begin > 0)
    return [ladder, *outputs]


def join(folder: Path, made: Plan, parts: Sequence[tuple[Piece, Path]]) -> None:
    """Put the pieces' files together in the folder, as if all had been made at once; the rooms are emptied on the way.

    Raises Unavailable(OURS_TRANSCODE) when they do not fit each other.
    """
    for rung in made.rungs:
        _join_rung(folder, made, rung, parts)
        crash.point("chunks.rung.joined")
    for name in (stills.POSTER_PIXELS, stills.STORYBOARD_PIXELS):
        with (folder / name).open("wb") as whole:
            for _, room in parts:
                if (room / name).exists():
                    with (room / name).open("rb") as share:
                        shutil.copyfileobj(share, whole)
                    (room / name).unlink()


def _join_rung(folder: Path, made: Plan, rung: Rung, parts: Sequence[tuple[Piece, Path]]) -> None:
    film, playlist = f"{rung.name}.cmfv", f"{rung.name}.m3u8"
    lines: list[str] = []
    head = beginning = b""
    target = fragments = 0
    with (folder / film).open("wb") as whole:
        for piece, room in parts:
            listed = hls.segments(room / playlist)
            text = (room / playlist).read_text()
            entries = _ENTRY.findall(text)
            track = tracks.read(room / film)["vide"]
            first = int(entries[0][2]) if entries else 0
            with (room / film).open("rb") as part:
                own = part.read(first)
                if not head:
                    head, beginning = own, text[: text.index("#EXTINF")].encode()
                    whole.write(head)
                if _coding(own) != _coding(head) or len(entries) != len(listed.sizes):
                    raise _ours(rung, piece, reason="header")
                ticks = _ticks(track, piece, made, rung)
                for length, size, _ in entries:
                    at = whole.tell()
                    fragments = _take(part, whole, int(size), ticks, fragments)
                    lines.append(f"#EXTINF:{length},\n#EXT-X-BYTERANGE:{size}@{at}\n{film}\n")
            target = max(target, listed.target)
            (room / film).unlink()
    told = re.sub(r"(#EXT-X-TARGETDURATION:)\d+", rf"\g<1>{target}", beginning.decode())
    (folder / playlist).write_text("".join([told, *lines, "#EXT-X-ENDLIST\n"]))


def _ticks(track: tracks.Track, piece: Piece, made: Plan, rung: Rung) -> int:
    """Where the piece begins in the whole rung, on the track's clock; every frame but the film's last is as long."""
    each = track.scale / rung.frame_rate(made.rate)
    lengths = set(track.durations[:-1] if piece.is_last else track.durations)
    if each != int(each) or lengths - {int(each)}:
        raise _ours(rung, piece, reason="frame lengths")
    return piece.frames(made, rung).start * int(each)


def _coding(head: bytes) -> bytes:
    """What a decoder is told before the first frame: the sample description, which all pieces must share."""
    at = head.find(b"stsd")
    return head[at : at + int.from_bytes(head[at - 4 : at], "big")] if at >= 4 else b""


def _take(part: BinaryIO, whole: BinaryIO, size: int, ticks: int, fragments: int) -> int:
    """Copy one segment with its fragments' numbers and times moved on; the number of the last fragment."""
    data = bytearray(part.read(size))
    if len(data) != size:
        raise Unavailable(Code.OURS_TRANSCODE, reason="piece too short")
    at = 0
    while at + 8 <= size:
        length, kind = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        if length < 8 or at + length > size:
            raise Unavailable(Code.OURS_TRANSCODE, reason=f"boxes: {kind!r}")
        if kind == b"sidx":
            # Version, reference, clock, then when it begins.
            _move(data, at + 20, ticks, is_wide=data[at + 8] == 1)
        elif kind == b"moof":
            fragments += 1
            _renumber(data, at + 8, at + length, ticks, fragments)
        at += length
    whole.write(data)
    return fragments


def _renumber(data: bytearray, at: int, end: int, ticks: int, number: int) -> None:
    while at + 8 <= end:
        length, kind = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        if length < 8 or at + length > end:
            raise Unavailable(Code.OURS_TRANSCODE, reason=f"boxes: {kind!r}")
        if kind == b"mfhd":
            struct.pack_into(">I", data, at + 12, number)
        elif kind == b"traf":
            _renumber(data, at + 8, at + length, ticks, number)
        elif kind == b"tfdt":
            _move(data, at + 12, ticks, is_wide=data[at + 8] == 1)
        at += length


def _move(data: bytearray, at: int, ticks: int, *, is_wide: bool) -> None:
    pattern = ">Q" if is_wide else ">I"
    struct.pack_into(pattern, data, at, struct.unpack_from(pattern, data, at)[0] + ticks)


def _ours(rung: Rung, piece: Piece, **facts: Any) -> Unavailable:
    return Unavailable(Code.OURS_TRANSCODE, rung=rung.name, part=piece.part, **facts)
