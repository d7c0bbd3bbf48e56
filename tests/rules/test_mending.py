"""Repairs look again: what changed since the checker looked is left alone, and one that fails ends no other."""

import pytest
from sqlalchemy import select, update

from portal import fsck, keys, notices
from portal.errors import Away, Code
from portal.ground import Finding
from portal.models import Clip, Film, Notice, NoticeState, Publication, State
from portal.notices import NoticeKind
from portal.storage import Bucket, Storage

NAME = "360.mp4"


@pytest.fixture
def published(make):
    return make.clip(State.PUBLISHED, with_objects=True)


@pytest.fixture
def look(runtime, published):
    """What the checker says of this clip now."""

    def found(*repairs, **options):
        every = fsck.check(runtime.read, runtime.storage, grace_seconds=-60.0, **options)
        token = public_key(runtime, published).split("/")[1]
        mine = [one for one in every if published.id in one.subject or token in one.subject]
        return [one for one in mine if not repairs or one.repair in repairs]

    return found


def public_key(runtime, clip, name=NAME):
    with runtime.read() as session:
        token = session.scalars(select(Publication.token).where(Publication.clip_id == clip.id)).one()
    return keys.public(token, name)


def write(runtime, statement):
    with runtime.work() as session:
        session.execute(statement)


def withdrawn(runtime, clip):
    write(runtime, update(Clip).where(Clip.id == clip.id).values(state=State.WITHDRAWN))


def test_a_file_of_a_clip_that_was_taken_back_meanwhile_is_not_copied_again(runtime, published, look):
    key = public_key(runtime, published)
    runtime.storage.delete(Bucket.PUBLIC, [key])
    found = look("copy_again")
    withdrawn(runtime, published)
    assert (len(found), fsck.repair(runtime.work, runtime.storage, found)) == (1, 0)
    assert runtime.storage.size(Bucket.PUBLIC, key) is None


def test_a_file_of_a_clip_that_is_taken_back_while_it_is_copied_does_not_stay(runtime, published, look):
    key = public_key(runtime, published)
    runtime.storage.delete(Bucket.PUBLIC, [key])
    found = look("copy_again")

    class Slow(Storage):
        def copy_to_public(self, *names, **how):
            super().copy_to_public(*names, **how)
            withdrawn(runtime, published)

    assert fsck.repair(runtime.work, Slow(runtime.settings.storage), found) == 0
    assert runtime.storage.size(Bucket.PUBLIC, key) is None


def test_a_public_file_whose_clip_is_shown_again_by_now_stays(runtime, published, look):
    withdrawn(runtime, published)
    found = look("delete_public")
    write(runtime, update(Clip).where(Clip.id == published.id).values(state=State.PUBLISHED))
    assert found
    assert fsck.repair(runtime.work, runtime.storage, found) == 0
    assert runtime.storage.size(Bucket.PUBLIC, public_key(runtime, published)) == 100


def test_a_private_file_that_a_row_names_by_now_stays(runtime, published, look):
    key = keys.made(published.id, "e" * 32, NAME)
    runtime.storage.put(Bucket.ORIGINALS, key, b"x", content_type="video/mp4")
    found = look("delete_private")
    write(runtime, update(Film).where(Film.clip_id == published.id).values(key=key))
    assert [one.subject for one in found] == [key]
    assert fsck.repair(runtime.work, runtime.storage, found) == 0
    assert runtime.storage.size(Bucket.ORIGINALS, key) == 1


def test_a_clip_that_was_approved_since_is_not_taken_down(runtime, make, published, look, moderator):
    found = look("unpublish")
    make.decision(published, "approve", moderator_id=moderator.id)
    assert found
    assert fsck.repair(runtime.work, runtime.storage, found) == 0
    with runtime.read() as session:
        assert session.get_one(Clip, published.id).state == State.PUBLISHED


@pytest.fixture
def letter(runtime, published):
    with runtime.work() as session:
        clip = session.get_one(Clip, published.id)
        return notices.tell(session, NoticeKind.PUBLISHED, clip, occasion="published:x")


@pytest.mark.parametrize("state", [NoticeState.SENT, NoticeState.CANCELLED])
def test_a_letter_that_has_left_or_was_called_off_since_does_not_leave_again(
    runtime, published, letter, state
):
    found = Finding("I15", f"notice {letter.id}", "did not leave", "resend")
    write(runtime, update(Notice).where(Notice.id == letter.id).values(state=state))
    assert fsck.repair(runtime.work, runtime.storage, [found]) == 0
    with runtime.read() as session:
        assert session.get_one(Notice, letter.id).state == state


def test_a_repair_that_fails_does_not_keep_the_next_one_from_being_done(runtime, letter):
    write(runtime, update(Notice).where(Notice.id == letter.id).values(state=NoticeState.FAILED))
    found = [
        Finding("I13", "no such cut", "is to be made", "pick_up_cut"),
        Finding("I15", f"notice {letter.id}", "did not leave", "resend"),
    ]
    assert fsck.repair(runtime.work, runtime.storage, found) == 1
    with runtime.read() as session:
        assert session.get_one(Notice, letter.id).state == NoticeState.WAITING


def test_a_storage_that_is_away_ends_the_repairs(runtime, published, look):
    class Gone(Storage):
        def delete(self, *_asked):
            raise Away(Code.OURS_STORAGE)

    key = keys.made(published.id, "e" * 32, NAME)
    runtime.storage.put(Bucket.ORIGINALS, key, b"x", content_type="video/mp4")
    with pytest.raises(Away):
        fsck.repair(runtime.work, Gone(runtime.settings.storage), look("delete_private"))


def test_no_transaction_is_open_while_the_storage_is_asked(runtime, published, look):
    runtime.storage.delete(Bucket.PUBLIC, [public_key(runtime, published)])
    held = []

    class Watching(Storage):
        def read(self, *asked):
            held.append(("read", runtime.engine.pool.checkedout()))
            return super().read(*asked)

        def size(self, *asked):
            held.append(("size", runtime.engine.pool.checkedout()))
            return super().size(*asked)

    storage = Watching(runtime.settings.storage)
    fsck.check(runtime.read, storage, grace_seconds=-60.0, deep=True)
    assert {what for what, _open in held} == {"read", "size"}
    assert {open_ for _what, open_ in held} == {0}


def test_i6_a_picture_that_was_sent_and_a_first_look_that_are_gone(runtime, published, look):
    first = {"files": [{"key": keys.made(published.id, "e" * 32, "first.mp4")}]}
    write(runtime, update(Film).where(Film.clip_id == published.id).values(preview=first))
    write(runtime, update(Clip).where(Clip.id == published.id).values(still_key="p/x/y/sent"))
    gone = [one.subject.split()[1] for one in look() if one.invariant == "I6"]
    assert sorted(gone) == sorted([first["files"][0]["key"], "p/x/y/sent"])


def test_i11_whatever_a_person_could_be_known_by_is_looked_for(runtime, published, look):
    before = told(look, published)
    write(runtime, update(Clip).where(Clip.id == published.id).values(state=State.ERASED))
    assert before == set()
    assert told(look, published) >= {
        f"something is left in the table {name}" for name in ("clip", "film", "rendition")
    }


def told(look, clip):
    return {one.detail for one in look() if (one.invariant, one.subject) == ("I11", clip.id)}
