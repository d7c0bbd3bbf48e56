"""What is said in a film: captions made by a machine or written by people, checked by people, shown as its cut shows it.

Times are film time everywhere but in `shown`. Knows no file and no model.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, load_only

from portal import search, workers
from portal.database import db_now
from portal.edits import EditList, Passage
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.i18n import own_name
from portal.jobs import JobKind
from portal.lifecycle import WORKER, Actor, ActorKind, enqueue, hold, record
from portal.models import Caption, Clip, Cut, Film, Job, JobState, State
from portal.webvtt import Cue, checked, from_plain, parse, write

SPEECH, EMBEDDED, PERSON = "speech", "embedded", "person"

STAFFS: Final = frozenset({
    State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED,
})  # fmt: skip
OWNERS: Final = STAFFS - {State.APPROVED, State.PUBLISHED}
"""Owners write until a moderator has decided: what the world reads has been looked at."""

MOST_WORDS: Final = 20_000
MOST_SEARCHED: Final = 2000
"""Bytes: more does not fit into an entry of PostgreSQL's index. 280 different words, five minutes of speech."""

LEFT_OUT: Final = "[…]"
"""Stands where words are cut out of a film, or its sound is muted."""

SURE: Final = 0.8
"""How sure the machine must be of another language before a moderator hears of it."""

_INAUDIBLE: Final = 0.05
_HARDLY_CUT: Final = 0.3
_LANGUAGE = re.compile(r"[a-z]{2,3}")

Word = tuple[float, float, str]
Given = Sequence[tuple[float, float, str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """Captions of one language as a cut shows them: times of the cut, nothing of what it hides."""

    lang: str
    version: int
    is_checked: bool
    is_automatic: bool
    cues: tuple[Cue, ...]


# Reading ---------------------------------------------------------------------------------------------


def of(session: Session, clip: Clip) -> list[Caption]:
    """The captions of the film that counts, those in its own language first."""
    found = session.scalars(select(Caption).where(Caption.film_id == (clip.film_id or ""))).all()
    return sorted(found, key=lambda one: (one.lang != clip.speech_lang, one.lang))


def one(session: Session, clip: Clip, lang: str) -> Caption:
    """The captions in this language; raises Missing."""
    found = _row(session, clip.film_id, lang)
    if found is None:
        raise Missing(Code.MISSING)
    return found


def cues_of(caption: Caption) -> list[Cue]:
    """The cues, in film time."""
    return [Cue(*cue) for cue in caption.cues]


def is_automatic(caption: Caption) -> bool:
    """Whether no person has written or proof-read these captions: wherever they are offered, it is said."""
    return caption.checked_at is None and caption.touched_at is None


def shown(session: Session, clip: Clip, cut: Cut | None) -> list[Shown]:
    """The captions of the clip's film as this cut shows them, in the order of `of`; those left empty are left out."""
    rows = of(session, clip)
    if not rows:
        return []
    edits = EditList() if cut is None else EditList.from_json(cut.edits)
    seconds = seconds_of(session.get(Film, clip.film_id))
    told = [
        Shown(
            row.lang,
            row.version,
            row.checked_at is not None,
            is_automatic(row),
            tuple(_shown(row, edits, seconds)),
        )
        for row in rows
    ]
    return [captions for captions in told if captions.cues]


def said(session: Session, clip: Clip, query: str) -> tuple[str, Cue] | None:
    """Where a word that was searched for is said: language and cue, in the times of the cut that counts.

    None when the clip's own texts have every word; those are looked at first.
    """
    wanted = [word for word in search.words_of(query) if word not in clip.search_text]
    if not wanted:
        return None
    cut = session.get(Cut, clip.cut_id) if clip.cut_id is not None else None
    for one in shown(session, clip, cut):
        for cue in one.cues:
            heard = search.fold(cue.plain)
            if any(word in heard for word in wanted):
                return one.lang, cue
    return None


def are_coming(session: Session, clip: Clip) -> bool:
    """Whether the worker is asked to make captions of this clip."""
    asked = select(Job.id).where(
        Job.clip_id == clip.id,
        Job.kind == JobKind.CAPTIONS,
        Job.state.in_([JobState.QUEUED, JobState.RUNNING]),
    )
    return session.scalars(asked.limit(1)).first() is not None


def are_wanting(session: Session, clip: Clip, *, speaks: bool) -> bool:
    """Whether words can be heard in the clip, as its cut shows it, without captions that a person has checked.

    Those in the language that is spoken count, others where there are none in it. Without any, `speaks` tells whether
    the sound was taken for speech; while a machine listens, nobody knows yet.
    """
    cut = session.get(Cut, clip.cut_id) if clip.cut_id is not None else None
    if of(session, clip):
        read = shown(session, clip, cut)
        own = [one for one in read if one.lang == clip.speech_lang] or read
        return bool(own) and not any(one.is_checked for one in own)
    film = session.get(Film, clip.film_id)
    is_spoken = speaks or (film is not None and bool(film.facts.get("heard_lang")))
    return are_coming(session, clip) or (is_spoken and not _is_silent(film, cut))


def _is_silent(film: Film | None, cut: Cut | None) -> bool:
    """Whether the cut has no sound left."""
    edits = EditList() if cut is None else EditList.from_json(cut.edits)
    seconds = seconds_of(film)
    muted = sum(one.seconds for mute in edits.mutes for one in edits.shown(mute, seconds))
    return bool(edits.mutes) and muted > edits.length(seconds) - _HARDLY_CUT


def seconds_of(film: Film | None) -> float:
    """How long the film is, as measured; a day where nobody has measured it."""
    measured = film.facts.get("duration_seconds") if film is not None else None
    return float(measured) if measured else 86_400.0


_WRITTEN = (Caption.clip_id, Caption.film_id, Caption.lang, Caption.cues)


def unsound(session: Session) -> Iterator[tuple[str, str]]:
    """Every row that is not as this file and `webvtt` leave them: (which, what is wrong); for the checker."""
    whole = select(Caption, Film.clip_id, Clip.state).options(load_only(*_WRITTEN)).select_from(Caption)
    whole = whole.join(Film, Film.id == Caption.film_id).join(Clip, Clip.id == Film.clip_id)
    for row, clip_id, state in session.execute(whole.execution_options(yield_per=500)):
        subject = f"{clip_id} captions {row.lang}"
        if state == State.ERASED or row.clip_id != clip_id:
            yield subject, "belong to no living clip"
            continue
        try:
            cues = cues_of(row)
            if parse(write(cues)) != cues:
                yield subject, "do not read back as they are written"
        except (Unacceptable, TypeError, AttributeError):
            yield subject, "cannot be read"


def is_language(lang: str) -> bool:
    """Whether captions may be kept under this word: a language's short code, and one with a name."""
    return _LANGUAGE.fullmatch(lang) is not None and own_name(lang) != lang


# Writing ---------------------------------------------------------------------------------------------


def replace(
    session: Session,
    clip: Clip,
    lang: str,
    said: str | Given,
    *,
    by: Actor,
    seen_version: int,
    states: frozenset[State] = STAFFS,
) -> Caption:
    """Put a person's captions, a WebVTT or SRT text or cues in film time, in place of those at `seen_version`.

    0 stands for none; what is the same stays as it is. From now on no machine writes here; who has checked the former
    ones has not checked these.
    Raises Conflict when they are past that version or the clip is in none of the `states`, Missing without a film,
    Unacceptable: UNKNOWN_LANGUAGE for "lang", or what `webvtt.parse` finds.
    """
    if not is_language(lang):
        raise Unacceptable(Code.UNKNOWN_LANGUAGE, fields={"lang": Code.UNKNOWN_LANGUAGE})
    row = _at(session, clip, lang, seen_version, states)
    film = session.get(Film, clip.film_id)
    seconds = seconds_of(film)
    cues = parse(said, seconds=seconds) if isinstance(said, str) else _checked(said, seconds)
    if row is not None and cues_of(row) == cues:
        return row
    now = db_now(session)
    if row is None:
        row = Caption(
            clip_id=clip.id, film_id=clip.film_id, lang=lang, origin=PERSON, version=0, created_at=now
        )
    _fill(session, row, clip, cues, ())
    row.touched_at, row.checked_at, row.checked_by_id = now, None, None
    session.flush()
    record(session, clip, "captions_edit", by=by, detail={"lang": lang})
    return row


def delete(session: Session, clip: Clip, lang: str, *, by: Actor, seen_version: int) -> None:
    """Do without captions in this language; raises Conflict as `replace` does, Missing when there are none."""
    row = _there(session, clip, lang, seen_version)
    session.delete(row)
    session.flush()
    record(session, clip, "captions_delete", by=by, detail={"lang": lang})


def check(
    session: Session,
    clip: Clip,
    lang: str,
    *,
    by: Actor,
    seen_version: int,
    is_checked: bool = True,
    states: frozenset[State] = STAFFS,
) -> Caption:
    """Note that a person has proof-read these captions, or take it back; raises Conflict, Missing."""
    row = _there(session, clip, lang, seen_version, states)
    if (row.checked_at is not None) == is_checked:
        return row
    row.checked_at = db_now(session) if is_checked else None
    row.checked_by_id = _person(clip, by) if is_checked else None
    row.version += 1
    session.flush()
    verb = "captions_check" if is_checked else "captions_uncheck"
    record(session, clip, verb, by=by, detail={"lang": lang})
    return row


def from_machine(
    session: Session, film: Film, lang: str, origin: str, cues: Sequence[Cue], words: Sequence[Word] = ()
) -> bool:
    """Keep captions that a machine heard (SPEECH) or found in the file (EMBEDDED); whether it did.

    Never in place of what a person has written or checked, nor of embedded ones by heard ones; nothing is done for
    a clip that is on its way out, for what is no language's code, or when nothing would change.
    """
    if not _LANGUAGE.fullmatch(lang):
        return False
    clip = session.get_one(Clip, film.clip_id)
    hold(session, clip)
    if not cues or film.erased_at is not None or clip.state not in STAFFS:
        return False
    row = _row(session, film.id, lang)
    if row is not None and not _gives_way(row, origin):
        return False
    if row is not None and row.origin == origin and cues_of(row) == list(cues):
        return False
    if row is None:
        now = db_now(session)
        row = Caption(clip_id=clip.id, film_id=film.id, lang=lang, version=0, created_at=now)
    row.origin = origin
    _fill(session, row, clip, cues, words)
    session.flush()
    record(session, clip, "captions_made", by=WORKER, detail={"lang": lang, "origin": origin})
    return True


def heard(session: Session, film: Film, lang: str, probability: float) -> bool:
    """Note which language is heard in the film (`heard_lang` of its facts); whether it is not the declared one."""
    # Others write into the facts too.
    session.refresh(film, with_for_update=True)
    film.facts = {**film.facts, "heard_lang": lang, "heard_probability": probability}
    session.flush()
    declared = session.get_one(Clip, film.clip_id).speech_lang
    return bool(declared) and declared != lang and probability >= SURE


def declared_anew(session: Session, clip: Clip) -> None:
    """Another language was declared than before: hold it against what is heard, and hear what nobody could before."""
    film = session.get(Film, clip.film_id) if clip.film_id is not None else None
    if film is None or film.erased_at is not None or clip.state not in STAFFS:
        return
    if film.facts.get("heard_lang"):
        enqueue(session, clip, JobKind.SIGNALS, film_id=film.id)
    can_be_read = film.facts.get("captions") or workers.hearing(workers.known(session)) == workers.READY
    if can_be_read and not of(session, clip):
        enqueue(session, clip, JobKind.CAPTIONS, film_id=film.id)


def unheard(session: Session, *, at_most: int = 1000) -> list[Clip]:
    """Clips without a word of captions whose film nobody has listened to, nor is asked to; oldest first."""
    asked = (Job.kind == JobKind.CAPTIONS, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    found = (
        select(Clip)
        .join(Film, Film.id == Clip.film_id)
        .where(Clip.state.in_(STAFFS), Film.erased_at.is_(None))
        .where(Film.facts["heard_lang"].as_string().is_(None))
        .where(~exists().where(Caption.film_id == Clip.film_id))
        .where(~exists().where(Job.clip_id == Clip.id, *asked))
    )
    return list(session.scalars(found.order_by(Clip.created_at, Clip.id).limit(at_most)))


def listen(session: Session, clip: Clip) -> bool:
    """Have a machine listen to the clip's film; False where there is no use for that any more."""
    hold(session, clip)
    if clip.film_id is None or clip.state not in STAFFS:
        return False
    enqueue(session, clip, JobKind.CAPTIONS, film_id=clip.film_id)
    return True


def follow(session: Session, clip: Clip) -> None:
    """Another film or cut counts now: nothing but what it lets one hear can be searched for."""
    session.flush()
    for row in session.scalars(select(Caption).where(Caption.clip_id == clip.id)).all():
        row.text = _searchable(session, row, clip)
    session.flush()


def _gives_way(row: Caption, origin: str) -> bool:
    is_ours = row.touched_at is None and row.checked_at is None
    return is_ours and not (row.origin == EMBEDDED and origin == SPEECH)


def _row(session: Session, film_id: str | None, lang: str) -> Caption | None:
    found = select(Caption).where(Caption.film_id == (film_id or ""), Caption.lang == lang)
    return session.scalars(found.execution_options(populate_existing=True)).one_or_none()


def _at(
    session: Session, clip: Clip, lang: str, seen_version: int, states: frozenset[State]
) -> Caption | None:
    """The row at this version, nobody else writing; None where there is none and none was seen."""
    hold(session, clip)
    if clip.film_id is None:
        raise Missing(Code.FILM_MISSING)
    row = _row(session, clip.film_id, lang)
    current = row.version if row is not None else 0
    if clip.state not in states or current != seen_version:
        raise Conflict(Code.CONFLICT, state=clip.state, version=current)
    return row


def _there(
    session: Session, clip: Clip, lang: str, seen_version: int, states: frozenset[State] = STAFFS
) -> Caption:
    """As `_at`, where there must be one."""
    one(session, clip, lang)
    row = _at(session, clip, lang, seen_version, states)
    if row is None:
        raise Missing(Code.MISSING)
    return row


def _checked(said: Given, seconds: float) -> list[Cue]:
    return checked(((f"cues.{place}", *cue) for place, cue in enumerate(said)), seconds=seconds)


def _fill(session: Session, row: Caption, clip: Clip, cues: Sequence[Cue], words: Sequence[Word]) -> None:
    """Write cues and words into the row, and add it: only now is everything in it that the database asks for."""
    row.cues = [[one.start, one.end, one.text] for one in cues]
    row.words = [[round(start, 3), round(end, 3), word] for start, end, word in words[:MOST_WORDS]]
    row.version += 1
    row.text = _searchable(session, row, clip)
    row.changed_at = db_now(session)
    session.add(row)


def _person(clip: Clip, by: Actor) -> int | None:
    """Whose hand it was; a program's key is no person."""
    if by.kind in (ActorKind.MODERATOR, ActorKind.ADMIN):
        return by.id
    return clip.owner_id if by.kind == ActorKind.OWNER else None


def _searchable(session: Session, row: Caption, clip: Clip) -> str:
    """Every word that can be heard, folded, once: what is searched for is words. Empty for a film that counts no more."""
    if row.film_id != clip.film_id:
        return ""
    cut = session.get(Cut, clip.cut_id) if clip.cut_id is not None else None
    edits = EditList.from_json(cut.edits) if cut is not None else EditList()
    seconds = seconds_of(session.get(Film, row.film_id))
    heard = search.fold(" ".join(cue.plain for cue in _shown(row, edits, seconds)))
    whole = " ".join(dict.fromkeys(heard.split())).encode()
    if len(whole) <= MOST_SEARCHED:
        return whole.decode()
    return whole[:MOST_SEARCHED].decode(errors="ignore").rpartition(" ")[0]


# What a cut shows --------------------------------------------------------------------------------------


def _shown(row: Caption, edits: EditList, seconds: float) -> Iterator[Cue]:
    if edits.is_empty:
        yield from cues_of(row)
        return
    hidden = _hidden(edits, seconds)
    words = [Said(Passage(start, end), word) for start, end, word in row.words]
    for cue in cues_of(row):
        whole = Passage(cue.start, cue.end)
        places = edits.shown(whole, seconds)
        text = _audible(cue, words, hidden) if places else ""
        if text:
            yield Cue(round(places[0].start, 3), round(places[-1].end, 3), text)


@dataclass(frozen=True, slots=True)
class Said:
    """A word and when it is said."""

    at: Passage
    word: str


def _hidden(edits: EditList, seconds: float) -> list[Passage]:
    """What cannot be heard of the film, cut out or muted: in order, nothing twice."""
    gone, at = list(edits.mutes), 0.0
    for kept in edits.kept(seconds):
        gone.append(Passage(at, kept.start))
        at = kept.end
    gone.append(Passage(at, max(seconds, at) + 86_400.0))
    joined: list[Passage] = []
    for one in sorted(gone):
        if joined and one.start <= joined[-1].end:
            joined[-1] = Passage(joined[-1].start, max(joined[-1].end, one.end))
        else:
            joined.append(one)
    return joined


def _audible(cue: Cue, words: Sequence[Said], hidden: Sequence[Passage]) -> str:
    """The cue's words that can be heard; where nobody knows when each is said, all of them or none."""
    whole = Passage(cue.start, cue.end)
    lost = _common(whole, hidden)
    if lost <= _INAUDIBLE:
        return cue.text
    if lost >= whole.seconds - _INAUDIBLE:
        return ""
    said = [one for one in words if whole.start <= (one.at.start + one.at.end) / 2 <= whole.end]
    if not said:
        return cue.text if lost <= min(_HARDLY_CUT, whole.seconds / 5) else LEFT_OUT
    heard: list[str] = []
    for one in said:
        if _common(one.at, hidden) <= _INAUDIBLE:
            heard.append(one.word.strip())
        elif not heard or heard[-1] != LEFT_OUT:
            heard.append(LEFT_OUT)
    return from_plain(" ".join(heard)) if set(heard) != {LEFT_OUT} else ""


def _common(passage: Passage, others: Iterable[Passage]) -> float:
    """How much of a passage the others cover, in seconds."""
    return sum(max(0.0, min(passage.end, one.end) - max(passage.start, one.start)) for one in others)
