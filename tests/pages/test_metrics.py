"""The figures of the work: told to this machine and to whoever has the token, in a form that Prometheus reads."""

import dataclasses
import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from portal import figures
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import enqueue
from portal.models import Clip, Cut, Job, JobState, State
from portal.web import create_app
from tests.conftest import with_settings

TOKEN = "m" * 40
THROUGH_THE_DOOR = {"X-Forwarded-For": "127.0.0.1"}
SAMPLE = re.compile(r'vecu_[a-z0-9_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?[0-9.e+]+')


@pytest.fixture
def busy(runtime, make):
    """Work in every lane, something that failed, a film made today, a worker that lives."""
    clips = [make.clip(State.IN_REVIEW) for _ in range(3)]
    with runtime.work() as session:
        for clip in clips:
            enqueue(session, session.get_one(Clip, clip.id), JobKind.POSTER)
        first, second, third = (session.get_one(Clip, clip.id) for clip in clips)
        enqueue(session, first, JobKind.SIGNALS).run_after = db_now(session) - timedelta(minutes=5)
        enqueue(session, second, JobKind.CAPTIONS).state = JobState.RUNNING
        failed = enqueue(session, third, JobKind.SIGNALS)
        failed.state, failed.error_code = JobState.FAILED, "ours_disk"
        session.execute(update(Cut).values(seconds=12.0, cpu_seconds=6.0))
    make.worker('films@host"1/0', sandbox="1", ffmpeg="9.0")
    return clips


def told(client, **options):
    return client.get("/metrics", **options)


def sample(text, name):
    return next(line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(name))


def test_this_machine_may_read_the_figures(client, busy):
    answer = told(client)
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert sample(answer.text, 'vecu_jobs_waiting{lane="light"}') == "3"
    assert float(sample(answer.text, 'vecu_jobs_oldest_seconds{lane="short"}')) >= 300
    assert sample(answer.text, 'vecu_jobs_running{lane="slow"}') == "1"
    assert sample(answer.text, 'vecu_jobs_failed{kind="signals",code="ours_disk"}') == "1"
    assert sample(answer.text, "vecu_film_seconds_24h") == "36"
    assert sample(answer.text, "vecu_cpu_seconds_24h") == "18"


def test_every_line_is_one_that_prometheus_reads(client, busy):
    for line in told(client).text.splitlines():
        assert line.startswith(("# HELP vecu_", "# TYPE vecu_")) or SAMPLE.fullmatch(
            line.replace('\\"', "")
        ), line


def test_what_waits_for_room_is_told_to_machines_and_to_people(client, admin_client, runtime, busy):
    with runtime.work() as session:
        waiting = enqueue(session, session.get_one(Clip, busy[0].id), JobKind.TRANSCODE)
        waiting.error_code, waiting.run_after = "ours_disk", db_now(session) + timedelta(minutes=5)
    assert sample(told(client).text, 'vecu_jobs_put_off{kind="transcode",code="ours_disk"}') == "1"
    page = admin_client.get("/studio/settings").text
    assert fact(page, "Remis à plus tard").startswith("1 × Préparer")
    assert "La place manque chez nous" in fact(page, "Remis à plus tard")


@pytest.mark.parametrize("headers", [THROUGH_THE_DOOR, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 door"}])
def test_whoever_comes_through_a_door_learns_not_even_that_there_are_figures(client, headers):
    assert told(client, headers=headers).status_code == 404


def test_another_machine_learns_nothing(client):
    assert told(client, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 404


def test_the_token_opens_the_figures_from_anywhere_and_no_other_does(runtime):
    site = dataclasses.replace(runtime.settings.site, metrics_token=TOKEN)
    client = create_app(with_settings(runtime, site=site)).test_client()
    for token, status in ((TOKEN, 200), (TOKEN[:-1], 404), ("", 404)):
        headers = {**THROUGH_THE_DOOR, "Authorization": f"Bearer {token}"}
        assert told(client, headers=headers).status_code == status


def test_an_empty_portal_has_figures_too(runtime):
    with runtime.read() as session:
        queues = figures.queues(session)
    assert queues.film_per_cpu is None
    assert [lane.waiting for lane in queues.lanes] == [0, 0, 0, 0]


def test_what_was_asked_for_again_counts_as_failed_no_more(runtime, busy):
    with runtime.work() as session:
        job = enqueue(session, session.get_one(Clip, busy[2].id), JobKind.SIGNALS)
        job.created_at += timedelta(seconds=1)
    with runtime.read() as session:
        assert figures.queues(session).failed == {}
        assert session.get_one(Job, job.id).state == JobState.QUEUED


def fact(page, name):
    """What stands beside a name in the page's lists of facts, in plain words."""
    found = re.search(rf"<dt>{re.escape(name)}</dt><dd[^>]*>(.*?)</dd>", page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def test_the_settings_page_says_the_same_in_words(admin_client, runtime, busy):
    page = admin_client.get("/studio/settings").text
    assert "2 s de film par seconde de processeur" in page
    rows = re.findall(r"<tr>\s*<td>([^<]+)</td>\s*<td[^>]*>([^<]*)</td>\s*<td[^>]*>([^<]*)</td>", page)
    told = {word: (waiting, running) for word, waiting, running in rows}
    assert told["Mises en ligne, retraits, lettres"] == ("3, le plus ancien depuis 1 min", "0")
    assert told["Premiers aperçus et contrôles"] == ("1, le plus ancien depuis 5 min", "0")
    assert told["Ce que personne n’attend"] == ("0", "1")
    assert fact(page, "En attente") == "4, le plus ancien depuis 5 min"
    assert fact(page, "En cours") == "1"
    assert fact(page, "Échecs, par cause").startswith(
        "1 × Chercher ce qui mérite un regard – La place manque chez nous"
    )
    with runtime.work() as session:
        session.execute(update(Job).values(state=JobState.DONE))
    page = admin_client.get("/studio/settings").text
    assert [fact(page, name) for name in ("En attente", "En cours", "Échecs, par cause")] == ["0"] * 3


def test_a_worker_that_was_taken_away_is_named_for_a_day_and_not_for_ever(client, make, busy):
    for name, hours in (("films@silent/0", 2), ("films@taken-away/0", 25)):
        make.worker(name, ago=timedelta(hours=hours))
    text = told(client).text
    assert "films@silent/0" in text
    assert "films@taken-away/0" not in text
