"""Receipts of what was erased: one for each clip, one letter for what somebody has erased together.

Only figures: nothing in a receipt says whose it was. What is erased, and when, `withdrawal` decides.
"""

import secrets
from collections import Counter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import notices
from portal.database import db_now
from portal.errors import Code, Missing
from portal.models import AuditEvent, Clip, Person, Receipt, State
from portal.notices import NoticeKind

REQUEST = "erase_request"
"""The verb of the audit trail by which somebody asks for a clip to be erased; `whole` in it says: with others."""


def new_whole() -> str:
    """The number under which several clips are erased together."""
    return secrets.token_hex(16)


def detail_of(whole: str) -> dict[str, Any] | None:
    """What the audit trail keeps of it."""
    return {"whole": whole} if whole else None


def make(session: Session, clip: Clip, facts: dict[str, Any]) -> Receipt:
    """Write down what was deleted of a clip."""
    receipt = Receipt(
        id=secrets.token_hex(16), clip_id=clip.id, made_at=db_now(session), facts=facts, whole=_whole_of(session, clip)
    )  # fmt: skip
    session.add(receipt)
    session.flush()
    return receipt


def hold(session: Session, owner_id: int) -> Person | None:
    """The owner's row, until the end of this unit: of two clips erased at once, one must see that it is the last."""
    return session.get(Person, owner_id, with_for_update=True)


def tell(session: Session, receipt: Receipt, *, to: str, owner_id: int, lang: str) -> None:
    """Write the last letter to a bare address, which is forgotten when it has left.

    Of clips that are erased together only the last one brings a letter, with the receipt for all of them.
    """
    if receipt.whole is not None and _more_to_come(session, owner_id, receipt.whole):
        return
    number = receipt.whole or receipt.id
    notices.write(session, NoticeKind.ERASED, to=to, lang=lang, occasion=f"erased:{number}", about=number)


def by_number(session: Session, number: str) -> Receipt:
    """A receipt, or the sum of those for what was erased together, for whoever has its number; raises Missing."""
    receipt = session.get(Receipt, number)
    if receipt is not None:
        return receipt
    several = session.scalars(select(Receipt).where(Receipt.whole == number).order_by(Receipt.made_at)).all()
    if not number or not several:
        raise Missing(Code.MISSING)
    last = several[-1]
    return Receipt(id=number, clip_id=last.clip_id, made_at=last.made_at, facts=_sum(several))


def untold(session: Session, clip_id: str) -> dict[str, list[str]]:
    """Which files of an erased clip a CDN has not been told to forget, by the publication's token."""
    asked = select(Receipt.facts).where(Receipt.clip_id == clip_id)
    return {
        token: names for facts in session.scalars(asked) for token, names in facts.get("untold", {}).items()
    }


def told(session: Session, clip_id: str) -> None:
    """The CDN has been told: the clip's receipt says no more that it was not."""
    for receipt in session.scalars(select(Receipt).where(Receipt.clip_id == clip_id)):
        receipt.facts = {name: value for name, value in receipt.facts.items() if name != "untold"}
    session.flush()


def _sum(several: Any) -> dict[str, Any]:
    objects: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for receipt in several:
        objects.update(receipt.facts.get("objects", {}))
        rows.update(receipt.facts.get("rows", {}))
    return {
        "clips": len(several), "objects": dict(objects), "rows": dict(rows),
        "bytes": sum(receipt.facts.get("bytes", 0) for receipt in several),
        "letters": sum(receipt.facts.get("letters", 0) for receipt in several),
        "checked_at": several[-1].facts.get("checked_at", ""), "left": 0,
        "is_person_gone": any(receipt.facts.get("is_person_gone") for receipt in several),
        "untold": {token: names for receipt in several for token, names in receipt.facts.get("untold", {}).items()},
    }  # fmt: skip


def _whole_of(session: Session, clip: Clip) -> str | None:
    asked = select(AuditEvent.detail).where(AuditEvent.clip_id == clip.id, AuditEvent.verb == REQUEST)
    newest = session.scalars(asked.order_by(AuditEvent.id.desc()).limit(1)).first()
    return str(newest["whole"]) if newest and newest.get("whole") else None


def _more_to_come(session: Session, owner_id: int, whole: str) -> bool:
    others = select(Clip).where(Clip.owner_id == owner_id, Clip.state != State.ERASED)
    return any(_whole_of(session, clip) == whole for clip in session.scalars(others))
