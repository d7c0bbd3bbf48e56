"""Every voice is heard from where it begins, in both ears, and as loud as the others'; measured on what is published."""

import pytest

from media_jobs import sound
from tests import chain, footage, lips

PICTURE = ("-f", "lavfi", "-i", "color=gray:size=32x32:rate=10")
X264 = ("-c:v", "libx264", "-preset", "ultrafast")


def film(path, tone, *words, seconds=1.0, before=(), codec=("-c:a", "pcm_s16le")):
    """A grey picture over this sound, an expression of lavfi."""
    footage.ffmpeg(*PICTURE, *before, "-f", "lavfi", "-i", tone, "-t", seconds, *X264, *codec, *words, path)
    return path


def ears(path):
    """Mean power of each ear, and how much of it is in both alike (1: the same sound)."""
    pixels = footage.ffmpeg("-i", path, "-map", "0:a:0", "-ac", 2, "-ar", 48000, "-f", "s16le", "-")
    heard = memoryview(pixels).cast("h")
    left, right = list(heard[4800:-4800:2]), list(heard[4801:-4800:2])
    powers = [sum(value * value for value in ear) / len(ear) for ear in (left, right)]
    both = sum(a * b for a, b in zip(left, right, strict=False)) / len(left)
    return powers, both / max(1.0, (powers[0] * powers[1]) ** 0.5)


SINE = "0.2*sin(880*PI*t)"


# Where it comes from --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "tones", "codec", "container"),
    [
        ("mono", SINE, ("-c:a", "pcm_s16le"), "mov"),
        ("mono", SINE, ("-c:a", "aac"), "mp4"),
        ("5.1", f"0|0|{SINE}|0|0|0", ("-c:a", "aac"), "mp4"),
        ("5.1", f"0|0|{SINE}|0|0|0", ("-c:a", "ac3"), "mp4"),
        ("7.1", f"0|0|{SINE}|0|0|0|0|0", ("-c:a", "aac"), "mp4"),
        ("7.1", f"0|0|{SINE}|0|0|0|0|0", ("-c:a", "flac"), "mkv"),
        ("quad", f"{SINE}|{SINE}|0|0", ("-c:a", "pcm_s16le"), "mov"),
    ],
)
def test_a_voice_in_the_middle_is_in_both_ears(tmp_path, layout, tones, codec, container):
    tone = f"aevalsrc='{tones}':c={layout}:s=48000"
    result = chain.sound_alone(film(tmp_path / f"film.{container}", tone, codec=codec))
    (left, right), alike = ears(result.path)
    assert left == pytest.approx(right, rel=0.02)
    assert alike > 0.99
    assert footage.pitch(result.path, 0.2, 0.8) == pytest.approx(440, rel=0.02)
    assert footage.packets(result.path, "stream=codec_name,profile,sample_rate,channels", "a:0") == [
        "aac,LC,48000,2"
    ]


def test_sides_stay_apart(tmp_path):
    tone = "aevalsrc='0.2*sin(880*PI*t)|0.2*sin(1320*PI*t)':s=48000"
    powers, alike = ears(chain.sound_alone(film(tmp_path / "film.mov", tone)).path)
    assert abs(alike) < 0.1
    assert min(powers) > 1e5


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 88200, 96000, 192000])
def test_every_sample_rate_keeps_its_pitch_and_its_length(tmp_path, rate):
    result = chain.sound_alone(
        film(tmp_path / "film.mov", f"sine=frequency=440:sample_rate={rate}", seconds=0.6)
    )
    assert footage.pitch(result.path, 0.1, 0.5) == pytest.approx(440, rel=0.02)
    assert len(footage.samples(result.path)) / 48000 == pytest.approx(0.6, abs=0.05)


# When it is heard -----------------------------------------------------------------------------------------


def test_sound_that_begins_late_is_silence_until_then(tmp_path):
    path = film(
        tmp_path / "late.mp4", "sine=frequency=440", before=("-itsoffset", 0.5), codec=("-c:a", "aac")
    )
    result = chain.sound_alone(path)
    assert result.facts.duration_seconds == pytest.approx(1.0, abs=0.03)
    assert footage.pitch(result.path, 0, 0.47) == 0
    assert footage.pitch(result.path, 0.53, 0.95) == pytest.approx(440, rel=0.03)


def test_sound_that_stops_before_the_picture_is_silence_from_there(tmp_path):
    path = film(tmp_path / "short.mp4", "sine=frequency=440:duration=0.4", codec=("-c:a", "aac"))
    result = chain.sound_alone(path)
    assert len(footage.samples(result.path)) == 48000
    assert footage.pitch(result.path, 0.05, 0.38) == pytest.approx(440, rel=0.03)
    assert footage.pitch(result.path, 0.5, 1.0) == 0


def test_sound_that_goes_on_after_the_picture_is_heard_to_its_end(tmp_path):
    path = tmp_path / "long.mov"
    grey = "color=gray:size=32x32:rate=10:duration=0.4"
    tone = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1")
    footage.ffmpeg("-f", "lavfi", "-i", grey, *tone, *X264, "-c:a", "pcm_s16le", path)
    result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx(1.0, abs=0.034)
    assert footage.pitch(result.path, 0.5, 0.95) == pytest.approx(440, rel=0.03)
    assert len(footage.brightness(result.path)) == 30


def test_a_hole_in_the_sound_is_silence_and_nothing_behind_it_comes_early(tmp_path):
    path = tmp_path / "hole.mkv"
    pieces = "asetpts='if(lt(T,0.4),PTS,PTS+0.4/TB)'"
    tone = f"sine=frequency=440:duration=0.8,asetnsamples=480,{pieces}"
    footage.ffmpeg(*PICTURE, "-f", "lavfi", "-i", tone, "-t", 1.2, *X264, "-c:a", "pcm_s16le", path)
    result = chain.sound_alone(path)
    assert footage.pitch(result.path, 0.1, 0.38) == pytest.approx(440, rel=0.03)
    assert footage.pitch(result.path, 0.45, 0.75) == 0
    assert footage.pitch(result.path, 0.85, 1.15) == pytest.approx(440, rel=0.03)


def test_silence_stays_silence(tmp_path):
    path = film(tmp_path / "silence.mp4", "anullsrc=sample_rate=48000", codec=("-c:a", "aac"))
    result, made = chain.whole(path, tmp_path / "out")
    assert made.loudness is None
    assert max(abs(value) for value in footage.samples(result.path)) == 0


def test_the_hiss_of_a_silent_room_is_not_made_a_noise(tmp_path):
    path = film(tmp_path / "room.mov", "anoisesrc=color=pink:amplitude=0.001:seed=1")
    result = chain.sound_alone(path)
    before, after = footage.loudness(path)[0], footage.loudness(result.path)[0]
    assert before < sound.SILENCE_LUFS
    assert after == pytest.approx(before, abs=3)


# How loud it is -------------------------------------------------------------------------------------------

NOISE = "anoisesrc=color=pink:sample_rate=48000:seed=7:amplitude={}"
VOLUME = "volume=eval=frame:volume='{}'"
KINDS = {
    "a quiet voice": f"{NOISE.format(0.15)},{VOLUME.format('0.3+0.7*abs(sin(9*t))')}",
    "a loud tone": "sine=frequency=1000:sample_rate=48000,volume=17.9dB",
    "a clipped tone": "sine=frequency=997:sample_rate=48000,volume=40dB,aformat=s16",
    "a square": "aevalsrc='0.99*(2*gt(sin(440*PI*t),0)-1)':s=48000",
    "between the samples": "aevalsrc='0.99*sin(22050*PI*t+PI/4)':s=44100",
    "words and pauses": f"{NOISE.format(0.4)},{VOLUME.format('if(lt(mod(t,0.35),0.2),0.3+0.7*abs(sin(7*t)),0.005)')}",
    "a whisper and a cry": f"{NOISE.format(0.3)},{VOLUME.format('if(lt(t,2),0.05,1)')}",
    "a laugh": f"{NOISE.format(0.02)},{VOLUME.format('if(lt(mod(t,1.7),0.12),40,1)')}",
    "few loud words": f"{NOISE.format(0.8)},{VOLUME.format('if(lt(mod(t,1.5),0.08),1,0.001)')}",
    "a chord": "aevalsrc='0.3*sin(880*PI*t)+0.3*sin(3520*PI*t)+0.39*sin(14080*PI*t+1)':s=44100",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_film_is_equally_loud_and_never_clips(tmp_path, kind):
    result = chain.sound_alone(film(tmp_path / "film.mov", KINDS[kind], seconds=3))
    loud, peak = footage.loudness(result.path)
    assert loud == pytest.approx(-16.0, abs=1.0)
    assert peak <= -1.0


# What cannot be -16: nearly all of it is silence (its peaks would have to be above 0 dB), more than 20 dB are missing
# (what is that quiet is a room, not a voice), or much of it lies where AAC at 128 kbit/s hears nothing (above 17 kHz).
# Loudness from and to.
WHITE = "anoisesrc=color=white:amplitude=1:sample_rate=48000:seed=7"
CLICKS = "aevalsrc='lt(mod(t,0.5),0.002)*0.95*sin(3000*PI*t)+0.003*sin(600*PI*t)':s=48000"
BOUNDS = {
    "clicks": (CLICKS, -26, -20),
    # Samples that all miss the top of their wave, by 3 dB: a limiter that looks at samples alone lets it through.
    "chirps": ("aevalsrc='lt(mod(t,0.5),0.002)*0.9*sin(24000*PI*t+PI/4)':s=48000", -30, -16),
    "more than 20 dB too quiet": ("sine=frequency=1000:sample_rate=48000,volume=-22dB", -24, -22),
    "white noise": (WHITE, -19, -16.5),
}
DRUMS = f"{WHITE},{VOLUME.format('if(lt(mod(t,0.8),0.03),1,0.004)')}"


@pytest.mark.parametrize("kind", BOUNDS)
def test_what_cannot_be_as_loud_stays_below(tmp_path, kind):
    tone, least, most = BOUNDS[kind]
    result = chain.sound_alone(film(tmp_path / "film.mov", tone, seconds=3))
    loud, peak = footage.loudness(result.path)
    assert least <= loud <= most
    assert peak <= -1.0


def test_what_is_published_is_what_was_measured(tmp_path):
    """The same on every file of a whole job: the shared sound of the ladder, and the plain film."""
    path = film(tmp_path / "film.mp4", KINDS["a laugh"], seconds=3, codec=("-c:a", "aac", "-b:a", "128k"))
    result, made = chain.whole(path, tmp_path / "out")
    for file in (result.path, tmp_path / "out" / "audio.cmfa"):
        loud, peak = footage.loudness(file)
        assert loud == pytest.approx(-16.0, abs=1.0)
        assert peak <= -1.0
    assert made.loudness == pytest.approx(footage.loudness(path)[0], abs=0.2)


def test_bursts_to_which_the_coder_adds_more_than_is_kept_for_it_stay_below_too(tmp_path):
    path = film(tmp_path / "film.mov", DRUMS, seconds=3)
    result, _ = chain.whole(path, tmp_path / "out")
    for file in (result.path, tmp_path / "out" / "audio.cmfa"):
        loud, peak = footage.loudness(file)
        assert -21 <= loud <= -16
        assert peak <= -1.0


def test_sound_that_came_out_too_high_is_made_once_more_at_the_same_instants(tmp_path, monkeypatch):
    # With nothing kept for the coder, and all as loud as can be.
    monkeypatch.setattr(sound, "TARGET_LUFS", 0.0)
    monkeypatch.setattr(sound, "CEILING_DB", 0.0)
    path, out = tmp_path / "film.mp4", tmp_path / "out"
    at = lips.both(path, X264, ("-c:a", "aac"))
    chain.made(path, out)
    for file in ("32.mp4", "audio.cmfa"):
        assert footage.loudness(out / file)[1] <= -1.0
        assert lips.apart((out / "32.cmfv", out / file), at=at) <= 0.010


def test_a_cry_too_short_to_be_measured_does_not_clip(tmp_path):
    path = film(tmp_path / "film.mov", KINDS["a square"], seconds=0.3)
    result, made = chain.whole(path, tmp_path / "out")
    assert made.loudness is None
    assert footage.loudness(result.path)[1] <= -1.0
