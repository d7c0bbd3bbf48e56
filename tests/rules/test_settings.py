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
    rows = {row["name"]: row for row in shown(Settings.from_env(env), env)}
    assert set(rows) == {setting.name for setting in SETTINGS}
    assert rows["MAIL_URL"]["value"] == "(hidden)"
    assert rows["MAIL_URL"]["origin"] == "environment"
    assert "geheim" not in str(rows)
