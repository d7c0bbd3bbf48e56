"""The door to ffmpeg: it tells how far it is, and it always ends."""

import dataclasses
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from media_jobs import ffmpeg
from media_jobs.ffmpeg import (
    Cancelled,
    Tools,
    compose,
    examine,
    films_fault,
    output,
    run,
    source,
    version,
)
from media_jobs.jail import Level
from media_jobs.progress import Progress, Stillness
from portal.errors import Code, Unavailable
from tests import footage

ENDLESS = ["-re", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10", "-f", "null", "-"]
ROOT = Path(__file__).parents[2]

WORKER = """
import os
from pathlib import Path
from media_jobs.ffmpeg import run
from tests.footage import tools
def tell(percent):
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    print(children.split()[0], flush=True)
run(tools(), %r, folder=None, wall_seconds=60, film_seconds=60, on_progress=tell)
"""


def ended(pid_handle, seconds=60):
    """A process handle becomes readable at the moment its process is dead."""
    poll = select.poll()
    poll.register(pid_handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_progress_rises_to_a_hundred(tmp_path):
    film = footage.small(tmp_path)
    heard = []
    args = compose([output([source(film, "mov")["0"]], "out.mp4", preset="ultrafast")])
    run(footage.tools(), args, folder=tmp_path, wall_seconds=60, film_seconds=1, on_progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 100.0
    assert (tmp_path / "out.mp4").stat().st_size > 1000


def test_a_run_that_takes_too_long_is_ended_with_its_group(tmp_path):
    before = set(children_of(os.getpid()))
    with pytest.raises(Unavailable) as caught:
        run(footage.tools(), ENDLESS, folder=tmp_path, wall_seconds=0.6)
    assert caught.value.code is Code.OURS_TIMEOUT
    # What was there before may have ended meanwhile.
    assert set(children_of(os.getpid())) <= before


def test_a_run_that_is_called_off_is_ended_with_its_group(tmp_path):
    before = set(children_of(os.getpid()))
    answers = iter([False, True])
    with pytest.raises(Cancelled):
        run(footage.tools(), ENDLESS, folder=tmp_path, wall_seconds=60, cancelled=lambda: next(answers))
    # What was there before may have ended meanwhile.
    assert set(children_of(os.getpid())) <= before


def test_a_tool_that_stands_still_is_ended_long_before_its_time_is_up(tmp_path, monkeypatch):
    others, stopped = set(children_of(os.getpid())), []

    def stop(_percent):
        if not stopped:
            stopped.extend(set(children_of(os.getpid())) - others)
            for child in stopped:
                os.killpg(int(child), signal.SIGSTOP)
            # Not before: until it works, a tool on a busy machine is as quiet as one that is stopped.
            monkeypatch.setattr(ffmpeg, "STILL_SECONDS", 0.5)

    with pytest.raises(Unavailable) as caught:
        run(footage.tools(), ENDLESS, folder=tmp_path, wall_seconds=600, film_seconds=60, on_progress=stop)
    assert (caught.value.code, caught.value.facts["reason"]) == (Code.OURS_TIMEOUT, "stood still")
    assert len(stopped) == 1
    assert not set(stopped) & set(children_of(os.getpid()))


def test_whoever_reads_on_or_makes_more_or_was_not_looked_at_does_not_stand_still(tmp_path):
    film = footage.small(tmp_path)
    clock = iter([0, 1, 2, 3, 4, 5, 500, 501])
    told = Progress(60, lambda _percent: None)
    still = Stillness(told, lambda: next(clock))
    with film.open("rb", buffering=0) as file:
        still.films.append(file.fileno())
        silent = [still.seconds(), still.seconds()]
        # As a tool that leaves out the beginning of a film: it reads on, and nothing comes of it yet.
        file.read(100)
        silent += [still.seconds(), still.seconds()]
        told.take(b"frame=1\nout_time_us=40000\n")
        silent += [still.seconds()]
        told.take(b"frame=1\nout_time_us=40000\n")
        silent += [still.seconds(), still.seconds()]
    assert silent == [0, 1, 0, 1, 0, 1, 2]


def test_ffmpeg_dies_with_a_worker_that_is_killed():
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER % (ENDLESS,)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with worker:
        handle = os.pidfd_open(int(worker.stdout.readline()))
        worker.send_signal(signal.SIGKILL)
        try:
            assert ended(handle)
        finally:
            os.close(handle)


def test_a_disk_that_is_full_is_our_fault_and_waited_for(tmp_path):
    film = footage.small(tmp_path)
    # The device that is always full lies outside of every wall.
    free = dataclasses.replace(footage.tools(), level=Level.OFF)
    args = compose([output([source(film, "mov")["0"]], "/dev/full", c="copy", f="mpegts")])
    with pytest.raises(Unavailable) as caught:
        run(free, args, folder=tmp_path, wall_seconds=60)
    assert caught.value.code is Code.OURS_DISK
    assert "No space left on device" in caught.value.facts["log"]
    assert not films_fault(caught.value)


def test_what_ffmpeg_complained_about_is_kept_for_staff_and_bounded(tmp_path):
    with pytest.raises(Unavailable) as caught:
        run(footage.tools(), ["-i", "there-is-none.mp4", "-f", "null", "-"], folder=tmp_path, wall_seconds=20)
    assert caught.value.code is Code.OURS_TRANSCODE
    assert "there-is-none.mp4" in caught.value.facts["log"]
    assert len(caught.value.facts["log"]) <= 12_000


def test_a_playlist_is_not_followed_even_if_it_gets_past_the_door(tmp_path):
    footage.small(tmp_path, name="neighbour.mp4")
    path = tmp_path / "film.mp4"
    path.write_text("ffconcat version 1.0\nfile neighbour.mp4\n")
    with pytest.raises(Unavailable):
        examine(footage.tools(), path, "mov", "-show_entries", "format=duration")


def test_only_absolute_paths_are_opened():
    with pytest.raises(ValueError, match="concat"):
        source(Path("concat:a|b.mp4"), "mov")
    with pytest.raises(ValueError, match="concat"):
        examine(footage.tools(), Path("concat:a|b.mp4"), "mov")


def test_a_program_that_does_not_start_is_not_the_films_fault(tmp_path):
    film = footage.small(tmp_path)
    gone = Tools(tmp_path / "gone", tmp_path / "gone", 2)
    with pytest.raises(Unavailable) as caught:
        examine(gone, film, "mov", "-show_format")
    assert not films_fault(caught.value)


def test_no_word_of_the_source_is_copied_and_only_an_open_descriptor_is_read(tmp_path):
    line = compose([output([source(tmp_path / "a b.mp4", "mov")["0"]], "out.mp4")])
    for pair in (
        ["-map_metadata", "-1"],
        ["-map_chapters", "-1"],
        ["-protocol_whitelist", "fd"],
        ["-format_whitelist", "mov"],
        ["-f", "mov"],
        ["-fd", str(tmp_path / "a b.mp4")],
        ["-i", "fd:"],
    ):
        assert any(line[place : place + 2] == pair for place in range(len(line)))


def test_what_a_tool_is_told_holds_no_path_of_its_film(tmp_path):
    film = footage.small(tmp_path)
    words, others = [], set(children_of(os.getpid()))

    def look():
        for child in set(children_of(os.getpid())) - others:
            words.extend(Path(f"/proc/{child}/cmdline").read_text().split("\0"))
        return False

    args = compose([output([source(film, "mov", re=None)["0"]], "-", f="null")])
    run(footage.tools(), args, folder=None, wall_seconds=60, cancelled=look)
    assert "fd:" in words
    assert not [word for word in words if str(tmp_path) in word]


def test_two_inputs_each_have_their_own_place_in_the_same_film(tmp_path):
    film = footage.small(tmp_path)
    first, second = source(film, "mov"), source(film, "mov", itsoffset=1)
    line = compose([output([first["0"], second["0"]], "both.mp4", c="copy")])
    assert line.count("-fd") == 2
    run(footage.tools(), line, folder=tmp_path, wall_seconds=60)
    counts = [len(footage.packets(tmp_path / "both.mp4", "packet=pts", f"v:{track}")) for track in (0, 1)]
    assert counts[0] == counts[1] > 10


def test_nothing_is_left_in_the_folder_by_a_run_that_failed(tmp_path):
    film = footage.small(tmp_path)
    before = sorted(tmp_path.iterdir())
    good = output([source(film, "mov")["0"]], "good.mp4", c="copy")
    bad = output([source(film, "mov")["0"]], "bad.mp4", c="copy", bsf="no_such_filter")
    with pytest.raises(Unavailable):
        run(footage.tools(), compose([good, bad]), folder=tmp_path, wall_seconds=60)
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_run_made_belongs_to_the_worker(tmp_path):
    film = footage.small(tmp_path)
    run(
        footage.tools(),
        compose([output([source(film, "mov")["0"]], "copy.mp4", c="copy")]),
        folder=tmp_path,
        wall_seconds=60,
    )
    assert (tmp_path / "copy.mp4").stat().st_uid == os.geteuid()
    assert {path.name for path in tmp_path.iterdir()} == {film.name, "copy.mp4"}


def test_settings_may_name_the_programs():
    own = footage.tools()
    assert Tools.found(str(own.ffmpeg), str(own.ffprobe), 0) == Tools(own.ffmpeg, own.ffprobe, 1)


def test_a_program_that_is_not_there_is_our_fault():
    with pytest.raises(Unavailable) as caught:
        Tools.found("/there/is/none", None, 2)
    assert caught.value.code is Code.OURS_TRANSCODE


def test_the_version_is_known():
    assert version(footage.tools())[-1:].strip()
