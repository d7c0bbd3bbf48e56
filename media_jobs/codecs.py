"""The codecs we take by their names in containers, and the true size of a picture out of its decoder's configuration."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from media_jobs.isoboxes import boxes
from media_jobs.octets import Span, malformed
from portal.errors import Unacceptable

PICTURE_WORDS: Final = frozenset(
    {"avc1", "avc2", "avc3", "avc4", "h264", "H264", "x264", "X264", "dva1", "dvav"}
    | {"hvc1", "hev1", "hvc2", "hev2", "dvh1", "dvhe", "vp08", "vp09", "av01", "dav1"}
    | {"mp4v", "xvid", "XVID", "DIVX", "FMP4", "s263", "h263", "H263"}
    | {"apch", "apcn", "apcs", "apco", "ap4h", "ap4x", "jpeg", "mjpa", "mjpg", "MJPG", "AVDJ", "dmb1"}
    | {"V_MPEG4/ISO/AVC", "V_MPEGH/ISO/HEVC", "V_VP8", "V_VP9", "V_AV1", "V_MJPEG", "V_PRORES"}
    | {"V_MPEG4/ISO/SP", "V_MPEG4/ISO/ASP", "V_MPEG4/ISO/AP"}
)
PCM_WORDS: Final = frozenset(
    {"twos", "sowt", "lpcm", "ipcm", "fpcm", "in24", "in32", "fl32", "fl64", "raw", "NONE", "ulaw", "alaw"}
)
SOUND_WORDS: Final = PCM_WORDS | frozenset(
    {"mp4a", "mp3", ".mp3", "ms.U", "alac", "Opus", "fLaC", "ac-3", "ec-3", "sac3", "samr", "sawb"}
    | {"A_OPUS", "A_VORBIS", "A_AAC", "A_MPEG/L3", "A_AC3", "A_EAC3", "A_FLAC", "A_ALAC"}
    | {"A_PCM/INT/LIT", "A_PCM/INT/BIG", "A_PCM/FLOAT/IEEE"}
)
# Where the boxes inside a sample entry begin.
PICTURE_ENTRY_BYTES: Final = 78
_SOUND_ENTRY_BYTES: Final = {0: 28, 1: 44, 2: 64}
MOST_SET_BYTES: Final = 4096
# Decoders count in blocks of up to so many points; what hangs over is cropped away.
PADDING: Final = 64
# Broadcasts use 1.5, anamorphic lenses 2.
MOST_SQUEEZED: Final = 16


def printable(word: bytes) -> str:
    """A stranger's word as one that may stand in a log and a sentence."""
    letters = (chr(one) if chr(one).isalnum() or one in b"-_/." else "." for one in word[:24].strip(b" \0"))
    return "".join(letter if letter.isascii() else "." for letter in letters)


def is_known(kind: str, codec: str) -> bool:
    """Whether a picture or sound of this name is among those that phones and browsers record."""
    words = PICTURE_WORDS if kind == "picture" else SOUND_WORDS
    # Matroska writes profiles behind AAC: A_AAC/MPEG4/LC.
    return codec in words or (kind == "sound" and codec.startswith("A_AAC/"))


def sound_entry_bytes(entry: Span) -> int:
    """Where the boxes inside this sample entry of sound begin."""
    return _SOUND_ENTRY_BYTES.get(entry.number(8, 2), 28) if len(entry) >= 10 else 28


def picture_size(entry: Span) -> tuple[int, int]:
    """Width and height as a sample entry says them, or as its decoder's configuration does where that is more."""
    width, height = entry.number(24, 2), entry.number(26, 2)
    if len(entry) > PICTURE_ENTRY_BYTES:
        for kind, box in boxes(entry.part(PICTURE_ENTRY_BYTES), is_loose=True):
            if kind == b"pasp":
                judge_pixels(box.number(0, 4), box.number(4, 4))
            if kind in RECORDS:
                record = box.raw(0, min(len(box), MOST_SET_BYTES))
                # Bits are read one by one: a thousand records would keep us for a minute.
                entry.budget.spend(len(record))
                width, height = larger((width, height), configured_size(kind, record))
    return width, height


def judge_pixels(across: int, down: int) -> None:
    """Raises Unacceptable when one pixel is to be shown as a thread: the picture would be as long as one likes."""
    if across and down and max(across, down) > MOST_SQUEEZED * min(across, down):
        raise malformed("shape of a pixel")


def larger(announced: tuple[int, int], configured: tuple[int, int]) -> tuple[int, int]:
    """The size a decoder will be asked for: as announced, unless its configuration says more than padding explains."""
    across, down = (
        inner if inner >= outer + PADDING else outer
        for outer, inner in zip(announced, configured, strict=True)
    )
    return across, down


def configured_size(kind: bytes, record: bytes) -> tuple[int, int]:
    """The largest picture that a configuration record allows; (0, 0) when it says nothing we can read."""
    read = RECORDS.get(kind)
    if read is not None:
        with suppress(Unacceptable, IndexError):
            return read(record)
    return 0, 0


class _Bits:
    """Bits of a parameter set, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        self.take(count)

    def golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        value = self.golomb()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def _unescaped(unit: bytes) -> bytes:
    return unit.replace(b"\0\0\3", b"\0\0")


def _avc(record: bytes) -> tuple[int, int]:
    width = height = 0
    at = 6
    for _ in range(record[5] & 31):
        length = int.from_bytes(record[at : at + 2], "big")
        one = _avc_set(record[at + 2 : at + 2 + length])
        width, height, at = max(width, one[0]), max(height, one[1]), at + 2 + length
    return width, height


def _avc_set(unit: bytes) -> tuple[int, int]:
    profile, bits = unit[1], _Bits(_unescaped(unit[4:]))
    bits.golomb()
    if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
        _skip_chroma(bits)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.skip(1)
        bits.signed(), bits.signed()
        for _ in range(min(bits.golomb(), 256)):
            bits.signed()
    bits.golomb()
    bits.skip(1)
    across, down = bits.golomb() + 1, bits.golomb() + 1
    return 16 * across, 16 * down * (2 - bits.take(1))


def _skip_chroma(bits: _Bits) -> None:
    """The part of a set that only the higher profiles have."""
    chroma = bits.golomb()
    if chroma == 3:
        bits.skip(1)
    bits.golomb()
    bits.golomb()
    bits.skip(1)
    if not bits.take(1):
        return
    for index in range(12 if chroma == 3 else 8):
        if bits.take(1):
            last = following = 8
            for _ in range(16 if index < 6 else 64):
                if following:
                    following = (last + bits.signed()) % 256
                last = following or last


def _hevc(record: bytes) -> tuple[int, int]:
    width = height = 0
    at = 23
    for _ in range(record[22]):
        kind, count = record[at] & 63, int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(min(count, 64)):
            length = int.from_bytes(record[at : at + 2], "big")
            if kind == 33:
                one = _hevc_set(record[at + 2 : at + 2 + length])
                width, height = max(width, one[0]), max(height, one[1])
            at += 2 + length
    return width, height


def _hevc_set(unit: bytes) -> tuple[int, int]:
    bits = _Bits(_unescaped(unit[2:]))
    bits.skip(4)
    layers = bits.take(3)
    bits.skip(1 + 88 + 8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)
    bits.golomb()
    if bits.golomb() == 3:
        bits.skip(1)
    return bits.golomb(), bits.golomb()


def _av1(record: bytes) -> tuple[int, int]:
    """The sequence header, as far as the largest frame; records without a reduced one of it say nothing."""
    if len(record) < 6 or (record[4] >> 3) & 15 != 1:
        return 0, 0
    has_extension, has_size = record[4] & 4, record[4] & 2
    start = 5 + bool(has_extension)
    while has_size and record[start] & 128:
        start += 1
    bits = _Bits(record[start + bool(has_size) :])
    bits.skip(4)
    if bits.take(1):
        bits.skip(5)
    elif not _skip_points(bits):
        return 0, 0
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


def _skip_points(bits: _Bits) -> bool:
    """The operating points; False for the rare kinds with timing, which we do not read."""
    if bits.take(1):
        return False
    has_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.skip(12)
        if bits.take(5) > 7:
            bits.skip(1)
        if has_delay and bits.take(1):
            bits.skip(4)
    return True


RECORDS: Final[dict[bytes, Callable[[bytes], tuple[int, int]]]] = {
    b"avcC": _avc,
    b"hvcC": _hevc,
    b"av1C": _av1,
    b"V_MPEG4/ISO/AVC": _avc,
    b"V_MPEGH/ISO/HEVC": _hevc,
    b"V_AV1": _av1,
}
