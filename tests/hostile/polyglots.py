"""Section f: files that are two things at once; and section g: names that say something to a tool."""

from portal.errors import Code
from tests.hostile.boxes import box, u32
from tests.hostile.cases import case
from tests.hostile.references import NEIGHBOUR

PAGE = b"<!DOCTYPE html><script>alert(1)</script>"
ARCHIVE = b"PK\3\4\x14\0\0\0\0\0" + bytes(20) + b"x.html" + PAGE + b"PK\5\6" + bytes(18)
SCRIPTED = (b"<script>alert(1)</script>",)


@case("f01", marks=SCRIPTED)
def a_film_with_a_page_behind_it(clay):
    return clay["plain.mp4"] + PAGE


@case("f02", marks=SCRIPTED)
def a_film_with_a_page_in_a_free_box(clay):
    data = clay["quicktime.mov"]
    return data + box("free", PAGE)


@case("f03", marks=SCRIPTED)
def a_film_that_is_an_archive_read_from_its_end(clay):
    return clay["plain.mp4"] + ARCHIVE


@case("f04", Code.NOT_A_VIDEO, "document")
def a_document_with_a_film_behind_it(clay):
    return b"%PDF-1.7\n%%EOF\n" + clay["plain.mp4"]


@case("f05", Code.NOT_A_VIDEO, "picture")
def a_picture_with_a_film_behind_it(clay):
    return b"GIF89a" + bytes(20) + clay["plain.mp4"]


@case("f06", Code.NOT_A_VIDEO, "archive")
def an_archive_with_a_film_behind_it(clay):
    return ARCHIVE + clay["plain.mp4"]


@case("f07", Code.NOT_A_VIDEO, "page")
def a_page_with_a_film_behind_it(clay):
    return PAGE + b"\n<!--" + b" " * 5000


@case("f08", Code.NOT_A_VIDEO, "playlist")
def a_playlist_whose_letters_are_a_size(clay):
    # "#EXT" is a size of 595 megabytes, "M3U\n" a kind of box that nobody knows.
    return f"#EXTM3U\n#EXTINF:1,\n{clay.url}/x.ts\n".encode() + clay["plain.mp4"]


@case("f09", Code.UNFINISHED, "no index")
def a_playlist_behind_the_head_of_a_box(clay):
    return u32(0x20202020) + b"mdat" + f"\n#EXTM3U\n#EXTINF:1,\n{clay.url}/x.ts\n".encode() + b"\0"


@case("f10")
def a_film_with_a_playlist_in_a_free_box(clay):
    return clay["quicktime.mov"] + box("free", f"#EXTM3U\n#EXTINF:1,\n{clay.url}/x.ts\n{NEIGHBOUR}".encode())


@case("f11")
def two_films_one_behind_the_other(clay):
    return clay["plain.mp4"] + clay["live.webm"]


@case("f12", Code.BROKEN_FILM, "two films")
def two_recordings_glued_together(clay):
    return clay["live.webm"] + clay["plain.webm"]


@case("f13", Code.WRONG_TYPE, "mpeg-ts")
def a_broadcast_with_a_page_in_it(clay):
    return (b"G\x1f\xff\x10" + PAGE.ljust(184, b"\xff")) * 5


@case("f14", Code.NOT_A_VIDEO, "program")
def a_program_with_a_film_behind_it(clay):
    return b"MZ" + bytes(62) + clay["plain.mp4"]


NAMES = {
    "g01": ("concat:neighbour.mp4|film.mp4", "a_name_that_glues_files"),
    "g02": ("-i", "a_name_that_is_an_option"),
    "g03": ("film%03d.mp4", "a_name_that_is_a_pattern"),
    "g04": ("subfile,,start,0,end,9,,:x.mp4", "a_name_that_cuts_files"),
    "g05": ("film.m3u8", "a_name_that_is_a_playlists"),
    "g06": ("$(touch x);`id`'\"\n.mp4", "a_name_for_a_shell"),
    "g07": ("[0:v]movie=neighbour.mp4,'\\:.mp4", "a_name_for_a_filter"),
}
for code, (name, what) in NAMES.items():

    def write_film(clay):
        return clay["silent.mp4"]

    write_film.__name__ = what
    case(code, name_on_disk=name)(write_film)
