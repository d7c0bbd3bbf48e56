"""The checker's way through record and buckets: both in the order of one id, side by side, portion by portion.

What is stored is listed before its rows are read. An order that is not kept costs questions to the storage, and makes
no finding.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal import keys
from portal.models import Clip, Publication
from portal.storage import Bucket, Storage, StoredObject

Work = Callable[[], AbstractContextManager[Session]]
"""Opens a session: a unit of work, or one for reading (`Runtime.work`, `Runtime.read`)."""

CLIPS, OBJECTS, PAGE = 500, 10_000, 1000
"""A portion's size: it ends with the id that reaches one of the first two. Ids are read by the page."""

_Some = tuple[str, list[StoredObject]]
"""An id and objects that bear it."""

# Where a key says whose object it is.
_PLACES = {keys.ORIGINAL_PREFIX: 3, keys.MADE_PREFIX: 1, keys.MARK_PREFIX: 1, keys.PUBLIC_PREFIX: 1}


@dataclass(slots=True)
class Portion:
    """Ids of the record or of stored objects that follow each other, and the objects that bear them."""

    ids: list[str] = field(default_factory=list)
    objects: list[StoredObject] = field(default_factory=list)


def owner(key: str) -> str:
    """The clip or the token whose object this is by its key, empty for a key that is not of our making."""
    return _owner_and_place(key)[0]


def _owner_and_place(key: str) -> tuple[str, str]:
    """The owner, and how all keys begin whose objects are his; both empty for a key that is not of our making."""
    depth = _PLACES.get(key[:2], 0)
    parts = key.split("/", depth + 1)
    if not 0 < depth < len(parts) - 1:
        return "", ""
    return parts[depth], key.removesuffix(parts[-1])


def private(read: Work, storage: Storage) -> Iterator[Portion]:
    """Every clip with its objects in the originals bucket, by the clip's id; then objects that are no clip's by their keys."""
    strays, months = _originals(storage)
    places = (keys.MADE_PREFIX, keys.MARK_PREFIX, *months)
    listings = [storage.objects(Bucket.ORIGINALS, place) for place in places]
    ordered = heapq.merge(*(_by_owner(each) for each in listings), key=itemgetter(0))
    yield from _portions(_ids(read, Clip.id), ordered)
    yield from _portions((), (("", [one]) for one in strays))


def public(read: Work, storage: Storage) -> Iterator[Portion]:
    """Every publication that should be whole with its objects in the public bucket, by its token; and all others there."""
    shown = (Publication.complete_at.is_not(None), Publication.deleted_at.is_(None))
    listed = _by_owner(storage.objects(Bucket.PUBLIC))
    return _portions(_ids(read, Publication.token, *shown), listed)


def _by_owner(listed: Iterable[StoredObject]) -> Iterator[_Some]:
    """Those that follow each other under one clip or token, with its id; the next one's place alone is looked for."""
    whose, place, some = "", "", list[StoredObject]()
    for one in listed:
        if not place or not one.key.startswith(place):
            if some:
                yield whose, some
            some = []
            whose, place = _owner_and_place(one.key)
        some.append(one)
    if some:
        yield whose, some


def _originals(storage: Storage) -> tuple[Iterator[StoredObject], list[str]]:
    """What lies beside originals and made files, and the prefixes of the months in which originals came."""
    folders, loose = storage.folders(Bucket.ORIGINALS)
    others = [one for one in folders if one not in (keys.MADE_PREFIX, keys.MARK_PREFIX, keys.ORIGINAL_PREFIX)]
    years, beside = storage.folders(Bucket.ORIGINALS, keys.ORIGINAL_PREFIX)
    months: list[str] = []
    for year in years:
        inner, odd = storage.folders(Bucket.ORIGINALS, year)
        months, beside = months + inner, beside + odd
    rest = (storage.objects(Bucket.ORIGINALS, other) for other in others)
    return chain(loose, beside, *rest), months


def _ids(read: Work, column: InstrumentedAttribute[str], *which: ColumnElement[bool]) -> Iterator[str]:
    """Every id in its order, a page at a time; each page is a transaction of its own."""
    last = ""
    while True:
        with read() as session:
            page = session.scalars(
                select(column).where(column > last, *which).order_by(column).limit(PAGE)
            ).all()
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]


def _portions(ids: Iterable[str], stored: Iterable[_Some]) -> Iterator[Portion]:
    """The two side by side, each in the order of its ids; what bears one id stays together."""
    known: Iterator[_Some] = ((one, []) for one in ids)
    portion = Portion()
    for one, group in groupby(heapq.merge(known, stored, key=itemgetter(0)), key=itemgetter(0)):
        portion.ids.append(one)
        for _, some in group:
            portion.objects += some
        if len(portion.ids) >= CLIPS or len(portion.objects) >= OBJECTS:
            yield portion
            portion = Portion()
    if portion.ids:
        yield portion
