"""Reading numbers out of a stranger's bytes: every access checked against its span, every step counted.

Knows no format. The counting bounds the work by the file's structure, not by a clock.
"""

import struct
import sys
from array import array
from dataclasses import dataclass
from mmap import mmap
from typing import Final, Self

from portal.errors import Code, Unacceptable

TYPE_CODES: Final = {2: "H", 4: "I", 8: "Q"}

Data = bytes | mmap


def malformed(where: str) -> Unacceptable:
    """The refusal of a file whose structure contradicts itself; `where` is for staff."""
    return Unacceptable(Code.BROKEN_FILM, reason="malformed", where=where)


@dataclass(slots=True)
class Budget:
    """How many steps (boxes, elements, kilobytes of tables) may be taken in one file; a film needs a few hundred."""

    most: int
    spent: int = 0

    def spend(self, steps: int = 1) -> None:
        """Take steps; raises Unacceptable(TOO_COMPLEX) when there are too many."""
        self.spent += steps
        if self.spent > self.most:
            raise Unacceptable(Code.TOO_COMPLEX, reason="too many boxes", limit=self.most)


@dataclass(frozen=True, slots=True)
class Span:
    """A window on the file, from `start` to `end`; offsets are counted from its start, numbers are big-endian."""

    data: Data
    start: int
    end: int
    budget: Budget

    def __len__(self) -> int:
        return self.end - self.start

    def number(self, at: int, width: int) -> int:
        """An unsigned number of 1 to 8 bytes; raises Unacceptable when it does not lie inside."""
        return int.from_bytes(self.raw(at, width), "big")

    def raw(self, at: int, length: int) -> bytes:
        """So many bytes, which must lie inside."""
        if at < 0 or length < 0 or at + length > len(self):
            raise malformed("a value outside its box")
        return bytes(self.data[self.start + at : self.start + at + length])

    def part(self, at: int, end: int | None = None) -> Self:
        """The window from one offset to another, or to the end."""
        stop = len(self) if end is None else end
        if not 0 <= at <= stop <= len(self):
            raise malformed("a part outside its box")
        return type(self)(self.data, self.start + at, self.start + stop, self.budget)

    def numbers(self, at: int, count: int, width: int) -> "array[int]":
        """A table of numbers of 2, 4 or 8 bytes, which must lie inside."""
        self.budget.spend(1 + count * width // 1024)
        table = array(TYPE_CODES[width], self.raw(at, count * width))
        if sys.byteorder == "little":
            table.byteswap()
        return table


def box_head(data: Data, at: int, end: int) -> tuple[bytes, int, int]:
    """Kind, header length and announced size of the ISO box that begins here; size 0 means up to the end."""
    size, kind = struct.unpack_from(">I4s", data, at)
    if size == 1 and end - at >= 16:
        return kind, 16, struct.unpack_from(">Q", data, at + 8)[0]
    return kind, 8, end - at if size == 0 else size
