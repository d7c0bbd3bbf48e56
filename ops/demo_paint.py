"""Paints the demo's scenery: skies, ridges, roads, lights, people against the light. Pillow only; no photograph."""

import math
import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Size = tuple[int, int]
Colour = str
Draw = Callable[[ImageDraw.ImageDraw, int, int], None]


def sky(size: Size, *stops: tuple[float, Colour]) -> Image.Image:
    """A vertical gradient through these colours; places run from 0 (top) to 1."""
    height = size[1]
    column = Image.new("RGB", (1, height))
    for y in range(height):
        place = y / max(1, height - 1)
        low = max((stop for stop in stops if stop[0] <= place), default=stops[0])
        high = min((stop for stop in stops if stop[0] >= place), default=stops[-1])
        share = 0.0 if high[0] == low[0] else (place - low[0]) / (high[0] - low[0])
        mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(low[1]), _rgb(high[1]), strict=True))
        column.putpixel((0, y), tuple(mixed))
    return column.resize(size).convert("RGBA")


def glow(
    image: Image.Image, at: tuple[float, float], radius: float, colour: Colour, power: float = 1.0
) -> None:
    """Lay a soft light over the picture; place and radius in shares of its width and height."""
    width, height = image.size
    across = max(2, round(radius * 2 * max(width, height)))
    fading = Image.radial_gradient("L").resize((across, across))
    soft = fading.point([round(255 * power * max(0.0, 1 - value / 181) ** 2) for value in range(256)])
    light = Image.new("RGB", image.size)
    lit = Image.composite(Image.new("RGB", soft.size, colour), Image.new("RGB", soft.size), soft)
    light.paste(lit, (round(at[0] * width - across / 2), round(at[1] * height - across / 2)))
    alpha = image.getchannel("A")
    shone = ImageChops.screen(image.convert("RGB"), light)
    shone.putalpha(alpha)
    image.paste(shone)


def shape(size: Size, draw: Draw, colour: Colour, *, alpha: float = 1.0, blur: float = 0.0) -> Image.Image:
    """A smooth-edged figure on nothing; it is drawn at twice the size."""
    width, height = size
    mask = Image.new("L", (width * 2, height * 2))
    draw(ImageDraw.Draw(mask), width * 2, height * 2)
    mask = mask.resize(size, Image.Resampling.LANCZOS)
    if blur:
        mask = mask.filter(ImageFilter.GaussianBlur(blur))
    made = Image.new("RGBA", size, colour)
    made.putalpha(mask.point([round(value * alpha) for value in range(256)]))
    return made


def ridge(
    size: Size, chance: random.Random, colour: Colour, *, top: float, rise: float, bumps: int = 5
) -> Image.Image:
    """A line of hills that closes on itself, so that it can pass by without end; `top` and `rise` in shares."""
    waves = [
        (octave, chance.random() * math.tau, 0.55**index) for index, octave in enumerate(_octaves(bumps))
    ]
    whole = sum(weight for _, _, weight in waves)

    def draw(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        points = []
        for x in range(0, width + 4, 4):
            turn = math.tau * x / width
            bump = (
                sum(weight * abs(math.sin(octave * turn / 2 + phase)) for octave, phase, weight in waves)
                / whole
            )
            points.append((x, height * (top - rise * bump)))
        pen.polygon([*points, (width, height), (0, height)], fill=255)

    return shape(size, draw, colour)


def _octaves(bumps: int) -> list[int]:
    return [2, *(2 * count for count in (2, 3, 5, 8, 13, 21)[:bumps])]


def road(size: Size, horizon: float, colour: Colour, *, bend: float = 0.0, width: float = 0.5) -> Image.Image:
    """A road that runs to the horizon, with a bend."""

    def draw(pen: ImageDraw.ImageDraw, wide: int, high: int) -> None:
        sides: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
        for step in range(61):
            near = step / 60
            y = (horizon + (1 - horizon) * near**1.5) * high
            middle, half = wide * (0.5 + bend * (1 - near) ** 2), wide * (0.004 + width * near**1.5)
            sides[0].append((middle - half, y))
            sides[1].append((middle + half, y))
        pen.polygon([*sides[0], *sides[1][::-1]], fill=255)

    return shape(size, draw, colour)


def dashes(
    size: Size, horizon: float, colour: Colour, *, bend: float = 0.0, frames: int = 10
) -> list[Image.Image]:
    """The road's middle line in so many frames; played in a loop the road runs towards us."""

    def drawn(shift: float) -> Draw:
        def draw(pen: ImageDraw.ImageDraw, wide: int, high: int) -> None:
            for mark in range(-1, 12):
                near, far = (max(0.0, (mark + shift + part) / 12) ** 1.1 for part in (0.42, 0.0))
                if near <= 0 or far > 1.1:
                    continue
                corners = []
                for place, side in ((far, -1), (far, 1), (near, 1), (near, -1)):
                    y = (horizon + (1 - horizon) * place**1.5) * high
                    middle = wide * (0.5 + bend * (1 - place) ** 2)
                    corners.append((middle + side * wide * 0.011 * (place**1.5 + 0.03), y))
                pen.polygon(corners, fill=255)

        return draw

    return [shape(size, drawn(frame / frames), colour, alpha=0.75) for frame in range(frames)]


def lights(size: Size, chance: random.Random, colours: Sequence[Colour], *, many: int = 40) -> Image.Image:
    """Lamps of a town out of focus, on nothing."""
    width, height = size
    image = Image.new("RGBA", size)
    least = min(size)
    for _ in range(many):
        radius = least * chance.uniform(0.012, 0.055)
        x, y = chance.uniform(0, width), height * min(0.95, max(0.05, chance.gauss(0.44, 0.16)))
        edge = round(radius * 2.4)
        spot = Image.new("L", (edge * 2, edge * 2))
        ImageDraw.Draw(spot).ellipse(
            (edge - radius, edge - radius, edge + radius, edge + radius),
            fill=round(255 * chance.uniform(0.15, 0.6)),
        )
        spot = spot.filter(ImageFilter.GaussianBlur(radius * 0.12))
        lamp = Image.new("RGBA", spot.size, chance.choice(colours))
        lamp.putalpha(spot)
        image.alpha_composite(lamp, (max(0, round(x - edge)), max(0, round(y - edge))))
    return image


def snow(size: Size, chance: random.Random, *, many: int, radius: float) -> Image.Image:
    """Flakes on nothing, the lower half like the upper, so that they can fall without end."""
    width, height = size[0], size[1] // 2
    half = Image.new("RGBA", (width, height), "#ffffff00")
    pen = ImageDraw.Draw(half)
    for _ in range(many):
        x, y, r = chance.uniform(0, width), chance.uniform(4, height - 4), radius * chance.uniform(0.5, 1.2)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255, chance.randint(90, 220)))
    half = half.filter(ImageFilter.GaussianBlur(radius * 0.25))
    whole = Image.new("RGBA", size)
    whole.paste(half, (0, 0))
    whole.paste(half, (0, height))
    return whole


def cabin(size: Size) -> Image.Image:
    """What a driver sees of the car: pillars, dashboard, wheel, screen."""
    least = min(size)
    image = Image.new("RGBA", size)
    dash = [(0, 0.70), (0.28, 0.655), (0.72, 0.655), (1, 0.70), (1, 1), (0, 1)]
    for corners in (
        dash,
        [(0, 0), (0.1, 0), (0, 0.7)],
        [(1, 0), (0.9, 0), (1, 0.7)],
        [(0, 0), (1, 0), (1, 0.04), (0, 0.04)],
    ):
        image.alpha_composite(_polygon(size, corners, "#07090a"))
    for radius, colour in ((0.36, "#14181b"), (0.352, "#1f2629")):
        image.alpha_composite(_ring(size, (0.30, 0.99), least * radius, least * 0.035, colour))
    left, top = size[0] * 0.5 + least * 0.08, size[1] * 0.655
    box = (left, top, left + least * 0.34, top + least * 0.215)
    for inset, colour in ((0, "#12181c"), (5, "#28343b")):
        image.alpha_composite(_rounded(size, box, inset, colour))
    glow(image, ((box[0] + box[2]) / 2 / size[0], (box[1] + box[3]) / 2 / size[1]), 0.16, "#cfe6ff", 0.35)
    return image


def person(
    size: Size, chance: random.Random, body: Colour, *, at: float = 0.5, scale: float = 1.0
) -> Image.Image:
    """Somebody against the light: a silhouette, nothing else."""
    least = min(size)
    head = least * 0.19 * scale
    middle, level = size[0] * at, size[1] * (0.5 if size[0] >= size[1] else 0.47) + (1 - scale) * least * 0.25
    style = chance.randrange(3)
    hair = (
        [(-1.0, -1.25, 1.0, 0.75), (-1.02, -0.2, -0.2, 1.1), (0.2, -0.2, 1.02, 1.1)],
        [(-0.45, -1.75, 0.35, -0.95)],
        [(-0.95, -1.2, 0.95, 0.2), (-0.92, -0.2, -0.62, 0.3), (0.62, -0.2, 0.92, 0.3)],
    )[style]
    shoulders = [
        (-0.44, 0.5),
        (0.46, 0.5),
        (0.5, 1.2),
        (0.95, 1.46),
        (1.75, 1.72),
        (2.15, 2.2),
        (2.4, 4.2),
        (2.6, 9),
    ]
    outline = [*shoulders, *((-x, y) for x, y in reversed(shoulders))]

    def draw(pen: ImageDraw.ImageDraw, _width: int, _height: int) -> None:
        for box in [(-0.78, -1.12, 0.8, 1.02), (-0.86, -1.2, 0.86, 0.3), *hair]:
            corners = [
                (middle + box[0] * head, level + box[1] * head),
                (middle + box[2] * head, level + box[3] * head),
            ]
            pen.ellipse([(x * 2, y * 2) for x, y in corners], fill=255)
        pen.polygon([((middle + x * head) * 2, (level + y * head) * 2) for x, y in outline], fill=255)

    return shape(size, draw, body, blur=head * 0.03)


def column(size: Size) -> Image.Image:
    """A charging column and the back of a car, in the dark."""
    width, height = size
    image = Image.new("RGBA", size)
    post = (width * 0.70, height * 0.30, width * 0.78, height * 0.84)
    image.alpha_composite(_rounded(size, post, 0, "#10161a"))
    image.alpha_composite(
        _rounded(size, (post[0] + 12, post[1] + 16, post[2] - 12, post[1] + height * 0.16), 0, "#9fe8c8")
    )
    body = [
        (0.14, 0.84),
        (0.13, 0.66),
        (0.19, 0.60),
        (0.24, 0.47),
        (0.50, 0.47),
        (0.56, 0.60),
        (0.61, 0.66),
        (0.60, 0.84),
    ]
    image.alpha_composite(_polygon(size, body, "#0b0f12"))
    image.alpha_composite(_polygon(size, [(0.26, 0.50), (0.48, 0.50), (0.53, 0.60), (0.21, 0.60)], "#26343d"))
    for x in (0.17, 0.57):
        glow(image, (x, 0.67), 0.05, "#ff3a22", 1.0)

    def cable(pen: ImageDraw.ImageDraw, wide: int, high: int) -> None:
        pen.arc(
            (wide * 0.56, high * 0.52, wide * 0.72, high * 0.86), 10, 170, fill=255, width=round(high * 0.012)
        )

    image.alpha_composite(shape(size, cable, "#1c262b"))
    return image


def tail_lights(size: Size, at: tuple[float, float], spread: float) -> Image.Image:
    """The rear lights of a car ahead."""
    image = Image.new("RGBA", size)
    width, height = size
    half = round(spread * width)
    car = (
        at[0] * width - half * 1.35,
        at[1] * height - half * 0.9,
        at[0] * width + half * 1.35,
        at[1] * height + half * 0.45,
    )
    image.alpha_composite(_rounded(size, car, 0, "#0c0f12"))
    for side in (-1, 1):
        x = at[0] + side * spread
        dot = (
            x * width - half * 0.22,
            at[1] * height - half * 0.1,
            x * width + half * 0.22,
            at[1] * height + half * 0.06,
        )
        image.alpha_composite(_rounded(size, dot, 0, "#ff5a3c"))
    return image.filter(ImageFilter.GaussianBlur(1.2))


def _polygon(size: Size, corners: Sequence[tuple[float, float]], colour: Colour) -> Image.Image:
    return shape(
        size, lambda pen, w, h: pen.polygon([(x * w, y * h) for x, y in corners], fill=255), colour, blur=1
    )


def _ring(size: Size, at: tuple[float, float], radius: float, wide: float, colour: Colour) -> Image.Image:
    def draw(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        x, y = at[0] * width, at[1] * height
        box = (x - radius * 2, y - radius * 1.84, x + radius * 2, y + radius * 1.84)
        pen.ellipse(box, outline=255, width=round(wide * 2))

    return shape(size, draw, colour)


def _rounded(size: Size, box: tuple[float, float, float, float], inset: float, colour: Colour) -> Image.Image:
    left, top, right, bottom = box
    corners = ((left + inset) * 2, (top + inset) * 2, (right - inset) * 2, (bottom - inset) * 2)
    return shape(size, lambda pen, _w, _h: pen.rounded_rectangle(corners, 16, fill=255), colour)


def _rgb(colour: Colour) -> tuple[int, int, int]:
    digits = colour.lstrip("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
