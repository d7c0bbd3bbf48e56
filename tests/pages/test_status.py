"""The owner's page of one clip: promised times, versions side by side, sharing, and what asks for the mailbox first."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import cuts, desk, people, submission, withdrawal
from portal.i18n import format_date, format_datetime
from portal.models import Campaign, Clip, Cut, CutState, Job, Message, Person, Reason, State
from portal.typography import french


def ready_anew(runtime, make, clip):
    """The owner has sent another film, and it is made."""
    film = make.film(clip, is_ready=True)
    about = {"clip_id": clip.id, "film_id": film.id, "number": 2, "created_at": film.received_at}
    with runtime.work() as session:
        session.execute(update(Cut).where(Cut.clip_id == clip.id).values(state=CutState.SUPERSEDED))
        session.add(Cut(id=film.id, state=CutState.ADOPTED, **about))
        session.execute(update(Clip).where(Clip.id == clip.id).values(film_id=film.id, cut_id=film.id))


def test_the_promised_answer_is_the_calls_own_and_skips_weekends(client, link, runtime):
    clip, token = link(State.IN_REVIEW)
    with runtime.work() as session:
        session.execute(update(Campaign).values(answer_days=5))
    due = desk.promised_by(clip.state_since, working_days=5)
    assert f"le {format_date(due)} au plus tard" in client.get(f"/fr/s/{token}").text


def test_while_a_new_version_is_made_the_old_one_can_be_watched(client, link, make):
    shown, token = link(State.CHANGES_REQUESTED, with_objects=True)
    make.film(shown)
    page = client.get(f"/fr/s/{token}").text
    assert "La version d’avant" in page
    assert 'id="earlier"' in page


def test_while_a_new_version_waits_both_can_be_watched_and_the_old_files_stay(
    client, link, make, runtime, session
):
    clip, token = link(State.IN_REVIEW, with_objects=True)
    ready_anew(runtime, make, clip)
    assert 'id="earlier"' in client.get(f"/fr/s/{token}").text
    assert cuts.to_drop(session) == []
    session.rollback()
    with runtime.work() as writing:
        writing.execute(update(Clip).values(state=State.APPROVED))
    assert [cut.number for cut, _keys in cuts.to_drop(session)] == [1]


def test_a_clip_with_one_film_has_one_player(client, link):
    _clip, token = link(State.IN_REVIEW)
    assert client.get(f"/fr/s/{token}").text.count("<clip-player") == 1


def test_a_live_clip_can_be_shared_and_its_views_are_told_from_ten_on(client, link):
    clip, token = link(State.PUBLISHED, views=9)
    page = client.get(f"/fr/s/{token}").text
    assert f'data-copy="http://portal.test/fr/c/{clip.id}-' in page
    assert 'data-share="Six heures, le Galibier pour nous seuls"' in page
    assert "Vu 9 fois" not in page
    _clip, token = link(State.PUBLISHED, views=12)
    assert "Vu 12 fois" in client.get(f"/fr/s/{token}").text


@pytest.mark.parametrize("state", [State.APPROVED, State.PUBLISHED])
def test_once_it_is_accepted_the_page_says_where_to_ask_for_a_correction(client, link, state):
    _, token = link(state)
    page = client.get(f"/fr/s/{token}").text
    assert french("Un mot à corriger ?") + ' <a href="#messages">Écrivez-nous</a>' in page
    assert 'id="messages"' in page


def test_the_page_says_until_when_its_link_opens_it(client, link, session):
    _clip, token = link(State.IN_REVIEW)
    until = submission.link_until(session, token)
    assert f"sans mot de passe, jusqu’au {format_date(until)}" in client.get(f"/fr/s/{token}").text


def test_the_team_can_be_asked_to_blur_it(client, link, make, session):
    clip, token = link(State.CHANGES_REQUESTED)
    make.decision(clip, "request_changes", Reason(code="plate", at_seconds=7.4))
    assert "Demander à l’équipe de s’en charger" in client.get(f"/fr/s/{token}").text
    asked = {"words": "Pouvez-vous couper ou flouter ce passage pour moi ?", "once": "a" * 43}
    for _again in range(2):
        client.post_form(f"/fr/s/{token}/messages", asked)
    assert session.scalars(select(Message.author)).all() == ["owner"]


def test_a_withdrawn_clip_says_when_it_is_erased(client, link, runtime, session):
    clip, token = link(State.PUBLISHED)
    client.post_form(f"/fr/s/{token}/withdraw")
    since = session.get_one(Clip, clip.id).state_since
    assert format_datetime(since + timedelta(hours=24)) in client.get(f"/fr/s/{token}").text


def test_erasing_without_waiting_needs_the_mailbox(client, link, runtime, session):
    clip, token = link(State.WITHDRAWN)
    assert client.post_form(f"/fr/s/{token}/erase").location.endswith("/fr/me/login")
    assert session.scalars(select(Job)).all() == []
    session.rollback()
    with runtime.work() as writing:
        entering = people.enter_link(writing, writing.get_one(Person, clip.owner_id))
    client.post_form(f"/fr/me/enter/{entering}")
    assert "/s/" in client.post_form(f"/fr/s/{token}/erase").location
    assert [job.kind for job in session.scalars(select(Job))] == ["erase"]


def test_signed_in_as_somebody_else_erases_nothing_without_waiting(client, link, runtime, make, session):
    clip, token = link(State.WITHDRAWN)
    stranger = make.person()
    with runtime.work() as writing:
        entering = people.enter_link(writing, writing.get_one(Person, stranger.id))
    client.post_form(f"/fr/me/enter/{entering}")
    assert client.post_form(f"/fr/s/{token}/erase").location.endswith("/fr/me/login")
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN


def test_a_receipt_is_read_by_its_number_and_says_nothing_of_its_owner(client, link, runtime):
    clip, _token = link(State.WITHDRAWN, title="Le Galibier", first_name="Nadia")
    with runtime.work() as session:
        receipt = withdrawal.erased(session, session.get_one(Clip, clip.id), by=withdrawal.CLOCK)
    for lang in ("fr", "en", "de"):
        page = client.get(f"/{lang}/receipt/{receipt.id}")
        assert page.status_code == 200
    page = client.get(f"/fr/receipt/{receipt.id}")
    assert "il ne reste rien" in page.text
    assert "Galibier" not in page.text
    assert "Nadia" not in page.text
    assert client.get(f"/fr/receipt/{'0' * 32}").status_code == 404
