"""What the portal is told from outside: checked at once, each fault named with an example."""

import pytest

from config import Settings, SettingsError, shown
from settings_table import SETTINGS


def read(tmp_path, **env):
    return Settings.from_env({"DATA_DIR": str(tmp_path), **env})


def test_without_any_setting_the_portal_starts_on_its_defaults(tmp_path):
    settings = read(tmp_path)
    assert settings.site.url == "http://127.0.0.1:8000"
    assert settings.database_url == f"sqlite:///{tmp_path}/portal.sqlite"
    assert settings.site.languages == ("fr", "en", "de")


def test_every_mistake_is_reported_at_once_with_name_and_example(tmp_path):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, SITE_URL="portal", PORT="many", DATABASE_URL="mysql://x", LANGUAGES="fr,xx")
    names = {fault.split(":")[0] for fault in caught.value.faults}
    assert names == {"SITE_URL", "PORT", "DATABASE_URL", "LANGUAGES"}
    assert all("for example" in fault for fault in caught.value.faults)


def test_captions_are_required_where_that_is_asked_for_and_nowhere_else(tmp_path):
    assert not read(tmp_path).site.requires_captions
    assert read(tmp_path, REQUIRE_CAPTIONS="on").site.requires_captions


@pytest.mark.parametrize("name", ["été-films", "Films", "f", "films.public", "films/public"])
def test_a_bucket_has_a_name_that_every_storage_takes(tmp_path, name):
    with pytest.raises(SettingsError):
        read(tmp_path, S3_PUBLIC_BUCKET=name)


def test_originals_and_published_films_never_share_a_bucket(tmp_path):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, S3_ORIGINALS_BUCKET="films", S3_PUBLIC_BUCKET="films")
    assert "originals are private" in str(caught.value)


def test_a_secret_is_read_from_the_file_that_its_twin_names(tmp_path):
    (tmp_path / "key").write_text("k" * 40 + "\n")
    settings = read(tmp_path, SECRET_KEY_FILE=str(tmp_path / "key"))
    assert settings.site.secret_key == "k" * 40


def test_a_faulty_secret_is_not_repeated_in_the_fault(tmp_path):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, SECRET_KEY="hunter2")
    assert "hunter2" not in str(caught.value)


def test_the_made_secret_key_is_kept_and_readable_by_its_owner_only(tmp_path):
    first, second = read(tmp_path).site.secret_key, read(tmp_path).site.secret_key
    assert first == second
    assert len(first) == 64
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


def test_the_listing_hides_every_secret(tmp_path):
    env = {"DATA_DIR": str(tmp_path), "MAIL_URL": "smtp://u:geheim@mail.example"}
    rows = {row["name"]: row for row in shown(Settings.from_env(env))}
    assert set(rows) == {setting.name for setting in SETTINGS}
    assert rows["MAIL_URL"]["value"] == "(hidden)"
    assert rows["MAIL_URL"]["origin"] == "environment"
    assert "geheim" not in str(rows)


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS if setting.secret])
def test_no_secret_is_shown_wherever_it_comes_from(tmp_path, name):
    secret = {
        "DATABASE_URL": "sqlite:////srv/geheim-geheim-geheim-geheim.sqlite",
        "BROKER_URL": "redis://:geheim-geheim-geheim-geheim@127.0.0.1/0",
        "MAIL_URL": "smtp://u:geheim-geheim-geheim-geheim@mail.example",
        "INBOX_IMAP_URL": "imaps://u:geheim-geheim-geheim-geheim@mail.example/INBOX",
    }.get(
        name, f"{'https://purge.example/' * name.endswith('_URL')}geheim-geheim-geheim-geheim-geheim-geheim"
    )
    (tmp_path / "given").write_text(secret)
    for given in ({name: secret}, {f"{name}_FILE": str(tmp_path / "given")}):
        env = {"DATA_DIR": str(tmp_path), "INBOX_ADDRESS": "films@brand.example", **given}
        assert "geheim" not in str(shown(Settings.from_env(env)))


def test_the_listing_shows_what_counts_read_from_a_file_or_worked_out(tmp_path):
    (tmp_path / "name").write_text("Meine Fahrt\n")
    env = {"DATA_DIR": str(tmp_path), "SITE_NAME_FILE": str(tmp_path / "name"), "PORT": "8123"}
    rows = {row["name"]: row["value"] for row in shown(Settings.from_env(env))}
    assert (rows["SITE_NAME"], rows["SITE_URL"]) == ("Meine Fahrt", "http://127.0.0.1:8123")
    assert (rows["CONFIRM_EMAIL"], rows["DATA_DIR"]) == ("on", str(tmp_path))


def test_an_address_that_nobody_can_read_is_a_fault_among_the_others(tmp_path):
    with pytest.raises(SettingsError) as caught:
        read(
            tmp_path,
            SITE_URL="http://[::1",
            CDN_PURGE_URL="https://purge.example:x/",
            MAX_CLIP_SECONDS="long",
        )
    named = ["SITE_URL", "CDN_PURGE_URL", "MAX_CLIP_SECONDS"]
    assert [fault.split(":")[0] for fault in caught.value.faults] == named
