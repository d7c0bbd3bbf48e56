"""Signing in and out of the studio, first passwords, and how often one may try."""

import pytest

from portal import people
from portal.lifecycle import Actor, ActorKind
from portal.models import Role

BY = Actor(ActorKind.ADMIN, 1)
PASSWORD = "une longue phrase à moi"


@pytest.fixture
def hugo(runtime):
    with runtime.work() as session:
        return people.add_staff(
            session,
            "hugo@brand.example",
            role=Role.MODERATOR,
            name="Hugo",
            password=PASSWORD,
            lang="de",
            by=BY,
        )


def sign_in(client, email="hugo@brand.example", password=PASSWORD, **more):
    return client.post_form("/studio/login", {"email": email, "password": password, **more})


def test_the_right_password_opens_the_studio_in_ones_own_language(client, hugo):
    answer = sign_in(client)
    assert (answer.status_code, answer.location) == (303, "/studio/review")
    assert '<html lang="de"' in client.get("/studio/review").text


def test_the_address_may_be_written_in_any_case(client, hugo):
    assert sign_in(client, " HUGO@brand.example ").status_code == 303


def test_a_wrong_password_and_an_unknown_address_look_the_same(client, hugo):
    wrong = sign_in(client, password="une autre phrase")
    unknown = sign_in(client, "nobody@brand.example")
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert "ne convient pas" in wrong.text
    strip = wrong.text.replace("hugo@", "x@")
    fixed = unknown.text.replace("nobody@", "x@")
    assert without_token(strip) == without_token(fixed)


def without_token(page):
    return [line for line in page.splitlines() if "csrf_token" not in line]


@pytest.mark.parametrize("path", ["/studio/themes", "/studio/review/abc?done=1"])
def test_one_arrives_where_one_wanted_to_go(client, hugo, path):
    assert sign_in(client, next=path).location == path


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example/studio/", "/\\evil.example", "/fr/", "studio"]
)
def test_nobody_is_led_elsewhere(client, hugo, path):
    assert sign_in(client, next=path).location == "/studio/review"


def test_signing_in_replaces_the_session(client, hugo):
    with client.session_transaction() as kept:
        kept["planted"] = "by somebody"
    sign_in(client)
    with client.session_transaction() as kept:
        assert "planted" not in kept


def test_signing_out_makes_a_copied_cookie_worthless(client, app, hugo):
    sign_in(client)
    copied = client.get_cookie("s").value
    assert client.post_form("/studio/logout").status_code == 303
    thief = app.test_client()
    thief.set_cookie("s", copied)
    assert thief.get("/studio/review").status_code == 303


def test_a_removed_colleague_is_out_at_the_next_click(client, runtime, hugo):
    sign_in(client)
    with runtime.work() as session:
        people.remove_staff(session, hugo.id, by=BY)
    assert client.get("/studio/review").status_code == 303


def test_six_tries_for_one_account_are_one_too_many(client, hugo):
    answers = [sign_in(client, password="falsch") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [403] * 5 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 61
    assert sign_in(client, "other@brand.example").status_code == 403


def test_thirty_tries_from_one_address_are_the_most(client, hugo):
    answers = [sign_in(client, f"n{number}@brand.example") for number in range(31)]
    assert [answer.status_code for answer in answers] == [403] * 30 + [429]


def test_a_form_without_its_token_signs_nobody_in(client, hugo):
    answer = client.post("/studio/login", data={"email": "hugo@brand.example", "password": PASSWORD})
    assert answer.status_code == 403


def test_a_first_sign_in_link_sets_the_password_and_lets_in_once(client, app, runtime):
    with runtime.work() as session:
        person = people.add_staff(
            session, "lea@brand.example", role=Role.MODERATOR, password=None, lang="fr", by=BY
        )
        token = people.welcome_link(session, person)
    assert "lea@brand.example" in client.get(f"/studio/welcome/{token}").text
    answer = client.post_form(f"/studio/welcome/{token}", {"password": PASSWORD, "again": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/studio/review")
    assert client.get("/studio/review").status_code == 200
    assert client.get(f"/studio/welcome/{token}").status_code == 410


@pytest.mark.parametrize(
    ("password", "again", "words"),
    [("kurz", "kurz", "au moins 12"), (PASSWORD, "une autre phrase", "sont différents")],
)
def test_a_password_that_does_not_do_is_explained_and_the_link_lives_on(
    client, runtime, password, again, words
):
    with runtime.work() as session:
        person = people.add_staff(
            session, "lea@brand.example", role=Role.MODERATOR, password=None, lang="fr", by=BY
        )
        token = people.welcome_link(session, person)
    answer = client.post_form(f"/studio/welcome/{token}", {"password": password, "again": again})
    assert answer.status_code == 422
    assert words in answer.text
    assert client.get(f"/studio/welcome/{token}").status_code == 200


def test_a_made_up_link_is_gone(client):
    assert client.get("/studio/welcome/made-up").status_code == 410


def test_the_studio_leads_to_the_queue(moderator_client):
    assert moderator_client.get("/studio/").location == "/studio/review"


def test_the_language_of_the_studio_can_be_changed(moderator_client):
    answer = moderator_client.post_form("/studio/language", {"code": "en", "next": "/studio/clips"})
    assert answer.location == "/studio/clips"
    assert '<html lang="en"' in moderator_client.get("/studio/review").text


def test_whoever_guesses_elsewhere_locks_nobody_out(client, hugo):
    for _ in range(6):
        client.post_form(
            "/studio/login",
            {"email": "hugo@brand.example", "password": "falsch"},
            environ_base={"REMOTE_ADDR": "10.9.8.7"},
        )
    assert sign_in(client).status_code == 303


def test_a_guesser_with_many_networks_ends_too(app, client, hugo):
    def guess(number):
        data = {"email": "hugo@brand.example", "password": "falsch"}
        return client.post_form("/studio/login", data, environ_base={"REMOTE_ADDR": f"10.1.{number // 5}.1"})

    answers = [guess(number).status_code for number in range(101)]
    assert answers == [403] * 100 + [429]


def older(client, **seconds):
    with client.session_transaction() as kept:
        for name, by in seconds.items():
            kept[name] -= by


def test_a_session_that_nobody_uses_ends(client, hugo):
    sign_in(client)
    older(client, staff_seen=119 * 60)
    assert client.get("/studio/review").status_code == 200
    older(client, staff_seen=121 * 60)
    assert client.get("/studio/review").status_code == 303


def test_a_session_ends_after_twelve_hours_however_much_it_is_used(client, hugo):
    sign_in(client)
    older(client, staff_since=12 * 3600 + 1)
    assert client.get("/studio/review").location == "/studio/login?next=/studio/review"


def test_a_page_left_open_until_after_the_session_leads_to_the_sign_in(client, hugo, make):
    clip = make.clip()
    # Its form token was of a session that the cookie holds no more.
    answer = client.post(f"/studio/review/{clip.id}/note", data={"csrf_token": "old"})
    assert (answer.status_code, answer.location) == (303, f"/studio/login?next=/studio/review/{clip.id}/note")
    assert "Votre session est terminée" in client.get(answer.location).text


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/studio/people/3/link", "/studio/people"),
        ("/studio/themes/3/merge", "/studio/themes"),
        ("/studio/campaigns/hiver/close", "/studio/campaigns/hiver"),
        ("/studio/consents/site", "/studio/consents"),
        ("/studio/review/abcdefghij/poster", "/studio/review/abcdefghij"),
        ("/studio/language", "/studio/review"),
    ],
)
def test_after_the_sign_in_one_lands_on_a_page_and_not_on_a_forms_address(client, path, back):
    assert client.post_form(path).location == f"/studio/login?next={back}"


def test_a_page_of_another_session_says_what_to_do_and_offers_visitors_no_sign_in(client):
    page = client.post("/scheme", data={"scheme": "dark", "csrf_token": "old"})
    assert page.status_code == 403
    assert "restée ouverte trop longtemps" in page.text
    assert "/studio/login" not in page.text


def test_the_sign_in_page_that_was_open_too_long_comes_back_filled_in(client, hugo):
    page = client.post("/studio/login", data={"email": "hugo@brand.example", "password": PASSWORD})
    assert page.status_code == 403
    assert 'value="hugo@brand.example"' in page.text
    assert "restée ouverte trop longtemps" in page.text
