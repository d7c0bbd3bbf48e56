"""Films made by ffmpeg at test time: small, about a second long, each odd in one way that real phones' films are.

Also reads films back: what is in a frame, when it flashes, when it beeps.
"""

import re
import struct
import subprocess
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

from media_jobs.ffmpeg import Tools

PLACE = "+48.8577+002.2950/"
PHONE = "Vesta 12 Pro"

TESTSRC = "testsrc2=size={size}:rate={rate}"
TAGS = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "30")
SOUND = ("-c:a", "aac", "-b:a", "64k")


@cache
def tools() -> Tools:
    return Tools.found(None, None, 2)


def ffmpeg(*words: object) -> bytes:
    """Run ffmpeg as it stands; what it writes to its output comes back."""
    command = [str(tools().ffmpeg), "-nostdin", "-v", "error", "-y", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def made(path: Path, *words: object) -> Path:
    """A film that ffmpeg makes of these words."""
    ffmpeg(*words, path)
    return path


def small(
    folder: Path, *, seconds: float = 1.0, size: str = "320x180", rate: int = 30, name: str = "small.mp4"
) -> Path:
    """An ordinary film with picture and sound."""
    picture = ("-f", "lavfi", "-i", TESTSRC.format(size=size, rate=rate))
    sine = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")
    return made(folder / name, *picture, *sine, "-t", seconds, *QUICK, *SOUND, "-ac", 1)


def silent(folder: Path, *, seconds: float = 1.0, size: str = "320x180") -> Path:
    """No sound track at all."""
    return made(
        folder / "silent.mp4", "-f", "lavfi", "-i", TESTSRC.format(size=size, rate=30), "-t", seconds, *QUICK
    )


def web_ready(
    folder: Path,
    name: str = "ready.mp4",
    *,
    size: str = "320x180",
    rate: int | str = 30,
    seconds: float = 2.0,
    group: int = 30,
    words: tuple[object, ...] = (),
) -> Path:
    """A film as an editing program exports it: H.264, BT.709 said, constant rate, B-frames, closed groups."""
    shown = f"{TESTSRC.format(size=size, rate=rate)},{TAGS}"
    return made(
        folder / name,
        *("-f", "lavfi", "-i", shown, "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", seconds),
        *("-c:v", "libx264", "-preset", "fast", "-b:v", "300k", "-maxrate", "600k", "-bufsize", "600k"),
        *("-pix_fmt", "yuv420p", "-g", group, "-sc_threshold", 0, *SOUND, *words),
    )


def rotated(folder: Path) -> Path:
    """Lies on its side in the file, red half first; a display matrix says that red belongs on top."""
    lying = folder / "lying.mp4"
    halves = "color=red:size=160x180:rate=30[a];color=blue:size=160x180:rate=30[b];[a][b]hstack"
    ffmpeg("-f", "lavfi", "-i", halves, "-t", 1, *QUICK, lying)
    return made(folder / "rotated.mov", "-display_rotation", -90, "-i", lying, "-c", "copy")


def hlg(folder: Path) -> Path:
    """HEVC, 10 bit, BT.2020, HLG, as phones record it."""
    tags = "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv"
    return _wide(folder / "hlg.mov", tags, "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc")


def pq(folder: Path) -> Path:
    """HEVC, 10 bit, BT.2020, PQ (HDR10)."""
    tags = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"
    return _wide(folder / "pq.mov", tags, "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc")


def _wide(path: Path, tags: str, words: str) -> Path:
    grey = f"color=0x808080:size=320x180:rate=30,format=yuv420p10le,{tags}"
    options = (
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-tag:v",
        "hvc1",
        "-x265-params",
        f"log-level=none:{words}",
    )
    return made(path, "-f", "lavfi", "-i", grey, "-t", 0.5, *options)


def full_range(folder: Path) -> Path:
    """White as some phones write it: 255, not 235."""
    white = "color=white:size=320x180:rate=30,scale=out_range=pc,format=yuvj420p"
    words = ("-c:v", "libx264", "-preset", "ultrafast", "-color_range", "pc")
    return made(folder / "full.mp4", "-f", "lavfi", "-i", white, "-t", 0.5, *words)


def uneven(folder: Path) -> Path:
    """Variable frame rate: between 10 and 30 frames a second, as in bad light."""
    steps = "testsrc2=size=320x180:rate=30,select='lt(n,15)+not(mod(n,3))'"
    return made(folder / "uneven.mp4", "-f", "lavfi", "-i", steps, "-t", 2, "-fps_mode", "vfr", *QUICK)


def odd_size(folder: Path) -> Path:
    """853 x 479 in 4:4:4."""
    words = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")
    return made(
        folder / "odd.mp4", "-f", "lavfi", "-i", TESTSRC.format(size="853x479", rate=30), "-t", 0.3, *words
    )


def wide_pixels(folder: Path) -> Path:
    """Pixels half as wide again as they are tall."""
    squeezed = TESTSRC.format(size="240x180", rate=30) + ",setsar=3/2"
    return made(folder / "sar.mp4", "-f", "lavfi", "-i", squeezed, "-t", 0.5, *QUICK)


def located(folder: Path) -> Path:
    """Says where and with which phone it was filmed, in every place a file can say it."""
    plain = small(folder, seconds=0.5, name="unlocated.mp4")
    words = [f"location={PLACE}", f"com.apple.quicktime.location.ISO6709={PLACE}", f"title={PLACE}"]
    words += [f"com.apple.quicktime.model={PHONE}", f"comment={PHONE}"]
    tags = [word for one in words for word in ("-metadata", one)]
    inside = "h264_metadata=sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+" + PLACE.replace("+", "p")
    return made(
        folder / "located.mov",
        *("-i", plain, *tags, "-metadata:s", f"handler_name={PHONE}", "-c", "copy", "-bsf:v", inside),
        *("-movflags", "use_metadata_tags"),
    )


def flash_and_beep(folder: Path, at: float, *, sound_from: float = 0.0) -> Path:
    """Black and still but for 0.2 s of white and 1 kHz, both from `at`; the sound track may begin late."""
    flash = (
        f"color=black:size=320x180:rate=30,drawbox=color=white:t=fill:enable='between(t,{at},{at + 0.19})'"
    )
    beep = f"aevalsrc='if(between(t,{at - sound_from},{at - sound_from + 0.2}),0.3*sin(2000*PI*t),0)':s=48000"
    late = ("-itsoffset", sound_from) if sound_from else ()
    words = ("-f", "lavfi", "-i", flash, *late, "-f", "lavfi", "-i", beep, "-t", at + 0.5)
    return made(folder / f"flash{sound_from}.mp4", *words, *QUICK, *SOUND)


def tone(folder: Path, volume_db: float) -> Path:
    """A steady tone of this loudness under a picture, long enough to be measured."""
    sine = f"sine=frequency=1000:sample_rate=48000,volume={volume_db}dB"
    words = ("-f", "lavfi", "-i", "color=gray:size=160x90:rate=30", "-f", "lavfi", "-i", sine)
    return made(folder / "tone.mp4", *words, "-t", 2, *QUICK, *SOUND)


def turned(folder: Path) -> Path:
    """The phone was turned while a browser recorded: the picture changes its shape half-way."""
    raw = folder / "turned.264"
    halves = [
        ffmpeg(
            "-f", "lavfi", "-i", f"color={colour}:size={size}:rate=30", "-t", 0.5, *QUICK, "-f", "h264", "-"
        )
        for colour, size in (("red", "320x180"), ("blue", "180x320"))
    ]
    raw.write_bytes(b"".join(halves))
    return made(folder / "turned.mkv", "-r", 30, "-f", "h264", "-i", raw, "-c", "copy")


def talks_on(folder: Path) -> Path:
    """The picture stops after half a second, the voice after a whole one."""
    picture = ("-f", "lavfi", "-i", TESTSRC.format(size="320x180", rate=30) + ":duration=0.5")
    return made(folder / "talks-on.mp4", *picture, "-f", "lavfi", "-i", "sine=duration=1", *QUICK, *SOUND)


def recorder(folder: Path, *, seconds: float = 1.0) -> Path:
    """WebM as a browser's recorder leaves it: no length in the header."""
    words = ("-f", "lavfi", "-i", TESTSRC.format(size="320x180", rate=30), "-t", seconds)
    codec = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", 8, "-f", "webm", "-live", 1, "-")
    path = folder / "recorder.webm"
    path.write_bytes(ffmpeg(*words, *codec))
    return path


def lying(folder: Path) -> Path:
    """A header that announces an hour for one second of film."""
    path = small(folder, name="lying-header.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"mvhd") + 4 + 12
    scale = int.from_bytes(data[at : at + 4], "big")
    data[at + 4 : at + 8] = (3600 * scale).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def cut_off(folder: Path) -> Path:
    """The whole header, but only the first half of the film behind it."""
    whole = folder / "whole.mp4"
    ffmpeg("-i", small(folder, seconds=2, name="uncut.mp4"), "-c", "copy", "-movflags", "+faststart", whole)
    path = folder / "cut.mp4"
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def sound_only(folder: Path) -> Path:
    """MP4 without a picture."""
    return made(folder / "sound.mp4", "-f", "lavfi", "-i", "sine", "-t", 0.5, *SOUND)


def packets(path: Path, entries: str, kind: str = "v:0") -> list[str]:
    """What ffprobe says of a track, one line each."""
    words = ("-v", "error", "-select_streams", kind, "-show_entries", entries, "-of", "csv=p=0", str(path))
    found = subprocess.run([str(tools().ffprobe), *words], check=True, capture_output=True, text=True)
    return [line.strip(",") for line in found.stdout.split()]


def brightness(path: Path) -> bytes:
    """The mean brightness of every frame, one byte each."""
    return ffmpeg(
        "-i", path, "-map", "0:v:0", "-vf", "scale=1:1:flags=area,format=gray", "-f", "rawvideo", "-"
    )


def samples(path: Path) -> memoryview:
    """The sound as one channel of 16 bit samples at 48 kHz, from the film's first instant."""
    mono = ("-map", "0:a:0", "-af", "aresample=48000:first_pts=0", "-ac", 1, "-f", "s16le", "-")
    return memoryview(ffmpeg("-i", path, *mono)).cast("h")


# What is made, looked at ----------------------------------------------------------------------------------


def frames(path: Path, size: tuple[int, int], *words: object, seconds: float = 60.0) -> list[bytes]:
    """Every frame as packed RGB of this size, which is also how it is cut down; made by area, in BT.709."""
    width, height = size
    look = (
        f"scale=in_color_matrix=bt709:in_range=tv:out_range=pc,format=gbrp,scale={width}:{height}:flags=area"
    )
    pixels = ffmpeg(
        *("-i", path, "-map", "0:v:0", "-t", seconds, "-vf", f"{look},format=rgb24", *words),
        *("-fps_mode", "passthrough", "-f", "rawvideo", "-"),
    )
    length = width * height * 3
    return [pixels[at : at + length] for at in range(0, len(pixels), length)]


def pitch(path: Path, begin: float, end: float) -> float:
    """The tone between two instants in Hz, counted by its crossings; 0 where nothing can be heard."""
    heard = list(samples(path)[round(begin * 48000) : round(end * 48000)])
    if not heard or max(abs(value) for value in heard) < 300:
        return 0.0
    crossings = sum(1 for before, after in pairwise(heard) if before < 0 <= after)
    return crossings / (end - begin)


def loudness(path: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dB of what a listener hears (EBU R 128)."""
    words = ("-v", "info", "-i", str(path), "-map", "0:a:0", "-af", "ebur128=peak=true:framelog=quiet")
    command = [str(tools().ffmpeg), "-nostdin", "-hide_banner", "-nostats", *words, "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    loud = float(re.findall(r"I:\s+(\S+) LUFS", said)[-1])
    return loud, float(re.findall(r"Peak:\s+(\S+) dBFS", said)[-1].replace("inf", "300"))


# Films by what is in them ---------------------------------------------------------------------------------

TWO_COLOURS = "color=0x20a060:size={size}:rate={rate},drawbox=color=0xc06030:t=fill:enable='gte(t,{change})'"
TONE = "sine=frequency=440:sample_rate={rate}"


def coded(
    path: Path,
    picture: tuple[object, ...] = QUICK,
    sound: tuple[object, ...] = (),
    *,
    size: str = "160x90",
    seconds: float = 0.6,
) -> Path:
    """Green, and from the middle on orange, coded as told; under it a 440 Hz tone when a sound coder is named."""
    shown = TWO_COLOURS.format(size=size, rate=30, change=seconds / 2 - 0.01)
    tone = ("-f", "lavfi", "-i", TONE.format(rate=48000)) if sound else ()
    return made(path, "-f", "lavfi", "-i", shown, *tone, "-t", seconds, *picture, *sound)


def matrix(path: Path, cells: tuple[int, int, int, int]) -> Path:
    """This MP4 with another display matrix (a, b, c, d of ISO/IEC 14496-12, 6.2.2), written into its header."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    a, b, c, d = (cell << 16 for cell in cells)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    turned = path.with_stem(f"{path.stem}{a >> 16}{b >> 16}{c >> 16}{d >> 16}")
    turned.write_bytes(data)
    return turned


def passages(path: Path, *spans: tuple[float, float], name: str = "passages.mp4") -> Path:
    """This MP4, index at its end, with nothing but these passages shown, as phones cut: the rest stays in the file."""
    data = bytearray(path.read_bytes())
    moov = data.rindex(b"moov") - 4
    film_scale = _number(data, data.index(b"mvhd", moov) + 16)
    at = moov
    while (at := data.find(b"elst", at + 8)) >= 0:
        begin, scale = _number(data, at + 16), _number(data, data.index(b"mdhd", at) + 16)
        rows = [
            struct.pack(">IiI", round((end - start) * film_scale), begin + round(start * scale), 1 << 16)
            for start, end in spans
        ]
        box = struct.pack(">I4sII", 16 + 12 * len(rows), b"elst", 0, len(rows)) + b"".join(rows)
        more = len(box) - _number(data, at - 4)
        data[at - 4 : at - 4 + _number(data, at - 4)] = box
        for parent in (at - 12, data.rindex(b"trak", 0, at) - 4, moov):
            data[parent : parent + 4] = (_number(data, parent) + more).to_bytes(4, "big")
    cut = path.with_name(name)
    cut.write_bytes(data)
    return cut


def _number(data: bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def three_colours(
    folder: Path, *, group: int, words: tuple[object, ...] = (), name: str = "three.mp4"
) -> Path:
    """Half a second each of red, green and blue, under a tone; every browser plays it."""
    colours = ("red", "lime", "blue")
    each = ";".join(f"color={one}:size=160x90:rate=30:duration=0.5[{one}]" for one in colours)
    shown = f"{each};[red][lime][blue]concat=n=3,{TAGS}"
    coder = ("-c:v", "libx264", "-preset", "veryfast", "-bf", 2, "-pix_fmt", "yuv420p", "-sc_threshold", 0)
    tone = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=1.5")
    return made(folder / name, "-f", "lavfi", "-i", shown, *tone, *coder, "-g", group, *SOUND, *words)


def colours(path: Path) -> str:
    """The strongest colour of every frame, by its first letter, each run of them once with its length: "r15 b15"."""
    found = ["rgb"[max(range(3), key=frame.__getitem__)] for frame in frames(path, (1, 1))]
    return " ".join(f"{colour}{len(list(run))}" for colour, run in groupby(found))


def with_box(path: Path, box: bytes, *parents: bytes, name: str) -> Path:
    """This MP4, index at its end, with one box more at the end of the last of these parents."""
    data = bytearray(path.read_bytes())
    places, at = [], 0
    for parent in parents:
        at = data.index(parent, at)
        places.append(at - 4)
        at += 4
    end = places[-1] + int.from_bytes(data[places[-1] : places[-1] + 4], "big")
    for place in places:
        size = int.from_bytes(data[place : place + 4], "big") + len(box)
        data[place : place + 4] = size.to_bytes(4, "big")
    data[end:end] = box
    changed = path.with_name(name)
    changed.write_bytes(data)
    return changed


def first_part(path: Path, share: float) -> Path:
    """The beginning of this file, as a copy that broke off leaves it."""
    data = path.read_bytes()
    cut = path.with_stem(f"{path.stem}-cut")
    cut.write_bytes(data[: round(len(data) * share)])
    return cut
