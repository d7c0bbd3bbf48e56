"""Writing ISO media and Matroska by hand, box by box: small films, honest or not, out of Python alone."""

import struct


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + word(kind) + body


def word(kind):
    return kind if isinstance(kind, bytes) else kind.encode("latin-1")


def full(kind, *parts, version=0, flags=0):
    return box(kind, struct.pack(">B", version) + flags.to_bytes(3, "big"), *parts)


def u16(*numbers):
    return struct.pack(f">{len(numbers)}H", *numbers)


def u32(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


def u64(*numbers):
    return struct.pack(f">{len(numbers)}Q", *numbers)


HOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof", b"traf"}


def read(data):
    """A file as a list of [kind, body] where the body of a holder is such a list again."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = len(data) - at
        body = data[at + head : at + size]
        found.append([kind, read(body) if kind in HOLDERS else bytes(body)])
        at += size
    return found


def write(parts):
    return b"".join(box(kind, write(body) if isinstance(body, list) else body) for kind, body in parts)


def at(parts, *path):
    """The body at the end of a path; the first of each kind."""
    entry = find(parts, *path)
    return entry[1]


def find(parts, *path):
    entry = None
    for kind in path:
        entry = next(one for one in parts if one[0] == word(kind))
        parts = entry[1]
    return entry


def moved(data, by):
    """The film with every chunk said to lie so many bytes further on: something was put before its media."""
    parts = read(data)
    for track in (one[1] for one in at(parts, "moov") if one[0] == b"trak"):
        table = find(track, "mdia", "minf", "stbl", "stco")
        count = struct.unpack_from(">I", table[1], 4)[0]
        offsets = struct.unpack_from(f">{count}I", table[1], 8)
        table[1] = table[1][:8] + u32(*(one + by for one in offsets))
    return parts


# Matroska ------------------------------------------------------------------------------------------------


def element(identity, *parts, size=None):
    body = b"".join(parts)
    length = len(body) if size is None else size
    return (
        identity_bytes(identity)
        + (b"\x01" + b"\xff" * 7 if length == OPEN else (1 << 56 | length).to_bytes(8, "big"))
        + body
    )


OPEN = -1


def identity_bytes(identity):
    return identity.to_bytes((identity.bit_length() + 7) // 8, "big")


def number(identity, value):
    return element(identity, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
