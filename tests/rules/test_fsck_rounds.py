"""The checker's way through a large portal: portion by portion, in whatever portions, and nothing is passed over."""

import secrets
from collections import Counter

import pytest
from sqlalchemy import select, update

from portal import fsck, keys, rounds
from portal.models import Film, Publication, Rendition, State
from portal.storage import Bucket, Storage, StoredObject


def check(runtime, storage=None):
    return fsck.check(runtime.read, storage or runtime.storage, grace_seconds=-60.0)


def put(runtime, bucket, *names):
    for name in names:
        runtime.storage.put(bucket, name, b"x", content_type="video/mp4")


@pytest.fixture
def published(make, empty_buckets):
    return [make.clip(State.PUBLISHED, with_objects=True) for _ in range(3)]


def stored(*ids, each=1):
    return [(one, [StoredObject(f"p/{one}/{number}", 1) for number in range(each)]) for one in ids]


def test_a_portion_ends_with_the_id_that_fills_it_and_what_bears_one_id_stays_together(monkeypatch):
    monkeypatch.setattr(rounds, "CLIPS", 3)
    monkeypatch.setattr(rounds, "OBJECTS", 4)
    listed = stored("a", "c", "d", "g", each=3)
    portions = list(rounds._portions(iter("abcdef"), iter(listed)))
    assert [one.ids for one in portions] == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert [len(one.objects) for one in portions] == [6, 3, 3]
    assert [one for portion in portions for one in portion.objects] == [
        one for _, some in listed for one in some
    ]


def test_no_more_than_a_portion_is_read_ahead():
    taken = Counter()

    def listing():
        for one in stored(*(f"{number:06}" for number in range(100_000))):
            taken["objects"] += 1
            yield one

    next(rounds._portions((), listing()))
    assert taken["objects"] <= rounds.CLIPS + 2


def test_the_same_is_found_in_the_smallest_portions(runtime, make, published, monkeypatch):
    bare = {make.clip(State.PUBLISHED).id for _ in range(2)}
    lost, left = published[0].id, published[1].id
    with runtime.read() as session:
        key = session.scalars(select(Rendition.key).where(Rendition.clip_id == lost).limit(1)).one()
        token = session.scalars(select(Publication.token).where(Publication.clip_id == left)).one()
    runtime.storage.delete(Bucket.ORIGINALS, [key])
    runtime.storage.delete(Bucket.PUBLIC, [keys.public(token, "360.mp4")])
    put(runtime, Bucket.ORIGINALS, keys.made(left, "e" * 32, "x.mp4"), keys.made("z" * 10, "e" * 32, "x.mp4"))
    put(runtime, Bucket.PUBLIC, keys.public("0" * 32, "x.mp4"), "elsewhere")
    whole = check(runtime)
    by_clip = {(one.invariant, one.subject.split()[0]) for one in whole}
    assert {clip for invariant, clip in by_clip if invariant == "I6"} == {lost, *bare}
    assert {clip for invariant, clip in by_clip if invariant == "I4"} == {left, *bare}
    found = Counter(one.invariant for one in whole)
    assert (found["I3"], found["I5"]) == (2, 2)
    monkeypatch.setattr(rounds, "CLIPS", 1)
    monkeypatch.setattr(rounds, "PAGE", 1)
    assert set(check(runtime)) == set(whole)
    assert len(check(runtime)) == len(whole)


def test_objects_are_told_apart_by_their_own_place_in_the_key_whatever_an_id_is_like():
    keys_ = ["o/2026/07/2026/x", "o/2026/07/2026/y", "o/2026/08/b/x", "p/p/t/x", "p/pp/t/x", "p//x", "x"]
    listed = [StoredObject(key, 1) for key in keys_]
    found = [(whose, [one.key for one in some]) for whose, some in rounds._by_owner(listed)]
    assert [(whose, len(some)) for whose, some in found] == [
        ("2026", 2), ("b", 1), ("p", 1), ("pp", 1), ("", 1), ("", 1),
    ]  # fmt: skip
    assert [key for _, some in found for key in some] == keys_
    assert all(rounds.owner(key) == whose for whose, some in found for key in some)


class Jumbled(Storage):
    """A storage that lists in no order."""

    def objects(self, bucket, prefix=""):
        return reversed(list(super().objects(bucket, prefix)))


def test_a_storage_that_lists_in_no_order_makes_no_finding(runtime, published, monkeypatch):
    before = check(runtime)
    monkeypatch.setattr(rounds, "CLIPS", 1)
    jumbled = Jumbled(runtime.settings.storage)
    assert {one.invariant for one in check(runtime, jumbled)} == {one.invariant for one in before}


STRAYS = ("x", "q/y/z", "o/x", "o/2026/x", "o/2026/07/x", "p/x", "p/" + "z" * 10 + "/x")


def test_objects_in_places_that_are_not_of_our_making_are_found_and_deleted(runtime, empty_buckets):
    put(runtime, Bucket.ORIGINALS, *STRAYS)
    found = [one.subject for one in check(runtime) if one.invariant == "I5"]
    assert sorted(found) == sorted(STRAYS)
    assert fsck.tidy(runtime.read, runtime.work, runtime.storage) == len(STRAYS)
    assert list(runtime.storage.keys(Bucket.ORIGINALS)) == []


def test_nothing_is_deleted_that_a_row_names_wherever_it_lies(runtime, published):
    first, second = published[:2]
    odd, theirs = "elsewhere/film.mp4", keys.made(second.id, "d" * 32, "360.mp4")
    with runtime.work() as session:
        session.execute(update(Film).where(Film.clip_id == first.id).values(key=odd))
        whole = Rendition.clip_id == first.id, Rendition.name == "360.mp4"
        session.execute(update(Rendition).where(*whole).values(key=theirs))
    put(runtime, Bucket.ORIGINALS, odd, theirs)
    fsck.tidy(runtime.read, runtime.work, runtime.storage)
    assert runtime.storage.size(Bucket.ORIGINALS, odd) == 1
    assert runtime.storage.size(Bucket.ORIGINALS, theirs) == 1


def test_objects_are_listed_in_order_with_their_sizes_and_by_folders(runtime):
    # A storage may remember folders that were emptied.
    base = f"{secrets.token_hex(8)}/"
    put(runtime, Bucket.PUBLIC, f"{base}b/2", f"{base}a/1", f"{base}c")
    listed = list(runtime.storage.objects(Bucket.PUBLIC, base))
    assert listed == [StoredObject(base + name, 1) for name in ("a/1", "b/2", "c")]
    folders, here = runtime.storage.folders(Bucket.PUBLIC, base)
    assert (folders, here) == ([f"{base}a/", f"{base}b/"], [StoredObject(f"{base}c", 1)])
    assert runtime.storage.folders(Bucket.PUBLIC, f"{base}nowhere/") == ([], [])
