"""What drones and cameras write beside their films once a second, position and settings: text, and no caption of anybody's.

Decides by the words alone; knows no film.
"""

import re
from collections.abc import Sequence
from typing import Final

from portal.webvtt import Cue

MOST_SHARE: Final = 0.2
"""Of a track's cues: with more of such lines it is a log, and what is left of it is one too."""

_MARKS: Final = (
    # Two figures side by side as positions are written: four decimals are eleven metres.
    r"[-+]?\d{1,3}[.,]\d{4,}\D{1,40}[-+]?\d{1,3}[.,]\d{4,}",
    # Nothing but such figures, with three.
    r"^[-+]?\d{1,3}[.,]\d{3,}[,;\s]+[-+]?\d{1,3}[.,]\d{3,}[-+.,;:/\d\s]*$",
    r"\b[NS]\s*\d{1,2}[.,]\d{3,}\W{1,5}[EW]\s*\d",
    r"\d[.,]\d{3,}\s*[NS]\W{1,5}\d{1,3}[.,]\d{3,}\s*[EW]\b",
    r"\d{1,3}\s*°\s*\d{1,2}\s*['′’]",
    # What satellite receivers say.
    r"\$G[PNLA][A-Z]{3},",
    # The camera's clock and its settings.
    r"\b\d{4}[-./]\d{1,2}[-./]\d{1,2}[ T,]+\d{1,2}:\d{2}:\d{2}",
    r"\bf/\d[\d.]*,\s*ss\s",
    r"\b(?:lat|lon)\.\s*[-+\d]",
    r"\b(?:lat(?:itude)?|lon(?:gt?(?:itude)?)?|gps|home|altitude|barometer)\s*[:(=]\s*[-+\d]",
    r"\b(?:rel_?alt|abs_?alt|srtcnt|framecnt|difftime|shutter|fnum|focal_len|iso|ss|color_md)\s*[:(=]\s*[-+\d]",
)
_TOLD: Final = re.compile("|".join(_MARKS), re.IGNORECASE)


def without_telemetry(cues: Sequence[Cue]) -> list[Cue]:
    """The cues that somebody may have written for people; none of them where more than a fifth tell of the camera."""
    kept = [cue for cue in cues if not _TOLD.search(cue.plain)]
    return kept if len(cues) - len(kept) <= MOST_SHARE * len(cues) else []
