"""What the pages' scripts do in a real browser where one little page tells it all; needs no film."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = json.dumps({"failed": "Échec.", "again": "Réessayer", "later": "Bientôt.", "get": "Télécharger"})
PLAYER = (
    "<clip-player data-hls='/nowhere.m3u8' data-seconds='9' data-words='{words}'><div class='view'>"
    "<video muted preload='none'>{sources}</video></div></clip-player>"
)
VERSION = (
    '<div id="waiting-version" data-number="2" data-state="{state}"{poll}><p data-waiting-how>{how}</p>'
    '{film}<button type="button" id="keep">Garder</button></div>'
)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and never from a browser's memory."""

    def log_message(self, *_):
        """Nobody reads it."""

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


@pytest.fixture
def page(browser, tmp_path):
    """A page over a folder of its own, with the built scripts under /dist."""
    (tmp_path / "dist").symlink_to(ROOT / "static" / "dist")
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(base_url=f"http://127.0.0.1:{server.server_address[1]}")
        page.set_default_timeout(60_000)
        yield page
        page.close()
        server.shutdown()


def written(folder, name, body, *scripts):
    manifest = json.loads((ROOT / "static" / "dist" / "manifest.json").read_text())
    tags = "".join(
        f'<script type="module" src="/dist/{manifest[one].rpartition("/")[2]}"></script>' for one in scripts
    )
    laid(folder / name, f"<!doctype html><html lang=fr><meta charset=utf-8>{body}{tags}")


def laid(path, text):
    """The file in one move: a page that asks for it meanwhile gets the former one whole, or this one."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


def test_a_preview_that_cannot_be_streamed_says_so_and_what_to_do(page, tmp_path):
    written(tmp_path, "index.html", PLAYER.format(words=WORDS, sources=""), "player.js")
    page.goto("/index.html")
    for _again in range(2):
        asked = []
        page.on("request", lambda one, asked=asked: asked.append(one.url))
        page.get_by_role("button", name="Réessayer").click() if _again else page.evaluate(
            "() => void document.querySelector('clip-player').play()"
        )
        page.locator(".says", has_text="Échec. Réessayer Bientôt.").wait_for()
        assert any(url.endswith("/nowhere.m3u8") for url in asked)
    # There is no file to offer.
    assert page.locator(".says a").count() == 0


def test_where_no_stream_can_be_played_at_all_that_is_said_too(page, tmp_path):
    written(tmp_path, "index.html", PLAYER.format(words=WORDS, sources=""), "player.js")
    page.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource;")
    asked = []
    page.on("request", lambda one: asked.append(one.url.rpartition("/")[2]))
    page.goto("/index.html")
    page.evaluate("() => void document.querySelector('clip-player').play()")
    page.locator(".says", has_text="Échec. Réessayer Bientôt.").wait_for()
    # Neither the stream was asked for nor what would have played it.
    assert [name for name in asked if name.startswith(("nowhere", "stream"))] == []
    assert page.locator(".says a").count() == 0


def test_a_film_with_files_falls_back_on_them_and_offers_one_for_download(page, tmp_path):
    source = "<source src='/nowhere.mp4' type='video/mp4' data-label='480p'>"
    written(tmp_path, "index.html", PLAYER.format(words=WORDS, sources=source), "player.js")
    page.goto("/index.html")
    page.evaluate("() => void document.querySelector('clip-player').play()")
    page.locator(".says a[download]").wait_for()
    assert page.locator(".says a").get_attribute("href").endswith("/nowhere.mp4")


def test_a_version_that_becomes_ready_appears_by_itself_and_takes_nothing_else_away(page, tmp_path):
    around = (
        "<h2 id='versions' tabindex='-1'>Versions</h2><p role='status' data-waiting-told></p>{}"
        "<form><textarea id='note'></textarea></form>"
    )
    how, poll = "Version 2, en préparation, {} %", ' data-poll="/panel.html"'
    sheet = VERSION.format(
        state="making", poll=poll, how=how.format(10), film="<progress max=100 value=10></progress>"
    )
    versions = "<ol id='versions-list'><li>{}</li></ol>"
    later = VERSION.format(
        state="making", poll=poll, how=how.format(60), film="<progress max=100 value=60></progress>"
    )
    ready = VERSION.format(state="made", poll="", how="Version 2, prête", film="<video></video>")
    written(tmp_path, "index.html", around.format(sheet) + versions.format("en préparation"), "review.js")
    written(tmp_path, "panel.html", around.format(later))
    page.goto("/index.html")
    page.locator("#note").press_sequentially("Une note")
    page.evaluate("() => { window.stays = true; }")
    page.locator("[data-waiting-how]", has_text="60 %").wait_for()
    assert page.evaluate("() => document.querySelector('progress').value") == 60
    written(tmp_path, "panel.html", around.format(ready) + versions.format("prête"))
    page.locator("#waiting-version video").wait_for(state="attached")
    assert page.locator("[data-waiting-told]").text_content() == "Version 2, prête"
    assert page.locator("#versions-list").text_content() == "prête"
    # The same page, with what was written, and the writer still at it.
    assert page.evaluate("() => [window.stays, document.activeElement.id]") == [True, "note"]
    assert page.locator("#note").input_value() == "Une note"


def test_whoever_had_the_button_of_a_waiting_version_is_led_to_its_heading(page, tmp_path):
    around = "<h2 id='versions' tabindex='-1'>Versions</h2><p role='status' data-waiting-told></p>{}"
    sheet = VERSION.format(state="making", poll=' data-poll="/panel.html"', how="en préparation", film="")
    written(tmp_path, "index.html", around.format(sheet), "review.js")
    written(tmp_path, "panel.html", around.format(sheet))
    page.goto("/index.html")
    page.locator("#keep").focus()
    # Not before: it would be the button of what became of it that is under the finger.
    written(
        tmp_path, "panel.html", around.format(VERSION.format(state="failed", poll="", how="échec", film=""))
    )
    page.locator("#waiting-version[data-state=failed]").wait_for()
    assert page.evaluate("() => document.activeElement.id") == "versions"


FILM = (
    "<clip-player data-seconds='9' data-words='{words}'><div class='view'><video muted preload='none'>"
    "<source src='/low.mp4' type='video/mp4' data-label='360p'><source src='/high.mp4' type='video/mp4' data-label='720p'>"
    "<track kind='captions' srclang='fr' label='Français' src='/fr.vtt'><track kind='captions' srclang='en' label='English' src='/en.vtt'>"
    "</video></div></clip-player>"
)
NAMES = json.dumps({
    "play": "Lire", "settings": "Vitesse et qualité", "captions": "Sous-titres", "speed": "Vitesse", "quality": "Qualité",
    "auto": "Automatique", "off": "Aucun", "slow": "Connexion lente.", "lower": "Passer en {label} ?",
})  # fmt: skip


def test_the_menus_of_the_player_open_with_what_is_chosen_and_shut_again(page, tmp_path):
    written(tmp_path, "index.html", FILM.format(words=NAMES), "player.js")
    page.goto("/index.html")
    opens = page.get_by_role("button", name="Vitesse et qualité")
    opens.click()
    page.get_by_label("1×", exact=True).and_(page.locator(":focus")).wait_for()
    assert opens.get_attribute("aria-expanded") == "true"
    page.get_by_label("1,25×").check()
    assert page.evaluate("() => document.querySelector('video').playbackRate") == 1.25
    page.get_by_label("720p").check()
    assert page.evaluate("() => localStorage.quality") == "720p"
    page.keyboard.press("Escape")
    page.get_by_label("720p").wait_for(state="hidden")
    assert page.evaluate("() => document.activeElement.dataset.do") == "settings"
    page.get_by_role("button", name="Sous-titres").click()
    page.get_by_label("English").check()
    shown = page.evaluate("() => [...document.querySelector('video').textTracks].map(one => one.mode)")
    assert shown == ["hidden", "showing"]


def test_where_a_film_stands_still_a_lighter_file_is_offered_by_its_name(page, tmp_path):
    written(tmp_path, "index.html", FILM.format(words=NAMES), "player.js")
    page.clock.install()
    page.goto("/index.html")
    # Neither file ever answers.
    page.route("**/*.mp4", lambda _route: None)
    page.evaluate(
        "() => { localStorage.quality = '720p'; void document.querySelector('clip-player').play(); }"
    )
    page.locator("video[src$='/high.mp4']").wait_for()
    page.evaluate("() => document.querySelector('video').dispatchEvent(new Event('waiting'))")
    # Whoever watches over the film may only be on the way yet: then its eight seconds are lived through.
    page.clock.fast_forward(9000)
    page.locator(".says", has_text="Connexion lente.").wait_for()
    page.get_by_role("button", name="Passer en 360p ?").click()
    page.locator("video[src$='/low.mp4']").wait_for()
    page.evaluate("() => document.querySelector('video').dispatchEvent(new Event('waiting'))")
    page.clock.fast_forward(9000)
    assert page.get_by_role("button", name="Passer en 360p ?").count() == 0


SHARED = (
    "<p role='status' id='live-said'></p><p id='live-slow'></p><template id='live-copied'>Copié</template>"
    "<template id='live-not-copied'>Copie impossible.</template>"
    "<button type='button' data-copy='https://portal.example/c/1'><svg></svg>Copier le lien</button><textarea></textarea>"
)


def stands_still(page):
    """The page, whose clock goes on only when it is told to: what is said for three seconds is said until it is seen."""
    page.clock.install(time=0)
    page.goto("/index.html")
    page.clock.pause_at(600)


def test_a_link_is_copied_where_the_browser_keeps_the_clipboard_shut(page, tmp_path):
    written(tmp_path, "index.html", SHARED, "site.js")
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined });")
    stands_still(page)
    page.get_by_role("button", name="Copier le lien").click()
    page.get_by_role("button", name="Copié").wait_for()
    assert page.locator("#live-said").text_content() == "Copié"
    page.clock.fast_forward(3000)
    page.get_by_role("button", name="Copier le lien").wait_for()
    assert page.locator("button svg").count() == 1
    page.locator("textarea").press("ControlOrMeta+v")
    assert page.locator("textarea").input_value() == "https://portal.example/c/1"


SHARING = (
    "<style>[data-shares] .on-desk, html:not([data-shares]) .on-phone { display: none }</style>"
    "<button data-copy='https://portal.example/c/1' data-share='Le col'><svg></svg><span class='on-desk'>Copier le lien</span>"
    "<span class='on-phone'>Partager</span></button>"
)


def test_where_a_finger_presses_a_link_is_shared_and_copied_only_where_that_fails(page, tmp_path):
    written(tmp_path, "index.html", SHARED.replace("Copier le lien", "Copier") + SHARING, "site.js")
    page.add_init_script(
        "window.matchMedia = () => ({ matches: true }); window.shared = [];"
        "document.execCommand = () => (window.copied = true);"
        "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
        "navigator.share = async one => {"
        " shared.push(one); const how = ['', 'AbortError', 'NotAllowedError'][shared.length - 1];"
        " if (how) throw new DOMException('', how); };"
    )
    stands_still(page)
    for times, copied in enumerate((None, None, True), 1):
        page.get_by_role("button", name="Partager").click()
        page.wait_for_function("n => shared.length === n", arg=times)
        if copied:
            page.get_by_role("button", name="Copié").wait_for()
        assert page.evaluate("window.copied ?? null") is copied
    assert page.evaluate("shared") == [{"title": "Le col", "url": "https://portal.example/c/1"}] * 3


def test_where_a_mouse_presses_the_same_link_is_copied(page, tmp_path):
    written(tmp_path, "index.html", SHARED.replace("Copier le lien", "Copier") + SHARING, "site.js")
    page.add_init_script(
        "navigator.share = () => { window.shared = true; }; document.execCommand = () => true;"
        "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
    )
    stands_still(page)
    page.get_by_role("button", name="Copier le lien").click()
    page.get_by_role("button", name="Copié").wait_for()
    assert page.evaluate("window.shared ?? null") is None
    page.clock.fast_forward(3000)
    page.get_by_role("button", name="Copier le lien").wait_for()


def test_a_link_that_cannot_be_copied_at_all_is_not_said_to_be(page, tmp_path):
    written(tmp_path, "index.html", SHARED, "site.js")
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false;"
    )
    stands_still(page)
    page.get_by_role("button", name="Copier le lien").click()
    page.get_by_role("button", name="Copie impossible.").wait_for()
    assert page.locator("#live-said").text_content() == "Copie impossible."
    # Nothing is left of the attempt, and the button can be pressed again.
    assert page.locator("textarea").count() == 1
    page.clock.fast_forward(3000)
    again = page.get_by_role("button", name="Copier le lien")
    assert again.evaluate("one => one === document.activeElement")


def test_a_form_whose_answer_was_stopped_can_be_sent_again(page, tmp_path):
    form = "<form method='post' action='/nowhere' data-submit-once><button>Envoyer</button></form>"
    written(tmp_path, "index.html", SHARED + form, "site.js")
    sent = []
    page.route("**/nowhere", lambda route: sent.append(1) or route.fulfill(status=204))
    stands_still(page)
    send = page.get_by_role("button", name="Envoyer")
    with page.expect_response("**/nowhere"):
        send.click()
    send.click()
    page.clock.fast_forward(15_000)
    with page.expect_response("**/nowhere"):
        send.click()
    page.locator("form[aria-busy=true]").wait_for(state="attached")
    assert len(sent) == 2


def test_a_moderator_makes_the_film_faster_and_slower_by_keys(page, tmp_path):
    written(tmp_path, "index.html", FILM.format(words=NAMES), "player.js", "review.js")
    page.goto("/index.html")
    page.locator(".bar2").wait_for()
    paces = []
    for key in ("]", "[", "["):
        page.keyboard.press(key)
        paces.append(page.evaluate("() => document.querySelector('video').playbackRate"))
    assert paces == [1.25, 1, 0.75]
