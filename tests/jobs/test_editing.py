"""What an edit list makes of a film: the right frames, the same instants of sound, no click, no readable box."""

import re
from itertools import pairwise

import pytest
from PIL import Image, ImageChops, ImageStat

from media_jobs import film
from media_jobs.edit_graph import Cutting
from media_jobs.outline import Limits
from media_jobs.probe import inspect
from portal.edits import MOST_PASSAGES, Blur, EditList, Passage
from tests import footage

RATE = 30
SOUND_RATE = 48_000


def cut_of(path, folder, edits, **more):
    folder.mkdir()
    facts = inspect(footage.tools(), path, Limits())
    order = film.Order(edits=edits, **more)
    made = film.make(footage.tools(), path, folder, facts, order, lambda _: None, lambda: False)
    return made, next(one.path for one in made.files if one.kind == "mp4")


def told(folder, name, picture, *sound, seconds):
    """A film from these sources; its sound as it is, since an encoder's own bursts would be taken for ours."""
    heard = ("-f", "lavfi", "-i", sound[0], "-c:a", "pcm_s16le") if sound else ()
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", 12, "-pix_fmt", "yuv420p")
    path = folder / name
    footage.ffmpeg("-f", "lavfi", "-i", picture, *heard, "-t", seconds, *codec, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("editing")


@pytest.fixture(scope="module")
def numbered(folder):
    """Ninety frames, each brighter than the one before: its brightness is its number."""
    picture = f"nullsrc=size=160x90:rate={RATE},geq=lum='20+2*N':cb=128:cr=128"
    return told(folder, "numbered.mov", picture, "sine=frequency=300:sample_rate=48000", seconds=3)


@pytest.fixture(scope="module")
def levels(numbered, folder):
    """How bright each of them comes out of the whole film."""
    _, path = cut_of(numbered, folder / "whole", EditList(mutes=(Passage(0, 1),)))
    found = list(footage.brightness(path))
    assert found == sorted(set(found))
    assert len(found) == 90
    return found


def numbers(path, levels):
    """Which frames of the numbered film these are."""
    return [
        min(range(90), key=lambda number: abs(levels[number] - level)) for level in footage.brightness(path)
    ]


def frames(*spans):
    return [number for start, end in spans for number in range(start, end)]


@pytest.mark.parametrize(
    ("edits", "spans"),
    [
        (EditList(start=0.5), [(15, 90)]),
        (EditList(end=2.0), [(0, 60)]),
        (EditList(cuts=(Passage(1.0, 2.0),)), [(0, 30), (60, 90)]),
        (EditList(0.2, 2.8, (Passage(0.5, 0.6), Passage(1.0, 1.5), Passage(2.0, 2.4))),
         [(6, 15), (18, 30), (45, 60), (72, 84)]),
        (EditList(cuts=(Passage(1.01, 1.99),)), [(0, 30), (60, 90)]),
    ],
    ids=["start", "end", "passage", "several", "between two frames"],
)  # fmt: skip
def test_exactly_the_frames_that_stay_are_shown(numbered, levels, folder, request, edits, spans):
    made, path = cut_of(numbered, folder / request.node.callspec.id, edits)
    assert numbers(path, levels) == frames(*spans)
    assert made.seconds == pytest.approx(len(frames(*spans)) / RATE, abs=1e-5)
    assert len(footage.samples(path)) == pytest.approx(made.seconds * SOUND_RATE, abs=1024)


def test_the_arithmetic_of_captions_is_that_of_the_picture():
    edits = EditList(0.21, None, (Passage(0.51, 0.57), Passage(1.03, 1.49))).on_grid(RATE, 3.0)
    kept = Cutting(edits, 3.0, RATE).kept
    assert [(one.start * RATE, one.end * RATE) for one in edits.kept(3.0)] == [
        (pytest.approx(start), pytest.approx(end)) for start, end in kept
    ]
    assert edits.cut_time(2.0, 3.0) * RATE == pytest.approx(sum(end - start for start, end in kept) - 30)


@pytest.fixture(scope="module")
def signalled(folder):
    """A flash and a beep begin together at each of these instants; each lasts 0.1 s."""
    at = (0.5, 1.5, 2.5, 3.5, 4.5)
    lit = "+".join(f"between(t,{one - 0.001},{one + 0.099})" for one in at)
    picture = f"color=black:size=160x90:rate={RATE},drawbox=color=white:t=fill:enable='{lit}'"
    loud = "+".join(f"between(t,{one},{one + 0.1})" for one in at)
    sound = f"aevalsrc='if({loud},0.3*sin(2000*PI*t),0)':s=48000"
    return told(folder, "signalled.mov", picture, sound, seconds=5)


def flashes(path):
    levels = footage.brightness(path)
    return [place / RATE for place, (a, b) in enumerate(pairwise([0, *levels])) if a < 100 <= b]


def beeps(path):
    found, last = [], -1.0
    heard = footage.samples(path)
    loud = max(map(abs, heard)) / 6
    for place, sample in enumerate(heard):
        if abs(sample) > loud:
            if place / SOUND_RATE - last > 0.05:
                found.append(place / SOUND_RATE)
            last = place / SOUND_RATE
    return found


def test_picture_and_sound_stay_together_before_at_and_after_every_join(signalled, folder):
    # The second signal begins with the passage behind the first cut, the fourth one's beginning is cut away.
    edits = EditList(0.2, None, (Passage(1.0, 1.5), Passage(2.9, 3.55)))
    _, path = cut_of(signalled, folder / "signals", edits)
    wanted = [0.3, 0.8, 1.8, 2.2, 3.1333]
    assert flashes(path) == [pytest.approx(one, abs=0.001) for one in wanted]
    assert beeps(path) == [pytest.approx(one, abs=0.01) for one in wanted]


def test_nothing_clicks_where_two_passages_meet(folder):
    path = told(
        folder, "steady.mov", "color=gray:size=160x90:rate=30",
        "aevalsrc=0.4*sin(2*PI*440*t):s=48000", seconds=2,
    )  # fmt: skip
    # At 1/4 and 3/4 of a wave: the worst that a join can be.
    _, cut = cut_of(path, folder / "joined", EditList(cuts=(Passage(0.5, 0.8), Passage(1.1, 1.4333))))
    heard = footage.samples(cut)
    steps = [abs(b - a) for a, b in pairwise(heard)]
    steady = max(steps[10_000:14_000])
    for join in (round(0.5 * SOUND_RATE), round(0.8 * SOUND_RATE)):
        assert max(steps[join - 2_000 : join + 2_000]) < 1.2 * steady
        assert max(abs(one) for one in heard[join - 24 : join + 24]) < max(heard) / 8


def test_a_muted_passage_is_silent_and_nothing_else_is(folder):
    path = told(
        folder, "tone.mov", "color=gray:size=160x90:rate=30",
        "sine=frequency=440:sample_rate=48000", seconds=3,
    )  # fmt: skip
    edits = EditList(cuts=(Passage(0.2, 0.5),), mutes=(Passage(1.0, 1.5), Passage(2.0, 2.2)))
    made, cut = cut_of(path, folder / "muted", edits)
    heard = footage.samples(cut)

    def loudest(start, end):
        return max(abs(one) for one in heard[round(start * SOUND_RATE) : round(end * SOUND_RATE)])

    assert made.seconds == pytest.approx(2.7, abs=1e-5)
    assert loudest(0.725, 1.175) < 60
    assert loudest(1.725, 1.875) < 60
    for start, end in ((0.3, 0.68), (1.22, 1.68), (1.92, 2.6)):
        assert loudest(start, end) > 5000


def test_only_what_is_heard_says_how_loud_it_is(folder):
    loud = "aevalsrc='if(lt(t,2),0.5,0.02)*sin(2*PI*997*t)':s=48000"
    path = told(folder, "uneven-loud.mov", "color=gray:size=160x90:rate=30", loud, seconds=4)
    whole, _ = cut_of(path, folder / "all", EditList(end=3.9))
    cut, _ = cut_of(path, folder / "quiet", EditList(start=2.0))
    muted, _ = cut_of(path, folder / "hushed", EditList(mutes=(Passage(0, 2.0),)))
    assert whole.loudness - cut.loudness > 20
    assert muted.loudness == pytest.approx(cut.loudness, abs=0.5)


BOX = Blur(0.5, 1.0, 0.25, 0.25, 0.5, 0.5)


def patterned(folder, name, seed, size="320x180"):
    """Signs of a hand's height over the whole picture, others for every seed."""
    noise = f"nullsrc=size=40x24:rate={RATE},geq=lum='if(gt(random(1)\\,0.5)\\,220\\,30)':cb=128:cr=128"
    still = f"{noise},trim=start_frame={seed}:end_frame={seed + 1},loop=60:1,setpts=N/{RATE}/TB"
    return told(folder, name, f"{still},scale={size}:flags=neighbor,setsar=1", seconds=1.5)


def picture_at(path, at):
    shown = footage.ffmpeg("-ss", at, "-i", path, "-frames:v", 1, "-f", "image2pipe", "-c:v", "png", "-")
    target = path.with_suffix(f".{at}.png")
    target.write_bytes(shown)
    return Image.open(target).convert("L")


def difference(one, other, box=None):
    apart = ImageChops.difference(one, other)
    return ImageStat.Stat(apart.crop(box) if box else apart).mean[0]


def test_nothing_can_be_told_of_what_is_blurred_and_all_else_is_untouched(folder):
    edits = EditList(blurs=(BOX,))
    one, other = patterned(folder, "one.mp4", 1), patterned(folder, "other.mp4", 5)
    _, plain = cut_of(one, folder / "plain", EditList(end=1.4))
    _, first = cut_of(one, folder / "first", edits)
    _, second = cut_of(other, folder / "second", edits)
    inside, middle = (82, 47, 238, 133), 0.7
    before, after = picture_at(plain, middle), picture_at(first, middle)
    # Two quite different things look the same, and hold next to nothing of what they were.
    assert difference(before, picture_at(other, middle), inside) > 60
    assert difference(after, picture_at(second, middle), inside) < 14
    assert ImageStat.Stat(after.crop(inside)).stddev[0] < 0.12 * ImageStat.Stat(before.crop(inside)).stddev[0]
    for outside in ((0, 0, 320, 43), (0, 137, 320, 180), (0, 0, 78, 180), (242, 0, 320, 180)):
        assert difference(before, after, outside) < 3


def correlation(one, other):
    a, b = one.tobytes(), other.tobytes()
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    up = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    down = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return up / down**0.5 if down else 0.0


def test_words_behind_a_box_are_not_to_be_read_in_any_size(folder):
    path = patterned(folder, "small-signs.mp4", 9)
    _, cut = cut_of(path, folder / "unread", EditList(blurs=(BOX,)))
    inside = (85, 49, 235, 131)
    before, after = picture_at(path, 0.7).crop(inside), picture_at(cut, 0.7).crop(inside)
    # As signs, each 8 pixels wide: what is left of the picture says nothing about them.
    assert correlation(before, after) < 0.35


def test_a_box_is_blurred_from_its_first_frame_to_its_last_and_not_longer(folder):
    path = patterned(folder, "timed.mp4", 3)
    _, cut = cut_of(path, folder / "timed", EditList(cuts=(Passage(0.2, 0.4),), blurs=(BOX,)))
    inside = (85, 49, 235, 131)
    spread = [
        ImageStat.Stat(picture_at(cut, round(number / RATE - 0.01, 3)).crop(inside)).stddev[0]
        for number in (8, 9, 23, 24)
    ]
    assert min(spread[0], spread[3]) > 60
    assert max(spread[1], spread[2]) < 30


def test_as_many_boxes_as_may_be_are_blurred_at_once_and_at_the_edges(folder):
    path = patterned(folder, "many.mp4", 7)
    boxes = (Blur(0, 1.5, 0, 0, 0.2, 0.3), Blur(0.1, 1.4, 0.7, 0.6, 0.3, 0.4))
    specks = tuple(Blur(0, 1, 0.3 + n / 200, 0.45, 0.01, 0.01) for n in range(MOST_PASSAGES - 2))
    _, cut = cut_of(path, folder / "many", EditList(end=0.7, blurs=boxes + specks))
    shown = picture_at(cut, 0.5)
    for box in ((2, 2, 60, 50), (228, 112, 318, 178)):
        assert ImageStat.Stat(shown.crop(box)).stddev[0] < 40


def test_a_box_lies_where_it_was_drawn_on_the_upright_picture(folder):
    path = footage.rotated(folder)
    _, cut = cut_of(path, folder / "upright", EditList(blurs=(Blur(0, 1, 0, 0.4, 1, 0.2),)))
    rows = picture_at(cut, 0.5).convert("L")
    width, height = rows.size
    assert height > width
    edge = [rows.getpixel((width // 2, round(height * at))) for at in (0.2, 0.46, 0.54, 0.8)]
    # Red above, blue below, and no edge any more where the box is.
    assert abs(edge[1] - edge[2]) < abs(edge[0] - edge[3])


@pytest.mark.parametrize(
    "kind", ["uneven", "hlg", "silent", "talks_on", "recorder", "turned", "odd_size", "wide_pixels"]
)
def test_every_kind_of_film_can_be_cut(folder, kind):
    path = getattr(footage, kind)(folder)
    seconds = inspect(footage.tools(), path, Limits()).duration_seconds
    third = round(seconds / 3, 2)
    edits = EditList(cuts=(Passage(third, 2 * third),), mutes=(Passage(0, third / 2),), blurs=(BOX,))
    made, cut = cut_of(path, folder / f"kind-{kind}", edits)
    kept = sum(end - start for start, end in edits.frames_kept(RATE, seconds)) / RATE
    assert made.seconds == pytest.approx(kept, abs=0.001)
    assert len(footage.brightness(cut)) == pytest.approx(kept * RATE, abs=1)


def test_sound_that_begins_late_is_cut_at_its_own_place(folder):
    path = footage.flash_and_beep(folder, 1.0, sound_from=0.4)
    _, cut = cut_of(path, folder / "late", EditList(start=0.2, cuts=(Passage(0.5, 0.7),)))
    assert flashes(cut) == [pytest.approx(0.6, abs=0.001)]
    assert beeps(cut) == [pytest.approx(0.6, abs=0.01)]


def test_a_chosen_poster_follows_the_cut_and_one_that_is_cut_out_gives_way(numbered, folder):
    edits = EditList(cuts=(Passage(1.0, 2.0),))
    kept, _ = cut_of(numbered, folder / "poster", edits, poster_at=2.5)
    gone, _ = cut_of(numbered, folder / "no-poster", edits, poster_at=1.5)
    assert kept.poster_at == pytest.approx(2.5, abs=0.02)
    assert gone.poster_at in gone.proposals
    assert not any(1.0 <= at < 2.0 for at in (*kept.proposals, *gone.proposals))


def test_storyboard_and_hover_preview_are_as_long_as_the_cut(numbered, folder):
    made, _ = cut_of(numbered, folder / "board", EditList(end=1.5))
    text = next(one.path for one in made.files if one.kind == "storyboard_vtt").read_text()
    assert re.findall(r"--> ([\d:.]+)", text)[-1] == "00:00:01.500"
    hover = next(one for one in made.files if one.kind == "hover")
    assert hover.seconds == 1.5
