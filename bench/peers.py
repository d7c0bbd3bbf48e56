"""What two open video sites run for one film, as command lines (docs/performance.md says from where).

Their servers, queues, databases and checksums are left out, which favours them.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from media_jobs.ffmpeg import Tools

# Short side: highest rate in kbit/s.
_MEDIACMS = {1080: 6750, 720: 3750, 480: 1500, 360: 750, 240: 450, 144: 225}
_PEERTUBE = (720, 480, 360)
_BITS_PER_PIXEL = 0.10
_COPIED_BELOW = 0.17

# Both take one picture from the middle, at full range.
_PICTURE = ("-frames:v", 1, "-pix_fmt", "yuvj420p")
_PEERTUBE_HLS = (
    *("-f", "hls", "-hls_time", 4, "-hls_segment_type", "fmp4"),
    *("-hls_flags", "single_file", "-hls_list_size", 0),
)
_SOUND = ("-c:a", "aac", "-b:a", "128k")


@dataclass(frozen=True, slots=True)
class Source:
    """A film and its upright size."""

    path: Path
    width: int
    height: int
    seconds: float
    rate: int = 30
    is_h264: bool = True

    @property
    def is_web_ready(self) -> bool:
        """Below 0.17 bits a pixel in H.264: PeerTube copies such a film before it begins."""
        pixels = self.width * self.height * self.rate
        return self.is_h264 and 8 * self.path.stat().st_size / self.seconds < _COPIED_BELOW * pixels

    def size(self, short_side: int) -> tuple[int, int]:
        """Width and height of a rendition."""
        scale = short_side / min(self.width, self.height)
        return round(self.width * scale / 2) * 2, round(self.height * scale / 2) * 2


def _run(tools: Tools, *words: object) -> None:
    subprocess.run([str(tools.ffmpeg), "-v", "error", "-nostdin", "-y", *map(str, words)], check=True)


def _probe(tools: Tools, source: Source) -> None:
    words = ["-v", "error", "-show_format", "-show_streams", "-of", "json", str(source.path)]
    subprocess.run([str(tools.ffprobe), *words], check=True, capture_output=True)


def _thumbnail(tools: Tools, source: Source, folder: Path) -> None:
    _run(tools, "-ss", source.seconds / 2, "-i", source.path, *_PICTURE, folder / "thumbnail.jpg")


def mediacms(
    tools: Tools, source: Source, folder: Path, only: Sequence[int] | None = None
) -> dict[int, Path]:
    """MediaCMS 8.3: one ffmpeg a rendition (medium, CRF 23), a thumbnail, a storyboard, a GIF; packaged once by copy.

    `only`: these rungs and no GIF, to compare equal with equal.
    """
    film = source.path
    _probe(tools, source)
    _thumbnail(tools, source, folder)
    tiles = "fps=1/10,scale=160:90:out_range=pc,format=yuvj420p"
    _run(tools, "-i", film, "-vf", tiles, folder / "tile-%03d.jpg")
    if only is None:
        start = min(3, source.seconds / 2)
        _run(tools, "-ss", start, "-t", 25, "-i", film, "-vf", "fps=1,scale=344:-2", folder / "hover.gif")
    made = {}
    for short_side in _MEDIACMS if only is None else only:
        if short_side <= min(source.width, source.height) or short_side in (240, 144):
            made[short_side] = folder / f"{short_side}.mp4"
            _run(tools, "-i", film, *_mediacms_words(source, short_side), made[short_side])
    for path in made.values():
        packaged = ("-c", "copy", "-f", "hls", "-hls_time", 4, "-hls_list_size", 0)
        _run(tools, "-i", path, *packaged, path.with_suffix(".m3u8"))
    return made


def _mediacms_words(source: Source, short_side: int) -> list[object]:
    width, height = source.size(short_side)
    cap = f"{_MEDIACMS[short_side]}k"
    picture = [
        "-vf",
        f"scale={width}:{height}:flags=lanczos",
        "-c:v",
        "libx264",
        "-preset",
        "medium",
        "-crf",
        23,
    ]
    limits = ["-profile:v", "main", "-maxrate", cap, "-bufsize", cap, "-pix_fmt", "yuv420p"]
    keys = ["-g", 240, "-keyint_min", 120, "-force_key_frames", "expr:gte(t,n_forced*4)"]
    return [*picture, *limits, *keys, *_SOUND, "-ac", 2]


def peertube(tools: Tools, source: Source, folder: Path) -> dict[int, Path]:
    """PeerTube: optimise at source size, then the top rung, the lower ones from the optimised file.

    A web-ready film is optimised by copy and its top rung encoded; any other one the other way round.
    """
    film, optimised = source.path, folder / "optimised.mp4"
    _probe(tools, source)
    _thumbnail(tools, source, folder)
    _run(tools, "-i", film, "-vf", "fps=1,scale=192:-2,tile=10x10", *_PICTURE, folder / "storyboard.jpg")
    whole = _peertube_words(source, source.width, source.height)
    copied = ["-c", "copy"]
    first, top_rung = (copied, whole) if source.is_web_ready else (whole, copied)
    _run(tools, "-i", film, *first, "-movflags", "+faststart", optimised)
    top = min(source.width, source.height)
    made = {}
    for short_side in (top, *(one for one in _PEERTUBE if one < top)):
        path = made[short_side] = folder / f"{short_side}.mp4"
        width, height = source.size(short_side)
        words: Sequence[object] = top_rung
        if short_side != top:
            words = ["-vf", f"scale={width}:{height}", *_peertube_words(source, width, height)]
        names = ("-hls_segment_filename", path, path.with_suffix(".m3u8"))
        _run(tools, "-i", optimised, *words, *_PEERTUBE_HLS, *names)
    return made


def _peertube_words(source: Source, width: int, height: int) -> list[object]:
    rate = round(width * height * source.rate * _BITS_PER_PIXEL)
    encoder = ["-c:v", "libx264", "-preset", "veryfast", "-maxrate", rate, "-bufsize", 2 * rate, "-bf", 16]
    return [*encoder, "-g", 2 * source.rate, "-pix_fmt", "yuv420p", "-threads", 1, *_SOUND]
