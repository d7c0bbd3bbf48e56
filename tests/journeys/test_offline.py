"""An owner's phone that loses the line in the middle of an upload."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
PARTS = re.compile(r"/vecu-originals/.*partNumber=(\d+)")


class Line:
    """Lets the first part through and keeps the others on their way until they are let go."""

    def __init__(self, page):
        self.page, self.arrived, self.kept, self.is_slow = page, [], [], True
        self.begun = 0
        page.route(PARTS, self.carry)
        page.on("requestfinished", self.note)

    def carry(self, route):
        self.begun += 1
        if self.is_slow and self.begun > 1:
            self.kept.append(route)
        else:
            route.continue_()

    def note(self, request):
        if (part := PARTS.search(request.url)) and request.method == "PUT":
            self.arrived.append(int(part[1]))

    def until(self, holds):
        for _ in range(480):
            if holds():
                return
            self.page.wait_for_timeout(250)
        raise AssertionError(self.page.inner_text("main")[:600])


def test_a_phone_that_goes_offline_in_mid_upload_says_so_and_goes_on_by_itself(portal, window, rotated_film):
    owner = window(360, scheme="dark")
    page, line = owner.page, Line(owner.page)
    card, says = page.locator("[data-uploader]"), page.locator("[data-part=line]")
    page.goto(f"{portal.url}/fr/participate/quotidien")
    page.locator("[data-part=file]").set_input_files(rotated_film)
    line.until(lambda: line.arrived and line.kept)

    owner.context.set_offline(True)
    for route in line.kept:
        route.abort("internetdisconnected")
    line.is_slow = False
    expect(card).to_have_attribute("data-state", "offline")
    expect(says).to_have_text(re.compile("Hors ligne"))
    owner.axe()
    assert len(line.arrived) == 1

    # Nobody touches the page: the film goes on where it was.
    owner.context.set_offline(False)
    expect(says).to_have_text(re.compile("Vidéo reçue"))
    assert sorted(line.arrived) == [1, 2, 3], "a stored part was sent again, or one is missing"


def test_the_magic_link_on_another_device_sends_only_what_is_missing(portal, window, rotated_film):
    phone = window(360)
    line = Line(phone.page)
    phone.page.goto(f"{portal.url}/fr/participate/quotidien")
    phone.page.locator("[data-part=file]").set_input_files(rotated_film)
    # Three leave at once; whichever is let through first.
    line.until(lambda: len(line.arrived) == 1 and line.kept)
    token = phone.page.evaluate("() => JSON.parse(localStorage['vecu:quotidien']).token")
    phone.context.close()

    computer = window(1280)
    page = computer.page
    other = Line(page)
    other.is_slow = False
    page.goto(f"{portal.url}/fr/s/{token}")
    computer.axe()
    computer.fits()
    page.locator("[data-part=file]").set_input_files(rotated_film)
    other.until(lambda: len(other.arrived) >= 2)
    expect(page.locator("#where")).to_have_attribute("data-state", "processing")
    assert sorted(line.arrived + other.arrived) == [1, 2, 3], (
        "a stored part was sent again, or one is missing"
    )
