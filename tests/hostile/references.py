"""Section a: films that are no films but lead elsewhere: to addresses, to other people's files, to the machine's."""

from portal.errors import Code
from tests.hostile.boxes import at, box, find, full, read, u32, write
from tests.hostile.cases import case

NEIGHBOUR = "neighbour.mp4"


def playlist(name, *lines):
    """An HLS playlist; {url} and {port} lead to the listener."""

    def write_text(clay):
        text = "\n".join(
            ("#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", *lines, "#EXT-X-ENDLIST", "")
        )
        return text.replace("{url}", clay.url).replace("{port}", str(clay.port)).encode()

    write_text.__name__ = name
    return write_text


HLS = {
    "a01": playlist("hls_naming_an_address", "#EXTINF:1,", "{url}/x.ts"),
    "a02": playlist("hls_naming_a_file_of_the_machine", "#EXTINF:1,", "file:///etc/passwd"),
    "a03": playlist("hls_naming_its_neighbour", "#EXTINF:1,", NEIGHBOUR),
    "a04": playlist("hls_climbing_up", "#EXTINF:1,", "../pending/" + NEIGHBOUR),
    "a05": playlist("hls_gluing_files_to_an_address", "#EXTINF:1,", "concat:{url}/x|file:///etc/passwd"),
    "a06": playlist("hls_reading_a_piece_of_a_file", "#EXTINF:1,", "subfile,,start,0,end,64,,:/etc/passwd"),
    "a07": playlist("hls_decrypting_a_file", "#EXTINF:1,", "crypto+file:///etc/passwd"),
    "a08": playlist(
        "hls_with_a_key_elsewhere", '#EXT-X-KEY:METHOD=AES-128,URI="{url}/key"', "#EXTINF:1,", "x.ts"
    ),
    "a09": playlist("hls_with_a_map_elsewhere", f'#EXT-X-MAP:URI="{NEIGHBOUR}"', "#EXTINF:1,", NEIGHBOUR),
    "a10": playlist("hls_naming_playlists", "#EXT-X-STREAM-INF:BANDWIDTH=1", "{url}/other.m3u8"),
}
for name, write_text in HLS.items():
    case(name, Code.NOT_A_VIDEO, "playlist")(write_text)

TEXTS = {
    "a11": ("hls_behind_a_mark_and_empty_lines", "playlist", "\ufeff\n\n#EXTM3U\n#EXTINF:1,\n{url}/x.ts\n"),
    "a12": ("ffconcat_naming_its_neighbour", "playlist", f"ffconcat version 1.0\nfile {NEIGHBOUR}\n"),
    "a13": ("ffconcat_naming_a_file_of_the_machine", "playlist", "ffconcat version 1.0\nfile /etc/passwd\n"),
    "a14": ("ffconcat_with_options", "playlist", "ffconcat version 1.0\nfile {url}/x\noption safe 0\n"),
    "a15": (
        "dash_naming_an_address",
        "playlist",
        '<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>{url}/x.mp4</BaseURL></AdaptationSet></Period></MPD>',
    ),
    "a16": (
        "dash_naming_its_neighbour",
        "playlist",
        f"<MPD><Period><AdaptationSet><BaseURL>{NEIGHBOUR}</BaseURL></AdaptationSet></Period></MPD>",
    ),
    "a17": (
        "xml_with_a_foreign_entity",
        "playlist",
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><MPD>&x;</MPD>',
    ),
    "a18": (
        "xml_that_grows",
        "playlist",
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]><MPD>&b;</MPD>',
    ),
    "a19": (
        "sdp_opening_ports",
        "playlist",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video {port} RTP/AVP 96\n",
    ),
    "a20": ("smil", "playlist", '<smil><body><video src="{url}/x.mp4"/></body></smil>'),
    "a21": ("asx", "playlist", '<ASX version="3.0"><Entry><Ref href="{url}/x"/></Entry></ASX>'),
    "a22": (
        "xspf",
        "playlist",
        '<?xml version="1.0"?><playlist xmlns="http://xspf.org/ns/0/"><trackList/></playlist>',
    ),
    "a23": ("pls", "playlist", "[playlist]\nFile1={url}/x\nNumberOfEntries=1\n"),
    "a24": ("quicktime_reference_as_text", "playlist", "RTSPtext\nrtsp://127.0.0.1:{port}/x\n"),
    "a25": ("windows_media_reference", "playlist", "[Reference]\nRef1={url}/x\n"),
    "a26": (
        "svg_with_a_link",
        "picture",
        '<svg xmlns:xlink="x"><image xlink:href="file:///etc/passwd"/></svg>',
    ),
    "a27": ("vobsub_index", "playlist", "# VobSub index file, v7\nsize: 720x576\n"),
    "a28": ("avisynth_script", "text", f'DirectShowSource("{NEIGHBOUR}")\n'),
    "a29": ("bare_address", "text", "{url}/film.mp4\n"),
    "a30": ("web_page", "page", "<!DOCTYPE html><html><body><video src='{url}/x'></video></body></html>"),
}
for name, (what, kind, text) in TEXTS.items():

    def write_text(clay, text=text):
        return text.replace("{url}", clay.url).replace("{port}", str(clay.port)).encode()

    write_text.__name__ = what
    case(name, Code.NOT_A_VIDEO, kind)(write_text)


def with_reference(data, entry):
    """The film with another entry in its first track's table of sources."""
    parts = read(data)
    at(parts, "moov", "trak", "mdia", "minf", "dinf")[0][1] = u32(0, 1) + entry
    return write(parts)


@case("a31", Code.FILM_ELSEWHERE, "external reference")
def quicktime_film_lying_at_an_address(clay):
    return with_reference(clay["tail.mp4"], full("url ", f"{clay.url}/x\0".encode()))


@case("a32", Code.FILM_ELSEWHERE, "external reference")
def quicktime_film_lying_in_an_alias(clay):
    return with_reference(clay["quicktime.mov"], full("alis", b"\0" * 150))


@case("a33", Code.FILM_ELSEWHERE, "reference movie")
def quicktime_film_naming_films_for_other_lines(clay):
    parts = read(clay["tail.mp4"])
    address = f"{clay.url}/x.mov\0".encode()
    link = box("rmda", box("rdrf", u32(0), b"url ", u32(len(address)), address))
    find(parts, "moov")[1].append([b"rmra", link])
    return write(parts)


@case("a34", Code.WRONG_TYPE, "avi")
def avi_with_a_playlist_as_subtitles(clay):
    hidden = f"#EXTM3U\n{clay.url}/x".encode()
    body = b"AVI LIST\x20\0\0\0hdrlGAB2\0\2\0" + hidden
    return b"RIFF" + len(body).to_bytes(4, "little") + body
