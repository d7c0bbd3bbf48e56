"""The first picture of a film, decoded: its size and colours as they are, whatever the headers say."""

import re
from dataclasses import dataclass
from pathlib import Path

from media_jobs.ffmpeg import Tools, compose, films_fault, output, run, source
from media_jobs.outline import Limits
from portal.errors import Code, Unacceptable, Unavailable

SMALLEST_SIDE = 16


@dataclass(frozen=True, slots=True)
class Look:
    """One decoded frame; its pixels are `across` wide and `down` tall."""

    width: int
    height: int
    across: int
    down: int
    interlaced: bool
    pix_fmt: str
    color_range: str
    color_space: str
    color_primaries: str
    color_transfer: str

    def displayed(self, limits: Limits) -> tuple[int, int]:
        """Width and height with square pixels: those that are wider than tall are shown wider, the others taller.

        No line of the picture is lost, unless pixels that claim to be ribbons would make it larger than what is taken.
        """
        width, height = float(self.width), float(self.height)
        if self.across > self.down:
            width *= self.across / self.down
        else:
            height *= self.down / self.across
        shrunk = min(1.0, limits.max_long_side / max(width, height))
        least = min(SMALLEST_SIDE, self.width, self.height)
        return max(least, round(width * shrunk)), max(least, round(height * shrunk))


FRAME = re.compile(
    r"fmt:(?P<fmt>\w+) .*?sar:(?P<sar_w>\d+)/(?P<sar_h>\d+) s:(?P<w>\d+)x(?P<h>\d+) i:(?P<fields>\w)"
)
COLOURS = re.compile(
    r"color_range:(?P<range>\S+) color_space:(?P<space>\S+) color_primaries:(?P<primaries>\S+) color_trc:(?P<trc>\S+)"
)


def first_picture(tools: Tools, path: Path, container: str, index: int) -> Look:
    """Size and colours of the first decoded frame: some phones' cropping rectangles stand in no header."""
    film = source(path, container, threads=1)
    first = film[str(index)].filter("trim", end_frame=1)
    # What travels with the frame would be told too, and may be longer than what we listen to.
    told = first.filter("sidedata", mode="delete").filter("showinfo", checksum=0)
    peek = output([told], "-", f="null", **{"frames:v": 1})
    try:
        said = run(tools, compose([peek]), folder=None, wall_seconds=30, loglevel="info")
    except Unavailable as trouble:
        if films_fault(trouble):
            raise Unacceptable(
                Code.BROKEN_FILM, reason="undecodable", log=trouble.facts.get("log")
            ) from trouble
        raise
    frame, colours = FRAME.search(said), COLOURS.search(said)
    if frame is None or colours is None:
        raise Unacceptable(Code.BROKEN_FILM, reason="undecodable", log=said[-1000:])
    return Look(
        width=int(frame["w"]),
        height=int(frame["h"]),
        across=int(frame["sar_w"]) or 1,
        down=int(frame["sar_h"]) or 1,
        interlaced=frame["fields"] != "P",
        pix_fmt=frame["fmt"],
        color_range=colours["range"],
        color_space=colours["space"],
        color_primaries=colours["primaries"],
        color_transfer=colours["trc"],
    )
