"""Filming in the page with Chromium's own pretended camera: every way it goes, and every way it goes wrong."""

import json
import re

import pytest
from playwright.sync_api import expect

from config import Settings
from media_jobs.outline import Limits
from media_jobs.probe import inspect
from portal.storage import Bucket, Storage
from tests import footage
from tests.journeys.steps import answered, confirm_in, until

pytestmark = pytest.mark.journey

# How much of a take this browser keeps already: enough of it to be shown again.
PIECES = """() => new Promise(done => {
  const asked = indexedDB.open("vecu-takes");
  asked.onsuccess = () => {
    const counted = asked.result.transaction("rows").objectStore("rows").count();
    counted.onsuccess = () => { asked.result.close(); done(counted.result > 2); };
  };
})"""
ONE_TAKE = """() => new Promise(done => {
  const asked = indexedDB.open("vecu-takes");
  asked.onsuccess = () => {
    const counted = asked.result.transaction("takes").objectStore("takes").count();
    counted.onsuccess = () => { asked.result.close(); done(counted.result === 1); };
  };
})"""
KEPT = """() => new Promise(done => {
  const asked = indexedDB.open("vecu-takes");
  asked.onsuccess = () => {
    const found = asked.result.transaction("takes").objectStore("takes").getAllKeys();
    found.onsuccess = () => { asked.result.close(); done(JSON.stringify(found.result)); };
  };
})"""
# How long it is hangs on how quickly this machine presses the buttons.
WAITS = re.compile(r"Une prise de 0:\d\d vous attend\.")
MODE = "() => document.querySelector('[data-recorder]').dataset.mode"


# Whole seconds of waiting, the countdown's among them, take a fifth: tests film often.
HURRY = """const later = setTimeout;
window.setTimeout = (work, ms, ...words) => later(work, ms === 1000 ? 200 : ms, ...words);"""


@pytest.fixture
def phone(window, portal):
    """A phone with a camera, on the recorder's page of the call."""

    def open_page(width=360, scheme="light", *, before="", seconds=90, allowed=True, hurried=True):
        one = window(width, scheme=scheme)
        if allowed:
            one.context.grant_permissions(["camera", "microphone"], origin=portal.url)
        if hurried:
            one.page.add_init_script(HURRY)
        if before:
            one.page.add_init_script(before)
        if seconds != 90:
            one.page.route("**/quotidien/film", lambda route: shortened(route, seconds))
        one.page.goto(f"{portal.url}/fr/participate/quotidien/film")
        return one

    return open_page


def shortened(route, seconds):
    """The page of a call that takes shorter films."""
    page = route.fetch()
    route.fulfill(response=page, body=page.text().replace('data-seconds="90"', f'data-seconds="{seconds}"'))


def is_in(page, mode):
    until(page, f"mode => ({MODE})() === mode", mode)


def main(page):
    return page.locator("[data-part=main]")


def part(page, name):
    return page.locator(f"[data-part={name}]")


def turn_on(page):
    page.get_by_role("button", name="Allumer la caméra").click()
    is_in(page, "ready")


def until_clock(page, says):
    until(page, "says => document.querySelector('[data-part=clock]').textContent >= says", says)


def films(page, until_it_says):
    """Turn the camera on, count down, and film until the clock says so."""
    turn_on(page)
    main(page).click()
    is_in(page, "recording")
    until_clock(page, until_it_says)


def ends(page, event):
    """As when something else takes the camera away."""
    page.evaluate(
        """event => document.querySelector('[data-part=live]').srcObject.getVideoTracks()[0]
          .dispatchEvent(new Event(event))""",
        event,
    )


def said(page):
    return part(page, "said")


def test_a_take_is_paused_cut_kept_sent_and_shown_without_its_ends(
    phone, portal, api, review_token, tmp_path
):
    owner = phone()
    page = owner.page
    owner.axe()
    owner.fits()
    films(page, "0:02")
    expect(part(page, "heard")).not_to_be_empty()
    owner.axe()
    owner.fits()
    page.get_by_role("button", name="Pause").click()
    is_in(page, "paused")
    at = part(page, "clock").text_content()
    page.wait_for_timeout(3000)
    assert part(page, "clock").text_content() == at
    page.get_by_role("button", name="Reprendre").click()
    is_in(page, "recording")
    until_clock(page, f"0:{seconds_of(at) + 1:02}")
    main(page).click()
    is_in(page, "review")
    filmed = seconds_of(part(page, "clock").text_content())
    page.get_by_text("Couper le début et la fin").click()
    until(page, "() => +document.querySelector('[data-part=to]').max > 2.5")
    length = float(part(page, "to").get_attribute("max"))
    assert length == pytest.approx(filmed + 0.5, abs=1.5), "the pause was filmed"
    part(page, "from").fill("1")
    part(page, "to").fill(str(round(length - 0.5, 1)))
    owner.axe()
    owner.fits()
    with page.expect_request(
        lambda one: one.url.endswith("/api/v1/uploads") and one.method == "POST"
    ) as sent:
        page.get_by_role("button", name="Garder").click()
    told = json.loads(sent.value.post_data)
    assert told["edits"] == {"start": 1, "end": round(length - 0.5, 1)}
    expect(part(page, "line")).to_have_text(re.compile("Vidéo reçue"))
    until(page, "() => localStorage.getItem('vecu:take:quotidien') === null")
    fill_in(page)
    owner.axe()
    page.get_by_role("button", name="Envoyer", exact=True).click()
    page.wait_for_url("**/fr/s/**")
    confirm_in(owner, portal, "recorder@")
    token = page.url.rpartition("/")[2]
    moderator = api(review_token)
    clip = told["submission_id"]
    made = answered(
        lambda: api(token).get(f"/api/v1/submissions/{clip}").json(),
        lambda now: now["state"] in ("in_review", "failed"),
    )
    assert made["state"] == "in_review", made
    sheet = moderator.get(f"/api/v1/review/{clip}").json()
    assert sheet["seconds"] == pytest.approx(length - 1.5, abs=0.15)
    seconds = original(portal, clip, tmp_path).duration_seconds
    assert seconds == pytest.approx(length, abs=0.3), "the original is whole"
    page.reload()
    expect(page.get_by_role("heading", name="Ce que vous avez coupé")).to_be_visible()


def seconds_of(clock):
    """What the clock said, in whole seconds."""
    minutes, seconds = clock.split(":")
    return int(minutes) * 60 + int(seconds)


def fill_in(page):
    page.get_by_label("Un titre, avec vos mots").fill("Filmé ici même")
    page.get_by_label("Technologie").check()
    page.get_by_label("Votre prénom").fill("Nadia")
    page.get_by_label("Votre e-mail").fill("recorder@mail.example")
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()


def original(portal, clip, folder):
    """What the worker's own look says of the film that arrived."""
    storage = Storage(Settings.from_env(portal.environment).storage)
    [key] = [key for key in storage.keys(Bucket.ORIGINALS, "o/") if f"/{clip}/" in key]
    storage.fetch(Bucket.ORIGINALS, key, folder / "film")
    return inspect(footage.tools(), folder / "film", Limits())


def test_a_reloaded_page_offers_the_take_and_a_new_one_replaces_it(phone):
    owner = phone()
    page = owner.page
    films(page, "0:02")
    until(page, PIECES)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(part(page, "waits")).to_have_text(WAITS)
    former = page.evaluate(KEPT)
    owner.axe()
    owner.fits()
    page.get_by_role("button", name="La revoir").click()
    is_in(page, "review")
    until(page, "() => document.querySelector('[data-part=shown]').duration > 0.5")
    page.get_by_role("button", name="Refaire").click()
    is_in(page, "ready")
    main(page).click()
    is_in(page, "recording")
    until_clock(page, "0:01")
    main(page).click()
    is_in(page, "review")
    # The former one goes when the new one has been seen to hold something.
    until(page, ONE_TAKE)
    assert page.evaluate(KEPT) != former
    page.reload()
    expect(part(page, "waits")).to_have_text(WAITS)
    page.get_by_role("button", name="L’effacer").click()
    expect(part(page, "waiting")).to_be_hidden()
    page.reload()
    expect(part(page, "waiting")).to_be_hidden()


def test_the_limit_ends_a_take_softly(phone):
    page = phone(seconds=4).page
    films(page, "0:01")
    until(page, "() => document.querySelector('[data-part=count]').textContent === '2'")
    is_in(page, "review")
    expect(said(page)).to_have_text(re.compile("La durée permise est atteinte"))
    until(page, "() => document.querySelector('[data-part=shown]').duration > 3")


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
    until(page, "() => document.querySelector('[data-part=shown]').duration > 1")


def test_the_keys_do_it_all_and_escape_asks_first(phone):
    owner = phone(width=1280, scheme="dark", hurried=False)
    page = owner.page
    page.get_by_role("button", name="Allumer la caméra").focus()
    page.keyboard.press("Enter")
    is_in(page, "ready")
    owner.axe()
    page.locator("h1").click()
    page.keyboard.press("Space")
    is_in(page, "counting")
    expect(said(page)).to_have_text("La prise commence dans trois secondes.")
    is_in(page, "recording")
    expect(said(page)).to_have_text("La prise a commencé.")
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
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.localName") == "summary":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert part(page, "from").input_value() == "0.1"
    assert page.evaluate("() => document.activeElement.ariaValueText") == "0:00,1"


FAILS = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', '%s'); };"
NO_ROOM = "navigator.storage.estimate = async () => ({ quota: 3e8, usage: 2e8 });"


@pytest.mark.parametrize(
    ("before", "allowed", "heading"),
    [
        ("", False, "La caméra n’est pas autorisée"),
        (FAILS % "NotFoundError", True, "Aucune caméra, ou aucun micro"),
        (FAILS % "NotReadableError", True, "La caméra est déjà prise"),
        (NO_ROOM, True, "La place manque sur cet appareil"),
    ],
    ids=["refused", "no camera", "busy", "full"],
)
def test_what_stands_in_the_way_is_said_with_a_way_around_it(phone, before, allowed, heading):
    owner = phone(before=before, allowed=allowed)
    page = owner.page
    page.get_by_role("button", name="Allumer la caméra").click()
    expect(page.get_by_role("heading", name=heading)).to_be_focused()
    if not allowed:
        expect(page.get_by_text("Dans Chrome ou Edge")).to_be_visible()
    owner.axe()
    owner.fits()
    if "La place" in heading:
        page.get_by_role("link", name="Continuer avec l’appareil photo").click()
        until(page, "() => document.querySelector('[data-part=file]')?.getAttribute('capture') === 'user'")


def test_a_browser_that_cannot_film_sends_to_the_phones_camera(phone):
    owner = phone(before="delete window.MediaRecorder;", scheme="dark")
    expect(owner.page.get_by_role("heading", name="Ce navigateur ne sait pas filmer")).to_be_visible()
    owner.axe()
    owner.fits()


def test_a_film_of_the_phones_camera_is_watched_cut_and_handed_on_alike(phone, tmp_path):
    page = phone().page
    film = footage.small(tmp_path, size="320x180", rate=10, seconds=3, name="IMG_7.mp4")
    page.locator("[data-part=phone] input").set_input_files(film)
    is_in(page, "review")
    until(page, "() => document.querySelector('[data-part=to]').max === '3.0'")
    page.get_by_text("Couper le début et la fin").click()
    part(page, "to").fill("2")
    with page.expect_request(
        lambda one: one.url.endswith("/api/v1/uploads") and one.method == "POST"
    ) as sent:
        page.get_by_role("button", name="Garder").click()
    told = json.loads(sent.value.post_data)
    assert (told["filename"], told["edits"]) == ("IMG_7.mp4", {"end": 2})


# A device that has room for so many pieces of a film, and for no more.
ROOM_FOR = """window.room = %s;
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value) {
  if (this.name === "rows" && --window.room < 0) throw new DOMException("no room", "QuotaExceededError");
  return put.call(this, value);
};"""


def test_a_device_that_becomes_full_while_filming_keeps_what_was_filmed(phone):
    page = phone(before=ROOM_FOR % 2).page
    films(page, "0:01")
    is_in(page, "review")
    expect(part(page, "told")).to_have_text(re.compile("La place manque"))
    assert page.evaluate("() => document.querySelector('[data-part=live]').srcObject") is None
    until(page, "() => document.querySelector('[data-part=shown]').duration > 0.5")
    with page.expect_request(lambda one: one.url.endswith("/api/v1/uploads") and one.method == "POST"):
        page.get_by_role("button", name="Garder").click()


def test_a_new_take_that_holds_nothing_leaves_the_good_one(phone):
    page = phone(before=ROOM_FOR % 1000).page
    films(page, "0:01")
    main(page).click()
    is_in(page, "review")
    until(page, "() => document.querySelector('[data-part=shown]').duration > 0.5")
    page.get_by_role("button", name="Refaire").click()
    is_in(page, "ready")
    page.evaluate("() => { window.room = 0; }")
    main(page).click()
    expect(page.get_by_role("heading", name="La place manque sur cet appareil")).to_be_focused()
    page.reload()
    expect(part(page, "waits")).to_have_text(WAITS)


# Every camera that the browser has opened for this page.
OPENED = """window.opened = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async want => { const one = await ask(want); opened.push(one); return one; };"""


def test_two_taps_turn_one_camera_on(phone):
    page = phone(before=OPENED).page
    page.evaluate(
        "() => { const on = document.querySelector('[data-open][data-part=film]'); on.click(); on.click(); }"
    )
    is_in(page, "ready")
    until(page, "() => opened.length === 2")
    states = page.evaluate("() => opened.map(one => one.getVideoTracks()[0].readyState)")
    assert sorted(states) == ["ended", "live"]


def test_a_film_that_is_too_long_is_cut_here_and_taken(phone, portal, tmp_path):
    owner = phone()
    page = owner.page
    for address in ("**/quotidien", "**/quotidien/film"):
        page.route(address, for_two_seconds)
    film = footage.small(tmp_path, size="320x180", rate=10, seconds=4, name="IMG_9.mp4")
    page.goto(f"{portal.url}/fr/participate/quotidien")
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
    with page.expect_request(
        lambda one: one.url.endswith("/api/v1/uploads") and one.method == "POST"
    ) as sent:
        page.get_by_role("button", name="Garder").click()
    assert json.loads(sent.value.post_data)["edits"] == {"start": 1.5, "end": 3.5}


def for_two_seconds(route):
    """The page of a portal that takes films of two seconds."""
    page = route.fetch()
    body = re.sub(r'data-max-seconds="\d+"', 'data-max-seconds="2"', page.text())
    route.fulfill(response=page, body=body)


def test_without_script_the_page_leads_to_the_form(window, portal):
    owner = window(360, script=False)
    owner.page.goto(f"{portal.url}/fr/participate/quotidien/film")
    owner.fits()
    owner.page.get_by_role("link", name="Envoyer une vidéo").click()
    owner.page.wait_for_url("**/participate/quotidien")
