"""Filming in the page with Chromium's own pretended camera, from the first second to the clip that a moderator sees."""

import json
import re
from functools import partial

import pytest
from playwright.sync_api import expect

from config import Settings
from media_jobs.outline import Limits
from media_jobs.probe import inspect
from portal.storage import Bucket, Storage
from tests import footage
from tests.journeys.filming import (
    KEPT,
    announced,
    at_the_recorder,
    films,
    is_in,
    main,
    part,
    until_clock,
    until_it_plays,
)
from tests.journeys.steps import answered, arrive, confirm_in, until

pytestmark = pytest.mark.journey

PART = re.compile(r"/vecu-originals/.*partNumber=(\d+)")
# Six megabytes behind what was filmed that no player looks at, so that the take leaves in two parts.
WEIGHTY = """() => new Promise(done => {
  const asked = indexedDB.open("vecu-takes"), bytes = new Uint8Array(6e6), size = new DataView(bytes.buffer);
  asked.onsuccess = () => {
    const store = asked.result.transaction(["takes", "rows"], "readwrite"), all = store.objectStore("takes").getAll();
    all.onsuccess = () => {
      const [take] = all.result;
      if (take.type === "video/mp4") { size.setUint32(0, bytes.length); bytes.set([102, 114, 101, 101], 4); }
      else { size.setUint32(5, bytes.length - 9); bytes.set([236, 1], 0); }
      store.objectStore("rows").put({ take: take.id, n: 999, data: bytes.buffer, at: 1 });
    };
    store.oncomplete = () => { asked.result.close(); done(); };
  };
})"""


@pytest.fixture
def phone(window, portal):
    """A phone with a camera, on the recorder's page of the call."""
    return partial(at_the_recorder, window, portal.url)


def test_a_take_is_paused_cut_kept_sent_and_shown_without_its_ends(
    phone, portal, api, review_token, tmp_path
):
    owner = phone()
    page = owner.page
    films(page, "0:02")
    expect(part(page, "heard")).not_to_be_empty()
    owner.axe()
    owner.fits()
    page.get_by_role("button", name="Pause").click()
    is_in(page, "paused")
    at = part(page, "clock").text_content()
    page.wait_for_timeout(2500)
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
    with announced(page) as sent:
        page.get_by_role("button", name="Garder").click()
    told = json.loads(sent.value.post_data)
    assert told["edits"] == {"start": 1, "end": round(length - 0.5, 1)}
    expect(part(page, "line")).to_have_text(re.compile("Vidéo reçue"))
    until(page, "() => localStorage.getItem('vecu:take:quotidien') === null")
    fill_in(page)
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
    # The page that stands there goes on by itself at this moment.
    arrive(page)
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


class Line:
    """Keeps the second part on its way, twice; notes which parts came in."""

    def __init__(self, page):
        self.page, self.arrived, self.kept = page, [], []
        page.route(PART, self.carry)
        page.on("requestfinished", self.note)

    def carry(self, route):
        if len(self.kept) < 2 and PART.search(route.request.url)[1] == "2":
            self.kept.append(route)
        else:
            route.continue_()

    def note(self, request):
        if (part := PART.search(request.url)) and request.method == "PUT":
            self.arrived.append(int(part[1]))

    def until_only_the_second_part_is_out(self, times):
        for _ in range(1200):
            if self.arrived and len(self.kept) == times:
                assert self.arrived == [1]
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(self.page.inner_text("main")[:600])


def test_a_take_goes_on_by_itself_when_the_page_is_loaded_anew_and_on_the_clips_own_page(phone):
    page = phone().page
    films(page, "0:01")
    main(page).click()
    is_in(page, "review")
    until_it_plays(page, 0.5)
    page.evaluate(WEIGHTY)
    line = Line(page)
    with announced(page) as first:
        page.get_by_role("button", name="Garder").click()
    line.until_only_the_second_part_is_out(1)
    page.on("dialog", lambda dialog: dialog.accept())
    with announced(page) as second:
        page.reload()
    # Nobody picks a film: the one that was kept is found, and is the same.
    assert json.loads(second.value.post_data) == json.loads(first.value.post_data)
    line.until_only_the_second_part_is_out(2)
    # What was filmed here was filmed now.
    this_month = page.evaluate("() => new Date().toLocaleDateString('sv').slice(0, 7)")
    expect(page.get_by_label("Filmé en")).to_have_value(this_month)
    page.get_by_label("Votre e-mail").fill("later@mail.example")
    with announced(page) as third:
        page.get_by_role("button", name="Finir plus tard").click()
    # Nor there, where the film is asked for that no gallery has.
    assert json.loads(third.value.post_data) == json.loads(first.value.post_data)
    page.wait_for_url("**/fr/s/**")
    expect(page.locator("#where")).to_have_attribute("data-state", "processing")
    assert line.arrived == [1, 2], "a stored part was sent again"
    until(page, f"async () => await ({KEPT})() === '[]'")


def test_without_script_the_page_leads_to_the_form(window, portal):
    owner = window(360, script=False)
    page = owner.page
    page.goto(f"{portal.url}/fr/participate/quotidien/film")
    expect(page.locator("noscript p").first).to_contain_text("Filmez plutôt avec l’appareil photo")
    expect(page.locator("[data-recorder]")).to_be_hidden()
    owner.fits()
    page.get_by_role("link", name="Envoyer une vidéo").click()
    expect(page.get_by_role("button", name="Envoyer", exact=True)).to_be_visible()
    expect(page.locator("noscript p")).to_contain_text("Vous choisirez votre film à la suivante")
