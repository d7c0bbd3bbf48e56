"""The migrations and the models agree, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, select

from portal.database import Base, make_engine, make_sessions
from portal.migrations import alembic_config, upgrade
from portal.models import Clip, CoAnswer, Consent, CoSignature, Cut, Film, Job, Publication, Rendition


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_upgraded_database_is_what_the_models_say(kind, request, tmp_path):
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'portal.sqlite'}"
        upgrade(url)
    else:
        url = request.getfixturevalue("make_migrated_postgres")()
    engine = make_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


WHEN = datetime(2026, 10, 1, 12, tzinfo=UTC)
FIRST_RELEASE = {
    "campaign": [{"id": 1, "slug": "main", "created_at": WHEN}],
    "person": [{"id": 1, "email": "ada@mail.example"}],
    "clip": [
        {"id": "c-public", "state": "published", "film_id": "f2", "seconds": 12.5, "width": 1920, "height": 1080, "owner_id": 1,
         "people": [{"name": "Ada", "email": None, "minor": True}]},
        {"id": "c-failed", "state": "failed", "fail_code": "too_long"},
        {"id": "c-erased", "state": "erased"},
    ],
    "film": [
        {"id": "f1", "clip_id": "c-public", "number": 1, "ready_at": WHEN, "ladder_version": 1},
        {"id": "f2", "clip_id": "c-public", "number": 2, "ready_at": WHEN, "ladder_version": 1,
         "ffmpeg_version": "7.1", "loudness": -21.5, "sha256": "a" * 64},
        {"id": "f3", "clip_id": "c-failed", "number": 1},
        {"id": "f4", "clip_id": "c-erased", "number": 1, "ready_at": WHEN, "erased_at": WHEN},
    ],
    "rendition": [
        {"id": 1, "clip_id": "c-public", "film_id": "f1", "name": "720.mp4"},
        {"id": 2, "clip_id": "c-public", "film_id": "f2", "name": "720.mp4"},
    ],
    "publication": [
        {"id": 1, "clip_id": "c-public", "film_id": "f1", "token": "t1", "complete_at": WHEN, "deleted_at": WHEN},
        {"id": 2, "clip_id": "c-public", "film_id": "f2", "token": "t2", "complete_at": WHEN},
    ],
    "consent_text": [{"id": 1}],
    "consent": [{"id": 1, "clip_id": "c-public"}],
    "job": [
        {"id": "j1", "clip_id": "c-public", "kind": "publish", "state": "done"},
        {"id": "j2", "clip_id": "c-failed", "kind": "transcode", "state": "queued"},
    ],
}  # fmt: skip
REQUIRED = {
    "campaign": {},
    "person": {"name": "", "role": "owner", "lang": "fr", "session_token": "s" * 43, "created_at": WHEN},
    "clip": {
        "campaign_id": 1, "state_since": WHEN, "version": 3, "created_at": WHEN, "title": "Le matin",
        "first_name": "Zoé", "city": "", "product": "", "speech_lang": "fr", "lang": "fr", "incentive": "",
        "music": "", "people": [], "owner_level": "not_proven", "channel": "site", "search_text": "",
    },
    "film": {"key": "o/x", "size_bytes": 1, "facts": {}, "received_at": WHEN},
    "rendition": {"kind": "mp4", "content_type": "video/mp4", "size_bytes": 1, "sha256": "b" * 64},
    "publication": {"created_at": WHEN},
    "consent_text": {
        "purpose": "site", "lang": "fr", "version": 1, "body": "Oui", "sha256": "c" * 64, "created_at": WHEN,
    },
    "consent": {"text_id": 1, "purpose": "site", "given_at": WHEN, "given_via": "site"},
    "job": {"attempt": 0, "max_attempts": 3, "progress": 0.0, "step": "", "created_at": WHEN, "run_after": WHEN},
}  # fmt: skip


def fill_as_the_first_release(engine):
    known = MetaData()
    known.reflect(engine)
    with engine.begin() as connection:
        for name, rows in FIRST_RELEASE.items():
            for row in rows:
                more = {"key": f"p/{row['id']}"} if name == "rendition" else {}
                connection.execute(known.tables[name].insert().values(**REQUIRED[name] | more | row))


@pytest.fixture(params=["sqlite", "postgresql"])
def first_release(request, tmp_path):
    """The address and the machine of a database as the first release left it, after a while of use."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'portal.sqlite'}"
    else:
        url = request.getfixturevalue("make_postgres_database")()
    command.upgrade(alembic_config(url), "0001")
    engine = make_engine(url)
    fill_as_the_first_release(engine)
    yield url, engine
    engine.dispose()


def test_what_the_first_release_wrote_is_there_after_the_upgrade(first_release):
    url, engine = first_release
    upgrade(url)
    with make_sessions(engine)() as session:
        clip = session.get_one(Clip, "c-public")
        cut = session.get_one(Cut, clip.cut_id)
        assert (cut.film_id, cut.state, cut.loudness, cut.ladder_version) == ("f2", "adopted", -21.5, 1)
        assert (cut.edits, cut.proposals, cut.seconds, cut.made_at) == ({}, [], 12.5, WHEN)
        assert {one.film_id: one.state for one in session.scalars(select(Cut))} == {
            "f1": "superseded", "f2": "adopted", "f3": "superseded", "f4": "superseded",
        }  # fmt: skip
        assert {one.id: one.cut_id for one in session.scalars(select(Rendition))} == {1: "f1", 2: "f2"}
        assert {one.id: one.cut_id for one in session.scalars(select(Publication))} == {1: "f1", 2: "f2"}
        assert {one.id: (one.part, one.format) for one in session.scalars(select(Job))} == {
            "j1": (0, 1), "j2": (0, 1),
        }  # fmt: skip
        assert session.get_one(Clip, "c-failed").fail_facts == {}
        assert session.get_one(Film, "f2").preview == {}
        assert [(one.name, one.is_minor, one.state) for one in session.scalars(select(CoSignature))] == [
            ("Ada", True, "waiting")
        ]
        assert session.get_one(Clip, "c-public").consent_until == WHEN + timedelta(days=730)
        assert session.get_one(Clip, "c-failed").consent_until is None
        # Confirmed until now: by the person, for whatever stands under the address.
        assert [session.get_one(Clip, one).is_vouched for one in ("c-public", "c-failed")] == [True, False]


def everything(engine):
    """Every table with its columns, indexes and rows."""
    known, look = MetaData(), inspect(engine)
    known.reflect(engine)
    with engine.connect() as connection:
        return {
            name: (
                [
                    (column["name"], str(column["type"]), column["nullable"])
                    for column in look.get_columns(name)
                ],
                sorted(index["name"] for index in look.get_indexes(name)),
                sorted(map(repr, connection.execute(select(table)))),
            )
            for name, table in known.tables.items()
        }


def test_upgrading_twice_changes_nothing(first_release):
    url, engine = first_release
    upgrade(url)
    once = everything(engine)
    assert once["clip"][2]
    upgrade(url)
    assert everything(engine) == once


FORMER = {
    "clip": [
        {"id": "c-shown", "state": "published", "consent_until": WHEN + timedelta(days=730), "views": 0,
         "music_words": "", "relation": "", "is_vouched": False, "fail_facts": {}},
    ],
    "consent_text": [{"id": 1, "variant": ""}],
    "consent": [{"id": 1, "clip_id": "c-shown", "link": "", "address": "", "agent": ""}],
    "co_signature": [
        {"id": name, "clip_id": "c-shown", "position": 0, "name": name, "is_minor": False, "guardian": "",
         "state": state, "created_at": WHEN, "answered_at": answered, "link": "a" * 16, "address": "192.0.2.0/24",
         "agent": "Phone/1"}
        for name, state, answered in (
            ("early", "agreed", WHEN - timedelta(days=31)), ("no", "refused", WHEN), ("silent", "waiting", None)
        )
    ],
}  # fmt: skip


def test_answers_of_former_days_are_kept_and_end_a_clip_in_time(tmp_path):
    url = f"sqlite:///{tmp_path / 'portal.sqlite'}"
    command.upgrade(alembic_config(url), "0005")
    engine = make_engine(url)
    known = MetaData()
    known.reflect(engine)
    with engine.begin() as connection:
        first = FIRST_RELEASE["campaign"][0] | {"term_months": 6}
        connection.execute(known.tables["campaign"].insert().values(**first))
        for name, rows in FORMER.items():
            for row in rows:
                values = {
                    key: value for key, value in REQUIRED.get(name, {}).items() if key != "people"
                } | row
                connection.execute(known.tables[name].insert().values(**values))
    upgrade(url)
    with make_sessions(engine)() as session:
        kept = session.scalars(select(CoAnswer).order_by(CoAnswer.signature_id)).all()
        assert [(one.signature_id, one.answer, one.agent) for one in kept] == [
            ("early", "agreed", "Phone/1"), ("no", "refused", "Phone/1"),
        ]  # fmt: skip
        ends = datetime(2027, 2, 28, 12, tzinfo=UTC)
        assert [kept[0].until, session.get_one(CoSignature, "early").until] == [ends, ends]
        assert session.get_one(Clip, "c-shown").consent_until == ends
        assert session.get_one(Consent, 1).until == WHEN + timedelta(days=730)
    engine.dispose()
    command.downgrade(alembic_config(url), "0005")
