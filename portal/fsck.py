"""The database against the buckets: what must always be true, looked at without changing anything, then repaired.

Numbers are those of the invariants in docs/architecture.md. Here are the rules about the record alone; those about
objects are in `holdings.py`, those about published films in `promises.py`. Goes by portions (`rounds.py`): 100 000
clips with 2.5 million files take about a minute of processor time on SQLite (`make bench ONLY=fsck`), and listing a
million objects 30 to 60 s besides.
"""

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import groupby, islice
from pathlib import Path

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal import captions, cuts, forgetting, holdings, promises, rounds
from portal.errors import Away, PortalError
from portal.ground import Finding, Ground, of_clips, of_tokens, plain
from portal.jobs import JobKind
from portal.lifecycle import TRANSITIONS
from portal.mending import REPAIRS
from portal.models import (
    AuditEvent,
    Consent,
    ConsentText,
    Decision,
    JobState,
    Notice,
    NoticeState,
    Reason,
    State,
)
from portal.rounds import Work, owner
from portal.storage import Storage, StoredObject

log = logging.getLogger(__name__)

GRACE_SECONDS = 180.0
"""Twice the lease: what moves at this moment is not yet wrong."""

_NOTICE_LATE = timedelta(hours=24)
_WITH_CONSENT = (State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED)
_UNCOUNTED = (JobKind.RETRACT, JobKind.ERASE)
_MULTIPARTS = 500

_Rule = Callable[[Ground], Iterator[Finding]]


def check(
    read: Work,
    storage: Storage,
    *,
    grace_seconds: float = GRACE_SECONDS,
    deep: bool = False,
    scratch: Path | None = None,
) -> list[Finding]:
    """Everything that is not as it must be; changes nothing. `deep` also reads published bytes and compares SHA-256.

    `scratch` is this machine's work folder, where it has one.
    """
    rules, grace = (_DEEP if deep else _USUAL), timedelta(seconds=grace_seconds)
    found: list[Finding] = []
    with _by_count_alone():
        for some in _found(read, storage, rules, grace, scratch):
            found += some
            # What little hangs together is looked for once a portion, among what is young.
            gc.collect(1)
    return sorted(found, key=lambda one: int(one.invariant.removeprefix("I")))


def tidy(read: Work, work: Work, storage: Storage) -> int:
    """Delete objects and parts that no row names (I3, I5); how many. For the sweeper."""
    found = _found(read, storage, _TIDYING, timedelta(seconds=GRACE_SECONDS))
    return sum(repair(work, storage, some) for some in found)


def repair(work: Work, storage: Storage, findings: Iterable[Finding]) -> int:
    """Do what the findings say can be done without a person and is still to be done; how many were repaired.

    One that cannot be repaired is left to the next look; raises Away when storage or database do not answer.
    """
    done = 0
    wanted = (finding for finding in findings if finding.repair in REPAIRS)
    for (how, whose), some in groupby(wanted, key=lambda one: (one.repair, _whose(one))):
        for finding in _still_so(work, storage, how, whose, list(some)):
            try:
                done += REPAIRS[how](work, storage, finding)
            except Away:
                raise
            except (PortalError, NoResultFound) as error:
                log.warning("not repaired %s %s: %r", finding.invariant, finding.subject, error)
    return done


def _whose(finding: Finding) -> str:
    """The clip or the token that a finding is about, where its rules are asked for those."""
    return owner(finding.subject) if finding.repair.startswith("delete_p") else finding.subject


def _still_so(work: Work, storage: Storage, how: str, whose: str, found: list[Finding]) -> list[Finding]:
    """What the rules behind a finding say now: what was nobody's a minute ago may be shown by now."""
    if how not in _AGAIN:
        return found
    rules, now = _AGAIN[how], timedelta(0)
    stored = [StoredObject(one.subject, 0) for one in found if one.subject != whose]
    with work() as session:
        if how == "delete_public":
            ground = of_tokens(session, storage, now, [whose], public=stored)
        else:
            ground = of_clips(session, storage, now, [whose], private=stored)
        still = {(one.invariant, one.subject) for rule in rules for one in rule(ground)}
    return [one for one in found if (one.invariant, one.subject) in still]


@contextmanager
def _by_count_alone() -> Iterator[None]:
    """Rows that come and go by the million hold no circles: looking for such took a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class _Rules:
    """What is asked of each portion of publications, of clips, of parts, and what of the whole at once.

    Rules under `stored` ask the storage, which may take its time, and need no rows but those of the ground.
    """

    publications: tuple[_Rule, ...]
    clips: tuple[_Rule, ...]
    publications_stored: tuple[_Rule, ...] = ()
    clips_stored: tuple[_Rule, ...] = ()
    multiparts: tuple[_Rule, ...] = (holdings.unfinished,)
    whole: tuple[_Rule, ...] = ()


def _found(
    read: Work, storage: Storage, rules: _Rules, grace: timedelta, scratch: Path | None = None
) -> Iterator[list[Finding]]:
    """What there is to find, by portions; each is a reading transaction of its own, and over when the storage is asked.

    PostgreSQL ends a connection that does nothing for a minute in mid-transaction (`database.IDLE_SECONDS`).
    """

    def judged(
        lay: Callable[[Session], Ground], by: tuple[_Rule, ...], stored: tuple[_Rule, ...] = ()
    ) -> list[Finding]:
        with read() as session:
            ground = lay(session)
            found = [finding for rule in by for finding in rule(ground)]
        return found + [finding for rule in stored for finding in rule(ground)]

    for some in rounds.public(read, storage):
        lay = partial(of_tokens, storage=storage, grace=grace, ids=some.ids, public=some.objects)
        yield judged(lay, rules.publications, rules.publications_stored)
    for some in rounds.private(read, storage):
        lay = partial(of_clips, storage=storage, grace=grace, ids=some.ids, private=some.objects)
        yield judged(lay, rules.clips, rules.clips_stored)
    begun = storage.open_multiparts()
    while parts := list(islice(begun, _MULTIPARTS)):
        yield judged(partial(plain, storage=storage, grace=grace, multiparts=parts), rules.multiparts)
    if rules.whole:
        folders = _folders(scratch) if scratch is not None else {}
        yield judged(partial(plain, storage=storage, grace=grace, folders=folders), rules.whole)


def _folders(scratch: Path) -> dict[str, float]:
    found = [path for path in scratch.iterdir() if path.is_dir()] if scratch.is_dir() else []
    # Of the file system's clock by this machine's: both are its own.
    return {str(path): time.time() - path.stat().st_mtime for path in found}


# The invariants of a portion of clips ---------------------------------------------------------------------


def _history(ground: Ground) -> Iterator[Finding]:
    """I1: every state is in the table, and the audit trail leads to it without a break."""
    at: dict[str, str | None] = {}
    # Past the mapper, and none kept: half a dozen for each clip.
    event = AuditEvent.__table__.c
    columns = (event.clip_id, event.verb, event.from_state, event.to_state)
    trail = select(*columns).where(event.clip_id.in_(list(ground.clips))).order_by(event.id)
    for clip_id, verb, source, target in ground.session.execute(trail):
        if source != at.get(clip_id):
            yield Finding(
                "I1", clip_id, f"{verb} starts at {source}, the one before ended at {at.get(clip_id)}"
            )
        rule = TRANSITIONS.get(verb)
        if rule is not None and (source not in rule.sources or target != rule.target):
            yield Finding("I1", clip_id, f"{verb} cannot lead from {source} to {target}")
        at[clip_id] = target
    for clip in ground.clips.values():
        if clip.state not in set(State):
            yield Finding("I1", clip.id, f"unknown state {clip.state}")
        elif at.get(clip.id) != clip.state:
            yield Finding("I1", clip.id, f"is {clip.state}, its history ends at {at.get(clip.id)}")


def _shown_cuts(ground: Ground) -> Iterator[Finding]:
    """I4, by cuts: what a published clip shows is the cut that counts, or is being replaced by it."""
    newest = {
        one.clip_id: one
        for one in ground.publications
        if one.complete_at is not None and one.deleted_at is None and one.superseded_at is None
    }
    for clip in ground.clips.values():
        shown = newest.get(clip.id)
        if clip.state != State.PUBLISHED or shown is None or shown.cut_id == clip.cut_id:
            continue
        if not ground.has_open(clip.id, JobKind.REPUBLISH):
            yield Finding("I4", clip.id, f"shows the cut {shown.cut_id}, {clip.cut_id} counts", "republish")


def _consents(ground: Ground) -> Iterator[Finding]:
    """I9: whatever is in review or further on has both consents, each with its stored text."""
    asked = (
        select(Consent.clip_id, Consent.purpose)
        .join(ConsentText, ConsentText.id == Consent.text_id)
        .where(Consent.clip_id.in_(list(ground.clips)), Consent.revoked_at.is_(None), ConsentText.body != "")
    )
    given = {(clip_id, purpose) for clip_id, purpose in ground.session.execute(asked)}
    for clip in ground.clips.values():
        if clip.state in _WITH_CONSENT:
            for purpose in ("site", "adult"):
                if (clip.id, purpose) not in given:
                    yield Finding("I9", clip.id, f"is {clip.state} without the consent {purpose}")


def _taken_back(ground: Ground) -> Iterator[Finding]:
    """I10: nothing of a clip out of sight is on record as public."""
    for publication in ground.publications:
        clip = ground.clips.get(publication.clip_id)
        if clip is None or publication.deleted_at is not None:
            continue
        if clip.state in holdings.OUT_OF_SIGHT and ground.is_settled(clip):
            how = "" if ground.has_open(clip.id, JobKind.RETRACT) else "retract"
            yield Finding(
                "I10", clip.id, f"is {clip.state}, publication {publication.id} is not deleted", how
            )


def _forgotten(ground: Ground) -> Iterator[Finding]:
    """I11, by rows: of an erased clip no word is left, nor whatever its person could be known by."""
    gone = [clip.id for clip in ground.clips.values() if clip.state == State.ERASED]
    if gone:
        for clip_id, table in forgetting.remains(ground.session, gone):
            yield Finding("I11", clip_id, f"something is left in the table {table}")


def _leases(ground: Ground) -> Iterator[Finding]:
    """I12: a running job has a living lease, and no more attempts than it may have."""
    for job in ground.open_jobs:
        if job.state == JobState.RUNNING and (
            job.lease_until is None or job.lease_until < ground.now - ground.grace
        ):
            yield Finding("I12", job.id, f"{job.kind} runs without a lease", "requeue")
        if job.attempt > job.max_attempts and job.kind not in _UNCOUNTED:
            yield Finding("I12", job.id, f"{job.attempt} attempts of {job.max_attempts}")


def _open_jobs(ground: Ground) -> Iterator[Finding]:
    """I14: at most one open job per clip and kind."""
    # The pieces of a long film are shared out under one kind.
    counted = Counter((job.clip_id, job.kind, job.part) for job in ground.open_jobs)
    for (clip_id, kind, _), count in counted.items():
        if count > 1:
            yield Finding("I14", clip_id, f"{count} open jobs of kind {kind}")


def _decisions(ground: Ground) -> Iterator[Finding]:
    """I16: one standing decision per version of a clip; whatever goes against the owner has a reason."""
    standing: set[tuple[str, int]] = set()
    has_reason = exists().where(Reason.decision_id == Decision.id)
    columns = (Decision.id, Decision.clip_id, Decision.clip_version, Decision.verb, Decision.undone_at)
    asked = select(*columns, has_reason.label("has_reason")).where(Decision.clip_id.in_(list(ground.clips)))
    for decision in ground.read(asked.order_by(Decision.id)):
        if decision.verb != "approve" and not decision.has_reason:
            yield Finding("I16", f"decision {decision.id}", f"{decision.verb} without a reason")
        if decision.undone_at is not None:
            continue
        version = (decision.clip_id, decision.clip_version)
        if version in standing:
            yield Finding("I16", decision.clip_id, f"two decisions on version {decision.clip_version}")
        standing.add(version)


# The invariants that the record is asked for as a whole -----------------------------------------------------


def _stranded_cuts(ground: Ground) -> Iterator[Finding]:
    """I13: a cut that is to be made has an open job, one that waits for a moderator has its files."""
    for cut, what in cuts.stranded(ground.session):
        yield Finding("I13", cut.id, f"the cut {cut.number} of {cut.clip_id} {what}", "pick_up_cut")


def _letters(ground: Ground) -> Iterator[Finding]:
    """I15: every letter is sent once, cancelled, or waiting for less than a day."""
    stuck = or_(Notice.lease_until.is_(None), Notice.lease_until < ground.now - ground.grace)
    wrong = (
        (Notice.state == NoticeState.FAILED, "did not leave", "resend"),
        (and_(Notice.state == NoticeState.SENDING, stuck), "was left in mid-sending", "resend"),
        (
            and_(Notice.state == NoticeState.WAITING, Notice.run_after < ground.now - _NOTICE_LATE),
            "waits for over a day",
            "resend",
        ),
        (and_(Notice.state == NoticeState.SENT, Notice.sent_at.is_(None)), "was sent, nobody knows when", ""),
    )
    for which, what, how in wrong:
        for notice_id, kind in ground.session.execute(select(Notice.id, Notice.kind).where(which)):
            yield Finding("I15", f"notice {notice_id}", f"{kind} {what}", how)


def _captions(ground: Ground) -> Iterator[Finding]:
    """I20: captions belong to a living clip and read as we write them, with no markup but ours."""
    for subject, detail in captions.unsound(ground.session):
        yield Finding("I20", subject, detail)


_USUAL = _Rules(
    publications=(holdings.public_objects,),
    clips=(
        _history, _shown_cuts, holdings.unnamed_objects, _consents, _taken_back, holdings.erased,
        holdings.came_back, _forgotten,
        _leases, _open_jobs, _decisions, *promises.OF_CLIPS,
    ),
    publications_stored=(holdings.published_files,),
    clips_stored=(holdings.named_objects,),
    whole=(_stranded_cuts, _letters, _captions, promises.folders),
)  # fmt: skip
_DEEP = replace(
    _USUAL,
    publications_stored=(*_USUAL.publications_stored, holdings.hashes),
    clips_stored=(*_USUAL.clips_stored, promises.playlists),
)
_TIDYING = _Rules(publications=(holdings.public_objects,), clips=(holdings.unnamed_objects,))

# By which rules a repair is looked at again, where one clip or one token is enough to tell.
_AGAIN: dict[str, tuple[_Rule, ...]] = {
    "delete_public": (holdings.public_objects,),
    "delete_private": (holdings.unnamed_objects, holdings.erased),
    "retract": (_taken_back,),
    "republish": (_shown_cuts,),
    "unpublish": (promises.approvals, promises.same_films),
}
