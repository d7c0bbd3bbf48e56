"""What one clip's link and one mailbox may be asked for in an hour, whoever asks."""

import pytest
from limits import RateLimitItemPerHour

from portal.models import State
from portal.web import guard

BEGIN = "/api/v1/submissions"


@pytest.fixture
def begun(client, make):
    """Two drafts of one visitor, as the API tells of them."""
    make.campaign("quotidien")
    return [client.post(BEGIN, json={"campaign": "quotidien"}).json for _ in range(2)]


def open_upload(client, told):
    return client.post(
        "/api/v1/uploads",
        json={"submission_id": told["id"], "filename": "a.mp4", "size": 10_000, "type": "video/mp4"},
        headers={"Authorization": f"Bearer {told['token']}"},
    )


def test_one_clips_link_opens_so_many_uploads_an_hour_and_another_clips_is_not_held_up(
    client, begun, monkeypatch
):
    monkeypatch.setattr(guard, "_UPLOADS_A_LINK", RateLimitItemPerHour(1))
    mine, other = begun
    assert open_upload(client, mine).status_code == 201
    refused = open_upload(client, mine)
    assert (refused.status_code, refused.json["code"]) == (429, "too_often")
    assert 0 < int(refused.headers["Retry-After"]) <= 3601
    assert open_upload(client, other).status_code == 201


def test_so_many_letters_an_hour_and_no_more(client, make):
    token = make.link(make.clip(State.PROCESSING))
    asked = [client.post_form(f"/fr/s/{token}/write-again", {}).status_code for _ in range(7)]
    assert 429 not in asked[:6]
    assert asked[6] == 429
