"""What becomes of a mail to the drop box: a draft, a message in a clip's thread, a refusal, or nothing at all.

Knows no network and moves no bytes. A consent is never taken from a mail: the letter's link asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import Site
from portal import (
    addresses,
    campaigns,
    mail_reading,
    notices,
    people,
    readiness,
    submission,
    thread,
)
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, NotAllowed, PortalError, TooMuch, Unacceptable
from portal.lifecycle import OWNER
from portal.mail_reading import Content, Heading, Verdict
from portal.models import Campaign, Clip, Consent, IncomingMail, Person, State
from portal.notices import NoticeKind
from portal.uploads import ACCEPTING

CHANNEL: Final = "mail"
MAILS_AN_HOUR: Final = 6
"""From one sender; a program that answers every mail of ours stops here at the latest."""

DRAFTS_AN_HOUR: Final = 100
"""From everybody: what is beyond waits at the sender's mail server."""

DRAFTS_AT_ONCE: Final = 3
"""Clips of one sender whose consents are still asked for; each was a letter to that address."""

KEPT: Final = timedelta(days=90)
"""How long a mail is known again; mail servers try for five days."""

_HOUR: Final = timedelta(hours=1)
_WAIT_SECONDS: Final = 900
# The reason of a mail that answers one of our letters.
_ANSWER: Final = "answer"


class Outcome(StrEnum):
    """What became of a mail; `taking`: its draft is there, its film not yet."""

    TAKING = "taking"
    DRAFT = "draft"
    MESSAGE = "message"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Box:
    """The drop box: its address, and the site that it belongs to."""

    inbox: str
    site: Site


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one mail, and the code why where it is refused; `clip_id` is the draft or the thread's clip.

    `is_told`: whoever wrote it is answered by a letter, or waits for none; else the mail server must tell.
    `takes_film`: the mail's film is to be carried to the clip before `close`.
    """

    outcome: Outcome
    mail_id: int = 0
    code: Code | None = None
    clip_id: str | None = None
    is_told: bool = True
    takes_film: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """Whom an address is for: a clip's thread, a call, or (neither) the newest open call."""

    clip: Clip | None = None
    campaign: Campaign | None = None


def must_exist(session: Session, address: str, *, box: Box) -> None:
    """Raise Missing(NO_SUCH_MAILBOX) unless the address is the drop box, one of its calls or a clip's thread."""
    _place(session, address, box)


def is_ours(address: str, *, box: Box) -> bool:
    """Whether an address is of the drop box, whatever stands behind its plus sign."""
    name, _, host = address.strip().casefold().partition("@")
    return (name.partition("+")[0], host) == tuple(box.inbox.casefold().split("@", 1))


def open_mail(session: Session, heading: Heading, content: Content | None, *, address: str, box: Box) -> Fate:
    """Decide on a mail and write down what can be written; `close_mail` follows when its film has arrived.

    `content` is None for a mail too large to be read. The same mail again has the same fate. Raises TooMuch
    (TOO_OFTEN) for a sender or an hour with too many, and while the same mail is in other hands; Missing
    (NO_SUCH_MAILBOX): nothing is written then.
    """
    if (fate := _at_once(session, heading, content)) is not None:
        return fate
    _must_not_be_too_often(session, heading)
    place = _place(session, address, box)
    lang = _language(session, heading, content, box.site)
    mail = _note(session, heading, Outcome.TAKING)
    try:
        with session.begin_nested():
            if place.clip is not None:
                return _message(session, mail, heading, content, place.clip)
            return _draft(session, mail, heading, content, place.campaign, lang=lang, box=box)
    except PortalError as error:
        return _refused(session, mail, heading, error, lang=lang)


def refuse(session: Session, heading: Heading, code: Code, *, box: Box) -> Fate:
    """Refuse a mail whose parts could not be read, by a letter where its sender is proven; raises as `open_mail`."""
    if (fate := _at_once(session, heading, None)) is not None:
        return fate
    _must_not_be_too_often(session, heading)
    lang = _language(session, heading, None, box.site)
    mail = _note(session, heading, Outcome.TAKING)
    return _refused(session, mail, heading, Unacceptable(code), lang=lang)


def close_mail(
    session: Session, fate: Fate, content: Content | None, *, verdict: Verdict, fault: Code | None = None
) -> None:
    """The mail's film is in the storage, or could not be taken (`fault`): from now on it counts as answered."""
    mail = session.get_one(IncomingMail, fate.mail_id)
    if mail.outcome != Outcome.TAKING or mail.clip_id is None:
        return
    clip = session.get_one(Clip, mail.clip_id)
    mail.outcome = Outcome.MESSAGE if mail.reason == _ANSWER else Outcome.DRAFT
    has_film = fate.takes_film and fault is None
    facts = {
        "film": has_film,
        "too_large": content is None,
        "fault": fault.value if fault is not None else "",
        "more": content.more_films if content is not None else 0,
        "others": content.others if content is not None and not has_film else 0,
        "is_proven": verdict is Verdict.PASSED,
        "is_answer": mail.outcome == Outcome.MESSAGE,
    }
    occasion = f"mail_taken:{mail.message_hash}"
    notices.tell(session, NoticeKind.MAIL_TAKEN, clip, occasion=occasion, facts=facts)


def tidy(session: Session) -> int:
    """Forget which mails came more than 90 days ago; how many."""
    old = delete(IncomingMail).where(IncomingMail.received_at < db_now(session) - KEPT)
    return session.execute(old).rowcount  # type: ignore[attr-defined, no-any-return]


def last(session: Session) -> IncomingMail | None:
    """The mail that came last."""
    return session.scalars(select(IncomingMail).order_by(IncomingMail.id.desc()).limit(1)).first()


# Where a mail goes --------------------------------------------------------------------------------------


def _place(session: Session, address: str, box: Box) -> _Place:
    if not is_ours(address, box=box):
        raise Missing(Code.NO_SUCH_MAILBOX)
    word = address.strip().casefold().partition("@")[0].partition("+")[2]
    if not word:
        return _Place()
    clip_id = addresses.clip_of(address, inbox=box.inbox, key=box.site.secret_key)
    clip = session.get(Clip, clip_id) if clip_id is not None else None
    if clip is not None:
        return _Place(clip=clip)
    try:
        return _Place(campaign=campaigns.by_slug(session, word))
    except Missing as error:
        raise Missing(Code.NO_SUCH_MAILBOX) from error


def _message(
    session: Session, mail: IncomingMail, heading: Heading, content: Content | None, clip: Clip
) -> Fate:
    """An answer to one of our letters; the address proves that its writer had the letter, From must be the owner's."""
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    if owner is None or owner.email != heading.sender:
        raise NotAllowed(Code.OTHER_ADDRESS)
    if content is None:
        raise Unacceptable(Code.TOO_LARGE)
    try:
        thread.add(session, clip, content.words, author=OWNER, via=CHANNEL, token=heading.key)
    except Unacceptable as error:
        # A film may come without a word.
        if content.film is None or error.code is not Code.REQUIRED:
            raise
    if heading.verdict is Verdict.PASSED:
        people.vouch(session, clip)
        readiness.settle(session, clip, by=OWNER)
    mail.clip_id, mail.reason = clip.id, _ANSWER
    mail.outcome = Outcome.TAKING if content.film is not None else Outcome.MESSAGE
    return _fate(mail, takes_film=content.film is not None and _may_change(clip, heading))


def _may_change(clip: Clip, heading: Heading) -> bool:
    """Whether a film in an answer becomes the clip's: not for somebody who only writes under the owner's name."""
    return clip.state in ACCEPTING and heading.verdict is Verdict.PASSED


def _draft(
    session: Session,
    mail: IncomingMail,
    heading: Heading,
    content: Content | None,
    campaign: Campaign | None,
    *,
    lang: str,
    box: Box,
) -> Fate:
    wanted = campaign or _newest_open(session)
    _must_have_room(session, heading)
    title = heading.subject[: submission.LONGEST["title"]].rstrip()
    clip, _token = submission.begin(
        session,
        wanted,
        lang=lang,
        texts=submission.Texts(email=heading.sender, title=title),
        consents=(),
        channel=CHANNEL,
        by=OWNER,
        site=box.site,
    )
    if heading.verdict is Verdict.PASSED:
        people.vouch(session, clip)
    mail.clip_id = clip.id
    return _fate(mail, takes_film=content is not None and content.film is not None)


def _newest_open(session: Session) -> Campaign:
    found = campaigns.open_now(session)
    if not found:
        raise Conflict(Code.CAMPAIGN_CLOSED)
    return found[-1]


def _must_have_room(session: Session, heading: Heading) -> None:
    """Raise TooMuch(TOO_MANY_DRAFTS) with the newest one's id when a sender has begun enough and agreed to none."""
    waiting = (
        select(Clip.id)
        .join(Person, Person.id == Clip.owner_id)
        .where(Person.email == heading.sender, Clip.channel == CHANNEL, ~_agreed())
        .where(Clip.state.in_([State.DRAFT, State.UPLOADING, State.PROCESSING, State.FAILED]))
        .order_by(Clip.created_at.desc(), Clip.id)
        .limit(DRAFTS_AT_ONCE)
    )
    drafts = session.scalars(waiting).all()
    if len(drafts) >= DRAFTS_AT_ONCE:
        raise TooMuch(Code.TOO_MANY_DRAFTS, clip_id=drafts[0])


def _agreed() -> ColumnElement[bool]:
    return exists().where(Consent.clip_id == Clip.id, Consent.purpose == "site", Consent.revoked_at.is_(None))


def _must_not_be_too_often(session: Session, heading: Heading) -> None:
    since = db_now(session) - _HOUR
    counted = select(func.count()).select_from(IncomingMail).where(IncomingMail.received_at > since)
    theirs = counted.where(
        IncomingMail.sender_hash == notices.address_hash(heading.sender),
        IncomingMail.reason != Code.MAIL_SPOOFED,
    )
    drafts = counted.where(IncomingMail.outcome.in_([Outcome.TAKING, Outcome.DRAFT]))
    if (session.scalar(theirs) or 0) >= MAILS_AN_HOUR or (session.scalar(drafts) or 0) >= DRAFTS_AN_HOUR:
        raise TooMuch(Code.TOO_OFTEN, retry_after=_WAIT_SECONDS)


def _language(session: Session, heading: Heading, content: Content | None, site: Site) -> str:
    """The language to answer in: what the mail is written in, names in its header, was known, or the site's first."""
    words = f"{heading.subject} {content.words if content is not None else ''}"
    known = people.by_email(session, heading.sender)
    said: Sequence[str] = (
        mail_reading.language_of(words),
        *heading.languages,
        known.lang if known is not None else "",
    )
    return next((code for code in said if code in site.languages), site.default_language)


# What is written down -----------------------------------------------------------------------------------


def _at_once(session: Session, heading: Heading, content: Content | None) -> Fate | None:
    """The fate of a mail that needs no look at what is in it: forged, known, or written by a program."""
    if heading.verdict is Verdict.FAILED:
        # Counts against nobody: whoever stands in From did not write it.
        key = f"{Code.MAIL_SPOOFED}:{heading.key}"[:64]
        mail = _known(session, key) or _note(
            session, heading, Outcome.REFUSED, reason=Code.MAIL_SPOOFED, key=key
        )
        return _fate(mail, is_told=False)
    if (known := _known(session, heading.key)) is not None:
        return _again(session, known, heading, content)
    if heading.robot:
        return _fate(_note(session, heading, Outcome.DROPPED, reason=heading.robot))
    return None


def _again(session: Session, mail: IncomingMail, heading: Heading, content: Content | None) -> Fate:
    """What became of this mail when it came before; its film is carried on where that was cut off."""
    if mail.outcome != Outcome.TAKING or mail.clip_id is None:
        return _fate(mail, is_told=mail.outcome != Outcome.REFUSED or heading.verdict is Verdict.PASSED)
    clip = session.get_one(Clip, mail.clip_id)
    has_film = content is not None and content.film is not None
    is_same_film = clip.state not in ACCEPTING  # It arrived; only the letter is missing.
    return _fate(
        mail, takes_film=has_film and (mail.reason != _ANSWER or is_same_film or _may_change(clip, heading))
    )


def _refused(
    session: Session, mail: IncomingMail, heading: Heading, error: PortalError, *, lang: str
) -> Fate:
    """Refuse for a reason; a letter says so to a proven sender, once a day for each reason."""
    mail.outcome, mail.reason, mail.clip_id = Outcome.REFUSED, error.code.value, None
    is_told = heading.verdict is Verdict.PASSED
    if is_told:
        draft = session.get(Clip, str(error.facts.get("clip_id", "")))
        day = db_now(session).date()
        notices.write(
            session,
            NoticeKind.MAIL_REFUSED,
            to=people.by_email(session, heading.sender) or heading.sender,
            lang=lang,
            occasion=f"mail_refused:{error.code}:{mail.sender_hash[:24]}:{day}",
            clip=draft,
            facts={"reason": error.code.value},
        )
    return _fate(mail, is_told=is_told)


def _known(session: Session, key: str) -> IncomingMail | None:
    return session.scalars(select(IncomingMail).where(IncomingMail.message_hash == key)).one_or_none()


def _note(
    session: Session, heading: Heading, outcome: Outcome, *, reason: str = "", key: str = ""
) -> IncomingMail:
    """Write the mail down before anything is made of it: what comes by two ways at once is taken by one."""
    mail = IncomingMail(
        message_hash=key or heading.key,
        sender_hash=notices.address_hash(heading.sender),
        received_at=db_now(session),
        outcome=outcome,
        reason=str(reason)[:30],
    )
    try:
        with session.begin_nested():
            session.add(mail)
    except IntegrityError as error:
        raise TooMuch(Code.TOO_OFTEN, retry_after=_WAIT_SECONDS) from error
    return mail


def _fate(mail: IncomingMail, *, is_told: bool = True, takes_film: bool = False) -> Fate:
    return Fate(
        outcome=Outcome(mail.outcome),
        mail_id=mail.id,
        code=Code(mail.reason) if mail.outcome == Outcome.REFUSED else None,
        clip_id=mail.clip_id,
        is_told=is_told,
        takes_film=takes_film,
    )
