"""ffprobe's answer turned into facts, or the reason why a file cannot be used. Changes nothing."""

import math
import re
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Self

from media_jobs.ffmpeg import (
    PICTURE_CODECS,
    SOUND_CODECS,
    Tools,
    compose,
    examine,
    films_fault,
    output,
    run,
    source,
)
from portal.errors import Code, Unacceptable, Unavailable

HEAD_BYTES = 64 << 10
SOUND_OVERHANG_SECONDS = 0.1

QUICKTIME_ROOTS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
PICTURE_BRANDS = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"crx ", b"jpx "}
)
SOUND_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"aax "})

KNOWN_STARTS = (
    (b"#EXTM3U", "playlist"),
    (b"ffconcat", "playlist"),
    (b"[playlist]", "playlist"),
    (b"<?xml", "text"),
    (b"v=0", "playlist"),
    (b"\xff\xd8\xff", "picture"),
    (b"\x89PNG", "picture"),
    (b"GIF8", "picture"),
    (b"BM", "picture"),
    (b"II*\0", "picture"),
    (b"MM\0*", "picture"),
    (b"<svg", "picture"),
    (b"ID3", "sound"),
    (b"\xff\xfb", "sound"),
    (b"\xff\xf1", "sound"),
    (b"OggS", "sound"),
    (b"fLaC", "sound"),
    (b"PK\3\4", "archive"),
    (b"Rar!", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf", "archive"),
    (b"%PDF", "document"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the portal takes: length in seconds, and the largest picture in either position."""

    max_seconds: float = 180.0
    max_long_side: int = 4096
    max_short_side: int = 2304


@dataclass(frozen=True, slots=True)
class Facts:
    """What a film is, measured; width and height as displayed, after cropping, rotation and square pixels."""

    container: str
    width: int
    height: int
    duration_seconds: float
    picture_delay_seconds: float
    picture_seconds: float
    fps: float
    vfr: bool
    frames: int
    rotation: int
    video_index: int
    video_codec: str
    pix_fmt: str
    color_range: str
    color_space: str
    color_primaries: str
    color_transfer: str
    audio_index: int | None
    audio_codec: str | None
    audio_channels: int | None
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """The facts as plain values, to be kept with the clip."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The facts that `as_json` gave."""
        return cls(**values)


def container_of(path: Path) -> str:
    """The only demuxer that may read this file, "mov" or "matroska", judged by its first bytes.

    Raises Unacceptable(NOT_A_VIDEO) with `kind`: playlist, text, picture, sound, archive, document, program, empty
    or unknown. Names and announced types are not asked.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[:4] == b"\x1a\x45\xdf\xa3" and (b"webm" in head[:64] or b"matroska" in head[:64]):
        return "matroska"
    kind = _kind_of(head)
    if kind is not None:
        raise Unacceptable(Code.NOT_A_VIDEO, kind=kind)
    return "mov"


def _kind_of(head: bytes) -> str | None:
    """What the file is if it is no film; None for ISO media and QuickTime."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "picture" if brand in PICTURE_BRANDS else "sound" if brand in SOUND_BRANDS else None
    # Four printable characters in place of a size are the beginning of a text, not of a box.
    if head[4:8] in QUICKTIME_ROOTS and not head[:4].isalnum():
        return None
    if not head:
        return "empty"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, kind in KNOWN_STARTS:
        if start.startswith(magic):
            return kind
    if start.startswith(b"RIFF") and start[8:12] in {b"WAVE", b"WEBP"}:
        return "sound" if start[8:12] == b"WAVE" else "picture"
    return "text" if b"\0" not in head and head.decode(errors="ignore").encode() == head else "unknown"


def inspect(tools: Tools, path: Path, limits: Limits) -> Facts:
    """Everything the rest of the job needs to know of a film, counted from its packets and its first picture.

    Raises Unacceptable: NOT_A_VIDEO, NO_PICTURE, TOO_LARGE_PICTURE, TOO_LONG, BROKEN_FILM; Unavailable when it is us.
    """
    path = path.resolve()
    container = container_of(path)
    streams, header_seconds = _streams(tools, path, container)
    video = _picture(streams, limits)
    if header_seconds > limits.max_seconds + 1:
        raise Unacceptable(Code.TOO_LONG, seconds=round(header_seconds, 1), limit=limits.max_seconds)
    audio = next((one for one in streams if _is_sound(one)), None)
    times = _times(tools, path, container, limits, video, audio)
    look = _first_picture(tools, path, container, video["index"])
    return Facts(
        container=container,
        width=look.width,
        height=look.height,
        duration_seconds=times.seconds,
        picture_delay_seconds=times.picture_delay_seconds,
        picture_seconds=times.picture_seconds,
        fps=times.fps,
        vfr=times.vfr,
        frames=times.frames,
        rotation=_rotation(video),
        video_index=int(video["index"]),
        video_codec=str(video["codec_name"]),
        pix_fmt=look.pix_fmt,
        color_range=look.color_range,
        color_space=look.color_space,
        color_primaries=look.color_primaries,
        color_transfer=look.color_transfer,
        audio_index=int(audio["index"]) if audio else None,
        audio_codec=str(audio["codec_name"]) if audio else None,
        audio_channels=int(audio.get("channels") or 2) if audio else None,
        size_bytes=path.stat().st_size,
    )


def _ask(tools: Tools, path: Path, container: str, *words: str) -> tuple[Any, str]:
    """What ffprobe answers; when it gives up, the film is at fault."""
    try:
        return examine(tools, path, container, *words)
    except Unavailable as trouble:
        if films_fault(trouble):
            raise Unacceptable(
                Code.BROKEN_FILM, reason="unreadable", log=trouble.facts.get("log")
            ) from trouble
        raise


def _streams(tools: Tools, path: Path, container: str) -> tuple[list[dict[str, Any]], float]:
    entries = (
        "stream=index,codec_type,codec_name,width,height,channels,sample_rate,duration:stream_disposition=attached_pic"
        ":stream_side_data=rotation:format=duration"
    )
    answer, _ = _ask(tools, path, container, "-show_entries", entries)
    streams = answer.get("streams", [])
    pictures = [one for one in streams if one.get("codec_type") == "video" and not _is_cover(one)]
    # The picture's own length, not the container's: a header that counts another track longer is no lie.
    length = pictures[0].get("duration") if pictures else None
    return streams, float(length or answer.get("format", {}).get("duration") or 0)


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _is_sound(stream: dict[str, Any]) -> bool:
    """Whether we can decode it: spatial sound of recent phones comes as an extra track that nobody can."""
    known = stream.get("codec_type") == "audio" and stream.get("codec_name") in SOUND_CODECS
    return known and int(stream.get("sample_rate") or 0) > 0


def _picture(streams: list[dict[str, Any]], limits: Limits) -> dict[str, Any]:
    """The one picture track, small enough to be decoded."""
    pictures = [one for one in streams if one.get("codec_type") == "video" and not _is_cover(one)]
    if not pictures:
        raise Unacceptable(Code.NO_PICTURE)
    video = pictures[0]
    width, height = int(video.get("width") or 0), int(video.get("height") or 0)
    if min(width, height) > limits.max_short_side or max(width, height) > limits.max_long_side:
        most = (limits.max_long_side, limits.max_short_side)
        raise Unacceptable(
            Code.TOO_LARGE_PICTURE, width=width, height=height, max_width=most[0], max_height=most[1]
        )
    if video.get("codec_name") not in PICTURE_CODECS:
        raise Unacceptable(Code.BROKEN_FILM, reason="unknown codec", codec=video.get("codec_name"))
    if min(width, height) < 16:
        raise Unacceptable(Code.NO_PICTURE, width=width, height=height)
    return video


def _rotation(video: dict[str, Any]) -> int:
    """Degrees to turn the stored picture clockwise to see it upright: 0, 90, 180 or 270."""
    for one in video.get("side_data_list", []):
        if "rotation" in one:
            return round(-float(one["rotation"]) / 90) * 90 % 360
    return 0


@dataclass(frozen=True, slots=True)
class _Times:
    seconds: float
    picture_delay_seconds: float
    picture_seconds: float
    fps: float
    vfr: bool
    frames: int


def _times(
    tools: Tools,
    path: Path,
    container: str,
    limits: Limits,
    video: dict[str, Any],
    audio: dict[str, Any] | None,
) -> _Times:
    """Lengths and rates as the packets have them; what the header says is believed of nobody."""
    until = f"%+{math.ceil(limits.max_seconds) + 5}"
    entries = "packet=stream_index,pts_time,duration_time,flags"
    answer, complaints = _ask(tools, path, container, "-read_intervals", until, "-show_entries", entries)
    spans: dict[int, list[tuple[float, float]]] = {}
    for packet in answer.get("packets", []):
        # D: cut away by the film's edit list, only there to be decoded.
        if "pts_time" in packet and "D" not in packet.get("flags", ""):
            span = (float(packet["pts_time"]), float(packet.get("duration_time") or 0))
            spans.setdefault(int(packet["stream_index"]), []).append(span)
    shown = sorted(spans.get(int(video["index"]), []))
    if not shown:
        raise Unacceptable(Code.BROKEN_FILM, reason="no frames")
    heard = sorted(spans.get(int(audio["index"]), [])) if audio else []
    times = _measured(shown, heard)
    if times.seconds > limits.max_seconds + 0.5:
        raise Unacceptable(Code.TOO_LONG, seconds=round(times.seconds, 1), limit=limits.max_seconds)
    # A film that was cut on its way keeps its whole header; ffmpeg would make a short one of it and call it a success.
    promised = float(video.get("duration") or 0)
    if "partial file" in complaints or times.picture_seconds < 0.95 * promised - 0.3:
        raise Unacceptable(
            Code.BROKEN_FILM,
            reason="cut off",
            seconds=round(times.picture_seconds, 1),
            promised=round(promised, 1),
        )
    return times


def _measured(shown: list[tuple[float, float]], heard: list[tuple[float, float]]) -> _Times:
    steps = [later[0] - earlier[0] for earlier, later in pairwise(shown)]
    usual = median(steps) if steps else shown[0][1] or 1 / 30
    # Sound that begins a breath before the picture is its encoder's delay, which no player lets be heard.
    early = bool(heard) and heard[0][0] < shown[0][0] - SOUND_OVERHANG_SECONDS
    first = heard[0][0] if early else shown[0][0]
    # Recorders leave out the length of the last frame: then it lasts as long as the others.
    end = shown[-1][0] + (shown[-1][1] or usual)
    sound_end = heard[-1][0] + heard[-1][1] if heard else end
    # The last packet of sound always hangs over a little: only a real overhang makes the film longer.
    whole_end = sound_end if sound_end > end + SOUND_OVERHANG_SECONDS else end
    odd = sum(1 for step in steps if abs(step - usual) > 0.2 * usual)
    return _Times(
        seconds=round(whole_end - first, 6),
        picture_delay_seconds=round(shown[0][0] - first, 6),
        picture_seconds=round(end - shown[0][0], 6),
        fps=round(len(shown) / max(end - shown[0][0], 1e-3), 3),
        vfr=odd > 0.02 * len(steps),
        frames=len(shown),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    width: int
    height: int
    pix_fmt: str
    color_range: str
    color_space: str
    color_primaries: str
    color_transfer: str


FRAME = re.compile(r"fmt:(?P<fmt>\w+) .*?sar:(?P<sar_w>\d+)/(?P<sar_h>\d+) s:(?P<w>\d+)x(?P<h>\d+)")
COLOURS = re.compile(
    r"color_range:(?P<range>\S+) color_space:(?P<space>\S+) color_primaries:(?P<primaries>\S+) color_trc:(?P<trc>\S+)"
)


def _first_picture(tools: Tools, path: Path, container: str, index: int) -> _Look:
    """Size and colours of the first decoded frame: some phones' cropping rectangles stand in no header."""
    film = source(path, container, threads=1)
    peek = output(
        [film[str(index)].filter("trim", end_frame=1).filter("showinfo", checksum=0)],
        "-",
        f="null",
        **{"frames:v": 1},
    )
    try:
        said = run(tools, compose([peek]), folder=path.parent, wall_seconds=30, loglevel="info")
    except Unavailable as trouble:
        if films_fault(trouble):
            raise Unacceptable(
                Code.BROKEN_FILM, reason="undecodable", log=trouble.facts.get("log")
            ) from trouble
        raise
    frame, colours = FRAME.search(said), COLOURS.search(said)
    if frame is None or colours is None:
        raise Unacceptable(Code.BROKEN_FILM, reason="undecodable", log=said[-1000:])
    width, height = int(frame["w"]), int(frame["h"])
    across, down = int(frame["sar_w"]) or 1, int(frame["sar_h"]) or 1
    # Pixels that are wider than tall are shown wider, the others taller: no line of the picture is lost.
    if across > down:
        width = round(width * across / down)
    elif down > across:
        height = round(height * down / across)
    return _Look(
        width=width,
        height=height,
        pix_fmt=frame["fmt"],
        color_range=colours["range"],
        color_space=colours["space"],
        color_primaries=colours["primaries"],
        color_transfer=colours["trc"],
    )
