"""Captions that came inside a film are found, taken out as text, and can do no harm on the way."""

import pytest

from media_jobs import embedded
from media_jobs.headers import CaptionTrack
from tests import chain, footage

SUBRIP = """1
00:00:00,100 --> 00:00:00,500
Bonjour <i>à</i> tous

2
00:00:00,600 --> 00:00:00,900
{\\\\an8}2 < 3 & plus
"""


def captioned(folder, container, codec, *words, language="fra"):
    text, path = folder / "words.srt", folder / f"film.{container}"
    text.write_text(SUBRIP)
    film = footage.coded(folder / "plain.mp4", seconds=1.0)
    tags = ("-metadata:s:s:0", f"language={language}")
    coder = ("-c:v", "libvpx", "-deadline", "realtime") if container == "webm" else ("-c:v", "copy")
    footage.ffmpeg("-i", film, "-i", text, "-map", 0, "-map", 1, *coder, "-c:s", codec, *tags, *words, path)
    return path


def taken(path, folder):
    facts = chain.facts_of(path)
    folder.mkdir()
    found = embedded.embedded_captions(footage.tools(), path, facts, folder, lambda: False)
    assert list(folder.iterdir()) == []
    return facts, found


@pytest.mark.parametrize(
    ("container", "codec", "called"),
    [
        ("mp4", "mov_text", "mov_text"),
        ("mov", "mov_text", "mov_text"),
        ("mkv", "srt", "subrip"),
        ("mkv", "webvtt", "webvtt"),
        ("mkv", "ass", "ass"),
        ("webm", "webvtt", "webvtt"),
    ],
)
def test_captions_inside_a_film_are_taken_out_as_text(tmp_path, container, codec, called):
    facts, found = taken(captioned(tmp_path, container, codec), tmp_path / "out")
    assert facts.captions == (CaptionTrack(1, called, "fra"),)
    assert [(one.index, one.language) for one in found] == [(1, "fra")]
    assert found[0].text.startswith("WEBVTT")
    assert "00:00.100 --> 00:00.500\nBonjour" in found[0].text
    assert "00:00.600 --> 00:00.900" in found[0].text


def test_what_is_no_languages_tag_is_not_believed(tmp_path):
    facts, found = taken(captioned(tmp_path, "mkv", "srt", language="a/b?<x>"), tmp_path / "out")
    assert facts.captions == (CaptionTrack(1, "subrip", "und"),)
    assert [one.language for one in found] == ["und"]


def test_a_film_with_captions_is_made_like_any_other(tmp_path):
    result, _ = chain.whole(captioned(tmp_path, "mkv", "srt"), tmp_path / "out")
    assert footage.packets(result.path, "stream=codec_type", "s") == []
    assert len(footage.brightness(result.path)) == 30


def test_captions_are_told_in_film_time(tmp_path):
    # A second sound starts the container's clock half a second before anything that is shown or heard of the film.
    path = tmp_path / "late.mkv"
    tones = ("-f", "lavfi", "-i", "sine=duration=1")
    footage.ffmpeg(
        *("-itsoffset", 0.5, "-i", captioned(tmp_path, "mkv", "srt"), "-itsoffset", 0.5, *tones, *tones),
        *("-map", "0:v", "-map", "0:s", "-map", 1, "-map", 2, "-c:v", "copy", "-c:s", "copy"),
        *("-c:a", "pcm_s16le", path),
    )
    facts, found = taken(path, tmp_path / "out")
    assert facts.lead_seconds == pytest.approx(0.5, abs=0.01)
    assert "00:00.100 --> 00:00.500" in found[0].text


def test_captions_that_are_pictures_are_left_alone(tmp_path):
    # A track of DVD subtitles, which nobody at hand can write as text: one empty bitmap, by hand.
    path = captioned(tmp_path, "mkv", "srt")
    data = path.read_bytes()
    assert data.count(b"S_TEXT/UTF8") == 1
    # The same length, so that no other element moves.
    path.write_bytes(data.replace(b"S_TEXT/UTF8", b"S_VOBSUB\0\0\0"))
    facts, found = taken(path, tmp_path / "out")
    assert (facts.captions, found) == ((), [])


def test_a_track_without_a_word_is_left_out(tmp_path):
    path = captioned(tmp_path, "mkv", "srt", "-bsf:s", "noise=drop=1")
    facts, found = taken(path, tmp_path / "out")
    assert len(facts.captions) == 1
    assert found == []


def test_endless_captions_are_cut_where_ours_end(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "MOST_BYTES", 60)
    _, found = taken(captioned(tmp_path, "mkv", "srt"), tmp_path / "out")
    assert all(len(one.text.encode()) <= 60 for one in found)
