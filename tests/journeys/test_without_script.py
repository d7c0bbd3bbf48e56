"""Everybody's way without JavaScript: an owner sends, follows and takes back; a moderator decides. Recording is left out."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.conftest import PASSWORD

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]


def test_an_owner_sends_confirms_answers_and_takes_back_and_a_moderator_decides(portal, window, tmp_path):
    owner, staff = window(360, script=False), window(1280, script=False)
    page, desk = owner.page, staff.page

    # The form first, then the film by the browser alone.
    page.goto(f"{portal.url}/fr/participate/quotidien")
    page.get_by_label("Un titre, avec vos mots").fill("Sans programme, au col")
    page.get_by_label("Votre prénom").fill("Rosa")
    page.get_by_label("Votre e-mail").fill("rosa@mail.example")
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()
    page.get_by_role("button", name="Envoyer", exact=True).click()
    expect(page.get_by_role("heading", name="Il ne manque que le film")).to_be_visible()
    owner.fits()
    page.get_by_label("Votre film").set_input_files(steps.tiny(tmp_path, "plain", seconds=2))
    page.get_by_role("button", name="Envoyer", exact=True).click()
    # The form's own address looks alike: where the clip stands is said on its page alone.
    page.locator("#where").wait_for()
    page.goto(steps.letter_link(portal, "", "rosa@"))
    page.get_by_role("button", name="Oui, c’est mon adresse").click()
    status = page.url
    reached(page, status, "in_review")
    owner.fits()

    # A change is asked and answered.
    steps.sign_in(staff, portal, "ines@brand.example", PASSWORD)
    open_sheet(desk, portal, "Sans programme")
    desk.get_by_role("link", name=re.compile("Corriger")).first.click()
    desk.locator("input[name=reason][value=plate]").check()
    desk.locator("#words-plate").fill("On lit une plaque.")
    desk.locator("button[value=send]").click()
    reached(page, status, "changes_requested")
    expect(page.get_by_text("On lit une plaque.")).to_be_visible()
    page.get_by_label("Un titre, avec vos mots").fill("Sans programme, sans plaque")
    page.get_by_role("button", name="Répondre avec ces textes").click()
    reached(page, status, "in_review")

    # Approved, seen, and taken back in two clicks.
    open_sheet(desk, portal, "sans plaque")
    for name in ("whole", "people", "music", "driving"):
        desk.locator(f"input[name=check][value={name}]").check()
    desk.get_by_role("button", name=re.compile("Approuver et publier")).click()
    desk.wait_for_url(re.compile(r"/studio/review"))
    reached(page, status, "published")
    page.get_by_role("link", name="Retirer mon clip").click()
    page.get_by_role("button", name="Oui, retirer le clip").click()
    reached(page, status, "withdrawn")


def open_sheet(desk, portal, title):
    """From the queue to the clip."""
    steps.until_listed(desk, title, f"{portal.url}/studio/review")
    desk.get_by_role("link", name=re.compile(title)).first.click()
    desk.wait_for_url(re.compile(r"/studio/review/[a-z0-9]{10}"))


def reached(page, status, state):
    """Until the status page says that the clip is there."""
    steps.answered(
        lambda: (page.goto(status), page.locator("#where").get_attribute("data-state"))[1],
        lambda now: now == state,
    )
