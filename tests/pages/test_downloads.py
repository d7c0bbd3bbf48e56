"""What administrators take along: owners who agreed to be written to, films as they were sent."""

import csv
import io
import re
from datetime import timedelta
from urllib.request import urlopen

import pytest
from sqlalchemy import select, update

from portal import i18n, lifecycle, people, refusals, retention, review
from portal.database import db_now
from portal.lifecycle import Actor, ActorKind
from portal.models import AuditEvent, Clip, Consent, Film, Person, State, Upload, UploadState
from portal.notices import address_hash
from portal.storage import Bucket
from portal.web.words import verb_word

LIST = "/studio/clips/contacts.csv"
AGREED = ("site", "adult", "contact")


def events(session, verb):
    session.rollback()
    return session.scalars(select(AuditEvent).where(AuditEvent.verb == verb)).all()


def rows_of(answer):
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


# Owners who agreed ---------------------------------------------------------------------------------------


def test_clips_are_listed_by_what_their_owners_agree_to_now(moderator_client, make, runtime):
    make.clip(State.PUBLISHED, title="Oui", consents=(*AGREED, "ads"))
    make.clip(State.PUBLISHED, title="Sans")
    make.clip(State.WITHDRAWN, title="Parti", consents=(*AGREED, "ads"))
    taken_back = make.clip(State.PUBLISHED, title="Repris", consents=(*AGREED, "ads"))
    with runtime.work() as session:
        ads = (Consent.clip_id == taken_back.id, Consent.purpose == "ads")
        session.execute(update(Consent).where(*ads).values(revoked_at=db_now(session)))

    def shown(query):
        page = moderator_client.get(f"/studio/clips{query}").text
        return {title for title in ("Oui", "Sans", "Parti", "Repris") if f">{title}<" in page}

    assert shown("?use=ads") == {"Oui"}
    assert shown("?use=contact") == {"Oui", "Repris"}
    assert shown("?use=social") == set()
    assert shown("?use=nonsense") == {"Oui", "Sans", "Parti", "Repris"}
    assert '<option value="ads" selected>' in moderator_client.get("/studio/clips?use=ads").text


def test_the_next_page_is_of_the_same_use(moderator_client, make):
    for _ in range(51):
        make.clip(State.PUBLISHED, consents=AGREED)
    make.clip(State.PUBLISHED)
    page = moderator_client.get("/studio/clips?use=contact").text
    assert re.search(r'href="/studio/clips\?page=2&amp;use=contact"', page)
    assert "51 clips" in page


def test_the_list_holds_each_owner_who_may_be_written_to_once(admin_client, make, runtime):
    def owner(email, state=State.PUBLISHED, *, consents=AGREED, is_confirmed=True, **columns):
        person = make.person(email, is_confirmed=is_confirmed)
        return make.clip(state, owner=person, consents=consents, **columns)

    noon = make.clip(State.PUBLISHED).published_at
    nadia = make.person("nadia@mail.example")
    for name, day in (("Nadja", 2), ("Nadia", 1)):
        published = noon - timedelta(days=day - 1)
        make.clip(
            State.PUBLISHED, owner=nadia, consents=AGREED, first_name=name, lang="de", published_at=published
        )
    owner("+lea@mail.example", first_name="=Léa", published_at=noon - timedelta(days=9))
    owner("without@mail.example", consents=("site", "adult"))
    for state in (State.WITHDRAWN, State.EXPIRED, State.ERASED, State.IN_REVIEW):
        owner(f"{state.value}@mail.example", state)
    owner("over@mail.example", consent_until=noon - timedelta(hours=1))
    owner("unconfirmed@mail.example", is_confirmed=False)
    owner("unvouched@mail.example", is_vouched=False)
    back = owner("back@mail.example")
    forgotten = owner("forgotten@mail.example")
    for topic in ("invitations", "thanks", "messages"):
        owner(f"{topic}@mail.example")
    with runtime.work() as session:
        session.execute(
            update(Consent)
            .where(Consent.clip_id == back.id, Consent.purpose == "contact")
            .values(revoked_at=db_now(session))
        )
        people.forget(session, session.get_one(Person, forgotten.owner_id))
        for topic in ("invitations", "thanks", "messages"):
            refusals.refuse(session, address_hash(f"{topic}@mail.example"), topic)
    answer = admin_client.post_form(LIST)
    assert rows_of(answer) == [
        {"email": "nadia@mail.example", "first_name": "Nadia", "language": "de"},
        {"email": "'+lea@mail.example", "first_name": "'=Léa", "language": "fr"},
    ]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "attachment" in answer.headers["Content-Disposition"]


def test_the_list_is_what_a_call_reads_and_each_taking_is_written_down(admin_client, make, session):
    make.campaign("hiver", title="Votre hiver")
    make.clip(
        State.PUBLISHED, owner=make.person("+lea@mail.example"), consents=AGREED, first_name="=Léa", lang="de"
    )
    assert "dernière fois" not in admin_client.get("/studio/clips?use=contact").text
    taken = admin_client.post_form(LIST).get_data().decode()
    report = admin_client.post_form(
        "/studio/campaigns/hiver/invitations/import", {"list": taken, "keep": "1"}
    )
    assert report.status_code == 303
    page = admin_client.get("/studio/campaigns/hiver/invitations").text
    assert ">+lea@mail.example<" in page
    assert ">=Léa<" in page
    (line,) = events(session, "contacts_taken")
    assert (line.clip_id, line.actor_kind, line.detail) == (None, "admin", {"people": 1})
    assert "par Ada L." in admin_client.get("/studio/clips?use=contact").text


def test_where_nobody_agreed_a_sentence_says_so_and_nothing_is_written_down(admin_client, session):
    answer = admin_client.post_form(LIST)
    assert (answer.status_code, answer.location) == (303, "/studio/clips?use=contact")
    assert "Personne n’est à recontacter" in admin_client.get(answer.location).text
    assert events(session, "contacts_taken") == []


# Films as they were sent ---------------------------------------------------------------------------------


def address(clip):
    return f"/studio/review/{clip.id}/original"


def test_a_moderator_takes_nothing_along(moderator_client, make, session):
    clip = make.clip(State.PUBLISHED, with_objects=True, consents=AGREED)
    for path in (LIST, address(clip)):
        assert moderator_client.post_form(path).status_code == 403
    assert LIST not in moderator_client.get("/studio/clips?use=contact").text
    assert address(clip) not in moderator_client.get(f"/studio/review/{clip.id}").text
    assert [*events(session, "contacts_taken"), *events(session, "original_taken")] == []


def test_an_administrator_saves_the_original_under_a_name_that_tells_of_nobody(
    admin_client, make, runtime, session
):
    clip = make.clip(with_objects=True)
    with runtime.work() as work:
        film = work.get_one(Film, clip.film_id)
        now = db_now(work)
        work.add(
            Upload(
                id="u" * 32, clip_id=clip.id, state=UploadState.ACCEPTED, storage_id="s", key=film.key,
                filename="Nadia à Grenoble.MOV", content_type="video/quicktime", size_bytes=1000, part_size=1,
                part_count=1, created_at=now, changed_at=now, last_seen_at=now, expires_at=now,
            )
        )  # fmt: skip
    assert f'action="{address(clip)}"' in admin_client.get(f"/studio/review/{clip.id}").text
    answer = admin_client.post_form(address(clip))
    assert answer.status_code == 303
    assert "X-Amz-Expires=600" in answer.location
    with urlopen(answer.location, timeout=10) as film:
        assert film.read() == b"x" * 1000
        assert film.headers["Content-Disposition"] == f'attachment; filename="{clip.id}.mov"'
    (line,) = events(session, "original_taken")
    assert (line.clip_id, line.actor_kind) == (clip.id, "admin")
    # Whoever decides has missed nothing.
    assert line.clip_version == clip.version == session.get_one(Clip, clip.id).version
    words = set()
    for lang in ("fr", "en", "de"):
        with i18n.language(lang):
            words.add(verb_word("original_taken"))
    assert "original_taken" not in words
    assert "Vidéo d’origine téléchargée" in admin_client.get(f"/studio/review/{clip.id}").text


def test_pressing_again_later_signs_a_fresh_address(admin_client, make, session):
    clip = make.clip(with_objects=True)
    for _ in range(2):
        assert "X-Amz" in admin_client.post_form(address(clip), {"press": "p" * 22}).location
    assert len(events(session, "original_taken")) == 2


@pytest.mark.parametrize("why", ["no film", "deleted", "replaced", "withdrawn"])
def test_without_an_original_a_sentence_says_so(admin_client, make, runtime, session, why):
    state = {"no film": State.DRAFT, "withdrawn": State.WITHDRAWN}.get(why, State.IN_REVIEW)
    clip = make.clip(state, with_objects=why == "withdrawn")
    if why == "replaced":
        with runtime.work() as work:
            film = work.get_one(Film, clip.film_id)
            film.erased_at = db_now(work)
            runtime.storage.put(Bucket.ORIGINALS, film.key, b"x", content_type="video/mp4")
    answer = admin_client.post_form(address(clip))
    assert (answer.status_code, answer.location) == (303, f"/studio/review/{clip.id}")
    assert "de vidéo d’origine à télécharger." in admin_client.get(answer.location).text
    assert events(session, "original_taken") == []


def test_a_program_of_administrators_is_given_the_same_address(client, make, session):
    clip = make.clip(with_objects=True)
    path = f"/api/v1/review/{clip.id}/original"
    assert client.post(path, headers=make.bearer("review"), json={}).status_code == 403
    told = client.post(path, headers=make.bearer("admin"), json={}).json
    assert (told["name"], told["seconds"]) == (f"{clip.id}.mp4", 600)
    with urlopen(told["url"], timeout=10) as film:
        assert film.read() == b"x" * 1000
    (line,) = events(session, "original_taken")
    assert line.actor_kind == "program"
    none = client.post(
        f"/api/v1/review/{make.clip(State.DRAFT).id}/original", headers=make.bearer("admin"), json={}
    )
    assert (none.status_code, none.json["code"]) == (404, "original_gone")


def test_what_a_program_took_along_is_kept_no_longer_for_that(make, runtime, session):
    clip = make.clip(State.REJECTED)
    make.age(clip, timedelta(days=31))
    with runtime.work() as work:
        by = Actor(ActorKind.PROGRAM, 1)
        lifecycle.witness(work, work.get_one(Clip, clip.id), "original_taken", by=by)
    over = select(Clip.id).where(retention.is_over(session, retention.KEPT))
    assert session.scalars(over).all() == [clip.id]
    assert retention.erased_on(session, review.clip_by_id(session, clip.id)) < db_now(session)
