"""What is left of a clip when it is forgotten: no words, no address, no hash by which its film could be known again.

One table says what is deleted, one what is blanked; the receipt counts by them, and looks again by them.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from portal import refusals
from portal.database import Base, db_now
from portal.models import (
    Caption,
    CaseState,
    Clip,
    ClipLink,
    ClipTheme,
    CoAnswer,
    Consent,
    CoSignature,
    Cut,
    Decision,
    Film,
    Fingerprint,
    IdempotencyKey,
    IncomingMail,
    Invitation,
    Job,
    Message,
    Note,
    Notice,
    NoticeState,
    OwnerProof,
    Reason,
    Rendition,
    Signal,
    SupportCase,
    Upload,
)

ANSWERS_KEPT: Final = timedelta(hours=24)
"""How long the first answer to a call is given again to whoever repeats it (portal/web/idempotency.py)."""

# What is personal in a clip's row, and what stands there afterwards.
BLANK: Final[dict[str, Any]] = {
    "title": "", "first_name": "", "city": "", "product": "", "owned_since": None, "filmed_on": None,
    "speech_lang": "", "incentive": "", "altered": False, "music": "", "music_words": "", "relation": "", "invitation_id": None,
    "search_text": "", "owner_id": None, "still_key": None, "poster_at": None, "fail_facts": {},
}  # fmt: skip

_DELETED: Final[tuple[Any, ...]] = (
    ClipTheme,
    ClipLink,
    # Answers before those who gave them: the row they hang on.
    CoAnswer,
    CoSignature,
    Message,
    Rendition,
    Caption,
    Signal,
    Fingerprint,
)

# The rows that stay for the history, and what of them does not.
_BLANKED: Final[Mapping[type[Base], dict[str, Any]]] = {
    # Hashes go, too: by one, somebody who has the file could tell that it was here.
    Film: {"facts": {}, "preview": {}, "edits": {}, "sha256": None},
    Upload: {
        "filename": "", "last_modified": None, "head_sha256": "", "tail_sha256": "", "idempotency_key": None, "edits": {},
    },
    # Where somebody cut says something of what was seen.
    Cut: {"edits": {}, "proposals": []},
    # What a film tool said of the file may quote it.
    Job: {"error_detail": None},
    # A mail server's complaint may quote the address.
    Notice: {"facts": {}, "address": None, "error_detail": None},
    # What colleagues wrote to one another about the film and the person in it.
    Note: {"words": "", "at_seconds": None},
    Decision: {"film_sha256": None, "words": "", "title_was": None},
    # That somebody agreed to which text, and when, stays; from where does not.
    Consent: {"link": "", "address": "", "agent": ""},
    SupportCase: {"words": "", "phone": "", "outcome": "", "once": None},
    OwnerProof: {"reference": ""},
    IncomingMail: {"sender_hash": ""},
}  # fmt: skip


def forget(session: Session, clip: Clip) -> dict[str, int]:
    """Delete and blank what rows say of this clip and the person behind it; how many rows, by table.

    The clip's own row is blanked by the move that ends it (`BLANK`).
    """
    counted = {Clip.__tablename__: 1}
    for table in _DELETED:
        gone = session.execute(delete(table).where(table.clip_id == clip.id))
        counted[table.__tablename__] = gone.rowcount  # type: ignore[attr-defined]
    reasons = _reasons_of(clip)
    for table, values in _BLANKED.items():
        counted[table.__tablename__] = _blank(session, table, _of(table, clip), values)
    counted[Reason.__tablename__] = _blank(session, Reason, reasons, {"words": "", "at_seconds": None})
    # The hash of the address stays: nobody is asked a second time.
    counted[Invitation.__tablename__] = refusals.forget_guests(session, Invitation.clip_id == clip.id)
    counted[IdempotencyKey.__tablename__] = _answers(session, clip)
    _end(session, clip)
    session.flush()
    return {name: count for name, count in counted.items() if count}


def left(session: Session, clip: Clip) -> dict[str, int]:
    """What can still be found of a forgotten clip, by table; empty when nothing is left."""
    found: dict[str, int] = {}
    for table in _DELETED:
        asked = select(func.count()).select_from(table).where(table.clip_id == clip.id)
        found[table.__tablename__] = session.scalar(asked) or 0
    for table, values in _BLANKED.items():
        found[table.__tablename__] = _unblanked(session, table, _of(table, clip), values)
    found[Reason.__tablename__] = _unblanked(session, Reason, _reasons_of(clip), {"words": ""})
    invited = Invitation.clip_id == clip.id
    found[Invitation.__tablename__] = _unblanked(session, Invitation, invited, refusals.GUEST_BLANK)
    answers = select(func.count()).select_from(IdempotencyKey).where(_asked_for(clip))
    found[IdempotencyKey.__tablename__] = session.scalar(answers) or 0
    found[Clip.__tablename__] = _unblanked(session, Clip, Clip.id == clip.id, BLANK)
    return {name: count for name, count in found.items() if count}


def remains(session: Session, clip_ids: Collection[str]) -> list[tuple[str, str]]:
    """As `left`, of many forgotten clips at once: each with the name of a table where something is found."""
    ids = list(clip_ids)
    found: set[tuple[str, str]] = set()
    for table in _DELETED:
        asked = select(table.clip_id).where(table.clip_id.in_(ids)).distinct()
        found.update((one, table.__tablename__) for one in session.scalars(asked))
    blanked: dict[Any, Mapping[str, Any]] = {**_BLANKED, Invitation: refusals.GUEST_BLANK, Clip: BLANK}
    for table, values in blanked.items():
        whose = table.id if table is Clip else table.clip_id
        rows = session.execute(
            select(whose, *(getattr(table, name) for name in values)).where(whose.in_(ids))
        )
        found.update((row[0], table.__tablename__) for row in rows if list(row[1:]) != list(values.values()))
    quoting = select(Decision.clip_id).join(Reason, Reason.decision_id == Decision.id)
    asked = quoting.where(Decision.clip_id.in_(ids), Reason.words != "")
    found.update((one, Reason.__tablename__) for one in session.scalars(asked))
    return sorted(found)


def forget_invitations(session: Session, address: str) -> int:
    """Forget every invitation that went to this address and call off what waits; how many (`refusals.forget_guests`)."""
    return refusals.forget_guests(session, Invitation.email == address)


def forget_answers(session: Session) -> int:
    """Forget the first answers of calls that can be repeated no more; how many. For the sweeper."""
    old = delete(IdempotencyKey).where(IdempotencyKey.created_at < db_now(session) - ANSWERS_KEPT)
    return int(session.execute(old).rowcount)  # type: ignore[attr-defined]


def _of(table: Any, clip: Clip) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table.clip_id == clip.id
    return condition


def _reasons_of(clip: Clip) -> ColumnElement[bool]:
    return Reason.decision_id.in_(select(Decision.id).where(Decision.clip_id == clip.id))


def _blank(session: Session, table: Any, which: ColumnElement[bool], values: Mapping[str, Any]) -> int:
    """Only rows that had something to blank are counted; JSON columns are compared here, no database compares them."""
    done = _unblanked(session, table, which, values)
    if done:
        changed = update(table).where(which).values(**values)
        session.execute(changed.execution_options(synchronize_session=False))
    return done


def _unblanked(session: Session, table: Any, which: ColumnElement[bool], values: Mapping[str, Any]) -> int:
    columns = [getattr(table, name) for name in values]
    rows = session.execute(select(*columns).where(which)).all()
    return sum(1 for row in rows if list(row) != list(values.values()))


def _answers(session: Session, clip: Clip) -> int:
    """Answers to whoever held the clip's link; they are sealed, so that no others can be told to be about it.

    Those go within a day (`forget_answers`).
    """
    gone = session.execute(delete(IdempotencyKey).where(_asked_for(clip)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def _asked_for(clip: Clip) -> ColumnElement[bool]:
    return IdempotencyKey.caller == f"clip:{clip.id}"


def _end(session: Session, clip: Clip) -> None:
    """Letters on their way have nothing to tell any more; nobody is called about what is gone; films are marked."""
    on_their_way = Notice.state.in_([NoticeState.WAITING, NoticeState.SENDING])
    waiting = (Notice.clip_id == clip.id, on_their_way)
    session.execute(update(Notice).where(*waiting).values(state=NoticeState.CANCELLED))
    now = db_now(session)
    living = (Film.clip_id == clip.id, Film.erased_at.is_(None))
    session.execute(update(Film).where(*living).values(erased_at=now))
    waits = (SupportCase.clip_id == clip.id, SupportCase.state != CaseState.SOLVED)
    session.execute(update(SupportCase).where(*waits).values(state=CaseState.SOLVED, solved_at=now))
