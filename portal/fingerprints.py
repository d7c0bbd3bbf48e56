"""What a film looks and sounds like in a few kilobytes, and how alike two films are. Pure arithmetic on bytes.

Pictures are 16 x 16 grey, four a second; sound is Chromaprint's words. Figures: docs/signals.md.
"""

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import mul
from statistics import median
from typing import Final, Self

PICTURES_A_SECOND: Final = 4
SIDE: Final = 16
WORDS_A_SECOND: Final = 11025 / 1365
"""Chromaprint's own step: 1365 samples at 11025 Hz."""

KEYS_KEPT: Final = 64
"""Of each film's pictures, and as many of its sound: what it can be found by among all others."""
KEYS_ASKED: Final = 1500

SAME_PICTURE: Final = 0.30
"""Share of differing bits up to which pictures are the same ones; unrelated ones differ in half of theirs."""
SAME_SOUND: Final = 0.25
LEAST_SECONDS: Final = 2.0
LEAST_SHARE: Final = 0.5
"""How much of the shorter film must be in the longer one."""
LEAST_SOUND_SECONDS: Final = 5.0

_RANKS: Final = ("film", "picture", "sound", "")
_FLAT: Final = 12
_PICTURE_LIVES: Final = 0.05
_SOUND_LIVES: Final = 0.20
_BAND_BITS: Final = 16
_BANDS: Final = 4
_WAVES: Final = tuple(
    tuple(math.cos((2 * x + 1) * wave * math.pi / (2 * SIDE)) for x in range(SIDE)) for wave in range(1, 9)
)


def hashed(grey: bytes) -> "array[int]":
    """One 64-bit perceptual hash for each picture (the signs of its 64 slow waves about their median); 0 for a flat one."""
    size = SIDE * SIDE
    return array("Q", (_hash(grey[at : at + size]) for at in range(0, len(grey) - size + 1, size)))


def _hash(picture: bytes) -> int:
    if max(picture) - min(picture) < _FLAT:
        return 0
    rows = [picture[at : at + SIDE] for at in range(0, len(picture), SIDE)]
    across = [[sum(map(mul, wave, row)) for row in rows] for wave in _WAVES]
    both = [sum(map(mul, wave, column)) for column in across for wave in _WAVES]
    middle = median(both)
    return sum(1 << bit for bit, value in enumerate(both) if value > middle)


@dataclass(frozen=True)
class Print:
    """One film's fingerprint: hashes of its pictures, words of its sound (either may be empty)."""

    pictures: "array[int]"
    words: "array[int]"

    @classmethod
    def from_bytes(cls, pictures: bytes, words: bytes) -> Self:
        """What `as_bytes` gave."""
        seen, heard = array("Q"), array("I")
        seen.frombytes(pictures)
        heard.frombytes(words[: len(words) // heard.itemsize * heard.itemsize])
        return cls(seen, heard)

    def as_bytes(self) -> tuple[bytes, bytes]:
        """Pictures and sound as the record keeps them."""
        return self.pictures.tobytes(), self.words.tobytes()

    @cached_property
    def bands(self) -> dict[int, list[int]]:
        """Where each quarter of a picture's hash stands."""
        found: dict[int, list[int]] = {}
        for at, value in enumerate(self.pictures):
            for key in _quarters(value):
                found.setdefault(key, []).append(at)
        return found

    @cached_property
    def places(self) -> dict[int, list[int]]:
        """Where each word of the sound stands; a word that only repeats the one before says nothing (silence)."""
        found: dict[int, list[int]] = {}
        for at, word in enumerate(self.words):
            if at == 0 or word != self.words[at - 1]:
                found.setdefault(word, []).append(at)
        return found

    @cached_property
    def picture_life(self) -> float:
        """Share of bits that change from one second to the next: near 0 where the picture hardly moves."""
        return _life(self.pictures, PICTURES_A_SECOND, 64)

    @cached_property
    def sound_life(self) -> float:
        """The same of the sound: near 0 for a hum, a noise or silence."""
        return _life(self.words, round(WORDS_A_SECOND), 32)

    def keys(self, most: int = KEYS_KEPT) -> list[int]:
        """What the film can be found by: of its pictures and of its sound those `most` whose own hash is smallest.

        Two films that share much share many of these, wherever it stands in them.
        """
        return [*_smallest(self.bands, b"p", most), *_smallest(self.places, b"s", most)]


def _life(values: Sequence[int], step: int, bits: int) -> float:
    changed = [(a ^ b).bit_count() for a, b in zip(values, values[step:], strict=False) if a and b]
    return sum(changed) / len(changed) / bits if changed else 0.0


def _quarters(value: int) -> list[int]:
    """The hash in four pieces, each marked with its place."""
    if not value:
        return []
    mask = (1 << _BAND_BITS) - 1
    return [band << _BAND_BITS | (value >> band * _BAND_BITS & mask) for band in range(_BANDS)]


def _smallest(values: Iterable[int], salt: bytes, most: int) -> list[int]:
    # 63 bits: what a signed column of both databases holds.
    mixed = (
        int.from_bytes(hashlib.blake2b(value.to_bytes(4, "big"), digest_size=8, key=salt).digest()) >> 1
        for value in values
    )
    return sorted(mixed)[:most]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two films are at the place where they fit best.

    `at` and `other_at` are where the shared passage begins in each, in seconds; `seconds` is how long it is.
    `picture` and `sound` are shares of differing bits, None where there is nothing to compare.
    """

    at: float
    other_at: float
    seconds: float
    share: float
    picture: float | None
    sound: float | None
    picture_life: float
    sound_life: float

    @property
    def what(self) -> str:
        """What they have in common: film, picture, sound, or nothing ("")."""
        if self.seconds < LEAST_SECONDS or self.share < LEAST_SHARE:
            return ""
        # Two still views of the same garage look alike, two hums sound alike, without being the same film.
        same_picture = self.picture is not None and self.picture <= SAME_PICTURE
        same_sound = self.sound is not None and self.sound <= SAME_SOUND
        sees, hears = (
            same_picture and self.picture_life >= _PICTURE_LIVES,
            same_sound and self.sound_life >= _SOUND_LIVES,
        )
        if (sees and (same_sound or self.sound is None)) or (hears and same_picture):
            return "film"
        if sees:
            return "picture"
        return "sound" if hears and self.seconds >= LEAST_SOUND_SECONDS else ""


def compare(one: Print, other: Print) -> Likeness | None:
    """The place where two films fit best; None where nothing speaks for any."""
    found = [_at_shift(one, other, shift) for shift in _shifts(one, other)]
    best = [like for like in found if like is not None]
    return min(best, key=_distance) if best else None


def _distance(like: Likeness) -> tuple[int, float]:
    known = [share for share in (like.picture, like.sound) if share is not None]
    return _RANKS.index(like.what), sum(known) / len(known) if known else 1.0


def _shifts(one: Print, other: Print) -> set[float]:
    """Where the one may lie on the other, in seconds: the shifts that most matching places speak for."""
    seen = _votes(one.bands, other.bands)
    heard = _votes(one.places, other.places)
    return {shift / PICTURES_A_SECOND for shift in seen} | {shift / WORDS_A_SECOND for shift in heard}


def _votes(
    one: dict[int, list[int]], other: dict[int, list[int]], *, most: int = 3, busy: int = 12
) -> list[int]:
    votes: Counter[int] = Counter()
    for key, places in one.items():
        others = other.get(key, ())
        # What stands everywhere says nothing about where.
        if len(places) * len(others) <= busy * busy:
            votes.update(at - there for at in places for there in others)
    return [shift for shift, _ in votes.most_common(most)]


def _at_shift(one: Print, other: Print, shift: float) -> Likeness | None:
    length, other_length = _length(one), _length(other)
    start, end = max(0.0, shift), min(length, other_length + shift)
    seconds = end - start
    if seconds <= 0 or not min(length, other_length):
        return None
    return Likeness(
        at=start,
        other_at=start - shift,
        seconds=seconds,
        share=seconds / min(length, other_length),
        picture=_differing(one.pictures, other.pictures, round(shift * PICTURES_A_SECOND), 64),
        sound=_differing(one.words, other.words, round(shift * WORDS_A_SECOND), 32),
        picture_life=min(one.picture_life, other.picture_life),
        sound_life=min(one.sound_life, other.sound_life),
    )


def _length(one: Print) -> float:
    return max(len(one.pictures) / PICTURES_A_SECOND, len(one.words) / WORDS_A_SECOND)


def _differing(one: Sequence[int], other: Sequence[int], shift: int, bits: int) -> float | None:
    """The share of differing bits of two rows of hashes laid over one another; None where too little overlaps."""
    mine, theirs = one[max(0, shift) :], other[max(0, -shift) :]
    both = [(a ^ b).bit_count() for a, b in zip(mine, theirs, strict=False) if a and b]
    least = LEAST_SECONDS * (PICTURES_A_SECOND if bits == 64 else WORDS_A_SECOND)
    return sum(both) / len(both) / bits if len(both) >= least else None
