"""What came out, held against what went in, since an exit status of 0 promises nothing.

Reads the made files with `tracks`, decodes the lowest rung whole; changes nothing.
"""

from itertools import accumulate
from pathlib import Path
from typing import Any

from media_jobs import hls, stills, tracks
from media_jobs.copying import Copy, DoesNotFit
from media_jobs.ffmpeg import Stream, output, source
from media_jobs.picture import Plan
from media_jobs.tracks import Track
from portal.errors import Code, PortalError, Unacceptable, Unavailable
from portal.ladder import Rung, mp4_rungs

DECODED_PIXELS = "decoded.gray"
KEYS_PIXELS = "keys.gray"
_SAME_SECONDS = 0.001


def decoding_outputs(folder: Path, made: Plan, copied: Copy | None) -> list[Stream]:
    """Decodes the lowest rung whole, and of a copied one the key frames: four bytes are kept of every frame."""
    lowest = source(folder / f"{made.rungs[-1].name}.cmfv", "mov", threads=1)["v:0"]
    wanted = [(lowest, DECODED_PIXELS)]
    if copied is not None:
        top = source(folder / f"{made.rungs[0].name}.cmfv", "mov", threads=1, skip_frame="nokey")["v:0"]
        wanted.append((top, KEYS_PIXELS))
    return [_counted(shown, name) for shown, name in wanted]


def _counted(shown: Stream, name: str) -> Stream:
    tiny = shown.filter("scale", 2, 2, flags="neighbor").filter("format", "gray")
    return output([tiny], name, f="rawvideo", **{"c:v": "rawvideo", "fps_mode": "passthrough"})


def check(folder: Path, made: Plan, *, with_sound: bool, copied: Copy | None = None) -> None:
    """Frames, starts, lengths, key frames and segments of everything that was made, the hover preview's too.

    Raises Unacceptable(BROKEN_FILM) when less came out than the film holds, Unavailable(OURS_TRANSCODE) when it is us,
    DoesNotFit when it is the copied rung.
    """
    decoded = _take(folder / DECODED_PIXELS)
    shown = {rung.name: tracks.read(folder / f"{rung.name}.cmfv") for rung in made.rungs}
    if copied is not None:
        _check_copy(folder, made, shown[made.rungs[0].name]["vide"], copied)
    for rung in made.rungs:
        lowest = rung is made.rungs[-1]
        if set(shown[rung.name]) != {"vide"}:
            raise _ours("tracks", rung)
        track = shown[rung.name]["vide"]
        _complete(made, rung, min(track.count, decoded) if lowest else track.count)
        _playable(folder, rung, track)
    _in_step(folder, made, {name: one["vide"] for name, one in shown.items()})
    for rung in mp4_rungs(made.rungs, made.seconds):
        _check_plain(folder, made, rung, with_sound=with_sound)
    _check_hover(folder, made)


def _check_copy(folder: Path, made: Plan, track: Track, copied: Copy) -> None:
    """The taken picture is the film's, whole, and holds nothing but pictures."""
    keys = _take(folder / KEYS_PIXELS)
    try:
        _playable(folder, made.rungs[0], track)
    except PortalError as trouble:
        raise DoesNotFit(str(trouble.facts)) from trouble
    # All groups being closed, a key frame has the same number in the order of decoding.
    if track.count != copied.frames or keys != len(copied.keys) or tuple(track.keys) != copied.keys:
        raise DoesNotFit(f"{track.count} frames, {keys} key frames decoded")


def _complete(made: Plan, rung: Rung, frames: int) -> None:
    missing, slack = made.frames(rung) - frames, float(1 / made.rate) + 0.1
    if missing > slack * rung.frame_rate(made.rate):
        raise Unacceptable(Code.BROKEN_FILM, reason="came out short", rung=rung.name, missing=missing)
    if missing < 0:
        raise _ours("frames", rung, missing=missing)


def _playable(folder: Path, rung: Rung, track: Track) -> None:
    """What players ask of a rung: begins at 0, closed groups, every segment begins with a whole picture."""
    path = folder / f"{rung.name}.cmfv"
    parts = hls.segments(folder / f"{rung.name}.m3u8")
    if abs(min(track.times())) > _SAME_SECONDS:
        raise _ours("start", rung, start=min(track.times()))
    if not tracks.is_closed(track):
        raise _ours("open groups", rung)
    if parts.target < round(max(parts.seconds)) or len(parts.seconds) != len(track.begins):
        raise _ours("segments", rung, target=parts.target)
    kinds, keys = list(tracks.units(path, track)), set(track.keys)
    starts = accumulate(track.durations, initial=0)
    heads = [number for number, at in enumerate(starts) if at in set(track.begins)]
    if len(heads) < len(track.begins) or any(
        one not in keys or tracks.IDR not in kinds[one] for one in heads
    ):
        raise _ours("segment without a key frame", rung, heads=heads)
    if not set().union(*kinds) <= tracks.PICTURES:
        raise _ours("more than pictures", rung)


def _in_step(folder: Path, made: Plan, shown: dict[str, Track]) -> None:
    """The same key frames and the same segments in every rung, so that a player can change at any of them."""
    top = made.rungs[0]
    keys = _key_times(shown[top.name])
    lengths = hls.segments(folder / f"{top.name}.m3u8").seconds
    slack = float(1 / made.rate) + 0.1
    for rung in made.rungs[1:]:
        own, others = _key_times(shown[rung.name]), hls.segments(folder / f"{rung.name}.m3u8").seconds
        if len(own) != len(keys) or any(abs(a - b) > _SAME_SECONDS for a, b in zip(own, keys, strict=True)):
            raise _ours("key frames", rung)
        # Only the end may differ, by the frames that a halved rate leaves out.
        same = len(others) == len(lengths) and abs(others[-1] - lengths[-1]) <= slack
        if not same or any(
            abs(a - b) > _SAME_SECONDS for a, b in zip(others[:-1], lengths[:-1], strict=True)
        ):
            raise _ours("segments", rung)


def _key_times(track: Track) -> list[float]:
    times = track.times()
    return [times[number] for number in track.keys]


def _check_plain(folder: Path, made: Plan, rung: Rung, *, with_sound: bool) -> None:
    found = tracks.read(folder / f"{rung.name}.mp4")
    lengths = {kind: max(track.times()) + track.durations[-1] / track.scale for kind, track in found.items()}
    slack = float(1 / made.rate) + 0.1
    wanted = {"vide", "soun"} if with_sound else {"vide"}
    if set(found) != wanted or any(abs(length - made.seconds) > slack for length in lengths.values()):
        raise _ours("lengths", rung, lengths=lengths)


def _check_hover(folder: Path, made: Plan) -> None:
    """What cards show is a picture without sound, as long as was meant; from a film in parts it is made for itself."""
    lowest, found = made.rungs[-1], tracks.read(folder / stills.HOVER_NAME)
    if set(found) != {"vide"}:
        raise _ours("hover tracks", lowest)
    rate = lowest.frame_rate(made.rate) / 2
    meant, track = min(stills.HOVER_SECONDS, made.seconds), found["vide"]
    slack = float(1 / rate) + 0.1
    # Frames by themselves, too: the last one may claim to stand for all that are missing.
    if abs(track.seconds - meant) > slack or abs(track.count / rate - meant) > slack:
        raise _ours("hover", lowest, seconds=track.seconds, frames=track.count, meant=meant)


def _take(path: Path) -> int:
    """How many frames of four pixels lie in this file, which is deleted."""
    frames = path.stat().st_size // 4
    path.unlink()
    return frames


def _ours(reason: str, rung: Rung, **facts: Any) -> Unavailable:
    return Unavailable(Code.OURS_TRANSCODE, reason=reason, rung=rung.name, **facts)
