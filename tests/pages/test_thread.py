"""The thread on the owner's pages and on the sheet in the studio."""

import pytest
from sqlalchemy import select

from portal import notices, people, refusals, thread
from portal.lifecycle import OWNER
from portal.models import Clip, Decision, Message, Notice, NoticeState, Person, State


@pytest.fixture
def clip(make):
    return make.clip(State.IN_REVIEW, title="Six heures au col")


@pytest.fixture
def token(make, clip):
    return make.link(clip)


def say(runtime, clip, words, author=OWNER):
    with runtime.work() as session:
        return thread.add(session, session.get_one(Clip, clip.id), words, author=author)


def messages(runtime):
    with runtime.read() as session:
        return list(session.scalars(select(Message).order_by(Message.id)))


def test_an_owner_writes_from_the_status_page_and_reads_it_there(client, runtime, token):
    answer = client.post_form(f"/fr/s/{token}/messages", {"words": "Une question <simple>", "once": "x"})
    assert answer.status_code == 303
    assert answer.location == f"/fr/s/{token}#messages"
    page = client.get(f"/fr/s/{token}/messages").text
    assert "Une question &lt;simple&gt;" in page
    assert [(one.author, one.via) for one in messages(runtime)] == [("owner", "page")]


def test_the_form_sent_twice_is_one_message(client, runtime, token):
    for _ in range(2):
        assert (
            client.post_form(f"/fr/s/{token}/messages", {"words": "Bonjour", "once": "x"}).status_code == 303
        )
    assert len(messages(runtime)) == 1


def test_a_message_that_cannot_be_taken_comes_back_with_its_words(client, runtime, token):
    answer = client.post_form(f"/fr/s/{token}/messages", {"words": "é" * 2001, "once": "x"})
    assert answer.status_code == 422
    assert "é" * 2001 in answer.text
    assert "2000" in answer.text or "2\u202f000" in answer.text
    assert messages(runtime) == []


def test_the_owners_page_shows_what_moderators_wrote_and_calls_the_letter_off(
    client, runtime, clip, token, moderator
):
    say(runtime, clip, "Pouvez-vous flouter ?", people.actor_of(moderator))
    page = client.get(f"/fr/s/{token}/messages", headers={"Sec-Fetch-Dest": "document"}).text
    assert "Pouvez-vous flouter ?" in page
    assert "Inès M." in page
    with runtime.read() as session:
        assert session.scalars(select(Notice.state)).all() == [NoticeState.CANCELLED]
        assert session.scalars(select(Message)).one().seen_at is not None


@pytest.mark.parametrize("head", [{"Sec-Fetch-Dest": "empty"}, {"Sec-Purpose": "prefetch"}])
def test_a_page_fetched_by_a_script_or_ahead_has_not_been_read(client, runtime, clip, token, moderator, head):
    say(runtime, clip, "Bonjour", people.actor_of(moderator))
    client.get(f"/fr/s/{token}/messages", headers=head)
    client.head(f"/fr/s/{token}/messages")
    with runtime.read() as session:
        assert session.scalars(select(Notice.state)).all() == [NoticeState.WAITING]


def test_the_page_of_a_thread_is_private(client, token):
    head = client.get(f"/fr/s/{token}/messages").headers
    assert (head["Referrer-Policy"], head["X-Robots-Tag"]) == ("no-referrer", "noindex")


def test_a_stranger_reads_and_writes_nothing(client, runtime):
    assert client.get(f"/fr/s/{'x' * 43}/messages").status_code == 404
    assert client.post_form(f"/fr/s/{'x' * 43}/messages", {"words": "Bonjour"}).status_code == 404
    assert messages(runtime) == []


def test_a_moderator_answers_on_the_sheet_and_what_was_asked_is_dealt_with(moderator_client, runtime, clip):
    asked = say(runtime, clip, "Une question")
    sheet = moderator_client.get(f"/studio/review/{clip.id}").text
    assert "Une question" in sheet
    assert f'name="answers" value="{asked.id}"' in sheet
    answer = moderator_client.post_form(
        f"/studio/review/{clip.id}/messages",
        {"words": "Une réponse", "at": "0:07", "once": "y", "answers": str(asked.id)},
    )
    assert answer.location == f"/studio/review/{clip.id}#messages"
    told = messages(runtime)
    assert [(one.author, one.at_seconds) for one in told] == [("owner", None), ("moderator", 7.0)]
    assert told[0].seen_at is not None


def test_opening_the_sheet_does_not_count_as_an_answer_and_saying_so_does(moderator_client, runtime, clip):
    asked = say(runtime, clip, "Merci beaucoup")
    moderator_client.get(f"/studio/review/{clip.id}")
    assert messages(runtime)[0].seen_at is None
    moderator_client.post_form(
        f"/studio/review/{clip.id}/messages", {"words": "", "do": "settle", "answers": str(asked.id)}
    )
    assert messages(runtime)[0].seen_at is not None
    assert len(messages(runtime)) == 1


def test_a_refused_answer_comes_back_with_its_words(moderator_client, clip):
    answer = moderator_client.post_form(
        f"/studio/review/{clip.id}/messages", {"words": "Regardez ici", "at": "bientôt", "once": "y"}
    )
    assert answer.status_code == 422
    assert "Regardez ici" in answer.text


def test_the_queue_counts_owners_who_wait_and_lists_them_whatever_the_state(
    moderator_client, runtime, make, clip
):
    shown = make.clip(State.PUBLISHED, title="Déjà en ligne")
    say(runtime, shown, "Quand est-ce que ?")
    say(runtime, shown, "Allô ?")
    page = moderator_client.get("/studio/review").text
    assert "auteur attend une réponse" in page
    listed = moderator_client.get("/studio/review?flag=replies").text
    assert "Déjà en ligne" in listed
    assert "Six heures au col" not in listed
    assert "2 messages attendent" in listed


def test_with_nobody_waiting_the_list_says_so(moderator_client):
    assert "Aucun auteur n’attend de réponse." in moderator_client.get("/studio/review?flag=replies").text


def test_a_moderators_line_goes_with_the_approval_and_comes_back_when_it_is_refused(
    moderator_client, runtime, clip
):
    form = {"version": "1", "title": clip.title, "line": "Quel lever de soleil."}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/approve", form)
    assert answer.status_code == 422
    assert "Quel lever de soleil." in answer.text
    form |= {"check": ["whole", "people", "music", "driving"]}
    assert moderator_client.post_form(f"/studio/review/{clip.id}/approve", form).status_code == 303
    with runtime.read() as session:
        assert session.get_one(Clip, clip.id).state == State.APPROVED


def test_strangers_to_the_studio_are_asked_to_sign_in(client, clip):
    assert client.post_form(f"/studio/review/{clip.id}/messages").location.startswith("/studio/login")


def test_a_program_may_leave_the_line_too(client, runtime, clip, reviewer):
    answer = client.post(
        f"/api/v1/review/{clip.id}/approve",
        json={"version": 1, "words": "Quel lever de soleil."},
        headers=reviewer,
    )
    assert answer.status_code == 200
    with runtime.read() as session:
        assert session.scalars(select(Decision.words)).all() == ["Quel lever de soleil."]


def test_whoever_called_the_letters_off_is_promised_an_answer_here_alone(client, runtime, clip, token):
    with_letters = client.get(f"/fr/s/{token}/messages").text
    assert "vous répond, ici et par e-mail." in with_letters
    with runtime.work() as session:
        owner = session.get_one(Person, clip.owner_id)
        refusals.refuse(session, notices.address_hash(owner.email), "messages")
    assert "vous répond ici." in client.get(f"/fr/s/{token}/messages").text
    client.post_form(f"/fr/s/{token}/messages", {"words": "Bonjour", "once": "x"})
    assert "Vous aurez la réponse ici." in client.get(f"/fr/s/{token}").text
