"""Steps that several journeys take: waiting, sending by the API, letting a moderator publish, signing in."""

import re
import threading
from email import message_from_string, policy

from playwright.sync_api import Error

from tests import footage

PATIENCE_SECONDS = 180
TEXTS = {
    "campaign": "quotidien",
    "email": "lea@mail.example",
    "first_name": "Léa",
    "city": "Brest",
    "speech_lang": "fr",
    "consents": {"site": True, "adult": True},
}


def until(page, expression, arg=None):
    """Until a JavaScript function says something true of the page; asks four times a second, for three minutes.

    The page's own policy forbids the evaluation that the browser driver's waiting would need.
    """
    told = None
    for _ in range(PATIENCE_SECONDS * 4):
        try:
            if told := page.evaluate(expression, arg):
                return told
        except Error as error:
            # The page went on to another one, or loaded itself anew, while it was asked: ask the new one.
            if "navigation" not in str(error):
                raise
        page.wait_for_timeout(250)
    raise AssertionError(
        f"{page.url}: {expression} stayed {told!r}; the page says: {page.inner_text('main')[:600]}"
    )


def arrive(page, url=""):
    """Go there, or load the page anew, from a page that may load itself anew in that very moment and wins the race."""
    for _ in range(5):
        try:
            # Not `reload`, which takes whatever the page itself loads meanwhile for its own, and is overtaken by it later.
            return page.goto(url or page.url.partition("#")[0])
        except Error as error:
            if "interrupted" not in str(error) and "ERR_ABORTED" not in str(error):
                raise
            page.wait_for_load_state()
    raise AssertionError(f"{page.url} does not stand still")


def until_shown(page, look):
    """The page, loaded anew each second until it shows what is looked for; gives up after three minutes."""
    for _ in range(PATIENCE_SECONDS):
        page.wait_for_timeout(1000)
        arrive(page)
        if look(page):
            return
    raise AssertionError(f"{page.url}: {page.inner_text('main')[:800]}")


def until_state(page, state):
    """On an owner's page, until the clip is there."""

    def is_there(page):
        return page.locator("#where").get_attribute("data-state") == state

    if not is_there(page):
        until_shown(page, is_there)


def until_listed(page, title, url):
    """Until a list has a link with these words."""
    answered(lambda: (page.goto(url), page.get_by_role("link", name=re.compile(title)).count())[1], bool)


def answered(ask, check):
    """The first answer that passes the check; asks twice a second, gives up after three minutes."""
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 2):
        told = ask()
        if check(told):
            return told
        pause.wait(0.5)
    raise AssertionError(told)


def send(caller, submission_id, film):
    """A film in parts to signed addresses, as any program would."""
    body = film.read_bytes()
    opened = caller.post(
        "/api/v1/uploads",
        data={
            "submission_id": submission_id,
            "filename": film.name,
            "size": len(body),
            "type": "video/mp4",
            "idempotency_key": "one",
        },
    )
    assert opened.status == 201, opened.text()
    upload = opened.json()
    address = f"/api/v1/uploads/{upload['id']}"
    numbers = list(range(1, upload["part_count"] + 1))
    signed = caller.post(f"{address}/parts", data={"numbers": numbers}).json()["parts"]
    for part in signed:
        start = (part["n"] - 1) * upload["part_size"]
        sent = caller.put(
            part["url"], data=body[start : start + part["length"]], headers={"Authorization": ""}
        )
        assert sent.status == 200, sent.text()
    # Asked twice, as after an answer that got lost: the film arrives once.
    assert caller.post(f"{address}/complete", data={}).status == 202
    assert caller.post(f"{address}/complete", data={}).status == 202


def submit(api, film, title, themes=()):
    """A whole submission with its film: what beginning it told."""
    begun = api().post("/api/v1/submissions", data={**TEXTS, "title": title, "themes": list(themes)})
    assert begun.status == 201, begun.text()
    told = begun.json()
    send(api(told["token"]), told["id"], film)
    return told


def letter_link(portal, about, to=""):
    """The link of the newest letter about a clip (or to somebody), as its reader finds it."""

    def newest():
        for raw in reversed(portal.mails(about)):
            letter = message_from_string(raw, policy=policy.default)
            words = letter.get_body(("plain",)).get_content()
            if to in letter["To"] and (link := re.search(r"http\S+/s/[\w-]{43,}", words)):
                return link[0]
        return ""

    return answered(newest, bool)


def letter_to(portal, to, about):
    """The plain text of the newest letter to an address whose subject says this; waits for it."""

    def newest():
        for raw in reversed(portal.mails()):
            letter = message_from_string(raw, policy=policy.default)
            if to in letter["To"] and re.search(about, letter["Subject"], re.IGNORECASE):
                return letter.get_body(("plain",)).get_content()
        return ""

    return answered(newest, bool)


def until_gone(storage, bucket, prefix):
    """Until nothing lies under a prefix: of what is deleted together, one object goes before the other."""
    answered(lambda: list(storage.keys(bucket, prefix)), lambda left: left == [])


def link_of(words, part):
    """The first address in a letter that holds this."""
    found = re.search(rf"http\S*{re.escape(part)}\S*", words)
    assert found is not None, words
    return found[0].rstrip(".,)")


def tokens_mailed(portal):
    """What opens something, in all letters that lie here now."""
    letters = (message_from_string(raw, policy=policy.default) for raw in portal.mails())
    words = "\n".join(letter.get_body(("plain",)).get_content() for letter in letters)
    return set(re.findall(r"/(?:s|i|a|me/enter|me/erase)/([\w-]{16,})", words))


def confirm(api, told):
    """The owner opens the letter: until then no moderator looks."""
    token = letter_link(api.portal, told["id"]).rpartition("/")[2]
    answer = api(token).post(f"/api/v1/submissions/{told['id']}/confirm", data={})
    assert answer.status == 200, answer.text()


def confirm_in(window, portal, to):
    """The owner opens the letter in this browser and presses its one button."""
    page = window.page
    back = page.url
    page.goto(letter_link(portal, "", to))
    window.axe()
    window.fits()
    page.get_by_role("button", name="Oui, c’est mon adresse").click()
    # The word of thanks goes with the page's next look at the clip; that nothing is asked any more stays.
    page.get_by_role("heading", name="Confirmez votre adresse").wait_for(state="detached")
    arrive(page, back)


def made(api, told):
    """Until the worker has made the film, the owner has opened the letter, and the clip waits for a moderator."""
    confirm(api, told)
    owner = api(told["token"])
    address = f"/api/v1/submissions/{told['id']}"
    return answered(lambda: owner.get(address).json(), lambda now: now["state"] == "in_review")


def publish(api, review_token, told):
    """Approve a clip that is being made or reviewed, and wait until the world sees it: its public description."""
    made(api, told)
    moderator, anybody = api(review_token), api()
    sheet = moderator.get(f"/api/v1/review/{told['id']}").json()
    approved = moderator.post(f"/api/v1/review/{told['id']}/approve", data={"version": sheet["version"]})
    assert approved.status == 200, approved.text()
    return answered(
        lambda: anybody.get(f"/api/v1/clips/{told['id']}"), lambda answer: answer.status == 200
    ).json()


def tiny(folder, name, **options):
    """A film that is made in a moment."""
    return footage.small(folder, **{"size": "320x180", "rate": 10, **options}, name=f"{name}.mp4")


def sign_in(staff, portal, email, password):
    """Through the studio's login page, to the queue."""
    staff.page.goto(f"{portal.url}/studio/login")
    staff.page.locator("input[name=email]").fill(email)
    staff.page.locator("input[type=password]").fill(password)
    staff.page.locator("main button[type=submit]").click()
    staff.page.wait_for_url("**/studio/review**")
