"""From an invitation to the receipt: three people, a phone's camera, letters that are opened, a public page in between."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import PASSWORD, WAIT_MS
from tests.journeys.filming import PIECES, films, is_in, part
from tests.journeys.steps import (
    answered,
    letter_to,
    link_of,
    sign_in,
    tiny,
    tokens_mailed,
    until,
    until_state,
)
from tests.journeys.test_whole_way import approve

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

OWNER, FRIEND = "nora@mail.example", "ada@mail.example"


def invited(portal, folder):
    """One customer on a list, and the letter that reaches her: its link."""
    guests = folder / "guests.csv"
    guests.write_text(f"email;first_name;product;since;language\n{OWNER};Nora;Model S;2021;fr\n", "utf-8")
    portal.cli("invitations", "import", str(guests), "--campaign", "quotidien")
    portal.cli("invitations", "send", "--campaign", "quotidien")
    return link_of(letter_to(portal, OWNER, "pour vous|question|quotidien"), "/i/")


def films_with_a_reload(owner, portal):
    """Film, lose the page in the middle, find the take again, keep it."""
    page = owner.page
    owner.context.grant_permissions(["camera", "microphone"], origin=portal.url)
    page.get_by_role("link", name=re.compile("Filmer maintenant")).first.click()
    page.wait_for_url("**/quotidien/film")
    films(page, "0:02")
    until(page, PIECES)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(part(page, "waits")).to_have_text(re.compile(r"Une prise de 0:0\d vous attend"))
    page.get_by_role("button", name="La revoir").click()
    is_in(page, "review")
    page.get_by_role("button", name="Garder").click()
    expect(part(page, "line")).to_have_text(re.compile("Vidéo reçue"))


def tells(owner):
    """What the invitation knows stands there; the rest is told, with a friend who is in the film."""
    page = owner.page
    expect(page.get_by_label("Votre prénom")).to_have_value("Nora")
    expect(page.get_by_label("Votre e-mail")).to_have_value(OWNER)
    page.get_by_label("Un titre, avec vos mots").fill("Le col avant l’orage")
    page.get_by_label("Week-end").check()
    page.get_by_label("Oui, et voici qui").check()
    page.locator("#people-1-name").fill("Ada")
    page.locator("#people-1-email").fill(FRIEND)
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()
    owner.axe()
    owner.fits()
    page.get_by_role("button", name="Envoyer", exact=True).click()
    page.wait_for_url("**/fr/s/**")
    return page.url


def agrees(window, portal):
    """The friend opens her own letter and says yes."""
    friend = window(360, scheme="dark")
    page = friend.page
    page.goto(link_of(letter_to(portal, FRIEND, "vous a filmé"), "/a/"))
    expect(page.get_by_role("heading", name="Nora vous a filmé·e")).to_be_visible()
    friend.axe()
    friend.fits()
    page.get_by_role("button", name="Oui, je suis d’accord").click()
    expect(page.get_by_text("Vous avez dit oui")).to_be_visible()
    friend.axe()


def open_sheet(desk, portal):
    desk.goto(f"{portal.url}/studio/review")
    desk.get_by_role("link", name=re.compile("Le col avant")).first.click()
    desk.wait_for_url(re.compile(r"/studio/review/[a-z0-9]{10}"))
    return desk.url.rpartition("/")[2].partition("?")[0]


def asks_for_a_change(desk):
    desk.keyboard.press("c")
    desk.wait_for_url("**/request-changes")
    desk.locator("input[name=reason]").first.check()
    desk.locator("textarea[id^=words-]").first.fill("Pouvez-vous filmer le col lui-même ?")
    desk.locator("button[value=send]").click()
    desk.wait_for_url(lambda url: not url.endswith("/request-changes"))


def answers_with_a_film(owner, folder):
    """From the clip's own page, which goes on by itself; the version before can still be watched."""
    page = owner.page
    expect(page.locator("#send-title")).to_have_text("Envoyer une nouvelle version")
    page.locator("[data-part=file]").set_input_files(tiny(folder, "the pass", seconds=1))
    where = page.locator("#where")
    # What is made quickly may be there before the page has said that it is being made.
    expect(where).to_have_attribute("data-state", re.compile("processing|in_review"))
    expect(where).to_have_attribute("data-state", "in_review", timeout=WAIT_MS)
    expect(page.get_by_role("heading", name="La nouvelle version")).to_be_visible()
    expect(page.get_by_role("heading", name="La version d’avant")).to_be_visible()
    owner.axe()


def erases_now(owner, portal, status):
    """A link that went astray is not enough: she comes in by her mailbox first."""
    page = owner.page
    page.get_by_role("button", name="Tout effacer maintenant").click()
    page.wait_for_url("**/me/login")
    owner.axe()
    owner.fits()
    page.get_by_label("Votre adresse e-mail").fill(OWNER)
    page.get_by_role("button", name="Recevoir un lien").click()
    page.goto(link_of(letter_to(portal, OWNER, "lien pour entrer"), "/me/enter/"))
    page.get_by_role("button", name="Entrer").click()
    page.wait_for_url(re.compile(r"/fr/me$"))
    owner.axe()
    owner.fits()
    page.goto(status)
    page.get_by_role("button", name="Tout effacer maintenant").click()


def test_an_invitation_becomes_a_clip_others_agree_to_and_ends_with_a_receipt(
    portal, window, api, review_token, tmp_path
):
    owner = window(360)
    page = owner.page
    page.goto(invited(portal, tmp_path))
    owner.axe()
    owner.fits()
    films_with_a_reload(owner, portal)
    status = tells(owner)
    # She came by a letter of ours: nothing more to confirm.
    until_state(page, "in_review")
    owner.axe()
    owner.fits()

    # While her friend has not answered nobody can approve.
    staff = window(1280)
    sign_in(staff, portal, "ines@brand.example", PASSWORD)
    clip = open_sheet(staff.page, portal)
    staff.axe()
    moderator = api(review_token)
    sheet = moderator.get(f"/api/v1/review/{clip}").json()
    early = moderator.post(f"/api/v1/review/{clip}/approve", data={"version": sheet["version"]})
    assert (early.status, early.json()["code"]) == (409, "signatures_waiting")
    assert (sheet["owner_level"], sheet["people"][0]["name"]) == ("invited", "Ada")
    agrees(window, portal)

    open_sheet(staff.page, portal)
    asks_for_a_change(staff.page)
    page.goto(status)
    until_state(page, "changes_requested")
    expect(page.get_by_text("Pouvez-vous filmer le col")).to_be_visible()
    answers_with_a_film(owner, tmp_path)

    open_sheet(staff.page, portal)
    approve(staff.page)
    page.goto(status)
    until_state(page, "published")
    letter_to(portal, OWNER, "est en ligne")

    # A visitor watches it, and she is thanked.
    visitor = window(360)
    public = visitor.page
    public.goto(f"{portal.url}/fr/c/{clip}-x")
    visitor.axe()
    address = public.url
    public.evaluate("() => document.querySelector('video').play()")
    letter_to(portal, OWNER, "a été regardé")

    tokens = tokens_mailed(portal) | {status.rpartition("/")[2]}

    # She takes it back, does not wait for the day to end, and gets her receipt.
    page.goto(status)
    page.get_by_role("link", name="Retirer mon clip").click()
    owner.axe()
    page.locator("main form button[type=submit]").first.click()
    until_state(page, "withdrawn")
    assert public.goto(address).status == 410
    erases_now(owner, portal, status)
    receipt = letter_to(portal, OWNER, "votre reçu")
    page.goto(link_of(receipt, "/"))
    expect(page.get_by_text(re.compile("reçu n°"))).to_be_visible()
    owner.axe()
    owner.fits()
    answered(lambda: portal.cli("fsck"), lambda told: "agree" in told)

    # Nothing that opens something stands in what the portal wrote of itself meanwhile, and nobody's address.
    tokens |= tokens_mailed(portal)
    logs = portal.logs()
    assert len(tokens) > 4
    assert "Ctrl-C stops everything" in logs
    assert [one for one in (*tokens, OWNER, FRIEND) if one in logs] == []
