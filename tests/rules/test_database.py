"""The database's door: enough connections for every thread, and a word when there are none."""

import re
from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine

from config import ROOT
from portal.database import make_engine, make_sessions, unit_of_work
from portal.errors import Away, Code


def test_every_thread_of_the_site_may_read_and_write_at_once(database_url):
    # With fewer, a crowd of threads that each hold one connection would wait for each other: seen with 200 phones.
    threads = re.search(r"--threads (\d+)", (ROOT / "Procfile").read_text(encoding="utf-8"))
    assert threads is not None
    engine = make_engine(database_url)
    with ExitStack() as held:
        for _ in range(2 * int(threads[1])):
            held.enter_context(engine.connect())
    engine.dispose()


def test_who_gets_no_connection_is_told_that_the_database_is_away(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'one.db'}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    with (
        engine.connect(),
        make_sessions(engine)() as session,
        pytest.raises(Away) as told,
        unit_of_work(session, lambda _bell: None),
    ):
        pass
    assert told.value.code is Code.OURS_DATABASE
    engine.dispose()
