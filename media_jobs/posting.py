"""The picture a clip is known by, made anew after its film: from a proposal, another instant, or a picture that was sent."""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from sqlalchemy import select

from media_jobs import film, stills
from media_jobs.ffmpeg import Tools, compose, output, run, source
from media_jobs.heartbeat import Heartbeat
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import crash, cuts, leases, lifecycle, posters
from portal.cuts import Stored
from portal.errors import Code, Missing, Unacceptable, Unavailable
from portal.leases import Claim
from portal.models import Clip, Rendition
from portal.storage import Bucket

STILL_NAME = "still.webp"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What was chosen, as the record says it: one of three keys, and the instant of the cut where it is a film's."""

    cut_id: str
    sent: str | None
    proposal: str | None
    film: str
    at: float
    size: tuple[int, int]


def poster(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Make posters and card anew from what was chosen, in place of the cut's own; nothing else is made again."""
    choice = _choice(shop, claim)
    with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
        heartbeat.note(0.1, "fetch")
        try:
            still = _still(shop, space, choice)
        except Unacceptable as refusal:
            if choice.sent is None:
                raise
            _refuse(shop, claim, refusal, choice.sent)
            return
        heartbeat.check()
        made = [
            film.described(one.path, "card" if one.path.suffix == ".jpg" else "poster", one.width, one.height)
            for one in stills.from_still(space.folder, still)
        ]
        if choice.sent is not None:
            made.append(film.described(still, "still"))
        heartbeat.note(0.5, "store")
        _keep(shop, claim, space, choice, list(space.store(made)))


def frame_at(tools: Tools, path: Path, folder: Path, at: float, size: tuple[int, int]) -> Path:
    """The picture that a film of ours shows at this instant (seconds), as WebP."""
    pixels, still = folder / "frame.rgb", folder / STILL_NAME
    shown = source(path, "mov", ss=f"{at:.3f}")["v:0"].filter("trim", end_frame=1)
    rgb = shown.filter("scale", in_color_matrix="bt709", in_range="tv", out_range="pc").filter(
        "format", "rgb24"
    )
    run(tools, compose([output([rgb], pixels.name, f="rawvideo")]), folder=folder, wall_seconds=60)
    data = pixels.read_bytes()
    pixels.unlink()
    if len(data) != 3 * size[0] * size[1]:
        raise Unavailable(Code.OURS_TRANSCODE, reason="no picture", at=at)
    Image.frombytes("RGB", size, data).save(still, quality=92, method=2)
    return still


def _choice(shop: Workshop, claim: Claim) -> _Choice:
    with shop.runtime.read() as session:
        clip = session.get_one(Clip, claim.clip_id)
        cut = cuts.current(session, clip)
        if cut is None or (clip.still_key is None and clip.poster_at is None):
            raise Missing(Code.FILM_MISSING)
        plain = select(Rendition).where(Rendition.cut_id == cut.id, Rendition.kind == "mp4")
        largest = max(session.scalars(plain), key=lambda one: one.height or 0)
        proposed = posters.proposals(session, clip)
        chosen = next((one.file.key for one in proposed if one.is_chosen), None)
        wanted = clip.poster_at or 0.0
        shown = cuts.edits_of(cut).cut_time(wanted, math.inf)
        if shown is None and proposed:
            # The cut leaves that instant out: what it shows nearest to it stands in.
            chosen = min(proposed, key=lambda one: abs(one.at_seconds - wanted)).file.key
        return _Choice(
            cut_id=cut.id,
            sent=clip.still_key,
            proposal=chosen,
            film=largest.key,
            at=min(shown or 0.0, max(0.0, (cut.seconds or 0.0) - 0.05)),
            size=(largest.width or 0, largest.height or 0),
        )


def _still(shop: Workshop, space: Workspace, choice: _Choice) -> Path:
    if choice.sent is not None:
        still = space.folder / STILL_NAME
        still.write_bytes(stills.reencode(space.fetch_beside(choice.sent, "sent").read_bytes()))
        return still
    if choice.proposal is not None:
        return space.fetch_beside(choice.proposal, STILL_NAME)
    return frame_at(
        shop.tools, space.fetch_beside(choice.film, "film.mp4"), space.folder, choice.at, choice.size
    )


def _keep(shop: Workshop, claim: Claim, space: Workspace, choice: _Choice, stored: list[Stored]) -> None:
    unnamed: list[str] = []
    kept = False
    try:
        with shop.runtime.work() as session:
            if not leases.done(session, claim):
                return
            clip = session.get_one(Clip, claim.clip_id)
            cut = cuts.current(session, clip)
            if cut is None or cut.id != choice.cut_id or clip.still_key != choice.sent:
                # Cut anew while this was made: that cut has the picture, or it was asked for again.
                return
            unnamed = cuts.replace_files(session, clip, cut, [one for one in stored if one.kind != "still"])
            if choice.sent is not None:
                # From now on our own pixels are kept, not the file that somebody sent.
                clip.still_key = next(one.key for one in stored if one.kind == "still")
                unnamed.append(choice.sent)
                # Whoever decides now on a page with the former picture is asked to look again.
                lifecycle.record(session, clip, "poster_made", by=lifecycle.WORKER)
            kept = True
    finally:
        if not kept:
            space.take_back()
    with suppress(Unavailable):
        # A file left behind is named by no row: the hourly sweep finds it.
        crash.point("poster.old.delete")
        shop.runtime.storage.delete(Bucket.ORIGINALS, unnamed)
        crash.point("poster.old.delete.done")


def _refuse(shop: Workshop, claim: Claim, refusal: Unacceptable, sent: str) -> None:
    with shop.runtime.work() as session:
        is_ours = posters.still_refused(session, claim, refusal.code, sent)
    if not is_ours:
        # Another attempt has the job and still needs the file; one that nobody names is swept.
        return
    with suppress(Unavailable):
        shop.runtime.storage.delete(Bucket.ORIGINALS, [sent])
