"""What is left when everything was erased: a receipt, and not one word of its owner anywhere."""

import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from sqlalchemy import MetaData, select, update

from media_jobs import sweeping
from media_jobs.tasks import TASKS
from portal import captions, keys, notices, owners, submission, thread, withdrawal
from portal.database import Base, db_now
from portal.jobs import JobKind
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import (
    AuditEvent,
    Clip,
    CoAnswer,
    Consent,
    CoSignature,
    Cut,
    Decision,
    Film,
    IdempotencyKey,
    Invitation,
    Job,
    Note,
    Notice,
    OwnerProof,
    Person,
    Reason,
    Receipt,
    Rendition,
    SignatureState,
    State,
    SupportCase,
    Upload,
    UploadState,
)
from portal.notices import NoticeKind
from portal.storage import Bucket
from tests.jobs import stage

WORD = "xylkanari"


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


def work_off(runtime, shop):
    """Everything that waits, as the worker would, until nothing does."""
    for _round in range(6):
        with runtime.read() as session:
            jobs = session.execute(select(Job.id, Job.kind).where(Job.state == "queued")).all()
            letters = session.scalars(select(Notice.id).where(Notice.state == "waiting")).all()
        if not jobs and not letters:
            return
        for job_id, kind in jobs:
            TASKS[JobKind(kind)](shop, job_id)
        for notice_id in letters:
            TASKS[JobKind.TELL](shop, str(notice_id))


def rows_with(runtime, word):
    """Every column of every row of every table that holds the word."""
    found = []
    with runtime.read() as session:
        tables = MetaData()
        tables.reflect(session.get_bind())
        assert set(Base.metadata.tables) <= set(tables.tables)
        for table in tables.tables.values():
            for row in session.execute(select(table)).mappings():
                found += [
                    f"{table.name}.{name}: {value!r}"
                    for name, value in row.items()
                    if word
                    in (value.decode("latin-1") if isinstance(value, bytes) else str(value)).casefold()
                ]
    return found


def objects_with(runtime, word):
    found = []
    client, names = runtime.storage._client, runtime.storage._names
    for bucket in Bucket:
        for key in runtime.storage.keys(bucket):
            head = client.head_object(Bucket=names[bucket], Key=key)
            told = f"{key} {head.get('Metadata')} {head.get('ContentType')} {head.get('ContentDisposition')}"
            body = client.get_object(Bucket=names[bucket], Key=key)["Body"].read()
            if word in told.casefold() or word.encode() in body.lower():
                found.append(f"{bucket}: {told}")
    return found


def letters_with(runtime, word):
    folder = runtime.settings.mail.folder
    return [path.name for path in folder.glob("*.eml") if word in path.read_text("utf-8").casefold()]


def lived(make, runtime, owner, state):
    """A clip with the word wherever a person's words, or words about a person, can stand."""
    clip = make.clip(
        state, owner=owner, with_objects=True, consents=("site", "adult", "ads"),
        title=f"Titre {WORD}", first_name=f"Léa {WORD}", city=f"{WORD}ville", product=f"Solène {WORD}",
        incentive=f"{WORD} offert", music="own", music_words=f"Chanson de {WORD}", relation="family", altered=True,
        owned_since=2021, channel="site", fail_facts={"detail": WORD},
    )  # fmt: skip
    with runtime.work() as session:
        held, now = session.get_one(Clip, clip.id), db_now(session)
        submission.new_link(session, held)
        still = keys.made(clip.id, "still", "sent.jpg")
        held.still_key = still
        film = session.scalars(select(Film).where(Film.clip_id == clip.id)).one()
        film.facts, film.edits = {"title": WORD}, {"start": 1.5, "note": WORD}
        session.get_one(Cut, clip.cut_id).edits = {"blurs": [], "note": WORD}
        session.add_all([
            Upload(
                id=f"u{clip.id}", clip_id=clip.id, state=UploadState.ACCEPTED, storage_id="", key=film.key,
                filename=f"{WORD}.mov", content_type="video/mp4", size_bytes=1000, part_size=5, part_count=1,
                head_sha256="c" * 64, tail_sha256="d" * 64, last_modified=3, idempotency_key=WORD,
                created_at=now, changed_at=now, last_seen_at=now, expires_at=now,
            ),
            CoSignature(
                id=f"s{clip.id}", clip_id=clip.id, name=f"Paul {WORD}", email=f"paul@{WORD}.example",
                guardian=f"Mère {WORD}", state=SignatureState.WAITING, created_at=now, agent=WORD,
            ),
        ])  # fmt: skip
        session.flush()
        session.add_all([
            CoAnswer(
                signature_id=f"s{clip.id}", clip_id=clip.id, answer="agreed", made_at=now, guardian=WORD, agent=WORD
            ),
            Note(clip_id=clip.id, words=f"{WORD} a l’air sympathique", made_at=now),
            OwnerProof(clip_id=clip.id, level="invited", method="staff", reference=WORD, actor_kind="admin", made_at=now),
            IdempotencyKey(
                caller=f"clip:{clip.id}", key=f"k{clip.id}", body_sha256="e" * 64, status=200,
                answer=f'{{"id": "{clip.id}", "title": "{WORD}"}}', created_at=now,
            ),
            Invitation(
                id=f"i{clip.id}", campaign_id=held.campaign_id, batch=clip.id, email=owner.email, email_hash=clip.id * 6,
                first_name=WORD, product=WORD, lang="fr", token_hash=clip.id * 6, created_at=now, expires_at=now,
                clip_id=clip.id,
            ),
        ])  # fmt: skip
        session.execute(
            update(Consent).where(Consent.clip_id == clip.id).values(agent=WORD, address="192.0.2.1")
        )
        session.execute(update(Film).where(Film.clip_id == clip.id).values(sha256="f" * 64))
        session.flush()
        decision = Decision(
            clip_id=clip.id,
            clip_version=1,
            verb="request_changes",
            made_at=now,
            film_sha256="f" * 64,
            title_was=f"Titre de {WORD}",
        )
        decision.reasons = [Reason(code="plate", at_seconds=7.5, words=f"La plaque de {WORD}")]
        session.add(decision)
        thread.add(session, held, f"Bonjour, ici {WORD}", author=OWNER)
        session.add(
            SupportCase(clip_id=clip.id, words=f"Appelez {WORD}", phone="+33 1 23", state="open", made_at=now)
        )
        notices.tell(session, NoticeKind.RECEIVED, held, occasion=f"r:{clip.id}", facts={"line": WORD})
    runtime.storage.put(Bucket.ORIGINALS, still, b"picture", content_type="image/jpeg")
    with runtime.work() as session:
        captions.replace(
            session, session.get_one(Clip, clip.id), "fr", f"WEBVTT\n\n00:01.000 --> 00:02.000\nJe suis {WORD}\n",
            by=Actor(ActorKind.MODERATOR), seen_version=0, states=frozenset(State),
        )  # fmt: skip
    return clip


def test_after_everything_is_erased_not_one_word_of_the_owner_is_left_anywhere(
    make, runtime, shop, empty_buckets, session
):
    owner = make.person(f"lea@{WORD}.example", name=f"Léa {WORD}")
    states = (State.PUBLISHED, State.IN_REVIEW, State.CHANGES_REQUESTED, State.REJECTED, State.WITHDRAWN)
    clips = [lived(make, runtime, owner, state) for state in states]
    other = make.clip(State.PUBLISHED, with_objects=True)
    work_off(runtime, shop)
    assert rows_with(runtime, WORD)
    assert letters_with(runtime, WORD)
    with runtime.work() as writing:
        person = writing.get_one(Person, owner.id)
        owners.ask_to_enter(writing, owner.email, lang="fr")
        owners.ask_to_erase(writing, person, lang="fr")
    work_off(runtime, shop)
    with runtime.work() as writing:
        owners.erase(writing, writing.get_one(Person, owner.id), lang="fr")
    work_off(runtime, shop)
    assert {stage.row(runtime, Clip, clip.id).state for clip in clips} == {State.ERASED}
    assert rows_with(runtime, WORD) == []
    assert objects_with(runtime, WORD) == []
    left = {key for bucket in Bucket for key in runtime.storage.keys(bucket)}
    # Nothing but the marks by which an older copy of the database is put right.
    theirs = {key for key in left for clip in clips if clip.id in key}
    assert theirs == {keys.erased(clip.id) for clip in clips}
    assert stage.row(runtime, Clip, other.id).title
    sweeping.thorough(shop)
    # The last letter lies in our own folder for a day: with a mail server it would be its reader's alone.
    assert len(letters_with(runtime, WORD)) == 1
    with runtime.work() as writing:
        writing.execute(update(Notice).values(sent_at=db_now(writing) - timedelta(days=2)))
    sweeping.thorough(shop)
    assert letters_with(runtime, WORD) == []


def test_a_receipt_says_what_was_deleted_and_that_nothing_is_left(make, runtime, shop, session):
    owner = make.person("lea@mail.example")
    clip = lived(make, runtime, owner, State.PUBLISHED)
    with runtime.work() as writing:
        withdrawal.withdraw(writing, writing.get_one(Clip, clip.id), by=OWNER)
    with runtime.read() as reading:
        private = len(set(reading.scalars(select(Rendition.key).where(Rendition.clip_id == clip.id)))) + 2
    job_id = stage.ask(runtime, clip, JobKind.ERASE)
    TASKS[JobKind.ERASE](shop, job_id)
    facts = session.scalars(select(Receipt.facts)).one()
    assert facts["objects"]["originals"] == private
    assert facts["bytes"] > 1000
    assert facts["left"] == 0
    assert facts["is_person_gone"] is True
    rows = facts["rows"]
    assert (rows["rendition"], rows["co_signature"], rows["message"], rows["caption"], rows["film"]) == (
        13,
        1,
        1,
        1,
        1,
    )
    assert WORD not in str(facts)


def test_the_clock_erases_after_a_day_and_the_letter_with_the_receipt_leaves(make, runtime, shop, session):
    owner = make.person("lea@mail.example")
    clip = make.clip(State.PUBLISHED, owner=owner, with_objects=True)
    with runtime.work() as writing:
        withdrawal.withdraw(writing, writing.get_one(Clip, clip.id), by=OWNER)
        then = db_now(writing) - timedelta(hours=25)
        writing.execute(update(Clip).values(state_since=then))
    for _twice in range(2):
        sweeping.quick(shop)
    work_off(runtime, shop)
    assert session.get_one(Clip, clip.id).state == State.ERASED
    assert len(session.scalars(select(Receipt)).all()) == 1
    (last,) = session.scalars(select(Notice).where(Notice.kind == NoticeKind.ERASED))
    assert last.state == "sent"


def test_one_step_of_the_sweep_that_breaks_keeps_no_other_from_being_done(
    make, runtime, shop, session, monkeypatch
):
    def broken(*_anything):
        raise ValueError

    monkeypatch.setattr(sweeping.arrivals, "repair_completing", broken)
    monkeypatch.setattr(sweeping.terms, "ask_again", broken)
    clip = make.clip(State.WITHDRAWN)
    draft = make.clip(State.CHANGES_REQUESTED)
    with runtime.work() as writing:
        writing.execute(update(Clip).values(state_since=db_now(writing) - timedelta(days=90)))
    sweeping.quick(shop)
    sweeping.thorough(shop)
    assert session.scalars(select(Job.kind).where(Job.clip_id == clip.id)).all() == ["erase"]
    assert session.get_one(Clip, draft.id).state == State.WITHDRAWN


def test_the_receipt_reaches_the_owner_who_is_forgotten_with_it(make, runtime, shop, session):
    owner = make.person("lea@mail.example")
    clip = make.clip(State.WITHDRAWN, owner=owner, with_objects=True)
    TASKS[JobKind.ERASE](shop, stage.ask(runtime, clip, JobKind.ERASE))
    notice = session.scalars(select(Notice).where(Notice.kind == NoticeKind.ERASED)).one()
    assert (notice.address, notice.clip_id, notice.person_id) == ("lea@mail.example", None, None)
    TASKS[JobKind.TELL](shop, str(notice.id))
    letter = (runtime.settings.mail.folder / f"{notice.message_id}.eml").read_text("utf-8")
    assert "lea@mail.example" in letter
    assert f"/fr/receipt/{notice.about}" in letter.replace("=\n", "")
    assert stage.row(runtime, Notice, notice.id).address is None
    assert stage.row(runtime, Person, owner.id).email is None


def test_an_erasure_that_died_half_way_counts_everything_all_the_same(make, runtime, shop, session):
    clip = make.clip(State.WITHDRAWN, with_objects=True)
    runtime.storage.delete(
        Bucket.ORIGINALS, list(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))
    )
    TASKS[JobKind.ERASE](shop, stage.ask(runtime, clip, JobKind.ERASE))
    assert session.scalars(select(Receipt.facts)).one()["objects"]["originals"] == 14


def test_staff_who_are_owners_keep_their_account(make, runtime, shop, session, moderator):
    make.clip(State.PUBLISHED, owner=moderator, with_objects=True)
    with runtime.work() as writing:
        owners.erase(writing, writing.get_one(Person, moderator.id), lang="fr")
    work_off(runtime, shop)
    kept = session.get_one(Person, moderator.id)
    assert (kept.email, kept.role) == (moderator.email, moderator.role)
    assert session.scalars(select(Clip.state)).all() == [State.ERASED]


def test_somebody_without_clips_is_forgotten_at_once_with_a_receipt(make, runtime, shop, session):
    owner = make.person("lea@mail.example")
    with runtime.work() as writing:
        owners.erase(writing, writing.get_one(Person, owner.id), lang="fr")
    work_off(runtime, shop)
    assert session.get_one(Person, owner.id).email is None
    assert session.execute(select(Notice.state, Notice.address)).all() == [("sent", None)]


def test_the_history_of_an_erased_clip_stays(make, runtime, shop, session):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as writing:
        withdrawal.withdraw(writing, writing.get_one(Clip, clip.id), by=OWNER)
    TASKS[JobKind.ERASE](shop, stage.ask(runtime, clip, JobKind.ERASE))
    assert [*session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id))] == ["withdraw", "erase"]
    assert [one.text_id is not None for one in session.scalars(select(Consent))] == [True, True]


def signed_mp4(runtime, clip):
    with runtime.read() as session:
        key = session.scalars(
            select(Rendition.key).where(Rendition.clip_id == clip.id, Rendition.name == "360.mp4")
        ).one()
    return runtime.storage.sign_get(key, ttl=7200)


def status_of(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_an_address_signed_before_a_withdrawal_leads_nowhere_after_it(make, runtime, shop):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    url = signed_mp4(runtime, clip)
    assert status_of(url) == 200
    with runtime.work() as writing:
        withdrawal.withdraw(writing, writing.get_one(Clip, clip.id), by=OWNER)
    TASKS[JobKind.RETRACT](shop, stage.open_job(runtime, clip, JobKind.RETRACT))
    assert status_of(url) == 404
    # The files wait under other names, for the day on which it can be undone.
    assert status_of(signed_mp4(runtime, clip)) == 200
    with runtime.read() as reading:
        named = set(reading.scalars(select(Rendition.key).where(Rendition.clip_id == clip.id)))
    assert set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id))) == named
    assert len(named) == 13


def test_a_clip_that_is_being_erased_is_not_laid_under_other_keys(make, runtime, shop):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        withdrawal.withdraw(writing, held, by=OWNER)
        withdrawal.erase_request(writing, held, by=OWNER)
    before = set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))
    TASKS[JobKind.RETRACT](shop, stage.open_job(runtime, clip, JobKind.RETRACT))
    assert set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id))) == before


def test_what_an_attempt_that_died_half_way_left_is_deleted_by_the_next(make, runtime, shop):
    clip = make.clip(State.PUBLISHED, with_objects=True)
    left = keys.made(clip.id, "0" * 32, "1-360.mp4")
    runtime.storage.put(Bucket.ORIGINALS, left, b"half", content_type="video/mp4")
    with runtime.work() as writing:
        withdrawal.withdraw(writing, writing.get_one(Clip, clip.id), by=OWNER)
    TASKS[JobKind.RETRACT](shop, stage.open_job(runtime, clip, JobKind.RETRACT))
    assert runtime.storage.size(Bucket.ORIGINALS, left) is None
