"""The one real browser of a test process: started when first asked for, shared by journeys and by tests of the player.

Shared because a process can drive only one: a second one finds the first one's loop running.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from ops.browser import downloaded, installed

# The driver's own five seconds are too few where two processors make films meanwhile.
expect.set_options(timeout=60_000)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    # Two cameras and a microphone of its own, which only pages get that were granted them.
    "--use-fake-device-for-media-stream=device-count=2",
]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    program = installed() or downloaded()
    assert program is not None, "no browser: make browser"
    with playwright.chromium.launch(executable_path=str(program), args=FLAGS) as browser:
        yield browser
