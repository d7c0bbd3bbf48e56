"""The moderators' pages: queue, sheet, decisions, conflicts, undo; all without script."""

import re

import pytest

from portal import review, submission
from portal.lifecycle import OWNER
from portal.models import Clip, State
from portal.typography import french

CHECKED = {"check": ["whole", "people", "music", "driving"]}


def in_state(session, clip):
    session.rollback()
    return review.clip_by_id(session, clip.id).state


def approve(client, clip, **more):
    data = {"version": clip.version, "title": clip.title, **CHECKED, **more}
    return client.post_form(f"/studio/review/{clip.id}/approve", data)


def test_whoever_is_not_signed_in_is_asked_to(client, make):
    clip = make.clip()
    answer = client.get(f"/studio/review/{clip.id}")
    assert answer.status_code == 303
    assert answer.location == f"/studio/login?next=/studio/review/{clip.id}"


def test_a_form_sent_after_the_session_ended_leads_through_the_sign_in_to_the_clip(
    client, moderator_client, make
):
    # Of ticks alone nothing is kept (tests/pages/test_kept.py tells of words).
    clip = make.clip()
    answer = approve(client, clip, title="")
    assert answer.status_code == 303
    assert f"next=/studio/review/{clip.id}/approve" in answer.location
    back = moderator_client.get(f"/studio/review/{clip.id}/approve")
    assert (back.status_code, back.location) == (303, f"/studio/review/{clip.id}")


def test_an_owner_is_no_moderator(client, make):
    owner = make.person()
    assert client.sign_in(owner).get("/studio/review").status_code == 303


def test_the_queue_lists_what_waits_oldest_first(moderator_client, make):
    make.clip(title="Plus ancien")
    make.clip(title="Plus récent")
    make.clip(State.PUBLISHED, title="Déjà en ligne")
    page = moderator_client.get("/studio/review").text
    assert page.index("Plus ancien") < page.index("Plus récent")
    assert "Déjà en ligne" not in page


def test_the_queue_can_show_other_states(moderator_client, make):
    make.clip(State.PUBLISHED, title="Déjà en ligne")
    assert "Déjà en ligne" in moderator_client.get("/studio/review?state=published").text


def test_the_queue_filters_by_theme(moderator_client, make):
    theme = make.theme("neige", fr="Neige")
    make.clip(title="Avec neige", themes=[theme])
    make.clip(title="Sans rien")
    page = moderator_client.get("/studio/review?theme=neige").text
    assert "Avec neige" in page
    assert "Sans rien" not in page


def test_an_empty_queue_says_so(moderator_client):
    assert "Tout est relu" in moderator_client.get("/studio/review").text


def test_filters_that_find_nothing_say_so(moderator_client):
    assert "Aucun clip ne correspond" in moderator_client.get("/studio/review?theme=neige").text


def test_the_studio_is_kept_by_no_cache_and_no_search_engine(moderator_client, make):
    answer = moderator_client.get(f"/studio/review/{make.clip().id}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"


def test_next_opens_the_first_clip(moderator_client, make):
    clip = make.clip()
    assert moderator_client.get("/studio/review/next").location == f"/studio/review/{clip.id}"


def test_passing_opens_the_one_behind(moderator_client, make):
    first, second = make.clip(), make.clip()
    assert (
        moderator_client.get(f"/studio/review/next?after={first.id}").location
        == f"/studio/review/{second.id}"
    )
    assert (
        moderator_client.get(f"/studio/review/next?after={second.id}").location
        == f"/studio/review/{first.id}"
    )


def test_next_on_an_empty_queue_leads_to_the_queue(moderator_client):
    assert moderator_client.get("/studio/review/next").location == "/studio/review"


def test_the_sheet_shows_what_a_decision_needs(moderator_client, make):
    owner = make.person("nadia@mail.example")
    clip = make.clip(owner=owner, product="Solène 2", owned_since=2022)
    page = moderator_client.get(f"/studio/review/{clip.id}").text
    for words in (
        "Galibier",
        "nadia@mail.example",
        "Grenoble",
        "Solène 2",
        "640 × 360",
        "Approuver et publier",
    ):
        assert words in page
    assert "J’accepte" not in page
    assert 'data-key="a"' in page
    assert f'name="version" value="{clip.version}"' in page


def test_a_clip_that_never_was_is_a_404(moderator_client):
    assert moderator_client.get("/studio/review/never").status_code == 404


def test_opening_a_clip_tells_colleagues(moderator_client, admin_client, make):
    clip = make.clip()
    moderator_client.get(f"/studio/review/{clip.id}")
    page = admin_client.get(f"/studio/review/{clip.id}").text
    assert "Ouvert par Inès M. en ce moment" in page
    assert "Inès M." in admin_client.get("/studio/review").text


def test_a_colleague_can_take_the_clip_over(moderator_client, admin_client, make):
    clip = make.clip()
    moderator_client.get(f"/studio/review/{clip.id}")
    admin_client.post_form(f"/studio/review/{clip.id}/claim")
    assert "Ouvert par" not in admin_client.get(f"/studio/review/{clip.id}").text
    assert "Ouvert par Ada L." in moderator_client.get(f"/studio/review/{clip.id}").text


@pytest.mark.parametrize("state", [State.FAILED, State.PROCESSING, State.DRAFT])
def test_a_clip_without_a_film_offers_no_decision(moderator_client, make, state):
    page = moderator_client.get(f"/studio/review/{make.clip(state).id}").text
    assert "Approuver et publier <kbd>" not in page
    assert "pas encore d’aperçu" in page


def test_a_failed_film_can_be_tried_again(moderator_client, make, session):
    clip = make.clip(State.FAILED, fail_code="ours_transcode")
    assert "Réessayer" in moderator_client.get(f"/studio/review/{clip.id}").text
    moderator_client.post_form(f"/studio/review/{clip.id}/retry")
    assert in_state(session, clip) == State.PROCESSING


def test_approving_opens_the_next_clip_with_a_way_back(moderator_client, make, session):
    clip, following = make.clip(), make.clip()
    answer = approve(moderator_client, clip)
    assert (answer.status_code, answer.location) == (303, f"/studio/review/{following.id}?done={clip.id}")
    page = moderator_client.get(answer.location).text
    assert french("Approuvé : « Six heures") in page
    assert re.search(r'data-undo="\d+"', page)
    assert in_state(session, clip) == State.APPROVED


def test_approving_the_last_one_leads_to_the_empty_queue(moderator_client, make):
    clip = make.clip()
    answer = approve(moderator_client, clip)
    assert answer.location == f"/studio/review?done={clip.id}"
    page = moderator_client.get(answer.location).text
    assert "Approuvé" in page
    assert "Tout est relu" in page


def test_a_decision_can_be_undone(moderator_client, make, session):
    clip = make.clip()
    approve(moderator_client, clip)
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/undo")
    assert (answer.status_code, answer.location) == (303, f"/studio/review/{clip.id}")
    assert in_state(session, clip) == State.IN_REVIEW


def test_a_colleague_cannot_undo_it(moderator_client, admin_client, make, session):
    clip = make.clip()
    approve(moderator_client, clip)
    assert admin_client.post_form(f"/studio/review/{clip.id}/undo").status_code == 403
    assert in_state(session, clip) == State.APPROVED


def test_approving_needs_the_whole_checklist(moderator_client, make, session):
    clip = make.clip()
    answer = approve(moderator_client, clip, check=["whole", "music"])
    assert answer.status_code == 422
    assert "confirmez d’abord chaque point" in answer.text
    assert in_state(session, clip) == State.IN_REVIEW


def test_approving_takes_title_and_themes_along(moderator_client, make, session):
    make.theme("neige", fr="Neige")
    clip = make.clip()
    approve(moderator_client, clip, title="Le col, sans bruit", theme=["neige"])
    sheet = review.sheet(session, clip.id)
    assert sheet.clip.title == "Le col, sans bruit"
    assert [theme.slug for theme in sheet.themes] == ["neige"]


def test_whoever_comes_second_sees_what_happened_and_keeps_the_form(
    moderator_client, admin_client, make, session
):
    clip = make.clip()
    approve(admin_client, clip)
    answer = approve(moderator_client, clip, title="Mon autre titre")
    assert answer.status_code == 409
    assert "Quelqu’un est passé avant vous" in answer.text
    assert "Approuvé, par Ada L." in answer.text
    assert 'value="Mon autre titre"' in answer.text


def test_an_edit_meanwhile_is_a_conflict_too(moderator_client, admin_client, make, session):
    clip = make.clip()
    edited = {"version": clip.version, "title": "Un autre titre"}
    admin_client.post_form(f"/studio/review/{clip.id}/edit", edited)
    answer = approve(moderator_client, clip)
    assert answer.status_code == 409
    assert "Textes modifiés, par Ada L. (titre)" in answer.text
    assert in_state(session, clip) == State.IN_REVIEW


def test_editing_keeps_the_clip_in_review(moderator_client, make, session):
    clip = make.clip()
    edited = {"version": clip.version, "title": "Un autre titre"}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/edit", edited)
    assert answer.status_code == 303
    assert review.clip_by_id(session, clip.id).title == "Un autre titre"


def test_an_empty_title_is_explained_next_to_it(moderator_client, make):
    clip = make.clip()
    answer = moderator_client.post_form(
        f"/studio/review/{clip.id}/edit", {"version": clip.version, "title": " "}
    )
    assert answer.status_code == 422
    assert 'id="title-wrong"' in answer.text


def test_a_note_is_kept_with_its_moment(moderator_client, make, session):
    clip = make.clip()
    moderator_client.post_form(f"/studio/review/{clip.id}/note", {"words": "Plaque ?", "at": "0:31"})
    (note,) = review.sheet(session, clip.id).notes
    assert (note.words, note.at_seconds) == ("Plaque ?", 31.0)
    assert "«\u00a0Plaque ?\u00a0»" in moderator_client.get(f"/studio/review/{clip.id}").text


def test_a_moment_that_is_none_is_explained(moderator_client, make):
    clip = make.clip()
    answer = moderator_client.post_form(
        f"/studio/review/{clip.id}/note", {"words": "Plaque ?", "at": "vers la fin"}
    )
    assert answer.status_code == 422
    assert "Plaque ?" in answer.text


def test_asking_for_changes_offers_what_can_be_mended(moderator_client, make):
    page = moderator_client.get(f"/studio/review/{make.clip().id}/request-changes").text
    assert 'value="plate"' in page
    assert 'value="hidden_ad"' not in page


def test_the_mail_is_shown_before_it_leaves(moderator_client, make, session):
    clip = make.clip()
    data = {
        "version": clip.version,
        "reason": ["plate"],
        "at_plate": "0:31",
        "words_plate": "Floutez-la.",
        "do": "preview",
    }
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/request-changes", data)
    assert answer.status_code == 200
    assert "Le message que l’auteur recevra" in answer.text
    assert "Floutez-la." in answer.text
    assert in_state(session, clip) == State.IN_REVIEW


def test_asking_for_changes_keeps_the_reasons(moderator_client, make, session):
    clip = make.clip()
    data = {
        "version": clip.version,
        "reason": ["plate", "sound"],
        "at_plate": "1:02",
        "words_plate": "Floutez-la.",
    }
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/request-changes", {**data, "do": "send"})
    assert answer.status_code == 303
    (decision,) = review.sheet(session, clip.id).decisions
    assert [(one.code, one.at_seconds, one.words) for one in decision.reasons] == [
        ("plate", 62.0, "Floutez-la."),
        ("sound", None, ""),
    ]


def test_asking_for_changes_needs_a_reason(moderator_client, make, session):
    clip = make.clip()
    answer = moderator_client.post_form(
        f"/studio/review/{clip.id}/request-changes", {"version": clip.version}
    )
    assert answer.status_code == 422
    assert in_state(session, clip) == State.IN_REVIEW


def test_refusing_needs_own_words_and_keeps_the_reason_chosen(moderator_client, make, session):
    clip = make.clip()
    data = {"version": clip.version, "reason": "driving", "words": "  "}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/reject", data)
    assert answer.status_code == 422
    assert re.search(r'value="driving" checked', answer.text)
    assert in_state(session, clip) == State.IN_REVIEW


def test_refusing_says_so_on_the_next_page(moderator_client, make, session):
    clip = make.clip()
    data = {"version": clip.version, "reason": "driving", "words": "Filmez à l’arrêt."}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/reject", data)
    assert french("Refusé : « Six heures") in moderator_client.get(answer.location).text
    assert in_state(session, clip) == State.REJECTED


def test_a_verdict_that_came_second_keeps_its_words(moderator_client, admin_client, make):
    clip = make.clip()
    approve(admin_client, clip)
    data = {"version": clip.version, "reason": "driving", "words": "Filmez à l’arrêt."}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/reject", data)
    assert answer.status_code == 409
    assert "Approuvé, par Ada L." in answer.text
    assert "Filmez à l’arrêt." in answer.text


def test_a_published_clip_can_be_taken_down(moderator_client, make, session):
    clip = make.clip(State.PUBLISHED)
    assert "Dépublier" in moderator_client.get(f"/studio/review/{clip.id}").text
    data = {"version": clip.version, "reason": "minor", "words": "Un enfant se reconnaît."}
    moderator_client.post_form(f"/studio/review/{clip.id}/unpublish", data)
    assert in_state(session, clip) == State.REMOVED


def test_a_form_without_its_token_changes_nothing(moderator_client, make, session):
    clip = make.clip()
    answer = moderator_client.post(
        f"/studio/review/{clip.id}/approve", data={"version": clip.version, **CHECKED}
    )
    assert answer.status_code == 403
    assert in_state(session, clip) == State.IN_REVIEW


@pytest.mark.parametrize("lang", ["fr", "en", "de"])
def test_the_sheet_opens_in_every_language(app, client, make, lang):
    person = make.person(role="moderator", lang=lang)
    clip = make.clip()
    page = client.sign_in(person).get(f"/studio/review/{clip.id}").text
    assert f'<html lang="{lang}"' in page


def test_the_sheet_of_an_answered_clip_tells_what_had_been_asked(runtime, make, moderator_client):
    clip = make.clip(State.IN_REVIEW)
    asked = {
        "reason": "plate",
        "at_plate": "0:01",
        "words_plate": "On lit une plaque",
        "version": "1",
        "do": "send",
    }
    assert moderator_client.post_form(f"/studio/review/{clip.id}/request-changes", asked).status_code == 303
    with runtime.work() as session:
        submission.answer(
            session, session.get_one(Clip, clip.id), submission.Texts(title="Sans plaque"), by=OWNER
        )
    sheet = moderator_client.get(f"/studio/review/{clip.id}")
    assert sheet.status_code == 200
    assert "On lit une plaque" in sheet.text


def test_a_form_that_came_back_still_decides_on_the_version_that_was_watched(
    moderator_client, admin_client, make, session
):
    clip = make.clip()
    admin_client.post_form(f"/studio/review/{clip.id}/edit", {"version": 1, "title": "Un autre film"})
    # A fault of the form, before anybody looks at versions.
    back = approve(moderator_client, clip, check=["whole"])
    assert back.status_code == 422
    version = re.search(r'id="decision".*?name="version" value="(\d+)"', back.text, re.DOTALL)[1]
    assert version == "1"
    assert approve(moderator_client, clip, version=version).status_code == 409
    assert in_state(session, clip) == State.IN_REVIEW


def test_looking_at_the_letter_first_decides_on_the_version_that_was_watched(
    moderator_client, admin_client, make, session
):
    clip = make.clip()
    url, given = (
        f"/studio/review/{clip.id}/reject",
        {"version": 1, "reason": "off_topic", "words": "Un vélo."},
    )
    admin_client.post_form(f"/studio/review/{clip.id}/edit", {"version": 1, "title": "Un autre film"})
    seen = moderator_client.post_form(url, given | {"do": "preview"})
    version = re.search(r'name="version" value="(\d+)"', seen.text)[1]
    assert moderator_client.post_form(url, given | {"version": version, "do": "send"}).status_code == 409
    assert in_state(session, clip) == State.IN_REVIEW


def test_whoever_was_told_what_changed_confirms_anew_and_decides(
    moderator_client, admin_client, make, session
):
    clip = make.clip()
    admin_client.post_form(f"/studio/review/{clip.id}/edit", {"version": 1, "title": "Un autre film"})
    told = approve(moderator_client, clip)
    assert told.status_code == 409
    assert "checked" not in re.search(r'id="checks".*?</fieldset>', told.text, re.DOTALL)[0]
    version = re.search(r'id="decision".*?name="version" value="(\d+)"', told.text, re.DOTALL)[1]
    assert approve(moderator_client, clip, version=version).status_code == 303


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_decision_pressed_twice_is_taken_once_and_leads_on(moderator_client, make, session, verdict):
    clip = make.clip()
    data = {"version": 1, "title": clip.title, "reason": "off_topic", "words": "Un vélo.", **CHECKED}
    answers = [moderator_client.post_form(f"/studio/review/{clip.id}/{verdict}", data) for _ in range(2)]
    assert [answer.location for answer in answers] == [f"/studio/review?done={clip.id}"] * 2
    assert len(review.sheet(session, clip.id).decisions) == 1


def test_a_decision_leads_to_the_clip_behind_it_and_not_back_to_those_that_were_passed(
    moderator_client, make
):
    _passed, decided, following = make.clip(), make.clip(), make.clip()
    answer = approve(moderator_client, decided)
    assert answer.location == f"/studio/review/{following.id}?done={decided.id}"


def test_ones_own_refusal_is_reopened_by_somebody_else_and_the_page_says_so(
    moderator_client, admin_client, make, session
):
    clip = make.clip()
    given = {"version": 1, "reason": "off_topic", "words": "Un vélo."}
    moderator_client.post_form(f"/studio/review/{clip.id}/reject", given)
    mine = moderator_client.get(f"/studio/review/{clip.id}").text
    assert f"/studio/review/{clip.id}/reopen" not in mine
    assert "Un autre regard est nécessaire" in mine
    assert f"/studio/review/{clip.id}/reopen" not in moderator_client.get("/studio/clips").text
    assert f"/studio/review/{clip.id}/reopen" in admin_client.get(f"/studio/review/{clip.id}").text
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/reopen", {"version": 2})
    assert "Un autre regard est nécessaire" in moderator_client.get(answer.location).text
    assert in_state(session, clip) == State.REJECTED
