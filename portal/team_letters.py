"""Letters to the team, told by the clock and seldom: an answer that is due, work that failed, owners who wrote.

They name no owner and quote nothing: a letter about several clips would keep what is erased with one of them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import campaigns, desk, failures, notices, people, thread
from portal.database import db_now
from portal.i18n import format_datetime
from portal.models import AuditEvent, Campaign, Clip, Job, Message, Notice, Person, State, SupportCase
from portal.notices import NoticeKind

LISTED: Final = 5
"""So many clips or jobs are named; of the others their number."""

PROMISES_EVERY: Final = timedelta(days=1)
_SEEN_BEFORE: Final = timedelta(days=1)


def write(session: Session) -> int:
    """Put what the team should know into the outbox; how many letters. Run twice at once, it writes none twice."""
    team = [person for person in people.staff(session) if person.email]
    reviewers = [person for person in team if people.may_review(person)]
    administrators = [person for person in team if people.may_administer(person)]
    now = db_now(session)
    return (
        _promises(session, reviewers, now)
        + _each(session, NoticeKind.OWNERS_WROTE, reviewers, now, _wrote)
        + _each(session, NoticeKind.JOBS_FAILED, administrators, now, _failed)
    )


def told(session: Session, notice: Notice) -> dict[str, Any]:
    """What such a letter says, in its reader's language; nothing of it is stored."""
    if notice.kind == NoticeKind.JOBS_FAILED:
        jobs = session.scalars(select(Job).where(Job.id.in_(notice.facts.get("jobs", [])))).all()
        return {"rows": [_job_told(job) for job in sorted(jobs, key=lambda job: (job.created_at, job.id))]}
    if notice.kind == NoticeKind.PROMISES_DUE:
        return {"rows": _clips_told(session, notice), "calls_told": _calls_told(session, notice)}
    return {}


def _clips_told(session: Session, notice: Notice) -> list[dict[str, str]]:
    asked = select(Clip, Campaign).join(Campaign, Campaign.id == Clip.campaign_id)
    found = session.execute(asked.where(Clip.id.in_(notice.facts.get("clips", [])))).all()
    rows = sorted(
        ((_due(clip.state_since, call), clip.id, clip, call) for clip, call in found), key=lambda row: row[:2]
    )
    return [_clip_told(due, clip, call, notice) for due, _, clip, call in rows]


def _calls_told(session: Session, notice: Notice) -> list[dict[str, str]]:
    asked = select(SupportCase).where(SupportCase.id.in_(notice.facts.get("cases", [])))
    cases = session.scalars(asked.order_by(SupportCase.made_at, SupportCase.id)).all()
    return [_call_told(case) for case in cases]


def _promises(session: Session, team: Sequence[Person], now: datetime) -> int:
    """Which clips must be answered within a day, or should have been, and which calls are late: one letter a day to each."""
    asked = select(Clip.id, Clip.state_since, Campaign).join(Campaign, Campaign.id == Clip.campaign_id)
    waiting = session.execute(asked.where(Clip.state == State.IN_REVIEW)).all()
    due = sorted(
        (_due(since, call), clip_id)
        for clip_id, since, call in waiting
        if is_at_risk(since, call.answer_days, now)
    )
    calls = desk.late_calls(session)
    if not due and not calls:
        return 0
    facts = {
        "count": len(due), "late": sum(at < now for at, _ in due), "clips": [clip_id for _, clip_id in due[:LISTED]],
        "calls": len(calls), "cases": [case.id for case in calls[:LISTED]],
    }  # fmt: skip
    kind, written = NoticeKind.PROMISES_DUE, 0
    for person in team:
        last = _last_told(session, kind, person)
        if last is None or last <= now - PROMISES_EVERY:
            written += _write(session, kind, person, f"promises:{now:%Y%m%d}", facts)
    return written


def _each(
    session: Session,
    kind: NoticeKind,
    team: Sequence[Person],
    now: datetime,
    news: Callable[[Session, datetime], tuple[str, dict[str, Any]]],
) -> int:
    """To each what is new since the last such letter."""
    written = 0
    for person in team:
        mark, facts = news(session, _last_told(session, kind, person) or now - _SEEN_BEFORE)
        if mark:
            written += _write(session, kind, person, mark, facts)
    return written


def _wrote(session: Session, since: datetime) -> tuple[str, dict[str, Any]]:
    """How many clips have a message that nobody has dealt with, or an answered request."""
    unread = (Message.author == thread.BY_OWNER, Message.seen_at.is_(None), Message.made_at > since)
    wrote = select(func.count(func.distinct(Message.clip_id)), func.max(Message.id)).where(*unread)
    messages, newest = session.execute(wrote).one()
    answered = (AuditEvent.verb == "answer", AuditEvent.at > since, Clip.state == State.IN_REVIEW)
    asked = select(func.count(func.distinct(Clip.id)), func.max(AuditEvent.id))
    joined = asked.select_from(AuditEvent).join(Clip, Clip.id == AuditEvent.clip_id)
    answers, last = session.execute(joined.where(*answered)).one()
    mark = f"wrote:{newest or 0}:{last or 0}" if messages or answers else ""
    return mark, {"messages": messages, "answers": answers}


def _failed(session: Session, since: datetime) -> tuple[str, dict[str, Any]]:
    """The jobs that failed by our fault and were given up."""
    ours = (failures.still_matters(), Job.error_code.startswith("ours"), Job.finished_at > since)
    ids = session.scalars(select(Job.id).where(*ours).order_by(Job.finished_at, Job.id)).all()
    return (f"jobs:{ids[-1]}" if ids else ""), {"count": len(ids), "jobs": list(ids[:LISTED])}


def _due(since: datetime, call: Campaign) -> datetime:
    return desk.promised_by(since, working_days=call.answer_days)


def is_at_risk(since: datetime, working_days: int, now: datetime) -> bool:
    """Whether an answer that was promised within so many working days is due within a day, or overdue."""
    # Where it is promised for the next day, the first half of it is no risk yet.
    ahead = timedelta(days=1) if working_days > 1 else timedelta(hours=12)
    return desk.promised_by(since, working_days=working_days) - ahead < now


def _last_told(session: Session, kind: NoticeKind, person: Person) -> datetime | None:
    last = select(func.max(Notice.created_at)).where(Notice.person_id == person.id, Notice.kind == kind)
    return session.scalar(last)


def _write(session: Session, kind: NoticeKind, person: Person, mark: str, facts: dict[str, Any]) -> int:
    told = notices.write(
        session, kind, to=person, lang=person.lang, occasion=f"{mark}:{person.id}", facts=facts
    )
    return int(told is not None)


def _clip_told(due: datetime, clip: Clip, call: Campaign, notice: Notice) -> dict[str, str]:
    return {
        "number": clip.id,
        "call": campaigns.text_of(call, notice.lang, notice.lang).title,
        "since": format_datetime(clip.state_since),
        "due": format_datetime(due),
    }


def _call_told(case: SupportCase) -> dict[str, str]:
    due = desk.promised_by(case.made_at)
    return {"number": str(case.id), "since": format_datetime(case.made_at), "due": format_datetime(due)}


def _job_told(job: Job) -> dict[str, str]:
    ended = format_datetime(job.finished_at or job.created_at)
    return {"number": job.clip_id, "kind": job.kind, "code": job.error_code or "", "at": ended}
