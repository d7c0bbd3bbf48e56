"""Cuts: which way a film is shown, begun, made, adopted or let go; one of them counts for its clip.

A cut replaces another only when all its files lie in storage. Never touches files itself.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from portal import captions, leases, notices
from portal.database import db_now
from portal.edits import EDIT as _EDIT
from portal.edits import FIRST as _FIRST
from portal.edits import REPLAN as _REPLAN
from portal.edits import EditList, fitted
from portal.errors import Code, Conflict
from portal.jobs import JobKind
from portal.ladder import LADDER_VERSION, frame_rate_for
from portal.leases import Claim
from portal.lifecycle import WORKER, Actor, ActorKind, enqueue, hold, record
from portal.models import AuditEvent, Clip, Cut, CutState, Film, Job, JobState, Publication, Rendition, State
from portal.notices import NoticeKind

FIRST, EDIT, REPLAN = _FIRST, _EDIT, _REPLAN
"""Why a cut is made; said in portal/edits.py, for those below who must tell them apart."""

SENT: Final = "still"
"""How the file of a sent picture is named, until it is made anew."""

BEFORE: Final = "before"
"""Where the trail's entry of a sent picture keeps the choice that it takes the place of."""

USUAL_RATE: Final = 30.0
"""Frames a second of a film whose rate nobody could tell."""

_UNDECIDED = (State.UPLOADING, State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED)
_PUBLIC = (State.PUBLISHED, State.APPROVED)
SHOWN_AS_FILM = (State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED)


@dataclass(frozen=True, slots=True)
class Stored:
    """One made file as it lies in the originals bucket, its size checked there."""

    name: str
    kind: str
    key: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    bandwidth: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How a cut was made and what came out: seconds, pixels, LUFS, CPU seconds, instants of the film."""

    seconds: float
    width: int
    height: int
    loudness: float | None = None
    ladder_version: int = LADDER_VERSION
    profile: str = "standard"
    ffmpeg_version: str = ""
    sandbox: str = ""
    copied_top: bool = False
    cpu_seconds: float | None = None
    proposals: tuple[float, ...] = ()


def current(session: Session, clip: Clip) -> Cut | None:
    """The cut that counts."""
    return session.get(Cut, clip.cut_id) if clip.cut_id is not None else None


def made_with(session: Session, clip: Clip) -> str:
    """What the cut that counts was made with, in a few plain words for staff; empty without one."""
    cut = current(session, clip)
    return "" if cut is None else f"ladder {cut.ladder_version or '?'}, {cut.profile}"


def edits_of(cut: Cut | None) -> EditList:
    """The cut's edit list; the empty one where there is no cut."""
    return EditList() if cut is None else EditList.from_json(cut.edits)


def waiting(session: Session, clip: Clip) -> Cut | None:
    """The newest cut that is being made or waits for a moderator's word."""
    found = select(Cut).where(Cut.clip_id == clip.id, Cut.state.in_([CutState.MAKING, CutState.MADE]))
    return session.scalars(found.order_by(Cut.number.desc()).limit(1)).first()


def sent_with(film: Film) -> EditList:
    """What the owner cut off the film's ends before sending it, on its frames; empty until the film is measured.

    Raises Unacceptable(NOTHING_LEFT) when the film turned out too short for it.
    """
    seconds, rate = film.facts.get("duration_seconds"), film.facts.get("fps")
    if not seconds:
        return EditList()
    return fitted(EditList.from_json(film.edits), frame_rate_for(float(rate or USUAL_RATE)), float(seconds))


def first(session: Session, clip: Clip, film: Film, files: Sequence[Stored], report: Report) -> Cut:
    """The film as it came, without what its owner cut off, in place of everything that was made of the clip before."""
    cut = _new(session, clip, film, sent_with(film), origin=FIRST, by=WORKER)
    session.execute(
        update(Cut)
        .where(Cut.clip_id == clip.id, Cut.id != cut.id, Cut.state != CutState.DROPPED)
        .values(state=CutState.SUPERSEDED)
    )
    _made(session, cut, files, report)
    cut.state = CutState.ADOPTED
    clip.film_id, clip.cut_id = film.id, cut.id
    clip.seconds, clip.width, clip.height = report.seconds, report.width, report.height
    captions.follow(session, clip)
    return cut


def begin(
    session: Session, clip: Clip, edits: EditList, *, origin: str, by: Actor, delay: float = 0.0
) -> Cut:
    """Have the worker make another cut of the film that counts; one that is still waited for is let go.

    Raises Conflict when the clip has no film to cut.
    """
    hold(session, clip)
    film = session.get(Film, clip.film_id) if clip.film_id is not None else None
    if film is None or film.erased_at is not None or clip.state not in SHOWN_AS_FILM:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    session.execute(
        update(Cut)
        .where(Cut.clip_id == clip.id, Cut.state.in_([CutState.MAKING, CutState.MADE]))
        .values(state=CutState.SUPERSEDED)
    )
    cut = _new(session, clip, film, edits, origin=origin, by=by)
    enqueue(session, clip, JobKind.REMAKE, film_id=film.id, cut_id=cut.id, delay=delay)
    return cut


def made(session: Session, claim: Claim, files: Sequence[Stored], report: Report) -> bool:
    """All files of the cut lie in storage: it counts from now on, or waits for a moderator where the clip is public.

    The owner is told once of what a moderator had changed, before the world sees it. False when the lease is lost.
    """
    if not leases.done(session, claim):
        return False
    clip = session.get_one(Clip, claim.clip_id)
    hold(session, clip)
    cut = session.get_one(Cut, claim.cut_id)
    if cut.state != CutState.MAKING or cut.film_id != clip.film_id:
        # Let go while it was made: its files are nobody's and are swept.
        return False
    _made(session, cut, files, report)
    if cut.origin == REPLAN or clip.state not in _PUBLIC:
        adopt(session, clip, cut, by=WORKER)
    else:
        record(session, clip, "cut_ready", by=WORKER, detail={"cut": cut.number})
    if cut.origin == EDIT:
        notices.tell(session, NoticeKind.CUT_READY, clip, occasion=f"{notices.CUT_OCCASION}{cut.id}")
    return True


def is_being_edited(session: Session, clip: Clip) -> bool:
    """Whether a cut that somebody asked for is being made: whoever decides now would not see what is decided on."""
    wanted = select(Cut.id).where(Cut.clip_id == clip.id, Cut.state == CutState.MAKING, Cut.origin == EDIT)
    return session.scalars(wanted.limit(1)).first() is not None


def adopt(session: Session, clip: Clip, cut: Cut, *, by: Actor) -> None:
    """Let this cut count; what is public is replaced without a gap, what is being copied is copied anew.

    Raises Conflict when it is not made.
    """
    hold(session, clip)
    session.refresh(cut)
    if cut.state != CutState.MADE or cut.film_id != clip.film_id:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version, cut=cut.number)
    if clip.cut_id is not None:
        session.get_one(Cut, clip.cut_id).state = CutState.SUPERSEDED
    cut.state = CutState.ADOPTED
    clip.cut_id, clip.seconds, clip.width, clip.height = cut.id, cut.seconds, cut.width, cut.height
    session.flush()
    captions.follow(session, clip)
    record(session, clip, "adopt_cut", by=by, detail={"cut": cut.number, "origin": cut.origin})
    if _has_another_picture(session, clip, cut):
        enqueue(session, clip, JobKind.POSTER, film_id=clip.film_id)
    _show_anew(session, clip)


def _has_another_picture(session: Session, clip: Clip, cut: Cut) -> bool:
    """Whether the clip's picture came after the cut was asked for: it may be made with the one before."""
    if clip.poster_at is None and clip.still_key is None:
        return False
    chosen = select(AuditEvent.id).where(
        AuditEvent.clip_id == clip.id,
        AuditEvent.verb.in_(["poster", "poster_made"]),
        AuditEvent.at >= cut.created_at,
    )
    return session.scalars(chosen.limit(1)).first() is not None


def picture_before(session: Session, clip: Clip) -> tuple[float | None, str | None]:
    """The choice of picture (instant of the film, our own still) that stands until a sent one has been made anew."""
    if clip.still_key is None or is_made(clip.still_key):
        return clip.poster_at, clip.still_key
    sent = select(AuditEvent.detail).where(AuditEvent.clip_id == clip.id, AuditEvent.verb == "poster")
    detail = session.scalars(sent.order_by(AuditEvent.id.desc()).limit(1)).first() or {}
    before = detail.get(BEFORE, {})
    # An instant means something in its own film only.
    at = before.get("at") if before.get("film") == clip.film_id else None
    return at, before.get("key")


def is_made(still_key: str) -> bool:
    """Whether this key is that of our own pixels: the file that somebody sent has been seen by nobody yet."""
    return not still_key.endswith(f"/{SENT}")


def stills(session: Session, *, among: Iterable[str] | None = None) -> set[str]:
    """The keys of all pictures that clips are known by, or were until one came that is not made yet."""
    asked = select(Clip).where(Clip.still_key.is_not(None))
    clips = session.scalars(asked if among is None else asked.where(Clip.id.in_(list(among))))
    named = {key for clip in clips for key in (clip.still_key, picture_before(session, clip)[1])}
    return {key for key in named if key is not None}


def let_go(session: Session, clip: Clip, cut: Cut, *, by: Actor) -> None:
    """Do without a cut that is being made or waits; the one that counts stays. Raises Conflict when it counts."""
    hold(session, clip)
    session.refresh(cut)
    if cut.state not in (CutState.MAKING, CutState.MADE, CutState.FAILED) or cut.id == clip.cut_id:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version, cut=cut.number)
    session.execute(
        update(Job)
        .where(Job.cut_id == cut.id, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
        .values(state=JobState.CANCELLED, finished_at=db_now(session))
    )
    cut.state = CutState.SUPERSEDED
    session.flush()
    record(session, clip, "let_cut_go", by=by, detail={"cut": cut.number})


def outdated(session: Session, *, profile: str | None = None, at_most: int = 1000) -> list[Clip]:
    """Clips whose cut was made with an older ladder, and for which no other is on its way; oldest first.

    With a profile, also those that were made with another one.
    """
    other = aliased(Cut)
    on_its_way = exists().where(
        other.clip_id == Clip.id, other.state.in_([CutState.MAKING, CutState.MADE]), other.id != Cut.id
    )
    older = or_(Cut.ladder_version.is_(None), Cut.ladder_version < LADDER_VERSION)
    if profile is not None:
        older = or_(older, Cut.profile != profile)
    found = select(Clip).join(Cut, Cut.id == Clip.cut_id).join(Film, Film.id == Cut.film_id)
    found = found.where(older, Film.erased_at.is_(None), Clip.state.in_(SHOWN_AS_FILM), ~on_its_way)
    return list(session.scalars(found.order_by(Clip.created_at, Clip.id).limit(at_most)))


def replan(session: Session, clip: Clip, *, by: Actor) -> Cut:
    """Have the cut that counts made anew, with the same edit list, by whatever ladder and profile we have now.

    Raises Conflict where there is no film, or while a moderator's own cut is being made or waits for a word.
    """
    hold(session, clip)
    other = waiting(session, clip)
    if other is not None and other.origin == EDIT:
        raise Conflict(Code.CUT_IN_THE_MAKING, state=clip.state, version=clip.version)
    return begin(session, clip, edits_of(current(session, clip)), origin=REPLAN, by=by)


def stranded(session: Session) -> list[tuple[Cut, str]]:
    """Cuts that nobody makes although somebody waits, and such as wait without their files; with what is wrong."""
    is_open = exists().where(Job.cut_id == Cut.id, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    unmade = select(Cut).where(Cut.state == CutState.MAKING, ~is_open)
    empty = select(Cut).where(Cut.state == CutState.MADE, ~exists().where(Rendition.cut_id == Cut.id))
    return [
        *((cut, "is to be made, and no job is open") for cut in session.scalars(unmade)),
        *((cut, "waits without its files") for cut in session.scalars(empty)),
    ]


def pick_up(session: Session, cut: Cut) -> None:
    """Ask again for a stranded cut where there is still a use for it; let it go otherwise."""
    clip = session.get_one(Clip, cut.clip_id)
    hold(session, clip)
    session.refresh(cut)
    if cut.id not in {one.id for one, _ in stranded(session)}:
        return
    newest = waiting(session, clip)
    wanted = clip.state in SHOWN_AS_FILM and cut.film_id == clip.film_id and newest is cut
    cut.state = CutState.MAKING if wanted else CutState.SUPERSEDED
    session.flush()
    if wanted:
        enqueue(session, clip, JobKind.REMAKE, film_id=cut.film_id, cut_id=cut.id)


def before(session: Session, clip: Clip) -> Cut | None:
    """What was shown of the owner's film before the one that counts now, while it can still be watched."""
    has_files = exists().where(Rendition.cut_id == Cut.id, Rendition.kind == "mp4")
    earlier = (Cut.clip_id == clip.id, Cut.film_id != (clip.film_id or ""), Cut.state == CutState.SUPERSEDED)
    asked = select(Cut).where(*earlier, has_files).order_by(Cut.number.desc())
    return session.scalars(asked.limit(1)).first()


def to_drop(session: Session, *, at_most: int = 50) -> list[tuple[Cut, list[str]]]:
    """Cuts that count no more, are not public any longer, and are compared with none; with the keys of their files."""
    # By the clip's id, which both tables are indexed by.
    of_cut = (Publication.clip_id == Cut.clip_id, Publication.cut_id == Cut.id)
    is_public = exists().where(*of_cut, Publication.deleted_at.is_(None))
    counts = exists().where(Clip.id == Cut.clip_id, Clip.cut_id == Cut.id)
    # The owner and the moderators watch the film before beside the new one until somebody has decided.
    is_beside = exists().where(
        Clip.id == Cut.clip_id, Clip.film_id != Cut.film_id, Clip.state.in_(_UNDECIDED)
    )
    spent = (Cut.state == CutState.SUPERSEDED, ~is_public, ~counts, ~is_beside)
    found = select(Cut).where(*spent).order_by(Cut.created_at)
    dropped = []
    for cut in session.scalars(found.limit(at_most)):
        keys = session.scalars(select(Rendition.key).where(Rendition.cut_id == cut.id))
        dropped.append((cut, list(keys)))
    return dropped


def dropped(session: Session, cut: Cut) -> None:
    """The cut's files are deleted: its row stays, for the history."""
    session.execute(delete(Rendition).where(Rendition.cut_id == cut.id))
    session.execute(
        update(Cut).where(Cut.id == cut.id, Cut.state == CutState.SUPERSEDED).values(state=CutState.DROPPED)
    )


def replace_files(session: Session, clip: Clip, cut: Cut, files: Sequence[Stored]) -> list[str]:
    """Put newly made files in place of all the cut's files of their kinds; the keys that nobody names any more.

    What is public is replaced, or copied anew where the copying has begun.
    """
    kinds = {file.kind for file in files}
    old = (Rendition.cut_id == cut.id, Rendition.kind.in_(kinds))
    keys = list(session.scalars(select(Rendition.key).where(*old)))
    session.execute(delete(Rendition).where(*old))
    session.add_all(_rendition(cut, file) for file in files)
    session.flush()
    _show_anew(session, clip)
    return keys


def _show_anew(session: Session, clip: Clip) -> None:
    if clip.state == State.PUBLISHED:
        enqueue(session, clip, JobKind.REPUBLISH)
    elif clip.state == State.APPROVED and _is_being_copied(session, clip):
        enqueue(session, clip, JobKind.PUBLISH)


def _is_being_copied(session: Session, clip: Clip) -> bool:
    running = select(Job.id).where(
        Job.clip_id == clip.id, Job.kind == JobKind.PUBLISH, Job.state == JobState.RUNNING
    )
    return session.scalars(running.limit(1)).first() is not None


def _new(session: Session, clip: Clip, film: Film, edits: EditList, *, origin: str, by: Actor) -> Cut:
    highest = session.scalar(select(func.max(Cut.number)).where(Cut.clip_id == clip.id)) or 0
    cut = Cut(
        id=secrets.token_hex(16),
        clip_id=clip.id,
        film_id=film.id,
        number=highest + 1,
        state=CutState.MAKING,
        origin=origin,
        edits=edits.as_json(),
        # A program's id is its token's, and no person's.
        asked_by_id=by.id if by.kind in (ActorKind.MODERATOR, ActorKind.ADMIN) else None,
        created_at=db_now(session),
    )
    session.add(cut)
    session.flush()
    return cut


def _made(session: Session, cut: Cut, files: Sequence[Stored], report: Report) -> None:
    session.execute(delete(Rendition).where(Rendition.cut_id == cut.id))
    session.add_all(_rendition(cut, file) for file in files)
    cut.state, cut.made_at = CutState.MADE, db_now(session)
    cut.ladder_version, cut.profile = report.ladder_version, report.profile
    cut.ffmpeg_version, cut.sandbox = report.ffmpeg_version[:40] or None, report.sandbox[:20] or None
    cut.seconds, cut.width, cut.height = report.seconds, report.width, report.height
    cut.loudness, cut.copied_top, cut.cpu_seconds = report.loudness, report.copied_top, report.cpu_seconds
    cut.proposals = list(report.proposals)
    session.flush()


def _rendition(cut: Cut, file: Stored) -> Rendition:
    return Rendition(
        clip_id=cut.clip_id,
        film_id=cut.film_id,
        cut_id=cut.id,
        name=file.name,
        kind=file.kind,
        key=file.key,
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        width=file.width,
        height=file.height,
        bandwidth=file.bandwidth,
    )
