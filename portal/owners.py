"""An owner's own space: whose clips are whose, what asks for the owner first, which letters are wanted, and the way out.

Never shows anybody another person's clip. Decides and writes rows; letters and deleting are the worker's.
"""

import base64
import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from portal import forgetting, lifecycle, notices, people, receipts, refusals, withdrawal
from portal.database import db_now
from portal.errors import Code, Missing
from portal.lifecycle import OWNER
from portal.models import (
    Clip,
    ClipLink,
    Consent,
    CoSignature,
    Message,
    Person,
    Refusal,
    SignatureState,
    SignInLink,
    State,
)

VIEWS_FROM: Final = 10
"""Fewer are not told: a figure of three only saddens."""

RENEWAL_ASKED: Final = timedelta(days=30)
OPTIONAL_LETTERS: Final = tuple(sorted(set(notices.TOPICS.values())))


class Ask(StrEnum):
    """Why a clip asks for its owner; the most pressing first."""

    CHANGES = "changes"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    REFUSED_SIGNATURE = "refused_signature"
    ENDED = "ended"
    RENEWAL = "renewal"
    MESSAGE = "message"
    UNFINISHED = "unfinished"
    SIGNATURES = "signatures"


_BY_STATE: Final = {
    State.CHANGES_REQUESTED: Ask.CHANGES,
    State.FAILED: Ask.FAILED,
    State.DRAFT: Ask.UNFINISHED,
    State.UPLOADING: Ask.UNFINISHED,
}
_SIGNED_BEFORE: Final = frozenset({
    State.DRAFT, State.UPLOADING, State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.FAILED,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mine:
    """One of an owner's clips: what it asks for, what was agreed to, who in it has not answered."""

    clip: Clip
    asks: tuple[Ask, ...]
    consents: tuple[Consent, ...]
    signatures: tuple[CoSignature, ...]

    @property
    def views(self) -> int | None:
        """How often it was watched, from ten on; None before."""
        return self.clip.views if self.clip.views >= VIEWS_FROM else None


# Coming in ---------------------------------------------------------------------------------------------


def ask_to_enter(session: Session, email: str, *, lang: str) -> None:
    """Write a sign-in letter to this address; for an address nobody has, the same work and no letter."""
    person, kind = people.by_email(session, email), notices.NoticeKind.SIGN_IN
    occasion = f"sign_in:{secrets.token_hex(16)}"
    if person is None:
        notices.pretend(session, kind, lang=lang)
        return
    notices.write(session, kind, to=person, lang=lang, occasion=occasion)


def open_clip(session: Session, clip: Clip, sign_in: SignInLink, *, key: str) -> str:
    """The token of a link to this clip that lives as long as the sign-in and ends with it.

    Made of the sign-in and the clip: opening a clip ten times makes one link, and leaving can find it again.
    """
    token = _token(sign_in, clip.id, key)
    digest = people.hash_token(token)
    known = session.scalars(select(ClipLink.id).where(ClipLink.token_hash == digest)).first()
    if known is None:
        link = ClipLink(
            clip_id=clip.id,
            token_hash=digest,
            created_at=db_now(session),
            expires_at=sign_in.expires_at,
            # Whoever is signed in has read a letter that was sent to this address; clips that wait there are shown
            # first and confirmed one by one: anybody may have begun them.
            mailed_to_id=clip.owner_id,
        )
        try:
            with session.begin_nested():
                session.add(link)
        except IntegrityError:
            # Opened twice at once: the first has made it.
            return token
    return token


def leave(session: Session, person: Person, sign_in: SignInLink, *, key: str) -> None:
    """End this sign-in and the links that it opened."""
    ids = session.scalars(select(Clip.id).where(Clip.owner_id == person.id))
    digests = [people.hash_token(_token(sign_in, clip_id, key)) for clip_id in ids]
    session.execute(delete(ClipLink).where(ClipLink.token_hash.in_(digests)))
    session.execute(update(SignInLink).where(SignInLink.id == sign_in.id).values(used_at=db_now(session)))
    session.flush()


def _token(sign_in: SignInLink, clip_id: str, key: str) -> str:
    told = f"me:{sign_in.token_hash}:{clip_id}".encode()
    mark = hmac.new(key.encode(), told, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mark).rstrip(b"=").decode()


# What is mine ------------------------------------------------------------------------------------------


def clip_of(session: Session, person: Person, clip_id: str) -> Clip:
    """This person's clip; raises Missing for another's, and for one that is erased."""
    clip = session.get(Clip, clip_id)
    if clip is None or clip.owner_id != person.id or clip.state == State.ERASED:
        raise Missing(Code.MISSING)
    return clip


def clips_of(session: Session, person: Person) -> list[Clip]:
    """Everything this person ever sent and has not had erased, newest first."""
    asked = select(Clip).where(Clip.owner_id == person.id, Clip.state != State.ERASED)
    return list(session.scalars(asked.order_by(Clip.created_at.desc(), Clip.id)))


def mine(session: Session, person: Person) -> list[Mine]:
    """This person's clips: what asks for the owner first, then the newest; five statements for any number."""
    clips, now = clips_of(session, person), db_now(session)
    ids = [clip.id for clip in clips]
    consents, signatures = _consents(session, ids), _signatures(session, ids)
    unseen = (Message.clip_id.in_(ids), Message.author == "moderator", Message.seen_at.is_(None))
    spoken_to = set(session.scalars(select(Message.clip_id).where(*unseen)))
    rows = [
        Mine(
            clip,
            _asks(clip, now, signatures[clip.id], is_spoken_to=clip.id in spoken_to),
            tuple(consents[clip.id]),
            tuple(signatures[clip.id]),
        )
        for clip in clips
    ]
    order = {ask: place for place, ask in enumerate(Ask)}
    return sorted(rows, key=lambda row: order[row.asks[0]] if row.asks else len(order))


def _asks(
    clip: Clip, now: datetime, signatures: Sequence[CoSignature], *, is_spoken_to: bool
) -> tuple[Ask, ...]:
    state, found = State(clip.state), set()
    if state in _BY_STATE:
        found.add(_BY_STATE[state])
    if state in _SIGNED_BEFORE and not clip.is_vouched:
        found.add(Ask.UNCONFIRMED)
    if state in _SIGNED_BEFORE and signatures:
        answers = {one.state for one in signatures}
        found |= {Ask.REFUSED_SIGNATURE} if SignatureState.REFUSED in answers else set()
        found |= {Ask.SIGNATURES} if SignatureState.WAITING in answers else set()
    ends = clip.consent_until
    if state == State.EXPIRED and ends is not None and ends <= now:
        found.add(Ask.ENDED)
    if state == State.PUBLISHED and ends is not None and ends - RENEWAL_ASKED <= now:
        found.add(Ask.RENEWAL)
    if is_spoken_to and state != State.WITHDRAWN:
        found.add(Ask.MESSAGE)
    return tuple(ask for ask in Ask if ask in found)


def _consents(session: Session, ids: Collection[str]) -> dict[str, list[Consent]]:
    found: dict[str, list[Consent]] = defaultdict(list)
    asked = select(Consent).where(Consent.clip_id.in_(ids)).options(selectinload(Consent.text))
    for one in session.scalars(asked.order_by(Consent.id)):
        found[one.clip_id].append(one)
    return found


def _signatures(session: Session, ids: Collection[str]) -> dict[str, list[CoSignature]]:
    found: dict[str, list[CoSignature]] = defaultdict(list)
    open_ones = (CoSignature.state != SignatureState.AGREED, CoSignature.removed_at.is_(None))
    asked = select(CoSignature).where(CoSignature.clip_id.in_(ids), *open_ones)
    for one in session.scalars(asked.order_by(CoSignature.position)):
        found[one.clip_id].append(one)
    return found


# How we write ------------------------------------------------------------------------------------------


def set_lang(session: Session, person: Person, lang: str) -> None:
    """Write to this person in another language, about earlier clips too; the door knows which there are."""
    person.lang = lang
    session.execute(update(Clip).where(Clip.owner_id == person.id).values(lang=lang))
    session.flush()


def letters_wanted(session: Session, person: Person) -> set[str]:
    """Which of the optional letters this person gets, by topic."""
    asked = select(Refusal.topic).where(Refusal.email_hash == notices.address_hash(person.email or ""))
    return set(OPTIONAL_LETTERS) - set(session.scalars(asked))


def want_letters(session: Session, person: Person, wanted: Collection[str]) -> None:
    """Switch the optional letters: those named on, the others off; kept by the hash of the address."""
    digest, standing = notices.address_hash(person.email or ""), letters_wanted(session, person)
    for topic in OPTIONAL_LETTERS:
        if topic in wanted and topic not in standing:
            session.execute(delete(Refusal).where(Refusal.email_hash == digest, Refusal.topic == topic))
        elif topic not in wanted and topic in standing:
            refusals.refuse(session, digest, topic)
    session.flush()


# The way out -------------------------------------------------------------------------------------------


def ask_to_erase(session: Session, person: Person, *, lang: str) -> None:
    """Write the letter by whose link everything is erased: a borrowed phone must not be enough."""
    occasion = f"erase_confirm:{secrets.token_hex(16)}"
    notices.write(session, notices.NoticeKind.ERASE_CONFIRM, to=person, lang=lang, occasion=occasion)


def erase(session: Session, person: Person, *, lang: str) -> int:
    """Take every clip of this person out of sight and have all of it erased, person too; how many clips.

    The worker erases the clips one by one; each leaves a receipt, and with the last one the person goes and one letter
    tells of all. Staff keep their account, which is the brand's. What this person agreed to in other people's films is theirs, and stays.
    """
    address, clips = person.email or "", clips_of(session, person)
    whole = receipts.new_whole() if len(clips) > 1 else ""
    for clip in clips:
        if clip.state != State.WITHDRAWN:
            withdrawal.withdraw(session, clip, by=OWNER, is_told=False)
        lifecycle.hold(session, clip)
        if not lifecycle.is_being_erased(session, clip):
            withdrawal.erase_request(session, clip, by=OWNER, whole=whole)
    invitations = forgetting.forget_invitations(session, address)
    people.end_owner_sessions(session, person)
    if clips or people.is_staff(person):
        return len(clips)
    people.forget(session, person)
    rows = {"person": 1, **({"invitation": invitations} if invitations else {})}
    facts = {"rows": rows, "left": 0, "is_person_gone": True}
    occasion = f"erased_person:{person.id}"
    notices.write(session, notices.NoticeKind.ERASED, to=address, lang=lang, occasion=occasion, facts=facts)
    return 0
