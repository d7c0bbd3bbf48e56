"""The proof of one clip: who agreed to which words, when and by which way, to which film, and what was decided.

Only reads; the studio prints it, the owner's data export holds it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import people, signatures
from portal.database import db_now
from portal.models import (
    AuditEvent,
    Campaign,
    Clip,
    CoAnswer,
    Consent,
    ConsentText,
    CoSignature,
    Decision,
    Film,
    OwnerProof,
)

Row = TypeVar("Row")
_ABOUT_OTHERS = ("cosign_ask", "cosign_agree", "cosign_renew", "cosign_refuse", "cosign_drop")


@dataclass(frozen=True, slots=True)
class Words:
    """The very text that was read; `variant` is the campaign that has words of its own, or empty."""

    purpose: str
    variant: str
    lang: str
    version: int
    sha256: str
    body: str


@dataclass(frozen=True, slots=True)
class Trace:
    """By which way an answer came: the mark of the link, the shortened network address, the program."""

    link: str
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement of the owner; `is_renewed`: it ended because it was given anew in the same moment."""

    purpose: str
    words: Words
    given_at: datetime
    given_via: str
    until: datetime | None
    ended_at: datetime | None
    is_renewed: bool
    trace: Trace


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of somebody else in the film, as it was given; `film` is the number of the film there was then."""

    answer: str
    made_at: datetime
    until: datetime | None
    guardian: str
    film: int | None
    words: Words | None
    trace: Trace


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody else in the film, with every answer, the oldest first.

    Asked at `email`, or without one by a link that the owner hands on. `removed_at`: the owner took the name off the
    list after this person had been asked.
    """

    id: str
    name: str
    is_minor: bool
    email: str
    state: str
    asked_at: datetime | None
    removed_at: datetime | None
    until: datetime | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened between us and the others in the film, in its order."""

    at: datetime
    verb: str
    name: str


@dataclass(frozen=True, slots=True)
class Filmed:
    """One film that was sent for the clip."""

    number: int
    sha256: str | None
    size_bytes: int
    received_at: datetime
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Why:
    """One reason of a decision: its code, the place in the film in seconds, the moderator's own words."""

    code: str
    at_seconds: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """One decision of the moderators about one version, with its reasons."""

    verb: str
    made_at: datetime
    undone_at: datetime | None
    by: str
    version: int
    film_sha256: str | None
    reasons: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """Why the owner counts as one."""

    level: str
    method: str
    reference: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class ProofFile:
    """Everything that shows that one clip may be shown."""

    clip_id: str
    title: str
    first_name: str
    state: str
    campaign: str
    until: datetime | None
    music: str
    music_words: str
    relation: str
    incentive: str
    altered: bool
    owner_level: str
    made_at: datetime
    agreements: tuple[Agreement, ...]
    signatures: tuple[Signature, ...]
    steps: tuple[Step, ...]
    films: tuple[Filmed, ...]
    rulings: tuple[Ruling, ...]
    levels: tuple[Level, ...]


def rows(session: Session, clip: Clip, *, for_owner: bool = False) -> ProofFile:
    """The proof of a clip as it stands now.

    `for_owner` leaves out by which way others answered, which moderator decided, and what was undone before the owner
    heard of it: that is theirs, not the owner's.
    """
    named, given = signatures.every(session, clip), signatures.answers(session, clip)
    texts = _texts(session, clip, given)
    films = _of(session, Film, clip, Film.number)
    numbers = {one.id: one.number for one in films}
    answers: dict[str, list[Answer]] = defaultdict(list)
    for one in given:
        answers[one.signature_id].append(_answer(one, texts, numbers, for_owner=for_owner))
    return ProofFile(
        clip_id=clip.id,
        title=clip.title,
        first_name=clip.first_name,
        state=clip.state,
        campaign=session.get_one(Campaign, clip.campaign_id).slug,
        until=clip.consent_until,
        music=clip.music,
        music_words=clip.music_words,
        relation=clip.relation,
        incentive=clip.incentive,
        altered=clip.altered,
        owner_level=clip.owner_level,
        made_at=db_now(session),
        agreements=_agreements(session, clip, texts),
        signatures=tuple(_signature(one, answers[one.id]) for one in named),
        steps=_steps(session, clip, named),
        films=tuple(
            Filmed(one.number, one.sha256, one.size_bytes, one.received_at, one.id == clip.film_id)
            for one in films
        ),
        rulings=_rulings(session, clip, for_owner=for_owner),
        levels=tuple(
            Level(one.level, one.method, one.reference, one.made_at)
            for one in _of(session, OwnerProof, clip, OwnerProof.id)
        ),
    )


def _of(session: Session, what: type[Row], clip: Clip, order: Any) -> list[Row]:
    return list(session.scalars(select(what).filter_by(clip_id=clip.id).order_by(order)))


def _texts(session: Session, clip: Clip, answers: Sequence[CoAnswer]) -> dict[int, Words]:
    wanted = {one.text_id for one in answers if one.text_id is not None}
    given = select(Consent.text_id).where(Consent.clip_id == clip.id)
    found = session.scalars(
        select(ConsentText).where(ConsentText.id.in_(wanted | set(session.scalars(given))))
    )
    return {
        one.id: Words(one.purpose, one.variant, one.lang, one.version, one.sha256, one.body) for one in found
    }


def _agreements(session: Session, clip: Clip, texts: dict[int, Words]) -> tuple[Agreement, ...]:
    given = _of(session, Consent, clip, Consent.id)
    begun = {(one.purpose, one.given_at) for one in given}
    return tuple(
        Agreement(
            purpose=one.purpose,
            words=texts[one.text_id],
            given_at=one.given_at,
            given_via=one.given_via,
            until=one.until,
            ended_at=one.revoked_at,
            is_renewed=(one.purpose, one.revoked_at) in begun,
            trace=Trace(one.link, one.address, one.agent),
        )
        for one in given
    )


def _signature(one: CoSignature, answers: Sequence[Answer]) -> Signature:
    return Signature(
        id=one.id,
        name=one.name,
        is_minor=one.is_minor,
        email=one.email or "",
        state=one.state,
        asked_at=one.asked_at,
        removed_at=one.removed_at,
        until=one.until,
        answers=tuple(answers),
    )


def _answer(one: CoAnswer, texts: dict[int, Words], films: dict[str, int], *, for_owner: bool) -> Answer:
    return Answer(
        answer=one.answer,
        made_at=one.made_at,
        until=one.until,
        guardian=one.guardian,
        film=films.get(one.film_id or ""),
        words=texts.get(one.text_id or 0),
        trace=Trace("", "", "") if for_owner else Trace(one.link, one.address, one.agent),
    )


def _steps(session: Session, clip: Clip, named: Sequence[CoSignature]) -> tuple[Step, ...]:
    names = {one.id: one.name for one in named}
    events = select(AuditEvent).where(AuditEvent.clip_id == clip.id, AuditEvent.verb.in_(_ABOUT_OTHERS))
    return tuple(
        Step(event.at, event.verb, names.get(event.detail.get("signature", ""), ""))
        for event in session.scalars(events.order_by(AuditEvent.id))
    )


def _rulings(session: Session, clip: Clip, *, for_owner: bool) -> tuple[Ruling, ...]:
    made = [
        one
        for one in _of(session, Decision, clip, Decision.id)
        if not (for_owner and one.undone_at is not None)
    ]
    names = people.names(session, {one.moderator_id for one in made if one.moderator_id is not None})
    return tuple(
        Ruling(
            verb=one.verb,
            made_at=one.made_at,
            undone_at=one.undone_at,
            by="" if for_owner else names.get(one.moderator_id or 0, ""),
            version=one.clip_version,
            film_sha256=one.film_sha256,
            reasons=tuple(Why(reason.code, reason.at_seconds, reason.words) for reason in one.reasons),
        )
        for one in made
    )
