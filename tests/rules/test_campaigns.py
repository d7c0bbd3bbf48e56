"""Calls for clips: words, addresses, days, closing and opening again."""

from datetime import UTC, date, datetime, timedelta

import pytest

from portal import campaigns
from portal.campaigns import Words
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import Actor, ActorKind
from portal.models import State

BY = Actor(ActorKind.ADMIN, 1)


def add(runtime, slug="ete", *, opens_on=None, closes_on=None, **more):
    with runtime.work() as work:
        words = {"title": "Votre été", "lang": "fr", **more}
        return campaigns.add(work, slug, **words, days=(opens_on, closes_on))


def change(runtime, slug="ete", texts=None, *, opens_on=None, closes_on=None):
    with runtime.work() as work:
        found = campaigns.by_slug(work, slug)
        texts = texts or {"fr": Words("Votre été")}
        campaigns.change(work, found, texts, lang="fr", days=(opens_on, closes_on), by=BY)


def faults_of(raised):
    return raised.value.fields


def test_a_campaign_has_words_in_several_languages(runtime, session):
    add(runtime, texts={"en": Words(" Your  summer ", "Where to?"), "de": Words()})
    found = campaigns.by_slug(session, "ete")
    assert {text.lang: (text.title, text.question) for text in found.texts} == {
        "fr": ("Votre été", ""),
        "en": ("Your summer", "Where to?"),
    }


def test_a_campaign_without_days_is_open_at_once(runtime, session):
    add(runtime)
    assert [one.slug for one in campaigns.open_now(session)] == ["ete"]


def test_a_campaign_is_open_from_its_first_day_to_the_end_of_its_last(runtime):
    made = add(runtime, opens_on=date(2030, 6, 1), closes_on=date(2030, 6, 2))
    first, end = datetime(2030, 6, 1, tzinfo=UTC), datetime(2030, 6, 3, tzinfo=UTC)
    moment = timedelta(seconds=1)
    times = (first - moment, first, end - moment, end)
    assert [campaigns.is_open(made, time) for time in times] == [False, True, True, False]
    assert campaigns.last_day(made) == date(2030, 6, 2)


def test_one_day_alone_can_be_first_and_last(runtime):
    made = add(runtime, opens_on=date(2030, 6, 1), closes_on=date(2030, 6, 1))
    assert campaigns.is_open(made, datetime(2030, 6, 1, 12, tzinfo=UTC))


def test_a_taken_address_is_a_conflict(runtime):
    add(runtime)
    with pytest.raises(Conflict) as raised:
        add(runtime)
    assert faults_of(raised) == {"slug": Code.ALREADY_THERE}


@pytest.mark.parametrize(
    ("more", "faults"),
    [
        ({"title": "  "}, {"title": Code.REQUIRED}),
        ({"title": "x" * 121}, {"title": Code.TOO_LONG_TEXT}),
        ({"question": "x" * 201}, {"question": Code.TOO_LONG_TEXT}),
        ({"in_return": "x" * 201}, {"in_return": Code.TOO_LONG_TEXT}),
        ({"texts": {"de": Words("x" * 121)}}, {"title_de": Code.TOO_LONG_TEXT}),
        ({"texts": {"de": Words(question="Wohin?")}}, {"title_de": Code.REQUIRED}),
        ({"slug": "L’été"}, {"slug": Code.INVALID}),
        ({"opens_on": date(2030, 6, 2), "closes_on": date(2030, 6, 1)}, {"closes_on": Code.WRONG_DATE}),
        ({"closes_on": date(9999, 12, 31)}, {"closes_on": Code.WRONG_DATE}),
        ({"opens_on": date(202, 6, 1)}, {"opens_on": Code.WRONG_DATE}),
    ],
)
def test_what_a_campaign_cannot_have_is_named_by_field(runtime, session, more, faults):
    with pytest.raises(Unacceptable) as raised:
        add(runtime, **more)
    assert faults_of(raised) == faults
    assert campaigns.every(session) == []


def test_changing_sets_adds_and_takes_words_away(runtime, session):
    add(runtime, texts={"en": Words("Your summer")})
    change(runtime, texts={"fr": Words("L’été"), "en": Words(), "de": Words("Ihr Sommer")})
    found = campaigns.by_slug(session, "ete")
    assert {text.lang: text.title for text in found.texts} == {"fr": "L’été", "de": "Ihr Sommer"}


def test_changing_leaves_languages_that_were_not_given(runtime, session):
    add(runtime, texts={"it": Words("La vostra estate")})
    change(runtime, texts={"fr": Words("L’été")})
    found = campaigns.by_slug(session, "ete")
    assert {text.lang: text.title for text in found.texts} == {"fr": "L’été", "it": "La vostra estate"}


@pytest.mark.parametrize("texts", [{"fr": Words()}, {"en": Words("Your summer")}])
def test_the_portals_own_language_keeps_a_title(runtime, texts):
    add(runtime, lang="en")
    with pytest.raises(Unacceptable) as raised:
        change(runtime, texts=texts)
    assert faults_of(raised) == {"title": Code.REQUIRED}


def test_changing_sets_and_clears_days(runtime, session):
    add(runtime, opens_on=date(2030, 6, 1))
    change(runtime, closes_on=date(2030, 7, 1))
    found = campaigns.by_slug(session, "ete")
    assert (found.opens_at, campaigns.last_day(found)) == (None, date(2030, 7, 1))


def test_changing_refuses_an_end_before_the_beginning(runtime):
    add(runtime)
    with pytest.raises(Unacceptable) as raised:
        change(runtime, opens_on=date(2030, 6, 2), closes_on=date(2030, 6, 1))
    assert faults_of(raised) == {"closes_on": Code.WRONG_DATE}


def test_saving_the_words_of_a_campaign_closed_today_leaves_it_closed(runtime, session):
    add(runtime)
    with runtime.work() as work:
        campaigns.close(work, campaigns.by_slug(work, "ete"), by=BY)
    closed = campaigns.by_slug(session, "ete")
    before, day = closed.closes_at, campaigns.last_day(closed)
    session.rollback()
    change(runtime, closes_on=day)
    assert campaigns.by_slug(session, "ete").closes_at == before
    assert campaigns.open_now(session) == []


def test_a_campaign_closes_and_opens_again(runtime, session):
    add(runtime)
    with runtime.work() as work:
        campaigns.close(work, campaigns.by_slug(work, "ete"), by=BY)
    assert campaigns.open_now(session) == []
    session.rollback()
    with runtime.work() as work:
        campaigns.reopen(work, campaigns.by_slug(work, "ete"), by=BY)
    assert [one.slug for one in campaigns.open_now(session)] == ["ete"]


def test_closing_twice_keeps_the_first_time(runtime):
    add(runtime)
    times = []
    for _ in range(2):
        with runtime.work() as work:
            found = campaigns.by_slug(work, "ete")
            campaigns.close(work, found, by=BY)
            times.append(found.closes_at)
    assert times[0] == times[1]


def test_opening_ahead_of_time_keeps_the_end(runtime, session):
    tomorrow = db_now(session).date() + timedelta(days=1)
    session.rollback()
    add(runtime, opens_on=tomorrow, closes_on=tomorrow)
    with runtime.work() as work:
        campaigns.reopen(work, campaigns.by_slug(work, "ete"), by=BY)
    (found,) = campaigns.open_now(session)
    assert campaigns.last_day(found) == tomorrow


def test_what_is_closed_before_it_opened_never_opens(runtime):
    add(runtime, opens_on=date(2090, 6, 1))
    with runtime.work() as work:
        found = campaigns.by_slug(work, "ete")
        campaigns.close(work, found, by=BY)
    assert not campaigns.is_open(found, datetime(2090, 6, 2, tzinfo=UTC))


def test_clips_are_counted_without_drafts_and_erased_ones(make, session):
    for state in (State.PUBLISHED, State.REJECTED, State.DRAFT, State.ERASED):
        make.clip(state)
    assert campaigns.clip_counts(session) == {campaigns.by_slug(session, "quotidien").id: 2}


def test_an_unknown_campaign_is_missing(session):
    with pytest.raises(Missing):
        campaigns.by_id(session, 77)
