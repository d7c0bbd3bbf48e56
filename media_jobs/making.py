"""Film work on one claim: the first cut of what an owner sent, and later cuts of the same film.

Fetch, look, make, store, report. The record learns of a cut only when all its files lie in storage.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from media_jobs import chunking, film, patience, probe, speaking, stills
from media_jobs.ffmpeg import children_seconds, sandbox
from media_jobs.heartbeat import Heartbeat
from media_jobs.outline import TAKEN, Limits
from media_jobs.probe import Facts
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import chunks, crash, cuts, processing, workers
from portal.cuts import Report, Stored
from portal.edits import CUTTABLE, EditList
from portal.errors import Code, Missing, PortalError, Unacceptable, Unavailable
from portal.ladder import Profile
from portal.leases import Claim
from portal.models import Campaign, Clip, Cut
from portal.storage import Bucket

Keep = Callable[[list[Stored], Report], bool]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the record says of the work, read once before it begins."""

    key: str
    sha256: str | None
    keeps_beginning: bool
    still_key: str | None
    # What the clip's call takes; None where the portal's own limit holds.
    max_seconds: int | None
    # The ends that the owner cut off, as they were sent.
    sent: EditList
    order: film.Order


def limits_of(
    shop: Workshop, *, keeps_beginning: bool = False, at_most: int | None = None, is_cut: bool = False
) -> Limits:
    """What this portal takes; `at_most` seconds where the clip's call takes less, more of a film that was cut to fit.

    A host that makes films and nothing else is not told how long they may be: what the errands' worker says counts.
    """
    longest = min(_portals_seconds(shop), at_most or math.inf)
    limits = Limits(max_seconds=float(longest * (CUTTABLE if is_cut else 1)))
    return replace(limits, keeps_beginning=True) if keeps_beginning else limits


def _portals_seconds(shop: Workshop) -> int:
    settings = shop.runtime.settings
    own = settings.uploads.max_seconds
    if settings.origins.get("MAX_CLIP_SECONDS", "default") != "default":
        return own
    with shop.runtime.read() as session:
        return workers.longest(workers.known(session)) or own


def transcode(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Make everything a clip is played from, out of its newest original."""
    wanted = _wanted(shop, claim)

    def keep(files: list[Stored], report: Report) -> bool:
        with shop.runtime.work() as session:
            film_facts = processing.film_of(session, claim).facts
            after = speaking.jobs_after(shop, film_facts)
            served = processing.preview_keys(session, claim.clip_id)
            kept = processing.film_ready(session, claim, files, report, next_jobs=after)
        if kept:
            with suppress(PortalError):
                # Nobody names them any more; what a crash leaves here is found by the hourly sweep.
                shop.runtime.storage.delete(Bucket.ORIGINALS, served)
        return kept

    scratch = shop.runtime.settings.media.scratch
    with (
        Workspace(shop.runtime.storage, scratch, claim) as space,
        patience.judging(shop.tools, space.folder, claim.attempt),
    ):
        sha256 = _fetch(heartbeat, space, wanted)
        facts = _looked(shop, space, wanted)
        with shop.runtime.work() as session:
            if not processing.film_checked(session, claim, facts.as_json(), sha256):
                return
            ends = cuts.sent_with(processing.film_of(session, claim))
            if claim.attempt > 1:
                chunks.clear(session, claim)
        wanted = replace(wanted, order=replace(wanted.order, edits=ends))
        shared = chunking.Shared(shop, claim, heartbeat, space, facts)
        _make_and_store(shop, heartbeat, space, facts, wanted, keep, shared)


def remake(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Make another cut of a film that is known already: an edit list, or a newer ladder."""
    wanted = _wanted(shop, claim)

    def keep(files: list[Stored], report: Report) -> bool:
        with shop.runtime.work() as session:
            return cuts.made(session, claim, files, report)

    with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
        sha256 = _fetch(heartbeat, space, wanted)
        if wanted.sha256 not in (None, sha256):
            # What a moderator saw is what is shown: other bytes under the same key are nobody's decision.
            raise Unavailable(Code.OURS_STORAGE, expected=wanted.sha256, found=sha256)
        facts = probe.inspect(shop.tools, space.original, TAKEN)
        _make_and_store(shop, heartbeat, space, facts, wanted, keep)


def _wanted(shop: Workshop, claim: Claim) -> _Wanted:
    with shop.runtime.read() as session:
        original = processing.film_of(session, claim)
        clip = session.get_one(Clip, claim.clip_id)
        cut = session.get(Cut, claim.cut_id) if claim.cut_id is not None else None
        at, still_key = clip.poster_at, clip.still_key
        if cut is not None:
            # The clip may be public: a sent picture comes in by its own job, before a moderator's eyes.
            at, still_key = cuts.picture_before(session, clip)
        return _Wanted(
            key=original.key,
            sha256=original.sha256,
            keeps_beginning=original.keeps_beginning,
            still_key=still_key,
            max_seconds=session.get_one(Campaign, clip.campaign_id).max_seconds,
            sent=EditList.from_json(original.edits),
            order=film.Order(
                profile=Profile(shop.runtime.settings.media.profile),
                edits=EditList() if cut is None else EditList.from_json(cut.edits),
                # The choice was made in the film that counts; in a new one it means nothing.
                poster_at=at if clip.film_id == original.id else None,
                language=clip.speech_lang or None,
            ),
        )


def _looked(shop: Workshop, space: Workspace, wanted: _Wanted) -> Facts:
    """What the film is; raises as `probe.inspect`, TOO_LONG also where too much is left of one that was cut."""
    is_cut = not wanted.sent.is_empty
    limits = limits_of(
        shop, keeps_beginning=wanted.keeps_beginning, at_most=wanted.max_seconds, is_cut=is_cut
    )
    facts = probe.inspect(shop.tools, space.original, limits)
    left = sum(one.seconds for one in wanted.sent.kept(facts.duration_seconds))
    longest = limits_of(shop, at_most=wanted.max_seconds).max_seconds
    if is_cut and left > longest + 0.5:
        raise Unacceptable(Code.TOO_LONG, seconds=round(left, 1), limit=longest)
    return facts


def _fetch(heartbeat: Heartbeat, space: Workspace, wanted: _Wanted) -> str:
    heartbeat.note(0.0, "fetch")
    sha256 = space.fetch(wanted.key)
    heartbeat.check()
    heartbeat.note(0.02, "check")
    return sha256


def _make_and_store(
    shop: Workshop,
    heartbeat: Heartbeat,
    space: Workspace,
    facts: probe.Facts,
    wanted: _Wanted,
    keep: Keep,
    shared: chunking.Shared | None = None,
) -> None:
    order = wanted.order
    if wanted.still_key is not None:
        order = replace(order, still=_still(space, wanted.still_key))
    before = children_seconds()
    made = film.make(
        shop.tools,
        space.original,
        space.folder,
        facts,
        order,
        lambda percent: heartbeat.note(0.03 + 0.92 * percent / 100, "make"),
        heartbeat.must_stop,
        # The frame that somebody chose is cut out of the film in one pass.
        shared if order.poster_at is None else None,
    )
    report = _report(made, children_seconds() - before + (shared.cpu_seconds if shared else 0.0))
    # The weakest walls that any part of it was made behind.
    walls = {sandbox(shop.tools), *(shared.sandboxes if shared else ())}
    report = replace(report, sandbox=max(walls))
    crash.point("film.made")
    heartbeat.note(0.95, "store")
    stored: list[Stored] = []
    try:
        for file in space.store(made.files):
            heartbeat.check()
            stored.append(file)
            heartbeat.note(0.95 + 0.05 * len(stored) / len(made.files), "store")
    except BaseException:
        space.take_back()
        raise
    # A commit whose answer is lost may have happened: then the files are named, and only the sweep may judge them.
    if not keep(stored, report):
        space.take_back()


def _still(space: Workspace, key: str) -> Path | None:
    """The picture that somebody sent to be the poster, as our own pixels; None when it turns out to be none."""
    try:
        pixels = stills.reencode(space.fetch_beside(key, "sent").read_bytes())
    except (Unacceptable, Missing):
        # A picture that is none, or is gone, must not keep the film from being made: the best proposal stands in.
        return None
    path = space.folder.parent / "still.webp"
    path.write_bytes(pixels)
    return path


def _report(made: film.Made, cpu_seconds: float) -> Report:
    return Report(
        seconds=made.seconds,
        width=made.width,
        height=made.height,
        loudness=made.loudness,
        ladder_version=made.ladder_version,
        profile=made.profile,
        ffmpeg_version=made.ffmpeg_version,
        copied_top=made.copied_top,
        cpu_seconds=round(cpu_seconds, 3),
        proposals=made.proposals,
    )
