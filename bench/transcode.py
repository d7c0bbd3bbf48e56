"""What film work costs: against one bare ffmpeg, against two peers, by length, in memory, in a queue."""

import math
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench import peers
from bench.costs import Cost, cost, memory
from bench.figures import Figure, Row
from bench.films import FULL, KINDS, READY, Kind, small
from media_jobs import ffmpeg, film, hls, picture, probe, sound
from media_jobs.ffmpeg import Tools, compose, source
from media_jobs.outline import Limits
from portal.ladder import Profile, rungs_for

TURNS = 5
SHORT, LONG, FULL_SECONDS = 12.0, 30.0, 10.0
# Where the top rung is copied, what every job does besides weighs on a short film.
PEERS_FILMS = (*((kind, 6.0) for kind in KINDS[:3]), (KINDS[3], LONG), (READY, 10.0))
EQUAL = "mediacms, equal rungs"
COMPARED = (("standard", "mediacms"), ("standard", EQUAL), ("standard", "peertube"), ("economy", "peertube"))
# Bits that one point of VMAF costs, by rung; docs/performance.md says where from.
BITS_A_POINT = {1080: 0.10, 720: 0.075, 480: 0.056, 360: 0.056}
WHOLE_DAY = 600.0

Rows = list[Row | Figure]


def tools() -> Tools:
    """The programs of the settings, else of the wheels."""
    return Tools.found(os.environ.get("FFMPEG"), os.environ.get("FFPROBE"), 2)


def against_bare() -> Iterator[Row | Figure]:
    """(a) The whole job against one bare ffmpeg for the same ladder."""
    at_hand = tools()
    with tempfile.TemporaryDirectory() as folder:
        for kind, seconds in [(KINDS[0], SHORT), *((one, LONG) for one in KINDS)]:
            original = kind.make(at_hand, Path(folder), seconds)
            facts = probe.inspect(at_hand, original, Limits())
            ours, theirs = partial(whole, at_hand, original), partial(bare, at_hand, original, facts)
            pairs = [(cost(ours), cost(theirs)) for _ in range(TURNS)]
            yield from _rows(f"whole job / bare ffmpeg, {seconds:g} s, {kind.name}", pairs)


def against_peers() -> Iterator[Row | Figure]:
    """(b) CPU against two peers' command lines; bytes, VMAF and bits at equal VMAF beside it."""
    at_hand = tools()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, seconds in PEERS_FILMS:
            original = kind.make(at_hand, folder, seconds)
            ways = _ways(at_hand, original)
            spent: dict[str, list[Cost]] = {way: [] for way in ways}
            for _ in range(TURNS):
                for way, act in ways.items():
                    spent[way].append(cost(act))
            for ours, theirs in COMPARED:
                pairs = list(zip(spent[ours], spent[theirs], strict=True))
                yield from _rows(f"{ours} / {theirs}, {kind.name}", pairs)
            yield from _quality(at_hand, folder, kind, original, ways)


def _ways(at_hand: Tools, original: Path) -> dict[str, Callable[[Path], object]]:
    """Everything that makes the film playable, by name."""
    facts = probe.inspect(at_hand, original, Limits())
    is_h264 = facts.video_codec == "h264"
    peer = peers.Source(original, facts.width, facts.height, facts.duration_seconds, is_h264=is_h264)
    equal = [rung.short_side for rung in rungs_for(facts.width, facts.height)]
    return {
        "standard": partial(whole, at_hand, original),
        "economy": partial(whole, at_hand, original, profile=Profile.ECONOMY),
        "mediacms": partial(peers.mediacms, at_hand, peer),
        EQUAL: partial(peers.mediacms, at_hand, peer, only=equal),
        "peertube": partial(peers.peertube, at_hand, peer),
    }


def _rows(name: str, pairs: list[tuple[Cost, Cost]]) -> Rows:
    """The same runs in seconds of processors and by the clock."""
    return [
        Row(name, "CPU s", tuple((ours.cpu, theirs.cpu) for ours, theirs in pairs)),
        Row(f"{name}, by the clock", "s", tuple((ours.wall, theirs.wall) for ours, theirs in pairs)),
    ]


def by_length() -> Iterator[Row | Figure]:
    """(e) CPU seconds a minute of film at 5 s, 30 s and 3 min."""
    at_hand = tools()
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (5.0, 30.0, 180.0):
            original = small(at_hand, Path(folder), seconds)
            spent = tuple(60 / seconds * cost(partial(whole, at_hand, original)).cpu for _ in range(TURNS))
            yield Figure(f"640 x 360, {seconds:g} s", "CPU s a minute", spent)
        # What capacity is planned with: the size that phones send, in both profiles.
        original = FULL.make(at_hand, Path(folder), FULL_SECONDS)
        for profile in Profile:
            act = partial(whole, at_hand, original, profile=profile)
            spent = tuple(60 / FULL_SECONDS * cost(act).cpu for _ in range(TURNS))
            yield Figure(f"1920 x 1080, held in the hand, {profile}", "CPU s a minute", spent)


def by_memory() -> Iterator[Row | Figure]:
    """(d) Resident memory of the largest program of a job."""
    at_hand = tools()
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            original = kind.make(at_hand, Path(folder), 3.0)
            yield (Figure(f"largest program, {kind.name}", "MiB", _memory(at_hand, original)))
        wide = Kind("4k", "", "testsrc2=size=3840x2160:rate=30", KINDS[0].encoder).make(
            at_hand, Path(folder), 2.0
        )
        yield Figure("largest program, 3840 x 2160", "MiB", _memory(at_hand, wide))


def _memory(at_hand: Tools, original: Path) -> tuple[float, ...]:
    return tuple(memory(partial(whole, at_hand, original)) for _ in range(TURNS))


def whole(at_hand: Tools, original: Path, folder: Path, *, profile: Profile = Profile.STANDARD) -> film.Made:
    """Everything that the worker does with a film on its disk."""
    facts = probe.inspect(at_hand, original, Limits())
    order = film.Order(profile=profile)
    return film.make(at_hand, original, folder, facts, order, lambda _percent: None, lambda: False)


def bare(at_hand: Tools, original: Path, facts: probe.Facts, folder: Path) -> None:
    """One ffmpeg with the same filters, encoders and container, and nothing beside it."""
    made = picture.plan(facts, rungs_for(facts.width, facts.height))
    shown = source(original, facts.container, threads=at_hand.threads)
    wanted = {rung.name: 1 for rung in made.rungs}
    pictures = picture.cascade(picture.top_picture(shown, facts, made), made, wanted)
    heard = (shown[str(facts.audio_index)], sound.filters(None, made.seconds))
    ladder = hls.ladder_output([pictures[rung.name][0] for rung in made.rungs], made, heard, at_hand.threads)
    ffmpeg.run(at_hand, compose([ladder]), folder=folder, wall_seconds=WHOLE_DAY)


def _quality(
    at_hand: Tools, folder: Path, kind: Kind, original: Path, ways: dict[str, Callable[[Path], object]]
) -> Rows:
    """Bytes and VMAF of every way's rungs, and ours at equal VMAF against each peer."""
    measured: dict[str, dict[int, tuple[float, float]]] = {}
    for way, act in ways.items():
        if way == EQUAL:  # the files of "mediacms" again
            continue
        out = folder / f"{kind.name}-{way}"
        out.mkdir()
        made = act(out)
        files = made if isinstance(made, dict) else {int(path.stem): path for path in out.glob("*.cmfv")}
        measured[way] = {
            rung: (
                _kbit(at_hand, path),
                _vmaf(at_hand, path, original, kind=kind, is_ours=not isinstance(made, dict)),
            )
            for rung, path in files.items()
            if rung in BITS_A_POINT
        }
        shutil.rmtree(out)
    found: Rows = []
    for way, rungs in measured.items():
        for rung, (kbit, vmaf) in sorted(rungs.items(), reverse=True):
            found.append(Figure(f"{way}, {kind.name}, {rung}: video", "kbit/s", (kbit,)))
            found.append(Figure(f"{way}, {kind.name}, {rung}: VMAF", "", (vmaf,)))
    for ours, theirs in (pair for pair in COMPARED if EQUAL not in pair):
        shared = measured[ours].keys() & measured[theirs].keys()
        saved = [_more_bits(measured[ours][rung], measured[theirs][rung], rung) for rung in shared]
        found.append(
            Figure(
                f"{ours} for {theirs}, {kind.name}: bits at equal VMAF", "%", (100 * statistics.mean(saved),)
            )
        )
    return found


def _more_bits(ours: tuple[float, float], theirs: tuple[float, float], rung: int) -> float:
    """By how much more bits ours would need at their VMAF, as a share; less than nothing is a saving."""
    return ours[0] / theirs[0] * math.exp(-BITS_A_POINT[rung] * (ours[1] - theirs[1])) - 1


def _kbit(at_hand: Tools, path: Path) -> float:
    words = [
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=size,duration_time",
        "-of",
        "csv=p=0",
    ]
    answer = subprocess.run(
        [str(at_hand.ffprobe), *words, str(path)], check=True, capture_output=True, text=True
    )
    rows = [line.strip(",").split(",") for line in answer.stdout.split()]
    return 8 * sum(int(size) for _, size in rows) / 1000 / max(sum(float(length) for length, _ in rows), 1e-3)


def _vmaf(at_hand: Tools, path: Path, original: Path, *, kind: Kind, is_ours: bool) -> float:
    """VMAF against the original at its own size; an HDR original is converted as ours is where ours is judged."""
    reference = "[1:v]fps=30"
    if kind.is_hdr and is_ours:
        reference += ",zscale=pin=2020:tin=709:min=2020_ncl:p=709:t=709:m=709:r=limited"
    # Ours says that it is BT.709, most others say nothing: told the same of both, no filter converts one of them.
    alike = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    graph = (
        f"{reference},format=yuv420p,{alike},setpts=N,split[b][s];[0:v]fps=30,{alike}[c];"
        "[c][s]scale=rw:rh:flags=bicubic,format=yuv420p,setpts=N[a];[a][b]libvmaf=n_threads=2"
    )
    words = [
        "-v",
        "info",
        "-nostdin",
        "-i",
        str(path),
        "-i",
        str(original),
        "-filter_complex",
        graph,
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run([str(at_hand.ffmpeg), *words], check=True, capture_output=True, text=True).stderr
    return float(re.findall(r"VMAF score: ([\d.]+)", said)[-1])
