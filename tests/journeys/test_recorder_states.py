"""The recorder in all its states, with Chromium's own pretended cameras: every way it goes, and every way it goes wrong.

Before the site and its storage alone: nothing that is filmed here goes on to be made.
"""

import json
import os
import re
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ops.browser import downloaded, installed
from tests import footage
from tests.browsers import FLAGS
from tests.journeys.conftest import WAIT_MS
from tests.journeys.filming import (
    FILM,
    HURRY,
    KEPT,
    ONE_TAKE,
    PIECEMEAL,
    PIECES,
    WAITS,
    again,
    announced,
    at_the_recorder,
    films,
    heard,
    hears,
    is_in,
    main,
    part,
    site_alone,
    turn_on,
    until_clock,
    until_it_plays,
)
from tests.journeys.steps import until

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def site(migrated_sqlite, prepared_storage, tmp_path_factory):
    """The address of a site with one call on it."""
    with site_alone(migrated_sqlite, prepared_storage, tmp_path_factory.mktemp("recorder")) as url:
        yield url


@pytest.fixture
def phone(window, site):
    """A phone with two cameras, on the recorder's page of the call."""
    return partial(at_the_recorder, window, site)


def said(page):
    return part(page, "said")


def ends(page, event):
    """As when something else takes the camera away."""
    page.evaluate(
        """event => document.querySelector('[data-part=live]').srcObject.getVideoTracks()[0]
          .dispatchEvent(new Event(event))""",
        event,
    )


# The way of a take ---------------------------------------------------------------------------------------


def test_a_reloaded_page_offers_the_take_and_a_new_one_replaces_it(phone):
    owner = phone(before=PIECEMEAL)
    page = owner.page
    films(page, "0:01")
    until(page, PIECES)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(part(page, "waits")).to_have_text(WAITS)
    former = page.evaluate(KEPT)
    owner.axe()
    owner.fits()
    page.get_by_role("button", name="La revoir").click()
    is_in(page, "review")
    until_it_plays(page, 0.5)
    page.get_by_role("button", name="Refaire").click()
    is_in(page, "ready")
    again(page, "0:01")
    main(page).click()
    is_in(page, "review")
    # The former one goes when the new one has been seen to hold something.
    until(page, ONE_TAKE)
    assert page.evaluate(KEPT) != former
    page.reload()
    expect(part(page, "waits")).to_have_text(WAITS)
    page.get_by_role("button", name="L’effacer").click()
    expect(part(page, "waiting")).to_be_hidden()
    assert page.evaluate(KEPT) == "[]"
    page.reload()
    expect(part(page, "waiting")).to_be_hidden()


# A take of a minute in a few seconds: the page's own clock is set forward.
CLOCK = """window.ahead = 0;
const now = performance.now.bind(performance);
performance.now = () => now() + window.ahead;"""


def leap(page, to):
    """To that second of the take."""
    page.evaluate(
        """to => {
          const [minutes, seconds] = document.querySelector('[data-part=clock]').textContent.split(':');
          window.ahead += (to - minutes * 60 - seconds) * 1000;
        }""",
        to,
    )


def test_the_last_seconds_are_said_and_the_limit_ends_a_take_softly(phone):
    page = phone(before=CLOCK).page
    films(page, "0:01")
    for left in (30, 10):
        leap(page, 90 - left)
        expect(said(page)).to_have_text(f"Encore {left} secondes.")
    hears(page, "count")
    leap(page, 87)
    is_in(page, "review")
    assert "2" in heard(page, "count")
    expect(said(page)).to_have_text(re.compile("La durée permise est atteinte"))
    until_it_plays(page, 2)


def test_starting_over_drops_the_first_take_and_begins_another(phone):
    page = phone(before=CLOCK).page
    films(page, "0:01")
    first = page.evaluate(KEPT)
    leap(page, 40)
    until_clock(page, "0:40")
    page.get_by_role("button", name="Recommencer").click()
    until(
        page,
        f"""async first => {{
          const kept = await ({KEPT})();
          return kept !== first && JSON.parse(kept).length === 1;
        }}""",
        first,
    )
    is_in(page, "recording")
    until(page, "() => document.querySelector('[data-part=clock]').textContent < '0:40'")
    # The camera goes just then: nothing is counted down for a camera that is not there.
    page.evaluate(
        """() => {
          const [track] = document.querySelector('[data-part=live]').srcObject.getVideoTracks();
          document.querySelector('[data-part=restart]').click();
          track.dispatchEvent(new Event('ended'));
        }"""
    )
    until(page, f"async () => await ({KEPT})() === '[]'")
    expect(page.get_by_role("heading", name="La caméra est déjà prise")).to_be_focused()


def test_a_call_that_interrupts_keeps_the_take_and_it_goes_on_where_it_was(phone):
    page = phone().page
    films(page, "0:01")
    ends(page, "mute")
    is_in(page, "paused")
    expect(said(page)).to_have_text(re.compile("interrompue"))
    page.get_by_role("button", name="Reprendre ici").click()
    is_in(page, "recording")
    until_clock(page, "0:02")
    ends(page, "ended")
    is_in(page, "review")
    expect(part(page, "told")).to_have_text(re.compile("Ce qui est filmé est gardé"))
    until_it_plays(page, 1)


def test_the_keys_do_it_all_and_escape_asks_first(phone):
    owner = phone(width=1280, scheme="dark")
    page = owner.page
    page.get_by_role("button", name="Allumer la caméra").focus()
    page.keyboard.press("Enter")
    is_in(page, "ready")
    owner.axe()
    page.locator("h1").click()
    for name in ("said", "count"):
        hears(page, name)
    page.keyboard.press("Space")
    is_in(page, "recording")
    assert heard(page, "count") == ["3", "2", "1"]
    assert heard(page, "said") == ["La prise commence dans trois secondes.", "La prise a commencé."]
    until_clock(page, "0:01")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Quitter cette page ?")).to_be_visible()
    owner.axe()
    is_in(page, "paused")
    page.keyboard.press("Escape")
    is_in(page, "recording")
    page.keyboard.press("Space")
    is_in(page, "review")
    assert page.evaluate("() => document.activeElement.dataset.part") == "keep"
    owner.axe()
    owner.fits()
    # What can be cut is there when its length has been found out.
    expect(part(page, "trim")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.localName") == "summary":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert part(page, "from").input_value() == "0.1"
    assert page.evaluate("() => document.activeElement.ariaValueText") == "0:00,1"


def test_who_leaves_by_escape_finds_the_take_again(phone):
    page = phone().page
    films(page, "0:01")
    page.keyboard.press("Escape")
    leave = page.get_by_role("dialog", name="Quitter cette page ?")
    expect(leave).to_contain_text("vous le retrouverez ici")
    leave.get_by_role("button", name="Quitter").click()
    # Asked once: the browser does not ask again.
    page.wait_for_url("**/participate/quotidien")
    page.get_by_role("link", name="Filmer maintenant").click()
    expect(part(page, "waits")).to_have_text(WAITS)
    page.get_by_role("button", name="La revoir").click()
    until_it_plays(page, 0.5)


# Cameras and microphones --------------------------------------------------------------------------------

# Every camera that the browser has opened for this page.
OPENED = """window.opened = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async want => { const one = await ask(want); opened.push(one); return one; };"""
CAMERAS = "() => opened.map(one => one.getVideoTracks()[0]).map(one => [one.readyState, one.getSettings().deviceId])"
ON_SCREEN = """() => document.querySelector('[data-part=live]').srcObject.getVideoTracks()[0].getSettings().deviceId"""


def test_two_taps_turn_one_camera_on_and_it_is_changed_for_the_other(phone):
    page = phone(before=OPENED).page
    page.evaluate(
        "() => { const on = document.querySelector('[data-open][data-part=film]'); on.click(); on.click(); }"
    )
    is_in(page, "ready")
    until(page, "() => opened.length === 2")
    assert sorted(state for state, _ in page.evaluate(CAMERAS)) == ["ended", "live"]
    first = page.evaluate(ON_SCREEN)
    page.get_by_role("button", name="Changer de caméra").click()
    until(page, "() => opened.length === 3")
    is_in(page, "ready")
    *former, (state, second) = page.evaluate(CAMERAS)
    assert [one for one, _ in former] == ["ended", "ended"]
    assert state == "live"
    assert page.evaluate(ON_SCREEN) == second != first


# A microphone that is as loud as the test says; what is heard is measured ten times as often.
MICROPHONE = """const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices), every = setInterval;
window.setInterval = (work, ms) => every(work, ms === 200 ? 20 : ms);
navigator.mediaDevices.getUserMedia = async want => {
  const stream = await ask(want), studio = new AudioContext(), tone = studio.createOscillator();
  const heard = studio.createMediaStreamDestination(), [before] = stream.getAudioTracks();
  window.knob = studio.createGain();
  knob.gain.value = 0;
  tone.connect(knob).connect(heard);
  tone.start();
  stream.removeTrack(before);
  stream.addTrack(heard.stream.getAudioTracks()[0]);
  return stream;
};"""


def test_how_loud_it_is_is_said_in_words(phone):
    page = phone(before=MICROPHONE).page
    turn_on(page)
    for volume, words in (
        (0, "Aucun son n’arrive du micro."),
        (0.006, "C’est très faible, rapprochez-vous."),
        (0.5, "On vous entend bien."),
    ):
        page.evaluate("volume => { knob.gain.value = volume; }", volume)
        expect(part(page, "heard")).to_have_text(words)


# What stands in the way ---------------------------------------------------------------------------------

# A camera that fails and a device that is small, when the test says so.
FAILS = """const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async want => {
  if (window.fault) throw new DOMException("", window.fault);
  return ask(want);
};"""
SMALL = "navigator.storage.estimate = async () => ({ quota: 3e8, usage: 2e8 });"


def test_a_camera_that_is_not_to_be_had_is_said_and_asked_for_again(phone):
    owner = phone(before=FAILS, allowed=False)
    page = owner.page
    page.get_by_role("button", name="Allumer la caméra").click()
    expect(page.get_by_role("heading", name="La caméra n’est pas autorisée")).to_be_focused()
    expect(page.get_by_text("Dans Chrome ou Edge")).to_be_visible()
    owner.axe()
    owner.fits()
    for fault, heading in (
        ("NotFoundError", "Aucune caméra, ou aucun micro"),
        ("NotReadableError", "La caméra est déjà prise"),
    ):
        page.evaluate("fault => { window.fault = fault; }", fault)
        page.get_by_role("button", name="Réessayer").click()
        expect(page.get_by_role("heading", name=heading)).to_be_focused()
        owner.fits()
    page.evaluate("() => { window.fault = ''; }")
    owner.context.grant_permissions(["camera", "microphone"])
    page.get_by_role("button", name="Réessayer").click()
    is_in(page, "ready")


def test_a_device_without_room_and_one_that_cannot_film_lead_to_the_phones_camera(phone):
    owner = phone(before=SMALL, scheme="dark")
    page = owner.page
    on = page.get_by_role("link", name="Continuer avec l’appareil photo")
    page.get_by_role("button", name="Allumer la caméra").click()
    expect(page.get_by_role("heading", name="La place manque sur cet appareil")).to_be_focused()
    owner.axe()
    owner.fits()
    on.click()
    until(page, "() => document.querySelector('[data-part=file]')?.getAttribute('capture') === 'user'")
    page.go_back()
    film = {"name": "IMG_8.mp4", "mimeType": "video/mp4", "buffer": b"heavy"}
    part(page, "phone").locator("input").set_input_files(film)
    expect(page.get_by_role("heading", name="Ce film est trop lourd pour attendre ici")).to_be_focused()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Enregistrer le film").click()
    assert saved.value.suggested_filename == "IMG_8.mp4"
    assert saved.value.path().read_bytes() == b"heavy"
    expect(on).to_be_visible()
    owner.axe()
    owner.fits()
    page.add_init_script("delete window.MediaRecorder;")
    page.reload()
    expect(page.get_by_role("heading", name="Ce navigateur ne sait pas filmer")).to_be_visible()
    expect(on).to_be_visible()
    owner.fits()


# A device that has room for films until the test says that it is full.
FULL = """const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value) {
  if (this.name === "rows" && window.full) throw new DOMException("no room", "QuotaExceededError");
  return put.call(this, value);
};"""


def test_a_device_that_becomes_full_keeps_what_was_filmed_and_a_new_take_of_nothing_leaves_it(phone):
    page = phone(before=PIECEMEAL + FULL).page
    films(page, "0:01")
    until(page, PIECES)
    page.evaluate("() => { window.full = true; }")
    is_in(page, "review")
    expect(part(page, "told")).to_have_text(re.compile("La place manque"))
    assert page.evaluate("() => document.querySelector('[data-part=live]').srcObject") is None
    until_it_plays(page, 0.5)
    page.get_by_role("button", name="Refaire").click()
    is_in(page, "ready")
    main(page).click()
    expect(page.get_by_role("heading", name="La place manque sur cet appareil")).to_be_focused()
    page.reload()
    expect(part(page, "waits")).to_have_text(WAITS)
    page.get_by_role("button", name="La revoir").click()
    is_in(page, "review")
    with announced(page):
        page.get_by_role("button", name="Garder").click()


@pytest.fixture
def own_browser(playwright, site, tmp_path):
    """Starts a browser that keeps what it has in a folder, as everybody's does; tells its page."""
    opened = []

    def start():
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=str(installed() or downloaded()),
            args=FLAGS,
            permissions=["camera", "microphone"],
            locale="fr-FR",
        )
        opened.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.pages[0]
        page.add_init_script(HURRY + PIECEMEAL)
        page.goto(site + FILM)
        return page

    yield start
    for context in opened:
        context.close()


def kill(profile):
    """End the browser of a profile as the system does when memory is short: at once."""
    mine = f"--user-data-dir={profile}".encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        # Its own processes are told the same, and of what kind they are.
        if mine in words and not any(word.startswith(b"--type=") for word in words):
            os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_take_survives_a_killed_browser(own_browser, tmp_path):
    page = own_browser()
    films(page, "0:01")
    until(page, PIECES)
    with page.context.expect_event("close"):
        kill(tmp_path / "profile")
    page = own_browser()
    expect(part(page, "waits")).to_have_text(WAITS)
    page.get_by_role("button", name="La revoir").click()
    until_it_plays(page, 0.5)


# Films of the phone's own camera ------------------------------------------------------------------------

IPHONE = """Object.defineProperty(navigator, "userAgent", { get: () => "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 "
  + "like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1" });"""


def test_on_an_iphone_its_own_camera_comes_first_and_its_film_is_watched_cut_and_handed_on(phone, tmp_path):
    owner = phone(before=IPHONE, allowed=False)
    page = owner.page
    page.get_by_role("button", name="Allumer la caméra").click()
    expect(page.get_by_text("Sur iPhone et iPad")).to_be_visible()
    page.reload()
    first = part(page, "acts").locator("> *").first
    expect(first).to_have_attribute("data-part", "phone")
    expect(first).to_have_class(re.compile(r"\bmain\b"))
    expect(part(page, "film")).not_to_have_class(re.compile(r"\bmain\b"))
    film = footage.small(tmp_path, size="320x180", rate=10, seconds=3, name="IMG_7.mp4")
    first.locator("input").set_input_files(film)
    is_in(page, "review")
    until(page, "() => document.querySelector('[data-part=to]').max === '3.0'")
    page.get_by_text("Couper le début et la fin").click()
    part(page, "to").fill("2")
    with announced(page) as sent:
        page.get_by_role("button", name="Garder").click()
    told = json.loads(sent.value.post_data)
    assert (told["filename"], told["edits"]) == ("IMG_7.mp4", {"end": 2})


def test_a_film_that_is_too_long_is_cut_here_and_taken(phone, site, tmp_path):
    owner = phone()
    page = owner.page
    for address in ("**/quotidien", "**/quotidien/film"):
        page.route(address, for_two_seconds)
    film = footage.small(tmp_path, size="320x180", rate=10, seconds=4, name="IMG_9.mp4")
    page.goto(f"{site}/fr/participate/quotidien")
    page.locator("[data-part=file]").set_input_files(film)
    expect(part(page, "wrong")).to_have_text(re.compile("Ce film dure 4.secondes, la limite est 2.secondes"))
    page.get_by_role("button", name="Le couper ici").click()
    page.wait_for_url("**/quotidien/film**")
    is_in(page, "review")
    expect(part(page, "told")).to_have_text(re.compile("Choisissez ce que vous gardez"))
    until(page, "() => document.querySelector('[data-part=to]').value === '2'")
    # The other end comes along.
    part(page, "to").fill("3.5")
    assert part(page, "from").input_value() == "1.5"
    owner.axe()
    owner.fits()
    with announced(page) as sent:
        page.get_by_role("button", name="Garder").click()
    assert json.loads(sent.value.post_data)["edits"] == {"start": 1.5, "end": 3.5}


def for_two_seconds(route):
    """The page of a portal that takes films of two seconds."""
    page = route.fetch()
    body = re.sub(r'data-max-seconds="\d+"', 'data-max-seconds="2"', page.text())
    route.fulfill(response=page, body=body)
