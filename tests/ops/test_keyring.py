"""Secrets kept in files."""

import stat

from ops.keyring import kept_secret, private_folder, write_private


def test_a_secret_is_made_once(tmp_path):
    first = kept_secret(tmp_path / "key", 64)
    assert len(first) == 64
    assert kept_secret(tmp_path / "key", 64) == first


def test_only_the_owner_reads_a_secret(tmp_path):
    kept_secret(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_file_that_was_open_to_others_is_closed_when_written(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o644)
    write_private(tmp_path / "file", "new")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_private_folder_is_closed_to_others(tmp_path):
    assert stat.S_IMODE(private_folder(tmp_path / "a" / "b").stat().st_mode) == 0o700
