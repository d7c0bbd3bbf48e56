"""Section b: small files that cost much: memory, time, disk. Most claim something; some really hold it."""

import struct

from portal.errors import Code
from tests.hostile.boxes import OPEN, at, box, element, find, full, number, read, u32, u64, write
from tests.hostile.cases import case
from tests.hostile.pieces import (
    ATTACHED_FILE,
    ATTACHMENTS,
    CHAPTERS,
    CLUSTER,
    ENCODINGS,
    ENTRY,
    HEIGHT,
    INFO,
    TAGS,
    TRACKS,
    VIDEO,
    WIDTH,
    avc_set,
    mkv,
    mkv_tops,
    mkv_with,
    rebuilt,
    with_table,
)

STBL = ("moov", "trak", "mdia", "minf", "stbl")


def claiming(name, kind, body, code, reason, what):
    """A film of which one table says something else."""

    def write_film(clay):
        return with_table(clay["silent.mp4"], kind, body)

    write_film.__name__ = what
    case(name, code, reason)(write_film)


MANY, BROKEN, LONG = Code.TOO_COMPLEX, Code.BROKEN_FILM, Code.TOO_LONG
claiming(
    "b01", "stsz", u32(0, 1, 60_000_000), MANY, "too many samples", "sixty_million_samples_in_twenty_bytes"
)
claiming(
    "b02",
    "stsz",
    u32(0, 1_000_000, 20_000),
    BROKEN,
    "more samples than bytes",
    "samples_larger_than_the_file",
)
claiming("b03", "stsz", u32(0, 0, 50_000), BROKEN, "malformed", "sizes_that_are_not_there")
claiming("b04", "stts", u32(0, 0x0FFFFFFF, 1, 1), BROKEN, "malformed", "durations_that_are_not_there")
claiming("b05", "ctts", u32(0, 0x0FFFFFFF, 1, 1), BROKEN, "malformed", "offsets_that_are_not_there")
claiming("b06", "stsc", u32(0, 0x0FFFFFFF, 1, 1, 1), BROKEN, "malformed", "chunks_that_are_not_there")
claiming("b07", "stco", u32(0, 0x0FFFFFFF, 48), BROKEN, "malformed", "places_that_are_not_there")
claiming("b08", "stss", u32(0, 0x0FFFFFFF, 1), BROKEN, "malformed", "key_frames_that_are_not_there")
claiming("b09", "stts", u32(0, 2, 9, 1, 1, 36_000 * 10240), LONG, "samples", "two_frames_ten_hours_apart")
claiming(
    "b10", "stts", u32(0, 1, 10, 600 * 1024), LONG, "samples", "ten_minutes_under_a_header_of_half_a_second"
)


@case("b11", MANY, "too many samples")
def a_million_frames_a_second(clay):
    return with_table(clay["silent.mp4"], "stsz", u32(0, 0, 60_000) + u32(1) * 60_000)


def with_edits(clay, count, ticks):
    parts = read(clay["silent.mp4"])
    rows = u32(ticks, 0, 0x10000) * count
    at(parts, "moov", "trak", "edts")[0][1] = u32(0, count) + rows
    return rebuilt(clay["silent.mp4"], parts)


@case("b12", MANY, "too many edits")
def shown_twenty_thousand_times(clay):
    return with_edits(clay, 20_000, 500)


@case("b13", LONG, "edits")
def twenty_edits_of_a_minute(clay):
    return with_edits(clay, 20, 60_000)


def with_tracks(clay, count):
    parts = read(clay["silent.mp4"])
    track = find(parts, "moov", "trak")
    at(parts, "moov").extend([track] * (count - 1))
    return rebuilt(clay["silent.mp4"], parts)


@case("b14", MANY, "too many tracks")
def a_thousand_tracks(clay):
    return with_tracks(clay, 1000)


@case("b15", MANY, "too many tracks")
def seventeen_tracks(clay):
    return with_tracks(clay, 17)


def with_inside(clay, *boxes, film="tail.mp4"):
    """The film with more boxes at the end of its index, which lies behind the media."""
    return write([*read(clay[film])[:-1], *grown(clay, boxes, film)])


def grown(clay, boxes, film):
    moov = read(clay[film])[-1]
    assert moov[0] == b"moov"
    return [[b"moov", write(moov[1]) + b"".join(boxes)]]


@case("b16", MANY, "too many tags")
def twenty_thousand_notes(clay):
    return with_inside(clay, box("udta", box(b"\xa9cmt", b"\0\1\0\0x") * 20_000))


@case("b17", MANY, "too many tags")
def twenty_thousand_tags(clay):
    tags = box(b"\xa9cmt", box("data", u32(1, 0), b"x")) * 20_000
    handler = full("hdlr", u32(0), b"mdir", u32(0, 0, 0), b"\0")
    return with_inside(clay, box("udta", full("meta", handler, box("ilst", tags))))


@case("b18", MANY, "too many tags")
def keys_that_are_not_there(clay):
    return with_inside(
        clay, box("meta", full("hdlr", u32(0), b"mdta", u32(0, 0, 0), b"\0"), full("keys", u32(2 << 20)))
    )


def with_fragment(clay, *boxes):
    """A fragmented film with one more fragment for its first track."""
    traf = box("traf", full("tfhd", u32(1), flags=0x20000), *boxes)
    return clay["fragments.mp4"] + box("moof", full("mfhd", u32(99)), traf) + box("mdat", b"x")


@case("b19", MANY, "too many samples")
def a_run_of_sixty_million(clay):
    return with_fragment(clay, full("trun", u32(60_000_000)))


@case("b20", BROKEN, "malformed")
def a_run_longer_than_its_box(clay):
    return with_fragment(clay, full("trun", u32(1000), flags=0x300))


@case("b21", LONG, "samples")
def a_fragment_ten_hours_later(clay):
    late = full("tfdt", u64(36_000 * 10240), version=1)
    return with_fragment(clay, late, full("trun", u32(1, 512, 1), flags=0x300))


@case("b22", MANY, "too many boxes")
def a_hundred_thousand_empty_boxes(clay):
    return clay["plain.mp4"] + box("free") * 130_000


@case("b23", BROKEN, "malformed")
def a_box_thirty_deep(clay):
    inside = b""
    for _ in range(30):
        inside = box("udta", inside)
    return with_inside(clay, inside)


@case("b24", MANY, "index size")
def an_index_of_seventeen_megabytes(clay):
    return with_inside(clay, box("free", bytes(17 << 20)))


@case("b25", MANY, "compressed index")
def an_index_that_must_be_unpacked(clay):
    packed = box("cmov", box("dcom", b"zlib"), box("cmvd", u32(500_000_000), b"x\x9c"))
    return with_inside(clay, packed)


@case("b26", LONG, "samples")
def three_hours_of_silence_under_one_picture(clay):
    parts = read(clay["tail.mp4"])
    sound = [one[1] for one in at(parts, "moov") if one[0] == b"trak"][1]
    find(sound, "mdia", "minf", "stbl", "stts")[1] = u32(0, 1, 10_800, 48_000)
    return write(parts)


def sized(clay, width, height):
    parts = read(clay["silent.mp4"])
    entry = find(parts, *STBL, "stsd")
    entry[1] = entry[1][:40] + struct.pack(">HH", width, height) + entry[1][44:]
    return write(parts)


LARGE = Code.TOO_LARGE_PICTURE


@case("b27", LARGE, "header")
def a_picture_of_16384_by_8192(clay):
    return sized(clay, 16384, 8192)


@case("b28", LARGE, "header")
def a_picture_taller_than_we_take(clay):
    return sized(clay, 2400, 4096)


@case("b29", LARGE, "header")
def a_decoder_told_to_expect_more_than_the_header_says(clay):
    data = clay["tail.mp4"]
    place = data.index(b"avcC") + 4
    length = int.from_bytes(data[place - 8 : place - 4], "big") - 8
    unit = avc_set(16384, 8192)
    record = data[place : place + 5] + b"\xe1" + len(unit).to_bytes(2, "big") + unit + b"\0"
    return data.replace(data[place - 8 : place + length], box("avcC", record.ljust(length, b"\0")))


@case("b30", LARGE, "header")
def a_browsers_picture_of_65535_points(clay):
    wide = mkv_with(clay["plain.webm"], (TRACKS, ENTRY, VIDEO, WIDTH), b"\xff\xff")
    return mkv_with(wide, (TRACKS, ENTRY, VIDEO, HEIGHT), b"\xff\xff")


@case("b31", LONG, "clusters")
def clusters_ten_hours_apart(clay):
    return clay["live.webm"] + element(CLUSTER, number(0xE7, 36_000_000), element(0xA3, b"\x81\0\0\x80x"))


@case("b32", MANY, "too many tags")
def matroska_tags_of_three_hundred_kilobytes(clay):
    tag = element(0x7373, element(0x67C8, element(0x45A3, b"A"), element(0x4487, b"b")))
    return mkv([*mkv_tops(clay["plain.mkv"]), [TAGS, tag * 10_000]])


@case("b33", MANY, "too many chapters")
def matroska_chapters_without_end(clay):
    atom = element(0xB6, number(0x73C4, 1), number(0x91, 0))
    return mkv([*mkv_tops(clay["plain.mkv"]), [CHAPTERS, element(0x45B9, atom * 12_000)]])


@case("b34", MANY, "too many attachments")
def twenty_attachments(clay):
    font = element(ATTACHED_FILE, element(0x466E, b"../../x.ttf"), element(0x465C, b"x"))
    return mkv([*mkv_tops(clay["plain.mkv"]), [ATTACHMENTS, font * 20]])


@case("b35", MANY, "too many tracks")
def matroska_with_seventeen_tracks(clay):
    tops = mkv_tops(clay["plain.mkv"])
    tracks = next(one for one in tops if one[0] == TRACKS)
    tracks[1] *= 9
    return mkv(tops)


@case("b36", MANY, "compressed blocks")
def matroska_blocks_to_be_unpacked(clay):
    packing = element(0x6240, element(0x5034, number(0x4254, 0)))
    return mkv_with(clay["plain.mkv"], (TRACKS, ENTRY, ENCODINGS), packing)


@case("b37", BROKEN, "malformed")
def matroska_whose_tick_is_a_second(clay):
    return mkv_with(clay["plain.mkv"], (INFO, 0x2AD7B1), (10**9).to_bytes(4, "big"))


@case("b38", MANY, "too many boxes")
def a_live_cluster_of_empty_blocks(clay):
    flood = element(CLUSTER, number(0xE7, 0), element(0xA3, b"\x81\0\0\x80") * 130_000, size=OPEN)
    return clay["live.webm"] + flood


@case("b39", BROKEN, "malformed")
def pixels_a_million_times_as_wide_as_tall(clay):
    parts = read(clay["tail.mp4"])
    entry = find(parts, *STBL, "stsd")
    inside = entry[1][12:] + box("pasp", u32(1_000_000, 1))
    entry[1] = entry[1][:8] + u32(4 + len(inside)) + inside
    return write(parts)


@case("b40")
def shown_on_a_canvas_of_65535_points(clay):
    parts = read(clay["tail.mp4"])
    head = find(parts, "moov", "trak", "tkhd")
    head[1] = head[1][:76] + u32(65535 << 16, 64 << 16)
    return write(parts)


@case("b41", BROKEN, "malformed")
def matroska_pixels_as_threads(clay):
    wide = mkv_with(clay["plain.mkv"], (TRACKS, ENTRY, VIDEO, 0x54B0), u32(1_000_000))
    return mkv_with(wide, (TRACKS, ENTRY, VIDEO, 0x54BA), b"\x40")


@case("b42", MANY, "too many boxes")
def four_thousand_records_for_one_decoder(clay):
    parts = read(clay["tail.mp4"])
    entry = find(parts, *STBL, "stsd")
    unit = b"\x67\x64\x00\x33" + b"\xaa" * 4000
    record = box("avcC", b"\1\x64\0\x33\xff\xe1", len(unit).to_bytes(2, "big"), unit)
    inside = entry[1][12:] + record * 4000
    entry[1] = entry[1][:8] + u32(4 + len(inside)) + inside
    return write(parts)


@case("b43", MANY, "too many boxes")
def an_index_of_empty_boxes(clay):
    return with_inside(clay, box("udta", box("mdta") * 900), box("mvex", box("free") * 130_000))


@case("b44", MANY, "too many captions")
def ten_thousand_chapters(clay):
    parts = read(clay["chapters.mp4"])
    words = next(one[1] for one in at(parts, "moov") if one[0] == b"trak" and b"text" in write(one[1]))
    find(words, "mdia", "minf", "stbl", "stsz")[1] = u32(0, 1, 10_000)
    return write(parts)
