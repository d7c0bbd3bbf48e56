"""The moderators' part of the API: what they see, and decisions on the version that was seen."""

import pytest
from sqlalchemy import select

from portal.models import Message, Role, State


def test_the_queue_is_paged_oldest_first(client, make, reviewer):
    ids = [make.clip().id for _ in range(3)]
    make.clip(State.PUBLISHED)
    first = client.get("/api/v1/review?limit=2", headers=reviewer).json
    rest = client.get(f"/api/v1/review?limit=2&cursor={first['next_cursor']}", headers=reviewer).json
    assert [one["id"] for one in first["items"] + rest["items"]] == ids
    assert first["total"] == 3
    assert rest["next_cursor"] is None


def test_the_sheet_holds_owner_consents_and_a_preview(client, make, reviewer):
    clip = make.clip(owner=make.person("nadia@mail.example"))
    sheet = client.get(f"/api/v1/review/{clip.id}", headers=reviewer).json
    assert sheet["owner"]["email"] == "nadia@mail.example"
    assert [one["purpose"] for one in sheet["consents"]] == ["site", "adult"]
    assert "X-Amz-Signature" in sheet["playback"]["mp4"][0]["url"]


def test_a_clip_is_approved_in_the_version_that_was_seen(client, make, reviewer, bells):
    clip = make.clip()
    body = {"version": clip.version, "title": "Un autre titre"}
    answer = client.post(f"/api/v1/review/{clip.id}/approve", headers=reviewer, json=body)
    assert answer.status_code == 200
    assert answer.json["state"] == "approved"
    assert answer.json["version"] > clip.version
    assert [bell.kind for bell in bells] == ["publish"]


def test_who_comes_second_is_told_what_changed(client, make, reviewer):
    clip = make.clip()
    reject = {"version": clip.version, "reason": "off_topic", "words": "Ce n’est pas le sujet."}
    assert client.post(f"/api/v1/review/{clip.id}/reject", headers=reviewer, json=reject).status_code == 200
    late = client.post(f"/api/v1/review/{clip.id}/approve", headers=reviewer, json={"version": clip.version})
    assert late.status_code == 409
    assert late.json["code"] == "conflict"
    assert late.json["state"] == "rejected"
    assert [one["verb"] for one in late.json["changes"]] == ["reject"]


def test_an_owner_answers_a_change_request_by_the_api(client, make, reviewer):
    clip = make.clip()
    asked = {
        "version": clip.version,
        "reasons": [{"code": "plate", "at_seconds": 3.5, "words": "La plaque."}],
    }
    done = client.post(f"/api/v1/review/{clip.id}/request-changes", headers=reviewer, json=asked)
    assert done.json["state"] == "changes_requested"
    owner = make.bearer("submit")
    told = client.get(f"/api/v1/submissions/{clip.id}", headers=owner).json
    assert told["reasons"] == [{"code": "plate", "at_seconds": 3.5, "words": "La plaque."}]
    answer = client.post(
        f"/api/v1/submissions/{clip.id}/answer", headers=owner, json={"title": "Sans plaque"}
    )
    assert answer.json["state"] == "in_review"


def test_a_published_clip_is_taken_down(client, make, reviewer):
    clip = make.clip(State.PUBLISHED)
    body = {"version": clip.version, "reason": "music", "words": "La musique est protégée."}
    assert (
        client.post(f"/api/v1/review/{clip.id}/unpublish", headers=reviewer, json=body).json["state"]
        == "removed"
    )
    assert client.get(f"/api/v1/clips/{clip.id}").status_code == 410


def test_a_failed_film_is_tried_again(client, make, reviewer):
    clip = make.clip(State.FAILED, fail_code="ours_transcode")
    assert client.post(f"/api/v1/review/{clip.id}/retry", headers=reviewer).json["state"] == "processing"


@pytest.mark.parametrize("body", [{}, {"version": 0}, {"version": "1"}, {"version": 2**40}])
def test_a_decision_names_the_version(client, make, reviewer, body):
    answer = client.post(f"/api/v1/review/{make.clip().id}/approve", headers=reviewer, json=body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "version"


def test_owners_tokens_do_not_review(client, make):
    make.campaign("quotidien")
    begun = client.post("/api/v1/submissions", json={"campaign": "quotidien"}).json
    own = {"Authorization": f"Bearer {begun['token']}"}
    assert client.get("/api/v1/review", headers=own).status_code == 403


def test_decisions_of_programs_are_on_record_as_theirs(client, make, reviewer):
    clip = make.clip()
    make.person("x@brand.example", role=Role.ADMIN)
    client.post(f"/api/v1/review/{clip.id}/approve", headers=reviewer, json={"version": clip.version})
    history = client.get(f"/api/v1/review/{clip.id}", headers=reviewer).json["history"]
    assert history[0]["verb"] == "approve"
    assert history[0]["actor"] == "program"


def test_words_are_corrected_and_the_title_is_the_teams_message(client, make, reviewer, session):
    clip = make.clip(State.PUBLISHED, owned_since=2022)
    body = {"version": clip.version, "first_name": "Nadja", "owned_since": None, "title": "Le col"}
    answer = client.patch(f"/api/v1/review/{clip.id}", headers=reviewer, json=body)
    assert (answer.status_code, answer.json["state"]) == (200, "published")
    told = client.get(f"/api/v1/review/{clip.id}", headers=reviewer).json
    assert (told["first_name"], told["owned_since"], told["city"]) == ("Nadja", None, "Grenoble")
    assert told["version"] == answer.json["version"]
    assert [(one["verb"], one["actor"]) for one in told["history"]] == [
        ("message", "program"),
        ("edit", "program"),
    ]
    (message,) = session.scalars(select(Message)).all()
    assert (message.author, message.author_id) == ("moderator", None)
    late = client.patch(f"/api/v1/review/{clip.id}", headers=reviewer, json=body)
    assert late.status_code == 409
