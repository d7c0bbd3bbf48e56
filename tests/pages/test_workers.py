"""What the workers say of their film tools and their jail, as the doctor, the health page and the studio show it."""

from portal import doctor, workers
from portal.database import db_now
from portal.models import WorkerSeen

FIT = {
    "sandbox": "1",
    "own_user": True,
    "unfit": [],
    "ffmpeg": "9.0.2",
    "ffprobe": "8.1.2",
    "ffmpeg_floor_ok": True,
}
OLD = {"sandbox": "off", "unfit": [], "ffmpeg": "7.1.1", "ffprobe": "7.1.1", "ffmpeg_floor_ok": False}
UNFIT = {"sandbox": "4", "unfit": ["no sandbox holds here"]}


def say(runtime, name, facts):
    """A worker that says this of itself."""
    with runtime.work() as session:
        session.add(WorkerSeen(name=name, seen_at=db_now(session), facts=facts))


def test_the_doctor_names_workers_that_take_no_films_or_take_them_unguarded(runtime):
    for name, facts in (("fit", FIT), ("old", OLD), ("unfit", UNFIT)):
        say(runtime, name, facts)
    found = doctor.faults(runtime)
    assert "old: OFF" in found["sandbox"]
    assert "SANDBOX=off" in found["sandbox"]
    assert "unfit: none" in found["sandbox"]
    assert "unfit takes no films: no sandbox holds here" in found["ffmpeg"]
    assert "old uses a version with known holes" in found["ffmpeg"]
    assert "fit:" not in found["sandbox"].replace("unfit:", "")


def test_the_doctor_tells_of_every_living_worker_what_it_is(runtime):
    say(runtime, "atelier", FIT)
    ((name, words),) = doctor.about_workers(runtime)
    assert name == "atelier"
    for part in (
        "ffmpeg 9.0.2",
        "ffprobe 8.1.2",
        workers.FLOOR,
        "level 1 of 3",
        "Landlock",
        "a user of its own",
    ):
        assert part in words


def test_the_health_page_misses_film_tools_only_when_no_worker_takes_films(runtime, client):
    say(runtime, "unfit", UNFIT)
    assert "ffmpeg" in client.get("/readyz").json["missing"]
    say(runtime, "fit", FIT)
    assert "ffmpeg" not in client.get("/readyz").json["missing"]


def test_the_studios_settings_show_the_jail_and_a_red_line_when_it_is_off(runtime, admin_client):
    say(runtime, "atelier", FIT)
    assert 'class="late"' not in admin_client.get("/studio/settings").text
    say(runtime, "old", OLD)
    page = admin_client.get("/studio/settings").text
    assert page.count('class="late"') == 2
    for part in ("Landlock", "SANDBOX=off", "ffmpeg 7.1.1", "ffprobe 7.1.1", workers.FLOOR):
        assert part in page
