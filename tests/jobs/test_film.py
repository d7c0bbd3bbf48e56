"""The whole job: from a film to everything a clip is played from."""

import hashlib
import re
from itertools import pairwise

import pytest
from PIL import Image

from media_jobs import film, hls
from media_jobs.ffmpeg import Cancelled
from media_jobs.probe import Limits, inspect
from portal.errors import Code, Unacceptable
from tests import footage


def made_of(path, folder, **options):
    folder.mkdir()
    facts = inspect(footage.tools(), path, Limits())
    call = {
        "order": film.Order(),
        "on_progress": lambda _: None,
        "cancelled": lambda: False,
        **options,
    }
    return film.make(footage.tools(), path, folder, facts, **call)


def named(made, name):
    return next(file for file in made.files if file.name == name)


def entry(path, what, kind="v:0"):
    return footage.packets(path, f"stream={what}", kind)[0]


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """A film of 480 lines with sound, made once, and the progress that was told."""
    folder = tmp_path_factory.mktemp("ordinary")
    told = []
    original = footage.small(folder, size="854x480", seconds=4.5)
    made = made_of(original, folder / "out", order=film.Order(language="fr"), on_progress=told.append)
    return made, folder / "out", told


def test_everything_a_clip_needs_is_made_and_nothing_else_is_left(ordinary):
    made, folder, _ = ordinary
    expected = {
        *(
            "master.m3u8",
            "480.m3u8",
            "480.cmfv",
            "360.m3u8",
            "360.cmfv",
            "audio.m3u8",
            "audio.cmfa",
            "480.mp4",
        ),
        *(f"poster-{width}.{kind}" for width in (360, 640, 960) for kind in ("avif", "webp")),
        *("card.jpg", "storyboard.webp", "storyboard.vtt", "hover.mp4"),
        *(f"proposal-{number}.webp" for number in range(1, 6)),
    }
    assert {file.name for file in made.files} == expected
    assert {path.name for path in folder.iterdir()} == expected


def test_every_file_is_described_as_it_is(ordinary):
    made, _, _ = ordinary
    for file in made.files:
        data = file.path.read_bytes()
        assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert named(made, "poster-360.avif").content_type == "image/avif"
    assert named(made, "480.cmfv").content_type == "video/mp4"
    assert named(made, "audio.cmfa").content_type == "audio/mp4"
    assert named(made, "master.m3u8").content_type == "application/vnd.apple.mpegurl"
    assert (named(made, "360.cmfv").width, named(made, "360.cmfv").height) == (640, 360)
    with Image.open(named(made, "poster-960.avif").path) as poster:
        assert poster.size == (named(made, "poster-960.avif").width, 480) == (854, 480)


def test_progress_is_told_from_nothing_to_all(ordinary):
    _, _, told = ordinary
    assert told == sorted(told)
    assert told[-1] == 100.0


def test_the_master_playlist_says_what_players_ask(ordinary):
    made, folder, _ = ordinary
    text = (folder / "master.m3u8").read_text()
    assert re.search(r'TYPE=AUDIO,.*NAME="Original",LANGUAGE="fr",DEFAULT=YES.*URI="audio.m3u8"', text)
    for name, size in (("480", "854x480"), ("360", "640x360")):
        line = re.search(rf"#EXT-X-STREAM-INF:(.*RESOLUTION={size}.*)\n{name}\.m3u8\n", text)[1]
        assert "FRAME-RATE=30.000" in line
        assert "VIDEO-RANGE=SDR" in line
        assert re.search(r'CODECS="avc1\.6400[0-9a-f]{2},mp4a\.40\.2"', line)
        peak, mean = (
            int(re.search(rf"\b{word}=(\d+)", line)[1]) for word in ("BANDWIDTH", "AVERAGE-BANDWIDTH")
        )
        sound = named(made, "audio.cmfa").bandwidth
        assert peak >= mean == named(made, f"{name}.cmfv").bandwidth + sound


def test_every_rung_can_be_left_for_another_every_four_seconds(ordinary):
    _, folder, _ = ordinary
    for name in ("480", "360"):
        keys = [
            line for line in footage.packets(folder / f"{name}.cmfv", "packet=pts_time,flags") if ",K" in line
        ]
        assert [float(line.split(",")[0]) for line in keys] == [0.0, 4.0]
        assert hls.segments(folder / f"{name}.m3u8").seconds == (4.0, 0.5)


def test_byte_ranges_cover_the_whole_file(ordinary):
    _, folder, _ = ordinary
    for playlist in ("480.m3u8", "audio.m3u8"):
        text = (folder / playlist).read_text()
        ranges = re.findall(r'BYTERANGE[:=]"?(\d+)@(\d+)', text)
        names = set(re.findall(r'^(?:#EXT-X-MAP:URI=")?(\w+\.cmf[av])', text, re.MULTILINE))
        assert len(names) == 1
        position = 0
        for length, start in ranges:
            assert int(start) == position
            position += int(length)
        assert position == (folder / names.pop()).stat().st_size


def test_the_storyboard_points_into_its_sprite(ordinary):
    _, folder, _ = ordinary
    text = (folder / "storyboard.vtt").read_text()
    boxes = re.findall(r"storyboard\.webp#xywh=(\d+),(\d+),(\d+),(\d+)", text)
    with Image.open(folder / "storyboard.webp") as sprite:
        assert sprite.size == (480, 90)
    assert boxes == [("0", "0", "160", "90"), ("160", "0", "160", "90"), ("320", "0", "160", "90")]
    assert "00:00:04.000 --> 00:00:04.500" in text


def test_plain_films_begin_with_their_index(ordinary):
    _, folder, _ = ordinary
    data = (folder / "480.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_phone_films_stand_upright(tmp_path):
    made = made_of(footage.rotated(tmp_path), tmp_path / "out")
    assert (made.width, made.height) == (180, 320)
    with Image.open(named(made, "poster-360.webp").path) as poster:
        top, bottom = poster.getpixel((90, 40)), poster.getpixel((90, 280))
    assert top[0] - top[2] > 150
    assert bottom[2] - bottom[0] > 150
    assert footage.packets(tmp_path / "out" / "180.mp4", "stream_side_data=rotation") in ([], [""])


@pytest.mark.parametrize("kind", [footage.hlg, footage.pq])
def test_hdr_becomes_ordinary_8_bit_colour(tmp_path, kind):
    made_of(kind(tmp_path), tmp_path / "out")
    words = "pix_fmt,color_range,color_space,color_transfer,color_primaries"
    assert entry(tmp_path / "out" / "180.mp4", words) == "yuv420p,tv,bt709,bt709,bt709"


def test_full_range_white_stays_white(tmp_path):
    made = made_of(footage.full_range(tmp_path), tmp_path / "out")
    assert entry(tmp_path / "out" / "180.mp4", "pix_fmt,color_range") == "yuv420p,tv"
    with Image.open(named(made, "poster-360.webp").path) as poster:
        assert min(poster.getpixel((100, 100))) > 250


def test_an_uneven_rate_becomes_even_without_drift(tmp_path):
    made = made_of(footage.uneven(tmp_path), tmp_path / "out")
    times = sorted(float(line) for line in footage.packets(tmp_path / "out" / "180.mp4", "packet=pts_time"))
    assert {round(later - earlier, 3) for earlier, later in pairwise(times)} <= {0.033, 0.034}
    assert made.seconds == pytest.approx(2.0, abs=0.1)


def test_odd_sizes_and_full_chroma_become_even_and_ordinary(tmp_path):
    made = made_of(footage.odd_size(tmp_path), tmp_path / "out")
    assert (made.width, made.height) == (852, 478)
    words = entry(tmp_path / "out" / "478.mp4", "sample_aspect_ratio,pix_fmt")
    assert words == "1:1,yuv420p"


def test_wide_pixels_become_square_ones(tmp_path):
    made = made_of(footage.wide_pixels(tmp_path), tmp_path / "out")
    assert (made.width, made.height) == (360, 180)
    assert entry(tmp_path / "out" / "180.mp4", "sample_aspect_ratio") == "1:1"


def test_a_phone_that_was_turned_while_it_recorded_is_not_stretched(tmp_path):
    made = made_of(footage.turned(tmp_path), tmp_path / "out")
    assert made.seconds == pytest.approx(1.0, abs=0.05)
    frame = ("-vf", "select=gte(t\\,0.8)", "-frames:v", 1, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    pixels = footage.ffmpeg("-i", tmp_path / "out" / "180.mp4", *frame)
    middle, edge = pixels[(90 * 320 + 160) * 3 :][:3], pixels[(90 * 320 + 20) * 3 :][:3]
    assert middle[2] - middle[0] > 150
    assert max(edge) < 40


def test_nobodys_last_words_are_cut_when_the_picture_stops_first(tmp_path):
    made = made_of(footage.talks_on(tmp_path), tmp_path / "out")
    assert made.seconds == pytest.approx(1.0, abs=0.05)
    lengths = [float(entry(tmp_path / "out" / "180.mp4", "duration", kind)) for kind in ("v:0", "a:0")]
    assert lengths == pytest.approx([1.0, 1.0], abs=0.05)


def test_a_film_of_a_moment_is_made_like_any_other(tmp_path):
    made = made_of(footage.small(tmp_path, seconds=0.2), tmp_path / "out")
    assert made.seconds == pytest.approx(0.2, abs=0.05)
    assert {"poster", "storyboard", "mp4"} <= {file.kind for file in made.files}


def test_a_film_without_sound_promises_none(tmp_path):
    made = made_of(footage.silent(tmp_path), tmp_path / "out")
    assert made.loudness is None
    assert "hls_audio" not in {file.kind for file in made.files}
    text = (tmp_path / "out" / "master.m3u8").read_text()
    assert "AUDIO" not in text
    assert "mp4a" not in text


def test_a_fast_film_is_slowed_below_720_only(tmp_path):
    made_of(footage.small(tmp_path, size="1280x720", rate=60, seconds=0.2), tmp_path / "out")
    rates = [entry(tmp_path / "out" / f"{name}.cmfv", "avg_frame_rate") for name in ("720", "480", "360")]
    assert rates == ["60/1", "30/1", "30/1"]


def test_nothing_that_is_made_says_where_or_with_what_it_was_filmed(tmp_path):
    original = footage.located(tmp_path)
    assert footage.PLACE.encode() in original.read_bytes()
    made = made_of(original, tmp_path / "out")
    words = (footage.PLACE, footage.PLACE.replace("+", "p"), footage.PHONE, "ISO6709", "x264 - core")
    for file in made.files:
        data = file.path.read_bytes()
        assert not [word for word in words if word.encode() in data], file.name


@pytest.mark.parametrize("sound_from", [0.0, 0.5])
def test_lips_and_words_stay_together(tmp_path, sound_from):
    original = footage.flash_and_beep(tmp_path, 1.0, sound_from=sound_from)
    made_of(original, tmp_path / "out")
    result = tmp_path / "out" / "180.mp4"
    flash = next(place for place, light in enumerate(footage.brightness(result)) if light > 128) / 30
    beep = next(place for place, value in enumerate(footage.samples(result)) if abs(value) > 3000) / 48000
    assert flash == pytest.approx(1.0, abs=0.001)
    assert beep == pytest.approx(flash, abs=0.010)


@pytest.mark.parametrize("volume", [-12, 12])
def test_every_film_is_equally_loud(tmp_path, volume):
    made_of(footage.tone(tmp_path, volume), tmp_path / "out")
    result = tmp_path / "out" / "90.mp4"
    facts = inspect(footage.tools(), result, Limits())
    lufs = film.sound.loudness(footage.tools(), result, facts, lambda: False)
    assert lufs == pytest.approx(-16.0, abs=1.0)


def test_a_film_that_comes_out_short_is_refused(tmp_path):
    original = footage.small(tmp_path, seconds=2)
    facts = inspect(footage.tools(), original, Limits())
    shorter = footage.small(tmp_path, seconds=1, name="shorter.mp4")
    (tmp_path / "out").mkdir()
    with pytest.raises(Unacceptable) as caught:
        film.make(
            footage.tools(), shorter, tmp_path / "out", facts, film.Order(), lambda _: None, lambda: False
        )
    assert caught.value.code is Code.BROKEN_FILM


def test_a_job_that_is_called_off_stops(tmp_path):
    with pytest.raises(Cancelled):
        made_of(footage.small(tmp_path), tmp_path / "out", cancelled=lambda: True)
