"""Addresses and forms that no page of ours makes: refused in words, never an error of ours."""

from base64 import urlsafe_b64encode

import pytest

from portal.models import State


def cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("word", ["endpoint", "_scheme", "_external", "_anchor", "_method"])
def test_a_query_cannot_speak_to_the_maker_of_addresses(client, make, word):
    page = client.get(f"/fr/participate?{word}=x")
    assert page.status_code == 200
    assert f'href="/en/participate?{word}=x"' in page.text


@pytest.mark.parametrize(
    "told", ["newest|9999-12-31T23:59:59-14:00|abc", "newest|0001-01-01T00:00:00+14:00|abc", "newest|2026-01-01T00:00:00+00:00|a\x00"]
)  # fmt: skip
def test_a_cursor_from_beyond_the_calendar_is_refused(client, told):
    answer = client.get("/api/v1/clips", query_string={"cursor": cursor(told)})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "path", ["/fr/c/abc%00defghi-x", "/fr/themes/a%00b", "/fr/participate/a%00b", "/fr/c/abcdefghi%00"]
)
def test_an_address_with_a_nul_leads_nowhere(client, path):
    assert client.get(path).status_code == 404


def test_a_query_or_form_with_a_nul_is_refused(client, moderator_client, make):
    assert client.get("/fr/clips?theme=a%00b").status_code == 422
    clip = make.clip(State.IN_REVIEW)
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/note", {"words": "a\x00b"})
    assert answer.status_code == 422


def test_a_version_too_large_for_any_database_is_a_conflict(moderator_client, make):
    clip = make.clip(State.IN_REVIEW)
    form = {"title": "Neuf", "version": "9" * 30}
    assert moderator_client.post_form(f"/studio/review/{clip.id}/edit", form).status_code == 409


def test_an_owners_token_is_not_written_to_the_log(app, client, make, runtime, caplog):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    token = make.link(make.clip(State.IN_REVIEW))
    with runtime.engine.begin() as connection:
        # A row that no code of ours can read.
        connection.exec_driver_sql("UPDATE clip SET fail_facts = 'spoiled'")
    assert client.get(f"/fr/s/{token}").status_code == 500
    assert "unexpected error route=/<lang>/s/<token>" in caplog.text
    assert token not in caplog.text.replace("\n", "")


def test_whoever_is_signed_in_is_told_too_that_the_database_is_away(moderator_client, runtime):
    with runtime.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person RENAME TO elsewhere")
    page = moderator_client.get("/studio/review")
    assert page.status_code == 503
    assert "<h1" in page.text


@pytest.mark.parametrize("word", ["endpoint", "_scheme", "_external", "_anchor", "_method"])
def test_a_query_on_the_list_of_all_clips_does_not_speak_to_the_maker_of_addresses(
    moderator_client, make, word
):
    for _ in range(51):
        make.clip(State.IN_REVIEW)
    page = moderator_client.get(f"/studio/clips?{word}=x&state=in_review")
    assert page.status_code == 200
    assert 'href="/studio/clips?page=2&amp;state=in_review"' in page.text


def test_what_a_database_says_of_a_statement_holds_nobodys_address(app, client, runtime, caplog):
    with runtime.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person RENAME TO elsewhere")
    assert (
        client.post_form("/studio/login", {"email": "nadia@mail.example", "password": "x"}).status_code == 503
    )
    assert "database away route=/studio/login" in caplog.text
    assert "nadia@mail.example" not in caplog.text


def test_a_page_that_takes_no_such_request_says_so(client):
    page = client.post_form("/fr/clips")
    assert page.status_code == 405
    assert "Cette page n’existe pas" not in page.text
    assert "pas compris cette demande" in page.text
