"""What moderators do with clips: claim, note, correct, decide, undo; what they see comes from desk.py.

A decision counts for the version that was looked at; whoever comes second gets a Conflict, nothing is overwritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from portal import (
    captions,
    cuts,
    lifecycle,
    notices,
    readiness,
    search,
    signals,
    signatures,
    terms,
    themes,
)
from portal.corrections import EDITABLE, checked_title, edit, person_of
from portal.database import db_now
from portal.desk import (
    Happening,
    Row,
    Sheet,
    clip_by_id,
    count,
    counts,
    history,
    late_count,
    next_clip,
    place_of,
    promised_by,
    queue,
    sheet,
)
from portal.errors import Code, Conflict, NotAllowed, Unacceptable
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.models import (
    Clip,
    Decision,
    Film,
    Job,
    JobState,
    Note,
    Person,
    Reason,
)
from portal.notices import NoticeKind

__all__ = [
    "EDITABLE",
    "Happening",
    "Row",
    "Sheet",
    "clip_by_id",
    "count",
    "counts",
    "edit",
    "history",
    "late_count",
    "next_clip",
    "place_of",
    "promised_by",
    "queue",
    "sheet",
]

UNDO_SECONDS: Final = 10.0
"""How long a decision waits before the worker acts on it and the owner is told."""
CLAIM_SECONDS: Final = 300
WORDS_MOST: Final = 2000
LINE_MOST: Final = 500
PUBLISH_AHEAD_MOST: Final = timedelta(days=366)
_TWICE: Final = timedelta(minutes=1)


class ReasonCode(StrEnum):
    """Why a clip is sent back, refused or taken down; names and rules: portal/reasons.py."""

    PLATE = "plate"
    PERSON = "person"
    MINOR = "minor"
    DRIVING = "driving"
    MUSIC = "music"
    SOUND = "sound"
    PICTURE = "picture"
    TOO_LONG = "too_long"
    SECRET = "secret"  # noqa: S105 - a code, no secret
    OFF_TOPIC = "off_topic"
    NOT_OWNER = "not_owner"
    ILLEGAL = "illegal"
    PERSONAL_DATA = "personal_data"
    HIDDEN_AD = "hidden_ad"
    UNUSABLE = "unusable"

    @property
    def is_fixable(self) -> bool:
        """Whether the owner can mend it: it may stand in a request for changes."""
        return self in _FIXABLE

    @property
    def is_final(self) -> bool:
        """Whether the published rules name it as ground for refusing or taking down."""
        return self in _FINAL


_R = ReasonCode
_FIXABLE = frozenset({
    _R.PLATE, _R.PERSON, _R.MINOR, _R.DRIVING, _R.MUSIC, _R.SOUND, _R.PICTURE, _R.TOO_LONG, _R.SECRET,
    _R.PERSONAL_DATA, _R.OFF_TOPIC,
})  # fmt: skip
_FINAL = frozenset({
    _R.NOT_OWNER, _R.PERSON, _R.MINOR, _R.DRIVING, _R.MUSIC, _R.ILLEGAL, _R.PERSONAL_DATA, _R.HIDDEN_AD,
    _R.OFF_TOPIC, _R.UNUSABLE,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class GivenReason:
    """One reason as the moderator gives it: code, second of the film, own words."""

    code: str
    at_seconds: float | None = None
    words: str = ""


def claim(session: Session, clip: Clip, person: Person, *, take_over: bool = False) -> bool:
    """Hold the clip softly for five minutes; False when a colleague holds it and it is not taken over.

    A courtesy between colleagues, no lock: decisions look at the version alone.
    """
    now = db_now(session)
    free = or_(Clip.claimed_until.is_(None), Clip.claimed_until < now, Clip.claimed_by_id == person.id)
    held = session.execute(
        update(Clip)
        .where(Clip.id == clip.id, *([] if take_over else [free]))
        .values(claimed_by_id=person.id, claimed_until=now + timedelta(seconds=CLAIM_SECONDS))
        .execution_options(synchronize_session=False)
    )
    session.refresh(clip, ["claimed_by_id", "claimed_until"])
    return bool(held.rowcount)  # type: ignore[attr-defined]


def note(session: Session, clip: Clip, words: str, at_seconds: float | None, *, by: Actor) -> Note:
    """Leave a remark for colleagues; the same one twice within a minute is one.

    Raises Unacceptable when it is empty or too long.
    """
    said, now = _checked_words(words), db_now(session)
    lifecycle.hold(session, clip)
    if (same := _just_noted(session, clip, said, at_seconds, by=by, since=now - _TWICE)) is not None:
        return same
    added = Note(clip_id=clip.id, author_id=person_of(by), at_seconds=at_seconds, words=said, made_at=now)
    session.add(added)
    lifecycle.record(session, clip, "note", by=by)
    return added


def _just_noted(
    session: Session, clip: Clip, words: str, at_seconds: float | None, *, by: Actor, since: datetime
) -> Note | None:
    told = select(Note).where(Note.clip_id == clip.id, Note.made_at > since).order_by(Note.id.desc()).limit(1)
    last = session.scalars(told).first()
    is_same = last is not None and (last.author_id, last.words, last.at_seconds) == (
        person_of(by),
        words,
        at_seconds,
    )
    return last if is_same else None


def approve(  # noqa: PLR0913 - what may be changed with it
    session: Session,
    clip: Clip,
    *,
    by: Actor,
    seen_version: int,
    publish_at: datetime | None = None,
    title: str | None = None,
    themes: list[str] | None = None,
    words: str = "",
    is_typo: bool = False,
    needs_captions: bool = False,
    delay: float = UNDO_SECONDS,
) -> Decision:
    """Accept the clip: the worker publishes it after `delay` seconds, or at `publish_at`.

    `words` is the moderator's own line in the letter to the owner, who is told of another title when it is published,
    unless `is_typo`. `needs_captions`: what is said can be read, checked by a person (else CAPTIONS_UNCHECKED).
    Raises Conflict when the clip is past `seen_version`, another cut of it or a picture that was sent is being made,
    somebody in the film has not agreed, the owner's term ends before, or (INCOMPLETE) something is missing of what
    brought it here; Unacceptable for title or themes.
    """
    _check_all_seen(session, clip)
    signatures.check(session, clip)
    terms.check(session, clip, at=publish_at)
    line = _checked_line(words)
    former, clean = clip.title, clip.title if title is None else checked_title(title)
    _check_whole(session, clip, title=clean)
    _check_captions(session, clip, are_needed=needs_captions)
    changed = ["title"] if clean != former else []
    lifecycle.move(
        session,
        clip,
        "approve",
        by=by,
        seen_version=seen_version,
        delay=_wait_until(publish_at, db_now(session), least=delay),
        detail={"fields": changed} | ({"typo": True} if is_typo else {}) if changed else None,
        title=clean,
        publish_at=publish_at,
    )
    if themes is not None:
        _set_themes(session, clip, themes, changed)
    search.text_of(clip)
    decision = _decide(session, clip, "approve", [], by=by, seen_version=seen_version)
    decision.words, decision.title_was = line, None if clean == former or is_typo else former
    session.flush()
    return decision


def _check_all_seen(session: Session, clip: Clip) -> None:
    """Raise Conflict while something is being made of the clip that no moderator can have looked at."""
    at: dict[str, Any] = {"verb": "approve", "state": clip.state, "version": clip.version}
    if cuts.is_being_edited(session, clip):
        raise Conflict(Code.CUT_IN_THE_MAKING, **at)
    if _is_picture_unseen(session, clip):
        raise Conflict(Code.PICTURE_IN_THE_MAKING, **at)


def _check_whole(session: Session, clip: Clip, *, title: str) -> None:
    """Raise Conflict when the clip, under this title, lacks something of what brought it into review."""
    lacks = [what for what in readiness.missing(session, clip) if what != "title" or not title]
    if lacks:
        raise Conflict(Code.INCOMPLETE, missing=lacks, state=clip.state, version=clip.version)


def waits_for_captions(session: Session, clip: Clip) -> bool:
    """Whether something is said in the film, as it is shown, that no person has made sure can be read."""
    film = session.get(Film, clip.film_id) if clip.film_id is not None else None
    return film is not None and captions.are_wanting(session, clip, speaks=signals.is_speech_found(film))


def _check_captions(session: Session, clip: Clip, *, are_needed: bool) -> None:
    if are_needed and waits_for_captions(session, clip):
        fields = {"captions": Code.CAPTIONS_UNCHECKED}
        raise Conflict(Code.CAPTIONS_UNCHECKED, fields=fields, state=clip.state, version=clip.version)


def _is_picture_unseen(session: Session, clip: Clip) -> bool:
    """Whether a photograph that somebody sent would be shown without a moderator having seen it."""
    asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == JobKind.POSTER)
    waiting = asked.where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    return clip.still_key is not None and session.scalars(waiting.limit(1)).first() is not None


def request_changes(
    session: Session,
    clip: Clip,
    reasons: list[GivenReason],
    *,
    by: Actor,
    seen_version: int,
    delay: float = UNDO_SECONDS,
) -> Decision:
    """Ask the owner to mend something, for at least one fixable reason; the mail leaves after `delay` seconds."""
    checked = _checked_reasons(reasons, _FIXABLE)
    lifecycle.move(session, clip, "request_changes", by=by, seen_version=seen_version, detail=_codes(checked))
    decision = _decide(session, clip, "request_changes", checked, by=by, seen_version=seen_version)
    _tell(session, NoticeKind.CHANGES_REQUESTED, clip, decision, delay)
    return decision


def reject(
    session: Session,
    clip: Clip,
    reason: str,
    words: str,
    *,
    by: Actor,
    seen_version: int,
    at_seconds: float | None = None,
    delay: float = UNDO_SECONDS,
) -> Decision:
    """Refuse the clip for a reason of the published rules and in own words; the owner reads both."""
    checked = _checked_reasons([GivenReason(reason, at_seconds, _checked_words(words))], _FINAL)
    lifecycle.move(session, clip, "reject", by=by, seen_version=seen_version, detail=_codes(checked))
    decision = _decide(session, clip, "reject", checked, by=by, seen_version=seen_version)
    _tell(session, NoticeKind.REJECTED, clip, decision, delay)
    return decision


def unpublish(
    session: Session, clip: Clip, reason: str, words: str, *, by: Actor, seen_version: int
) -> Decision:
    """Take the clip down at once, for a reason and in own words; the owner is told both."""
    checked = _checked_reasons([GivenReason(reason, None, _checked_words(words))], _FINAL)
    lifecycle.move(session, clip, "unpublish", by=by, seen_version=seen_version, detail=_codes(checked))
    decision = _decide(session, clip, "unpublish", checked, by=by, seen_version=seen_version)
    _tell(session, NoticeKind.REMOVED, clip, decision, 0.0)
    return decision


def reopen(session: Session, clip: Clip, *, by: Actor, seen_version: int) -> None:
    """Look at a refused, removed or expired clip again.

    Raises NotAllowed to the moderator whose own decision it was: a second look is somebody else's; an
    administrator may always. Raises Conflict(TERM_OVER) while the owner has not prolonged a term that is over.
    """
    if not may_reopen(session, clip, by=by):
        raise NotAllowed(Code.OWN_DECISION)
    terms.check(session, clip)
    lifecycle.move(session, clip, "reopen", by=by, seen_version=seen_version)


def may_reopen(session: Session, clip: Clip, *, by: Actor) -> bool:
    """Whether this hand may ask for a second look: a moderator not at the own decision, an administrator always."""
    return clip.id not in own_last_words(session, [clip], by=by)


def own_last_words(session: Session, clips: Sequence[Clip], *, by: Actor) -> set[str]:
    """The ids of those clips whose last decision was this moderator's own; of none for anybody else."""
    if by.kind != ActorKind.MODERATOR:
        return set()
    among = Decision.clip_id.in_([clip.id for clip in clips])
    last = select(func.max(Decision.id)).where(among, Decision.undone_at.is_(None)).group_by(Decision.clip_id)
    own = select(Decision.clip_id).where(Decision.id.in_(last), Decision.moderator_id == by.id)
    return set(session.scalars(own))


def was_decided(session: Session, clip: Clip, verb: str, *, by: Actor, seen_version: int) -> bool:
    """Whether this hand has decided just this about just this version, and it stands: the button was pressed twice."""
    last = _last_decision(session, clip)
    if last is None or last.moderator_id is None or last.moderator_id != person_of(by):
        return False
    return (last.verb, last.clip_version) == (verb, seen_version)


def undo(session: Session, clip: Clip, *, by: Actor, within: float = UNDO_SECONDS) -> None:
    """Take back one's own last decision, within `within` seconds and before anything came of it.

    Raises NotAllowed for somebody else's, Conflict(UNDO_TOO_LATE) afterwards.
    """
    last = _last_decision(session, clip)
    if last is None or clip.state not in lifecycle.TRANSITIONS["undo"].sources:
        raise Conflict(Code.UNDO_TOO_LATE)
    if last.moderator_id is None or last.moderator_id != person_of(by):
        raise NotAllowed(Code.NOT_ALLOWED)
    now = db_now(session)
    if (now - last.made_at).total_seconds() > within:
        raise Conflict(Code.UNDO_TOO_LATE)
    # The owner was to be told of another title: it was never published, and is the owner's again.
    former: dict[str, Any] = {} if last.title_was is None else {"title": last.title_was}
    lifecycle.move(session, clip, "undo", by=by, detail={"decision": last.id}, **former)
    search.text_of(clip)
    last.undone_at, last.title_was = now, None
    kinds = {"request_changes": NoticeKind.CHANGES_REQUESTED, "reject": NoticeKind.REJECTED}
    if (kind := kinds.get(last.verb)) is not None:
        notices.cancel(session, clip, kind)
    session.flush()


def undo_left(session: Session, clip: Clip, *, by: Actor, within: float = UNDO_SECONDS) -> tuple[str, float]:
    """The verb of one's own last decision and how many seconds `undo` would still take it back; else ("", 0)."""
    last = _last_decision(session, clip)
    if last is None or last.moderator_id is None or last.moderator_id != person_of(by):
        return "", 0.0
    left = within - (db_now(session) - last.made_at).total_seconds()
    is_open = clip.state in lifecycle.TRANSITIONS["undo"].sources
    return last.verb, max(0.0, left) if is_open else 0.0


def _set_themes(session: Session, clip: Clip, slugs: list[str], changed: list[str]) -> list[str]:
    if themes.set_themes(session, clip, slugs):
        changed.append("themes")
    return changed


def _last_decision(session: Session, clip: Clip) -> Decision | None:
    made = select(Decision).where(Decision.clip_id == clip.id, Decision.undone_at.is_(None))
    return session.scalars(made.order_by(Decision.id.desc()).limit(1)).one_or_none()


def _decide(
    session: Session, clip: Clip, verb: str, reasons: list[GivenReason], *, by: Actor, seen_version: int
) -> Decision:
    film = session.get(Film, clip.film_id) if clip.film_id else None
    decision = Decision(
        clip_id=clip.id,
        film_id=film.id if film else None,
        film_sha256=film.sha256 if film else None,
        clip_version=seen_version,
        moderator_id=person_of(by),
        verb=verb,
        made_at=db_now(session),
        reasons=[Reason(code=one.code, at_seconds=one.at_seconds, words=one.words) for one in reasons],
    )
    session.add(decision)
    session.flush()
    return decision


def _tell(session: Session, kind: NoticeKind, clip: Clip, decision: Decision, delay: float) -> None:
    occasion = f"decision:{decision.id}"
    notices.tell(session, kind, clip, occasion=occasion, decision_id=decision.id, delay=delay)


def _codes(reasons: list[GivenReason]) -> dict[str, Any]:
    return {"reasons": [one.code for one in reasons]}


def _checked_reasons(given: list[GivenReason], allowed: frozenset[ReasonCode]) -> list[GivenReason]:
    if not given:
        raise Unacceptable(Code.REQUIRED, fields={"reasons": Code.REQUIRED})
    for one in given:
        if one.code not in allowed:
            raise Unacceptable(Code.UNKNOWN_REASON, fields={"reasons": Code.UNKNOWN_REASON}, reason=one.code)
        if len(one.words) > WORDS_MOST:
            raise Unacceptable(Code.TOO_LONG_TEXT, fields={"words": Code.TOO_LONG_TEXT}, most=WORDS_MOST)
    return [GivenReason(one.code, one.at_seconds, one.words.strip()) for one in given]


def _wait_until(at: datetime | None, now: datetime, *, least: float) -> float:
    """In how many seconds that moment is, `least` where none is given or it is nearer."""
    if at is None:
        return least
    # Compared as it came: the far ends of the calendar cannot be turned into UTC.
    if at > now + PUBLISH_AHEAD_MOST:
        raise Unacceptable(Code.DATE_TOO_FAR, fields={"publish_at": Code.DATE_TOO_FAR})
    return max(least, (at - now).total_seconds())


def _checked_words(words: str) -> str:
    clean = words.strip()
    if not clean:
        raise Unacceptable(Code.REQUIRED, fields={"words": Code.REQUIRED})
    if len(clean) > WORDS_MOST:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields={"words": Code.TOO_LONG_TEXT}, most=WORDS_MOST)
    return clean


def _checked_line(words: str) -> str:
    line = words.strip()
    if len(line) > LINE_MOST:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields={"line": Code.TOO_LONG_TEXT}, most=LINE_MOST)
    return line
