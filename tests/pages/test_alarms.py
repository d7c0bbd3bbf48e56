"""What goes wrong behind the pages is told on every page of the studio, to whoever works there."""

import dataclasses
import re
from datetime import timedelta

import pytest

from config import GuardSettings
from portal import doctor
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import enqueue
from portal.models import Clip, JobState, State
from portal.web import create_app
from tests.conftest import PortalClient, with_settings

FILMS, ERRANDS = {"lanes": ["heavy", "slow"]}, {"lanes": ["light"]}
LINE = re.compile(r'<div class="flash alarm error"><p>(.*?)</p></div>', re.DOTALL)


@pytest.fixture
def lines(runtime, moderator):
    """The red lines of a page that one of the staff opens now, in plain words."""

    def told(person=moderator, path="/studio/support", **parts):
        app = create_app(with_settings(runtime, **parts))
        app.test_client_class = PortalClient
        page = app.test_client().sign_in(person).get(path).text
        return [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in LINE.findall(page)]

    return told


@pytest.fixture
def at_work(make):
    """Both kinds of workers live."""
    make.worker("films@host/0", **FILMS)
    make.worker("errands@host/0", **ERRANDS)


def test_nobody_is_alarmed_while_workers_live_and_the_disk_has_room(lines, at_work):
    assert lines() == []


def test_a_film_worker_that_died_is_told_although_another_one_lives(lines, make, administrator):
    make.worker("films@host/0", ago=timedelta(minutes=5, seconds=10), **FILMS)
    make.worker("errands@host/0", **ERRANDS)
    (line,) = lines()
    assert line.startswith("L’atelier vidéo ne donne plus de nouvelles depuis 5 minutes.")
    assert line.endswith("Prévenez qui s’occupe du serveur.")
    # Who can do something about it is led there.
    assert lines(administrator)[0].endswith("Voir dans les réglages")


def test_a_worker_that_is_started_anew_alarms_nobody(lines, make):
    for name, facts in (("films@host/0", FILMS), ("errands@host/0", ERRANDS)):
        make.worker(name, ago=timedelta(seconds=100), **facts)
    assert lines() == []


@pytest.mark.parametrize(
    ("ago", "words"),
    [(None, "Les ateliers vidéo ne se sont pas encore annoncés."), (12, "Les ateliers vidéo ne donnent plus de nouvelles depuis 12 minutes.")],
)  # fmt: skip
def test_workers_that_are_all_gone_are_one_line(lines, make, ago, words):
    if ago is not None:
        make.worker("films@host/0", ago=timedelta(minutes=ago, seconds=5), **FILMS)
        make.worker("errands@host/0", ago=timedelta(minutes=ago, seconds=5), **ERRANDS)
    (line,) = lines()
    assert line.startswith(words)


def test_a_worker_that_lives_and_takes_no_films_is_told(lines, make):
    make.worker("films@host/0", unfit=["no sandbox holds here"], **FILMS)
    make.worker("errands@host/0", **ERRANDS)
    (line,) = lines()
    assert line.startswith("L’atelier vidéo tourne, mais n’ouvre aucun film.")


def test_withdrawals_that_nobody_carries_out_are_told(lines, make):
    make.worker("films@host/0", **FILMS)
    make.worker("errands@host/0", ago=timedelta(hours=1), **ERRANDS)
    (line,) = lines()
    assert line.startswith("Les mises en ligne et les lettres sont arrêtées depuis 60 minutes.")


def test_whoever_is_told_that_the_team_knows_of_the_full_disk_is_told_the_truth(lines, runtime, at_work):
    runtime.settings.site.data_dir.mkdir(exist_ok=True)
    assert "disk" not in doctor.faults(runtime)
    # More than there can be.
    full = dataclasses.replace(GuardSettings(), free_percent=100)
    (line,) = lines(guard=full)
    assert line.startswith("Plus assez de place sur le disque")
    assert "new uploads are refused" in doctor.faults(with_settings(runtime, guard=full))["disk"]
    figures = create_app(with_settings(runtime, guard=full)).test_client().get("/metrics").text
    assert "\nvecu_disk_has_room 0\n" in figures
    assert "\nvecu_disk_has_room 1\n" in create_app(runtime).test_client().get("/metrics").text
    # Somebody else's storage says itself when it is full.
    elsewhere = dataclasses.replace(runtime.settings.storage, endpoint_url="https://s3.example")
    assert lines(guard=full, storage=elsewhere) == []
    figures = create_app(with_settings(runtime, storage=elsewhere)).test_client().get("/metrics").text
    assert "vecu_disk" not in figures


def test_films_that_wait_for_room_in_a_workers_folder_are_told(lines, runtime, make, at_work):
    clip = make.clip(State.PROCESSING)
    with runtime.work() as session:
        job = enqueue(session, session.get_one(Clip, clip.id), JobKind.TRANSCODE)
        job.error_code, job.run_after = "ours_disk", db_now(session) + timedelta(minutes=5)
    (line,) = lines()
    assert line.startswith("La place manque là où les films sont préparés.")


def test_work_that_failed_by_our_fault_is_told_here_where_no_letter_tells_of_it(
    lines, runtime, make, at_work
):
    clip = make.clip(State.FAILED)
    with runtime.work() as session:
        job = enqueue(session, session.get_one(Clip, clip.id), JobKind.TRANSCODE)
        job.state, job.error_code, job.finished_at = JobState.FAILED, "ours_transcode", db_now(session)
    assert lines() == []
    (line,) = lines(mail=dataclasses.replace(runtime.settings.mail, tells_team=False))
    assert line.startswith("1 travail a échoué par notre faute.")


def test_originals_that_everybody_can_read_are_told_to_administrators_until_a_later_look_finds_them_shut(
    lines, make, administrator, runtime, at_work
):
    words = "gives what lies in the bucket x to everybody: ORIGINALS ARE PUBLIC"
    make.worker(
        "errands@one/0", **ERRANDS, storage={"at": "2026-11-22T10:00", "faults": [words], "is_open": True}
    )
    (line,) = lines(administrator)
    assert line.startswith("Les vidéos d’origine peuvent être lues par tout le monde.")
    assert lines() == []
    app = create_app(runtime)
    app.test_client_class = PortalClient
    admin = app.test_client().sign_in(administrator)
    assert words in admin.get("/studio/settings").text
    shut = {"at": "2026-11-22T11:00", "faults": [], "is_open": False}
    make.worker("errands@two/0", **ERRANDS, storage=shut)
    assert lines(administrator) == []
    assert words not in admin.get("/studio/settings").text


def test_a_page_that_nobody_of_the_staff_reads_says_nothing_of_it(runtime):
    pages = create_app(runtime).test_client()
    assert LINE.findall(pages.get("/studio/login").text) == []
