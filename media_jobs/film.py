"""The whole job on local files: an original and an empty folder become the files that a clip is played from.

Knows neither database nor storage. Order: loudness, one ffmpeg for everything,
plain MP4s by copy, pictures, checks.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from media_jobs import checks, copying, edit_graph, hls, picture, pieces, sound, stills
from media_jobs.copying import Copy
from media_jobs.edit_graph import Cutting
from media_jobs.ffmpeg import Cancelled, Stream, Tools, compose, output, run, source, version
from media_jobs.picture import Plan
from media_jobs.probe import Facts
from portal.edits import EditList
from portal.errors import Code, Unavailable
from portal.ladder import LADDER_VERSION, Profile, mp4_rungs, rungs_for

log = logging.getLogger(__name__)

# So often is sound that peaks too high made once more; once was always enough.
QUIETER_AT_MOST = 2

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
class Order:
    """What is wanted of a film beside the film itself."""

    profile: Profile = Profile.STANDARD
    edits: EditList = field(default_factory=EditList)
    # Film time of the picture that the owner or a moderator chose; None takes the best proposal.
    poster_at: float | None = None
    # A picture that was sent in its stead, already written anew by `stills.reencode`.
    still: Path | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class MadeFile:
    """One file of a clip.

    `kind` is master, playlist, hls_video, hls_audio, mp4, hover, poster, card, proposal or storyboard(_vtt);
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
    profile: Profile = Profile.STANDARD
    copied_top: bool = False
    # Film times of the poster proposals, in the order of their files' numbers.
    proposals: tuple[float, ...] = ()
    # Film time of the poster; None when it is a picture that was sent.
    poster_at: float | None = None


class Elsewhere(Protocol):
    """Somebody who may have a film's rungs made in parts."""

    def __call__(self, made: Plan, folder: Path, told: Callable[[float], None]) -> bool:
        """Every rung, and the pixels of posters and storyboard, are in the folder; False: they are to be made here."""
        ...


def make(
    tools: Tools,
    original: Path,
    folder: Path,
    facts: Facts,
    order: Order,
    on_progress: Callable[[float], None],
    cancelled: Callable[[], bool],
    elsewhere: Elsewhere | None = None,
) -> Made:
    """Make every file of a clip in the folder, which is empty and ours; `on_progress` hears 0 to 100.

    `elsewhere` is asked for the rungs first, but where the tallest one is copied.
    Raises Cancelled; Unacceptable(BROKEN_FILM) when less came out than the film holds; Unavailable when it is us.
    """
    original, folder = original.resolve(), folder.resolve()
    told = _Rising(on_progress)
    made = picture.plan(facts, rungs_for(facts.width, facts.height, order.profile), order.edits)
    copied = copying.fits(tools, original, facts, made) if order.edits.is_empty else None
    told(1.0)
    _go_on(cancelled)
    # What is left out or muted has no say in how loud the rest is.
    cut = edit_graph.sound(Cutting(order.edits, facts.duration_seconds, made.rate))
    lufs = sound.loudness(tools, original, facts, cancelled, cut)
    job = _Job(tools, original, folder, facts, order, cut, lufs, cancelled, elsewhere)
    told(2.0)
    if copied is not None:
        try:
            return _make(job, copied.plan(made), copied, told)
        except (copying.DoesNotFit, Unavailable) as trouble:
            # A tool or a check that fails over the copied picture may well be content with an encoded one.
            if isinstance(trouble, Unavailable) and trouble.code is not Code.OURS_TRANSCODE:
                raise
            log.warning("the film's own picture cannot be its tallest rung: %s", trouble)
            for path in folder.iterdir():
                path.unlink()
    return _make(job, made, None, told)


@dataclass(frozen=True, slots=True)
class _Job:
    """What stays the same however the tallest rung is made."""

    tools: Tools
    original: Path
    folder: Path
    facts: Facts
    order: Order
    cut: list[str]
    lufs: float | None
    cancelled: Callable[[], bool]
    elsewhere: Elsewhere | None = None

    @property
    def with_sound(self) -> bool:
        """Whether the film has any."""
        return self.facts.audio_index is not None


class _Rising:
    """Progress that never goes back, not even when the work begins anew."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._best = 0.0

    def __call__(self, percent: float) -> None:
        self._best = max(self._best, percent)
        self._tell(self._best)


def _go_on(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled


def _make(job: _Job, made: Plan, copied: Copy | None, told: Callable[[float], None]) -> Made:
    order, folder = job.order, job.folder
    chosen = (
        None if order.poster_at is None else order.edits.cut_time(order.poster_at, job.facts.duration_seconds)
    )
    shots = stills.shots(made, chosen)
    # What is made in parts knows nothing of edit lists.
    is_there = False
    if copied is None and order.edits.is_empty and job.elsewhere is not None:
        is_there = job.elsewhere(made, folder, told)
    complaints = run(
        job.tools,
        compose(_rest(job, made) if is_there else _outputs(job, made, copied, shots)),
        folder=folder,
        wall_seconds=wall_seconds(job.facts),
        film_seconds=made.seconds,
        on_progress=lambda percent: told(2 + 0.91 * percent),
        cancelled=job.cancelled,
    )
    if copied is not None and complaints:
        # A picture that made the decoder complain goes on to nobody as it is.
        raise copying.DoesNotFit(complaints[-300:])
    if job.with_sound:
        hls.rename_audio(folder)
    _plain_films(job, made, copied, told)
    (folder / "master.m3u8").write_text(
        hls.master(made, folder, with_sound=job.with_sound, language=order.language)
    )
    told(97.0)
    _go_on(job.cancelled)
    checks.check(folder, made, with_sound=job.with_sound, copied=copied)
    told(98.0)
    _go_on(job.cancelled)
    pictures = stills.cuttings(folder, made, shots, order.still)
    told(99.0)
    _go_on(job.cancelled)
    files = tuple(_files(folder, made, pictures, with_sound=job.with_sound))
    told(100.0)
    return _described(job, made, files, pictures, is_copied=copied is not None)


def _described(
    job: _Job, made: Plan, files: tuple[MadeFile, ...], pictures: stills.Cuttings, *, is_copied: bool
) -> Made:
    width, height = made.size(made.rungs[0])
    return Made(
        files,
        width,
        height,
        made.seconds,
        job.lufs,
        LADDER_VERSION,
        version(job.tools),
        profile=job.order.profile,
        copied_top=is_copied,
        proposals=tuple(_film_time(job, made, frame) for frame, _ in pictures.proposals),
        poster_at=None if pictures.poster_frame is None else _film_time(job, made, pictures.poster_frame),
    )


def _film_time(job: _Job, made: Plan, frame: int) -> float:
    """When the film shows this frame of the poster's rung."""
    at = float(frame / stills.poster_rung(made).frame_rate(made.rate))
    return round(job.order.edits.film_time(at, job.facts.duration_seconds), 3)


def wall_seconds(facts: Facts) -> float:
    """How long the main pass may take: several times what two busy cores need, then something is wrong."""
    fullness = max(0.25, facts.width * facts.height / (1920 * 1080))
    return 180 + 15 * facts.duration_seconds * fullness * (2 if facts.fps > 31 else 1)


def _outputs(job: _Job, made: Plan, copied: Copy | None, shots: stills.Shots) -> list[Stream]:
    """All outputs of the one ffmpeg: from one decode come the ladder, the posters' frames, storyboard and hover preview."""
    order, film = job.order, source(job.original, job.facts.container, threads=job.tools.threads)
    wanted = {rung.name: 1 for rung in made.rungs}
    if copied is not None:
        wanted[made.rungs[0].name] = 0
    poster, lowest = stills.poster_rung(made).name, made.rungs[-1].name
    wanted[poster] += 1
    wanted[lowest] += 2
    pictures = picture.cascade(picture.top_picture(film, job.facts, made, order.edits), made, wanted)
    # The lowest rung feeds storyboard and hover preview; the poster's frames come from the last copy of its own rung.
    hover, tiles = pictures[lowest].pop(), pictures[lowest].pop()
    frames = pictures[poster].pop()
    shown = [pictures[rung.name].pop() for rung in made.rungs[0 if copied is None else 1 :]]
    if copied is not None:
        shown.insert(0, film[str(job.facts.video_index)])
    return [
        hls.ladder_output(shown, made, _heard(job, made, film), job.tools.threads, copied),
        stills.poster_output(frames, made, shots),
        stills.storyboard_output(tiles, made),
        stills.hover_output(hover, made),
    ]


def _rest(job: _Job, made: Plan) -> list[Stream]:
    """What is not made in parts: the sound, and three seconds of hover preview, for which little is decoded."""
    film, facts = pieces.opened_at(job.tools, job.original, job.facts, stills.hover_start(made))
    top = picture.top_picture(film, facts, made)
    wanted = {rung.name: 0 for rung in made.rungs} | {made.rungs[-1].name: 1}
    outputs = [stills.hover_output(picture.cascade(top, made, wanted)[made.rungs[-1].name][0], made)]
    heard = _heard(job, made, source(job.original, job.facts.container, threads=job.tools.threads))
    return [hls.ladder_output([], replace(made, rungs=()), heard, 1), *outputs] if heard else outputs


def _heard(job: _Job, made: Plan, film: Stream, lower_db: float = 0.0) -> tuple[Stream, str] | None:
    if job.facts.audio_index is None:
        return None
    chain = sound.filters(job.lufs, made.seconds, job.facts.lead_seconds, job.cut, lower_db=lower_db)
    return film[str(job.facts.audio_index)], chain


def _plain_films(job: _Job, made: Plan, copied: Copy | None, told: Callable[[float], None]) -> None:
    """The plain MP4s, and where the coder has added more to the sound's peaks than is kept for it, a lower sound first."""
    _put_together(job, made, copied, told)
    lower_db = 0.0
    for _ in range(QUIETER_AT_MOST if job.with_sound else 0):
        excess = sound.excess_db(job.folder)
        if excess <= 0:
            return
        log.info("the sound is made once more, %.1f dB lower at its peaks", excess)
        lower_db += excess + sound.SPARE_DB
        _sound_alone(job, made, lower_db)
        _put_together(job, made, copied, told)
    if job.with_sound and (excess := sound.excess_db(job.folder)) > 0:
        log.warning("the sound peaks %.1f dB above what is promised", excess)


def _sound_alone(job: _Job, made: Plan, lower_db: float) -> None:
    film = source(job.original, job.facts.container, threads=1)
    again = hls.ladder_output([], replace(made, rungs=()), _heard(job, made, film, lower_db), 1)
    wall = wall_seconds(job.facts)
    run(job.tools, compose([again]), folder=job.folder, wall_seconds=wall, cancelled=job.cancelled)
    hls.rename_audio(job.folder)


def _put_together(job: _Job, made: Plan, copied: Copy | None, told: Callable[[float], None]) -> None:
    """Progressive MP4s that begin to play at once, copied from the rungs.

    In the same process the lowest rung is decoded whole, to see that it can be, and the sound to hear how high it peaks.
    """
    folder = job.folder
    audio = source(folder / f"{hls.AUDIO_NAME}.cmfa", "mov")["a:0"] if job.with_sound else None
    outputs = checks.decoding_outputs(folder, made, copied)
    if audio is not None:
        outputs.append(sound.peak_output(audio))
    for rung in mp4_rungs(made.rungs, made.seconds):
        shown = source(folder / f"{rung.name}.cmfv", "mov")["v:0"]
        both = [shown, audio] if audio is not None else [shown]
        outputs.append(output(both, f"{rung.name}.mp4", f="mp4", c="copy", movflags="+faststart"))
    run(
        job.tools,
        compose(outputs),
        folder=folder,
        wall_seconds=300 + made.seconds,
        film_seconds=made.seconds,
        on_progress=lambda percent: told(93 + 0.04 * percent),
        cancelled=job.cancelled,
    )


def _files(folder: Path, made: Plan, pictures: stills.Cuttings, *, with_sound: bool) -> Iterator[MadeFile]:
    yield described(folder / "master.m3u8", "master")
    for rung in made.rungs:
        shown = hls.segments(folder / f"{rung.name}.m3u8")
        facts = (*made.size(rung), round(shown.total_seconds, 3), shown.average_bits)
        yield described(folder / f"{rung.name}.m3u8", "playlist", *facts)
        yield described(folder / f"{rung.name}.cmfv", "hls_video", *facts)
    if with_sound:
        heard = hls.segments(folder / f"{hls.AUDIO_NAME}.m3u8")
        length = round(heard.total_seconds, 3)
        yield described(folder / f"{hls.AUDIO_NAME}.m3u8", "playlist", None, None, length, heard.average_bits)
        yield described(
            folder / f"{hls.AUDIO_NAME}.cmfa", "hls_audio", None, None, length, heard.average_bits
        )
    for rung in mp4_rungs(made.rungs, made.seconds):
        path = folder / f"{rung.name}.mp4"
        mean = round(8 * path.stat().st_size / made.seconds)
        yield described(path, "mp4", *made.size(rung), round(made.seconds, 3), mean)
    hover = folder / stills.HOVER_NAME
    length = min(stills.HOVER_SECONDS, made.seconds)
    mean = round(8 * hover.stat().st_size / length)
    yield described(hover, "hover", *stills.hover_size(made), round(length, 3), mean)
    yield from still_files(pictures.posters)
    for _, still in pictures.proposals:
        yield described(still.path, "proposal", still.width, still.height)
    sprite, text = stills.storyboard(folder, made)
    yield described(sprite.path, "storyboard", sprite.width, sprite.height)
    yield described(text, "storyboard_vtt")


def still_files(posters: Iterable[stills.Still]) -> Iterator[MadeFile]:
    """Posters and the card as made files, of a whole job or of one that only changes the poster."""
    for still in posters:
        kind = "card" if still.path.suffix == ".jpg" else "poster"
        yield described(still.path, kind, still.width, still.height)


def described(
    path: Path,
    kind: str,
    width: int | None = None,
    height: int | None = None,
    seconds: float | None = None,
    bandwidth: int | None = None,
) -> MadeFile:
    """A file of the job's folder as it is: its size and its SHA-256 read from the disk."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size, content_type = path.stat().st_size, CONTENT_TYPES[path.suffix]
    return MadeFile(path.name, path, kind, content_type, size, sha256, width, height, seconds, bandwidth)
