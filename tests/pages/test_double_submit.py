"""Every form of the site is sent twice: the second press changes nothing and leads where the first one led.

The forms are read from the site itself: a new one that nobody has explained here fails the first test.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from config import ProofSettings
from portal import (
    addresses,
    campaigns,
    editing,
    invitations,
    notices,
    people,
    review,
    short_links,
)
from portal.database import Base, db_now
from portal.edits import EditList
from portal.lifecycle import Actor, ActorKind
from portal.models import (
    Clip,
    ClipLink,
    Consent,
    CutState,
    Invitation,
    Job,
    JobState,
    NoticeState,
    Person,
    Role,
    State,
    SupportCase,
)

PRESS = "p" * 22
GIVEN = {"title_fr": "Votre été", "question_fr": "Où ?", "in_return_fr": "Une carte"}
VTT = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nBonjour\n"
LIST = "email,first_name\nlea@mail.example,Léa\n"
BY = Actor(ActorKind.ADMIN, 1)


class Stage:
    """What a form needs to be there before it is sent."""

    def __init__(self, runtime: Any, make: Any, admin: Any, client: Any, administrator: Any) -> None:
        self.runtime, self.make, self.admin, self.client = runtime, make, admin, client
        self.by = people.actor_of(administrator)

    def clip(self, state: State = State.IN_REVIEW, **more: Any) -> Clip:
        return self.make.clip(state, **more)

    def cut(self, *, is_made: bool = False) -> Clip:
        clip = self.clip()
        with self.runtime.work() as work:
            made = editing.propose(
                work, work.get_one(Clip, clip.id), EditList(start=2.0), by=self.by, seen_version=1
            )
            if is_made:
                made.state, made.seconds, made.width, made.height = CutState.MADE, 10.0, 640, 360
                work.execute(update(Job).where(Job.cut_id == made.id).values(state=JobState.DONE))
        with self.runtime.read() as session:
            return session.get_one(Clip, clip.id)

    def former(self) -> Clip:
        """A clip with a cut that was let go."""
        clip = self.cut()
        with self.runtime.work() as work:
            editing.let_go(work, work.get_one(Clip, clip.id), 2, by=self.by)
        with self.runtime.read() as session:
            return session.get_one(Clip, clip.id)

    def decided(self) -> Clip:
        clip = self.clip()
        with self.runtime.work() as work:
            review.approve(work, work.get_one(Clip, clip.id), by=self.by, seen_version=1)
        return clip

    def failed(self) -> Clip:
        return self.clip(State.FAILED, fail_code="ours_transcode")

    def theme(self) -> int:
        """The one in the middle of five: there are two places either way."""
        return int([self.make.theme(slug) for slug in ("neige", "pluie", "vent", "soleil", "nuit")][2].id)

    def colleague(self) -> int:
        return int(self.make.person("hugo@brand.example", role=Role.MODERATOR, name="Hugo").id)

    def welcome(self) -> str:
        with self.runtime.work() as work:
            person = people.add_staff(
                work, "lea@brand.example", role=Role.MODERATOR, password=None, lang="fr", by=BY
            )
            return people.welcome_link(work, person)

    def letter(self) -> int:
        clip = self.clip()
        with self.runtime.work() as work:
            told = notices.tell(
                work, notices.NoticeKind.REJECTED, work.get_one(Clip, clip.id), occasion="test:1"
            )
            told.state, told.attempt = NoticeState.FAILED, 8
            return told.id

    def case(self) -> int:
        self.admin.post_form(
            f"/studio/review/{self.clip().id}/call", {"words": "La charge", "phone": "", "once": "x"}
        )
        with self.runtime.read() as session:
            return int(session.scalars(select(SupportCase.id)).one())

    def call(self) -> str:
        self.make.campaign("hiver", title="Votre hiver")
        return "/studio/campaigns/hiver"

    def guest(self) -> str:
        self.call()
        with self.runtime.work() as work:
            found = campaigns.by_slug(work, "hiver")
            invitations.take(
                work,
                found,
                LIST.encode(),
                site=self.runtime.settings.site,
                settings=ProofSettings(),
                by=BY,
                keep=True,
            )
            return str(work.scalars(select(Invitation.id)).one())

    def link(self) -> str:
        self.call()
        with self.runtime.work() as work:
            return short_links.add(work, campaigns.by_slug(work, "hiver"), "Lyon", by=BY).code

    def own(self, state: State = State.IN_REVIEW, path: str = "", **more: Any) -> str:
        """An address of the owner's own page of a clip in this state."""
        return f"/fr/s/{self.make.link(self.clip(state, **more))}{path}"

    def inside(self, path: str) -> str:
        """An address of the space of an owner who is signed in, and whose one clip is public."""
        owner = self.make.person("lea@mail.example")
        clip = self.clip(State.PUBLISHED, owner=owner, consents=("site", "adult", "social"))
        self.client.post_form(self.entrance(owner))
        return path.format(clip=clip.id)

    def ended_use(self) -> str:
        clip = self.clip(State.PUBLISHED, consents=("site", "adult", "ads"))
        with self.runtime.work() as work:
            work.execute(update(Consent).where(Consent.purpose == "ads").values(revoked_at=db_now(work)))
        return f"/studio/uses/{clip.id}/ads"

    def farewell(self) -> str:
        key = self.runtime.settings.site.secret_key
        return f"/fr/u/{addresses.refusal_token(notices.address_hash('lea@mail.example'), 'thanks', key=key)}"

    def entrance(self, owner: Any = None) -> str:
        found = owner or self.make.person()
        with self.runtime.work() as work:
            return f"/fr/me/enter/{people.enter_link(work, work.get_one(Person, found.id))}"

    def mailed(self, path: str) -> str:
        """An address that its owner can only have from a letter."""
        url = self.own(State.PROCESSING)
        with self.runtime.work() as work:
            owner = work.scalars(select(Clip.owner_id)).one()
            work.execute(update(ClipLink).values(mailed_to_id=owner))
        return url + path


Form = Callable[[Stage], tuple[str, dict[str, Any]]]
ALL_CHECKED = ["whole", "people", "music", "driving"]
STUDIO: dict[str, Form] = {
    "people.language": lambda _: ("/studio/language", {"code": "en"}),
    "people.accept": lambda s: (f"/studio/welcome/{s.welcome()}", {"password": "une longue phrase", "again": "une longue phrase"}),
    "review.claim": lambda s: (f"/studio/review/{s.clip().id}/claim", {}),
    "review.edit": lambda s: (f"/studio/review/{s.clip().id}/edit", {"version": 1, "title": "Neuf"}),
    "review.note": lambda s: (f"/studio/review/{s.clip().id}/note", {"words": "Plaque ?"}),
    "review.approve": lambda s: (
        f"/studio/review/{s.clip().id}/approve", {"version": 1, "title": "Neuf", "check": ALL_CHECKED}
    ),
    "review.decide": lambda s: (
        f"/studio/review/{s.clip().id}/reject", {"version": 1, "reason": "off_topic", "words": "Ce n’est pas une voiture."}
    ),
    "review.undo": lambda s: (f"/studio/review/{s.decided().id}/undo", {}),
    "review.retry": lambda s: (f"/studio/review/{s.failed().id}/retry", {}),
    "review.reopen": lambda s: (f"/studio/review/{s.clip(State.REJECTED).id}/reopen", {"version": 1}),
    "editing.propose": lambda s: (f"/studio/review/{s.clip().id}/cuts", {"version": 1, "start": "0:02"}),
    "editing.again": lambda s: (f"/studio/review/{(c := s.former()).id}/cuts/2/again", {"version": c.version}),
    "editing.adopt": lambda s: (f"/studio/review/{(c := s.cut(is_made=True)).id}/cuts/2/adopt", {"version": c.version}),
    "editing.let_go": lambda s: (f"/studio/review/{s.cut().id}/cuts/2/let-go", {}),
    "studio_posters.choose": lambda s: (f"/studio/review/{s.clip().id}/poster", {"at": "own", "own_at": "0:05"}),
    "captions_studio.save": lambda s: (
        f"/studio/review/{s.clip().id}/captions", {"tr": "fr", "version": "0", "text": VTT}
    ),
    "studio_thread.answer": lambda s: (f"/studio/review/{s.clip().id}/messages", {"words": "Bonjour", "once": "y"}),
    "studio_support.move": lambda s: (f"/studio/support/{s.case()}/take", {}),
    "studio_support.open_for_owner": lambda s: (
        f"/studio/review/{s.clip().id}/call", {"words": "La charge", "phone": "", "once": "x"}
    ),
    "outbox.again": lambda s: (f"/studio/outbox/{s.letter()}/again", {}),
    "admin.add_theme": lambda _: ("/studio/themes", {"name_fr": "Neige"}),
    "admin.rename_theme": lambda s: (f"/studio/themes/{s.theme()}/rename", {"name_fr": "Grand vent"}),
    "admin.raise_theme": lambda s: (f"/studio/themes/{s.theme()}/up", {}),
    "admin.lower_theme": lambda s: (f"/studio/themes/{s.theme()}/down", {}),
    "admin.retire_theme": lambda s: (f"/studio/themes/{s.theme()}/retire", {}),
    "admin.revive_theme": lambda s: (f"/studio/themes/{s.theme()}/revive", {}),
    "admin.merge_theme": lambda s: (f"/studio/themes/{s.theme()}/merge", {"into": "neige"}),
    "admin.add_person": lambda _: ("/studio/people", {"email": "zoe@brand.example", "role": "moderator"}),
    "admin.new_link": lambda s: (f"/studio/people/{s.colleague()}/link", {}),
    "admin.remove_person": lambda s: (f"/studio/people/{s.colleague()}/remove", {}),
    "campaigns.add": lambda _: ("/studio/campaigns", GIVEN),
    "campaigns.change": lambda s: (s.call(), GIVEN),
    "campaigns.close": lambda s: (f"{s.call()}/close", {}),
    "campaigns.reopen": lambda s: (f"{s.call()}/reopen", {}),
    "guests.take": lambda s: (f"{s.call()}/invitations/import", {"list": LIST, "keep": "1"}),
    "guests.send": lambda s: (s.guest() and "/studio/campaigns/hiver/invitations/send", {}),
    "guests.end": lambda s: (f"/studio/campaigns/hiver/invitations/{s.guest()}/end", {}),
    "guests.add_link": lambda s: (f"{s.call()}/links", {"place": "Lyon"}),
    "guests.end_link": lambda s: (f"/studio/campaigns/hiver/links/{s.link()}/end", {}),
    "levels.raise_level": lambda s: (
        f"/studio/clips/{s.clip().id}/level", {"level": "purchase_proven", "reference": "facture vue"}
    ),
    "uses.stopped": lambda s: (s.ended_use(), {}),
    "wordings.save": lambda _: (
        "/studio/consents/site", {"in": "fr", "sentence": "J’accepte.", "full": "Tout ce que cela veut dire."}
    ),
}  # fmt: skip

# Forms that keep nothing, or that may come as often as somebody likes.
FREE = {
    "downloads.original": "signs a fresh address, with a line each time (tests/pages/test_downloads.py)",
    "downloads.contacts_list": "hands the same list out again, with a line each time",
    "people.sign_in": "signs in again",
    "people.logout": "is out already",
    "campaigns.preview": "keeps nothing",
    "site.scheme": "the same choice in the same cookie",
    "owner.logout": "is out already",
    "owner.language": "the same choice",
    "owner.data": "only reads",
    "owner.send_link": "letters to one address are counted (tests/pages/test_owner.py)",
    "owner.ask_to_erase": "letters to one address are counted",
    "submission.status_write_again": "letters are counted (tests/pages/test_guard_counts.py)",
    "submission.status_fresh_link": "letters are counted",
    "agreements.ask": "a letter a day at most (tests/rules/test_signatures.py)",
    "agreements.hand_on": "shows the same link again",
}

# Owners' and visitors' forms carry no mark of the page: the rules behind them know what was done already.
SAID = {
    "title": "Le col", "first_name": "Nadia", "speech_lang": "fr", "email": "nadia@mail.example", "city": "Lyon",
    "consents.site": "1", "consents.adult": "1",
}  # fmt: skip
OWNERS: dict[str, Form] = {
    "submission.send": lambda s: (
        f"/fr/participate/{s.make.campaign().slug}", SAID | {"token": "t" * 43, "script": "1"}
    ),
    "submission.status_texts": lambda s: (s.own(path="/texts"), SAID),
    "submission.status_answer": lambda s: (s.own(State.CHANGES_REQUESTED, "/answer"), SAID),
    "submission.status_consents": lambda s: (s.own(State.PUBLISHED, "/consents"), {"consents.social": "1"}),
    "submission.status_confirm": lambda s: (s.mailed("/confirm"), {}),
    "withdrawal.withdraw": lambda s: (s.own(State.PUBLISHED, "/withdraw"), {}),
    "withdrawal.restore": lambda s: (s.own(State.WITHDRAWN, "/restore"), {}),
    "withdrawal.erase": lambda s: (s.own(State.WITHDRAWN, "/erase"), {}),
    "captions.save_owners": lambda s: (s.own(path="/captions"), {"tr": "fr", "version": "0", "text": VTT}),
    "thread.write": lambda s: (s.own(path="/messages"), {"words": "Bonjour", "once": "x"}),
    "support.open_own": lambda s: (s.own(path="/call"), {"words": "La charge", "phone": "", "once": "x"}),
    "owner.enter": lambda s: (s.entrance(), {}),
    "owner.letters": lambda s: (s.inside("/fr/me/letters"), {"topics": "thanks"}),
    "owner.revoke": lambda s: (s.inside("/fr/me/clips/{clip}/consents/social/revoke"), {}),
    "farewell.refuse": lambda s: (s.farewell(), {}),
}  # fmt: skip

# What is tried twice by tests that know more of it: file and name.
ELSEWHERE = {
    "submission.status_keep_beginning": "pages/test_cut_off.py::test_the_owner_of_a_cut_off_film_keeps_its_beginning_once",
    "submission.status_open_form": "rules/test_uploads.py::test_a_form_is_found_again_while_its_film_has_not_come",
    "posters.choose": "pages/test_posters.py::test_choosing_twice_leaves_one_open_job",
    "agreements.answer": "rules/test_signatures.py::test_answering_twice_is_answering_once",
    "agreements.renew": "rules/test_terms.py::test_a_second_click_renews_nothing",
    "owner.erase": "rules/test_owners.py::test_asking_twice_to_erase_makes_one_erasure",
    "invitations.again": "rules/test_invitations.py::test_a_fresh_link_goes_to_the_invited_address_once_a_day_and_ends_the_old_one",
    "api.view": "pages/test_views.py::test_a_view_is_counted_once_without_a_cookie_and_the_answer_says_nothing",
}

# Programs say with a key which call is the same one (portal/web/idempotency.py); these need none.
KEYLESS = {
    "companion.create": "the client's own upload id goes on with what is open",
    "companion.complete": "as by the upload call: rules/test_uploads.py",
}

TESTS = Path(__file__).parent.parent


def posts(app: Flask) -> set[str]:
    return {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or set())}


def takes_a_key(view: Any) -> bool:
    """Whether somewhere in this view's wrappings the idempotency of programs stands."""
    while view is not None:
        if view.__code__.co_filename.endswith("idempotency.py"):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def everything(session: Session) -> dict[str, list[str]]:
    """Every row of every table, but the memory of forms itself."""
    session.rollback()
    tables = (table for table in Base.metadata.sorted_tables if table.name != "idempotency_key")
    return {table.name: sorted(map(repr, session.execute(select(table)).all())) for table in tables}


@pytest.fixture
def stage(runtime, make, admin_client, client, administrator):
    return Stage(runtime, make, admin_client, client, administrator)


def test_every_form_of_the_site_is_explained_here(app):
    known = STUDIO.keys() | OWNERS.keys() | FREE.keys() | ELSEWHERE.keys() | KEYLESS.keys()
    by_key = {name for name in posts(app) if takes_a_key(app.view_functions[name])}
    assert posts(app) - known - by_key == set()
    assert known - posts(app) == set()


@pytest.mark.parametrize("named", ELSEWHERE.values())
def test_the_tests_that_are_named_here_exist(named):
    file, _, name = named.partition("::")
    assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("endpoint", STUDIO)
def test_a_form_of_the_studio_sent_twice_is_one_form(admin_client, stage, session, endpoint):
    url, data = STUDIO[endpoint](stage)
    first = admin_client.post_form(url, data | {"press": PRESS})
    assert first.status_code == 303, first.text
    before = everything(session)
    second = admin_client.post_form(url, data | {"press": PRESS})
    assert (second.status_code, second.location) == (303, first.location)
    assert everything(session) == before


@pytest.mark.parametrize("endpoint", OWNERS)
def test_a_form_of_owners_and_visitors_sent_twice_is_one_form(client, stage, session, endpoint):
    url, data = OWNERS[endpoint](stage)
    first = client.post_form(url, data)
    assert first.status_code in (200, 302, 303), first.text
    before = everything(session)
    assert client.post_form(url, data).status_code in (200, 302, 303, 410)
    assert everything(session) == before


def test_the_same_page_with_other_words_is_another_form(admin_client, make, session):
    clip = make.clip()
    for words in ("Plaque ?", "Musique ?"):
        admin_client.post_form(f"/studio/review/{clip.id}/note", {"words": words, "press": PRESS})
    assert len(review.sheet(session, clip.id).notes) == 2


def test_a_form_that_came_back_with_faults_can_be_sent_once_more(admin_client):
    for _ in range(2):
        answer = admin_client.post_form("/studio/themes", {"name_fr": "", "press": PRESS})
        assert answer.status_code == 422


def test_the_second_press_says_what_the_first_one_did(admin_client, app):
    app.test_client_class = type(admin_client)
    data = {"name_fr": "Neige", "press": PRESS}
    admin_client.post_form("/studio/themes", data)
    assert "Thème ajouté." in admin_client.get("/studio/themes").text
    admin_client.post_form("/studio/themes", data)
    assert "Thème ajouté." in admin_client.get("/studio/themes").text


def test_every_form_of_the_studio_carries_the_pages_mark(admin_client, make):
    clip = make.clip()
    for path in (f"/studio/review/{clip.id}", "/studio/themes", "/studio/people", "/studio/campaigns"):
        page = admin_client.get(path).text
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="/studio/[^"]*"', page)
        assert len(set(re.findall(r'name="press" value="([^"]{20,})"', page))) >= len(forms) > 0
