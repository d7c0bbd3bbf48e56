"""No line of a log holds what opens something: the whole site behind its door, asked in every way that has a token."""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from honcho.environ import parse_procfile
from sqlalchemy import select

from config import ProofSettings
from ops.door import Caddy, Routes
from ops.ports import reserve
from portal import campaigns, invitations, letters, people, signatures, submission
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, CoSignature, Notice, Person, Role, State
from portal.signatures import Named
from tests.servers import started

ROOT = Path(__file__).resolve().parents[2]
BY = Actor(ActorKind.ADMIN, 1)
ADDRESS = "nadia@mail.example"


class Whole:
    """The site as the Procfile starts it, its door in front, and what both have written."""

    def __init__(self, folder, settings, env):
        self.ports = reserve(folder / "ports.json", ["web"])
        self.log = folder / "web.log"
        command = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes["web"]
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with self.log.open("wb") as out:
            self.web = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                # Whoever looks for a fault switches the access log on.
                env={**env, "PATH": programs, "WEB_PORT": str(self.ports["web"]), "GUNICORN_CMD_ARGS": "--access-logfile -"},
            )  # fmt: skip

        def door(ports):
            leads = Routes(
                f"http://127.0.0.1:{ports['door']}", ports["door"], self.ports["web"], None,
                "vecu-originals", "vecu-public", settings.uploads.max_bytes,
            )  # fmt: skip
            return Caddy(folder / "door", leads)

        self.door = started(folder, ("door",), door)
        deadline = time.monotonic() + 180
        while self.ask("GET", "/healthz") != 200:
            assert self.web.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def ask(self, method, path, **headers):
        line = http.client.HTTPConnection("127.0.0.1", self.door.routes.port, timeout=60)
        line.request(method, path, headers={"Host": "portal.test", **headers})
        status = line.getresponse().status
        line.close()
        return status

    def end_web(self):
        self.web.terminate()
        self.web.wait(120)

    def written(self):
        """Everything that both have said."""
        door = os.pread(self.door.output.fileno(), 10**7, 0)
        return self.log.read_text(encoding="utf-8"), door.decode()


@pytest.fixture
def whole(tmp_path, settings, prepared_storage, database_url):
    env = {
        **prepared_storage,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "SITE_URL": "http://portal.test",
        "SECRET_KEY": settings.site.secret_key,
        "BROKER_URL": "redis://127.0.0.1:1/0",
    }
    running = Whole(tmp_path, settings, env)
    yield running
    running.end_web()
    running.door.stop()


@pytest.fixture
def tokens(runtime, make):
    """What opens something, each by its kind."""
    owner = make.person(ADDRESS)
    clip = make.clip(State.IN_REVIEW, owner=owner)
    site = runtime.settings.site
    with runtime.work() as work:
        here, person = work.get_one(Clip, clip.id), work.get_one(Person, owner.id)
        colleague = people.add_staff(
            work, "lea@brand.example", role=Role.MODERATOR, password=None, lang="fr", by=BY
        )
        signatures.declare(work, here, [Named("Malik")])
        row = work.scalars(select(CoSignature)).one()
        found = campaigns.by_slug(work, "quotidien")
        guests = b"email,first_name\nzoe@mail.example,Zoe\n"
        invitations.take(work, found, guests, site=site, settings=ProofSettings(), by=BY, keep=True)
        invitations.send(work, found, by=BY)
        invitations.post_due(work)
        letter = work.scalars(select(Notice).where(Notice.kind == "invitation")).one()
        return {
            "status": submission.new_link(work, here),
            "enter": people.enter_link(work, person),
            "erase": people.erase_link(work, person),
            "welcome": people.welcome_link(work, colleague),
            "sign": signatures.open_link(work, row, key=site.secret_key),
            "invitation": letters.action_link(work, letter, site=site).rpartition("/")[2],
            "program": people.add_token(work, "shop", {"read", "submit"})[1],
            "clip": clip.id,
        }


def visits(tokens):
    """Every way in which a token travels: in a path, in a query, in a header; opened, posted, misspelt."""
    paths = [
        f"/fr/s/{tokens['status']}", f"/fr/s/{tokens['status']}/texts", f"/fr/s/{tokens['status']}/nothing",
        f"/fr/me/enter/{tokens['enter']}", f"/fr/me/erase/{tokens['erase']}", f"/studio/welcome/{tokens['welcome']}",
        f"/fr/a/{tokens['sign']}", f"/i/{tokens['invitation']}", f"/i/{tokens['invitation']}/again",
        f"/fr/me/login?email={ADDRESS}&token={tokens['status']}",
    ]  # fmt: skip
    for path in paths:
        for method in ("GET", "HEAD", "POST", "DELETE"):
            yield method, path, {}
    for token in (tokens["program"], tokens["status"]):
        for path in ("/api/v1/clips", f"/api/v1/submissions/{tokens['clip']}", "/api/v1/nothing"):
            yield "GET", path, {"Authorization": f"Bearer {token}"}
            yield "POST", path, {"Authorization": f"Bearer {token}"}


def test_no_line_of_a_log_holds_a_token_or_an_address(whole, tokens, runtime):
    opened = [whole.ask(method, path, **headers) for method, path, headers in visits(tokens)]
    assert 200 in opened
    assert 403 in opened
    # The database is away: what is said of it holds no statement's values.
    with runtime.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE clip_link RENAME TO elsewhere")
    assert whole.ask("GET", f"/fr/s/{tokens['status']}") == 503
    # The site is away: what the door says of it holds no address.
    whole.end_web()
    assert whole.ask("GET", f"/fr/s/{tokens['status']}", Authorization=f"Bearer {tokens['program']}") == 502
    site, door = whole.written()
    assert site.count(" GET 200 ") > 5
    assert "database away route=/<lang>/s/<token>" in site
    assert "connection refused" in door
    hashes = [people.hash_token(token) for name, token in tokens.items() if name != "clip"]
    for secret in [
        *(token for name, token in tokens.items() if name != "clip"),
        *hashes,
        ADDRESS,
        "zoe@mail.example",
    ]:
        assert secret not in site
        assert secret not in door
