"""The owner's space: in by a letter, out for good; only one's own clips; switches, data, and the way out."""

import io
import re
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import notices, people
from portal.database import db_now
from portal.models import (
    Clip,
    ClipLink,
    Consent,
    CoSignature,
    Notice,
    NoticeState,
    Person,
    Refusal,
    SignatureState,
    SignInLink,
    State,
)
from portal.typography import french


@pytest.fixture
def owner(make):
    return make.person("lea@mail.example")


def enter(client, runtime, person):
    with runtime.work() as session:
        token = people.enter_link(session, session.get_one(Person, person.id))
    assert client.post_form(f"/fr/me/enter/{token}").status_code == 303
    return client


@pytest.fixture
def inside(client, runtime, owner):
    return enter(client, runtime, owner)


# Coming in ---------------------------------------------------------------------------------------------


def test_whoever_asks_learns_nothing_about_whom_we_know(client, owner, session):
    known = client.post_form("/fr/me/login", {"email": "  Lea@mail.example "})
    unknown = client.post_form("/fr/me/login", {"email": "nobody@mail.example"})
    assert (known.status_code, known.location, known.data) == (
        unknown.status_code,
        unknown.location,
        unknown.data,
    )
    letters = session.execute(select(Notice.kind, Notice.person_id, Notice.address).order_by(Notice.id)).all()
    assert [tuple(one) for one in letters] == [("sign_in", owner.id, None), ("sign_in", None, None)]


def test_the_letter_to_nobody_is_dropped_without_a_trace_of_the_address(client, runtime, bells, session):
    client.post_form("/fr/me/login", {"email": "nobody@mail.example"})
    with runtime.work() as writing:
        assert notices.claim_notice(writing, int(bells[-1].subject)) is None
    assert session.scalars(select(Notice.state)).all() == [NoticeState.CANCELLED]


def test_looking_at_the_link_does_not_use_it_up_pressing_the_button_does(client, runtime, owner):
    with runtime.work() as session:
        token = people.enter_link(session, session.get_one(Person, owner.id))
    for _scanner in range(3):
        page = client.get(f"/fr/me/enter/{token}")
        assert page.status_code == 200
        assert owner.email not in page.text
    assert client.post_form(f"/fr/me/enter/{token}").location.endswith("/fr/me")
    assert client.post_form(f"/fr/me/enter/{token}").status_code == 410
    assert client.get(f"/fr/me/enter/{token}").status_code == 410
    assert client.get("/fr/me").status_code == 200


def test_a_link_is_too_old_after_a_quarter_of_an_hour(client, runtime, owner):
    with runtime.work() as session:
        token = people.enter_link(session, session.get_one(Person, owner.id))
        session.execute(update(SignInLink).values(expires_at=db_now(session) - timedelta(seconds=1)))
    assert client.get(f"/fr/me/enter/{token}").status_code == 410
    assert client.post_form(f"/fr/me/enter/{token}").status_code == 410


def test_a_link_for_one_thing_opens_nothing_else(client, runtime, moderator):
    with runtime.work() as session:
        person = session.get_one(Person, moderator.id)
        entering, erasing = people.enter_link(session, person), people.erase_link(session, person)
        welcome = people.welcome_link(session, person)
    assert client.get(f"/studio/welcome/{entering}").status_code == 410
    assert client.post_form(f"/fr/me/erase/{entering}").status_code == 410
    assert client.post_form(f"/fr/me/enter/{erasing}").status_code == 410
    assert client.post_form(f"/fr/me/enter/{welcome}").status_code == 410


def test_coming_in_as_an_owner_opens_no_studio_and_keeps_a_sign_in_to_it(
    client, moderator_client, runtime, moderator
):
    assert enter(client, runtime, moderator).get("/studio/review").status_code == 303
    assert enter(moderator_client, runtime, moderator).get("/studio/review").status_code == 200


def test_the_sign_in_proves_the_address(inside, owner, session):
    assert session.get_one(Person, owner.id).confirmed_at is not None


def test_without_a_sign_in_every_page_leads_to_the_door(client):
    assert client.get("/fr/me").location.endswith("/fr/me/login")
    assert client.get("/fr/me/clips/abcdefghij").location.endswith("/fr/me/login")
    for path in ("data.zip", "erase", "letters", "language", "clips/abcdefghij/consents/ads/revoke"):
        assert client.post_form(f"/fr/me/{path}").location.endswith("/fr/me/login")


def test_signing_out_ends_the_sign_in_and_the_links_it_opened(inside, make, owner, runtime):
    clip = make.clip(State.IN_REVIEW, owner=owner)
    status = inside.get(f"/fr/me/clips/{clip.id}").location
    with inside.session_transaction() as kept:
        carried = kept["owner"]
    inside.post_form("/fr/me/logout")
    with inside.session_transaction() as kept:
        kept["owner"] = carried
    assert inside.get("/fr/me").status_code == 303
    assert inside.get(status).status_code == 404


def test_a_sign_in_ends_after_twelve_hours(inside, runtime):
    with runtime.work() as session:
        session.execute(update(SignInLink).values(expires_at=db_now(session) - timedelta(seconds=1)))
    assert inside.get("/fr/me").status_code == 303


def test_asking_for_too_many_letters_is_refused_alike_for_known_and_unknown(client, owner):
    for address in ("lea@mail.example", "nobody@mail.example"):
        answers = [client.post_form("/fr/me/login", {"email": address}).status_code for _ in range(4)]
        assert answers == [303, 303, 303, 429]


# What is mine ------------------------------------------------------------------------------------------


def test_the_space_of_somebody_without_clips_invites_to_take_part(inside):
    assert "Vous n’avez pas encore envoyé de clip." in inside.get("/fr/me").text


@pytest.mark.parametrize("state", [state for state in State if state != State.ERASED])
def test_the_space_speaks_for_every_state_in_every_language(inside, make, owner, state):
    make.clip(state, owner=owner)
    for lang in ("fr", "en", "de"):
        page = inside.get(f"/{lang}/me")
        assert page.status_code == 200
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "noindex" in page.headers["X-Robots-Tag"]
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page.text)


def test_what_asks_for_the_owner_stands_first(inside, make, owner):
    make.clip(State.PUBLISHED, owner=owner, title="Calme")
    make.clip(State.CHANGES_REQUESTED, owner=owner, title="Pressant")
    make.clip(State.EXPIRED, owner=owner, title="Terminé", consent_until=make.campaign().created_at)
    page = inside.get("/fr/me").text
    assert page.index("Ce qui vous attend") < page.index("Pressant") < page.index("Calme")
    assert french("Un accord est terminé : on continue ?") in page


def test_views_are_told_from_ten_on(inside, make, owner):
    make.clip(State.PUBLISHED, owner=owner, views=9)
    assert "9 vues" not in inside.get("/fr/me").text
    make.clip(State.PUBLISHED, owner=owner, views=10)
    assert "10 vues" in inside.get("/fr/me").text


def test_another_persons_clip_is_not_there(inside, make):
    clip = make.clip(State.PUBLISHED)
    assert clip.title not in inside.get("/fr/me").text
    assert inside.get(f"/fr/me/clips/{clip.id}").status_code == 404
    assert inside.post_form(f"/fr/me/clips/{clip.id}/consents/ads/revoke").status_code == 404


def test_opening_a_clip_ten_times_makes_one_link_that_ends_with_the_sign_in(inside, make, owner, session):
    clip = make.clip(State.PUBLISHED, owner=owner)
    places = {inside.get(f"/fr/me/clips/{clip.id}").location for _ in range(10)}
    assert len(places) == 1
    assert inside.get(places.pop()).status_code == 200
    link = session.scalars(select(ClipLink)).one()
    assert (
        link.expires_at
        == session.scalars(select(SignInLink).where(SignInLink.purpose == "session")).one().expires_at
    )


def test_a_clip_is_taken_back_in_two_clicks_from_the_space(inside, make, owner, session):
    clip = make.clip(State.PUBLISHED, owner=owner)
    confirm = inside.get(f"/fr/me/clips/{clip.id}?to=withdraw").location
    assert french("Retirer votre clip ?") in inside.get(confirm).text
    inside.post_form(confirm)
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN


def test_those_who_have_not_answered_are_named(inside, make, owner, runtime):
    clip = make.clip(State.IN_REVIEW, owner=owner)
    with runtime.work() as session:
        session.add(
            CoSignature(
                id="a" * 32, clip_id=clip.id, name="Paul Martin", state=SignatureState.WAITING,
                created_at=db_now(session),
            )
        )  # fmt: skip
    assert "Paul Martin" in inside.get("/fr/me").text


# Switches ----------------------------------------------------------------------------------------------


def test_one_use_alone_is_stopped_and_the_clip_stays_public(inside, make, owner, session):
    clip = make.clip(State.PUBLISHED, owner=owner, consents=("site", "adult", "social", "ads"))
    for _again in range(2):
        assert inside.post_form(f"/fr/me/clips/{clip.id}/consents/ads/revoke").status_code == 303
    standing = select(Consent.purpose).where(Consent.clip_id == clip.id, Consent.revoked_at.is_(None))
    assert set(session.scalars(standing)) == {"site", "adult", "social"}
    assert session.get_one(Clip, clip.id).state == State.PUBLISHED
    assert "arrêté le" in inside.get("/fr/me").text


def test_the_agreement_without_which_nothing_is_shown_leads_to_taking_the_clip_back(inside, make, owner):
    clip = make.clip(State.PUBLISHED, owner=owner)
    answer = inside.post_form(f"/fr/me/clips/{clip.id}/consents/site/revoke")
    assert answer.location.endswith("?to=withdraw")


def test_letters_are_switched_off_and_on_again(inside, session):
    inside.post_form("/fr/me/letters", {"topics": ["thanks"]})
    assert set(session.scalars(select(Refusal.topic))) == {"invitations", "messages"}
    session.rollback()
    inside.post_form("/fr/me/letters", {"topics": ["thanks", "messages", "invitations", "spam"]})
    assert session.scalars(select(Refusal.topic)).all() == []


def test_the_language_is_kept_for_letters_about_earlier_clips_too(inside, make, owner, session):
    clip = make.clip(State.PUBLISHED, owner=owner)
    assert inside.post_form("/fr/me/language", {"code": "de"}).location.endswith("/de/me")
    assert inside.post_form("/fr/me/language", {"code": "xx"}).location.endswith("/fr/me")
    assert (session.get_one(Person, owner.id).lang, session.get_one(Clip, clip.id).lang) == ("de", "de")


# Data --------------------------------------------------------------------------------------------------


def test_my_data_is_one_archive_of_the_announced_size(inside, make, owner):
    make.clip(State.PUBLISHED, owner=owner, title="Le Galibier", with_objects=True)
    make.clip(State.PUBLISHED, title="Étranger", with_objects=True)
    answer = inside.post_form("/fr/me/data.zip")
    assert answer.headers["Content-Type"] == "application/zip"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as found:
        assert found.testzip() is None
        assert set(found.namelist()) == {
            "index.html",
            "style.css",
            "data.json",
            "clips/01-le-galibier/film-1-original.mp4",
            "clips/01-le-galibier/shown.mp4",
            "clips/01-le-galibier/shown.jpg",
        }
        assert found.read("clips/01-le-galibier/film-1-original.mp4") == b"x" * 1000
        page = found.read("index.html").decode()
    assert all(f'<section id="{lang}" lang="{lang}">' in page for lang in ("fr", "en", "de"))
    assert "Étranger" not in page
    assert "http" not in re.sub(r"(?s)<article>.*?</article>", "", page)


def test_the_archive_is_limited_for_each_person(inside):
    answers = [inside.post_form("/fr/me/data.zip").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_erasing_everything_needs_a_letter_and_a_last_button(inside, make, owner, runtime, session):
    clip = make.clip(State.PUBLISHED, owner=owner)
    inside.post_form("/fr/me/erase")
    assert session.scalars(select(Notice.kind)).all() == ["erase_confirm"]
    assert session.get_one(Clip, clip.id).state == State.PUBLISHED
    session.rollback()
    with runtime.work() as writing:
        token = people.erase_link(writing, writing.get_one(Person, owner.id))
    assert french("Tout effacer, pour de bon ?") in inside.get(f"/fr/me/erase/{token}").text
    assert inside.post_form(f"/fr/me/erase/{token}").status_code == 200
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN
    assert inside.post_form(f"/fr/me/erase/{token}").status_code == 410
    assert inside.get("/fr/me").status_code == 303


def test_staff_who_are_owners_are_told_that_their_account_stays(client, runtime, moderator):
    enter(client, runtime, moderator)
    assert "Votre compte dans l’atelier reste" in client.get("/fr/me").text
