"""How sure we are that a clip's owner owns the product: raised with a named proof, and nobody can lower it.

It falls by itself when the clip gets another owner: a check was about an address. Never checks a proof itself (proofs/
and staff do).
"""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Unacceptable
from portal.lifecycle import Actor, hold, record
from portal.models import Clip, OwnerLevel, OwnerProof

ORDER: Final = (OwnerLevel.NOT_PROVEN, OwnerLevel.INVITED, OwnerLevel.PURCHASE_PROVEN)
"""The levels from the least to the most sure."""

STAFF: Final = "staff"
"""The method's name where a colleague has seen the proof."""

LONGEST: Final = {"method": 40, "reference": 80}


def raise_to(
    session: Session, clip: Clip, level: OwnerLevel, *, method: str, by: Actor, reference: str = ""
) -> bool:
    """Keep a proof and raise the clip's level to it; False when it counts for as much already.

    `method` is the check's name (list, orders, staff …), `reference` what staff may read of it.
    Raises Unacceptable(PROOF_NEEDED) without a method.
    """
    method, reference = " ".join(method.split()), " ".join(reference.split())
    faults = {
        name: Code.TOO_LONG_TEXT
        for name, words in (("method", method), ("reference", reference))
        if len(words) > LONGEST[name]
    }
    if not method:
        faults["method"] = Code.PROOF_NEEDED
    if faults:
        raise Unacceptable(next(iter(faults.values())), fields=faults)
    hold(session, clip)
    if ORDER.index(level) <= ORDER.index(OwnerLevel(clip.owner_level)):
        return False
    clip.owner_level = level
    session.add(
        OwnerProof(
            clip_id=clip.id, level=level, method=method, reference=reference, actor_kind=by.kind, actor_id=by.id,
            made_at=db_now(session),
        )
    )  # fmt: skip
    session.flush()
    record(session, clip, "owner_level", by=by, detail={"level": level, "method": method})
    return True


def let_go(session: Session, clip: Clip, *, by: Actor) -> bool:
    """The clip has another owner: what was checked about the former address says nothing of this one.

    What a colleague has seen stays. The level is that of what is left; False when nothing had been checked.
    """
    hold(session, clip)
    found = proofs(session, clip.id)
    checked = [one for one in found if one.method != STAFF]
    if not checked:
        return False
    for one in checked:
        session.delete(one)
    left = [OwnerLevel(one.level) for one in found if one.method == STAFF]
    clip.owner_level = max(left, key=ORDER.index, default=OwnerLevel.NOT_PROVEN)
    session.flush()
    record(session, clip, "owner_level", by=by, detail={"level": clip.owner_level, "method": "other_owner"})
    return True


def proofs(session: Session, clip_id: str) -> list[OwnerProof]:
    """Everything that was checked about this clip's owner, newest first."""
    rows = select(OwnerProof).where(OwnerProof.clip_id == clip_id)
    return list(session.scalars(rows.order_by(OwnerProof.id.desc())))
