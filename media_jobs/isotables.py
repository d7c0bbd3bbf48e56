"""The sample tables of ISO media: that every count fits its box, and what the tables add up to."""

from array import array
from dataclasses import dataclass
from operator import mul
from typing import Final

from media_jobs.isoboxes import Node
from media_jobs.octets import Span, malformed
from media_jobs.outline import refuse
from portal.errors import Code

# Bytes before the count, bytes before the rows and bytes of a row.
_ROWS: Final = {
    b"stts": (4, 8, 8),
    b"ctts": (4, 8, 8),
    b"stsc": (4, 8, 12),
    b"stss": (4, 8, 4),
    b"stps": (4, 8, 4),
    b"stco": (4, 8, 4),
    b"co64": (4, 8, 8),
}
_NEGATIVE: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many samples there are, and their sizes: all the same, or one for each."""

    count: int = 0
    each: int = 0
    table: "array[int] | None" = None

    def of_last(self, count: int) -> int:
        """Bytes of so many samples at the end."""
        if self.table is None:
            return self.each * min(count, self.count)
        return sum(self.table[max(0, len(self.table) - count) :])


def judge(stbl: Node) -> None:
    """Raises Unacceptable when a table claims more rows than its box holds."""
    for node in stbl.children:
        if node.kind in _ROWS:
            count_at, start, row = _ROWS[node.kind]
            if node.span.number(count_at, 4) * row > len(node.span) - start:
                raise malformed(f"rows of {node.kind.decode()}")


def samples(stbl: Node, *, most: int, file_bytes: int, what: str = "samples") -> Sizes:
    """How many samples the tables speak of; raises Unacceptable(TOO_COMPLEX) when there are more than `most`."""
    nodes = [node for node in stbl.children if node.kind in (b"stsz", b"stz2")]
    if len(nodes) > 1:
        raise malformed("two stsz")
    if not nodes:
        return Sizes()
    span = nodes[0].span
    count = span.number(8, 4)
    if count > most:
        raise refuse(Code.TOO_COMPLEX, f"too many {what}", found=count, limit=most)
    if nodes[0].kind == b"stz2":
        if count * (bits := span.number(7, 1)) > 8 * (len(span) - 12) or bits not in (4, 8, 16):
            raise malformed("rows of stz2")
        return Sizes(count)
    each = span.number(4, 4)
    if each:
        if count * each > file_bytes:
            raise refuse(Code.BROKEN_FILM, "more samples than bytes", found=count)
        return Sizes(count, each)
    if count * 4 > len(span) - 12:
        raise malformed("rows of stsz")
    return Sizes(count, 0, span.numbers(12, count, 4))


def ticks(stbl: Node) -> int:
    """How long all samples last, in the track's own time; the sum of every table there is."""
    total = 0
    for node in stbl.all(b"stts"):
        table = node.span.numbers(8, 2 * node.span.number(4, 4), 4)
        lengths = table[1::2]
        if lengths and max(lengths) >= _NEGATIVE:
            # Some recorders take back a wrong time by a negative step; nothing lasts shorter than nothing.
            lengths = array("I", [0 if length >= _NEGATIVE else length for length in lengths])
        total += sum(map(mul, table[::2], lengths))
    return total


def places(stbl: Node, sizes: Sizes) -> tuple[int, int]:
    """Where in the file the first sample begins and about where the last one ends; (0, 0) without samples."""
    node = stbl.first(b"stco") or stbl.first(b"co64")
    if node is None or not sizes.count:
        return 0, 0
    offsets = node.span.numbers(8, node.span.number(4, 4), 4 if node.kind == b"stco" else 8)
    if not offsets:
        return 0, 0
    rows, last = stbl.first(b"stsc"), 1
    if rows is not None and (count := rows.span.number(4, 4)):
        last = rows.span.number(8 + 12 * (count - 1) + 4, 4)
    farthest = max(offsets)
    return min(offsets), max(farthest, offsets[-1] + sizes.of_last(last))


def usual_duration(tfhd: Span, given: int) -> int:
    """How long a sample of this fragment lasts that does not say so itself."""
    flags = tfhd.number(0, 4) & 0xFFFFFF
    if not flags & 0x08:
        return given
    return tfhd.number(8 + 8 * bool(flags & 0x01) + 4 * bool(flags & 0x02), 4)


def run(trun: Span, usual: int, most: int) -> tuple[int, int]:
    """Samples of a fragment's run and how long they last; raises Unacceptable when it claims more than it can hold."""
    flags, count = trun.number(0, 4) & 0xFFFFFF, trun.number(4, 4)
    start = 8 + 4 * bool(flags & 0x01) + 4 * bool(flags & 0x04)
    words = sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
    if count * words * 4 > len(trun) - start:
        raise malformed("rows of trun")
    if count > most:
        raise refuse(Code.TOO_COMPLEX, "too many samples", found=count, limit=max(0, most))
    if not flags & 0x100:
        return count, count * usual
    return count, sum(trun.numbers(start, count * words, 4)[::words])
