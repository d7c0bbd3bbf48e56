"""The recorder's page: who may use the camera, what it says, and where it leads."""

import pytest
from sqlalchemy import select, update

from portal import submission
from portal.database import db_now
from portal.edits import EditList
from portal.models import Campaign, Clip, Cut, Film, State, Upload

PAGE = "/fr/participate/quotidien/film"


def test_the_camera_is_allowed_here_and_nowhere_else(client, make):
    make.campaign()
    assert "camera=(self), microphone=(self)" in client.get(PAGE).headers["Permissions-Policy"]
    for other in ("/fr/participate/quotidien", "/fr/participate", "/fr/"):
        assert "camera=(), microphone=()" in client.get(other).headers["Permissions-Policy"]


def test_it_asks_the_calls_question_and_forbids_filming_at_the_wheel(client, make):
    make.campaign()
    page = client.get(PAGE).text
    assert "Quel trajet ?" in page
    assert "Jamais en conduisant." in page


@pytest.mark.parametrize(("wanted", "seconds"), [(None, 90), (45, 45), (900, 180)])
def test_a_take_is_as_long_as_the_call_says_and_never_longer_than_phones_bear(client, make, wanted, seconds):
    make.campaign(max_seconds=wanted)
    assert f'data-seconds="{seconds}"' in client.get(PAGE).text


def test_without_script_it_leads_to_the_form(client, make):
    make.campaign()
    page = client.get(PAGE).text.split("<noscript>")[1].split("</noscript>")[0]
    assert 'href="/fr/participate/quotidien"' in page


def test_a_call_that_is_over_says_so_on_its_own_page(client, make, runtime):
    make.campaign()
    with runtime.work() as session:
        session.execute(update(Campaign).values(closes_at=db_now(session)))
    answer = client.get(PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/fr/participate/quotidien")


def test_a_call_that_never_was_is_not_found(client):
    assert client.get(PAGE).status_code == 404
    assert client.get(f"{PAGE}.svg").status_code == 404


def test_the_code_for_the_phone_is_a_picture(client, make):
    make.campaign()
    answer = client.get(f"{PAGE}.svg")
    assert answer.content_type == "image/svg+xml"
    assert answer.data.startswith(b"<svg")


def test_the_calls_page_leads_to_the_recorder(client, make):
    make.campaign()
    assert f'href="{PAGE}"' in client.get("/fr/participate/quotidien").text


# What was cut off, on its way --------------------------------------------------------------------------


@pytest.fixture
def begun(client, make):
    """Announces a film of a new submission with these edits."""
    make.campaign()
    told = client.post("/api/v1/submissions", json={"campaign": "quotidien"}).json

    def announce(edits):
        film = {"submission_id": told["id"], "filename": "film.webm", "size": 4000, "type": "video/webm"}
        bearer = {"Authorization": f"Bearer {told['token']}"}
        return client.post("/api/v1/uploads", json=film | {"edits": edits}, headers=bearer)

    return announce


def test_the_ends_come_with_the_announced_film(begun, session):
    assert begun({"start": 1.5, "end": 30}).status_code == 201
    assert EditList.from_json(session.scalars(select(Upload)).one().edits) == EditList(1.5, 30)


@pytest.mark.parametrize(
    ("edits", "field"),
    [
        ({"start": -1}, "edits.start"),
        ({"start": "1"}, "edits.start"),
        ({"start": 4, "end": 2}, "edits.end"),
        ({"end": 4000}, "edits.end"),
        ({"cuts": []}, "edits.cuts"),
        ([], "edits"),
    ],
)
def test_ends_that_cannot_be_meant_are_refused_by_field(begun, session, edits, field):
    answer = begun(edits)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json["errors"]] == [field]
    assert session.scalars(select(Upload)).all() == []


def test_owner_and_moderators_see_what_was_cut_off_before_sending(client, moderator_client, make, runtime):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        wanted = EditList(2.0, 10.0).as_json()
        film = session.scalars(select(Film)).one()
        film.edits, film.facts = wanted, film.facts | {"fps": 30}
        session.scalars(select(Cut)).one().edits = wanted
        link = submission.new_link(session, session.get_one(Clip, clip.id))
    page = client.get(f"/fr/s/{link}").text
    assert "Ce que vous avez coupé dans votre film" in page
    assert "Le début est retiré, jusqu’à 0:02." in page
    sheet = moderator_client.get(f"/studio/review/{clip.id}").text
    assert "coupée par son auteur avant l’envoi" in sheet
    assert "La fin est retirée, à partir de 0:10." in sheet
