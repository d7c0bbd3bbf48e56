"""The JSON API: catalogues, published clips, submissions, programs' tokens."""

import pytest

from portal.models import Clip, State


@pytest.fixture
def begun(client, make):
    """A submission with nothing in it, and its own token as a header."""
    make.campaign("quotidien")
    answer = client.post("/api/v1/submissions", json={"campaign": "quotidien"})
    assert answer.status_code == 201
    return answer.json, {"Authorization": f"Bearer {answer.json['token']}"}


def faults(answer) -> dict[str, str]:
    assert answer.content_type == "application/problem+json"
    return {one["field"]: one["code"] for one in answer.json["errors"]}


def test_themes_carry_their_names_by_language(client, make):
    make.theme("famille", fr="Famille", de="Familie")
    assert client.get("/api/v1/themes").json == {
        "items": [{"slug": "famille", "names": {"de": "Familie", "fr": "Famille"}}],
        "next_cursor": None,
        "total": 1,
    }


def test_campaigns_say_whether_they_are_open(client, make):
    make.campaign("quotidien", title="La vie en Solène")
    (one,) = client.get("/api/v1/campaigns").json["items"]
    assert one["slug"] == "quotidien"
    assert one["is_open"] is True
    assert one["texts"]["fr"]["title"] == "La vie en Solène"


def test_only_published_clips_are_listed(client, make):
    shown = make.clip(State.PUBLISHED)
    for state in set(State) - {State.PUBLISHED}:
        make.clip(state)
    answer = client.get("/api/v1/clips").json
    assert [one["id"] for one in answer["items"]] == [shown.id]
    assert answer["total"] == 1


def test_a_cursor_leads_through_all_clips_once(client, make):
    ids = {make.clip(State.PUBLISHED).id for _ in range(5)}
    seen, cursor = [], ""
    for _ in range(3):
        page = client.get(f"/api/v1/clips?limit=2&cursor={cursor}").json
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert len(seen) == 5
    assert set(seen) == ids


def test_clips_are_found_by_all_of_several_themes(client, make):
    family, winter = make.theme("famille"), make.theme("hiver")
    make.clip(State.PUBLISHED, themes=[family])
    both = make.clip(State.PUBLISHED, themes=[family, winter])
    answer = client.get("/api/v1/clips?theme=famille&theme=hiver&match=all").json
    assert [one["id"] for one in answer["items"]] == [both.id]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("theme=nowhere", "theme", "unknown_theme"),
        ("sort=loudest", "sort", "invalid"),
        ("limit=0", "limit", "invalid"),
        ("limit=five", "limit", "invalid"),
        ("limit=1&limit=2", "limit", "too_many"),
        ("match=some", "match", "invalid"),
        ("colour=red", "colour", "unknown_field"),
        ("cursor=nonsense", "cursor", "invalid"),
        ("q=%00", "q", "invalid"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused_by_field(client, query, field, code):
    answer = client.get(f"/api/v1/clips?{query}")
    assert answer.status_code == 422
    assert faults(answer) == {field: code}


def test_a_published_clip_says_what_plays_it(client, make):
    clip = make.clip(State.PUBLISHED)
    playback = client.get(f"/api/v1/clips/{clip.id}").json["playback"]
    assert [file["height"] for file in playback["mp4"]] == [360]
    assert playback["hls_url"].endswith("/master.m3u8")
    assert [one["width"] for one in playback["posters"]["avif"]] == [360, 640]


@pytest.mark.parametrize(
    ("state", "status"),
    [(State.IN_REVIEW, 404), (State.WITHDRAWN, 410), (State.REMOVED, 410), (State.DRAFT, 404)],
)
def test_a_clip_that_is_not_published_is_not_told(client, make, state, status):
    answer = client.get(f"/api/v1/clips/{make.clip(state).id}")
    assert answer.status_code == status
    assert answer.json["code"] == ("gone" if status == 410 else "missing")


def test_a_draft_needs_nothing_but_its_campaign(client, make):
    make.campaign("quotidien")
    answer = client.post("/api/v1/submissions", json={"campaign": "quotidien"})
    assert answer.status_code == 201
    assert answer.json["missing"] == [
        "email", "first_name", "title", "speech_lang", "consents.site", "consents.adult", "film",
    ]  # fmt: skip
    assert answer.json["status_url"] == f"http://portal.test/fr/s/{answer.json['token']}"


def test_every_fault_of_a_body_is_named_at_once(client, make):
    make.campaign("quotidien")
    answer = client.post(
        "/api/v1/submissions",
        json={
            "campaign": "quotidien",
            "title": "x" * 81,
            "first_name": 7,
            "colour": "red",
            "filmed_on": "yesterday",
            "themes": ["a", "b", "c", "d"],
            "people": [{"name": "Léa"}],
            "consents": {"sight": True},
            "city": "Ly\x00on",
        },
    )
    assert answer.status_code == 422
    assert faults(answer) == {
        "title": "too_long_text",
        "first_name": "invalid",
        "colour": "unknown_field",
        "filmed_on": "wrong_date",
        "themes": "too_many",
        "people[0].minor": "required",
        "consents.sight": "unknown_field",
        "city": "invalid",
    }


def test_an_unknown_campaign_is_a_fault_of_its_field(client):
    answer = client.post("/api/v1/submissions", json={"campaign": "nowhere"})
    assert answer.status_code == 422
    assert faults(answer) == {"campaign": "missing"}


def test_a_body_of_another_kind_is_refused(client):
    assert client.post("/api/v1/submissions", data="a=b", content_type="text/plain").status_code == 415
    assert client.post("/api/v1/submissions", data="{", content_type="application/json").status_code == 422


def test_a_submission_opens_to_its_own_token(client, begun):
    made, own = begun
    answer = client.get(f"/api/v1/submissions/{made['id']}", headers=own)
    assert answer.status_code == 200
    assert answer.json["state"] == "draft"
    assert answer.json["progress"] is None


def test_a_submission_stays_shut_without_a_token(client, begun):
    answer = client.get(f"/api/v1/submissions/{begun[0]['id']}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["code"] == "sign_in_needed"


def test_a_token_that_nobody_has_is_refused(client, begun):
    wrong = {"Authorization": "Bearer nobody"}
    answer = client.get(f"/api/v1/submissions/{begun[0]['id']}", headers=wrong)
    assert answer.status_code == 401
    assert answer.json["code"] == "wrong_token"


def test_another_clips_token_finds_nothing(client, begun, make):
    answer = client.get(f"/api/v1/submissions/{make.clip().id}", headers=begun[1])
    assert answer.status_code == 404


def test_a_program_needs_the_scope(client, make, begun):
    path = f"/api/v1/submissions/{begun[0]['id']}"
    assert client.get(path, headers=make.bearer("read")).status_code == 403
    assert client.get(path, headers=make.bearer("submit")).status_code == 200


def test_a_signed_in_browser_gains_nothing(admin_client, begun):
    assert admin_client.get("/api/v1/review").status_code == 401
    assert admin_client.post("/api/v1/tokens", json={"name": "x", "scopes": ["admin"]}).status_code == 401


def test_words_and_consents_can_follow_the_draft(client, begun, make):
    make.theme("famille")
    made, own = begun
    answer = client.patch(
        f"/api/v1/submissions/{made['id']}",
        headers=own,
        json={
            "email": "lea@mail.example",
            "first_name": "Léa",
            "title": "Le matin",
            "speech_lang": "fr",
            "themes": ["famille"],
            "consents": {"site": True, "adult": True},
        },
    )
    assert answer.status_code == 200
    assert answer.json["missing"] == ["film"]


def test_a_date_that_is_null_is_emptied(client, begun, session):
    made, own = begun
    path = f"/api/v1/submissions/{made['id']}"
    client.patch(path, headers=own, json={"owned_since": 2024})
    assert client.patch(path, headers=own, json={"owned_since": None}).status_code == 200
    assert session.get_one(Clip, made["id"]).owned_since is None


def test_a_withdrawn_clip_is_gone_at_once(client, make):
    clip = make.clip(State.PUBLISHED)
    assert client.get(f"/api/v1/clips/{clip.id}").status_code == 200
    answer = client.post(f"/api/v1/submissions/{clip.id}/withdraw", headers=make.bearer("submit"))
    assert answer.status_code == 202
    assert answer.json["state"] == "withdrawn"
    assert client.get(f"/api/v1/clips/{clip.id}").status_code == 410


def test_a_token_is_made_shown_once_and_ended(client, make):
    admin = make.bearer("admin")
    made = client.post("/api/v1/tokens", headers=admin, json={"name": "agency", "scopes": ["review"]})
    assert made.status_code == 201
    its = {"Authorization": f"Bearer {made.json['token']}"}
    assert client.get("/api/v1/review", headers=its).status_code == 200
    assert client.delete(f"/api/v1/tokens/{made.json['id']}", headers=admin).status_code == 204
    assert client.get("/api/v1/review", headers=its).status_code == 401


def test_tokens_are_for_administrators(client, make):
    answer = client.post(
        "/api/v1/tokens", headers=make.bearer("review"), json={"name": "x", "scopes": ["admin"]}
    )
    assert answer.status_code == 403


def test_the_api_shows_itself_to_people(client):
    page = client.get("/api/")
    assert page.status_code == 200
    assert "/api/v1/openapi.json" in page.text
    assert "/api/v1/review/{clip_id}/approve" in page.text
