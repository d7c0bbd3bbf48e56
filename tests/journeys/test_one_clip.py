"""One film and one form become one clip: whatever comes first, is refused, breaks off or is loaded anew in between."""

import re
import secrets

import pytest
from playwright.sync_api import expect

from tests import footage
from tests.journeys.steps import tiny, until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
SENT = re.compile(r"/api/v1/uploads$")
PARTS = re.compile(r"/vecu-originals/.*partNumber=(\d+)")
FILE = "[data-part=file]"


def begins(answer):
    return answer.url.endswith("/api/v1/submissions") and answer.status == 201


@pytest.fixture
def owner(window, portal):
    """Somebody new on the call's page, with an address of their own."""
    one = window(360)
    one.email = f"{secrets.token_hex(4)}@mail.example"
    one.begun = []
    one.page.on("response", lambda answer: begins(answer) and one.begun.append(answer.json()))
    one.page.goto(f"{portal.url}/fr/participate/quotidien")
    return one


@pytest.fixture
def film(tmp_path):
    return tiny(tmp_path, "IMG 0042", seconds=1)


def fill_in(owner, **instead):
    page = owner.page
    page.get_by_label("Un titre, avec vos mots").fill(instead.get("title", "Un film, une page"))
    page.get_by_label("Technologie").check()
    page.get_by_label("Votre prénom").fill("Nora")
    page.get_by_label("Votre e-mail").fill(owner.email)
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()


def send(page):
    page.get_by_role("button", name="Envoyer", exact=True).click()


def waits(page, holds):
    for _ in range(240):
        if holds():
            return
        page.wait_for_timeout(250)
    raise AssertionError(page.inner_text("main")[:600])


class Held:
    """Requests that wait on the page's side of the line until they are let go."""

    def __init__(self, page, address):
        self.page, self.routes, self.holds = page, [], True
        page.route(address, self.hold)

    def hold(self, route):
        if self.holds:
            self.routes.append(route)
        else:
            route.continue_()

    def some(self):
        waits(self.page, lambda: self.routes)
        return self

    def go(self):
        self.holds = False
        for route in self.routes:
            route.continue_()


def line(page):
    return page.locator("[data-part=line]")


def is_whole(owner):
    """The page of the one draft that was begun, and its film is there: nothing went elsewhere."""
    page = owner.page
    page.wait_for_url("**/fr/s/**")
    expect(page.locator("#where")).to_have_attribute("data-state", re.compile("processing|in_review"))
    assert [page.url.endswith(f"/s/{one['token']}") for one in owner.begun] == [True]
    until(page, "() => localStorage['vecu:quotidien'] === undefined")


def test_a_form_sent_where_there_is_no_line_goes_with_its_film_as_soon_as_there_is_one(owner, film):
    page = owner.page
    owner.context.set_offline(True)
    page.locator(FILE).set_input_files(film)
    fill_in(owner, title="Dans un parking")
    send(page)
    expect(line(page)).to_have_text(re.compile("Hors ligne"))
    assert page.evaluate("() => document.getElementById('about').inert")
    owner.context.set_offline(False)
    is_whole(owner)


def test_a_form_sent_while_the_film_is_on_its_way_finishes_by_itself(owner, film):
    page = owner.page
    draft, parts = Held(page, re.compile(r"/api/v1/submissions$")), Held(page, PARTS)
    page.locator(FILE).set_input_files(film)
    fill_in(owner, title="Pendant l’envoi")
    send(page)
    # The draft is not made yet: the form waits for it.
    draft.some().go()
    expect(page.locator("[data-part=said]")).to_have_text(re.compile("Tout est rempli"))
    assert page.evaluate("() => document.activeElement.id") == "envoi"
    expect(page.get_by_role("link", name="Suivre votre clip")).to_be_visible()
    owner.axe()
    owner.fits()
    parts.go()
    is_whole(owner)


def test_a_page_loaded_anew_after_the_film_came_in_still_knows_it(owner, portal, film):
    page, kept = owner.page, []
    page.on("request", lambda one: kept.append(one.post_data) if one.method == "PATCH" else None)
    page.locator(FILE).set_input_files(film)
    expect(line(page)).to_have_text("Vidéo reçue.")
    page.reload()
    expect(line(page)).to_have_text("Vidéo reçue.")
    expect(page.locator("[data-part=pick]")).to_be_hidden()
    fill_in(owner, title="Après le rechargement")
    expect(page.locator("[data-part=kept]")).to_have_text("Vos réponses sont gardées.")
    # No letter leaves for an address that may be half typed.
    assert kept
    assert [one for one in kept if "email" in one] == []
    assert portal.mails(owner.email) == []
    owner.axe()
    send(page)
    is_whole(owner)


def test_a_form_that_is_refused_keeps_the_film_that_is_in(owner, film):
    page = owner.page
    page.locator(FILE).set_input_files(film)
    expect(line(page)).to_have_text("Vidéo reçue.")
    fill_in(owner, title="Refusé d’abord")
    page.get_by_label("Oui, et voici qui").check()
    send(page)
    expect(page.locator("#faults")).to_be_focused()
    expect(line(page)).to_have_text("Vidéo reçue.")
    expect(page.locator("[data-part=pick]")).to_be_hidden()
    page.get_by_label("Non, personne d’autre").check()
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()
    send(page)
    is_whole(owner)


def test_words_typed_on_the_clips_page_stay_when_the_film_comes_in(owner, film):
    page = owner.page
    page.get_by_label("Votre e-mail").fill(owner.email)
    page.get_by_role("button", name="Finir plus tard").click()
    page.wait_for_url("**/fr/s/**")
    parts = Held(page, PARTS)
    page.locator(FILE).set_input_files(film)
    parts.some()
    page.get_by_label("Un titre, avec vos mots").press_sequentially("Écrit entre-temps")
    parts.go()
    expect(line(page)).to_have_text("Vidéo reçue.")
    expect(page.locator("#where")).to_have_attribute("data-state", "processing")
    assert page.get_by_label("Un titre, avec vos mots").input_value() == "Écrit entre-temps"


def test_a_wrong_film_is_exchanged_on_its_way(owner, film, tmp_path):
    page, opened = owner.page, []
    page.on(
        "response",
        lambda one: opened.append(one.json()) if SENT.search(one.url) and one.status == 201 else None,
    )
    parts = Held(page, PARTS)
    wrong = footage.small(tmp_path, size="320x180", rate=10, seconds=2, name="IMG 0041.mp4")
    page.locator(FILE).set_input_files(wrong)
    waits(page, lambda: parts.routes and opened)
    expect(page.get_by_text("Choisir un autre film")).to_be_visible()
    owner.axe()
    owner.fits()
    # Of the wrong one nothing leaves any more.
    parts.holds = False
    with page.expect_response(lambda one: one.request.method == "DELETE") as gone:
        page.locator(FILE).set_input_files(film)
    assert gone.value.status == 204
    expect(line(page)).to_have_text("Vidéo reçue.")
    assert [one["filename"] for one in opened] == ["IMG 0041.mp4", film.name]
    fill_in(owner, title="Le bon film")
    send(page)
    is_whole(owner)


def test_a_refusal_without_a_form_is_said_where_the_film_is_and_the_form_opens_again(owner, portal, film):
    page, parts = owner.page, Held(owner.page, PARTS)
    refused = "<main><h1>Cela n’a pas pu se faire</h1><p>Rechargez la page.</p></main>"
    page.locator(FILE).set_input_files(film)
    fill_in(owner)
    parts.some()
    address = f"{portal.url}/fr/participate/quotidien"
    page.route(address, lambda route: route.fulfill(status=403, content_type="text/html", body=refused))
    send(page)
    expect(page.locator("[data-part=wrong]")).to_have_text("Cela n’a pas pu se faire. Rechargez la page.")
    assert not page.evaluate("() => document.getElementById('about').inert")
    page.unroute(address)
    send(page)
    expect(page.get_by_role("link", name="Suivre votre clip")).to_be_visible()
    parts.go()
    is_whole(owner)


def test_one_value_that_is_refused_keeps_no_other_from_being_kept(owner, film):
    page, answers = owner.page, []
    page.on(
        "response",
        lambda one: answers.append((one.status, one.request)) if one.request.method == "PATCH" else None,
    )
    page.locator(FILE).set_input_files(film)
    expect(line(page)).to_have_text("Vidéo reçue.")
    page.get_by_label("Oui, et voici qui").check()
    page.locator("#people-1-name").fill("Zoé")
    page.locator("#people-1-email").fill("zoe@nowhere")
    page.locator("#altered").check()
    # Last: the page keeps what is there every few seconds, and what is kept already is not sent once more.
    page.get_by_label("Un titre, avec vos mots").fill("Gardé quand même")
    waits(page, lambda: 422 in dict(answers) and answers[-1][0] == 200 and is_kept(answers[-1][1]))
    expect(page.locator("[data-part=kept]")).to_be_empty()


def is_kept(request):
    """Whether this told the portal the title, and that a machine had a hand in the film."""
    told = request.post_data_json
    return told.get("title") == "Gardé quand même" and told.get("altered") is True
