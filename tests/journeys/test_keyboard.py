"""The whole way on the keyboard alone: no pointer is moved, every step is reached by Tab and done by Enter or Space."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.conftest import PASSWORD, WAIT_MS

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]
MOST_TABS = 150
OWN_PAGE = r"/fr/s/[\w-]+$"
# What has the focus: its words as somebody who listens hears them, and whether somebody who looks can tell.
FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const label = one.labels?.[0]?.innerText ?? "";
  const words = one.getAttribute("aria-label") || label || one.innerText || one.title || "";
  // A card or a label may carry the mark for the link or box in it.
  const around = [one, one.closest("label"), one.closest(".clip"), one.closest(".shot")].filter(Boolean);
  const marked = around.map((each) => getComputedStyle(each)).some(
    (s) => (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none");
  return {words: words.trim().replaceAll(/\\s+/g, " "), id: one.id, name: one.name ?? "", tag: one.tagName, marked};
}"""


class Keys:
    """Somebody who has no pointer."""

    def __init__(self, page):
        self.page, self.press = page, page.keyboard.press

    def to(self, words="", *, id="", tag=""):  # noqa: A002 - the attribute's own name
        """Tab on until the thing with these words, or this id, has the focus; every stop on the way can be seen."""
        passed = []
        for _ in range(MOST_TABS):
            self.press("Tab")
            one = self.page.evaluate(FOCUSED)
            if one is None:
                continue
            assert one["marked"], f"{self.page.url}: nobody sees that this has the focus: {one}"
            passed.append(one["words"] or one["id"])
            if (not tag or one["tag"] == tag) and (one["id"] == id if id else re.search(words, one["words"])):
                return one
        raise AssertionError(f"{self.page.url}: no way to {words or id!r}, only to {passed}")

    def opens(self, address):
        """Enter, and wait until what it leads to is there: on a page that is going keys are lost."""
        before = self.page.url
        self.press("Enter")
        self.page.wait_for_url(lambda url: url != before and re.search(address, url))

    def types(self, words, **where):
        """Go there and write."""
        self.to(**where)
        self.press("Control+a")
        self.page.keyboard.type(words)

    def ticks(self, **where):
        """Go there and tick."""
        self.to(**where)
        self.press("Space")


def test_an_owner_a_moderator_and_a_visitor_need_no_pointer(portal, api, window, tmp_path):
    film = steps.tiny(tmp_path, "keys", seconds=2)
    status = _owner(portal, window(360), film)
    _moderator(portal, window(1280))
    _visitor(portal, window(1280))
    owner = window(360)
    owner.page.goto(status)
    # A page that still loads itself anew would take the way along.
    steps.until_state(owner.page, "published")
    keys = Keys(owner.page)
    keys.to("Retirer mon clip")
    keys.opens("/withdraw$")
    keys.to("Oui, retirer le clip")
    keys.opens(OWN_PAGE)
    expect(owner.page.locator("#where")).to_have_attribute("data-state", "withdrawn")


def _owner(portal, owner, film):
    page, keys = owner.page, Keys(owner.page)
    page.goto(f"{portal.url}/fr/participate/quotidien")
    with page.expect_file_chooser() as chosen:
        keys.to("Choisir un film")
        keys.press("Space")
    chosen.value.set_files(film)
    for name, words in (
        ("title", "Sans souris, au col"),
        ("first_name", "Karim"),
        ("email", "keys@mail.example"),
    ):
        keys.types(words, id=name)
    for box in ("consents-site", "consents-adult"):
        keys.ticks(id=box)
    expect(page.locator("[data-part=line]")).to_have_text(re.compile("Vidéo reçue"))
    keys.to("Envoyer", tag="BUTTON")
    keys.opens(OWN_PAGE)
    # While the letter is read elsewhere, the page loads itself anew, and whoever is on its link stays there.
    keys.to("Retirer mon clip")
    _confirms(owner.context.new_page(), steps.letter_link(portal, "", "keys@"))
    page.bring_to_front()
    expect(page.locator("#where")).to_have_attribute("data-state", "in_review", timeout=WAIT_MS)
    expect(page.locator(":focus")).to_have_text("Retirer mon clip")
    return page.url


def _confirms(page, link):
    keys = Keys(page)
    page.goto(link)
    keys.to("Oui, c’est mon adresse")
    keys.press("Enter")
    # It leads to its own address: that nothing is asked any more says that it is another page.
    expect(page.get_by_role("heading", name="Confirmez votre adresse")).to_have_count(0)
    page.close()


def _moderator(portal, staff):
    page, keys = staff.page, Keys(staff.page)
    page.goto(f"{portal.url}/studio/login")
    keys.types("ines@brand.example", id="email")
    keys.types(PASSWORD, id="password")
    keys.opens("/studio/review")
    steps.until_listed(page, "Sans souris", f"{portal.url}/studio/review")
    keys.to("Sans souris", tag="A")
    keys.opens("/studio/review/[a-z0-9]{10}")
    for words in ("Vu en entier", "Aucun tiers reconnaissable", "Musique libre", "Pas filmé au volant"):
        keys.ticks(words=words)
    keys.to("Approuver et publier")
    keys.opens("/studio/review")


def _visitor(portal, visitor):
    page, keys = visitor.page, Keys(visitor.page)
    steps.until_listed(page, "Sans souris", f"{portal.url}/fr/clips")
    keys.press("Tab")
    assert page.evaluate(FOCUSED)["words"].startswith("Aller au contenu"), "the first stop leads past the bar"
    keys.to("Sans souris", tag="A")
    keys.opens("/fr/c/")
    keys.to("Lire")
    keys.press("Enter")
    steps.until(page, "() => document.querySelector('video').currentTime > 0.3")
