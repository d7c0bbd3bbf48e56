"""Persons: who is found, who gets in, who goes, and what tokens open."""

import time
from datetime import timedelta

import pytest

from portal import people
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, NotAllowed, Unacceptable
from portal.lifecycle import Actor, ActorKind
from portal.models import Role, SignInLink

BY = Actor(ActorKind.ADMIN, 1)
LONG = "une longue phrase à moi"


def add(runtime, email, role=Role.MODERATOR, password=LONG):
    with runtime.work() as session:
        return people.add_staff(session, email, role=role, password=password, lang="fr", by=BY)


def test_an_owner_is_found_again_whatever_the_case(runtime):
    with runtime.work() as session:
        first = people.person_for_email(session, "Nadia@Mail.Example ", lang="fr")
        assert people.person_for_email(session, "nadia@mail.example", lang="de").id == first.id
        assert (first.role, first.lang) == (Role.OWNER, "fr")


@pytest.mark.parametrize(
    "email", ["", "nadia", "nadia@", "@mail.example", "na dia@mail.example", "a@b..c", "a@mail"]
)
def test_what_is_no_address_is_refused(runtime, email):
    with pytest.raises(Unacceptable) as caught, runtime.work() as session:
        people.person_for_email(session, email, lang="fr")
    assert caught.value.code == Code.WRONG_EMAIL


def test_a_member_of_staff_signs_in_with_the_password(runtime, session):
    person = add(runtime, "ines@brand.example")
    assert people.authenticate(session, " Ines@Brand.example", LONG).id == person.id


@pytest.mark.parametrize("email", ["ines@brand.example", "nobody@brand.example"])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(runtime, session, email):
    add(runtime, "ines@brand.example")
    with pytest.raises(NotAllowed) as caught:
        people.authenticate(session, email, "une autre phrase")
    assert caught.value.code == Code.WRONG_SIGN_IN


def test_an_unknown_address_takes_as_long_as_a_wrong_password(runtime, session):
    add(runtime, "ines@brand.example")

    def taken(email):
        start = time.thread_time()
        with pytest.raises(NotAllowed):
            people.authenticate(session, email, "une autre phrase")
        return time.thread_time() - start

    # In turns: what else the machine does slows down both, and the quickest of each is the least disturbed.
    unknown, known = zip(
        *((taken("nobody@brand.example"), taken("ines@brand.example")) for _ in range(5)), strict=True
    )
    assert min(unknown) > 0.6 * min(known)


def test_an_owner_cannot_sign_in(runtime, session, make):
    owner = make.person("nadia@mail.example")
    with runtime.work() as work:
        people.set_password(work, work.merge(owner), LONG, by=BY)
    with pytest.raises(NotAllowed):
        people.authenticate(session, "nadia@mail.example", LONG)


def test_a_short_password_is_refused(runtime):
    with pytest.raises(Unacceptable) as caught:
        add(runtime, "ines@brand.example", password="kurz")
    assert caught.value.fields == {"password": Code.TOO_SHORT}


def test_nobody_is_added_twice(runtime):
    add(runtime, "ines@brand.example")
    with pytest.raises(Conflict):
        add(runtime, "ines@brand.example")


def test_an_owner_can_become_staff(runtime, make):
    owner = make.person("nadia@mail.example")
    assert add(runtime, "nadia@mail.example").id == owner.id


def test_a_removed_person_is_out_at_once(runtime, session):
    add(runtime, "ada@brand.example", Role.ADMIN)
    person = add(runtime, "ines@brand.example")
    token = person.session_token
    with runtime.work() as work:
        people.remove_staff(work, person.id, by=BY)
    assert people.by_session_token(session, token) is None
    with pytest.raises(NotAllowed):
        people.authenticate(session, "ines@brand.example", LONG)
    assert [one.email for one in people.staff(session)] == ["ada@brand.example"]


def test_a_removed_person_can_come_back(runtime, session):
    person = add(runtime, "ines@brand.example")
    with runtime.work() as work:
        people.remove_staff(work, person.id, by=BY)
    assert add(runtime, "ines@brand.example").id == person.id
    assert people.authenticate(session, "ines@brand.example", LONG).id == person.id


def test_the_last_administrator_stays(runtime):
    last = add(runtime, "ada@brand.example", Role.ADMIN)
    add(runtime, "ines@brand.example")
    with pytest.raises(Conflict) as caught, runtime.work() as session:
        people.remove_staff(session, last.id, by=BY)
    assert caught.value.code == Code.LAST_ADMINISTRATOR


def test_a_new_password_ends_every_session(runtime, session):
    person = add(runtime, "ines@brand.example")
    before = person.session_token
    with runtime.work() as work:
        people.set_password(work, work.merge(person), "encore une autre phrase", by=BY)
    assert people.by_session_token(session, before) is None


def test_a_first_sign_in_link_sets_the_password_once(runtime, session):
    person = add(runtime, "ines@brand.example", password=None)
    with runtime.work() as work:
        token = people.welcome_link(work, work.merge(person))
    with runtime.work() as work:
        people.accept_welcome(work, token, LONG)
    assert people.authenticate(session, "ines@brand.example", LONG).id == person.id
    with pytest.raises(Missing), runtime.work() as work:
        people.accept_welcome(work, token, LONG)


def test_a_first_sign_in_link_is_kept_as_a_hash_only(runtime, session):
    person = add(runtime, "ines@brand.example", password=None)
    with runtime.work() as work:
        token = people.welcome_link(work, work.merge(person))
    (link,) = session.query(SignInLink).all()
    assert link.token_hash == people.hash_token(token)
    assert link.expires_at - db_now(session) > timedelta(days=6, hours=23)


def test_a_first_sign_in_link_ends(runtime, session):
    person = add(runtime, "ines@brand.example", password=None)
    with runtime.work() as work:
        token = people.welcome_link(work, work.merge(person), days=0)
    with pytest.raises(Missing):
        people.by_welcome_link(session, token)


def test_a_newer_link_ends_the_older(runtime, session):
    person = add(runtime, "ines@brand.example", password=None)
    with runtime.work() as work:
        older = people.welcome_link(work, work.merge(person))
        people.welcome_link(work, work.merge(person))
    with pytest.raises(Missing):
        people.by_welcome_link(session, older)


def test_a_programs_key_is_found_until_it_is_revoked(runtime, session):
    with runtime.work() as work:
        token, plain = people.add_token(work, "montage", {"read", "submit"})
    assert token.scopes == "read submit"
    assert people.by_token(session, plain).id == token.id
    with runtime.work() as work:
        people.revoke_token(work, token.id)
    session.rollback()
    assert people.by_token(session, plain) is None


def test_a_key_with_an_unknown_scope_is_refused(runtime):
    with pytest.raises(Unacceptable), runtime.work() as session:
        people.add_token(session, "montage", {"everything"})


def test_roles_say_who_may_do_what(make):
    owner, moderator, admin = make.person(), make.person(role=Role.MODERATOR), make.person(role=Role.ADMIN)
    assert [people.may_review(one) for one in (owner, moderator, admin)] == [False, True, True]
    assert [people.may_administer(one) for one in (owner, moderator, admin)] == [False, False, True]
