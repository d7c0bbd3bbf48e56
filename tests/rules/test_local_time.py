"""People read the time of the place where the site is; everything that is kept is in UTC."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from config import Settings, SettingsError
from portal import i18n, letters, terms
from portal.database import db_now
from portal.models import Clip, Notice, State
from portal.notices import NoticeKind


@pytest.fixture
def paris():
    i18n.keep_time_of("Europe/Paris")
    yield
    i18n.keep_time_of("UTC")


@pytest.mark.usefixtures("paris")
@pytest.mark.parametrize(
    ("instant", "day", "moment"),
    [
        (datetime(2026, 7, 1, 15, 0, tzinfo=UTC), "1 juillet 2026", "17:00"),
        (datetime(2026, 11, 23, 15, 0, tzinfo=UTC), "23 novembre 2026", "16:00"),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "1 janvier 2027", "00:30"),
    ],
    ids=["summer", "winter", "the next year"],
)
def test_an_instant_is_told_as_the_clock_on_the_wall_shows_it(instant, day, moment):
    assert i18n.format_date(instant) == day
    assert i18n.format_datetime(instant).endswith(moment)


@pytest.mark.usefixtures("paris")
def test_a_day_that_is_no_instant_stays_itself():
    assert i18n.format_date(date(2026, 12, 31)) == "31 décembre 2026"


@pytest.mark.usefixtures("paris")
def test_the_day_in_a_letter_is_the_day_on_the_page(runtime, make, session):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as work:
        # Half past midnight in Paris, summer or winter: the day before in UTC.
        until = (db_now(work) + timedelta(days=20)).replace(hour=22, minute=30)
        until += timedelta(hours=0 if i18n.format_date(until) != i18n.format_date(until.date()) else 1)
        work.execute(update(Clip).where(Clip.id == clip.id).values(consent_until=until))
    terms.ask_again(runtime.work)
    letter = session.scalars(select(Notice).where(Notice.kind == NoticeKind.RENEWAL)).one()
    mail = letters.compose(session, letter, site=runtime.settings.site, link="http://portal.test/")
    assert i18n.format_date(until) in mail.text
    assert i18n.format_date(until.date()) not in mail.text


def test_a_zone_that_nobody_knows_stops_the_start(tmp_path):
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"DATA_DIR": str(tmp_path), "SITE_TIMEZONE": "Europe/Atlantis"})
    assert [one for one in refused.value.faults if one.startswith("SITE_TIMEZONE")]


def test_without_a_word_it_is_the_time_of_paris(tmp_path):
    assert Settings.from_env({"DATA_DIR": str(tmp_path)}).site.timezone == "Europe/Paris"
