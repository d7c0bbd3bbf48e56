"""When a film's own picture may be its tallest rung as it is: what must hold before, and what of it is taken.

Decides only; `film.py` makes the ladder and checks again what came out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from media_jobs.ffmpeg import Tools, examine, films_fault
from media_jobs.picture import Plan
from media_jobs.probe import Facts
from portal.errors import Unacceptable, Unavailable
from portal.ladder import SEGMENT_SECONDS

# What phones and browsers of the last ten years decode in hardware.
PROFILES: Final = frozenset({"Constrained Baseline", "Main", "High"})
HIGHEST_LEVEL: Final = 42
FASTEST: Final = 60.5
# Key frames that come more often would cost the rungs below more than the copy saves.
SHORTEST_GROUP_SECONDS: Final = 0.9
_UNEVEN_SECONDS: Final = 0.0006
_SAID: Final = frozenset({"bt709"})
_UNSAID: Final = frozenset({"unknown", "unspecified", "reserved", "", "unset"})

# Slices and what describes them; SEI and the kinds without a meaning can carry a position or an owner's name. The
# colours, which the film may have left out, are written as those of the other rungs.
BITSTREAM: Final = (
    "filter_units=pass_types=1-5|7-8,h264_metadata=video_full_range_flag=0:colour_primaries=1"
    ":transfer_characteristics=1:matrix_coefficients=1"
)


@dataclass(frozen=True, slots=True)
class Copy:
    """The film's picture taken over: its own constant frame rate, its key frames by number, how many frames."""

    rate: Fraction
    keys: tuple[int, ...]
    frames: int

    def plan(self, made: Plan) -> Plan:
        """The plan with the film's exact rate, so that every rung's frames stand where the copied ones do."""
        return replace(made, rate=self.rate, seconds=round(float(self.frames / self.rate), 6))


class DoesNotFit(Exception):
    """The copied picture is not what was promised: the tallest rung is encoded like the others."""


def fits(tools: Tools, original: Path, facts: Facts, made: Plan) -> Copy | None:
    """What may be copied of the film; None when its tallest rung has to be encoded.

    Raises Unavailable as `examine` does, but for a film that it cannot read.
    """
    if not _looks_ordinary(facts, made):
        return None
    words = ("-select_streams", str(facts.video_index), "-show_entries")
    entries = (
        "stream=profile,level,width,height,sample_aspect_ratio,field_order:stream_side_data=side_data_type"
        ":packet=pts_time,size,flags"
    )
    try:
        answer, complaints = examine(tools, original, facts.container, *words, entries)
    except Unacceptable:
        # So long that its list of packets is beyond us, or it makes no sense: the film itself was taken already.
        return None
    except Unavailable as trouble:
        if films_fault(trouble):
            return None
        raise
    streams, packets = answer.get("streams", []), answer.get("packets", [])
    if complaints or not streams or not packets or not _is_plain(streams[0], made):
        return None
    return _steady(packets, facts, made)


def _looks_ordinary(facts: Facts, made: Plan) -> bool:
    """What the facts alone can tell, at no cost."""
    size = (facts.width, facts.height)
    colours = {facts.color_space, facts.color_primaries, facts.color_transfer}
    # A film of this size that does not say its colours means BT.709; a smaller one may mean anything.
    safe = colours <= (_SAID | _UNSAID if min(size) >= 720 else _SAID)
    starts = facts.picture_delay_seconds < 0.001 and abs(facts.lead_seconds) < 0.001
    whole = facts.promised_seconds is None
    ends = abs(facts.duration_seconds - facts.picture_seconds) <= 0.5 / made.rate
    return (
        facts.video_codec == "h264"
        and facts.pix_fmt == "yuv420p"
        and facts.color_range in (_UNSAID | {"tv"})
        and safe
        and facts.rotation == 0
        and not facts.mirrored
        and not facts.interlaced
        and size == made.size(made.rungs[0])
        and not facts.vfr
        and facts.fps <= FASTEST
        and starts
        and ends
        and whole
    )


def _is_plain(stream: dict[str, Any], made: Plan) -> bool:
    width, height = made.size(made.rungs[0])
    return (
        stream.get("profile") in PROFILES
        and 0 < int(stream.get("level") or 0) <= HIGHEST_LEVEL
        # Other figures than the decoded frame's: something crops the picture.
        and (stream.get("width"), stream.get("height")) == (width, height)
        and stream.get("sample_aspect_ratio", "1:1") in ("1:1", "0:1", "N/A")
        and stream.get("field_order", "progressive") in ("progressive", "unknown")
        and not stream.get("side_data_list")
    )


def _steady(packets: Sequence[dict[str, Any]], facts: Facts, made: Plan) -> Copy | None:
    """The picture's even rate and its key frames; None unless both let every rung keep step."""
    if any("pts_time" not in one or "D" in one.get("flags", "") for one in packets):
        return None
    shown = sorted((float(one["pts_time"]), "K" in one.get("flags", "")) for one in packets)
    first, count = shown[0][0], len(shown)
    times = [time - first for time, _ in shown]
    rate = _rate(times)
    if rate is None or count != facts.frames:
        return None
    bits = 8 * sum(int(one.get("size") or 0) for one in packets) * float(rate) / count
    keys = tuple(number for number, (_, is_key) in enumerate(shown) if is_key)
    groups = [later - earlier for earlier, later in pairwise((*keys, count))]
    halved = any(rung.frame_rate(rate) != rate for rung in made.rungs)
    regular = (
        keys[:1] == (0,)
        and made.rungs[0].frame_rate(rate) == rate
        and _is_closed(packets)
        and max(groups) <= SEGMENT_SECONDS * rate * Fraction(101, 100) + 1
        and (len(keys) == 1 or count / len(keys) >= SHORTEST_GROUP_SECONDS * rate)
        and not (halved and any(key % 2 for key in keys))
    )
    within = bits <= 1000 * made.rungs[0].cap_at(rate)
    return Copy(rate, keys, count) if regular and within else None


def _is_closed(packets: Sequence[dict[str, Any]]) -> bool:
    """Whether nothing that follows a key frame in the file is shown before it."""
    latest = floor = -math.inf
    for one in packets:
        time, is_key = float(one["pts_time"]), "K" in one.get("flags", "")
        if time <= (latest if is_key else floor):
            return False
        floor = time if is_key else floor
        latest = max(latest, time)
    return True


def _rate(times: Sequence[float]) -> Fraction | None:
    """The constant rate at which all these instants lie, in whole frames a second or the television's 1000/1001 of it."""
    if len(times) < 2 or times[-1] <= 0:
        return None
    mean = (len(times) - 1) / times[-1]
    for rate in (Fraction(round(mean)), Fraction(round(mean * 1.001) * 1000, 1001)):
        if rate > 0 and all(
            abs(time - number / float(rate)) <= _UNEVEN_SECONDS for number, time in enumerate(times)
        ):
            return rate
    return None
