"""Who is told what, once: the outbox of mails, and the letters composed from templates/email.

Never sends (the worker does, with the mailer); never decides about a clip.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import ROOT, Site
from portal import edit_words, reasons
from portal.database import db_now
from portal.edits import EditList
from portal.errors import Code
from portal.i18n import format_clock, format_datetime, language, raw_gettext, raw_ngettext
from portal.jobs import Bell, JobKind, ask
from portal.models import Clip, Cut, Decision, Notice, NoticeState, Person

LEASE_SECONDS = 180.0
RETRY_PAUSES = (60.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 43200.0)
"""Seconds before each new attempt: a mail server may be away for most of a day."""

UNDO_HOURS = 24
_OVERDUE_SECONDS = 5.0
_BELLS_PER_SWEEP = 50


class NoticeKind(StrEnum):
    """One kind of letter; each has templates/email/<kind>.txt and .html (a test pairs them)."""

    RECEIVED = "received"
    FINISH_LATER = "finish_later"
    CHANGES_REQUESTED = "changes_requested"
    PUBLISHED = "published"
    REJECTED = "rejected"
    FAILED = "failed"
    REMOVED = "removed"
    WITHDRAWN = "withdrawn"
    CUT_READY = "cut_ready"


CUT_OCCASION = "cut:"
"""Before a cut's id: the occasion of the letter that tells of it."""

UNASKED_A_DAY = 20
"""Anybody may type anybody's address: so many letters a day leave for one before a moderator has looked."""

_UNASKED = (NoticeKind.RECEIVED, NoticeKind.FINISH_LATER, NoticeKind.FAILED)


@dataclass(frozen=True, slots=True)
class Said:
    """One reason as the owner reads it: code, place in the film, the moderator's own words."""

    code: str
    at_seconds: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One composed letter."""

    subject: str
    text: str
    html: str
    lang: str


@dataclass(frozen=True, slots=True)
class Told:
    """The right to send one notice until the lease ends."""

    notice_id: int
    kind: NoticeKind
    attempt: int
    message_id: str
    to: str


@dataclass(frozen=True, slots=True)
class _Letter:
    """What the templates may speak of."""

    title: str
    first_name: str
    clip_url: str
    action_url: str
    site: Site
    reasons: list[dict[str, str]] = field(default_factory=list)
    fault: str = ""
    until: str = ""
    changes: list[str] = field(default_factory=list)


# The outbox --------------------------------------------------------------------------------------------


def tell(
    session: Session,
    kind: NoticeKind,
    clip: Clip,
    *,
    occasion: str,
    decision_id: int | None = None,
    delay: float = 0.0,
) -> Notice | None:
    """Put one letter to the clip's owner into the outbox; `delay` (seconds) leaves time for an undo.

    None when there is nobody to write to, or when a stranger could be flooding that address. The same occasion twice makes one notice.
    """
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    if owner is None or not owner.email:
        return None
    known = session.scalars(select(Notice).where(Notice.occasion == occasion)).first()
    if known is not None:
        return known
    now = db_now(session)
    if kind in _UNASKED and _told_today(session, owner, now) >= UNASKED_A_DAY:
        return None
    notice = Notice(
        kind=kind,
        clip_id=clip.id,
        person_id=owner.id,
        decision_id=decision_id,
        occasion=occasion,
        state=NoticeState.WAITING,
        # Fixed here: a letter that leaves twice after a crash is known as the same one by mail programs.
        message_id=f"{secrets.token_hex(12)}@{clip.id.lower()}.notice",
        created_at=now,
        run_after=now + timedelta(seconds=delay),
    )
    try:
        with session.begin_nested():
            session.add(notice)
    except IntegrityError:
        return session.scalars(select(Notice).where(Notice.occasion == occasion)).one()
    ask(session, JobKind.TELL, str(notice.id), delay=delay)
    return notice


def _told_today(session: Session, owner: Person, now: datetime) -> int:
    recent = (Notice.person_id == owner.id, Notice.created_at > now - timedelta(days=1))
    counted = select(func.count()).select_from(Notice).where(*recent, Notice.kind.in_(_UNASKED))
    return session.scalar(counted) or 0


def cancel(session: Session, clip: Clip, kind: NoticeKind) -> None:
    """Take waiting letters of this kind out of the outbox (the decision was undone)."""
    waiting = (Notice.clip_id == clip.id, Notice.kind == kind, Notice.state == NoticeState.WAITING)
    session.execute(update(Notice).where(*waiting).values(state=NoticeState.CANCELLED))


def claim_notice(session: Session, notice_id: int, *, lease_seconds: float = LEASE_SECONDS) -> Told | None:
    """Take a due letter by one conditional UPDATE; None when it is sent, cancelled, not due or in other hands."""
    now = db_now(session)
    notice = session.get(Notice, notice_id)
    if notice is None:
        return None
    person = session.get_one(Person, notice.person_id)
    if not person.email:
        # Erased meanwhile: there is nobody to be told any more.
        if notice.state in (NoticeState.WAITING, NoticeState.SENDING):
            notice.state = NoticeState.CANCELLED
        return None
    taken = session.execute(
        update(Notice)
        .where(
            Notice.id == notice_id,
            Notice.attempt == notice.attempt,
            or_(
                and_(Notice.state == NoticeState.WAITING, Notice.run_after <= now),
                and_(Notice.state == NoticeState.SENDING, Notice.lease_until < now),
            ),
        )
        .values(
            state=NoticeState.SENDING,
            attempt=Notice.attempt + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
        )
        .execution_options(synchronize_session=False)
    )
    session.expire(notice)
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    return Told(notice.id, NoticeKind(notice.kind), notice.attempt, notice.message_id, person.email)


def notice_sent(session: Session, told: Told) -> bool:
    """The letter has left; False when somebody else has it in hand by now."""
    return _report(session, told, state=NoticeState.SENT, sent_at=db_now(session), error_detail=None)


def is_cancelled(session: Session, told: Told) -> bool:
    """Whether nobody wants this letter any more."""
    return session.get_one(Notice, told.notice_id).state == NoticeState.CANCELLED


def notice_failed(
    session: Session, told: Told, detail: str, *, pauses: Sequence[float] = RETRY_PAUSES
) -> bool:
    """The letter did not leave: again after a growing pause, for a day; then it stays `failed` for staff to see."""
    if told.attempt > len(pauses):
        return _report(session, told, state=NoticeState.FAILED, error_detail=detail[:2000])
    pause = pauses[told.attempt - 1]
    later = db_now(session) + timedelta(seconds=pause)
    return _report(
        session,
        told,
        state=NoticeState.WAITING,
        run_after=later,
        lease_until=None,
        error_detail=detail[:2000],
    )


def _report(session: Session, told: Told, **values: Any) -> bool:
    changed = session.execute(
        update(Notice)
        .where(
            Notice.id == told.notice_id,
            Notice.state == NoticeState.SENDING,
            Notice.attempt == told.attempt,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    session.expire(session.get_one(Notice, told.notice_id))
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def overdue_notices(session: Session) -> list[Bell]:
    """Bells for letters that should have left by now; oldest first, bounded."""
    now = db_now(session)
    late = and_(
        Notice.state == NoticeState.WAITING, Notice.run_after <= now - timedelta(seconds=_OVERDUE_SECONDS)
    )
    lost = and_(Notice.state == NoticeState.SENDING, Notice.lease_until < now)
    found = select(Notice.id).where(or_(late, lost)).order_by(Notice.run_after).limit(_BELLS_PER_SWEEP)
    return [Bell(JobKind.TELL, str(notice_id)) for notice_id in session.scalars(found)]


def message_ids(session: Session, clip_id: str) -> list[str]:
    """Under which ids letters about this clip were written."""
    return list(session.scalars(select(Notice.message_id).where(Notice.clip_id == clip_id)))


# The letters -------------------------------------------------------------------------------------------


def compose(session: Session, notice: Notice, *, site: Site, link: str) -> Mail:
    """The letter of a notice in the owner's language; `link` is the address of the clip's status page."""
    clip = session.get_one(Clip, notice.clip_id)
    decision = session.get(Decision, notice.decision_id) if notice.decision_id is not None else None
    said = [Said(one.code, one.at_seconds, one.words) for one in decision.reasons] if decision else []
    cut = session.get(Cut, notice.occasion.removeprefix(CUT_OCCASION))
    edits = EditList() if cut is None else EditList.from_json(cut.edits)
    return _write(
        NoticeKind(notice.kind), clip, clip.lang, said, site, link, at=notice.created_at, edits=edits
    )


def preview(
    kind: NoticeKind, clip: Clip, lang: str, reasons_given: Sequence[Said], site: Site, *, link: str = ""
) -> Mail:
    """The letter as it would be, for whoever decides; writes no row and mints no link."""
    return _write(kind, clip, lang, reasons_given, site, link or f"{site.url}/{lang}/s/…", at=None)


def status_address(site: Site, lang: str, token: str) -> str:
    """Where an owner follows the clip."""
    return f"{site.url}/{lang}/s/{token}"


def _write(
    kind: NoticeKind,
    clip: Clip,
    lang: str,
    said: Sequence[Said],
    site: Site,
    link: str,
    *,
    at: datetime | None,
    edits: EditList | None = None,
) -> Mail:
    with language(lang):
        letter = _Letter(
            title=clip.title,
            first_name=clip.first_name,
            clip_url=f"{site.url}/{lang}/c/{clip.id}",
            action_url=link,
            site=site,
            reasons=[_spoken(one) for one in said],
            fault=reasons.sentence(_fault(clip), **clip.fail_facts) if kind is NoticeKind.FAILED else "",
            until=format_datetime(at + timedelta(hours=UNDO_HOURS)) if at else "",
            changes=edit_words.changes(edits or EditList()),
        )
        plain = _letters().get_template(f"{kind}.txt")
        context = {"letter": letter, "lang": lang}
        subject = "".join(plain.blocks["subject"](plain.new_context(context)))
        text = plain.render(context)
        html = _letters().get_template(f"{kind}.html").render(context, subject=subject)
    return Mail(" ".join(subject.split()), text, html, lang)


def _fault(clip: Clip) -> Code:
    """What the owner is told: of our own faults only that they are ours, whichever it was."""
    known = Code(clip.fail_code) if clip.fail_code in set(Code) else Code.OURS_TRANSCODE
    return Code.OURS_TRANSCODE if known.is_ours else known


def _spoken(said: Said) -> dict[str, str]:
    return {
        "name": reasons.name_of(said.code),
        "rule": reasons.rule_of(said.code),
        "at": format_clock(said.at_seconds) if said.at_seconds is not None else "",
        "words": said.words,
    }


@cache
def _letters() -> Environment:
    """The templates of letters, without Flask; a forgotten value is an error, never a gap."""
    letters = Environment(
        loader=FileSystemLoader(ROOT / "templates" / "email"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    letters.install_gettext_callables(raw_gettext, raw_ngettext, newstyle=True)  # type: ignore[attr-defined]
    return letters
