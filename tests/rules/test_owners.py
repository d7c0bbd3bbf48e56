"""An owner's space: what asks first, what is whose, links that end with the sign-in; the archive of any size."""

import io
import tracemalloc
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import my_data, owners, people, submission
from portal.database import db_now
from portal.errors import Code, Missing
from portal.models import (
    Clip,
    ClipLink,
    CoSignature,
    Film,
    Message,
    Notice,
    Person,
    SignatureState,
    SignInLink,
    State,
)
from portal.owners import Ask
from portal.storage import MIB, Bucket

KEY = "a key for tests"


@pytest.fixture
def owner(make):
    return make.person("lea@mail.example")


def sign_in(runtime, owner):
    with runtime.work() as session:
        token = people.begin_owner_session(session, session.get_one(Person, owner.id))
        return people.by_owner_session(session, token)[1]


def open_clip(runtime, clip, link):
    with runtime.work() as session:
        return owners.open_clip(session, session.get_one(Clip, clip.id), link, key=KEY)


def test_a_link_made_by_a_sign_in_opens_its_clip_and_is_made_once(runtime, make, owner, session):
    clip, link = make.clip(State.IN_REVIEW, owner=owner), sign_in(runtime, owner)
    tokens = {open_clip(runtime, clip, link) for _ in range(3)}
    assert len(tokens) == 1
    assert submission.by_link(session, tokens.pop()).id == clip.id
    assert len(session.scalars(select(ClipLink)).all()) == 1


def test_leaving_ends_this_sign_in_and_its_links_and_no_other(runtime, make, owner, session):
    clip = make.clip(State.IN_REVIEW, owner=owner)
    phone, desk = sign_in(runtime, owner), sign_in(runtime, owner)
    by_phone, by_desk = open_clip(runtime, clip, phone), open_clip(runtime, clip, desk)
    with runtime.work() as writing:
        owners.leave(writing, writing.get_one(Person, owner.id), phone, key=KEY)
    with pytest.raises(Missing):
        submission.by_link(session, by_phone)
    assert submission.by_link(session, by_desk).id == clip.id
    standing = select(SignInLink.id).where(SignInLink.used_at.is_(None))
    assert session.scalars(standing).all() == [desk.id]


def test_a_link_is_good_once_and_ends_its_fellows(runtime, owner):
    with runtime.work() as session:
        person = session.get_one(Person, owner.id)
        first, second = people.enter_link(session, person), people.enter_link(session, person)
        people.use_link(session, second, people.ENTER)
        for token in (first, second):
            with pytest.raises(Missing) as refused:
                people.use_link(session, token, people.ENTER)
            assert refused.value.code == Code.GONE


def test_only_hashes_of_links_are_kept(runtime, owner, session):
    with runtime.work() as writing:
        token = people.enter_link(writing, writing.get_one(Person, owner.id))
    assert token not in str(session.execute(select(SignInLink.token_hash)).all())


def test_another_persons_clip_and_an_erased_one_are_not_there(runtime, make, owner, session):
    theirs, gone = make.clip(State.PUBLISHED), make.clip(State.ERASED, owner=owner)
    person = session.get_one(Person, owner.id)
    for clip in (theirs, gone):
        with pytest.raises(Missing):
            owners.clip_of(session, person, clip.id)
    assert owners.mine(session, person) == []


def test_the_most_pressing_stands_first_and_the_newest_of_the_calm(runtime, make, owner, session):
    calm = make.clip(State.PUBLISHED, owner=owner)
    draft = make.clip(State.DRAFT, owner=owner)
    ending = make.clip(State.PUBLISHED, owner=owner)
    ended = make.clip(State.EXPIRED, owner=owner)
    failed = make.clip(State.FAILED, owner=owner)
    spoken = make.clip(State.PUBLISHED, owner=owner)
    with runtime.work() as writing:
        now = db_now(writing)
        for clip, days in ((ending, 20), (ended, -1)):
            until = now + timedelta(days=days)
            writing.execute(update(Clip).where(Clip.id == clip.id).values(consent_until=until))
        writing.add(Message(clip_id=spoken.id, author="moderator", words="Un mot", via="page", made_at=now))
    found = owners.mine(session, session.get_one(Person, owner.id))
    assert [(one.clip.id, one.asks) for one in found] == [
        (failed.id, (Ask.FAILED,)),
        (ended.id, (Ask.ENDED,)),
        (ending.id, (Ask.RENEWAL,)),
        (spoken.id, (Ask.MESSAGE,)),
        (draft.id, (Ask.UNFINISHED,)),
        (calm.id, ()),
    ]


@pytest.mark.parametrize(
    ("answer", "asks"),
    [
        (SignatureState.WAITING, (Ask.SIGNATURES,)),
        (SignatureState.REFUSED, (Ask.REFUSED_SIGNATURE,)),
        (SignatureState.AGREED, ()),
    ],
)
def test_people_in_the_film_who_have_not_agreed_ask_for_the_owner(
    runtime, make, owner, session, answer, asks
):
    clip = make.clip(State.IN_REVIEW, owner=owner)
    with runtime.work() as writing:
        writing.add(
            CoSignature(id="a" * 32, clip_id=clip.id, name="Paul", state=answer, created_at=db_now(writing))
        )
        # Somebody who was asked and taken off the list: nobody waits for that answer.
        writing.add(
            CoSignature(
                id="b" * 32, clip_id=clip.id, name="Eve", state=SignatureState.WAITING,
                created_at=db_now(writing), removed_at=db_now(writing),
            )
        )  # fmt: skip
    (found,) = owners.mine(session, session.get_one(Person, owner.id))
    assert found.asks == asks
    assert [one.name for one in found.signatures] == (["Paul"] if asks else [])


def test_asking_twice_to_erase_makes_one_erasure(runtime, make, owner, session):
    clip = make.clip(State.PROCESSING, owner=owner)
    with runtime.work() as writing:
        person = writing.get_one(Person, owner.id)
        assert owners.erase(writing, person, lang="fr") == 1
        assert owners.erase(writing, person, lang="fr") == 1
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN
    assert session.scalars(select(Notice)).all() == []


def test_an_archive_of_any_size_is_sent_by_the_chunk(runtime, make, owner, session):
    clip = make.clip(State.PUBLISHED, owner=owner, with_objects=True)
    size = 48 * MIB
    key = session.scalars(select(Film.key).where(Film.clip_id == clip.id)).one()
    runtime.storage.put(Bucket.ORIGINALS, key, bytes(size), content_type="video/mp4")
    person = session.get_one(Person, owner.id)
    archive = my_data.gather(
        session, runtime.storage, person, site=runtime.settings.site, say=str, now=db_now(session)
    )
    tracemalloc.start()
    sent = sum(len(part) for part in archive.stream(runtime.storage))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == len(archive) > size
    assert peak < 4 * my_data.CHUNK


def test_the_archive_holds_what_was_agreed_to_in_full(runtime, make, owner, session):
    make.clip(State.DRAFT, owner=owner, title="Le Galibier")
    archive = my_data.gather(
        session,
        runtime.storage,
        session.get_one(Person, owner.id),
        site=runtime.settings.site,
        say=str,
        now=db_now(session),
    )
    whole = io.BytesIO(b"".join(archive.stream(runtime.storage)))
    with zipfile.ZipFile(whole) as found:
        page = found.read("index.html").decode()
        data = found.read("data.json").decode()
    assert "Le Galibier" in page
    assert "lea@mail.example" in page
    assert '"sha256"' in data
