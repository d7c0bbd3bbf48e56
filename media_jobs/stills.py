"""Posters, card, proposals, storyboard, hover preview: cut out of the same pass as the film, finished with Pillow.

A picture that a person sent is taken in here too, and only as new pixels.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageEnhance, ImageFilter, ImageOps

from media_jobs import proposals
from media_jobs.ffmpeg import Stream, output
from media_jobs.picture import Plan
from portal.errors import Code, Unacceptable, Unavailable
from portal.ladder import Rung

POSTER_WIDTHS = (360, 640, 960)
CARD_SIZE = (1200, 630)
MOST_TILES = 50
TILE_WIDTH = 160
COLUMNS = 10

PROPOSAL_LONG_SIDE = 1280
HOVER_SECONDS = 3.0
HOVER_NAME = "hover.mp4"
# Shown at a fifth of a screen's width at most: 320 wide, or 240 when it stands upright, in at most 120 kB.
HOVER_WIDTH = 320
HOVER_UPRIGHT_WIDTH = 240
HOVER_KBIT = 220

STILL_BYTES = 10 << 20
STILL_PIXELS = 40_000_000
STILL_SHORTEST_SIDE = 160

POSTER_PIXELS = "poster.rgb"
STORYBOARD_PIXELS = "storyboard.rgb"


@dataclass(frozen=True, slots=True)
class Still:
    """A picture file that was written."""

    path: Path
    width: int
    height: int


def poster_rung(made: Plan) -> Rung:
    """The rung the poster is cut from: 720, or the next one above it, or the film's only size."""
    return next((rung for rung in reversed(made.rungs) if rung.short_side >= 720), made.rungs[0])


@dataclass(frozen=True, slots=True)
class Shots:
    """The frames of the poster's rung that are cut out of a film, in order, and the one that somebody chose."""

    frames: tuple[int, ...]
    chosen: int | None = None


def shots(made: Plan, chosen_at: float | None) -> Shots:
    """What to cut out: the frames to choose proposals from, and the one shown at `chosen_at` seconds."""
    rung = poster_rung(made)
    count, usual = made.frames(rung), proposals.frames(made.frames(rung))
    if chosen_at is None:
        return Shots(usual)
    chosen = max(0, min(count - 1, round(chosen_at * rung.frame_rate(made.rate))))
    return Shots(tuple(sorted({*usual, chosen})), chosen)


def poster_size(made: Plan) -> tuple[int, int]:
    """Width and height of the pictures cut out: the poster rung's, at most 1280 on the longer side."""
    width, height = made.size(poster_rung(made))
    share = min(1.0, PROPOSAL_LONG_SIDE / max(width, height))
    return max(2, round(width * share)), max(2, round(height * share))


def poster_output(picture: Stream, made: Plan, wanted: Shots) -> Stream:
    """The wanted frames, found by their time: frame numbers begin anew when a film changes its shape half-way."""
    rate = poster_rung(made).frame_rate(made.rate)
    spans = [f"between(t,{(frame - 0.4) / rate:.6f},{(frame + 0.4) / rate:.6f})" for frame in wanted.frames]
    return _pixels(picture.filter("select", "+".join(spans)), POSTER_PIXELS, *poster_size(made))


def hover_output(picture: Stream, made: Plan) -> Stream:
    """Three seconds from the first quarter of the film, or the whole film, small and silent, at half its rate."""
    rate = made.rungs[-1].frame_rate(made.rate) / 2
    start = hover_start(made)
    end = min(made.seconds, start + HOVER_SECONDS)
    shown = picture.filter("trim", start=f"{start:.6f}", end=f"{end:.6f}")
    shown = shown.filter("setpts", f"PTS-{start:.6f}/TB").filter("fps", fps=rate)
    # Of a film whose end was left out, `fps` goes on with the last picture until the film's own end.
    shown = shown.filter("trim", end=f"{max(end - start, 1 / rate) - 0.25 / rate:.6f}")
    shown = shown.filter("scale", *hover_size(made), flags="bicubic").filter("setsar", sar=1)
    encoder = {
        "c:v": "libx264",
        "preset": "veryfast",
        "profile:v": "high",
        "crf": 30,
        "maxrate": f"{HOVER_KBIT}k",
        "bufsize": f"{HOVER_KBIT}k",
        "flags": "+cgop+bitexact",
        "threads": 1,
        "bsf:v": "filter_units=remove_types=6",
    }
    return output([shown], HOVER_NAME, f="mp4", movflags="+faststart", **encoder)


def hover_start(made: Plan) -> float:
    """Where in the film the hover preview begins, in seconds."""
    return max(0.0, made.seconds - HOVER_SECONDS) / 4


def hover_size(made: Plan) -> tuple[int, int]:
    """Width and height of the hover preview; never larger than the film, both sides even."""
    width, height = made.size(made.rungs[-1])
    wanted = min(width, HOVER_UPRIGHT_WIDTH if height > width else HOVER_WIDTH) // 2 * 2
    return wanted, max(2, round(wanted * height / width / 2) * 2)


def tile_step(made: Plan) -> int:
    """Frames of the lowest rung from one storyboard tile to the next: at most 50 tiles, 2 s apart in short films."""
    rate = made.rungs[-1].frame_rate(made.rate)
    interval = max(made.seconds / MOST_TILES, min(2.0, made.seconds / 2))
    return max(1, math.ceil(interval * rate), math.ceil(made.frames(made.rungs[-1]) / MOST_TILES))


def tile_size(made: Plan) -> tuple[int, int]:
    """Width and height of one storyboard tile, in the film's own shape."""
    width, height = made.size(made.rungs[-1])
    return TILE_WIDTH, max(2, round(TILE_WIDTH * height / width / 2) * 2)


def storyboard_output(picture: Stream, made: Plan) -> Stream:
    """Every n-th frame of the lowest rung, small; by time, for the same reason as the poster's."""
    frame = 1 / made.rungs[-1].frame_rate(made.rate)
    chosen = picture.filter(
        "select", f"lt(mod(t+{float(frame) / 2:.6f},{float(tile_step(made) * frame):.6f}),{float(frame):.6f})"
    )
    return _pixels(chosen, STORYBOARD_PIXELS, *tile_size(made))


def _pixels(picture: Stream, name: str, width: int, height: int) -> Stream:
    scaled = picture.filter(
        "scale", w=width, h=height, flags="lanczos", in_color_matrix="bt709", in_range="tv", out_range="pc"
    )
    return output(
        [scaled.filter("format", "rgb24")],
        name,
        f="rawvideo",
        **{"c:v": "rawvideo", "fps_mode": "passthrough"},
    )


@dataclass(frozen=True, slots=True)
class Cuttings:
    """What was made of the pictures cut out: the proposals with their frames, and the poster with its own."""

    proposals: tuple[tuple[int, Still], ...]
    posters: tuple[Still, ...]
    poster_frame: int | None


def cuttings(folder: Path, made: Plan, wanted: Shots, still: Path | None) -> Cuttings:
    """Proposals and posters from the pictures that were cut out, whose file is deleted.

    The poster is the picture that was sent, else the frame that was chosen, else the best proposal.
    Raises Unavailable when nothing was cut out, Unacceptable when the sent picture is none.
    """
    path, size = folder / POSTER_PIXELS, poster_size(made)
    looks = [proposals.look(frame, one) for frame, one in zip(wanted.frames, _each(path, size), strict=False)]
    if not looks:
        raise Unavailable(Code.OURS_TRANSCODE, file=path.name, reason="no picture")
    proposed = proposals.choose([one for one in looks if one.frame in set(proposals.frames(_count(made)))])
    best = max(proposed or looks, key=lambda one: one.rank).frame
    frame = wanted.chosen if wanted.chosen in {one.frame for one in looks} else best
    kept: list[tuple[int, Still]] = []
    poster: Image.Image | None = None
    for number, picture in zip(wanted.frames, _each(path, size), strict=False):
        if number in {one.frame for one in proposed}:
            target = folder / f"proposal-{len(kept) + 1}.webp"
            picture.save(target, quality=78, method=1)
            kept.append((number, Still(target, *picture.size)))
        if number == frame:
            poster = picture
    path.unlink()
    if still is not None or poster is None:
        return Cuttings(tuple(kept), tuple(from_still(folder, still or kept[0][1].path)), None)
    return Cuttings(tuple(kept), tuple(posters(folder, poster)), frame)


def _count(made: Plan) -> int:
    return made.frames(poster_rung(made))


def from_still(folder: Path, still: Path) -> list[Still]:
    """Posters and card from a picture of ours, a proposal's file or what `reencode` gave; no film tool is started.

    Raises Unacceptable(NOT_A_PICTURE).
    """
    with _readable(), Image.open(still, formats=("WEBP",)) as picture:
        if picture.width * picture.height > STILL_PIXELS:
            raise Unacceptable(Code.NOT_A_PICTURE)
        pixels = picture.convert("RGB")
    return posters(folder, pixels)


def posters(folder: Path, frame: Image.Image) -> list[Still]:
    """AVIF and WebP, 360, 640 and 960 wide or as wide as the picture is, and the card for messengers.

    A name above the picture's own width is left out as soon as a smaller name holds the whole width.
    """
    written = []
    for wide, below in zip(POSTER_WIDTHS, (0, *POSTER_WIDTHS), strict=False):
        if frame.width <= below:
            break
        width = min(wide, frame.width)
        picture = frame.resize(
            (width, max(1, round(frame.height * width / frame.width))), Image.Resampling.LANCZOS
        )
        avif, webp = folder / f"poster-{wide}.avif", folder / f"poster-{wide}.webp"
        picture.save(avif, quality=62, speed=8)
        picture.save(webp, quality=78, method=2)
        written += [Still(avif, *picture.size), Still(webp, *picture.size)]
    written.append(_card(folder / "card.jpg", frame))
    return written


def _card(path: Path, frame: Image.Image) -> Still:
    """1200 x 630: cut to shape when the film is nearly so, else whole before its own blurred picture."""
    if frame.width / frame.height > 1.3:
        card = ImageOps.fit(frame, CARD_SIZE, Image.Resampling.LANCZOS)
    else:
        small = ImageOps.fit(frame, (CARD_SIZE[0] // 10, CARD_SIZE[1] // 10), Image.Resampling.BILINEAR)
        blurred = small.filter(ImageFilter.GaussianBlur(4)).resize(CARD_SIZE, Image.Resampling.BICUBIC)
        card = ImageEnhance.Brightness(blurred).enhance(0.6)
        whole = ImageOps.contain(frame, CARD_SIZE, Image.Resampling.LANCZOS)
        card.paste(whole, ((CARD_SIZE[0] - whole.width) // 2, (CARD_SIZE[1] - whole.height) // 2))
    card.save(path, quality=84, optimize=True, progressive=True)
    return Still(path, *card.size)


def storyboard(folder: Path, made: Plan) -> tuple[Still, Path]:
    """One sprite of all tiles, and the WebVTT that says which tile belongs to which passage."""
    width, height = tile_size(made)
    tiles = _frames(folder / STORYBOARD_PIXELS, (width, height))[:MOST_TILES]
    across = min(COLUMNS, len(tiles))
    sprite = Image.new("RGB", (across * width, math.ceil(len(tiles) / across) * height))
    step = tile_step(made) / made.rungs[-1].frame_rate(made.rate)
    cues = ["WEBVTT", ""]
    for number, tile in enumerate(tiles):
        left, top = number % across * width, number // across * height
        sprite.paste(tile, (left, top))
        end = made.seconds if number == len(tiles) - 1 else (number + 1) * step
        cues += [f"{_clock(number * step)} --> {_clock(end)}"]
        cues += [f"storyboard.webp#xywh={left},{top},{width},{height}", ""]
    path, text = folder / "storyboard.webp", folder / "storyboard.vtt"
    sprite.save(path, quality=70, method=4)
    text.write_text("\n".join(cues))
    return Still(path, *sprite.size), text


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"


def reencode(data: bytes) -> bytes:
    """A picture that a person sent, as new WebP: upright, sRGB, at most 1280 on the longer side, pixels and nothing else.

    JPEG, PNG and WebP, at most 10 MB and 40 megapixels, at least 160 on the shorter side. Raises Unacceptable:
    EMPTY_FILE, TOO_LARGE, NOT_A_PICTURE.
    """
    if not data:
        raise Unacceptable(Code.EMPTY_FILE)
    if len(data) > STILL_BYTES:
        raise Unacceptable(Code.TOO_LARGE, limit=STILL_BYTES)
    with _readable(), Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
        # Known from the header, before a single pixel is unpacked.
        width, height = picture.size
        if width * height > STILL_PIXELS:
            raise Unacceptable(Code.NOT_A_PICTURE, width=width, height=height)
        if min(width, height) < STILL_SHORTEST_SIDE:
            raise Unacceptable(Code.NOT_A_PICTURE, width=width, height=height)
        picture.draft("RGB", (PROPOSAL_LONG_SIDE, PROPOSAL_LONG_SIDE))
        upright = _ordinary(ImageOps.exif_transpose(picture))
    upright.thumbnail((PROPOSAL_LONG_SIDE, PROPOSAL_LONG_SIDE), Image.Resampling.LANCZOS)
    # A fresh sheet: what travels beside the pixels (place, camera, names) has no way onto it.
    clean = Image.new("RGB", upright.size)
    clean.paste(upright)
    written = io.BytesIO()
    clean.save(written, "WEBP", quality=88, method=4)
    return written.getvalue()


def _ordinary(picture: Image.Image) -> Image.Image:
    """RGB in sRGB colours, transparency on white."""
    profile = picture.info.get("icc_profile")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        picture = Image.new("RGBA", layered.size, "white")
        picture.alpha_composite(layered)
    if isinstance(profile, bytes) and picture.mode in ("RGB", "CMYK"):
        ours = ImageCms.createProfile("sRGB")
        try:
            found = ImageCms.profileToProfile(picture, io.BytesIO(profile), ours, outputMode="RGB")
        except ImageCms.PyCMSError:
            found = None
        picture = found or picture
    return picture.convert("RGB")


@contextmanager
def _readable() -> Iterator[None]:
    """Whatever a broken picture does to its reader, it is the picture's fault."""
    broken = (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        LookupError,
        TypeError,
        ArithmeticError,
        MemoryError,
    )
    try:
        yield
    except (*broken, struct.error, zlib.error, Image.DecompressionBombError) as trouble:
        raise Unacceptable(Code.NOT_A_PICTURE, detail=str(trouble)[:200]) from trouble


def _each(path: Path, size: tuple[int, int]) -> Iterator[Image.Image]:
    """The raw pictures in this file, one after the other; a film has up to 16 of nearly 3 MB each."""
    length = size[0] * size[1] * 3
    with path.open("rb") as file:
        while len(pixels := file.read(length)) == length:
            yield Image.frombytes("RGB", size, pixels)


def _frames(path: Path, size: tuple[int, int]) -> list[Image.Image]:
    """The raw pictures in this file, which is deleted; raises Unavailable when there is none."""
    pixels = path.read_bytes()
    path.unlink()
    length = size[0] * size[1] * 3
    whole = len(pixels) // length
    if not whole:
        raise Unavailable(Code.OURS_TRANSCODE, file=path.name, reason="no picture")
    return [
        Image.frombytes("RGB", size, pixels[place * length : (place + 1) * length]) for place in range(whole)
    ]
