"""Lengths and rates of a film, counted from its packets: what a header says is believed of nobody. Starts nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from portal.ladder import frame_rate_for

SOUND_OVERHANG_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Span:
    """One packet that is shown or heard: when it begins and how long it lasts (0 when nobody says), in seconds."""

    begin: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Times:
    """When a film is seen and heard, in seconds; `origin` is its first instant on the container's own clock."""

    origin: float
    seconds: float
    picture_delay_seconds: float
    picture_seconds: float
    fps: float
    vfr: bool
    frames: int


def spans_of(packets: Iterable[dict[str, Any]]) -> dict[int, list[Span]]:
    """The packets of every track by its index, in the order they are shown; those that are not shown left out."""
    found: dict[int, list[Span]] = {}
    for packet in packets:
        flags = packet.get("flags", "")
        # D: cut away by the film's edit list, only there to be decoded. C: only a piece of it arrived.
        if "pts_time" in packet and "D" not in flags and "C" not in flags:
            span = Span(float(packet["pts_time"]), float(packet.get("duration_time") or 0))
            found.setdefault(int(packet["stream_index"]), []).append(span)
    return {index: sorted(spans, key=lambda one: one.begin) for index, spans in found.items()}


def last_instant(spans: Iterable[list[Span]]) -> float:
    """When the last of these tracks ends, on the container's own clock; 0 without any."""
    return max((track[-1].begin + track[-1].seconds for track in spans), default=0.0)


def measured(shown: list[Span], heard: list[Span]) -> Times:
    """The times of a film with this picture, at least one frame of it, and this sound, which may be none."""
    steps = [later.begin - earlier.begin for earlier, later in pairwise(shown)]
    usual = median(steps) if steps else shown[0].seconds or 1 / 30
    # Sound that begins a breath before the picture is its encoder's delay, which no player lets be heard.
    early = bool(heard) and heard[0].begin < shown[0].begin - SOUND_OVERHANG_SECONDS
    first = shown[0].begin
    # Recorders leave out the length of the last frame: then it lasts as long as the others.
    end = shown[-1].begin + (shown[-1].seconds or usual)
    sound_end = heard[-1].begin + heard[-1].seconds if heard else end
    # The last packet of sound always hangs over a little: only a real overhang makes the film longer.
    whole_end = sound_end if sound_end > end + SOUND_OVERHANG_SECONDS else end
    odd = sum(1 for step in steps if abs(step - usual) > 0.2 * usual)
    fps = round(len(shown) / max(end - shown[0].begin, 1e-3), 3)
    if early:
        # A picture that comes later begins with one of our frames, or lips would be half of one from their words.
        rate = frame_rate_for(fps)
        first -= round((shown[0].begin - heard[0].begin) * rate) / rate
    return Times(
        origin=first,
        seconds=round(whole_end - first, 6),
        picture_delay_seconds=round(shown[0].begin - first, 6),
        picture_seconds=round(end - shown[0].begin, 6),
        fps=fps,
        vfr=odd > 0.02 * len(steps),
        frames=len(shown),
    )
