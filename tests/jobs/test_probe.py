"""What a file is, or why it cannot be used."""

import json

import pytest

from media_jobs import headers
from media_jobs.outline import Limits
from media_jobs.probe import Facts, inspect
from portal.errors import Code, Unacceptable
from portal.reasons import sentence
from tests import chain, footage


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


def test_a_long_film_may_have_a_long_list_of_packets(tmp_path, monkeypatch):
    path = footage.small(tmp_path)
    monkeypatch.setattr(headers, "ANSWER_BYTES", 100)
    assert facts_of(path, max_seconds=3).frames == 30
    monkeypatch.setattr(headers, "BYTES_A_SECOND", 100)
    caught = refusal(path, max_seconds=3)
    assert (caught.code, caught.facts["reason"]) == (Code.BROKEN_FILM, "too many samples")


def test_a_picture_that_is_too_large_is_refused_with_its_size(tmp_path):
    caught = refusal(footage.small(tmp_path), max_long_side=300, max_short_side=200)
    assert caught.code is Code.TOO_LARGE_PICTURE
    assert (caught.facts["width"], caught.facts["height"]) == (320, 180)


# Cut off --------------------------------------------------------------------------------------------------

HALF = 0.55


def shortened(folder, kind):
    """Four seconds of film, of which a little more than half arrived."""
    words = {
        "mp4": ("whole.mp4", (*footage.QUICK, *footage.SOUND, "-movflags", "+faststart")),
        "mov": ("whole.mov", (*footage.QUICK, "-bf", 2, "-c:a", "pcm_s16le", "-movflags", "+faststart")),
        "fragments": (
            "fragments.mp4",
            (*footage.QUICK, *footage.SOUND, "-movflags", "+frag_keyframe+delay_moov"),
        ),
        "webm": (
            "whole.webm",
            ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", 8, "-c:a", "libopus"),
        ),
        "mkv": ("whole.mkv", (*footage.QUICK, *footage.SOUND)),
    }
    name, coder = words[kind]
    shown = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=30")
    footage.ffmpeg(*shown, "-f", "lavfi", "-i", "sine", "-t", 4, *coder, folder / name)
    return footage.first_part(folder / name, HALF)


CUT = ["mp4", "mov", "fragments", "webm", "mkv"]


@pytest.mark.parametrize("kind", CUT)
def test_a_film_whose_end_is_missing_says_how_much_of_it_arrived(tmp_path, kind):
    caught = refusal(shortened(tmp_path, kind))
    assert caught.code is Code.CUT_OFF
    assert 1 < caught.facts["seconds"] < 3
    # A film in fragments only promises to the end of the one that it broke off in.
    assert caught.facts["promised"] == pytest.approx(3.0 if kind == "fragments" else 4.0, abs=0.2)
    assert "s" in sentence(caught.code, **caught.facts)


@pytest.mark.parametrize("kind", CUT)
def test_the_beginning_is_made_when_its_owner_wants_it(tmp_path, kind):
    result, made = chain.whole(shortened(tmp_path, kind), tmp_path / "out", keeps_beginning=True)
    assert result.facts.promised_seconds > result.facts.duration_seconds
    assert made.seconds == pytest.approx(result.facts.duration_seconds, abs=0.034)
    assert len(footage.brightness(result.path)) == round(made.seconds * 30)
    assert footage.pitch(result.path, 0.2, 1.0) == pytest.approx(440, rel=0.03)


def test_a_film_that_promises_to_be_too_long_is_so_though_its_end_is_missing(tmp_path):
    path = shortened(tmp_path, "mp4")
    for keeps in (False, True):
        assert refusal(path, max_seconds=2.8, keeps_beginning=keeps).code is Code.TOO_LONG


def test_a_recording_that_promised_nothing_is_as_long_as_it_is(tmp_path):
    facts = facts_of(footage.first_part(footage.recorder(tmp_path, seconds=2), HALF))
    assert facts.promised_seconds is None
    assert 0.5 < facts.duration_seconds < 1.8


def test_a_whole_film_promises_no_more_than_it_is(tmp_path):
    assert facts_of(footage.small(tmp_path)).promised_seconds is None


def test_facts_that_an_earlier_version_stored_are_read_and_later_words_left_out(tmp_path):
    facts = facts_of(footage.small(tmp_path))
    later = ("mirrored", "interlaced", "lead_seconds", "promised_seconds", "captions")
    stored = {name: value for name, value in facts.as_json().items() if name not in later}
    assert Facts.from_json({**stored, "a word of tomorrow": 1}) == facts


# No film --------------------------------------------------------------------------------------------------


def test_sound_without_a_picture_is_refused(tmp_path):
    assert refusal(footage.sound_only(tmp_path)).code is Code.NO_PICTURE


def test_the_beginning_of_a_film_alone_is_an_unfinished_recording(tmp_path):
    path = tmp_path / "start.mp4"
    path.write_bytes(footage.small(tmp_path).read_bytes()[:500])
    assert refusal(path).code is Code.UNFINISHED
