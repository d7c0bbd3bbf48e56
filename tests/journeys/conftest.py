"""One whole portal, started as `make run` starts it, and a real browser in front of it."""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIRequestContext, Browser, BrowserContext, Error, Page, Playwright

from tests import footage

ROOT = Path(__file__).resolve().parents[2]
AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Only what is wrong is described: descriptions of all that is right take longer than the rules.
ASKED = {"runOnly": RULES, "resultTypes": ["violations"], "selectors": False}
PASSWORD = "correct horse battery staple"
WAIT_MS = 120_000


@dataclass
class Portal:
    """A running portal and its command line."""

    url: str
    environment: dict[str, str]
    data_dir: Path
    process: "subprocess.Popen[str]"
    reader: threading.Thread
    # Every line of every process so far, those apart that write to files under `log`.
    said: list[str]

    def logs(self) -> str:
        """All that the portal has written down of itself."""
        files = (
            path.read_text(encoding="utf-8", errors="replace") for path in (self.data_dir / "log").glob("*")
        )
        return "\n".join((*files, *list(self.said)))

    def cli(self, *words: str, given: str = "") -> str:
        """What one command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "portal", *words],
            cwd=ROOT, env=self.environment, input=given, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def mails(self, about: str = "") -> list[str]:
        """The letters about one clip, or all, oldest first; one that the portal has thrown away meanwhile is none."""
        found = []
        for path in (self.data_dir / "mail").glob("*.eml"):
            if about not in path.name:
                continue
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime, path.read_text(encoding="utf-8")))
        return [words for _, words in sorted(found)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(data_dir: Path, **more: str) -> Portal:
    """`make run` without make, until it says that it is up."""
    port = free_port()
    environment = {
        **os.environ,
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "DEMO": "0",
        "SITE_URL": f"http://127.0.0.1:{port}",
        **more,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.run"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C stops everything" in line:
            break
    assert process.poll() is None, "".join(said)
    reader = threading.Thread(target=said.extend, args=(process.stdout,), daemon=True)
    reader.start()
    addresses = json.loads((data_dir / "addresses.json").read_text(encoding="utf-8"))
    return Portal(environment["SITE_URL"], {**environment, **addresses}, data_dir, process, reader, said)


def stop(portal: Portal) -> int:
    """As Ctrl-C; the exit status."""
    portal.process.send_signal(signal.SIGINT)
    status = portal.process.wait(90)
    portal.reader.join(10)
    assert portal.process.stdout is not None
    portal.process.stdout.close()
    return status


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal with one campaign, three themes, a moderator and an API token."""
    # One view is enough to be thanked for: nobody watches a clip a hundred times here.
    running = start(tmp_path_factory.mktemp("the portal"), THANKS_AFTER_VIEWS="1")
    try:
        running.cli("campaigns", "add", "quotidien", "--title", "Une minute de quotidien")
        for slug in ("technologie", "week-end", "recharge"):
            running.cli("themes", "add", slug, "--name", f"fr={slug.capitalize()}")
        running.cli(
            "people", "add", "ines@brand.example", "--role", "moderator", "--password-stdin", given=PASSWORD
        )
        yield running
    finally:
        assert stop(running) in (0, 130)


@pytest.fixture(scope="session")
def review_token(portal: Portal) -> str:
    found = re.search(r"vecu_\S+", portal.cli("tokens", "add", "journeys", "--scope", "review"))
    assert found is not None
    return found[0]


@pytest.fixture(scope="session")
def api(playwright: Playwright, portal: Portal) -> Iterator[Callable[..., APIRequestContext]]:
    """Makes callers of the API, each with its own token."""
    made: list[APIRequestContext] = []

    def caller(token: str = "") -> APIRequestContext:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        made.append(playwright.request.new_context(base_url=portal.url, extra_http_headers=headers))
        return made[-1]

    caller.portal = portal  # type: ignore[attr-defined]
    yield caller
    for one in made:
        one.dispose()


@dataclass
class Window:
    """One person's browser; remembers what the browser complained about."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def axe(self) -> None:
        """No finding of axe on the page as it stands."""
        # In one breath: a page that loads itself anew in between would know nothing of axe.
        # While one page fades into the next, both lie over each other and every target is covered.
        still = "await Promise.allSettled(document.getAnimations().map(one => one.finished));"
        found = self._asked(
            f"async () => {{ {still}\n{AXE}\nreturn axe.run(document, {json.dumps(ASKED)}); }}"
        )
        listed = [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found["violations"]]
        assert listed == [], self.page.url

    def fits(self) -> None:
        """Nothing is wider than the screen."""
        wide = "() => document.documentElement.scrollWidth <= innerWidth"
        assert self._asked(wide), self.page.url

    def _asked(self, expression: str) -> Any:
        """What this says; asked again where the page loads itself anew meanwhile (another state came)."""
        for _ in range(5):
            try:
                return self.page.evaluate(expression)
            except Error as error:
                if "navigation" not in str(error):
                    raise
                self.page.wait_for_load_state()
        raise AssertionError(f"{self.page.url} does not stand still")


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[..., Window]]:
    """Opens browsers; at the end none may have seen a policy violation or a script error."""
    opened: list[Window] = []

    def open_window(width: int = 1280, *, script: bool = True, scheme: str = "light") -> Window:
        options: dict[str, Any] = {"color_scheme": scheme, "java_script_enabled": script}
        context = browser.new_context(
            viewport={"width": width, "height": 800}, locale="fr-FR", reduced_motion="reduce", **options
        )
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        one = Window(context, page)
        page.on("pageerror", lambda error: one.complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda message: (
                one.complaints.append(message.text) if "Content Security" in message.text else None
            ),
        )
        opened.append(one)
        return one

    yield open_window
    for one in opened:
        one.context.close()
    assert [complaint for one in opened for complaint in one.complaints] == []


@pytest.fixture(scope="session")
def rotated_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phone's film held upright: 1280 x 720 turned by its matrix, grainy, three parts long."""
    folder = tmp_path_factory.mktemp("films")
    flat, turned = folder / "flat.mp4", folder / f"IMG {secrets.token_hex(2)}.mp4"
    grain = "testsrc2=size=1280x720:rate=24:duration=2,noise=alls=60:allf=t"
    footage.ffmpeg(
        "-f", "lavfi", "-i", grain, "-f", "lavfi", "-i", "sine=440:duration=2", "-c:v", "libx264", "-preset",
        "ultrafast", "-b:v", "52M", "-minrate", "52M", "-maxrate", "52M", "-bufsize", "26M", "-pix_fmt", "yuv420p",
        "-c:a", "aac", str(flat),
    )  # fmt: skip
    footage.ffmpeg("-display_rotation", "90", "-i", str(flat), "-c", "copy", str(turned))
    assert 10 * 1024 * 1024 < turned.stat().st_size < 20 * 1024 * 1024
    return turned
