"""The edit list of a cut: where it begins and ends, what is cut out, muted and blurred. Pure arithmetic, film time.

Film time counts seconds from the film's first shown instant; cut time counts what is left of it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, Self

from portal.errors import Code, Unacceptable

FIRST, EDIT, REPLAN = "first", "edit", "replan"
"""Why a cut is made: a film arrived, a moderator asked for it, the ladder became better."""

SHORTEST_SECONDS: Final = 1.0
"""What is left must be worth watching, and long enough for a poster."""

CUTTABLE: Final = 3
"""A film may be so many times as long as what is taken, when its owner cut it to that before sending it."""

MOST_PASSAGES: Final = 50
_SAME: Final = 1e-3
# An instant that lies this near to a frame's, in frames, is that frame's: people and programs round to milliseconds.
_SNAP: Final = 0.05


@dataclass(frozen=True, slots=True, order=True)
class Passage:
    """From one instant of the film to another, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Blur:
    """A box made unrecognisable during a passage; its sides are shares (0 to 1) of the upright picture."""

    start: float
    end: float
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class EditList:
    """What a cut leaves out or hides of its film; the empty list shows the whole film as it is."""

    start: float | None = None
    end: float | None = None
    cuts: tuple[Passage, ...] = ()
    mutes: tuple[Passage, ...] = ()
    blurs: tuple[Blur, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether the film is shown as it is."""
        return self == EditList()

    def kept(self, seconds: float) -> tuple[Passage, ...]:
        """The passages of a film of this length that stay, in order, none of them empty."""
        at, last = max(self.start or 0.0, 0.0), seconds if self.end is None else min(self.end, seconds)
        kept = []
        for cut in _joined(self.cuts):
            if cut.start > at + _SAME:
                kept.append(Passage(at, min(cut.start, last)))
            at = max(at, cut.end)
            if at >= last:
                break
        if at < last - _SAME:
            kept.append(Passage(at, last))
        return tuple(one for one in kept if one.seconds > _SAME)

    def length(self, seconds: float) -> float:
        """How long the cut of a film of this length is."""
        return sum(one.seconds for one in self.kept(seconds))

    def cut_time(self, at: float, seconds: float) -> float | None:
        """The instant of the cut that shows this instant of the film; None where it is cut out."""
        passed = 0.0
        for one in self.kept(seconds):
            if one.start <= at <= one.end:
                return passed + at - one.start
            passed += one.seconds
        return None

    def film_time(self, at: float, seconds: float) -> float:
        """The instant of the film that is shown at this instant of the cut; beyond its end, the last one."""
        left, last = at, 0.0
        for one in self.kept(seconds):
            if left <= one.seconds:
                return one.start + max(left, 0.0)
            left, last = left - one.seconds, one.end
        return last

    def shown(self, passage: Passage, seconds: float) -> tuple[Passage, ...]:
        """What the cut shows of a passage of the film, in cut time; what touches is one passage."""
        found, passed = [], 0.0
        for one in self.kept(seconds):
            start, end = max(passage.start, one.start), min(passage.end, one.end)
            if end - start > _SAME:
                found.append(Passage(passed + start - one.start, passed + end - one.start))
            passed += one.seconds
        return _joined(found)

    def on_grid(self, rate: float | Fraction, seconds: float) -> "EditList":
        """The list in whole frames of a film of this length and constant rate, so that this arithmetic is the picture's.

        Rounded so that everything that was to go is gone: what is cut out, muted or blurred grows by less than a frame.
        """

        def before(at: float) -> float:
            return float(max(0, math.floor(at * rate + _SNAP)) / rate)

        def behind(at: float) -> float:
            return float(math.ceil(at * rate - _SNAP) / rate)

        start = behind(self.start) if self.start is not None else 0.0
        end = before(self.end) if self.end is not None else seconds
        return EditList(
            start if start > 0 else None,
            end if end < seconds - _SAME else None,
            _joined(Passage(before(one.start), behind(one.end)) for one in self.cuts),
            _joined(Passage(before(one.start), behind(one.end)) for one in self.mutes),
            tuple(replace(one, start=before(one.start), end=behind(one.end)) for one in self.blurs),
        )

    def frames_kept(self, rate: float | Fraction, seconds: float) -> tuple[tuple[int, int], ...]:
        """The passages that stay as numbers of frames: the first one shown, and the first one not shown any more."""
        whole = max(1, round(seconds * rate))
        kept = self.on_grid(rate, seconds).kept(float(whole / rate))
        return tuple((round(one.start * rate), round(one.end * rate)) for one in kept)

    def within(self, ends: "EditList") -> "EditList":
        """The list without anything that lies outside another one's beginning and end."""
        starts = [at for at in (self.start, ends.start) if at is not None]
        lasts = [at for at in (self.end, ends.end) if at is not None]
        return replace(self, start=max(starts, default=None), end=min(lasts, default=None))

    def as_json(self) -> dict[str, Any]:
        """The list as plain values, to be kept with its cut."""
        return {} if self.is_empty else asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The list that `as_json` gave."""
        return cls(
            start=values.get("start"),
            end=values.get("end"),
            cuts=tuple(Passage(**one) for one in values.get("cuts", ())),
            mutes=tuple(Passage(**one) for one in values.get("mutes", ())),
            blurs=tuple(Blur(**one) for one in values.get("blurs", ())),
        )


def checked(edits: EditList, seconds: float) -> EditList:
    """The list, put in order and held against a film of this length.

    Raises Unacceptable with a fault for every field: a passage that ends before it begins or lies outside the film,
    a box outside the picture, more than 50 passages of a kind, less than a second left.
    """
    faults = {**_passage_faults(edits, seconds), **_box_faults(edits)}
    if edits.start is not None and not 0 <= edits.start < seconds:
        faults["start"] = Code.INVALID
    if edits.end is not None and not (edits.start or 0) < edits.end <= seconds + 0.5:
        faults["end"] = Code.INVALID
    if not faults and edits.length(seconds) < min(SHORTEST_SECONDS, seconds) - _SAME:
        faults["cuts"] = Code.TOO_SHORT
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    return EditList(edits.start, edits.end, _joined(edits.cuts), _joined(edits.mutes), tuple(edits.blurs))


def ends(start: float | None, end: float | None, longest: float) -> EditList:
    """What an owner cuts off at both ends of a film before sending it, when nobody has measured it yet.

    `longest` is the longest film that is taken. Raises Unacceptable as `checked` does, faults under `edits`.
    """
    try:
        return checked(EditList(start or None, end), longest)
    except Unacceptable as error:
        faults = {f"edits.{'end' if name == 'cuts' else name}": code for name, code in error.fields.items()}
        raise Unacceptable(Code.INVALID, fields=faults) from error


def fitted(wanted: EditList, rate: float | Fraction, seconds: float) -> EditList:
    """An owner's ends on the frames of the film as it arrived; an end behind the film's own cuts nothing off.

    Raises Unacceptable(NOTHING_LEFT) where less than a second would be left: what was meant cannot be guessed.
    """
    if wanted.is_empty:
        return wanted
    try:
        put = EditList(wanted.start, None if wanted.end is None or wanted.end >= seconds else wanted.end)
        return checked(checked(put, seconds).on_grid(rate, seconds), seconds)
    except Unacceptable as error:
        raise Unacceptable(Code.NOTHING_LEFT, seconds=round(seconds, 1)) from error


def _passage_faults(edits: EditList, seconds: float) -> dict[str, Code]:
    faults: dict[str, Code] = {}
    kinds: tuple[tuple[str, Sequence[Passage | Blur]], ...] = (
        ("cuts", edits.cuts),
        ("mutes", edits.mutes),
        ("blurs", edits.blurs),
    )
    for name, passages in kinds:
        if len(passages) > MOST_PASSAGES:
            faults[name] = Code.TOO_MANY
        for place, one in enumerate(passages):
            if not 0 <= one.start < one.end <= seconds + 0.5:
                faults[f"{name}.{place}"] = Code.INVALID
    return faults


def _box_faults(edits: EditList) -> dict[str, Code]:
    faults: dict[str, Code] = {}
    for place, box in enumerate(edits.blurs):
        inside = max(box.left + box.width, box.top + box.height) <= 1.001 and min(box.left, box.top) >= 0
        if not inside or min(box.width, box.height) <= 0:
            faults[f"blurs.{place}"] = Code.INVALID
    return faults


def _joined(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """The passages in order, those that touch made one."""
    joined: list[Passage] = []
    for one in sorted(passages):
        if joined and one.start <= joined[-1].end + _SAME:
            joined[-1] = Passage(joined[-1].start, max(joined[-1].end, one.end))
        else:
            joined.append(one)
    return tuple(joined)
