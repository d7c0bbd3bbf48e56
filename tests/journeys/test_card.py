"""The card of one film: what it refuses before a byte leaves, its pause, the screen kept awake, the question on leaving."""

import re

import pytest
from playwright.sync_api import expect

from tests import footage
from tests.journeys.steps import until
from tests.journeys.test_one_clip import PARTS, Held, waits

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]
FILE = "[data-part=file]"
# Remembers how often the screen was kept awake, and let go.
LOCK = """window.asked = window.released = 0;
Object.defineProperty(navigator, "wakeLock", { value: {
  request: async () => { window.asked++; return { release: async () => { window.released++; } }; } } });"""


@pytest.fixture
def card(window, portal):
    """Somebody on the call's page whose clock can be turned on; `asked` is what was asked of the portal and the storage."""
    one = window(360)
    one.asked = []
    one.page.on(
        "request",
        lambda call: one.asked.append(call) if "/api/" in call.url or PARTS.search(call.url) else None,
    )
    one.page.add_init_script(LOCK)
    one.page.clock.install()
    one.page.goto(f"{portal.url}/fr/participate/quotidien")
    return one


def part(page, name):
    return page.locator(f"[data-part={name}]")


def refused_films(folder):
    """Each file that is not sent, and the beginning and the end of what is said of it."""
    empty, heavy, words = folder / "empty.mp4", folder / "heavy.mp4", folder / "notes.txt"
    empty.touch()
    with heavy.open("wb") as file:
        # A hole: it takes no room on the disk.
        file.truncate(2 * 1024**3 + 1)
    words.write_text("Pas un film.")
    long = footage.small(folder, seconds=185, size="64x36", rate=1, name="long.mp4")
    return [
        (empty, "Ce fichier est vide.", "Choisissez-en un autre."),
        (heavy, "Ce fichier pèse", "Filmez plus court ou en 1080p."),
        (words, "Ce fichier n’est pas un film.", "un téléphone ou un appareil photo."),
        (long, "Ce film dure 3 minutes 5 secondes, la limite est 3 minutes.", "dans l’application photo,"),
    ]  # fmt: skip


def test_what_cannot_be_taken_is_refused_in_a_sentence_before_a_byte_leaves(card, tmp_path):
    page = card.page
    said_before = part(page, "line").text_content()
    for film, begins, ends in refused_films(tmp_path):
        with page.expect_file_chooser() as chosen:
            part(page, "choose").click()
        expect(part(page, "line")).to_have_text(re.compile("^Votre téléphone prépare la vidéo"))
        chosen.value.set_files(film)
        expect(part(page, "wrong")).to_have_text(
            re.compile(f"^{re.escape(begins)}.*{re.escape(ends)}".replace(r"\ ", r"\s"))
        )
        expect(part(page, "line")).to_have_text(said_before)
        # Chosen again, the same file must be a change.
        expect(page.locator(FILE)).to_have_value("")
    expect(page.get_by_role("button", name="Le couper ici")).to_be_visible()
    assert card.asked == []
    card.axe()
    card.fits()


def test_a_pause_sends_nothing_until_it_ends_and_only_unsent_bytes_ask_to_be_stayed_for(card, rotated_film):
    page, dialogs = card.page, []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.dismiss()))
    parts = Held(page, PARTS)
    page.locator(FILE).set_input_files(rotated_film)
    parts.some()
    assert page.evaluate("() => [asked > released, released]") == [True, 0]
    # One of three is in.
    first = int(PARTS.search(parts.routes[0].request.url)[1])
    with page.expect_event("requestfinished", lambda call: PARTS.search(call.url)):
        parts.routes[0].continue_()
    waits(page, lambda: len(parts.routes) == 3)
    expect(part(page, "percent")).to_have_text(re.compile(r"^[1-9]\d\s%$"))
    page.get_by_role("button", name="Mettre en pause").click()
    expect(part(page, "line")).to_have_text(re.compile(r"^En pause à [1-9]\d\s%\. Rien n’est perdu\.$"))
    expect(part(page, "said")).to_have_text(re.compile("^En pause à"))
    until(page, "() => released === asked")
    before = len(card.asked)
    page.clock.run_for(60_000)
    assert [call.url for call in card.asked[before:] if call.method == "PUT"] == []
    card.axe()
    # Whoever would leave now is asked, and stays.
    page.close(run_before_unload=True)
    waits(page, lambda: dialogs == ["beforeunload"])
    parts.holds = False
    page.get_by_role("button", name="Reprendre").click()
    expect(part(page, "line")).to_have_text("Vidéo reçue.")
    sent = [int(PARTS.search(call.url)[1]) for call in card.asked if call.method == "PUT"]
    assert sorted(sent) == sorted([1, 2, 3, *({1, 2, 3} - {first})])
    until(page, "() => asked > 1 && released === asked")
    # All is here: nobody is asked any more.
    page.reload()
    expect(part(page, "line")).to_have_text("Vidéo reçue.")
    assert dialogs == ["beforeunload"]
