"""Films to measure with: four kinds of what phones give, made by ffmpeg from formulas, with sound.

Sizes are small on purpose (720 lines): a run must end while somebody waits. Ratios carry over, seconds do not.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from media_jobs.ffmpeg import Tools

RATE = 30
# A slow zoom into a figure with detail at every scale; what a moving hand does to it comes behind.
DETAIL = "mandelbrot=size={w}x{h}:rate=30:maxiter=120:end_scale=0.05:bailout=4"
SHAKE = "crop=iw-48:ih-48:x='24+20*sin(n/4)':y='24+18*sin(n/5.3)',scale={w}:{h},setsar=1"
VOICE = "sine=frequency=220:sample_rate=48000,tremolo=f=5:d=0.8,volume=-12dB"
# What phones write: one reference, high bit rate.
H264 = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-b:v",
    "12M",
    "-maxrate",
    "14M",
    "-bufsize",
    "14M",
    "-pix_fmt",
    "yuv420p",
)
HLG_TAGS = "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv"
HEVC = (
    *("-c:v", "libx265", "-preset", "ultrafast", "-b:v", "8M", "-tag:v", "hvc1", "-pix_fmt", "yuv420p10le"),
    *("-x265-params", "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of film: what is seen, how it is encoded, in words for the table."""

    name: str
    words: str
    picture: str
    encoder: tuple[str, ...]
    is_hdr: bool = False

    def make(self, tools: Tools, folder: Path, seconds: float) -> Path:
        """A film of this kind and length."""
        path = folder / f"{self.name}-{seconds:g}.mp4"
        sources = ["-f", "lavfi", "-i", self.picture, "-f", "lavfi", "-i", VOICE]
        command = [str(tools.ffmpeg), "-v", "error", "-y", *sources, "-t", str(seconds), *self.encoder]
        subprocess.run([*command, "-g", "60", "-c:a", "aac", "-b:a", "128k", str(path)], check=True)
        return path


def _shaken(width: int, height: int, grain: int) -> str:
    return f"{DETAIL.format(w=width, h=height)},{SHAKE.format(w=width, h=height)},noise=alls={grain}:allf=t"


KINDS: tuple[Kind, ...] = (
    Kind("hand", "720 x 1280, held in the hand, much grain", _shaken(720, 1280, 16), H264),
    Kind("land", "1280 x 720, landscape, little grain", _shaken(1280, 720, 6), H264),
    Kind(
        "hlg",
        "1280 x 720, HEVC 10 bit, HLG",
        _shaken(1280, 720, 6) + f",format=yuv420p10le,{HLG_TAGS}",
        HEVC,
        is_hdr=True,
    ),
    Kind("desk", "1280 x 720, on a tripod, like a screen", "testsrc=size=1280x720:rate=30:decimals=1", H264),
)
FULL = Kind("full", "1920 x 1080, held in the hand, grain", _shaken(1920, 1080, 8), H264)
# What chat programs and editors hand on: moderate bit rate, key frames often enough, fit for the web as it is.
READY = Kind(
    "ready",
    "1920 x 1080, H.264 at 4 Mbit/s, little grain",
    _shaken(1920, 1080, 2),
    (
        "-c:v",
        "libx264",
        "-preset",
        "medium",
        "-b:v",
        "4M",
        "-maxrate",
        "5M",
        "-bufsize",
        "5M",
        "-pix_fmt",
        "yuv420p",
    ),
)


def small(tools: Tools, folder: Path, seconds: float, size: str = "640x360") -> Path:
    """A film that costs little, for what is about numbers and not about pictures."""
    path = folder / f"small-{seconds:g}-{size}.mp4"
    sources = [
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=size={size}:rate=30,noise=alls=8:allf=t",
        "-f",
        "lavfi",
        "-i",
        VOICE,
    ]
    words = [
        "-t",
        str(seconds),
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "20",
        "-pix_fmt",
        "yuv420p",
    ]
    subprocess.run(
        [str(tools.ffmpeg), "-v", "error", "-y", *sources, *words, "-c:a", "aac", str(path)], check=True
    )
    return path


Maker = Callable[[Tools, Path, float], Path]
