"""Other people in a film: named by the owner, asked by a link of their own; the clip waits until all have agreed.

Whoever takes an agreement back takes a clip that is public out of sight at once; otherwise never moves a clip.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal import lifecycle, notices, people, readiness, wordings
from portal.consent import Proof
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, PortalError, Unacceptable
from portal.lifecycle import SIGNER, Actor
from portal.models import Clip, ConsentText, CoSignature, Decision, Reason, SignatureState, State
from portal.notices import NoticeKind

NAME_MOST: Final = 80
ASKED: Final = (State.IN_REVIEW, State.CHANGES_REQUESTED)
"""Where letters leave: the film is made, the owner's part is complete, there is something to look at."""

LETTERS_A_DAY: Final = 5
"""Anybody may name anybody: so many requests leave for one address in a day, the others wait."""

_PUBLIC: Final = (State.APPROVED, State.PUBLISHED)

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody in the film as the owner names them; a minor's `email` is the guardian's."""

    name: str
    email: str | None = None
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How many people are named for a clip, how many of them agreed, and how many refused."""

    total: int = 0
    agreed: int = 0
    refused: int = 0


# What the owner says ------------------------------------------------------------------------------------


def of(session: Session, clip: Clip) -> list[CoSignature]:
    """Everybody named for this clip, in the owner's order."""
    rows = select(CoSignature).where(CoSignature.clip_id == clip.id)
    return list(session.scalars(rows.order_by(CoSignature.position, CoSignature.created_at)))


def faults(named: Sequence[Named]) -> dict[str, Code]:
    """What is wrong with a list of people, for the field `people`; empty when it can be taken."""
    for one in named:
        if not one.name.strip():
            return {"people": Code.REQUIRED}
        if len(one.name) > NAME_MOST:
            return {"people": Code.TOO_LONG_TEXT}
        try:
            people.checked_email(one.email or "nobody@localhost")
        except PortalError as error:
            return {"people": error.code}
    return {}


def declare(session: Session, clip: Clip, named: Sequence[Named]) -> bool:
    """Take the owner's list of people in the film: who stays keeps the answer given; whether anything changed.

    Somebody who refused cannot be left out while the film is the one that was refused.
    """
    known = {(one.name, one.email, one.is_minor): one for one in of(session, clip)}
    changed = False
    for place, one in enumerate(named):
        name, email = " ".join(one.name.split()), people.checked_email(one.email) if one.email else None
        row = known.pop((name, email, one.is_minor), None)
        if row is not None:
            row.position = place
            continue
        changed = True
        session.add(
            CoSignature(
                id=secrets.token_hex(16), clip_id=clip.id, position=place, name=name, email=email,
                is_minor=one.is_minor, state=SignatureState.WAITING, created_at=db_now(session),
            )
        )  # fmt: skip
    for gone in known.values():
        if _is_bound(session, clip, gone):
            gone.position = len(named)
            continue
        changed = True
        notices.call_off(session, gone.id)
        session.delete(gone)
    session.flush()
    return changed


def _is_bound(session: Session, clip: Clip, row: CoSignature) -> bool:
    if row.state != SignatureState.REFUSED or row.answered_at is None:
        return False
    film = readiness.newest_film(session, clip)
    return film is not None and film.received_at <= row.answered_at


# Asking -------------------------------------------------------------------------------------------------


def token_of(row: CoSignature, *, key: str) -> str:
    """The word in this person's link: always the same, so that no later letter makes an earlier one worthless."""
    mark = hmac.new(key.encode(), f"sign:{row.id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mark).rstrip(b"=").decode()


def open_link(session: Session, row: CoSignature, *, key: str) -> str:
    """The token of this person's link, which is good from now on until the clip is erased; its hash is kept."""
    token = token_of(row, key=key)
    row.token_hash = people.hash_token(token)
    row.asked_at = row.asked_at or db_now(session)
    session.flush()
    return token


def by_link(session: Session, token: str) -> tuple[CoSignature, Clip]:
    """Whose link this is, and for which clip; raises Missing."""
    row = session.scalars(
        select(CoSignature).where(CoSignature.token_hash == people.hash_token(token))
    ).one_or_none()
    if row is None:
        raise Missing(Code.MISSING)
    return row, session.get_one(Clip, row.clip_id)


def by_id(session: Session, clip: Clip, signature_id: str) -> CoSignature:
    """Somebody named for this clip; raises Missing."""
    row = session.get(CoSignature, signature_id)
    if row is None or row.clip_id != clip.id:
        raise Missing(Code.MISSING)
    return row


def hand_on(session: Session, clip: Clip, signature_id: str, *, key: str, by: Actor) -> str:
    """The token of a link that the owner hands on; raises Missing, and Conflict for whoever has an address.

    With an address of their own people are asked there and nowhere else: nobody signs in their place.
    """
    row = by_id(session, clip, signature_id)
    if row.email is not None:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    if row.asked_at is None:
        lifecycle.record(session, clip, "cosign_ask", by=by, detail={"signature": row.id})
    return open_link(session, row, key=key)


def ask(session: Session, clip: Clip, row: CoSignature, *, by: Actor) -> bool:
    """Write to somebody who has not answered yet, once a day; False when today's letter has left or must wait."""
    if row.email is None or row.state != SignatureState.WAITING:
        return False
    now, is_first = db_now(session), row.asked_at is None
    if row.email in _busy(session, [row.email]) or (row.asked_at and row.asked_at.date() == now.date()):
        return False
    occasion = f"co_signature:{row.id}" + ("" if is_first else f":{now.date()}")
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


# Answering ----------------------------------------------------------------------------------------------


def text_for(session: Session, clip: Clip, row: CoSignature, lang: str, *, brand: str) -> ConsentText:
    """The stored text that this person is asked to agree to."""
    campaign = wordings.campaign_of(session, clip)
    return wordings.text_for(session, purpose_of(row), lang, brand=brand, campaign=campaign)


def wording_for(session: Session, clip: Clip, row: CoSignature, lang: str, *, brand: str) -> wordings.Wording:
    """What this person is asked to agree to; writes nothing."""
    campaign = wordings.campaign_of(session, clip)
    return wordings.in_force(session, purpose_of(row), lang, brand=brand, campaign=campaign)


def purpose_of(row: CoSignature) -> str:
    """Which text counts for this person: an adult's own, or that of a minor's guardian."""
    return "guardian" if row.is_minor else "appear"


def agree(
    session: Session,
    row: CoSignature,
    *,
    proof: Proof,
    brand: str,
    guardian: str = "",
    seen: str = "",
) -> bool:
    """Note that this person agrees; False when that is known already.

    `seen` is the hash of the words on the page. Raises Conflict(TEXT_CHANGED) when they are others by now, Conflict
    when the clip was taken back, Unacceptable(REQUIRED) when a guardian gives no name.
    """
    clip = _held(session, row)
    if row.state == SignatureState.AGREED:
        return False
    text = text_for(session, clip, row, proof.lang or clip.lang, brand=brand)
    if seen and seen != text.sha256:
        raise Conflict(Code.TEXT_CHANGED)
    name = " ".join(guardian.split())
    if row.is_minor and not name:
        raise Unacceptable(Code.REQUIRED, fields={"guardian": Code.REQUIRED})
    if len(name) > NAME_MOST:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields={"guardian": Code.TOO_LONG_TEXT}, most=NAME_MOST)
    row.guardian = name if row.is_minor else ""
    row.text_id = text.id
    _answer(session, row, SignatureState.AGREED, proof)
    detail = {"signature": row.id, "text": text.sha256[:16]}
    lifecycle.record(session, clip, "cosign_agree", by=SIGNER, detail=detail)
    return True


def refuse(session: Session, row: CoSignature, *, proof: Proof) -> bool:
    """Note that this person does not agree, or not any more; False when that is known already.

    A clip that is accepted or public leaves the site with it; owner and moderators are told.
    """
    clip = _held(session, row)
    if row.state == SignatureState.REFUSED:
        return False
    _answer(session, row, SignatureState.REFUSED, proof)
    event = lifecycle.record(session, clip, "cosign_refuse", by=SIGNER, detail={"signature": row.id})
    was_public = clip.state in _PUBLIC
    if was_public:
        _take_down(session, clip)
    notices.tell(
        session, NoticeKind.CO_SIGNATURE_REFUSED, clip, occasion=f"signature_refused:{event}", about=row.id,
        facts={"name": row.name, "is_minor": row.is_minor, "was_public": was_public},
    )  # fmt: skip
    return True


def _held(session: Session, row: CoSignature) -> Clip:
    clip = session.get_one(Clip, row.clip_id)
    lifecycle.hold(session, clip)
    session.refresh(row)
    if clip.state in (State.WITHDRAWN, State.ERASED):
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    return clip


def _answer(session: Session, row: CoSignature, state: SignatureState, proof: Proof) -> None:
    row.state, row.answered_at = state, db_now(session)
    row.link, row.address, row.agent = proof.link, proof.address, proof.agent
    session.flush()


def _take_down(session: Session, clip: Clip) -> None:
    film = readiness.newest_film(session, clip)
    decision = Decision(
        clip_id=clip.id,
        film_id=clip.film_id,
        film_sha256=film.sha256 if film else None,
        clip_version=clip.version,
        moderator_id=None,
        verb="unpublish",
        made_at=db_now(session),
        # No name in it: what was decided outlives the people it was about.
        reasons=[Reason(code="person")],
    )
    session.add(decision)
    event = lifecycle.move(session, clip, "unpublish", by=SIGNER, detail={"reasons": ["person"]})
    for person in people.staff(session):
        notices.write(
            session, NoticeKind.CO_SIGNATURE_TAKEN_BACK, to=person, lang=person.lang, clip=clip,
            occasion=f"signature_taken_back:{event}:{person.id}",
        )  # fmt: skip


# What hangs on it ---------------------------------------------------------------------------------------


def check(session: Session, clip: Clip) -> None:
    """Raises Conflict while somebody in the film has not agreed: SIGNATURE_REFUSED, else SIGNATURES_WAITING."""
    rows = of(session, clip)
    for state, code in (
        (SignatureState.REFUSED, Code.SIGNATURE_REFUSED),
        (SignatureState.WAITING, Code.SIGNATURES_WAITING),
    ):
        names = [row.name for row in rows if row.state == state]
        if names:
            raise Conflict(code, names=names, state=clip.state, version=clip.version)


def tallies(session: Session, clips: Iterable[Clip]) -> dict[str, Tally]:
    """How far the agreements are, by clip; clips for which nobody is named are left out."""
    ids = [clip.id for clip in clips]
    rows = select(CoSignature.clip_id, CoSignature.state, func.count()).where(CoSignature.clip_id.in_(ids))
    found: dict[str, dict[str, int]] = {}
    for clip_id, state, number in session.execute(rows.group_by(CoSignature.clip_id, CoSignature.state)):
        found.setdefault(clip_id, {})[state] = number
    return {
        clip_id: Tally(
            sum(by_state.values()),
            by_state.get(SignatureState.AGREED, 0),
            by_state.get(SignatureState.REFUSED, 0),
        )
        for clip_id, by_state in found.items()
    }
