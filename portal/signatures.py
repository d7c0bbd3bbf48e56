"""Other people in a film: named by the owner, asked by a link of their own; the clip waits until all have agreed.

Every answer stays as it was given. Whoever takes an agreement back takes a clip that is public out of sight at once;
whoever prolongs one lets an expired clip go back to the moderators; otherwise never moves a clip. Letters: asking.py.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import consent, lifecycle, notices, people, readiness, wordings
from portal.consent import Proof
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, PortalError, Unacceptable
from portal.lifecycle import OWNER, SIGNER, Actor
from portal.models import Clip, CoAnswer, ConsentText, CoSignature, Decision, Reason, SignatureState, State
from portal.notices import NoticeKind

NAME_MOST: Final = 80

_PUBLIC: Final = (State.APPROVED, State.PUBLISHED)
_GONE: Final = (State.WITHDRAWN, State.ERASED)


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
    return [row for row in every(session, clip) if row.removed_at is None]


def dropped(session: Session, clip: Clip) -> list[CoSignature]:
    """Whom the owner took off the list after they had been asked: moderators see it, and it stays as proof."""
    return [row for row in every(session, clip) if row.removed_at is not None]


def every(session: Session, clip: Clip) -> list[CoSignature]:
    """Everybody who was ever named for this clip and asked, and who is named now."""
    rows = select(CoSignature).where(CoSignature.clip_id == clip.id)
    return list(session.scalars(rows.order_by(CoSignature.position, CoSignature.created_at)))


def answers(session: Session, clip: Clip) -> list[CoAnswer]:
    """Every answer of somebody in this film, oldest first."""
    return list(session.scalars(select(CoAnswer).where(CoAnswer.clip_id == clip.id).order_by(CoAnswer.id)))


def asked_of(session: Session, email: str) -> list[tuple[CoSignature, Clip]]:
    """Films of which whoever reads this address was asked, newest first; none that are taken back."""
    rows = (
        select(CoSignature, Clip)
        .join(Clip, Clip.id == CoSignature.clip_id)
        .where(CoSignature.email == email, CoSignature.asked_at.is_not(None), Clip.state.not_in(_GONE))
        .where(CoSignature.removed_at.is_(None))
    )
    return [(row, clip) for row, clip in session.execute(rows.order_by(CoSignature.asked_at.desc()))]


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


def declare(session: Session, clip: Clip, named: Sequence[Named], *, by: Actor = OWNER) -> bool:
    """Take the owner's list of people in the film: who stays keeps the answer given; whether anything changed.

    Somebody who refused cannot be left out while the film is the one that was refused. Who was asked and is left out
    stays on the record; who is named anew is the same person. Raises Unacceptable(ALREADY_ASKED) for a name without an
    address that was asked at one: nobody signs in another's place.
    """
    known, former = _by_key(of(session, clip)), _by_key(dropped(session, clip))
    asked = {row.name.casefold() for row in (*known.values(), *former.values()) if row.email and row.asked_at}
    changed = False
    for place, one in enumerate(named):
        key = _key(one)
        row = known.pop(key, None)
        if row is not None:
            row.position = place
            continue
        changed = True
        if (again := former.pop(key, None)) is not None:
            again.removed_at, again.position = None, place
            continue
        if key[1] is None and key[0].casefold() in asked:
            raise Unacceptable(Code.ALREADY_ASKED, fields={"people": Code.ALREADY_ASKED})
        _add(session, clip, place, *key)
    for row in known.values():
        if _is_bound(session, clip, row):
            row.position = len(named)
            continue
        changed = True
        _drop(session, clip, row, by=by)
    session.flush()
    if changed:
        consent.settle_end(session, clip)
    return changed


def _key(one: Named) -> tuple[str, str | None, bool]:
    return " ".join(one.name.split()), people.checked_email(one.email) if one.email else None, one.is_minor


def _by_key(rows: Iterable[CoSignature]) -> dict[tuple[str, str | None, bool], CoSignature]:
    return {(row.name, row.email, row.is_minor): row for row in rows}


def _add(session: Session, clip: Clip, place: int, name: str, email: str | None, is_minor: bool) -> None:
    session.add(
        CoSignature(
            id=secrets.token_hex(16), clip_id=clip.id, position=place, name=name, email=email,
            is_minor=is_minor, state=SignatureState.WAITING, created_at=db_now(session),
        )
    )  # fmt: skip


def _drop(session: Session, clip: Clip, row: CoSignature, *, by: Actor) -> None:
    notices.call_off(session, row.id)
    if row.asked_at is None and row.answered_at is None:
        # A name half typed, or a slip of the pen: nobody was ever asked by it.
        session.delete(row)
        return
    row.removed_at = db_now(session)
    lifecycle.record(session, clip, "cosign_drop", by=by, detail={"signature": row.id, "answer": row.state})


def _is_bound(session: Session, clip: Clip, row: CoSignature) -> bool:
    film = readiness.newest_film(session, clip)
    if film is None or row.state != SignatureState.REFUSED or row.answered_at is None:
        return False
    # While a later film is made the one before it is watched: a no is said of that one.
    since = film.received_at if film.number == 1 else film.ready_at
    return since is not None and since <= row.answered_at


# Links --------------------------------------------------------------------------------------------------


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
    """Whose link this is, and for which clip; raises Missing.

    It also opens for somebody who was taken off the list: what that person says is kept, and moderators see it.
    """
    row = session.scalars(
        select(CoSignature).where(CoSignature.token_hash == people.hash_token(token))
    ).one_or_none()
    if row is None:
        raise Missing(Code.MISSING)
    return row, session.get_one(Clip, row.clip_id)


def by_id(session: Session, clip: Clip, signature_id: str) -> CoSignature:
    """Somebody named for this clip; raises Missing."""
    row = session.get(CoSignature, signature_id)
    if row is None or row.clip_id != clip.id or row.removed_at is not None:
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
    watched: str = "",
) -> bool:
    """Note that this person agrees, for the campaign's term; False when that is known already.

    In the last 30 days of the term, and after it, a yes is a new one: the term counts anew, in today's words, and a
    clip that had expired goes back to the moderators when nobody else's agreement has ended.
    `seen` is the hash of the words on the page, `watched` the film that it showed (`shown`). Raises
    Conflict(TEXT_CHANGED) or Conflict(FILM_CHANGED) when they are others by now, Conflict when the clip was taken
    back, Unacceptable(REQUIRED) when a guardian gives no name.
    """
    clip = _held(session, row)
    is_again = row.state == SignatureState.AGREED
    if is_again and not may_renew(session, clip, row):
        return False
    text = text_for(session, clip, row, proof.lang or clip.lang, brand=brand)
    if seen and seen != text.sha256:
        raise Conflict(Code.TEXT_CHANGED)
    if watched and watched != shown(clip):
        raise Conflict(Code.FILM_CHANGED)
    row.guardian = _checked_guardian(row, guardian)
    row.text_id = text.id
    _answer(session, clip, row, SignatureState.AGREED, proof)
    detail = {"signature": row.id, "text": text.sha256[:16]}
    lifecycle.record(session, clip, "cosign_renew" if is_again else "cosign_agree", by=SIGNER, detail=detail)
    bring_back(session, clip, by=SIGNER)
    return True


def shown(clip: Clip) -> str:
    """Which film people in it can watch now: its id, a dash while none is made."""
    return clip.film_id or "-"


def may_renew(session: Session, clip: Clip, row: CoSignature) -> bool:
    """Whether this person's agreement ends within 30 days, or has ended, and can be given anew."""
    return clip.state in consent.RENEWABLE and _is_ending(row, db_now(session))


def ending(session: Session, clip: Clip) -> list[CoSignature]:
    """People of this film whose agreement ends within 30 days, or has ended; the earliest first."""
    now = db_now(session)
    found = [row for row in of(session, clip) if _is_ending(row, now)]
    return sorted(found, key=lambda row: row.until or now)


def _is_ending(row: CoSignature, now: datetime) -> bool:
    is_soon = row.until is not None and row.until - consent.ASKED_BEFORE <= now
    return row.state == SignatureState.AGREED and row.removed_at is None and is_soon


def bring_back(session: Session, clip: Clip, *, by: Actor) -> None:
    """Let a clip that had expired go back to the moderators, once every agreement holds again."""
    if (
        clip.state == State.EXPIRED
        and clip.consent_until is not None
        and clip.consent_until > db_now(session)
    ):
        lifecycle.move(session, clip, "reopen", by=by)


def _checked_guardian(row: CoSignature, words: str) -> str:
    """As the guardian of a minor signs; empty for an adult."""
    name = " ".join(words.split())
    if row.is_minor and not name:
        raise Unacceptable(Code.REQUIRED, fields={"guardian": Code.REQUIRED})
    if len(name) > NAME_MOST:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields={"guardian": Code.TOO_LONG_TEXT}, most=NAME_MOST)
    return name if row.is_minor else ""


def refuse(session: Session, row: CoSignature, *, proof: Proof) -> bool:
    """Note that this person does not agree, or not any more; False when that is known already.

    A clip that is accepted or public leaves the site with it; owner and moderators are told. So it does when somebody
    who had said no and was left out says it again.
    """
    clip = _held(session, row)
    if row.state == SignatureState.REFUSED and clip.state not in _PUBLIC:
        return False
    _answer(session, clip, row, SignatureState.REFUSED, proof)
    event = lifecycle.record(session, clip, "cosign_refuse", by=SIGNER, detail={"signature": row.id})
    was_public = clip.state in _PUBLIC
    if was_public:
        _take_down(session, clip)
    if was_public or row.removed_at is None:
        notices.tell(
            session, NoticeKind.CO_SIGNATURE_REFUSED, clip, occasion=f"signature_refused:{event}", about=row.id,
            facts={"name": row.name, "is_minor": row.is_minor, "was_public": was_public},
        )  # fmt: skip
    return True


def _held(session: Session, row: CoSignature) -> Clip:
    clip = session.get_one(Clip, row.clip_id)
    lifecycle.hold(session, clip)
    session.refresh(row)
    if clip.state in _GONE:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    return clip


def _answer(session: Session, clip: Clip, row: CoSignature, state: SignatureState, proof: Proof) -> None:
    """Keep one answer for good, and on the row as the newest; letters that wait to ask for it need not leave."""
    notices.call_off(session, row.id)
    now, is_yes = db_now(session), state == SignatureState.AGREED
    months = wordings.campaign_of(session, clip).term_months
    row.state, row.answered_at = state, now
    row.until = consent.months_later(now, months) if is_yes else None
    row.link, row.address, row.agent = proof.link, proof.address, proof.agent
    session.add(
        CoAnswer(
            signature_id=row.id, clip_id=clip.id, answer=state, made_at=now, until=row.until,
            text_id=row.text_id if is_yes else None, guardian=row.guardian if is_yes else "",
            # The one that can be watched, which is not the newest while that is made.
            film_id=clip.film_id, link=proof.link, address=proof.address, agent=proof.agent,
        )
    )  # fmt: skip
    session.flush()
    consent.settle_end(session, clip)


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
    rows = select(CoSignature.clip_id, CoSignature.state, func.count()).where(
        CoSignature.clip_id.in_(ids), CoSignature.removed_at.is_(None)
    )
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
