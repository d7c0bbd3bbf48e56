"""An owner's page that goes on to another state by itself takes nobody's place away; needs no film and no portal."""

from playwright.sync_api import expect

from tests.pages.test_scripts import PLAYER, WORDS, page, written  # noqa: F401 - the fixture

WAYS = (
    '<main id="contenu" tabindex="-1"><div id="where" data-state="{state}" data-clip="c"{poll}><h1>{state}</h1></div>'
    '<div id="film" data-film="{film}"><form action="/play"><button>Lire {film}</button></form></div>'
    '<details open><summary id="texts">Changer les textes</summary><form><input id="title" name="title"></form></details>'
    '<p style="height: 3000px"></p>{more}<a href="/withdraw">Retirer</a></main>'
)


def shows(folder, state, *, film="first", more=""):
    poll = " data-poll" if state == "processing" else ""
    written(folder, "index.html", WAYS.format(state=state, poll=poll, film=film, more=more), "status.js")


def opened(page, folder, *, on):  # noqa: F811 - the fixture's page
    """The page of a film that is being made, and somebody on it."""
    shows(folder, "processing", more='<form action="/again"><button>Écrire de nouveau</button></form>')
    page.clock.install()
    page.goto("/index.html")
    page.evaluate("() => { window.stays = true; }")
    page.locator(on).focus()
    return page.evaluate("() => scrollY")


def stays(page):  # noqa: F811 - the fixture's page
    page.wait_for_load_state()
    return page.evaluate("() => window.stays === true")


def state(page, now):  # noqa: F811 - the fixture's page
    expect(page.locator("#where")).to_have_attribute("data-state", now)


def test_whoever_is_on_a_link_is_on_it_again_and_nothing_jumps(page, tmp_path):  # noqa: F811
    at = opened(page, tmp_path, on="[href='/withdraw']")
    assert at > 1000
    shows(tmp_path, "in_review", more='<form action="/again"><button>Écrire de nouveau</button></form>')
    page.clock.run_for(2500)
    state(page, "in_review")
    expect(page.locator("[href='/withdraw']")).to_be_focused()
    assert not stays(page)
    page.wait_for_function("at => scrollY === at", arg=at)


def test_whose_button_is_gone_is_led_to_what_the_page_says_now(page, tmp_path):  # noqa: F811
    opened(page, tmp_path, on="[action='/again'] button")
    shows(tmp_path, "in_review")
    page.clock.run_for(2500)
    state(page, "in_review")
    expect(page.locator("#contenu")).to_be_focused()


def test_whoever_is_in_an_open_form_keeps_the_page_until_leaving_it(page, tmp_path):  # noqa: F811
    opened(page, tmp_path, on="#title")
    shows(tmp_path, "in_review")
    page.clock.run_for(2500)
    state(page, "in_review")
    with page.expect_response("**/index.html"):
        page.clock.run_for(60_000)
    expect(page.locator("#title")).to_be_focused()
    assert stays(page)
    with page.expect_navigation():
        page.locator("[href='/withdraw']").focus()
        page.clock.run_for(31_000)
    expect(page.locator("[href='/withdraw']")).to_be_focused()


def test_whoever_has_pressed_a_link_is_not_called_back_while_it_is_on_its_way(page, tmp_path):  # noqa: F811
    opened(page, tmp_path, on="[href='/withdraw']")
    held = []
    page.route("**/withdraw", lambda route: held.append(route))  # noqa: PLW0108 - a builtin method is no handler
    shows(tmp_path, "in_review")
    page.locator("[href='/withdraw']").evaluate("one => one.click()")
    # It looks twice (its clock is not set forward while a page is leaving); the second would be itself, loaded anew.
    for _look in range(2):
        with page.expect_response("**/index.html"):
            pass
    held[0].fulfill(body="<h1>Retirer</h1>", content_type="text/html")
    page.get_by_role("heading", name="Retirer").wait_for()


def test_whoever_is_on_the_player_is_on_the_one_that_takes_its_place(page, tmp_path):  # noqa: F811
    opened(page, tmp_path, on="#film button")
    shows(tmp_path, "processing", film="whole")
    page.clock.run_for(2500)
    expect(page.get_by_role("button", name="Lire whole")).to_be_focused()
    assert stays(page)


def first_look(folder, film):
    """The page of a film that is being made: its first pieces, or the whole, in the player."""
    shown = f'<div id="where" data-state="processing" data-poll></div><div id="film" data-film="{film}">{{}}</div>'
    player = PLAYER.format(words=WORDS, sources="")
    written(folder, "index.html", shown.format(player), "player.js", "status.js")


def test_a_first_picture_that_is_gone_gives_way_to_the_film_even_when_play_was_pressed_again(page, tmp_path):  # noqa: F811
    first_look(tmp_path, "first")
    page.clock.install()
    page.goto("/index.html")
    player, failed = page.locator("clip-player"), page.locator(".says", has_text="Échec.")
    player.evaluate("one => void one.play()")
    failed.wait_for()
    player.evaluate("one => { one.say(); void one.play(); }")
    failed.wait_for()
    assert player.evaluate("one => one.video.paused")
    first_look(tmp_path, "whole")
    page.clock.run_for(1100)
    expect(page.locator("#film")).to_have_attribute("data-film", "whole")


def test_the_film_goes_on_where_its_first_picture_was_left(page, tmp_path):  # noqa: F811
    first_look(tmp_path, "first")
    page.clock.install()
    page.goto("/index.html")
    page.locator("video").evaluate("video => { video.currentTime = 3.5; }")
    first_look(tmp_path, "whole")
    page.clock.run_for(2500)
    expect(page.locator("#film[data-film=whole] .now")).to_have_text("0:03")
