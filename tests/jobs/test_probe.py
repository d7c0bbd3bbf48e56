"""What a file is, or why it cannot be used."""

import json

import pytest

from media_jobs.probe import Facts, Limits, container_of, inspect
from portal.errors import Code, Unacceptable
from tests import footage


def facts_of(path, **limits):
    return inspect(footage.tools(), path, Limits(**limits))


def refusal(path, **limits):
    with pytest.raises(Unacceptable) as caught:
        facts_of(path, **limits)
    return caught.value


def test_an_ordinary_film_is_described_and_the_description_survives_json(tmp_path):
    facts = facts_of(footage.small(tmp_path))
    assert (facts.container, facts.width, facts.height, facts.rotation) == ("mov", 320, 180, 0)
    assert (facts.video_codec, facts.audio_codec, facts.audio_channels) == ("h264", "aac", 1)
    assert (facts.fps, facts.vfr, facts.duration_seconds) == (30.0, False, pytest.approx(1.0, abs=0.01))
    assert Facts.from_json(json.loads(json.dumps(facts.as_json()))) == facts


def test_a_rotated_film_has_the_size_it_is_seen_in(tmp_path):
    facts = facts_of(footage.rotated(tmp_path))
    assert (facts.width, facts.height, facts.rotation) == (180, 320, 90)


def test_wide_pixels_count_as_wide(tmp_path):
    facts = facts_of(footage.wide_pixels(tmp_path))
    assert (facts.width, facts.height) == (360, 180)


def test_hdr_is_recognised(tmp_path):
    facts = facts_of(footage.hlg(tmp_path))
    assert (facts.video_codec, facts.pix_fmt) == ("hevc", "yuv420p10le")
    assert (facts.color_transfer, facts.color_primaries) == ("arib-std-b67", "bt2020")


def test_a_film_without_sound_is_a_film(tmp_path):
    facts = facts_of(footage.silent(tmp_path))
    assert (facts.audio_index, facts.audio_codec, facts.audio_channels) == (None, None, None)


def test_an_uneven_rate_is_noticed_and_the_mean_is_taken(tmp_path):
    facts = facts_of(footage.uneven(tmp_path))
    assert facts.vfr
    assert 12 < facts.fps < 18


def test_a_recorders_film_without_a_length_is_measured(tmp_path):
    facts = facts_of(footage.recorder(tmp_path))
    assert facts.container == "matroska"
    assert facts.duration_seconds == pytest.approx(1.0, abs=0.05)


def test_a_header_that_lies_about_the_length_is_not_believed(tmp_path):
    assert facts_of(footage.lying(tmp_path)).duration_seconds == pytest.approx(1.0, abs=0.05)


def test_a_film_that_is_too_long_is_refused_with_its_length(tmp_path):
    caught = refusal(footage.small(tmp_path, seconds=3), max_seconds=1)
    assert (caught.code, caught.facts["limit"]) == (Code.TOO_LONG, 1)
    assert caught.facts["seconds"] == pytest.approx(3.0, abs=0.1)


def test_a_film_that_is_too_long_without_saying_so_is_refused(tmp_path):
    assert refusal(footage.recorder(tmp_path, seconds=3), max_seconds=1).code is Code.TOO_LONG


def test_a_picture_that_is_too_large_is_refused_with_its_size(tmp_path):
    caught = refusal(footage.small(tmp_path), max_long_side=300, max_short_side=200)
    assert caught.code is Code.TOO_LARGE_PICTURE
    assert (caught.facts["width"], caught.facts["height"]) == (320, 180)


def test_a_film_that_arrived_in_half_is_refused(tmp_path):
    assert refusal(footage.cut_off(tmp_path)).code is Code.BROKEN_FILM


def test_sound_without_a_picture_is_refused(tmp_path):
    assert refusal(footage.sound_only(tmp_path)).code is Code.NO_PICTURE


def test_the_beginning_of_a_film_alone_is_broken(tmp_path):
    path = tmp_path / "start.mp4"
    path.write_bytes(footage.small(tmp_path).read_bytes()[:500])
    assert refusal(path).code is Code.BROKEN_FILM


@pytest.mark.parametrize(
    ("first_bytes", "kind"),
    [
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n", "playlist"),
        (b"ffconcat version 1.0\nfile neighbour.mp4\n", "playlist"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "playlist"),
        (b"\n<?xml version='1.0'?><MPD/>", "text"),
        (b"textfree but no box", "text"),
        (b"\xff\xd8\xff\xe0JFIF", "picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "picture"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "sound"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "sound"),
        (b"PK\3\4\x14\0", "archive"),
        (b"%PDF-1.7", "document"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01 something else", "unknown"),
        (b"", "empty"),
    ],
)
def test_what_is_no_film_is_refused_before_any_tool_runs(tmp_path, first_bytes, kind):
    path = tmp_path / "film.mp4"
    path.write_bytes(first_bytes)
    with pytest.raises(Unacceptable) as caught:
        container_of(path)
    assert (caught.value.code, caught.value.facts["kind"]) == (Code.NOT_A_VIDEO, kind)
