"""How a view is reported: without a cookie, without telling, and not where somebody asks not to be counted."""

import pytest

from portal.models import Clip, State

FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture
def clip(make):
    return make.clip(State.PUBLISHED)


def views(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Clip, clip.id).views


def report(client, clip, **head):
    return client.post(f"/api/v1/clips/{clip.id}/views", json={}, headers=FIREFOX | head)


def test_a_view_is_counted_once_without_a_cookie_and_the_answer_says_nothing(client, runtime, clip):
    for _ in range(2):
        answer = report(client, clip)
        assert (answer.status_code, answer.data) == (204, b"")
        assert "Set-Cookie" not in answer.headers
    assert views(runtime, clip) == 1


@pytest.mark.parametrize("head", [{"DNT": "1"}, {"Sec-GPC": "1"}, {"User-Agent": "examplebot/1.0"}])
def test_who_asks_not_to_be_counted_is_not_and_gets_the_same_answer(client, runtime, clip, head):
    assert report(client, clip, **head).status_code == 204
    assert views(runtime, clip) == 0


def test_looking_at_the_address_counts_nothing(client, runtime, clip):
    assert client.head(f"/api/v1/clips/{clip.id}/views", headers=FIREFOX).status_code == 405
    client.get(f"/api/v1/clips/{clip.id}", headers=FIREFOX)
    assert views(runtime, clip) == 0


@pytest.mark.parametrize("state", [State.IN_REVIEW, State.REMOVED])
def test_a_clip_that_is_not_public_is_not_there(client, make, state):
    assert report(client, make.clip(state)).status_code == 404


def test_another_sites_page_cannot_report_views(client, runtime, clip):
    assert report(client, clip, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert views(runtime, clip) == 0


def test_the_clips_page_tells_the_player_where_views_are_reported(client, clip):
    page = client.get(f"/fr/c/{clip.id}", follow_redirects=True).text
    assert f'data-views="/api/v1/clips/{clip.id}/views"' in page


def test_the_most_watched_come_first_when_asked_for(client, make):
    rare, loved = (make.clip(State.PUBLISHED, views=views, title=f"vu {views}") for views in (1, 900))
    items = client.get("/api/v1/clips?sort=most_watched").json["items"]
    assert [one["id"] for one in items] == [loved.id, rare.id]
    page = client.get("/fr/clips?sort=most_watched").text
    assert page.index("vu 900") < page.index("vu 1<")
    assert "Du plus regardé au moins regardé." in page
