"""Every named point, with kill -9, an unforeseen error and a stall: what was promised holds all the same.

The points are read from the source and the places from undisturbed lives, so that a new point is tried as soon as it
is written. `make test` tries a fixed draw of places and ways, `make torture` every place in every way; a clip's life is
lived on SQLite, and once more on PostgreSQL with every place in one way that the seed chooses.
"""

import os
import random
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from portal import holdings
from tests.faults import harm, life

ROOT = Path(__file__).resolve().parents[2]
TORTURE = "TORTURE" in os.environ
SEED = int(os.environ.get("TORTURE_SEED", "1"))
# For whoever looks for one cause: every place of one stage of tests/faults/life.py, in every way.
ONLY = os.environ.get("TORTURE_STAGE", "")
SHORT, SHORT_SHARED = 14, 3
# What was found here once is tried every time.
ONCE_BROKEN = (("unit.committed in making.keep", "raise"), ("mail.send in tasks.send", "overtake"))
IN_THE_MAKING = ("send", "poster", "approve", "recut", "share")
POINT = re.compile(r"crash\.point\(\"([a-z.]+)\"\)")


def points():
    """Every point's name, as the source has it."""
    rooms = (ROOT / "portal", ROOT / "media_jobs")
    return [
        name
        for room in rooms
        for path in sorted(room.rglob("*.py"))
        for name in POINT.findall(path.read_text())
    ]


def ways(stand, known=()):
    """Every (place, mode) that can be tried, but for places that are known from another life."""
    return [
        (place, mode)
        for place, stage in stand.places.items()
        if place not in known
        for mode in harm.MODES
        if mode != "overtake" or (stage in IN_THE_MAKING and not place.startswith("unit.commit in"))
    ]


def trials(stand, *, short=SHORT, known=()):
    """What is tried: all of it, or a draw when this is no torture."""
    every = ways(stand, known)
    if ONLY:
        return [(place, mode) for place, mode in every if stand.places[place] == ONLY]
    if TORTURE:
        return every
    again = [one for one in every if (one[0].split(":")[0], one[1]) in ONCE_BROKEN]
    return [*again, *random.Random(SEED).sample(every, min(len(every), short))]


def broken(stand, stage, place, mode):
    """What a life that was broken there leaves broken, after others have gone on."""
    stand.put_back(stage)
    order = harm.Order(place, mode)
    with (
        harm.Victim(stand.env, order, stage, stand.clip_id, stand.film) as victim,
        stand.portal() as runtime,
    ):
        if victim.until_frozen_or_over():
            # In mid-transaction the embedded database lets nobody else write: a pause then, and not yet a zombie.
            if not stand.record.is_free():
                victim.thaw()
            elif mode == "overtake":
                life.overtake(runtime, stand.clip_id, stand.film)
                stage = "erase"
            else:
                life.heal(runtime, stage, stand.clip_id, stand.film)
            victim.thaw()
        victim.over()
        life.heal(runtime, stage, stand.clip_id, stand.film)
        return life.broken_promises(runtime, stage, stand.clip_id)


def test_no_two_points_have_one_name():
    assert sorted(points()) == sorted(set(points()))


def test_no_door_can_arm_a_point():
    rooms = [ROOT / "portal", ROOT / "media_jobs", ROOT / "ops"]
    paths = [path for room in rooms for path in room.rglob("*.py")] + [ROOT / "wsgi.py", ROOT / "config.py"]
    naming = [
        path.name
        for path in paths
        if "crash.observe" in path.read_text() or "import observe" in path.read_text()
    ]
    assert naming == []


def faults(stand, tried):
    """What was left broken, by what had been done; told while it goes on, too."""
    bad = {}
    sys.stderr.write(f"{len(points())} points, {len(stand.places)} places, {len(tried)} trials\n")
    for place, mode in tried:
        stage = stand.places[place]
        if told := broken(stand, stage, place, mode):
            bad[f"{mode} at {place}, {stage}"] = told
            sys.stderr.write(f"{mode} at {place}, {stage}: {told}\n")
    return bad


@pytest.fixture
def _parts_are_old(monkeypatch):
    monkeypatch.setattr(holdings, "MULTIPART_GRACE", timedelta(seconds=-60))


def test_every_point_in_the_source_is_reached_by_one_of_the_lives(stand, shared_stand):
    reached = {place.split(" in ")[0] for one in (stand, shared_stand) for place in one.places}
    assert set(points()) == reached


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("_parts_are_old")
def test_whatever_point_a_process_is_killed_broken_or_stalled_at_every_promise_holds(stand):
    assert faults(stand, trials(stand)) == {}


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("_parts_are_old")
def test_the_same_holds_on_postgresql_where_several_workers_make_one_film(stand, shared_stand):
    assert faults(shared_stand, trials(shared_stand, short=SHORT_SHARED, known=stand.places)) == {}


@pytest.mark.skipif(not TORTURE, reason="runs by `make torture`")
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("_parts_are_old")
def test_the_same_holds_on_postgresql(request):
    served = request.getfixturevalue("served_stand")
    by_place = {}
    for place, mode in ways(served):
        by_place.setdefault(place, []).append(mode)
    chance = random.Random(SEED)
    tried = trials(served) if ONLY else [(place, chance.choice(modes)) for place, modes in by_place.items()]
    assert faults(served, tried) == {}
