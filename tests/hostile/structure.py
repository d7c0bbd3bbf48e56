"""Section c: what is no film by its first bytes, and films whose structure contradicts itself or hides something."""

import random

from portal.errors import Code
from tests.hostile.boxes import OPEN, at, box, element, find, full, number, read, u32, write
from tests.hostile.cases import add, case
from tests.hostile.pieces import (
    CLUSTER,
    EBML,
    ENCODINGS,
    ENTRY,
    INFO,
    SEGMENT,
    TRACKS,
    children,
    mkv,
    mkv_tops,
    mkv_with,
)

# What people send in place of a film -----------------------------------------------------------------------

STRANGERS = {
    "c01": ("a_photo", "picture", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    "c02": ("a_screenshot", "picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "c03": ("an_animation", "picture", b"GIF89a\x01\0\x01\0"),
    "c04": ("a_photo_of_a_recent_phone", "picture", box("ftyp", b"heic\0\0\0\0mif1heic")),
    "c05": ("a_photo_of_a_site", "picture", b"RIFF\x24\0\0\0WEBPVP8 "),
    "c06": ("a_photo_of_tomorrow", "picture", box("ftyp", b"avif\0\0\0\0")),
    "c07": ("a_raw_photo", "picture", b"II*\0\x08\0\0\0"),
    "c08": ("a_voice_message", "sound", box("ftyp", b"M4A \0\0\0\0")),
    "c09": ("a_song", "sound", b"ID3\4\0\0\0\0\0\0"),
    "c10": ("a_recording_of_a_voice", "sound", b"RIFF\x24\0\0\0WAVEfmt "),
    "c11": ("a_voice_of_a_messenger", "sound", b"OggS\0\2" + b"\0" * 22 + b"OpusHead"),
    "c12": ("tracker_music", "sound", b"IMPM" + b"\0" * 100),
    "c13": ("older_tracker_music", "sound", b"song".ljust(1080, b"\0") + b"M.K." + b"\0" * 100),
    "c14": ("an_archive", "archive", b"PK\3\4\x14\0\0\0"),
    "c15": ("another_archive", "archive", b"Rar!\x1a\7\1\0"),
    "c16": ("a_tape_archive", "archive", b"film.mp4".ljust(257, b"\0") + b"ustar\0" + b"\0" * 250),
    "c17": ("a_document", "document", b"%PDF-1.7\n"),
    "c18": ("an_old_document", "document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "c19": ("a_program", "program", b"MZ\x90\0\3\0\0\0"),
    "c20": ("another_program", "program", b"\x7fELF\2\1\1\0"),
    "c21": ("a_script", "program", b"#!/bin/sh\ncurl http://127.0.0.1/\n"),
    "c22": ("subtitles", "text", b"1\n00:00:01,000 --> 00:00:02,000\nBonjour\n"),
    "c23": ("captions", "text", b"WEBVTT\n\n00:01.000 --> 00:02.000\nBonjour\n"),
    "c24": ("coloured_text_of_terminals", "text", b"\x1b[31mred\x1b[0m\n" * 9),
    "c25": ("a_mac_companion_of_a_film", "shadow", b"\0\5\x16\7\0\2\0\0Mac OS X        "),
    "c26": ("a_failed_copy", "blank", bytes(5000)),
    "c27": ("nothing_at_all", "empty", b""),
    "c28": ("noise", "unknown", random.Random(7).randbytes(5000)),
    "c29": ("matroska_of_another_kind", "unknown", element(EBML, element(0x4282, b"something"))),
}
for name, (what, kind, data) in STRANGERS.items():
    add(name, what, data, Code.NOT_A_VIDEO, kind)

WRAPPINGS = {
    "c30": ("avi", b"RIFF\x24\0\0\0AVI LIST"),
    "c31": ("flv", b"FLV\1\5\0\0\0\x09"),
    "c32": ("wmv", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"),
    "c33": ("mpeg", b"\0\0\1\xba\x44\0\4\0"),
    "c34": ("mpeg-ts", (b"G\x40\0\x10" + b"\xff" * 184) * 4),
    "c35": ("ogg", b"OggS\0\2" + b"\0" * 22 + b"\x80theora\3\2\1"),
    "c36": ("mxf", b"\x06\x0e\x2b\x34\2\5\1\1"),
    "c37": ("h264", b"\0\0\0\1\x67\x42\xc0\x1e"),
}
for name, (kind, data) in WRAPPINGS.items():
    add(name, f"a_film_as_{kind}", data, Code.WRONG_TYPE, kind)

# ISO media -------------------------------------------------------------------------------------------------

BROKEN, LOCKED, CODEC = Code.BROKEN_FILM, Code.ENCRYPTED, Code.UNKNOWN_CODEC


def changed(name, path, change, code=BROKEN, reason="malformed"):
    """A film of which the body of one box is another; what is odd is the name of the change."""

    def write_film(clay):
        parts = read(clay["tail.mp4"])
        entry = find(parts, *path)
        entry[1] = change(entry[1])
        return write(parts)

    write_film.__name__ = change.__name__
    case(name, code, reason)(write_film)


def no_time_for_the_film(body):
    return body[:12] + u32(0) + body[16:]


def no_time_for_a_track(body):
    return body[:12] + u32(0) + body[16:]


def no_movie_header(body):
    return [one for one in body if one[0] != b"mvhd"]


def no_handler(body):
    return [one for one in body if one[0] != b"hdlr"]


def no_track_header(body):
    return [one for one in body if one[0] != b"tkhd"]


def no_ways_of_decoding(body):
    return body[:4] + u32(0)


def two_tables_of_sizes(body):
    return [*body, next(one for one in body if one[0] == b"stsz")]


def sizes_of_three_bits(body):
    rest = [one for one in body if one[0] != b"stsz"]
    return [*rest, [b"stz2", u32(0, 3, 10) + bytes(10)]]


def a_track_in_a_note(body):
    return [*body, [b"udta", box("trak", write(next(one[1] for one in body if one[0] == b"trak")))]]


def a_table_in_the_wrong_place(body):
    return [*body, [b"stsz", u32(0, 1, 60_000_000)]]


def a_table_of_sources_with_holes(body):
    return u32(0, 5) + body[8:]


def a_picture_protected(body):
    return body.replace(b"avc1", b"encv", 1)


def a_codec_that_runs_programs(body):
    return body.replace(b"avc1", b"M8RG", 1)


def a_codec_of_studios(body):
    return body.replace(b"avc1", b"Hap1", 1)


TRAK = ("moov", "trak")
changed("c40", ("moov", "mvhd"), no_time_for_the_film)
changed("c41", (*TRAK, "mdia", "mdhd"), no_time_for_a_track)
changed("c42", ("moov",), no_movie_header)
changed("c43", (*TRAK, "mdia"), no_handler)
changed("c44", TRAK, no_track_header)
changed("c45", (*TRAK, "mdia", "minf", "stbl", "stsd"), no_ways_of_decoding)
changed("c46", (*TRAK, "mdia", "minf", "stbl"), two_tables_of_sizes)
changed("c47", (*TRAK, "mdia", "minf", "stbl"), sizes_of_three_bits)
changed("c48", ("moov",), a_track_in_a_note)
changed("c49", TRAK, a_table_in_the_wrong_place)
changed("c50", (*TRAK, "mdia", "minf", "dinf", "dref"), a_table_of_sources_with_holes)
changed("c51", (*TRAK, "mdia", "minf", "stbl", "stsd"), a_picture_protected, LOCKED, "encrypted")
changed("c52", (*TRAK, "mdia", "minf", "stbl", "stsd"), a_codec_that_runs_programs, CODEC, "unknown codec")
changed("c53", (*TRAK, "mdia", "minf", "stbl", "stsd"), a_codec_of_studios, CODEC, "unknown codec")


@case("c54", BROKEN, "malformed")
def two_indexes(clay):
    return clay["plain.mp4"] + write([one for one in read(clay["plain.mp4"]) if one[0] == b"moov"])


@case("c55", BROKEN, "malformed")
def a_child_larger_than_its_parent(clay):
    data = bytearray(clay["tail.mp4"])
    place = data.index(b"mdhd") - 4
    data[place : place + 4] = u32(0x01000000)
    return bytes(data)


@case("c56", BROKEN, "malformed")
def a_box_smaller_than_its_head(clay):
    data = bytearray(clay["tail.mp4"])
    place = data.index(b"stts") - 4
    data[place : place + 4] = u32(5)
    return bytes(data)


@case("c57", BROKEN, "malformed")
def a_table_at_the_top(clay):
    return write(
        [*read(clay["plain.mp4"])[:1], [b"stsz", u32(0, 1, 60_000_000)], *read(clay["plain.mp4"])[1:]]
    )


@case("c58", LOCKED, "encrypted")
def keys_of_a_shop_in_the_index(clay):
    parts = read(clay["tail.mp4"])
    at(parts, "moov").append([b"pssh", bytes(24)])
    return write(parts)


@case("c59", LOCKED, "encrypted")
def keys_of_a_shop_at_the_top(clay):
    return clay["plain.mp4"] + full("pssh", bytes(20))


@case("c60", LOCKED, "encrypted")
def protection_inside_an_ordinary_entry(clay):
    parts = read(clay["tail.mp4"])
    entry = find(parts, *TRAK, "mdia", "minf", "stbl", "stsd")
    inside = entry[1][8:] + box("sinf", box("frma", b"avc1"))
    entry[1] = entry[1][:8] + u32(len(inside)) + inside[4:]
    return write(parts)


@case("c61", Code.NO_PICTURE, "sound only")
def sound_in_the_clothes_of_a_film(clay):
    parts = read(clay["tail.mp4"])
    moov = at(parts, "moov")
    del moov[next(index for index, one in enumerate(moov) if one[0] == b"trak")]
    return write(parts)


@case("c62", Code.NO_PICTURE, "no tracks")
def an_index_without_tracks(clay):
    parts = read(clay["tail.mp4"])
    parts[-1][1] = [one for one in at(parts, "moov") if one[0] != b"trak"]
    return write(parts)


@case("c63", CODEC, "unknown codec")
def a_voice_in_a_form_nobody_reads(clay):
    return clay["tail.mp4"].replace(b"mp4a", b"QDM2")


@case("c64", BROKEN, "no frames")
def a_picture_without_a_frame(clay):
    parts = read(clay["tail.mp4"])
    stbl = find(parts, *TRAK, "mdia", "minf", "stbl")
    stbl[1] = [one for one in stbl[1] if one[0] in (b"stsd", b"dinf")]
    return write(parts)


# Matroska --------------------------------------------------------------------------------------------------


@case("c70", LOCKED, "encrypted")
def matroska_under_lock(clay):
    lock = element(0x6240, number(0x5033, 1), element(0x5035, number(0x47E1, 5)))
    return mkv_with(clay["plain.mkv"], (TRACKS, ENTRY, ENCODINGS), lock)


def recoded(name, what, word):
    def write_film(clay):
        return mkv_with(clay["plain.mkv"], (TRACKS, ENTRY, 0x86), word)

    write_film.__name__ = what
    case(name, CODEC, "unknown codec")(write_film)


recoded("c71", "matroska_with_the_codecs_of_windows", b"V_MS/VFW/FOURCC")
recoded("c72", "matroska_with_bare_pictures", b"V_UNCOMPRESSED")
recoded("c73", "matroska_with_a_codec_of_its_own", b"V_\xff<b>\r\n" * 9)


@case("c74", BROKEN, "malformed")
def matroska_of_a_later_age(clay):
    return element(EBML, number(0x42F7, 2), element(0x4282, b"matroska")) + element(
        SEGMENT, clay["plain.mkv"][60:]
    )


@case("c75", Code.UNFINISHED, "no index")
def matroska_without_tracks(clay):
    return mkv([one for one in mkv_tops(clay["plain.mkv"]) if one[0] != TRACKS])


@case("c76", BROKEN, "no media")
def matroska_without_pictures(clay):
    return mkv([one for one in mkv_tops(clay["plain.mkv"]) if one[0] != CLUSTER])


@case("c77", Code.NO_PICTURE, "sound only")
def matroska_with_sound_alone(clay):
    tops = mkv_tops(clay["plain.mkv"])
    tracks = next(one for one in tops if one[0] == TRACKS)
    sound = children(tracks[1])[-1]
    tracks[1] = element(sound[0], sound[1])
    return mkv(tops)


@case("c78", BROKEN, "malformed")
def matroska_with_an_open_list_of_tracks(clay):
    tops = mkv_tops(clay["plain.mkv"])
    body = b"".join(element(one, part, **({"size": OPEN} if one == TRACKS else {})) for one, part in tops)
    return element(EBML, element(0x4282, b"matroska")) + element(SEGMENT, body)


@case("c79", BROKEN, "malformed")
def matroska_whose_tracks_overlap(clay):
    tops = mkv_tops(clay["plain.mkv"])
    tracks = next(one for one in tops if one[0] == TRACKS)
    tracks[1] = element(ENTRY, tracks[1], size=len(tracks[1]) + 99)
    return mkv(tops)


@case("c80", BROKEN, "malformed")
def matroska_beginning_with_nothing(clay):
    return mkv([[INFO, b""]])[:-12] + bytes(4000)
