"""What the workers say of their film tools and their jail, as the doctor, the health page and the studio show it."""

import dataclasses
from datetime import timedelta

from portal import doctor, workers
from portal.typography import french

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


def test_the_doctor_names_workers_that_take_no_films_or_take_them_unguarded(runtime, make):
    for name, facts in (("fit", FIT), ("old", OLD), ("unfit", UNFIT)):
        make.worker(name, **facts)
    found = doctor.faults(runtime)
    assert "old: OFF" in found["sandbox"]
    assert "SANDBOX=off" in found["sandbox"]
    assert "unfit: none" in found["sandbox"]
    assert "unfit takes no films: no sandbox holds here" in found["ffmpeg"]
    assert "old uses a version with known holes" in found["ffmpeg"]
    assert "fit:" not in found["sandbox"].replace("unfit:", "")


def test_the_doctor_tells_of_every_living_worker_what_it_is(runtime, make):
    make.worker("atelier", **FIT)
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


def test_the_doctor_and_the_settings_page_say_whether_captions_are_made_by_machine(
    runtime, make, admin_client
):
    page = admin_client.get("/studio/settings").text
    assert "Sous-titres automatiques" not in page
    make.worker("deaf", **FIT, speech=workers.OFF)
    assert "SPEECH_MODEL" in dict(doctor.about_workers(runtime))["deaf"]
    # To do without is no fault.
    assert "speech" not in doctor.faults(runtime)
    assert "aucun modèle n’est indiqué" in admin_client.get("/studio/settings").text
    make.worker("hurt", **FIT, speech="the model /m lacks model.bin")
    assert doctor.faults(runtime)["speech"] == "hurt writes no captions: the model /m lacks model.bin"
    assert "lacks model.bin" in admin_client.get("/studio/settings").text
    make.worker("ear", **FIT, speech=workers.READY)
    assert "writes captions" in dict(doctor.about_workers(runtime))["ear"]
    page = admin_client.get("/studio/settings").text
    assert "lacks model.bin" not in page.partition("Sous-titres automatiques")[2].partition("</dd>")[0]


def test_whoever_writes_letters_by_other_settings_than_the_sites_is_named_and_no_value_is_told(
    runtime, make, admin_client
):
    own, site = runtime.settings, runtime.settings.site
    others = (
        dataclasses.replace(own, site=dataclasses.replace(site, secret_key="another key " * 4)),
        dataclasses.replace(own, site=dataclasses.replace(site, url="http://127.0.0.1:8000")),
        dataclasses.replace(own, mail=dataclasses.replace(own.mail, url="smtp://elsewhere.test")),
    )
    marks = {workers.mark(one) for one in (own, *others)}
    assert len(marks) == 4
    assert not [one for one in marks if site.secret_key in one or len(one) > 12]
    sentence = "Écrit ses lettres avec d’autres SITE_URL"
    make.worker("errands", **FIT, lanes=["light"], writes_as=workers.mark(own))
    make.worker("films", **FIT, lanes=["heavy"], writes_as=workers.mark(others[0]))
    assert "worker" not in doctor.faults(runtime)
    assert sentence not in admin_client.get("/studio/settings").text
    make.worker("stray", **FIT, lanes=["light"], writes_as=workers.mark(others[0]))
    assert doctor.faults(runtime)["worker"].startswith("stray writes letters by another SITE_URL, SECRET_KEY")
    assert admin_client.get("/studio/settings").text.count(sentence) == 1


def test_the_health_page_misses_film_tools_only_when_no_worker_takes_films(make, client):
    make.worker("unfit", **UNFIT)
    assert "ffmpeg" in client.get("/readyz").json["missing"]
    make.worker("fit", **FIT)
    assert "ffmpeg" not in client.get("/readyz").json["missing"]


def test_a_dead_film_worker_is_missed_by_the_health_page_and_the_doctor_although_another_one_lives(
    runtime, make, client
):
    make.worker("errands", lanes=["light"])
    make.worker("films", lanes=["heavy", "slow"], ago=timedelta(minutes=2))
    assert "worker" in client.get("/readyz").json["missing"]
    assert doctor.faults(runtime)["worker"] == "for the lane heavy is missing or silent"
    make.worker("more films", lanes=["heavy", "slow"])
    assert "worker" not in client.get("/readyz").json["missing"]
    assert "worker" not in doctor.faults(runtime)


def test_the_studios_settings_show_the_jail_and_a_red_line_when_it_is_off(make, admin_client):
    make.worker("atelier", **FIT)
    fit = admin_client.get("/studio/settings").text
    assert 'class="late"' not in fit
    assert "aucune faille connue" in fit
    make.worker("old", **OLD)
    page = admin_client.get("/studio/settings").text
    assert page.count('class="late"') == 2
    needed = f"failles connues, il faut {workers.FLOOR} ou plus récent"
    for part in ("Landlock", "SANDBOX=off", "ffmpeg 7.1.1", "ffprobe 7.1.1", needed):
        assert part in page


def test_the_settings_page_names_the_oldest_safe_ffmpeg_whatever_the_workers_say(make, admin_client):
    line = french(f"<dt>ffmpeg</dt><dd>version minimale : {workers.FLOOR}</dd>")
    assert line in admin_client.get("/studio/settings").text
    for name, facts in (("fit", FIT), ("packaged", {**FIT, "ffmpeg_floor_ok": None}), ("old", OLD)):
        make.worker(name, **facts)
        assert line in admin_client.get("/studio/settings").text, name
