"""What moderators may do with the way a film is shown: propose another cut, adopt it, do without, go back.

The original is never touched. What a cut is and when it counts: portal/cuts.py.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import cuts, lifecycle, notices, people
from portal.edits import EDIT, EditList, checked
from portal.errors import Code, Conflict, Missing, NotAllowed
from portal.jobs import JobKind
from portal.ladder import frame_rate_for
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Cut, CutState, Film, Job, JobState
from portal.notices import NoticeKind

_STAFF: Final = (ActorKind.MODERATOR, ActorKind.ADMIN, ActorKind.PROGRAM)


@dataclass(frozen=True, slots=True)
class Version:
    """One cut as people look at it: `percent` while it is made, `trouble` (for staff alone) where that failed."""

    cut: Cut
    edits: EditList
    is_current: bool
    is_waiting: bool
    percent: int | None
    trouble: str
    by: str


def propose(session: Session, clip: Clip, edits: EditList, *, by: Actor, seen_version: int) -> Cut:
    """Have another cut made of the film that counts, in whole frames; one that is waited for gives way.

    What the owner cut off before sending stays off: it was never shown to us to be shown.
    Raises NotAllowed, Conflict (the clip is past `seen_version`, has no film, or is shown so already), Unacceptable.
    """
    _hold(session, clip, by, seen_version)
    film = session.get(Film, clip.film_id) if clip.film_id is not None else None
    if film is None:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    wanted = in_frames(edits.within(cuts.sent_with(film)), film, clip)
    if wanted == cuts.edits_of(cuts.current(session, clip)):
        raise Conflict(Code.CUT_UNCHANGED, state=clip.state, version=clip.version)
    cut = cuts.begin(session, clip, wanted, origin=EDIT, by=by)
    notices.cancel(session, clip, NoticeKind.CUT_READY)
    lifecycle.record(session, clip, "propose_cut", by=by, detail={"cut": cut.number, **_sizes(wanted)})
    return cut


def in_frames(edits: EditList, film: Film, clip: Clip) -> EditList:
    """The list held against the film and put on its frames; raises Unacceptable."""
    seconds = length_of(film, clip)
    rate = frame_rate_for(float(film.facts.get("fps") or cuts.USUAL_RATE))
    return checked(checked(edits, seconds).on_grid(rate, seconds), seconds)


def length_of(film: Film, clip: Clip) -> float:
    """How long the whole film is, in seconds."""
    return float(film.facts.get("duration_seconds") or clip.seconds or 0.0)


def again(session: Session, clip: Clip, number: int, *, by: Actor, seen_version: int) -> Cut:
    """Propose the edit list of an earlier or failed cut anew; raises as `propose` does, Missing."""
    return propose(
        session, clip, cuts.edits_of(numbered(session, clip, number)), by=by, seen_version=seen_version
    )


def adopt(session: Session, clip: Clip, number: int, *, by: Actor, seen_version: int) -> Cut:
    """Let a finished cut count; what is public is replaced without a gap. Raises NotAllowed, Missing, Conflict."""
    _hold(session, clip, by, seen_version)
    cut = numbered(session, clip, number)
    if clip.state not in cuts.SHOWN_AS_FILM:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version, cut=number)
    cuts.adopt(session, clip, cut, by=by)
    return cut


def let_go(session: Session, clip: Clip, number: int, *, by: Actor) -> None:
    """Do without a cut that is made, waits or has failed; nobody need be told of it any more. Raises as `adopt` does."""
    _may(by)
    cuts.let_go(session, clip, numbered(session, clip, number), by=by)
    notices.cancel(session, clip, NoticeKind.CUT_READY)


def numbered(session: Session, clip: Clip, number: int) -> Cut:
    """The clip's cut of this number; raises Missing."""
    found = session.scalars(select(Cut).where(Cut.clip_id == clip.id, Cut.number == number)).one_or_none()
    if found is None:
        raise Missing(Code.MISSING)
    return found


def versions(session: Session, clip: Clip) -> list[Version]:
    """Every cut of the film that counts, newest first; only reads."""
    made = select(Cut).where(Cut.clip_id == clip.id, Cut.film_id == (clip.film_id or ""))
    found = list(session.scalars(made.order_by(Cut.number.desc())))
    asked = select(Job).where(Job.clip_id == clip.id, Job.kind == JobKind.REMAKE).order_by(Job.created_at)
    jobs = {job.cut_id: job for job in session.scalars(asked)}
    names = people.names(session, {cut.asked_by_id for cut in found if cut.asked_by_id is not None})
    return [
        Version(
            cut=cut,
            edits=cuts.edits_of(cut),
            is_current=cut.id == clip.cut_id,
            is_waiting=cut.state in (CutState.MAKING, CutState.MADE, CutState.FAILED) and cut is found[0],
            percent=_percent(cut, jobs.get(cut.id)),
            trouble=_trouble(cut, jobs.get(cut.id)),
            by=names.get(cut.asked_by_id or 0, ""),
        )
        for cut in found
    ]


def _percent(cut: Cut, job: Job | None) -> int | None:
    if cut.state != CutState.MAKING:
        return None
    return round(job.progress * 100) if job is not None and job.state == JobState.RUNNING else 0


def _trouble(cut: Cut, job: Job | None) -> str:
    return (job.error_detail or "") if job is not None and cut.state == CutState.FAILED else ""


def _hold(session: Session, clip: Clip, by: Actor, seen_version: int) -> None:
    _may(by)
    lifecycle.hold(session, clip)
    if clip.version != seen_version:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)


def _may(by: Actor) -> None:
    if by.kind not in _STAFF:
        raise NotAllowed(Code.NOT_ALLOWED)


def _sizes(edits: EditList) -> dict[str, float | int]:
    """How much of what a list holds, for the history; no more than that."""
    sizes = {"cuts": len(edits.cuts), "mutes": len(edits.mutes), "blurs": len(edits.blurs)}
    ends = {"start": edits.start, "end": edits.end}
    return {name: value for name, value in {**ends, **sizes}.items() if value}
