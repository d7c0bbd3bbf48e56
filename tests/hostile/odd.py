"""Section d: films that look odd and are honest; every one of them must become a clip."""

import struct

from tests.hostile.boxes import OPEN, at, box, element, find, full, number, read, u16, u32, u64, write
from tests.hostile.cases import case
from tests.hostile.pieces import (
    ATTACHED_FILE,
    ATTACHMENTS,
    CLUSTER,
    EBML,
    ENCODINGS,
    ENTRY,
    INFO,
    SEGMENT,
    TRACKS,
    VOID,
    children,
    joined,
    mkv,
    mkv_tops,
    put,
    rebuilt,
)

STBL = ("moov", "trak", "mdia", "minf", "stbl")


def honest(number_of_case, name):
    """A film just as it was made."""

    def write_film(clay):
        return clay[name]

    write_film.__name__ = name.replace(".", "_as_")
    case(number_of_case)(write_film)


for index, name in enumerate(
    (
        *("plain.mp4", "tail.mp4", "silent.mp4", "quicktime.mov", "pcm.mov", "prores.mov", "hevc.mp4"),
        *("fragments.mp4", "delayed.mp4", "chapters.mp4", "phone.3gp", "mjpeg.mov", "vp9.mp4", "av1.mp4"),
        *("plain.webm", "plain.mkv", "chapters.mkv", "live.webm", "captions.mp4", "cover.mp4"),
    )
):
    honest(f"d{index + 1:02}", name)


def split(clay, name="tail.mp4"):
    """The boxes at the top of a film whose media come before its index."""
    return read(clay[name])


@case("d30")
def media_of_a_size_in_64_bits(clay):
    data = clay["quicktime.mov"]
    # Recorders leave room for it: an empty box of eight bytes before the media becomes its longer head.
    place = data.index(b"mdat") - 4
    assert data[place - 8 : place] == u32(8) + b"wide"
    size = int.from_bytes(data[place : place + 4], "big")
    return data[: place - 8] + u32(1) + b"mdat" + u64(size + 8) + data[place + 8 :]


@case("d31")
def media_up_to_the_end_of_the_file(clay):
    data = bytearray(clay["plain.mp4"])
    place = data.index(b"mdat") - 4
    assert place + int.from_bytes(data[place : place + 4], "big") == len(data)
    data[place : place + 4] = u32(0)
    return bytes(data)


@case("d32")
def all_sorts_of_boxes_between(clay):
    more = (
        box("free", bytes(99))
        + box("uuid", bytes(16), b"note")
        + box("skip")
        + box("meta", full("hdlr", bytes(20)))
    )
    return clay["plain.mp4"] + more + box("junk", b"x" * 50)


@case("d33")
def all_sorts_of_boxes_in_the_index(clay):
    parts = split(clay)
    at(parts, "moov").extend(
        [[b"free", bytes(500)], [b"uuid", bytes(40)], [b"smta", bytes(30)], [b"iods", bytes(16)]]
    )
    return write(parts)


@case("d34")
def notes_of_a_phone_that_are_no_boxes_behind_the_film(clay):
    return clay["plain.mp4"] + b"\0\0\1\x0bImage_UTC_Data1700000000000SEFH\x6b\0\0\0SEFT"


@case("d35")
def noughts_behind_the_film(clay):
    return clay["tail.mp4"] + bytes(4096)


@case("d36")
def notes_that_end_in_a_nought(clay):
    parts = split(clay)
    find(parts, "moov", "udta")[1] = box(b"\xa9swr", u16(5, 0), b"17.1\0") + u32(0)
    return write(parts)


def with_data_track(clay, word, handler):
    """The film with one more track, as phones add for their own notes."""
    parts = split(clay)
    track = read(write([next(one for one in at(parts, "moov") if one[0] == b"trak")]))[0]
    head = find(track[1], "tkhd")
    head[1] = head[1][:12] + u32(9) + head[1][16:]
    find(track[1], "mdia", "hdlr")[1] = u32(0) + b"mhlr" + handler + bytes(12) + b"\4Core"
    find(track[1], "mdia", "minf", "stbl", "stsd")[1] = u32(0, 1) + box(word, bytes(6), u16(1), bytes(12))
    at(parts, "moov").append(track)
    return write(parts)


@case("d37")
def notes_of_a_phone_about_faces(clay):
    return with_data_track(clay, b"mebx", b"meta")


@case("d38")
def a_time_code(clay):
    return with_data_track(clay, b"tmcd", b"tmcd")


@case("d39")
def a_map_of_depth_beside_the_picture(clay):
    return with_data_track(clay, b"disp", b"auxv")


@case("d40")
def spatial_sound_that_nobody_else_reads(clay):
    return with_data_track(clay, b"apac", b"soun")


@case("d41")
def a_film_from_before_there_were_types(clay):
    data = clay["quicktime.mov"]
    length = int.from_bytes(data[:4], "big")
    return u32(length) + b"free" + data[8:]


@case("d42")
def a_header_that_promises_an_hour(clay):
    data = bytearray(clay["plain.mp4"])
    place = data.index(b"mvhd") + 16
    data[place + 4 : place + 8] = (3600 * int.from_bytes(data[place : place + 4], "big")).to_bytes(4, "big")
    return bytes(data)


@case("d43")
def an_edit_of_unknown_length(clay):
    parts = read(clay["fragments.mp4"])
    edits = [
        find(one[1], "edts", "elst")
        for one in at(parts, "moov")
        if one[0] == b"trak" and one[1][1][0] == b"edts"
    ]
    for one in edits:
        one[1] = one[1][:8] + u32(0) + one[1][12:]
    return write(parts)


@case("d44")
def places_in_64_bits(clay):
    parts = split(clay)
    for track in (one[1] for one in at(parts, "moov") if one[0] == b"trak"):
        table = find(track, "mdia", "minf", "stbl", "stco")
        count = struct.unpack_from(">I", table[1], 4)[0]
        table[:] = [b"co64", table[1][:8] + u64(*struct.unpack_from(f">{count}I", table[1], 8))]
    return write(parts)


@case("d45")
def a_time_taken_back(clay):
    parts = read(clay["silent.mp4"])
    table = find(parts, *STBL, "stts")
    table[1] = u32(0, 2, 9, 1024, 1, 0xFFFFFF00)
    return rebuilt(clay["silent.mp4"], parts)


@case("d46")
def fonts_beside_the_film(clay):
    font = element(
        ATTACHED_FILE,
        element(0x466E, b"../../x.ttf"),
        element(0x4660, b"font/ttf"),
        element(0x465C, b"x"),
        number(0x46AE, 7),
    )
    return mkv([*mkv_tops(clay["plain.mkv"]), [ATTACHMENTS, font]])


@case("d47")
def matroska_with_room_left(clay):
    tops = mkv_tops(clay["plain.mkv"])
    return mkv([[VOID, bytes(300)], *tops[:1], [VOID, b""], *tops[1:], [VOID, bytes(9)]])


@case("d48")
def a_recording_without_any_sizes(clay):
    tops = mkv_tops(clay["plain.webm"])
    body = b"".join(element(one, part, **({"size": OPEN} if one == CLUSTER else {})) for one, part in tops)
    return element(EBML, element(0x4282, b"webm")) + element(SEGMENT, body, size=OPEN)


@case("d49")
def matroska_that_promises_an_hour_or_nothing(clay):
    tops = mkv_tops(clay["plain.mkv"])
    info = next(one for one in tops if one[0] == INFO)
    info[1] = joined([one for one in children(info[1]) if one[0] != 0x4489])
    return mkv(tops)


@case("d50")
def a_film_linked_to_others_by_number(clay):
    tops = mkv_tops(clay["plain.mkv"])
    info = next(one for one in tops if one[0] == INFO)
    info[1] += element(0x3EB923, bytes(range(16))) + element(0x3E83BB, b"file:///etc/passwd")
    return mkv(tops)


@case("d51")
def matroska_that_leaves_out_what_all_pictures_begin_with(clay):
    tops = mkv_tops(clay["plain.mkv"])
    for top in tops:
        if top[0] == CLUSTER:
            blocks = children(top[1])
            for block in blocks:
                # Pictures begin with their length, of which the first two bytes are nought.
                if block[0] == 0xA3 and block[1][0] == 0x81:
                    assert block[1][4:6] == b"\0\0"
                    block[1] = block[1][:4] + block[1][6:]
            top[1] = joined(blocks)
    left_out = element(0x6240, element(0x5034, number(0x4254, 3), element(0x4255, b"\0\0")))
    return mkv(children(put(joined(tops), (TRACKS, ENTRY, ENCODINGS), left_out)))


@case("d52")
def a_source_without_a_mark_and_without_a_place(clay):
    parts = split(clay)
    find(parts, "moov", "trak", "mdia", "minf", "dinf", "dref")[1] = u32(0, 1) + full("url ")
    return write(parts)


@case("d53")
def ways_of_decoding_that_end_in_noughts(clay):
    parts = split(clay, "quicktime.mov")
    find(parts, *STBL, "stsd")[1] += bytes(12)
    return write(parts)
