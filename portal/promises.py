"""What must be true of published films and of the work on them: I2, I7, I8, I13, I23, I28 of docs/architecture.md.

One of the checker's parts beside `fsck.py`, which runs these rules; changes nothing.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import PurePath

from sqlalchemy import select

from portal import leases, workers
from portal.errors import Missing
from portal.ground import Finding, Ground, One, is_whole
from portal.jobs import JobKind
from portal.lifecycle import ActorKind
from portal.models import AuditEvent, Cut, CutState, Decision, State
from portal.storage import Bucket

LONGEST_WORK = timedelta(hours=24)
"""A clip that moves for longer than this needs a person: an outage is waited for so long, and no longer."""

# What a playlist plays, by its own name.
_MEDIA = (".cmfv", ".cmfa")
_NAMED = re.compile(r'URI="([^"]*)"')
_WALLED = ("1", "2", "3")


def approvals(ground: Ground) -> Iterator[Finding]:
    """I2: what is published was approved by somebody with a name, after the film had arrived, and still is."""
    films = {film.id: film for film in ground.films}
    named = _approved_by_programs(ground)
    last = _last_decisions(ground)
    for clip in _published(ground):
        decision, film = last.get(clip.id), films.get(clip.film_id or "")
        if decision is None or decision.verb != "approve":
            yield Finding("I2", clip.id, "is published without a standing approval", "unpublish")
        elif decision.moderator_id is None and (clip.id, decision.clip_version) not in named:
            yield Finding("I2", clip.id, "was approved by nobody in particular")
        elif film is not None and decision.made_at < film.received_at:
            yield Finding("I2", clip.id, "its film is younger than its approval", "unpublish")


def same_films(ground: Ground) -> Iterator[Finding]:
    """I7: the film that was looked at, by its bytes, is the film that is shown."""
    films = {film.id: film for film in ground.films}
    last = _last_decisions(ground)
    for publication in _shown(ground):
        decision = last.get(publication.clip_id)
        if decision is None or decision.verb != "approve":
            continue  # I2 says it.
        film = films.get(publication.film_id)
        if film is None or decision.film_id != film.id or decision.film_sha256 != film.sha256:
            yield Finding("I7", publication.clip_id, "shows another film than was approved", "unpublish")


def whole_ladders(ground: Ground) -> Iterator[Finding]:
    """I8, by rows: a shown cut has its master playlist, a film to download, and what each playlist plays."""
    for publication in _shown(ground):
        names = dict.fromkeys(file[0] for file in ground.files.get(publication.cut_id, ()))
        lacking = [] if "master.m3u8" in names else ["master.m3u8"]
        lacking += [] if any(name.endswith(".mp4") for name in names) else ["an mp4"]
        for name in names:
            stem = name.removesuffix(".m3u8")
            if stem not in (name, "master") and not any(stem + ending in names for ending in _MEDIA):
                lacking.append(f"what {name} plays")
        if lacking:
            yield Finding("I8", publication.clip_id, f"lacks {', '.join(lacking)}", "remake")


def playlists(ground: Ground) -> Iterator[Finding]:
    """I8, by bytes: a playlist names only files of its own cut."""
    for publication in _shown(ground):
        files = ground.files.get(publication.cut_id, [])
        names = {file[0] for file in files}
        for name, _kind, key, size_bytes, _sha256 in files:
            if not name.endswith(".m3u8"):
                continue
            try:
                words = ground.storage.read(Bucket.ORIGINALS, key, 0, max(1, size_bytes))
            except Missing:
                continue  # I6 says it.
            strange = sorted(_mentioned(words.decode(errors="replace")) - names)
            if strange:
                yield Finding("I8", publication.clip_id, f"{name} names {', '.join(strange)}", "remake")


def moving(ground: Ground) -> Iterator[Finding]:
    """I13: a clip that waits for a worker has asked for one, and not for longer than the longest work."""
    ready = {film.id for film in ground.films if film.ready_at is not None}
    newest = {film.clip_id: film for film in sorted(ground.films, key=lambda film: film.number)}
    for clip in ground.clips.values():
        kind = {State.PROCESSING: JobKind.TRANSCODE, State.APPROVED: JobKind.PUBLISH}.get(State(clip.state))
        film = newest.get(clip.id)
        if kind is None or not ground.is_settled(clip) or film is None:
            continue
        if kind is JobKind.TRANSCODE and film.id in ready:
            continue  # The form is not complete: the owner's turn.
        if not ground.has_open(clip.id, kind):
            yield Finding("I13", clip.id, f"is {clip.state}, nobody is asked to {kind}", f"ask_{kind}")
    for job in ground.open_jobs:
        if job.run_after < ground.now - LONGEST_WORK and job.created_at < ground.now - LONGEST_WORK:
            yield Finding("I13", job.clip_id, f"{job.kind} has waited for over a day")


def folders(ground: Ground) -> Iterator[Finding]:
    """I23: no work folder on this machine but those of attempts that are being made."""
    living = leases.running_tokens(ground.session)
    for path, seconds in ground.folders.items():
        if PurePath(path).name not in living and seconds > ground.grace.total_seconds():
            yield Finding("I23", path, "nobody works in this folder any more", "delete_folder")


def known_makers(ground: Ground) -> Iterator[Finding]:
    """I28: of every cut that is shown it is on record with which ffmpeg it was made: one without known holes, behind walls.

    Made anew only where that would help: not by workers without walls, or with the same holes, time and again.
    """
    makers = [
        one for one in workers.known(ground.session) if one.is_alive and not one.unfit and _makes_films(one)
    ]
    is_behind_walls = bool(makers) and all(one.is_jailed for one in makers)
    is_whole = bool(makers) and all(one.is_recent_enough is not False for one in makers)
    remake = "remake" if is_behind_walls and is_whole else ""
    shown = [publication.cut_id for publication in _shown(ground)]
    columns = (Cut.clip_id, Cut.number, Cut.ffmpeg_version, Cut.sandbox)
    for cut in ground.read(select(*columns).where(Cut.id.in_(shown), Cut.state == CutState.ADOPTED)):
        if not cut.ffmpeg_version or not cut.sandbox:
            yield Finding("I28", cut.clip_id, f"nobody knows what made the cut {cut.number}", remake)
        elif cut.sandbox not in _WALLED:
            yield Finding("I28", cut.clip_id, f"the cut {cut.number} was made without walls", remake)
        elif workers.is_fixed(cut.ffmpeg_version) is False:
            made_by = f"the cut {cut.number} was made by ffmpeg {cut.ffmpeg_version}, which has known holes"
            yield Finding("I28", cut.clip_id, made_by, remake)


def _makes_films(worker: workers.Known) -> bool:
    return not worker.lanes or JobKind.REMAKE.queue in worker.lanes


OF_CLIPS: tuple[Callable[[Ground], Iterator[Finding]], ...] = (
    approvals, same_films, whole_ladders, moving, known_makers,
)  # fmt: skip
"""The rules for each portion of clips; `folders` is for the whole, `playlists` for a deep look."""


def _published(ground: Ground) -> list[One]:
    return [clip for clip in ground.clips.values() if clip.state == State.PUBLISHED]


def _shown(ground: Ground) -> Iterator[One]:
    for one in ground.publications:
        clip = ground.clips.get(one.clip_id)
        if clip is not None and clip.state == State.PUBLISHED and is_whole(one) and one.superseded_at is None:
            yield one


def _last_decisions(ground: Ground) -> dict[str, One]:
    columns = (
        Decision.clip_id, Decision.clip_version, Decision.verb, Decision.moderator_id, Decision.made_at,
        Decision.film_id, Decision.film_sha256,
    )  # fmt: skip
    standing = select(*columns).where(Decision.clip_id.in_(list(ground.clips)), Decision.undone_at.is_(None))
    return {decision.clip_id: decision for decision in ground.read(standing.order_by(Decision.id))}


def _approved_by_programs(ground: Ground) -> set[tuple[str, int]]:
    """Approvals by a token, which has a name and an owner too: (clip, the version that was approved)."""
    asked = select(AuditEvent.clip_id, AuditEvent.clip_version).where(
        AuditEvent.clip_id.in_(list(ground.clips)),
        AuditEvent.verb == "approve",
        AuditEvent.actor_kind == ActorKind.PROGRAM,
        AuditEvent.actor_id.is_not(None),
    )
    # The trail holds the version after the move.
    return {(clip_id or "", (version or 0) - 1) for clip_id, version in ground.session.execute(asked)}


def _mentioned(playlist: str) -> set[str]:
    lines = [line.strip() for line in playlist.splitlines()]
    plain = {line for line in lines if line and not line.startswith("#")}
    return plain | {name for line in lines for name in _NAMED.findall(line)}
