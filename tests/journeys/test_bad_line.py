"""The worst line that was promised for: refused for six seconds, then a minute in which nothing answers at all."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.faults.proxy import Proxy
from tests.journeys.conftest import free_port, start, stop

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]
PART = re.compile(r"/vecu-originals/.*partNumber=(\d+)")


@pytest.fixture
def lined(tmp_path):
    """A portal whose one public address is a line that can be broken."""
    port = free_port()
    with Proxy("127.0.0.1", port) as line:
        running = start(tmp_path / "home", PORT=str(port), SITE_URL=f"http://127.0.0.1:{line.port}")
        try:
            running.cli("campaigns", "add", "quotidien", "--title", "Une minute de quotidien")
            yield running, line
        finally:
            assert stop(running) in (0, 130)


def pause(page, seconds):
    """Let the page live on for a while."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        page.wait_for_timeout(200)


def test_the_film_arrives_by_itself_after_six_seconds_of_refusals_and_a_minute_of_silence(
    lined, window, rotated_film
):
    portal, line = lined
    page = window(360).page
    arrived = []
    page.on(
        "response",
        lambda one: (
            arrived.append(int(PART.search(one.url)[1]))
            if one.request.method == "PUT" and one.status == 200 and PART.search(one.url)
            else None
        ),
    )
    page.goto(f"{portal.url}/fr/participate/quotidien")
    line.slow_seconds, line.mode = 0.02, "slow"
    page.locator("[data-part=file]").set_input_files(rotated_film)
    for _ in range(600):
        if arrived:
            break
        page.wait_for_timeout(50)
    assert arrived
    line.mode = "refuse"
    pause(page, 6)
    line.mode = "hang"
    says = page.locator("[data-part=line]")
    expect(says).to_have_text(re.compile("Connexion faible|Hors ligne|Nouvel essai"), timeout=60_000)
    pause(page, 60)
    line.mode = ""
    # Nobody touched the page.
    expect(says).to_have_text(re.compile("Vidéo reçue"), timeout=120_000)
    assert sorted(set(arrived)) == [1, 2, 3]
    # Each part at most twice, and what the pages and the questions between them take.
    size = rotated_film.stat().st_size
    assert size < line.carried <= 2 * size + 1_000_000
