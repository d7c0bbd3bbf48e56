"""What a file is, judged by its first bytes. Names and announced types are not asked."""

from typing import Final

from media_jobs.octets import Data
from portal.errors import Code, Unacceptable

HEAD_BYTES: Final = 64 << 10

QUICKTIME_ROOTS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
PICTURE_BRANDS: Final = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
    | {b"mif1", b"msf1", b"crx ", b"jp2 ", b"jpx ", b"jxl "}
)
SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"aax "})

# Films in wrappings that neither phones nor browsers write: each would bring a demuxer of its own.
FILM_STARTS: Final = (
    (b"FLV\1", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wmv"),
    (b"\0\0\1\xba", "mpeg"),
    (b"\0\0\1\xb3", "mpeg"),
    (b"\0\0\0\1", "h264"),
    (b"\0\0\1\x67", "h264"),
    (b".RMF", "realmedia"),
    (b"\x06\x0e\x2b\x34", "mxf"),
    (b"DKIF", "ivf"),
    (b"YUV4MPEG2", "y4m"),
    (b"BBCD", "dirac"),
)

KNOWN_STARTS: Final = (
    (b"#EXTM3U", "playlist"),
    (b"ffconcat", "playlist"),
    (b"[playlist]", "playlist"),
    (b"[Reference]", "playlist"),
    (b"RTSPtext", "playlist"),
    (b"SMILtext", "playlist"),
    (b"# VobSub index file", "playlist"),
    (b"v=0", "playlist"),
    (b"\xff\xd8\xff", "picture"),
    (b"\x89PNG", "picture"),
    (b"GIF8", "picture"),
    (b"BM", "picture"),
    (b"II*\0", "picture"),
    (b"MM\0*", "picture"),
    (b"8BPS", "picture"),
    (b"\0\0\1\0", "picture"),
    (b"\xff\x4f\xff\x51", "picture"),
    (b"\xff\x0a", "picture"),
    (b"\0\0\0\x0cJXL ", "picture"),
    (b"\0\0\0\x0cjP  ", "picture"),
    (b"XBIN\x1a", "picture"),
    (b"ID3", "sound"),
    (b"\xff\xfb", "sound"),
    (b"\xff\xf3", "sound"),
    (b"\xff\xfa", "sound"),
    (b"\xff\xf1", "sound"),
    (b"\xff\xf9", "sound"),
    (b"#!AMR", "sound"),
    (b"fLaC", "sound"),
    (b"caff", "sound"),
    (b".snd", "sound"),
    (b"MThd", "sound"),
    (b"wvpk", "sound"),
    (b"MAC ", "sound"),
    (b"\x0b\x77", "sound"),
    (b"IMPM", "sound"),
    (b"Extended Module", "sound"),
    (b"PK\3\4", "archive"),
    (b"PK\5\6", "archive"),
    (b"Rar!", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\0", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"MSCF", "archive"),
    (b"%PDF", "document"),
    (b"{\\rtf", "document"),
    (b"\xd0\xcf\x11\xe0", "document"),
    (b"bplist", "document"),
    (b"SQLite format 3", "document"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"\xfe\xed\xfa", "program"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"\xca\xfe\xba\xbe", "program"),
    (b"\0asm", "program"),
    (b"#!", "program"),
    (b"FWS", "program"),
    (b"CWS", "program"),
    (b"ZWS", "program"),
    # What a Mac lays beside a film on a stick: it has the film's name with "._" before it.
    (b"\0\5\x16\7", "shadow"),
)
# Words that tell what a text is for; looked for near its beginning.
TEXT_SIGNS: Final = (
    (b"<mpd", "playlist"),
    (b"<smil", "playlist"),
    (b"<asx", "playlist"),
    (b"xspf.org", "playlist"),
    (b"<svg", "picture"),
    (b"<html", "page"),
    (b"<!doctype html", "page"),
)


def container_of(data: Data) -> str:
    """The only demuxer that may read these bytes, "mov" or "matroska".

    Raises Unacceptable: NOT_A_VIDEO with `kind` playlist, text, page, picture, sound, archive, document, program,
    shadow, blank, empty or unknown; WRONG_TYPE with `kind` for films in other wrappings.
    """
    head = bytes(data[:HEAD_BYTES])
    if head[:4] == b"\x1a\x45\xdf\xa3" and (b"webm" in head[:64] or b"matroska" in head[:64]):
        return "matroska"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        kind = "picture" if brand in PICTURE_BRANDS else "sound" if brand in SOUND_BRANDS else None
        if kind is not None:
            raise Unacceptable(Code.NOT_A_VIDEO, kind=kind, reason=kind)
        return "mov"
    # Four printable characters in place of a size are the beginning of a text, not of a box.
    if head[4:8] in QUICKTIME_ROOTS and not head[:4].isalnum():
        return "mov"
    film = _other_film(head)
    if film is not None:
        raise Unacceptable(Code.WRONG_TYPE, kind=film, reason=film)
    kind = _no_film(head)
    raise Unacceptable(Code.NOT_A_VIDEO, kind=kind, reason=kind)


def _other_film(head: bytes) -> str | None:
    """The wrapping of a film that we do not take; None for everything else."""
    if head[:4] == b"RIFF" and head[8:12] in {b"AVI ", b"AVIX"}:
        return "avi"
    if head[:4] == b"OggS" and (b"\x80theora" in head[:4096] or b"fishead" in head[:4096]):
        return "ogg"
    # Transport streams repeat their mark, with or without a time stamp before each packet.
    if any(head[at::step][:3] == b"GGG" for at, step in ((0, 188), (4, 192), (0, 204))):
        return "mpeg-ts"
    return next((kind for magic, kind in FILM_STARTS if head.startswith(magic)), None)


def _no_film(head: bytes) -> str:
    if not head:
        return "empty"
    if not head.strip(b"\0"):
        return "blank"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, kind in KNOWN_STARTS:
        if start.startswith(magic):
            return kind
    if (start[:4], start[8:12]) == (b"RIFF", b"WEBP"):
        return "picture"
    if start[:4] in {b"RIFF", b"RIFX", b"FORM", b"OggS"} or head[1080:1084] in {b"M.K.", b"8CHN", b"FLT4"}:
        return "sound"
    if head[257:262] == b"ustar":
        return "archive"
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> str:
    # The cut may go through a character: three bytes at most are missing from it.
    if b"\0" in head or len(head.decode(errors="ignore").encode()) < len(head) - 3:
        return "unknown"
    begin = head[:4096].lower()
    return next((kind for sign, kind in TEXT_SIGNS if sign in begin), "text")
