"""The demo's films: scenes of painted layers that ffmpeg moves against each other, with a drawn-up sound."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from media_jobs import ffmpeg
from ops import demo_paint as paint

LANDSCAPE, PORTRAIT, SQUARE = (1280, 720), (720, 1280), (720, 720)
RATE = 25
WALL_SECONDS = 300

NIGHT = ("#070c18", "#152747", "#4a4a6b", "#e8935a", "#141318", "#2b3350", "#1b2238", "#10131f", "#17181d")
DAWN = ("#4b6f8f", "#9db7c4", "#f0cfae", "#ffe6c4", "#6f6a62", "#7d93a3", "#566d7c", "#38505d", "#4c4d4e")
ROSE = ("#27304d", "#6e5a7d", "#d98b86", "#ffc49b", "#2c2229", "#6a5673", "#48405c", "#2b2a40", "#2f2a30")
GREEN = ("#0f2223", "#2b5552", "#87a58f", "#e6dca8", "#20261d", "#37564f", "#24403c", "#152a28", "#262a27")
SNOWY = ("#5d7488", "#93a9ba", "#c9d6de", "#eef2f4", "#dfe7ec", "#a9bac6", "#8ea3b2", "#cfdae1", "#5c6770")
SEA = ("#2c4f73", "#8fb0c2", "#f6d9ae", "#3d6a7e", "#12283a", "#1d231f")
EVENING_SEA = ("#3a2b52", "#b9708a", "#ffc89a", "#5a4463", "#1c1a30", "#120f18")
CITY = ("#ffb25a", "#ff6a3c", "#9bd0ff", "#ffe2b0", "#ff3b2f", "#6f8cff")
WARM = ("#ffcf8a", "#ff9d57", "#ffe8c6", "#c96a3a")

Size = tuple[int, int]
Scene = Callable[[Size, random.Random], "list[Layer]"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A picture, or a short loop of pictures, and where it is at time t (ffmpeg's expressions)."""

    frames: tuple[Image.Image, ...]
    x: str = "0"
    y: str = "0"


def _still(image: Image.Image, x: str = "0", y: str = "0") -> Layer:
    return Layer((image,), x, y)


def _passing(image: Image.Image, pixels_per_second: float) -> Layer:
    """A layer twice as wide as the picture that passes to the left without end."""
    return _still(image, f"-mod(t*{pixels_per_second},{image.width // 2})")


def _twice(image: Image.Image) -> Image.Image:
    whole = Image.new("RGBA", (image.width * 2, image.height))
    whole.paste(image, (0, 0))
    whole.paste(image, (image.width, 0))
    return whole


def road(colours: tuple[str, ...], *, inside: bool = False, flakes: bool = False) -> Scene:
    """Driving towards the light, hills passing, perhaps seen from the driver's seat, perhaps in snow."""

    def scene(size: Size, chance: random.Random) -> list[Layer]:
        bend = chance.uniform(-0.2, 0.2)
        back = paint.sky(
            size, (0, colours[0]), (0.34, colours[1]), (0.5, colours[2]), (0.58, colours[3]), (1, colours[4])
        )
        paint.glow(back, (chance.uniform(0.35, 0.65), 0.54), 0.34, colours[3], 0.85)
        layers = [_still(back)]
        for index, colour in enumerate(colours[5:8]):
            hills = paint.ridge(size, chance, colour, top=0.53 + 0.05 * index, rise=0.16 - 0.03 * index)
            layers.append(_passing(_twice(hills), 6 + 14 * index))
        ground = paint.sky(size, (0, colours[4]), (1, colours[7]))
        mask = Image.new("L", size)
        mask.paste(255, (0, round(size[1] * 0.615), *size))
        ground.putalpha(mask)
        ground.alpha_composite(paint.road(size, 0.612, colours[8], bend=bend))
        layers += [_still(ground), Layer(tuple(paint.dashes(size, 0.612, "#e8dcc0", bend=bend)))]
        ahead = paint.tail_lights(size, (0.5 + bend * 0.5, 0.70), 0.028)
        layers.append(_still(ahead, "3*sin(t*0.7)", "2*sin(t*1.9)"))
        if flakes:
            layers += _snowfall(size, chance)
        if inside:
            layers.append(_still(paint.cabin(size), "0", "1.5*sin(t*7)"))
        return layers

    return scene


def _snowfall(size: Size, chance: random.Random) -> list[Layer]:
    tall = (size[0], size[1] * 2)
    return [
        _still(
            paint.snow(tall, chance, many=many, radius=radius),
            f"{sway}*sin(t)",
            f"mod(t*{speed},{size[1]})-{size[1]}",
        )
        for many, radius, sway, speed in ((90, 2.2, 10, 90), (40, 4.0, 18, 170))
    ]


def coast(colours: tuple[str, ...]) -> Scene:
    """The sea under a low sun, its glitter moving, a shore in front."""

    def scene(size: Size, chance: random.Random) -> list[Layer]:
        back = paint.sky(
            size,
            (0, colours[0]),
            (0.45, colours[1]),
            (0.56, colours[2]),
            (0.565, colours[3]),
            (1, colours[4]),
        )
        sun = chance.uniform(0.35, 0.65)
        paint.glow(back, (sun, 0.50), 0.3, "#ffe9bd", 0.9)
        paint.glow(back, (sun, 0.50), 0.05, "#ffffff", 1.0)
        glitter = tuple(_glitter(size, chance, sun) for _ in range(12))
        shore = paint.ridge(size, chance, colours[5], top=0.98, rise=0.16, bumps=3)
        return [_still(back), Layer(glitter), _passing(_twice(shore), 34)]

    return scene


def _glitter(size: Size, chance: random.Random, sun: float) -> Image.Image:
    def draw(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        for _ in range(90):
            deep = chance.random() ** 1.4
            y, half = (0.57 + 0.4 * deep) * height, width * (0.006 + 0.03 * deep)
            x = width * chance.gauss(sun, 0.03 + 0.12 * deep)
            pen.ellipse(
                (x - half, y - 2 - 3 * deep, x + half, y + 2 + 3 * deep), fill=chance.randint(40, 200)
            )

    return paint.shape(size, draw, "#ffe3ae", alpha=0.8, blur=1.4)


def town(colours: tuple[str, ...], dark: tuple[str, str], *, inside: bool = False) -> Scene:
    """A town's lamps out of focus, drifting at two distances."""

    def scene(size: Size, chance: random.Random) -> list[Layer]:
        layers = [_still(paint.sky(size, (0, dark[0]), (1, dark[1])))]
        for speed, many in ((14, 34), (40, 26)):
            layers.append(_passing(_twice(paint.lights(size, chance, colours, many=many)), speed))
        if inside:
            layers.append(_still(paint.cabin(size), "0", "1.5*sin(t*6)"))
        return layers

    return scene


def portrait(behind: Scene, body: str, rim: str, *, children: int = 0) -> Scene:
    """Somebody speaking in front of it, a light behind, perhaps with children."""

    def scene(size: Size, chance: random.Random) -> list[Layer]:
        layers = behind(size, chance)
        paint.glow(layers[0].frames[0], (0.5, 0.42), 0.42, rim, 0.75)
        for child in range(children):
            small = paint.person(size, chance, body, at=0.26 + 0.5 * child, scale=0.62)
            layers.append(_still(small, f"4*sin(t*{1.7 + child / 2})", f"5*sin(t*{2.3 + child})"))
        layers.append(_still(paint.person(size, chance, body), "4*sin(t*0.8)", "5*sin(t*1.7)"))
        return layers

    return scene


def charging() -> Scene:
    """A car at the column, at night; the column's light breathes."""

    def scene(size: Size, chance: random.Random) -> list[Layer]:
        layers = town(WARM, ("#0a1420", "#1a2a33"))(size, chance)
        ground = Image.new("RGBA", size)
        ground.paste(
            paint.sky(size, (0, "#0c1216"), (1, "#1b2327")).crop((0, 0, size[0], round(size[1] * 0.2))),
            (0, round(size[1] * 0.8)),
        )
        layers += [_still(ground), _still(paint.column(size))]
        frames = []
        for step in range(25):
            light = paint.shape(
                size,
                lambda pen, w, h: pen.ellipse((w * 0.62, h * 0.2, w * 0.86, h * 0.56), fill=255),
                "#8af0c4",
            )
            strength = 0.05 + 0.12 * (0.5 + 0.5 * math.sin(math.tau * step / 25))
            soft = light.getchannel("A").resize((16, 9)).resize(size)
            light.putalpha(soft.point([round(value * strength) for value in range(256)]))
            frames.append(light)
        return [*layers, Layer(tuple(frames))]

    return scene


def make(
    tools: ffmpeg.Tools,
    scene: Scene,
    size: Size,
    seconds: float,
    *,
    seed: int,
    notes: tuple[float, ...],
    folder: Path,
) -> Path:
    """Paint one film into the folder: H.264 and AAC, as a phone would have it; raises what `ffmpeg.run` raises."""
    words: list[str] = []
    graph: list[str] = []
    last = ""
    for index, layer in enumerate(scene(size, random.Random(seed))):  # noqa: S311 - scenery, no secret
        words += _pixels(folder / f"layer{index}.rgba", layer.frames)
        # Each picture is decoded once and repeated here: reading it anew for every frame takes five times as long.
        again = f"loop=loop=-1:size={len(layer.frames)},setpts=N/({RATE}*TB)"
        graph.append(f"[{index}:v]format=yuva420p,{again}[l{index}]")
        if last:
            graph.append(f"{last}[l{index}]overlay=x='{layer.x}':y='{layer.y}':eval=frame[v{index}]")
        last = f"[v{index}]" if last else f"[l{index}]"
    graph.append(f"{last}format=yuv420p[picture]")
    graph.append(f"{_sound(notes, seconds)}[sound]")
    words += ["-filter_complex", ";".join(graph), "-map", "[picture]", "-map", "[sound]", "-t", str(seconds)]
    words += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-c:a", "aac", "-b:a", "128k"]
    ffmpeg.run(
        tools, [*words, "-movflags", "+faststart", "film.mp4"], folder=folder, wall_seconds=WALL_SECONDS
    )
    return folder / "film.mp4"


def _pixels(path: Path, frames: tuple[Image.Image, ...]) -> list[str]:
    """The pictures in a file, and the words with which ffmpeg, in its jail, is handed that file open."""
    with path.open("wb") as file:
        for frame in frames:
            file.write(frame.convert("RGBA").tobytes())
    width, height = frames[0].size
    form = [
        "-f",
        "rawvideo",
        "-pixel_format",
        "rgba",
        "-video_size",
        f"{width}x{height}",
        "-framerate",
        str(RATE),
    ]
    return [*form, "-protocol_whitelist", "fd", "-fd", str(path.resolve()), "-i", "fd:"]


def _sound(notes: tuple[float, ...], seconds: float) -> str:
    """A hum of the road and plucked notes, one after the other."""
    beat = 0.6
    around = beat * len(notes)
    plucks = [
        f"0.16*sin({math.tau * hertz:.3f}*t)*exp(-2.2*mod(t+{around - beat * index:.2f},{around:.2f}))"
        for index, hertz in enumerate(notes)
    ]
    return (
        f"aevalsrc='{'+'.join(plucks)}':s=48000:d={seconds}[tune];"
        f"anoisesrc=color=brown:amplitude=0.25:sample_rate=48000:duration={seconds}:seed=7,lowpass=f=380[hum];"
        f"[tune][hum]amix=inputs=2:normalize=0,afade=t=in:d=0.4,afade=t=out:st={max(0.0, seconds - 0.8):.2f}:d=0.8"
    )
