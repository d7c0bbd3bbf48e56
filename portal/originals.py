"""A film as its owner sent it, for administrators: a signed address that saves it, with a line in the clip's history.

Reads no byte of it, and never hands out what its owner has taken back.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import desk, lifecycle, readiness
from portal.errors import Code, Missing
from portal.lifecycle import Actor
from portal.models import Clip, Film, State, Upload
from portal.storage import Bucket, Storage
from portal.uploads import EXTENSIONS

LIFE_SECONDS: Final = 600
"""How long the address can be opened; what has begun by then goes on to its end."""

_TAKEN_BACK: Final = (State.WITHDRAWN, State.ERASED)
_USUAL: Final = {"mov": ".mp4", "matroska": ".mkv"}
"""The extension of a container whose file came without one."""

Work = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Handed:
    """Where the original can be fetched for ten minutes, and the name that it is saved under."""

    url: str
    name: str


def hand_out(work: Work, storage: Storage, clip_id: str, *, by: Actor) -> Handed:
    """Sign the original that counts of a clip, else the newest, and write down who took it: the way for doors.

    Raises Missing for no such clip; with ORIGINAL_GONE where no film has come, its file is deleted, or the owner has
    taken the clip back.
    """
    with work() as session:
        key, _name = _original(session, desk.clip_by_id(session, clip_id))
    # Asked between two units of work: nobody waits for the storage.
    if storage.size(Bucket.ORIGINALS, key) is None:
        raise Missing(Code.ORIGINAL_GONE)
    with work() as session:
        clip = desk.clip_by_id(session, clip_id)
        lifecycle.hold(session, clip)
        key, name = _original(session, clip)
        lifecycle.witness(session, clip, "original_taken", by=by)
    return Handed(storage.sign_get(key, ttl=LIFE_SECONDS, download_name=name), name)


def _original(session: Session, clip: Clip) -> tuple[str, str]:
    """The key of the film, and a name for it in which nothing is of a person."""
    film = session.get(Film, clip.film_id) if clip.film_id is not None else None
    film = film or readiness.newest_film(session, clip)
    is_leaving = clip.state in _TAKEN_BACK or lifecycle.is_being_erased(session, clip)
    if film is None or film.erased_at is not None or is_leaving:
        raise Missing(Code.ORIGINAL_GONE)
    return film.key, f"{clip.id}{_ending(session, film)}"


def _ending(session: Session, film: Film) -> str:
    sent = session.scalars(select(Upload.filename).where(Upload.key == film.key).limit(1)).first() or ""
    ending = PurePath(sent).suffix.lower()
    # One of a list: the rest of a name is its sender's.
    return ending if ending in EXTENSIONS else _USUAL.get(str(film.facts.get("container")), ".mp4")
