"""The uploader in a real browser, with a storage and a portal that answer as each test wants; needs no film."""

import json
import re

import pytest

from tests.pages.test_scripts import ROOT, page, written  # noqa: F401 - the fixture

PART = 5 * 1024 * 1024
LOCK = """window.asked = window.released = 0;
Object.defineProperty(navigator, "wakeLock", { value: {
  request: async () => { window.asked++; return { release: async () => { window.released++; } }; } } });"""
SEND = """async ([address, size]) => {
  const { Upload } = await import(address);
  const film = new File([new Uint8Array(size)], "film.mp4", { type: "video/mp4" });
  const upload = window.upload = new Upload(film, async () => ({ id: "clip", token: "token" }), "/api/v1");
  window.states = []; window.waits = []; window.holds = [];
  upload.addEventListener("change", () => {
    states.push(upload.state);
    if (upload.state === "stalled") waits.push(upload.wait);
    if (upload.state === "held") holds.push([upload.reason, upload.wait]);
  });
  void upload.run();
}"""


class Portal:
    """Answers what the page asks; `storage` says the status of each part that is put, `refusals` come first."""

    def __init__(self, page, storage, parts, refusals):  # noqa: F811 - the fixture's page
        self.page, self.storage, self.parts = page, storage, parts
        self.opened, self.put, self.hanging, self.refusals = 0, [], [], list(refusals)
        page.route("**/api/v1/**", self.answer)
        page.route(re.compile(r"/put/\d+$"), self.store)

    def answer(self, route):
        told = {}
        if route.request.url.endswith("/uploads"):
            self.opened += 1
            if self.refusals:
                status, told = self.refusals.pop(0)
                route.fulfill(status=status, json=told)
                return
            told = {
                "id": "u", "state": "open", "received": [], "part_size": PART, "part_count": self.parts,
            }  # fmt: skip
        elif route.request.url.endswith("/parts"):
            numbers = json.loads(route.request.post_data)["numbers"]
            told = {"parts": [{"n": n, "url": f"/put/{n}"} for n in numbers]}
        route.fulfill(json=told)

    def store(self, route):
        number = int(route.request.url.rpartition("/")[2])
        self.put.append(number)
        status = self.storage(number, self)
        if status:
            route.fulfill(status=status)
        else:
            self.hanging.append(route)

    def takes_what_hangs(self):
        self.storage = lambda *_: 200
        for route in self.hanging:
            route.fulfill(status=200)

    def until(self, holds):
        for _ in range(240):
            if holds():
                return
            self.page.wait_for_timeout(250)
        raise AssertionError((self.opened, self.put, self.page.evaluate("() => states")))

    def locks(self):
        """How many times the screen is kept awake now."""
        return self.page.evaluate("() => asked - released")

    def is_done(self):
        return self.page.evaluate("() => upload.state") == "done"


@pytest.fixture
def send(page, tmp_path):  # noqa: F811 - the fixture's page
    """Begins to send a film of so many parts; the portal and the storage answer as is told."""

    def begin(storage, parts=3, refusals=()):
        portal = Portal(page, storage, parts, refusals)
        written(tmp_path, "index.html", "<p></p>")
        page.add_init_script(LOCK)
        page.goto("/index.html")
        manifest = json.loads((ROOT / "static" / "dist" / "manifest.json").read_text())
        name = manifest["upload.js"].rpartition("/")[2]
        page.evaluate(SEND, [f"/dist/{name}", (parts - 1) * PART + 1000])
        return portal

    return begin


def test_the_screen_stays_awake_while_a_film_is_sent_and_sleeps_after(send):
    portal = send(lambda *_: None)
    portal.until(lambda: portal.hanging)
    assert portal.locks() == 1
    portal.takes_what_hangs()
    portal.until(portal.is_done)
    portal.until(lambda: portal.locks() == 0)


def test_a_pause_lets_the_screen_sleep_until_it_goes_on(send, page):  # noqa: F811
    portal = send(lambda *_: None)
    portal.until(lambda: portal.put)
    assert portal.locks() == 1
    page.evaluate("() => upload.pause()")
    portal.until(lambda: portal.locks() == 0)
    page.evaluate("() => upload.resume()")
    assert portal.locks() == 1


def test_parts_that_fail_together_wait_together(send, page):  # noqa: F811
    portal = send(lambda *_: None)
    portal.until(lambda: len(portal.hanging) == 3)
    portal.storage = lambda *_: 200
    for route in portal.hanging:
        route.fulfill(status=503)
    portal.until(portal.is_done)
    assert page.evaluate("() => waits.length") > 0
    # The first pause is one second and a quarter at most.
    assert page.evaluate("() => Math.max(...waits)") <= 2


def test_a_film_of_three_parts_is_sent_in_three_lanes(send):
    portal = send(lambda *_: None)
    portal.until(lambda: len(portal.put) == 3)
    # None of the three has been answered, and each is another part.
    assert (sorted(portal.put), len(portal.hanging)) == ([1, 2, 3], 3)


def test_one_weak_part_is_no_weak_line(send, page):  # noqa: F811
    # The first that comes is on its way for long; of the others the first one is weak.
    portal = send(lambda number, portal: 503 if [*dict.fromkeys(portal.put)][1:2] == [number] else None)
    portal.until(lambda: len(portal.put) > len(set(portal.put)))
    assert "stalled" not in page.evaluate("() => states")


def test_an_upload_that_the_storage_forgot_begins_anew_though_another_part_still_tries(send):
    # Of the first upload one part is refused and tried again for ever, the others are gone.
    portal = send(lambda number, portal: (503 if number == 1 else 404) if portal.opened == 1 else 200)
    portal.until(portal.is_done)
    assert portal.opened == 2


FULL = "La place manque chez nous."


@pytest.mark.parametrize("status", [429, 507])
def test_whoever_is_told_when_to_come_back_waits_so_long_and_hears_why(send, page, status):  # noqa: F811
    page.clock.install()
    told = {"code": "ours_disk", "detail": FULL, "retry_after": 600}
    portal = send(lambda *_: 200, parts=1, refusals=[(status, told)])
    portal.until(lambda: page.evaluate("() => holds.length"))
    assert page.evaluate("() => holds[0]") == [FULL, 600]
    page.clock.run_for(590_000)
    assert portal.opened == 1
    page.clock.run_for(11_000)
    portal.until(portal.is_done)
    assert portal.opened == 2
    assert "stalled" not in page.evaluate("() => states")


def test_a_refusal_that_no_waiting_changes_ends_the_upload_with_its_sentence(send, page):  # noqa: F811
    page.clock.install()
    told = {"code": "quota_reached", "detail": "Vos films prennent toute la place."}
    portal = send(lambda *_: 200, parts=1, refusals=[(429, told)])
    portal.until(lambda: page.evaluate("() => upload.state") == "failed")
    assert page.evaluate("() => [upload.reason, upload.status, upload.code]") == [
        told["detail"],
        429,
        told["code"],
    ]
    page.clock.run_for(120_000)
    assert portal.opened == 1


def test_a_gate_before_the_portal_that_says_no_more_than_429_is_waited_for(send, page):  # noqa: F811
    portal = send(lambda *_: 200, parts=1, refusals=[(429, {})])
    portal.until(portal.is_done)
    assert page.evaluate("() => states").count("stalled") == 1
