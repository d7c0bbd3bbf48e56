"""All clips, themes, staff and settings."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import desk, figures, people, themes
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import enqueue
from portal.models import Clip, Job, JobState, Person, State
from settings_table import SETTINGS


@pytest.mark.parametrize("path", ["/studio/themes", "/studio/people", "/studio/settings"])
def test_a_moderator_does_not_administer(moderator_client, path):
    assert moderator_client.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/studio/clips", "/studio/themes", "/studio/people", "/studio/settings"])
def test_nobody_enters_without_signing_in(client, path):
    assert client.get(path).status_code == 303


@pytest.mark.parametrize("path", ["/studio/clips", "/studio/themes", "/studio/people", "/studio/settings"])
@pytest.mark.parametrize("lang", ["fr", "en", "de"])
def test_every_page_opens_in_every_language_on_an_empty_portal(client, make, path, lang):
    person = make.person(role="admin", lang=lang)
    answer = client.sign_in(person).get(path)
    assert answer.status_code == 200
    assert f'<html lang="{lang}"' in answer.text


def test_clips_are_found_by_words_and_state(moderator_client, make):
    make.clip(State.PUBLISHED, title="Galibier", search_text="galibier")
    make.clip(State.REJECTED, title="Aubrac", search_text="aubrac")
    both = moderator_client.get("/studio/clips").text
    assert "Galibier" in both
    assert "Aubrac" in both
    assert "Aubrac" not in moderator_client.get("/studio/clips?q=GALIBIER").text
    assert "Galibier" not in moderator_client.get("/studio/clips?state=rejected").text


def test_each_clip_offers_what_its_state_allows(moderator_client, make):
    shown, failed, refused = make.clip(State.PUBLISHED), make.clip(State.FAILED), make.clip(State.REJECTED)
    page = moderator_client.get("/studio/clips").text
    assert f"/studio/review/{shown.id}/unpublish" in page
    assert f"/studio/review/{failed.id}/retry" in page
    assert f"/studio/review/{refused.id}/reopen" in page


def test_long_lists_are_paged(moderator_client, make):
    for number in range(51):
        make.clip(title=f"Clip {number:02}")
    assert "Clip 50" in moderator_client.get("/studio/clips").text
    assert "Clip 00" in moderator_client.get("/studio/clips?page=2").text


def test_a_theme_is_added_with_its_names(admin_client, session):
    answer = admin_client.post_form("/studio/themes", {"name_fr": "Neige", "name_en": "Snow", "name_de": ""})
    assert answer.status_code == 303
    theme = themes.by_slug(session, "neige")
    assert {name.lang: name.name for name in theme.names} == {"fr": "Neige", "en": "Snow"}
    assert "Snow" in admin_client.get("/studio/themes").text


def test_a_theme_that_is_there_already_comes_back_with_the_form(admin_client, make):
    make.theme("neige")
    answer = admin_client.post_form("/studio/themes", {"name_fr": "Neige"})
    assert answer.status_code == 409
    assert 'id="new-fr" name="name_fr" value="Neige"' in answer.text


def test_a_theme_is_renamed(admin_client, make, session):
    theme = make.theme("neige")
    admin_client.post_form(f"/studio/themes/{theme.id}/rename", {"name_fr": "Hiver"})
    assert themes.name_of(themes.by_slug(session, "neige"), "fr", "fr") == "Hiver"


def test_a_theme_cannot_lose_its_last_name(admin_client, make):
    theme = make.theme("neige")
    assert admin_client.post_form(f"/studio/themes/{theme.id}/rename", {"name_fr": ""}).status_code == 422


def test_a_theme_goes_up_and_down(admin_client, make, session):
    make.theme("a"), make.theme("b")
    below = themes.by_slug(session, "b").id
    admin_client.post_form(f"/studio/themes/{below}/up")
    session.rollback()
    assert [theme.slug for theme in themes.every(session)] == ["b", "a"]
    admin_client.post_form(f"/studio/themes/{below}/down")
    session.rollback()
    assert [theme.slug for theme in themes.every(session)] == ["a", "b"]


def test_a_theme_is_retired_and_revived(admin_client, make, session):
    theme = make.theme("neige")
    admin_client.post_form(f"/studio/themes/{theme.id}/retire")
    assert themes.visible(session) == []
    admin_client.post_form(f"/studio/themes/{theme.id}/revive")
    session.rollback()
    assert [one.slug for one in themes.visible(session)] == ["neige"]


def test_themes_are_merged(admin_client, make, session):
    snow = make.theme("neige")
    make.theme("hiver")
    clip = make.clip(themes=[snow])
    admin_client.post_form(f"/studio/themes/{snow.id}/merge", {"into": "hiver"})
    assert themes.slugs_of(session, clip) == ["hiver"]


def test_too_many_themes_are_warned_of(admin_client, make):
    for number in range(13):
        make.theme(f"t{number}")
    assert "ne cochent plus" in admin_client.get("/studio/themes").text


def test_a_colleague_without_a_password_gets_a_link_that_is_shown_once(admin_client, client):
    admin_client.post_form(
        "/studio/people", {"email": "lea@brand.example", "name": "Léa", "role": "moderator"}
    )
    page = admin_client.get("/studio/people").text
    token = re.search(r"http://portal\.test/studio/welcome/([\w-]+)", page)[1]
    assert token not in admin_client.get("/studio/people").text
    assert client.get(f"/studio/welcome/{token}").status_code == 200


def test_a_double_press_shows_the_link_though_the_first_answer_was_thrown_away(admin_client):
    page = admin_client.get("/studio/people").text
    tokens = re.findall(r'name="(csrf_token|press)" value="([\w.-]+)"', page)
    data = {"email": "lea@brand.example", "name": "Léa", "role": "moderator", **dict(tokens)}
    before = admin_client.get_cookie("s").value
    assert admin_client.post("/studio/people", data=data).status_code == 303
    # The browser follows the second press alone: what the first one set never arrived.
    admin_client.set_cookie("s", before)
    assert admin_client.post("/studio/people", data=data).status_code == 303
    assert "http://portal.test/studio/welcome/" in admin_client.get("/studio/people").text


def test_a_colleague_can_get_a_password_at_once(admin_client, session):
    data = {"email": "lea@brand.example", "role": "admin", "password": "une longue phrase"}
    assert admin_client.post_form("/studio/people", data).status_code == 303
    assert people.authenticate(session, "lea@brand.example", "une longue phrase").role == "admin"


@pytest.mark.parametrize(
    ("data", "status", "field"),
    [
        ({"email": "lea", "role": "moderator"}, 422, "email"),
        ({"email": "lea@brand.example", "role": "moderator", "password": "kurz"}, 422, "password"),
        ({"email": "ada@brand.example", "role": "moderator"}, 409, "email"),
        ({"email": "lea@brand.example", "role": "owner"}, 422, "role"),
    ],
)
def test_what_cannot_be_taken_comes_back_with_the_form(admin_client, data, status, field):
    answer = admin_client.post_form("/studio/people", data)
    assert answer.status_code == status
    assert f'href="#{field}"' in answer.text
    assert f'value="{data["email"]}"' in answer.text


def test_a_colleague_is_removed(admin_client, moderator_client, moderator):
    assert moderator_client.get("/studio/review").status_code == 200
    admin_client.post_form(f"/studio/people/{moderator.id}/remove")
    assert moderator_client.get("/studio/review").status_code == 303


def test_the_last_administrator_cannot_go(admin_client, administrator, session):
    answer = admin_client.post_form(f"/studio/people/{administrator.id}/remove")
    assert "dernière personne qui administre" in admin_client.get(answer.location).text
    assert session.get(Person, administrator.id).disabled_at is None


def test_settings_show_the_work_and_keep_the_secrets(admin_client, runtime, make, settings):
    clip = make.clip(State.FAILED)
    with runtime.work() as session:
        now = db_now(session)
        columns = {"kind": "transcode", "clip_id": clip.id, "created_at": now, "run_after": now}
        session.add(
            Job(id="1" * 32, state=JobState.FAILED, error_code="ours_timeout", finished_at=now, **columns)
        )
    make.worker("atelier-1")
    page = admin_client.get("/studio/settings").text
    for words in (
        "http://portal.test",
        "atelier-1",
        "La préparation a pris trop de temps",
        f"{clip.id}/retry",
    ):
        assert words in page
    assert settings.site.secret_key not in page
    assert settings.storage.secret_access_key not in page


def test_what_was_tried_again_is_not_shown_as_failed(admin_client, runtime, make):
    clip = make.clip(State.FAILED)
    with runtime.work() as session:
        now = db_now(session)
        columns = {"kind": "transcode", "clip_id": clip.id, "run_after": now}
        session.add(Job(id="1" * 32, state=JobState.FAILED, created_at=now, **columns))
    admin_client.post_form(f"/studio/review/{clip.id}/retry")
    assert "Rien n’a échoué" in admin_client.get("/studio/settings").text


def test_a_failure_stays_on_the_list_while_other_work_goes_on_and_is_tried_again_by_its_kind(
    admin_client, runtime, make
):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        row = session.get_one(Clip, clip.id)
        enqueue(session, row, JobKind.CAPTIONS).state = JobState.FAILED
        # Somebody has chosen a picture since.
        enqueue(session, row, JobKind.POSTER).created_at += timedelta(seconds=1)
    page = admin_client.get("/studio/settings").text
    assert 'name="kind" value="captions"' in page
    with runtime.read() as session:
        assert figures.queues(session).failed == {("captions", ""): 1}
    admin_client.post_form(f"/studio/review/{clip.id}/retry", {"kind": "captions"})
    assert "Rien n’a échoué" in admin_client.get("/studio/settings").text
    with runtime.read() as session:
        asked = session.scalars(select(Job.kind).where(Job.state == JobState.QUEUED)).all()
        assert sorted(asked) == ["captions", "poster"]


def test_a_failure_that_its_clip_has_no_use_for_any_more_is_none(runtime, make):
    clip = make.clip(State.WITHDRAWN)
    with runtime.work() as session:
        enqueue(session, session.get_one(Clip, clip.id), JobKind.PUBLISH).state = JobState.FAILED
    with runtime.read() as session:
        assert figures.queues(session).failed == {}
        assert desk.work_figures(session).failed == []


def test_every_setting_is_shown_with_the_value_that_counts(admin_client):
    page = admin_client.get("/studio/settings").text
    for one in SETTINGS:
        assert f"<code>{one.name}</code>" in page
    assert "<bdi>http://portal.test</bdi>" in page
    assert "<bdi>off</bdi>" in page
    assert '<bdi lang="en">1200</bdi>' in page
