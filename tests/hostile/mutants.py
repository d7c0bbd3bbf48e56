"""Films damaged at random, and always in the same way for the same number: what an inspector must survive."""

import random
import struct

# Numbers that tables and sizes are wrong by.
EVIL = (0, 1, 2, 7, 8, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF)
WORDS = (
    b"moov",
    b"trak",
    b"mdat",
    b"stsz",
    b"stts",
    b"stsd",
    b"elst",
    b"dref",
    b"trun",
    b"traf",
    b"moof",
    b"udta",
    b"cmov",
    b"free",
)


def mutant(seeds, number):
    """The mutant of this number: a seed, hurt once to six times."""
    chance = random.Random(number)
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if len(data) > 16:
            chance.choice(WAYS)(chance, data, seeds)
    return bytes(data)


def _structure(chance, data):
    """A place where structure is likely: before or behind the name of some box, or anywhere."""
    if chance.random() < 0.7:
        found = data.find(chance.choice(WORDS), chance.randrange(len(data)) if chance.random() < 0.5 else 0)
        if found >= 0:
            return max(0, min(len(data) - 8, found + chance.randrange(-8, 40)))
    head = min(len(data), chance.choice((64, 1024, len(data))))
    return chance.randrange(max(1, head - 8))


def _flip(chance, data, _seeds):
    for _ in range(chance.choice((1, 2, 8))):
        data[_structure(chance, data)] ^= 1 << chance.randrange(8)


def _byte(chance, data, _seeds):
    data[_structure(chance, data)] = chance.choice((0, 0xFF, 0x80, chance.randrange(256)))


def _number(chance, data, _seeds):
    place = _structure(chance, data)
    data[place : place + 4] = struct.pack(">I", chance.choice((*EVIL, chance.getrandbits(32))))


def _huge(chance, data, _seeds):
    place = _structure(chance, data)
    data[place : place + 8] = struct.pack(">Q", chance.choice((1, 1 << 32, 1 << 62, (1 << 64) - 1)))


def _cut(chance, data, _seeds):
    del data[chance.randrange(len(data)) :]


def _drop(chance, data, _seeds):
    place = _structure(chance, data)
    del data[place : place + chance.choice((1, 4, 8, 100, 1000))]


def _double(chance, data, _seeds):
    place, length = _structure(chance, data), chance.choice((4, 8, 24, 100, 2000))
    data[place:place] = data[place : place + length] * chance.choice((1, 1, 2, 40))


def _swap(chance, data, _seeds):
    first, second, length = _structure(chance, data), _structure(chance, data), chance.choice((4, 8, 64))
    one, other = data[first : first + length], data[second : second + length]
    if len(one) == len(other):
        data[first : first + length], data[second : second + length] = other, one


def _rename(chance, data, _seeds):
    found = data.find(chance.choice(WORDS))
    if found >= 0:
        data[found : found + 4] = chance.choice(WORDS)


def _graft(chance, data, seeds):
    other, place = chance.choice(seeds), _structure(chance, data)
    start = chance.randrange(len(other))
    data[place:place] = other[start : start + chance.choice((16, 200, 3000))]


WAYS = (_flip, _flip, _byte, _number, _number, _huge, _cut, _drop, _double, _swap, _rename, _graft)
