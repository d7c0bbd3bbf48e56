"""What a film is, as facts, or the reason why it cannot be used. Changes nothing."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from media_jobs import clock, firstlook, headers, intake
from media_jobs.clock import Span, Times
from media_jobs.ffmpeg import PICTURE_CODECS, Tools
from media_jobs.firstlook import SMALLEST_SIDE, Look
from media_jobs.headers import CaptionTrack, Told
from media_jobs.outline import Limits
from portal.errors import Code, Unacceptable


@dataclass(frozen=True, slots=True)
class Facts:
    """What a film is, measured; width and height as displayed, after cropping, rotation and square pixels.

    Film time is seconds from its first shown instant; `lead_seconds` is where that lies on the clock that ffmpeg makes
    of the whole file. `mirrored`: flipped upside down before it is turned by `rotation`. `promised_seconds` is set
    when only the beginning arrived, and everything else speaks of that beginning.
    """

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
    mirrored: bool = False
    interlaced: bool = False
    lead_seconds: float = 0.0
    promised_seconds: float | None = None
    captions: tuple[CaptionTrack, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The facts as plain values, to be kept with the clip."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The facts that `as_json` gave, by this version or another one: unknown words are left out."""
        known = {one.name for one in fields(cls)}
        captions = tuple(CaptionTrack(**one) for one in values.get("captions", ()))
        return cls(
            **{name: value for name, value in values.items() if name in known} | {"captions": captions}
        )


def inspect(tools: Tools, path: Path, limits: Limits) -> Facts:
    """Everything the rest of the job needs to know of a film, counted from its packets and its first picture.

    Raises Unacceptable: what `intake.look` does, NO_PICTURE, UNKNOWN_CODEC, TOO_LARGE_PICTURE, TOO_LONG, BROKEN_FILM,
    CUT_OFF with `seconds` and `promised` unless the limits keep beginnings; Unavailable when it is us.
    """
    path = path.resolve()
    container = intake.look(path, limits).container
    told = headers.told(tools, path, container)
    pictures = _pictures(told.streams, limits)
    _not_too_long(float(pictures[0].get("duration") or told.seconds), limits, slack=1)
    packets, complaints = headers.packets(tools, path, container, limits)
    # A single frame beside a film is its cover, whatever it calls itself.
    video = next((one for one in pictures if len(packets.get(one["index"], [])) > 1), pictures[0])
    shown = packets.get(video["index"])
    if not shown:
        raise Unacceptable(Code.BROKEN_FILM, reason="no frames")
    audio = _heard(told.streams, packets)
    times = clock.measured(shown, packets[audio["index"]] if audio else [])
    promised = _promised(container, told, video, packets, complaints)
    if promised is not None and not limits.keeps_beginning:
        raise Unacceptable(Code.CUT_OFF, seconds=round(times.picture_seconds, 1), promised=round(promised, 1))
    _not_too_long(times.seconds, limits, slack=0.5)
    look = firstlook.first_picture(tools, path, container, video["index"])
    return Facts(
        container=container,
        lead_seconds=round(times.origin - told.start, 6),
        size_bytes=path.stat().st_size,
        promised_seconds=promised,
        captions=tuple(headers.captions(told.streams)),
        **_times(times),
        **_picture(video, look, limits),
        **_sound(audio),
    )


def _times(times: Times) -> dict[str, Any]:
    return {
        "duration_seconds": times.seconds,
        "picture_delay_seconds": times.picture_delay_seconds,
        "picture_seconds": times.picture_seconds,
        "fps": times.fps,
        "vfr": times.vfr,
        "frames": times.frames,
    }


def _picture(video: dict[str, Any], look: Look, limits: Limits) -> dict[str, Any]:
    width, height = look.displayed(limits)
    rotation, mirrored = headers.turned(video)
    return {
        "width": width,
        "height": height,
        "rotation": rotation,
        "mirrored": mirrored,
        "interlaced": look.interlaced or video.get("field_order") in {"tt", "bb", "tb", "bt"},
        "video_index": int(video["index"]),
        "video_codec": str(video["codec_name"]),
        "pix_fmt": look.pix_fmt,
        "color_range": look.color_range,
        "color_space": look.color_space,
        "color_primaries": look.color_primaries,
        "color_transfer": look.color_transfer,
    }


def _sound(audio: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "audio_index": int(audio["index"]) if audio else None,
        "audio_codec": str(audio["codec_name"]) if audio else None,
        "audio_channels": int(audio.get("channels") or 2) if audio else None,
    }


def _pictures(streams: list[dict[str, Any]], limits: Limits) -> list[dict[str, Any]]:
    """The tracks that may be the picture, at least one; each is small enough to be decoded."""
    pictures = [one for one in streams if one.get("codec_type") == "video" and not headers.is_cover(one)]
    if not pictures:
        raise Unacceptable(Code.NO_PICTURE)
    found = [one for one in pictures if one.get("codec_name") in PICTURE_CODECS]
    if not found:
        codec = pictures[0].get("codec_name")
        raise Unacceptable(Code.UNKNOWN_CODEC, reason="unknown codec", kind="picture", codec=codec)
    for video in found:
        width, height = int(video.get("width") or 0), int(video.get("height") or 0)
        if min(width, height) > limits.max_short_side or max(width, height) > limits.max_long_side:
            raise Unacceptable(
                Code.TOO_LARGE_PICTURE,
                width=width,
                height=height,
                max_width=limits.max_long_side,
                max_height=limits.max_short_side,
            )
    if min(int(found[0].get("width") or 0), int(found[0].get("height") or 0)) < SMALLEST_SIDE:
        raise Unacceptable(Code.NO_PICTURE, width=found[0].get("width"), height=found[0].get("height"))
    return found


def _heard(streams: list[dict[str, Any]], packets: dict[int, list[Span]]) -> dict[str, Any] | None:
    """The first sound track with a sound in it that we can decode; None when nothing is to be heard at all."""
    found = [one for one in streams if one.get("codec_type") == "audio" and one["index"] in packets]
    known = next((one for one in found if headers.is_sound(one)), None)
    if found and known is None:
        # Whoever speaks in it would rather know than be made mute.
        codec = found[0].get("codec_name")
        raise Unacceptable(Code.UNKNOWN_CODEC, reason="unknown codec", kind="sound", codec=codec)
    return known


def _not_too_long(seconds: float, limits: Limits, *, slack: float) -> None:
    if seconds > limits.max_seconds + slack:
        raise Unacceptable(Code.TOO_LONG, seconds=round(seconds, 1), limit=limits.max_seconds)


def _promised(
    container: str,
    told: Told,
    video: dict[str, Any],
    packets: dict[int, list[Span]],
    complaints: str,
) -> float | None:
    """How long the film would be, had all of it arrived; None when it has.

    A film that was cut on its way keeps its header; ffmpeg would make a short one of it and call it a success.
    """
    if container == "matroska":
        # Its header speaks of all tracks together, and a recorder's film says nothing.
        arrived, promised = clock.last_instant(packets.values()) - told.start, told.seconds
    else:
        # The picture's own length, not the container's: a header that counts another track longer is no lie.
        shown = packets[int(video["index"])]
        arrived = clock.last_instant([shown]) - shown[0].begin
        promised = float(video.get("duration") or 0)
    cut = "partial file" in complaints or arrived < 0.95 * promised - 0.3
    return promised if cut else None
