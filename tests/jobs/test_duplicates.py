"""Films that are encoded again are known again, and different ones are not taken for each other: a small guard.

Error rates over many more films: `make bench ONLY=duplicates`, docs/signals.md.
"""

from itertools import combinations

import pytest

from media_jobs.signals.watching import watch
from portal.fingerprints import KEYS_ASKED, compare
from tests import footage

SHAPE = "size=160x90:rate=12"
PAN = (
    "perlin=size=320x180:rate=12:random_mode=seed:random_seed={}:octaves=3:xscale=3:yscale=3:tscale=.02,"
    "crop=w=160:h=90:x='80+60*sin(t)':y='45+30*cos(t)'"
)
FILMS = {
    "a view that pans": (
        PAN.format(7),
        "sine=frequency=330:beep_factor=3",
    ),
    "another view that pans": (
        PAN.format(8),
        "anoisesrc=color=pink:seed=5:amplitude=.3,tremolo=f=3:d=.9",
    ),
    "a crowd of cells": (
        "life=size=40x22:rate=6:seed=3:ratio=.3:mold=10,scale=160:90:flags=neighbor,fps=12",
        "aevalsrc='.3*sin(2*PI*t*(300+150*sin(t*2)))*(.5+.5*sin(5*t))':s=44100",
    ),
    "a zoom": (
        f"mandelbrot={SHAPE}:start_x=-0.7:start_y=0.3:end_pts=60:end_scale=.1",
        "anoisesrc=color=brown:seed=9:amplitude=.3,tremolo=f=1.5:d=.9",
    ),
}
AGAIN = {
    "smaller, and fewer bits": ((), ("-vf", "scale=120:68", "-b:v", "60k", "-b:a", "32k")),
    "cut and cropped": (("-ss", 1.3), ("-vf", "crop=iw*.95:ih*.95,scale=128:72,fps=15", "-crf", 30)),
}


@pytest.fixture(scope="module")
def prints(tmp_path_factory):
    """What every film looks and sounds like, as it came and encoded again, by its name and the way."""
    found, folder = {}, tmp_path_factory.mktemp("alike")

    def keep(name, way, path):
        room = folder / f"{len(found)}"
        room.mkdir()
        found[name, way] = watch(footage.tools(), path, path, room, 6.0, lambda: False).print

    for name, (picture, sound) in FILMS.items():
        first, again = folder / "first.mp4", folder / "again.mp4"
        inputs = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound)
        footage.ffmpeg(*inputs, "-t", 6, *footage.QUICK, *footage.SOUND, "-ac", 1, first)
        keep(name, "", first)
        for way, (before, behind) in AGAIN.items():
            footage.ffmpeg(*before, "-i", first, *footage.QUICK, *footage.SOUND, *behind, again)
            keep(name, way, again)
    return found


def test_a_film_that_was_encoded_again_is_known_again(prints):
    for name in FILMS:
        for way in AGAIN:
            like = compare(prints[name, ""], prints[name, way])
            assert (like.what if like else "") == "film", (name, way, like)
            assert set(prints[name, ""].keys()) & set(prints[name, way].keys(KEYS_ASKED)), (name, way)


def test_different_films_are_not_taken_for_each_other(prints):
    likes = {
        (one, other): compare(prints[one], prints[other])
        for one, other in combinations(prints, 2)
        if one[0] != other[0]
    }
    assert len(likes) == 54
    assert [pair for pair, like in likes.items() if like and like.what] == []
