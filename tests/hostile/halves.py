"""Section h: films of which only a part is there."""

from portal.errors import Code
from tests import footage
from tests.hostile.boxes import read, write
from tests.hostile.cases import case
from tests.hostile.pieces import CLUSTER, TRACKS

UNFINISHED, BROKEN, CUT = Code.UNFINISHED, Code.BROKEN_FILM, Code.CUT_OFF


@case("h01", UNFINISHED, "no index")
def a_recording_that_was_never_finished(clay):
    return write([one for one in read(clay["tail.mp4"]) if one[0] != b"moov"])


@case("h02", UNFINISHED, "no index")
def an_upload_cut_in_the_pictures_before_the_index(clay):
    return clay["tail.mp4"][:5000]


@case("h03", UNFINISHED, "no index")
def an_upload_cut_in_the_index(clay):
    data = clay["tail.mp4"]
    return data[: data.index(b"stts")]


@case("h04", UNFINISHED, "cut index")
def the_first_five_hundred_bytes(clay):
    return clay["plain.mp4"][:500]


@case("h05", UNFINISHED, "no index")
def the_first_thirty_bytes(clay):
    return clay["plain.mp4"][:36]


@case("h06", BROKEN, "no media")
def the_header_and_not_one_picture(clay):
    data = clay["plain.mp4"]
    return data[: data.index(b"mdat") - 4]


@case("h07", BROKEN, "no media")
def a_film_whose_pictures_were_left_out(clay):
    return write([one for one in read(clay["plain.mp4"]) if one[0] != b"mdat"])


@case("h08", CUT, where="tools")
def the_header_and_half_of_the_pictures(clay):
    data = clay["plain.mp4"]
    return data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2]


@case("h09", BROKEN, "no frames")
def a_recording_in_fragments_without_one(clay):
    return write([one for one in read(clay["fragments.mp4"]) if one[0] in (b"ftyp", b"moov")])


@case("h10", UNFINISHED, "cut index")
def matroska_cut_before_its_tracks(clay):
    data = clay["plain.mkv"]
    return data[: data.index(TRACKS.to_bytes(4, "big"))]


@case("h11", UNFINISHED, "cut index")
def matroska_cut_in_its_tracks(clay):
    data = clay["plain.mkv"]
    return data[: data.index(TRACKS.to_bytes(4, "big")) + 60]


@case("h12", BROKEN, "no media")
def a_recorders_header_alone(clay):
    data = clay["live.webm"]
    return data[: data.index(CLUSTER.to_bytes(4, "big"))]


@case("h13", UNFINISHED, "cut index")
def forty_bytes_of_matroska(clay):
    return clay["plain.mkv"][:44]


@case("h14")
def a_recorders_film_cut_in_a_block(clay):
    return clay["live.webm"][:-300]


@case("h15", CUT, where="tools")
def matroska_cut_in_the_middle(clay):
    if "long.mkv" not in clay.made:
        loop = ("-stream_loop", 3, "-i", clay.folder / "plain.mkv", "-c", "copy")
        footage.ffmpeg(*loop, clay.folder / "long.mkv")
        clay.made["long.mkv"] = (clay.folder / "long.mkv").read_bytes()
    data = clay.made["long.mkv"]
    return data[: len(data) * 6 // 10]


@case("h16", BROKEN, "undecodable", where="tools")
def pictures_that_are_all_nothing(clay):
    data = bytearray(clay["plain.mp4"])
    place = data.index(b"mdat") + 4
    data[place:] = bytes(len(data) - place)
    return bytes(data)


@case("h17", CUT, where="tools")
def a_recording_in_fragments_cut_in_the_last_one(clay):
    return clay["fragments.mp4"][:-900]
