"""The command line: what each verb says, does and ends with."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.models import AccessToken, Clip, Person, State, Upload
from tests import footage

ROOT = Path(__file__).resolve().parents[2]


def test_help_names_every_verb(as_process):
    said = as_process("help").stdout
    for verb in (
        *("migrate", "people", "tokens", "themes", "campaigns", "clips"),
        *("doctor", "fsck", "settings", "openapi"),
    ):
        assert verb in said


def test_all_wrong_settings_are_named_and_nothing_is_done(portal):
    ended = portal("themes", "list", SITE_URL="nowhere", MAX_CLIP_SECONDS="long")
    assert ended.returncode == 2
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["SITE_URL", "MAX_CLIP_SECONDS"]


def test_a_new_database_is_migrated_twice_without_harm(portal, tmp_path):
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    for _ in range(2):
        assert portal("migrate", DATABASE_URL=url).returncode == 0
    assert portal("people", "list", "--json", DATABASE_URL=url).stdout.strip() == "[]"


def test_staff_come_with_a_password_and_go(portal, session):
    added = portal(
        "people", "add", "Ines@brand.example", "--role", "admin", "--password-stdin", given="x" * 14 + "\n"
    )
    assert added.returncode == 0, added.stderr
    assert portal("people", "add", "b@brand.example", "--role", "moderator").returncode == 0
    assert session.scalars(select(Person.password_hash).order_by(Person.id)).first().startswith("$argon2id$")
    assert portal("people", "remove", "b@brand.example").returncode == 0
    (left,) = json.loads(portal("people", "list", "--json").stdout)
    assert left["email"] == "ines@brand.example"


def test_without_a_password_a_welcome_address_is_printed(portal):
    (row,) = json.loads(portal("people", "add", "b@brand.example", "--role", "moderator", "--json").stdout)
    assert row["welcome"].startswith("http://portal.test/studio/welcome/")


def test_a_refusal_is_one_line_and_status_1(portal):
    ended = portal("people", "add", "b@brand.example", "--role", "admin", "--password-stdin", given="short\n")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "too_short" in ended.stderr


def test_the_last_administrator_stays(portal):
    portal("people", "add", "a@brand.example", "--role", "admin")
    ended = portal("people", "remove", "a@brand.example")
    assert ended.returncode == 1
    assert "last_administrator" in ended.stderr


def test_a_token_is_shown_once_and_ended(portal, session):
    added = portal("tokens", "add", "agency", "--scope", "read", "--scope", "review", "--json")
    (row,) = json.loads(added.stdout)
    assert row["scopes"] == ["read", "review"]
    assert row["token"] not in portal("tokens", "list").stdout
    assert portal("tokens", "revoke", str(row["id"])).returncode == 0
    assert session.get_one(AccessToken, row["id"]).revoked_at is not None


def test_themes_are_added_and_merged(portal):
    for slug, name in (("famille", "Famille"), ("enfants", "Enfants")):
        assert portal("themes", "add", slug, "--name", f"fr={name}").returncode == 0
    assert portal("themes", "merge", "enfants", "famille").returncode == 0
    assert [row["slug"] for row in json.loads(portal("themes", "list", "--json").stdout)] == ["famille"]


def test_a_theme_in_a_language_nobody_reads_is_refused(portal):
    ended = portal("themes", "add", "x", "--name", "xx=X")
    assert ended.returncode == 1
    assert "xx" in ended.stderr


def test_a_campaign_is_opened_at_once(portal):
    assert portal("campaigns", "add", "ete", "--title", "Votre été").returncode == 0
    assert [row["title"] for row in json.loads(portal("campaigns", "list", "--json").stdout)] == ["Votre été"]


def test_films_are_imported_through_the_upload_rules(portal, session, tmp_path):
    film = footage.small(tmp_path)
    portal("campaigns", "add", "ete", "--title", "Votre été")
    ended = portal("clips", "import", str(film), "--campaign", "ete", "--email", "lea@mail.example", "--json")
    assert ended.returncode == 0, ended.stderr
    row = json.loads(ended.stdout.splitlines()[-1])
    assert session.get_one(Clip, row["id"]).state == State.PROCESSING
    assert session.scalars(select(Upload)).one().size_bytes == film.stat().st_size
    assert row["id"] in portal("clips", "list", "--state", "processing").stdout


def test_clips_are_listed_by_what_their_owners_agree_to(portal, make):
    agreed = make.clip(State.PUBLISHED, consents=("site", "adult", "contact"))
    make.clip(State.PUBLISHED)
    make.clip(State.WITHDRAWN, consents=("site", "adult", "contact"))
    listed = portal("clips", "list", "--agreed", "contact", "--json")
    assert [row["id"] for row in json.loads(listed.stdout)] == [agreed.id]
    assert portal("clips", "list", "--agreed", "ads").stdout == ""
    assert len(json.loads(portal("clips", "list", "--json").stdout)) == 3
    assert portal("clips", "list", "--agreed", "site").returncode == 2


def test_a_failed_clip_is_tried_again(portal, make):
    clip = make.clip(State.FAILED, fail_code="ours_transcode")
    assert portal("clips", "retry", clip.id).returncode == 0
    assert portal("clips", "retry", clip.id).returncode == 1


def test_the_doctor_names_what_is_ill(portal):
    ended = portal("doctor", "--json")
    assert ended.returncode == 1
    assert {row["part"] for row in json.loads(ended.stdout)} == {"broker", "worker"}


def test_the_doctor_names_an_old_schema(portal, tmp_path):
    ended = portal("doctor", "--json", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite'}")
    assert "migrate" in {row["part"]: row["fault"] for row in json.loads(ended.stdout)}["database"]


@pytest.mark.parametrize("words", [("people", "list"), ("fsck",), ("clips", "list")])
def test_on_a_database_without_tables_a_verb_says_what_to_do(portal, tmp_path, words):
    ended = portal(*words, DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite'}")
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
    assert "python -m portal migrate" in ended.stderr


def test_fsck_is_content_with_an_empty_portal(portal, empty_buckets):
    ended = portal("fsck")
    assert ended.returncode == 0, ended.stdout


def test_settings_hide_secrets_and_tell_origins(portal):
    rows = {row["name"]: row for row in json.loads(portal("settings", "--json").stdout)}
    assert rows["S3_SECRET_ACCESS_KEY"]["value"] == "(hidden)"
    assert rows["SITE_URL"]["origin"] == "environment"
    assert rows["MAIL_URL"]["origin"] == "default"


def test_the_api_is_described(portal):
    assert json.loads(portal("openapi").stdout)["openapi"] == "3.1.0"
