"""The whole job on local files: an original and an empty folder become the files that a clip is played from.

Knows neither database nor storage. Order: loudness, one ffmpeg for everything, plain MP4s by copy, pictures, checks.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from media_jobs import hls, picture, sound, stills
from media_jobs.ffmpeg import Stream, Tools, compose, examine, output, run, source, version
from media_jobs.picture import Plan
from media_jobs.probe import Facts
from portal.errors import Code, Unacceptable, Unavailable
from portal.ladder import LADDER_VERSION, mp4_rungs, rungs_for

CONTENT_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".cmfv": "video/mp4",
    ".cmfa": "audio/mp4",
    ".mp4": "video/mp4",
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".vtt": "text/vtt; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class MadeFile:
    """One file of a clip; `kind` is master, playlist, hls_video, hls_audio, mp4, poster, card, storyboard(_vtt).

    `bandwidth` is the measured mean in bits a second, of what has one.
    """

    name: str
    path: Path
    kind: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    bandwidth: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Everything a job made; width and height are those of the tallest rung."""

    files: tuple[MadeFile, ...]
    width: int
    height: int
    seconds: float
    loudness: float | None
    ladder_version: int
    ffmpeg_version: str


def make(
    tools: Tools,
    original: Path,
    folder: Path,
    facts: Facts,
    on_progress: Callable[[float], None],
    cancelled: Callable[[], bool],
    language: str | None = None,
) -> Made:
    """Make every file of a clip in the folder, which is empty and ours; `on_progress` hears 0 to 100.

    Raises Cancelled; Unacceptable(BROKEN_FILM) when less came out than the film holds; Unavailable when it is us.
    """
    original, folder = original.resolve(), folder.resolve()
    made = picture.plan(facts, rungs_for(facts.width, facts.height))
    lufs = sound.loudness(tools, original, facts, cancelled)
    on_progress(2.0)
    with_sound = facts.audio_index is not None
    run(
        tools,
        compose(_outputs(tools, original, facts, made, lufs)),
        folder=folder,
        wall_seconds=wall_seconds(facts),
        film_seconds=made.seconds,
        on_progress=lambda percent: on_progress(2 + 0.94 * percent),
        cancelled=cancelled,
    )
    if with_sound:
        hls.rename_audio(folder)
    _plain_films(tools, folder, made, with_sound=with_sound, cancelled=cancelled)
    on_progress(97.0)
    (folder / "master.m3u8").write_text(hls.master(made, folder, with_sound=with_sound, language=language))
    files = tuple(_files(folder, made, with_sound=with_sound))
    on_progress(98.0)
    check(tools, folder, made, with_sound=with_sound)
    on_progress(100.0)
    width, height = made.size(made.rungs[0])
    return Made(files, width, height, made.seconds, lufs, LADDER_VERSION, version(tools))


def wall_seconds(facts: Facts) -> float:
    """How long the main pass may take: several times what two busy cores need, then something is wrong."""
    fullness = max(0.25, facts.width * facts.height / (1920 * 1080))
    return 180 + 15 * facts.duration_seconds * fullness * (2 if facts.fps > 31 else 1)


def _outputs(tools: Tools, original: Path, facts: Facts, made: Plan, lufs: float | None) -> list[Stream]:
    """All outputs of the one ffmpeg: from one decode come the ladder, the poster's frame and the storyboard's."""
    film = source(original, facts.container, threads=tools.threads)
    wanted = {rung.name: 1 for rung in made.rungs}
    poster, tiles = stills.poster_rung(made).name, made.rungs[-1].name
    wanted[poster] += 1
    wanted[tiles] += 1
    pictures = picture.cascade(picture.top_picture(film, facts, made), made, wanted)
    heard = None
    if facts.audio_index is not None:
        heard = (film[str(facts.audio_index)], sound.filters(lufs, made.seconds))
    ladder = hls.ladder_output([pictures[rung.name][0] for rung in made.rungs], made, heard, tools.threads)
    return [
        ladder,
        stills.poster_output(pictures[poster][1], made),
        stills.storyboard_output(pictures[tiles][-1], made),
    ]


def _plain_films(
    tools: Tools, folder: Path, made: Plan, *, with_sound: bool, cancelled: Callable[[], bool]
) -> None:
    """Progressive MP4s that begin to play at once, copied from the rungs: nothing is encoded again."""
    audio = source(folder / f"{hls.AUDIO_NAME}.cmfa", "mov")["a:0"] if with_sound else None
    outputs = []
    for rung in mp4_rungs(made.rungs, made.seconds):
        shown = source(folder / f"{rung.name}.cmfv", "mov")["v:0"]
        tracks = [shown, audio] if audio is not None else [shown]
        outputs.append(output(tracks, f"{rung.name}.mp4", f="mp4", c="copy", movflags="+faststart"))
    run(tools, compose(outputs), folder=folder, wall_seconds=120 + made.seconds, cancelled=cancelled)


def _files(folder: Path, made: Plan, *, with_sound: bool) -> Iterator[MadeFile]:
    yield _file(folder / "master.m3u8", "master")
    for rung in made.rungs:
        shown = hls.segments(folder / f"{rung.name}.m3u8")
        facts = (*made.size(rung), round(shown.total_seconds, 3), shown.average_bits)
        yield _file(folder / f"{rung.name}.m3u8", "playlist", *facts)
        yield _file(folder / f"{rung.name}.cmfv", "hls_video", *facts)
    if with_sound:
        heard = hls.segments(folder / f"{hls.AUDIO_NAME}.m3u8")
        length = round(heard.total_seconds, 3)
        yield _file(folder / f"{hls.AUDIO_NAME}.m3u8", "playlist", None, None, length, heard.average_bits)
        yield _file(folder / f"{hls.AUDIO_NAME}.cmfa", "hls_audio", None, None, length, heard.average_bits)
    for rung in mp4_rungs(made.rungs, made.seconds):
        path = folder / f"{rung.name}.mp4"
        mean = round(8 * path.stat().st_size / made.seconds)
        yield _file(path, "mp4", *made.size(rung), round(made.seconds, 3), mean)
    for still in stills.posters(folder, made):
        yield _file(
            still.path, "card" if still.path.suffix == ".jpg" else "poster", still.width, still.height
        )
    sprite, text = stills.storyboard(folder, made)
    yield _file(sprite.path, "storyboard", sprite.width, sprite.height)
    yield _file(text, "storyboard_vtt")


def _file(
    path: Path,
    kind: str,
    width: int | None = None,
    height: int | None = None,
    seconds: float | None = None,
    bandwidth: int | None = None,
) -> MadeFile:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size, content_type = path.stat().st_size, CONTENT_TYPES[path.suffix]
    return MadeFile(path.name, path, kind, content_type, size, sha256, width, height, seconds, bandwidth)


def check(tools: Tools, folder: Path, made: Plan, *, with_sound: bool) -> None:
    """Compare what came out with what went in, since an exit status of 0 promises nothing.

    Frames and starts of every track, the lowest rung decoded whole. Raises as `make` does.
    """
    slack = 1 / made.rate + 0.1
    for rung in made.rungs:
        lowest = rung is made.rungs[-1]
        track = _tracks(tools, folder / f"{rung.name}.cmfv", decoded=lowest)["video"]
        missing = made.frames(rung) - int(track["nb_read_frames" if lowest else "nb_read_packets"])
        if missing > slack * rung.frame_rate(made.rate):
            raise Unacceptable(Code.BROKEN_FILM, reason="came out short", rung=rung.name, missing=missing)
        if missing < 0 or abs(float(track["start_time"])) > 0.001:
            raise Unavailable(Code.OURS_TRANSCODE, reason="frames", rung=rung.name, missing=missing)
    first = hls.segments(folder / f"{made.rungs[0].name}.m3u8").seconds
    for rung in made.rungs[1:]:
        others = hls.segments(folder / f"{rung.name}.m3u8").seconds
        if len(others) != len(first) or any(abs(a - b) > slack for a, b in zip(first, others, strict=True)):
            raise Unavailable(Code.OURS_TRANSCODE, reason="segments", rung=rung.name)
    for rung in mp4_rungs(made.rungs, made.seconds):
        tracks = _tracks(tools, folder / f"{rung.name}.mp4")
        lengths = [float(track["duration"]) for track in tracks.values()]
        if len(lengths) != 1 + with_sound or any(abs(length - made.seconds) > slack for length in lengths):
            raise Unavailable(Code.OURS_TRANSCODE, reason="lengths", rung=rung.name, lengths=lengths)


def _tracks(tools: Tools, path: Path, *, decoded: bool = False) -> dict[str, dict[str, str]]:
    count = "-count_frames" if decoded else "-count_packets"
    entries = "stream=codec_type,start_time,duration,nb_read_packets,nb_read_frames"
    answer, _ = examine(tools, path, "mov", count, "-show_entries", entries, wall_seconds=300)
    return {track["codec_type"]: track for track in answer["streams"]}
