"""Whatever a phone, a camera or a browser calls a film becomes the same kind of clip."""

import re

import pytest

from portal.errors import Code, Unacceptable
from tests import chain, footage

X264 = ("-c:v", "libx264", "-preset", "ultrafast")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", 8)
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8)
AV1 = ("-c:v", "libsvtav1", "-preset", 12)
QUIET_AV1 = ("-svtav1-params", "lp=1")

GREEN, ORANGE = (0x20, 0xA0, 0x60), (0xC0, 0x60, 0x30)

PICTURES = {
    "h264.mp4": ("h264", X264),
    "h264.mov": ("h264", X264),
    "h264.mkv": ("h264", X264),
    "h264.3gp": ("h264", (*X264, "-profile:v", "baseline", "-pix_fmt", "yuv420p")),
    "h264-in-band.mp4": ("h264", (*X264, "-tag:v", "avc3", "-bsf:v", "dump_extra=freq=keyframe")),
    "h264-10bit.mp4": ("h264", (*X264, "-pix_fmt", "yuv420p10le")),
    "h264-422.mp4": ("h264", (*X264, "-pix_fmt", "yuv422p")),
    "h264-444.mp4": ("h264", (*X264, "-pix_fmt", "yuv444p")),
    "h264-rgb.mov": ("h264", ("-c:v", "libx264rgb", "-preset", "ultrafast", "-pix_fmt", "rgb24")),
    "hevc.mp4": ("hevc", X265),
    "hevc-in-band.mp4": ("hevc", (*X265[:-1], "hev1")),
    "hevc-10bit.mov": ("hevc", (*X265, "-pix_fmt", "yuv420p10le")),
    "hevc-422.mov": ("hevc", (*X265, "-pix_fmt", "yuv422p10le")),
    "vp8.webm": ("vp8", VP8),
    "vp9.webm": ("vp9", VP9),
    "vp9.mp4": ("vp9", VP9),
    "vp9-444.webm": ("vp9", (*VP9, "-pix_fmt", "yuv444p")),
    "av1.mp4": ("av1", AV1),
    "av1.webm": ("av1", AV1),
    "mpeg4.mp4": ("mpeg4", ("-c:v", "mpeg4", "-q:v", 3)),
    "mpeg4.3gp": ("mpeg4", ("-c:v", "mpeg4", "-q:v", 3)),
    "h263.3gp": ("h263", ("-c:v", "h263", "-s", "176x144", "-q:v", 3)),
    "prores.mov": ("prores", ("-c:v", "prores", "-profile:v", 0)),
    "prores-alpha.mov": ("prores", ("-c:v", "prores_ks", "-profile:v", 4, "-pix_fmt", "yuva444p10le")),
    "mjpeg.mov": ("mjpeg", ("-c:v", "mjpeg", "-q:v", 3)),
    "mjpeg-444.mkv": ("mjpeg", ("-c:v", "mjpeg", "-q:v", 3, "-pix_fmt", "yuvj444p")),
    "mjpeg-422.mov": ("mjpeg", ("-c:v", "mjpeg", "-q:v", 3, "-pix_fmt", "yuvj422p")),
}


WIDE = "setparams=color_primaries=bt2020:color_trc={}:colorspace=bt2020nc:range=tv,format=yuv420p10le"
MASTERED = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
)
HDR = {
    "hlg.webm": ("vp9", ("-vf", WIDE.format("arib-std-b67"), *VP9)),
    "hdr10.mp4": (
        "hevc",
        (
            *("-vf", WIDE.format("smpte2084"), *X265[:4], "-x265-params"),
            f"log-level=none:hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:{MASTERED}",
        ),
    ),
}


@pytest.mark.parametrize("name", HDR)
def test_wide_colours_come_out_as_ordinary_ones_and_say_nothing_of_their_screen(tmp_path, name):
    codec, words = HDR[name]
    path = footage.coded(tmp_path / name, words)
    assert ("Mastering" in " ".join(footage.packets(path, "frame_side_data=side_data_type"))) == (
        codec == "hevc"
    )
    result = chain.picture_alone(path)
    assert (result.facts.video_codec, result.facts.color_primaries) == (codec, "bt2020")
    assert len(footage.frames(result.path, (1, 1))) == 18
    said = footage.packets(result.path, "stream=pix_fmt,color_transfer:frame_side_data=side_data_type")
    assert said == ["yuv420p,bt709"]


def test_a_film_whose_phone_cut_a_passage_out_is_made_without_it(tmp_path):
    whole = footage.three_colours(tmp_path, group=15)
    path = footage.passages(whole, (0, 0.5), (1.0, 1.5))
    assert footage.colours(chain.picture_alone(path).path) == "r15 b15"
    assert len(footage.samples(chain.sound_alone(path).path)) / 48000 == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("coder", [VP8, VP9], ids=["vp8", "vp9"])
def test_a_recording_whose_phone_was_turned_half_way_is_shown_whole(tmp_path, coder):
    # A coder of WebM starts anew with a key frame of the other shape, in the same track.
    halves, path = [], tmp_path / "turned.webm"
    for colour, size in (("red", "160x90"), ("blue", "90x160")):
        half = tmp_path / f"{colour}.webm"
        footage.ffmpeg("-f", "lavfi", "-i", f"color={colour}:size={size}:rate=30", "-t", 0.5, *coder, half)
        halves.append(half)
    names = tmp_path / "halves.txt"
    names.write_text("".join(f"file {half}\n" for half in halves))
    footage.ffmpeg("-f", "concat", "-safe", 0, "-i", names, "-c", "copy", path)
    result = chain.picture_alone(path)
    assert result.facts.frames == 30
    assert footage.packets(result.path, "stream=width,height") == ["160,90"]
    shown = footage.frames(result.path, (3, 1))
    middles = "".join("r" if frame[3] > frame[5] else "b" for frame in shown)
    # Where the graph begins anew one frame may be missing.
    assert re.fullmatch("r{14,15}b{14,15}", middles)


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_picture_becomes_the_same_clip(tmp_path, name):
    codec, words = PICTURES[name]
    result, made = chain.whole(footage.coded(tmp_path / name, words), tmp_path / "out")
    assert result.facts.video_codec == codec
    assert made.seconds == pytest.approx(0.6, abs=0.02)
    shown = footage.frames(result.path, (1, 1))
    assert len(shown) == 18
    for frame, colour in ((shown[2], GREEN), (shown[15], ORANGE)):
        assert max(abs(value - wanted) for value, wanted in zip(frame, colour, strict=True)) <= 12
    assert footage.packets(result.path, "stream=codec_name,pix_fmt") == ["h264,yuv420p"]


def pcm(kind):
    return ("-c:a", f"pcm_{kind}")


SOUNDS = {
    "aac.mp4": ("aac", ("-c:a", "aac")),
    "aac.mkv": ("aac", ("-c:a", "aac")),
    "opus.webm": ("opus", ("-c:a", "libopus")),
    "opus.mp4": ("opus", ("-c:a", "libopus")),
    "vorbis.webm": ("vorbis", ("-c:a", "libvorbis")),
    "mp3.mp4": ("mp3", ("-c:a", "libmp3lame")),
    "mp3.mkv": ("mp3", ("-c:a", "libmp3lame")),
    "amr.3gp": ("amr_nb", ("-c:a", "libopencore_amrnb", "-ar", 8000, "-ac", 1)),
    "alac.mov": ("alac", ("-c:a", "alac")),
    "flac.mkv": ("flac", ("-c:a", "flac")),
    "flac.mp4": ("flac", ("-c:a", "flac")),
    "ipcm.mp4": ("pcm_s16le", ("-c:a", "pcm_s16le")),
    "ac3.mp4": ("ac3", ("-c:a", "ac3")),
    "eac3.mp4": ("eac3", ("-c:a", "eac3")),
    **{
        f"{kind}.mov": (f"pcm_{kind}", pcm(kind))
        for kind in ["s16le", "s16be", "s24le", "s24be", "s32le", "s32be"]
    },
    **{
        f"{kind}.mov": (f"pcm_{kind}", pcm(kind))
        for kind in ["f32le", "f32be", "f64le", "f64be", "u8", "s8", "mulaw", "alaw"]
    },
    **{f"{kind}.mkv": (f"pcm_{kind}", pcm(kind)) for kind in ["s16le", "s24le", "f32le", "u8"]},
}


@pytest.mark.parametrize("name", SOUNDS)
def test_every_kind_of_sound_is_heard_for_as_long_as_it_lasts(tmp_path, name):
    codec, words = SOUNDS[name]
    shown = VP8 if name.endswith("webm") else X264
    result = chain.sound_alone(footage.coded(tmp_path / name, shown, words, size="32x32"))
    assert result.facts.audio_codec == codec
    assert len(footage.samples(result.path)) / 48000 == pytest.approx(0.6, abs=0.05)
    assert footage.pitch(result.path, 0.1, 0.5) == pytest.approx(440, rel=0.03)


def test_wide_band_amr_is_taken(tmp_path):
    # Nothing at hand encodes it. A frame of mode 0 is one byte of header and 132 bits (3GPP TS 26.201, annex A).
    frames = b"".join(
        b"\x04" + bytes((number * 37 + place * 11) % 256 for place in range(17)) for number in range(30)
    )
    (tmp_path / "voice.awb").write_bytes(b"#!AMR-WB\n" + frames)
    plain = footage.coded(tmp_path / "plain.mp4", size="32x32")
    both = ("-i", plain, "-i", tmp_path / "voice.awb", "-map", 0, "-map", 1, "-c", "copy")
    footage.ffmpeg(*both, tmp_path / "amr.3gp")
    result = chain.sound_alone(tmp_path / "amr.3gp")
    assert result.facts.audio_codec == "amr_wb"
    assert len(footage.samples(result.path)) / 48000 == pytest.approx(0.6, abs=0.05)


def test_nothing_but_one_picture_and_one_sound_is_taken_of_a_crowded_film(tmp_path):
    tones = [word for hertz in (440, 880) for word in ("-f", "lavfi", "-i", f"sine=frequency={hertz}")]
    shown = [
        word
        for colour in ("red", "blue")
        for word in ("-f", "lavfi", "-i", f"color={colour}:size=96x64:rate=30")
    ]
    maps = [word for place in range(4) for word in ("-map", place)]
    path = tmp_path / "crowded.mov"
    footage.ffmpeg(*shown, *tones, *maps, "-t", 0.5, *X264, "-c:a", "aac", "-timecode", "01:00:00:00", path)
    result, _ = chain.whole(path, tmp_path / "out")
    assert footage.packets(result.path, "stream=codec_type", "v") == ["video"]
    red, _, blue = footage.frames(result.path, (1, 1))[5]
    assert red > 200
    assert blue < 60
    assert footage.pitch(result.path, 0.1, 0.4) == pytest.approx(440, rel=0.03)


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_cover_is_never_taken_for_the_picture(tmp_path, kind, container):
    cover, path = tmp_path / f"cover.{kind}", tmp_path / f"covered.{container}"
    footage.ffmpeg("-f", "lavfi", "-i", "color=red:size=640x640", "-frames:v", 1, cover)
    film = footage.coded(tmp_path / "film.mp4")
    if container == "mp4":
        words = (
            "-i",
            cover,
            "-i",
            film,
            "-map",
            0,
            "-map",
            1,
            "-c",
            "copy",
            "-disposition:v:0",
            "attached_pic",
        )
    else:
        mimetype = "image/png" if kind == "png" else "image/jpeg"
        words = (
            "-i",
            film,
            "-map",
            0,
            "-c",
            "copy",
            "-attach",
            cover,
            "-metadata:s:t",
            f"mimetype={mimetype}",
        )
    footage.ffmpeg(*words, path)
    facts = chain.facts_of(path)
    assert (facts.width, facts.height, facts.video_codec, facts.frames) == (160, 90, "h264", 18)


def test_a_cover_is_not_taken_for_the_picture_of_a_single_frame_either(tmp_path):
    cover, film, path = tmp_path / "cover.jpg", tmp_path / "film.mp4", tmp_path / "covered.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", 1, cover)
    footage.ffmpeg("-f", "lavfi", "-i", "color=blue:size=160x90:rate=30", "-frames:v", 1, *X264, film)
    words = ("-i", cover, "-i", film, "-map", 0, "-map", 1, "-c", "copy", "-disposition:v:0", "attached_pic")
    footage.ffmpeg(*words, path)
    assert chain.facts_of(path).width == 160


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_song_with_a_cover_is_no_film(tmp_path, container):
    cover, path = tmp_path / "cover.jpg", tmp_path / f"song.{container}"
    footage.ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", 1, cover)
    song = ("-f", "lavfi", "-t", 0.5, "-i", "sine")
    if container == "mp4":
        words = ("-i", cover, *song, "-map", 0, "-map", 1, "-c:v", "copy", "-disposition:v", "attached_pic")
    else:
        words = (*song, "-attach", cover, "-metadata:s:t", "mimetype=image/jpeg")
    footage.ffmpeg(*words, "-c:a", "aac", path)
    with pytest.raises(Unacceptable) as caught:
        chain.facts_of(path)
    assert caught.value.code is Code.NO_PICTURE


def test_a_single_frame_before_the_film_is_its_cover_though_it_does_not_say_so(tmp_path):
    film, path = footage.coded(tmp_path / "film.mp4"), tmp_path / "two.mp4"
    cover = ("-f", "lavfi", "-i", "color=red:size=64x64:rate=30:duration=0.03")
    footage.ffmpeg(*cover, "-i", film, "-map", 0, "-map", 1, "-c:v:0", "mjpeg", "-c:v:1", "copy", path)
    facts = chain.facts_of(path)
    assert (facts.width, facts.height, facts.video_index) == (160, 90, 1)


@pytest.mark.parametrize(
    ("unknown", "container"), [("dca", "mkv"), ("wmav2", "mkv"), ("adpcm_ima_qt", "mov")]
)
def test_the_first_sound_that_can_be_decoded_is_taken(tmp_path, unknown, container):
    path = tmp_path / f"spatial.{container}"
    tones = [
        word
        for hertz in (880, 440)
        for word in ("-f", "lavfi", "-i", f"sine=frequency={hertz}:sample_rate=48000")
    ]
    shown = ("-f", "lavfi", "-i", "color=gray:size=32x32:rate=30")
    maps = ("-map", 0, "-map", 1, "-map", 2)
    footage.ffmpeg(
        *(*shown, *tones, *maps, "-t", 0.5, *X264, "-strict", -2, "-c:a:0", unknown, "-c:a:1", "aac", path)
    )
    result = chain.sound_alone(path)
    assert (result.facts.audio_index, result.facts.audio_codec) == (2, "aac")
    assert footage.pitch(result.path, 0.1, 0.4) == pytest.approx(440, rel=0.03)


def test_spatial_sound_that_no_coder_knows_is_passed_over(tmp_path):
    path = tmp_path / "spatial.mov"
    tones = [word for hertz in (880, 440) for word in ("-f", "lavfi", "-i", f"sine=frequency={hertz}")]
    shown = ("-f", "lavfi", "-i", "color=gray:size=32x32:rate=30")
    footage.ffmpeg(*shown, *tones, "-map", 0, "-map", 1, "-map", 2, "-t", 0.5, *X264, "-c:a", "aac", path)
    # As recent phones name their four channels; index and first sound track come after picture and samples.
    data = path.read_bytes()
    path.write_bytes(data.replace(b"mp4a", b"apac", 2).replace(b"esds", b"dapa", 1))
    result = chain.sound_alone(path)
    assert (result.facts.audio_index, result.facts.audio_codec) == (2, "aac")
    assert footage.pitch(result.path, 0.1, 0.4) == pytest.approx(440, rel=0.03)


def test_a_phones_own_notes_beside_the_film_are_passed_over(tmp_path):
    path = tmp_path / "notes.mov"
    film = footage.coded(tmp_path / "film.mov", X264, ("-c:a", "aac"))
    footage.ffmpeg("-i", film, "-c", "copy", "-timecode", "01:00:00:00", path)
    # A time code track made into one of timed metadata, as phones write several.
    data = path.read_bytes().replace(b"mhlrtmcd", b"mhlrmeta")
    at = data.index(b"tmcd", data.index(b"mhlrmeta"))
    while data[at - 16 : at - 12] != b"stsd":
        at = data.index(b"tmcd", at + 4)
    path.write_bytes(data[:at] + b"mebx" + data[at + 4 :])
    assert "data" in footage.packets(path, "stream=codec_type", "d")
    result, _ = chain.whole(path, tmp_path / "out")
    assert footage.packets(result.path, "stream=codec_type", "d") == []
    assert result.facts.duration_seconds == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize(("codec", "container"), [("dca", "mkv"), ("wmav2", "mov")])
def test_a_film_whose_only_sound_nobody_can_decode_is_refused_rather_than_made_mute(
    tmp_path, codec, container
):
    film, path = footage.coded(tmp_path / "film.mp4"), tmp_path / f"unheard.{container}"
    sound = ("-f", "lavfi", "-i", "sine", "-t", 0.5, "-c:v", "copy", "-c:a", codec, "-strict", -2)
    footage.ffmpeg("-i", film, *sound, path)
    with pytest.raises(Unacceptable) as caught:
        chain.facts_of(path)
    assert (caught.value.code, caught.value.facts["kind"]) == (Code.UNKNOWN_CODEC, "sound")


def test_a_sound_track_without_a_sound_in_it_is_none(tmp_path):
    film = footage.coded(tmp_path / "film.mp4")
    nothing = ("-f", "lavfi", "-t", 0.5, "-i", "sine")
    path = tmp_path / "empty.mkv"
    footage.ffmpeg(
        "-i",
        film,
        *nothing,
        "-map",
        0,
        "-map",
        1,
        "-c:v",
        "copy",
        "-c:a",
        "pcm_s16le",
        "-bsf:a",
        "noise=drop=1",
        path,
    )
    result, _ = chain.whole(path, tmp_path / "out")
    assert result.facts.audio_index is None


def test_a_picture_that_nobody_can_decode_is_refused_by_its_name(tmp_path):
    path = tmp_path / "cinepak.mov"
    footage.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10", "-t", 0.3, "-c:v", "cinepak", path)
    with pytest.raises(Unacceptable) as caught:
        chain.facts_of(path)
    assert caught.value.code is Code.UNKNOWN_CODEC
