"""What a moderator should look at in a film: one pass over its lowest rung, every signal of the registry, one report.

Whatever fails here, the clip goes its way: a signal is a hint, never a gate.
"""

import logging
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from media_jobs.ffmpeg import Cancelled
from media_jobs.heartbeat import Heartbeat, Interrupted
from media_jobs.signals import registry
from media_jobs.signals.registry import Material, Record, Signal
from media_jobs.signals.watching import Watched, watch
from media_jobs.sound import MOST_GAIN_DB, TARGET_LUFS
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import captions, processing, signals
from portal.edits import EditList
from portal.errors import PortalError
from portal.leases import Claim
from portal.models import Caption, Clip, Cut, CutState, Film, Rendition
from portal.signals import Finding, Looked

log = logging.getLogger(__name__)

LAST_ATTEMPT = 3
"""By then what needs no picture is measured all the same: the same file sent twice is known without one."""
_COLUMN_FLOOR_DB = -60.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the record says before the work begins."""

    picture: str | None
    sound: str | None
    seconds: float
    film_seconds: float
    edits: EditList
    record: Record


def look(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Measure every signal on the claim's film and report what there is to look at; harmless when repeated."""
    with shop.runtime.read() as session:
        asked = _asked(session, claim)
    with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
        heartbeat.note(0.0, "fetch")
        picture = space.fetch_beside(asked.picture, "picture.cmfv") if asked.picture is not None else None
        sound = space.fetch_beside(asked.sound, "sound.cmfa") if asked.sound is not None else None
        heartbeat.check()
        heartbeat.note(0.3, "look")
        watched = _watched(shop, claim, heartbeat, (picture, sound), space.folder, asked.seconds)
        similar = _similar(shop, claim, watched, asked.seconds)
        material = Material(
            record=replace(asked.record, similar=similar),
            watched=watched or Watched(seconds=asked.seconds),
            tools=shop.tools,
            folder=space.folder,
            picture=picture if watched is not None else None,
            sound=sound if watched is not None else None,
        )
        looked = []
        for signal in registry.every():
            heartbeat.check()
            looked.append(_in_film_time(_measured(signal, material, claim, asked), asked))
    with shop.runtime.work() as session:
        if not signals.tell_others(session, claim, looked):
            raise Interrupted
    with shop.runtime.work() as session:
        signals.keep(session, claim, looked, _shape(material.watched.levels))


def _similar(
    shop: Workshop, claim: Claim, watched: Watched | None, seconds: float
) -> tuple[signals.Similar, ...]:
    """Leave the film's fingerprint for others to find, then look for theirs."""
    if watched is not None:
        with shop.runtime.work() as session:
            if not signals.keep_print(session, claim, watched.print, seconds):
                raise Interrupted
    with shop.runtime.read() as session:
        return tuple(signals.similar(session, processing.film_of(session, claim)))


def _asked(session: Session, claim: Claim) -> _Asked:
    film = processing.film_of(session, claim)
    clip = session.get_one(Clip, claim.clip_id)
    cut = _cut(session, clip, film)
    made = [] if cut is None else list(session.scalars(select(Rendition).where(Rendition.cut_id == cut.id)))
    pictures = sorted(
        (one for one in made if one.kind == "hls_video"), key=lambda one: (one.width or 0) * (one.height or 0)
    )
    sounds = [one.key for one in made if one.kind == "hls_audio"]
    seconds = float((cut.seconds if cut is not None else None) or film.facts.get("duration_seconds") or 0.0)
    return _Asked(
        picture=pictures[0].key if pictures else None,
        sound=sounds[0] if sounds else None,
        seconds=seconds,
        film_seconds=float(film.facts.get("duration_seconds") or seconds),
        edits=EditList() if cut is None else EditList.from_json(cut.edits),
        record=_record(session, clip, film, cut, seconds),
    )


def _cut(session: Session, clip: Clip, film: Film) -> Cut | None:
    """The cut to look at: one that shows the whole film while its files are there, else the one that counts."""
    with_files = (CutState.ADOPTED, CutState.SUPERSEDED)
    made = select(Cut).where(Cut.film_id == film.id, Cut.state.in_(with_files)).order_by(Cut.number.desc())
    found = list(session.scalars(made))
    whole = (cut for cut in found if EditList.from_json(cut.edits).is_empty)
    return next(whole, None) or next((cut for cut in found if cut.id == clip.cut_id), None)


def _record(session: Session, clip: Clip, film: Film, cut: Cut | None, seconds: float) -> Record:
    loudness = cut.loudness if cut is not None else None
    gain = 0.0 if loudness is None else max(-MOST_GAIN_DB, min(MOST_GAIN_DB, TARGET_LUFS - loudness))
    is_sure = float(film.facts.get("heard_probability") or 0.0) >= captions.SURE
    heard = film.facts.get("heard_lang") if is_sure else None
    said = session.scalars(
        select(Caption).where(
            Caption.film_id == film.id, Caption.origin == "speech", Caption.touched_at.is_(None)
        )
    ).first()
    return Record(
        seconds=seconds,
        loudness=loudness,
        gain_db=gain,
        declared_lang=clip.speech_lang,
        heard_lang=heard if isinstance(heard, str) else None,
        words=len(said.words) if said is not None else None,
    )


def _watched(
    shop: Workshop,
    claim: Claim,
    heartbeat: Heartbeat,
    files: tuple[Path | None, Path | None],
    folder: Path,
    seconds: float,
) -> Watched | None:
    """What the pass has shown; None where there is nothing to watch, or nothing to be made of it in the end."""
    if files[0] is None:
        return None
    try:
        return watch(shop.tools, *files, folder, seconds, heartbeat.must_stop)
    except PortalError:
        if claim.attempt < LAST_ATTEMPT:
            raise
        log.exception("not watched clip=%s film=%s", claim.clip_id, claim.film_id)
        return None


def _measured(signal: Signal, material: Material, claim: Claim, asked: _Asked) -> Looked:
    """One signal's findings. Its door: whatever breaks in one never loses the others."""
    looked = Looked(signal.kind, signal.name, signal.good, None)
    if signal.needs not in material.has:
        # Unwatched is not the same as silent: what should have been measured and was not is said.
        return replace(looked, is_failed=asked.picture is not None and material.picture is None)
    try:
        return replace(looked, findings=signal.measure(material))
    except (Interrupted, Cancelled):
        raise
    except Exception:
        log.exception("not measured signal=%s clip=%s film=%s", signal.kind, claim.clip_id, claim.film_id)
        return replace(looked, is_failed=True)


def _in_film_time(looked: Looked, asked: _Asked) -> Looked:
    """The rung shows a cut of the film; the record counts in the film's own seconds."""
    if looked.findings is None or asked.edits.is_empty:
        return looked

    def moved(finding: Finding) -> Finding:
        return replace(finding, at=place(finding.at), until=place(finding.until))

    def place(at: float | None) -> float | None:
        return None if at is None else round(asked.edits.film_time(at, asked.film_seconds), 2)

    return replace(looked, findings=[moved(one) for one in looked.findings])


def _shape(levels: tuple[float, ...]) -> list[int]:
    """The voice's level in whole percents, over as many columns as the timeline has."""
    columns = signals.COLUMNS
    if len(levels) < columns:
        return []
    edges = [round(column * len(levels) / columns) for column in range(columns + 1)]
    peaks = (max(levels[start:end]) for start, end in pairwise(edges))
    return [round(100 * max(0.0, 1 - peak / _COLUMN_FLOOR_DB)) for peak in peaks]
