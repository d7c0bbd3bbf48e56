"""What drones and dash cams write into a film once a second is no caption of anybody's; words that people say are."""

import pytest

from media_jobs.telemetry import without_telemetry
from portal.webvtt import Cue

DIALECTS = {
    "brackets": "[iso : 100] [shutter : 1/640.0] [fnum : 280] [latitude: 48.857] [longitude: 2.295] [rel_alt: 1.5]",
    "misspelt": "[latitude : 48.857] [longtitude : 2.295] [altitude: 35]",
    "home": "HOME(2.2950,48.8577) 2017.08.05 14:11:51",
    "old": "GPS(2.2950,48.8577,16) BAROMETER:1.9",
    "mini": "F/2.8, SS 206.14, ISO 150, EV 0, D 224.84m, H 4.00m, H.S 9.61m/s, V.S 0.10m/s",
    "counter": "SrtCnt : 1, DiffTime : 33ms",
    "dash cam": "N48.85770 E2.29500 54 km/h",
    "figures": "48.857 2.295",
    "receiver": "$GPRMC,064951.000,A,4851.4620,N,00217.7000,E",
    "degrees": "48°51'27\"N 2°17'42\"E",
    "clock": "2026-06-21 14:11:51",
}


def cues(*texts):
    return [Cue(float(at), at + 0.9, text) for at, text in enumerate(texts)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_camera_writes_about_its_way_is_no_caption(dialect):
    assert without_telemetry(cues(*[DIALECTS[dialect]] * 10)) == []


def test_of_a_cameras_log_not_one_line_is_kept():
    assert without_telemetry(cues(DIALECTS["home"], "DJI Mini", "Sport", "Return to home")) == []


def test_words_that_people_say_are_kept_and_a_single_position_among_them_is_not():
    said = [
        "J’ai fait 54,3 km avec 17,25 kWh.",
        "Le GPS (celui de la voiture) dit 3 km.",
        "À 14:30, on part de la maison : deux voitures.",
        "12.500 und 14.000 km, das war’s.",
        "La latitude, quelle importance ?",
        "Home. 3 cars.",
    ]
    assert [cue.text for cue in without_telemetry(cues(*said))] == said
    among = without_telemetry(cues(*said, DIALECTS["dash cam"]))
    assert [cue.text for cue in among] == said
