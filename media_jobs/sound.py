"""The loudness of a film: measured in one pass over its sound alone, put right by a gain and a limiter."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from media_jobs.ffmpeg import Stream, Tools, compose, output, run, source
from media_jobs.probe import Facts

TARGET_LUFS: Final = -16.0
# The coder takes 0 (tones) to 0.6 LU (noise, consonants) away, the limiter a little more: the middle of what is left.
MAKE_UP_DB: Final = 0.5
# What is promised of the published sound, and what it is limited to before it is encoded: at four times the rate, where a
# sample's peak is the true one, and 1.7 dB lower, since AAC adds up to 1.4 dB to short noisy bursts
# (docs/decisions/0010). To some it adds more: they are made once more, lower by what they were too high and this.
PEAK_DB: Final = -1.0
CEILING_DB: Final = -2.7
SPARE_DB: Final = 0.2
PEAK_RATE: Final = 192_000
PEAK_NAME: Final = "peak.txt"
MOST_GAIN_DB: Final = 20.0
SILENCE_LUFS: Final = -60.0
SAMPLE_RATE: Final = 48_000
BIT_RATE: Final = 128_000
SAME_INSTANT: Final = 0.0005

INTEGRATED = re.compile(r"I:\s+(-?[\d.]+|-inf|nan) LUFS")
TRUE_PEAK = re.compile(r"true_peak=([\d.]+)")


def loudness(
    tools: Tools, original: Path, facts: Facts, cancelled: Callable[[], bool], cut: Sequence[str] = ()
) -> float | None:
    """The integrated loudness in LUFS (EBU R 128) of what is heard; None without sound or in silence."""
    if facts.audio_index is None:
        return None
    film = source(original, facts.container)[str(facts.audio_index)]
    stereo = f"aformat=sample_rates={SAMPLE_RATE}:channel_layouts=stereo"
    chain = [*_opening(facts.lead_seconds), *cut] if cut else [stereo]
    nothing = output([film], "-", f="null", af=",".join([*chain, "ebur128=framelog=quiet"]))
    wall = 60 + facts.duration_seconds
    said = run(
        tools,
        compose([nothing]),
        folder=None,
        wall_seconds=wall,
        cancelled=cancelled,
        loglevel="info",
    )
    found = INTEGRATED.findall(said)
    value = float(found[-1]) if found else -math.inf
    return round(value, 1) if math.isfinite(value) and value > SILENCE_LUFS else None


def filters(
    lufs: float | None,
    seconds: float,
    lead_seconds: float = 0.0,
    cut: Sequence[str] = (),
    *,
    lower_db: float = 0.0,
) -> str:
    """The filters that make a film's sound as long as its picture, and as loud as the others'.

    48 kHz stereo from the film's first instant, which is `lead_seconds` on the clock of the input, silence where there
    is none, gain of at most 20 dB, true peak of at most -1 dB once it is encoded. `cut` mutes and cuts it first;
    `lower_db` is by how much lower its peaks must be when the coder was found to add more than is kept for it.
    """
    chain = [*_opening(lead_seconds), *cut]
    if lufs is not None:
        gain = max(-MOST_GAIN_DB, min(MOST_GAIN_DB, TARGET_LUFS + MAKE_UP_DB - lufs))
        chain.append(f"volume={gain:.2f}dB")
    if lufs is not None or lower_db > 0:
        limit = 10 ** ((CEILING_DB - lower_db) / 20)
        # latency=1 takes the limiter's look-ahead back: 5 ms of lip movement otherwise.
        limiter = f"alimiter=limit={limit:.4f}:level=0:latency=1"
        chain += [f"aresample={PEAK_RATE}", limiter, f"aresample={SAMPLE_RATE}"]
    samples = round(seconds * SAMPLE_RATE)
    return ",".join([*chain, f"apad=whole_len={samples}", f"atrim=end_sample={samples}"])


def peak_output(heard: Stream) -> Stream:
    """What listens to the made sound while something else is done: its true peak so far, written down as it goes."""
    # A tenth of a second is measured at a time, and what is left over at the end would not be.
    chain = heard.filter("apad", pad_dur=0.15).filter("ebur128", peak="true", metadata=1, framelog="quiet")
    listed = chain.filter("ametadata", "print", key="lavfi.r128.true_peak", file=PEAK_NAME)
    return output([listed], "-", f="null")


def excess_db(folder: Path) -> float:
    """By how much the sound that `peak_output` listened to is above the promised peak; what it wrote is deleted."""
    path = folder / PEAK_NAME
    highest = max(map(float, TRUE_PEAK.findall(path.read_text() if path.exists() else "")), default=0.0)
    path.unlink(missing_ok=True)
    return 20 * math.log10(highest) - PEAK_DB if highest > 0 else -math.inf


def _opening(lead_seconds: float) -> list[str]:
    """48 kHz stereo from the film's first instant."""
    return [
        # On a clock that begins with the film.
        *([f"asetpts=round(PTS-{lead_seconds}/TB)"] if abs(lead_seconds) > SAME_INSTANT else []),
        # A track that begins late is filled from the film's first instant (21 ms early after packaging without).
        f"aresample={SAMPLE_RATE}:async=1:first_pts=0",
        f"aformat=sample_fmts=fltp:sample_rates={SAMPLE_RATE}:channel_layouts=stereo",
    ]
