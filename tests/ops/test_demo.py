"""The demo's filling: what it prepares, whom it leaves alone, that its films are films."""

import dataclasses

from ops import demo_films
from ops.demo import Demo
from ops.demo_clips import CLIPS, LEAVE, THEMES
from portal import campaigns, readiness, themes
from tests import footage


def test_preparing_twice_makes_everything_once(runtime, session):
    for _ in range(2):
        Demo(runtime).prepare()
    (campaign,) = campaigns.every(session)
    assert {text.lang for text in campaign.texts} == {"fr", "en", "de"}
    assert [theme.slug for theme in themes.every(session)] == list(THEMES)


def test_a_portal_that_somebody_uses_is_left_alone(runtime, make, session):
    make.campaign("ete")
    assert Demo(runtime).fill() is False
    assert themes.every(session) == []


def test_a_filling_that_was_interrupted_goes_on(runtime, make):
    Demo(runtime).keep("state", "filling")
    make.campaign("quotidien")
    assert Demo(runtime).is_welcome()


def test_a_portal_that_was_filled_stays_as_it_is(runtime):
    Demo(runtime).keep("state", "filled")
    assert Demo(runtime).fill() is False


def test_every_draft_is_whole_but_for_its_film(runtime, session):
    demo = Demo(runtime)
    demo.prepare()
    for number, clip in enumerate(CLIPS):
        demo.begin(clip, number)
        assert demo.clip_of(clip).title == clip.title


def test_the_demo_waits_for_nobody_to_open_a_letter(runtime, session):
    site = dataclasses.replace(runtime.settings.site, confirms_email=True)
    settings = dataclasses.replace(runtime.settings, site=site)
    demo = Demo(dataclasses.replace(runtime, settings=settings))
    demo.prepare()
    demo.begin(CLIPS[0], 0)
    assert readiness.missing(session, demo.clip_of(CLIPS[0])) == ["film"]


def test_the_demo_leaves_two_clips_for_the_studio():
    assert sum(clip.end == LEAVE for clip in CLIPS) == 2


def test_a_painted_film_has_a_picture_and_a_sound(tmp_path):
    scene = demo_films.road(demo_films.SNOWY, flakes=True)
    film = demo_films.make(
        footage.tools(), scene, (160, 90), 0.6, seed=1, notes=(220.0, 330.0), folder=tmp_path
    )
    assert footage.packets(film, "stream=codec_name") == ["h264"]
    assert footage.packets(film, "stream=codec_name", "a:0") == ["aac"]
