"""Letters to people in a film: the request, the request anew before an agreement ends, and that the film has changed.

Never takes an answer (signatures.py does), never sends.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from portal import consent, lifecycle, notices
from portal.database import db_now
from portal.lifecycle import Actor
from portal.models import Clip, CoSignature, Film, Notice, SignatureState, State
from portal.notices import NoticeKind

ASKED: Final = (State.IN_REVIEW, State.CHANGES_REQUESTED)
"""Where requests leave: the film is made, the owner's part is complete, there is something to look at."""

LETTERS_A_DAY: Final = 5
"""Anybody may name anybody: so many requests leave for one address in a day, the others wait."""

_LOOKED_AT: Final = 5000
_AT_ONCE: Final = 500

Work = Callable[[], AbstractContextManager[Session]]


def ask(session: Session, clip: Clip, row: CoSignature, *, by: Actor) -> bool:
    """Write to somebody who has not answered yet, once a day; False when today's letter has left or must wait."""
    if row.email is None or row.state != SignatureState.WAITING:
        return False
    now, is_first = db_now(session), row.asked_at is None
    if row.email in _busy(session, [row.email]) or (row.asked_at and row.asked_at.date() == now.date()):
        return False
    occasion = f"co_signature:{row.id}" + ("" if is_first else f":{now.date()}")
    if told_before(session, [occasion]):
        return False
    row.asked_at = row.asked_at or now
    session.flush()
    notices.write(
        session, NoticeKind.CO_SIGNATURE, to=row.email, lang=clip.lang, occasion=occasion, clip=clip,
        about=row.id, facts={"name": row.name, "is_minor": row.is_minor},
    )  # fmt: skip
    if is_first:
        lifecycle.record(session, clip, "cosign_ask", by=by, detail={"signature": row.id})
    return True


def ask_waiting(work: Work, *, at_most: int = 50) -> int:
    """Write to everybody who was named for a clip that is whole by now; how many. For the sweeper."""
    with work() as session:
        waiting = (
            select(CoSignature, Clip)
            .join(Clip, Clip.id == CoSignature.clip_id)
            .where(
                CoSignature.state == SignatureState.WAITING,
                CoSignature.asked_at.is_(None),
                CoSignature.email.is_not(None),
                Clip.state.in_(ASKED),
            )
        )
        # Those of one address that must wait until tomorrow do not hold up the others.
        waiting = waiting.where(CoSignature.email.not_in(_asked_enough(session)))
        rows = session.execute(waiting.order_by(CoSignature.created_at).limit(at_most)).all()
        return sum(ask(session, clip, row, by=lifecycle.CLOCK) for row, clip in rows)


def _busy(session: Session, emails: Sequence[str]) -> set[str | None]:
    """Which of these addresses had their share of requests today."""
    asked = _asked_enough(session).where(CoSignature.email.in_(emails))
    return set(session.scalars(asked))


def _asked_enough(session: Session) -> Select[str | None]:
    since = db_now(session) - timedelta(days=1)
    asked = select(CoSignature.email).where(CoSignature.email.is_not(None), CoSignature.asked_at > since)
    return asked.group_by(CoSignature.email).having(func.count() >= LETTERS_A_DAY)


# Afterwards ---------------------------------------------------------------------------------------------


def ask_ending(work: Work, *, at_most: int = 200) -> int:
    """Write to people whose agreement ends within 30 days, and to the clip's owner, once for each term; how many.

    Whoever has no address with us is reached by the owner, who gets the link to hand on again. For the sweeper.
    """
    with work() as session:
        now = db_now(session)
        rows = (
            select(CoSignature, Clip)
            .join(Clip, Clip.id == CoSignature.clip_id)
            .where(
                CoSignature.state == SignatureState.AGREED,
                CoSignature.removed_at.is_(None),
                CoSignature.until > now,
                CoSignature.until <= now + consent.ASKED_BEFORE,
                Clip.state.in_(consent.RENEWABLE),
            )
        )
        found = session.execute(rows.order_by(CoSignature.until).limit(_LOOKED_AT)).all()
        by_occasion = {f"co_ending:{row.id}:{row.until:%Y-%m-%d}": (row, clip) for row, clip in found}
        told = told_before(session, by_occasion)
        due = [(occasion, *pair) for occasion, pair in by_occasion.items() if occasion not in told]
        for occasion, row, clip in due[:at_most]:
            _ask_anew(session, clip, row, occasion, row.until or now)
    return min(len(due), at_most)


def _ask_anew(session: Session, clip: Clip, row: CoSignature, occasion: str, until: datetime) -> None:
    facts: dict[str, Any] = {"name": row.name, "is_minor": row.is_minor, "until": until.isoformat()}
    if row.email is not None:
        _write_anew(session, clip, row, occasion.replace("co_ending", "co_renewal"), facts)
    facts["is_asked"] = row.email is not None
    notices.tell(session, NoticeKind.CO_ENDING, clip, occasion=occasion, about=row.id, facts=facts)


def _write_anew(
    session: Session, clip: Clip, row: CoSignature, occasion: str, facts: Mapping[str, Any]
) -> None:
    notices.write(
        session, NoticeKind.CO_RENEWAL, to=row.email or "", lang=clip.lang, clip=clip, about=row.id, facts=facts,
        occasion=occasion,
    )  # fmt: skip


def ask_to_renew(session: Session, clip: Clip, row: CoSignature) -> bool:
    """Write to somebody whose agreement ends soon or has ended, as the owner wishes; False when today's letter has left.

    Whoever calls knows that it can be given anew (`signatures.may_renew`). Without an address nobody is written to.
    """
    if row.email is None or row.until is None:
        return False
    now = db_now(session)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    written = (Notice.about == row.id, Notice.kind == NoticeKind.CO_RENEWAL, Notice.created_at >= today)
    if session.scalar(select(exists().where(*written))):
        return False
    until = {"until": row.until.isoformat(), "is_over": row.until <= now}
    facts = {"name": row.name, "is_minor": row.is_minor, **until}
    _write_anew(session, clip, row, f"co_renewal_again:{row.id}:{now.date()}", facts)
    return True


def told_before(session: Session, occasions: Iterable[str]) -> set[str]:
    """Which of these occasions a letter was written for already."""
    every, found = list(occasions), set[str]()
    for start in range(0, len(every), _AT_ONCE):
        some = every[start : start + _AT_ONCE]
        found |= set(session.scalars(select(Notice.occasion).where(Notice.occasion.in_(some))))
    return found


def tell_of_new_film(session: Session, clip: Clip, film: Film) -> int:
    """Write to those who agreed to an earlier film that there is another, ready to look at; how many letters.

    Their agreement stands unless they take it back: the same link shows the new film, and takes either answer.
    """
    agreed = select(CoSignature).where(
        CoSignature.clip_id == clip.id,
        CoSignature.state == SignatureState.AGREED,
        CoSignature.removed_at.is_(None),
        CoSignature.email.is_not(None),
        # Until it was ready the earlier one was shown.
        CoSignature.answered_at < (film.ready_at or db_now(session)),
    )
    count = 0
    for row in session.scalars(agreed):
        letter = notices.write(
            session, NoticeKind.CO_FILM_CHANGED, to=row.email or "", lang=clip.lang, clip=clip, about=row.id,
            occasion=f"co_film:{row.id}:{film.id}", facts={"name": row.name, "is_minor": row.is_minor},
        )  # fmt: skip
        count += letter is not None
    return count
