"""What there is to look at in the studio: lists, one clip, its history, the figures of the worker; only reads.

`portal/review.py` offers these names too, next to the decisions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, selectinload

from portal import failures, people, search, support, thread, uses
from portal.database import db_now
from portal.errors import Code, Missing
from portal.lifecycle import ActorKind
from portal.models import (
    AuditEvent,
    Campaign,
    CaseState,
    Clip,
    ClipTheme,
    Consent,
    Cut,
    Decision,
    Film,
    Job,
    JobState,
    Note,
    Person,
    Rendition,
    State,
    SupportCase,
    Theme,
    WorkerSeen,
)

PROMISED_WORKING_DAYS: Final = 2
"""What owners are told where a call says nothing else: an answer within two working days."""


@dataclass(frozen=True, slots=True)
class Row:
    """One clip in a list of the studio: owner, campaign and themes are loaded."""

    clip: Clip
    claimed_by: str
    poster_key: str | None
    is_answer: bool


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a clip's history; `who` is empty for the worker, the clock and erased persons."""

    at: datetime
    verb: str
    actor: str
    who: str
    version: int | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything a moderator sees of one clip, fully loaded."""

    clip: Clip
    owner: Person | None
    campaign: Campaign
    themes: list[Theme]
    film: Film | None
    film_number: int
    cut: Cut | None
    renditions: list[Rendition]
    consents: list[Consent]
    decisions: list[Decision]
    notes: list[Note]
    history: list[Happening]
    jobs: list[Job]
    names: dict[int, str]
    published_before: int
    claimed_by: str


@dataclass(frozen=True, slots=True)
class WorkFigures:
    """How the worker is doing: jobs due and running, the oldest due one's age in seconds, what failed, beats."""

    waiting: int
    running: int
    oldest_seconds: float
    failed: list[tuple[Job, Clip]]
    workers: list[WorkerSeen]
    now: datetime


def queue(  # noqa: PLR0913 - one word per filter of the list
    session: Session,
    *,
    state: State | None = State.IN_REVIEW,
    campaign: str | None = None,
    theme: str | None = None,
    lang: str | None = None,
    use: str = "",
    q: str = "",
    order: str = "oldest",
    replies: bool = False,
    after: tuple[datetime, str] | None = None,
    skip: int = 0,
    limit: int = 50,
) -> list[Row]:
    """Clips in this state (None: in any) by how long they are in it, at most `limit`, after a place in the list.

    `replies`: only those whose owner waits for an answer; `use`: those that are published and may be used for this.
    """
    says = search.says_here
    wanted = _conditions(state=state, campaign=campaign, theme=theme, lang=lang, use=use, q=q, says=says)
    asked = select(Clip).where(*wanted, *([thread.is_waiting()] if replies else []))
    if after is not None:
        since, clip_id = after
        further = Clip.state_since > since if order == "oldest" else Clip.state_since < since
        further_id = Clip.id > clip_id if order == "oldest" else Clip.id < clip_id
        asked = asked.where(or_(further, and_(Clip.state_since == since, further_id)))
    ways = (Clip.state_since, Clip.id)
    asked = (
        asked.order_by(*(ways if order == "oldest" else [way.desc() for way in ways]))
        .offset(skip)
        .limit(limit)
    )
    loaded = asked.options(selectinload(Clip.owner), selectinload(Clip.campaign), selectinload(Clip.themes))
    return _rows(session, list(session.scalars(loaded)))


def count(
    session: Session,
    *,
    state: State | None = State.IN_REVIEW,
    campaign: str | None = None,
    theme: str | None = None,
    lang: str | None = None,
    use: str = "",
    q: str = "",
    replies: bool = False,
) -> int:
    """How many clips `queue` would list with these filters."""
    says = search.SaysAnywhere()
    wanted = _conditions(state=state, campaign=campaign, theme=theme, lang=lang, use=use, q=q, says=says)
    wanted += [thread.is_waiting()] if replies else []
    return session.scalar(select(func.count()).select_from(Clip).where(*wanted)) or 0


def counts(session: Session) -> dict[str, int]:
    """How many clips there are in each state."""
    rows = session.execute(select(Clip.state, func.count()).group_by(Clip.state))
    return {state: found for state, found in rows}  # noqa: C416 - mypy takes no dict() of rows


def late_count(session: Session) -> int:
    """How many clips wait for longer than owners were promised."""
    now = db_now(session)
    waiting = select(Clip.state_since, Campaign.answer_days).join(Campaign, Campaign.id == Clip.campaign_id)
    since_yesterday = waiting.where(Clip.state == State.IN_REVIEW, Clip.state_since < now - timedelta(days=1))
    return sum(
        promised_by(since, working_days=days) < now for since, days in session.execute(since_yesterday)
    )


def late_calls(session: Session) -> list[SupportCase]:
    """Owners' calls, taken on or not, whose promised time has passed; whoever waits longest first."""
    now = db_now(session)
    waits = (SupportCase.state.in_(support.OPEN), SupportCase.made_at < now - timedelta(days=1))
    cases = session.scalars(select(SupportCase).where(*waits).order_by(SupportCase.made_at, SupportCase.id))
    return [case for case in cases if promised_by(case.made_at) < now]


def calls_count(session: Session) -> int:
    """How many calls need somebody: those that nobody has taken on, and those that are late although somebody has."""
    taken = sum(case.state == CaseState.TAKEN for case in late_calls(session))
    return support.open_count(session) + taken


def promised_by(since: datetime, *, working_days: int = PROMISED_WORKING_DAYS) -> datetime:
    """When the owner should have an answer: so many working days later, Saturdays and Sundays left out."""
    due, left = since, working_days
    while left:
        due += timedelta(days=1)
        left -= due.weekday() < 5
    return due


def place_of(clip: Clip) -> tuple[datetime, str]:
    """Where a clip stands in the line; to be asked before a decision moves it."""
    return clip.state_since, clip.id


def next_clip(
    session: Session, *, after: tuple[datetime, str] | None = None, person_id: int | None = None
) -> str | None:
    """The id of the oldest clip in review that no colleague holds, behind the place `after` where one is named."""
    now = db_now(session)
    free = or_(Clip.claimed_until.is_(None), Clip.claimed_until < now, Clip.claimed_by_id == person_id)
    waiting = (
        select(Clip.id).where(Clip.state == State.IN_REVIEW).order_by(Clip.state_since, Clip.id).limit(1)
    )
    if after is None:
        return session.scalar(waiting.where(free)) or session.scalar(waiting)
    since, clip_id = after
    behind = or_(Clip.state_since > since, and_(Clip.state_since == since, Clip.id > clip_id))
    others = waiting.where(Clip.id != clip_id)
    return (
        session.scalar(others.where(free, behind))
        or session.scalar(others.where(free))
        or session.scalar(others)
    )


def clip_by_id(session: Session, clip_id: str) -> Clip:
    """The bare clip; raises Missing."""
    clip = session.get(Clip, clip_id)
    if clip is None:
        raise Missing(Code.MISSING)
    return clip


def sheet(session: Session, clip_id: str) -> Sheet:
    """Everything a moderator sees of one clip; raises Missing."""
    loaded = (selectinload(Clip.owner), selectinload(Clip.campaign), selectinload(Clip.themes))
    # Whoever decides must see today's row, whatever this session has seen of it before.
    clip = session.scalars(
        select(Clip).where(Clip.id == clip_id).options(*loaded).execution_options(populate_existing=True)
    ).one_or_none()
    if clip is None:
        raise Missing(Code.MISSING)
    films = session.scalars(select(Film).where(Film.clip_id == clip.id).order_by(Film.number)).all()
    film = next((one for one in films if one.id == clip.film_id), films[-1] if films else None)
    decisions = _all_of(session, Decision, clip)
    notes = _all_of(session, Note, clip)
    names = _names(session, clip, [*(d.moderator_id for d in decisions), *(n.author_id for n in notes)])
    made = select(Rendition).where(Rendition.cut_id == (clip.cut_id or "")).order_by(Rendition.id)
    agreed = select(Consent).where(Consent.clip_id == clip.id).order_by(Consent.id)
    return Sheet(
        clip=clip,
        owner=clip.owner,
        campaign=clip.campaign,
        themes=clip.themes,
        film=film,
        film_number=len(films),
        cut=session.get(Cut, clip.cut_id) if clip.cut_id is not None else None,
        renditions=list(session.scalars(made)),
        consents=list(session.scalars(agreed.options(selectinload(Consent.text)))),
        decisions=decisions,
        notes=notes,
        history=history(session, clip),
        jobs=list(session.scalars(select(Job).where(Job.clip_id == clip.id).order_by(Job.created_at.desc()))),
        names=names,
        published_before=_published_before(session, clip),
        claimed_by=_holder(clip, names, db_now(session)),
    )


def history(session: Session, clip: Clip, *, since_version: int = 0) -> list[Happening]:
    """Who did what to the clip, newest first; after a version, for whoever was overtaken."""
    asked = select(AuditEvent).where(AuditEvent.clip_id == clip.id, AuditEvent.clip_version > since_version)
    events = session.scalars(asked.order_by(AuditEvent.id.desc())).all()
    staff = {ActorKind.MODERATOR, ActorKind.ADMIN}
    names = people.names(
        session, {e.actor_id for e in events if e.actor_kind in staff and e.actor_id is not None}
    )
    return [
        Happening(
            at=event.at,
            verb=event.verb,
            actor=event.actor_kind,
            who=names.get(event.actor_id or 0, "") if event.actor_kind in staff else "",
            version=event.clip_version,
            detail=event.detail,
        )
        for event in events
    ]


def work_figures(session: Session, *, most: int = 50) -> WorkFigures:
    """How the worker is doing now; of the failed jobs that still matter, the newest `most`."""
    now = db_now(session)
    due = (Job.state == JobState.QUEUED, Job.run_after <= now)
    waiting, oldest = session.execute(select(func.count(), func.min(Job.run_after)).where(*due)).one()
    running = session.scalar(select(func.count()).select_from(Job).where(Job.state == JobState.RUNNING)) or 0
    failed = (
        select(Job, Clip)
        .join(Clip, Clip.id == Job.clip_id)
        .where(failures.still_matters())
        .order_by(Job.finished_at.desc(), Job.id)
        .limit(most)
    )
    return WorkFigures(
        waiting=waiting,
        running=running,
        oldest_seconds=(now - oldest).total_seconds() if oldest else 0.0,
        failed=[(job, clip) for job, clip in session.execute(failed)],
        workers=list(session.scalars(select(WorkerSeen).order_by(WorkerSeen.seen_at.desc()))),
        now=now,
    )


def _conditions(
    *,
    state: State | None,
    campaign: str | None,
    theme: str | None,
    lang: str | None,
    use: str,
    q: str,
    says: search.Says,
) -> list[ColumnElement[bool]]:
    wanted = [search.condition(q, says)] if q.strip() else []
    if state is not None:
        wanted.append(Clip.state == state)
    if campaign:
        wanted.append(Clip.campaign_id.in_(select(Campaign.id).where(Campaign.slug == campaign)))
    if theme:
        carriers = (
            select(ClipTheme.clip_id).join(Theme, Theme.id == ClipTheme.theme_id).where(Theme.slug == theme)
        )
        wanted.append(Clip.id.in_(carriers))
    if lang:
        wanted.append(Clip.speech_lang == lang)
    if use:
        wanted.append(uses.agreed(use))
    return wanted


def _rows(session: Session, clips: list[Clip]) -> list[Row]:
    ids = [clip.id for clip in clips]
    now = db_now(session)
    holders = people.names(session, {clip.claimed_by_id for clip in clips if clip.claimed_by_id is not None})
    # The smallest poster of the cut that counts.
    made = (
        select(Rendition)
        .where(Rendition.clip_id.in_(ids), Rendition.kind == "poster")
        .order_by(Rendition.width.desc())
    )
    posters = {row.cut_id: row.key for row in session.scalars(made) if row.content_type == "image/webp"}
    asked = select(Decision.clip_id).where(
        Decision.clip_id.in_(ids), Decision.verb == "request_changes", Decision.undone_at.is_(None)
    )
    answered = set(session.scalars(asked))
    return [
        Row(clip, _holder(clip, holders, now), posters.get(clip.cut_id or ""), clip.id in answered)
        for clip in clips
    ]


def _all_of(session: Session, what: type[Any], clip: Clip) -> list[Any]:
    return list(session.scalars(select(what).where(what.clip_id == clip.id).order_by(what.id)))


def _names(session: Session, clip: Clip, ids: Iterable[int | None]) -> dict[int, str]:
    return people.names(session, {key for key in (*ids, clip.claimed_by_id) if key is not None})


def _holder(clip: Clip, names: dict[int, str], now: datetime) -> str:
    if clip.claimed_by_id is None or clip.claimed_until is None or clip.claimed_until < now:
        return ""
    return names.get(clip.claimed_by_id, "")


def _published_before(session: Session, clip: Clip) -> int:
    if clip.owner_id is None:
        return 0
    published = (
        select(func.count())
        .select_from(Clip)
        .where(Clip.owner_id == clip.owner_id, Clip.state == State.PUBLISHED, Clip.id != clip.id)
    )
    return session.scalar(published) or 0
