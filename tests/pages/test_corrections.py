"""What moderators correct on a clip's sheet, and captions that publication may need."""

import dataclasses

import pytest

from portal import review
from portal.models import Clip, Film, State
from portal.web import create_app
from tests.conftest import PortalClient


def approve(client, clip):
    checks = ["whole", "people", "music", "driving"]
    data = {"version": clip.version, "title": clip.title, "check": checks}
    return client.post_form(f"/studio/review/{clip.id}/approve", data)


def test_what_an_owner_asked_to_be_corrected_is_saved_and_the_rest_of_the_sheet_stays(
    moderator_client, client, make, session
):
    clip = make.clip(State.PUBLISHED, product="Solène 2")
    form = {
        "version": clip.version,
        "first_name": "Nadja",
        "city": "",
        "product": "Solène 3",
        "owned_since": "2021",
    }
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/edit", form)
    assert "Corrections enregistrées." in moderator_client.get(answer.location).text
    row = session.get_one(Clip, clip.id)
    assert (row.title, row.first_name, row.city, row.owned_since) == (clip.title, "Nadja", "", 2021)
    public = client.get(f"/fr/c/{clip.id}", follow_redirects=True).text
    assert "Nadja" in public
    assert "Grenoble" not in public


def test_a_year_that_is_none_is_explained_next_to_it_and_the_other_words_stay_typed(moderator_client, make):
    clip = make.clip()
    form = {"version": clip.version, "first_name": "Nadja", "owned_since": "hier"}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/edit", form)
    assert answer.status_code == 422
    for words in ('id="owned_since-wrong"', 'value="Nadja"', 'value="hier"', f'value="{clip.title}"'):
        assert words in answer.text


def test_a_changed_title_is_told_in_the_thread_unless_the_tick_says_slip_of_the_pen(moderator_client, make):
    clip = make.clip()
    page = f"/studio/review/{clip.id}"
    typo = {"version": clip.version, "title": "Six heures, le Galibier", "typo": "1"}
    assert moderator_client.post_form(f"{page}/edit", typo).status_code == 303
    assert "Nous avons corrigé le titre" not in moderator_client.get(page).text
    another = {"version": clip.version + 1, "title": "Le col"}
    assert moderator_client.post_form(f"{page}/edit", another).status_code == 303
    assert "Nous avons corrigé le titre" in moderator_client.get(page).text


@pytest.fixture
def strict_client(runtime, moderator):
    """A moderator where publication needs captions that a person has checked."""
    site = dataclasses.replace(runtime.settings.site, requires_captions=True)
    machines = dataclasses.replace(runtime, settings=dataclasses.replace(runtime.settings, site=site))
    app = create_app(machines)
    app.test_client_class = PortalClient
    return app.test_client().sign_in(moderator)


def test_where_captions_are_required_the_sheet_leads_to_them_and_the_api_says_the_same(
    strict_client, moderator_client, make, runtime, session, reviewer
):
    clip = make.clip()
    with runtime.work() as work:
        film = work.get_one(Film, clip.film_id)
        film.facts = {**film.facts, "heard_lang": "fr"}
    refused = approve(strict_client, clip)
    assert refused.status_code == 409
    assert '<a href="#captions">Le film est parlé' in refused.text
    assert strict_client.get(f"/studio/review/{clip.id}").text.count('href="#captions"') == 1
    url = f"/api/v1/review/{clip.id}/approve"
    told = strict_client.post(url, headers=reviewer, json={"version": clip.version})
    assert (told.status_code, told.json["code"]) == (409, "captions_unchecked")
    assert review.clip_by_id(session, clip.id).state == State.IN_REVIEW
    assert approve(moderator_client, clip).status_code == 303
