"""What ffprobe reads from a film's headers and packet lists. Judges only whether it can be read at all."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_jobs import clock
from media_jobs.clock import Span
from media_jobs.ffmpeg import (
    ANSWER_BYTES,
    GUARDS,
    SOUND_CODECS,
    TEXT_DECODERS,
    Tools,
    examine,
    films_fault,
)
from media_jobs.outline import Limits
from portal.errors import Code, Unacceptable, Unavailable

# What may lie beside the picture and the sound we take: tracks that nobody decodes. ffprobe gives up on the whole film
# when it may not open one of them, so it may; what reads the stream's data keeps the short list.
BYSTANDERS = """
pgssub dvdsub dvbsub xsub cc_dec
png gif bmp tiff webp mpeg1video mpeg2video svq1 svq3 qtrle cinepak dvvideo theora vc1 wmv3 dnxhd jpeg2000 rawvideo ffv1
vvc h263i h263p dca truehd mlp mp1float mp2float mp2 aac_latm als wmav1 wmav2 wmapro apac adpcm_ima_qt adpcm_ima_wav
adpcm_ms g722 g726 gsm gsm_ms ilbc speex wavpack tta qdm2 qdmc mace3 mace6 evrc qcelp dvaudio pcm_u16le pcm_u16be
pcm_u24le pcm_u24be pcm_u32le pcm_u32be pcm_s64le pcm_s64be pcm_bluray pcm_dvd
pcm_s16le_planar pcm_s16be_planar pcm_s24le_planar
""".split()  # noqa: SIM905 - names in a row are easier to compare
OPENED = f"{GUARDS['codec_whitelist']},{','.join(BYSTANDERS)}"
MAY_OPEN = tuple(word for kind in "vas" for word in (f"-codec_whitelist:{kind}", OPENED))
TEXT_CODECS = frozenset({*TEXT_DECODERS})
# A packet takes a hundred bytes of the list, and the fastest films with sound have 290 a second.
BYTES_A_SECOND = 30_000
# Matroska lets a track call its language anything, megabytes long.
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})?")


@dataclass(frozen=True, slots=True)
class CaptionTrack:
    """Captions that lie inside a film: the track's index, codec, and language as the file names it ("fra", "und").

    What is no language's tag counts as "und".
    """

    index: int
    codec: str
    language: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the headers say: tracks, the whole length (0 when they do not know), and where the clock begins."""

    streams: list[dict[str, Any]]
    seconds: float
    start: float


def told(tools: Tools, path: Path, container: str) -> Told:
    """The headers of this film; raises Unacceptable(BROKEN_FILM) when they cannot be read."""
    entries = (
        "stream=index,codec_type,codec_name,width,height,channels,sample_rate,duration,field_order"
        ":stream_disposition=attached_pic,timed_thumbnails:stream_side_data=displaymatrix,rotation"
        ":stream_tags=language:format=duration,start_time"
    )
    answer, _ = _ask(tools, path, container, "-show_entries", entries)
    whole = answer.get("format", {})
    return Told(
        answer.get("streams", []), float(whole.get("duration") or 0), float(whole.get("start_time") or 0)
    )


def is_cover(stream: dict[str, Any]) -> bool:
    """Whether this track is only a picture that stands for the film."""
    return any(stream.get("disposition", {}).get(word) for word in ("attached_pic", "timed_thumbnails"))


def is_sound(stream: dict[str, Any]) -> bool:
    """Whether we can decode it: spatial sound of recent phones comes as an extra track that nobody can."""
    known = stream.get("codec_type") == "audio" and stream.get("codec_name") in SOUND_CODECS
    return known and int(stream.get("sample_rate") or 0) > 0


def captions(streams: list[dict[str, Any]]) -> list[CaptionTrack]:
    """The tracks of text; captions that are pictures cannot be read."""
    return [
        CaptionTrack(int(one["index"]), str(one["codec_name"]), _language(one))
        for one in streams
        if one.get("codec_type") == "subtitle" and one.get("codec_name") in TEXT_CODECS
    ]


def _language(stream: dict[str, Any]) -> str:
    tag = str(stream.get("tags", {}).get("language"))
    return tag if LANGUAGE_TAG.fullmatch(tag) else "und"


def turned(video: dict[str, Any]) -> tuple[int, bool]:
    """Degrees to turn the stored picture clockwise to see it upright, and whether it is flipped before that."""
    for one in video.get("side_data_list", []):
        if "rotation" in one:
            # Three rows of three cells, each row after its number and a colon.
            rows = re.sub(r"\w+:", "", one.get("displaymatrix", ""))
            cells = [int(cell) for cell in re.findall(r"-?\d+", rows)]
            mirrored = len(cells) == 9 and cells[0] * cells[4] - cells[1] * cells[3] < 0
            return round(-float(one["rotation"]) / 90) * 90 % 360, mirrored
    return 0, False


def packets(tools: Tools, path: Path, container: str, limits: Limits) -> tuple[dict[int, list[Span]], str]:
    """All packets that are shown or heard, up to a little more than is taken; and what was complained about."""
    until = f"%+{math.ceil(limits.max_seconds) + 5}"
    entries = "packet=stream_index,pts_time,duration_time,flags"
    most = max(ANSWER_BYTES, round(BYTES_A_SECOND * limits.max_seconds))
    words = ("-read_intervals", until, "-show_entries", entries)
    answer, complaints = _ask(tools, path, container, *words, most_bytes=most)
    return clock.spans_of(answer.get("packets", [])), complaints


def _ask(
    tools: Tools, path: Path, container: str, *words: str, most_bytes: int = ANSWER_BYTES
) -> tuple[Any, str]:
    """What ffprobe answers; when it gives up, the film is at fault."""
    try:
        return examine(tools, path, container, *MAY_OPEN, *words, most_bytes=most_bytes)
    except Unavailable as trouble:
        if films_fault(trouble):
            raise Unacceptable(
                Code.BROKEN_FILM, reason="unreadable", log=trouble.facts.get("log")
            ) from trouble
        raise
