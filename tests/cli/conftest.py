"""The command line against this test's database and storage: in this process, and once as people run it."""

import io
import os
import subprocess
import sys

import pytest

from config import ROOT
from portal import cli


@pytest.fixture
def cli_settings(prepared_storage, database_url, tmp_path):
    """What the environment says."""
    return {
        **prepared_storage,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "SITE_URL": "http://portal.test",
        "BROKER_URL": "redis://127.0.0.1:1/0",
    }


@pytest.fixture
def portal(monkeypatch, capsys, cli_settings):
    """Runs a verb in this process, which takes a tenth of the time: its output and its exit status."""

    def run(*words, given="", **more):
        capsys.readouterr()
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            for name, value in {**cli_settings, **more}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
            cli.main(words)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(words, ended.value.code, out, err)

    return run


@pytest.fixture
def as_process(cli_settings):
    """Runs `python -m portal …` as people do."""

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "portal", *words], check=False, cwd=ROOT, capture_output=True, text=True, timeout=120,
            env={"PATH": os.environ["PATH"], **cli_settings},
        )  # fmt: skip

    return run
