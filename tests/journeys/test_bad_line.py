"""The worst line that was promised for: refused for six seconds, then a minute in which nothing answers at all."""

import re
import time
from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.faults.proxy import Proxy
from tests.journeys.conftest import free_port, start, stop
from tests.journeys.test_one_clip import PARTS

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]
PART_BYTES = 5 * 1024 * 1024
PUT = re.compile(rb"PUT /vecu-originals/\S*[?&]partNumber=(\d+)\S* HTTP/1\.1\r\n")
REQUEST = re.compile(rb"[A-Z]+ /\S* HTTP/1\.1\r\n")


class Counting:
    """The way to the portal; counts what goes on of each part's bytes, whatever becomes of them there."""

    def __init__(self, writer, parts):
        self._writer, self._parts, self._part = writer, parts, None

    def write(self, data):
        body = len(data)
        if REQUEST.match(data):
            found = PUT.match(data)
            self._part = int(found[1]) if found else None
            body -= data.find(b"\r\n\r\n") + 4
        if self._part is not None:
            self._parts[self._part] += body
        self._writer.write(data)

    def __getattr__(self, name):
        return getattr(self._writer, name)


class Line(Proxy):
    """A line that knows how many bytes of each part it carried."""

    def __init__(self, host, port):
        super().__init__(host, port)
        self.parts = Counter()

    async def _pump(self, source, target, *, answers):
        await super()._pump(source, target if answers else Counting(target, self.parts), answers=answers)


@pytest.fixture
def lined(tmp_path):
    """A portal whose one public address is a line that can be broken."""
    port = free_port()
    with Line("127.0.0.1", port) as line:
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

    def note(answer):
        if answer.request.method == "PUT" and answer.status == 200 and (part := PARTS.search(answer.url)):
            # At once: the other parts are close behind.
            line.mode = line.mode if arrived else "refuse"
            arrived.append(int(part[1]))

    page.on("response", note)
    page.goto(f"{portal.url}/fr/participate/quotidien")
    line.slow_seconds, line.mode = 0.04, "slow"
    page.locator("[data-part=file]").set_input_files(rotated_film)
    for _ in range(2400):
        if arrived:
            break
        page.wait_for_timeout(50)
    assert arrived
    pause(page, 6)
    line.mode = "hang"
    says = page.locator("[data-part=line]")
    expect(says).to_have_text(re.compile("Connexion faible|Hors ligne|Nouvel essai"), timeout=60_000)
    pause(page, 60)
    line.mode = ""
    # Nobody touched the page.
    expect(says).to_have_text(re.compile("Vidéo reçue"), timeout=120_000)
    assert sorted(set(arrived)) == [1, 2, 3]
    # No part's bytes went on more than twice, answered or not; what lay on the line when an attempt was given up apart.
    size, lay = rotated_film.stat().st_size, 1024 * 1024
    whole = {1: PART_BYTES, 2: PART_BYTES, 3: size - 2 * PART_BYTES}
    assert line.parts.keys() == whole.keys()
    assert {n: sent for n, sent in line.parts.items() if not whole[n] <= sent <= 2 * whole[n] + lay} == {}
