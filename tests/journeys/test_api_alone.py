"""The same way by the API alone: begun, sent in parts, approved, found, withdrawn."""

import pytest

from tests import footage
from tests.journeys import steps
from tests.journeys.steps import answered, send

pytestmark = pytest.mark.journey


@pytest.mark.timeout(400)
def test_a_program_can_do_the_whole_way(api, portal, review_token, tmp_path):
    anybody = api()
    begun = anybody.post(
        "/api/v1/submissions",
        data={
            "campaign": "quotidien",
            "email": "karim@mail.example",
            "first_name": "Karim",
            "title": "La recharge pendant le marché",
            "themes": ["recharge"],
            "speech_lang": "fr",
            "consents": {"site": True, "adult": True},
        },
    )
    assert begun.status == 201, begun.text()
    told = begun.json()
    owner = api(told["token"])
    send(owner, told["id"], footage.small(tmp_path, seconds=2, size="640x360"))
    address = f"/api/v1/submissions/{told['id']}"
    steps.made(api, told)

    # Nobody but the owner and the moderator sees it before it is approved.
    assert anybody.get(f"/api/v1/clips/{told['id']}").status == 404
    moderator = api(review_token)
    sheet = moderator.get(f"/api/v1/review/{told['id']}").json()
    stale = moderator.post(f"/api/v1/review/{told['id']}/approve", data={"version": sheet["version"] - 1})
    assert (stale.status, stale.json()["code"]) == (409, "conflict")
    approved = moderator.post(f"/api/v1/review/{told['id']}/approve", data={"version": sheet["version"]})
    assert approved.status == 200, approved.text()

    public = answered(
        lambda: anybody.get(f"/api/v1/clips/{told['id']}"), lambda answer: answer.status == 200
    ).json()
    assert public["title"] == "La recharge pendant le marché"
    mp4 = public["playback"]["mp4"][0]["url"]
    assert anybody.get(mp4).status == 200
    assert "#EXTM3U" in anybody.get(public["playback"]["hls_url"]).text()
    listed = anybody.get("/api/v1/clips?theme=recharge").json()
    assert told["id"] in [item["id"] for item in listed["items"]]

    assert owner.post(f"{address}/withdraw", data={}).status == 202
    assert anybody.get(f"/api/v1/clips/{told['id']}").status == 410
    answered(lambda: anybody.get(mp4), lambda answer: answer.status in (403, 404))
    assert "Vous pouvez encore revenir en arrière" in steps.letter_to(portal, "karim@mail.example", "retiré")
