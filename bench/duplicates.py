"""How surely the same film is known again, and other films are not taken for it: films from formulas, encoded again.

Gives the error rates of docs/signals.md.
"""

import random
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from bench.figures import Figure, Row
from media_jobs.ffmpeg import Tools
from media_jobs.signals.watching import watch
from portal.fingerprints import KEYS_ASKED, Print, compare

FILMS, RATE = 60, 25
SIZE = f"size=320x180:rate={RATE}"
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac")
# What each is encoded again with: words before the film and behind it.
AGAIN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "90 kbit/s, sound 32 kbit/s": ((), ("-b:v", "90k", "-b:a", "32k")),
    "half the size": ((), ("-vf", "scale=160:90", "-crf", "30", "-b:a", "48k")),
    "cropped by 6 %": ((), ("-vf", "crop=iw*.94:ih*.94,scale=320:180", "-crf", "28")),
    "first 1.37 s cut off": (("-ss", "1.37"), ("-crf", "28")),
    "all at once": (
        ("-ss", "2.21"),
        (
            *("-vf", "crop=iw*.95:ih*.95:x=iw*.035,scale=240:136,fps=30", "-b:v", "120k"),
            *("-b:a", "48k", "-ar", "48000"),
        ),
    ),
}
# Everything that hardly differs from one film to the next: they may well be called alike.
PICTURES, SOUNDS = 10, 4


def run(films: int = FILMS) -> Iterator[Row | Figure]:
    """How many of the films encoded again are not found, and how many pairs of different films are called alike."""
    with tempfile.TemporaryDirectory() as folder:
        prints = _prints(Tools.found(None, None, 2), Path(folder), films)
    for way in AGAIN:
        missed = sum(not is_found(prints[number, ""], prints[number, way]) for number in range(films))
        yield Figure(f"{way}: not found of {films}", "films", (missed,))
    alike = {True: [0, 0], False: [0, 0]}
    for (one, first), (other, second) in combinations(prints.items(), 2):
        if one[0] != other[0]:
            counted = alike[one[0] % PICTURES == other[0] % PICTURES]
            like = compare(first, second)
            counted[0] += 1
            counted[1] += like is not None and like.what != ""
    for same, (pairs, wrong) in alike.items():
        name = "same" if same else "different"
        yield Figure(f"called alike of {pairs} pairs from {name} picture sources", "pairs", (wrong,))


def is_found(kept: Print, asked: Print) -> bool:
    """Whether a film's print leads to the one that is kept, and is then called alike."""
    like = compare(kept, asked)
    return bool(set(kept.keys()) & set(asked.keys(KEYS_ASKED))) and like is not None and like.what != ""


def _prints(tools: Tools, folder: Path, films: int) -> dict[tuple[int, str], Print]:
    """What every film looks and sounds like, as it was made ("") and encoded again in every way."""
    found: dict[tuple[int, str], Print] = {}
    for number in range(films):
        original, again = folder / "original.mp4", folder / "again.mp4"
        graph = f"{_picture(number)},format=yuv420p[v];{_sound(number)},aformat=channel_layouts=mono[a]"
        seconds = random.Random(number).choice([7, 8, 10, 12])  # noqa: S311 - the same films every time
        words = ("-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-t", str(seconds))
        _ffmpeg(tools, *words, *H264, "-crf", "23", "-b:a", "96k", str(original))
        found[number, ""] = _print(tools, original)
        for way, (before, behind) in AGAIN.items():
            _ffmpeg(tools, *before, "-i", str(original), *H264, *behind, str(again))
            found[number, way] = _print(tools, again)
    return found


def _print(tools: Tools, film: Path) -> Print:
    with tempfile.TemporaryDirectory(dir=film.parent) as room:
        return watch(tools, film, film, Path(room), 60.0, lambda: False).print


def _ffmpeg(tools: Tools, *words: str) -> None:
    subprocess.run([str(tools.ffmpeg), "-v", "error", "-y", "-nostdin", *words], check=True)


def _picture(number: int) -> str:
    """One of ten kinds of moving picture, each film's own."""
    chance = random.Random(number)  # noqa: S311 - the same films every time
    real, whole = chance.uniform, chance.randrange

    def colour() -> str:
        return f"0x{whole(1 << 24):06x}"

    kinds = (
        lambda: (
            f"perlin=size=640x360:rate={RATE}:random_mode=seed:random_seed={number}:octaves=4:xscale=3:yscale=3"
            f":tscale=.02,crop=w=320:h=180:x='160+{whole(60, 150)}*sin(t*{real(0.3, 1.2):.2f})+3*sin(t*17)'"
            f":y='90+{whole(20, 80)}*cos(t*{real(0.3, 1.2):.2f})+3*cos(t*19)'"
        ),
        lambda: (
            f"mandelbrot={SIZE}:start_x={real(-1.2, 0.2):.4f}:start_y={real(-0.9, 0.9):.4f}"
            f":start_scale={real(1, 3):.2f}:end_pts=120:end_scale={real(0.05, 0.4):.3f}"
        ),
        lambda: (
            f"cellauto={SIZE}:rule={chance.choice([18, 30, 54, 73, 90, 110, 126, 150])}:seed={number}:scroll=1"
        ),
        lambda: (
            f"gradients={SIZE}:c0={colour()}:c1={colour()}:c2={colour()}:nb_colors=3:seed={number}"
            f":speed={real(0.02, 0.2):.3f}:type={chance.choice(['linear', 'radial', 'circular', 'spiral'])}"
        ),
        lambda: (
            f"life=size=80x45:rate=8:seed={number}:ratio={real(0.15, 0.5):.2f}:mold=10:life_color={colour()}"
            f":death_color={colour()}:mold_color={colour()},scale=320:180:flags=neighbor,fps={RATE}"
        ),
        lambda: (
            f"perlin={SIZE}:random_mode=seed:random_seed={number}:octaves={chance.choice([2, 3, 4])}"
            f":xscale={real(1.5, 4):.2f}:yscale={real(1.5, 4):.2f}:tscale={real(0.05, 0.3):.2f}"
        ),
        lambda: (
            f"sierpinski={SIZE}:seed={number}:jump={whole(20, 200)}:type={chance.choice(['carpet', 'triangle'])}"
        ),
        lambda: (
            f"zoneplate={SIZE}:ku={whole(-40, 40)}:kt={whole(1, 4)}:kx2={whole(3, 30)}:ky2={whole(3, 30)}"
        ),
        lambda: (
            f"perlin={SIZE}:random_mode=seed:random_seed={number}:xscale=2:yscale=2:tscale=.2[p];"
            f"color={colour()}:{SIZE},drawbox=x='mod(t*{whole(20, 120)},320)'"
            f":y='90+60*sin(t*{real(0.5, 3):.2f})':w={whole(20, 90)}:h={whole(20, 90)}:color={colour()}:t=fill[b];"
            "[p][b]blend=all_mode=average"
        ),
        lambda: (
            f"testsrc={SIZE}:duration=60,crop=w=200:h=112:x='60+50*sin(t*{real(0.3, 2):.2f})'"
            f":y='34+30*cos(t*{real(0.3, 2):.2f})',scale=320:180,hue=h={whole(360)}"
        ),
    )
    return kinds[number % PICTURES]()


def _sound(number: int) -> str:
    """One of four kinds of sound, each film's own: a melody, a filtered noise with a beat, a siren, a beep in noise."""
    chance = random.Random(1000 + number)  # noqa: S311 - the same films every time
    real, whole = chance.uniform, chance.randrange

    def melody() -> str:
        scale = [220, 247, 262, 294, 330, 349, 392, 440, 494, 523, 587, 659, 698, 784]
        tones = [chance.choice(scale) for _ in range(10)]
        sung = "+".join(
            f"between(mod(t,{real(3, 5):.2f}),{place * 0.37:.2f},{place * 0.37 + 0.33:.2f})*sin({tone}*2*PI*t)"
            for place, tone in enumerate(tones)
        )
        return f"aevalsrc='.25*({sung})':s=44100"

    kinds = (
        melody,
        lambda: (
            f"anoisesrc=color={chance.choice(['pink', 'brown', 'white'])}:seed={number}:amplitude=.3,"
            f"bandpass=f={whole(300, 2000)}:w={whole(200, 1500)},tremolo=f={real(1, 6):.2f}:d=.9"
        ),
        lambda: (
            f"aevalsrc='.3*sin(2*PI*t*({whole(200, 500)}+{whole(50, 300)}*sin(t*{real(0.5, 3):.2f})))"
            f"*(.5+.5*sin({real(2, 9):.2f}*t))+.1*sin({whole(600, 1800)}*2*PI*t*(1+.1*sin({real(1, 5):.2f}*t)))'"
            ":s=44100"
        ),
        lambda: (
            f"anoisesrc=color=pink:seed={number}:amplitude=.2[n];"
            f"sine=frequency={whole(150, 900)}:beep_factor={chance.choice([2, 3, 4])}[s];[n][s]amix=inputs=2"
        ),
    )
    return kinds[number % SOUNDS]()
