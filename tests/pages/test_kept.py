"""What was written into a page whose session has ended: it comes back, also through a sign-in, and is sent once more."""

import re
from html import unescape

import pytest
from sqlalchemy import select

from portal.models import Message, Note, Role, State
from tests.pages.test_login import hugo, sign_in  # noqa: F401 - the fixture

WORDS = "Une plaque se lit à droite,\nau deuxième feu."


def hidden(page):
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


def sent_again(client, page):
    address = re.search(r'<form class="form" method="post" action="([^"]+)"', page)[1]
    return client.post(address, data=hidden(page))


def written(runtime, table):
    with runtime.read() as session:
        return session.scalars(select(table.words)).all()


def test_a_note_written_before_the_session_ended_waits_behind_the_sign_in(client, hugo, runtime, make):  # noqa: F811
    clip = make.clip()
    asked = client.post(
        f"/studio/review/{clip.id}/note", data={"words": WORDS, "at": "0:31", "csrf_token": "old"}
    )
    assert asked.status_code == 403
    assert "ce que vous avez écrit vous attend" in asked.text
    wrong = sign_in(client, password="une autre phrase", kept=hidden(asked.text)["kept"])
    back = sign_in(client, kept=hidden(wrong.text)["kept"])
    assert (back.status_code, WORDS in unescape(back.text)) == (200, True)
    # In the language of whoever signed in, with the studio around it.
    assert 'href="/studio/review"' in back.text
    assert 'lang="de"' in back.text
    assert written(runtime, Note) == []
    assert sent_again(client, back.text).status_code == 303
    assert written(runtime, Note) == [WORDS]


def test_a_message_of_an_owner_whose_session_has_gone_comes_back_with_a_button(client, runtime, make):
    clip = make.clip(State.PUBLISHED)
    address = f"/fr/s/{make.link(clip)}/messages"
    back = client.post(address, data={"words": WORDS, "csrf_token": "old"})
    assert back.status_code == 403
    assert WORDS in unescape(back.text)
    assert written(runtime, Message) == []
    assert sent_again(client, back.text).status_code == 303
    assert written(runtime, Message) == [WORDS]


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-site"}, {"Origin": "https://elsewhere.example"}]
)
def test_what_another_sites_page_sends_is_not_offered_to_be_sent(client, make, headers):
    address = f"/fr/s/{make.link(make.clip(State.PUBLISHED))}/messages"
    back = client.post(address, data={"words": WORDS, "csrf_token": "old"}, headers=headers)
    assert back.status_code == 403
    assert "deuxième feu" not in back.text


def test_a_password_is_put_into_no_page(client, make):
    person = make.person("ines@brand.example", role=Role.ADMIN)
    client.sign_in(person)
    back = client.post("/studio/people", data={"password": "secret words", "csrf_token": "old"})
    assert "secret words" not in back.text


def test_a_form_that_nobody_here_sealed_is_not_opened(client, hugo):  # noqa: F811
    assert sign_in(client, kept="WyIvc3R1ZGlvIiwgW11d.x.y").status_code == 303
