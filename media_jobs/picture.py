"""The way of the picture from the decoder to every rung: rate, size, colours, all in one graph. Starts nothing."""

from dataclasses import dataclass

from media_jobs import edit_graph
from media_jobs.edit_graph import Cutting
from media_jobs.ffmpeg import Stream
from media_jobs.probe import Facts
from portal.edits import EditList
from portal.ladder import Rate, Rung, frame_rate_for, size_for

HLG = "arib-std-b67"
PQ = "smpte2084"
BT709 = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}

# A shape this near to the rung's own is the rung's own: only rounding to even sides lies between them.
SAME_SHAPE = 0.02
SAME_INSTANT = 0.0005


@dataclass(frozen=True, slots=True)
class Plan:
    """What will come out of a film: its rungs, tallest first, its constant frame rate and its length."""

    rungs: tuple[Rung, ...]
    width: int
    height: int
    rate: Rate
    seconds: float

    def size(self, rung: Rung) -> tuple[int, int]:
        """Width and height of the rung."""
        return size_for(rung, self.width, self.height)

    def frames(self, rung: Rung) -> int:
        """How many frames the rung has when nothing was lost."""
        whole = max(1, round(self.seconds * self.rate))
        return -(-whole // (self.rate // rung.frame_rate(self.rate)))


WHOLE = EditList()


def plan(facts: Facts, rungs: tuple[Rung, ...], edits: EditList = WHOLE) -> Plan:
    """The plan for a film with these facts: as long as what is kept of the longer of its picture and its sound."""
    rate = frame_rate_for(facts.fps)
    seconds = Cutting(edits, facts.duration_seconds, rate).frames_left / rate
    return Plan(rungs, facts.width, facts.height, rate, round(seconds, 6))


def top_picture(film: Stream, facts: Facts, made: Plan, edits: EditList = WHOLE) -> Stream:
    """The tallest rung's picture: constant rate from the film's first instant, upright, BT.709, 8 bit, as cut."""
    # The rate comes first: it bounds everything behind it, whatever the time stamps say. A phone that is turned while
    # a browser records starts this graph anew in mid-film: so nothing here counts from the graph's own beginning.
    half = 0.5 / made.rate
    even = _in_film_time(film, facts, half).filter("fps", fps=made.rate)
    missing = facts.duration_seconds - facts.picture_delay_seconds - facts.picture_seconds
    if missing > half:
        # The sound goes on after the picture: nobody's last words are cut, the last picture stays.
        even = even.filter("tpad", stop_mode="clone", stop_duration=round(missing + 2 * half, 6))
    cutting = Cutting(edits, facts.duration_seconds, made.rate)
    even = edit_graph.picture(even, cutting).filter("trim", end=round(made.seconds - half / 2, 6))
    # Nothing that travels with the frames may travel on: positions, owners' names, Dolby Vision records.
    width, height = made.size(made.rungs[0])
    shown = _coloured(even.filter("sidedata", mode="delete"), facts, width, height).filter("setsar", sar=1)
    # Boxes are shares of what people see: upright, in the rung's own shape.
    return edit_graph.blurred(shown, cutting, width, height)


def _in_film_time(film: Stream, facts: Facts, half: float) -> Stream:
    """The picture track, whole frames, on a clock that begins with the film; `half` a frame of ours in seconds."""
    shown = film[str(facts.video_index)]
    if facts.interlaced:
        # Before the rate, while the fields still lie in the frames they were shot in. Whole frames pass untouched.
        shown = shown.filter("bwdif", mode="send_frame", parity="auto", deint="interlaced")
    lead, delay = facts.lead_seconds, facts.picture_delay_seconds
    moved = f"round(PTS-{lead}/TB)" if abs(lead) > SAME_INSTANT else "PTS"
    if delay > half:
        # The first picture stands from the first sound on: known by its time, not by its place in the graph.
        moved = f"if(lt(T-{lead},{round(delay + half, 6)}),0,{moved})"
    return shown.filter("setpts", moved) if moved != "PTS" else shown


def _coloured(film: Stream, facts: Facts, width: int, height: int) -> Stream:
    """Scaled to the rung first, so that colours are converted on no more pixels than needed."""
    if facts.color_transfer == PQ:
        wide = _sized(film, width, height).filter("format", "yuv420p10le")
        linear = wide.filter("zscale", pin="2020", tin="smpte2084", min="2020_ncl", t="linear", npl=100)
        narrow = linear.filter("format", "gbrpf32le").filter("zscale", p="709")
        mapped = narrow.filter("tonemap", "hable", desat=0).filter("zscale", t="709", m="709", r="limited")
    elif facts.color_transfer == HLG or facts.color_primaries == "bt2020":
        # HLG was made to be shown on ordinary screens: read as such it keeps its hues, at a quarter of the cost of
        # a tone map (colour chart: mean error 11.3 against 11.0, none of it in the hue).
        wide = _sized(film, width, height).filter("format", "yuv420p10le")
        mapped = wide.filter(
            "zscale", pin="2020", tin="709", min="2020_ncl", p="709", t="709", m="709", r="limited"
        )
    else:
        matrix = facts.color_space
        if matrix in {"unknown", "reserved", "unspecified"}:
            matrix = "bt709" if min(facts.width, facts.height) >= 720 else "smpte170m"
        known = (
            {"in_color_matrix": matrix}
            if matrix in {"bt709", "smpte170m", "bt470bg", "fcc", "smpte240m"}
            else {}
        )
        mapped = _sized(film, width, height, out_color_matrix="bt709", out_range="tv", **known)
    return mapped.filter("format", "yuv420p").filter("setparams", **BT709)


def _sized(film: Stream, width: int, height: int, **options: object) -> Stream:
    """Fitted into the rung's size; a film whose shape changes half-way gets bars instead of being stretched."""
    same = f"lt(abs(dar*{height}/{width}-1),{SAME_SHAPE})"
    wide = f"if({same},{width},max(2,2*round(min({width},{height}*dar)/2)))"
    tall = f"if({same},{height},max(2,2*round(min({height},{width}/dar)/2)))"
    scaled = film.filter("scale", w=wide, h=tall, flags="lanczos", **options)
    return scaled.filter("setsar", sar=1).filter("pad", w=width, h=height, x=-1, y=-1)


def cascade(top: Stream, made: Plan, wanted: dict[str, int]) -> dict[str, list[Stream]]:
    """Every rung's picture by its name, each scaled from the one above, in as many copies as `wanted` says."""
    found: dict[str, list[Stream]] = {}
    above, rate = top, made.rate
    for place, rung in enumerate(made.rungs):
        if place:
            width, height = made.size(rung)
            above = above.filter("scale", w=width, h=height, flags="lanczos").filter("setsar", sar=1)
        if rung.frame_rate(made.rate) != rate:
            rate = rung.frame_rate(made.rate)
            # A phone that is turned starts the graph anew: one that begins at an odd frame leaves that one out.
            even = f"gt(n,0)+not(mod(round(t*{float(made.rate):.6f}),2))"
            above = above.filter("select", even).filter("framestep", step=2)
        last = rung is made.rungs[-1]
        copies = wanted[rung.name] + (0 if last else 1)
        outlets = above.filter_multi_output("split", copies)
        found[rung.name] = [outlets[number] for number in range(wanted[rung.name])]
        if not last:
            above = outlets[copies - 1]
    return found
