"""F9: the database has no room for another row; films wait without losing an attempt, people are told to come again.

PostgreSQL says 53100 (DiskFull) then, which its driver makes an OperationalError as SQLite's "database or disk is full"
is one: the same `database.AWAY`, and so the same way. Its disk cannot be filled here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, update

from media_jobs import tasks
from portal.database import db_now
from portal.errors import Code
from portal.jobs import JobKind
from portal.models import Clip, Job, JobState, State
from tests import footage
from tests.jobs import stage

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@contextmanager
def no_room_for_more(engine: Engine) -> Iterator[None]:
    """SQLite's own limit of pages stands where the disk ends: the same error, wherever something is written."""

    def ends_here(connection, _record):
        # What the journal still holds counts too.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    engine.dispose()
    event.listen(engine, "connect", ends_here)
    try:
        yield
    finally:
        event.remove(engine, "connect", ends_here)
        engine.dispose()


def test_a_film_waits_uncounted_while_the_database_is_full_and_is_made_when_there_is_room(
    make, runtime, tmp_path
):
    clip = stage.arrived(make, runtime, footage.small(tmp_path))
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    with no_room_for_more(runtime.engine):
        tasks.TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), job_id)
        job = stage.row(runtime, Job, job_id)
        assert (job.state, job.attempt, job.error_code) == (JobState.QUEUED, 0, Code.OURS_DATABASE)
        assert stage.row(runtime, Clip, clip.id).state == State.PROCESSING
    with runtime.work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_after=db_now(session)))
    tasks.TASKS[JobKind.TRANSCODE](stage.shop_of(runtime), job_id)
    job = stage.row(runtime, Job, job_id)
    assert (job.state, job.attempt) == (JobState.DONE, 1)
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW


FORM = {
    "title": "Le Galibier", "first_name": "Léa", "speech_lang": "fr", "email": "lea@mail.example",
    "consents.site": "1", "consents.adult": "1", "later": "1",
}  # fmt: skip


def test_whoever_writes_while_the_database_is_full_is_told_to_come_again_and_whoever_reads_reads(
    make, runtime, client
):
    make.campaign("quotidien")
    clip = make.clip(State.PUBLISHED)
    token = make.link(clip)
    with no_room_for_more(runtime.engine):
        # What its pages have left takes a few more.
        answers = (client.post("/api/v1/submissions", json={"campaign": "quotidien"}) for _ in range(200))
        begun = next(answer for answer in answers if answer.status_code != 201)
        assert (begun.status_code, begun.json["code"]) == (503, "ours_database")
        assert begun.json["detail"].startswith("Le portail est très occupé, vous n’y êtes pour rien.")
        assert int(begun.headers["Retry-After"]) > 0
        page = client.post_form("/fr/participate/quotidien", FORM)
        assert (page.status_code, "Le Galibier" in page.text) == (503, True)
        assert int(page.headers["Retry-After"]) > 0
        assert "Le portail est très occupé" in page.text
        assert client.get(f"/fr/s/{token}").status_code == 200
        # The way out: possible, or told to come again, and never half of it.
        out = client.post_form(f"/fr/s/{token}/withdraw", {"why": ""})
        left = stage.row(runtime, Clip, clip.id).state
        assert (out.status_code, left) in ((303, State.WITHDRAWN), (503, State.PUBLISHED))
    assert client.post("/api/v1/submissions", json={"campaign": "quotidien"}).status_code == 201
    assert client.post_form(f"/fr/s/{token}/withdraw", {"why": ""}).status_code == 303
    assert stage.row(runtime, Clip, clip.id).state == State.WITHDRAWN
