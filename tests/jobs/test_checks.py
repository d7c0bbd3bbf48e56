"""What came out is held against what went in: a ladder that was spoilt is noticed, a job that is called off stops."""

import pytest

from media_jobs import checks, picture, tracks
from media_jobs.ffmpeg import Cancelled
from portal.errors import Unacceptable, Unavailable
from portal.ladder import rungs_for
from tests import chain, footage


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A made film of two segments, and what was planned."""
    folder = tmp_path_factory.mktemp("good")
    path = footage.silent(folder, seconds=4.5, size="64x36")
    facts = chain.facts_of(path)
    chain.made(path, folder / "out")
    return folder / "out", picture.plan(facts, rungs_for(facts.width, facts.height))


@pytest.fixture
def ladder(good, tmp_path):
    """The same, ready to be spoilt, and a way to have it checked as if so many frames had been decoded."""
    folder, plan = good
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())

    def check(decoded=135):
        (tmp_path / checks.DECODED_PIXELS).write_bytes(bytes(4 * decoded))
        checks.check(tmp_path, plan, with_sound=False)

    return tmp_path, check


def test_a_good_ladder_passes(ladder):
    folder, check = ladder
    check()
    assert not (folder / checks.DECODED_PIXELS).exists()


def test_frames_that_cannot_be_decoded_are_missed(ladder):
    _, check = ladder
    with pytest.raises(Unacceptable):
        check(decoded=30)


def test_a_broken_file_a_lying_playlist_and_words_in_the_picture_are_noticed(ladder):
    folder, check = ladder
    rung, playlist = folder / "36.cmfv", folder / "36.m3u8"
    data, text = rung.read_bytes(), playlist.read_text()
    first = tracks.read(rung)["vide"].places[0] + 4
    spoilt = (
        (rung, data[: len(data) // 2]),
        (rung, data[:first] + bytes([data[first] & 0xE0 | 6]) + data[first + 1 :]),
        (rung, data[:first] + bytes([data[first] & 0xE0 | 1]) + data[first + 1 :]),
        (playlist, text.replace("TARGETDURATION:4", "TARGETDURATION:2").encode()),
        (playlist, text.replace("#EXT-X-ENDLIST", "").encode()),
    )
    for path, bad in spoilt:
        assert bad != path.read_bytes()
        path.write_bytes(bad)
        with pytest.raises(Unavailable):
            check()
        rung.write_bytes(data)
        playlist.write_text(text)


@pytest.mark.parametrize("words", [("-t", 1.5), ("-af", "anull")], ids=["too short", "with a sound"])
def test_a_hover_preview_that_is_too_short_or_speaks_is_noticed(ladder, words):
    folder, check = ladder
    hover, other = folder / "hover.mp4", folder / "other.mp4"
    sound = ("-f", "lavfi", "-t", 3, "-i", "sine") if "-af" in words else ()
    footage.ffmpeg("-i", hover, *sound, *words, "-c:v", "libx264", "-preset", "ultrafast", other)
    other.replace(hover)
    with pytest.raises(Unavailable, match="hover"):
        check()


def test_groups_that_are_open_are_told_from_closed_ones(tmp_path):
    path = tmp_path / "open.mp4"
    words = ("-x264-params", "open-gop=1:keyint=10:bframes=3", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    footage.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=30", "-t", 1, *words, path)
    # Recovery points of open groups are no sync samples in MP4: claim that they are.
    track = tracks.read(path)["vide"]
    times = track.times()
    leading = next(number for number in range(2, track.count) if times[number] < max(times[:number]))
    track.keys = [0, leading - 1]
    assert not tracks.is_closed(track)
    assert tracks.is_closed(tracks.read(footage.small(tmp_path))["vide"])


@pytest.mark.parametrize("after", [1.0, 2.0, 96.5, 97.5, 98.5])
def test_a_job_that_is_called_off_stops_at_every_step(tmp_path, after):
    reached = []
    path = footage.small(tmp_path, seconds=0.3)
    with pytest.raises(Cancelled):
        chain.made(
            path,
            tmp_path / "out",
            on_progress=reached.append,
            cancelled=lambda: bool(reached) and reached[-1] >= after,
        )
    assert reached[-1] < 100
