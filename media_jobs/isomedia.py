"""Judges the structure of ISO media and QuickTime files: roots, the tree of boxes, fragments, what the whole amounts to.

Tracks are judged in `isotracks.py`. Reads no sample.
"""

from dataclasses import dataclass, field
from typing import Final

from media_jobs.isoboxes import PLACES, Node, tree
from media_jobs.isotracks import Found, Runs, read_track
from media_jobs.octets import Budget, Data, Span, box_head, malformed
from media_jobs.outline import Limits, Outline, judge_tracks, refuse
from portal.errors import Code

INDEX_BYTES: Final = 16 << 20
# A phone writes about 15, an action camera 60; twenty thousand keep a tool busy for seconds.
MOST_TAGS: Final = 1000
MOST_TRACKS: Final = 16


@dataclass(slots=True)
class _Roots:
    """The boxes at the top of a file."""

    moov: Span | None = None
    fragments: list[Span] = field(default_factory=list)
    has_media: bool = False
    promised: int = 0


def outline(data: Data, limits: Limits, budget: Budget) -> Outline:
    """What the structure says; raises Unacceptable with the cause."""
    roots = _roots(data, budget)
    if roots.moov is None:
        raise refuse(Code.UNFINISHED, "no index")
    moov = tree(b"moov", roots.moov)
    _judge_movie(moov)
    tracks = [read_track(node, moov, limits, max(len(data), roots.promised)) for node in moov.all(b"trak")]
    runs = Runs(moov.first(b"mvex"), tracks)
    for span in roots.fragments:
        runs.read(tree(b"moof", span), limits)
    runs.close(limits)
    judge_tracks(shown := tuple(one.as_track() for one in tracks))
    is_fragmented = moov.first(b"mvex") is not None
    _judge_arrival(roots, tracks, len(data), is_fragmented=is_fragmented)
    return Outline(
        container="mov",
        tracks=shown,
        seconds=next(one.seconds for one in shown if one.kind == "picture"),
        promised_bytes=max([roots.promised, *(one.ends_at for one in tracks)]),
        present_bytes=len(data),
        is_fragmented=is_fragmented,
    )


def _roots(data: Data, budget: Budget) -> _Roots:
    """The boxes at the top; the last one may be cut, and behind a whole film may lie anything."""
    roots, at, size = _Roots(), 0, len(data)
    while size - at >= 8:
        budget.spend()
        kind, head, length = box_head(data, at, size)
        if length < head or not _is_word(kind):
            # Phones append notes of their own that are no boxes.
            if roots.moov is not None and roots.has_media:
                break
            raise malformed("root")
        end = at + length
        roots.promised = max(roots.promised, end)
        _take_root(roots, kind, Span(data, at + head, min(end, size), budget), is_cut=end > size)
        at = end
    return roots


def _is_word(kind: bytes) -> bool:
    return all(32 <= letter < 127 or letter == 0xA9 for letter in kind)


def _take_root(roots: _Roots, kind: bytes, span: Span, *, is_cut: bool) -> None:
    if kind == b"moov":
        if roots.moov is not None:
            raise malformed("two indexes")
        if is_cut:
            # Before the media it is the beginning that arrived, behind them the end that is missing.
            raise refuse(Code.UNFINISHED, "no index" if roots.has_media else "cut index")
        if len(span) > INDEX_BYTES:
            raise refuse(Code.TOO_COMPLEX, "index size", found=len(span), limit=INDEX_BYTES)
        roots.moov = span
    elif kind == b"moof" and not is_cut:
        roots.fragments.append(span)
    elif kind == b"mdat":
        roots.has_media = roots.has_media or len(span) > 0
    elif kind == b"pssh":
        raise refuse(Code.ENCRYPTED, "encrypted", where="pssh")
    elif kind in PLACES:
        raise malformed(f"{kind.decode()} at the top")


def _judge_movie(moov: Node) -> None:
    """What may not be anywhere in an index, and what may not be there too often."""
    nodes = list(moov.walk())
    kinds = [node.kind for node in nodes]
    if b"cmov" in kinds:
        raise refuse(Code.TOO_COMPLEX, "compressed index")
    if b"rmra" in kinds:
        raise refuse(Code.FILM_ELSEWHERE, "reference movie")
    if b"pssh" in kinds:
        raise refuse(Code.ENCRYPTED, "encrypted", where="pssh")
    found = kinds.count(b"trak")
    if found > MOST_TRACKS:
        raise refuse(Code.TOO_COMPLEX, "too many tracks", found=found, limit=MOST_TRACKS)
    tags = sum(len(node.children) for node in nodes if node.kind in (b"udta", b"ilst"))
    tags += sum(node.span.number(4, 4) for node in nodes if node.kind == b"keys")
    if tags > MOST_TAGS:
        raise refuse(Code.TOO_COMPLEX, "too many tags", found=tags, limit=MOST_TAGS)
    header = moov.first(b"mvhd")
    if header is None:
        raise malformed("no mvhd")
    if header.span.number(20 if header.span.number(0, 1) == 1 else 12, 4) == 0:
        raise malformed("timescale")


def _judge_arrival(roots: _Roots, tracks: list[Found], size: int, *, is_fragmented: bool) -> None:
    """Whether anything of the picture can be there at all; how much, the tools find out."""
    pictures = [one for one in tracks if one.kind == "picture" and one.samples]
    if not pictures:
        raise refuse(Code.BROKEN_FILM, "no frames")
    if not roots.has_media or (not is_fragmented and all(one.begins_at >= size for one in pictures)):
        raise refuse(Code.BROKEN_FILM, "no media")
