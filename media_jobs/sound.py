"""The loudness of a film: measured in one pass over its sound alone, put right by a gain and a limiter."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from media_jobs.ffmpeg import Tools, compose, output, run, source
from media_jobs.probe import Facts

TARGET_LUFS: Final = -16.0
PEAK: Final = 10 ** (-1.5 / 20)
MOST_GAIN_DB: Final = 20.0
SILENCE_LUFS: Final = -60.0
SAMPLE_RATE: Final = 48_000
BIT_RATE: Final = 128_000

INTEGRATED = re.compile(r"I:\s+(-?[\d.]+|-inf|nan) LUFS")


def loudness(tools: Tools, original: Path, facts: Facts, cancelled: Callable[[], bool]) -> float | None:
    """The film's integrated loudness in LUFS (EBU R 128); None without sound or in silence."""
    if facts.audio_index is None:
        return None
    film = source(original, facts.container)[str(facts.audio_index)]
    stereo = film.filter("aformat", sample_rates=SAMPLE_RATE, channel_layouts="stereo")
    nothing = output([stereo.filter("ebur128", framelog="quiet")], "-", f="null")
    wall = 60 + facts.duration_seconds
    said = run(
        tools,
        compose([nothing]),
        folder=original.parent,
        wall_seconds=wall,
        cancelled=cancelled,
        loglevel="info",
    )
    found = INTEGRATED.findall(said)
    value = float(found[-1]) if found else -math.inf
    return round(value, 1) if math.isfinite(value) and value > SILENCE_LUFS else None


def filters(lufs: float | None, seconds: float) -> str:
    """The filters that make a film's sound as long as its picture, and as loud as the others'.

    48 kHz stereo from the first instant, silence where there is none, gain of at most 20 dB, true peak -1.5 dB.
    """
    chain = [
        # A track that begins late is filled from the film's first instant (21 ms early after packaging without).
        f"aresample={SAMPLE_RATE}:async=1:first_pts=0",
        f"aformat=sample_fmts=fltp:sample_rates={SAMPLE_RATE}:channel_layouts=stereo",
    ]
    if lufs is not None:
        gain = max(-MOST_GAIN_DB, min(MOST_GAIN_DB, TARGET_LUFS - lufs))
        # latency=1 takes the limiter's look-ahead back: 5 ms of lip movement otherwise.
        chain += [f"volume={gain:.2f}dB", f"alimiter=limit={PEAK:.4f}:level=0:latency=1"]
    samples = round(seconds * SAMPLE_RATE)
    return ",".join([*chain, f"apad=whole_len={samples}", f"atrim=end_sample={samples}"])
