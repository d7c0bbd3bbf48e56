"""Pages of agreement: the other person's, the renewal, the links an owner hands on, the proof, the studio's texts."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import consent, lifecycle, signatures, wordings
from portal.database import db_now
from portal.lifecycle import WORKER
from portal.models import Clip, Consent, ConsentWording, CoSignature, Notice, SignatureState, State
from portal.signatures import Named
from portal.typography import french
from tests.factories import act

KEY = "a secret key for tests, long enough"


@pytest.fixture
def asked(runtime, make):
    """Somebody named for a clip, with the address of the page that asks."""

    def ask(named=None, state=State.IN_REVIEW):
        clip = make.clip(state)
        with runtime.work() as session:
            signatures.declare(session, session.get_one(Clip, clip.id), [named or Named("Malik")])
            row = session.scalars(select(CoSignature).where(CoSignature.clip_id == clip.id)).one()
            return clip, row.id, f"/fr/a/{signatures.open_link(session, row, key=KEY)}"

    return ask


@pytest.fixture
def owned(make):
    """A clip and the address of its owner's page."""

    def own(state=State.IN_REVIEW, **columns):
        clip = make.clip(state, **columns)
        return clip, f"/fr/s/{make.link(clip)}"

    return own


def seen(page):
    """The mark of the words on a page."""
    return re.search(r'name="seen" value="([0-9a-f]{64})"', page.text)[1]


def test_opening_the_page_answers_nothing_and_tells_who_asks_for_what(client, asked, session):
    _clip, row_id, url = asked()
    page = client.get(url)
    assert page.status_code == 200
    for words in ("Nadia vous a filmé·e", "Six heures, le Galibier", "J’ai 18 ans ou plus, et j’accepte"):
        assert words in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert session.get_one(CoSignature, row_id).state == "waiting"


def test_agreeing_is_kept_with_its_proof_and_can_be_taken_back_by_the_same_link(client, asked, session):
    _clip, row_id, url = asked()
    form = {"answer": "agree", "seen": seen(client.get(url))}
    client.post_form(url, form, headers={"User-Agent": "Phone/1"})
    row = session.get_one(CoSignature, row_id)
    assert (row.state, row.agent, row.address) == ("agreed", "Phone/1", "127.0.0.0/24")
    assert "Vous avez dit oui" in client.get(url).text
    session.rollback()
    client.post_form(url, {"answer": "refuse"})
    assert session.get_one(CoSignature, row_id).state == "refused"


def test_a_guardian_must_sign(client, asked):
    _clip, _row_id, url = asked(Named("Léo", is_minor=True))
    page = client.get(url)
    assert "responsable légal" in page.text
    assert "guardian-wrong" not in page.text
    answer = client.post_form(url, {"answer": "agree", "seen": seen(page)})
    assert answer.status_code == 422
    assert re.search(r'data-focus id="faults">.*?<li><a href="#guardian">', answer.text, re.DOTALL)
    assert '<p class="wrong" id="guardian-wrong">' in answer.text
    assert 'aria-describedby="guardian-help guardian-wrong" aria-invalid="true"' in answer.text
    signed = {"answer": "agree", "seen": seen(page), "guardian": "Nadia Haddad"}
    assert client.post_form(url, signed).status_code == 303
    assert french("Signé : Nadia Haddad.") in client.get(url).text


def test_words_that_changed_meanwhile_are_shown_again(client, asked):
    _clip, _row_id, url = asked()
    answer = client.post_form(url, {"answer": "agree", "seen": "0" * 64})
    assert answer.status_code == 409
    assert "Le texte a changé" in answer.text
    assert "#guardian" not in answer.text


def tongues(page):
    """Where the switch of languages leads: language → address."""
    switch = re.search(r'<nav class="langs.*?</nav>', page.text, re.DOTALL)[0]
    return {code: address for address, code in re.findall(r'href="([^"]+)"[^>]* hreflang="(\w+)"', switch)}


@pytest.mark.parametrize("of", ["", "/messages", "/call", "/renew", "/withdraw", "person"])
def test_each_page_of_a_clip_is_there_in_every_language_with_its_title_in_its_own(client, owned, asked, of):
    url = asked()[2] if of == "person" else owned(State.PUBLISHED, speech_lang="fr")[1] + of
    others = tongues(client.get(f"{url}?a=1"))
    assert others == {lang: f"/{lang}{url[3:]}?a=1" for lang in ("fr", "en", "de")}
    page = client.get(others["en"])
    assert '<html lang="en"' in page.text
    assert re.search(r'<(p|h1)[^>]* lang="fr">[^<]*Six heures, le Galibier', page.text)


def test_what_was_typed_into_a_page_with_faults_stays_in_its_tab_when_the_language_is_changed(client, owned):
    _clip, url = owned()
    captions = {"lang": "fr", "text": "no captions", "version": "0"}
    for part, form in (("/texts", {"title": ""}), ("/messages", {"words": ""}), ("/captions", captions)):
        page = client.post_form(url + part, form)
        assert page.status_code == 422
        there = "/messages" if part == "/messages" else ""
        assert tongues(page)["en"] == f"/en{url[3:]}{there}"
        assert f'href="/en{url[3:]}{there}" target="_blank" rel="noopener"' in page.text


def test_a_yes_to_a_film_that_changed_meanwhile_is_asked_for_again(client, runtime, make, asked, session):
    clip, row_id, url = asked()
    page = client.get(url)
    watched = re.search(r'name="film" value="([^"]+)"', page.text)[1]
    another = make.film(clip, is_ready=True)
    with runtime.work() as writing:
        writing.execute(update(Clip).where(Clip.id == clip.id).values(film_id=another.id))
    form = {"answer": "agree", "seen": seen(page), "film": watched}
    answer = client.post_form(url, form)
    assert answer.status_code == 409
    assert "Le film a changé" in answer.text
    assert session.get_one(CoSignature, row_id).state == "waiting"
    session.rollback()
    assert client.post_form(url, form | {"film": another.id}).status_code == 303


def test_whoever_was_left_out_and_said_no_may_say_it_again_once_the_clip_is_public(
    client, runtime, asked, moderator, session
):
    clip, _row_id, url = asked(Named("Malik", "malik@mail.example"))
    act(runtime, signatures.declare, clip, [])
    client.post_form(url, {"answer": "refuse"})
    assert 'value="refuse"' not in client.get(url).text
    for verb in ("approve", "publish"):
        act(runtime, lifecycle.move, clip, verb, by=WORKER)
    page = client.get(url).text
    assert "n’est pas publié" not in page
    assert "Ce clip est pourtant en ligne" in page
    assert 'value="refuse"' in page
    client.post_form(url, {"answer": "refuse"})
    assert session.get_one(Clip, clip.id).state == State.REMOVED
    told = select(Notice.person_id).where(Notice.kind == "co_signature_taken_back")
    assert session.scalars(told).all() == [moderator.id]
    assert 'value="refuse"' not in client.get(url).text


def test_an_agreement_that_has_ended_is_told_as_over_and_can_be_asked_for_again(
    client, runtime, owned, session
):
    clip, url = owned(State.EXPIRED)
    with runtime.work() as writing:
        held, over = writing.get_one(Clip, clip.id), db_now(writing) - timedelta(days=2)
        signatures.declare(writing, held, [Named("Malik", "malik@mail.example")])
        (row,) = signatures.of(writing, held)
        row.state, row.answered_at, row.until = SignatureState.AGREED, over, over
        theirs = f"/fr/a/{signatures.open_link(writing, row, key=KEY)}"
        ask = f"{url}/signatures/{row.id}/ask"
    for address in (url, theirs):
        page = client.get(address).text
        assert "ccord est arrivé à son terme le" in page
        assert re.search(r"accord va jusqu’au|quitte le site ce jour-là|Nous lui écrivons", page) is None
    assert f'action="{ask}"' in client.get(url).text
    assert "Le message est parti." in client.post_form(ask, follow_redirects=True).text
    letter = session.scalars(select(Notice).where(Notice.kind == "co_renewal")).one()
    assert letter.address == "malik@mail.example"


def test_after_a_withdrawal_the_page_says_so_and_asks_nothing(client, asked):
    _clip, _row_id, url = asked(state=State.WITHDRAWN)
    page = client.get(url)
    assert "Ce clip a été retiré" in page.text
    assert 'name="answer"' not in page.text


def test_an_unknown_link_opens_nothing(client):
    assert client.get("/fr/a/" + "x" * 43).status_code == 404


def test_the_renewal_changes_nothing_until_its_button_is_pressed(client, runtime, owned, session):
    clip, url = owned(State.PUBLISHED)
    with runtime.work() as writing:
        until = db_now(writing) + timedelta(days=10)
        writing.execute(update(Clip).where(Clip.id == clip.id).values(consent_until=until))
    page = client.get(f"{url}/renew")
    assert session.get_one(Clip, clip.id).consent_until == until
    session.rollback()
    for _press in range(2):
        assert client.post_form(f"{url}/renew", {"seen": seen(page)}).status_code == 303
    rows = session.scalars(select(Consent).where(Consent.clip_id == clip.id, Consent.purpose == "site"))
    assert len(rows.all()) == 2
    assert "Rien à faire pour l’instant" in client.get(f"{url}/renew").text


def test_the_owner_names_people_on_the_form_without_script(client, owned, session):
    clip, url = owned()
    form = {
        "title": "Titre", "first_name": "Nadia", "speech_lang": "fr", "email": "nadia@mail.example",
        "consents.site": "1", "consents.adult": "1", "people-asked": "1", "people": "some",
        "people-1-name": "Malik", "people-1-email": "malik@mail.example", "people-2-name": "Léo",
        "people-2-minor": "1", "music": "licensed", "music_words": "Ravel, SACEM 12", "relation": "staff",
    }  # fmt: skip
    assert client.post_form(f"{url}/texts", form).status_code == 303
    rows = signatures.of(session, clip)
    assert [(one.name, one.email, one.is_minor) for one in rows] == [
        ("Malik", "malik@mail.example", False), ("Léo", None, True),
    ]  # fmt: skip
    held = session.get_one(Clip, clip.id)
    assert (held.music, held.music_words, held.relation) == ("licensed", "Ravel, SACEM 12", "staff")
    page = client.post_form(f"{url}/texts", form | {"music_words": " "})
    assert page.status_code == 422
    assert 'href="#music_words"' in page.text
    assert "d’où vous en vient le droit" in re.search(r'id="music_words-wrong">([^<]+)<', page.text)[1]


def test_nobody_else_in_the_film_is_an_answer_that_is_kept(client, owned, make):
    none = 'name="people" value="none" checked'
    assert none in client.get(owned()[1]).text
    assert none not in client.get(f"/fr/s/{make.link(make.clip(State.DRAFT, consents=()))}").text


def test_music_by_right_keeps_a_film_from_review_until_it_has_a_name(client, make):
    clip = make.clip(State.PROCESSING)
    film = {"Authorization": f"Bearer {make.link(clip)}"}
    at = f"/api/v1/submissions/{clip.id}"
    told = client.patch(at, json={"music": "licensed"}, headers=film)
    assert (told.status_code, told.json["missing"]) == (200, ["music_words", "film"])
    assert client.patch(at, json={"music_words": "Ravel"}, headers=film).json["missing"] == ["film"]
    relooked = make.clip(State.IN_REVIEW)
    there = {"Authorization": f"Bearer {make.link(relooked)}"}
    refused = client.patch(f"/api/v1/submissions/{relooked.id}", json={"music": "licensed"}, headers=there)
    assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "music_unnamed")


def test_a_wrong_address_of_somebody_in_the_film_is_told_next_to_it(client, owned):
    _clip, url = owned()
    form = {
        "title": "Titre", "first_name": "Nadia", "speech_lang": "fr", "email": "nadia@mail.example",
        "consents.site": "1", "consents.adult": "1", "people-asked": "1", "people": "some",
        "people-1-name": "Malik", "people-1-email": "malik",
    }  # fmt: skip
    page = client.post_form(f"{url}/texts", form)
    assert page.status_code == 422
    assert 'id="people-1-email-wrong"' in page.text


def test_the_owner_is_given_the_link_of_whoever_has_no_address(client, runtime, owned):
    clip, url = owned()
    with runtime.work() as session:
        signatures.declare(session, session.get_one(Clip, clip.id), [Named("Malik")])
        row_id = signatures.of(session, clip)[0].id
    page = client.post_form(f"{url}/signatures/{row_id}/link")
    link = re.search(r"http://portal\.test(/fr/a/[\w-]+)<", page.text)[1]
    assert client.get(link).status_code == 200


def test_the_owners_consent_carries_where_it_came_from(client, owned, session):
    clip, url = owned()
    client.post_form(f"{url}/consents", {"consents.social": "1"}, headers={"User-Agent": "Phone/1"})
    row = session.scalars(
        select(Consent).where(Consent.clip_id == clip.id, Consent.purpose == "social")
    ).one()
    token = url.rpartition("/")[2]
    assert (row.link, row.agent) == (consent.proof_of(token=token).link, "Phone/1")


def test_the_sheet_tells_how_many_have_agreed_and_publishing_says_who_is_missing(
    moderator_client, asked, session
):
    clip, _row_id, _url = asked()
    assert "0 sur 1 d’accord" in moderator_client.get(f"/studio/review/{clip.id}").text
    assert "0 sur 1 d’accord" in moderator_client.get("/studio/review").text
    version = session.get_one(Clip, clip.id).version
    form = {"version": version, "title": clip.title, "check": ["whole", "people", "music", "driving"]}
    refused = moderator_client.post_form(f"/studio/review/{clip.id}/approve", form)
    assert refused.status_code == 409
    assert french("n’a pas encore répondu : Malik") in refused.text


def test_the_proof_is_one_page_with_texts_hashes_and_people(moderator_client, client, asked):
    clip, _row_id, url = asked()
    client.post_form(url, {"answer": "agree", "seen": seen(client.get(url))})
    page = moderator_client.get(f"/studio/clips/{clip.id}/proof")
    assert page.status_code == 200
    for words in ("Malik", "a" * 64, "127.0.0.0/24", "J’ai 18 ans ou plus, et j’accepte de paraître"):
        assert words in page.text


def test_a_stranger_sees_no_proof(client, make):
    assert client.get(f"/studio/clips/{make.clip().id}/proof").status_code == 303


def test_an_administrator_writes_a_text_and_is_told_how_many_clips_keep_theirs(
    admin_client, runtime, make, session
):
    clip = make.clip(State.DRAFT, consents=())
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        consent.give(writing, held, {"site"}, lang="fr", via="site", brand="Solène")
    form = {"in": "fr", "campaign": "", "sentence": "Oui à {brand}.", "full": "Tout."}
    admin_client.post_form("/studio/consents/site", form)
    page = admin_client.get("/studio/consents?in=fr").text
    assert "1 clip garde le texte auquel son auteur a dit oui." in page
    assert "Oui à " in page
    assert session.scalars(select(ConsentWording.purpose)).all() == ["site"]
    assert wordings.in_force(session, "site", "fr", brand="Solène").sentence == "Oui à Solène."


def test_a_moderator_does_not_write_the_texts(moderator_client):
    assert moderator_client.get("/studio/consents").status_code == 403


def test_the_api_takes_people_music_and_relation_and_tells_who_agreed(client, make):
    make.campaign()
    body = {
        "campaign": "quotidien", "music": "own", "music_words": "Au piano", "relation": "family",
        "people": [{"name": "Léo", "minor": True}, {"name": "Ada", "email": "ada@mail.example", "minor": False}],
    }  # fmt: skip
    begun = client.post("/api/v1/submissions", json=body).get_json()
    told = client.get(
        f"/api/v1/submissions/{begun['id']}", headers={"Authorization": f"Bearer {begun['token']}"}
    ).get_json()
    assert told["signatures"] == [
        {"name": "Léo", "minor": True, "state": "waiting"}, {"name": "Ada", "minor": False, "state": "waiting"},
    ]  # fmt: skip


def test_what_an_owner_is_to_the_brand_and_had_in_return_stands_under_the_clip(client, make):
    clip = make.clip(State.PUBLISHED, relation="staff", incentive="Un gilet")
    page = client.get(f"/fr/c/{clip.id}-x", follow_redirects=True).text
    assert "Cette personne travaille pour" in page
    assert "Un gilet" in page
    assert client.get(f"/api/v1/clips/{clip.id}").get_json()["relation"] == "staff"


def test_what_a_machine_has_made_is_said_by_the_owner_and_stands_wherever_the_clip_is_told_of(
    client, moderator_client, link
):
    said = "créés ou modifiés par une machine (IA)"
    clip, _ = link(State.PUBLISHED)
    assert said not in client.get(f"/fr/c/{clip.id}", follow_redirects=True).text
    _, mine = link(State.IN_REVIEW)
    tick = re.search(r'<input type="checkbox" id="altered"[^>]*>', client.get(f"/fr/s/{mine}").text)[0]
    assert "checked" not in tick
    clip, _ = link(State.PUBLISHED, altered=True)
    page = client.get(f"/fr/c/{clip.id}", follow_redirects=True).text
    assert page.count(said) == 2
    assert client.get(f"/api/v1/clips/{clip.id}").get_json()["altered"] is True
    for path in (f"/studio/review/{clip.id}", f"/studio/clips/{clip.id}/proof"):
        assert said in moderator_client.get(path).text


def test_an_empty_tick_takes_back_that_a_machine_had_a_hand_in_it(client, link, session):
    clip, token = link(State.IN_REVIEW, altered=True)
    page = client.get(f"/fr/s/{token}").text
    assert "checked" in re.search(r'<input type="checkbox" id="altered"[^>]*>', page)[0]
    words = {"title": clip.title, "first_name": "Nadia", "speech_lang": "fr", "email": "nadia@mail.example"}
    form = {**words, "altered-asked": "1", "consents.site": "1", "consents.adult": "1"}
    assert client.post_form(f"/fr/s/{token}/texts", form).status_code == 303
    session.rollback()
    assert session.get_one(Clip, clip.id).altered is False


def test_what_the_call_gives_in_return_is_carried_to_the_clip(client, runtime, make, session):
    campaign = make.campaign()
    with runtime.work() as writing:
        writing.merge(campaign).texts[0].in_return = "Un plein offert"
    begun = client.post("/api/v1/submissions", json={"campaign": "quotidien", "incentive": "Une casquette"})
    assert session.get_one(Clip, begun.get_json()["id"]).incentive == "Un plein offert ; Une casquette"
