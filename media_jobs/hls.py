"""Rungs as CMAF with byte-range playlists: the encoder's options, the playlists read back, our own master playlist."""

import re
from dataclasses import dataclass
from pathlib import Path

from media_jobs import copying, sound
from media_jobs.copying import Copy
from media_jobs.ffmpeg import Stream, output
from media_jobs.picture import Plan
from portal.errors import Code, Unavailable
from portal.ladder import SEGMENT_SECONDS, Rate, Rung

AUDIO_NAME = "audio"
AUDIO_CODEC = "mp4a.40.2"
GROUP = "sound"
LANGUAGE_TAG = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*")


def ladder_output(
    pictures: list[Stream],
    made: Plan,
    heard: tuple[Stream, str] | None,
    threads: int,
    copied: Copy | None = None,
    *,
    resumed: bool = False,
) -> Stream:
    """All rungs and the one sound they share, as a single output: one clock, so that they stay together.

    `heard` is the sound's stream and its filters; with `copied` the first picture is the film's own track; `resumed`
    where the film's beginning is made elsewhere. Gives `<rung>.m3u8` and `<rung>.cmfv`, and the same for "audio".
    """
    options: dict[str, object] = {}
    for place, rung in enumerate(made.rungs):
        if copied is not None and place == 0:
            options |= {"c:v:0": "copy", "bsf:v:0": copying.BITSTREAM}
            continue
        first = place == (0 if copied is None else 1)
        options |= _encoder(rung, made.rate, f"v:{place}", threads if first else 1)
        # By time and not by count: where a phone was turned, and the graph began anew, a frame may be missing.
        each = f"expr:gte(t+0.001,n_forced*{SEGMENT_SECONDS})"
        options[f"force_key_frames:v:{place}"] = each if copied is None else "source"
        if resumed:
            # Not the full buffer of a film's beginning a second time (3 % more bytes of a noisy film).
            options[f"rc_init_occupancy:v:{place}"] = f"{rung.cap_at(rung.frame_rate(made.rate))}k"
    group = f",agroup:{GROUP}" if heard else ""
    variants = [f"v:{place}{group},name:{rung.name}" for place, rung in enumerate(made.rungs)]
    if heard:
        options |= {"c:a": "aac", "b:a": sound.BIT_RATE, "ar": sound.SAMPLE_RATE, "ac": 2, "af": heard[1]}
        variants.append(f"a:0,agroup:{GROUP},name:{AUDIO_NAME}")
    options |= {
        "f": "hls",
        "hls_time": SEGMENT_SECONDS,
        "hls_playlist_type": "vod",
        "hls_segment_type": "fmp4",
        "hls_flags": "single_file+independent_segments",
        "hls_segment_options": "movflags=+cmaf",
        "hls_segment_filename": "%v.cmfv",
        "var_stream_map": " ".join(variants),
        # Time stamps stay as they are, so that picture and sound both begin at 0 in every file; the encoders'
        # delays stand in each file's edit list.
        "avoid_negative_ts": "disabled",
        "fps_mode": "passthrough",
    }
    return output([*pictures, *([heard[0]] if heard else [])], "%v.m3u8", **options)


def _encoder(rung: Rung, film_rate: Rate, stream: str, threads: int) -> dict[str, object]:
    """x264 for one rung: same closed groups of 4 s in every rung, so that a player can change between them.

    Beside a copied rung a little longer at most: there the film's own key frames are forced.
    """
    rate = rung.frame_rate(film_rate)
    cap, group = rung.cap_at(rate), SEGMENT_SECONDS * rate if isinstance(rate, int) else round(4.2 * rate)
    options = {
        "c": "libx264",
        "preset": rung.preset,
        "profile": "high",
        "crf": rung.crf,
        "maxrate": f"{cap}k",
        "bufsize": f"{2 * cap}k",
        "g": group,
        "keyint_min": group,
        "sc_threshold": 0,
        "flags": "+cgop+bitexact",
        "threads": threads,
        "a53cc": 0,
        # SEI can carry a position or an owner's name through an encoder (measured): none is let through.
        "bsf": "filter_units=remove_types=6",
    }
    if rung.trellis is not None:
        options["trellis"] = rung.trellis
    return {f"{name}:{stream}": value for name, value in options.items()}


@dataclass(frozen=True, slots=True)
class Segments:
    """A media playlist, read back: lengths in seconds and sizes in bytes of its segments, and the length it promises."""

    seconds: tuple[float, ...]
    sizes: tuple[int, ...]
    target: int = 0

    @property
    def total_seconds(self) -> float:
        """How long the track is."""
        return sum(self.seconds)

    @property
    def average_bits(self) -> int:
        """Mean bit rate, measured."""
        return round(8 * sum(self.sizes) / max(self.total_seconds, 1e-3))

    @property
    def peak_bits(self) -> int:
        """Bit rate of the busiest segment; a last one that is shorter than half of the others does not count."""
        whole = [
            8 * size / length
            for length, size in zip(self.seconds, self.sizes, strict=True)
            if length >= 0.5 * max(self.seconds) and length > 0
        ]
        return max(round(max(whole, default=0)), self.average_bits)


def segments(playlist: Path) -> Segments:
    """What ffmpeg wrote in this playlist; raises Unavailable(OURS_TRANSCODE) when it is no whole one."""
    text = playlist.read_text()
    lengths = tuple(float(one) for one in re.findall(r"^#EXTINF:([\d.]+)", text, re.MULTILINE))
    sizes = tuple(int(one) for one in re.findall(r"^#EXT-X-BYTERANGE:(\d+)@", text, re.MULTILINE))
    target = re.search(r"^#EXT-X-TARGETDURATION:(\d+)", text, re.MULTILINE)
    whole = target is not None and text.rstrip().endswith("#EXT-X-ENDLIST")
    if target is None or not whole or not lengths or len(lengths) != len(sizes):
        raise Unavailable(Code.OURS_TRANSCODE, file=playlist.name, reason="playlist")
    return Segments(lengths, sizes, int(target[1]))


def rename_audio(folder: Path) -> None:
    """Give the sound the name that says what it is: `audio.cmfa`."""
    playlist = folder / f"{AUDIO_NAME}.m3u8"
    (folder / f"{AUDIO_NAME}.cmfv").rename(folder / f"{AUDIO_NAME}.cmfa")
    playlist.write_text(playlist.read_text().replace(f"{AUDIO_NAME}.cmfv", f"{AUDIO_NAME}.cmfa"))


def video_codec(track: Path) -> str:
    """The track's codec as RFC 6381 writes it, e.g. "avc1.64001f", read from its own header."""
    with track.open("rb") as file:
        head = file.read(16 << 10)
    at = head.find(b"avcC")
    if at < 0:
        raise Unavailable(Code.OURS_TRANSCODE, file=track.name, reason="no avcC")
    return f"avc1.{head[at + 5 : at + 8].hex()}"


def master(made: Plan, folder: Path, *, with_sound: bool, language: str | None) -> str:
    """The master playlist: measured bit rates, frame rate, range and a named sound for every rung.

    The rung that begins is the tallest up to 720, since players take the first one listed.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    peak = average = 0
    if with_sound:
        heard = segments(folder / f"{AUDIO_NAME}.m3u8")
        peak, average = heard.peak_bits, heard.average_bits
        spoken = f',LANGUAGE="{language}"' if language and LANGUAGE_TAG.fullmatch(language) else ""
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{GROUP}",NAME="Original"{spoken},DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="2",URI="{AUDIO_NAME}.m3u8"'
        )
    for rung in sorted(made.rungs, key=lambda one: (one.short_side > 720, -one.short_side)):
        shown = segments(folder / f"{rung.name}.m3u8")
        width, height = made.size(rung)
        codecs = ",".join([video_codec(folder / f"{rung.name}.cmfv"), *([AUDIO_CODEC] if with_sound else [])])
        sound_group = f',AUDIO="{GROUP}"' if with_sound else ""
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={shown.peak_bits + peak},AVERAGE-BANDWIDTH={shown.average_bits + average},"
            f'CODECS="{codecs}",RESOLUTION={width}x{height},FRAME-RATE={float(rung.frame_rate(made.rate)):.3f},'
            f"VIDEO-RANGE=SDR{sound_group}"
        )
        lines.append(f"{rung.name}.m3u8")
    return "\n".join([*lines, ""])
