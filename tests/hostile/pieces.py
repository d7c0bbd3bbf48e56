"""Tools for the sections: one table of a film replaced, Matroska taken apart and put together, a parameter set."""

from tests.hostile.boxes import at, element, find, read, u32, write

EBML, SEGMENT, INFO, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
CUES, CHAPTERS, TAGS, ATTACHMENTS = 0x1C53BB6B, 0x1043A770, 0x1254C367, 0x1941A469
SEEK_HEAD, VOID = 0x114D9B74, 0xEC
ENTRY, VIDEO, WIDTH, HEIGHT, ENCODINGS = 0xAE, 0xE0, 0xB0, 0xBA, 0x6D80
ATTACHED_FILE = 0x61A7


def rebuilt(data, parts):
    """A film whose index lies before the media, written again with the places of its samples corrected."""
    places = []
    for kind, body in at(parts, "moov"):
        if kind == b"trak":
            places.append(find(body, "mdia", "minf", "stbl", "stco"))
    grown = len(write(parts)) - len(data)
    for table in {id(one): one for one in places}.values():
        count = int.from_bytes(table[1][4:8], "big")
        offsets = [int.from_bytes(table[1][8 + 4 * one : 12 + 4 * one], "big") for one in range(count)]
        table[1] = table[1][:8] + u32(*(one + grown for one in offsets))
    return write(parts)


def with_table(data, kind, body):
    """The film with this table of its picture track instead of its own, or beside the others."""
    parts = read(data)
    stbl = at(parts, "moov", "trak", "mdia", "minf", "stbl")
    rest = [one for one in stbl if one[0] != kind.encode()]
    stbl[:] = [*rest, [kind.encode(), body]]
    return rebuilt(data, parts) if kind != "stco" else write(parts)


# Matroska ------------------------------------------------------------------------------------------------


def one_element(data, place):
    """Identity, where the content begins, where it ends; an open one ends with the data."""
    width = 9 - data[place].bit_length()
    identity = int.from_bytes(data[place : place + width], "big")
    place += width
    length = 9 - data[place].bit_length()
    size = int.from_bytes(data[place : place + length], "big") & ((1 << 7 * length) - 1)
    start = place + length
    end = len(data) if size == (1 << 7 * length) - 1 else start + size
    return identity, start, end


def children(data):
    """The elements in a row as [identity, content]."""
    found, place = [], 0
    while place < len(data):
        identity, start, place = one_element(data, place)
        found.append([identity, data[start:place]])
    return found


def joined(parts):
    return b"".join(element(identity, body) for identity, body in parts)


def mkv_tops(data):
    """What stands at the top of a film's segment; only for films of known sizes. Pointers to places are left out."""
    (_, _), (_, segment) = children(data)[:2]
    return [one for one in children(segment) if one[0] not in (SEEK_HEAD, CUES, VOID)]


def mkv(tops, doctype=b"matroska"):
    """A film out of what stands at the top of its segment."""
    head = element(EBML, element(0x4282, doctype))
    return head + element(SEGMENT, joined(tops))


def put(body, path, content):
    """The elements with other content at the end of a path of identities, added where there is none."""
    parts = children(body)
    entry = next((one for one in parts if one[0] == path[0]), None)
    if entry is None:
        parts.append(entry := [path[0], b""])
    entry[1] = put(entry[1], path[1:], content) if path[1:] else content
    return joined(parts)


def mkv_with(data, path, content):
    """The film with other content somewhere below the top of its segment."""
    return mkv(children(put(joined(mkv_tops(data)), path, content)))


# A parameter set -----------------------------------------------------------------------------------------


def avc_set(width, height):
    """A sequence parameter set of H.264's baseline profile for a picture of this size."""
    bits = (
        golomb(0)
        + golomb(0)
        + golomb(2)
        + golomb(1)
        + "0"
        + golomb(width // 16 - 1)
        + golomb(height // 16 - 1)
    )
    bits += "1" + "1" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    return b"\x67\x42\xc0\x33" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def golomb(value):
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits
