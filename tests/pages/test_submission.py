"""The owner's pages: taking part, sending without script, following and withdrawing a clip; the upload calls."""

import hashlib
import html
import re
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import campaigns
from portal.database import db_now
from portal.models import Clip, Consent, Film, Reason, State, Upload
from portal.storage import Bucket
from portal.typography import french

WHOLE = {
    "title": "Lille – Biarritz",
    "first_name": "Léa",
    "speech_lang": "fr",
    "email": "lea@mail.example",
    "city": "Lille",
    "filmed_on": "2026-06",
    "owned_since": "2024",
    "consents.site": "1",
    "consents.adult": "1",
}


def token_of(page):
    return re.search(r'name="token" value="([^"]+)"', page.text)[1]


def test_the_entry_shows_the_open_calls_and_the_rule_about_driving(client, make):
    make.campaign()
    page = client.get("/fr/participate")
    assert page.status_code == 200
    assert "Quel trajet ?" in page.text
    assert "Jamais en conduisant" in page.text
    assert '<link rel="canonical" href="http://portal.test/fr/participate">' in page.text
    assert 'hreflang="de" href="http://portal.test/de/participate">' in page.text


def test_the_entry_says_when_no_call_is_open(client):
    assert "Aucun appel n’est ouvert" in client.get("/fr/participate").text


def test_a_closed_call_says_so_and_names_the_open_ones(client, runtime, make):
    make.campaign()
    with runtime.work() as session:
        campaigns.add(session, "hiver", title="Hiver", lang="fr").closes_at = db_now(session) - timedelta(
            days=1
        )
    page = client.get("/fr/participate/hiver")
    assert "Cet appel est terminé" in page.text
    assert "/fr/participate/quotidien" in page.text


def test_an_unknown_call_is_not_found(client):
    assert client.get("/fr/participate/nowhere").status_code == 404


def test_no_box_of_consent_is_ticked_beforehand_and_the_page_is_not_kept(client, make):
    make.campaign()
    page = client.get("/fr/participate/quotidien")
    boxes = re.findall(r'<input type="checkbox" name="consents[^>]*>', page.text)
    assert len(boxes) == 5
    assert not any("checked" in box for box in boxes)
    assert page.headers["Cache-Control"] == "no-store"


def test_the_page_has_no_inline_script_or_style(client, make):
    make.campaign()
    page = client.get("/fr/participate/quotidien").text
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page)


def test_without_script_the_form_comes_first_then_one_signed_form_for_the_film(
    client, runtime, make, session
):
    make.campaign()
    page = client.get("/fr/participate/quotidien")
    sent = client.post_form("/fr/participate/quotidien", {**WHOLE, "token": token_of(page)})
    assert sent.status_code == 303
    film = client.get(sent.location)
    assert film.status_code == 200
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', film.text))
    assert {"key", "policy", "success_action_redirect"} <= set(fields)
    key = session.scalars(select(Upload.key)).one()
    session.rollback()
    runtime.storage.put(Bucket.ORIGINALS, key, b"x" * 50, content_type="video/mp4")
    back = fields["success_action_redirect"].replace("&amp;", "&").removeprefix("http://portal.test")
    for _again in range(2):
        assert client.get(back).status_code == 303
    clip = session.scalars(select(Clip)).one()
    assert (clip.state, clip.title, clip.owned_since) == (State.PROCESSING, "Lille – Biarritz", 2024)
    assert len(session.scalars(select(Film)).all()) == 1
    assert {row.purpose for row in session.scalars(select(Consent))} == {"site", "adult"}


def test_the_signed_form_is_taken_by_the_storage_which_leads_back_to_us(client, link, make, session):
    make.campaign(max_seconds=75)
    _clip, token = link(State.DRAFT)
    page = client.get(client.post_form(f"/fr/s/{token}/film").location).text
    assert "1\u00a0min\u00a015 et" in page
    action = html.unescape(re.search(r'action="(http[^"]+)" enctype', page)[1])
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    mark = "part-of-the-form"
    lines = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{html.unescape(value)}\r\n'
        for name, value in fields
        if name != "csrf_token"
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.mov"\r\n\r\n'
    body = "".join([*lines, head]).encode() + b"film" * 25 + f"\r\n--{mark}--\r\n".encode()
    posted = urllib.request.Request(
        action, data=body, headers={"Content-Type": f"multipart/form-data; boundary={mark}"}
    )

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_facts):
            return None

    with pytest.raises(urllib.error.HTTPError) as led:
        urllib.request.build_opener(Stay).open(posted)
    assert led.value.code == 303
    back = led.value.headers["Location"]
    assert back.startswith(f"http://portal.test/fr/s/{token}/received/")
    client.get(back.removeprefix("http://portal.test"))
    assert session.scalars(select(Film.size_bytes)).one() == 100


def test_sending_the_same_page_twice_makes_one_clip(client, make, session):
    make.campaign()
    token = token_of(client.get("/fr/participate/quotidien"))
    for _again in range(2):
        sent = client.post_form("/fr/participate/quotidien", {**WHOLE, "token": token, "script": "1"})
        assert sent.location.endswith(f"/fr/s/{token}")
    assert len(session.scalars(select(Clip)).all()) == 1


def test_faults_stand_next_to_the_fields_and_in_a_summary_and_values_stay(client, make, session):
    make.campaign()
    token = token_of(client.get("/fr/participate/quotidien"))
    faulty = {"title": "Mon <titre>", "email": "lea", "token": token, "filmed_on": "juin"}
    page = client.post_form("/fr/participate/quotidien", faulty)
    assert page.status_code == 422
    assert 'value="Mon &lt;titre&gt;"' in page.text
    for name in ("first_name", "filmed_on", "consents-site"):
        assert f'id="{name}-wrong"' in page.text
        assert f'href="#{name}"' in page.text
    assert session.scalars(select(Clip)).all() == []


def test_a_wrong_address_is_said_next_to_it(client, make):
    make.campaign()
    page = client.post_form("/fr/participate/quotidien", {**WHOLE, "email": "lea@"})
    assert page.status_code == 422
    assert 'id="email-wrong"' in page.text


def test_finishing_later_keeps_what_is_there_and_needs_only_an_address(client, make, session):
    make.campaign()
    sent = client.post_form(
        "/fr/participate/quotidien", {"email": "lea@mail.example", "title": "Un", "later": "1"}
    )
    assert sent.status_code == 303
    assert session.scalars(select(Clip.title)).one() == "Un"


@pytest.mark.parametrize("state", [state for state in State if state != State.ERASED])
def test_the_status_page_speaks_for_every_state(client, link, state):
    _clip, token = link(state)
    for lang in ("fr", "en", "de"):
        page = client.get(f"/{lang}/s/{token}")
        assert page.status_code == 200
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "noindex" in page.headers["X-Robots-Tag"]


def test_a_link_that_nobody_has_is_not_found(client):
    assert client.get("/fr/s/abc").status_code == 404


def test_while_the_film_is_prepared_a_page_without_script_asks_again(client, link):
    _clip, token = link(State.PROCESSING)
    again = '<noscript><meta http-equiv="refresh" content="15"></noscript>'
    assert again in client.get(f"/fr/s/{token}").text
    _clip, token = link(State.IN_REVIEW)
    assert again not in client.get(f"/fr/s/{token}").text


def test_a_preview_plays_from_private_addresses_as_soon_as_there_is_one(client, link):
    _clip, token = link(State.IN_REVIEW)
    page = client.get(f"/fr/s/{token}").text
    assert "<clip-player" in page
    assert "X-Amz-Signature" in page


def test_a_request_for_changes_shows_reason_passage_and_words(client, link, make):
    clip, token = link(State.CHANGES_REQUESTED)
    plate = Reason(code="plate", at_seconds=7.4, words="Une plaque se lit à l’arrière.")
    make.decision(clip, "request_changes", plate)
    page = client.get(f"/fr/s/{token}").text
    assert "Une plaque se lit à l’arrière." in page
    assert 'data-at="7"' in page


def test_a_request_for_changes_can_be_answered_with_a_new_film(client, link):
    clip, token = link(State.CHANGES_REQUESTED)
    page = client.get(f"/fr/s/{token}").text
    assert '<b id="send-title">Envoyer une nouvelle version</b>' in page
    assert f'data-id="{clip.id}" data-token="{token}"' in page
    # Without script a button leads to a form of its own.
    without = page[page.index("<noscript><form") :]
    assert "Envoyer un film" in without[: without.index("</noscript>")]
    led = client.post_form(re.search(r'action="([^"]+)"', without)[1])
    assert led.status_code == 303
    assert 'type="file"' in client.get(led.location).text


def test_an_answer_in_words_goes_back_to_review(client, link, session):
    clip, token = link(State.CHANGES_REQUESTED)
    sent = client.post_form(f"/fr/s/{token}/answer", {**WHOLE, "title": "Sans plaque"})
    assert sent.status_code == 303
    kept = session.get_one(Clip, clip.id)
    assert (kept.state, kept.title) == (State.IN_REVIEW, "Sans plaque")


def test_texts_change_from_the_status_page(client, link, session):
    clip, token = link(State.IN_REVIEW)
    assert client.post_form(f"/fr/s/{token}/texts", {**WHOLE, "city": "Gap"}).status_code == 303
    assert session.get_one(Clip, clip.id).city == "Gap"


def test_withdrawing_takes_two_clicks_and_can_be_undone(client, link, session):
    clip, token = link(State.PUBLISHED)
    asked = client.get(f"/fr/s/{token}/withdraw")
    assert french("Retirer votre clip ?") in asked.text
    for _again in range(2):
        assert client.post_form(f"/fr/s/{token}/withdraw").status_code == 303
    assert session.get_one(Clip, clip.id).state == State.WITHDRAWN
    session.rollback()
    assert "Annuler le retrait" in client.get(f"/fr/s/{token}").text
    assert client.post_form(f"/fr/s/{token}/restore").status_code == 303
    assert session.get_one(Clip, clip.id, populate_existing=True).state == State.IN_REVIEW


def call(client, token, method, path, body=None):
    headers = {"Authorization": f"Bearer {token}"}
    return client.open(
        f"/api/v1{path}", method=method, json=body if body is not None else None, headers=headers
    )


def test_an_upload_goes_through_its_calls_to_the_worker(client, link, session):
    clip, token = link(State.DRAFT)
    data = b"v" * 1234
    told = {
        "submission_id": clip.id, "filename": "a.mov", "size": len(data), "type": "video/quicktime",
        "head_sha256": hashlib.sha256(data).hexdigest(), "tail_sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    opened = call(client, token, "POST", "/uploads", told)
    assert (opened.status_code, opened.json["part_count"], opened.json["received"]) == (201, 1, [])
    path = f"/uploads/{opened.json['id']}"
    (part,) = call(client, token, "POST", f"{path}/parts", {"numbers": [1]}).json["parts"]
    assert part["length"] == len(data)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(part["url"], data=data + b"more", method="PUT"))
    missing = call(client, token, "POST", f"{path}/complete", {})
    assert (missing.status_code, missing.json["missing"]) == (409, [1])
    urllib.request.urlopen(urllib.request.Request(part["url"], data=data, method="PUT")).close()
    again = call(client, token, "POST", "/uploads", told)
    assert (again.status_code, again.json["received"]) == (200, [{"n": 1, "size": len(data)}])
    assert call(client, token, "GET", "/uploads?state=open").json["total"] == 1
    for _again in range(2):
        done = call(client, token, "POST", f"{path}/complete", {})
        assert (done.status_code, done.json) == (202, {"state": "verifying"})
    assert session.get_one(Clip, clip.id).state == State.PROCESSING


def test_the_token_of_one_clip_opens_no_upload_of_another(client, link):
    clip, token = link(State.DRAFT)
    _other, stranger = link(State.DRAFT)
    told = {"submission_id": clip.id, "filename": "a.mp4", "size": 9, "type": "video/mp4"}
    assert call(client, stranger, "POST", "/uploads", told).status_code == 404
    upload = call(client, token, "POST", "/uploads", told).json["id"]
    for method, path in (("GET", ""), ("POST", "/complete"), ("DELETE", "")):
        assert call(client, stranger, method, f"/uploads/{upload}{path}", {}).status_code == 404
    assert client.get(f"/api/v1/uploads/{upload}").status_code == 401
    assert call(client, token, "DELETE", f"/uploads/{upload}").status_code == 204


def test_a_file_that_is_too_large_is_413_and_one_of_another_kind_415(client, link):
    clip, token = link(State.DRAFT)
    told = {"submission_id": clip.id, "filename": "a.mp4", "size": 2**31 + 1, "type": "video/mp4"}
    assert call(client, token, "POST", "/uploads", told).status_code == 413
    assert (
        call(client, token, "POST", "/uploads", {**told, "size": 9, "type": "image/png"}).status_code == 415
    )
