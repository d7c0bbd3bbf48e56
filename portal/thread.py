"""What an owner and the moderators write to one another, inside the clip's file; by the page or by mail.

Never decides on a clip; never sends (the outbox does).
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session

from portal import lifecycle, notices, people
from portal.database import db_now
from portal.errors import Code, Conflict, TooMuch, Unacceptable
from portal.i18n import format_clock
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Message, Notice, NoticeState, Person, State
from portal.notices import NoticeKind

WORDS_MOST: Final = 2000
UNSEEN_SECONDS: Final = 300.0
"""So long an owner has to see a moderator's message on the page before a letter brings it."""

MOST_A_DAY: Final = 30
"""Messages that one owner may write about one clip in 24 hours."""

BY_OWNER, BY_MODERATOR = "owner", "moderator"
_STAFF = (ActorKind.MODERATOR, ActorKind.ADMIN)
# What a program of the brand writes is the team's word, by nobody in particular.
_TEAM = (*_STAFF, ActorKind.PROGRAM)
_DAY = timedelta(days=1)

# Where our own letters begin in an answer by mail: everything below is ours (templates/email/_letter.txt).
ABOVE: Final = "==="
_OURS = re.compile(r"[>\s]*=== .{1,120} ===\s*")
_ATTRIBUTION = re.compile(
    # "On 3 March 2026, Nadia <…> wrote:"; a date or an address is always in it.
    r"(?=.*[\d@])(?:(?:le|on|am|el|il|op|den)\b.{4,200}|.{2,120}<\S{3,254}>.{0,40})"
    r"\b(?:a écrit|wrote|schrieb.{0,80}|escribió|ha scritto|schreef.{0,80})\s*:",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"[-_\s]{2,}(?:original message|message d['’]origine|message transféré|ursprüngliche nachricht|"
    r"forwarded message|weitergeleitete nachricht)[-_\s]{2,}",
    re.IGNORECASE,
)
_RULE = re.compile(r"_{10,}\s*")
_SIGNED = re.compile(r"-- ?")
_HEADER = re.compile(
    r"\W{0,3}(?:from|de|von|sent|envoyé|gesendet|to|à|an|date|datum|subject|objet|betreff)\W{0,3}\s?:.{1,200}",
    re.IGNORECASE,
)
_HEADERS_IN_A_ROW = 3


def add(
    session: Session,
    clip: Clip,
    words: str,
    *,
    author: Actor,
    via: str = "page",
    at_seconds: float | None = None,
    token: str = "",
    answers: int | None = None,
) -> Message:
    """Put a message into the clip's thread; a moderator's is brought to the owner by a letter if it is not seen.

    Of a mail (`via="mail"`) what it quotes is left out. The same `token` (of a form) with the same words is one
    message. A moderator's settles the owner's messages up to `answers`, the last one on the page it was written on.
    Raises Unacceptable (REQUIRED, TOO_LONG_TEXT over 2000 characters), TooMuch when an owner writes more
    than 30 times a day, Conflict when the clip is erased.
    """
    said = _checked(without_quotes(words) if via == "mail" else words)
    lifecycle.hold(session, clip)
    if clip.state == State.ERASED:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    once = _once(clip, token, said)
    if once is not None and (known := _known(session, once)) is not None:
        return known
    is_ours = author.kind in _TEAM
    if not is_ours:
        _refuse_flood(session, clip)
    message = Message(
        clip_id=clip.id,
        author=BY_MODERATOR if is_ours else BY_OWNER,
        author_id=author.id if author.kind in _STAFF else None,
        words=said,
        at_seconds=at_seconds,
        via=via,
        made_at=db_now(session),
        once=once,
    )
    session.add(message)
    lifecycle.record(session, clip, "message", by=author, detail={"via": via})
    if is_ours:
        settle(session, clip, up_to=answers)
        _bring(session, clip, message)
    return message


def of(session: Session, clip: Clip) -> list[Message]:
    """The whole thread, oldest first."""
    return list(session.scalars(select(Message).where(Message.clip_id == clip.id).order_by(Message.id)))


def has_letters(session: Session, clip: Clip) -> bool:
    """Whether a moderator's message is brought to the owner by a letter, who may have called that off."""
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    if owner is None or not owner.email:
        return False
    return not notices.is_refused(session, NoticeKind.MESSAGE, owner.email)


def letters_of(session: Session, clip: Clip) -> dict[int, str]:
    """How far the letter of each message is, by the message's id; none where nobody is written to."""
    told = select(Notice.about, Notice.state).where(
        Notice.clip_id == clip.id, Notice.kind == NoticeKind.MESSAGE
    )
    return {int(about): state for about, state in session.execute(told)}


def seen_by_owner(session: Session, clip: Clip, *, up_to: int) -> None:
    """The owner had everything up to this message on a page: letters that have not left stay here."""
    seen = session.scalars(_unseen(clip, BY_MODERATOR).where(Message.id <= up_to)).all()
    if not seen:
        return
    session.execute(update(Message).where(Message.id.in_(seen)).values(seen_at=db_now(session)))
    session.execute(
        update(Notice)
        .where(
            Notice.occasion.in_([_occasion(key) for key in seen]),
            Notice.state == NoticeState.WAITING,
        )
        .values(state=NoticeState.CANCELLED)
    )


def settle(session: Session, clip: Clip, *, up_to: int | None) -> None:
    """The owner's messages up to this one are dealt with (None: none). A person says so; opening a page does not."""
    waiting = session.scalars(_unseen(clip, BY_OWNER).where(Message.id <= (up_to or 0))).all()
    session.execute(update(Message).where(Message.id.in_(waiting)).values(seen_at=db_now(session)))


def unanswered(session: Session, clip_ids: Iterable[str]) -> dict[str, int]:
    """How many of the owner's messages nobody has dealt with, by clip; those without are absent."""
    asked = (
        select(Message.clip_id, func.count())
        .where(Message.clip_id.in_(list(clip_ids)), *_UNANSWERED)
        .group_by(Message.clip_id)
    )
    return {clip_id: found for clip_id, found in session.execute(asked)}  # noqa: C416 - Row is no pair


def waiting_count(session: Session) -> int:
    """How many clips have an owner's message that nobody has dealt with."""
    return session.scalar(select(func.count(func.distinct(Message.clip_id))).where(*_UNANSWERED)) or 0


def is_waiting() -> ColumnElement[bool]:
    """The condition on Clip: an owner's message waits for us."""
    return Clip.id.in_(select(Message.clip_id).where(*_UNANSWERED))


def told(session: Session, notice: Notice) -> dict[str, str]:
    """What the letter that brings a message says: whose it is, the words, the place in the film."""
    message = session.get(Message, int(notice.about or 0))
    if message is None:
        return {}
    author = people.names(session, {message.author_id or 0}).get(message.author_id or 0, "")
    at = format_clock(message.at_seconds) if message.at_seconds is not None else ""
    return {"who": author, "words": message.words, "at": at}


def without_quotes(text: str) -> str:
    """What somebody wrote in an answer by mail, without what it quotes, announces as a quote, or signs with."""
    lines = text.replace("\r\n", "\n").replace("\xa0", " ").split("\n")[:2000]
    kept: list[str] = []
    for number, line in enumerate(lines):
        if _is_end(lines, number):
            break
        kept.append(line)
    own = _plain(kept)
    # Whoever writes below the quote is heard too.
    return own or _plain([line for number, line in enumerate(lines) if not _is_mark(lines, number)])


def _plain(lines: list[str]) -> str:
    own = "\n".join(line.rstrip() for line in lines if not line.lstrip().startswith(">"))
    return re.sub(r"\n{3,}", "\n\n", own).strip()


def _is_end(lines: list[str], number: int) -> bool:
    line = lines[number][:500]
    if _SIGNED.fullmatch(line) or _is_mark(lines, number):
        return True
    return all(_HEADER.fullmatch(one[:500].strip()) for one in _next_ones(lines, number))


def _is_mark(lines: list[str], number: int) -> bool:
    line = lines[number][:500].strip()
    if any(mark.fullmatch(line) for mark in (_OURS, _ORIGINAL, _RULE, _ATTRIBUTION)):
        return True
    # An announcement may be broken into two lines.
    following = lines[number + 1][:500].strip() if number + 1 < len(lines) else ""
    is_whole = _ATTRIBUTION.fullmatch(following) is not None
    return bool(line and following and not is_whole and _ATTRIBUTION.fullmatch(f"{line} {following}"))


def _next_ones(lines: list[str], number: int) -> list[str]:
    return (lines[number : number + _HEADERS_IN_A_ROW] + [""] * _HEADERS_IN_A_ROW)[:_HEADERS_IN_A_ROW]


def _checked(words: str) -> str:
    said = words.replace("\r\n", "\n").replace("\x00", "").strip()
    if not said:
        raise Unacceptable(Code.REQUIRED, fields={"words": Code.REQUIRED})
    if len(said) > WORDS_MOST:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields={"words": Code.TOO_LONG_TEXT}, most=WORDS_MOST)
    return said


def _once(clip: Clip, token: str, said: str) -> str | None:
    return hashlib.sha256(f"{clip.id}:{token}:{said}".encode()).hexdigest() if token else None


def _known(session: Session, once: str) -> Message | None:
    return session.scalars(select(Message).where(Message.once == once)).one_or_none()


def _refuse_flood(session: Session, clip: Clip) -> None:
    recent = (
        Message.clip_id == clip.id,
        Message.author == BY_OWNER,
        Message.made_at > db_now(session) - _DAY,
    )
    if (session.scalar(select(func.count()).select_from(Message).where(*recent)) or 0) >= MOST_A_DAY:
        raise TooMuch(Code.TOO_OFTEN, retry_after=3600)


def _bring(session: Session, clip: Clip, message: Message) -> None:
    session.flush()
    about = str(message.id)
    notices.tell(
        session, NoticeKind.MESSAGE, clip, occasion=_occasion(message.id), about=about, delay=UNSEEN_SECONDS
    )


def _occasion(message_id: int) -> str:
    return f"message:{message_id}"


def _unseen(clip: Clip, author: str) -> Select[int]:
    return select(Message.id).where(
        Message.clip_id == clip.id, Message.author == author, Message.seen_at.is_(None)
    )


_UNANSWERED = (Message.author == BY_OWNER, Message.seen_at.is_(None))
