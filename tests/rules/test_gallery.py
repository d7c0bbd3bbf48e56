"""What visitors find: published clips only, true counts, stable pages, few statements."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from portal import gallery
from portal.cards import Presentation
from portal.errors import Code, Missing, Unacceptable
from portal.gallery import Filter
from portal.lifecycle import CLOCK, move
from portal.models import Clip, State

SHOW = Presentation(
    file_url=lambda key: f"/media/{key}",
    clip_url=lambda clip_id, slug: f"/fr/c/{clip_id}-{slug}",
    lang="fr",
    default_lang="fr",
)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def titles(page: gallery.Page) -> list[str]:
    return [card.title for card in page.cards]


@pytest.fixture
def hiver(make):
    return make.theme("hiver", fr="Hiver", en="Winter")


@pytest.fixture
def route(make):
    return make.theme("route", fr="Route")


@pytest.mark.parametrize("state", [state for state in State if state is not State.PUBLISHED])
def test_only_published_clips_are_found(make, session, state) -> None:
    hidden = make.clip(state)
    assert gallery.find(session, Filter(), show=SHOW).cards == ()
    assert gallery.figures(session, Filter()).total == 0
    assert gallery.featured(session, SHOW) is None
    assert not gallery.is_public(hidden)
    with pytest.raises(Missing) as refused:
        gallery.one(session, hidden.id, show=SHOW)
    gone = {State.WITHDRAWN, State.REMOVED, State.EXPIRED}
    assert refused.value.code is (Code.GONE if state in gone else Code.MISSING)


def test_an_erased_clip_that_was_public_is_gone_and_not_unknown(make, session) -> None:
    erased = make.clip(State.ERASED, published_at=NOON)
    with pytest.raises(Missing) as refused:
        gallery.one(session, erased.id, show=SHOW)
    assert refused.value.code is Code.GONE


def test_any_finds_clips_with_one_theme_and_all_those_with_both(make, session, hiver, route) -> None:
    make.clip(State.PUBLISHED, title="Les deux", themes=[hiver, route])
    make.clip(State.PUBLISHED, title="Hiver seul", themes=[hiver])
    make.clip(State.PUBLISHED, title="Rien")
    both = ("hiver", "route")
    assert set(titles(gallery.find(session, Filter(both), show=SHOW))) == {"Les deux", "Hiver seul"}
    assert titles(gallery.find(session, Filter(both, match="all"), show=SHOW)) == ["Les deux"]


def test_counts_in_any_ignore_the_ticks_and_keep_the_other_conditions(make, session, hiver, route) -> None:
    make.clip(State.PUBLISHED, themes=[hiver, route])
    make.clip(State.PUBLISHED, themes=[hiver], speech_lang="de")
    make.clip(State.IN_REVIEW, themes=[hiver, route])
    assert gallery.theme_counts(session, Filter(("route",))) == {"hiver": 2, "route": 1}
    assert gallery.theme_counts(session, Filter(("route",), lang="de")) == {"hiver": 1}
    known = gallery.figures(session, Filter(("route",), lang="de"))
    assert (known.total, known.languages) == (0, {"fr": 1})


def test_counts_in_all_say_what_would_remain_after_ticking(make, session, hiver, route) -> None:
    nuit = make.theme("nuit", fr="Nuit")
    make.clip(State.PUBLISHED, themes=[hiver, route])
    make.clip(State.PUBLISHED, themes=[hiver])
    make.clip(State.PUBLISHED, themes=[nuit])
    assert gallery.theme_counts(session, Filter(("hiver",), match="all")) == {"hiver": 2, "route": 1}


def test_remembered_counts_follow_every_move(make, runtime, session, hiver) -> None:
    clip = make.clip(State.PUBLISHED, themes=[hiver])
    assert gallery.figures(session, Filter()).themes == {"hiver": 1}
    session.rollback()
    with runtime.work() as work:
        move(work, work.get_one(Clip, clip.id), "withdraw", by=CLOCK)
    assert gallery.figures(session, Filter()) == gallery.Figures(0, {}, {})


def test_totals_answer_several_filters_at_once(make, session, hiver, route) -> None:
    make.clip(State.PUBLISHED, themes=[hiver])
    assert gallery.totals(session, [Filter(("route",)), Filter(), Filter(("hiver",))]) == [0, 1, 1]
    assert gallery.totals(session, []) == []


def test_ticks_are_named_in_the_readers_language_and_retired_themes_are_not_offered(
    make, session, runtime
) -> None:
    make.theme("hiver", fr="Hiver", en="Winter", position=2)
    make.theme("route", fr="Route", position=1)
    old = make.theme("ancien")
    with runtime.work() as work:
        work.merge(old).retired_at = NOON
    english = Presentation(SHOW.file_url, SHOW.clip_url, lang="en", default_lang="fr")
    assert [tick.name for tick in gallery.ticks(session, {"hiver": 3}, english)] == ["Route", "Winter"]
    assert gallery.known_themes(session, ["hiver", "ancien", "nothing", "hiver"]) == ("hiver",)


@pytest.mark.parametrize(
    ("sort", "expected"), [("newest", "cba"), ("oldest", "abc"), ("shortest", "bca"), ("most_watched", "acb")]
)
def test_each_order_holds_across_cursors(make, session, sort, expected) -> None:
    told = (("a", 30.5, 1000), ("b", 10.25, 0), ("c", 20.0, 999))
    for place, (title, seconds, views) in enumerate(told):
        at = NOON + timedelta(seconds=place)
        make.clip(State.PUBLISHED, title=title, seconds=seconds, views=views, published_at=at)
    seen, cursor = [], None
    for _ in range(3):
        page = gallery.find(session, Filter(sort=sort), show=SHOW, limit=1, cursor=cursor)
        seen += titles(page)
        cursor = page.next_cursor
    assert "".join(seen) == expected
    assert cursor is None
    assert page.total == 3


def test_a_cursor_parts_clips_that_were_published_in_the_same_instant(make, session) -> None:
    made = {make.clip(State.PUBLISHED, published_at=NOON).id for _ in range(5)}
    seen, cursor = [], None
    while True:
        page = gallery.find(session, Filter(), show=SHOW, limit=2, cursor=cursor)
        seen += [card.id for card in page.cards]
        if (cursor := page.next_cursor) is None:
            break
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize(
    "cursor", ["x", "\u00e9", "bmV3ZXN0fHh8eQ", "b2xkZXN0fDIwMjYtMDYtMDFUMTI6MDA6MDArMDA6MDB8YQ"]
)
def test_a_cursor_that_is_not_ours_is_refused(session, cursor) -> None:
    with pytest.raises(Unacceptable) as refused:
        gallery.find(session, Filter(), show=SHOW, cursor=cursor)
    assert refused.value.fields == {"cursor": Code.INVALID}


def test_the_lead_is_the_newest_landscape_clip(make, session) -> None:
    make.clip(State.PUBLISHED, title="couchée", published_at=NOON)
    make.clip(State.PUBLISHED, title="debout", width=360, height=640, published_at=NOON + timedelta(days=1))
    page = gallery.find(session, Filter(), show=SHOW, limit=1, with_lead=True)
    assert titles(page) == ["debout"]
    assert page.lead is not None
    assert page.lead.title == "couchée"
    assert page.lead.posters
    assert gallery.featured(session, SHOW) == page.lead


def test_one_clip_comes_with_its_files_under_the_public_token(make, session, hiver) -> None:
    made = make.clip(State.PUBLISHED, themes=[hiver], owner_level="purchase_proven")
    clip = gallery.one(session, made.id, show=SHOW)
    assert clip.url == f"/fr/c/{made.id}-six-heures-le-galibier-pour-nous-seuls"
    assert clip.themes == (("hiver", "Hiver"),)
    assert clip.is_verified
    assert clip.shape == "l"
    assert [width for width, _url in clip.posters["avif"]] == [360, 640]
    assert [file.height for file in clip.mp4] == [360]
    assert clip.hls_url.endswith("/master.m3u8")
    assert clip.card_url.endswith("/card.jpg")
    assert all(url.startswith("/media/v/") for url in clip.files.values())


def test_related_clips_share_themes_and_are_of_other_owners(make, session, hiver, route) -> None:
    nadia, karim = make.person(), make.person()
    mine = make.clip(State.PUBLISHED, title="à moi", owner=nadia, themes=[hiver, route])
    make.clip(State.PUBLISHED, title="encore à moi", owner=nadia, themes=[hiver, route])
    make.clip(State.PUBLISHED, title="un thème", owner=karim, themes=[hiver])
    make.clip(State.PUBLISHED, title="deux thèmes", owner=karim, themes=[hiver, route])
    make.clip(State.PUBLISHED, title="ailleurs", city="Lille", themes=[route])
    make.clip(State.PUBLISHED, title="sans thème")
    make.clip(State.IN_REVIEW, title="pas encore", themes=[hiver, route])
    clip = gallery.one(session, mine.id, show=SHOW)
    near = gallery.related(session, clip, show=SHOW)
    assert [card.title for card in near] == ["deux thèmes", "ailleurs"]


def test_a_title_without_latin_letters_still_has_an_address() -> None:
    assert gallery.cards.slug_of("فيلم") == "clip"
    assert gallery.cards.slug_of("Ça : l’été !") == "ca-l-ete"


def test_the_number_of_statements_does_not_grow_with_the_clips(make, runtime, session, hiver) -> None:
    said: list[str] = []
    event.listen(runtime.engine, "before_cursor_execute", lambda *args: said.append(args[2]))

    def statements() -> int:
        said.clear()
        known = gallery.figures(session, Filter(("hiver",)))
        gallery.ticks(session, known.themes, SHOW)
        gallery.find(session, Filter(("hiver",)), show=SHOW, in_full=False)
        return len([line for line in said if line.startswith(("SELECT", "WITH"))])

    make.clip(State.PUBLISHED, themes=[hiver])
    few = statements()
    session.rollback()
    for _ in range(5):
        make.clip(State.PUBLISHED, themes=[hiver])
    assert statements() == few <= 6
