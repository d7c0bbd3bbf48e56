"""What the encoder is told: the two profiles word by word, and caps that even noise is held to."""

import pytest

from media_jobs import film, hls, picture
from media_jobs.ffmpeg import compose, source
from portal.ladder import Profile, rungs_for
from tests import chain, footage


def noise(path, *, size="160x90", rate=30, seconds=0.5):
    """A film that no encoder can save anything on."""
    shown = f"color=gray:size={size}:rate={rate},noise=alls=100:allf=t"
    footage.ffmpeg("-f", "lavfi", "-i", shown, "-t", seconds, *footage.QUICK, "-crf", 5, path)
    return path


def made_of(path, folder, profile=Profile.STANDARD):
    folder.mkdir()
    order = film.Order(profile=profile)
    return film.make(
        footage.tools(), path, folder, chain.facts_of(path), order, lambda _: None, lambda: False
    )


def size_of(made, name):
    return next(one.size_bytes for one in made.files if one.name == name)


def test_economy_spends_less_on_the_same_rungs():
    usual, thrifty = rungs_for(1920, 1080), rungs_for(1920, 1080, Profile.ECONOMY)
    assert {(rung.preset, rung.crf, rung.trellis) for rung in thrifty} == {("veryfast", 22, 1)}
    assert [(rung.name, rung.cap_kbit) for rung in usual] == [(rung.name, rung.cap_kbit) for rung in thrifty]
    assert {rung.trellis for rung in usual} == {None}


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        (Profile.STANDARD, {"-preset:v:0": "medium", "-crf:v:0": "23"}),
        (Profile.ECONOMY, {"-preset:v:0": "veryfast", "-crf:v:0": "22", "-trellis:v:0": "1"}),
    ],
)
def test_each_profile_is_told_to_the_encoder_word_by_word(tmp_path, profile, told):
    path = footage.small(tmp_path, seconds=0.2)
    facts = chain.facts_of(path)
    made = picture.plan(facts, rungs_for(facts.width, facts.height, profile))
    shown = source(path, "mov")[str(facts.video_index)]
    words = compose([hls.ladder_output([shown], made, None, 1)])
    names = ("-preset:v:0", "-crf:v:0", "-trellis:v:0")
    assert {word: words[place + 1] for place, word in enumerate(words) if word in names} == told


def test_economy_reaches_the_files_and_the_record(tmp_path):
    path = noise(tmp_path / "noise.mp4")
    usual = made_of(path, tmp_path / "usual")
    thrifty = made_of(path, tmp_path / "thrifty", Profile.ECONOMY)
    assert (usual.profile, thrifty.profile) == ("standard", "economy")
    assert size_of(usual, "90.cmfv") != size_of(thrifty, "90.cmfv")


@pytest.mark.parametrize(
    ("size", "rate", "name", "seconds"), [("320x180", 30, "180", 3), ("1280x720", 60, "720", 0.5)]
)
def test_even_noise_is_held_to_the_cap_of_its_rung(tmp_path, size, rate, name, seconds):
    path = noise(tmp_path / "noise.mp4", size=size, rate=rate, seconds=seconds)
    rung = next(one for one in rungs_for(*map(int, size.split("x"))) if one.name == name)
    # Half as much again from 50 frames a second on; the buffer holds two seconds more.
    cap = rung.cap_kbit * (1.5 if rate >= 50 else 1)
    made = made_of(path, tmp_path / "made")
    assert size_of(made, f"{name}.cmfv") <= 1.02 * 1000 * cap * (seconds + 2) / 8
