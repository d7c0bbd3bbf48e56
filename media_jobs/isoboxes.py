"""The boxes of ISO media as a tree: where each lies and what lies in it, sizes and depth checked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from media_jobs.octets import Span, box_head, malformed

DEEPEST: Final = 9
# Boxes that hold boxes, for us and for the tools.
HOLDERS: Final = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof", b"traf"}
    | {
        b"meta",
        b"ilst",
        b"gmhd",
        b"tref",
        b"sinf",
        b"schi",
        b"clip",
        b"tapt",
        b"matt",
        b"wave",
        b"rmra",
        b"rmda",
    }
)
# Where a box that decides how a film is read has its only place; tools would take it anywhere.
PLACES: Final = {
    **dict.fromkeys(
        (b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"stss", b"stco", b"co64"), b"stbl"
    ),
    **dict.fromkeys((b"tkhd", b"edts", b"mdia"), b"trak"),
    **dict.fromkeys((b"mdhd", b"minf"), b"mdia"),
    **dict.fromkeys((b"tfhd", b"tfdt", b"trun"), b"traf"),
    **dict.fromkeys((b"trak", b"mvhd", b"mvex"), b"moov"),
    b"elst": b"edts",
    b"dref": b"dinf",
    b"stbl": b"minf",
    b"trex": b"mvex",
    b"traf": b"moof",
}
# In these cameras leave all sorts of things, and nothing in them decides how a film is read.
LOOSE: Final = frozenset({b"udta", b"meta", b"ilst", b"gmhd", b"tapt", b"wave", b"clip", b"matt", b"tref"})


@dataclass(frozen=True, slots=True)
class Node:
    """A box: its kind, where its content lies, and the boxes in it."""

    kind: bytes
    span: Span
    children: list[Self] = field(default_factory=list)

    def all(self, *path: bytes) -> list[Self]:
        """The boxes at the end of this path of kinds, in the file's order."""
        found = [self]
        for kind in path:
            found = [child for node in found for child in node.children if child.kind == kind]
        return found

    def first(self, *path: bytes) -> Self | None:
        """The first box at the end of this path."""
        return next(iter(self.all(*path)), None)

    def walk(self) -> Iterator[Self]:
        """This box and all in it, to any depth."""
        yield self
        for child in self.children:
            yield from child.walk()


def tree(kind: bytes, span: Span) -> Node:
    """The tree of a box that stands at the top of the file; raises Unacceptable when it contradicts itself."""
    return _node(kind, span, 1)


def _node(kind: bytes, span: Span, depth: int) -> Node:
    if depth > DEEPEST:
        raise malformed("nesting")
    if kind not in HOLDERS:
        return Node(kind, span)
    # ISO gives `meta` four bytes of version first, QuickTime does not.
    inside = span.part(4) if kind == b"meta" and len(span) >= 8 and span.raw(4, 4) != b"hdlr" else span
    children = [_node(one, part, depth + 1) for one, part in boxes(inside, is_loose=kind in LOOSE)]
    for child in children:
        if PLACES.get(child.kind, kind) != kind:
            raise malformed(f"{child.kind.decode()} in {kind.decode()}")
    return Node(kind, span, children)


def boxes(span: Span, *, is_loose: bool = False) -> Iterator[tuple[bytes, Span]]:
    """Kind and content of each box in a row; a loose row ends where it makes no more sense, a strict one raises."""
    at = 0
    while len(span) - at >= 8:
        span.budget.spend()
        kind, head, length = box_head(span.data, span.start + at, span.end)
        if length < head or length > len(span) - at:
            if is_loose or not any(span.raw(at, min(len(span) - at, 64))):
                return
            raise malformed(f"size of {kind.decode('latin-1')!r}")
        yield kind, span.part(at + head, at + length)
        at += length
