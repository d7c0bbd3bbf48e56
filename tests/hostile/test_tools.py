"""What the inspector lets in, before the real tools in their jail: made cleanly or refused, and nobody is ever called."""

import os
import resource
import subprocess
from contextlib import suppress

import pytest

from media_jobs import ffmpeg, film, intake, probe
from media_jobs.outline import Limits
from portal.errors import PortalError, Unacceptable
from tests import footage
from tests.hostile.corpus import ALL, CLEAN, LET_IN, REFUSED_AT_THE_DOOR
from tests.hostile.mutants import mutant
from tests.hostile.references import NEIGHBOUR

MOST_MEMORY_KB = 1 << 20
# What tells the neighbour's film from every other one here: coding, width, height.
FOREIGN = ("mpeg2video", 112, 80)
# Damaged films before the real tools; `make torture` asks for hundreds.
JAILED = int(os.environ.get("HOSTILE_JAILED", "12"))
# By their first bytes these would be read by one of our two demuxers; the sections that reach for more than the file.
DANGEROUS = tuple(one for one in REFUSED_AT_THE_DOOR if one.name[0] in "abf")
# Longer ones only differ in their names.
MADE = tuple(one for one in CLEAN if one.name[0] != "g")


@pytest.fixture(scope="session")
def neighbour(tmp_path_factory):
    """Somebody else's film, all magenta, of a size and a coding that none of the corpus has."""
    path = tmp_path_factory.mktemp("neighbour") / NEIGHBOUR
    magenta = ("-f", "lavfi", "-i", f"color=magenta:size={FOREIGN[1]}x{FOREIGN[2]}:rate=25:duration=0.4")
    footage.ffmpeg(*magenta, "-c:v", "mpeg2video", "-movflags", "+faststart", path)
    return path.read_bytes()


@pytest.fixture
def room(tmp_path, neighbour):
    """A folder in which the neighbour's film lies too."""
    folder = tmp_path / "pending"
    folder.mkdir()
    (folder / NEIGHBOUR).write_bytes(neighbour)
    return folder


def memory_kb():
    """The most that any child of this process ever had."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


@pytest.fixture(autouse=True)
def _all_stay_small():
    """No tool takes more memory than it may; what earlier tests of this process have started is not counted."""
    before = memory_kb()
    yield
    assert memory_kb() <= max(before, MOST_MEMORY_KB)


def film_in(room, one, clay):
    path = room / one.name_on_disk
    path.write_bytes(one.write(clay))
    return path


def mean_colour(path):
    words = (
        "-i",
        path,
        "-frames:v",
        1,
        "-vf",
        "scale=1:1:flags=area",
        "-pix_fmt",
        "rgb24",
        "-f",
        "rawvideo",
        "-",
    )
    return tuple(footage.ffmpeg(*words))


def is_magenta(colour):
    red, green, blue = colour
    return red > 180 and green < 80 and blue > 180


@pytest.mark.parametrize("one", MADE, ids=str)
def test_an_odd_film_becomes_a_clip_and_nothing_private_or_foreign_is_in_it(clay, one, room, listener):
    path = film_in(room, one, clay)
    before = {file.name: file.read_bytes() for file in room.iterdir()}
    facts = probe.inspect(footage.tools(), path, Limits())
    folder = room / "made"
    folder.mkdir()
    made = film.make(footage.tools(), path, folder, facts, film.Order(), lambda _percent: None, lambda: False)
    whole = b"".join(file.path.read_bytes() for file in made.files)
    assert [mark for mark in one.marks if mark in whole] == []
    assert made.width / made.height == pytest.approx(facts.width / facts.height, rel=0.03)
    assert made.seconds == pytest.approx(facts.duration_seconds, abs=0.1)
    assert not is_magenta(mean_colour(next(file.path for file in made.files if file.name.endswith(".mp4"))))
    assert {file.name: file.read_bytes() for file in room.iterdir() if file.is_file()} == before
    assert listener.heard == []


@pytest.mark.parametrize("one", [one for one in CLEAN if one.name[0] == "g"], ids=str)
def test_a_name_says_nothing_to_the_tools(clay, one, room, listener):
    facts = probe.inspect(footage.tools(), film_in(room, one, clay), Limits())
    assert (facts.width, facts.height, facts.frames) == (96, 64, 10)
    assert listener.heard == []


@pytest.mark.parametrize("one", [one for one in LET_IN if one.code is not None], ids=str)
def test_what_only_decoding_can_tell_is_refused_with_its_own_reason(clay, one, room):
    with pytest.raises(Unacceptable) as caught:
        probe.inspect(footage.tools(), film_in(room, one, clay), Limits())
    assert caught.value.code is one.code
    if one.reason is not None:
        assert caught.value.facts["reason"] == one.reason


def asked(path, demuxer):
    """(coding, width, height) of the streams that ffprobe sees in a file that the inspector would not have let in.

    None when it gives up.
    """
    words = ("-show_entries", "stream=codec_type,codec_name,width,height")
    try:
        streams = ffmpeg.examine(footage.tools(), path, demuxer, *words)[0].get("streams", [])
    except PortalError:
        return None
    return [(one.get("codec_name"), one.get("width"), one.get("height")) for one in streams]


def test_without_walls_a_list_of_films_does_lead_a_tool_to_its_neighbour(clay, room):
    path = film_in(room, next(one for one in ALL if one.what == "ffconcat_naming_its_neighbour"), clay)
    words = ("-f", "concat", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", path)
    found = subprocess.run([footage.tools().ffprobe, *words], check=True, capture_output=True, text=True)
    # What the next test looks for in vain is what would be seen.
    assert found.stdout.strip().rstrip(",") == ",".join(str(part) for part in FOREIGN)


@pytest.mark.parametrize("one", DANGEROUS, ids=str)
def test_even_without_the_inspector_the_tools_call_nobody_open_no_other_file_and_stay_small(
    clay, one, room, listener
):
    path = film_in(room, one, clay)
    for demuxer in ("mov", "matroska"):
        streams = asked(path, demuxer) or []
        assert len(streams) <= 17
        assert FOREIGN not in streams
    assert listener.heard == []


def let_in(clay, most):
    """Damaged films that the inspector finds nothing wrong with."""
    seeds, number, found = list(clay.films.values()), 500_000, 0
    while found < most:
        data, number = mutant(seeds, number), number + 1
        try:
            intake.judge(data, Limits())
        except Unacceptable:
            continue
        found += data not in seeds
        yield number - 1, data


def test_a_damaged_film_that_is_let_in_is_read_or_refused_and_never_our_fault(clay, room, listener):
    path = room / "film.mp4"
    for _number, data in let_in(clay, JAILED):
        path.write_bytes(data)
        # Anything else than a refusal would be tried again, and told as a fault of ours.
        with suppress(Unacceptable):
            probe.inspect(footage.tools(), path, Limits())
    assert listener.heard == []


def test_the_private_films_do_hold_what_may_not_come_out(clay):
    private = [one for one in ALL if one.name[0] == "e"]
    assert len(private) >= 16
    for one in private:
        data = one.write(clay)
        assert any(mark in data for mark in one.marks), one


def test_a_film_goes_the_same_way_through_the_inspector_and_the_tools(clay):
    for name, data in clay.films.items():
        outline = intake.judge(data, Limits())
        picture = outline.pictures[0]
        assert (picture.width, picture.height) == ((128, 96) if name == "phone.3gp" else (96, 64)), name
        assert outline.seconds is None or outline.seconds == pytest.approx(0.5, abs=0.05), name
