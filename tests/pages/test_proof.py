"""The proof of a clip on one page, and what of it the owner's archive holds."""

import io
import json
import re
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import captions, consent, my_data, people, review, signatures, support, terms, thread
from portal.database import db_now
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Clip, CoSignature, Person, State
from portal.review import GivenReason, ReasonCode
from portal.signatures import Named
from portal.typography import french

KEY = "a secret key for tests, long enough"
BY = Actor(ActorKind.MODERATOR)


@pytest.fixture
def asked(runtime, make):
    """People named for a clip in review, and each one's link by name."""

    def ask(*named, **columns):
        clip = make.clip(State.IN_REVIEW, **columns)
        with runtime.work() as session:
            held = session.get_one(Clip, clip.id)
            signatures.declare(session, held, named)
            links = {
                row.name: f"/fr/a/{signatures.open_link(session, row, key=KEY)}"
                for row in signatures.of(session, held)
            }
        return clip, links

    return ask


def respond(client, url, answer, **more):
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', client.get(url).text)
    form = {"answer": answer, "seen": seen[1] if seen else "", **more}
    assert client.post_form(url, form).status_code == 303


def proof_of(moderator_client, clip):
    return moderator_client.get(f"/studio/clips/{clip.id}/proof").text


def test_the_proof_names_the_guardian_and_the_text_for_a_minor(client, moderator_client, asked):
    clip, links = asked(Named("Léo", is_minor=True))
    respond(client, links["Léo"], "agree", guardian="Nadia Haddad")
    page = proof_of(moderator_client, clip)
    for words in ("Léo</bdi></b>, mineur", "Nadia Haddad", "Je suis le parent ou le responsable légal"):
        assert words in page


def test_the_proof_tells_a_mailed_link_from_one_that_was_handed_on(client, moderator_client, asked):
    clip, links = asked(Named("Malik", "malik@mail.example"), Named("Ada"))
    for link in links.values():
        respond(client, link, "agree")
    page = proof_of(moderator_client, clip)
    assert re.search(r"par e-mail, <bdi>malik@mail\.example</bdi>", page)
    assert page.count("par un lien transmis par l’auteur") == 1


def test_the_proof_keeps_the_yes_that_came_before_a_no(client, moderator_client, asked):
    clip, links = asked(Named("Malik"))
    respond(client, links["Malik"], "agree")
    respond(client, links["Malik"], "refuse")
    page = proof_of(moderator_client, clip)
    assert re.search(r"Malik</bdi></b>, refuse", page)
    answers = re.findall(r"<li>(d’accord|refuse)\n", page)
    assert answers == ["d’accord", "refuse"]
    assert page.count("127.0.0.0/24") == 2
    assert "j’accepte de paraître dans ce clip" in page


def test_the_proof_tells_who_was_named_and_left_out(client, moderator_client, runtime, asked):
    clip, links = asked(Named("Malik"))
    with runtime.work() as session:
        signatures.declare(session, session.get_one(Clip, clip.id), [])
    page = proof_of(moderator_client, clip)
    assert "Retiré·e de la liste" in page
    assert "Une personne déjà interrogée a été retirée de la liste, <bdi>Malik</bdi>" in page
    sheet = moderator_client.get(f"/studio/review/{clip.id}").text
    assert french("Nommé·e puis retiré·e de la liste : Malik, sans réponse.") in sheet
    assert "Votre nom n’est plus sur la liste de son auteur." in client.get(links["Malik"]).text


def test_the_proof_tells_a_renewal_from_a_refusal_and_words_of_a_calls_own(moderator_client, runtime, make):
    make.campaign(term_months=6)
    clip = make.clip(State.PUBLISHED, consents=())
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        consent.give(session, held, {"site", "adult", "ads"}, lang="fr", via="site", brand="Solène")
        consent.revoke(session, held, "ads", by=OWNER)
    with runtime.work() as session:
        held, soon = session.get_one(Clip, clip.id), db_now(session) + timedelta(days=9)
        consent.standing(session, held)["site"].until = soon
        session.flush()
        assert terms.renew(session, held, by=OWNER, via="site", brand="Solène")
    page = proof_of(moderator_client, clip)
    assert page.count("remplacé par l’accord renouvelé") == 1
    assert page.count("retiré par l’auteur") == 1
    assert "propre à l’appel quotidien" in page
    assert "pendant 6 mois" in page


# The owner's archive -------------------------------------------------------------------------------------


@pytest.fixture
def archive(runtime, session):
    """The data and the page of somebody's archive."""

    def gather(person):
        found = my_data.gather(
            session, runtime.storage, session.get_one(Person, person.id), site=runtime.settings.site, say=str,
            now=db_now(session),
        )  # fmt: skip
        whole = io.BytesIO(b"".join(found.stream(runtime.storage)))
        with zipfile.ZipFile(whole) as opened:
            names = opened.namelist()
            return json.loads(opened.read("data.json")), opened.read("index.html").decode(), names

    return gather


def test_the_archive_holds_captions_messages_decisions_calls_and_history(runtime, make, moderator, archive):
    clip = make.clip(State.IN_REVIEW, title="Le Galibier", altered=True, with_objects=True)
    by = people.actor_of(moderator)
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        captions.replace(
            session, held, "fr", "WEBVTT\n\n00:01.000 --> 00:02.000\nOn part à six heures\n", by=by,
            seen_version=0, states=frozenset(State),
        )  # fmt: skip
        thread.add(session, held, "Bonjour, une question", author=OWNER)
        support.open_case(
            session, held, words="Appelez-moi", phone="0612345678", by=OWNER, support="x@brand.example",
            default_lang="fr",
        )  # fmt: skip
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        reason = GivenReason(ReasonCode.PLATE, 7.0, "On lit la plaque")
        review.request_changes(session, held, [reason], by=by, seen_version=held.version)
    data, page, names = archive(clip_owner(runtime, clip))
    (told,) = data["clips"]
    assert [one["words"] for one in told["messages"]] == ["Bonjour, une question"]
    assert [(one["verb"], one["reasons"][0]["words"]) for one in told["decisions"]] == [
        ("request_changes", "On lit la plaque")
    ]
    assert [one["phone"] for one in told["calls"]] == ["0612345678"]
    assert "request_changes" in [one["verb"] for one in told["history"]]
    assert any(name.endswith("captions-fr.vtt") for name in names)
    assert told["texts"]["altered"] is True
    for words in (
        "Bonjour, une question",
        "On lit la plaque",
        "Appelez-moi",
        "0:07",
        "modifiés par une machine",
    ):
        assert words in page


def clip_owner(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Person, clip.owner_id)


def test_of_the_others_the_archive_holds_what_they_answered_and_not_from_where(
    client, runtime, asked, archive
):
    clip, links = asked(Named("Malik", "malik@mail.example"))
    client.environ_base["HTTP_USER_AGENT"] = "Phone/1"
    respond(client, links["Malik"], "agree")
    data, page, _names = archive(clip_owner(runtime, clip))
    ((malik,),) = [one["people"] for one in data["clips"]]
    assert (malik["name"], malik["email"], malik["state"]) == ("Malik", "malik@mail.example", "agreed")
    assert malik["answers"][0]["trace"] == {"link": "", "address": "", "agent": ""}
    assert "Phone/1" not in json.dumps(data)
    assert "Malik · malik@mail.example · d’accord" in page


def test_a_decision_that_was_undone_before_its_letter_left_is_nobodys_business(
    runtime, make, moderator, archive
):
    clip, by = make.clip(State.IN_REVIEW), people.actor_of(moderator)
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        review.reject(session, held, "off_topic", "Rien à voir", by=by, seen_version=held.version)
        review.undo(session, held, by=by)
    data, _page, _names = archive(clip_owner(runtime, clip))
    assert data["clips"][0]["decisions"] == []


def test_the_archive_tells_in_whose_films_one_agreed_to_appear(client, make, asked, archive):
    reader = make.person("malik@mail.example")
    _clip, links = asked(Named("Malik", "malik@mail.example"), title="Chez Nadia")
    respond(client, links["Malik"], "agree")
    data, page, _names = archive(reader)
    (told,) = data["account"]["seen_in"]
    assert (told["title"], [one["answer"] for one in told["answers"]]) == ("Chez Nadia", ["agreed"])
    assert "Chez Nadia" in page


# The page of one who is in the film ----------------------------------------------------------------------


def test_an_agreement_that_ends_soon_is_asked_for_again_on_its_own_page(
    client, make, runtime, asked, session
):
    clip, links = asked(Named("Malik"))
    respond(client, links["Malik"], "agree")
    assert "Oui, je suis toujours d’accord" not in client.get(links["Malik"]).text
    with runtime.work() as writing:
        soon = db_now(writing) + timedelta(days=20)
        writing.execute(update(CoSignature).values(until=soon))
        consent.settle_end(writing, writing.get_one(Clip, clip.id))
    owners = f"/fr/s/{make.link(clip)}"
    assert "Obtenir son lien" in client.get(owners).text
    assert "Oui, je suis toujours d’accord" in client.get(links["Malik"]).text
    respond(client, links["Malik"], "agree")
    row = session.scalars(select(CoSignature)).one()
    assert row.until > db_now(session) + timedelta(days=600)
    assert "Obtenir son lien" not in client.get(owners).text


def test_an_owner_who_agrees_anew_is_told_whose_agreement_ends_as_well(client, make, runtime, asked):
    clip, links = asked(Named("Malik"))
    respond(client, links["Malik"], "agree")
    with runtime.work() as session:
        held, soon = session.get_one(Clip, clip.id), db_now(session) + timedelta(days=9)
        consent.standing(session, held)["site"].until = soon
        session.execute(update(CoSignature).values(until=soon))
        consent.settle_end(session, held)
    url = f"/fr/s/{make.link(clip)}/renew"
    page = client.get(url)
    assert french("se termine aussi : Malik") in page.text
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page.text)[1]
    client.post_form(url, {"seen": seen})
    assert "Un accord se termine" in client.get(url).text


def test_the_space_lists_films_in_which_ones_own_agreement_is_asked(client, runtime, make, asked, session):
    reader = make.person("malik@mail.example")
    _clip, links = asked(Named("Malik", "malik@mail.example"), title="Chez Nadia")
    other, _links = asked(Named("Ada", "ada@mail.example"), title="Chez une autre")
    with runtime.work() as writing:
        token = people.enter_link(writing, writing.get_one(Person, reader.id))
    client.post_form(f"/fr/me/enter/{token}")
    page = client.get("/fr/me").text
    assert "Chez Nadia" in page
    assert "Chez une autre" not in page
    address = re.search(r'href="(/fr/me/agreements/\w+)"', page)[1]
    assert client.get(address).location == links["Malik"]
    strangers = session.scalars(select(CoSignature.id).where(CoSignature.clip_id == other.id)).one()
    assert client.get(f"/fr/me/agreements/{strangers}").status_code == 404
