"""Which rungs a film deserves, and how large they are."""

from itertools import product

import pytest

from portal.ladder import frame_rate_for, mp4_rungs, rungs_for, size_for


def names(width, height):
    return [rung.name for rung in rungs_for(width, height)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), ["1080", "720", "480", "360"]),
        ((1080, 1920), ["1080", "720", "480", "360"]),
        ((3840, 2160), ["1080", "720", "480", "360"]),
        ((1280, 720), ["720", "480", "360"]),
        ((800, 800), ["800", "480", "360"]),
        ((640, 480), ["480", "360"]),
        ((568, 320), ["320"]),
        ((853, 479), ["478", "360"]),
    ],
)
def test_the_top_rung_is_the_films_short_side_and_lower_ones_are_clearly_lower(size, expected):
    assert names(*size) == expected


def test_no_rung_is_larger_than_the_film_and_every_side_is_even():
    for size in product(range(100, 2400, 173), range(101, 2400, 191)):
        for rung in rungs_for(*size):
            width, height = size_for(rung, *size)
            assert width % 2 == height % 2 == 0
            assert min(width, height) <= min(size)
            assert width / height == pytest.approx(size[0] / size[1], rel=0.03)


def test_portrait_stays_portrait():
    assert size_for(rungs_for(1080, 1920)[1], 1080, 1920) == (720, 1280)


@pytest.mark.parametrize(
    ("size", "seconds", "expected"),
    [
        ((1920, 1080), 61, ["720", "480"]),
        ((1920, 1080), 60, ["1080", "720", "480"]),
        ((640, 480), 120, ["480"]),
        ((320, 180), 120, ["180"]),
        ((768, 432), 120, ["432"]),
    ],
)
def test_plain_films_are_made_of_720_and_480_and_of_the_top_of_short_films(size, seconds, expected):
    assert [rung.name for rung in mp4_rungs(rungs_for(*size), seconds)] == expected


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        (23.976, 24),
        (25, 25),
        (29.97, 30),
        (8.8, 30),
        (27, 30),
        (50, 50),
        (59.94, 60),
        (48, 60),
        (120, 60),
        (240, 60),
    ],
)
def test_every_film_gets_a_constant_rate_near_its_own(mean, expected):
    assert frame_rate_for(mean) == expected


def test_fast_films_stay_fast_only_where_it_shows_and_may_cost_more_there():
    top, _, low, _ = rungs_for(1920, 1080)
    assert (top.frame_rate(60), low.frame_rate(60), low.frame_rate(30)) == (60, 30, 30)
    assert (top.cap_at(60), top.cap_at(30)) == (9000, 6000)
