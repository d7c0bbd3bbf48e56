"""The first picture of a film that can be watched, made in moments: a copy where browsers can play it, else 480 lines.

On local files only; knows neither database nor storage. Never public, so quality gives way to speed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_jobs import edit_graph, picture, sound, tracks
from media_jobs.edit_graph import Cutting
from media_jobs.ffmpeg import Tools, compose, output, run, source, take_early
from media_jobs.picture import Plan
from media_jobs.probe import Facts
from portal.edits import EditList
from portal.ladder import Rung, rungs_for

MP4_NAME: Final = "preview.mp4"
PLAYLIST_NAME: Final = "preview.m3u8"
INIT_NAME: Final = "init.mp4"
SEGMENT_SECONDS: Final = 2
COPY_BYTES: Final = 150_000_000
"""A larger original takes longer to be stored a second time than a small picture takes to be made."""

LINES: Final = 480
# The last packet of sound hangs over, and what its encoder was ahead lies before the first.
_SOUND_OVER_SECONDS: Final = 0.25
_SAME_SECONDS: Final = 0.1
_WIDE_COLOURS: Final = frozenset({picture.HLG, picture.PQ})
_SAME_CODECS: Final = frozenset({"aac"})


@dataclass(frozen=True, slots=True)
class Segment:
    """One finished piece of a preview that is still growing."""

    path: Path
    seconds: float


def can_be_copied(facts: Facts) -> bool:
    """Whether every browser plays the film's own picture, and it is small enough to be stored once more."""
    ordinary = facts.color_transfer not in _WIDE_COLOURS and facts.color_primaries != "bt2020"
    upright = not facts.mirrored and not facts.interlaced
    plain = facts.video_codec == "h264" and facts.pix_fmt in ("yuv420p", "yuvj420p") and upright
    return plain and ordinary and facts.size_bytes <= COPY_BYTES


def copy(tools: Tools, original: Path, folder: Path, facts: Facts, cancelled: Callable[[], bool]) -> Path:
    """The film as an MP4 that begins to play at once, without a word of what its phone wrote into it.

    Raises as `ffmpeg.run` does.
    """
    film = source(original.resolve(), facts.container)
    tracks = [film[str(facts.video_index)]]
    options: dict[str, object] = {"c:v": "copy", "bsf:v": "filter_units=pass_types=1-5|7-8"}
    if facts.audio_index is not None:
        tracks.append(film[str(facts.audio_index)])
        same = facts.audio_codec in _SAME_CODECS
        options |= {"c:a": "copy"} if same else {"c:a": "aac", "b:a": sound.BIT_RATE, "ac": 2}
    made = output(tracks, MP4_NAME, f="mp4", movflags="+faststart", **options)
    run(tools, compose([made]), folder=folder, wall_seconds=60, cancelled=cancelled)
    return folder / MP4_NAME


def holds_what_is_shown(made: Path, facts: Facts) -> bool:
    """Whether this copy has every frame that the film shows and no other: a phone cuts passages out by an edit list alone.

    A copy would show them again, or keep them hidden for whoever looks. Raises Unavailable as `tracks.read` does.
    """
    found = tracks.read(made)
    shown, heard = found.get("vide"), found.get("soun")
    if shown is None or shown.count != facts.frames or (heard is None) != (facts.audio_index is None):
        return False
    times = shown.times()
    rest = facts.picture_seconds - (max(times) - min(times))
    # The last frame, which may stand long, is all that is missing between its instant and the end.
    longest = max(shown.durations[-1] / shown.scale, 1 / facts.fps) + _SAME_SECONDS
    over = heard.seconds - facts.duration_seconds if heard is not None else 0.0
    return min(times) >= -0.001 and 0 <= rest <= longest and over <= _SOUND_OVER_SECONDS


def plan(facts: Facts, edits: EditList = picture.WHOLE) -> Plan:
    """The one small rung that is made of a film that cannot be copied."""
    top = min(rungs_for(facts.width, facts.height)[0].short_side, LINES)
    return picture.plan(facts, (Rung(top, "superfast", 27, 1500),), edits)


def encode(
    tools: Tools,
    original: Path,
    folder: Path,
    facts: Facts,
    cancelled: Callable[[], bool],
    edits: EditList = picture.WHOLE,
) -> Plan:
    """The film, as cut, at 480 lines in segments of 2 s, each complete as soon as the playlist in the folder names it.

    `cancelled` is asked four times a second while it goes on. Raises as `ffmpeg.run` does.
    """
    made = plan(facts, edits)
    rung = made.rungs[0]
    film = source(original.resolve(), facts.container, threads=tools.threads)
    top = picture.top_picture(film, facts, made, edits)
    shown = picture.cascade(top, made, {rung.name: 1})[rung.name]
    options = _options(made) | {"threads": tools.threads}
    if facts.audio_index is not None:
        shown = [*shown, film[str(facts.audio_index)]]
        options |= {"c:a": "aac", "b:a": "96k", "ar": sound.SAMPLE_RATE, "ac": 2}
        cut = edit_graph.sound(Cutting(edits, facts.duration_seconds, made.rate))
        options["af"] = sound.filters(None, made.seconds, facts.lead_seconds, cut)
    outputs = [output(shown, PLAYLIST_NAME, **options)]
    wall = 60 + 10 * facts.duration_seconds
    run(
        tools,
        compose(outputs),
        folder=folder,
        wall_seconds=wall,
        film_seconds=made.seconds,
        cancelled=cancelled,
    )
    return made


def _options(made: Plan) -> dict[str, object]:
    """x264 in a hurry, and segments that are finished one by one."""
    rung, rate = made.rungs[0], made.rungs[0].frame_rate(made.rate)
    return {
        "c:v": "libx264",
        "preset": rung.preset,
        "crf": rung.crf,
        "maxrate": f"{rung.cap_kbit}k",
        "bufsize": f"{2 * rung.cap_kbit}k",
        "g": round(SEGMENT_SECONDS * rate),
        "keyint_min": round(SEGMENT_SECONDS * rate),
        "sc_threshold": 0,
        "flags": "+cgop+bitexact",
        "bsf:v": "filter_units=remove_types=6",
        "f": "hls",
        "hls_time": SEGMENT_SECONDS,
        "hls_playlist_type": "event",
        "hls_segment_type": "fmp4",
        "hls_flags": "independent_segments+temp_file",
        "hls_fmp4_init_filename": INIT_NAME,
        "hls_segment_filename": "part-%04d.cmfv",
        "fps_mode": "passthrough",
    }


def segments(folder: Path) -> list[Segment]:
    """The pieces that are finished by now, in order; they and what they begin with lie in the folder.

    ffmpeg renames playlist and pieces into place, so each is whole.
    """
    playlist = take_early(folder, PLAYLIST_NAME) or folder / PLAYLIST_NAME
    text = playlist.read_text() if playlist.exists() else ""
    found = re.findall(r"^#EXTINF:([\d.]+),\s*\n(part-\d+\.cmfv)$", text, re.MULTILINE)
    names = [INIT_NAME, *(name for _, name in found)] if found else []
    if not all((folder / name).exists() or take_early(folder, name) for name in names):
        return []
    return [Segment(folder / name, float(seconds)) for seconds, name in found]
