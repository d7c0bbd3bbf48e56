"""Owners who ask to be called, and what became of it: a case with a number, beside publication.

Nothing here reads or changes a clip's state, version or decisions, and nothing of reviewing looks in here.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import notices, people
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, TooMuch, Unacceptable
from portal.lifecycle import Actor, ActorKind
from portal.models import CaseState, Clip, Notice, Person, State, SupportCase
from portal.notices import NoticeKind

WORDS_MOST: Final = 2000
PHONE_MOST: Final = 40
MOST_A_DAY: Final = 3
"""Cases that an owner may open about one clip in 24 hours."""

OPEN: Final = (CaseState.OPEN, CaseState.TAKEN)
_STAFF = (ActorKind.MODERATOR, ActorKind.ADMIN)
_PHONE = re.compile(r"[+(\d][\d\s().\-/]{4,}\d(?:\s*(?:#|x|p|poste|ext\.?)\s*\d{1,6})?", re.IGNORECASE)


def open_case(
    session: Session,
    clip: Clip,
    *,
    words: str,
    phone: str,
    by: Actor,
    support: str,
    default_lang: str,
    token: str = "",
) -> SupportCase:
    """Give whoever asks a number at once, and tell support: the address `support`, or every administrator.

    The same `token` (of a form) with the same words is one case. Raises Unacceptable with the faults by field,
    TooMuch when an owner opens more than 3 a day, Conflict when the clip is erased.
    """
    said, number = _checked(words, phone)
    if clip.state == State.ERASED:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    once = hashlib.sha256(f"{clip.id}:{token}:{said}:{number}".encode()).hexdigest() if token else None
    if once is not None and (known := _known(session, once)) is not None:
        return known
    is_staff = by.kind in _STAFF
    if not is_staff:
        _refuse_flood(session, clip)
    case = SupportCase(
        clip_id=clip.id,
        words=said,
        phone=number,
        state=CaseState.OPEN,
        opened_by_id=by.id if is_staff else None,
        made_at=db_now(session),
        once=once,
    )
    try:
        with session.begin_nested():
            session.add(case)
    except IntegrityError:
        # The button was pressed twice, and the first press opened it in between.
        return session.scalars(select(SupportCase).where(SupportCase.once == once)).one()
    _tell(session, clip, case, support, default_lang)
    return case


def by_id(session: Session, number: int) -> SupportCase:
    """The case with this number; raises Missing."""
    case = session.get(SupportCase, number)
    if case is None:
        raise Missing(Code.MISSING)
    return case


def of(session: Session, clip: Clip) -> list[SupportCase]:
    """The cases of a clip, newest first."""
    asked = select(SupportCase).where(SupportCase.clip_id == clip.id).order_by(SupportCase.id.desc())
    return list(session.scalars(asked))


def listed(
    session: Session, states: Iterable[CaseState] = OPEN, *, limit: int = 100
) -> list[tuple[SupportCase, Clip]]:
    """Cases in these states with their clips: those that wait longest first, solved ones newest first."""
    wanted = tuple(states)
    order = SupportCase.made_at if set(wanted) <= set(OPEN) else SupportCase.id.desc()
    asked = select(SupportCase, Clip).join(Clip, Clip.id == SupportCase.clip_id)
    rows = session.execute(asked.where(SupportCase.state.in_(wanted)).order_by(order).limit(limit))
    return [(case, clip) for case, clip in rows]


def counts(session: Session) -> dict[str, int]:
    """How many cases there are in each state."""
    rows = session.execute(select(SupportCase.state, func.count()).group_by(SupportCase.state))
    return {state: found for state, found in rows}  # noqa: C416 - Row is no pair


def open_count(session: Session) -> int:
    """How many cases nobody has taken yet."""
    asked = select(func.count()).select_from(SupportCase).where(SupportCase.state == CaseState.OPEN)
    return session.scalar(asked) or 0


def take(session: Session, case: SupportCase, person: Person) -> None:
    """This person calls; raises Conflict when a colleague was faster or the case is solved."""
    now = db_now(session)
    _move(session, case, CaseState.OPEN, state=CaseState.TAKEN, taken_by_id=person.id, taken_at=now)


def let_go(session: Session, case: SupportCase) -> None:
    """Somebody else may call; raises Conflict when it is not taken."""
    _move(session, case, CaseState.TAKEN, state=CaseState.OPEN, taken_by_id=None, taken_at=None)


def solve(session: Session, case: SupportCase, outcome: str, person: Person) -> None:
    """Say what came of it, and forget the phone number.

    Raises Unacceptable without words or with too many, Conflict when it is solved already.
    """
    said = outcome.strip()
    if not said or len(said) > WORDS_MOST:
        fault = Code.TOO_LONG_TEXT if said else Code.REQUIRED
        raise Unacceptable(fault, fields={"outcome": fault}, most=WORDS_MOST)
    values = {"outcome": said, "solved_at": db_now(session), "phone": ""}
    _move(session, case, *OPEN, state=CaseState.SOLVED, taken_by_id=case.taken_by_id or person.id, **values)


def told(session: Session, notice: Notice) -> dict[str, str | int]:
    """What the letter to support says: the number, what it is about, how the owner is reached."""
    case = session.get(SupportCase, int(notice.about or 0))
    if case is None:
        return {}
    clip = session.get_one(Clip, case.clip_id)
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    email = (owner.email or "") if owner is not None else ""
    return {
        "number": case.id, "words": case.words, "phone": case.phone, "name": clip.first_name, "email": email
    }  # fmt: skip


def _move(session: Session, case: SupportCase, *sources: CaseState, **values: object) -> None:
    session.flush()
    changed = session.execute(
        update(SupportCase)
        .where(SupportCase.id == case.id, SupportCase.state.in_(sources))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    session.refresh(case)
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(Code.CONFLICT, state=case.state)


def _tell(session: Session, clip: Clip, case: SupportCase, support: str, default_lang: str) -> None:
    readers: list[Person | str] = (
        [support] if support else [one for one in people.staff(session) if people.may_administer(one)]
    )
    for to in readers:
        lang = to.lang if isinstance(to, Person) else default_lang
        whose = to.id if isinstance(to, Person) else "support"
        notices.write(
            session, NoticeKind.CASE_OPENED, to=to, lang=lang, occasion=f"case:{case.id}:{whose}", clip=clip,
            about=str(case.id),
        )  # fmt: skip


def _known(session: Session, once: str) -> SupportCase | None:
    return session.scalars(select(SupportCase).where(SupportCase.once == once)).one_or_none()


def _refuse_flood(session: Session, clip: Clip) -> None:
    yesterday = db_now(session) - timedelta(days=1)
    recent = (
        SupportCase.clip_id == clip.id,
        SupportCase.opened_by_id.is_(None),
        SupportCase.made_at > yesterday,
    )
    if (session.scalar(select(func.count()).select_from(SupportCase).where(*recent)) or 0) >= MOST_A_DAY:
        raise TooMuch(Code.TOO_OFTEN, retry_after=3600)


def _checked(words: str, phone: str) -> tuple[str, str]:
    said, number = words.replace("\r\n", "\n").strip(), " ".join(phone.split())
    faults: dict[str, Code] = {}
    if not said and not number:
        faults["words"] = Code.REQUIRED
    if len(said) > WORDS_MOST:
        faults["words"] = Code.TOO_LONG_TEXT
    if number and (len(number) > PHONE_MOST or not _PHONE.fullmatch(number)):
        faults["phone"] = Code.WRONG_PHONE
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults, most=WORDS_MOST)
    return said, number
