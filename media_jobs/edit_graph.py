"""The edit list as filters: frames and sound kept by their time, mutes and joins faded, boxes blurred. Starts nothing.

Everything is told by time stamps, nothing by counting: a graph that begins anew in mid-film goes on where it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from media_jobs.ffmpeg import Stream, merged
from portal.edits import EditList
from portal.ladder import Rate

SAMPLE_RATE: Final = 48_000
FADE_SAMPLES: Final = SAMPLE_RATE // 100
"""10 ms: long enough that nothing clicks, short enough that nobody hears a gap."""

SHORT_CELLS, MOST_CELLS = 2, 6
"""Of what is blurred so many means are left, across its shorter and at most across its longer side.

A plate's seven signs have less than one mean each; a face has four.
"""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cutting:
    """An edit list on the frames of one film: its length in seconds and the constant rate of what is made of it."""

    edits: EditList
    seconds: float
    rate: Rate

    @property
    def kept(self) -> tuple[Span, ...]:
        """The frames that stay: first, and first that does not."""
        return self.edits.frames_kept(self.rate, self.seconds)

    @property
    def is_whole(self) -> bool:
        """Whether every frame stays."""
        return self.kept == ((0, self.frames),)

    @property
    def frames(self) -> int:
        """How many frames the whole film has."""
        return max(1, round(self.seconds * self.rate))

    @property
    def frames_left(self) -> int:
        """How many of them stay."""
        return max(1, sum(end - start for start, end in self.kept))

    def shown(self, span: Span) -> list[Span]:
        """Where the cut shows these frames of the film."""
        found, passed = [], 0
        for start, end in self.kept:
            first, last = max(span[0], start), min(span[1], end)
            if last > first:
                found.append((passed + first - start, passed + last - start))
            passed += end - start
        return found


def picture(film: Stream, cutting: Cutting) -> Stream:
    """Only the frames that stay, one after the other from 0; the film comes at its constant rate."""
    if cutting.is_whole:
        return film
    chosen = film.filter("select", _within(cutting.kept, cutting.rate))
    return chosen.filter("setpts", _moved(cutting))


def blurred(film: Stream, cutting: Cutting, width: int, height: int) -> Stream:
    """Every box of the list made unrecognisable while it is to be, all else untouched; the picture has been cut already."""
    edits = cutting.edits.on_grid(cutting.rate, cutting.seconds)
    spans = [
        cutting.shown((round(box.start * cutting.rate), round(box.end * cutting.rate))) for box in edits.blurs
    ]
    wanted = [(box, when) for box, when in zip(edits.blurs, spans, strict=True) if when]
    if not wanted:
        return film
    # All covers come from one split: parted anew for every box, 50 of them never end (each doubles the requests).
    outlets = film.filter_multi_output("split", len(wanted) + 1)
    shown: Stream = outlets[0]
    for place, (box, when) in enumerate(wanted, start=1):
        left, across = _sides(box.left, box.width, width)
        top, down = _sides(box.top, box.height, height)
        few = outlets[place].filter("crop", across, down, left, top)
        few = few.filter("scale", *_cells(across, down), flags="area")
        cover = few.filter("scale", across, down, flags="bicubic").filter("setsar", sar=1)
        shown = merged([shown, cover], "overlay", x=left, y=top, enable=_within(when, cutting.rate))
    return shown


def sound(cutting: Cutting) -> list[str]:
    """The filters of a chain for 48 kHz sound that begins at 0: muted and cut at the picture's very instants."""
    edits = cutting.edits.on_grid(cutting.rate, cutting.seconds)
    mutes = [(round(one.start * cutting.rate), round(one.end * cutting.rate)) for one in edits.mutes]
    if cutting.is_whole and not mutes:
        return []
    each = Fraction(SAMPLE_RATE) / Fraction(cutting.rate)
    # One piece of sound for every frame: what is chosen by pieces is cut at exactly the frames' edges.
    chain = [f"asetnsamples=n={each.numerator // each.denominator}:p=0"]
    chain += [f"volume=0:enable='{_within([span], cutting.rate)}'" for span in mutes]
    last_ones = {start - 1 for start, _ in mutes} | {
        end - 1 for _, end in cutting.kept if end < cutting.frames
    }
    first_ones = {end for _, end in mutes} | {start for start, _ in cutting.kept if start}
    chain += [_fade("out", frame, cutting.rate) for frame in sorted(last_ones) if frame >= 0]
    chain += [_fade("in", frame, cutting.rate) for frame in sorted(first_ones) if frame < cutting.frames]
    if not cutting.is_whole:
        chain += [f"aselect='{_within(cutting.kept, cutting.rate)}'", f"asetpts='{_moved(cutting)}'"]
    return chain


def _fade(way: str, frame: int, rate: Rate) -> str:
    """10 ms at the end (out) or at the beginning (in) of one frame's piece of sound."""
    each = Fraction(SAMPLE_RATE) / Fraction(rate)
    start = (frame + 1) * each - FADE_SAMPLES if way == "out" else frame * each
    now = _within([(frame, frame + 1)], rate)
    return f"afade=t={way}:ss={int(start)}:ns={FADE_SAMPLES}:enable='{now}'"


def _within(spans: Iterable[Span], rate: Rate) -> str:
    """True for frames of these spans: between the middles of two frames, where no rounding reaches."""
    return "+".join(f"between(t,{_at(start - 0.5, rate)},{_at(end - 0.5, rate)})" for start, end in spans)


def _moved(cutting: Cutting) -> str:
    """The time stamp of a kept frame or piece in the cut: less everything that was left out before it."""
    gone, end = [], 0
    for start, after in cutting.kept:
        if start > end:
            gone.append(f"gte(T,{_at(start - 0.5, cutting.rate)})*{_at(start - end, cutting.rate)}")
        end = after
    return f"round((T-({'+'.join(gone) or '0'}))/TB)"


def _at(frames: float, rate: Rate) -> str:
    return f"{float(frames / rate):.9f}"


def _sides(start: float, length: float, whole: int) -> Span:
    """Where a box begins and how long it is in pixels: even, since colours come in pairs, and never smaller than asked."""
    first = max(0, int(start * whole) // 2 * 2)
    last = min(whole, -(-int(-(-(start + length) * whole // 1)) // 2) * 2)
    return min(first, whole - 2), max(2, last - first)


def _cells(width: int, height: int) -> tuple[int, int]:
    longer = min(MOST_CELLS, max(SHORT_CELLS, round(SHORT_CELLS * max(width, height) / min(width, height))))
    return (longer, SHORT_CELLS) if width >= height else (SHORT_CELLS, longer)
