"""Signals: what a moderator should look at in a film, kept, found again and put into words; never a verdict.

The worker measures (`media_jobs/signals`); a signal's sentence lies with it on the record, so that a new kind of signal
is one file. Nothing here changes a clip.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import and_, delete, func, insert, or_, select
from sqlalchemy.orm import Session, aliased

from portal import fingerprints, leases
from portal.database import db_now
from portal.edits import EditList, Passage
from portal.fingerprints import Print
from portal.i18n import format_clock, format_number, own_name
from portal.i18n import gettext as _
from portal.leases import Claim
from portal.models import Caption, Clip, Cut, Film, Fingerprint, FingerprintKey, Job, JobState, Signal, State

UNNAMED: Final = (State.WITHDRAWN, State.ERASED)
"""Clips that their owners took back are never spoken of, not even to a moderator of another one."""

ACTED_ON: Final = (State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED)
"""Clips that a moderator can still do something about, should another one turn out to be alike."""

CANDIDATES: Final = 40
"""How many films are compared in full, of all those that share a key; figures: docs/signals.md."""
NAMED: Final = 5
COLUMNS: Final = 200
"""Of the voice's shape above the timeline."""
_SAYS, _CLIP = "says", "clip"
# On the earlier of two clips that are alike: found when the later one was looked at.
_MIRRORED = "mirrored"
_LOOKED, _VOICE = "looked", "voice"


# What the worker reports ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: a French sentence with %(name)s places, its passage in seconds, its figures.

    Figures are plain values; a name that ends in `_lang` is a language's code, `clip` another clip's id.
    """

    says: str
    at: float | None = None
    until: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of one kind: findings, none of them, or None where it could not be measured.

    `name` says what was looked at, `good` that there was nothing to say.
    """

    kind: str
    name: str
    good: str
    findings: Sequence[Finding] | None
    is_failed: bool = False


@dataclass(frozen=True, slots=True)
class Similar:
    """Another clip with the same file, film, picture or sound (`what`), and where the shared passage begins in both."""

    clip_id: str
    what: str
    at: float = 0.0
    other_at: float = 0.0
    seconds: float = 0.0
    picture: float | None = None
    sound: float | None = None


def keep_print(session: Session, claim: Claim, found: Print, seconds: float) -> bool:
    """Keep what the film looks and sounds like, before others are searched: of two at once, the later sees the other.

    False when the lease is lost.
    """
    if not leases.change(session, claim, heartbeat_at=db_now(session)):
        return False
    film = _locked(session, claim)
    if film is None:
        return True
    session.execute(delete(FingerprintKey).where(FingerprintKey.film_id == film.id))
    session.execute(delete(Fingerprint).where(Fingerprint.film_id == film.id))
    pictures, words = found.as_bytes()
    session.add(
        Fingerprint(film_id=film.id, clip_id=film.clip_id, seconds=seconds, frames=pictures, sound=words)
    )
    session.flush()
    if keys := set(found.keys()):
        session.execute(insert(FingerprintKey), [{"film_id": film.id, "key": key} for key in sorted(keys)])
    return True


def keep(session: Session, claim: Claim, looked: Sequence[Looked], voice: Sequence[int] = ()) -> bool:
    """Put what was found in place of what was found before, and end the job; False when the lease is lost.

    What could not be measured this time keeps what it said before.
    """
    if not leases.done(session, claim):
        return False
    film = _locked(session, claim)
    if film is None:
        return True
    kept = [one.kind for one in looked if one.findings is None]
    named = {finding.facts.get(_CLIP) for one in looked for finding in one.findings or ()}
    for row in session.scalars(select(Signal).where(Signal.film_id == film.id, Signal.kind.not_in(kept))):
        # What another clip's look has told of it stays, unless this one has seen it too.
        if not row.facts.get(_MIRRORED) or row.facts[_CLIP] in named:
            session.delete(row)
    now = db_now(session)
    for one in looked:
        session.add_all(
            Signal(
                clip_id=film.clip_id,
                film_id=film.id,
                kind=one.kind,
                at_seconds=finding.at,
                until_seconds=finding.until,
                facts={**finding.facts, _SAYS: finding.says},
                other_clip_id=finding.facts.get(_CLIP),
                made_at=now,
            )
            for finding in one.findings or ()
        )
    good = {one.kind: one.good for one in looked if one.findings is not None and not one.findings}
    failed = {one.kind: one.name for one in looked if one.is_failed}
    film.facts = {**film.facts, _LOOKED: {"good": good, "failed": failed}, _VOICE: list(voice)}
    film.signals_at = now
    session.flush()
    return True


def tell_others(session: Session, claim: Claim, looked: Sequence[Looked]) -> bool:
    """Say of each clip that this one is like that this one is like it, where a moderator can still act; False when the lease is lost.

    Once for each pair, however often it is said; no longer when nothing is alike any more. Before `keep`, and in a
    unit of work of its own: two clips that are looked at together never wait for one another.
    """
    if not leases.heartbeat(session, claim, 0.9, "look"):
        return False
    kinds = [one.kind for one in looked if one.findings is not None]
    told = {(one.kind, str(each.facts[_CLIP])): each for one in looked for each in _alike(one)}
    others = select(Signal).where(Signal.kind.in_(kinds), Signal.film_id != claim.film_id)
    known: dict[tuple[str, str], bool] = {}
    for row in session.scalars(others.where(Signal.other_clip_id == claim.clip_id)):
        is_mirrored = bool(row.facts.get(_MIRRORED))
        known[row.kind, row.clip_id] = known.get((row.kind, row.clip_id), False) or not is_mirrored
        if is_mirrored:
            session.delete(row)
    session.flush()
    for (kind, clip_id), finding in told.items():
        other = session.get(Clip, clip_id)
        if other is not None and other.state in ACTED_ON and not known.get((kind, clip_id)):
            _mirror(session, claim, kind, finding, other)
    session.flush()
    return True


def _alike(looked: Looked) -> Iterable[Finding]:
    return (finding for finding in looked.findings or () if _CLIP in finding.facts)


def _mirror(session: Session, claim: Claim, kind: str, finding: Finding, other: Clip) -> None:
    of_it = (
        select(func.count()).select_from(Signal).where(Signal.film_id == other.film_id, Signal.kind == kind)
    )
    if other.film_id is None or (session.scalar(of_it) or 0) >= NAMED:
        return
    at, seconds = finding.facts.get("other_at"), float(finding.facts.get("shared_seconds", 0.0))
    facts = {**finding.facts, _CLIP: claim.clip_id, _SAYS: finding.says, _MIRRORED: True}
    if finding.at is not None:
        facts["other_at"] = finding.at
    session.add(
        Signal(
            clip_id=other.id,
            film_id=other.film_id,
            kind=kind,
            at_seconds=at,
            until_seconds=None if at is None else round(at + seconds, 1),
            facts=facts,
            other_clip_id=claim.clip_id,
            made_at=db_now(session),
        )
    )


def _locked(session: Session, claim: Claim) -> Film | None:
    """The film of the claim, held until the end of the transaction: others write into its facts too."""
    film = session.get(Film, claim.film_id) if claim.film_id is not None else None
    if film is None:
        return None
    session.refresh(film, with_for_update=True)
    return film if film.erased_at is None else None


# Others like it ------------------------------------------------------------------------------------------


def similar(session: Session, film: Film) -> list[Similar]:
    """Other people's and other clips with this very file, or with the same film encoded again; the surest first."""
    found = {clip_id: Similar(clip_id, "file") for clip_id in _same_file(session, film)}
    kept = session.get(Fingerprint, film.id)
    if kept is not None:
        mine = Print.from_bytes(kept.frames, kept.sound)
        for clip_id, frames, sound in _candidates(session, film, mine.keys(fingerprints.KEYS_ASKED)):
            like = fingerprints.compare(mine, Print.from_bytes(frames, sound))
            if like is not None and like.what and clip_id not in found:
                found[clip_id] = Similar(
                    clip_id, like.what, like.at, like.other_at, like.seconds, like.picture, like.sound
                )
    return list(found.values())[:NAMED]


def _same_file(session: Session, film: Film) -> Iterable[str]:
    if film.sha256 is None:
        return []
    same = select(Film.clip_id).distinct().join(Clip, Clip.id == Film.clip_id)
    same = same.where(Film.sha256 == film.sha256, Film.erased_at.is_(None), *_others(film))
    return session.scalars(same.order_by(Film.clip_id).limit(NAMED))


def _candidates(session: Session, film: Film, keys: list[int]) -> Iterable[tuple[str, bytes, bytes]]:
    """The films that share the most keys with this one."""
    shared = (
        select(FingerprintKey.film_id, func.count().label("keys"))
        .where(FingerprintKey.key.in_(keys), FingerprintKey.film_id != film.id)
        .group_by(FingerprintKey.film_id)
        .order_by(func.count().desc(), FingerprintKey.film_id)
        .limit(CANDIDATES)
        .subquery()
    )
    whole = (
        select(Fingerprint.clip_id, Fingerprint.frames, Fingerprint.sound)
        .join(shared, shared.c.film_id == Fingerprint.film_id)
        .join(Clip, Clip.id == Fingerprint.clip_id)
        .where(*_others(film))
        .order_by(shared.c["keys"].desc(), Fingerprint.film_id)
    )
    return ((row.clip_id, row.frames, row.sound) for row in session.execute(whole))


def _others(film: Film) -> tuple[Any, ...]:
    # An owner who sends a better version of the same clip repeats nobody.
    return Clip.id != film.clip_id, Clip.state.not_in(UNNAMED)


# What people see -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Other:
    """The other clip that a signal speaks of, as it is now; `at` is where the shared passage begins in it."""

    id: str
    title: str
    state: str
    is_same_owner: bool
    at: float | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One signal in the reader's words; times are those of the cut that is played."""

    kind: str
    at: float | None
    until: float | None
    sentence: str
    facts: dict[str, Any]
    other: Other | None = None


Progress = Literal["waiting", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Look:
    """Everything the checks have said of a film: `state` is waiting, done or failed.

    `good` and `failed` are sentences; `voice` the sound's shape, 0 to 1, over the length of the cut.
    """

    state: Progress
    shown: tuple[Shown, ...] = ()
    good: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    voice: tuple[float, ...] = ()


def of(session: Session, clip: Clip, film: Film | None, cut: Cut | None) -> Look:
    """What to look at in the film as it is shown now, by time; what speaks of the whole film comes first."""
    if film is None:
        return Look("waiting")
    looked = film.facts.get(_LOOKED, {})
    rows = session.scalars(select(Signal).where(Signal.film_id == film.id).order_by(Signal.id)).all()
    others = _named(session, [str(row.facts[_CLIP]) for row in rows if _CLIP in row.facts])
    edits = EditList() if cut is None or cut.film_id != film.id else EditList.from_json(cut.edits)
    seconds = float(film.facts.get("duration_seconds") or clip.seconds or 0.0)
    shown = [one for row in rows for one in _shown(clip, row, others, edits, seconds)]
    # Of a clip that came later, nothing was known when this one was looked at.
    alike = {one.kind for one in shown if one.other is not None}
    good = {kind: words for kind, words in looked.get("good", {}).items() if kind not in alike}
    if _somebody_speaks(session, film):
        # Words were recognised after the sound was measured, and words are the better witness.
        shown = [one for one in shown if one.kind != NO_SPEECH]
    return Look(
        state=_state(session, clip, film, is_any=bool(rows)),
        shown=tuple(sorted(shown, key=lambda one: (one.at is not None, one.at or 0.0))),
        good=tuple(_(words) for words in good.values()),
        failed=tuple(_(words) for words in looked.get("failed", {}).values()),
        voice=tuple(_shape(film.facts.get(_VOICE, ()), edits, seconds)),
    )


def counts(session: Session, clips: Sequence[Clip]) -> dict[str, int]:
    """How many signals each of these clips' films has; one statement. What names a clip taken back is not counted."""
    other = aliased(Clip)
    named = Signal.facts[_CLIP].as_string()
    counted = (
        select(Signal.clip_id, func.count())
        .join(Clip, and_(Clip.id == Signal.clip_id, Clip.film_id == Signal.film_id))
        .outerjoin(other, other.id == named)
        .where(Signal.clip_id.in_([clip.id for clip in clips]))
        .where(or_(named.is_(None), other.state.not_in(UNNAMED)))
        .group_by(Signal.clip_id)
    )
    return {clip_id: found for clip_id, found in session.execute(counted)}  # noqa: C416 - mypy takes no dict() of rows


NO_SPEECH: Final = "no_speech"


def is_speech_found(film: Film) -> bool:
    """Whether the checks took the film's sound for speech; False while nobody has listened, and without sound."""
    return NO_SPEECH in film.facts.get(_LOOKED, {}).get("good", {})


def _state(session: Session, clip: Clip, film: Film, *, is_any: bool) -> Progress:
    if film.signals_at is not None:
        return "done"
    failed = select(Job.id).where(
        Job.clip_id == clip.id, Job.kind == "signals", Job.film_id == film.id, Job.state == JobState.FAILED
    )
    gave_up = session.scalars(failed.limit(1)).first() is not None
    return "failed" if gave_up and not is_any else "waiting"


def _named(session: Session, ids: list[str]) -> dict[str, Clip]:
    """The other clips as they are now, without those that were taken back since."""
    if not ids:
        return {}
    living = select(Clip).where(Clip.id.in_(ids), Clip.state.not_in(UNNAMED))
    return {other.id: other for other in session.scalars(living)}


def _shown(
    clip: Clip, row: Signal, others: dict[str, Clip], edits: EditList, seconds: float
) -> Iterable[Shown]:
    facts = {name: value for name, value in row.facts.items() if name not in (_SAYS, _MIRRORED)}
    other = None
    if _CLIP in facts:
        named = others.get(str(facts[_CLIP]))
        if named is None:
            return
        is_same_owner = named.owner_id is not None and named.owner_id == clip.owner_id
        other = Other(named.id, named.title, named.state, is_same_owner, facts.get("other_at"))
        facts |= {"state": named.state, "same_owner": is_same_owner}
    at, until = row.at_seconds, row.until_seconds
    if at is not None and not edits.is_empty:
        left = edits.shown(Passage(at, max(at + 0.05, until or at)), seconds)
        if not left:
            # Cut out: nobody sees it any more.
            return
        at, until = left[0].start, left[0].end if until is not None else None
    yield Shown(
        row.kind, at, until, sentence(row.kind, str(row.facts.get(_SAYS, "")), at, until, facts), facts, other
    )


def sentence(kind: str, says: str, at: float | None, until: float | None, facts: Mapping[str, Any]) -> str:
    """A signal's sentence in the reader's language, its places filled; a plain one where the sentence is unfit."""
    places = {"kind": kind} | {name: _in_words(name, value) for name, value in facts.items()}
    if at is not None:
        places |= {"at": format_clock(at), "until": format_clock(at if until is None else until)}
    try:
        return _(says, **places) if says else _("Un point à regarder : %(kind)s.", kind=kind)
    except (KeyError, ValueError, TypeError):
        return _("Un point à regarder : %(kind)s.", kind=kind)


def _in_words(name: str, value: Any) -> str:
    if name.endswith("_lang") and isinstance(value, str):
        return own_name(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_number(round(value, 1)).replace("-", "\u2212")
    return str(value)


def _somebody_speaks(session: Session, film: Film) -> bool:
    said = select(Caption.id).where(Caption.film_id == film.id, Caption.text != "")
    return session.scalars(said.limit(1)).first() is not None


def _shape(voice: Sequence[int], edits: EditList, seconds: float) -> Iterable[float]:
    """The voice's shape over the cut: its columns are whole percents over the film."""
    if not voice or seconds <= 0:
        return []
    length = edits.length(seconds)
    places = (edits.film_time((column + 0.5) / COLUMNS * length, seconds) for column in range(COLUMNS))
    return [voice[min(len(voice) - 1, int(at / seconds * len(voice)))] / 100 for at in places]
