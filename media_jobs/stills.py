"""Poster, card and storyboard: cut out of the same pass as the film, finished with Pillow from raw pixels."""

import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from media_jobs.ffmpeg import Stream, output
from media_jobs.picture import Plan
from portal.errors import Code, Unavailable
from portal.ladder import Rung

POSTER_WIDTHS = (360, 640, 960)
CARD_SIZE = (1200, 630)
MOST_TILES = 50
TILE_WIDTH = 160
COLUMNS = 10

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


def poster_output(picture: Stream, made: Plan) -> Stream:
    """One frame at 1 s, or at a third of films that are shorter than 3 s: there always is one."""
    rung = poster_rung(made)
    rate = rung.frame_rate(made.rate)
    frame = min(made.frames(rung) - 1, int(min(1.0, made.seconds / 3) * rate))
    chosen = picture.filter("trim", start_frame=frame, end_frame=frame + 1)
    return _pixels(chosen, POSTER_PIXELS, *made.size(rung))


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
    """Every n-th frame of the lowest rung, small."""
    chosen = picture.filter("framestep", step=tile_step(made))
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


def posters(folder: Path, made: Plan) -> list[Still]:
    """AVIF and WebP, 360, 640 and 960 wide or as wide as the film is, and the card for messengers.

    A name above the film's own width is left out as soon as a smaller name holds the whole width.
    """
    size = made.size(poster_rung(made))
    frame = _frames(folder / POSTER_PIXELS, size)[0]
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
        picture.save(webp, quality=78, method=4)
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
