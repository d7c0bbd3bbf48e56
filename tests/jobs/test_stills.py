"""Pictures out of a film and pictures that people send: posters, their proposals, the hover preview."""

import io
import struct
import zlib
from itertools import pairwise

import pytest
from PIL import Image, ImageCms, ImageDraw

from media_jobs import film, proposals, stills, tracks
from portal.edits import EditList, Passage
from portal.errors import Code, Unacceptable
from tests import chain, footage

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
    return chain.made(path, folder / "out"), folder / "out", path


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
    made = chain.made(path, tmp_path / "out", film.Order(poster_at=5.5))
    assert made.poster_at == pytest.approx(5.5, abs=0.04)
    with Image.open(tmp_path / "out" / "poster-360.webp") as poster:
        assert min(poster.getpixel((160, 90))) > 240
    assert made.poster_at not in made.proposals


def test_a_chosen_picture_that_was_cut_out_gives_way_to_the_best_one(scenes, tmp_path):
    _, _, path = scenes
    order = film.Order(poster_at=5.5, edits=EditList(cuts=(Passage(5.2, 5.8),)))
    assert chain.made(path, tmp_path / "out", order).poster_at < 5.2


def test_a_picture_that_was_sent_comes_before_every_other(scenes, tmp_path):
    _, _, path = scenes
    sent = tmp_path / "still.webp"
    Image.new("RGB", (800, 600), (200, 30, 30)).save(sent)
    made = chain.made(path, tmp_path / "out", film.Order(poster_at=5.5, still=sent))
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
    short = chain.made(footage.small(tmp_path, seconds=0.1), tmp_path / "short")
    assert 1 <= len(short.proposals) <= 3
    black = tmp_path / "black.mp4"
    footage.ffmpeg("-f", "lavfi", "-i", "color=black:size=320x180:rate=30", "-t", 1, *footage.QUICK, black)
    assert len(chain.made(black, tmp_path / "black").proposals) == 1


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
    made = chain.made(noisy, tmp_path / "out")
    hover = next(file for file in made.files if file.name == "hover.mp4")
    data = hover.path.read_bytes()
    assert (hover.kind, hover.width, hover.height) == ("hover", *expected)
    assert len(data) <= 120_000
    assert data.index(b"moov") < data.index(b"mdat")
    found = tracks.read(hover.path)
    assert set(found) == {"vide"}
    assert found["vide"].seconds == pytest.approx(min(3.0, seconds), abs=0.1)
    entries = "codec_name,width,height,pix_fmt,color_space"
    assert footage.packets(hover.path, f"stream={entries}")[0].endswith("yuv420p,bt709")
