"""Every page, small and light, wide and dark, mirrored: reachable for everybody, within the screen, within its policy."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page as Tab

from config import ROOT
from portal.i18n import SOURCE
from tests.looks import checker, pages

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Only what is wrong is described: descriptions of all that is right take longer than the rules.
ASKED = {"runOnly": RULES, "resultTypes": ["violations"], "selectors": False}
LOOKS = {"small and light": (320, "light"), "wide and dark": (1280, "dark"), "small and dark": (360, "dark")}
PEOPLE = {
    "visitor": (None, pages.public),
    "stranger": (None, pages.strangers),
    "owner": ("owner", pages.owners),
    "administrator": ("administrator", pages.staff),
}


@dataclass
class Looking:
    """One browser of one person, and what it complained about."""

    tab: Tab
    url: str
    complaints: list[str] = field(default_factory=list)

    def opens(self, path: str, status: int) -> list[str]:
        """Open the page; what is wrong when it does not answer as it should."""
        answer = self.tab.goto(self.url + path)
        assert answer is not None
        return [] if answer.status == status else [f"{path} answered {answer.status}"]

    def is_accessible(self) -> list[object]:
        """What axe finds."""
        self.tab.evaluate(AXE)
        told = self.tab.evaluate(f"() => axe.run(document, {json.dumps(ASKED)})")
        return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in told["violations"]]

    def overflow(self) -> list[str]:
        """What reaches furthest beyond the screen, when the page is wider than that."""
        return self.tab.evaluate(
            """() => {
              const root = document.documentElement, wide = root.clientWidth;
              if (root.scrollWidth <= wide) return [];
              const beyond = (one) => { const r = one.getBoundingClientRect(); return Math.max(r.right - wide, -r.left); };
              const all = [...document.body.querySelectorAll("*")].filter((one) => one.checkVisibility() && beyond(one) > 1);
              all.sort((a, b) => beyond(b) - beyond(a) || a.contains(b) - b.contains(a));
              return [`${root.scrollWidth} of ${wide}`, ...all.slice(0, 3).map((one) => one.outerHTML.slice(0, 160))];
            }"""
        )


@pytest.fixture
def look(browser, site) -> Iterator[Callable[..., Looking]]:
    """Opens a person's browser at a width, in a scheme."""
    opened = []

    def open_as(who: str | None, width: int, scheme: str, locale: str = "fr-FR") -> Looking:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            locale=locale,
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        opened.append(context)
        if who is not None:
            context.add_cookies([{"name": "s", "value": site.stage.cookies[who], "url": site.url}])
        looking = Looking(context.new_page(), site.url)
        looking.tab.set_default_timeout(60_000)
        looking.tab.on("pageerror", lambda error: looking.complaints.append(f"{looking.tab.url}: {error}"))
        looking.tab.on(
            "console",
            lambda said: (
                looking.complaints.append(f"{looking.tab.url}: {said.text}")
                if "Content Security" in said.text
                else None
            ),
        )
        return looking

    yield open_as
    for context in opened:
        context.close()


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("how", ["small and light", "wide and dark"])
def test_every_page_is_accessible_fits_and_keeps_to_its_policy(site, look, person, how):
    who, listed = PEOPLE[person]
    looking, found = look(who, *LOOKS[how]), {}
    for name, path, status in listed(site.stage):
        faults = [*looking.opens(path, status), *looking.is_accessible(), *looking.overflow()]
        if faults:
            found[name] = faults
    assert found == {}
    assert looking.complaints == []


@pytest.mark.parametrize("person", PEOPLE)
def test_every_page_is_mirrored_in_a_language_written_from_right_to_left(site, look, person):
    who, listed = PEOPLE[person]
    reader = "mirrored" if who == "administrator" else who
    looking, found = look(reader, *LOOKS["small and dark"], locale="ar"), {}
    for name, path, status in listed(site.stage):
        if is_of_its_reader(path):
            continue
        faults = looking.opens(in_arabic(path), status)
        direction = looking.tab.evaluate("() => getComputedStyle(document.querySelector('main')).direction")
        faults += [*looking.overflow(), *([] if direction == "rtl" else [direction])]
        if faults:
            found[name] = faults
    assert found == {}
    assert looking.complaints == []


def is_of_its_reader(path: str) -> bool:
    """Whether the page speaks the language of whom it was written to, whatever the address says."""
    return path.startswith("/i/")


def in_arabic(path: str) -> str:
    """The same page in the mirrored language; the studio speaks its reader's own."""
    return re.sub(rf"^/({SOURCE}|en|de)(?=/|$)", "/ar", path)


@pytest.mark.skipif(
    checker.java() is None, reason="no Java for this machine in a package, and none installed"
)
def test_the_reference_checker_finds_no_fault_in_any_page(site, look, tmp_path):
    texts, others = {}, []
    for who, listed in PEOPLE.values():
        asked = look(who, *LOOKS["small and light"]).tab.context.request
        for name, path, status in listed(site.stage):
            answer = asked.get(site.url + path)
            if answer.status != status:
                others.append(f"{name}: {path} answered {answer.status}")
            texts[name] = answer.text()
    assert others + checker.faults(texts, tmp_path) == []


def test_every_address_that_shows_a_page_is_looked_at(site):
    rules = site.app.url_map.bind("portal.test")
    shown = set()
    for _, listed in PEOPLE.values():
        for _, path, _ in listed(site.stage):
            plain = path.partition("?")[0]
            if rules.test(plain, method="GET"):
                shown.add(rules.match(plain, method="GET")[0])
    all_there = {rule.endpoint for rule in site.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    machines = {one for one in all_there if one.split(".")[0].startswith(("api", "uploads", "companion"))}
    assert all_there - shown - machines - set(pages.NOT_PAGES) == set()
