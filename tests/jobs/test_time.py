"""Every rate becomes an even one without drift, every length stays, and lips and words stay together."""

import re
from itertools import pairwise

import pytest

from tests import chain, footage
from tests.lips import apart, beeps, both, flashes, flashing

X264 = ("-c:v", "libx264", "-preset", "ultrafast")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", 8)
MPEG4 = ("-c:v", "mpeg4", "-q:v", 5)
AAC = ("-c:a", "aac", "-b:a", "96k")
TINY = "color=gray:size=32x32:rate={rate}"


def times_of(path):
    return sorted(float(line) for line in footage.packets(path, "packet=pts_time"))


def is_even(times, rate):
    """Whether the picture stands at the film's beginning and goes on without a gap."""
    return times[0] == 0 and all(abs(b - a - 1 / rate) < 0.0011 for a, b in pairwise(times))


# Rates ----------------------------------------------------------------------------------------------------

RATES = {
    "8": 30,
    "12": 30,
    "15": 30,
    "22": 30,
    "24000/1001": 24,
    "24": 24,
    "25": 25,
    "30000/1001": 30,
    "30": 30,
    "36": 30,
    "48": 60,
    "50": 50,
    "60000/1001": 60,
    "60": 60,
    "90": 60,
    "120": 60,
    "240": 60,
}


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_becomes_an_even_one_of_five(tmp_path, rate):
    path = tmp_path / "film.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", TINY.format(rate=rate), "-t", 0.6, *X264, path)
    result = chain.picture_alone(path)
    assert result.plan.rate == RATES[rate]
    times = times_of(result.path)
    assert is_even(times, RATES[rate])
    assert len(times) / RATES[rate] == pytest.approx(result.facts.duration_seconds, abs=0.51 / RATES[rate])


@pytest.mark.parametrize("rate", ["50", "60", "240"])
def test_a_small_fast_film_is_halved_in_its_only_rung(tmp_path, rate):
    path = tmp_path / "film.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={rate}", "-t", 0.4, *X264, path)
    result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx(0.4, abs=0.001)
    assert is_even(times_of(result.path), RATES[rate] // 2)


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "60000/1001", "25", "14"])
def test_half_a_minute_later_the_picture_is_still_where_it_was(tmp_path, rate):
    number, _, over = rate.partition("/")
    step = int(over or 1) / int(number)
    late = round(29 / step) * step
    path = tmp_path / "film.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", flashing(30, [late], rate, "16x16"), *X264, path)
    result = chain.picture_alone(path)
    assert flashes(result.path, result.plan.rate) == [pytest.approx(late, abs=0.51 / result.plan.rate)]


def test_bad_light_makes_an_uneven_rate_that_becomes_even(tmp_path):
    path = tmp_path / "uneven.mp4"
    # Frames come after 1/22 to 1/8 s, as an exposure that follows the light makes them.
    shown = f"{flashing(2, [1.5], 120, lasting=0.2)},select='eq(n,0)+gte(t-prev_selected_t,1/22+(1/8-1/22)*abs(sin(3*t)))'"
    footage.ffmpeg("-f", "lavfi", "-i", shown, "-fps_mode", "vfr", *X264, path)
    result = chain.picture_alone(path)
    assert result.facts.vfr
    assert 8 < result.facts.fps < 22
    assert is_even(times_of(result.path), 30)
    stamps = sorted(float(line) for line in footage.packets(path, "packet=pts_time"))
    lights = [frame[0] for frame in footage.frames(path, (1, 1))]
    was = next(stamp for stamp, light in zip(stamps, lights, strict=True) if light > 128)
    assert flashes(result.path, 30)[0] == pytest.approx(was, abs=0.51 / 30)
    assert result.plan.seconds == pytest.approx(result.facts.duration_seconds, abs=0.51 / 30)


def test_a_rate_that_lies_in_the_header_is_not_believed(tmp_path):
    path = tmp_path / "lying.mp4"
    # Always a multiple of 1/120 s, four of them on average, as phones stamp what their sensor delivers.
    jitter = "settb=1/120,setpts='N*4+2*mod(N,3)-mod(N,2)'"
    footage.ffmpeg(
        *("-f", "lavfi", "-i", f"{TINY.format(rate=30)},{jitter}", "-t", 1, *X264),
        *("-enc_time_base", "1/120", "-video_track_timescale", 120, "-fps_mode", "passthrough", path),
    )
    assert footage.packets(path, "stream=r_frame_rate") == ["120/1"]
    result = chain.picture_alone(path)
    assert (result.facts.fps, result.plan.rate) == (pytest.approx(29.3, abs=0.5), 30)
    assert is_even(times_of(result.path), 30)


# Lengths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [("one.mp4", X264), ("one.webm", VP8), ("one.mov", ("-c:v", "mjpeg"))],
)
def test_a_single_frame_is_a_film(tmp_path, name, words):
    path = tmp_path / name
    footage.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=30", "-frames:v", 1, *words, path)
    result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx(1 / 30, abs=0.001)
    assert {"poster", "storyboard", "mp4"} <= {file.kind for file in made.files}
    assert len(footage.brightness(result.path)) == 1


def test_a_film_of_the_full_length_is_made_to_its_end(tmp_path):
    path, out = tmp_path / "long.mp4", tmp_path / "out"
    at = both(
        path, X264, AAC, seconds=180, at=(0.5, 179.5), rate="2", size="32x16", sample_rate=8000, channels=1
    )
    result, made = chain.whole(path, out)
    assert made.seconds == 180.0
    assert apart(result.path, at=at, is_long=True) <= 0.010
    assert apart((out / "16.cmfv", out / "audio.cmfa"), at=at, is_long=True) <= 0.010
    tiles = (out / "storyboard.vtt").read_text()
    boxes = re.findall(r"#xywh=(\d+),(\d+),160,\d+", tiles)
    assert (len(boxes), len(set(boxes)), max(int(left) for left, _ in boxes)) == (50, 50, 9 * 160)
    assert re.findall(r"--> (\S+)", tiles)[-1] == "00:03:00.000"


@pytest.mark.parametrize("container", ["webm", "matroska"])
def test_a_browsers_recording_without_a_length_comes_out_whole(tmp_path, container):
    path = tmp_path / "recorder.webm"
    coder = VP8 if container == "webm" else X264
    words = ("-f", "lavfi", "-i", flashing(1, [0.8], 30), "-f", "lavfi", "-i", "sine", "-t", 1)
    # Written to a pipe, so that nobody can come back and fill in the length.
    path.write_bytes(footage.ffmpeg(*words, *coder, "-c:a", "libopus", "-f", container, "-live", 1, "-"))
    assert footage.packets(path, "format=duration") == ["N/A"]
    result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx(1.0, abs=0.04)
    assert flashes(result.path, 30) == [pytest.approx(0.8, abs=0.034)]


# Together -------------------------------------------------------------------------------------------------


KINDS = {
    "constant.mp4": (X264, AAC, {}),
    "b-frames.mp4": ((*X264, "-bf", 3, "-preset", "veryfast"), AAC, {}),
    "mono-44100.mp4": (X264, AAC, {"sample_rate": 44100, "channels": 1}),
    "opus.webm": (VP8, ("-c:a", "libopus"), {}),
    "opus.mkv": (X264, ("-c:a", "libopus"), {}),
    "aac.mkv": ((*X264, "-bf", 2), AAC, {}),
    "vorbis.webm": (VP8, ("-c:a", "libvorbis"), {}),
    "mp3.mp4": (X264, ("-c:a", "libmp3lame"), {}),
    "pcm.mov": (X264, ("-c:a", "pcm_s16le"), {}),
    "ac3.mp4": (X264, ("-c:a", "ac3"), {}),
    "amr.3gp": (MPEG4, ("-c:a", "libopencore_amrnb", "-ar", 8000), {"channels": 1, "sample_rate": 8000}),
    "fast.mp4": (X264, AAC, {"rate": "60"}),
    "fragments.mp4": (X264, (*AAC, "-movflags", "+frag_keyframe+delay_moov"), {}),
    "late-sound.mp4": (X264, AAC, {"late": 0.25, "inputs": ((), ("-itsoffset", 0.25))}),
    "late-sound.webm": (VP8, ("-c:a", "libopus"), {"late": 0.25, "inputs": ((), ("-itsoffset", 0.25))}),
    "both-late.mp4": (X264, AAC, {"inputs": (("-itsoffset", 0.4), ("-itsoffset", 0.4))}),
    "both-late.mkv": (X264, AAC, {"inputs": (("-itsoffset", 0.4), ("-itsoffset", 0.4))}),
}


@pytest.mark.parametrize("name", KINDS)
def test_lips_and_words_stay_together_from_beginning_to_end(tmp_path, name):
    picture, sound, options = KINDS[name]
    path = tmp_path / name
    at = both(path, picture, sound, **options)
    shown, heard = chain.picture_alone(path), chain.sound_alone(path)
    assert apart((shown.path, heard.path), at=at, rate=shown.plan.rate) <= 0.010


def test_uneven_frames_and_words_stay_together_in_what_is_published(tmp_path):
    path = tmp_path / "uneven.mp4"
    at = (0.3, 1.7)
    lit = "+".join(f"between(t,{one - 0.001},{one + 0.099})" for one in at)
    uneven = f"select='lt(n,12)+{lit}+not(mod(n,3))'"
    tone = f"aevalsrc='0.3*sin(2000*PI*t)*min(1,{lit})':s=44100:d=2"
    footage.ffmpeg(
        *("-f", "lavfi", "-i", f"{flashing(2, at, 30, '160x90')},{uneven}", "-f", "lavfi", "-i", tone),
        *("-fps_mode", "vfr", *X264, *AAC, path),
    )
    result, _ = chain.whole(path, tmp_path / "out")
    assert result.facts.vfr
    assert apart(result.path, at=at) <= 0.010
    stream = tmp_path / "out"
    assert apart((stream / "90.cmfv", stream / "audio.cmfa"), at=at) <= 0.010


def test_a_film_whose_beginning_was_cut_away_by_its_phone_stays_together(tmp_path):
    long = tmp_path / "long.mp4"
    both(long, (*X264, "-g", 60, "-bf", 2), AAC)
    # By copy, so that an edit list hides what lies between the key frame and the new beginning.
    path = tmp_path / "trimmed.mp4"
    footage.ffmpeg("-ss", 0.2, "-i", long, "-c", "copy", path)
    result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx(1.8, abs=0.04)
    seen, heard = flashes(result.path, 30), beeps(result.path)
    assert seen == pytest.approx([0.1, 1.5], abs=0.034)
    assert max(abs(a - b) for a, b in zip(seen, heard, strict=True)) <= 0.010


def test_a_film_whose_end_was_cut_away_by_its_phone_ends_there(tmp_path):
    path = tmp_path / "long.mp4"
    at = both(path, (*X264, "-g", 30), AAC)
    data, places = bytearray(path.read_bytes()), []
    while (place := data.find(b"elst", places[-1] + 4 if places else 0)) >= 0:
        places.append(place)
    scale = int.from_bytes(data[(mvhd := data.index(b"mvhd")) + 16 : mvhd + 20], "big")
    assert len(places) == 2
    for place in places:
        # Version 0, one edit: so long is shown of what lies in the file.
        assert (data[place + 4], data[place + 11]) == (0, 1)
        data[place + 12 : place + 16] = round(1.2 * scale).to_bytes(4, "big")
    path.write_bytes(data)
    result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx(1.2, abs=0.034)
    assert flashes(result.path, 30) == [pytest.approx(at[0], abs=0.002)]
    assert len(beeps(result.path)) == 1
    assert len(footage.samples(result.path)) / 48000 == pytest.approx(1.2, abs=0.05)


# In Matroska the sound begins with its encoder's delay, so that no picture begins on a whole frame of it.
@pytest.mark.parametrize(("container", "delay"), [("mp4", 0.417), ("mkv", 0.4)])
def test_a_picture_that_begins_after_its_sound_waits_for_it(tmp_path, container, delay):
    plain, path = tmp_path / "plain.mp4", tmp_path / f"early.{container}"
    tone = f"aevalsrc='0.3*sin(2000*PI*t)*between(t,{0.3 + delay},{0.4 + delay})':s=48000:d=1.5"
    shown = ("-f", "lavfi", "-i", flashing(1, [0.3], 30))
    footage.ffmpeg(*shown, "-f", "lavfi", "-i", tone, *X264, *AAC, plain)
    # By copy, so that the picture begins at that very instant and not with the next frame.
    both_tracks = ("-itsoffset", delay, "-i", plain, "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy")
    footage.ffmpeg(*both_tracks, path)
    result, _ = chain.whole(path, tmp_path / "out")
    assert result.facts.picture_delay_seconds == pytest.approx(delay, abs=0.04)
    assert apart(result.path, at=(0.3 + delay,), slack=0.04) <= 0.010


@pytest.mark.parametrize(("picture_from", "sound_seconds"), [(0, 1.0), (0.3, 1.3), (0, 1.6)])
def test_a_phone_that_is_turned_while_it_records_keeps_its_clock(tmp_path, picture_from, sound_seconds):
    # The picture changes its shape after half a second; it may begin after its sound, or end before it.
    path = tmp_path / "both.mkv"
    tone = ("-f", "lavfi", "-t", sound_seconds, "-i", "sine")
    turned = ("-itsoffset", picture_from, "-i", footage.turned(tmp_path))
    footage.ffmpeg(*turned, *tone, "-map", 0, "-map", 1, "-c:v", "copy", "-c:a", "libopus", path)
    result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx(sound_seconds, abs=0.034)
    shown = footage.frames(result.path, (1, 1))
    stamps = times_of(result.path)
    red = [stamp for stamp, frame in zip(stamps, shown, strict=True) if frame[0] > frame[2]]
    assert len(shown) == pytest.approx(sound_seconds * 30, abs=1.01)
    assert (red[0], red[-1]) == (0, pytest.approx(picture_from + 0.5, abs=2.01 / 30))
    assert stamps[-1] == pytest.approx(sound_seconds - 1 / 30, abs=0.034)


@pytest.mark.parametrize("rate", [50, 60])
def test_a_phone_that_is_turned_after_an_odd_frame_keeps_every_rung_in_step(tmp_path, rate):
    raw, path = tmp_path / "turned.264", tmp_path / "turned.mkv"
    for colour, size, frames in (("red", "800x720", 2 * rate + 1), ("blue", "720x800", 2 * rate + 30)):
        shown = f"color={colour}:size={size}:rate={rate}"
        with raw.open("ab") as file:
            file.write(
                footage.ffmpeg("-f", "lavfi", "-i", shown, *X264, "-frames:v", frames, "-f", "h264", "-")
            )
    footage.ffmpeg("-r", rate, "-f", "h264", "-i", raw, "-c", "copy", path)
    _result, made = chain.whole(path, tmp_path / "out")
    assert made.seconds == pytest.approx((4 * rate + 31) / rate, abs=0.001)
    keys = {}
    for name, each in (("720", rate), ("480", rate // 2)):
        track = tmp_path / "out" / f"{name}.cmfv"
        times = times_of(track)
        # Where the graph began anew one frame may be missing; none stands beside its place.
        assert all(at * each == pytest.approx(round(at * each), abs=0.01) for at in times)
        assert 0 <= -(-(4 * rate + 31) * each // rate) - len(times) <= 1
        flags = footage.packets(track, "packet=pts_time,flags")
        keys[name] = sorted(float(one.split(",")[0]) for one in flags if "K" in one)
    assert keys["720"] == keys["480"] == [0.0, 4.0]


def test_a_clock_that_another_track_starts_does_not_move_the_film(tmp_path):
    # A second sound that begins first: the container's clock is its, the film's is the picture's.
    path = tmp_path / "clock.mov"
    tone = "aevalsrc='0.3*sin(2000*PI*t)*between(t,0.3,0.4)':s=48000:d=1"
    late = ("-itsoffset", 0.5)
    footage.ffmpeg(
        *(*late, "-f", "lavfi", "-i", flashing(1, [0.3], 30, "160x90"), *late, "-f", "lavfi", "-i", tone),
        *("-f", "lavfi", "-i", "sine=frequency=2000:duration=1"),
        *("-map", 0, "-map", 1, "-map", 2, *X264, "-c:a", "pcm_s16le", path),
    )
    result, made = chain.whole(path, tmp_path / "out")
    assert result.facts.lead_seconds == pytest.approx(0.5, abs=0.001)
    assert made.seconds == pytest.approx(1.0, abs=0.034)
    assert apart(result.path, at=(0.3,)) <= 0.010
