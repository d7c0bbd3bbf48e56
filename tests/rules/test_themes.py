"""Themes: names, order, retirement, merging, and which a clip carries."""

import pytest

from portal import themes
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import Actor, ActorKind

BY = Actor(ActorKind.ADMIN, 1)


def add(runtime, names, slug=None):
    with runtime.work() as session:
        return themes.add(session, slug, names, by=BY)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Été à l’étang", "ete-a-l-etang"),
        ("Œuvre & Straße", "oeuvre-et-strasse"),
        ("!!", ""),
        ("x" * 80, "x" * 60),
    ],
)
def test_a_slug_is_plain_ascii(text, slug):
    assert themes.slugify(text) == slug


def test_a_theme_takes_its_slug_from_its_name_and_goes_last(runtime, session):
    add(runtime, {"fr": "Week-end"})
    add(runtime, {"fr": "Été", "en": "Summer"})
    assert [theme.slug for theme in themes.visible(session)] == ["week-end", "ete"]


def test_a_taken_slug_is_a_conflict(runtime):
    add(runtime, {"fr": "Été"})
    with pytest.raises(Conflict):
        add(runtime, {"fr": "ÉTÉ"})


def test_a_theme_needs_a_name(runtime):
    with pytest.raises(Unacceptable):
        add(runtime, {"fr": "  "})


def test_a_name_falls_back_to_the_sites_language_then_to_any(make):
    theme = make.theme("neige", fr="Neige", en="Snow")
    assert themes.name_of(theme, "en", "fr") == "Snow"
    assert themes.name_of(theme, "de", "fr") == "Neige"
    assert themes.named(theme, "de", "fr") == ("Neige", "fr")
    assert themes.name_of(make.theme("mer", de="Meer"), "en", "fr") == "Meer"


def test_renaming_keeps_the_slug(runtime, session):
    theme = add(runtime, {"fr": "Neige", "en": "Snow"})
    with runtime.work() as work:
        themes.rename(work, themes.by_slug(work, "neige"), {"fr": "Hiver", "en": "", "de": "Winter"}, by=BY)
    found = themes.by_slug(session, theme.slug)
    assert {name.lang: name.name for name in found.names} == {"fr": "Hiver", "de": "Winter"}


def test_the_last_name_stays(runtime):
    add(runtime, {"fr": "Neige"})
    with pytest.raises(Unacceptable), runtime.work() as session:
        themes.rename(session, themes.by_slug(session, "neige"), {"fr": ""}, by=BY)


def test_a_name_that_is_too_long_is_told_by_language(runtime):
    with pytest.raises(Unacceptable) as caught:
        add(runtime, {"fr": "x" * 61})
    assert caught.value.fields == {"name_fr": Code.TOO_LONG_TEXT}


def test_themes_change_places(runtime, session):
    for name in ("a", "b", "c"):
        add(runtime, {"fr": name})
    with runtime.work() as work:
        themes.shift(work, themes.by_slug(work, "c"), -1, by=BY)
    assert [theme.slug for theme in themes.every(session)] == ["a", "c", "b"]


def test_the_first_theme_goes_no_higher(runtime, session):
    for name in ("a", "b"):
        add(runtime, {"fr": name})
    with runtime.work() as work:
        themes.shift(work, themes.by_slug(work, "a"), -1, by=BY)
    assert [theme.slug for theme in themes.every(session)] == ["a", "b"]


def test_themes_can_be_put_in_order_at_once(runtime, session):
    ids = {name: add(runtime, {"fr": name}).id for name in ("a", "b", "c")}
    with runtime.work() as work:
        themes.reorder(work, [ids["c"], ids["a"]], by=BY)
    assert [theme.slug for theme in themes.every(session)] == ["c", "a", "b"]


def test_a_retired_theme_is_offered_no_more_until_revived(runtime, session):
    add(runtime, {"fr": "Neige"})
    with runtime.work() as work:
        themes.retire(work, themes.by_slug(work, "neige"), by=BY)
    assert themes.visible(session) == []
    with runtime.work() as work:
        themes.revive(work, themes.by_slug(work, "neige"), by=BY)
    session.rollback()
    assert [theme.slug for theme in themes.visible(session)] == ["neige"]


def test_merging_moves_the_clips_and_the_old_slug_leads_on(runtime, session, make):
    snow, winter = make.theme("neige"), make.theme("hiver")
    one, both = make.clip(themes=[snow]), make.clip(themes=[snow, winter])
    with runtime.work() as work:
        themes.merge(work, themes.by_slug(work, "neige"), themes.by_slug(work, "hiver"), by=BY)
    assert themes.slugs_of(session, one) == themes.slugs_of(session, both) == ["hiver"]
    assert themes.by_slug(session, "neige").slug == "hiver"
    assert themes.clip_counts(session) == {winter.id: 2}


def test_merging_twice_leads_to_the_end(runtime, session):
    for name in ("a", "b", "c"):
        add(runtime, {"fr": name})
    for source, into in (("a", "b"), ("b", "c")):
        with runtime.work() as work:
            themes.merge(work, themes.by_slug(work, source), themes.by_slug(work, into), by=BY)
    assert themes.by_slug(session, "a").slug == "c"


def test_a_theme_is_not_merged_with_itself(runtime):
    add(runtime, {"fr": "a"})
    with pytest.raises(Conflict), runtime.work() as session:
        themes.merge(session, themes.by_slug(session, "a"), themes.by_slug(session, "a"), by=BY)


def test_an_unknown_slug_is_missing(session):
    with pytest.raises(Missing):
        themes.by_slug(session, "never")


def test_a_clip_carries_what_it_is_given(runtime, session, make):
    make.theme("neige"), make.theme("hiver")
    clip = make.clip()
    with runtime.work() as work:
        assert themes.set_themes(work, work.merge(clip), ["hiver", "neige", "hiver"])
        assert not themes.set_themes(work, work.merge(clip), ["neige", "hiver"])
    assert themes.slugs_of(session, clip) == ["neige", "hiver"]


def test_a_clip_carries_three_themes_at_most(runtime, make):
    slugs = [make.theme(slug).slug for slug in ("a", "b", "c", "d")]
    clip = make.clip()
    with pytest.raises(Unacceptable) as caught, runtime.work() as session:
        themes.set_themes(session, session.merge(clip), slugs)
    assert caught.value.code == Code.TOO_MANY


def test_an_unknown_theme_is_named(runtime, make):
    clip = make.clip()
    with pytest.raises(Unacceptable) as caught, runtime.work() as session:
        themes.set_themes(session, session.merge(clip), ["never"])
    assert caught.value.facts == {"slug": "never"}


def test_a_retired_theme_stays_on_its_clips_but_is_given_no_more(runtime, session, make):
    theme = make.theme("neige")
    old, new = make.clip(themes=[theme]), make.clip()
    with runtime.work() as work:
        themes.retire(work, themes.by_slug(work, "neige"), by=BY)
    with runtime.work() as work:
        themes.set_themes(work, work.merge(old), ["neige"])
    with pytest.raises(Unacceptable), runtime.work() as work:
        themes.set_themes(work, work.merge(new), ["neige"])
    assert themes.slugs_of(session, old) == ["neige"]
