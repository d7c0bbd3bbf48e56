"""Views: each browser once a day, programs never, nobody known; and the thanks that come of them."""

from datetime import date

import pytest
from sqlalchemy import func, select, update

from portal import letters, people, review, views
from portal.errors import Missing
from portal.models import Clip, Decision, Notice, State, ViewSeen

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
KEY = "a secret key for tests, long enough"


@pytest.fixture
def clip(make):
    return make.clip(State.PUBLISHED)


def watch(runtime, clip, *, address="192.0.2.7", agent=FIREFOX, thanks_after=0):
    with runtime.work() as session:
        return views.count(session, clip.id, address=address, agent=agent, key=KEY, thanks_after=thanks_after)


def views_of(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Clip, clip.id).views


def thanks(runtime):
    with runtime.read() as session:
        return list(session.scalars(select(Notice).where(Notice.kind == "thanks")))


def test_a_browser_counts_once_a_day_and_others_count_too(runtime, make, clip):
    other = make.clip(State.PUBLISHED)
    told = [
        watch(runtime, clip),
        watch(runtime, clip),
        watch(runtime, clip, address="192.0.2.8"),
        watch(runtime, clip, agent="Mozilla/5.0 (iPhone)"),
        watch(runtime, other),
    ]
    assert told == [True, False, True, True, True]
    assert (views_of(runtime, clip), views_of(runtime, other)) == (3, 1)


def test_the_next_day_the_same_browser_counts_again_and_no_mark_of_yesterday_is_left(runtime, clip):
    watch(runtime, clip)
    with runtime.work() as session:
        session.execute(update(ViewSeen).values(day=date(2026, 1, 1), mark="an old day"))
        views.forget_past_days(session)
        assert session.scalar(select(func.count()).select_from(ViewSeen)) == 0
    assert watch(runtime, clip)
    assert views_of(runtime, clip) == 2


def test_todays_marks_stay_until_the_day_is_over(runtime, clip):
    watch(runtime, clip)
    with runtime.work() as session:
        views.forget_past_days(session)
    assert not watch(runtime, clip)


def test_a_mark_names_nobody_and_is_another_one_every_day_and_under_every_key():
    days = (date(2026, 8, 3), date(2026, 8, 4))
    marks = {
        views.mark_of("abc", "192.0.2.7", FIREFOX, day, key=key) for day in days for key in (KEY, "other")
    }
    assert len(marks) == 4
    assert all(len(mark) == 32 and "192" not in mark.split() for mark in marks)


@pytest.mark.parametrize(
    "agent", ["", "Googlebot/2.1", "curl/8.5", "python-requests/2.32", "facebookexternalhit preview"]
)
def test_programs_that_say_so_are_not_counted(runtime, clip, agent):
    assert not watch(runtime, clip, agent=agent)
    assert views_of(runtime, clip) == 0


@pytest.mark.parametrize("state", [State.IN_REVIEW, State.WITHDRAWN, State.ERASED])
def test_a_clip_that_is_not_public_cannot_be_watched(runtime, make, state):
    with pytest.raises(Missing):
        watch(runtime, make.clip(state))


def test_watching_changes_no_version_and_writes_no_trail(runtime, clip):
    watch(runtime, clip)
    with runtime.read() as session:
        assert session.get_one(Clip, clip.id).version == clip.version


def test_an_owner_is_thanked_once_after_so_many_views(runtime, clip):
    for number in range(5):
        watch(runtime, clip, address=f"192.0.2.{number}", thanks_after=3)
    (notice,) = thanks(runtime)
    assert notice.facts == {"views": 3}


def test_zero_means_never(runtime, clip):
    watch(runtime, clip)
    assert thanks(runtime) == []


def test_a_clip_watched_before_the_setting_came_is_thanked_for_at_its_next_view(runtime, make):
    clip = make.clip(State.PUBLISHED, views=4711)
    watch(runtime, clip, thanks_after=100)
    assert [one.facts for one in thanks(runtime)] == [{"views": 4712}]


def test_the_thanks_say_how_often_and_carry_the_moderators_line_and_the_public_address(
    runtime, make, moderator
):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        row = session.get_one(Clip, clip.id)
        review.approve(
            session,
            row,
            by=people.actor_of(moderator),
            seen_version=1,
            words="  Votre lever de soleil nous a plu. ",
        )
        session.execute(update(Clip).values(state=State.PUBLISHED, views=1233))
    watch(runtime, clip, thanks_after=100)
    site = runtime.settings.site
    with runtime.work() as session:
        notice = session.scalars(select(Notice).where(Notice.kind == "thanks")).one()
        link = letters.action_link(session, notice, site=site)
        mail = letters.compose(session, notice, site=site, link=link)
        assert session.scalars(select(Decision)).one().words == "Votre lever de soleil nous a plu."
    assert link == f"http://portal.test/fr/c/{clip.id}"
    assert "1\u202f234" in mail.subject
    assert "Votre lever de soleil nous a plu." in mail.text
    assert mail.refuse_url
