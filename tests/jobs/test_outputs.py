"""What comes out of a film beside its ladder's plain sizes: copied rungs, profiles, posters, hover preview; and the checks."""

import io
import re
import struct
import zlib
from fractions import Fraction
from functools import partial
from itertools import pairwise

import pytest
from PIL import Image, ImageCms, ImageDraw

from media_jobs import checks, copying, film, hls, picture, proposals, stills, tracks
from media_jobs.copying import DoesNotFit
from media_jobs.ffmpeg import Cancelled
from media_jobs.probe import Limits, inspect
from portal.edits import EditList, Passage
from portal.errors import Code, PortalError, Unacceptable, Unavailable
from portal.ladder import rungs_for
from tests import footage

TAGS = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
QUICKLY = ("-preset", "ultrafast", "-tune", "fastdecode")
SEI = "086f3693-b7b3-4f2c-9653-21492feee5b8+" + footage.PLACE.replace("+", "p")


def web_ready(folder, name="ready.mp4", *, size="640x360", rate=30, seconds=2.0, group=30, words=(), end=()):
    """A film as an editing program exports it: H.264, BT.709 said, constant rate, B-frames, closed groups."""
    shown = f"testsrc2=size={size}:rate={rate},{TAGS}"
    path = folder / name
    footage.ffmpeg(
        *("-f", "lavfi", "-i", shown, "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", seconds),
        *("-c:v", "libx264", "-preset", "fast", "-b:v", "300k", "-maxrate", "600k", "-bufsize", "600k"),
        *("-pix_fmt", "yuv420p", "-g", group, "-sc_threshold", 0, *footage.SOUND, *words, *end, path),
    )
    return path


def facts_of(path):
    return inspect(footage.tools(), path, Limits())


def fits(path):
    facts = facts_of(path)
    return copying.fits(
        footage.tools(), path, facts, picture.plan(facts, rungs_for(facts.width, facts.height))
    )


def made_of(path, folder, order=None, **options):
    folder.mkdir(exist_ok=True)
    call = {"on_progress": lambda _: None, "cancelled": lambda: False, **options}
    return film.make(footage.tools(), path, folder, facts_of(path), order or film.Order(), **call)


def named(made, name):
    return next(file for file in made.files if file.name == name)


def keys_of(path):
    track = tracks.read(path)["vide"]
    times = track.times()
    return [round(times[number], 3) for number in track.keys]


# The film's own picture as the tallest rung -------------------------------------------------------------


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A film of 480 lines at 29.97 frames a second, with uneven key frames and words inside, whose top rung is copied."""
    folder = tmp_path_factory.mktemp("taken")
    keys = ("-force_key_frames", "1.2,3.1,5.3", "-bsf:v", f"h264_metadata=sei_user_data={SEI}")
    place = ("-metadata", f"location={footage.PLACE}", "-metadata", f"comment={footage.PHONE}")
    original = web_ready(
        folder, size="854x480", rate="30000/1001", seconds=6.5, group=120, words=(*keys, *place)
    )
    assert SEI[37:].encode() in original.read_bytes()
    told = []
    made = made_of(original, folder / "out", on_progress=told.append)
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
    flash = f"color=black:size=320x180:rate=30,drawbox=color=white:t=fill:enable='between(t,1,1.19)',{TAGS}"
    beep = "aevalsrc='if(between(t,1,1.2),0.3*sin(2000*PI*t),0)':s=48000"
    path = tmp_path / "flash.mp4"
    footage.ffmpeg(
        *("-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", beep, "-t", 2, "-c:v", "libx264", "-bf", 3),
        *("-pix_fmt", "yuv420p", *footage.SOUND, path),
    )
    made = made_of(path, tmp_path / "out")
    assert made.copied_top
    result = tmp_path / "out" / "180.mp4"
    light = next(place for place, one in enumerate(footage.brightness(result)) if one > 128) / 30
    sound = next(place for place, one in enumerate(footage.samples(result)) if abs(one) > 3000) / 48000
    assert light == pytest.approx(1.0, abs=0.001)
    assert sound == pytest.approx(light, abs=0.010)


def test_a_fast_film_is_copied_when_the_halved_rungs_can_keep_step(tmp_path):
    even = web_ready(tmp_path, "even.mp4", size="1280x720", rate=60, seconds=2.0, group=60, words=QUICKLY)
    made = made_of(even, tmp_path / "out")
    assert made.copied_top
    assert keys_of(tmp_path / "out" / "720.cmfv") == keys_of(tmp_path / "out" / "360.cmfv") == [0.0, 1.0]
    counts = {name: tracks.read(tmp_path / "out" / f"{name}.cmfv")["vide"].count for name in ("720", "480")}
    assert counts == {"720": 120, "480": 60}
    odd = web_ready(tmp_path, "odd.mp4", size="1280x720", rate=60, seconds=2.0, group=61, words=QUICKLY)
    assert fits(odd) is None
    # 480 lines are never faster than 30 frames a second.
    assert fits(web_ready(tmp_path, "low.mp4", size="640x480", rate=60, group=60)) is None


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
        ("wide pixels", {"words": ("-vf", f"setsar=3/2,{TAGS}")}),
        ("interlaced", {"words": ("-flags", "+ildct+ilme")}),
        ("too many bits", {"words": ("-b:v", "4M", "-maxrate", "8M", "-bufsize", "8M", "-qmax", "2")}),
        ("a rate that is none", {"words": ("-vf", f"select='mod(n,7)',{TAGS}", "-fps_mode", "vfr")}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_film_with_this_is_encoded(tmp_path, reason, options):
    path = web_ready(tmp_path, **options)
    assert fits(path) is None, reason


def test_a_film_whose_words_go_on_after_its_picture_is_encoded(tmp_path):
    longer, voice = tmp_path / "longer.mp4", ("-f", "lavfi", "-i", "sine=duration=3")
    words = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", *footage.SOUND)
    footage.ffmpeg("-i", web_ready(tmp_path), *voice, *words, longer)
    assert facts_of(longer).duration_seconds == pytest.approx(3.0, abs=0.05)
    assert fits(longer) is None


def test_a_turned_film_another_codec_and_an_edited_one_are_encoded(tmp_path):
    path = web_ready(tmp_path)
    assert fits(path) is not None
    turned = tmp_path / "turned.mp4"
    footage.ffmpeg("-display_rotation", 90, "-i", path, "-c", "copy", turned)
    assert fits(turned) is None
    other = tmp_path / "other.mp4"
    footage.ffmpeg("-i", path, "-c:v", "mpeg4", "-c:a", "copy", other)
    assert fits(other) is None
    assert not made_of(path, tmp_path / "cut", film.Order(edits=EditList(start=0.5))).copied_top


def test_a_film_whose_list_of_packets_is_too_long_to_be_read_is_encoded(tmp_path, monkeypatch):
    path = web_ready(tmp_path)
    monkeypatch.setattr(copying, "examine", partial(copying.examine, most_bytes=500))
    assert fits(path) is None


@pytest.mark.parametrize("form", ["mkv", "mov"])
def test_other_containers_are_copied_from_too(tmp_path, form):
    other = tmp_path / f"other.{form}"
    footage.ffmpeg("-i", web_ready(tmp_path), "-c", "copy", other)
    made = made_of(other, tmp_path / "out")
    assert made.copied_top
    assert keys_of(tmp_path / "out" / "360.cmfv") == [0.0, 1.0]


def test_a_copy_that_does_not_hold_what_it_promised_is_encoded_instead(tmp_path, monkeypatch):
    path = web_ready(tmp_path)
    promise = copying.fits
    monkeypatch.setattr(
        copying, "fits", lambda *one: copying.Copy(promise(*one).rate, (0, 15), promise(*one).frames)
    )
    made = made_of(path, tmp_path / "out")
    assert not made.copied_top
    assert {"360.cmfv", "master.m3u8"} <= {file.name for file in made.files}


def test_a_picture_that_the_tool_cannot_copy_is_encoded_instead(tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "BITSTREAM", "h264_metadata=level=none")
    made = made_of(web_ready(tmp_path), tmp_path / "out")
    assert not made.copied_top


def test_a_film_that_makes_the_decoder_complain_goes_on_to_nobody_as_it_is(tmp_path):
    path = web_ready(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 12_000
    data[at : at + 60] = bytes(60)
    path.write_bytes(data)
    try:
        made = made_of(path, tmp_path / "out")
    except Unacceptable:
        return
    assert not made.copied_top


# Posters ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Six seconds: black, a sharp picture, the same blurred, sharp again, then white; and what was made of it."""
    folder = tmp_path_factory.mktemp("scenes")
    shown = (
        "testsrc2=size=320x180:rate=10,boxblur=12:enable='between(t,2,3.4)',"
        "drawbox=color=black:t=fill:enable='lt(t,1)',drawbox=color=white:t=fill:enable='gt(t,5)'"
    )
    path = folder / "scenes.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", shown, "-t", 6, *footage.QUICK, path)
    return made_of(path, folder / "out"), folder / "out", path


def test_five_pictures_are_proposed_sharp_not_blank_and_spread_over_the_film(scenes):
    made, folder, _ = scenes
    assert [file.name for file in made.files if file.kind == "proposal"] == [
        f"proposal-{number}.webp" for number in range(1, 6)
    ]
    assert list(made.proposals) == sorted(made.proposals)
    assert all(1.0 <= at <= 5.0 for at in made.proposals)
    assert not [at for at in made.proposals if 2.05 < at < 3.35]
    assert min(later - earlier for earlier, later in pairwise(made.proposals)) > 0.1
    assert made.poster_at in made.proposals
    for number in range(1, 6):
        with Image.open(folder / f"proposal-{number}.webp") as one:
            assert one.size == (320, 180)
            assert not proposals.look(0, one).is_blank


def test_the_picture_that_somebody_chose_is_the_poster(scenes, tmp_path):
    _, _, path = scenes
    made = made_of(path, tmp_path / "out", film.Order(poster_at=5.5))
    assert made.poster_at == pytest.approx(5.5, abs=0.04)
    with Image.open(tmp_path / "out" / "poster-360.webp") as poster:
        assert min(poster.getpixel((160, 90))) > 240
    assert made.poster_at not in made.proposals


def test_a_chosen_picture_that_was_cut_out_gives_way_to_the_best_one(scenes, tmp_path):
    _, _, path = scenes
    order = film.Order(poster_at=5.5, edits=EditList(cuts=(Passage(5.2, 5.8),)))
    assert made_of(path, tmp_path / "out", order).poster_at < 5.2


def test_a_picture_that_was_sent_comes_before_every_other(scenes, tmp_path):
    _, _, path = scenes
    sent = tmp_path / "still.webp"
    Image.new("RGB", (800, 600), (200, 30, 30)).save(sent)
    made = made_of(path, tmp_path / "out", film.Order(poster_at=5.5, still=sent))
    assert made.poster_at is None
    assert len(made.proposals) == 5
    with Image.open(tmp_path / "out" / "poster-640.webp") as poster:
        assert poster.size == (640, 480)
        assert poster.getpixel((5, 5))[0] > 180


def test_a_poster_is_changed_later_without_the_film(scenes, tmp_path):
    _, folder, _ = scenes
    changed = list(film.still_files(stills.from_still(tmp_path, folder / "proposal-2.webp")))
    assert [(file.name, file.kind) for file in changed] == [
        ("poster-360.avif", "poster"),
        ("poster-360.webp", "poster"),
        ("card.jpg", "card"),
    ]


def test_a_film_of_a_few_frames_and_a_black_one_still_have_a_poster(tmp_path):
    short = made_of(footage.small(tmp_path, seconds=0.1), tmp_path / "short")
    assert 1 <= len(short.proposals) <= 3
    black = tmp_path / "black.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", "color=black:size=320x180:rate=30", "-t", 1, *footage.QUICK, black)
    assert len(made_of(black, tmp_path / "black").proposals) == 1


# A picture that a person sends --------------------------------------------------------------------------


def sent(form="JPEG", size=(640, 480), colour=(10, 120, 200), **options):
    picture_file = io.BytesIO()
    Image.new(options.pop("mode", "RGB"), size, colour).save(picture_file, form, **options)
    return picture_file.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_sent_picture_becomes_new_pixels_and_nothing_else(form):
    about = Image.Exif()
    about[0x010F], about[0x0131], about[0x0112] = footage.PHONE, footage.PLACE, 6
    data = sent(form, exif=about)
    assert footage.PHONE.encode() in data
    written = stills.reencode(data)
    assert footage.PHONE.encode() not in written
    assert footage.PLACE.encode() not in written
    with Image.open(io.BytesIO(written)) as one:
        assert (one.format, one.size, one.mode) == ("WEBP", (480, 640), "RGB")
        assert not one.info.get("exif")
        assert not one.info.get("icc_profile")


def test_a_large_or_transparent_picture_in_other_colours_becomes_an_ordinary_one():
    with Image.open(io.BytesIO(stills.reencode(sent(size=(4000, 1000))))) as one:
        assert one.size == (1280, 320)
    clear = stills.reencode(sent("PNG", colour=(0, 0, 0, 0), mode="RGBA"))
    with Image.open(io.BytesIO(clear)) as one:
        assert min(one.getpixel((5, 5))) > 250
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(io.BytesIO(stills.reencode(sent(icc_profile=profile)))) as one:
        assert one.getpixel((5, 5)) == pytest.approx((10, 120, 200), abs=6)
    stills.reencode(sent(icc_profile=b"no profile at all"))
    stills.reencode(sent(mode="CMYK", colour=(10, 20, 30, 40)))


def bomb():
    """A PNG of a few kilobytes that unpacks to 900 million pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def drawn(form):
    picture_file = io.BytesIO()
    one = Image.new("RGB", (300, 300))
    ImageDraw.Draw(one).line((0, 0, 300, 300), "white")
    one.save(picture_file, form)
    return picture_file.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.EMPTY_FILE),
        (b"GIF89a" + bytes(100), Code.NOT_A_PICTURE),
        (drawn("GIF"), Code.NOT_A_PICTURE),
        (drawn("TIFF"), Code.NOT_A_PICTURE),
        (drawn("PNG")[:-200], Code.NOT_A_PICTURE),
        (drawn("JPEG")[:400], Code.NOT_A_PICTURE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Code.NOT_A_PICTURE),
        (bytes((10 << 20) + 1), Code.TOO_LARGE),
        (bomb(), Code.NOT_A_PICTURE),
        (sent("PNG", size=(8000, 5001)), Code.NOT_A_PICTURE),
        (sent(size=(100, 100)), Code.NOT_A_PICTURE),
    ],
    ids=range(11),
)
def test_everything_else_is_refused_with_its_reason(data, code):
    with pytest.raises(Unacceptable) as caught:
        stills.reencode(data)
    assert caught.value.code is code


# Hover preview ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "seconds", "expected"), [("640x360", 4.0, (320, 180)), ("360x640", 1.0, (240, 426))]
)
def test_the_hover_preview_is_small_silent_and_begins_at_once(tmp_path, size, seconds, expected):
    noisy = tmp_path / "noisy.mp4"
    shown = f"testsrc2=size={size}:rate=30,noise=alls=60:allf=t"
    footage.ffmpeg(
        "-f", "lavfi", "-i", shown, "-f", "lavfi", "-i", "sine", "-t", seconds, *footage.QUICK, noisy
    )
    made = made_of(noisy, tmp_path / "out")
    hover = named(made, "hover.mp4")
    data = hover.path.read_bytes()
    assert (hover.kind, hover.width, hover.height) == ("hover", *expected)
    assert len(data) <= 120_000
    assert data.index(b"moov") < data.index(b"mdat")
    found = tracks.read(hover.path)
    assert set(found) == {"vide"}
    assert found["vide"].seconds == pytest.approx(min(3.0, seconds), abs=0.1)
    entries = "codec_name,width,height,pix_fmt,color_space"
    assert footage.packets(hover.path, f"stream={entries}")[0].endswith("yuv420p,bt709")


# The checks ---------------------------------------------------------------------------------------------


@pytest.fixture
def ladder(scenes, tmp_path):
    """A made film, ready to be spoilt, and a way to have it checked."""
    made, folder, _ = scenes
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    frames = tracks.read(tmp_path / "180.cmfv")["vide"].count
    (tmp_path / checks.DECODED_PIXELS).write_bytes(bytes(4 * frames))
    made_plan = picture.plan(facts_of(scenes[2]), rungs_for(made.width, made.height))
    return tmp_path, lambda: checks.check(tmp_path, made_plan, with_sound=False)


def test_a_good_ladder_passes(ladder):
    folder, check = ladder
    check()
    assert not (folder / checks.DECODED_PIXELS).exists()


def test_frames_that_cannot_be_decoded_are_missed(ladder):
    folder, check = ladder
    (folder / checks.DECODED_PIXELS).write_bytes(bytes(4 * 30))
    with pytest.raises(Unacceptable):
        check()


def test_a_broken_file_a_lying_playlist_and_words_in_the_picture_are_noticed(ladder):
    folder, check = ladder
    rung, playlist = folder / "180.cmfv", folder / "180.m3u8"
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
        path.write_bytes(bad)
        (folder / checks.DECODED_PIXELS).write_bytes(bytes(4 * 180))
        with pytest.raises(Unavailable):
            check()
        rung.write_bytes(data)
        playlist.write_text(text)


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
        made_of(
            path,
            tmp_path / "out",
            on_progress=reached.append,
            cancelled=lambda: bool(reached) and reached[-1] >= after,
        )
    assert reached[-1] < 100


def test_a_rate_is_read_from_its_instants():
    steady = [number * 1001 / 30000 for number in range(300)]
    assert copying._rate(steady) == Fraction(30000, 1001)
    assert copying._rate([number / 25 for number in range(300)]) == 25
    assert copying._rate([round(number / 30, 3) for number in range(300)]) == 30
    assert copying._rate([*steady[:150], *(time + 0.01 for time in steady[150:])]) is None


def test_refusals_of_a_copy_are_no_faults_of_the_film():
    assert not issubclass(DoesNotFit, PortalError)
