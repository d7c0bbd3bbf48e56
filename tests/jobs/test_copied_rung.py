"""The film's own picture as its tallest rung: what is copied, what is encoded instead, and what both have in common."""

import re
from fractions import Fraction
from functools import partial

import pytest

from media_jobs import copying, film, hls, picture, tracks
from media_jobs.copying import DoesNotFit
from portal.edits import EditList
from portal.errors import PortalError
from portal.ladder import rungs_for
from tests import chain, footage, lips

QUICKLY = ("-preset", "ultrafast", "-tune", "fastdecode")
SEI = "086f3693-b7b3-4f2c-9653-21492feee5b8+" + footage.PLACE.replace("+", "p")


def fits(path):
    facts = chain.facts_of(path)
    return copying.fits(
        footage.tools(), path, facts, picture.plan(facts, rungs_for(facts.width, facts.height))
    )


def keys_of(path):
    track = tracks.read(path)["vide"]
    times = track.times()
    return [round(times[number], 3) for number in track.keys]


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A film of 480 lines at 29.97 frames a second, with uneven key frames and words inside, whose top rung is copied."""
    folder = tmp_path_factory.mktemp("taken")
    keys = ("-force_key_frames", "1.2,3.1,5.3", "-bsf:v", f"h264_metadata=sei_user_data={SEI}")
    place = ("-metadata", f"location={footage.PLACE}", "-metadata", f"comment={footage.PHONE}")
    original = footage.web_ready(
        folder, size="480x480", rate="30000/1001", seconds=6.5, group=120, words=(*keys, *place)
    )
    assert SEI[37:].encode() in original.read_bytes()
    told = []
    made = chain.made(original, folder / "out", on_progress=told.append)
    return made, folder / "out", original, told


def test_a_web_ready_film_keeps_its_own_picture_as_the_tallest_rung(taken):
    made, folder, original, told = taken
    assert made.copied_top
    theirs, ours = footage.packets(original, "packet=pts_time"), tracks.read(folder / "480.cmfv")["vide"]
    assert ours.count == len(theirs)
    same = ("-map", "0:v", "-f", "framemd5", "-fps_mode", "passthrough", "-")
    before, after = (
        footage.ffmpeg("-i", path, *same).split(b"\n") for path in (original, folder / "480.mp4")
    )
    pictures = [line.rsplit(b",", 1)[-1] for line in before if line[:1] == b"0"]
    assert pictures == [line.rsplit(b",", 1)[-1] for line in after if line[:1] == b"0"]
    assert told == sorted(told)
    assert told[-1] == 100.0


def test_beside_a_copied_rung_every_other_has_its_key_frames_and_segments(taken):
    _, folder, _, _ = taken
    assert keys_of(folder / "360.cmfv") == keys_of(folder / "480.cmfv")
    assert len(keys_of(folder / "480.cmfv")) >= 4
    lengths = [
        re.findall(r"#EXTINF:([\d.]+)", (folder / f"{name}.m3u8").read_text()) for name in ("480", "360")
    ]
    assert lengths[0] == lengths[1]
    assert "FRAME-RATE=29.970" in (folder / "master.m3u8").read_text()


def test_a_copied_rung_follows_the_rules_of_ios_like_the_others(taken):
    _, folder, _, _ = taken
    for name in ("480", "360"):
        words = footage.packets(
            folder / f"{name}.cmfv", "stream=codec_tag_string,pix_fmt,color_range,color_space,level"
        )
        tag, pixels, level, spread, colours = words[0].split(",")
        assert (tag, pixels, spread, colours) == ("avc1", "yuv420p", "tv", "bt709")
        assert int(level) <= 42
        track = tracks.read(folder / f"{name}.cmfv")["vide"]
        assert tracks.is_closed(track)
        assert set().union(*tracks.units(folder / f"{name}.cmfv", track)) <= tracks.PICTURES
        assert hls.segments(folder / f"{name}.m3u8").target >= 4


def test_nothing_of_place_or_phone_is_in_a_copied_byte(taken):
    made, _, _, _ = taken
    words = (footage.PLACE, footage.PLACE.replace("+", "p"), footage.PHONE, "x264 - core")
    for file in made.files:
        data = file.path.read_bytes()
        assert not [word for word in words if word.encode() in data], file.name


def test_lips_and_words_stay_together_when_the_picture_is_copied(tmp_path):
    path = tmp_path / "flash.mp4"
    coder = ("-vf", footage.TAGS, "-c:v", "libx264", "-bf", 3, "-pix_fmt", "yuv420p")
    at = lips.both(path, coder, footage.SOUND, size="64x36")
    out = tmp_path / "out"
    assert chain.made(path, out).copied_top
    assert lips.apart(out / "36.mp4", at=at) <= 0.010
    assert lips.apart((out / "36.cmfv", out / "audio.cmfa"), at=at) <= 0.010


def test_a_fast_film_is_copied_when_the_halved_rungs_can_keep_step(tmp_path):
    even = footage.web_ready(
        tmp_path, "even.mp4", size="720x720", rate=60, seconds=2.0, group=60, words=QUICKLY
    )
    made = chain.made(even, tmp_path / "out")
    assert made.copied_top
    assert keys_of(tmp_path / "out" / "720.cmfv") == keys_of(tmp_path / "out" / "360.cmfv") == [0.0, 1.0]
    counts = {name: tracks.read(tmp_path / "out" / f"{name}.cmfv")["vide"].count for name in ("720", "480")}
    assert counts == {"720": 120, "480": 60}
    odd = footage.web_ready(
        tmp_path, "odd.mp4", size="720x720", rate=60, seconds=2.0, group=61, words=QUICKLY
    )
    assert fits(odd) is None
    # 480 lines are never faster than 30 frames a second.
    assert fits(footage.web_ready(tmp_path, "low.mp4", size="480x480", rate=60, group=60)) is None


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("colours that are not said in a small film", {"words": ("-vf", "setparams=colorspace=unknown")}),
        ("other colours", {"words": ("-vf", "setparams=colorspace=smpte170m")}),
        ("full range", {"words": ("-vf", "scale=out_range=pc", "-color_range", "pc")}),
        ("4:2:2", {"words": ("-pix_fmt", "yuv422p")}),
        ("10 bit", {"words": ("-pix_fmt", "yuv420p10le")}),
        ("groups of more than 4 s", {"seconds": 6.0, "group": 180}),
        ("only key frames", {"group": 1}),
        ("open groups", {"words": ("-x264-params", "open-gop=1"), "seconds": 3.0}),
        ("wide pixels", {"words": ("-vf", f"setsar=3/2,{footage.TAGS}")}),
        ("interlaced", {"words": ("-flags", "+ildct+ilme")}),
        ("too many bits", {"words": ("-b:v", "4M", "-maxrate", "8M", "-bufsize", "8M", "-qmax", "2")}),
        ("a rate that is none", {"words": ("-vf", f"select='mod(n,7)',{footage.TAGS}", "-fps_mode", "vfr")}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_film_with_this_is_encoded(tmp_path, reason, options):
    path = footage.web_ready(tmp_path, **options)
    assert fits(path) is None, reason


def test_a_film_whose_words_go_on_after_its_picture_is_encoded(tmp_path):
    longer, voice = tmp_path / "longer.mp4", ("-f", "lavfi", "-i", "sine=duration=3")
    words = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", *footage.SOUND)
    footage.ffmpeg("-i", footage.web_ready(tmp_path), *voice, *words, longer)
    assert chain.facts_of(longer).duration_seconds == pytest.approx(3.0, abs=0.05)
    assert fits(longer) is None


def test_a_turned_film_another_codec_and_an_edited_one_are_encoded(tmp_path):
    path = footage.web_ready(tmp_path)
    assert fits(path) is not None
    turned = tmp_path / "turned.mp4"
    footage.ffmpeg("-display_rotation", 90, "-i", path, "-c", "copy", turned)
    assert fits(turned) is None
    other = tmp_path / "other.mp4"
    footage.ffmpeg("-i", path, "-c:v", "mpeg4", "-c:a", "copy", other)
    assert fits(other) is None
    assert not chain.made(path, tmp_path / "cut", film.Order(edits=EditList(start=0.5))).copied_top


@pytest.mark.parametrize("group", [60, 15])
def test_of_a_film_whose_phone_cut_a_passage_out_nothing_is_copied(tmp_path, monkeypatch, group):
    monkeypatch.setattr(copying, "SHORTEST_GROUP_SECONDS", 0.4)
    whole = footage.three_colours(tmp_path, group=group)
    assert fits(whole) is not None
    path = footage.passages(whole, (0, 0.5), (1.0, 1.5))
    assert fits(path) is None
    out = tmp_path / "out"
    made = chain.made(path, out)
    assert not made.copied_top
    assert re.fullmatch(r"r1[57] b15", footage.colours(out / "90.mp4"))


def test_a_film_whose_list_of_packets_is_too_long_to_be_read_is_encoded(tmp_path, monkeypatch):
    path = footage.web_ready(tmp_path)
    monkeypatch.setattr(copying, "examine", partial(copying.examine, most_bytes=500))
    assert fits(path) is None


@pytest.mark.parametrize("form", ["mkv", "mov"])
def test_other_containers_are_copied_from_too(tmp_path, form):
    other = tmp_path / f"other.{form}"
    footage.ffmpeg("-i", footage.web_ready(tmp_path), "-c", "copy", other)
    made = chain.made(other, tmp_path / "out")
    assert made.copied_top
    assert keys_of(tmp_path / "out" / "180.cmfv") == [0.0, 1.0]


def test_a_copy_that_does_not_hold_what_it_promised_is_encoded_instead(tmp_path, monkeypatch):
    path = footage.web_ready(tmp_path)
    promise = copying.fits
    monkeypatch.setattr(
        copying, "fits", lambda *one: copying.Copy(promise(*one).rate, (0, 15), promise(*one).frames)
    )
    made = chain.made(path, tmp_path / "out")
    assert not made.copied_top
    assert {"180.cmfv", "master.m3u8"} <= {file.name for file in made.files}


def test_a_picture_that_the_tool_cannot_copy_is_encoded_instead(tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "BITSTREAM", "h264_metadata=level=none")
    made = chain.made(footage.web_ready(tmp_path), tmp_path / "out")
    assert not made.copied_top


def test_a_film_that_makes_the_decoder_complain_goes_on_to_nobody_as_it_is(tmp_path):
    path = footage.web_ready(tmp_path)
    samples = [tuple(map(int, one.split(","))) for one in footage.packets(path, "packet=size,pos")]
    data = bytearray(path.read_bytes())
    # The picture that the second group begins with, behind what describes it.
    size, at = samples[30]
    data[at + 16 : at + size] = bytes(size - 16)
    path.write_bytes(data)
    # Nothing in the list of packets tells.
    assert fits(path) is not None
    made = chain.made(path, tmp_path / "out")
    assert not made.copied_top
    assert {"180.cmfv", "master.m3u8"} <= {file.name for file in made.files}


def test_a_rate_is_read_from_its_instants():
    steady = [number * 1001 / 30000 for number in range(300)]
    assert copying._rate(steady) == Fraction(30000, 1001)
    assert copying._rate([number / 25 for number in range(300)]) == 25
    assert copying._rate([round(number / 30, 3) for number in range(300)]) == 30
    assert copying._rate([*steady[:150], *(time + 0.01 for time in steady[150:])]) is None


def test_refusals_of_a_copy_are_no_faults_of_the_film():
    assert not issubclass(DoesNotFit, PortalError)
