"""The migrations and the models agree, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, select

from portal.database import Base, make_engine, make_sessions
from portal.migrations import alembic_config, upgrade
from portal.models import Clip, CoSignature, Cut, Film, Job, Publication, Rendition


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


def test_upgrading_twice_changes_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'portal.sqlite'}"
    upgrade(url)
    upgrade(url)


WHEN = datetime(2026, 10, 1, 12, tzinfo=UTC)
FIRST_RELEASE = {
    "campaign": [{"id": 1, "slug": "main", "created_at": WHEN}],
    "clip": [
        {"id": "c-public", "state": "published", "film_id": "f2", "seconds": 12.5, "width": 1920, "height": 1080,
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


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_the_first_release_wrote_is_there_after_the_upgrade(kind, request, tmp_path):
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'portal.sqlite'}"
    else:
        url = request.getfixturevalue("make_postgres_database")()
    command.upgrade(alembic_config(url), "0001")
    engine = make_engine(url)
    fill_as_the_first_release(engine)
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
    engine.dispose()
