"""Nothing that is not published can be reached: every state is tried at every door the site has.

The doors are read from the site itself, so a new route is tried without being listed here; a route with an
argument that nobody has explained below fails the first test.
"""

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from flask import Flask
from werkzeug.routing import Rule

from portal.models import Clip, Film, Publication, State
from portal.storage import Bucket

# What a stranger can put in an address: the clip's own id where a clip is named, guesses elsewhere.
GUESSES = {
    "lang": "fr",
    "slug": "hiver",
    "name": "rules",
    "code": "fr",
    "token": "x" * 43,
    "upload_id": "0" * 32,
    "token_id": 1,
    "person_id": 1,
    "theme_id": 1,
    "campaign_id": 1,
    "verdict": "reject",
    "_verb": "note",
    "tr": "fr",
    "form": "vtt",
    "number": 1,
    "_number": 1,
    "_act": "adopt",
    "step": "take",
    "_step": "take",
    "notice_id": 1,
    "signature_id": "0" * 32,
    "invitation_id": "0" * 32,
    "receipt_id": "0" * 32,
    "purpose": "ads",
}
TITLE, WORD = "Zibeline opaline", "zibeline"
SECRETS = {"title": TITLE, "first_name": "Ondine", "city": "Quimperlé", "product": "Brumaire"}
HIDDEN = [state for state in State if state is not State.PUBLISHED]


def url_of(app: Flask, rule: Rule, clip: Clip) -> str:
    with app.test_request_context():
        values = {**GUESSES, "clip_id": clip.id}
        return app.url_for(rule.endpoint, **{name: values[name] for name in rule.arguments})


def doors(app: Flask, clip: Clip) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        url = url_of(app, rule, clip)
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield method, url
    for lang in ("fr", "en", "de"):
        for path in (
            "",
            "clips",
            f"clips?q={WORD}",
            "clips?theme=hiver",
            "clips?sort=shortest",
            "themes/hiver",
        ):
            yield "GET", f"/{lang}/{path}"
        yield "GET", f"/{lang}/c/{clip.id}-zibeline-opaline"
    for path in ("", f"?q={WORD}", "?theme=hiver", "?sort=oldest", f"/{clip.id}"):
        yield "GET", f"/api/v1/clips{path}"


def told(client, method: str, url: str) -> str:
    """Everything an answer says to a stranger: status, headers and body."""
    if method == "GET":
        answer = client.get(url)
    elif url.startswith("/api/"):
        answer = client.open(url, method=method, json={"version": 1, "words": "x", "reason": "illegal"})
    else:
        answer = client.post_form(url, {"version": "1", "q": WORD})
    return f"{answer.status}\n{answer.headers}\n{answer.get_data(as_text=True)}"


@pytest.fixture
def make_clip(make):
    def make_one(state: State, **more) -> Clip:
        hiver = make.theme("hiver")
        owner = make.person("ondine@mail.example")
        return make.clip(
            state, themes=[hiver], owner=owner, search_text="zibeline opaline", **SECRETS, **more
        )

    return make_one


def test_every_argument_of_every_route_is_explained_here(app) -> None:
    unknown = {
        rule.rule: rule.arguments - GUESSES.keys() - {"clip_id"}
        for rule in app.url_map.iter_rules()
        if rule.arguments - GUESSES.keys() - {"clip_id"}
    }
    assert unknown == {}


@pytest.mark.parametrize("state", HIDDEN)
def test_no_door_tells_a_stranger_anything_of_a_clip_that_is_not_published(
    app, client, session, make_clip, state
) -> None:
    clip = make_clip(state)
    films = session.query(Film.key).filter_by(clip_id=clip.id).all()
    secrets = {*SECRETS.values(), "ondine@mail.example", f"p/{clip.id}/", *(key for (key,) in films)}
    if clip.film_id:
        secrets.add(clip.film_id)
    session.rollback()
    for method, url in doors(app, clip):
        words = told(client, method, url)
        assert {secret for secret in secrets if secret in words} == set(), f"{method} {url}"
        assert not words.startswith("500"), f"{method} {url}"
    session.expire_all()
    assert session.get_one(Clip, clip.id).state == state


def test_the_doors_that_are_open_do_show_a_published_clip(app, client, make_clip) -> None:
    clip = make_clip(State.PUBLISHED)
    shown = {
        url for method, url in doors(app, clip) if method == "GET" and TITLE in told(client, method, url)
    }
    wanted = {
        "/fr/",
        "/fr/clips",
        f"/fr/clips?q={WORD}",
        "/fr/clips?theme=hiver",
        "/fr/themes/hiver",
        f"/fr/c/{clip.id}-zibeline-opaline",
        "/api/v1/clips",
        f"/api/v1/clips?q={WORD}",
        f"/api/v1/clips/{clip.id}",
    }
    assert wanted <= shown
    # Nothing but lists, the clip itself and pages that offer three clips after an error.
    assert {url for url in shown if not url.startswith(("/fr/", "/en/", "/de/", "/api/v1/clips"))} == set()


def status_of(url: str) -> int:
    try:
        with urlopen(url, timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize("state", [State.IN_REVIEW, State.APPROVED, State.WITHDRAWN, State.REMOVED])
def test_no_media_address_reads_a_clip_that_is_not_published(runtime, session, make_clip, state) -> None:
    clip = make_clip(state, with_objects=True)
    settings = runtime.settings.storage
    (key,) = session.query(Film.key).filter_by(clip_id=clip.id).one()
    made = list(runtime.storage.keys(Bucket.ORIGINALS, f"p/{clip.id}/"))
    assert made
    for bucket in (settings.originals_bucket, settings.public_bucket):
        for one in (key, *made):
            assert status_of(f"{settings.public_url}/{bucket}/{one}") in (403, 404), one


def test_buckets_cannot_be_listed_and_published_files_can_be_read(runtime, session, make_clip) -> None:
    clip = make_clip(State.PUBLISHED, with_objects=True)
    settings = runtime.settings.storage
    (token,) = session.query(Publication.token).filter_by(clip_id=clip.id).one()
    assert status_of(runtime.storage.public_url(f"v/{token}/360.mp4")) == 200
    for bucket in (settings.originals_bucket, settings.public_bucket):
        for question in ("", "/", "?list-type=2", "?uploads", "?versions", "?policy"):
            assert status_of(f"{settings.public_url}/{bucket}{question}") in (403, 404, 405), question
