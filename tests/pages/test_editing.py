"""Cuts on the pages and in the API: forms that work without script, words for every state, strict calls."""

import re
import secrets

import pytest
from sqlalchemy import select, update

from portal import captions, cuts, editing, submission
from portal.edits import Blur, EditList, Passage
from portal.models import Clip, Cut, CutState, Film, Job, JobState, State
from portal.typography import french
from portal.webvtt import Cue

ROW = {"kind-0": "cut", "from-0": "0:03", "to-0": "0:05,5"}


def version_of(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Clip, clip.id).version


def cuts_of(runtime, clip):
    with runtime.read() as session:
        found = select(Cut).where(Cut.clip_id == clip.id).order_by(Cut.number)
        return list(session.scalars(found))


def sent(client, runtime, clip, form):
    data = {"version": version_of(runtime, clip), **form}
    return client.post_form(f"/studio/review/{clip.id}/cuts", data)


def test_the_player_of_a_new_version_has_the_captions_as_that_version_shows_them(
    client, moderator_client, runtime, make
):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as session:
        film = session.get_one(Film, clip.film_id)
        said = [Cue(1.0, 2.0, "Avant"), Cue(3.5, 5.0, "Caché"), Cue(6.0, 7.0, "Après")]
        captions.from_machine(session, film, "fr", captions.SPEECH, said)
        token = submission.new_link(session, session.get_one(Clip, clip.id))
    assert sent(moderator_client, runtime, clip, ROW).status_code == 303
    make.finished_cut(clip)
    pages = [moderator_client.get(f"/studio/review/{clip.id}{more}") for more in ("", "/cuts")]
    for page in [*pages, client.get(f"/fr/s/{token}")]:
        player = page.text[page.text.index('id="waiting-cut"') :]
        track = re.search(r'<track kind="captions" srclang="fr" label="([^"]+)" src="([^"]+)"', player)
        assert track[1] == "Français (automatique)"
        reader = client if "/s/" in track[2] else moderator_client
        words = reader.get(track[2]).text
        assert "Caché" not in words
        # Two and a half seconds are cut out before it.
        assert "00:00:03.500 --> 00:00:04.500\nAprès" in words
    assert client.get(f"/fr/s/{token}/cuts/9/captions/fr.vtt").status_code == 404
    assert client.get(f"/fr/s/{token}/cuts/99999999999999999999/captions/fr.vtt").status_code == 404


def test_a_version_being_made_says_where_the_page_learns_how_far_it_is(moderator_client, runtime, make):
    clip = make.clip(State.PUBLISHED)
    sent(moderator_client, runtime, clip, ROW)
    for path in (f"/studio/review/{clip.id}", f"/studio/review/{clip.id}/cuts"):
        assert f'data-poll="/studio/review/{clip.id}/cuts"' in moderator_client.get(path).text
    make.finished_cut(clip)
    ready = moderator_client.get(f"/studio/review/{clip.id}/cuts").text
    assert 'id="waiting-version" data-number="2" data-state="made"' in ready


def test_whoever_is_not_signed_in_is_asked_to(client, make):
    assert client.get(f"/studio/review/{make.clip().id}/cuts").status_code == 303


def test_a_form_sent_after_the_session_ended_leads_back_to_the_cuts(moderator_client, make):
    clip = make.clip()
    back = moderator_client.get(f"/studio/review/{clip.id}/cuts/2/adopt")
    assert (back.status_code, back.location) == (303, f"/studio/review/{clip.id}/cuts")


def test_the_sheet_offers_the_form_with_a_label_for_every_field(moderator_client, make):
    page = moderator_client.get(f"/studio/review/{make.clip().id}").text
    for name in ("kind-0", "from-0", "to-0", "left-0", "height-2", "cut-start", "cut-end"):
        assert f'for="{name}"' in page
        assert f'id="{name}"' in page


def test_a_proposal_is_read_as_people_write(moderator_client, make, runtime):
    clip = make.clip()
    blur = {"kind-2": "blur", "from-2": "7", "to-2": "8.5", "left-2": "10", "top-2": "20,5", "width-2": "30",
            "height-2": "40"}  # fmt: skip
    mute = {"kind-1": "mute", "from-1": "1", "to-1": "2"}
    answer = sent(moderator_client, runtime, clip, {"start": "0:00,5", "end": "", **ROW, **mute, **blur})
    assert (answer.status_code, answer.location) == (303, f"/studio/review/{clip.id}#versions")
    edits = cuts.edits_of(cuts_of(runtime, clip)[-1])
    assert edits == EditList(
        0.5, None, (Passage(3.0, 5.5),), (Passage(1.0, 2.0),), (Blur(7.0, 8.5, 0.1, 0.205, 0.3, 0.4),)
    )


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind-0": "cut", "from-0": "soon", "to-0": "0:05"}, "Ligne 1"),
        ({"kind-0": "cut", "from-0": "0:05", "to-0": ""}, "Ligne 1"),
        ({"kind-0": "blur", "from-0": "1", "to-0": "2"}, "Ligne 1"),
        ({"kind-0": "nothing", "from-0": "1", "to-0": "2"}, "Ligne 1"),
        ({"kind-0": "cut", "from-0": "0", "to-0": "11:30"}, "Passage à retirer 1"),
        ({"kind-0": "mute", "from-0": "1", "to-0": "99"}, "Passage sans son 1"),
        ({"kind-0": "cut", "from-0": "0", "to-0": "11.8"}, "moins d’une seconde"),
        ({"start": "1:00"}, "Le début n’est pas dans le film"),
        ({"end": "1:00"}, "La fin n’est pas dans le film"),
        ({"kind-0": "blur", "from-0": "1", "to-0": "2", "left-0": "80", "top-0": "0", "width-0": "30",
          "height-0": "10"}, "Flou 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_comes_back_filled_in(moderator_client, make, runtime, form, said):
    clip = make.clip()
    answer = sent(moderator_client, runtime, clip, form)
    assert answer.status_code == 422
    assert said in answer.text
    for name, value in form.items():
        if value and not name.startswith("kind"):
            assert f'value="{value}"' in answer.text
    assert len(cuts_of(runtime, clip)) == 1


def test_who_comes_second_is_told(moderator_client, make, runtime):
    clip = make.clip()
    answer = sent(moderator_client, runtime, clip, {**ROW, "version": 99})
    assert answer.status_code == 409
    assert "Quelque chose a changé" in answer.text
    unchanged = sent(moderator_client, runtime, clip, {})
    assert unchanged.status_code == 409
    assert "déjà montré ainsi" in unchanged.text


def test_a_cut_in_the_making_shows_how_far_it_is_and_holds_the_approval_back(moderator_client, make, runtime):
    clip = make.clip()
    sent(moderator_client, runtime, clip, ROW)
    with runtime.work() as session:
        session.execute(update(Job).values(state=JobState.RUNNING, progress=0.42))
    page = moderator_client.get(f"/studio/review/{clip.id}").text
    assert french("en préparation, 42 %") in page
    assert "Un passage est retiré, de 0:03 à 0:05,5." in page
    assert "demandée par Inès M." in page
    checks = {"check": ["whole", "people", "music", "driving"], "title": clip.title}
    data = {"version": version_of(runtime, clip), **checks}
    refused = moderator_client.post_form(f"/studio/review/{clip.id}/approve", data)
    assert refused.status_code == 409
    assert "nouvelle version du film est en préparation" in refused.text


def test_a_waiting_cut_is_watched_then_published(moderator_client, make, runtime):
    clip = make.clip(State.PUBLISHED)
    sent(moderator_client, runtime, clip, ROW)
    make.finished_cut(clip)
    page = moderator_client.get(f"/studio/review/{clip.id}").text
    assert 'id="waiting-cut"' in page
    assert "Publier cette version" in page
    assert "Garder l’ancienne" in page
    data = {"version": version_of(runtime, clip)}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/cuts/2/adopt", data)
    assert answer.location == f"/studio/review/{clip.id}#versions"
    after = moderator_client.get(f"/studio/review/{clip.id}").text
    assert 'id="waiting-cut"' not in after
    assert "Revenir à la version 1" in after


def test_a_waiting_cut_can_be_done_without(moderator_client, make, runtime):
    clip = make.clip(State.PUBLISHED)
    sent(moderator_client, runtime, clip, ROW)
    make.finished_cut(clip)
    moderator_client.post_form(f"/studio/review/{clip.id}/cuts/2/let-go")
    assert [one.state for one in cuts_of(runtime, clip)] == [CutState.ADOPTED, CutState.SUPERSEDED]
    assert moderator_client.post_form(f"/studio/review/{clip.id}/cuts/2/let-go").status_code == 409
    assert moderator_client.post_form(f"/studio/review/{clip.id}/cuts/9/let-go").status_code == 404


def test_a_failed_cut_says_why_and_is_tried_again(moderator_client, make, runtime):
    clip = make.clip()
    sent(moderator_client, runtime, clip, ROW)
    with runtime.work() as session:
        session.execute(
            update(Job).values(state=JobState.FAILED, error_detail="exit=8, log=<no such filter>")
        )
        session.execute(
            update(Cut).where(Cut.number == 2).values(state=CutState.FAILED, error_code="ours_transcode")
        )
    page = moderator_client.get(f"/studio/review/{clip.id}").text
    assert "échec de la préparation" in page
    assert "log=&lt;no such filter&gt;" in page
    data = {"version": version_of(runtime, clip)}
    moderator_client.post_form(f"/studio/review/{clip.id}/cuts/2/again", data)
    assert [one.state for one in cuts_of(runtime, clip)][-1] == CutState.MAKING


def test_the_form_begins_with_what_the_film_is_cut_to_now(moderator_client, make, runtime):
    clip = make.clip()
    sent(moderator_client, runtime, clip, {"start": "1", **ROW})
    make.finished_cut(clip)
    page = moderator_client.get(f"/studio/review/{clip.id}/cuts").text
    assert 'id="cut-start" name="start" value="0:01"' in page
    assert 'name="from-0" value="0:03"' in page
    assert 'name="to-0" value="0:05,5"' in page


def test_the_owner_sees_the_new_version_and_what_was_changed_before_it_is_public(client, make, runtime):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        token = submission.new_link(session, held)
        by = editing.Actor(editing.ActorKind.PROGRAM)
        editing.propose(session, held, EditList(start=2.0), by=by, seen_version=held.version)
    assert "Nous la préparons" in client.get(f"/fr/s/{token}").text
    make.finished_cut(clip)
    page = client.get(f"/fr/s/{token}").text
    assert "Elle n’est pas encore en ligne" in page
    assert "Le début est retiré, jusqu’à 0:02." in page
    assert 'id="waiting-cut"' in page
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        editing.adopt(session, held, 2, by=by, seen_version=held.version)
    after = client.get(f"/fr/s/{token}").text
    assert "Ce que nous avons changé dans votre film" in after
    assert 'id="waiting-cut"' not in after


# The API ------------------------------------------------------------------------------------------------


def test_a_program_proposes_sees_and_adopts_a_cut(client, make, reviewer, runtime):
    clip = make.clip(State.PUBLISHED)
    address = f"/api/v1/review/{clip.id}/cuts"
    blur = {"start": 1, "end": 2, "left": 0, "top": 0, "width": 0.5, "height": 0.25}
    body = {"version": clip.version, "end": 10, "cuts": [{"start": 3.01, "end": 4}], "blurs": [blur]}
    asked = client.post(address, headers=reviewer, json=body)
    assert asked.status_code == 202
    newest = asked.json["items"][0]
    assert (newest["number"], newest["state"], newest["percent"]) == (2, "making", 0)
    assert newest["edits"]["cuts"] == [{"start": 3.0, "end": 4.0}]
    assert newest["edits"]["blurs"] == [{key: float(value) for key, value in blur.items()}]
    make.finished_cut(clip)
    listed = client.get(address, headers=reviewer).json
    assert listed["items"][0]["state"] == "made"
    assert "X-Amz-Signature" in listed["items"][0]["mp4"][0]["url"]
    assert listed["film_seconds"] == 12.0
    adopted = client.post(f"{address}/2/adopt", headers=reviewer, json={"version": listed["version"]})
    assert [one["is_current"] for one in adopted.json["items"]] == [True, False]


def test_a_program_that_comes_second_is_told_what_changed(client, make, reviewer):
    clip = make.clip()
    address = f"/api/v1/review/{clip.id}/cuts"
    client.post(address, headers=reviewer, json={"version": clip.version, "start": 1})
    late = client.post(address, headers=reviewer, json={"version": clip.version, "start": 2})
    assert (late.status_code, late.json["code"]) == (409, "conflict")
    assert [one["verb"] for one in late.json["changes"]] == ["propose_cut"]
    approve = client.post(
        f"/api/v1/review/{clip.id}/approve", headers=reviewer, json={"version": late.json["version"]}
    )
    assert (approve.status_code, approve.json["code"]) == (409, "cut_in_the_making")


def test_asking_twice_with_one_key_makes_one_cut(client, make, reviewer, runtime):
    clip = make.clip()
    keyed = {**reviewer, "Idempotency-Key": secrets.token_hex(8)}
    body = {"version": clip.version, "start": 1}
    answers = [client.post(f"/api/v1/review/{clip.id}/cuts", headers=keyed, json=body) for _ in range(2)]
    assert answers[0].data == answers[1].data
    assert len(cuts_of(runtime, clip)) == 2


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"cuts": [{"start": 1}]}, "cuts[0].end"),
        ({"cuts": [{"start": 5, "end": 4}]}, "cuts.0"),
        ({"speed": 2}, "speed"),
        ({"blurs": [{"start": 0, "end": 1, "left": 2, "top": 0, "width": 1, "height": 1}]}, "blurs[0].left"),
        ({"mutes": [{"start": 0, "end": 1}] * 51}, "mutes"),
        ({"start": -1}, "start"),
    ],
)
def test_a_list_that_cannot_be_is_refused_by_field(client, make, reviewer, more, field):
    clip = make.clip()
    body = {"version": clip.version, **more}
    answer = client.post(f"/api/v1/review/{clip.id}/cuts", headers=reviewer, json=body)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json["errors"]] == [field]


def test_a_cut_is_let_go_by_the_api_and_owners_tokens_do_not_cut(client, make, reviewer):
    clip = make.clip()
    address = f"/api/v1/review/{clip.id}/cuts"
    client.post(address, headers=reviewer, json={"version": clip.version, "start": 1})
    assert client.delete(f"{address}/2", headers=reviewer).json["items"][0]["state"] == "superseded"
    assert client.delete(f"{address}/7", headers=reviewer).status_code == 404
    assert client.get(address).status_code == 401
