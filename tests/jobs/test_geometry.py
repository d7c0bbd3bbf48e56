"""A picture stands upright, in its own shape, cut where its film says, and without combs."""

import struct
from itertools import pairwise
from statistics import fmean

import pytest

from tests import chain, footage

RED, LIME, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
# Where each colour lies in the stored picture: across and down from its middle.
CORNERS = {RED: (-1, -1), LIME: (1, -1), BLUE: (-1, 1), YELLOW: (1, 1)}

MATRICES = {
    "upright": (1, 0, 0, 1),
    "turned right": (0, 1, -1, 0),
    "upside down": (-1, 0, 0, -1),
    "turned left": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "mirrored, upside down": (1, 0, 0, -1),
    "mirrored, turned right": (0, -1, -1, 0),
    "mirrored, turned left": (0, 1, 1, 0),
}


def nearest(colour):
    return min(CORNERS, key=lambda one: sum((a - b) ** 2 for a, b in zip(one, colour, strict=True)))


def pixel(frame, width, x, y):
    return tuple(frame[(y * width + x) * 3 :][:3])


@pytest.fixture(scope="module")
def four_corners(tmp_path_factory):
    tops = [f"color={name}:size=80x45:rate=30" for name in ("red", "lime", "blue", "yellow")]
    layout = "[a];{}[b];{}[c];{}[d];[a][b]hstack[e];[c][d]hstack[f];[e][f]vstack".format(*tops[1:])
    path = tmp_path_factory.mktemp("corners") / "corners.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", tops[0] + layout, "-t", 0.1, *footage.QUICK, path)
    return path


@pytest.mark.parametrize("how", MATRICES)
def test_a_film_is_shown_as_its_matrix_says(four_corners, how):
    a, b, c, d = MATRICES[how]
    result = chain.picture_alone(footage.matrix(four_corners, MATRICES[how]))
    assert result.facts.mirrored == (a * d - b * c < 0)
    assert (result.facts.width, result.facts.height) == ((160, 90) if a else (90, 160))
    small = footage.frames(result.path, (2, 2))[0]
    for colour, (x, y) in CORNERS.items():
        # ISO/IEC 14496-12, 6.2.2: x' = ax + cy, y' = bx + dy.
        across, down = a * x + c * y > 0, b * x + d * y > 0
        assert nearest(pixel(small, 2, across, down)) == colour


def test_a_mirrored_film_goes_through_the_whole_job(four_corners, tmp_path):
    result, made = chain.whole(footage.matrix(four_corners, (0, 1, 1, 0)), tmp_path / "out")
    assert (made.width, made.height) == (90, 160)
    small = footage.frames(result.path, (2, 2))[0]
    assert [nearest(pixel(small, 2, x, y)) for y in (0, 1) for x in (0, 1)] == [RED, BLUE, LIME, YELLOW]


# Cropping -------------------------------------------------------------------------------------------------

# A red frame, 16 wide, around a green field of 128 x 64: whoever crops too little shows red.
FRAMED = "color=red:size=160x96:rate=30,drawbox=x=16:y=16:w=128:h=64:color=lime:t=fill"
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1")


def framed(folder, words=footage.QUICK):
    return footage.ffmpeg("-f", "lavfi", "-i", FRAMED, "-t", 0.1, *words, folder / "framed.mp4") or (
        folder / "framed.mp4"
    )


def is_cropped(result, size):
    assert (result.facts.width, result.facts.height) == size
    shown = footage.frames(result.path, size)[0]
    inside = [(3, 3), (size[0] - 4, 3), (3, size[1] - 4), (size[0] - 4, size[1] - 4)]
    return all(nearest(pixel(shown, size[0], x, y)) == LIME for x, y in inside)


@pytest.mark.parametrize("coder", ["h264", "hevc"])
def test_a_cropping_rectangle_in_the_stream_is_obeyed(tmp_path, coder):
    film = framed(tmp_path, footage.QUICK if coder == "h264" else HEVC)
    crop = f"{coder}_metadata=crop_left=16:crop_right=16:crop_top=16:crop_bottom=16"
    footage.ffmpeg("-i", film, "-c", "copy", "-bsf:v", crop, tmp_path / "cropped.mp4")
    assert is_cropped(chain.picture_alone(tmp_path / "cropped.mp4"), (128, 64))


def test_a_clean_aperture_in_the_container_is_obeyed(tmp_path):
    clap = struct.pack(">I4s8i", 40, b"clap", 128, 1, 64, 1, 0, 1, 0, 1)
    parents = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    film = footage.with_box(framed(tmp_path), clap, *parents, name="aperture.mp4")
    assert is_cropped(chain.picture_alone(film), (128, 64))


# Shape ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "pixels", "seen"),
    [
        ("120x90", "3/2", (180, 90)),
        ("120x90", "2/3", (120, 135)),
        ("161x91", "1/1", (161, 91)),
        ("16x16", "1/1", (16, 16)),
        ("32x640", "1/1", (32, 640)),
        ("1600x40", "1/1", (1600, 40)),
    ],
)
def test_every_shape_is_kept_without_bars(tmp_path, stored, pixels, seen):
    path = tmp_path / "shape.mp4"
    window = "drawbox=x=iw/4:y=ih/4:w=iw/2:h=ih/2:color=white:t=fill"
    words = ("-f", "lavfi", "-i", f"color=black:size={stored}:rate=30,{window},setsar={pixels}", "-t", 0.1)
    footage.ffmpeg(*words, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p", path)
    result = chain.picture_alone(path)
    assert (result.facts.width, result.facts.height) == seen
    width, height, sar = footage.packets(result.path, "stream=width,height,sample_aspect_ratio")[0].split(",")
    size = (int(width), int(height))
    assert size == result.plan.size(result.plan.rungs[0])
    assert sar == "1:1"
    shown = footage.frames(result.path, size)[0]
    line = [x for x in range(size[0]) if pixel(shown, size[0], x, size[1] // 2)[0] > 128]
    column = [y for y in range(size[1]) if pixel(shown, size[0], size[0] // 2, y)[0] > 128]
    for lit, side in ((line, size[0]), (column, size[1])):
        assert (lit[0], lit[-1] + 1) == pytest.approx((side / 4, side * 3 / 4), abs=1.6 + side / 200)


def test_wide_pixels_make_no_picture_wider_than_what_is_taken(tmp_path):
    path = tmp_path / "ribbon.mp4"
    words = ("-f", "lavfi", "-i", "color=white:size=1600x64:rate=30,setsar=4/1", "-t", 0.1)
    footage.ffmpeg(*words, *footage.QUICK, path)
    result = chain.picture_alone(path)
    assert (result.facts.width, result.facts.height) == (4096, 41)
    assert footage.packets(result.path, "stream=width,height") == ["3996,40"]


def test_a_panorama_goes_through_the_whole_job(tmp_path):
    path = tmp_path / "panorama.mp4"
    words = ("-f", "lavfi", "-i", "testsrc2=size=1600x40:rate=30", "-t", 0.2)
    footage.ffmpeg(*words, *footage.QUICK, path)
    _, made = chain.whole(path, tmp_path / "out")
    assert (made.width, made.height) == (1600, 40)


# Fields ---------------------------------------------------------------------------------------------------


def combs(frame, width):
    """How much neighbouring lines of this frame differ: nothing, where upright bars are whole."""
    lines = [frame[at : at + width * 3 : 3] for at in range(0, len(frame), width * 3)]
    return fmean(abs(a - b) for above, below in pairwise(lines) for a, b in zip(above, below, strict=True))


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """A bar that moves between the fields, shot top and bottom field first, and the same in whole frames."""
    folder = tmp_path_factory.mktemp("fields")
    bar = "nullsrc=size=160x96:rate=60,format=gray,geq=lum='255*between(mod(X-N*4,160),0,20)',format=yuv420p"
    words = ("-t", 0.4, "-c:v", "libx264", "-preset", "ultrafast", "-qp", 10, "-pix_fmt", "yuv420p")
    films = {}
    for first in ("top", "bottom"):
        flag = f"{'t' if first == 'top' else 'b'}ff"
        woven = f"{bar},tinterlace=mode=interleave_{first},setfield={flag}"
        coded = ("-flags", "+ilme+ildct", "-x264-params", f"{flag}=1")
        films[first] = folder / f"{first}.mp4"
        footage.ffmpeg("-f", "lavfi", "-i", woven, *words, *coded, films[first])
    films["whole"] = folder / "whole.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", f"{bar},fps=30", *words, films["whole"])
    return films


@pytest.mark.parametrize("first", ["top", "bottom"])
def test_fields_are_woven_into_whole_frames_at_the_frames_own_rate(fields, first):
    result = chain.picture_alone(fields[first])
    assert result.facts.interlaced
    assert (result.facts.fps, result.plan.rate) == (30.0, 30)
    before, after = (footage.frames(path, (160, 96)) for path in (fields[first], result.path))
    assert len(after) == 12
    assert combs(before[5], 160) > 5
    assert max(combs(frame, 160) for frame in after[2:10]) < 0.25 * combs(before[5], 160)


def test_whole_frames_are_left_as_they_are(fields):
    result = chain.picture_alone(fields["whole"])
    assert not result.facts.interlaced
    before, after = (footage.frames(path, (160, 96)) for path in (fields["whole"], result.path))
    assert fmean(abs(a - b) for a, b in zip(before[5], after[5], strict=True)) < 2
