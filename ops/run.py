"""`make run`: the whole portal on this machine, from an empty folder to a page that answers.

Writes only under DATA_DIR, and what npm and the asset build make. Ends with every process it started.
"""

import contextlib
import fcntl
import http.client
import json
import os
import secrets
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from honcho.environ import parse_procfile

from config import Settings, SettingsError
from ops import assets
from ops.door import is_local
from ops.keyring import private_folder, write_private
from ops.machine import ROOT, Machine, assemble, leave_addresses
from ops.ports import is_free
from ops.servers import ServerDidNotStartError
from ops.storage import STOP_SECONDS, SeaweedFS, usable
from ops.supervisor import ProcessEndedError, StopAskedError, Supervisor

SERVERS_FIRST = ("storage", "broker")
START_SECONDS = 60.0
# What an owner had erased must not lie in the storage's files for long: by itself it clears up above a third of waste.
VACUUM_SECONDS = 3600.0
ADMINISTRATOR = "first-administrator.txt"
PYTHON = shlex.quote(sys.executable)


class CannotStartError(Exception):
    """Why the portal cannot start, in a line for the person at the terminal."""


def step(text: str) -> None:
    """Say what happens now."""
    print(f"» {text}", flush=True)


@contextlib.contextmanager
def only_one(file: Path, refusal: str) -> Iterator[None]:
    """Hold the file's lock; when somebody has it, raise CannotStartError with the refusal."""
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStartError(refusal) from None
        yield


def is_ours(name: str, machine: Machine) -> bool:
    """Whether this machine runs the process: no storage or broker that is elsewhere, no postman without an inbox."""
    if name == "postman":
        return bool(machine.settings.mail.inbox)
    return name not in SERVERS_FIRST or name in machine.servers


class Run:
    """One start of the portal, from the first line on the terminal to the last process gone."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.site = machine.settings.site
        self.processes = dict(parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes)
        self.processes = {name: line for name, line in self.processes.items() if is_ours(name, machine)}
        self.is_first = not (machine.data_dir / ADMINISTRATOR).exists()
        self.supervisor = Supervisor(ROOT, machine.data_dir / "log")

    def start(self) -> None:
        """Bring everything up in order; raises StopAskedError and ProcessEndedError."""
        servers = [name for name in SERVERS_FIRST if name in self.processes]
        step(
            f"starting {' and '.join(servers) or 'without servers of its own'}, bringing the database up to date"
        )
        for name in servers:
            self.launch(name)
        self.begin("migrate", "portal migrate")
        self.finish("migrate")
        self.make_first_administrator()
        # The site first, it needs its database only to answer; the rest would make the visitor wait.
        step("starting the site, its worker and its door")
        for name in ("web", "door"):
            self.launch(name)
        for name in servers:
            self.wait_for(name, self.machine.servers[name].ready)
            self.machine.servers[name].settle()
        self.begin("buckets", "ops.buckets")
        self.finish("buckets")
        self.wait_for("door", self.answers)
        for name in self.processes:
            if name not in self.supervisor.running:
                self.launch(name)

    def launch(self, name: str) -> None:
        """Start one of the Procfile's processes."""
        self.supervisor.start(
            name,
            self.processes[name],
            self.machine.environment(name),
            grace=STOP_SECONDS if name == "storage" else 10.0,
            quiet=name in SERVERS_FIRST,
        )

    def begin(self, name: str, module: str, redirection: str = "") -> None:
        """Start one of our modules that ends by itself."""
        self.supervisor.start(
            name,
            f"{PYTHON} -m {module} {redirection}",
            self.machine.environment(name),
            quiet=True,
            needed=False,
        )

    def finish(self, name: str) -> None:
        """Wait for the module's end; raises ProcessEndedError when it failed."""
        one = self.supervisor.running[name]
        self.supervisor.run(until=lambda: one.status is not None)
        if one.status:
            raise ProcessEndedError(name, one.status, one.lines)
        del self.supervisor.running[name]

    def wait_for(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until the process is of use; raises CannotStartError after a minute."""
        if not self.supervisor.run(until=ready, seconds=START_SECONDS):
            lines = "\n".join(f"    {line}" for line in self.supervisor.running[name].lines)
            raise CannotStartError(
                f"{name} does not answer after {START_SECONDS:.0f} s. Its last lines:\n{lines}"
            )

    def answers(self) -> bool:
        """Whether the site answers, through the door where that needs no certificate."""
        port = self.machine.web_port if self.site.is_https else self.site.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz", headers={"Host": self.site.host})
            return connection.getresponse().status == http.HTTPStatus.OK
        return False

    def make_first_administrator(self) -> None:
        """On the very first start: one administrator with a random password, both kept in a file of our own.

        A database that came from elsewhere has its own: nobody is added to it.
        """
        if not self.is_first or has_administrator(self.machine):
            self.is_first = False
            return
        host = urlsplit(self.site.url).hostname or "localhost"
        address = "admin@example.org" if is_local(host) or "." not in host else f"admin@{host}"
        password = secrets.token_urlsafe(18)
        given = private_folder(self.machine.data_dir / "secrets") / "first-password"
        write_private(given, password + "\n")
        try:
            arguments = f"portal people add {shlex.quote(address)} --role admin --password-stdin"
            self.begin("administrator", arguments, f"< {shlex.quote(str(given))}")
            self.finish("administrator")
        finally:
            given.unlink()
        write_private(
            self.machine.data_dir / ADMINISTRATOR, f"{self.site.url}/studio/login\n{address}\n{password}\n"
        )

    def show(self, seconds: float) -> None:
        """The one block that a person needs."""
        file = self.machine.data_dir / ADMINISTRATOR
        known = ["as you are used to"]
        if file.exists():
            _, address, password, *_ = file.read_text(encoding="utf-8").splitlines()
            known = [f"{address}   {password if self.is_first else ''}", f"(first password: {file})"]
        sign_in = "\n              ".join(known)
        print(
            f"\n  The portal is up after {seconds:.0f} s.\n\n"
            f"    site      {self.site.url}/\n"
            f"    studio    {self.site.url}/studio/\n"
            f"    sign in   {sign_in}\n\n"
            "  Ctrl-C stops everything.\n",
            flush=True,
        )

    def keep_running(self) -> None:
        """Fill the demo portal beside the running site and relay until something ends or somebody stops it."""
        if self.site.demo:
            environment = self.machine.environment("demo")
            self.supervisor.start("demo", f"{PYTHON} -m ops.demo", environment, needed=False)
        storage = self.machine.servers.get("storage")
        while True:
            if isinstance(storage, SeaweedFS):
                # Beside the relaying of lines, which must not wait for it; ends with us, or with its own time limit.
                threading.Thread(target=give_back, args=(storage,), name="vacuum", daemon=True).start()
            self.supervisor.run(seconds=VACUUM_SECONDS)

    def stop(self) -> None:
        """Stop everything: the site and its worker first, what they stand on after them."""
        servers = [name for name in SERVERS_FIRST if name in self.supervisor.running]
        self.supervisor.stop([name for name in self.supervisor.running if name not in servers], servers)
        for name in servers:
            self.machine.servers[name].tidy()


def has_administrator(machine: Machine) -> bool:
    """Whether the database knows an administrator; raises CannotStartError when it cannot be asked."""
    asked = subprocess.run(
        [sys.executable, "-m", "portal", "people", "list", "--json"],
        cwd=ROOT,
        env=machine.environment("administrator"),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise CannotStartError(f"The database cannot be asked who may sign in:\n{asked.stderr.strip()}")
    return any(one["role"] == "admin" for one in json.loads(asked.stdout))


def give_back(storage: SeaweedFS) -> None:
    """Have the storage give the bytes of deleted films back to the disk; said when it cannot, and tried in an hour."""
    try:
        storage.vacuum()
    except (OSError, subprocess.SubprocessError) as error:
        step(f"the storage could not give deleted films' bytes back to the disk ({type(error).__name__})")


def explain(ended: ProcessEndedError) -> str:
    """Which process ended, and its last words."""
    lines = "\n".join(f"    {line}" for line in ended.last_lines) or "    (it said nothing)"
    return f"{ended.name} ended with status {ended.status}. Its last lines:\n{lines}"


def run(began: float) -> int:
    """Start the portal and stay until it ends; the exit status."""
    data_dir = private_folder(Settings.from_env(os.environ).site.data_dir)
    busy = f"A portal already runs on {data_dir}. For a second one: make run PORT=8001 DATA_DIR=var2"
    with only_one(data_dir / "run.lock", busy):
        machine = assemble(os.environ, usable)
        site = machine.settings.site
        interface = "127.0.0.1" if is_local(urlsplit(site.url).hostname or "") else ""
        if not site.is_https and not is_free(site.port, interface):
            raise CannotStartError(
                f"Port {site.port} cannot be had: taken, or reserved to root. Another: make run PORT=8001"
            )
        if not assets.is_current(ROOT):
            step("building what browsers need (static/dist)")
            assets.build(ROOT, quiet=True)
        private_folder(machine.data_dir / "clock")
        leave_addresses(machine)
        whole = Run(machine)
        try:
            whole.start()
            whole.show(time.monotonic() - began)
            whole.keep_running()
        except StopAskedError:
            step("stopping")
            return 0
        except ProcessEndedError as ended:
            print(f"\n✗ {explain(ended)}\n  Stopping the rest.", file=sys.stderr, flush=True)
        finally:
            whole.stop()
            step("stopped; nothing is left running")
        return 1


def main() -> int:
    """The command line's door."""
    began = time.monotonic()
    try:
        return run(began)
    except SettingsError as wrong:
        faults = "\n".join(f"  {fault}" for fault in wrong.faults)
        print(f"✗ The portal cannot start with these settings:\n{faults}", file=sys.stderr)
        return 2
    except (CannotStartError, ServerDidNotStartError, OSError) as reason:
        print(f"✗ {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
