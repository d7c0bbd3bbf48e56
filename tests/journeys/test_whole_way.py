"""From an owner's phone to the public page and back: three people, real film, a real browser."""

import re

import pytest
from playwright.sync_api import expect

from config import Settings
from portal.storage import Bucket, Storage
from tests.journeys.conftest import PASSWORD
from tests.journeys.steps import confirm_in, sign_in, until, until_gone, until_state

pytestmark = pytest.mark.journey


class Line:
    """The line between phone and storage: counts the parts that arrived, and lets only so many through."""

    def __init__(self, page):
        self.arrived, self.begun, self.let = [], 0, None
        page.route(re.compile(r"/vecu-originals/.*partNumber="), self.carry)
        page.on("requestfinished", self.note)

    def carry(self, route):
        if self.let is not None and self.begun >= self.let:
            route.abort("connectionreset")
            return
        self.begun += 1
        route.continue_()

    def note(self, request):
        number = re.search(r"partNumber=(\d+)", request.url)
        if number and request.method == "PUT":
            self.arrived.append(int(number[1]))


def fill_in(page, email="nadia@mail.example"):
    page.get_by_label("Un titre, avec vos mots").fill("Six heures, le Galibier pour nous seuls")
    page.get_by_label("Technologie").check()
    page.get_by_label("Week-end").check()
    page.get_by_label("Votre prénom").fill("Nadia")
    page.get_by_label("Votre ville").fill("Grenoble")
    page.get_by_label("Votre e-mail").fill(email)
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()


def approve(page):
    for name in ("whole", "people", "music", "driving"):
        page.locator(f"input[name=check][value={name}]").check()
    page.get_by_role("button", name=re.compile("Approuver et publier")).click()


@pytest.mark.timeout(600)
def test_a_film_goes_from_the_phone_to_the_public_page_and_is_taken_back(portal, window, rotated_film):
    # The owner, on a phone: the film leaves while the form is filled in; the line is cut after two parts.
    owner = window(360)
    page = owner.page
    line = Line(page)
    line.let = 2
    page.goto(f"{portal.url}/fr/participate/quotidien")
    owner.axe()
    owner.fits()
    page.locator("[data-part=file]").set_input_files(rotated_film)
    until(page, "() => JSON.parse(localStorage['vecu:quotidien'] ?? '{}').id")
    fill_in(page)
    for _ in range(240):
        if len(line.arrived) == 2:
            break
        page.wait_for_timeout(250)
    assert len(line.arrived) == 2

    # The page is reloaded; the same film is chosen again; only the missing parts are sent.
    page.reload()
    expect(page.get_by_label("Votre prénom")).to_have_value("Nadia")
    line.let = None
    page.locator("[data-part=file]").set_input_files(rotated_film)
    expect(page.locator("[data-part=line]")).to_have_text(re.compile("Vidéo reçue"))
    assert sorted(line.arrived) == [1, 2, 3], "a stored part was sent again, or one is missing"
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()
    owner.axe()
    page.get_by_role("button", name="Envoyer", exact=True).click()
    page.wait_for_url("**/fr/s/**")
    expect(page.get_by_text("Nous avons écrit à")).to_be_visible()
    owner.axe()
    confirm_in(owner, portal, "nadia@")
    until_state(page, "in_review")
    owner.axe()
    owner.fits()
    status_url = page.url

    # The moderator asks for a change, with a passage and her own words.
    staff = window(1280)
    sign_in(staff, portal, "ines@brand.example", PASSWORD)
    desk = staff.page
    desk.goto(f"{portal.url}/studio/review")
    staff.axe()
    desk.get_by_role("link", name=re.compile("Six heures")).first.click()
    desk.wait_for_url(re.compile(r"/studio/review/[a-z0-9]{10}"))
    staff.axe()
    desk.keyboard.press("c")
    desk.wait_for_url("**/request-changes")
    desk.locator("input[name=reason][value=plate]").check()
    desk.locator("#at-plate").fill("0:01")
    desk.locator("#words-plate").fill("On lit une plaque, pouvez-vous la cacher ?")
    staff.axe()
    desk.locator("button[value=send]").click()
    desk.wait_for_url(lambda url: not url.endswith("/request-changes"))

    # The owner reads why and answers with a changed title.
    page.goto(status_url)
    until_state(page, "changes_requested")
    expect(page.get_by_text("On lit une plaque")).to_be_visible()
    page.get_by_label("Un titre, avec vos mots").fill("Le Galibier, sans plaque")
    page.get_by_role("button", name="Répondre avec ces textes").click()
    until_state(page, "in_review")

    # The moderator approves.
    desk.goto(f"{portal.url}/studio/review")
    desk.get_by_role("link", name=re.compile("sans plaque")).first.click()
    desk.wait_for_url(re.compile(r"/studio/review/[a-z0-9]{10}"))
    approve(desk)
    desk.wait_for_url(re.compile(r"/studio/review"))
    page.goto(status_url)
    until_state(page, "published")

    # A visitor ticks two themes, finds the clip, and it plays, standing upright.
    visitor = window(1280)
    public = visitor.page
    public.goto(f"{portal.url}/fr/clips?match=all&theme=technologie&theme=week-end")
    visitor.axe()
    public.get_by_role("link", name=re.compile("sans plaque")).first.click()
    public.wait_for_url("**/fr/c/**")
    visitor.axe()
    clip_url = public.url
    public.evaluate("() => document.querySelector('video').play()")
    until(public, "() => document.querySelector('video').currentTime > 0.5")
    assert public.evaluate(
        "() => { const v = document.querySelector('video'); return v.videoHeight > v.videoWidth; }"
    )
    media = public.evaluate("() => document.querySelector('video').currentSrc")
    assert public.request.get(media).status == 200

    # The owner takes it back: the page is gone at once, the media follow.
    page.goto(status_url)
    page.get_by_role("link", name="Retirer mon clip").click()
    owner.axe()
    page.locator("main form button[type=submit]").first.click()
    until_state(page, "withdrawn")
    assert public.goto(clip_url).status == 410
    visitor.axe()
    until(public, "url => fetch(url, {cache: 'no-store'}).then(answer => answer.status === 404)", media)
    assert public.goto(f"{portal.url}/fr/clips").status == 200
    assert public.get_by_role("link", name=re.compile("sans plaque")).count() == 0
    token = re.search(r"/v/([0-9a-f]{32})/", media)[1]
    until_gone(Storage(Settings.from_env(portal.environment).storage), Bucket.PUBLIC, f"v/{token}/")
    portal.cli("fsck")
