"""`python -m portal receive-mail`, as it runs beside the site."""

import os
import smtplib
import subprocess
import sys
from pathlib import Path

from honcho.environ import parse_procfile

from ops.machine import assemble
from ops.run import is_ours
from portal.models import Clip, Film
from tests.letters_in import FILM, TRUSTED, mail, said
from tests.mail.conftest import INBOX

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "portal", "receive-mail"]


def test_it_takes_mails_until_it_is_told_to_end(read, prepared_storage, database_url, tmp_path, count):
    read()
    env = {
        "PATH": os.environ["PATH"],
        **prepared_storage,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "INBOX_ADDRESS": INBOX,
        "INBOX_TRUSTS": TRUSTED,
        "INBOX_LISTEN": "lmtp://127.0.0.1:0",
    }
    with subprocess.Popen(COMMAND, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as man:
        said_so = man.stdout.readline()
        assert said_so.startswith(f"mails for {INBOX} at lmtp://127.0.0.1:")
        with smtplib.LMTP("127.0.0.1", int(said_so.rsplit(":", 1)[1]), local_hostname="mx") as line:
            line.sendmail("nadia@mail.example", [INBOX], mail(films=(FILM,), results=said("pass")))
        man.terminate()
        assert man.wait(60) == 0
    assert (count(Clip), count(Film)) == (1, 1)


def test_without_an_address_it_says_which_setting_is_missing(prepared_storage, database_url, tmp_path):
    env = {
        "PATH": os.environ["PATH"],
        **prepared_storage,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
    }
    ended = subprocess.run(
        COMMAND, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("INBOX_ADDRESS: ")


def test_the_machine_runs_it_only_where_there_is_an_inbox(tmp_path):
    def processes(**given):
        env = {"DATA_DIR": str(tmp_path / "data"), "S3_ENDPOINT_URL": "http://127.0.0.1:1", **given}
        machine = assemble({**env, "BROKER_URL": "redis://127.0.0.1:1/0"}, lambda _port: True)
        return [name for name in procfile if is_ours(name, machine)]

    procfile = parse_procfile((ROOT / "Procfile").read_text()).processes
    assert "postman" in procfile
    assert "postman" not in processes()
    assert "postman" in processes(INBOX_ADDRESS=INBOX)
