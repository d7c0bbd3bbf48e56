"""Asking to be called, and the list in the studio."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.models import Notice, State, SupportCase


@pytest.fixture
def clip(make):
    return make.clip(State.PUBLISHED, title="Six heures au col")


@pytest.fixture
def token(make, clip):
    return make.link(clip)


@pytest.fixture
def case(client, runtime, token):
    client.post_form(
        f"/fr/s/{token}/call", {"words": "La charge s’arrête", "phone": "0612345678", "once": "x"}
    )
    with runtime.read() as session:
        return session.scalars(select(SupportCase)).one()


def row(runtime, case):
    with runtime.read() as session:
        return session.get_one(SupportCase, case.id)


def test_an_owner_gets_a_number_at_once_and_finds_it_on_the_page(client, runtime, administrator, token):
    answer = client.post_form(
        f"/fr/s/{token}/call", {"words": "La charge s’arrête", "phone": "", "once": "x"}
    )
    assert answer.location == f"/fr/s/{token}#case"
    page = client.get(f"/fr/s/{token}/call").text
    assert "Votre demande porte le n° 1." in page
    assert "Dossier n° 1 du" in page
    with runtime.read() as session:
        assert session.scalars(select(Notice.person_id)).all() == [administrator.id]


def test_the_form_says_that_it_changes_nothing_for_the_clip(client, token):
    assert "Cela ne change rien pour votre clip" in client.get(f"/fr/s/{token}/call").text


def test_the_form_sent_twice_is_one_case(client, runtime, token, case):
    client.post_form(
        f"/fr/s/{token}/call", {"words": "La charge s’arrête", "phone": "0612345678", "once": "x"}
    )
    with runtime.read() as session:
        assert len(session.scalars(select(SupportCase)).all()) == 1


def test_what_cannot_be_taken_comes_back_with_what_was_typed(client, runtime, token):
    answer = client.post_form(f"/fr/s/{token}/call", {"words": "Bonjour", "phone": "demain", "once": "x"})
    assert answer.status_code == 422
    assert 'value="demain"' in answer.text
    assert "Bonjour" in answer.text
    empty = client.post_form(f"/fr/s/{token}/call", {"words": "", "phone": "", "once": "x"})
    assert "Dites-nous en un mot de quoi il s’agit" in empty.text


def test_staff_see_who_waits_take_it_on_and_say_what_came_of_it(moderator_client, runtime, case):
    page = moderator_client.get("/studio/support").text
    assert "La charge s’arrête" in page
    assert "0612345678" in page
    moderator_client.post_form(f"/studio/support/{case.id}/take")
    assert row(runtime, case).state == "taken"
    assert "suivi par Inès M." in moderator_client.get(f"/studio/support/{case.id}").text
    moderator_client.post_form(f"/studio/support/{case.id}/solve", {"outcome": "Garage de Grenoble, jeudi"})
    assert row(runtime, case).phone == ""
    assert "Personne n’attend d’appel." in moderator_client.get("/studio/support").text
    assert "Garage de Grenoble, jeudi" in moderator_client.get("/studio/support?state=solved").text


def test_a_call_that_is_late_counts_in_the_navigation_although_somebody_took_it_on(
    moderator_client, runtime, moderator, case
):
    number = re.compile(r'À rappeler <span class="num dim">(\d+)</span>')
    assert number.findall(moderator_client.get("/studio/support").text)[0] == "1"
    moderator_client.post_form(f"/studio/support/{case.id}/take")
    page = moderator_client.get("/studio/support").text
    assert (number.findall(page), "que promis" in page) == ([], False)
    with runtime.work() as session:
        session.get_one(SupportCase, case.id).made_at -= timedelta(days=20)
    page = moderator_client.get("/studio/support").text
    assert number.findall(page)[0] == "1"
    assert "1 auteur attend depuis plus longtemps que promis." in page
    assert "aurait dû être contacté avant le" in page


def test_solving_needs_a_word(moderator_client, runtime, case):
    answer = moderator_client.post_form(f"/studio/support/{case.id}/solve", {"outcome": " "})
    assert answer.status_code == 422
    assert row(runtime, case).state == "open"


def test_a_second_press_tells_how_the_case_stands(moderator_client, admin_client, runtime, moderator, case):
    moderator_client.post_form(f"/studio/support/{case.id}/take")
    answer = admin_client.post_form(f"/studio/support/{case.id}/take", follow_redirects=True)
    assert "Quelqu’un est passé avant vous" in answer.text
    assert row(runtime, case).taken_by_id == moderator.id


def test_a_moderator_opens_a_case_and_the_sheet_shows_its_number(moderator_client, runtime, clip):
    answer = moderator_client.post_form(
        f"/studio/review/{clip.id}/call",
        {"words": "Il parle d’une panne", "once": "y"},
        follow_redirects=True,
    )
    assert "Dossier n° 1" in answer.text
    with runtime.read() as session:
        assert session.scalars(select(SupportCase)).one().opened_by_id is not None


def test_the_list_is_for_staff(client, case):
    assert client.get("/studio/support").location.startswith("/studio/login")
    assert client.post_form(f"/studio/support/{case.id}/take").location.startswith("/studio/login")


def test_a_case_that_never_was_is_not_found(moderator_client):
    assert moderator_client.get("/studio/support/4711").status_code == 404
