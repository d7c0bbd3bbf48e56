"""A film of which only the beginning arrived: its owner decides by page or program whether that will do."""

import pytest

from portal.errors import Code
from portal.models import Clip, State
from portal.reasons import sentence

BUTTON = "Garder les 41 s qui sont arrivées"


@pytest.fixture
def failed(make):
    """Makes a clip whose film was refused for this reason, and its magic link's token."""

    def made(code, state=State.FAILED):
        facts = {"seconds": 41.4, "promised": 90.0} if code == Code.CUT_OFF else {}
        clip = make.clip(state, fail_code=code, fail_facts=facts)
        make.film(clip)
        return clip, make.link(clip)

    return made


def test_the_owner_of_a_cut_off_film_keeps_its_beginning_once(client, failed, session):
    clip, token = failed(Code.CUT_OFF)
    assert BUTTON in client.get(f"/fr/s/{token}").text
    client.post_form(f"/fr/s/{token}/keep-beginning")
    answer = client.get(f"/fr/s/{token}")
    assert "nous gardons ce qui est arrivé" in answer.text
    assert BUTTON not in answer.text
    kept = session.get_one(Clip, clip.id)
    assert (kept.state, kept.fail_code, kept.fail_facts) == (State.PROCESSING, None, {})
    client.post_form(f"/fr/s/{token}/keep-beginning")
    again = client.get(f"/fr/s/{token}").text
    assert "nous gardons ce qui est arrivé" not in again
    assert sentence(Code.CONFLICT, state=kept.state, version=kept.version) in again


@pytest.mark.parametrize(
    ("code", "state"), [(Code.BROKEN_FILM, State.FAILED), (None, State.PUBLISHED), (None, State.IN_REVIEW)]
)
def test_nothing_is_kept_of_any_other_film(client, failed, session, code, state):
    clip, token = failed(code, state)
    assert "keep-beginning" not in client.get(f"/fr/s/{token}").text
    client.post_form(f"/fr/s/{token}/keep-beginning")
    assert session.get_one(Clip, clip.id).state == state
    headers = {"Authorization": f"Bearer {token}"}
    refused = client.post(f"/api/v1/submissions/{clip.id}/keep-beginning", headers=headers)
    assert (refused.status_code, refused.json["code"]) == (409, "conflict")


def test_a_program_keeps_the_beginning_once(client, failed, session):
    clip, token = failed(Code.CUT_OFF)
    headers = {"Authorization": f"Bearer {token}"}
    address = f"/api/v1/submissions/{clip.id}/keep-beginning"
    kept = client.post(address, headers=headers)
    assert (kept.status_code, kept.json["state"]) == (200, "processing")
    assert session.get_one(Clip, clip.id).state == State.PROCESSING
    assert client.post(address, headers=headers).status_code == 409
