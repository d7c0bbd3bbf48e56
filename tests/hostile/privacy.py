"""Section e: honest films that say where, when, with what and by whom they were made; no published byte may."""

from tests import footage
from tests.hostile.boxes import at, box, element, find, full, number, read, u16, u32, write
from tests.hostile.cases import case
from tests.hostile.clay import SPOKEN
from tests.hostile.odd import with_data_track
from tests.hostile.pieces import ATTACHED_FILE, ATTACHMENTS, TAGS, mkv, mkv_tops

PLACE = "+48.8577+002.2950/"
PHONE = "Vesta 12 Pro"
MAKER = "Lumen Phones"
SERIAL = "SN-77-4411-XK"
OWNER = "Nadia Berthelot"
MARKS = (PLACE, PHONE, MAKER, SERIAL, OWNER, "48.8577", "Vue du lac", SPOKEN)


def private(name):
    return case(name, marks=tuple(mark.encode() for mark in MARKS))


def with_boxes(clay, *boxes, inside=("moov",), film="tail.mp4"):
    parts = read(clay[film])
    at(parts, *inside).extend(read(b"".join(boxes)))
    return write(parts)


@private("e01")
def the_keys_of_quicktime(clay):
    names = {
        "com.apple.quicktime.location.ISO6709": PLACE,
        "com.apple.quicktime.make": MAKER,
        "com.apple.quicktime.model": PHONE,
        "com.apple.quicktime.author": OWNER,
        "com.apple.quicktime.content.identifier": SERIAL,
    }
    keys = b"".join(u32(8 + len(name)) + b"mdta" + name.encode() for name in names)
    values = b"".join(
        box(u32(index + 1), box("data", u32(1, 0), value.encode()))
        for index, value in enumerate(names.values())
    )
    handler = full("hdlr", u32(0), b"mdta", u32(0, 0, 0), b"\0")
    return with_boxes(clay, box("meta", handler, full("keys", u32(len(names)), keys), box("ilst", values)))


@private("e02")
def the_notes_of_older_phones(clay):
    words = {b"\xa9xyz": PLACE, b"\xa9mod": PHONE, b"\xa9mak": MAKER, b"\xa9nam": OWNER, b"\xa9swr": SERIAL}
    notes = [box(kind, u16(len(text), 0x15C7), text.encode()) for kind, text in words.items()]
    return with_boxes(clay, box("udta", *notes), film="quicktime.mov")


@private("e03")
def the_place_of_3gp(clay):
    place = full(
        "loci",
        u16(0x15C7),
        PLACE.encode() + b"\0",
        b"\0",
        u32(0x2295, 0x48857, 0),
        b"earth\0",
        PHONE.encode() + b"\0",
    )
    author = full("auth", u16(0x15C7), OWNER.encode() + b"\0")
    return with_boxes(clay, box("udta", place, author), film="phone.3gp")


@private("e04")
def a_packet_of_adobe(clay):
    packet = (
        f'<x:xmpmeta><rdf exif:GPSLatitude="48.8577" tiff:Model="{PHONE}" dc:creator="{OWNER}"/></x:xmpmeta>'
    )
    identity = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    return clay["plain.mp4"] + box("uuid", identity, packet.encode())


@private("e05")
def the_tags_of_a_library(clay):
    words = {b"\xa9nam": OWNER, b"\xa9cmt": PLACE, b"\xa9too": PHONE, b"aART": MAKER}
    tags = b"".join(box(kind, box("data", u32(1, 0), text.encode())) for kind, text in words.items())
    handler = full("hdlr", u32(0), b"mdir", u32(0, 0, 0), b"\0")
    return with_boxes(clay, box("udta", full("meta", handler, box("ilst", tags))))


@private("e06")
def the_name_of_a_handler(clay):
    parts = read(clay["tail.mp4"])
    name = find(parts, "moov", "trak", "mdia", "hdlr")
    name[1] = name[1][:20] + f"{OWNER} {PHONE}".encode() + b"\0"
    return write(parts)


@private("e07")
def the_titles_of_chapters(clay):
    return clay["chapters.mp4"]


@private("e08")
def the_words_of_subtitles(clay):
    return clay["captions.mp4"]


@private("e09")
def notes_inside_the_pictures(clay):
    note = "086f3693-b7b3-4f2c-9653-21492feee5b8+" + f"{PHONE} {SERIAL} {OWNER} 48.8577"
    return _copied(clay, "noted.mp4", "-bsf:v", f"h264_metadata=sei_user_data={note}")


@private("e10")
def the_track_of_an_action_camera(clay):
    data = with_data_track(clay, b"gpmd", b"meta")
    note = f"GPS5{PLACE}{PHONE}{SERIAL}".encode()
    # In media of its own, as if the camera had written it between.
    return data + box("mdat", note)


@private("e11")
def the_bytes_behind_the_film(clay):
    return clay["plain.mp4"] + f"\0\0\1\x0b{PLACE}{PHONE}{OWNER}SEFT".encode()


@private("e12")
def the_bytes_of_free_boxes(clay):
    return with_boxes(clay, box("free", f"{PLACE}{PHONE}{SERIAL}".encode())) + box("skip", OWNER.encode())


@private("e13")
def the_tags_of_matroska(clay):
    words = {"LOCATION": PLACE, "ARTIST": OWNER, "ENCODER": PHONE, "TITLE": SERIAL}
    simple = b"".join(
        element(0x67C8, element(0x45A3, name.encode()), element(0x4487, text.encode()))
        for name, text in words.items()
    )
    return mkv([*mkv_tops(clay["plain.mkv"]), [TAGS, element(0x7373, element(0x63C0), simple)]])


@private("e14")
def the_name_of_an_attachment(clay):
    note = element(
        ATTACHED_FILE,
        element(0x466E, f"{OWNER}.txt".encode()),
        element(0x4660, b"text/plain"),
        element(0x465C, PLACE.encode()),
        number(0x46AE, 7),
    )
    return mkv([*mkv_tops(clay["chapters.mkv"]), [ATTACHMENTS, note]])


@private("e15")
def the_notes_of_photos_in_a_film_of_photos(clay):
    data = clay["mjpeg.mov"]
    exif = b"Exif\0\0" + f"{PLACE}|{PHONE}|{OWNER}|{SERIAL}".encode()
    segment = b"\xff\xe1" + u16(2 + len(exif)) + exif
    # Each picture gets a note behind its first mark; the tables are written again by a copy.
    stills = [b"\xff\xd8" + segment + one for one in data[data.index(b"mdat") + 4 :].split(b"\xff\xd8")[1:]]
    (clay.folder / "stills.jpg").write_bytes(b"".join(stills))
    return _copied(clay, "exif.mov", source="stills.jpg")


@private("e16")
def a_name_for_every_track(clay):
    words = (
        "-metadata:s",
        f"title={OWNER}",
        "-metadata:s",
        f"encoder={PHONE}",
        "-metadata",
        f"comment={PLACE}",
    )
    return _copied(clay, "named.mkv", *words)


def _copied(clay, name, *words, source="plain.mp4"):
    """A film copied by ffmpeg with these words, once."""
    if name not in clay.made:
        footage.ffmpeg(
            *(("-f", "mjpeg", "-r", 20) if source.endswith("jpg") else ()),
            "-i",
            clay.folder / source,
            "-c",
            "copy",
            *words,
            clay.folder / name,
        )
        clay.made[name] = (clay.folder / name).read_bytes()
    return clay.made[name]
